//! Rows about the custom resource: crashes, overlaps, repetitions, and what it must not touch or answer to.

use failopen::failure::ErrorType;
use failopen::ledger::Lifecycle;
use failopen::port::FaultKind;
use failopen_tests::cloud::Run;
use failopen_tests::stack::{Stack, TIME_OUT};
use failopen_tests::world::{
    RICH_DISTRIBUTION, World, address, application_origin, distribution, failover_record, inspection_origin, www, zone,
};
use failopen_tests::{Moment, Operation};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::stage::{minutes, puts, seconds};

/// Everything but the ledger, which may keep the memory of what was deleted.
fn writes(world: &World) -> Vec<Operation> {
    let calls = world.cloud.calls();
    let operations = calls.iter().map(|call| call.operation);
    operations.filter(|operation| operation.is_write() && !Operation::LEDGER.contains(operation)).collect()
}

fn is_success(answer: &Value) -> bool {
    answer["Status"] == "SUCCESS"
}

/// I18 and I20 after a Delete.
fn nothing_of_ours_is_left(world: &World, context: &str) {
    assert_eq!(world.configuration(), RICH_DISTRIBUTION, "{context}");
    assert_eq!(world.cloud.resolve(&failover_record()), None, "{context}");
    assert_eq!((world.cloud.health().ids(), world.cloud.cloudwatch().names()), (vec![], vec![]), "{context}");
    assert_eq!(world.cloud.ledger().get(&www()), None, "{context}");
}

/// I18 and I20 after a Create.
fn everything_is_there(world: &World, context: &str) {
    assert_eq!(world.target("*"), inspection_origin(), "{context}");
    assert!(world.cloud.resolve(&failover_record()).is_some(), "{context}");
    assert_eq!(world.cloud.health().ids().len(), 1, "{context}");
    assert_eq!(world.cloud.cloudwatch().names().len(), 1, "{context}");
    assert_eq!(world.row().lifecycle, Lifecycle::Active, "{context}");
}

/// I20: no behaviour targets an origin that is gone, and none targets ours while its record is.
fn never_empty(world: &World, context: &str) {
    let document = world.document(&distribution());
    for behavior in document.behaviors() {
        let known = document.origin(&behavior.target).is_some() || document.origin_groups().contains(&behavior.target);
        assert!(known, "{context}: {} targets {}, which is gone", behavior.path_pattern, behavior.target);
    }
    if world.target("*") == inspection_origin() {
        assert!(world.cloud.resolve(&failover_record()).is_some(), "{context}: the record of our origin is gone");
    }
}

/// Row 22: a crash after each step of provisioning, then the roll-back's Delete with an id that CloudFormation made up (I18).
pub(crate) fn a_create_that_dies_after_any_step_leaves_no_orphan_behind_its_delete() {
    let steps: Vec<(u64, Operation)> = {
        let world = World::bare();
        assert!(is_success(&Stack::new(&world).create()));
        let calls = world.cloud.calls();
        calls.iter().filter(|call| call.operation.is_write()).map(|call| (call.number, call.operation)).collect()
    };
    assert!(steps.len() >= 8, "{steps:?}");
    for (number, step) in steps {
        let context = format!("died after call {number}, {step}");
        let world = World::bare();
        let mut stack = Stack::new(&world);
        let request = stack.request("Create");
        world.cloud.crash_at(number, Moment::After);
        assert_eq!(stack.invoke(request), Run::Crashed, "{context}");
        never_empty(&world, &context);
        assert!(is_success(&stack.delete()), "{context}");
        nothing_of_ours_is_left(&world, &context);
    }
}

