//! Everything that stands before the play begins: tools, origins, DNS and the local AWS.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::aws::{Aws, FunctionLog};
use crate::certificates::Authority;
use crate::clock::{Clock, Scale};
use crate::cloudwatch::{CloudWatch, Metrics};
use crate::local_aws::{ACCOUNT, FunctionEnvironment, LocalAws, free_port};
use crate::narration::{Narration, Seen, Step};
use crate::origins::Origins;
use crate::process::tail;
use crate::python::Environment;
use crate::referee::Referee;
use crate::route53::{Host, NameServer, Route53};
use crate::site;
use crate::timeline::Timeline;
use crate::tools::Tools;
use crate::workplace::Workplace;

/// What a green run does not prove, because something else plays the part.
pub(crate) fn simulated(scale: Scale) -> [String; 4] {
    [
        "AWS is ministack: it enforces the roles' permissions, and accepts much that AWS refuses; a referee holds every \
         request against AWS's own service models"
            .to_owned(),
        format!(
            "Route 53's checkers and DNS failover and CloudWatch's alarms on them are played by the rehearsal after AWS's \
             documentation: 16 checkers, a datapoint a minute, an alarm 15 s later, all of it at {scale} of real time"
        ),
        format!(
            "CloudFront's edges are played too, for viewers of the outage lab: each takes over a configuration after a drawn 10 s \
             to 5 min at {scale}; a distribution without viewers is deployed after two seconds"
        ),
        "inspection and application are two small HTTPS servers under a private root".to_owned(),
    ]
}

/// Modelled time in which an alarm follows an endpoint: detection, the rest of the minute, a whole one for an alarm that has to
/// be OK again, and CloudWatch's lag.
const ALARM_MOVES: Duration = Duration::from_secs(180);

/// How much longer anything may take on a slow machine.
const SLOW_MACHINE: Duration = Duration::from_secs(60);

/// The set stage. Fields are dropped from the top: what depends on others first.
pub(crate) struct Stage<'a> {
    pub(crate) narration: &'a Narration,
    pub(crate) cloudwatch: CloudWatch,
    pub(crate) route53: Route53,
    pub(crate) tools: Tools<'a>,
    pub(crate) aws: Aws,
    /// Clients past the referee: what happens inside of AWS, and what the rehearsal looks at, are no calls of the product's.
    pub(crate) insides: Aws,
    local_aws: LocalAws,
    pub(crate) referee: Referee,
    pub(crate) origins: Origins,
    pub(crate) name_server: Arc<NameServer>,
    pub(crate) timeline: Arc<Timeline>,
    pub(crate) clock: Clock,
    pub(crate) authority: Authority,
    pub(crate) workplace: &'a Workplace,
}

impl<'a> Stage<'a> {
    /// Everything modelled runs at `scale`.
    pub(crate) async fn set(narration: &'a Narration, workplace: &'a Workplace, scale: Scale) -> Result<Self> {
        let rehearsal = workplace.repository().join("tests/rehearsal");
        let (python, tools) = narration
            .step("The tools: a local AWS, SAM CLI, AWS CLI and cargo-lambda, pinned and private", async |step| {
                let local_aws = rehearsal.join("local_aws/requirements.txt");
                let tools = rehearsal.join("tools/requirements.txt");
                Ok((
                    Environment::of(&local_aws, "local-aws", workplace, step).await?,
                    Environment::of(&tools, "tools", workplace, step).await?,
                ))
            })
            .await?;
        let clock = Clock::start(scale);
        let roots = roots(workplace);
        let (authority, origins, name_server) = narration
            .step("Inspection, application and DNS", async |step| {
                let authority = Authority::new()?;
                authority.write_root(&roots)?;
                // CloudFront asks for every alias where the viewer's Host is forwarded.
                let aliases = [site::SITE, site::ZONE, site::SHOP];
                let records = [site::FAILOVER_RECORD, site::SHOP_RECORD, site::API_RECORD, site::OTHER_RECORD];
                let others = [site::INSPECTION_ALIAS, site::APPLICATION_ALIAS, site::API];
                let shared = [aliases.as_slice(), &records, &others].concat();
                let origins = Origins::start(&authority, clock, site::INSPECTION, site::APPLICATION, &shared)?;
                let (inspection, application) =
                    (Host::at(origins.inspection.address())?, Host::at(origins.application.address())?);
                let hosts = [
                    (site::INSPECTION.to_owned(), inspection),
                    (site::INSPECTION_ALIAS.to_owned(), inspection),
                    (site::APPLICATION.to_owned(), application),
                    (site::APPLICATION_ALIAS.to_owned(), application),
                    (site::API.to_owned(), application),
                ];
                let name_server = Arc::new(NameServer::start(hosts.into()).await?);
                step.did(format!("started {} at {}", site::INSPECTION, origins.inspection.address()));
                step.did(format!("started {} at {}", site::APPLICATION, origins.application.address()));
                step.did(format!("started a DNS server for them at {}", name_server.address()));
                Ok((authority, origins, name_server))
            })
            .await?;
        let (referee, local_aws, aws) = narration
            .step("A local AWS, and a referee in front of it", async |step| {
                let port = free_port()?;
                let transcript = workplace.run().join("referee.jsonl");
                let referee = Referee::start(&python.packages()?, &site::UNKNOWN_ELEMENTS, port, &transcript).await?;
                let functions = FunctionEnvironment {
                    endpoint: referee.endpoint(),
                    resolver: name_server.address().to_string(),
                    roots: roots.clone(),
                };
                let local_aws = LocalAws::start(&python, port, &functions, workplace, step).await?;
                let aws = Aws::at(&referee.endpoint(), referee.wire()).await;
                step.did(format!("started account {ACCOUNT} at {}", local_aws.endpoint()));
                step.did(format!("started a referee with AWS's service models at {}", referee.endpoint()));
                Ok((referee, local_aws, aws))
            })
            .await?;
        let timeline = Arc::new(Timeline::new(clock));
        let metrics = Arc::new(Metrics::default());
        let insides = Aws::at(&local_aws.endpoint(), local_aws.backstage()).await;
        let route53 = Route53::start(
            insides.clone(),
            local_aws.backstage(),
            name_server.clone(),
            timeline.clone(),
            metrics.clone(),
        )?;
        let cloudwatch = CloudWatch::start(insides.clone(), timeline.clone(), metrics);
        let tools = Tools::new(tools, workplace, local_aws.port(), referee.endpoint());
        Ok(Self {
            narration,
            cloudwatch,
            route53,
            tools,
            aws,
            insides,
            local_aws,
            referee,
            origins,
            name_server,
            timeline,
            clock,
            authority,
            workplace,
        })
    }

