//! Create, Update and Delete of `Custom::FailOpenProtection` when calls fail, answers get lost and processes die.

use std::cell::Cell;
use std::rc::Rc;

use failopen::failure::ErrorType;
use failopen::id::Hostname;
use failopen::ledger::Lifecycle;
use failopen::port::{Apply, FaultKind};
use failopen::spec::HealthCheckSpec;
use failopen_tests::cloud::Run;
use failopen_tests::stack::{Stack, TIME_OUT};
use failopen_tests::world::{
    CANARY, RICH_DISTRIBUTION, application_origin, distribution, failover_record, inspection, inspection_origin,
    standard_spec, www, zone,
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

fn is_success(answer: &Value) -> bool {
    answer["Status"] == "SUCCESS"
}

fn traffic<'s, 'w>(stack: &'s mut Stack<'w>) -> &'s mut Stack<'w> {
    stack.set(json!({"Traffic": ["*", "/account/*", "/ours/*"]}))
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
    // Looks at hosts have no such faults, and the answer has tests of its own.
    let made = |operation: &Operation| cleanly.cloud.count(*operation) > 0;
    let of_hosts = [Operation::Probe, Operation::Handshakes, Operation::HealthProbe, Operation::Resolve];
    let tried = |operation: &Operation| *operation != Operation::Answer && !of_hosts.contains(operation);
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
fn a_permission_to_read_the_checkers_that_is_missing_is_told_at_once_and_not_after_nine_minutes() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    world.cloud.on(Operation::GetHealthCheckStatus).fail(FaultKind::AccessDenied);
    let answer = stack.create();
    let reason = answer["Reason"].as_str().unwrap_or_default();
    assert!(reason.contains("GetHealthCheckStatus") && reason.contains("provision function's role"), "{answer}");
    assert_eq!(world.cloud.count(Operation::GetHealthCheckStatus), 1, "waiting gives nobody a permission back");
    world.cloud.heal();
    assert!(is_success(&stack.delete()));
    nothing_of_ours_is_left(&world, "the checkers could not be read");
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

/// The request as an emulator sends it, whose URLs say nothing about time.
fn undated(mut request: Value) -> Value {
    let url = request["ResponseURL"].as_str().expect("a place for the answer");
    request["ResponseURL"] = json!(url.replace("X-Amz-Date", "X-Other"));
    request
}

#[test]
fn a_create_that_arrives_when_its_delete_has_ended_makes_nothing_and_a_new_create_works() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    let late = stack.request("Create");
    assert!(is_success(&stack.delete()), "it finds nothing, and remembers that");
    let answer = stack.deliver(late);
    assert!(answer["Reason"].as_str().is_some_and(|reason| reason.contains("taken over")), "{answer}");
    nothing_of_ours_is_left(&world, "the Create was late");
    assert!(is_success(&stack.create()), "the same resource, asked for anew");
    assert!(is_success(&stack.delete()));
    nothing_of_ours_is_left(&world, "the new one is deleted");
}

#[test]
fn a_create_that_was_carried_out_is_not_carried_out_again_after_its_delete_even_where_no_request_has_a_date() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    let create = undated(stack.request("Create"));
    assert!(is_success(&stack.deliver(create.clone())));
    let delete = undated(stack.request("Delete"));
    assert!(is_success(&stack.deliver(delete)));
    let answer = stack.deliver(create);
    assert!(answer["Reason"].as_str().is_some_and(|reason| reason.contains("taken over")), "{answer}");
    nothing_of_ours_is_left(&world, "delivered twice");
}

#[test]
fn a_delete_that_is_delivered_again_leaves_a_protection_alone_that_was_made_since() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    for dated in [true, false] {
        let as_sent = |request| if dated { request } else { undated(request) };
        let create = as_sent(stack.request("Create"));
        assert!(is_success(&stack.deliver(create)));
        let delete = as_sent(stack.request("Delete"));
        assert!(is_success(&stack.deliver(delete.clone())));
        let again = as_sent(stack.request("Create"));
        assert!(is_success(&stack.deliver(again)));
        assert!(is_success(&stack.deliver(delete)), "it had succeeded, and is told so again");
        assert_eq!(world.row().lifecycle, Lifecycle::Active, "dated: {dated}");
        assert_eq!(world.target("*"), inspection_origin(), "dated: {dated}");
        assert!(is_success(&stack.delete()));
    }
    nothing_of_ours_is_left(&world, "both are deleted");
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
fn what_a_create_writes_after_its_delete_is_over_is_taken_out_even_where_aws_refuses_for_minutes() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    world.cloud.on(Operation::CreateHealthCheck).nth(1).after(|cloud| cloud.ledger().remove(&www()));
    // Four attempts are made of each call.
    world.cloud.on(Operation::DeleteHealthCheck).first(6).fail(FaultKind::Throttled);
    let answer = stack.create();
    assert!(answer["Reason"].as_str().is_some_and(|reason| reason.contains("taken over")), "{answer}");
    nothing_of_ours_is_left(&world, "the health check could not be removed at once");
}

