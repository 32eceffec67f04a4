//! What a plan says, line by line: people decide by it.

use std::collections::BTreeSet;

use super::*;
use crate::alarm::ObservedAlarm;
use crate::document::{Document, NewOrigin};
use crate::id::{Hostname, OriginId, PathPattern};
use crate::ledger::{MadeHealthCheck, Replaced};
use crate::port::{FailoverRole, HealthCheckConfig, ObservedZone};
use crate::preflight::Names;
use crate::sample;
use crate::spec::Dns;

const REACT: &str = "arn:aws:lambda:us-east-1:111122223333:function:react";
const CHECK: &str = "11111111-2222-3333-4444-555555555555";

fn owner() -> OwnerMark {
    sample::row().owner
}

/// An account in which nothing of ours exists.
fn fresh() -> Observed {
    Observed {
        distribution: Some(Document::parse(sample::distribution().as_bytes()).expect("the fixture is a distribution")),
        zone: Some(ObservedZone { name: Hostname::new("cq-route.com"), private: false, name_servers: BTreeSet::new() }),
        records: Vec::new(),
        health_checks: BTreeMap::new(),
        alarm: ObservedAlarm::missing("failopen-www-inspection".into()),
        alarm_owner: None,
        missing_alarms: Vec::new(),
        rows: Vec::new(),
        unreadable: Vec::new(),
        application: None,
        hosts: None,
        reach: None,
        names: Names::default(),
        denied: Vec::new(),
    }
}

fn check(id: &str, reference: &str, config: HealthCheckConfig) -> (HealthCheckId, ObservedHealthCheck) {
    let check = ObservedHealthCheck { id: id.into(), caller_reference: reference.to_owned(), version: 1, config };
    (id.into(), check)
}

fn config(spec: &Spec) -> HealthCheckConfig {
    match &spec.health_check {
        HealthCheckSpec::Managed(managed) => managed.config(&spec.inspection),
        HealthCheckSpec::Adopted { .. } => panic!("a check of our own"),
    }
}

/// An account in which the sample is provisioned.
fn provisioned() -> Observed {
    let (document, row) = sample::provisioned();
    let records = row.made.records.as_ref().expect("records").pair(&row.owner, &row.name).to_vec();
    let metric = MetricAlarm::on_inspection(&row.spec, &CHECK.into(), REACT);
    Observed {
        distribution: Some(document),
        records,
        health_checks: BTreeMap::from([check(CHECK, "reference", config(&row.spec))]),
        alarm: ObservedAlarm { metric: Some(metric), ..sample::own_alarm(AlarmState::Ok, 60) },
        alarm_owner: Some(row.owner.clone()),
        rows: vec![row],
        ..fresh()
    }
}

/// The lines of the text, without the headline.
fn lines(spec: &Spec, observed: &Observed) -> Vec<String> {
    let plan = plan(spec, &owner(), observed, REACT);
    let lines: Vec<String> = plan.text.lines().map(str::to_owned).collect();
    assert_eq!(lines[0], "Protection www in distribution E2EXAMPLE");
    lines[1..].to_vec()
}

fn changed(spec: &Spec, observed: &Observed) -> Vec<String> {
    lines(spec, observed).into_iter().filter(|line| !line.starts_with('=') && line != "No findings.").collect()
}

#[test]
fn a_new_protection_is_told_object_by_object() {
    let set = |role| owner().set_identifier(&"www".into(), role);
    let (primary, secondary) = (set(FailoverRole::Primary), set(FailoverRole::Secondary));
    assert_eq!(
        lines(&sample::spec(), &fresh()),
        [
            "+ create ledger row www: active".to_owned(),
            "+ create health check: HTTPS cq-route.cequence.cloud:443/ every 10 s, unhealthy after 2 failures".to_owned(),
            format!(
                "+ create record cq-origin-www.cq-route.com {primary}: PRIMARY CNAME cq-route.cequence.cloud, TTL 30, health \
                 check (new)"
            ),
            format!("+ create record cq-origin-www.cq-route.com {secondary}: SECONDARY CNAME origin-www.cq-route.com, TTL 30, no health check"),
            "+ create origin failopen-www of distribution E2EXAMPLE: cq-origin-www.cq-route.com:443, otherwise like app & co, with its 2 custom headers"
                .to_owned(),
            "~ change behavior * of distribution E2EXAMPLE: app & co -> failopen-www".to_owned(),
            "= keep   behavior /api/v1/* of distribution E2EXAMPLE: app & co, not inspected: Traffic does not name it".to_owned(),
            "= keep   behavior /api/* of distribution E2EXAMPLE: app & co, not inspected: Traffic does not name it".to_owned(),
            "= keep   behavior /checkout/* of distribution E2EXAMPLE: app & co, not inspected: Traffic does not name it".to_owned(),
            "= keep   behavior /account/* of distribution E2EXAMPLE: app & co, not inspected: Traffic does not name it".to_owned(),
            "+ create alarm failopen-www-inspection: Minimum HealthCheckStatus of (new) below 1 for 1 min".to_owned(),
            "No findings.".to_owned(),
        ]
    );
}