    /// File with the root of every certificate here.
    pub(crate) fn roots(&self) -> PathBuf {
        roots(self.workplace)
    }

    /// What the local AWS was given as address.
    pub(crate) fn endpoint(&self) -> String {
        self.local_aws.endpoint()
    }

    /// Waits until the protection's alarm is in `state`, and returns since when.
    pub(crate) async fn alarm_in(&self, step: &Step<'_>, state: &str) -> Result<Instant> {
        let patience = SLOW_MACHINE + self.clock.scale().wall(ALARM_MOVES);
        step.until(&format!("alarm {} in {state}", site::ALARM), patience, async || {
            if let Some(trouble) = self.route53.trouble() {
                return Ok(Seen::NotYet(format!("a Route 53 that cannot work: {trouble}")));
            }
            if let Some(trouble) = self.cloudwatch.trouble() {
                return Ok(Seen::NotYet(format!("a CloudWatch that cannot work: {trouble}")));
            }
            let answer = self.aws.cloudwatch.describe_alarms().alarm_names(site::ALARM).send().await?;
            let found = answer.metric_alarms().first().and_then(|alarm| alarm.state_value());
            Ok(match found {
                Some(found) if found.as_str() == state => Seen::Done(Instant::now()),
                Some(found) => Seen::NotYet(found.as_str().to_owned()),
                None => Seen::NotYet("no such alarm".to_owned()),
            })
        })
        .await
    }

    /// What the local AWS itself has logged; asynchronous invocations are in it with all their output.
    pub(crate) fn own_log(&self) -> Result<FunctionLog> {
        let path = self.local_aws.log();
        let text = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        let lines = String::from_utf8_lossy(&text).lines().map(str::to_owned).collect();
        Ok(FunctionLog { group: path.display().to_string(), lines })
    }

    /// Tells what the functions and the local AWS said last.
    pub(crate) async fn explain(&self, lines: usize) {
        match self.aws.function_logs(lines).await {
            Ok(logs) => {
                for log in logs {
                    self.narration.say(&format!("     --- {}, the last lines:", log.group));
                    for line in log.lines {
                        self.narration.say(&format!("     | {line}"));
                    }
                }
            }
            Err(error) => self.narration.say(&format!("     --- the functions' logs cannot be read: {error:#}")),
        }
        self.narration.say(&format!("     --- {}, the last lines:", self.local_aws.log().display()));
        for line in tail(self.local_aws.log(), lines).lines() {
            self.narration.say(&format!("     | {line}"));
        }
    }

    /// Invokes react for the protection and returns its decision.
    pub(crate) async fn decide(&self, react: &str) -> Result<Value> {
        let answer = self.aws.invoke(react, &json!({"action": "decide", "protection": site::PROTECTION})).await?;
        let decision = answer.pointer("/decisions/0").cloned();
        decision.with_context(|| format!("react answered no decision: {answer}"))
    }

    /// Invokes react as the schedule does every minute.
    pub(crate) async fn tick(&self, react: &str) -> Result<()> {
        self.aws.invoke(react, &json!({"action": "tick"})).await.map(drop)
    }
}

fn roots(workplace: &Workplace) -> PathBuf {
    workplace.run().join("root.pem")
}

/// Compares one text field of an answer, and returns the answer's own sentence about it.
pub(crate) fn expect(answer: &Value, pointer: &str, wanted: &str) -> Result<String> {
    match answer.pointer(pointer).and_then(Value::as_str) {
        Some(found) if found == wanted => Ok(answer["because"].as_str().unwrap_or_default().to_owned()),
        _ => bail!("expected {wanted} at {pointer}, and saw {answer}"),
    }
}
