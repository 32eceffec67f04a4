use std::collections::BTreeSet;

use super::*;
use crate::document::{Edit, NewOrigin};
use crate::id::{HostedZoneId, Hostname, OriginId};
use crate::sample;
use crate::spec::{Zone, ZoneRole};

const RICH: &str = include_str!("../../../../tests/events/distribution-rich.xml");

pub(super) fn owner() -> OwnerMark {
    OwnerMark::new("0123456789ab")
}

fn blameless() -> Document {
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

fn found(spec: &Spec, observed: &Observed) -> Vec<(Code, String)> {
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

/// A check of Route 53 with this setting of `Disabled`.
fn check(id: &str, disabled: bool) -> (HealthCheckId, ObservedHealthCheck) {
    let HealthCheckSpec::Managed(managed) = sample::spec().health_check else { panic!("a check of our own") };
    let config = crate::port::HealthCheckConfig { disabled, ..managed.config(&sample::spec().inspection) };
    (id.into(), ObservedHealthCheck { id: id.into(), caller_reference: "r".to_owned(), version: 1, config })
}

#[test]
fn a_named_check_must_exist_and_be_switched_on() {
    let adopted = Spec { health_check: HealthCheckSpec::Adopted { id: "h-1".into() }, ..sample::spec() };
    let secondary = Spec { secondary_health_check: Some("h-1".into()), ..sample::spec() };
    for (spec, property) in [(&adopted, "HealthCheck.HealthCheckId"), (&secondary, "SecondaryHealthCheck")] {
        let with = |checks: &[(HealthCheckId, ObservedHealthCheck)]| {
            let observed = Observed { health_checks: checks.iter().cloned().collect(), ..observed() };
            findings(spec, &owner(), &observed)
        };
        assert_eq!(with(&[check("h-1", false)]), []);
        for (checks, weight) in
            [(vec![check("h-2", false)], Weight::Structural), (vec![check("h-1", true)], Weight::Advisory)]
        {
            let found = with(&checks);
            assert_eq!(found.len(), 1, "{found:?}");
            assert_eq!((found[0].code, found[0].property.as_str()), (Code::HealthCheckNotHealthy, property));
            assert_eq!(found[0].weight, weight);
        }
    }
}

/// The sample with one text of the distribution replaced, everywhere.
fn with_text(from: &str, to: &str) -> Observed {
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

mod of_hosts {
    use super::*;
    use crate::handshake::{Shown, Side, Trust};
    use crate::ledger::Lifecycle;
    use crate::spec::{ApplicationCheck, CheckType};

    fn look(side: Side, name: &str, origin_name: Option<&str>) -> Look {
        let connect = match side {
            Side::Inspection => "cq-route.cequence.cloud",
            Side::Application => "origin-www.cq-route.com",
        };
        let origin_name = origin_name.map(Hostname::from);
        Look { side, connect: connect.into(), port: 443, name: name.into(), origin_name, is_certain: true }
    }

    fn good() -> Shown {
        Shown {
            trust: Trust::Trusted { until: None },
            names_it: true,
            names_origin: false,
            asks_for_client_certificate: false,
        }
    }

    fn at() -> Timestamp {
        "2026-11-26T12:00:00Z".parse().expect("a time")
    }

    fn with(handshakes: Vec<(Look, Seen)>) -> Observed {
        let hosts = Hosts { at: at(), policies: Policies::new(), handshakes, health: None, unread: Vec::new() };
        Observed { hosts: Some(hosts), ..observed() }
    }

    fn one(look: Look, seen: Seen) -> Vec<Finding> {
        findings(&sample::spec(), &owner(), &with(vec![(look, seen)]))
    }

    const RECORD: &str = "cq-origin-www.cq-route.com";

    #[test]
    fn where_cloudfront_has_a_client_certificate_a_host_that_asks_for_one_is_a_warning() {
        let plain = "<IpAddressType>ipv4</IpAddressType></CustomOriginConfig>";
        let arn = "arn:aws:acm:us-east-1:111122223333:certificate/m";
        let mutual = format!(
            "<IpAddressType>ipv4</IpAddressType><OriginMtlsConfig><ClientCertificateArn>{arn}</ClientCertificateArn>\
             </OriginMtlsConfig></CustomOriginConfig>"
        );
        let distribution = with_text(plain, &mutual).distribution;
        for side in [Side::Inspection, Side::Application] {
            let asks = Seen::Certificate(Shown { asks_for_client_certificate: true, ..good() });
            let observed =
                Observed { distribution: distribution.clone(), ..with(vec![(look(side, RECORD, None), asks)]) };
            let found = findings(&sample::spec(), &owner(), &observed);
            let [finding] = found.as_slice() else { panic!("{found:?}") };
            assert_eq!((finding.code, finding.severity), (Code::TlsClientCertificate, Severity::Warning));
            assert!(finding.message.contains(arn), "{finding}");
        }
        let quiet = with(vec![(look(Side::Application, RECORD, None), Seen::Certificate(good()))]);
        assert_eq!(findings(&sample::spec(), &owner(), &Observed { distribution, ..quiet }), []);
    }

    #[test]
    fn which_certificate_is_shown_follows_from_the_origin_by_which_cloudfront_comes() {
        let spec = sample::spec();
        let id = OriginId::new("by-hand");
        let add = Edit::AddOrigin {
            like: "app & co".into(),
            origin: NewOrigin { id: id.clone(), domain_name: spec.failover_record.clone(), https_port: 443 },
        };
        let to_it = Edit::Retarget { path_pattern: "*".into(), from: "app & co".into(), to: id };
        let document = blameless().edit(&[add, to_it]).expect("the edits fit");
        // Only the origin at the record has a client certificate.
        let text = String::from_utf8(document.bytes().to_vec()).expect("text");
        let (before, origin) = text.split_at(text.find("<Id>by-hand</Id>").expect("the origin"));
        let mutual = "<OriginMtlsConfig><ClientCertificateArn>arn:c</ClientCertificateArn></OriginMtlsConfig></CustomOriginConfig>";
        let text = format!("{before}{}", origin.replacen("</CustomOriginConfig>", mutual, 1));
        let distribution = Some(Document::parse(text.as_bytes()).expect("a configuration"));
        let asks = || Seen::Certificate(Shown { asks_for_client_certificate: true, ..good() });
        let direct = spec.application.clone();
        for (asked, severity) in [
            (look(Side::Application, RECORD, None), Severity::Warning),
            (look(Side::Application, direct.as_str(), None), Severity::Error),
            (look(Side::Application, "www.cq-route.com", Some(RECORD)), Severity::Warning),
            (look(Side::Application, "www.cq-route.com", Some(direct.as_str())), Severity::Error),
        ] {
            let told = format!("{asked:?}");
            let observed = Observed { distribution: distribution.clone(), ..with(vec![(asked, asks())]) };
            let found = findings(&spec, &owner(), &observed);
            let found = found.iter().find(|finding| finding.code == Code::TlsClientCertificate);
            assert_eq!(found.map(|finding| finding.severity), Some(severity), "{told}");
        }
    }

    #[test]
    fn what_a_request_does_not_bring_about_or_nobody_is_certain_of_is_a_warning() {
        let (document, row) = sample::provisioned();
        let with_row = |lifecycle, is_certain| {
            let rows = vec![Row { lifecycle, ..row.clone() }];
            let asked = Look { is_certain, ..look(Side::Inspection, RECORD, None) };
            let seen = with(vec![(asked, Seen::Unreachable { why: "x".to_owned() })]);
            let observed = Observed { distribution: Some(document.clone()), rows, ..seen };
            let severity_of = |spec: &Spec| {
                let found = findings(spec, &row.owner, &observed);
                let found = found.iter().find(|finding| finding.code == Code::TlsUnreachable);
                found.map(|finding| finding.severity).expect("a finding")
            };
            let moved = Spec { origin_port: 8443, ..row.spec.clone() };
            [severity_of(&row.spec), severity_of(&moved)]
        };
        assert_eq!(with_row(Lifecycle::Active, true), [Severity::Warning, Severity::Error]);
        assert_eq!(with_row(Lifecycle::Active, false), [Severity::Warning; 2]);
        assert_eq!(with_row(Lifecycle::Creating, true), [Severity::Error; 2]);
    }

    #[test]
    fn each_fault_of_a_handshake_has_its_finding_on_the_host_that_has_it() {
        let why = || "x".to_owned();
        let until = at() + jiff::SignedDuration::from_hours(24 * 9);
        for (seen, code, severity) in [
            (Seen::Unreachable { why: why() }, Code::TlsUnreachable, Severity::Error),
            (Seen::Broken { why: why() }, Code::TlsUnreachable, Severity::Error),
            (Seen::WrongVersion { why: why() }, Code::TlsVersion, Severity::Error),
            (Seen::NameUnknown, Code::TlsNameMismatch, Severity::Error),
            (
                Seen::Certificate(Shown { trust: Trust::Expired { why: why() }, ..good() }),
                Code::TlsExpired,
                Severity::Error,
            ),
            (
                Seen::Certificate(Shown { trust: Trust::Untrusted { why: why() }, ..good() }),
                Code::TlsUntrusted,
                Severity::Error,
            ),
            (
                Seen::Certificate(Shown { trust: Trust::Trusted { until: Some(until) }, ..good() }),
                Code::TlsExpiresSoon,
                Severity::Warning,
            ),
            (Seen::Certificate(Shown { names_it: false, ..good() }), Code::TlsNameMismatch, Severity::Error),
            (
                Seen::Certificate(Shown { asks_for_client_certificate: true, ..good() }),
                Code::TlsClientCertificate,
                Severity::Error,
            ),
        ] {
            for (side, property, target) in [
                (Side::Inspection, "InspectionHostname", Target::Inspection),
                (Side::Application, "ApplicationHostname", Target::Application),
            ] {
                let found = one(look(side, RECORD, None), seen.clone());
                let [finding] = found.as_slice() else { panic!("{seen:?}: {found:?}") };
                assert_eq!((finding.code, finding.severity), (code, severity), "{finding}");
                assert_eq!((finding.property.as_str(), finding.target), (property, target));
                assert!(finding.message.contains(RECORD), "{finding}");
                assert_eq!(finding.weight, Weight::Advisory);
            }
        }
        assert_eq!(one(look(Side::Inspection, RECORD, None), Seen::Certificate(good())), []);
    }

    #[test]
    fn the_days_that_are_left_are_counted() {
        let until = at() + jiff::SignedDuration::from_hours(24 * 9 + 5);
        let shown = Shown { trust: Trust::Trusted { until: Some(until) }, ..good() };
        let found = one(look(Side::Inspection, RECORD, None), Seen::Certificate(shown));
        assert!(found[0].message.contains("expires in 9 days, at 2026-12-05T17:00:00Z"), "{}", found[0]);
    }

    #[test]
    fn a_certificate_for_the_origin_s_name_alone_is_a_warning_where_the_viewer_s_host_is_forwarded() {
        let shown = |names_origin| Seen::Certificate(Shown { names_it: false, names_origin, ..good() });
        let forwarded =
            |names_origin| one(look(Side::Inspection, "www.cq-route.com", Some(RECORD)), shown(names_origin));
        assert_eq!(forwarded(true)[0].severity, Severity::Warning);
        assert!(forwarded(true)[0].message.contains(RECORD), "{}", forwarded(true)[0]);
        assert_eq!(forwarded(false)[0].severity, Severity::Error);
    }

    #[test]
    fn the_same_fault_under_several_names_is_told_once_with_all_of_them() {
        let shown = || Seen::Certificate(Shown { names_it: false, ..good() });
        let both = with(vec![
            (look(Side::Inspection, "shop.cq-route.com", Some(RECORD)), shown()),
            (look(Side::Inspection, "www.cq-route.com", Some(RECORD)), shown()),
            (look(Side::Application, "www.cq-route.com", Some(RECORD)), Seen::Certificate(good())),
        ]);
        let found = findings(&sample::spec(), &owner(), &both);
        assert_eq!(found.len(), 1);
        assert!(found[0].message.contains("asked for shop.cq-route.com, www.cq-route.com, shows"), "{}", found[0]);
    }

    #[test]
    fn an_application_that_nobody_wants_checked_may_be_out_of_our_reach() {
        let why = || "x".to_owned();
        let unchecked = Spec { application_check: ApplicationCheck::None, ..sample::spec() };
        // One refuses the connection, the other one takes it and resets it.
        for seen in [Seen::Unreachable { why: why() }, Seen::Broken { why: why() }] {
            let severity = |side| {
                let observed = with(vec![(look(side, RECORD, None), seen.clone())]);
                findings(&unchecked, &owner(), &observed)[0].severity
            };
            assert_eq!((severity(Side::Application), severity(Side::Inspection)), (Severity::Warning, Severity::Error));
        }
    }

    #[test]
    fn each_fault_of_the_health_path_has_its_finding() {
        let probe = HealthProbe {
            host: "cq-route.cequence.cloud".into(),
            port: 443,
            protocol: CheckType::Https,
            path: "/healthz".to_owned(),
            search_string: Some("alive".to_owned()),
        };
        let found = |probed: HealthProbed| {
            let hosts = Hosts {
                at: at(),
                policies: Policies::new(),
                handshakes: Vec::new(),
                health: Some((probe.clone(), probed)),
                unread: Vec::new(),
            };
            found(&sample::spec(), &Observed { hosts: Some(hosts), ..observed() })
        };
        let answered = |status, found| HealthProbed::Answered { status, found };
        let (path, string) = ("HealthCheck.Path".to_owned(), "HealthCheck.SearchString".to_owned());
        for (probed, expected) in [
            (HealthProbed::NoAnswer { why: "x".to_owned() }, vec![(Code::HttpTimeout, path.clone())]),
            (answered(302, None), vec![(Code::HttpRedirect, path.clone())]),
            (answered(399, Some(true)), vec![(Code::HttpRedirect, path.clone())]),
            (answered(400, Some(true)), vec![(Code::HttpStatus, path.clone())]),
            (answered(199, None), vec![(Code::HttpStatus, path.clone())]),
            (answered(503, None), vec![(Code::HttpStatus, path)]),
            (answered(200, Some(false)), vec![(Code::HttpSearchString, string)]),
            (answered(200, Some(true)), vec![]),
            (answered(299, None), vec![]),
            (HealthProbed::Connected, vec![]),
        ] {
            assert_eq!(found(probed.clone()), expected, "{probed:?}");
        }
    }

    #[test]
    fn a_redirect_is_said_to_hide_outages_and_anything_else_to_be_unhealthy_at_once() {
        let said = |status| {
            let probe = HealthProbe::of(&sample::spec()).expect("a managed check");
            let health = Some((probe, HealthProbed::Answered { status, found: None }));
            let hosts =
                Hosts { at: at(), policies: Policies::new(), handshakes: Vec::new(), health, unread: Vec::new() };
            findings(&sample::spec(), &owner(), &Observed { hosts: Some(hosts), ..observed() })[0].message.clone()
        };
        assert!(said(301).contains("would stay green"), "{}", said(301));
        assert!(said(500).contains("unhealthy from the start"), "{}", said(500));
    }

    /// One finding of each kind, as people read it.
    fn examples() -> Vec<Finding> {
        let probe = || HealthProbe::of(&sample::spec()).expect("a managed check");
        let (inspection, application) = (look(Side::Inspection, RECORD, None), look(Side::Application, RECORD, None));
        let viewer = look(Side::Inspection, "www.cq-route.com", Some(RECORD));
        let why = |text: &str| text.to_owned();
        let until = at() + jiff::SignedDuration::from_hours(24 * 9);
        let shown = |shown: Shown| Seen::Certificate(shown);
        let handshakes = [
            (
                inspection.clone(),
                Seen::Unreachable {
                    why: why("cq-route.cequence.cloud does not accept a connection on port 443: refused"),
                },
            ),
            (
                application.clone(),
                Seen::WrongVersion {
                    why: why("cq-origin-www.cq-route.com does not speak TLS 1.2 or newer with a cipher in common"),
                },
            ),
            (
                application.clone(),
                shown(Shown {
                    trust: Trust::Untrusted {
                        why: why(
                            "the certificate of cq-origin-www.cq-route.com is not signed by a trusted authority, or its \
                                  chain is incomplete",
                        ),
                    },
                    ..good()
                }),
            ),
            (
                inspection.clone(),
                shown(Shown {
                    trust: Trust::Expired {
                        why: why(
                            "shows a certificate (or a part of its chain) that has expired since 2026-11-01T00:00:00Z",
                        ),
                    },
                    ..good()
                }),
            ),
            (inspection.clone(), shown(Shown { trust: Trust::Trusted { until: Some(until) }, ..good() })),
            (viewer, shown(Shown { names_it: false, ..good() })),
            (application, shown(Shown { asks_for_client_certificate: true, ..good() })),
        ];
        let answered = |status, found| HealthProbed::Answered { status, found };
        let health = [
            HealthProbed::NoAnswer { why: why("connected, and no whole answer within 2 s") },
            answered(403, None),
            answered(302, None),
            answered(200, Some(false)),
        ];
        let with_string = |probed: &HealthProbed| match probed {
            HealthProbed::Answered { found: Some(_), .. } => {
                HealthProbe { search_string: Some("alive".into()), ..probe() }
            }
            _ => probe(),
        };
        let of_tls = handshakes.into_iter().flat_map(|(look, seen)| one(look, seen));
        let of_http = health.into_iter().flat_map(|probed| {
            let health = Some((with_string(&probed), probed));
            let hosts =
                Hosts { at: at(), policies: Policies::new(), handshakes: Vec::new(), health, unread: Vec::new() };
            findings(&sample::spec(), &owner(), &Observed { hosts: Some(hosts), ..observed() })
        });
        of_tls.chain(of_http).collect()
    }

    #[test]
    fn the_page_about_preflight_quotes_each_finding_about_hosts_as_it_is() {
        let page = include_str!("../../../../docs/preflight.md");
        let missing: Vec<String> =
            examples().iter().map(|finding| format!("- {finding}")).filter(|line| !page.contains(line)).collect();
        assert_eq!(missing, Vec::<String>::new(), "not in docs/preflight.md:\n{}", missing.join("\n"));
    }

    #[test]
    fn a_policy_that_could_not_be_read_is_a_warning_that_names_it() {
        let unread = vec![(PolicyId::Cache("p-1".to_owned()), "AccessDenied".to_owned())];
        let hosts = Hosts { at: at(), policies: Policies::new(), handshakes: Vec::new(), health: None, unread };
        let found = findings(&sample::spec(), &owner(), &Observed { hosts: Some(hosts), ..observed() });
        assert_eq!((found[0].code, found[0].severity), (Code::Permission, Severity::Warning));
        assert!(found[0].message.contains("cache policy p-1"), "{}", found[0]);
    }

    #[test]
    fn what_a_checker_asks_is_what_the_check_says_and_an_adopted_one_is_not_asked() {
        let mut spec = sample::spec();
        let HealthCheckSpec::Managed(check) = &mut spec.health_check else { panic!("a check of our own") };
        (check.port, check.path, check.search_string) = (8443, "/up".to_owned(), Some("yes".to_owned()));
        let probe = HealthProbe::of(&spec).expect("a managed check is asked");
        assert_eq!((probe.host.as_str(), probe.port, probe.path.as_str()), ("cq-route.cequence.cloud", 8443, "/up"));
        assert_eq!(probe.search_string.as_deref(), Some("yes"));
        spec.health_check = HealthCheckSpec::Adopted { id: "h-1".into() };
        assert_eq!(HealthProbe::of(&spec), None);
    }
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
