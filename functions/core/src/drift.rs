//! What was provisioned and is no longer so. Drift is reported, never repaired behind anyone's back.

use serde::Serialize;

use crate::alarm::{AlarmState, ObservedAlarm};
use crate::document::Document;
use crate::flip;
use crate::ledger::{MadeDistribution, MadeRecords, Row};
use crate::port::{FailoverRole, ObservedHealthCheck, RecordSet};
use crate::posture::Posture;
use crate::spec::{CheckType, HealthCheckSpec};

/// One setting that is not as provisioned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// The thing and its setting, e.g. `record cq-origin-www.cq-route.com PRIMARY TTL`.
    pub what: String,
    pub expected: String,
    pub found: String,
}

/// Says that a thing is its owner's to mend.
const ADOPTED: &str = " (adopted)";

impl Drift {
    fn new(what: impl Into<String>, expected: impl ToString, found: impl ToString) -> Self {
        Self { what: what.into(), expected: expected.to_string(), found: found.to_string() }
    }
}

/// What could be read. `None` means that it could not be, which is not a drift; an absent thing is a drift.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'a> {
    pub document: Option<&'a Document>,
    pub records: Option<&'a [RecordSet]>,
    pub health_check: Option<Option<&'a ObservedHealthCheck>>,
    pub alarm: Option<&'a ObservedAlarm>,
}

/// Every drift of one protection, in a stable order.
pub fn drift(row: &Row, facts: &Facts<'_>) -> Vec<Drift> {
    let mut found = Vec::new();
    if let (Some(document), Some(made)) = (facts.document, &row.made.distribution) {
        distribution(row, made, document, &mut found);
    }
    if let (Some(records), Some(made)) = (facts.records, &row.made.records) {
        failover_records(row, made, records, &mut found);
    }
    if let Some(check) = facts.health_check {
        health_check(row, check, &mut found);
    }
    if let (Some(alarm), Some(_)) = (facts.alarm, &row.made.alarm) {
        own_alarm(row, alarm, &mut found);
    }
    found
}

fn distribution(row: &Row, made: &MadeDistribution, document: &Document, found: &mut Vec<Drift>) {
    let inspection = &made.inspection_origin;
    let adopted = if made.origin_adopted { ADOPTED } else { "" };
    match document.origin(inspection) {
        None => found.push(Drift::new(format!("origin {inspection}{adopted}"), "present", "gone")),
        Some(origin) if !origin.leads_to(&row.spec.failover_record) => found.push(Drift::new(
            format!("origin {inspection}{adopted} DomainName"),
            &row.spec.failover_record,
            &origin.domain_name,
        )),
        Some(_) => {}
    }
    if document.origin(&made.application_origin).is_none() {
        found.push(Drift::new(format!("origin {}", made.application_origin), "present", "gone"));
    }
    if !document.enabled() {
        found.push(Drift::new(format!("distribution {}", made.id), "enabled", "disabled"));
    }
    for protected in &made.behaviors {
        let path = &protected.path_pattern;
        match document.behavior(path) {
            None => found.push(Drift::new(format!("behavior {path}"), "present", "gone")),
            Some(behavior)
                if behavior.target != made.inspection_origin && behavior.target != made.application_origin =>
            {
                let expected = format!("{} or {}", made.inspection_origin, made.application_origin);
                found.push(Drift::new(format!("behavior {path} target"), expected, &behavior.target));
            }
            Some(_) => {}
        }
    }
    // A bypass that the ledger does not know is someone else's change; one that it knows is no drift.
    let posture = flip::posture(document, made);
    let elsewhere = matches!(posture, Posture::Bypassed | Posture::Mixed) && !row.bypass_is_ours();
    if elsewhere {
        found.push(Drift::new(format!("posture of {}", row.name), Posture::Inspected, posture));
    }
}

