use super::*;
use crate::finding::Weight;
use crate::ledger::Row;
use crate::port::ObservedZone;
use crate::preflight::tests::observed;
use crate::preflight::{findings, refusing};
use crate::resolution::Link;
use crate::sample;
use crate::spec::Preflight;

const INSPECTION: &str = "cq-route.cequence.cloud";
const APPLICATION: &str = "origin-www.cq-route.com";
const RECORD: &str = "cq-origin-www.cq-route.com";

/// CNAMEs from the first name to the last, each kept for as many seconds as are said, and what is at their end.
fn way(first: &str, links: &[(&str, u32)], ending: Ending) -> Option<Resolution> {
    let mut name = Hostname::new(first);
    let mut chain = Vec::new();
    for (target, ttl) in links {
        let target = Hostname::new(*target);
        chain.push(Link { name: std::mem::replace(&mut name, target.clone()), target, ttl: *ttl });
    }
    Some(Resolution { chain, ending })
}

fn found(ttl: u32) -> Ending {
    Ending::Addresses { ttl, addresses: vec![[192, 0, 2, 1].into()] }
}

fn silent() -> Ending {
    Ending::NoAnswer { why: "no name server answered in time".to_owned() }
}

/// Everything as it should be.
fn fine() -> Names {
    Names {
        inspection: way(INSPECTION, &[("edge.cequence.net", 300)], found(60)),
        application: Some(Resolution::address(300, [192, 0, 2, 1])),
        failover_record: None,
        delegation: Some(Delegation::To(servers(&["ns-1.awsdns-1.com", "ns-2.awsdns-2.net"]))),
    }
}

fn servers(names: &[&str]) -> BTreeSet<Hostname> {
    names.iter().map(|name| Hostname::new(*name)).collect()
}

fn seen(names: Names, rows: Vec<Row>) -> Observed {
    let name_servers = servers(&["ns-1.awsdns-1.com", "ns-2.awsdns-2.net"]);
    let zone = ObservedZone { name: "cq-route.com".into(), private: false, name_servers };
    let observed = Observed { zone: Some(zone), names, ..observed() };
    match rows.is_empty() {
        true => observed,
        // A protection that is settled has its distribution wired and its alarm made.
        false => Observed { distribution: Some(sample::provisioned().0), rows, ..observed },
    }
}

fn judged(spec: &Spec, names: Names) -> Vec<Finding> {
    findings(spec, &sample::row().owner, &seen(names, Vec::new()))
}

fn external() -> Spec {
    Spec { dns: Dns::External, ..sample::spec() }
}

/// The only finding: its code and property, and its message as it has to read.
#[track_caller]
fn reads(found: &[Finding], code: Code, property: &str, message: &str) {
    let told: Vec<_> =
        found.iter().map(|found| (found.code, found.property.as_str(), found.message.as_str())).collect();
    assert_eq!(told, [(code, property, message)]);
}

#[test]
fn names_that_resolve_in_time_in_a_zone_that_is_asked_are_no_finding() {
    assert_eq!(judged(&sample::spec(), fine()), []);
    assert_eq!(judged(&sample::spec(), Names::default()), [], "what was not asked is no finding");
    let record = way(RECORD, &[(INSPECTION, 30), ("edge.cequence.net", 3600)], found(60));
    assert_eq!(judged(&external(), Names { failover_record: record, delegation: None, ..fine() }), []);
}

#[test]
fn a_host_that_does_not_resolve_is_named_with_what_follows_from_it() {
    let names = Names { inspection: way(INSPECTION, &[], Ending::NoSuchName), ..fine() };
    reads(
        &judged(&sample::spec(), names),
        Code::DnsUnresolvable,
        "InspectionHostname",
        "cq-route.cequence.cloud does not resolve (there is no such name): CloudFront would answer 502 until DNS fails over, and \
         nothing would ever be inspected; correct the name, or have whoever runs inspection make its record, and try again",
    );
    let names = Names { application: way(APPLICATION, &[("lb.example.net", 60)], Ending::NoAddress), ..fine() };
    reads(
        &judged(&sample::spec(), names),
        Code::DnsUnresolvable,
        "ApplicationHostname",
        "origin-www.cq-route.com does not resolve (it leads to lb.example.net, and lb.example.net has no address): failing open \
         would lead nowhere, and viewers would get 502 in the very outage that it is for; correct the name, or make its record, \
         and try again",
    );
    let names = Names { failover_record: way(RECORD, &[], Ending::NoSuchName), ..fine() };
    let found = judged(&external(), names);
    assert_eq!((found[0].code, found[0].target), (Code::DnsUnresolvable, Target::Zone));
    assert!(found[0].message.contains("CloudFront would find no origin and answer 502"), "{}", found[0].message);
    assert_eq!(found[0].property, "FailoverRecord");
}

