//! All that protections consist of, in lines that people can read and that can be compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::{Context, Result};
use aws_sdk_cloudwatch::types::MetricAlarm;
use aws_sdk_route53::types::{HealthCheckConfig, ResourceRecordSet};
use serde_json::Value;

use crate::deployment::output_of;
use crate::layout::Layout;
use crate::site::Site;
use crate::stage::Stage;

/// Begins the name of every alarm of ours.
const ALARMS: &str = "failopen-";

/// The account at one moment. Health checks are called by what they ask: which of several alike it is says nothing.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Picture {
    /// Records, health checks, alarms, origins, targets and settings.
    lines: BTreeSet<String>,
    /// Configurations to the byte.
    documents: BTreeMap<String, Vec<u8>>,
}

/// What has become of one picture in another.
#[derive(Default)]
pub(super) struct Difference {
    pub(super) appeared: Vec<String>,
    pub(super) vanished: Vec<String>,
    /// Distributions with other bytes.
    pub(super) rewritten: Vec<String>,
}

impl Difference {
    pub(super) fn is_empty(&self) -> bool {
        self.appeared.is_empty() && self.vanished.is_empty() && self.rewritten.is_empty()
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signed = |sign: &str, lines: &[String]| -> Vec<String> {
            lines.iter().map(|line| format!("{sign} {line}")).collect()
        };
        let rewritten: Vec<String> = self.rewritten.iter().map(|id| format!("bytes of {id}")).collect();
        let all = [signed("-", &self.vanished), signed("+", &self.appeared), signed("~", &rewritten)].concat();
        f.write_str(&all.join("\n"))
    }
}

impl Picture {
    pub(super) async fn take(stage: &Stage<'_>, site: &Site, other_zone: &str) -> Result<Self> {
        let mut picture = Self::default();
        let checks = picture.health_checks(stage).await?;
        for zone in [&site.zone_id, other_zone].into_iter().filter(|zone| !zone.is_empty()) {
            let answer = stage.insides.route53.list_resource_record_sets().hosted_zone_id(zone).send().await?;
            let records = answer.resource_record_sets().iter().filter(|record| record.failover().is_some());
            picture.lines.extend(records.map(|record| record_line(record, &checks)));
        }
        let alarms = stage.insides.cloudwatch.describe_alarms().alarm_name_prefix(ALARMS).send().await?;
        let of_protections = alarms
            .metric_alarms()
            .iter()
            .filter(|alarm| alarm.alarm_name().is_some_and(|name| name.ends_with("-inspection")));
        picture.lines.extend(of_protections.map(|alarm| alarm_line(alarm, &checks)));
        for id in [&site.distribution_id, &site.second.id] {
            let bytes = stage.insides.distribution(id).await?.bytes;
            picture.lines.extend(document_lines(id, &bytes)?);
            picture.documents.insert(id.clone(), bytes);
        }
        picture.lines.extend(settings(stage)?);
        Ok(picture)
    }

    /// What is otherwise here than in `before`.
    pub(super) fn since(&self, before: &Self) -> Difference {
        let rewritten = self.documents.iter().filter(|(id, bytes)| before.documents.get(*id) != Some(*bytes));
        Difference {
            appeared: self.lines.difference(&before.lines).cloned().collect(),
            vanished: before.lines.difference(&self.lines).cloned().collect(),
            rewritten: rewritten.map(|(id, _)| id.clone()).collect(),
        }
    }

    /// Lines with this in them.
    pub(super) fn with<'a>(&'a self, text: &'a str) -> impl Iterator<Item = &'a String> {
        self.lines.iter().filter(move |line| line.contains(text))
    }