/// Row 23: a Delete with a generated id while nothing was created (I17).
pub(crate) fn a_delete_with_an_invented_id_of_what_was_never_made_changes_nothing() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    let answer = stack.delete();
    assert!(is_success(&answer), "{answer}");
    assert_eq!(answer["PhysicalResourceId"], "site-Protection-1K2N3B4V5C6X7", "the id that CloudFormation knows");
    assert_eq!(writes(&world), []);
    nothing_of_ours_is_left(&world, "nothing was made");

    // The same beside a protection of the same name that another stack owns.
    let world = World::bare();
    assert!(is_success(&Stack::new(&world).create()));
    world.edit_row(|row| row.owner = "ba9876543210".into());
    let (before, row) = (world.configuration(), world.row());
    world.cloud.clear_calls();
    assert!(is_success(&Stack::new(&world).delete()));
    assert_eq!(writes(&world), []);
    assert_eq!((world.configuration(), world.row()), (before, row));
}

/// Row 24: a Delete runs, as a whole, right before or after any step of a Create that goes on afterwards (I18).
pub(crate) fn a_delete_that_overlaps_a_create_ends_with_everything_or_nothing() {
    const STEPS: [Operation; 6] = [
        Operation::PutItem,
        Operation::CreateHealthCheck,
        Operation::ChangeResourceRecordSets,
        Operation::UpdateDistribution,
        Operation::PutMetricAlarm,
        Operation::GetHealthCheckStatus,
    ];
    for step in STEPS {
        for before in [true, false] {
            let context = format!("the Delete runs {} the first {step}", if before { "before" } else { "after" });
            let world = World::bare();
            let mut stack = Stack::new(&world);
            let create = stack.request("Create");
            stack.physical_id = Some("site-Protection-1K2N3B4V5C6X7".to_owned());
            let delete = stack.request("Delete");
            let (engine, beside) = (stack.engine.clone(), world.clone());
            let overlap = move |_: &failopen_tests::FakeCloud| {
                let deadline = beside.clock.aws_now() + TIME_OUT;
                let run = failopen_provision::handle(&engine, &beside.cloud, &beside.clock, deadline, delete.clone());
                beside.cloud.run(run).finished().expect("the Delete is answered");
            };
            let rule = world.cloud.on(step).nth(1);
            if before {
                rule.before(overlap)
            } else {
                rule.after(overlap)
            }
            stack.invoke(create).finished().expect("the Create is answered");
            never_empty(&world, &context);
            if world.cloud.ledger().get(&www()).is_some() {
                everything_is_there(&world, &context);
                world.cloud.outbox().answers.clear();
                assert!(is_success(&stack.delete()), "{context}");
            }
            nothing_of_ours_is_left(&world, &context);
        }
    }
}

/// Row 25: one Create delivered twice, one after the other and at once (I8).
pub(crate) fn a_create_delivered_twice_makes_one_health_check() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    let request = stack.request("Create");
    let first = stack.deliver(request.clone());
    world.cloud.clear_calls();
    assert_eq!(stack.deliver(request), first, "the same bytes");
    assert_eq!(writes(&world), []);
    everything_is_there(&world, "one after the other");

    let world = World::bare();
    world.cloud.interleave();
    let mut stack = Stack::new(&world);
    let request = stack.request("Create");
    let deadline = world.clock.aws_now() + TIME_OUT;
    let run = || failopen_provision::handle(&stack.engine, &world.cloud, &world.clock, deadline, request.clone());
    let (one, other) = world.cloud.run(async { tokio::join!(run(), run()) }).finished();
    assert!(one.is_ok() && other.is_ok());
    everything_is_there(&world, "at once");
}

/// Row 26: made again the next day, while Route 53 still remembers the reference of the deleted check (I18).
pub(crate) fn a_protection_made_again_within_days_gets_a_health_check_of_its_own() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    let mut references = Vec::new();
    for _ in 0..3 {
        stack.physical_id = None;
        assert!(is_success(&stack.create()));
        everything_is_there(&world, "made");
        references.push(world.row().made.health_check.expect("a check").caller_reference.expect("of our own"));
        assert!(is_success(&stack.delete()));
        nothing_of_ours_is_left(&world, "deleted");
        world.pass(SignedDuration::from_hours(12));
    }
    references.sort();
    references.dedup();
    assert_eq!(references.len(), 3, "each has a reference of its own: {references:?}");
}

