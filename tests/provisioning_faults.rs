//! Create, Update and Delete of `Custom::FailOpenProtection` when calls fail, answers get lost and processes die.

use std::cell::Cell;

use failopen::failure::ErrorType;
use failopen::id::Hostname;
use failopen::ledger::Lifecycle;
use failopen::port::FaultKind;
use failopen_tests::cloud::Run;
use failopen_tests::stack::{Stack, TIME_OUT};
use failopen_tests::world::{
    CANARY, OWNER, RICH_DISTRIBUTION, application_origin, distribution, failover_record, inspection_origin, www, zone,
};
use failopen_tests::{Impatient, Logs, Moment, Operation, World};
use jiff::SignedDuration;
use serde_json::{Value, json};

/// Part of the ResponseURL in `cloudformation-create.json`.
const URL_CANARY: &str = "canary-response-url-9c41";

fn nothing_of_ours_is_left(world: &World, context: &str) {
    assert_eq!(world.configuration(), RICH_DISTRIBUTION, "{context}");
    assert_eq!(world.cloud.resolve(&failover_record()), None, "{context}");
    assert_eq!(world.cloud.resolve(&new_record()), None, "{context}");
    assert_eq!(world.cloud.health().ids(), [], "{context}");
    assert_eq!(world.cloud.cloudwatch().names(), [], "{context}");
    assert_eq!(world.cloud.ledger().get(&www()), None, "{context}");
}

fn new_record() -> Hostname {
    Hostname::new("cq-origin-new.cq-route.com")
}

/// No name that the distribution uses is without an answer, and no behaviour names an origin that is gone.
fn never_empty(world: &World, context: &str) {
    let document = world.document(&distribution());
    for behavior in document.behaviors() {
        let known = document.origin(&behavior.target).is_some() || document.origin_groups().contains(&behavior.target);
        assert!(known, "{context}: {} targets {}, which is gone", behavior.path_pattern, behavior.target);
        if behavior.target == inspection_origin() {
            let name = Hostname::new(document.origin(&behavior.target).expect("it exists").domain_name.clone());
            assert!(world.cloud.resolve(&name).is_some(), "{context}: {name} has no record");
        }
    }
}

fn is_success(answer: &Value) -> bool {
    answer["Status"] == "SUCCESS"
}

/// What CloudFormation may send after a request of which nothing came back.
#[derive(Clone, Copy, Debug)]
enum Continuation {
    Retry,
    DeleteWithTheRealId,
    DeleteWithAnInventedId,
}

/// Where a process may die so that the world differs: before its first call and after every write, answers included. A
/// death anywhere else leaves the world of one of these.
fn points_of_death(world: &World, before: u64) -> Vec<(u64, Moment)> {
    let calls = world.cloud.calls();
    let matters = |operation: Operation| operation.is_write() || operation == Operation::Answer;
    let writes = calls.iter().filter(|call| call.number > before && matters(call.operation));
    let mut points = vec![(before + 1, Moment::Before)];
    points.extend(writes.map(|call| (call.number, Moment::After)));
    points
}

#[test]
fn a_create_that_dies_at_any_call_is_completed_by_a_retry_or_undone_by_a_delete() {
    let points = {
        let world = World::bare();
        assert!(is_success(&traffic(&mut Stack::new(&world)).create()));
        points_of_death(&world, 0)
    };
    for (number, moment) in points {
        for continuation in
            [Continuation::Retry, Continuation::DeleteWithTheRealId, Continuation::DeleteWithAnInventedId]
        {
            let context = format!("call {number}, {moment:?}, then {continuation:?}");
            let world = World::bare();
            let mut stack = Stack::new(&world);
            let request = traffic(&mut stack).request("Create");
            world.cloud.crash_at(number, moment);
            assert_eq!(stack.invoke(request.clone()), Run::Crashed, "{context}");
            never_empty(&world, &context);
            world.cloud.outbox().answers.clear();
            match continuation {
                Continuation::Retry => {
                    let answer = stack.deliver(request);
                    assert!(is_success(&answer), "{context}: {answer}");
                    assert_eq!(world.cloud.health().ids().len(), 1, "{context}");
                    assert_eq!(world.row().lifecycle, Lifecycle::Active, "{context}");
                    assert_eq!(world.target("*"), inspection_origin(), "{context}");
                }
                Continuation::DeleteWithTheRealId => stack.physical_id = Some(format!("failopen-www-{OWNER}")),
                Continuation::DeleteWithAnInventedId => {}
            }
            let answer = stack.delete();
            assert!(is_success(&answer), "{context}: {answer}");
            nothing_of_ours_is_left(&world, &context);
        }
    }
}

