use std::collections::BTreeSet;

use super::*;
use crate::document::{Edit, NewOrigin};
use crate::id::{HostedZoneId, Hostname, OriginId};
use crate::ledger::Lifecycle;
use crate::sample;
use crate::spec::{Touched, Zone, ZoneRole};

pub(super) const RICH: &str = include_str!("../../../../tests/events/distribution-rich.xml");

pub(super) fn owner() -> OwnerMark {
    OwnerMark::new("0123456789ab")
}

pub(super) fn blameless() -> Document {
    Document::parse(sample::distribution().as_bytes()).expect("the fixture is a distribution")
}

pub(super) fn observed() -> Observed {
    Observed {
        distribution: Some(blameless()),
        zone: Some(ObservedZone { name: Hostname::new("cq-route.com"), private: false, name_servers: BTreeSet::new() }),
        records: Vec::new(),
        health_checks: BTreeMap::new(),
        alarm: ObservedAlarm::missing(AlarmName::new("failopen-www-inspection")),
        alarm_owner: None,
        missing_alarms: Vec::new(),
        unreadable: Vec::new(),
        rows: Vec::new(),
        application: Some(ProbeOutcome::Answered { status: 404 }),
        hosts: None,
        reach: None,
        names: Names::default(),
        denied: Vec::new(),
    }
}

pub(super) fn found(spec: &Spec, observed: &Observed) -> Vec<(Code, String)> {
    findings(spec, &owner(), observed).into_iter().map(|finding| (finding.code, finding.property)).collect()
}

#[test]
fn a_fresh_account_has_no_findings() {
    assert_eq!(found(&sample::spec(), &observed()), []);
}

#[test]
fn each_observation_has_its_finding() {
    let zone =
        |name: &str| Some(ObservedZone { name: Hostname::new(name), private: false, name_servers: BTreeSet::new() });
    let alarm = ObservedAlarm { state: AlarmState::Ok, ..observed().alarm };
    for (observed, code, property) in [
        (Observed { distribution: None, ..observed() }, Code::DistributionMissing, "DistributionId"),
        (Observed { zone: None, ..observed() }, Code::RecordOutsideZone, "HostedZoneId"),
        (Observed { zone: zone("example.org"), ..observed() }, Code::RecordOutsideZone, "FailoverRecord"),
        (Observed { zone: zone("www.cq-route.com"), ..observed() }, Code::RecordOutsideZone, "FailoverRecord"),
        (Observed { zone: zone("route.com"), ..observed() }, Code::RecordOutsideZone, "FailoverRecord"),
        (Observed { zone: zone("cq-origin-www.cq-route.com"), ..observed() }, Code::RecordAtApex, "FailoverRecord"),
        (Observed { alarm: alarm.clone(), ..observed() }, Code::Permission, "Name"),
        (Observed { alarm, alarm_owner: Some("somebody".into()), ..observed() }, Code::Permission, "Name"),
        (
            Observed { missing_alarms: vec![AlarmName::new("www-5xx-rate")], ..observed() },
            Code::HealthCheckNotHealthy,
            "AdditionalAlarms",
        ),
        (
            Observed { application: Some(ProbeOutcome::Answered { status: 503 }), ..observed() },
            Code::ApplicationCheck,
            "ApplicationCheck",
        ),
    ] {
        assert_eq!(found(&sample::spec(), &observed), [(code, property.to_owned())], "{observed:?}");
    }
}

#[test]
fn an_alarm_with_our_mark_is_ours() {
    let alarm = ObservedAlarm { state: AlarmState::Alarm, ..observed().alarm };
    assert_eq!(found(&sample::spec(), &Observed { alarm, alarm_owner: Some(owner()), ..observed() }), []);
}

#[test]
fn what_could_not_be_read_is_said_once() {
    let denied = Finding::structural(Code::Permission, "DistributionId", Target::Distribution, "denied");
    let observed = Observed { distribution: None, denied: vec![denied], ..observed() };
    assert_eq!(found(&sample::spec(), &observed), [(Code::Permission, "DistributionId".to_owned())]);
}

