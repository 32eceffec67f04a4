//! A protection as provisioning leaves it, piece by piece: written down here a second time, so that a mistake in
//! `provision` is not one here too.

use failopen::alarm::MetricAlarm;
use failopen::id::{HealthCheckId, Hostname, OwnerMark};
use failopen::ledger::{Lifecycle, Made, MadeRecords, Row, Watch};
use failopen::port::{FailoverRole, HealthCheckConfig, RecordSet};
use failopen::spec::{CheckType, ManagedHealthCheck, Spec};

use crate::world::{LOGICAL_ID, OWNER, REACT_ARN, STACK_ID};

pub(crate) fn row(spec: &Spec, made: Made) -> Row {
    Row {
        name: spec.name.clone(),
        owner: OwnerMark::new(OWNER),
        stack_id: STACK_ID.to_owned(),
        logical_id: LOGICAL_ID.to_owned(),
        lifecycle: Lifecycle::Active,
        spec: spec.clone(),
        made,
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

pub(crate) fn reference(spec: &Spec) -> String {
    format!("{OWNER}-{}", spec.name)
}

pub(crate) fn health_check_config(spec: &Spec, managed: &ManagedHealthCheck) -> HealthCheckConfig {
    let plain = match managed.protocol {
        CheckType::Https => "HTTPS",
        CheckType::Http => "HTTP",
        CheckType::Tcp => "TCP",
    };
    let suffix = if managed.search_string.is_some() { "_STR_MATCH" } else { "" };
    HealthCheckConfig {
        check_type: format!("{plain}{suffix}"),
        host: Some(spec.inspection.clone()),
        port: Some(managed.port),
        path: (managed.protocol != CheckType::Tcp).then(|| managed.path.clone()),
        search_string: managed.search_string.clone(),
        interval_seconds: Some(managed.interval_seconds),
        failure_threshold: Some(managed.failure_threshold),
        enable_sni: (managed.protocol == CheckType::Https).then_some(true),
        inverted: false,
        disabled: false,
        regions: managed.regions.clone(),
    }
}

pub(crate) fn failover_records(spec: &Spec, made: &MadeRecords) -> [RecordSet; 2] {
    let record = |role, word: &str, host: &Hostname, check: Option<HealthCheckId>| RecordSet {
        name: spec.failover_record.clone(),
        record_type: "CNAME".to_owned(),
        set_identifier: Some(format!("failopen-{}-{OWNER}-{word}", spec.name)),
        failover: Some(role),
        ttl: Some(made.ttl),
        values: vec![host.to_string()],
        health_check: check,
        routing: "failover".to_owned(),
    };
    [
        record(FailoverRole::Primary, "primary", &made.primary, Some(made.primary_health_check.clone())),
        record(FailoverRole::Secondary, "secondary", &made.secondary, made.secondary_health_check.clone()),
    ]
}

pub(crate) fn alarm_settings(spec: &Spec, health_check: &HealthCheckId) -> MetricAlarm {
    let react = vec![REACT_ARN.to_owned()];
    MetricAlarm {
        description: format!("Inspection of {} as Route 53 sees it", spec.name),
        namespace: "AWS/Route53".to_owned(),
        metric_name: "HealthCheckStatus".to_owned(),
        dimensions: vec![("HealthCheckId".to_owned(), health_check.to_string())],
        statistic: "Minimum".to_owned(),
        period_seconds: 60,
        evaluation_periods: spec.alarm_evaluation_periods,
        threshold_milli: 1000,
        comparison: "LessThanThreshold".to_owned(),
        treat_missing_data: "missing".to_owned(),
        alarm_actions: react.clone(),
        ok_actions: react.clone(),
        insufficient_data_actions: react,
    }
}
