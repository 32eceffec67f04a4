//! Each setting that somebody may have changed, found one by one.

use super::*;
use crate::alarm::MetricAlarm;
use crate::document::Edit;
use crate::id::{HealthCheckId, Hostname, OriginId, PathPattern};
use crate::ledger::FlippedBy;
use crate::port::HealthCheckConfig;
use crate::posture::Side;
use crate::sample;
use crate::spec::ManagedHealthCheck;

const RECORD: &str = "record cq-origin-www.cq-route.com";

/// What, expected and found of every drift, on one line each.
fn lines(row: &Row, facts: &Facts<'_>) -> Vec<String> {
    drift(row, facts)
        .into_iter()
        .map(|drift| format!("{}: {} -> {}", drift.what, drift.expected, drift.found))
        .collect()
}

fn in_document(row: &Row, document: &Document) -> Vec<String> {
    lines(row, &Facts { document: Some(document), ..Facts::default() })
}

fn edited(document: &Document, edits: &[Edit]) -> Document {
    document.edit(edits).expect("an edit that fits")
}

fn retarget(to: &str) -> Edit {
    Edit::Retarget { path_pattern: PathPattern::default_behavior(), from: "failopen-www".into(), to: to.into() }
}

#[test]
fn what_is_as_provisioned_is_no_drift_and_what_could_not_be_read_is_none_either() {
    let (document, row) = sample::provisioned();
    let (records, check, alarm) = (records(&row), check(&row), alarm(&row));
    let facts = Facts {
        document: Some(&document),
        records: Some(&records),
        health_check: Some(Some(&check)),
        alarm: Some(&alarm),
    };
    assert_eq!(drift(&row, &facts), []);
    assert_eq!(drift(&row, &Facts::default()), []);
}

#[test]
fn an_origin_that_leads_elsewhere_or_is_gone_is_drift() {
    let (document, row) = sample::provisioned();
    let renamed = Edit::SetOriginDomain {
        id: "failopen-www".into(),
        from: Hostname::new("cq-origin-www.cq-route.com"),
        to: Hostname::new("elsewhere.example.com"),
    };
    assert_eq!(
        in_document(&row, &edited(&document, &[renamed])),
        ["origin failopen-www DomainName: cq-origin-www.cq-route.com -> elsewhere.example.com"]
    );
    let removed = [retarget("static-assets"), Edit::RemoveOrigin { id: "failopen-www".into() }];
    assert_eq!(
        in_document(&row, &edited(&document, &removed)),
        ["origin failopen-www: present -> gone", "behavior * target: failopen-www or app & co -> static-assets"]
    );
    let mut elsewhere = row.clone();
    elsewhere.made.distribution.as_mut().expect("wired").application_origin = OriginId::new("no-such-origin");
    assert_eq!(in_document(&elsewhere, &document), ["origin no-such-origin: present -> gone"]);
}

#[test]
fn a_disabled_distribution_and_a_behaviour_that_is_gone_are_drift() {
    let (document, mut row) = sample::provisioned();
    assert_eq!(in_document(&row, &disabled(&document)), ["distribution E2EXAMPLE: enabled -> disabled"]);
    let behaviors = &mut row.made.distribution.as_mut().expect("wired").behaviors;
    let gone = crate::ledger::ProtectedBehavior { path_pattern: "/gone/*".into(), ..behaviors[0].clone() };
    behaviors.push(gone);
    assert_eq!(in_document(&row, &document), ["behavior /gone/*: present -> gone"]);
}

/// The document with the one `Enabled` changed that switches the distribution itself off.
fn disabled(document: &Document) -> Document {
    let text = String::from_utf8(document.bytes().to_vec()).expect("UTF-8");
    let changed = text.match_indices("<Enabled>true").find_map(|(at, on)| {
        let changed = format!("{}<Enabled>false{}", &text[..at], &text[at + on.len()..]);
        Document::parse(changed.as_bytes()).ok().filter(|document| !document.enabled())
    });
    changed.expect("one of them is the distribution's own")
}