#[test]
fn behaviours_that_go_past_inspection_are_named() {
    let rich = include_str!("../../../tests/events/distribution-rich.xml");
    let observed =
        Observed { distribution: Some(Document::parse(rich.as_bytes()).expect("a configuration")), ..fresh() };
    let left_out = |traffic: &[&str]| {
        let traffic = traffic.iter().map(|pattern| PathPattern::new(*pattern)).collect();
        let spec = Spec { traffic, ..sample::spec() };
        let told: Vec<String> =
            lines(&spec, &observed).into_iter().filter(|line| line.contains("not inspected")).collect();
        told
    };
    let told = left_out(&["*"]);
    let line =
        "= keep   behavior /checkout/* of distribution E2EXAMPLE: app & co, not inspected: Traffic does not name it";
    assert!(told.iter().any(|told| told == line), "{told:?}");
    assert!(told.iter().all(|line| !line.contains("/static/*")), "that one is a bucket's: {told:?}");
    assert_eq!(left_out(&["*", "/checkout/*"]).len(), told.len() - 1);
    assert_eq!(left_out(&["*", "/new/*"]), told, "a behaviour that is still to be made is inspected");
}

/// The sample distribution with an origin that somebody made for the record, and one behaviour at it.
fn by_hand() -> Observed {
    let record = Hostname::new("cq-origin-www.cq-route.com");
    let rich = include_str!("../../../tests/events/distribution-rich.xml");
    let document = Document::parse(rich.as_bytes()).expect("a configuration");
    let id = OriginId::new(record.as_str());
    let origin = NewOrigin { id: id.clone(), domain_name: record, https_port: 443 };
    let edits = [
        Edit::AddOrigin { like: "app & co".into(), origin },
        Edit::Retarget { path_pattern: "*".into(), from: "app & co".into(), to: id },
    ];
    Observed { distribution: Some(document.edit(&edits).expect("the edits fit")), ..fresh() }
}

#[test]
fn what_is_adopted_is_told_with_what_becomes_of_it() {
    let spec = Spec { traffic: vec!["*".into(), "/checkout/*".into()], ..sample::spec() };
    let told = |spec: &Spec, observed: &Observed| {
        let lines = lines(spec, observed);
        let what = [" origin ", "behavior *", "/checkout/"];
        let matters = |line: &&String| !line.starts_with('!') && what.iter().any(|what| line.contains(what));
        lines.iter().filter(matters).cloned().collect::<Vec<_>>()
    };
    let moved = "~ change behavior /checkout/* of distribution E2EXAMPLE: app & co -> cq-origin-www.cq-route.com";
    let origin = "= adopt  origin cq-origin-www.cq-route.com of distribution E2EXAMPLE: cq-origin-www.cq-route.com:443, which stays \
                  when the protection is deleted";
    let behavior = "= adopt  behavior * of distribution E2EXAMPLE: cq-origin-www.cq-route.com, which ";
    let goes = "goes to app & co when the protection is deleted, because the records that we make are removed then";
    assert_eq!(told(&spec, &by_hand()), [moved.to_owned(), origin.to_owned(), format!("{behavior}{goes}")]);
    // Records of another DNS service stay whatever happens.
    let external = Spec { dns: Dns::External, ..spec };
    let stays = "stays when the protection is deleted";
    assert_eq!(told(&external, &by_hand()), [moved.to_owned(), origin.to_owned(), format!("{behavior}{stays}")]);
}

#[test]
fn what_is_as_wanted_is_kept_and_said_so() {
    let lines = lines(&sample::spec(), &provisioned());
    assert!(lines[..lines.len() - 1].iter().all(|line| line.starts_with("= keep ")), "{lines:?}");
    for what in ["ledger row www", CHECK, "-primary", "-secondary", "behavior *", "alarm failopen-www-inspection"] {
        assert_eq!(
            lines.iter().filter(|line| line.split(": ").next().is_some_and(|l| l.contains(what))).count(),
            1,
            "{what}"
        );
    }
    assert_eq!(lines.last().map(String::as_str), Some("No findings."));
}

