//! Both hosts are looked at before traffic is sent to them: at first, and once more right before it is sent.

use failopen::forwarding::{HeaderRule, PolicyId};
use failopen::handshake::{Seen, Shown, Trust};
use failopen::health_probe::HealthProbed;
use failopen::id::Hostname;
use failopen_tests::stack::Stack;
use failopen_tests::world::{RICH_DISTRIBUTION, application, distribution, inspection, inspection_origin};
use failopen_tests::{Operation, World};
use serde_json::{Value, json};

fn reason(answer: &Value) -> String {
    assert_eq!(answer["Status"], "FAILED", "{answer}");
    answer["Reason"].as_str().expect("a reason").to_owned()
}

fn summary(answer: &Value) -> String {
    assert_eq!(answer["Status"], "SUCCESS", "{answer}");
    answer["Data"]["PreflightSummary"].as_str().expect("a summary").to_owned()
}

fn expired() -> Seen {
    Seen::Certificate(Shown {
        trust: Trust::Expired { why: "shows a certificate that has expired since 2026-11-01T00:00:00Z".to_owned() },
        names_it: true,
        names_origin: true,
        asks_for_client_certificate: false,
    })
}

fn without_name() -> Seen {
    Seen::Certificate(Shown {
        trust: Trust::Trusted { until: None },
        names_it: false,
        names_origin: false,
        asks_for_client_certificate: false,
    })
}

/// Nothing was written, neither at AWS nor in the ledger.
fn nothing_was_changed(world: &World) {
    let calls = world.cloud.calls();
    let written: Vec<Operation> =
        calls.iter().filter(|call| call.operation.is_write()).map(|call| call.operation).collect();
    assert_eq!(written, []);
    assert_eq!(world.configuration(), RICH_DISTRIBUTION);
}

#[test]
fn a_certificate_that_cloudfront_would_refuse_refuses_the_create_and_changes_nothing() {
    for (host, seen, code, property) in [
        (inspection(), expired(), "tls-expired", "InspectionHostname"),
        (inspection(), without_name(), "tls-name-mismatch", "InspectionHostname"),
        (application(), without_name(), "tls-name-mismatch", "ApplicationHostname"),
        (application(), Seen::NameUnknown, "tls-name-mismatch", "ApplicationHostname"),
        (
            application(),
            Seen::WrongVersion { why: "speaks TLS 1.3 alone".to_owned() },
            "tls-version",
            "ApplicationHostname",
        ),
    ] {
        let world = World::bare();
        world.cloud.probes().show(&host, seen);
        let reason = reason(&Stack::new(&world).create());
        assert!(reason.contains(property) && reason.contains(code), "{reason}");
        assert!(reason.starts_with("Refused"), "{reason}");
        nothing_was_changed(&world);
    }
}

#[test]
fn a_health_path_that_checkers_would_call_sick_refuses_the_create_and_changes_nothing() {
    for (probed, code) in [
        (HealthProbed::Answered { status: 301, found: None }, "http-redirect"),
        (HealthProbed::Answered { status: 403, found: None }, "http-status"),
        (HealthProbed::NoAnswer { why: "no whole answer within 2 s".to_owned() }, "http-timeout"),
    ] {
        let world = World::bare();
        world.cloud.probes().script_health(probed);
        let reason = reason(&Stack::new(&world).create());
        assert!(reason.contains("HealthCheck.Path") && reason.contains(code), "{reason}");
        nothing_was_changed(&world);
    }
    let world = World::bare();
    world.cloud.probes().script_health(HealthProbed::Answered { status: 200, found: Some(false) });
    let reason = reason(&Stack::new(&world).set(json!({"HealthCheck": {"SearchString": "alive"}})).create());
    assert!(reason.contains("HealthCheck.SearchString") && reason.contains("`alive`"), "{reason}");
}

#[test]
fn warn_reports_it_and_goes_on_and_skip_does_not_ask() {
    let world = World::bare();
    world.cloud.probes().show(&inspection(), expired());
    let summary = summary(&Stack::new(&world).set(json!({"Preflight": "warn"})).create());
    assert!(summary.contains("tls-expired"), "{summary}");

    let world = World::bare();
    world.cloud.probes().show(&inspection(), expired());
    self::summary(&Stack::new(&world).set(json!({"Preflight": "skip"})).create());
    assert_eq!(world.cloud.count(Operation::Handshakes) + world.cloud.count(Operation::HealthProbe), 0);
}

