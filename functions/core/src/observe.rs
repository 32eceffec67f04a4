//! Sequences of reads that more than one function makes. Everything goes through the port; nothing is decided here.

use std::pin::pin;

use futures_util::future::join3;
use futures_util::stream::{self, StreamExt};

use crate::alarm::ObservedAlarm;
use crate::document::Document;
use crate::drift::{Drift, Facts, drift};
use crate::lead::Lead;
use crate::ledger::Row;
use crate::port::{FailoverRole, Observe, Probe, ProbeOutcome};
use crate::posture::{Failover, Posture};
use crate::probe;
use crate::spec::Dns;

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
    if !outcome.is_alive() {
        return outcome;
    }
    let record = &row.spec.failover_record;
    let Some(zone) = row.spec.dns.zone() else {
        return match lead(cloud, row).await {
            Lead::Nowhere => ProbeOutcome::Failed {
                why: format!("the failover record {record} has no address, so CloudFront would not find inspection"),
            },
            Lead::Inspection | Lead::Application | Lead::Elsewhere | Lead::Unknown => outcome,
        };
    };
    match cloud.records(zone, record).await {
        Ok(found) if found.iter().any(|record| record.failover != Some(FailoverRole::Secondary)) => outcome,
        Ok(_) => ProbeOutcome::Failed {
            why: format!("the failover record {record} is gone from its zone, so CloudFront would not find inspection"),
        },
        Err(fault) => ProbeOutcome::Failed { why: format!("the failover record {record} could not be read: {fault}") },
    }
}

/// Who decides what DNS answers, and what it answers where that is another service than Route 53. A bypassed distribution does
/// not use the record, so nobody is asked then.
pub async fn failover<C: Observe>(cloud: &C, row: &Row, posture: Posture) -> Failover {
    match (&row.spec.dns, posture) {
        (Dns::Route53 { .. }, _) => Failover::Route53,
        (Dns::External, Posture::Bypassed | Posture::Foreign) => Failover::External(Lead::Unknown),
        (Dns::External, Posture::Inspected | Posture::Mixed) => Failover::External(lead(cloud, row).await),
    }
}