/// Of the sample distribution, www.cq-route.com is an alias.
#[test]
fn a_host_that_is_the_distributions_own_name_is_a_loop() {
    let site = "www.cq-route.com";
    let spec = Spec { application: Hostname::new(site), ..sample::spec() };
    let names = || Names { application: way(site, &[], found(60)), ..fine() };
    let loops = |found: Vec<Finding>| -> Vec<Finding> {
        found.into_iter().filter(|found| found.code == Code::DnsLoop).collect()
    };
    let told = loops(judged(&spec, names()));
    reads(
        &told,
        Code::DnsLoop,
        "ApplicationHostname",
        "www.cq-route.com is an alias of distribution E2EXAMPLE: as soon as DNS leads viewers of www.cq-route.com to CloudFront, it \
         would send their requests back to itself, and none would get through; name the host behind the distribution, not the \
         site's own name",
    );
    assert_eq!(refusing(Preflight::Enforce, &told).len(), 1);
    assert_eq!(refusing(Preflight::Warn, &told), []);
    assert_eq!(loops(judged(&spec, Names::default())), [], "a roll-back asks nothing and is refused nothing");
    let through = Names { inspection: way(INSPECTION, &[(site, 60)], found(60)), ..fine() };
    let looped = judged(&sample::spec(), through);
    assert_eq!((looped.len(), looped[0].code, looped[0].property.as_str()), (1, Code::DnsLoop, "InspectionHostname"));
    assert!(looped[0].message.contains("leads through www.cq-route.com, an alias of"), "{}", looped[0].message);
    let both = Names { inspection: way(INSPECTION, &[(site, 60), (RECORD, 30)], found(60)), ..fine() };
    assert_eq!(judged(&sample::spec(), both)[0].weight, Weight::Structural, "what is refused always is told first");
}

#[test]
fn a_loop_that_is_there_already_refuses_no_update_but_one_that_moves_there() {
    let mut row = sample::row();
    row.spec.application = Hostname::new("www.cq-route.com");
    let spec = row.spec.clone();
    let severity = |rows: Vec<Row>| {
        let names = Names { application: way("www.cq-route.com", &[], found(60)), ..fine() };
        let found = findings(&spec, &sample::row().owner, &seen(names, rows));
        found.iter().find(|found| found.code == Code::DnsLoop).map(|found| found.severity)
    };
    assert_eq!(severity(vec![row.clone()]), Some(Severity::Warning));
    row.spec.distribution = "E3SECOND".into();
    assert_eq!(severity(vec![row]), Some(Severity::Error));
}

#[test]
fn a_resolver_that_says_nothing_is_told_as_such_and_not_taken_for_an_answer() {
    let names = Names { inspection: way(INSPECTION, &[("edge.cequence.net", 60)], silent()), ..fine() };
    let found = judged(&sample::spec(), names);
    assert_eq!((found.len(), found[0].code), (1, Code::DnsUnresolvable));
    let message = &found[0].message;
    assert!(message.contains("(it leads to edge.cequence.net, and no name server answered in time)"), "{message}");
    assert!(
        message.ends_with("look into the name servers of edge.cequence.net, or set Preflight to `warn`"),
        "{message}"
    );
    let delegation = Some(Delegation::Unknown { why: "no name server answered in time".to_owned() });
    assert_eq!(judged(&sample::spec(), Names { delegation, ..fine() }), []);
}