/// Row 27: the PUT of the answer gets 403, gets 500, or is slow (I16).
///
/// A 403 says that the URL has expired or is wrong: a few attempts show whether it meant that, and after these Lambda delivers
/// the event again. Status codes and sockets are shown beside the client.
pub(crate) fn an_answer_that_is_refused_lost_or_slow_is_repeated_within_bounds() {
    // A 500: the same bytes again.
    for lost in [1, 4] {
        let world = World::bare();
        let mut stack = Stack::new(&world);
        world.cloud.on(Operation::Answer).first(lost).lose_answer(FaultKind::Unknown);
        let request = stack.request("Create");
        stack.invoke(request).finished().expect("delivered in the end");
        let outbox = world.cloud.outbox();
        assert_eq!(outbox.answers.len() as u64, lost + 1);
        assert!(outbox.answers.iter().all(|answer| *answer == outbox.answers[0]));
    }
    for kind in [FaultKind::Unknown, FaultKind::Refused] {
        let world = World::bare();
        let mut stack = Stack::new(&world);
        world.cloud.on(Operation::Answer).fail(kind);
        let request = stack.request("Create");
        let deadline = world.clock.aws_now() + TIME_OUT;
        let failure = stack.invoke(request.clone()).finished().expect_err("nobody was told");
        assert_eq!(failure.error_type, ErrorType::Unavailable, "Lambda delivers the event again");
        assert!(world.clock.aws_now() + seconds(5) <= deadline, "bounded by the function's time");
        let calls = world.cloud.calls();
        let times: Vec<_> =
            calls.iter().filter(|call| call.operation == Operation::Answer).map(|call| call.at).collect();
        assert!(times.windows(2).all(|pair| pair[1].duration_since(pair[0]) >= seconds(1)), "{times:?}");
        assert!(times.len() > 1 && (kind == FaultKind::Unknown || times.len() == 5), "{} attempts", times.len());
        drop(calls);
        world.cloud.heal();
        world.cloud.clear_calls();
        assert!(is_success(&stack.deliver(request)));
        assert_eq!(writes(&world), [], "the work was done and is only answered");
    }
    // Slow, and at the very end of the time: it ends before Lambda ends it.
    for left in [20, 60, 300] {
        let world = World::bare();
        let mut stack = Stack::new(&world);
        let request = stack.request("Delete");
        world.cloud.on(Operation::Answer).take(seconds(10));
        world.cloud.on(Operation::Answer).fail(FaultKind::Unknown);
        let deadline = world.clock.aws_now() + seconds(left);
        let run = failopen_provision::handle(&stack.engine, &world.cloud, &world.clock, deadline, request);
        let _nobody_was_told = world.cloud.run(run).finished();
        let ended = world.clock.aws_now();
        assert!(ended + seconds(5) <= deadline, "{left} s: ended at {ended} of {deadline}");
    }
}

/// Row 28: a ResponseURL that is not CloudFormation's (I16). Redirects are shown beside the client.
pub(crate) fn a_response_url_that_leads_elsewhere_gets_no_byte() {
    let bucket = "cloudformation-custom-resource-response-useast1.s3.amazonaws.com";
    for url in [
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "https://169.254.169.254/latest/meta-data/".to_owned(),
        format!("http://{bucket}/x"),
        format!("https://user@{bucket}/x"),
        format!("https://user:word@{bucket}/x"),
        format!("https://{bucket}:8443/x"),
        format!("https://{bucket}.example.com/x"),
        format!("https://example.com/{bucket}"),
        "https://cloudformation-custom-resource-response-euwest1.s3.amazonaws.com/x".to_owned(),
        "http://localhost:4566/x".to_owned(),
        "file:///etc/passwd".to_owned(),
        String::new(),
    ] {
        for kind in ["Create", "Update", "Delete"] {
            let world = World::bare();
            let mut stack = Stack::new(&world);
            stack.physical_id = Some("failopen-www-8d3f4777cf20".to_owned());
            let mut request = stack.request(kind);
            request["ResponseURL"] = json!(url);
            let failure = stack.invoke(request).finished().expect_err("no place for an answer");
            assert_eq!(failure.error_type, ErrorType::InvalidRequest, "{url}");
            assert_eq!(world.cloud.calls().len(), 0, "{url}: nothing is sent, read or done");
        }
    }
}

