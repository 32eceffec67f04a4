//! One finding of every code, as people read it: docs/preflight.md quotes them.

use std::collections::BTreeSet;

use super::hosts_tests::examples as of_hosts;
use super::tests::{RICH, blameless, check, observed, owner, with_text};
use super::*;
use crate::id::Hostname;
use crate::port::{FailoverRole, RecordSet};
use crate::reach::{FlipReach, Reach};
use crate::resolution::{Delegation, Ending, Link, Resolution};
use crate::sample;
use crate::spec::Touched;

/// The first finding with this code.
fn of(code: Code, spec: &Spec, observed: &Observed) -> Finding {
    let found = findings(spec, &owner(), observed);
    found.iter().find(|finding| finding.code == code).cloned().unwrap_or_else(|| panic!("{code:?}: {found:?}"))
}

fn traffic(patterns: &[&str]) -> Spec {
    Spec { traffic: patterns.iter().map(|pattern| (*pattern).into()).collect(), ..sample::spec() }
}

fn of_names() -> Vec<Finding> {
    let spec = sample::spec();
    let zone = |name: &str, private| {
        let name_servers = BTreeSet::from([Hostname::new("ns-1.awsdns-1.com")]);
        Observed { zone: Some(ObservedZone { name: name.into(), private, name_servers }), ..observed() }
    };
    let names = |names| Observed { names, ..zone("cq-route.com", false) };
    let gone = Resolution { chain: Vec::new(), ending: Ending::NoSuchName };
    let to = |host: &str, target: &str| Resolution {
        chain: vec![Link { name: host.into(), target: target.into(), ttl: 60 }],
        ending: Ending::Addresses { ttl: 60, addresses: vec![[192, 0, 2, 1].into()] },
    };
    let slow = Resolution::address(3600, [192, 0, 2, 1]);
    let elsewhere = Delegation::To(BTreeSet::from([Hostname::new("ns-7.awsdns-7.org")]));
    let record = RecordSet {
        name: spec.failover_record.clone(),
        record_type: "CNAME".to_owned(),
        set_identifier: None,
        failover: None::<FailoverRole>,
        ttl: Some(300),
        values: vec!["www.example.net".to_owned()],
        health_check: None,
        routing: "simple".to_owned(),
    };
    let looped = names(Names {
        inspection: Some(to(spec.inspection.as_str(), spec.failover_record.as_str())),
        ..Names::default()
    });
    let alias =
        names(Names { application: Some(to(spec.application.as_str(), "www.cq-route.com")), ..Names::default() });
    vec![
        of(Code::DnsUnresolvable, &spec, &names(Names { inspection: Some(gone), ..Names::default() })),
        of(Code::DnsLoop, &spec, &looped),
        of(Code::DnsLoop, &spec, &alias),
        of(Code::DnsSlowChain, &spec, &names(Names { application: Some(slow), ..Names::default() })),
        of(Code::ZoneNotDelegated, &spec, &names(Names { delegation: Some(elsewhere), ..Names::default() })),
        of(Code::RecordOutsideZone, &spec, &zone("example.org", false)),
        of(Code::RecordAtApex, &spec, &zone(spec.failover_record.as_str(), false)),
        of(Code::RecordConflict, &spec, &Observed { records: vec![record], ..observed() }),
        of(Code::ZonePrivate, &spec, &zone("cq-route.com", true)),
    ]
}