#[test]
fn unresolvable_names_are_refused_under_enforce_only_and_a_loop_through_the_record_always() {
    let unresolvable = Names { inspection: way(INSPECTION, &[], Ending::NoSuchName), ..fine() };
    let circle =
        Names { inspection: way(INSPECTION, &[("a.example.net", 60), (INSPECTION, 60)], Ending::Circle), ..fine() };
    let back = Names { application: way(APPLICATION, &[(RECORD, 60)], Ending::NoSuchName), ..fine() };
    for (names, code, weight, is_refused_by) in [
        (unresolvable, Code::DnsUnresolvable, Weight::Advisory, [true, false, false]),
        (circle, Code::DnsLoop, Weight::Advisory, [true, false, false]),
        (back, Code::DnsLoop, Weight::Structural, [true, true, true]),
    ] {
        let found = judged(&sample::spec(), names);
        assert_eq!((found.len(), found[0].code, found[0].weight), (1, code, weight), "{found:?}");
        let refuses = |preflight| !refusing(preflight, &found).is_empty();
        assert_eq!([Preflight::Enforce, Preflight::Warn, Preflight::Skip].map(refuses), is_refused_by, "{found:?}");
    }
}

#[test]
fn a_way_through_the_failover_record_is_a_loop_wherever_it_goes_on() {
    for (links, ending) in [
        (vec![(RECORD, 60)], Ending::NoSuchName),
        (vec![("edge.cequence.net", 60), (RECORD, 60), (INSPECTION, 30)], Ending::Circle),
        (vec![(RECORD, 60), (APPLICATION, 30)], found(60)),
    ] {
        let names = Names { inspection: way(INSPECTION, &links, ending), ..fine() };
        let found = judged(&sample::spec(), names);
        assert_eq!((found.len(), found[0].code, found[0].weight), (1, Code::DnsLoop, Weight::Structural), "{found:?}");
    }
    let names = Names { inspection: way(INSPECTION, &[(RECORD, 60)], Ending::NoSuchName), ..fine() };
    reads(
        &judged(&sample::spec(), names),
        Code::DnsLoop,
        "InspectionHostname",
        "cq-route.cequence.cloud leads back to the failover record (cq-route.cequence.cloud -> cq-origin-www.cq-route.com), which \
         is to lead to it: requests would go round in circles, and none would be answered; name a host whose way does not lead \
         through cq-origin-www.cq-route.com",
    );
}

#[test]
fn a_record_of_another_dns_service_that_leads_to_inspection_is_no_loop_and_one_that_leads_to_itself_is() {
    let circle = way(RECORD, &[("a.example.net", 60), (RECORD, 60)], Ending::Circle);
    let found = judged(&external(), Names { failover_record: circle, ..fine() });
    assert_eq!((found.len(), found[0].code, found[0].property.as_str()), (1, Code::DnsLoop, "FailoverRecord"));
    assert!(found[0].message.contains("(cq-origin-www.cq-route.com -> a.example.net -> cq-origin-www.cq-route.com)"));
}

#[test]
fn an_answer_that_is_kept_for_more_than_five_minutes_is_warned_of() {
    for (links, at_the_end, expected) in [
        (vec![("edge.cequence.net", 300)], 300, None),
        (vec![("edge.cequence.net", 301)], 300, Some("cq-route.cequence.cloud may be remembered for 301 s: ")),
        (
            vec![("edge.cequence.net", 300)],
            301,
            Some("cq-route.cequence.cloud leads to edge.cequence.net, which may be remembered for 301 s: "),
        ),
        (vec![], 86_400, Some("cq-route.cequence.cloud may be remembered for 86400 s: ")),
    ] {
        let names = Names { inspection: way(INSPECTION, &links, found(at_the_end)), ..fine() };
        let found = judged(&sample::spec(), names);
        let message = found.first().map(|found| found.message.as_str());
        assert_eq!(message.is_some(), expected.is_some(), "{found:?}");
        assert!(message.is_none_or(|message| message.starts_with(expected.unwrap_or_default())), "{message:?}");
        let is_warning = |found: &Finding| (found.severity, found.code) == (Severity::Warning, Code::DnsSlowChain);
        assert!(found.iter().all(is_warning), "{found:?}");
    }
    let found =
        judged(&sample::spec(), Names { application: Some(Resolution::address(3600, [192, 0, 2, 1])), ..fine() });
    assert_eq!((found.len(), found[0].property.as_str()), (1, "ApplicationHostname"));
}