/// Where the failover record leads.
async fn lead<C: Observe>(cloud: &C, row: &Row) -> Lead {
    let spec = &row.spec;
    // All together, so that it takes no longer than one of them.
    let (record, inspection, application) =
        join3(cloud.resolve(&spec.failover_record), cloud.resolve(&spec.inspection), cloud.resolve(&spec.application))
            .await;
    crate::lead::lead(spec, &record, &inspection, &application)
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use futures_util::FutureExt;

    use super::*;
    use crate::port::RecordSet;
    use crate::resolution::{Ending, Link, Resolution};
    use crate::sample;
    use crate::sample_cloud::SampleCloud;

    const RECORD: &str = "cq-origin-www.cq-route.com";

    fn answering(hosts: &[(&'static str, u16)]) -> SampleCloud {
        SampleCloud { hosts: BTreeMap::from_iter(hosts.iter().copied()), ..SampleCloud::default() }
    }

    fn now<T>(future: impl Future<Output = T>) -> T {
        future.now_or_never().expect("nothing waits here")
    }

    /// Both failover records of the sample, as provisioned.
    fn pair() -> [RecordSet; 2] {
        let row = sample::row();
        row.made.records.as_ref().expect("records").pair(&row.owner, &row.name)
    }

    fn failed(outcome: ProbeOutcome) -> String {
        match outcome {
            ProbeOutcome::Failed { why } => why,
            ProbeOutcome::Answered { status } => panic!("it answers {status}"),
        }
    }

    #[test]
    fn one_live_host_is_enough_and_otherwise_its_own_name_says_why_not() {
        let (document, row) = sample::provisioned();
        let probes = probe::inspection(&row, &document);
        assert_eq!(probes.len(), 3, "its own name and two aliases");
        let alive = answering(&[("cq-route.com", 403)]);
        assert_eq!(now(first_alive(&alive, &probes)), ProbeOutcome::Answered { status: 403 });
        let sick = answering(&[(RECORD, 503), ("www.cq-route.com", 502)]);
        assert_eq!(now(first_alive(&sick, &probes)), ProbeOutcome::Answered { status: 503 });
        assert!(failed(now(first_alive(&answering(&[]), &probes))).contains(RECORD));
        assert!(failed(now(first_alive(&alive, &[]))).contains("nothing to probe"));
    }

    #[test]
    fn inspection_that_its_record_no_longer_leads_to_is_no_origin() {
        let (document, row) = sample::provisioned();
        let [primary, secondary] = pair();
        let with = |records| SampleCloud { records, ..answering(&[(RECORD, 200)]) };
        let alive = ProbeOutcome::Answered { status: 200 };
        let ask = |cloud: &SampleCloud| now(inspection_as_origin(cloud, &row, &document));
        assert_eq!(ask(&with(Some(vec![primary.clone(), secondary.clone()]))), alive);
        let simple = RecordSet { failover: None, ..primary };
        assert_eq!(ask(&with(Some(vec![simple]))), alive, "whoever made it, CloudFront finds something there");
        for records in [vec![secondary], vec![]] {
            assert!(failed(ask(&with(Some(records)))).contains("is gone"));
        }
        assert!(failed(ask(&with(None))).contains("could not be read"));
        let dead = SampleCloud { records: Some(pair().to_vec()), ..answering(&[(RECORD, 500)]) };
        assert_eq!(ask(&dead), ProbeOutcome::Answered { status: 500 });
    }

    fn gone() -> Resolution {
        Resolution { chain: Vec::new(), ending: Ending::NoSuchName }
    }

    fn silence() -> Resolution {
        Resolution { chain: Vec::new(), ending: Ending::NoAnswer { why: "x".to_owned() } }
    }

    /// A way over these names, the first of which was asked for.
    fn traced(names: &[&str], address: [u8; 4]) -> Resolution {
        let link = |pair: &[&str]| Link { name: pair[0].into(), target: pair[1].into(), ttl: 30 };
        Resolution { chain: names.windows(2).map(link).collect(), ..Resolution::address(30, address) }
    }

    #[test]
    fn another_dns_service_is_asked_while_cloudfront_uses_its_record() {
        let (mut row, host) = (sample::row(), sample::spec().application);
        let resolutions = BTreeMap::from([
            (RECORD, traced(&[RECORD], [192, 0, 2, 7])),
            ("origin-www.cq-route.com", traced(&[host.as_str()], [192, 0, 2, 7])),
            ("cq-route.cequence.cloud", traced(&["cq-route.cequence.cloud"], [192, 0, 2, 1])),
        ]);
        let cloud = SampleCloud { resolutions, ..SampleCloud::default() };
        assert_eq!(now(failover(&cloud, &row, Posture::Inspected)), Failover::Route53);
        row.spec.dns = Dns::External;
        for posture in [Posture::Inspected, Posture::Mixed] {
            assert_eq!(now(failover(&cloud, &row, posture)), Failover::External(Lead::Application));
        }
        for posture in [Posture::Bypassed, Posture::Foreign] {
            assert_eq!(now(failover(&cloud, &row, posture)), Failover::External(Lead::Unknown));
        }
        let by_name = traced(&[RECORD, "cq-route.cequence.cloud"], [192, 0, 2, 7]);
        let cloud = SampleCloud { resolutions: BTreeMap::from([(RECORD, by_name)]), ..SampleCloud::default() };
        assert_eq!(now(failover(&cloud, &row, Posture::Inspected)), Failover::External(Lead::Inspection));
    }

    #[test]
    fn inspection_whose_record_at_another_dns_service_has_no_address_is_no_origin() {
        let (document, mut row) = sample::provisioned();
        row.spec.dns = Dns::External;
        let with =
            |trace| SampleCloud { resolutions: BTreeMap::from([(RECORD, trace)]), ..answering(&[(RECORD, 200)]) };
        let ask = |trace| now(inspection_as_origin(&with(trace), &row, &document));
        assert!(failed(ask(gone())).contains("has no address"));
        // Whoever fails over goes back to inspection in time of his own, and silence says nothing.
        for trace in [traced(&[RECORD, "origin-www.cq-route.com"], [192, 0, 2, 7]), silence()] {
            assert_eq!(ask(trace), ProbeOutcome::Answered { status: 200 });
        }
    }

    #[test]
    fn what_cannot_be_read_is_no_drift_and_what_is_gone_is() {
        let (document, row) = sample::provisioned();
        let whats = |cloud: &SampleCloud| -> Vec<String> {
            now(read_drift(cloud, &row, Some(&document), None)).into_iter().map(|drift| drift.what).collect()
        };
        assert_eq!(whats(&SampleCloud::default()), Vec::<String>::new());
        let gone = SampleCloud { records: Some(vec![]), health_check: Some(None), ..SampleCloud::default() };
        let check = &row.made.health_check.as_ref().and_then(|made| made.id.as_ref()).expect("a check");
        assert_eq!(
            whats(&gone),
            [format!("record {RECORD} PRIMARY"), format!("record {RECORD} SECONDARY"), format!("health check {check}")]
        );
    }
}
