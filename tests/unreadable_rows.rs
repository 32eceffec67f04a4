//! One row of the ledger that cannot be understood, or that is lost, takes down nobody but its own protection.

use failopen::failure::ErrorType;
use failopen::port::FaultKind;
use failopen_tests::stack::Stack;
use failopen_tests::world::{World, application_origin, inspection_origin, shop, www};
use failopen_tests::{Operation, events};
use jiff::SignedDuration;
use serde_json::{Value, json};

/// `shop`, which can be read, beside `www`, which cannot.
fn two_protections() -> World {
    let world = World::standard();
    world.provision(&shop());
    world.live(1);
    world.cloud.ledger().garble(&www());
    world
}

fn decision<'a>(answer: &'a Value, name: &str) -> &'a Value {
    let decisions = answer["decisions"].as_array().expect("a list");
    decisions.iter().find(|decision| decision["protection"] == name).unwrap_or_else(|| panic!("{name} in {answer}"))
}

fn told_of_www(world: &World) -> Vec<String> {
    let outbox = world.cloud.outbox();
    let of_www = outbox.subjects().into_iter().filter(|subject| subject.contains("www: its ledger row"));
    of_www.map(str::to_owned).collect()
}

#[test]
fn the_others_are_decided_and_flipped_and_the_unreadable_one_holds() {
    let world = two_protections();
    let alarm = failopen::id::ProtectionName::new("shop").alarm();
    world.cloud.cloudwatch().set_state(&alarm, failopen::alarm::AlarmState::Alarm, world.clock.aws_now());
    world.inspection_dies();
    let answer = world.tick();
    let held = decision(&answer, "www");
    assert_eq!((&held["decision"], &held["reason"]), (&json!("hold"), &json!("LedgerUnavailable")));
    assert_eq!((&held["traffic"], &held["flip"]), (&json!("unknown"), &json!("none")));
    assert_eq!(decision(&answer, "shop")["decision"], "bypass");
    assert_eq!(world.target("/checkout/*"), application_origin());
    assert_eq!(world.target("*"), inspection_origin(), "nothing is known about its targets");
}

#[test]
fn people_are_told_once_an_episode_and_metrics_say_so_every_tick() {
    let world = two_protections();
    world.live(24 * 60);
    assert_eq!(told_of_www(&world).len(), 1, "{:?}", told_of_www(&world));
    let errors = |world: &World| {
        let outbox = world.cloud.outbox();
        let www =
            outbox.metrics.iter().filter(|(_, metric)| metric.protection == www() && metric.name == "DecisionErrors");
        www.map(|(_, metric)| metric.value).collect::<Vec<_>>()
    };
    assert_eq!(errors(&world).iter().filter(|value| **value == 1).count(), 24 * 60);
    let body = world
        .cloud
        .outbox()
        .messages
        .iter()
        .find(|(_, message)| message.subject.contains("ledger row"))
        .map(|(_, m)| m.body.clone());
    let body = body.expect("a message");
    assert!(body.contains("layer 1") && body.contains("\"distribution\":") && body.contains("point-in-time"), "{body}");

    // Written anew in a way that cannot be read either: another episode.
    world.cloud.ledger().garble(&www());
    world.live(3);
    assert_eq!(told_of_www(&world).len(), 2);
}

#[test]
fn a_message_that_was_not_taken_is_sent_by_the_next_tick() {
    let world = two_protections();
    world.cloud.on(Operation::Publish).containing("its ledger row").nth(1).fail(failopen::port::FaultKind::Throttled);
    world.live(10);
    assert_eq!(told_of_www(&world).len(), 1);
}

#[test]
fn an_unreadable_row_of_which_nobody_can_be_told_is_a_failed_event_after_the_others_were_handled() {
    let world = two_protections();
    let alarm = failopen::id::ProtectionName::new("shop").alarm();
    world.cloud.cloudwatch().set_state(&alarm, failopen::alarm::AlarmState::Alarm, world.clock.aws_now());
    world.inspection_dies();
    world.cloud.on(Operation::Publish).containing("its ledger row").fail(FaultKind::AccessDenied);
    let failure = world.react(events::tick()).expect_err("nobody would hear of it otherwise");
    assert_eq!(failure.error_type, ErrorType::AccessDenied);
    assert!(failure.message.contains("www: its ledger row cannot be read"), "{failure}");
    world.deliver();
    assert_eq!(world.target("/checkout/*"), application_origin());
}