/// Row 29: a record that exists, a private zone, and a zone that does not hold the record (I17).
pub(crate) fn a_record_that_exists_a_private_zone_and_another_zone_are_refused_by_name() {
    type Prepare = fn(&World);
    let cases: [(Prepare, Value, &str, &str); 4] = [
        (
            |world| world.cloud.route53().add_record(&zone().id, address("cq-origin-www.cq-route.com", "192.0.2.1")),
            json!({}),
            "record-conflict",
            "cq-origin-www.cq-route.com",
        ),
        (|world| world.cloud.route53().make_private(&zone().id), json!({}), "zone-private", "Z0EXAMPLE"),
        (
            |world| world.cloud.route53().add_zone("Z1SECOND".into(), "elsewhere.com".into()),
            json!({"HostedZoneId": "Z1SECOND"}),
            "record-outside-zone",
            "Z1SECOND",
        ),
        (
            |world| {
                world.cloud.route53().add_zone("Z1SECOND".into(), "cq-route.com".into());
                world.cloud.route53().make_private(&"Z1SECOND".into());
            },
            json!({"HostedZoneId": "Z1SECOND"}),
            "zone-private",
            "Z1SECOND",
        ),
    ];
    for (prepare, properties, code, name) in cases {
        let world = World::bare();
        prepare(&world);
        let before = world.cloud.resolve(&failover_record());
        let mut stack = Stack::new(&world);
        let answer = stack.set(properties).create();
        let reason = answer["Reason"].as_str().expect("refused");
        assert!(reason.contains(code) && reason.contains(name) && reason.contains("nothing was changed"), "{reason}");
        assert_eq!(writes(&world), [], "{code}");
        assert!(is_success(&stack.delete()), "{code}");
        assert_eq!(writes(&world), [], "{code}: the Delete that follows touches nothing either");
        assert_eq!(world.cloud.resolve(&failover_record()), before, "{code}");
    }
}

/// Row 30: a Delete while failed open, by automation and by an operator (I18, I20).
pub(crate) fn a_delete_while_failed_open_restores_the_original_target_and_then_removes_the_origin() {
    for by_operator in [false, true] {
        let world = World::bare();
        let mut stack = Stack::new(&world);
        stack.set(json!({"Traffic": ["*", "/account/*"], "EdgeFailOpen": "automatic"}));
        assert!(is_success(&stack.create()));
        world.set_alarm(failopen::alarm::AlarmState::Ok);
        world.live(2);
        world.inspection_dies();
        match by_operator {
            true => drop(
                world.flip(json!({"action": "bypass", "protection": "www", "reason": "INC-42"})).expect("bypassed"),
            ),
            false => drop(world.tick()),
        }
        assert_eq!(world.target("*"), application_origin(), "failed open");
        world.cloud.clear_calls();
        let watching = world.clone();
        world.cloud.on(Operation::ChangeResourceRecordSets).before(move |_| {
            never_empty(&watching, "before the records go");
            assert_eq!(watching.configuration(), RICH_DISTRIBUTION, "every edge has the original target by now");
        });
        assert!(is_success(&stack.delete()));
        nothing_of_ours_is_left(&world, "deleted while failed open");
        let removed = world
            .cloud
            .calls()
            .iter()
            .find(|call| call.operation == Operation::ChangeResourceRecordSets)
            .map(|call| call.at);
        let written = puts(&world);
        assert_eq!(written.len(), 1, "one write restores the targets and removes the origin");
        assert!(
            removed.expect("the records went").duration_since(written[0].at) >= minutes(5) + seconds(30),
            "Deployed and the TTL"
        );
    }
}