#[test]
fn only_enforce_refuses_what_damages_nothing() {
    let structural = Finding::structural(Code::RecordConflict, "FailoverRecord", Target::Zone, "x");
    let advisory = Finding::error(Code::ApplicationCheck, "ApplicationCheck", Target::Application, "x");
    let warning = Finding::warning(Code::OriginHostMismatch, "ApplicationHostname", Target::Application, "x");
    let all = [structural.clone(), advisory.clone(), warning];
    assert_eq!(refusing(Preflight::Enforce, &all), [structural.clone(), advisory]);
    assert_eq!(refusing(Preflight::Warn, &all), std::slice::from_ref(&structural));
    assert_eq!(refusing(Preflight::Skip, &all), [structural]);
}

#[test]
fn everything_outside_the_allow_lists_is_named_with_its_parameter() {
    let role = ZoneRole { arn: "arn:aws:iam::444455556666:role/zone".to_owned(), external_id: None };
    let zone = Zone { id: HostedZoneId::new("Z0EXAMPLE"), role: Some(role) };
    let spec = Spec { dns: Dns::Route53 { zone }, ..sample::spec() };
    let refused = AllowLists::default().refusals(&Touched::by(&spec));
    let properties: Vec<&str> = refused.iter().map(|finding| finding.property.as_str()).collect();
    assert_eq!(properties, ["DistributionId", "HostedZoneId", "FailoverRecord", "HostedZoneRoleArn"]);
    for (finding, parameter) in
        refused.iter().zip(["AllowedDistributions", "AllowedHostedZones", "AllowedRecords", "AllowedHostedZoneRoles"])
    {
        assert!(finding.message.contains(parameter), "{finding}");
    }
    let external = Spec { dns: Dns::External, ..sample::spec() };
    assert_eq!(
        AllowLists::default().refusals(&Touched::by(&external)).len(),
        1,
        "without our records only the distribution counts"
    );
}

/// A check of Route 53 with this setting of `Disabled`.
pub(super) fn check(id: &str, disabled: bool) -> (HealthCheckId, ObservedHealthCheck) {
    let HealthCheckSpec::Managed(managed) = sample::spec().health_check else { panic!("a check of our own") };
    let config = crate::port::HealthCheckConfig { disabled, ..managed.config(&sample::spec().inspection) };
    (id.into(), ObservedHealthCheck { id: id.into(), caller_reference: "r".to_owned(), version: 1, config })
}

#[test]
fn a_named_check_must_exist_and_be_switched_on() {
    let adopted = Spec { health_check: HealthCheckSpec::Adopted { id: "h-1".into() }, ..sample::spec() };
    let secondary = Spec { secondary_health_check: Some("h-1".into()), ..sample::spec() };
    for (spec, property, while_disabled) in [
        (&adopted, "HealthCheck.HealthCheckId", "it would hide every outage"),
        (&secondary, "SecondaryHealthCheck", "the application would be answered with even when it is down"),
    ] {
        let with = |checks: &[(HealthCheckId, ObservedHealthCheck)]| {
            let observed = Observed { health_checks: checks.iter().cloned().collect(), ..observed() };
            findings(spec, &owner(), &observed)
        };
        assert_eq!(with(&[check("h-1", false)]), []);
        for (checks, weight, message) in [
            (vec![check("h-2", false)], Weight::Structural, "nothing would ever fail over"),
            (vec![check("h-1", true)], Weight::Advisory, while_disabled),
        ] {
            let found = with(&checks);
            assert_eq!(found.len(), 1, "{found:?}");
            assert_eq!((found[0].code, found[0].property.as_str()), (Code::HealthCheckNotHealthy, property));
            assert_eq!(found[0].weight, weight);
            assert!(found[0].message.contains(message), "{}", found[0]);
        }
    }
}

/// The sample with one text of the distribution replaced, everywhere.
pub(super) fn with_text(from: &str, to: &str) -> Observed {
    let text = sample::distribution();
    assert!(text.contains(from), "{from}");
    let changed = Document::parse(text.replace(from, to).as_bytes()).expect("still a distribution");
    Observed { distribution: Some(changed), ..observed() }
}

