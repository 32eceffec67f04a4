//! Rows about the write of a distribution: races, lost answers, hangs, throttling and refusals.

use std::collections::BTreeSet;

use failopen::commands::Commands;
use failopen::failure::ErrorType;
use failopen::ledger::FlippedBy;
use failopen::port::FaultKind;
use failopen_tests::functions::converge;
use failopen_tests::log::Outcome;
use failopen_tests::stack::{self, Stack};
use failopen_tests::template::template;
use failopen_tests::world::{FLIP_ARN, World, distribution};
use failopen_tests::{Impatient, events};
use jiff::SignedDuration;
use serde_json::json;

use crate::stage::{
    GET, PUT, accepted, bypass, converge_now, in_an_outage, is_bypassed, last_step, minutes, moved_the_target_only,
    outcome, puts, seconds, settled, subjects, told,
};

/// Row 5: two flips at once, of react alone and of react beside an operator (I3, I6).
pub(crate) fn of_two_flips_at_once_one_is_applied_and_the_other_finds_it_done() {
    for other in ["converge", "bypass"] {
        let world = in_an_outage();
        world.cloud.interleave();
        let (commands, deadline) = (Commands::new(FLIP_ARN), world.deadline());
        let flip = |request| failopen_flip::handle(&commands, &world.cloud, &world.clock, deadline, request);
        let request = if other == "bypass" { bypass() } else { converge_now(&world, "bypassed") };
        let both = async { tokio::join!(flip(converge_now(&world, "bypassed")), flip(request)) };
        let (one, two) = world.cloud.run(both).finished();
        for answer in [one, two] {
            let answer = answer.expect("flip answers");
            assert!(["changed", "unchanged", "held"].contains(&outcome(&answer)), "{answer}");
        }
        assert_eq!(accepted(&world).len(), 1, "{other}");
        for put in puts(&world).iter().filter(|put| put.outcome != Outcome::Answered) {
            assert_eq!(put.outcome, Outcome::Failed(FaultKind::Stale), "the loser gets a 412: {put}");
        }
        let (before, after) = last_step(&world);
        moved_the_target_only(&before, &after);
        assert_eq!((world.row().flips.len(), world.row().pending), (1, None), "{other}");
        world.cloud.clear_calls();
        world.live(5);
        assert!(is_bypassed(&world));
        assert_eq!(puts(&world), [], "{other}: it stays where it is");
    }
}

/// Row 6: a human edits the comment between our GET and our PUT (I5, I3).
pub(crate) fn a_comment_edited_between_get_and_put_is_kept() {
    let world = in_an_outage();
    world.cloud.on(PUT).nth(1).before(|cloud| {
        let now = cloud.clock().aws_now();
        cloud
            .cloudfront()
            .edit(&distribution(), now, |text| text.replacen("owner: web-platform", "owner: payments", 1));
    });
    world.tick();
    assert_eq!(world.cloud.sequence(&[GET, PUT])[1..], [GET, PUT, GET, PUT, GET], "react reads, then flip");
    let [refused, applied] = puts(&world).try_into().expect("two writes");
    assert_eq!(refused.outcome, Outcome::Failed(FaultKind::Stale));
    assert_ne!(refused.arguments, applied.arguments, "the second carries the ETag of what was read again");
    let (before, after) = last_step(&world);
    assert!(String::from_utf8_lossy(&before).contains("owner: payments"));
    moved_the_target_only(&before, &after);
}

/// Row 9: a 500 before the write took effect (I7).
pub(crate) fn a_500_before_the_write_took_effect_is_read_and_the_write_repeated_once() {
    let world = in_an_outage();
    world.cloud.on(PUT).nth(1).fail(FaultKind::Unknown);
    world.tick();
    assert_eq!(world.cloud.sequence(&[GET, PUT])[1..], [GET, PUT, GET, PUT, GET]);
    assert_eq!(accepted(&world).len(), 1);
    let (before, after) = last_step(&world);
    moved_the_target_only(&before, &after);
    assert_eq!(world.row().flips.len(), 1);
}

/// Row 10: a 500, a time-out, or the 412 that the SDK's own repetition earns, after the write took effect (I7, I8).
pub(crate) fn a_500_a_time_out_or_a_412_after_the_write_took_effect_is_recognised_as_success() {
    for kind in [FaultKind::Unknown, FaultKind::Stale, FaultKind::Throttled] {
        let world = in_an_outage();
        let versions = world.cloud.cloudfront().versions(&distribution()).len();
        world.cloud.on(PUT).nth(1).lose_answer(kind);
        world.react(events::alarm_metric()).expect("an answer");
        world.cloud.clear_calls();
        let answer = world.deliver().remove(0).expect("flip answers");
        assert_eq!(outcome(&answer), "changed", "{kind:?}");
        assert_eq!(world.cloud.sequence(&[GET, PUT]), [GET, PUT, GET], "{kind:?}: a read, and no second change");
        assert_eq!(world.cloud.cloudfront().versions(&distribution()).len(), versions + 1);
        assert_eq!((world.row().flips.len(), world.row().pending), (1, None), "{kind:?}");
        world.live(3);
        assert_eq!(puts(&world).len(), 1, "{kind:?}");
    }
}