#[test]
fn an_alarm_of_a_row_that_cannot_be_read_tells_that_inspection_is_down() {
    let world = two_protections();
    world.live(2);
    let down = || told_of_www(&world).into_iter().filter(|subject| subject.contains("inspection is down")).count();
    world.react(events::alarm_metric()).expect("an answer");
    assert_eq!(down(), 0, "the alarm is OK by now");
    world.inspection_dies();
    world.react(events::alarm_metric()).expect("an answer");
    assert_eq!(down(), 1);
    world.live(60);
    assert_eq!((down(), told_of_www(&world).len()), (1, 2), "no tick repeats it: {:?}", told_of_www(&world));
    world.cloud.on(Operation::Publish).fail(FaultKind::Unknown);
    world.react(events::alarm_metric()).expect_err("so one that is lost leaves a dead letter");
    world.cloud.heal();
    world.cloud.on(Operation::DescribeAlarms).fail(FaultKind::Throttled);
    let failure = world.react(events::alarm_metric()).expect_err("and so does one that could not be looked into");
    assert!(failure.message.contains("no later event tells it: `[failopen] www: its ledger row"), "{failure}");
}

#[test]
fn an_event_for_the_unreadable_one_is_answered_with_its_name() {
    let world = two_protections();
    for event in [events::alarm_metric(), events::decide()] {
        let answer = world.react(event).expect("an answer");
        assert_eq!(answer["decisions"].as_array().map(Vec::len), Some(1), "{answer}");
        assert_eq!(decision(&answer, "www")["reason"], "LedgerUnavailable");
    }
    let unknown = world.react(json!({"action": "decide", "protection": "nope"})).expect_err("nobody has it");
    assert_eq!(unknown.error_type, ErrorType::UnknownProtection);
    assert!(unknown.message.contains("shop, www"), "{unknown}");
}

#[test]
fn a_status_of_all_shows_the_others_and_names_what_is_wrong() {
    let world = two_protections();
    let answer = world.flip(json!({"action": "status"})).expect("a list");
    assert_eq!(answer["protections"][0]["protection"], "shop");
    assert_eq!(answer["protections"][0]["posture"], "inspected");
    assert_eq!(answer["protections"][1]["protection"], "www");
    assert_eq!(answer["protections"][1]["error"]["errorType"], "LedgerUnavailable");
    for action in ["status", "bypass"] {
        let failure =
            world.flip(json!({"action": action, "protection": "www", "reason": "INC-1"})).expect_err("unreadable");
        assert_eq!(failure.error_type, ErrorType::LedgerUnavailable);
        assert!(failure.message.contains("break-glass"), "{failure}");
    }
}

#[test]
fn provisioning_takes_the_name_for_taken_and_never_writes_over_the_row() {
    let world = World::bare();
    assert_eq!(Stack::new(&world).create()["Status"], "SUCCESS");
    world.cloud.ledger().garble(&www());
    let before = world.configuration();
    world.cloud.clear_calls();
    let mut stack = Stack::new(&world);
    for kind in ["Create", "Update", "Delete"] {
        stack.physical_id = Some("failopen-www-8d3f4777cf20".to_owned());
        let request = stack.request(kind);
        let answer = stack.deliver(request);
        assert_eq!(answer["Status"], "FAILED", "{kind}: {answer}");
        assert!(answer["Reason"].as_str().is_some_and(|reason| reason.contains("does not parse")), "{kind}: {answer}");
    }
    let plan = stack.plan().expect("a plan");
    assert!(plan["findings"].to_string().contains("not written over"), "{plan}");
    assert_eq!(world.cloud.calls().iter().filter(|call| call.operation.is_write()).count(), 0);
    assert_eq!(world.configuration(), before);
}