#[test]
fn a_distribution_that_serves_nobody_directly_is_named() {
    for (text, changed) in [
        ("<ConnectionMode>direct</ConnectionMode>", "<ConnectionMode>tenant-only</ConnectionMode>"),
        ("<Staging>false</Staging>", "<Staging>true</Staging>"),
    ] {
        let code = (Code::DistributionStaging, "DistributionId".to_owned());
        assert_eq!(found(&sample::spec(), &with_text(text, changed)), [code], "{changed}");
    }
    let policy = |id: &str| format!("<ContinuousDeploymentPolicyId>{id}</ContinuousDeploymentPolicyId>");
    let observed_with_policy = with_text(&policy(""), &policy("9f2c1f3e"));
    let finding = &findings(&sample::spec(), &owner(), &observed_with_policy)[0];
    assert_eq!((finding.code, finding.severity), (Code::DistributionStaging, Severity::Warning), "{finding}");
    let enabled = sample::distribution();
    let disabled = enabled.match_indices("<Enabled>true").find_map(|(at, on)| {
        let text = format!("{}<Enabled>false{}", &enabled[..at], &enabled[at + on.len()..]);
        Document::parse(text.as_bytes()).ok().filter(|document| !document.enabled())
    });
    let disabled = Observed { distribution: disabled, ..observed() };
    assert_eq!(found(&sample::spec(), &disabled), [(Code::DistributionDisabled, "DistributionId".to_owned())]);
}

#[test]
fn an_application_origin_that_differs_from_what_was_declared_is_named() {
    let host = Spec { application: Hostname::new("other.cq-route.com"), ..sample::spec() };
    let differs = findings(&host, &owner(), &observed());
    assert_eq!((differs.len(), differs[0].severity, differs[0].code), (1, Severity::Warning, Code::OriginHostMismatch));
    let port = Spec { origin_port: 8443, ..sample::spec() };
    assert_eq!(found(&port, &observed()), [(Code::OriginType, "OriginPort".to_owned())]);
    assert_eq!(findings(&port, &owner(), &observed())[0].severity, Severity::Error);
    // A port that is in force already does not come with the request; nor does one that was, to which an Update is rolled back.
    for (lifecycle, declared, given, severity) in [
        (Lifecycle::Active, 8443, vec![8443], Severity::Warning),
        (Lifecycle::Active, 443, vec![443, 8443], Severity::Warning),
        (Lifecycle::Active, 443, vec![443], Severity::Error),
        (Lifecycle::Updating, 443, vec![8443, 443], Severity::Warning),
        (Lifecycle::Updating, 443, vec![443], Severity::Error),
        (Lifecycle::Creating, 8443, vec![8443], Severity::Error),
    ] {
        let (_, mut row) = sample::provisioned();
        (row.owner, row.lifecycle, row.spec.origin_port) = (owner(), lifecycle, declared);
        row.made.distribution.as_mut().expect("wired").origin_ports = given.clone();
        let told = findings(&port, &owner(), &Observed { rows: vec![row], ..observed() });
        let told = told.iter().find(|finding| finding.property == "OriginPort").expect("the port differs");
        assert_eq!(told.severity, severity, "{lifecycle:?}, declared {declared}, given {given:?}");
    }
}

#[test]
fn a_private_zone_and_somebody_elses_name_are_refused() {
    let private = ObservedZone { name: Hostname::new("cq-route.com"), private: true, name_servers: BTreeSet::new() };
    let observed_zone = Observed { zone: Some(private), ..observed() };
    assert_eq!(found(&sample::spec(), &observed_zone), [(Code::ZonePrivate, "HostedZoneId".to_owned())]);
    let mut theirs = sample::row();
    (theirs.owner, theirs.made.distribution) = (OwnerMark::new("ba9876543210"), None);
    let taken = findings(&sample::spec(), &owner(), &Observed { rows: vec![theirs.clone()], ..observed() });
    assert_eq!((taken.len(), taken[0].code, taken[0].property.as_str()), (1, Code::Permission, "Name"));
    assert!(taken[0].message.contains(&theirs.stack_id), "{}", taken[0].message);
}

#[test]
fn our_row_is_the_one_of_this_name_and_mark_and_the_others_are_those_in_the_same_distribution() {
    let ours = sample::row();
    let mut other = sample::row();
    other.name = "api".into();
    let mut elsewhere = other.clone();
    elsewhere.made.distribution.as_mut().expect("wired").id = "E9OTHER".into();
    let observed = Observed { rows: vec![elsewhere, other.clone(), ours.clone()], ..observed() };
    assert_eq!(observed.row(&sample::spec(), &owner()), Some(&ours));
    assert_eq!(observed.row(&sample::spec(), &"somebody".into()), None);
    let spec = sample::spec();
    let others = observed.others(&spec);
    assert_eq!(others, [other.made.distribution.as_ref().expect("wired")]);
}

