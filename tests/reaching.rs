//! What layer 2 and a health check without checkers rest on is asked for before traffic goes anywhere.

use failopen::commands::Commands;
use failopen::id::HealthCheckId;
use failopen::port::{Checkers, FaultKind, HealthCheckConfig};
use failopen::reach::FlipReach;
use failopen_react::handle as react;
use failopen_tests::stack::Stack;
use failopen_tests::world::RICH_DISTRIBUTION;
use failopen_tests::{Operation, World};
use jiff::SignedDuration;
use serde_json::{Value, json};

const CALCULATED: &str = "h-calculated";
const SICK: Checkers = Checkers { reporting: 16, healthy: 0 };
const WELL: Checkers = Checkers { reporting: 16, healthy: 16 };

fn reason(answer: &Value) -> &str {
    assert_eq!(answer["Status"], "FAILED", "{answer}");
    answer["Reason"].as_str().expect("a reason")
}

fn summary(answer: &Value) -> &str {
    assert_eq!(answer["Status"], "SUCCESS", "{answer}");
    answer["Data"]["PreflightSummary"].as_str().expect("a summary")
}

fn denied() -> FlipReach {
    FlipReach::Denied { why: "Invoke: AccessDenied: react is not authorized".to_owned() }
}

/// The account has a check that is calculated from others, and says this.
fn with_calculated_check(says: Checkers) -> World {
    let world = World::bare();
    let config = HealthCheckConfig {
        check_type: "CALCULATED".to_owned(),
        host: None,
        port: None,
        path: None,
        search_string: None,
        interval_seconds: None,
        failure_threshold: None,
        enable_sni: None,
        inverted: false,
        disabled: false,
        regions: Vec::new(),
    };
    let long_ago = world.clock.aws_now() - SignedDuration::from_hours(1);
    world.cloud.health().add(HealthCheckId::new(CALCULATED), config, long_ago);
    world.cloud.health().set_checkers(&HealthCheckId::new(CALCULATED), says);
    world
}

fn adopt() -> Value {
    json!({"HealthCheck": {"HealthCheckId": CALCULATED}})
}

#[test]
fn a_react_that_may_not_ask_flip_refuses_a_protection_that_is_to_flip_by_itself() {
    let world = World::bare();
    world.cloud.engine().flip = denied();
    let answer = Stack::new(&world).create();
    let reason = reason(&answer);
    assert!(
        reason.starts_with("Refused") && reason.contains("ServiceToken") && reason.contains("[permission]"),
        "{reason}"
    );
    assert!(reason.contains("react is not authorized"), "{reason}");
    let calls = world.cloud.calls();
    assert!(calls.iter().all(|call| !call.operation.is_write()), "nothing was changed");
    assert_eq!(world.configuration(), RICH_DISTRIBUTION);
}

#[test]
fn one_that_only_notifies_is_made_and_told_about_it() {
    let world = World::bare();
    world.cloud.engine().flip = denied();
    let answer = Stack::new(&world).set(json!({"EdgeFailOpen": "notify"})).create();
    assert!(summary(&answer).contains("react is not authorized"), "{answer}");
}

#[test]
fn an_alarm_that_may_not_start_react_is_told_and_refuses_nothing() {
    let world = World::bare();
    world.cloud.engine().react_policy = None;
    let answer = Stack::new(&world).create();
    assert!(summary(&answer).contains("does not let alarm"), "{answer}");
    assert!(summary(&answer).contains(":111122223333:alarm:failopen-www-inspection"), "{answer}");
}

#[test]
fn the_template_s_own_ways_have_no_finding() {
    let world = World::bare();
    let answer = Stack::new(&world).create();
    assert!(!summary(&answer).contains("ServiceToken"), "{answer}");
    assert_eq!((world.cloud.count(Operation::GetReactPolicy), world.cloud.count(Operation::AskReact)), (1, 1));
}

#[test]
fn what_cannot_be_asked_is_told_and_refuses_nothing() {
    let world = World::bare();
    world.cloud.on(Operation::AskReact).fail(FaultKind::AccessDenied);
    world.cloud.on(Operation::GetReactPolicy).fail(FaultKind::AccessDenied);
    let answer = Stack::new(&world).create();
    let told = ["could not be read (GetPolicy(react)", "could not be found out (Invoke(react)"];
    assert!(told.iter().all(|told| summary(&answer).contains(told)), "{answer}");
}

#[test]
fn an_update_is_refused_by_it_only_where_layer_2_becomes_automatic() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    summary(&stack.set(json!({"EdgeFailOpen": "notify"})).create());
    world.cloud.engine().flip = denied();
    summary(&stack.set(json!({"HoldDownSeconds": "600"})).update());
    let answer = stack.set(json!({"EdgeFailOpen": "automatic"})).update();
    assert!(reason(&answer).contains("react is not authorized"), "{answer}");
}