fn failover_records(row: &Row, made: &MadeRecords, records: &[RecordSet], found: &mut Vec<Drift>) {
    let halves = [
        (FailoverRole::Primary, "PRIMARY", &made.primary, Some(&made.primary_health_check)),
        (FailoverRole::Secondary, "SECONDARY", &made.secondary, made.secondary_health_check.as_ref()),
    ];
    for (role, word, value, check) in halves {
        let adopted = if made.adopted.is_some() { ADOPTED } else { "" };
        let what = format!("record {} {word}{adopted}", made.name);
        let Some(record) = records.iter().find(|record| record.failover == Some(role)) else {
            found.push(Drift::new(what, "present", "gone"));
            continue;
        };
        let ttl = record.ttl.map_or("none".to_owned(), |ttl| ttl.to_string());
        if record.ttl != Some(made.ttl) {
            found.push(Drift::new(format!("{what} TTL"), made.ttl, ttl));
        }
        if record.values != [value.to_string()] {
            found.push(Drift::new(format!("{what} value"), value, record.values.join(", ")));
        }
        if record.health_check.as_ref() != check {
            let none = || "none".to_owned();
            found.push(Drift::new(
                format!("{what} health check"),
                check.map_or_else(none, ToString::to_string),
                record.health_check.as_ref().map_or_else(none, ToString::to_string),
            ));
        }
    }
    for other in records.iter().filter(|record| record.failover.is_none()) {
        let what = format!("record {} {}", row.spec.failover_record, other.record_type);
        found.push(Drift::new(what, "only the two failover records", &other.routing));
    }
}

fn health_check(row: &Row, check: Option<&ObservedHealthCheck>, found: &mut Vec<Drift>) {
    let Some(id) = row.made.health_check.as_ref().and_then(|made| made.id.as_ref()) else {
        return;
    };
    let what = format!("health check {id}");
    let Some(check) = check else {
        found.push(Drift::new(what, "present", "gone"));
        return;
    };
    let seen = &check.config;
    if seen.disabled {
        found.push(Drift::new(format!("{what} Disabled"), "false", "true: it reports healthy whatever happens"));
    }
    let HealthCheckSpec::Managed(spec) = &row.spec.health_check else {
        return;
    };
    if seen.inverted {
        found.push(Drift::new(format!("{what} Inverted"), "false", "true"));
    }
    let mut compare = |setting: &str, expected: Option<String>, actual: Option<String>| {
        if expected != actual {
            let words = |value: Option<String>| value.unwrap_or_else(|| "none".to_owned());
            found.push(Drift::new(format!("{what} {setting}"), words(expected), words(actual)));
        }
    };
    compare(
        "FullyQualifiedDomainName",
        Some(row.spec.inspection.to_string()),
        seen.host.as_ref().map(ToString::to_string),
    );
    compare("Port", Some(spec.port.to_string()), seen.port.map(|port| port.to_string()));
    match spec.protocol {
        CheckType::Https | CheckType::Http => compare("ResourcePath", Some(spec.path.clone()), seen.path.clone()),
        CheckType::Tcp => {}
    }
    compare(
        "FailureThreshold",
        Some(spec.failure_threshold.to_string()),
        seen.failure_threshold.map(|threshold| threshold.to_string()),
    );
    compare("SearchString", spec.search_string.clone(), seen.search_string.clone());
}

fn own_alarm(row: &Row, alarm: &ObservedAlarm, found: &mut Vec<Drift>) {
    let what = format!("alarm {}", alarm.name);
    if alarm.state == AlarmState::Missing {
        found.push(Drift::new(what, "present", "gone"));
        return;
    }
    if !alarm.actions_enabled {
        found.push(Drift::new(format!("{what} ActionsEnabled"), "true", "false: react is not told"));
    }
    let Some(metric) = &alarm.metric else { return };
    let check = row.made.health_check.as_ref().and_then(|made| made.id.as_ref());
    let dimension = metric.dimensions.iter().find(|(name, _)| name == "HealthCheckId").map(|(_, value)| value.as_str());
    if dimension != check.map(|id| id.as_str()) {
        let none = "none";
        found.push(Drift::new(
            format!("{what} HealthCheckId"),
            check.map_or(none, |id| id.as_str()),
            dimension.unwrap_or(none),
        ));
    }
    if metric.evaluation_periods != row.spec.alarm_evaluation_periods {
        let expected = row.spec.alarm_evaluation_periods;
        found.push(Drift::new(format!("{what} EvaluationPeriods"), expected, metric.evaluation_periods));
    }
    if metric.alarm_actions.is_empty() {
        found.push(Drift::new(format!("{what} AlarmActions"), "the react function", "none"));
    }
}

#[cfg(test)]
#[path = "drift_tests.rs"]
mod tests;