#[test]
fn a_row_that_cannot_be_understood_keeps_its_name_and_its_distribution() {
    let named = |name: &str| Observed { unreadable: vec![name.into()], ..observed() };
    assert_eq!(found(&sample::spec(), &named("www")), [(Code::Permission, "Name".to_owned())]);
    assert_eq!(found(&sample::spec(), &named("api")), [], "its protection is not in this distribution");
    let (document, _) = sample::provisioned();
    let second = Spec { name: "api".into(), traffic: vec!["/api/*".into()], ..sample::spec() };
    let here = Observed { distribution: Some(document), ..named("www") };
    assert!(found(&second, &here).contains(&(Code::BehaviorOverlap, "Traffic".to_owned())));
}

#[test]
fn beside_a_row_that_cannot_be_understood_nothing_unfamiliar_is_used() {
    let besides = |spec: &Spec, document: Document| {
        let seen = Observed { distribution: Some(document), unreadable: vec!["api".into()], ..observed() };
        let overlap = |finding: &Finding| finding.code == Code::BehaviorOverlap;
        findings(spec, &owner(), &seen).into_iter().find(overlap).map(|finding| finding.message)
    };
    let (spec, id) = (sample::spec(), OriginId::new("by-hand"));
    let origin = NewOrigin { id: id.clone(), domain_name: spec.failover_record.clone(), https_port: 443 };
    let edits = [
        Edit::AddOrigin { like: "app & co".into(), origin },
        Edit::Retarget { path_pattern: "*".into(), from: "app & co".into(), to: id },
    ];
    let adopting = besides(&spec, blameless().edit(&edits).expect("the edits fit"));
    assert!(adopting.is_some_and(|told| told.contains("may have adopted origin by-hand of E2EXAMPLE")));
    let elsewhere = Spec { application: Hostname::new("elsewhere.example.com"), ..sample::spec() };
    let another = besides(&elsewhere, blameless());
    assert!(another.is_some_and(|told| told.contains("may have adopted origin app & co of E2EXAMPLE")));
    assert_eq!(besides(&spec, blameless()), None, "the application by its host, and an origin of our own");
}

#[test]
fn what_a_function_at_the_edge_could_do_is_warned_of_and_refuses_nothing() {
    let distribution = Some(Document::parse(RICH.as_bytes()).expect("the fixture is a distribution"));
    let observed = Observed { distribution, ..observed() };
    let warnings = findings(&sample::spec(), &owner(), &observed);
    let codes: Vec<Code> = warnings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, [Code::BehaviorEdgeFunction]);
    let edge = &warnings[0].message;
    assert!(edge.contains("function/redirect-apex runs at the viewer-request of `*`"), "{edge}");
    assert_eq!(refusing(Preflight::Enforce, &warnings), []);
}

#[test]
fn time_outs_that_somebody_gave_our_origin_are_warned_of() {
    let text = |attempts: u32| {
        let (document, _) = sample::provisioned();
        let text = String::from_utf8(document.bytes().to_vec()).expect("text");
        let at = text.find("<Id>failopen-www</Id>").expect("our origin");
        let ours = text[at..].replacen("<ConnectionAttempts>2", &format!("<ConnectionAttempts>{attempts}"), 1);
        format!("{}{ours}", &text[..at])
    };
    for (attempts, expected) in
        [(2, None), (3, None), (4, Some("origin failopen-www is given 4 attempts of 3 s to connect: "))]
    {
        let distribution = Some(Document::parse(text(attempts).as_bytes()).expect("a distribution"));
        let observed = Observed { distribution, rows: vec![sample::provisioned().1], ..observed() };
        let found = findings(&sample::spec(), &owner(), &observed);
        let message = found.iter().find(|finding| finding.code == Code::OriginTimeOuts).map(|found| &found.message);
        assert_eq!(message.is_some(), expected.is_some(), "{found:?}");
        assert!(message.is_none_or(|message| message.contains(expected.unwrap_or_default())), "{message:?}");
    }
}