/// How many calls a run makes, and how it ends when the call with each of these numbers hangs without a byte: with five
/// seconds to spare, whatever it answers.
fn hangs_everywhere(what: &str, stage: impl Fn() -> World, run: impl Fn(&World, &Impatient, jiff::Timestamp)) -> u64 {
    let calls = {
        let world = stage();
        let before = world.cloud.last_call();
        run(&world, &Impatient(world.clock.clone()), world.clock.aws_now() + stack::TIME_OUT);
        world.cloud.last_call() - before
    };
    for number in 1..=calls {
        let world = stage();
        world.cloud.hang_at(world.cloud.last_call() + number);
        let deadline = world.deadline();
        run(&world, &Impatient(world.clock.clone()), deadline);
        let ended = world.clock.aws_now();
        assert!(ended + seconds(5) <= deadline, "{what}: call {number} hangs, and it ends at {ended} of {deadline}");
    }
    calls
}

/// Row 11: a call hangs with no bytes, at every call of react, of flip and of provision (I13).
///
/// The attempt's own time-out is a matter of the clients and shown with real sockets; here the call never ends at all.
pub(crate) fn a_call_that_hangs_anywhere_leaves_five_seconds_to_the_deadline() {
    let commands = Commands::new(FLIP_ARN);
    let react = hangs_everywhere("react", in_an_outage, |world, clock, deadline| {
        let run = failopen_react::handle(&commands, &world.cloud, clock, deadline, events::tick());
        let _whatever_it_answers = world.cloud.run(run).finished();
    });
    assert!(react >= 8, "{react} calls");
    for request in [
        bypass(),
        json!({"action": "converge"}),
        json!({"action": "pin", "protection": "www", "posture": "hold", "reason": "INC-42"}),
        json!({"action": "unpin", "protection": "www"}),
        json!({"action": "plan", "protection": "www"}),
        json!({"action": "status", "protection": "www"}),
        json!({"action": "status"}),
        json!({
            "action": "bypass", "distribution": "E2EXAMPLE", "from": "failopen-www", "to": "app & co", "reason": "INC-42"
        }),
    ] {
        let of = |world: &World| match request["action"].as_str() {
            Some("converge") => converge_now(world, "bypassed"),
            _ => request.clone(),
        };
        let flip = hangs_everywhere(&request.to_string(), settled, |world, clock, deadline| {
            let run = failopen_flip::handle(&commands, &world.cloud, clock, deadline, of(world));
            let _whatever_it_answers = world.cloud.run(run).finished();
        });
        assert!(flip >= 3, "{flip} calls of {request}");
    }
    provision_that_hangs_is_answered();
}

fn provision_that_hangs_is_answered() {
    let calls = {
        let world = World::bare();
        Stack::new(&world).create();
        world.cloud.last_call()
    };
    // The last call is the answer itself.
    for number in 1..calls {
        let world = World::bare();
        let mut stack = Stack::new(&world);
        let request = stack.request("Create");
        world.cloud.hang_at(number);
        let deadline = world.clock.aws_now() + stack::TIME_OUT;
        let clock = Impatient(world.clock.clone());
        let run = failopen_provision::handle(&stack.engine, &world.cloud, &clock, deadline, request);
        world.cloud.run(run).finished().expect("it is answered");
        assert_eq!(world.cloud.outbox().answers.len(), 1, "call {number}");
        assert!(world.clock.aws_now() + seconds(5) <= deadline, "call {number}");
    }
}

/// Row 12: throttling of writes for 10 minutes (I13, I6).
pub(crate) fn ten_minutes_of_throttling_bring_one_write_a_minute_and_then_the_flip() {
    let world = in_an_outage();
    world.cloud.on(PUT).fail(FaultKind::Throttled);
    world.react_and_deliver(events::alarm_metric());
    assert_eq!(puts(&world).len(), 1, "at the alarm");
    for minute in 1..=9 {
        world.pass(minutes(1));
        world.tick();
        assert_eq!(puts(&world).len(), 1 + minute, "one write for each look");
    }
    world.cloud.heal();
    world.pass(minutes(1));
    world.tick();
    assert!(is_bypassed(&world));
    assert_eq!(accepted(&world).len(), 1);
}