#[test]
fn a_health_check_that_does_not_exist_is_not_taken_for_a_healthy_one() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    world.cloud.on(Operation::GetChange).nth(1).before(|cloud| {
        let made = cloud.health().ids().pop().expect("it is made");
        cloud.health().delete(&made);
    });
    let answer = stack.create();
    let reason = answer["Reason"].as_str().unwrap_or_default();
    assert!(reason.contains("Route 53 does not know it") && reason.contains("was not pointed at it"), "{answer}");
    assert_eq!(world.target("*"), application_origin());
    assert!(is_success(&stack.delete()));
    nothing_of_ours_is_left(&world, "the health check was gone");
}

#[test]
fn a_health_check_that_another_protection_uses_outlives_its_own() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    assert!(is_success(&stack.create()));
    let check = world.cloud.health().ids().pop().expect("it is made");
    let mut user = world.row();
    user.name = "shop".into();
    user.owner = "ba9876543210".into();
    user.made = Default::default();
    user.spec.health_check = HealthCheckSpec::Adopted { id: check.clone() };
    world.cloud.ledger().write(&user);
    stack.set(json!({"HealthCheck": {"IntervalSeconds": "30"}}));
    let answer = stack.update();
    let summary = answer["Data"]["PreflightSummary"].as_str().unwrap_or_default();
    assert!(summary.contains(&format!("health check {check}, which protection shop uses")), "{answer}");
    assert!(world.cloud.health().ids().contains(&check), "its alarm rests on it");
    assert!(is_success(&stack.delete()));
    assert_eq!(world.cloud.health().ids(), [check], "only the one that is used is left");
}

#[test]
fn a_create_that_cannot_read_the_ledger_after_a_write_in_doubt_asks_until_it_knows_what_to_take_out() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    world.cloud.on(Operation::CreateHealthCheck).nth(1).after(|cloud| {
        cloud.ledger().remove(&www());
        cloud.on(Operation::GetItem).first(10).fail(FaultKind::Unknown);
    });
    let answer = stack.create();
    assert!(answer["Reason"].as_str().is_some_and(|reason| reason.contains("taken over")), "{answer}");
    nothing_of_ours_is_left(&world, "the ledger could not be read for a minute");
}

#[test]
fn a_health_check_that_comes_into_being_after_the_delete_is_removed_by_the_next_copy_of_its_create() {
    for is_made_anew in [false, true] {
        let context = format!("the protection is made anew: {is_made_anew}");
        let world = World::bare();
        let mut stack = Stack::new(&world);
        let create = stack.request("Create");
        // The first write is the row, the second what it is about to make.
        world.cloud.on(Operation::PutItem).nth(2).after(|cloud| cloud.crash_at(cloud.last_call(), Moment::After));
        assert_eq!(stack.invoke(create.clone()), Run::Crashed);
        let reference = world.row().made.health_check.and_then(|made| made.caller_reference).expect("the intent");
        world.cloud.heal();
        assert!(is_success(&stack.delete()));
        if is_made_anew {
            assert!(is_success(&stack.create()));
        }
        let before = world.cloud.health().ids();
        let HealthCheckSpec::Managed(managed) = standard_spec().health_check else { unreachable!("it is managed") };
        let config = managed.config(&inspection());
        world
            .cloud
            .run(world.cloud.create_health_check(&reference, &config))
            .finished()
            .expect("what was on the way arrives");
        assert_eq!(world.cloud.health().ids().len(), before.len() + 1, "{context}");
        let answer = stack.deliver(create);
        assert_eq!(answer["Status"], "FAILED", "{context}: {answer}");
        assert_eq!(world.cloud.health().ids(), before, "{context}");
        if is_made_anew {
            assert_eq!(world.row().lifecycle, Lifecycle::Active, "{context}");
            assert!(is_success(&stack.delete()));
        }
        nothing_of_ours_is_left(&world, &context);
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
    let deadline = world.clock.aws_now() + TIME_OUT;
    let failure = stack.invoke(request.clone()).finished().expect_err("nobody was told");
    assert_eq!(failure.error_type, ErrorType::Unavailable);
    let left = deadline.duration_since(world.clock.aws_now());
    assert!(
        left >= SignedDuration::from_secs(5) && left <= SignedDuration::from_mins(1),
        "{left:?} before the deadline"
    );
    assert!(world.cloud.count(Operation::Answer) >= 30, "{} attempts", world.cloud.count(Operation::Answer));
    world.cloud.heal();
    world.cloud.clear_calls();
    assert!(is_success(&stack.deliver(request)));
    assert!(world.cloud.calls().iter().all(|call| !call.operation.is_write()));
}

#[test]
fn an_answer_that_is_refused_is_tried_five_times() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    world.cloud.on(Operation::Answer).fail(FaultKind::Refused);
    let request = stack.request("Create");
    stack.invoke(request).finished().expect_err("nobody was told");
    assert_eq!(world.cloud.count(Operation::Answer), 5);
}

