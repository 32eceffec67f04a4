use super::*;
use crate::id::AlarmName;
use crate::sample;
use crate::spec::{Zone, ZoneRole};

const RICH: &str = include_str!("../../../../tests/events/distribution-rich.xml");

fn owner() -> OwnerMark {
    OwnerMark::new("0123456789ab")
}

fn observed() -> Observed {
    Observed {
        distribution: Some(Document::parse(RICH.as_bytes()).expect("the fixture is a distribution")),
        zone: Some(ObservedZone { name: Hostname::new("cq-route.com"), private: false }),
        records: Vec::new(),
        health_checks: BTreeMap::new(),
        alarm: ObservedAlarm::missing(AlarmName::new("failopen-www-inspection")),
        alarm_owner: None,
        rows: Vec::new(),
        application: Some(ProbeOutcome::Answered { status: 404 }),
        denied: Vec::new(),
    }
}

fn found(spec: &Spec, observed: &Observed) -> Vec<(Code, String)> {
    findings(spec, &owner(), observed).into_iter().map(|finding| (finding.code, finding.property)).collect()
}

#[test]
fn a_fresh_account_has_no_findings() {
    assert_eq!(found(&sample::spec(), &observed()), []);
}

#[test]
fn each_observation_has_its_finding() {
    let zone = |name: &str| Some(ObservedZone { name: Hostname::new(name), private: false });
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
    let refused = AllowLists::default().refusals(&spec);
    let properties: Vec<&str> = refused.iter().map(|finding| finding.property.as_str()).collect();
    assert_eq!(properties, ["DistributionId", "HostedZoneId", "FailoverRecord", "HostedZoneRoleArn"]);
    for (finding, parameter) in
        refused.iter().zip(["AllowedDistributions", "AllowedHostedZones", "AllowedRecords", "AllowedHostedZoneRoles"])
    {
        assert!(finding.message.contains(parameter), "{finding}");
    }
    let external = Spec { dns: Dns::External, ..sample::spec() };
    assert_eq!(AllowLists::default().refusals(&external).len(), 1, "without our records only the distribution counts");
}