fn traffic<'s, 'w>(stack: &'s mut Stack<'w>) -> &'s mut Stack<'w> {
    stack.set(json!({"Traffic": ["*", "/account/*", "/ours/*"]}))
}

#[test]
fn a_delete_that_dies_at_any_call_is_completed_by_the_next_one() {
    let points = {
        let world = World::bare();
        let mut stack = Stack::new(&world);
        assert!(is_success(&traffic(&mut stack).create()));
        let before = world.cloud.last_call();
        assert!(is_success(&stack.delete()));
        points_of_death(&world, before)
    };
    for (number, moment) in points {
        let context = format!("call {number}, {moment:?}");
        let world = World::bare();
        let mut stack = Stack::new(&world);
        traffic(&mut stack).create();
        world.cloud.crash_at(number, moment);
        let request = stack.request("Delete");
        assert_eq!(stack.invoke(request.clone()), Run::Crashed, "{context}");
        never_empty(&world, &context);
        assert!(is_success(&stack.deliver(request)), "{context}");
        nothing_of_ours_is_left(&world, &context);
    }
}

/// An Update that replaces everything that can be replaced.
fn everything_else(stack: &mut Stack<'_>) {
    stack.set(json!({"FailoverRecord": new_record(), "HealthCheck": {"IntervalSeconds": "30"}, "RecordTtl": "60",
        "Traffic": ["*", "/checkout/*", "/ours/new/*"], "AlarmEvaluationPeriods": "2"}));
}

fn as_before(stack: &mut Stack<'_>) {
    stack.set(json!({"FailoverRecord": failover_record(), "HealthCheck": {"Path": "/"}, "RecordTtl": "30",
        "Traffic": ["*", "/account/*", "/ours/*"], "AlarmEvaluationPeriods": "1"}));
}

/// Where two texts part and where they meet again.
fn differences(one: &str, other: &str) -> String {
    if one == other {
        return String::new();
    }
    let start = one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count();
    let end = one.bytes().rev().zip(other.bytes().rev()).take_while(|(one, other)| one == other).count();
    let middle = |text: &str| text.get(start..text.len().saturating_sub(end).max(start)).unwrap_or_default().to_owned();
    format!("{}\n!=\n{}", middle(one), middle(other))
}

#[test]
fn an_update_that_dies_at_any_call_is_completed_rolled_back_or_deleted() {
    let points = {
        let world = World::bare();
        let mut stack = Stack::new(&world);
        traffic(&mut stack).create();
        let before = world.cloud.last_call();
        everything_else(&mut stack);
        let answer = stack.update();
        assert!(is_success(&answer), "{answer}");
        points_of_death(&world, before)
    };
    for (number, moment) in points {
        for then in ["retry", "roll back", "delete"] {
            let context = format!("call {number}, {moment:?}, then {then}");
            let world = World::bare();
            let mut stack = Stack::new(&world);
            traffic(&mut stack).create();
            let before = world.configuration();
            everything_else(&mut stack);
            let request = stack.request("Update");
            world.cloud.crash_at(number, moment);
            assert_eq!(stack.invoke(request.clone()), Run::Crashed, "{context}");
            never_empty(&world, &context);
            match then {
                "retry" => {
                    let answer = stack.deliver(request);
                    assert!(is_success(&answer), "{context}: {answer}");
                }
                "roll back" => {
                    as_before(&mut stack);
                    let answer = stack.update();
                    assert!(is_success(&answer), "{context}: {answer}");
                    assert_eq!(differences(&before, &world.configuration()), "", "{context}");
                }
                _ => {}
            }
            never_empty(&world, &context);
            if then != "delete" {
                assert_eq!(world.row().made.replaced, [], "{context}");
                assert_eq!(world.row().lifecycle, Lifecycle::Active, "{context}");
                assert_eq!(world.cloud.health().ids().len(), 1, "{context}");
                assert_eq!(world.target("*"), inspection_origin(), "{context}");
            }
            let answer = stack.delete();
            assert!(is_success(&answer), "{context}: {answer}");
            nothing_of_ours_is_left(&world, &context);
        }
    }
}