#[test]
fn a_success_is_answered_with_the_same_bytes_after_a_death_and_after_other_invocations() {
    for kind in ["Create", "Update", "Delete"] {
        let world = World::bare();
        let mut stack = Stack::new(&world);
        if kind != "Create" {
            assert!(is_success(&stack.create()));
            stack.set(json!({"RecordTtl": "60"}));
        }
        // Longer than one invocation, where the request waits for it.
        world.cloud.cloudfront().deploy_time = SignedDuration::from_mins(35);
        world.cloud.outbox().answers.clear();
        let request = stack.request(kind);
        assert!(is_success(&stack.deliver(request.clone())), "{kind}");
        world.cloud.crash_at(world.cloud.last_call() + 1, Moment::Before);
        assert_eq!(stack.invoke(request.clone()), Run::Crashed);
        assert!(is_success(&stack.deliver(request)), "{kind}");
        let outbox = world.cloud.outbox();
        assert_eq!(outbox.answers.len(), 2);
        assert_eq!(outbox.answers[0], outbox.answers[1], "{kind}");
    }
}

#[test]
fn ids_that_leave_no_room_for_an_answer_are_refused_before_any_call() {
    for field in ["StackId", "RequestId", "LogicalResourceId", "PhysicalResourceId"] {
        let world = World::bare();
        let mut stack = Stack::new(&world);
        let mut request = stack.request("Update");
        let start = request[field].as_str().unwrap_or_default().to_owned();
        request[field] = json!(format!("{start}{}", "\u{1}".repeat(700)));
        let failure = stack.invoke(request).finished().expect_err("no answer would be taken");
        assert_eq!(failure.error_type, ErrorType::InvalidRequest, "{field}");
        assert_eq!(world.cloud.calls().len(), 0, "{field}");
    }
}

#[test]
fn whose_request_it_is_says_the_stack_id_and_nothing_else_in_the_event() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    let mut request = stack.request("Create");
    let stranger = request.to_string().replace("111122223333", "444455556666");
    let stranger: Value = serde_json::from_str(&stranger).expect("still JSON");
    // Everything in the event names the other account, which is no proof: this function knows its own from its settings.
    let refused = stack.invoke(stranger).finished().expect_err("a stranger");
    assert_eq!(refused.error_type, ErrorType::InvalidRequest);
    assert_eq!(world.cloud.calls().len(), 0);
    request["ServiceToken"] = json!("arn:aws:lambda:eu-west-1:444455556666:function:other");
    assert!(is_success(&stack.deliver(request)));
}

