//! What docs/infrastructure-as-code.md promises to those whose own code owns the distribution: a deployment that undoes a
//! protection is reported and can be mended, and what `DeletionPolicy: Retain` keeps has one owner still.

use failopen::alarm::AlarmState;
use failopen::failure::ErrorType;
use failopen_tests::stack::Stack;
use failopen_tests::world::{
    LOGICAL_ID, OWNER, RICH_DISTRIBUTION, STACK_ID, application_origin, distribution, failover_record,
    inspection_origin, www, zone,
};
use failopen_tests::{Operation, World};
use jiff::SignedDuration;
use serde_json::{Value, json};

/// The stack of the protection, made anew under the same name.
const NEW_STACK_ID: &str =
    "arn:aws:cloudformation:us-east-1:111122223333:stack/failopen/ffffffff-4b5a-6978-8796-a5b4c3d2e1f0";

fn succeeded(answer: Value) -> Value {
    assert_eq!(answer["Status"], "SUCCESS", "{answer}");
    answer
}

fn reason(answer: &Value) -> String {
    assert_eq!(answer["Status"], "FAILED", "{answer}");
    answer["Reason"].as_str().expect("a reason").to_owned()
}

fn restore() -> Value {
    json!({"action": "restore", "protection": "www", "reason": "CHG-7"})
}

fn status(world: &World) -> Value {
    world.flip(json!({"action": "status", "protection": "www"})).expect("a status")
}

/// What `status` finds not to be as provisioned.
fn drift(world: &World) -> Vec<String> {
    let status = status(world);
    let drift = status["drift"].as_array().expect("a list");
    drift.iter().map(|entry| entry["what"].as_str().expect("a text").to_owned()).collect()
}

/// A protection that people and automation have seen inspected.
fn in_service<'w>(world: &'w World, traffic: &[&str]) -> Stack<'w> {
    let mut stack = Stack::new(world);
    succeeded(stack.set(json!({ "Traffic": traffic })).create());
    world.set_alarm(AlarmState::Ok);
    world.tick();
    assert_eq!(status(world)["posture"], "inspected");
    stack
}

/// Somebody's code writes the whole distribution as it was before Failopen.
fn deploy_without_it(world: &World) {
    world.cloud.cloudfront().edit(&distribution(), world.clock.aws_now(), |_| RICH_DISTRIBUTION.to_owned());
    // By then drift is read again.
    world.pass(SignedDuration::from_mins(16));
    world.tick();
}

fn was_told(world: &World, what: &str) {
    let outbox = world.cloud.outbox();
    assert!(outbox.subjects().iter().any(|subject| subject.contains(what)), "{what}: {:?}", outbox.subjects());
}

#[test]
fn a_deployment_that_does_not_know_of_it_is_reported_and_not_fought() {
    let world = World::bare();
    let _stack = in_service(&world, &["*"]);
    let writes = world.cloud.count(Operation::UpdateDistribution);
    deploy_without_it(&world);
    was_told(&world, "CloudFront sends traffic to the application, uninspected (was inspected)");
    was_told(&world, "drift: 2 settings changed");
    assert_eq!(world.cloud.outbox().metric("Bypassed"), Some(1));
    let status = status(&world);
    assert_eq!((&status["posture"], &status["decision"]["reason"]), (&json!("bypassed"), &json!("AwaitingOperator")));
    assert_eq!(drift(&world), ["origin failopen-www", "posture of www"]);
    let refused = world.flip(restore()).expect_err("there is no origin to go back to");
    assert_eq!(refused.error_type, ErrorType::ForeignTarget);
    assert_eq!(world.cloud.count(Operation::UpdateDistribution), writes, "nothing was written");
}

#[test]
fn an_update_puts_the_origin_back_without_moving_traffic_and_a_restore_moves_it() {
    let world = World::bare();
    let mut stack = in_service(&world, &["*"]);
    let wired = world.configuration();
    deploy_without_it(&world);
    let answer = succeeded(stack.set(json!({"HoldDownSeconds": "901"})).update());
    assert_eq!(answer["Data"]["Posture"], "bypassed");
    assert!(world.document(&distribution()).origin(&inspection_origin()).is_some());
    assert_eq!(world.target("*"), application_origin());
    world.flip(restore()).expect("restored");
    world.flip(json!({"action": "unpin", "protection": "www"})).expect("handed back to automation");
    assert_eq!(world.configuration(), wired);
    assert_eq!(drift(&world), Vec::<String>::new());
}

#[test]
fn a_behavior_that_it_had_added_is_missed_put_back_and_taken_out_again_in_the_end() {
    let world = World::bare();
    let mut stack = in_service(&world, &["*", "/ours/*"]);
    deploy_without_it(&world);
    was_told(&world, "targets a foreign origin: hands off");
    assert_eq!(status(&world)["posture"], "foreign");
    assert_eq!(drift(&world), ["origin failopen-www", "behavior /ours/*"]);
    let answer = succeeded(stack.set(json!({"HoldDownSeconds": "901"})).update());
    assert_eq!(answer["Data"]["Posture"], "bypassed");
    assert_eq!(world.target("/ours/*"), application_origin());
    world.flip(restore()).expect("restored");
    assert_eq!((world.target("*"), world.target("/ours/*")), (inspection_origin(), inspection_origin()));
    succeeded(stack.delete());
    assert_eq!(world.configuration(), RICH_DISTRIBUTION);
}