#[test]
fn more_than_eight_cnames_are_warned_of() {
    let links: Vec<String> = (1..=9).map(|n| format!("hop-{n}.example.net")).collect();
    let links: Vec<(&str, u32)> = links.iter().map(|link| (link.as_str(), 60)).collect();
    assert_eq!(judged(&sample::spec(), Names { application: way(APPLICATION, &links[..8], found(60)), ..fine() }), []);
    let found = judged(&sample::spec(), Names { application: way(APPLICATION, &links, found(60)), ..fine() });
    assert_eq!((found.len(), found[0].severity, found[0].code), (1, Severity::Warning, Code::DnsSlowChain));
    assert!(
        found[0]
            .message
            .starts_with("origin-www.cq-route.com is reached through 9 CNAMEs (origin-www.cq-route.com -> ")
    );
    let given_up = judged(&sample::spec(), Names { application: way(APPLICATION, &links, Ending::TooLong), ..fine() });
    assert_eq!((given_up.len(), given_up[0].code), (1, Code::DnsUnresolvable));
    assert!(given_up[0].message.contains("its way is not at its end after 9 CNAMEs"), "{}", given_up[0].message);
}

#[test]
fn of_another_dns_service_s_record_only_its_own_time_counts() {
    let record = |own: u32| Names { failover_record: way(RECORD, &[(INSPECTION, own)], found(3600)), ..fine() };
    assert_eq!(judged(&external(), record(300)), []);
    let found = judged(&external(), record(301));
    assert_eq!((found.len(), found[0].code, found[0].property.as_str()), (1, Code::DnsSlowChain, "FailoverRecord"));
    assert!(found[0].message.starts_with("cq-origin-www.cq-route.com may be remembered for 301 s"));
}

#[test]
fn a_zone_that_public_dns_does_not_lead_to_is_warned_of_with_both_sets() {
    let to = |names: &[&str]| Names { delegation: Some(Delegation::To(servers(names))), ..fine() };
    assert_eq!(judged(&sample::spec(), to(&["ns-2.awsdns-2.net", "ns1.example.net"])), [], "one in common is enough");
    let found = judged(&sample::spec(), to(&["ns-7.awsdns-7.org", "ns-8.awsdns-8.co.uk"]));
    assert_eq!((found[0].severity, found[0].target), (Severity::Warning, Target::Zone));
    reads(
        &found,
        Code::ZoneNotDelegated,
        "HostedZoneId",
        "public DNS leads to ns-7.awsdns-7.org, ns-8.awsdns-8.co.uk for cq-route.com, and zone Z0EXAMPLE is served by \
         ns-1.awsdns-1.com, ns-2.awsdns-2.net: nobody would see a record that is made in it, and CloudFront would answer 502; \
         name the zone that public DNS leads to (often there is a second one of the same name), or have cq-route.com delegated \
         to these servers; nothing is wrong where both are names of the same servers",
    );
    let nowhere = judged(&sample::spec(), Names { delegation: Some(Delegation::Nowhere), ..fine() });
    assert_eq!((nowhere.len(), nowhere[0].code), (1, Code::ZoneNotDelegated));
    assert!(nowhere[0].message.starts_with("public DNS knows no name servers of cq-route.com, and zone Z0EXAMPLE is"));
}

#[test]
fn a_private_zone_or_one_whose_name_servers_are_not_known_is_not_compared() {
    let names = Names { delegation: Some(Delegation::Nowhere), ..fine() };
    for (private, codes) in [(true, vec![Code::ZonePrivate]), (false, vec![])] {
        let zone = ObservedZone { name: "cq-route.com".into(), private, name_servers: BTreeSet::new() };
        let observed = Observed { zone: Some(zone), ..seen(names.clone(), Vec::new()) };
        let found = findings(&sample::spec(), &sample::row().owner, &observed);
        assert_eq!(found.iter().map(|found| found.code).collect::<Vec<_>>(), codes);
    }
}