const WRITES: [Operation; 6] = [
    Operation::CreateHealthCheck,
    Operation::ChangeTagsForResource,
    Operation::ChangeResourceRecordSets,
    Operation::UpdateDistribution,
    Operation::PutMetricAlarm,
    Operation::PutItem,
];

#[test]
fn a_lost_answer_or_a_throttled_call_costs_nothing_but_time() {
    let cleanly = World::bare();
    let mut stack = Stack::new(&cleanly);
    assert!(is_success(&traffic(&mut stack).create()) && is_success(&stack.delete()));
    // A probe has no such faults, and the answer has tests of its own.
    let made = |operation: &Operation| cleanly.cloud.count(*operation) > 0;
    let tried = |operation: &Operation| !matches!(operation, Operation::Answer | Operation::Probe);
    for operation in Operation::ALL.into_iter().filter(made).filter(tried) {
        for nth in 1..=2 {
            for lost in [true, false] {
                let context = format!("{operation:?} {nth}, lost: {lost}");
                let world = World::bare();
                let mut stack = Stack::new(&world);
                let spoil = || match lost {
                    true => world.cloud.on(operation).nth(nth).lose_answer(FaultKind::Unknown),
                    false => world.cloud.on(operation).nth(nth).fail(FaultKind::Throttled),
                };
                spoil();
                let answer = traffic(&mut stack).create();
                assert!(is_success(&answer), "{context}: {answer}");
                assert_eq!(world.cloud.health().ids().len(), 1, "{context}");
                world.cloud.heal();
                spoil();
                let answer = stack.delete();
                assert!(is_success(&answer), "{context}: {answer}");
                nothing_of_ours_is_left(&world, &context);
            }
        }
    }
}

#[test]
fn a_permission_that_is_missing_anywhere_is_named_and_leaves_a_create_that_can_be_deleted() {
    for operation in WRITES {
        let world = World::bare();
        let mut stack = Stack::new(&world);
        world.cloud.on(operation).fail(FaultKind::AccessDenied);
        let answer = traffic(&mut stack).create();
        if operation == Operation::ChangeTagsForResource {
            assert!(is_success(&answer), "tags are for people only: {answer}");
        } else {
            let reason = answer["Reason"].as_str().unwrap_or_default();
            assert!(reason.contains(operation.name()) && reason.contains("provision function's role"), "{answer}");
        }
        world.cloud.heal();
        assert!(is_success(&stack.delete()));
        nothing_of_ours_is_left(&world, operation.name());
    }
}

#[test]
fn a_foreign_edit_between_reading_and_writing_survives() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    world.cloud.on(Operation::UpdateDistribution).nth(1).before(|cloud| {
        let now = cloud.clock().aws_now();
        cloud.cloudfront().edit(&distribution(), now, |text| text.replacen("index.html", "home.html", 1));
    });
    assert!(is_success(&stack.create()));
    assert!(world.configuration().contains("home.html"));
    assert_eq!(world.target("*"), inspection_origin());
    assert!(is_success(&stack.delete()));
    assert_eq!(world.configuration(), RICH_DISTRIBUTION.replacen("index.html", "home.html", 1));
}