#[test]
fn a_bypass_that_the_ledger_does_not_know_is_drift_and_one_that_it_knows_is_none() {
    let (document, mut row) = sample::provisioned();
    let bypassed = edited(&document, &[retarget("app & co")]);
    assert_eq!(in_document(&row, &bypassed), ["posture of www: inspected -> bypassed"]);
    row.record_flip(sample::flip(Side::Bypassed, FlippedBy::Automation, 60));
    assert_eq!(in_document(&row, &bypassed), Vec::<String>::new());
    assert_eq!(in_document(&row, &document), Vec::<String>::new());
}

/// Both failover records as provisioned.
fn records(row: &Row) -> Vec<RecordSet> {
    row.made.records.as_ref().expect("records").pair(&row.owner, &row.name).to_vec()
}

#[test]
fn each_setting_of_a_record_is_compared() {
    let (_, row) = sample::provisioned();
    let check = row.made.records.as_ref().expect("records").primary_health_check.clone();
    let changed = |at: usize, change: fn(&mut RecordSet)| {
        let mut records = records(&row);
        change(&mut records[at]);
        lines(&row, &Facts { records: Some(&records), ..Facts::default() })
    };
    assert_eq!(changed(0, |record| record.ttl = Some(300)), [format!("{RECORD} PRIMARY TTL: 30 -> 300")]);
    assert_eq!(changed(1, |record| record.ttl = None), [format!("{RECORD} SECONDARY TTL: 30 -> none")]);
    assert_eq!(
        changed(0, |record| record.values = vec!["x.example".into(), "y.example".into()]),
        [format!("{RECORD} PRIMARY value: cq-route.cequence.cloud -> x.example, y.example")]
    );
    assert_eq!(
        changed(0, |record| record.health_check = None),
        [format!("{RECORD} PRIMARY health check: {check} -> none")]
    );
    assert_eq!(
        changed(1, |record| record.health_check = Some("h-9".into())),
        [format!("{RECORD} SECONDARY health check: none -> h-9")]
    );
    assert_eq!(
        changed(1, |record| (record.failover, record.routing) = (None, "weighted".into())),
        [
            format!("{RECORD} SECONDARY: present -> gone"),
            format!("{RECORD} CNAME: only the two failover records -> weighted")
        ]
    );
}

fn check(row: &Row) -> ObservedHealthCheck {
    let made = row.made.health_check.as_ref().expect("a check");
    let HealthCheckSpec::Managed(spec) = &row.spec.health_check else { panic!("a check of our own") };
    ObservedHealthCheck {
        id: made.id.clone().expect("an id"),
        caller_reference: made.caller_reference.clone().expect("a reference"),
        version: 1,
        config: spec.config(&row.spec.inspection),
    }
}

#[test]
fn each_setting_of_our_health_check_is_compared() {
    let (_, row) = sample::provisioned();
    let changed = |change: fn(&mut HealthCheckConfig)| {
        let mut check = check(&row);
        change(&mut check.config);
        let found = lines(&row, &Facts { health_check: Some(Some(&check)), ..Facts::default() });
        assert_eq!(found.len(), 1, "{found:?}");
        found[0].strip_prefix(&format!("health check {} ", check.id)).expect("it names the check").to_owned()
    };
    assert_eq!(changed(|check| check.disabled = true), "Disabled: false -> true: it reports healthy whatever happens");
    assert_eq!(changed(|check| check.inverted = true), "Inverted: false -> true");
    let host = "FullyQualifiedDomainName: cq-route.cequence.cloud -> x.example";
    assert_eq!(changed(|check| check.host = Some("x.example".into())), host);
    assert_eq!(changed(|check| check.port = Some(8443)), "Port: 443 -> 8443");
    assert_eq!(changed(|check| check.port = None), "Port: 443 -> none");
    assert_eq!(changed(|check| check.path = Some("/x".into())), "ResourcePath: / -> /x");
    assert_eq!(changed(|check| check.failure_threshold = Some(9)), "FailureThreshold: 2 -> 9");
    assert_eq!(changed(|check| check.search_string = Some("ok".into())), "SearchString: none -> ok");
    let gone = lines(&row, &Facts { health_check: Some(None), ..Facts::default() });
    assert_eq!(gone, [format!("health check {}: present -> gone", check(&row).id)]);
}