#[test]
fn react_says_whether_flip_may_be_invoked_and_decides_nothing() {
    let world = World::standard();
    let ask = || {
        let deadline = world.clock.aws_now() + SignedDuration::from_secs(60);
        let event = json!({"action": "check"});
        world.cloud.run(react(&Commands::new("flip"), &world.cloud, &world.clock, deadline, event)).finished()
    };
    assert_eq!(ask().expect("an answer"), json!({"decisions": [], "flip": "allowed"}));
    world.cloud.engine().flip = denied();
    let answer = ask().expect("an answer");
    assert_eq!((&answer["flip"], &answer["decisions"]), (&json!("denied"), &json!([])));
    assert!(answer["why"].as_str().is_some_and(|why| why.contains("react is not authorized")), "{answer}");
    world.cloud.on(Operation::DryRunFlip).fail(FaultKind::Throttled);
    assert_eq!(ask().expect("an answer")["flip"], "unknown");
    assert_eq!(world.cloud.count(Operation::InvokeFlip), 0);
}

#[test]
fn a_calculated_check_has_to_be_reported_healthy_before_traffic_hangs_on_it() {
    let world = with_calculated_check(SICK);
    let mut stack = Stack::new(&world);
    let answer = stack.set(adopt()).create();
    let reason = reason(&answer);
    assert!(reason.contains("health-check-not-healthy") && reason.contains("HealthCheckStatus is 0"), "{reason}");
    assert_eq!(world.cloud.count(Operation::UpdateDistribution), 0);
    stack.delete();
    assert_eq!(world.configuration(), RICH_DISTRIBUTION);

    let world = with_calculated_check(WELL);
    let answer = Stack::new(&world).set(adopt()).create();
    assert_eq!(answer["Data"]["HealthCheckId"], CALCULATED, "{answer}");
    let order = world.cloud.sequence(&[Operation::GetMetricStatistics, Operation::UpdateDistribution]);
    assert_eq!(order, [Operation::GetMetricStatistics, Operation::UpdateDistribution]);
}

#[test]
fn a_calculated_check_that_turns_healthy_is_waited_for() {
    let world = with_calculated_check(SICK);
    world.cloud.on(Operation::GetMetricStatistics).nth(3).before(|cloud| {
        cloud.health().set_checkers(&HealthCheckId::new(CALCULATED), WELL);
    });
    let answer = Stack::new(&world).set(adopt()).create();
    assert_eq!(answer["Status"], "SUCCESS", "{answer}");
    assert_eq!(world.cloud.count(Operation::GetMetricStatistics), 3);
}

#[test]
fn an_update_hangs_records_on_an_adopted_check_only_when_it_is_healthy() {
    let world = with_calculated_check(SICK);
    let mut stack = Stack::new(&world);
    summary(&stack.create());
    let before = world.cloud.count(Operation::ChangeResourceRecordSets);
    let answer = stack.set(adopt()).update();
    assert!(reason(&answer).contains("HealthCheckStatus is 0"), "{answer}");
    assert_eq!(world.cloud.count(Operation::ChangeResourceRecordSets), before, "the records are as they were");
    assert_ne!(world.row().made.records.expect("records").primary_health_check.as_str(), CALCULATED);

    // The same request again, as Lambda delivers it, is not taken for one that has proven it already.
    let answer = stack.update();
    assert!(reason(&answer).contains("HealthCheckStatus is 0"), "{answer}");
    world.cloud.health().set_checkers(&HealthCheckId::new(CALCULATED), WELL);
    assert_eq!(stack.update()["Status"], "SUCCESS");
    assert_eq!(world.row().made.records.expect("records").primary_health_check.as_str(), CALCULATED);
}

#[test]
fn a_role_that_was_made_a_moment_ago_is_given_time_to_be_known() {
    let world = World::bare();
    world.cloud.engine().flip = denied();
    world.cloud.on(Operation::AskReact).nth(2).before(|cloud| cloud.engine().flip = FlipReach::Allowed);
    let answer = Stack::new(&world).create();
    assert!(!summary(&answer).contains("ServiceToken"), "{answer}");
    assert_eq!(world.cloud.count(Operation::AskReact), 2);
}

#[test]
fn a_roll_back_to_the_former_adopted_check_does_not_wait_for_it() {
    let world = with_calculated_check(WELL);
    let mut stack = Stack::new(&world);
    summary(&stack.set(adopt()).create());
    let former = stack.properties.clone();
    world.cloud.health().set_checkers(&HealthCheckId::new(CALCULATED), SICK);
    world.cloud.on(Operation::UpdateDistribution).fail(FaultKind::AccessDenied);
    world.cloud.on(Operation::PutMetricAlarm).fail(FaultKind::AccessDenied);
    let answer = stack.set(json!({"HealthCheck": {"Path": "/"}})).update();
    assert_eq!(answer["Status"], "FAILED", "{answer}");
    world.cloud.heal();
    stack.properties = former;
    let asked = world.cloud.count(Operation::GetMetricStatistics);
    assert_eq!(stack.update()["Status"], "SUCCESS");
    assert_eq!(world.cloud.count(Operation::GetMetricStatistics), asked, "it goes back at once");
    assert_eq!(world.row().made.records.expect("records").primary_health_check.as_str(), CALCULATED);
}