#[test]
fn what_goes_wrong_while_the_request_waits_is_seen_right_before_the_switch_and_its_delete_cleans_up() {
    for (host, code) in [(inspection(), "tls-expired"), (application(), "tls-expired")] {
        let world = World::bare();
        let mut stack = Stack::new(&world);
        world.cloud.on(Operation::GetChange).nth(1).before(move |cloud| cloud.probes().show(&host, expired()));
        let reason = reason(&stack.create());
        assert!(reason.contains(code) && reason.contains("came up while this request was at work"), "{reason}");
        assert_eq!(world.cloud.count(Operation::UpdateDistribution), 0, "no request of a viewer went there");
        world.cloud.heal();
        assert_eq!(stack.delete()["Status"], "SUCCESS");
        assert_eq!(world.configuration(), RICH_DISTRIBUTION);
        assert_eq!(world.cloud.health().ids(), []);
    }
}

#[test]
fn the_last_look_comes_after_the_records_are_everywhere_and_before_the_distribution() {
    let world = World::bare();
    summary(&Stack::new(&world).create());
    let order = world.cloud.sequence(&[
        Operation::Handshakes,
        Operation::HealthProbe,
        Operation::Probe,
        Operation::ChangeResourceRecordSets,
        Operation::GetHealthCheckStatus,
        Operation::UpdateDistribution,
    ]);
    let last = order.iter().rposition(|operation| *operation == Operation::Handshakes).expect("a last look");
    let position = |wanted| order.iter().rposition(|operation| *operation == wanted).expect("happens");
    assert!(position(Operation::ChangeResourceRecordSets) < last, "{order:?}");
    assert!(position(Operation::GetHealthCheckStatus) < last, "{order:?}");
    assert!(last < position(Operation::UpdateDistribution), "{order:?}");
    assert_eq!(world.cloud.count(Operation::Handshakes), 2);
    assert_eq!(world.cloud.count(Operation::HealthProbe), 1, "by then the checkers themselves have said so");
}

#[test]
fn an_update_asks_only_about_what_it_changes() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    summary(&stack.create());
    // In the middle of an outage, with a certificate that has expired as well.
    world.cloud.probes().show(&inspection(), expired());
    world.cloud.probes().show(&application(), expired());
    for (change, handshakes, health) in [
        (json!({"RecordTtl": 60}), 0, 0),
        (json!({"EdgeFailOpen": "automatic"}), 0, 0),
        (json!({"HealthCheck": {"Path": "/up"}}), 0, 1),
    ] {
        world.cloud.clear_calls();
        summary(&stack.set(change.clone()).update());
        assert_eq!(world.cloud.count(Operation::Handshakes), handshakes, "{change}");
        assert_eq!(world.cloud.count(Operation::HealthProbe), health, "{change}");
    }
    world.cloud.clear_calls();
    let before = world.configuration();
    let reason = reason(&stack.set(json!({"Traffic": ["*", "/landing/*"]})).update());
    assert!(reason.contains("tls-expired") && reason.contains("InspectionHostname"), "{reason}");
    assert_eq!(world.configuration(), before);
}

#[test]
fn what_an_outage_needs_is_not_refused_for_the_host_that_is_down() {
    let dead = || Seen::Unreachable { why: "connection refused".to_owned() };
    for (down, change) in [
        (inspection(), json!({"ApplicationHostname": "api.example.com"})),
        (inspection(), json!({"Traffic": ["/checkout/*"]})),
        (application(), json!({"InspectionHostname": "other.inspection.example.net"})),
    ] {
        let world = World::bare();
        let mut stack = Stack::new(&world);
        summary(&stack.set(json!({"Traffic": ["*", "/checkout/*"]})).create());
        world.cloud.health().set_host_up(&Hostname::new("other.inspection.example.net"), true);
        world.cloud.probes().show(&down, dead());
        let answer = stack.set(change.clone()).update();
        let summary = summary(&answer);
        let is_asked = change.get("Traffic").is_none();
        assert_eq!(summary.contains("tls-unreachable"), is_asked, "{change}: {summary}");
        assert!(!summary.contains("error"), "{change}: {summary}");
    }
}