#[test]
fn a_check_without_a_path_has_none_that_could_drift_and_an_adopted_one_is_only_asked_whether_it_works() {
    let (_, mut row) = sample::provisioned();
    let mut present = check(&row);
    let HealthCheckSpec::Managed(spec) = row.spec.health_check.clone() else { panic!("a check of our own") };
    row.spec.health_check = HealthCheckSpec::Managed(ManagedHealthCheck { protocol: CheckType::Tcp, ..spec });
    present.config.path = None;
    fn facts(check: Option<&ObservedHealthCheck>) -> Facts<'_> {
        Facts { health_check: Some(check), ..Facts::default() }
    }
    assert_eq!(lines(&row, &facts(Some(&present))), Vec::<String>::new());

    row.spec.health_check = HealthCheckSpec::Adopted { id: present.id.clone() };
    (present.config.inverted, present.config.port) = (true, None);
    assert_eq!(lines(&row, &facts(Some(&present))), Vec::<String>::new());
    row.made.health_check = None;
    assert_eq!(lines(&row, &facts(None)), Vec::<String>::new(), "none was made");
}

fn alarm(row: &Row) -> ObservedAlarm {
    let check = row.made.health_check.as_ref().and_then(|made| made.id.clone()).expect("a check");
    let metric = MetricAlarm::on_inspection(&row.spec, &check, "arn:aws:lambda:us-east-1:111122223333:function:react");
    ObservedAlarm { metric: Some(metric), ..sample::own_alarm(AlarmState::Ok, 60) }
}

#[test]
fn each_setting_of_our_alarm_is_compared() {
    let (_, row) = sample::provisioned();
    let check = row.made.health_check.as_ref().and_then(|made| made.id.clone()).expect("a check");
    let changed = |change: fn(&mut ObservedAlarm)| {
        let mut alarm = alarm(&row);
        change(&mut alarm);
        lines(&row, &Facts { alarm: Some(&alarm), ..Facts::default() }).join("\n")
    };
    let metric = |alarm: &mut ObservedAlarm, change: fn(&mut MetricAlarm)| change(alarm.metric.as_mut().expect("ours"));
    let what = "alarm failopen-www-inspection";
    assert_eq!(changed(|alarm| alarm.state = AlarmState::Missing), format!("{what}: present -> gone"));
    let silent = changed(|alarm| alarm.actions_enabled = false);
    assert_eq!(silent, format!("{what} ActionsEnabled: true -> false: react is not told"));
    assert_eq!(changed(|alarm| alarm.metric = None), "", "a composite alarm of this name has no such settings");
    let elsewhere = changed(|alarm| {
        let other = HealthCheckId::new("h-9").to_string();
        alarm.metric.as_mut().expect("ours").dimensions = vec![("HealthCheckId".into(), other)];
    });
    assert_eq!(elsewhere, format!("{what} HealthCheckId: {check} -> h-9"));
    let unrelated =
        changed(|alarm| alarm.metric.as_mut().expect("ours").dimensions = vec![("Region".into(), "x".into())]);
    assert_eq!(unrelated, format!("{what} HealthCheckId: {check} -> none"));
    let mut slow = alarm(&row);
    metric(&mut slow, |metric| metric.evaluation_periods = 5);
    metric(&mut slow, |metric| metric.alarm_actions.clear());
    let found = lines(&row, &Facts { alarm: Some(&slow), ..Facts::default() });
    let periods = format!("{what} EvaluationPeriods: 1 -> 5");
    assert_eq!(found, [periods, format!("{what} AlarmActions: the react function -> none")]);
}