/// Row 13: AccessDenied for the write, and for the reading (I11).
///
/// A denied write is a function error. Lambda makes a dead letter of it, and the template's alarm on these tells people, once
/// while it lasts.
pub(crate) fn access_denied_is_no_loop_and_one_alert() {
    let world = in_an_outage();
    world.cloud.on(PUT).fail(FaultKind::AccessDenied);
    for minute in 1..=10 {
        world.react(events::tick()).expect("an answer");
        let failure = world.deliver().remove(0).expect_err("denied");
        assert_eq!(failure.error_type, ErrorType::AccessDenied);
        assert!(failure.message.contains("AllowedDistributions"), "{failure}");
        assert_eq!(puts(&world).len(), minute, "one write an invocation");
        world.pass(minutes(1));
    }
    assert_eq!(accepted(&world), []);
    let resources = &template()["Resources"];
    let letters = json!({"Fn::GetAtt": ["DeadLetters", "Arn"]});
    let events = &resources["FlipFunction"]["Properties"]["EventInvokeConfig"];
    assert_eq!(
        (&events["MaximumRetryAttempts"], &events["DestinationConfig"]["OnFailure"]["Destination"]),
        (&json!(0), &letters)
    );
    let alarm = &resources["FailedEventsAlarm"]["Properties"];
    assert_eq!(alarm["AlarmActions"], json!([{"Ref": "Notifications"}]));
    assert_eq!(alarm["Dimensions"][0]["Value"], json!({"Fn::GetAtt": ["DeadLetters", "QueueName"]}));

    let world = in_an_outage();
    world.cloud.on(GET).fail(FaultKind::AccessDenied);
    world.live(60);
    assert_eq!(puts(&world), []);
    assert_eq!(world.cloud.count(GET), 60, "one reading a tick");
    assert_eq!((subjects(&world).len(), told(&world, "cannot be read")), (1, 1), "{:?}", subjects(&world));
}

/// Row 14: a dependency changes the ETag ten times in a row (I13, I6).
pub(crate) fn an_etag_that_changes_ten_times_costs_five_writes_a_tick_until_it_holds_still() {
    let world = in_an_outage();
    world.cloud.on(PUT).first(10).before(|cloud| cloud.cloudfront().churn(&distribution()));
    for writes in [5, 10] {
        world.react(events::tick()).expect("an answer");
        let failure = world.deliver().remove(0).expect_err("lost too often");
        assert_eq!(failure.error_type, ErrorType::DistributionChanged);
        assert_eq!(puts(&world).len(), writes);
        assert!(!is_bypassed(&world));
        world.pass(minutes(1));
    }
    let etags: BTreeSet<String> = puts(&world).iter().map(|put| put.arguments.clone()).collect();
    assert_eq!(etags.len(), 10, "never twice with the same ETag");
    world.tick();
    assert!(is_bypassed(&world));
    assert_eq!(puts(&world).len(), 11);
}

/// Row 32: a token that has expired, and a function clock that is ten minutes off (I4, I13).
///
/// The SDK fetches new credentials by itself; what reaches the function is one AccessDenied, and the next tick goes on.
pub(crate) fn an_expired_token_and_a_clock_that_is_ten_minutes_off_make_no_wrong_flip() {
    let world = in_an_outage();
    world.cloud.on(PUT).nth(1).fail(FaultKind::AccessDenied);
    world.live(5);
    assert!(is_bypassed(&world));
    assert_eq!((puts(&world).len(), accepted(&world).len()), (2, 1));
    assert_eq!(world.row().flips.len(), 1);

    for skew in [minutes(-10), minutes(10)] {
        let world = World::standard();
        world.clock.set_skew(skew);
        world.live(20);
        assert_eq!(puts(&world), [], "{skew}: inspection is healthy");
        world.inspection_dies();
        world.live(20);
        assert!(is_bypassed(&world), "{skew}");
        world.inspection_recovers();
        world.live(30);
        assert!(!is_bypassed(&world), "{skew}");
        assert_eq!(puts(&world).len(), 2, "{skew}: one bypass and one restore");
    }
    a_step_of_the_clock_between_decision_and_flip_is_held();
}

/// react and flip run on machines of their own: where their clocks differ by more than the life of a request, flip holds,
/// and a later request goes through.
fn a_step_of_the_clock_between_decision_and_flip_is_held() {
    for skew in [minutes(-10), minutes(10)] {
        let world = in_an_outage();
        world.react(events::tick()).expect("an answer");
        let request = world.cloud.outbox().converges.remove(0);
        world.clock.set_skew(skew);
        assert_eq!(outcome(&world.flip(converge(&request)).expect("an answer")), "held");
        world.clock.set_skew(SignedDuration::ZERO);
        world.pass(minutes(1));
        world.tick();
        assert!(is_bypassed(&world));
        assert_eq!(puts(&world).len(), 1);
        assert!(world.row().flips.iter().all(|flip| flip.by == FlippedBy::Automation));
    }
}
