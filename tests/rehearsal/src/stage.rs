//! Everything that stands before the play begins: tools, origins, DNS and the local AWS.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::aws::{Aws, FunctionLog};
use crate::certificates::Authority;
use crate::checkers::{self, Checkers};
use crate::local_aws::{ACCOUNT, FunctionEnvironment, LocalAws, free_port};
use crate::narration::{Narration, Seen, Step};
use crate::origins::Origins;
use crate::process::tail;
use crate::python::Environment;
use crate::referee::Referee;
use crate::resolver::Resolver;
use crate::site;
use crate::tools::Tools;
use crate::workplace::Workplace;

/// What a green run does not prove, because something else plays the part.
pub(crate) const SIMULATED: [&str; 4] = [
    "AWS is ministack: it enforces the roles' permissions, and accepts much that AWS refuses; a referee holds every request \
     against AWS's own service models",
    checkers::SIMULATED,
    "CloudFront keeps configurations and serves no traffic; its edges have a new one after two seconds",
    "inspection and application are two small HTTPS servers under a private root",
];

/// The set stage. Fields are dropped from the top: what depends on others first.
pub(crate) struct Stage<'a> {
    pub(crate) narration: &'a Narration,
    checkers: Checkers,
    pub(crate) tools: Tools<'a>,
    pub(crate) aws: Aws,
    local_aws: LocalAws,
    pub(crate) referee: Referee,
    pub(crate) origins: Origins,
    pub(crate) resolver: Arc<Resolver>,
    pub(crate) workplace: &'a Workplace,
}

impl<'a> Stage<'a> {
    pub(crate) async fn set(narration: &'a Narration, workplace: &'a Workplace) -> Result<Self> {
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
        let roots = workplace.run().join("root.pem");
        let (origins, resolver) = narration
            .step("Inspection, application and DNS", async |step| {
                let authority = Authority::new()?;
                authority.write_root(&roots)?;
                let shared = [site::FAILOVER_RECORD, site::SITE];
                let origins = Origins::start(&authority, site::INSPECTION, site::APPLICATION, &shared)?;
                let hosts = [
                    (site::INSPECTION.to_owned(), origins.inspection.address().ip()),
                    (site::APPLICATION.to_owned(), origins.application.address().ip()),
                ];
                let resolver = Arc::new(Resolver::start(hosts.into()).await?);
                step.did(format!("started {} at {}", site::INSPECTION, origins.inspection.address()));
                step.did(format!("started {} at {}", site::APPLICATION, origins.application.address()));
                step.did(format!("started a DNS server for them at {}", resolver.address()));
                Ok((origins, resolver))
            })
            .await?;
        let (referee, local_aws, aws) = narration
            .step("A local AWS, and a referee in front of it", async |step| {
                let port = free_port()?;
                let transcript = workplace.run().join("referee.jsonl");
                let referee = Referee::start(&python.packages()?, &site::UNKNOWN_ELEMENTS, port, &transcript).await?;
                let functions = FunctionEnvironment {
                    endpoint: referee.endpoint(),
                    resolver: resolver.address().to_string(),
                    roots: roots.clone(),
                };
                let local_aws = LocalAws::start(&python, port, &functions, workplace, step).await?;
                let aws = Aws::at(&referee.endpoint(), referee.wire()).await;
                step.did(format!("started account {ACCOUNT} at {}", local_aws.endpoint()));
                step.did(format!("started a referee with AWS's service models at {}", referee.endpoint()));
                Ok((referee, local_aws, aws))
            })
            .await?;
        let checkers = Checkers::start(aws.clone(), local_aws.backstage(), resolver.clone());
        let tools = Tools::new(tools, workplace, local_aws.port(), referee.endpoint());
        Ok(Self { narration, checkers, tools, aws, local_aws, referee, origins, resolver, workplace })
    }

    /// What the local AWS was given as address.
    pub(crate) fn endpoint(&self) -> String {
        self.local_aws.endpoint()
    }

    /// Waits until the protection's alarm is in `state`, and returns since when.
    pub(crate) async fn alarm_in(&self, step: &Step<'_>, state: &str) -> Result<Instant> {
        step.until(&format!("alarm {} in {state}", site::ALARM), Duration::from_secs(60), async || {
            if let Some(trouble) = self.checkers.trouble() {
                return Ok(Seen::NotYet(format!("checkers that cannot work: {trouble}")));
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

/// Compares one text field of an answer, and returns the answer's own sentence about it.
pub(crate) fn expect(answer: &Value, pointer: &str, wanted: &str) -> Result<String> {
    match answer.pointer(pointer).and_then(Value::as_str) {
        Some(found) if found == wanted => Ok(answer["because"].as_str().unwrap_or_default().to_owned()),
        _ => bail!("expected {wanted} at {pointer}, and saw {answer}"),
    }
}