#[test]
fn an_update_that_leads_to_another_host_looks_at_it_before_the_records_lead_there() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    summary(&stack.create());
    let elsewhere = Hostname::new("inspection.example.net");
    world.cloud.health().set_host_up(&elsewhere, true);
    world.cloud.clear_calls();
    let bad = elsewhere.clone();
    // Good at the first look, and bad at the last.
    world.cloud.on(Operation::GetHealthCheckStatus).nth(1).before(move |cloud| cloud.probes().show(&bad, expired()));
    let reason = reason(&stack.set(json!({"InspectionHostname": elsewhere})).update());
    assert!(reason.contains("tls-expired"), "{reason}");
    assert_eq!(world.cloud.count(Operation::ChangeResourceRecordSets), 0, "the records still lead to the former host");
}

#[test]
fn a_plan_asks_everything_of_a_protection_that_exists() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    summary(&stack.create());
    world.cloud.probes().show(&application(), without_name());
    world.cloud.probes().script_health(HealthProbed::Answered { status: 500, found: None });
    let plan = stack.plan().expect("a plan");
    let codes: Vec<&str> =
        plan["findings"].as_array().expect("findings").iter().filter_map(|finding| finding["code"].as_str()).collect();
    assert!(codes.contains(&"tls-name-mismatch") && codes.contains(&"http-status"), "{codes:?}");
    assert!(plan["text"].as_str().is_some_and(|text| text.contains("tls-name-mismatch")), "{plan}");
}

/// The default behaviour with a policy of the account's own.
fn with_own_policy(world: &World) {
    let (managed, own) = ("216adef6-5c7f-47e4-b989-5492eafa07d3", "0a1b2c3d-0000-4000-8000-000000000001");
    assert!(RICH_DISTRIBUTION.contains(managed));
    let bytes = RICH_DISTRIBUTION.replace(managed, own).into_bytes();
    let now = world.clock.aws_now();
    world.cloud.cloudfront().add(distribution(), bytes, now);
}

fn own_policy() -> PolicyId {
    PolicyId::OriginRequest("0a1b2c3d-0000-4000-8000-000000000001".to_owned())
}

/// The names that inspection was asked for in the first look.
fn names_asked(world: &World) -> Vec<String> {
    let calls = world.cloud.calls();
    let first = calls.iter().find(|call| call.operation == Operation::Handshakes).expect("a look");
    let of_inspection = format!("{} as ", inspection());
    first.arguments.split(", ").filter_map(|look| look.strip_prefix(&of_inspection)).map(str::to_owned).collect()
}

#[test]
fn a_policy_of_the_account_s_own_is_read_to_know_which_name_must_be_in_the_certificate() {
    const RECORD: &str = "cq-origin-www.cq-route.com";
    let aliases = ["cq-route.com", "shop.cq-route.com", "www.cq-route.com"];
    let except_host = HeaderRule { behavior: "allExcept".to_owned(), headers: vec!["Host".to_owned()] };
    let all = HeaderRule { behavior: "allViewer".to_owned(), headers: Vec::new() };
    let traffic = json!({"Traffic": ["/account/*"]});
    for (rule, names) in [(except_host, vec![RECORD]), (all, aliases.to_vec())] {
        let world = World::bare();
        with_own_policy(&world);
        world.cloud.cloudfront().policies.insert(own_policy(), rule);
        let summary = summary(&Stack::new(&world).set(traffic.clone()).create());
        assert!(!summary.contains("could not be read"), "{summary}");
        assert_eq!(names_asked(&world), names);
    }
    // Not readable: both are asked for, and people are told.
    let world = World::bare();
    with_own_policy(&world);
    world.cloud.on(Operation::GetPolicy).fail(failopen::port::FaultKind::AccessDenied);
    let summary = summary(&Stack::new(&world).set(traffic).create());
    assert!(summary.contains("origin request policy 0a1b2c3d") && summary.contains("could not be read"), "{summary}");
    assert_eq!(names_asked(&world).len(), 4);
    assert_eq!(world.target("/account/*"), inspection_origin());
}