#[test]
fn a_record_that_appears_while_create_is_at_work_is_not_touched() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    let theirs = failopen_tests::world::address("cq-origin-www.cq-route.com", "192.0.2.1");
    let appearing = theirs.clone();
    world.cloud.on(Operation::CreateHealthCheck).nth(1).after(move |cloud| {
        cloud.route53().add_record(&zone().id, appearing.clone());
    });
    let answer = stack.create();
    let reason = answer["Reason"].as_str().unwrap_or_default();
    assert!(reason.contains("record-conflict") && !reason.contains("nothing was changed"), "{answer}");
    assert!(is_success(&stack.delete()));
    assert_eq!(world.cloud.resolve(&failover_record()), Some(theirs.values));
    world.cloud.route53().remove_records(&zone().id, &failover_record());
    nothing_of_ours_is_left(&world, "the record was theirs");
}

#[test]
fn a_distribution_that_never_holds_still_is_given_up_after_five_writes() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    world.cloud.on(Operation::UpdateDistribution).before(|cloud| cloud.cloudfront().churn(&distribution()));
    let answer = stack.create();
    assert!(answer["Reason"].as_str().is_some_and(|reason| reason.contains("keeps changing")), "{answer}");
    assert_eq!(world.cloud.count(Operation::UpdateDistribution), 5);
    world.cloud.heal();
    assert!(is_success(&stack.delete()));
    nothing_of_ours_is_left(&world, "given up");
}

#[test]
fn a_malformed_distribution_is_never_written() {
    let world = World::bare();
    world.cloud.cloudfront().garble(&distribution(), &RICH_DISTRIBUTION.as_bytes()[..9_000]);
    let mut stack = Stack::new(&world);
    let answer = stack.create();
    assert!(answer["Reason"].as_str().is_some_and(|reason| reason.contains("cannot be read safely")), "{answer}");
    assert_eq!(world.cloud.count(Operation::UpdateDistribution), 0);
}

#[test]
fn the_same_create_running_twice_at_once_makes_one_of_everything() {
    let world = World::bare();
    world.cloud.interleave();
    let mut stack = Stack::new(&world);
    let request = stack.request("Create");
    let deadline = world.clock.aws_now() + TIME_OUT;
    let run = || failopen_provision::handle(&stack.engine, &world.cloud, &world.clock, deadline, request.clone());
    let (one, other) = world.cloud.run(async { tokio::join!(run(), run()) }).finished();
    assert!(one.is_ok() && other.is_ok());
    assert_eq!(world.cloud.health().ids().len(), 1);
    assert_eq!(world.row().lifecycle, Lifecycle::Active);
    for answer in &world.cloud.outbox().answers {
        assert!(answer.body.contains("SUCCESS"), "{answer:?}");
    }
    assert!(is_success(&{
        world.cloud.outbox().answers.clear();
        stack.delete()
    }));
    nothing_of_ours_is_left(&world, "after both");
}

#[test]
fn a_delete_that_overtakes_a_create_ends_with_nothing_left() {
    let calls = {
        let world = World::bare();
        assert!(is_success(&traffic(&mut Stack::new(&world)).create()));
        world.cloud.last_call()
    };
    for begins_at in 1..calls {
        let context = format!("the Delete begins at call {begins_at}");
        let world = World::bare();
        let mut stack = Stack::new(&world);
        let create = traffic(&mut stack).request("Create");
        stack.physical_id = Some("site-Protection-1K2N3B4V5C6X7".to_owned());
        let delete = stack.request("Delete");
        world.cloud.interleave();
        let deadline = world.clock.aws_now() + TIME_OUT;
        let creating = failopen_provision::handle(&stack.engine, &world.cloud, &world.clock, deadline, create);
        let deleting = async {
            while world.cloud.last_call() < begins_at {
                give_way().await;
            }
            let later = world.clock.aws_now() + TIME_OUT;
            failopen_provision::handle(&stack.engine, &world.cloud, &world.clock, later, delete).await
        };
        let (created, deleted) = world.cloud.run(async { tokio::join!(creating, deleting) }).finished();
        assert!(created.is_ok() && deleted.is_ok(), "{context}");
        never_empty(&world, &context);
        if world.cloud.ledger().get(&www()).is_some() {
            // The Delete came before the first write of the Create: CloudFormation's next Delete finds it.
            world.cloud.outbox().answers.clear();
            assert!(is_success(&stack.delete()), "{context}");
        }
        nothing_of_ours_is_left(&world, &context);
    }
}

