//! The parts of AWS that the local one leaves out: Route 53's health checkers, the DNS failover that follows them, and
//! CloudWatch's evaluation of the alarms on them.
//!
//! They follow the real rules on a shorter clock: a checker does not verify certificates, a verdict changes after the
//! check's own number of consecutive answers, an alarm follows the verdict, a failover record answers with its secondary
//! while its primary is unhealthy. One checker a second stands for many in several regions, and the alarm moves at once
//! instead of at the next minute's datapoint.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use aws_sdk_cloudwatch::types::{ComparisonOperator, MetricAlarm, StateValue};
use aws_sdk_route53::types::{HealthCheck, HealthCheckConfig, ResourceRecordSet, ResourceRecordSetFailover};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::aws::{Aws, Wire};
use crate::certificates::trusting_all;
use crate::resolver::Resolver;

/// What a summary must say about this module.
pub(crate) const SIMULATED: &str = "Route 53's checkers and DNS failover and CloudWatch's alarm evaluation are played by the \
     rehearsal: one probe a second, and an alarm that moves as soon as the verdict does";

/// Time between two probes of a check; the real one is 10 or 30 s for each of many checkers.
const INTERVAL: Duration = Duration::from_secs(1);

/// A checker allows 4 s to connect and 2 s to answer (Route 53 Developer Guide, "How Route 53 determines whether a health
/// check is healthy").
const CONNECT: Duration = Duration::from_secs(4);
const ANSWER: Duration = Duration::from_secs(2);

/// A search string has to be in the first 5,120 bytes.
const SEARCHED_BYTES: usize = 5120;

/// Runs until dropped.
pub(crate) struct Checkers {
    task: JoinHandle<()>,
    /// Why the last round failed, if it did: a play that waits in vain wants to know.
    trouble: Arc<Mutex<Option<String>>>,
}

impl Checkers {
    /// `backstage` leads straight to the local AWS, which is told what a checker found.
    pub(crate) fn start(aws: Aws, backstage: Wire, resolver: Arc<Resolver>) -> Self {
        let trouble = Arc::new(Mutex::new(None));
        let told = trouble.clone();
        let task = tokio::spawn(async move {
            let mut verdicts = BTreeMap::new();
            let mut clock = tokio::time::interval(INTERVAL);
            clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                clock.tick().await;
                let outcome = round(&aws, &backstage, &resolver, &mut verdicts).await;
                if let Ok(mut trouble) = told.lock() {
                    *trouble = outcome.err().map(|error| format!("{error:#}"));
                }
            }
        });
        Self { task, trouble }
    }

    /// What keeps the checkers from working, if anything does.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.trouble.lock().ok().and_then(|trouble| trouble.clone())
    }
}