#[test]
fn a_new_protection_is_refused_where_the_unreadable_one_has_an_origin_and_made_elsewhere() {
    let world = World::bare();
    assert_eq!(Stack::new(&world).create()["Status"], "SUCCESS");
    world.cloud.ledger().garble(&www());
    let new = json!({"Name": "shop", "FailoverRecord": "cq-origin-new.cq-route.com", "Traffic": ["/shop/*"]});
    let mut stack = Stack::new(&world);
    let answer = stack.set(new.clone()).create();
    let reason = answer["Reason"].as_str().expect("refused");
    assert!(reason.contains("[behavior-overlap]") && reason.contains("`www`"), "{reason}");

    let rich = failopen_tests::world::RICH_DISTRIBUTION.as_bytes().to_vec();
    world.cloud.cloudfront().add("E3SECOND".into(), rich, world.clock.aws_now() - SignedDuration::from_hours(1));
    let mut stack = Stack::new(&world);
    let answer = stack.set(new).set(json!({"DistributionId": "E3SECOND"})).create();
    assert_eq!(answer["Status"], "SUCCESS", "{answer}");
}

fn told_of_a_lost_row(world: &World) -> Vec<String> {
    let outbox = world.cloud.outbox();
    let lost = outbox.messages.iter().filter(|(_, message)| message.subject.contains("ledger row is gone"));
    lost.map(|(_, message)| format!("{}\n{}", message.subject, message.body)).collect()
}

#[test]
fn a_row_that_is_lost_is_told_by_its_alarm_because_no_tick_can_know_of_it() {
    let world = World::standard();
    world.cloud.ledger().remove(&www());
    assert_eq!(world.tick(), json!({"decisions": []}));
    let answer = world.react(events::alarm_metric()).expect("an answer");
    let held = decision(&answer, "www");
    assert_eq!((&held["decision"], &held["reason"]), (&json!("hold"), &json!("LedgerUnavailable")));
    let told = told_of_a_lost_row(&world);
    assert_eq!(told.len(), 1, "{told:?}");
    for part in ["www: ", "failopen-www-inspection", "layer 1", "point-in-time", "\"distribution\":", "who needs it"] {
        assert!(told[0].contains(part), "{part}: {}", told[0]);
    }
    assert_eq!(world.cloud.outbox().metric("DecisionErrors"), Some(1));
    assert_eq!(world.target("*"), inspection_origin());

    // Nothing remembers that; each event tells.
    assert_eq!(decision(&world.react(events::alarm_metric()).expect("told"), "www")["decision"], "hold");
    assert_eq!(told_of_a_lost_row(&world).len(), 2);
}

#[test]
fn whatever_keeps_a_lost_row_from_being_told_is_a_failed_event_which_leaves_a_dead_letter() {
    for operation in [Operation::DescribeAlarms, Operation::Publish] {
        let world = World::standard();
        world.cloud.ledger().remove(&www());
        world.cloud.on(operation).fail(FaultKind::AccessDenied);
        let failure = world.react(events::alarm_metric()).expect_err("nobody was told");
        assert_eq!(failure.error_type, ErrorType::Unavailable, "{operation}");
        assert!(failure.message.contains("Restore the ledger"), "{failure}");
        assert_eq!(told_of_a_lost_row(&world), Vec::<String>::new());
    }
}

#[test]
fn an_alarm_of_what_has_no_row_tells_nothing_where_it_is_late_or_somebody_elses() {
    let nothing = Ok(json!({"decisions": []}));
    // Late: the alarm went with the protection.
    let world = World::bare();
    let mut stack = Stack::new(&world);
    assert_eq!(stack.create()["Status"], "SUCCESS");
    assert_eq!(stack.delete()["Status"], "SUCCESS");
    assert_eq!(world.react(events::alarm_metric()), nothing);
    assert_eq!(told_of_a_lost_row(&world), Vec::<String>::new());

    // Another engine's, which an operator's own rule or topic hands to this one, too.
    let world = World::standard();
    world.cloud.ledger().remove(&www());
    for event in [events::alarm_eventbridge(), events::alarm_sns()] {
        assert_eq!(world.react(event), nothing);
    }
    assert_eq!(told_of_a_lost_row(&world), Vec::<String>::new());

    // One that speaks for another protection.
    let world = World::standard();
    let mut shop = shop();
    shop.additional_alarms = vec![www().alarm()];
    world.provision(&shop);
    world.cloud.ledger().remove(&www());
    let answer = world.react(events::alarm_metric()).expect("an answer");
    assert_eq!(answer["decisions"].as_array().map(Vec::len), Some(1), "{answer}");
    assert_eq!(decision(&answer, "shop")["protection"], "shop");
    assert_eq!(told_of_a_lost_row(&world), Vec::<String>::new());
}