fn of_the_distribution() -> Vec<Finding> {
    let spec = sample::spec();
    let rich = || Observed { distribution: Document::parse(RICH.as_bytes()).ok(), ..observed() };
    let disabled = sample::distribution().match_indices("<Enabled>true").find_map(|(at, on)| {
        let text = sample::distribution();
        let text = format!("{}<Enabled>false{}", &text[..at], &text[at + on.len()..]);
        Document::parse(text.as_bytes()).ok().filter(|document| !document.enabled())
    });
    let staging = with_text("<Staging>false</Staging>", "<Staging>true</Staging>");
    let (protected, row) = sample::provisioned();
    let second = Spec { name: "api".into(), failover_record: "cq-origin-api.cq-route.com".into(), ..sample::spec() };
    let beside = Observed { distribution: Some(protected), rows: vec![row.clone()], ..observed() };
    let slow = String::from_utf8(sample::provisioned().0.bytes().to_vec()).expect("text");
    let at = slow.find("<Id>failopen-www</Id>").expect("our origin");
    let slow = format!("{}{}", &slow[..at], slow[at..].replacen("<ConnectionAttempts>2", "<ConnectionAttempts>4", 1));
    let slow = Observed { distribution: Document::parse(slow.as_bytes()).ok(), rows: vec![row], ..observed() };
    let many: Vec<String> = (0..75).map(|n| format!("/more/{n}/*")).collect();
    let many = traffic(&many.iter().map(String::as_str).collect::<Vec<_>>());
    vec![
        of(Code::DistributionMissing, &spec, &Observed { distribution: None, ..observed() }),
        of(Code::DistributionDisabled, &spec, &Observed { distribution: disabled, ..observed() }),
        of(Code::DistributionStaging, &spec, &staging),
        AllowLists::default().refusals(&Touched::by(&spec)).remove(0),
        of(Code::BehaviorMixedOrigins, &traffic(&["*", "/legacy/*"]), &rich()),
        of(Code::BehaviorOriginGroup, &traffic(&["/media/*"]), &rich()),
        of(Code::BehaviorEdgeFunction, &spec, &rich()),
        of(Code::BehaviorOverlap, &second, &beside),
        of(Code::OriginType, &traffic(&["/static/*"]), &rich()),
        of(Code::OriginHostMismatch, &Spec { application: "other.cq-route.com".into(), ..sample::spec() }, &observed()),
        of(Code::OriginTimeOuts, &spec, &slow),
        of(Code::Quota, &many, &Observed { distribution: Some(blameless()), ..observed() }),
    ]
}

fn of_health() -> Vec<Finding> {
    let spec = sample::spec();
    let adopted = Spec { health_check: HealthCheckSpec::Adopted { id: "h-1".into() }, ..sample::spec() };
    let switched_off = Observed { health_checks: [check("h-1", true)].into(), ..observed() };
    let no_alarm = Observed { missing_alarms: vec![AlarmName::new("www-5xx-rate")], ..observed() };
    let unwell = Observed { application: Some(ProbeOutcome::Answered { status: 503 }), ..observed() };
    vec![
        of(Code::HealthCheckNotHealthy, &adopted, &switched_off),
        of(Code::HealthCheckNotHealthy, &spec, &no_alarm),
        of(Code::ApplicationCheck, &spec, &unwell),
    ]
}

fn of_the_engine() -> Vec<Finding> {
    let reach = |policy, flip| Reach {
        account: "111122223333".to_owned(),
        alarm_arn: "arn:aws:cloudwatch:us-east-1:111122223333:alarm:failopen-www-inspection".to_owned(),
        policy,
        flip: Ok(flip),
    };
    let why = "Invoke: AccessDeniedException: not authorized".to_owned();
    let ways = reach(Ok(None), FlipReach::Denied { why });
    findings(&sample::spec(), &owner(), &Observed { reach: Some(ways), ..observed() })
}

#[test]
fn the_page_about_preflight_quotes_a_finding_of_every_code_as_it_is() {
    let page = include_str!("../../../../docs/preflight.md");
    let all = [of_hosts(), of_health(), of_names(), of_the_distribution(), of_the_engine()].concat();
    let missing: Vec<String> =
        all.iter().map(|finding| format!("- {finding}")).filter(|line| !page.contains(line)).collect();
    assert_eq!(missing, Vec::<String>::new(), "not in docs/preflight.md:\n{}", missing.join("\n"));
    let codes: BTreeSet<Code> = all.iter().map(|finding| finding.code).collect();
    // The last one that is declared: whoever adds a code behind it finds this.
    let every = Code::ApplicationCheck as usize + 1;
    assert_eq!(codes.len(), every, "{codes:?}");
}
