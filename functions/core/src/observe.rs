//! Sequences of reads that more than one function makes. Everything goes through the port; nothing is decided here.

use std::pin::pin;

use futures_util::stream::{self, StreamExt};

use crate::alarm::ObservedAlarm;
use crate::document::Document;
use crate::drift::{Drift, Facts, drift};
use crate::ledger::Row;
use crate::port::{FailoverRole, Observe, Probe, ProbeOutcome};
use crate::probe;

/// Sends the probes together until one shows a live host; otherwise the first failure, which concerns the host's own name.
///
/// Together, because a host that swallows packets lets each of them hang until its time-out, and one after the other they
/// would take more of the invocation than is left for the other protections.
pub async fn first_alive<C: Observe>(cloud: &C, probes: &[Probe]) -> ProbeOutcome {
    let mut first_failure = None;
    let mut outcomes = pin!(stream::iter(probes).map(|probe| cloud.probe(probe)).buffered(probes.len().max(1)));
    while let Some(outcome) = outcomes.next().await {
        if outcome.is_alive() {
            return outcome;
        }
        first_failure.get_or_insert(outcome);
    }
    first_failure.unwrap_or_else(|| ProbeOutcome::Failed { why: "nothing to probe is known".to_owned() })
}

/// Whether CloudFront would reach inspection after a restore: inspection itself answers, and the failover record through which
/// CloudFront finds it leads somewhere else than to the application alone.
pub async fn inspection_as_origin<C: Observe>(cloud: &C, row: &Row, document: &Document) -> ProbeOutcome {
    let outcome = first_alive(cloud, &probe::inspection(row, document)).await;
    let (true, Some(zone)) = (outcome.is_alive(), row.spec.dns.zone()) else { return outcome };
    let record = &row.spec.failover_record;
    match cloud.records(zone, record).await {
        Ok(found) if found.iter().any(|record| record.failover != Some(FailoverRole::Secondary)) => outcome,
        Ok(_) => ProbeOutcome::Failed {
            why: format!("the failover record {record} is gone from its zone, so CloudFront would not find inspection"),
        },
        Err(fault) => ProbeOutcome::Failed { why: format!("the failover record {record} could not be read: {fault}") },
    }
}

/// Reads records and health check, and compares everything with what was provisioned. What cannot be read is no drift.
pub async fn read_drift<C: Observe>(
    cloud: &C,
    row: &Row,
    document: Option<&Document>,
    alarm: Option<&ObservedAlarm>,
) -> Vec<Drift> {
    let records = match (row.spec.dns.zone(), &row.made.records) {
        (Some(zone), Some(made)) => cloud.records(zone, &made.name).await.ok(),
        _ => None,
    };
    let check = match row.made.health_check.as_ref().and_then(|made| made.id.as_ref()) {
        Some(id) => cloud.health_check(id).await.ok(),
        None => None,
    };
    let facts =
        Facts { document, records: records.as_deref(), health_check: check.as_ref().map(Option::as_ref), alarm };
    drift(row, &facts)
}