#[test]
fn another_time_to_live_changes_both_records_and_the_row() {
    let spec = Spec { record_ttl: 60, ..sample::spec() };
    let lines = changed(&spec, &provisioned());
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[0].ends_with("ledger row www: active -> active, with the new settings"), "{lines:?}");
    let primary = format!("PRIMARY CNAME cq-route.cequence.cloud, TTL {{}}, health check {CHECK}");
    let secondary = "SECONDARY CNAME origin-www.cq-route.com, TTL {}, no health check";
    for (line, record) in lines[1..].iter().zip([primary.as_str(), secondary]) {
        let [before, after] = ["30", "60"].map(|ttl| record.replace("{}", ttl));
        assert!(line.starts_with("~ change record") && line.ends_with(&format!(": {before} -> {after}")), "{line}");
    }
}

#[test]
fn a_record_whose_twin_alone_changes_is_kept() {
    let spec = Spec { secondary_health_check: Some("h-2".into()), ..sample::spec() };
    let mut observed = provisioned();
    observed.health_checks.extend([check("h-2", "the user's", config(&spec))]);
    let lines = lines(&spec, &observed);
    let records: Vec<&String> = lines.iter().filter(|line| line.contains(" record ")).collect();
    assert_eq!(records.len(), 2, "{lines:?}");
    assert!(records[0].starts_with("= keep   record") && records[0].contains("-primary: PRIMARY"), "{}", records[0]);
    assert!(
        records[1].starts_with("~ change record") && records[1].ends_with("TTL 30, health check h-2"),
        "{}",
        records[1]
    );
}

#[test]
fn a_check_of_ours_is_changed_in_place_or_replaced_by_a_new_one_that_leaves_the_old_to_be_removed() {
    let with = |change: fn(&mut crate::spec::ManagedHealthCheck)| {
        let mut spec = sample::spec();
        let HealthCheckSpec::Managed(managed) = &mut spec.health_check else { panic!("a check of our own") };
        change(managed);
        changed(&spec, &provisioned())
    };
    let threshold = with(|check| check.failure_threshold = 3);
    assert!(
        threshold[1].contains(&format!("health check {CHECK}: ")) && threshold[1].contains("2 failures -> HTTPS"),
        "{threshold:?}"
    );
    let regions = with(|check| check.regions = vec!["us-east-1".into(), "us-west-2".into(), "eu-west-1".into()]);
    assert!(regions[1].ends_with("failures, other settings as declared"), "{regions:?}");
    let interval = with(|check| check.interval_seconds = 30);
    assert!(interval[1].starts_with("+ create health check: HTTPS"), "{interval:?}");
    assert!(interval.contains(&format!("- remove health check {CHECK}: ours")), "{interval:?}");
    assert!(
        interval.iter().any(|line| line.contains("alarm") && line.contains(&format!("{CHECK} below"))),
        "{interval:?}"
    );
}

#[test]
fn only_checks_whose_reference_the_ledger_recorded_are_ours() {
    let observed = provisioned();
    let mut checks = observed.health_checks.clone();
    checks.extend([check("h-2", "somebody's", config(&sample::spec()))]);
    let row = observed.row(&sample::spec(), &owner());
    let ours: Vec<String> = own_checks(row, &checks).into_iter().map(|check| check.id.to_string()).collect();
    assert_eq!(ours, [CHECK]);
    assert_eq!(own_checks(None, &checks), []);
}

#[test]
fn an_adopted_check_is_kept_as_it_is_and_never_left_over() {
    let mut observed = provisioned();
    observed.health_checks.extend([check("h-9", "the user's", config(&sample::spec()))]);
    let spec = Spec { health_check: HealthCheckSpec::Adopted { id: "h-9".into() }, ..sample::spec() };
    let all = lines(&spec, &observed);
    assert!(all.contains(&"= keep   health check h-9: adopted: never changed".to_owned()), "{all:?}");
    assert!(all.contains(&format!("- remove health check {CHECK}: ours")), "{all:?}");
    let made = MadeHealthCheck { caller_reference: None, id: Some("h-8".into()) };
    observed.rows[0].made.replaced.push(Replaced::HealthCheck(made));
    assert!(!lines(&spec, &observed).iter().any(|line| line.contains("h-8")), "an adopted check is never removed");
}

