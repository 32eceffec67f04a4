//! `Dns: external`: another DNS service fails over by itself, and `traffic` says where its answer leads.

use failopen::id::Hostname;
use failopen::port::Resolution;
use failopen::resolution::{Ending, Link};
use failopen::spec::{Dns, EdgeFailOpen};
use failopen_tests::events;
use failopen_tests::world::{World, application, application_origin, failover_record, inspection};
use jiff::SignedDuration;
use serde_json::{Value, json};

/// A world with that DNS service, which leads to inspection, and a schedule that has looked once.
fn world(edge: EdgeFailOpen) -> World {
    let world = World::with(|spec| {
        spec.dns = Dns::External;
        spec.automation.edge_fail_open = edge;
    });
    lead_to(&world, &inspection());
    world.live(1);
    assert_eq!(subjects(&world), Vec::<String>::new(), "a healthy protection is no news");
    world
}

/// The other service answers with an alias of `host` from now on.
fn lead_to(world: &World, host: &Hostname) {
    let (record, balancer) = (failover_record(), Hostname::new("www.gslb.cq-route.com"));
    let link = |name: &Hostname, target: &Hostname| Link { name: name.clone(), target: target.clone(), ttl: 30 };
    let chain = vec![link(&record, &balancer), link(&balancer, host)];
    let resolution = Resolution { chain, ..Resolution::address(30, [192, 0, 2, 7]) };
    world.cloud.names().script(&record, resolution);
}

fn subjects(world: &World) -> Vec<String> {
    world.cloud.outbox().subjects().into_iter().map(str::to_owned).collect()
}

fn status(world: &World) -> Value {
    world.flip(json!({"action": "status", "protection": "www"})).expect("answered")
}

/// What react calls the traffic; status has to call it the same.
#[track_caller]
fn traffic(world: &World) -> String {
    let answer = world.react(events::decide()).expect("react answers `decide`");
    let traffic = answer["decisions"][0]["traffic"].as_str().expect("a word").to_owned();
    assert_eq!(status(world)["traffic"], json!(traffic));
    traffic
}

#[test]
fn a_failover_that_our_own_check_does_not_see_is_traffic_that_is_bypassed() {
    let world = world(EdgeFailOpen::Automatic);
    assert_eq!(traffic(&world), "inspected");
    lead_to(&world, &application());
    assert_eq!(traffic(&world), "bypassed-dns");
    assert_eq!(status(&world)["health"]["inspection"], "healthy");
    let dns = json!({"record": "cq-origin-www.cq-route.com", "leadsTo": "application"});
    assert_eq!(status(&world)["dns"], dns);
    world.live(5);
    let told = subjects(&world);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("DNS sends traffic to the application, uninspected (was inspected)"), "{told:?}");
    assert_eq!(world.cloud.outbox().metric("Bypassed"), Some(1));
    lead_to(&world, &inspection());
    world.live(1);
    assert_eq!((traffic(&world).as_str(), world.cloud.outbox().metric("Bypassed")), ("inspected", Some(0)));
}

#[test]
fn while_inspection_is_dead_the_answer_of_dns_says_whether_viewers_are_saved() {
    let world = world(EdgeFailOpen::Off);
    world.inspection_dies();
    assert_eq!(traffic(&world), "unknown", "DNS still leads to a host that is dead");
    lead_to(&world, &application());
    assert_eq!(traffic(&world), "bypassed-dns");
    world.live(1);
    let told = subjects(&world);
    assert!(told.iter().any(|subject| subject.contains("inspection is down, DNS sends traffic")), "{told:?}");
}

#[test]
fn layer_2_acts_on_the_alarm_whatever_dns_does() {
    for host in [inspection(), application()] {
        let world = world(EdgeFailOpen::Automatic);
        lead_to(&world, &host);
        world.inspection_dies();
        world.react_and_deliver(events::alarm_metric());
        assert_eq!(world.target("*"), application_origin(), "{host}");
        let status = status(&world);
        assert_eq!((&status["traffic"], &status["dns"]["leadsTo"]), (&json!("bypassed-edge"), &json!("unknown")));
    }
}

#[test]
fn a_record_that_leads_elsewhere_or_nowhere_is_not_called_inspected() {
    let world = world(EdgeFailOpen::Automatic);
    lead_to(&world, &Hostname::new("maintenance.example.com"));
    world.cloud.names().script(&inspection(), found(1));
    world.cloud.names().script(&application(), found(2));
    assert_eq!((traffic(&world).as_str(), &status(&world)["dns"]["leadsTo"]), ("unknown", &json!("elsewhere")));
    world.cloud.names().script(&failover_record(), ending(Ending::NoSuchName));
    assert_eq!((traffic(&world).as_str(), &status(&world)["dns"]["leadsTo"]), ("unknown", &json!("nowhere")));
}

fn found(last: u8) -> Resolution {
    Resolution::address(30, [192, 0, 2, last])
}

fn ending(ending: Ending) -> Resolution {
    Resolution { chain: Vec::new(), ending }
}

#[test]
fn a_resolver_that_is_silent_alarms_nobody() {
    let world = world(EdgeFailOpen::Automatic);
    world.cloud.names().script(&failover_record(), ending(Ending::NoAnswer { why: "x".to_owned() }));
    world.live(10);
    assert_eq!((traffic(&world).as_str(), subjects(&world).len()), ("inspected", 0));
}

#[test]
fn nothing_is_restored_into_a_record_that_has_no_address() {
    let world = world(EdgeFailOpen::Automatic);
    world.inspection_dies();
    world.react_and_deliver(events::alarm_metric());
    world.inspection_recovers();
    world.cloud.names().script(&failover_record(), ending(Ending::NoSuchName));
    world.pass(SignedDuration::from_mins(20));
    let answer = world.react_and_deliver(events::decide());
    assert_eq!(answer["decisions"][0]["reason"], "InspectionUnhealthy", "{answer}");
    assert_eq!(world.target("*"), application_origin());
    lead_to(&world, &application());
    world.react_and_deliver(events::decide());
    assert_ne!(world.target("*"), application_origin(), "the other service comes back in time of its own");
}
