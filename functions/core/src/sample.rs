//! A protection for the tests of this crate: `www`, as the runbook describes it, provisioned and quiet.

use jiff::{SignedDuration, Timestamp};

use crate::alarm::{AlarmState, ObservedAlarm};
use crate::document::Document;
use crate::id::{AlarmName, ETag, HealthCheckId, HostedZoneId, OwnerMark, PathPattern};
use crate::ledger::{
    Flip, FlippedBy, Lifecycle, Made, MadeDistribution, MadeHealthCheck, MadeRecords, Pin, PinPosture,
    ProtectedBehavior, Row, Watch,
};
use crate::posture::{Posture, Side};
use crate::spec::{
    ApplicationCheck, Automation, CheckType, Dns, EdgeFailOpen, FailBack, HealthCheckSpec, ManagedHealthCheck,
    Preflight, Spec, Zone,
};
use crate::wiring::wire;

/// Noon; every test counts from here.
pub(crate) fn noon() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().expect("a time")
}

/// A time before noon.
pub(crate) fn ago(seconds: i64) -> Timestamp {
    noon() - SignedDuration::from_secs(seconds)
}

pub(crate) fn spec() -> Spec {
    Spec {
        name: "www".into(),
        distribution: "E2EXAMPLE".into(),
        failover_record: "cq-origin-www.cq-route.com".into(),
        inspection: "cq-route.cequence.cloud".into(),
        application: "origin-www.cq-route.com".into(),
        dns: Dns::Route53 { zone: Zone { id: HostedZoneId::new("Z0EXAMPLE"), role: None } },
        traffic: vec![PathPattern::default_behavior()],
        record_ttl: 30,
        origin_port: 443,
        health_check: HealthCheckSpec::Managed(ManagedHealthCheck {
            path: "/".into(),
            port: 443,
            protocol: CheckType::Https,
            interval_seconds: 10,
            failure_threshold: 2,
            search_string: None,
            regions: Vec::new(),
        }),
        secondary_health_check: None,
        alarm_evaluation_periods: 1,
        priority: 100,
        additional_alarms: Vec::new(),
        automation: Automation {
            edge_fail_open: EdgeFailOpen::Automatic,
            fail_back: FailBack::Automatic,
            hold_down_seconds: 900,
            minimum_dwell_seconds: 300,
            maximum_flips_per_day: 6,
        },
        application_check: ApplicationCheck::Probe { path: "/".into() },
        preflight: Preflight::Enforce,
    }
}

pub(crate) fn row() -> Row {
    let check = HealthCheckId::new("11111111-2222-3333-4444-555555555555");
    Row {
        name: "www".into(),
        owner: OwnerMark::new("0123456789ab"),
        stack_id: "arn:aws:cloudformation:us-east-1:111122223333:stack/failopen/0".into(),
        logical_id: "Protection".into(),
        lifecycle: Lifecycle::Active,
        spec: spec(),
        made: Made {
            health_check: Some(MadeHealthCheck { caller_reference: Some("reference".into()), id: Some(check.clone()) }),
            records: Some(MadeRecords {
                zone: "Z0EXAMPLE".into(),
                role: None,
                name: "cq-origin-www.cq-route.com".into(),
                ttl: 30,
                primary: "cq-route.cequence.cloud".into(),
                primary_health_check: check,
                secondary: "origin-www.cq-route.com".into(),
                secondary_health_check: None,
                adopted: None,
            }),
            distribution: Some(MadeDistribution {
                id: "E2EXAMPLE".into(),
                caller_reference: "existing-1".into(),
                inspection_origin: "failopen-www".into(),
                origin_adopted: false,
                origin_ports: vec![443],
                application_origin: "app".into(),
                behaviors: vec![ProtectedBehavior {
                    path_pattern: PathPattern::default_behavior(),
                    original_target: "app".into(),
                    cloned: None,
                }],
                written: true,
            }),
            alarm: Some(AlarmName::new("failopen-www-inspection")),
            replaced: Vec::new(),
        },
        pin: None,
        pin_ended_at: None,
        flips: Vec::new(),
        pending: None,
        latch: None,
        unlatched_at: None,
        watch: Watch::default(),
        answered: None,
        created_by: None,
        newest: None,
        intents: 0,
        tombstones: Vec::new(),
    }
}

/// A customer's distribution that preflight has nothing to say against.
pub(crate) fn distribution() -> String {
    let rich = include_str!("../../../tests/events/distribution-rich.xml");
    rich.replace("viewer-request", "viewer-response")
}

/// A customer's distribution with the protection in it, and the row that says so.
pub(crate) fn provisioned() -> (Document, Row) {
    let before = Document::parse(distribution().as_bytes()).expect("the fixture is a distribution");
    let wiring = wire(&before, &spec(), None, &[]).expect("nothing stands against it");
    let mut row = row();
    row.made.distribution = Some(MadeDistribution { written: true, ..wiring.made });
    (wiring.after, row)
}

/// The row after automation bypassed it.
pub(crate) fn bypassed_row(seconds_ago: i64) -> Row {
    let mut row = row();
    row.record_flip(flip(Side::Bypassed, FlippedBy::Automation, seconds_ago));
    row
}

pub(crate) fn flip(to: Side, by: FlippedBy, seconds_ago: i64) -> Flip {
    let from = match to {
        Side::Bypassed => Posture::Inspected,
        Side::Inspected => Posture::Bypassed,
    };
    Flip {
        at: ago(seconds_ago),
        from,
        to,
        by,
        reason: "AlarmActive".into(),
        requested_by: None,
        etag_after: Some(ETag::new("E3")),
    }
}

pub(crate) fn pin(posture: PinPosture, since: i64, expires_at: Option<Timestamp>) -> Pin {
    Pin { posture, reason: "INC-42".into(), requested_by: None, since: ago(since), expires_at }
}

/// The protection's own alarm, in its state for so many seconds.
pub(crate) fn own_alarm(state: AlarmState, seconds: i64) -> ObservedAlarm {
    alarm("failopen-www-inspection", state, seconds)
}

pub(crate) fn alarm(name: &str, state: AlarmState, seconds: i64) -> ObservedAlarm {
    ObservedAlarm {
        name: name.into(),
        arn: format!("arn:aws:cloudwatch:us-east-1:111122223333:alarm:{name}"),
        state,
        since: Some(ago(seconds)),
        actions_enabled: true,
        metric: None,
    }
}
