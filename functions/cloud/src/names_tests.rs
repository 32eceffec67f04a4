//! The questions over real sockets, to a real name server where there is one, and the verdicts that follow from its answers.

use std::collections::BTreeMap;
use std::time::Instant;

use failopen::alarm::ObservedAlarm;
use failopen::document::Document;
use failopen::finding::{Code, Finding, Severity};
use failopen::id::OwnerMark;
use failopen::port::ObservedZone;
use failopen::preflight::{Names, Observed, findings};
use failopen::spec::{Dns, Spec};
use serde_json::json;

use super::*;
use crate::name_server::{NameServer, failing, silent};

type Entry<'a> = (&'a str, u32, &'a str, &'a str);

const INSPECTION: &str = "cq-route.cequence.cloud";
const APPLICATION: &str = "origin-www.cq-route.com";
const RECORD: &str = "cq-origin-www.cq-route.com";
const ZONE: &str = "cq-route.com";
const NAME_SERVERS: [&str; 2] = ["ns-1.awsdns-1.com", "ns-2.awsdns-2.net"];

async fn resolved(records: &[Entry<'_>], name: &str) -> Resolution {
    let server = NameServer::start(records).await;
    Network::new(Some(server.address)).resolve(&name.into()).await
}

fn link(name: &str, ttl: u32, target: &str) -> Link {
    Link { name: name.into(), target: target.into(), ttl }
}

fn addresses(ttl: u32, addresses: &[&str]) -> Ending {
    let addresses = addresses.iter().map(|address| address.parse().expect("an address")).collect();
    Ending::Addresses { ttl, addresses }
}

#[tokio::test]
async fn every_link_is_found_with_a_time_of_its_own_in_whatever_case_it_is_written() {
    let records = [
        ("www.example.com", 30, "CNAME", "Edge.Example.NET"),
        ("edge.example.net", 3600, "CNAME", "lb.example.org"),
        ("lb.example.org", 45, "A", "192.0.2.1"),
        ("lb.example.org", 45, "A", "192.0.2.2"),
    ];
    let chain = vec![link("www.example.com", 30, "edge.example.net"), link("edge.example.net", 3600, "lb.example.org")];
    let found = resolved(&records, "www.example.com").await;
    assert_eq!(found, Resolution { chain, ending: addresses(45, &["192.0.2.1", "192.0.2.2"]) });
    assert_eq!(
        resolved(&records, "lb.example.org").await,
        Resolution { chain: Vec::new(), ending: addresses(45, &["192.0.2.1", "192.0.2.2"]) }
    );
}

#[tokio::test]
async fn a_chain_that_the_name_server_does_not_follow_to_its_end_is_followed_here() {
    // This server stops after eight.
    let hops: Vec<String> = (0..=12).map(|n| format!("hop-{n}.example.com")).collect();
    let mut records: Vec<Entry<'_>> =
        hops.windows(2).map(|pair| (pair[0].as_str(), 60, "CNAME", pair[1].as_str())).collect();
    records.push((&hops[12], 20, "A", "192.0.2.1"));
    let found = resolved(&records, &hops[0]).await;
    assert_eq!((found.chain.len(), &found.ending), (12, &addresses(20, &["192.0.2.1"])));
    assert_eq!(found.chain[11], link("hop-11.example.com", 60, "hop-12.example.com"));
}

#[tokio::test]
async fn a_chain_without_end_is_given_up() {
    let hops: Vec<String> = (0..=40).map(|n| format!("hop-{n}.example.com")).collect();
    let records: Vec<Entry<'_>> =
        hops.windows(2).map(|pair| (pair[0].as_str(), 60, "CNAME", pair[1].as_str())).collect();
    let found = resolved(&records, &hops[0]).await;
    assert_eq!((found.chain.len(), found.ending), (17, Ending::TooLong));
}

#[tokio::test]
async fn a_circle_ends_at_once_and_says_where_it_closes() {
    let began = Instant::now();
    let records = [
        ("a.example.com", 60, "CNAME", "b.example.com"),
        ("b.example.com", 60, "CNAME", "c.example.com"),
        ("c.example.com", 60, "CNAME", "b.example.com"),
        ("self.example.com", 60, "CNAME", "self.example.com"),
    ];
    let found = resolved(&records, "a.example.com").await;
    assert_eq!(found.ending, Ending::Circle);
    let path = "a.example.com -> b.example.com -> c.example.com -> b.example.com";
    assert_eq!(found.path(&"a.example.com".into()), path);
    let own = resolved(&records, "self.example.com").await;
    assert_eq!((own.chain.len(), own.ending), (1, Ending::Circle));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_circle_on_which_the_resolver_fails_is_found_link_by_link() {
    let began = Instant::now();
    let server = failing(&[("a.example.com", 60, "b.example.com"), ("b.example.com", 70, "a.example.com")]);
    let found = Network::new(Some(server)).resolve(&"a.example.com".into()).await;
    let chain = vec![link("a.example.com", 60, "b.example.com"), link("b.example.com", 70, "a.example.com")];
    assert_eq!(found, Resolution { chain, ending: Ending::Circle });
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test]
async fn what_does_not_resolve_says_why() {
    let records = [
        ("dangling.example.com", 60, "CNAME", "gone.example.net"),
        ("empty.example.com", 60, "NS", "ns.example.com"),
        ("to-empty.example.com", 60, "CNAME", "empty.example.com"),
        ("six.example.com", 61, "AAAA", "2001:db8::1"),
        ("to-six.example.com", 62, "CNAME", "six.example.com"),
    ];
    let ending = async |name: &str| resolved(&records, name).await.ending;
    assert_eq!(ending("gone.example.com").await, Ending::NoSuchName);
    assert_eq!(ending("empty.example.com").await, Ending::NoAddress);
    assert_eq!(ending("to-empty.example.com").await, Ending::NoAddress);
    assert_eq!(ending("six.example.com").await, addresses(61, &["2001:db8::1"]), "an IPv6 address is one");
    let dangling = resolved(&records, "dangling.example.com").await;
    let chain = vec![link("dangling.example.com", 60, "gone.example.net")];
    assert_eq!(dangling, Resolution { chain, ending: Ending::NoSuchName });
    let six = resolved(&records, "to-six.example.com").await;
    assert_eq!((six.chain.len(), six.ending), (1, addresses(61, &["2001:db8::1"])));
    let why = |ending| match ending {
        Ending::NoAnswer { why } => why,
        other => panic!("{other:?}"),
    };
    let fails = Network::new(Some(failing(&[]))).resolve(&"www.example.com".into()).await;
    let told = why(fails.ending);
    assert!(told.starts_with("the resolver answers for www.example.com with an error"), "{told}");
    let malformed = Network::new(Some(failing(&[]))).resolve(&"www..example.com".into()).await;
    assert!(why(malformed.ending).contains("cannot be asked for"));
}

#[tokio::test]
async fn resolvers_that_say_nothing_hold_all_questions_up_for_one_limit_together() {
    let network = Network::new(Some(silent()));
    let (inspection, application, zone) = (INSPECTION.into(), APPLICATION.into(), ZONE.into());
    let began = Instant::now();
    let (first, second, delegation) =
        tokio::join!(network.resolve(&inspection), network.resolve(&application), network.delegation(&zone));
    let took = began.elapsed();
    for found in [first, second] {
        assert!(matches!(found.ending, Ending::NoAnswer { .. }), "{found:?}");
    }
    assert!(matches!(&delegation, Delegation::Unknown { why } if why.contains(ZONE)), "{delegation:?}");
    assert!(took >= Duration::from_secs(1) && took <= WHOLE + Duration::from_secs(4), "{took:?}");
}

#[tokio::test]
async fn name_servers_of_a_zone_are_known_or_none_or_unknown() {
    let records = [
        (ZONE, 60, "NS", "NS-1.awsdns-1.com"),
        (ZONE, 60, "NS", "ns-2.awsdns-2.net"),
        ("www.example.com", 60, "A", "192.0.2.1"),
    ];
    let server = NameServer::start(&records).await;
    let network = Network::new(Some(server.address));
    assert_eq!(network.delegation(&ZONE.into()).await, Delegation::To(NAME_SERVERS.map(Hostname::from).into()));
    assert_eq!(network.delegation(&"example.com".into()).await, Delegation::Nowhere, "a name without NS records");
    assert_eq!(network.delegation(&"gone.example.org".into()).await, Delegation::Nowhere, "no such name");
    let delegation = Network::new(Some(failing(&[]))).delegation(&ZONE.into()).await;
    assert!(matches!(delegation, Delegation::Unknown { .. }), "{delegation:?}");
}

/// Everything in order.
fn fine() -> Vec<Entry<'static>> {
    vec![
        (INSPECTION, 60, "CNAME", "edge.cequence.net"),
        ("edge.cequence.net", 300, "A", "192.0.2.1"),
        (APPLICATION, 300, "A", "192.0.2.2"),
        (ZONE, 60, "NS", NAME_SERVERS[0]),
        (ZONE, 60, "NS", NAME_SERVERS[1]),
    ]
}

/// As [`fine`], with other records of one name.
fn with(name: &str, records: &[Entry<'static>]) -> Vec<Entry<'static>> {
    let others = fine().into_iter().filter(|(owner, ..)| *owner != name);
    others.chain(records.iter().copied()).collect()
}

fn spec() -> Spec {
    let properties = json!({"ServiceToken": "arn", "Name": "www", "DistributionId": "E2EXAMPLE", "FailoverRecord": RECORD,
        "InspectionHostname": INSPECTION, "ApplicationHostname": APPLICATION, "HostedZoneId": "Z0EXAMPLE"});
    failopen::properties::parse(properties.as_object().expect("a map")).expect("properties of a protection")
}

fn external() -> Spec {
    Spec { dns: Dns::External, ..spec() }
}

/// The findings about names that a name server with these records leads to.
async fn judged(spec: &Spec, records: &[Entry<'_>]) -> Vec<Finding> {
    let found = judged_beside(None, spec, records).await;
    let about_the_distribution = |finding: &Finding| finding.code == Code::DistributionMissing;
    found.into_iter().filter(|finding| !about_the_distribution(finding)).collect()
}

/// All findings where there is such a distribution.
async fn judged_beside(distribution: Option<Document>, spec: &Spec, records: &[Entry<'_>]) -> Vec<Finding> {
    let server = NameServer::start(records).await;
    let network = Network::new(Some(server.address));
    let record = match spec.dns {
        Dns::External => Some(network.resolve(&spec.failover_record).await),
        Dns::Route53 { .. } => None,
    };
    let names = Names {
        inspection: Some(network.resolve(&spec.inspection).await),
        application: Some(network.resolve(&spec.application).await),
        failover_record: record,
        delegation: Some(network.delegation(&ZONE.into()).await),
    };
    let name_servers = NAME_SERVERS.map(Hostname::from).into();
    let observed = Observed {
        distribution,
        zone: Some(ObservedZone { name: ZONE.into(), private: false, name_servers }),
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
        names,
        denied: Vec::new(),
    };
    findings(spec, &OwnerMark::new("0123456789ab"), &observed)
}

#[tokio::test]
async fn each_finding_about_names_comes_from_a_name_server_that_shows_it_and_from_no_other() {
    assert_eq!(judged(&spec(), &fine()).await, []);
    let record = (RECORD, 30, "CNAME", INSPECTION);
    assert_eq!(judged(&external(), &with(RECORD, &[record])).await, []);
    let (error, warning) = (Severity::Error, Severity::Warning);
    for (spec, records, severity, code, property) in [
        (spec(), with(INSPECTION, &[]), error, Code::DnsUnresolvable, "InspectionHostname"),
        (spec(), with(APPLICATION, &[]), error, Code::DnsUnresolvable, "ApplicationHostname"),
        (spec(), with("edge.cequence.net", &[]), error, Code::DnsUnresolvable, "InspectionHostname"),
        (external(), fine(), error, Code::DnsUnresolvable, "FailoverRecord"),
        (spec(), with(INSPECTION, &[(INSPECTION, 60, "CNAME", RECORD)]), error, Code::DnsLoop, "InspectionHostname"),
        (spec(), with(APPLICATION, &[(APPLICATION, 60, "CNAME", RECORD)]), error, Code::DnsLoop, "ApplicationHostname"),
        (
            spec(),
            with(INSPECTION, &[(INSPECTION, 60, "CNAME", INSPECTION)]),
            error,
            Code::DnsLoop,
            "InspectionHostname",
        ),
        (
            external(),
            [with(INSPECTION, &[(INSPECTION, 60, "CNAME", RECORD)]), vec![record]].concat(),
            error,
            Code::DnsLoop,
            "InspectionHostname",
        ),
        (
            spec(),
            with(INSPECTION, &[(INSPECTION, 301, "CNAME", "edge.cequence.net")]),
            warning,
            Code::DnsSlowChain,
            "InspectionHostname",
        ),
        (
            spec(),
            with(APPLICATION, &[(APPLICATION, 3600, "A", "192.0.2.2")]),
            warning,
            Code::DnsSlowChain,
            "ApplicationHostname",
        ),
        (
            spec(),
            with(ZONE, &[(ZONE, 60, "NS", "ns-7.awsdns-7.org"), (ZONE, 60, "NS", "ns-8.awsdns-8.co.uk")]),
            warning,
            Code::ZoneNotDelegated,
            "HostedZoneId",
        ),
        (spec(), with(ZONE, &[]), warning, Code::ZoneNotDelegated, "HostedZoneId"),
    ] {
        let found = judged(&spec, &records).await;
        let told: BTreeSet<_> =
            found.iter().map(|found| (found.severity, found.code, found.property.as_str())).collect();
        assert!(told.contains(&(severity, code, property)), "{records:?}: {found:?}");
        let expected = if matches!(spec.dns, Dns::External) && code == Code::DnsLoop { 2 } else { 1 };
        assert_eq!(found.len(), expected, "{records:?}: {found:?}");
    }
}

#[tokio::test]
async fn a_host_that_leads_through_an_alias_of_the_distribution_is_found_and_one_that_does_not_is_not() {
    /// Also an alias of the distribution.
    const SITE: &str = "www.cq-route.com";
    let rich = include_bytes!("../../../tests/events/distribution-rich.xml");
    let edge = (SITE, 60, "CNAME", "d111111abcdef8.cloudfront.net");
    let address = ("d111111abcdef8.cloudfront.net", 60, "A", "192.0.2.3");
    for (host, property) in [(INSPECTION, "InspectionHostname"), (APPLICATION, "ApplicationHostname")] {
        let astray = with(host, &[(host, 60, "CNAME", SITE), edge, address]);
        for (records, expected) in [(fine(), 0), (astray, 1)] {
            let distribution = Document::parse(rich).expect("the sample is a configuration");
            let found = judged_beside(Some(distribution), &spec(), &records).await;
            let loops: Vec<&Finding> = found.iter().filter(|found| found.code == Code::DnsLoop).collect();
            assert_eq!(loops.len(), expected, "{found:?}");
            let is_told = |found: &&Finding| {
                found.severity == Severity::Error
                    && found.property == property
                    && found.message.contains("leads through www.cq-route.com, an alias of distribution E2EXAMPLE")
            };
            assert!(loops.iter().all(is_told), "{loops:?}");
        }
    }
}

#[tokio::test]
async fn a_long_chain_is_found_with_every_name_on_it() {
    let hops: Vec<String> = (1..=9).map(|n| format!("hop-{n}.example.net")).collect();
    let mut records = with(APPLICATION, &[]);
    let mut here = APPLICATION;
    for hop in &hops {
        records.push((here, 60, "CNAME", hop));
        here = hop;
    }
    records.push((here, 60, "A", "192.0.2.2"));
    let found = judged(&spec(), &records).await;
    assert_eq!((found.len(), found[0].code, found[0].severity), (1, Code::DnsSlowChain, Severity::Warning));
    assert!(found[0].message.contains("9 CNAMEs (origin-www.cq-route.com -> hop-1.example.net -> "), "{}", found[0]);
}

#[tokio::test]
async fn a_record_of_another_dns_service_that_is_kept_for_long_is_found() {
    let found = judged(&external(), &with(RECORD, &[(RECORD, 301, "CNAME", INSPECTION)])).await;
    assert_eq!(
        found.iter().map(|found| (found.code, found.property.as_str())).collect::<Vec<_>>(),
        [(Code::DnsSlowChain, "FailoverRecord")]
    );
}