#[test]
fn a_forbidden_place_for_the_answer_gets_nothing_and_nothing_is_done() {
    const BUCKET: &str = "cloudformation-custom-resource-response-useast1";
    for url in [
        "http://169.254.169.254/latest",
        "https://example.com/x",
        "http://localhost:4566/x",
        &format!("http://{BUCKET}.s3.amazonaws.com/x"),
        &format!("https://{BUCKET}.s3.amazonaws.com./x"),
        &format!("https://{BUCKET}.s3.amazonaws.com:8443/x"),
        &format!("https://{BUCKET}.s3.amazonaws.com@evil.example/x"),
        &format!("https://{BUCKET}.s3.amazonaws.com.evil.example/x"),
        "https://cloudformation-custom-resource-response-euwest1.s3-eu-west-1.amazonaws.com/x",
    ] {
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
    for (at, odd) in ["\u{1}", "日本語", "🛡", "\""].into_iter().enumerate() {
        let patterns: Vec<String> = (0..300).map(|n| format!("/bad pattern {n} {odd}")).collect();
        let answer = stack.set(json!({"Traffic": patterns})).create();
        assert!(answer["Reason"].as_str().is_some_and(|reason| reason.contains("/bad pattern 0")), "{answer}");
        assert!(world.cloud.outbox().answers[at].body.len() <= 4096);
    }
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

#[test]
fn an_update_that_is_delivered_again_after_a_newer_one_changes_nothing() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    assert!(is_success(&stack.create()));
    let old = stack.set(json!({"HoldDownSeconds": "600"})).request("Update");
    assert!(is_success(&stack.deliver(old.clone())));
    world.pass(SignedDuration::from_secs(5));
    assert!(is_success(&stack.set(json!({"HoldDownSeconds": "120"})).update()));
    let row = world.row();
    let answer = stack.deliver(old);
    assert!(answer["Reason"].as_str().is_some_and(|reason| reason.contains("stays in force")), "{answer}");
    assert_eq!(world.row(), row);
}

#[test]
fn a_doubled_create_that_a_delete_overtakes_leaves_the_records_until_every_edge_has_stopped_using_them() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    let wired = World::standard().row().made.distribution;
    let deployed_at = Rc::new(Cell::new(None));
    let removed_at = Rc::new(Cell::new(None));
    let told = Rc::clone(&deployed_at);
    // The other copy has wired the distribution and failed, and the Delete that followed has just unwired it.
    world.cloud.on(Operation::GetChange).nth(1).before(move |cloud| {
        let now = cloud.clock().aws_now();
        cloud.ledger().edit(&www(), |row| {
            row.lifecycle = Lifecycle::Deleting;
            row.made.distribution = wired.clone();
        });
        cloud.cloudfront().edit(&distribution(), now, |text| text.replace("web-platform", "web"));
        told.set(Some(now + cloud.cloudfront().deploy_time));
    });
    let told = Rc::clone(&removed_at);
    world.cloud.on(Operation::ChangeResourceRecordSets).containing("DELETE").nth(1).before(move |cloud| {
        told.set(Some(cloud.clock().aws_now()));
    });
    let answer = stack.create();
    assert!(answer["Reason"].as_str().is_some_and(|reason| reason.contains("taken over")), "{answer}");
    assert!(removed_at.get() >= deployed_at.get() && deployed_at.get().is_some(), "{removed_at:?} {deployed_at:?}");
}

#[test]
fn a_delete_waits_again_where_a_late_create_has_written_and_taken_it_out_meanwhile() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    assert!(is_success(&stack.create()));
    let deployed_at = Rc::new(Cell::new(None));
    let told = Rc::clone(&deployed_at);
    // After the first look everything is deployed; then two writes of somebody else's cancel each other out.
    world.cloud.on(Operation::GetDistributionConfig).nth(3).before(move |cloud| {
        let now = cloud.clock().aws_now();
        cloud.cloudfront().edit(&distribution(), now, |text| text.replace("web-platform", "web"));
        cloud.cloudfront().edit(&distribution(), now, |text| text.replace("owner: web", "owner: web-platform"));
        told.set(Some(now + cloud.cloudfront().deploy_time));
    });
    let removed_at = Rc::new(Cell::new(None));
    let told = Rc::clone(&removed_at);
    world.cloud.on(Operation::ChangeResourceRecordSets).nth(1).before(move |cloud| {
        told.set(Some(cloud.clock().aws_now()));
    });
    assert!(is_success(&stack.delete()));
    assert!(removed_at.get() >= deployed_at.get() && deployed_at.get().is_some(), "{removed_at:?} {deployed_at:?}");
}

#[test]
fn a_behaviour_given_up_and_pointed_at_us_by_break_glass_holds_the_delete_until_it_is_pointed_back() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    stack.set(json!({"Traffic": ["*", "/ours/*"]}));
    assert!(is_success(&stack.create()));
    stack.set(json!({"Traffic": ["/ours/*"]}));
    assert!(is_success(&stack.update()));
    let restore = json!({"action": "restore", "distribution": distribution(), "from": application_origin(),
        "to": inspection_origin(), "paths": ["*"], "reason": "the ledger is gone"});
    world.flip(restore).expect("break-glass works");
    let answer = stack.delete();
    assert!(answer["Reason"].as_str().is_some_and(|reason| reason.contains("still used by behaviour `*`")), "{answer}");
    let records = world.cloud.route53().all_records(&zone().id).to_vec();
    assert!(records.iter().any(|record| record.set_identifier.is_some()), "its traffic goes on");
    world.retarget_by_hand("*", &application_origin());
    assert!(is_success(&stack.delete()));
    nothing_of_ours_is_left(&world, "it was pointed back");
}