#[test]
fn a_distribution_that_is_full_is_told_before_cloudfront_refuses() {
    let crowded = |behaviors: usize| {
        let mut text = String::from_utf8(blameless().bytes().to_vec()).expect("text");
        let present = blameless().behaviors().len() - 1;
        let item = "<CacheBehavior><PathPattern>/static/*</PathPattern>";
        let start = text.find(item).expect("a behaviour");
        let end = start + text[start..].find("</CacheBehavior>").expect("its end") + "</CacheBehavior>".len();
        let more: String =
            (present..behaviors).map(|n| text[start..end].replace("/static/*", &format!("/more/{n}/*"))).collect();
        text.insert_str(end, &more);
        let quantity = format!("<CacheBehaviors><Quantity>{present}<");
        assert!(text.contains(&quantity), "the fixture counts its behaviours");
        let text = text.replace(&quantity, &format!("<CacheBehaviors><Quantity>{behaviors}<"));
        let distribution = Some(Document::parse(text.as_bytes()).expect("a distribution"));
        found(&Spec { traffic: vec!["/new/*".into()], ..sample::spec() }, &Observed { distribution, ..observed() })
    };
    assert_eq!(crowded(74), []);
    assert_eq!(crowded(75), [(Code::Quota, "Traffic".to_owned())]);
}

#[test]
fn an_update_that_leads_away_from_what_the_engine_may_not_touch_any_more_names_each_place() {
    let row = sample::row();
    let elsewhere = Spec {
        distribution: "E3NEW".into(),
        failover_record: "new.cq-route.com".into(),
        dns: Dns::Route53 { zone: Zone { id: HostedZoneId::new("Z9NEW"), role: None } },
        ..sample::spec()
    };
    let refused = AllowLists::default().refusals_of_former(&row, &elsewhere);
    let properties: Vec<&str> = refused.iter().map(|finding| finding.property.as_str()).collect();
    assert_eq!(properties, ["DistributionId", "FailoverRecord", "HostedZoneId"]);
    for (finding, (place, parameter)) in refused.iter().zip([
        ("distribution E2EXAMPLE", "AllowedDistributions"),
        ("record cq-origin-www.cq-route.com", "AllowedRecords"),
        ("hosted zone Z0EXAMPLE", "AllowedHostedZones"),
    ]) {
        assert!(finding.message.contains(place) && finding.message.contains(parameter), "{finding}");
    }
    let former = AllowLists {
        distributions: BTreeSet::from(["E2EXAMPLE".into()]),
        zones: BTreeSet::from(["Z0EXAMPLE".into()]),
        records: BTreeSet::from(["cq-origin-www.cq-route.com".into()]),
        zone_roles: BTreeSet::new(),
    };
    assert_eq!(former.refusals_of_former(&row, &elsewhere), [], "it may still clean up there");
    let other_zone = Dns::Route53 { zone: Zone { id: HostedZoneId::new("Z9NEW"), role: None } };
    let moved = Spec { dns: other_zone, ..sample::spec() };
    let refused = AllowLists::default().refusals_of_former(&row, &moved);
    let properties: Vec<&str> = refused.iter().map(|finding| finding.property.as_str()).collect();
    assert_eq!(properties, ["FailoverRecord", "HostedZoneId"], "the same name in another zone");
    assert_eq!(AllowLists::default().refusals_of_former(&row, &sample::spec()), [], "nothing is left behind");
}

#[test]
fn a_zone_that_may_not_be_read_is_said_once_and_one_that_does_not_exist_whatever_else_may_not() {
    let denied = |property| Finding::structural(Code::Permission, property, Target::Zone, "denied");
    let without_zone = |denied| Observed { zone: None, denied: vec![denied], ..observed() };
    assert_eq!(
        found(&sample::spec(), &without_zone(denied("HostedZoneId"))),
        [(Code::Permission, "HostedZoneId".to_owned())]
    );
    assert_eq!(
        found(&sample::spec(), &without_zone(denied("Name"))),
        [(Code::Permission, "Name".to_owned()), (Code::RecordOutsideZone, "HostedZoneId".to_owned())]
    );
}