#[test]
fn what_already_is_so_is_told_and_refuses_no_unrelated_update() {
    let broken = || Names { inspection: way(INSPECTION, &[(RECORD, 60)], Ending::Circle), ..fine() };
    let broken_record = || Names { failover_record: way(RECORD, &[], Ending::NoSuchName), ..fine() };
    let unrelated = Spec { priority: 7, ..sample::spec() };
    let other_host = Spec { application: "other.cq-route.com".into(), ..sample::spec() };
    let other_record = Spec { failover_record: "cq-new.cq-route.com".into(), ..sample::spec() };
    let other_inspection = Spec { inspection: "new.cequence.cloud".into(), ..sample::spec() };
    for (spec, names, settled, severity) in [
        (&unrelated, broken(), true, Severity::Warning),
        (&other_host, broken(), true, Severity::Warning),
        (&other_inspection, broken(), true, Severity::Error),
        (
            &other_record,
            Names { inspection: way(INSPECTION, &[], Ending::NoSuchName), ..fine() },
            true,
            Severity::Error,
        ),
        (&unrelated, broken(), false, Severity::Error),
        (&external(), broken_record(), true, Severity::Error),
    ] {
        let mut row = sample::provisioned().1;
        row.lifecycle = if settled { Lifecycle::Active } else { Lifecycle::Creating };
        let found = findings(spec, &row.owner.clone(), &seen(names, vec![row]));
        let found: Vec<&Finding> =
            found.iter().filter(|found| matches!(found.code, Code::DnsLoop | Code::DnsUnresolvable)).collect();
        assert_eq!((found.len(), found[0].severity), (1, severity), "{spec:?}: {found:?}");
        let is_told = found[0].message.ends_with("it is so without this request too, which is therefore not refused");
        assert_eq!(is_told, severity == Severity::Warning, "{}", found[0].message);
    }
    let mut row = sample::provisioned().1;
    row.spec.dns = Dns::External;
    let found = findings(&external(), &row.owner.clone(), &seen(broken_record(), vec![row]));
    let of_the_record: Vec<Severity> =
        found.iter().filter(|found| found.code == Code::DnsUnresolvable).map(|found| found.severity).collect();
    assert_eq!(of_the_record, [Severity::Warning], "{found:?}");
}

#[test]
fn another_dns_service_s_record_has_to_lead_to_inspection_when_traffic_is_sent_to_it() {
    let leading = |links: &[(&str, u32)], last| {
        let ending = Ending::Addresses { ttl: 30, addresses: vec![[192, 0, 2, last].into()] };
        Names {
            inspection: Some(Resolution::address(60, [192, 0, 2, 1])),
            application: Some(Resolution::address(60, [192, 0, 2, 2])),
            failover_record: way(RECORD, links, ending),
            delegation: None,
        }
    };
    for (links, last) in [(&[("www.gslb.example.net", 30), (INSPECTION, 30)][..], 2), (&[], 1)] {
        assert_eq!(judged(&external(), leading(links, last)), [], "{links:?} {last}");
    }
    let failed_over = judged(&external(), leading(&[(APPLICATION, 30)], 2));
    reads(
        &failed_over,
        Code::RecordConflict,
        "FailoverRecord",
        "cq-origin-www.cq-route.com leads to the application (origin-www.cq-route.com) (cq-origin-www.cq-route.com -> \
         origin-www.cq-route.com): all traffic would go there uninspected, and would be called protected; see why that service \
         has failed over, and try again when the record leads to inspection",
    );
    assert_eq!((failed_over[0].severity, failed_over[0].weight), (Severity::Error, Weight::Advisory));
    assert_eq!(judged(&external(), leading(&[], 2)).len(), 1, "by its address");
    let elsewhere = judged(&external(), leading(&[("maintenance.example.net", 30)], 9));
    assert_eq!(elsewhere[0].severity, Severity::Warning);
    assert!(elsewhere[0].message.contains("neither inspection"), "{}", elsewhere[0]);
    // It is so without an unrelated Update, which is told and not refused.
    let row = Row { lifecycle: Lifecycle::Active, spec: external(), ..sample::row() };
    let owner = row.owner.clone();
    let told = findings(&external(), &owner, &seen(leading(&[(APPLICATION, 30)], 2), vec![row]));
    let about_record: Vec<Severity> =
        told.iter().filter(|finding| finding.code == Code::RecordConflict).map(|finding| finding.severity).collect();
    assert_eq!(about_record, [Severity::Warning], "{told:?}");
}