#[test]
fn an_operators_bypass_that_a_deployment_moves_back_is_made_again_as_long_as_its_pin_holds() {
    let world = World::standard();
    world.tick();
    let bypass = json!({"action": "bypass", "protection": "www", "reason": "INC-42", "expiresIn": "2h"});
    world.flip(bypass).expect("bypassed");
    world.pass(SignedDuration::from_mins(5));
    world.retarget_by_hand("*", &inspection_origin());
    world.tick();
    assert_eq!(world.target("*"), application_origin());
    world.pass(SignedDuration::from_hours(2));
    world.tick();
    world.retarget_by_hand("*", &inspection_origin());
    world.tick();
    assert_eq!(world.target("*"), inspection_origin(), "the pin has ended, and inspection is well");
}

/// With `DeletionPolicy: Retain` CloudFormation asks for nothing: the resource is gone from its stack, and all the rest stays.
#[test]
fn what_retain_has_kept_is_refused_to_every_other_resource_by_name() {
    let world = World::bare();
    let _gone = in_service(&world, &["*"]);
    let kept = everything(&world);
    for (stack_id, logical_id) in [(NEW_STACK_ID, LOGICAL_ID), (STACK_ID, "Another")] {
        let reason = reason(&create(&world, stack_id, logical_id, json!({})));
        let owner = format!("`www` belongs to {LOGICAL_ID} of stack {STACK_ID}; one name has one owner");
        assert!(reason.contains(&owner), "{reason}");
    }
    // Another name does not help: behaviours and record are the kept protection's.
    let reason = reason(&create(&world, NEW_STACK_ID, LOGICAL_ID, json!({"Name": "shop"})));
    for code in ["[behavior-overlap]", "[record-conflict]"] {
        assert!(reason.contains(code), "{reason}");
    }
    assert_eq!(everything(&world), kept);
}

#[test]
fn what_retain_has_kept_is_not_taken_over_with_an_empty_ledger() {
    let world = World::bare();
    let _gone = in_service(&world, &["*"]);
    let kept = world.configuration();
    world.cloud.ledger().remove(&www());
    let reason = reason(&create(&world, NEW_STACK_ID, LOGICAL_ID, json!({})));
    for code in ["[record-conflict]", "[permission]"] {
        assert!(reason.contains(code), "{reason}");
    }
    assert_eq!(world.configuration(), kept);
}

#[test]
fn automation_goes_on_with_what_retain_has_kept_and_its_own_resource_takes_it_over_and_removes_it() {
    let world = World::bare();
    let _gone = in_service(&world, &["*"]);
    let kept = everything(&world);
    world.inspection_dies();
    world.tick();
    assert_eq!(world.target("*"), application_origin(), "nobody has told the engine that the stack is gone");
    world.inspection_recovers();
    world.live(30);
    assert_eq!(everything(&world), kept);

    let answer = succeeded(create(&world, STACK_ID, LOGICAL_ID, json!({"HoldDownSeconds": "901"})));
    assert_eq!(answer["PhysicalResourceId"], format!("failopen-www-{OWNER}"));
    assert_eq!(everything(&world), kept);
    assert_eq!(world.row().spec.automation.hold_down_seconds, 901);

    let mut stack = Stack::new(&world);
    stack.physical_id = Some(format!("failopen-www-{OWNER}"));
    let mut request = stack.request("Delete");
    request["RequestId"] = json!("5e6f7a8b-0000-4000-8000-000000000099");
    succeeded(stack.deliver(request));
    assert_eq!(world.configuration(), RICH_DISTRIBUTION);
    assert_eq!((world.cloud.health().ids(), world.cloud.cloudwatch().names()), (vec![], vec![]));
}

/// A Create of one resource of one stack, an hour later than whatever came before.
fn create(world: &World, stack_id: &str, logical_id: &str, changes: Value) -> Value {
    world.pass(SignedDuration::from_hours(1));
    let mut stack = Stack::new(world);
    stack.set(changes);
    let mut request = stack.request("Create");
    request["StackId"] = json!(stack_id);
    request["LogicalResourceId"] = json!(logical_id);
    request["RequestId"] = json!("5e6f7a8b-0000-4000-8000-000000000098");
    stack.deliver(request)
}

/// Distribution, records, health checks and alarms.
fn everything(world: &World) -> (String, Vec<String>, Vec<String>, Vec<String>) {
    let records = world.cloud.route53().all_records(&zone().id).to_vec();
    let ours = records.iter().filter(|record| record.name == failover_record());
    let records = ours.map(|record| format!("{record:?}")).collect();
    let checks = world.cloud.health().ids().iter().map(ToString::to_string).collect();
    let alarms = world.cloud.cloudwatch().names().iter().map(ToString::to_string).collect();
    (world.configuration(), records, checks, alarms)
}