async fn give_way() {
    let given = Cell::new(false);
    std::future::poll_fn(|_| if given.replace(true) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending })
        .await;
}

#[test]
fn whatever_a_create_writes_after_its_delete_is_over_is_taken_out_again() {
    for operation in WRITES.into_iter().filter(|operation| *operation != Operation::PutItem) {
        let world = World::bare();
        let mut stack = Stack::new(&world);
        world.cloud.on(operation).nth(1).after(|cloud| {
            // The Delete has removed all that it could find, the row last of all.
            cloud.route53().remove_records(&zone().id, &failover_record());
            cloud.ledger().remove(&www());
        });
        let answer = traffic(&mut stack).create();
        assert!(answer["Reason"].as_str().is_some_and(|reason| reason.contains("taken over")), "{answer}");
        nothing_of_ours_is_left(&world, operation.name());
    }
}

#[test]
fn an_answer_that_does_not_arrive_is_sent_again_with_the_same_bytes() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    world.cloud.on(Operation::Answer).first(4).lose_answer(FaultKind::Unknown);
    let request = stack.request("Create");
    stack.invoke(request).finished().expect("the fifth attempt arrives");
    let outbox = world.cloud.outbox();
    assert_eq!(outbox.answers.len(), 5);
    assert!(outbox.answers.iter().all(|answer| *answer == outbox.answers[0]));
}

#[test]
fn an_answer_that_never_arrives_is_a_function_error_and_the_repeated_event_changes_nothing() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    world.cloud.on(Operation::Answer).fail(FaultKind::Unknown);
    let request = stack.request("Create");
    let failure = stack.invoke(request.clone()).finished().expect_err("nobody was told");
    assert_eq!(failure.error_type, ErrorType::Unavailable);
    assert_eq!(world.cloud.count(Operation::Answer), 5);
    world.cloud.heal();
    world.cloud.clear_calls();
    assert!(is_success(&stack.deliver(request)));
    assert!(world.cloud.calls().iter().all(|call| !call.operation.is_write()));
}

#[test]
fn a_forbidden_place_for_the_answer_gets_nothing_and_nothing_is_done() {
    for url in ["http://169.254.169.254/latest", "https://example.com/x", "http://localhost:4566/x"] {
        let world = World::bare();
        let mut stack = Stack::new(&world);
        let mut request = stack.request("Create");
        request["ResponseURL"] = json!(url);
        let failure = stack.invoke(request).finished().expect_err("no place for an answer");
        assert_eq!(failure.error_type, ErrorType::InvalidRequest);
        assert_eq!(world.cloud.calls().len(), 0, "{url}");
        assert!(!failure.message.contains(url));
    }
}

#[test]
fn the_rehearsals_origin_is_a_place_for_answers_only_where_it_is_loopback() {
    for (origin, allowed) in
        [("http://localhost:4566", true), ("http://127.0.0.1:4566", true), ("http://10.0.0.1", false)]
    {
        let world = World::bare();
        let mut stack = Stack::new(&world);
        stack.engine.response_origin = Some(origin.to_owned());
        let mut request = stack.request("Delete");
        request["ResponseURL"] = json!(format!("{origin}/_ministack/cfn-response/1"));
        assert_eq!(stack.invoke(request).finished().is_ok(), allowed, "{origin}");
    }
}

#[test]
fn a_stack_of_another_account_or_region_is_not_served() {
    for (from, to) in [("111122223333", "444455556666"), ("us-east-1", "eu-west-1")] {
        let world = World::bare();
        let mut stack = Stack::new(&world);
        let mut request = stack.request("Create");
        request["StackId"] = json!(request["StackId"].as_str().expect("an ARN").replace(from, to));
        let failure = stack.invoke(request).finished().expect_err("a stranger");
        assert_eq!(failure.error_type, ErrorType::InvalidRequest);
        assert_eq!(world.cloud.calls().len(), 0);
    }
}