#[test]
fn what_an_update_moves_away_from_is_listed_for_removal() {
    let observed = provisioned();
    let elsewhere = Spec { distribution: "E3OTHER".into(), ..sample::spec() };
    let steps =
        plan(&elsewhere, &owner(), &Observed { distribution: fresh().distribution, ..provisioned() }, REACT).plan;
    let removed = steps.iter().find(|step| step.action == Action::Remove).expect("the old protection goes");
    assert_eq!(removed.what, "protection in distribution E2EXAMPLE");

    let renamed = Spec { failover_record: Hostname::new("new.cq-route.com"), ..sample::spec() };
    let observed = Observed { records: Vec::new(), ..observed };
    let lines = changed(&renamed, &observed);
    let gone = lines.iter().filter(|line| line.starts_with("- remove record cq-origin-www.cq-route.com")).count();
    assert_eq!(gone, 2, "{lines:?}");
    let moved = lines.iter().find(|line| line.contains("origin failopen-www")).expect("our origin follows");
    assert!(moved.ends_with("cq-origin-www.cq-route.com -> new.cq-route.com"), "{moved}");

    let external = Spec { dns: Dns::External, ..sample::spec() };
    let lines = changed(&external, &observed);
    assert_eq!(lines.iter().filter(|line| line.starts_with("- remove record")).count(), 2, "{lines:?}");
}

#[test]
fn behaviours_that_come_and_go_are_named_with_what_they_are_copied_from() {
    let traffic = vec![PathPattern::default_behavior(), PathPattern::new("/ours/*")];
    let spec = Spec { traffic, ..sample::spec() };
    let all = lines(&spec, &provisioned());
    let is_protected = |line: &&String| line.contains(" behavior ") && !line.contains("not inspected");
    let behaviors: Vec<&String> = all.iter().filter(is_protected).collect();
    assert_eq!(
        behaviors,
        [
            "+ create behavior /ours/* of distribution E2EXAMPLE: failopen-www, a copy of `*` directly above it",
            "= keep   behavior * of distribution E2EXAMPLE: failopen-www",
        ]
    );
    let one = Spec { traffic: vec![PathPattern::new("/api/*")], ..sample::spec() };
    let lines = changed(&one, &provisioned());
    assert!(
        lines.contains(&"~ change behavior * of distribution E2EXAMPLE: failopen-www -> app & co".to_owned()),
        "{lines:?}"
    );
}

#[test]
fn what_stands_in_the_way_is_kept_with_a_word_why_and_found() {
    let foreign = RecordSet {
        set_identifier: None,
        failover: None,
        routing: "simple".to_owned(),
        ..provisioned().records[0].clone()
    };
    let lines = lines(&sample::spec(), &Observed { records: vec![foreign], ..fresh() });
    assert!(
        lines.contains(&"= keep   record cq-origin-www.cq-route.com: not ours, see the findings".to_owned()),
        "{lines:?}"
    );
    let found = lines.iter().find(|line| line.starts_with("! ")).expect("a finding");
    assert!(found.contains("FailoverRecord: ") && found.ends_with("[record-conflict]"), "{found}");

    let without = |distribution| Observed { distribution, ..fresh() };
    let absent = super::plan(&sample::spec(), &owner(), &without(None), REACT);
    assert!(absent.text.contains("= keep   distribution E2EXAMPLE: not readable, see the findings"), "{}", absent.text);
    let group = Spec { traffic: vec![PathPattern::new("/media/*")], ..sample::spec() };
    let refused = super::plan(&group, &owner(), &fresh(), REACT);
    assert!(
        refused.text.contains("= keep   distribution E2EXAMPLE: not changed, see the findings"),
        "{}",
        refused.text
    );
}

#[test]
fn an_alarm_with_other_settings_or_of_another_kind_is_changed() {
    let mut observed = provisioned();
    let metric = observed.alarm.metric.as_mut().expect("our alarm");
    metric.treat_missing_data = "breaching".to_owned();
    let lines = changed(&sample::spec(), &observed);
    assert!(lines[0].contains("below 1 for 1 min, other settings -> Minimum"), "{lines:?}");
    observed.alarm.metric = None;
    let lines = changed(&sample::spec(), &observed);
    assert!(lines[0].contains("no metric alarm -> Minimum"), "{lines:?}");
}