impl Drop for Checkers {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What Route 53 thinks of one endpoint.
#[derive(Default)]
struct Verdict {
    /// `None` until the first probe.
    healthy: Option<bool>,
    /// Probes in a row that contradict it.
    contradictions: i32,
}

impl Verdict {
    /// One more probe. The first one settles the verdict, later ones need `threshold` in a row to change it.
    fn hear(&mut self, alive: bool, threshold: i32) -> bool {
        let healthy = self.healthy.unwrap_or(alive);
        self.contradictions = if alive == healthy { 0 } else { self.contradictions + 1 };
        let changed = self.contradictions >= threshold;
        if changed {
            self.contradictions = 0;
        }
        let verdict = healthy != changed;
        self.healthy = Some(verdict);
        verdict
    }
}

async fn round(
    aws: &Aws,
    backstage: &Wire,
    resolver: &Resolver,
    verdicts: &mut BTreeMap<String, Verdict>,
) -> Result<()> {
    let checks = aws.route53.list_health_checks().send().await.context("ListHealthChecks")?;
    let mut healthy = BTreeMap::new();
    for check in checks.health_checks() {
        let Some(config) = check.health_check_config() else {
            continue;
        };
        let report = match probe(config, resolver).await {
            Ok(status) => format!("Success: HTTP Status Code {status}"),
            Err(error) => format!("Failure: {error:#}"),
        };
        let verdict = verdicts.entry(check.id().to_owned()).or_default();
        let alive = verdict.hear(report.starts_with("Success"), config.failure_threshold().unwrap_or(3));
        // A disabled check is always healthy, an inverted one says the opposite.
        healthy.insert(
            check.id().to_owned(),
            config.disabled() == Some(true) || alive != (config.inverted() == Some(true)),
        );
        tell(backstage, check, &report).await?;
    }
    verdicts.retain(|id, _| healthy.contains_key(id));
    fail_over(aws, resolver, &healthy).await?;
    move_alarms(aws, &healthy).await
}

async fn probe(config: &HealthCheckConfig, resolver: &Resolver) -> Result<u16> {
    let host = config.fully_qualified_domain_name().context("the check names no host")?;
    let address = resolver.host(host).with_context(|| format!("{host} does not resolve"))?;
    let port = config.port().and_then(|port| u16::try_from(port).ok()).unwrap_or(443);
    let stream = tokio::time::timeout(CONNECT, TcpStream::connect(SocketAddr::new(address, port)))
        .await
        .context("The health checker could not connect to the endpoint within the timeout limit.")??;
    let request = async {
        let mut stream = trusting_all()?.connect(host.to_owned().try_into()?, stream).await?;
        let path = config.resource_path().unwrap_or("/");
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: {host}\r\nuser-agent: Amazon-Route53-Health-Check-Service\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        let mut answer = Vec::new();
        while answer.len() < SEARCHED_BYTES && stream.read_buf(&mut answer).await? > 0 {}
        anyhow::Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = tokio::time::timeout(ANSWER, request)
        .await
        .context("The health checker established a connection to the endpoint but no response was received within the timeout limit.")??;
    let status: u16 = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).context("The answer is no HTTP.")?;
    if !(200..400).contains(&status) {
        bail!("HTTP Status Code {status}");
    }
    match config.search_string() {
        Some(text) if !answer.contains(text) => bail!("The search string was not found."),
        _ => Ok(status),
    }
}

/// Says to the local AWS what its GetHealthCheckStatus has to answer.
async fn tell(backstage: &Wire, check: &HealthCheck, report: &str) -> Result<()> {
    let path = format!("/2013-04-01/healthcheck/{}/status", check.id());
    let body = serde_json::to_vec(&serde_json::json!({ "status": report }))?;
    let answer = backstage.send("route53", "POST", &path, &[], &body).await?;
    // A check that has just been deleted needs no report.
    if answer.status != 404 {
        answer.successful("the report of a checker")?;
    }
    Ok(())
}

async fn fail_over(aws: &Aws, resolver: &Resolver, healthy: &BTreeMap<String, bool>) -> Result<()> {
    let mut aliases = BTreeMap::new();
    for zone in aws.route53.list_hosted_zones().send().await.context("ListHostedZones")?.hosted_zones() {
        let records = aws.route53.list_resource_record_sets().hosted_zone_id(zone.id()).send().await;
        let records = records.context("ListResourceRecordSets")?;
        for (name, host) in failover_answers(records.resource_record_sets(), healthy) {
            aliases.insert(name, host);
        }
    }
    resolver.fail_over(&aliases).await
}

/// The primary while it is healthy, then the secondary; the primary again where both are unhealthy.
fn failover_answers(records: &[ResourceRecordSet], healthy: &BTreeMap<String, bool>) -> BTreeMap<String, String> {
    let usable = |record: &ResourceRecordSet| {
        record.health_check_id().is_none_or(|check| healthy.get(check).copied().unwrap_or(true))
    };
    let value = |record: &ResourceRecordSet| {
        record.resource_records().first().map(|value| value.value().trim_end_matches('.').to_owned())
    };
    let find = |name: &str, role: ResourceRecordSetFailover| {
        records.iter().find(|record| record.name() == name && record.failover() == Some(&role))
    };
    let mut answers = BTreeMap::new();
    for primary in records.iter().filter(|record| record.failover() == Some(&ResourceRecordSetFailover::Primary)) {
        let secondary = find(primary.name(), ResourceRecordSetFailover::Secondary);
        let chosen = match secondary {
            Some(secondary) if !usable(primary) && usable(secondary) => secondary,
            _ => primary,
        };
        if let Some(host) = value(chosen) {
            answers.insert(primary.name().trim_end_matches('.').to_owned(), host);
        }
    }
    answers
}

async fn move_alarms(aws: &Aws, healthy: &BTreeMap<String, bool>) -> Result<()> {
    let alarms = aws.cloudwatch.describe_alarms().send().await.context("DescribeAlarms")?;
    for alarm in alarms.metric_alarms() {
        let Some(verdict) = watched(alarm).and_then(|check| healthy.get(check)) else {
            continue;
        };
        let datapoint = f64::from(u8::from(*verdict));
        let breaching = datapoint < alarm.threshold().unwrap_or(1.0);
        let (state, verb) = if breaching { (StateValue::Alarm, "was") } else { (StateValue::Ok, "was not") };
        if alarm.state_value() == Some(&state) {
            continue;
        }
        let threshold = alarm.threshold().unwrap_or(1.0);
        aws.cloudwatch
            .set_alarm_state()
            .set_alarm_name(alarm.alarm_name().map(str::to_owned))
            .state_value(state)
            .state_reason(format!(
                "Threshold Crossed: 1 datapoint [{datapoint:.1}] {verb} less than the threshold ({threshold:.1})."
            ))
            .state_reason_data(
                serde_json::json!({
                    "version": "1.0", "statistic": "Minimum", "period": 60, "recentDatapoints": [datapoint], "threshold": threshold
                })
                .to_string(),
            )
            .send()
            .await
            .context("SetAlarmState")?;
    }
    Ok(())
}

/// The health check whose status this alarm watches.
fn watched(alarm: &MetricAlarm) -> Option<&str> {
    let is_ours = alarm.namespace() == Some("AWS/Route53")
        && alarm.metric_name() == Some("HealthCheckStatus")
        && alarm.comparison_operator() == Some(&ComparisonOperator::LessThanThreshold);
    let dimension = alarm.dimensions().iter().find(|dimension| dimension.name() == Some("HealthCheckId"));
    dimension.filter(|_| is_ours).and_then(|dimension| dimension.value())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_changes_after_the_threshold_and_not_before() {
        let mut verdict = Verdict::default();
        assert!(verdict.hear(true, 2));
        assert!(verdict.hear(false, 2));
        assert!(verdict.hear(true, 2));
        assert!(verdict.hear(false, 2));
        assert!(!verdict.hear(false, 2));
        assert!(!verdict.hear(true, 2));
        assert!(verdict.hear(true, 2));
    }

    fn record(role: ResourceRecordSetFailover, host: &str, check: Option<&str>) -> ResourceRecordSet {
        let value = aws_sdk_route53::types::ResourceRecord::builder().value(host).build().unwrap();
        ResourceRecordSet::builder()
            .name("cq.example.com.")
            .r#type(aws_sdk_route53::types::RrType::Cname)
            .failover(role)
            .set_health_check_id(check.map(str::to_owned))
            .resource_records(value)
            .build()
            .unwrap()
    }

    #[test]
    fn dns_answers_the_secondary_only_while_the_primary_alone_is_unhealthy() {
        let pair = |secondary| {
            [
                record(ResourceRecordSetFailover::Primary, "inspection", Some("first")),
                record(ResourceRecordSetFailover::Secondary, "application", secondary),
            ]
        };
        let answer = |records: &[ResourceRecordSet], first, second| {
            let healthy = [("first".to_owned(), first), ("second".to_owned(), second)].into();
            failover_answers(records, &healthy)["cq.example.com"].clone()
        };
        assert_eq!(answer(&pair(None), true, true), "inspection");
        assert_eq!(answer(&pair(None), false, true), "application");
        assert_eq!(answer(&pair(Some("second")), false, true), "application");
        assert_eq!(answer(&pair(Some("second")), false, false), "inspection");
    }
}