#[test]
fn a_panic_is_answered_too() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    world.cloud.on(Operation::PutMetricAlarm).before(|_| panic!("a defect of our own, on purpose"));
    let answer = stack.create();
    assert!(answer["Reason"].as_str().is_some_and(|reason| reason.contains("defect of its own")), "{answer}");
    world.cloud.heal();
    assert!(is_success(&stack.delete()));
    nothing_of_ours_is_left(&world, "after the panic");
}

#[test]
fn work_that_hangs_is_cut_off_in_time_to_answer() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    let request = stack.request("Create");
    let began = world.clock.aws_now();
    let deadline = began + TIME_OUT;
    let clock = Impatient(world.clock.clone());
    // Every call gives way once before it is made; this clock takes the first time for a hang.
    world.cloud.interleave();
    let run = failopen_provision::handle(&stack.engine, &world.cloud, &clock, deadline, request);
    assert_eq!(world.cloud.run(run).finished().expect("it is answered")["outcome"], "FAILED");
    assert!(world.clock.aws_now() + SignedDuration::from_secs(5) <= deadline);
    let outbox = world.cloud.outbox();
    assert!(outbox.answers[0].body.contains("time is up"), "{:?}", outbox.answers[0]);
}

#[test]
fn no_answer_is_longer_than_cloudformation_takes() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    let patterns: Vec<String> = (0..300).map(|n| format!("/bad pattern {n} \u{1}")).collect();
    let answer = stack.set(json!({"Traffic": patterns})).create();
    assert!(answer["Reason"].as_str().is_some_and(|reason| reason.contains("/bad pattern 0")), "{answer}");
    assert!(world.cloud.outbox().answers[0].body.len() <= 4096);
}

#[test]
fn neither_the_response_url_nor_a_header_value_is_ever_logged_or_answered() {
    let logs = Logs::default();
    let texts = logs.of(|| {
        let world = World::bare();
        let mut stack = Stack::new(&world);
        stack.set(json!({"HostedZoneExternalId": "canary-external-id", "HostedZoneRoleArn": "x"}));
        let mut texts = vec![stack.create().to_string()];
        stack.set(json!({"HostedZoneExternalId": "", "HostedZoneRoleArn": ""}));
        world.cloud.on_any(&Operation::CLOUDFRONT).first(1).fail(FaultKind::Unknown);
        texts.push(stack.create().to_string());
        texts.push(stack.plan().expect("a plan").to_string());
        texts.push(stack.set(json!({"RecordTtl": "60"})).update().to_string());
        world.application_dies();
        texts.push(stack.set(json!({"ApplicationCheckPath": "/x"})).update().to_string());
        let mut stranger = stack.request("Create");
        stranger["ResponseURL"] = json!(format!("https://example.com/{URL_CANARY}"));
        texts.push(format!("{:?}", stack.invoke(stranger).finished()));
        texts.push(stack.delete().to_string());
        texts
    });
    let logged = logs.text();
    assert!(logged.contains("\"request_type\":\"Create\"") && logged.contains("\"protection\":\"www\""), "{logged}");
    for text in texts.iter().chain([&logged]) {
        for canary in [URL_CANARY, CANARY, "canary-external-id"] {
            assert!(!text.contains(canary), "{canary} in {text}");
        }
    }
}

#[test]
fn a_protection_that_is_being_deleted_is_not_created_again() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    let request = stack.request("Create");
    assert!(is_success(&stack.deliver(request.clone())));
    world.edit_row(|row| row.lifecycle = Lifecycle::Deleting);
    let answer = stack.deliver(request);
    assert!(answer["Reason"].as_str().is_some_and(|reason| reason.contains("Delete")), "{answer}");
    assert_eq!(world.row().lifecycle, Lifecycle::Deleting);
    assert_ne!(world.target("*"), application_origin());
}