    /// Adds the health checks. Returns what each is called.
    async fn health_checks(&mut self, stage: &Stage<'_>) -> Result<BTreeMap<String, String>> {
        let mut names = BTreeMap::new();
        let mut alike: BTreeMap<String, usize> = BTreeMap::new();
        for check in stage.insides.route53.list_health_checks().send().await?.health_checks() {
            let config = check.health_check_config().context("a health check without a configuration")?;
            let settings = check_settings(config);
            let number = alike.entry(settings.clone()).and_modify(|number| *number += 1).or_insert(1);
            let number = if *number == 1 { String::new() } else { format!(" ({number})") };
            self.lines.insert(format!("health check {settings}{number}"));
            let host = config.fully_qualified_domain_name().unwrap_or_default();
            names.insert(check.id().to_owned(), format!("{} {host}", config.r#type().as_str()));
        }
        Ok(names)
    }
}

fn check_settings(config: &HealthCheckConfig) -> String {
    let host = config.fully_qualified_domain_name().unwrap_or_default();
    let port = config.port().map_or(String::new(), |port| format!(":{port}"));
    let text = config.search_string().map_or(String::new(), |text| format!(" with {text:?}"));
    let regions: Vec<&str> = config.regions().iter().map(|region| region.as_str()).collect();
    let regions = if regions.is_empty() { String::new() } else { format!(" from {}", regions.join(",")) };
    let disabled = if config.disabled() == Some(true) { " disabled" } else { "" };
    format!(
        "{} {host}{port}{}{text} every {} s, {} failures{regions}{disabled}",
        config.r#type().as_str(),
        config.resource_path().unwrap_or_default(),
        config.request_interval().unwrap_or_default(),
        config.failure_threshold().unwrap_or_default(),
    )
}

fn record_line(record: &ResourceRecordSet, checks: &BTreeMap<String, String>) -> String {
    let values: Vec<&str> = record.resource_records().iter().map(|record| record.value()).collect();
    let check = record.health_check_id().map_or(String::new(), |id| {
        format!(", while well: {}", checks.get(id).map_or("a check that is not there", String::as_str))
    });
    format!(
        "record {} {} TTL {}: {}{check}",
        record.name().trim_end_matches('.'),
        record.failover().map_or("?", |role| role.as_str()),
        record.ttl().unwrap_or_default(),
        values.join(",")
    )
}

fn alarm_line(alarm: &MetricAlarm, checks: &BTreeMap<String, String>) -> String {
    let watched = alarm.dimensions().iter().filter_map(|dimension| dimension.value());
    let watched: Vec<&str> =
        watched.map(|id| checks.get(id).map_or("a check that is not there", String::as_str)).collect();
    format!(
        "alarm {} after {} min: {}",
        alarm.alarm_name().unwrap_or_default(),
        alarm.evaluation_periods().unwrap_or_default(),
        watched.join(",")
    )
}

/// Every origin, and where every behaviour leads.
fn document_lines(id: &str, bytes: &[u8]) -> Result<Vec<String>> {
    let Layout { origins, ports, behaviors, .. } = Layout::read(bytes)?;
    let origins = origins.iter().map(|(origin, host)| format!("{id}: origin {origin} is {host}"));
    let ports = ports.iter().map(|(origin, port)| format!("{id}: origin {origin} has port {port}"));
    Ok(origins
        .chain(ports)
        .chain(behaviors.iter().map(|(path, target)| format!("{id}: {path} goes to {target}")))
        .collect())
}

/// Settings of every protection, as its row has them.
fn settings(stage: &Stage<'_>) -> Result<Vec<String>> {
    let table = output_of(stage, "LedgerTableName")?;
    let answer = stage.tools.aws(&["dynamodb", "scan", "--table-name", &table])?;
    let mut lines = Vec::new();
    for item in answer["Items"].as_array().into_iter().flatten() {
        let Some(document) = item["document"]["S"].as_str() else { continue };
        let row: Value = serde_json::from_str(document).context("a row is no JSON")?;
        flatten(row["name"].as_str().unwrap_or_default(), "", &row["spec"], &mut lines);
    }
    Ok(lines)
}

fn flatten(protection: &str, key: &str, value: &Value, lines: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                flatten(protection, &key, member, lines);
            }
        }
        value => lines.push(format!("{protection}: {key} = {value}")),
    }
}
