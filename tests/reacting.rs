//! What react decides, from what it reads after the event, and how often people hear of it.

use std::collections::BTreeSet;

use failopen::alarm::AlarmState;
use failopen::commands::Commands;
use failopen::failure::ErrorType;
use failopen::id::{AlarmName, PathPattern};
use failopen::ledger::Lifecycle;
use failopen::port::{FaultKind, Metric, ProbeOutcome};
use failopen::spec::{ApplicationCheck, EdgeFailOpen, FailBack};
use failopen_tests::cloud::Run;
use failopen_tests::events;
use failopen_tests::functions::converge;
use failopen_tests::world::{
    CANARY, FLIP_ARN, World, alarm, application, application_origin, distribution, failover_record, health_check,
    inspection, inspection_origin, secrets, shop, third_origin, zone,
};
use failopen_tests::{Logs, Moment, Operation};
use jiff::SignedDuration;
use serde_json::{Value, json};

/// The one decision of an answer.
fn only(answer: &Value) -> &Value {
    let decisions = answer["decisions"].as_array().expect("an answer holds a list of decisions");
    assert_eq!(decisions.len(), 1, "one decision in {answer}");
    &decisions[0]
}

fn decided(answer: &Value) -> (String, String) {
    let text = |field: &str| only(answer)[field].as_str().expect("a text").to_owned();
    (text("decision"), text("reason"))
}

fn held(reason: &str) -> (String, String) {
    ("hold".to_owned(), reason.to_owned())
}

fn bypass() -> (String, String) {
    ("bypass".to_owned(), "AlarmActive".to_owned())
}

fn restore() -> (String, String) {
    ("restore".to_owned(), "HoldDownElapsed".to_owned())
}

fn decide(world: &World) -> (String, String) {
    decided(&world.react(events::decide()).expect("react answers `decide`"))
}

fn puts(world: &World) -> usize {
    world.cloud.count(Operation::UpdateDistribution)
}

fn is_bypassed(world: &World) -> bool {
    world.target("*") == application_origin()
}

fn messages(world: &World) -> usize {
    world.cloud.outbox().messages.len()
}

/// A world that the schedule has already looked at once.
fn settled(world: World) -> World {
    world.live(1);
    assert_eq!(messages(&world), 0, "a healthy protection is no news: {:?}", world.cloud.outbox().subjects());
    world
}

fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

fn seconds(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

/// A world that automation has bypassed, with inspection healthy again since now.
fn bypassed_and_recovered(world: World) -> World {
    let world = settled(world);
    world.inspection_dies();
    world.react_and_deliver(events::alarm_metric());
    assert!(is_bypassed(&world));
    world.pass(minutes(6));
    world.inspection_recovers();
    world
}

#[test]
fn every_form_of_event_leads_to_the_same_decision_document() {
    let mut answers = BTreeSet::new();
    for (form, event) in events::every_alarm_form() {
        let world = World::standard();
        world.inspection_dies();
        let answer = world.react(event).unwrap_or_else(|failure| panic!("{form}: {failure}"));
        assert_eq!(decided(&answer), bypass(), "{form}");
        assert_eq!(world.cloud.outbox().converges.len(), 1, "{form}");
        answers.insert(answer.to_string());
    }
    assert_eq!(answers.len(), 1, "{answers:#?}");
}

#[test]
fn the_decision_document_has_the_contracts_fields() {
    let world = World::standard();
    world.inspection_dies();
    let answer = world.react(events::alarm_metric()).expect("an answer");
    let decision = only(&answer);
    assert!(decision["because"].as_str().is_some_and(|because| because.contains("failopen-www-inspection")));
    let mut rest = decision.clone();
    rest["because"] = Value::Null;
    assert_eq!(
        rest,
        json!({
            "protection": "www", "decision": "bypass", "reason": "AlarmActive", "because": null,
            "posture": "inspected", "traffic": "bypassed-dns", "flip": "requested"
        })
    );
    assert_eq!(answer.as_object().map(|object| object.len()), Some(1));
}

#[test]
fn an_alarm_of_no_protection_is_answered_with_an_empty_list_and_a_warning() {
    let world = World::standard();
    let logs = Logs::default();
    let answer = logs.of(|| world.react(events::alarm_of_nobody()));
    assert_eq!(answer, Ok(json!({"decisions": []})));
    assert!(logs.text().contains("WARN"), "{}", logs.text());
}

#[test]
fn an_event_of_no_known_form_and_a_name_that_nobody_has_are_errors() {
    let world = World::standard();
    let error = |event: Value| world.react(event).map_err(|failure| failure.error_type);
    assert_eq!(error(json!({"hello": "world"})), Err(ErrorType::InvalidRequest));
    assert_eq!(error(json!({"action": "explode"})), Err(ErrorType::InvalidRequest));
    assert_eq!(error(json!({"action": "decide"})), Err(ErrorType::InvalidRequest));
    assert_eq!(error(json!({"action": "decide", "protection": "nope"})), Err(ErrorType::UnknownProtection));
    for endless in [json!({"action": "decide", "protection": "x".repeat(9_000)}), json!({"action": "x".repeat(9_000)})]
    {
        let failure = world.react(endless).expect_err("neither is anything");
        assert_eq!(failure.error_type, ErrorType::InvalidRequest);
        assert!(failure.message.len() < 400, "{failure}");
    }
}

#[test]
fn the_same_alarm_event_five_times_makes_one_change() {
    let world = settled(World::standard());
    world.inspection_dies();
    for _ in 0..5 {
        world.react_and_deliver(events::alarm_metric());
    }
    assert!(is_bypassed(&world));
    assert_eq!(puts(&world), 1);
}

#[test]
fn five_decisions_taken_before_the_first_is_carried_out_still_make_one_change() {
    let world = settled(World::standard());
    world.inspection_dies();
    for _ in 0..5 {
        world.react(events::alarm_metric()).expect("an answer");
    }
    let outcomes: Vec<Value> =
        world.deliver().into_iter().map(|answer| answer.expect("flip answers")["outcome"].clone()).collect();
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == "changed").count(), 1, "{outcomes:?}");
    assert_eq!(puts(&world), 1);
    assert_eq!(world.row().flips.len(), 1);
}

#[test]
fn an_old_alarm_event_that_arrives_after_ok_does_nothing() {
    let world = settled(World::standard());
    world.inspection_dies();
    world.pass(minutes(2));
    world.inspection_recovers();
    let answer = world.react_and_deliver(events::alarm_metric());
    assert_eq!(decided(&answer), held("AlreadyThere"));
    assert_eq!(puts(&world), 0);
}

#[test]
fn an_old_ok_event_that_arrives_after_alarm_still_leads_to_a_bypass() {
    let world = settled(World::standard());
    world.inspection_dies();
    let answer = world.react_and_deliver(events::alarm_metric_ok());
    assert_eq!(decided(&answer), bypass());
    assert!(is_bypassed(&world));
}

#[test]
fn a_lost_alarm_event_is_made_good_by_the_next_tick() {
    let world = settled(World::standard());
    world.inspection_dies();
    world.tick();
    assert!(is_bypassed(&world));
}

#[test]
fn a_request_that_could_not_be_sent_is_sent_by_the_next_tick() {
    let world = settled(World::standard());
    world.inspection_dies();
    world.cloud.on(Operation::InvokeFlip).nth(1).fail(FaultKind::Throttled);
    let answer = world.react_and_deliver(events::alarm_metric());
    assert_eq!(only(&answer)["flip"], "none");
    assert_eq!(world.cloud.outbox().metric("DecisionErrors"), Some(1));
    world.pass(minutes(1));
    world.tick();
    assert!(is_bypassed(&world));
    assert_eq!(world.cloud.outbox().metric("DecisionErrors"), Some(0));
}

/// `shop` on `/checkout/*`, beside `www`; inspection is dead for both.
fn two_that_fail_together() -> World {
    let world = World::standard();
    world.provision(&shop());
    let world = settled(world);
    world.cloud.cloudwatch().set_state(&shop().name.alarm(), AlarmState::Alarm, world.clock.aws_now());
    world.inspection_dies();
    world
}

/// What a later tick can do nothing about.
const FOR_GOOD: [FaultKind; 3] = [FaultKind::AccessDenied, FaultKind::Refused, FaultKind::NotFound];

fn told_of(world: &World, name: &str) -> usize {
    let outbox = world.cloud.outbox();
    outbox.subjects().iter().filter(|subject| subject.contains(&format!("{name}: inspection is down"))).count()
}

#[test]
fn a_flip_that_may_not_be_asked_for_is_a_failed_event_after_all_other_protections_were_handled() {
    for kind in FOR_GOOD {
        let world = two_that_fail_together();
        world.cloud.on(Operation::InvokeFlip).containing("www").fail(kind);
        let failure = world.react(events::tick()).expect_err("nobody would hear of it otherwise");
        assert_eq!(failure.error_type == ErrorType::AccessDenied, kind == FaultKind::AccessDenied, "{kind:?}");
        for part in ["www", "inspection", "layer 1", r#""action":"bypass""#, r#""protection":"www""#] {
            assert!(failure.message.contains(part), "{kind:?}: {part} is missing in {failure}");
        }
        assert!(!failure.message.contains("shop"), "{failure}");
        world.deliver();
        assert_eq!((world.target("/checkout/*"), world.target("*")), (application_origin(), inspection_origin()));
        assert_eq!((told_of(&world, "www"), told_of(&world, "shop")), (1, 1), "{kind:?}");
        assert_eq!(world.cloud.outbox().metric("DecisionErrors"), Some(0), "that of shop, which was asked for last");
    }
}

#[test]
fn what_a_later_tick_makes_good_is_no_failed_event() {
    for kind in [FaultKind::Throttled, FaultKind::Unknown, FaultKind::Stale, FaultKind::Malformed] {
        for operation in [Operation::InvokeFlip, Operation::PutItem, Operation::Publish] {
            let world = settled(World::standard());
            world.inspection_dies();
            world.cloud.on(operation).fail(kind);
            let answer = world.react(events::alarm_metric()).unwrap_or_else(|failure| panic!("{operation}: {failure}"));
            assert_eq!(decided(&answer), bypass(), "{operation} {kind:?}");
        }
    }
}

#[test]
fn a_row_that_can_never_be_written_keeps_nobody_from_hearing_of_the_outage() {
    for kind in FOR_GOOD {
        let world = two_that_fail_together();
        world.cloud.on(Operation::PutItem).containing("www").fail(kind);
        for alarms in 1..=2 {
            let failure = world.react(events::alarm_metric()).expect_err("nothing of it is remembered");
            assert_eq!(failure.error_type, ErrorType::LedgerUnavailable);
            for part in ["www", "ledger", "layer 1", r#""distribution":"#] {
                assert!(failure.message.contains(part), "{kind:?}: {part} is missing in {failure}");
            }
            assert_eq!(told_of(&world, "www"), alarms, "an alarm rings only on a change: {kind:?}");
        }
        for _ in 0..60 {
            world.react(events::tick()).expect_err("nothing of it is remembered");
            world.pass(minutes(1));
        }
        assert_eq!(told_of(&world, "www"), 2 + 4, "a tick tells once a quarter of an hour: {kind:?}");
        assert_eq!(told_of(&world, "shop"), 1, "whose row can be written: {kind:?}");
        world.cloud.heal();
        world.live(2);
        assert_eq!(told_of(&world, "www"), 2 + 4 + 1, "now it is remembered: {kind:?}");
    }
}

#[test]
fn a_message_that_nobody_will_ever_get_is_a_failed_event_and_moves_traffic_all_the_same() {
    for kind in FOR_GOOD {
        let world = two_that_fail_together();
        world.cloud.on(Operation::Publish).containing("www").fail(kind);
        let failure = world.react(events::tick()).expect_err("nobody would hear of it otherwise");
        assert_eq!(failure.error_type == ErrorType::AccessDenied, kind == FaultKind::AccessDenied, "{kind:?}");
        for part in ["www: inspection is down", "FailedEventsAlarm", r#""action":"status""#] {
            assert!(failure.message.contains(part), "{kind:?}: {part} is missing in {failure}");
        }
        world.deliver();
        assert_eq!((world.target("/checkout/*"), world.target("*")), (application_origin(), application_origin()));
        assert_eq!((told_of(&world, "www"), told_of(&world, "shop")), (0, 1), "{kind:?}");
        world.cloud.heal();
        world.pass(minutes(1));
        world.live(3);
        assert_eq!(told_of(&world, "www"), 1, "{kind:?}");
    }
}

#[test]
fn a_ledger_that_cannot_be_read_and_a_topic_that_takes_nothing_are_a_failed_event() {
    let world = settled(World::standard());
    world.cloud.on_any(&Operation::LEDGER).fail(FaultKind::Unknown);
    world.cloud.on(Operation::Publish).fail(FaultKind::AccessDenied);
    let failure = world.react(events::alarm_metric()).expect_err("nobody would hear of it otherwise");
    assert_eq!(failure.error_type, ErrorType::AccessDenied);
    assert!(failure.message.contains("the ledger cannot be read"), "{failure}");
    world.pass(minutes(1));
    assert!(world.react(events::tick()).is_ok(), "a tick tells only once a quarter of an hour");
}

#[test]
fn a_request_that_was_lost_on_the_way_is_made_again_by_the_next_tick() {
    let world = settled(World::standard());
    world.inspection_dies();
    world.react(events::alarm_metric()).expect("an answer");
    world.cloud.outbox().converges.clear();
    world.pass(minutes(1));
    world.tick();
    assert!(is_bypassed(&world));
}

#[test]
fn two_invocations_at_once_see_one_change_and_send_one_message() {
    let world = settled(World::with(|spec| spec.automation.edge_fail_open = EdgeFailOpen::Notify));
    world.inspection_dies();
    world.cloud.interleave();
    let commands = Commands::new(FLIP_ARN);
    let deadline = world.deadline();
    let react = || failopen_react::handle(&commands, &world.cloud, &world.clock, deadline, events::tick());
    let (first, second) = world.cloud.run(async { tokio::join!(react(), react()) }).finished();
    assert_eq!(first, second);
    let errors = |metric: &Metric| metric.name == "DecisionErrors" && metric.value > 0;
    assert!(!world.cloud.outbox().metrics.iter().any(|(_, metric)| errors(metric)), "losing that race is no error");
    world.pass(minutes(1));
    world.live(5);
    assert_eq!(messages(&world), 1, "{:?}", world.cloud.outbox().subjects());
}

#[test]
fn a_tick_beside_a_flip_leaves_the_bypass_ours() {
    let world = settled(World::standard());
    world.inspection_dies();
    world.react(events::alarm_metric()).expect("an answer");
    let request = world.cloud.outbox().converges.remove(0);
    world.cloud.interleave();
    let commands = Commands::new(FLIP_ARN);
    let deadline = world.deadline();
    let flip = failopen_flip::handle(&commands, &world.cloud, &world.clock, deadline, converge(&request));
    let tick = failopen_react::handle(&commands, &world.cloud, &world.clock, deadline, events::tick());
    let (flipped, _) = world.cloud.run(async { tokio::join!(flip, tick) }).finished();
    assert_eq!(flipped.expect("flip answers")["outcome"], "changed");
    world.live(7);
    assert!(is_bypassed(&world));
    assert_eq!(world.cloud.count_answered(Operation::UpdateDistribution), 1);
    world.inspection_recovers();
    world.live(20);
    assert!(!is_bypassed(&world), "automation undoes its own bypass");
}

#[test]
fn a_crash_at_any_call_of_react_loses_neither_the_bypass_nor_the_message() {
    let calls = {
        let world = settled(World::standard());
        world.inspection_dies();
        let before = world.cloud.last_call();
        world.react(events::alarm_metric()).expect("an answer");
        world.cloud.last_call() - before
    };
    assert!(calls >= 6, "{calls} calls");
    for number in 1..=calls {
        for moment in [Moment::Before, Moment::After] {
            let world = settled(World::standard());
            world.inspection_dies();
            world.cloud.crash_at(world.cloud.last_call() + number, moment);
            assert_eq!(world.try_react(events::alarm_metric()), Run::Crashed, "call {number}");
            world.pass(minutes(1));
            world.deliver();
            world.live(7);
            assert!(is_bypassed(&world), "call {number} {moment:?}");
            assert_eq!(puts(&world), 1, "call {number} {moment:?}");
            let outage = world.cloud.outbox().subjects().iter().filter(|s| s.contains("(was inspected)")).count();
            assert!((1..=2).contains(&outage), "call {number} {moment:?}: {:?}", world.cloud.outbox().subjects());
        }
    }
}

#[test]
fn ten_minutes_of_throttling_bring_at_most_one_write_a_minute_and_a_bypass_afterwards() {
    let world = settled(World::standard());
    world.inspection_dies();
    world.cloud.on(Operation::UpdateDistribution).fail(FaultKind::Throttled);
    world.live(10);
    assert!((1..=10).contains(&puts(&world)), "{} writes in ten minutes", puts(&world));
    world.cloud.heal();
    world.live(1);
    assert!(is_bypassed(&world));
}

#[test]
fn a_function_clock_that_is_ten_minutes_off_makes_no_wrong_flip_and_no_missing_one() {
    for skew in [minutes(-10), minutes(10)] {
        let world = World::standard();
        world.clock.set_skew(skew);
        world.live(20);
        assert_eq!(puts(&world), 0, "{skew}");
        world.inspection_dies();
        world.live(20);
        assert!(is_bypassed(&world), "{skew}");
        assert_eq!(puts(&world), 1, "{skew}");
    }
}

#[test]
fn react_itself_writes_nothing_but_the_ledger() {
    let world = World::standard();
    world.inspection_dies();
    for (_, event) in events::every_alarm_form() {
        world.react(event).expect("an answer");
    }
    let written: BTreeSet<Operation> =
        world.cloud.calls().iter().map(|call| call.operation).filter(|operation| operation.is_write()).collect();
    assert_eq!(written, BTreeSet::from([Operation::PutItem]));
}

#[test]
fn the_decision_that_repeats_itself_writes_nothing_at_all() {
    let world = settled(World::standard());
    world.cloud.clear_calls();
    world.live(10);
    assert_eq!(world.cloud.calls().iter().filter(|call| call.operation.is_write()).count(), 0);
}

#[test]
fn insufficient_data_for_an_hour_holds_and_is_told_once() {
    let world = settled(World::standard());
    world.set_alarm(AlarmState::InsufficientData);
    let answer = world.react_and_deliver(events::alarm_metric_insufficient_data());
    assert_eq!(decided(&answer), held("NoHealthData"));
    world.live(59);
    assert_eq!(puts(&world), 0);
    assert_eq!(messages(&world), 1, "{:?}", world.cloud.outbox().subjects());
    assert_eq!(world.cloud.outbox().metric("Bypassed"), Some(1), "traffic is not known to be inspected");
}

#[test]
fn a_second_episode_of_missing_data_is_told_again() {
    let world = settled(World::standard());
    for _ in 0..2 {
        world.set_alarm(AlarmState::InsufficientData);
        world.live(5);
        world.set_alarm(AlarmState::Ok);
        world.live(5);
    }
    let about_data =
        world.cloud.outbox().subjects().iter().filter(|subject| subject.contains("no health data")).count();
    assert_eq!(about_data, 2, "{:?}", world.cloud.outbox().subjects());
    assert_eq!(puts(&world), 0);
}

#[test]
fn a_new_alarm_that_goes_from_no_data_to_ok_changes_nothing() {
    let world = World::standard();
    world.set_alarm(AlarmState::InsufficientData);
    world.live(3);
    world.set_alarm(AlarmState::Ok);
    let answer = world.react_and_deliver(events::alarm_metric_ok());
    assert_eq!(decided(&answer), held("AlreadyThere"));
    assert_eq!(puts(&world), 0);
}

#[test]
fn a_deleted_alarm_holds_and_is_told() {
    let world = settled(World::standard());
    world.cloud.cloudwatch().remove(&alarm());
    world.live(20);
    assert_eq!(decide(&world), held("NoHealthData"));
    assert_eq!(puts(&world), 0);
    assert!(messages(&world) >= 1);
    assert!(messages(&world) <= 2, "missing data, and the alarm's drift: {:?}", world.cloud.outbox().subjects());
}

#[test]
fn a_disabled_health_check_is_told_as_drift_because_it_hides_an_outage() {
    let world = settled(World::standard());
    let id = health_check(&world);
    world.cloud.health().edit(&id, |config| config.disabled = true);
    world.live(35);
    assert_eq!(messages(&world), 1, "{:?}", world.cloud.outbox().subjects());
    assert!(world.cloud.outbox().messages[0].1.body.contains("Disabled"));
    assert_eq!(puts(&world), 0);
}

#[test]
fn an_alarm_whose_actions_are_switched_off_is_told_as_drift_and_the_tick_acts_without_it() {
    let world = settled(World::standard());
    world.cloud.cloudwatch().set_actions_enabled(&alarm(), false);
    world.live(35);
    assert_eq!(messages(&world), 1, "{:?}", world.cloud.outbox().subjects());
    assert!(world.cloud.outbox().messages[0].1.body.contains("ActionsEnabled"));
    world.inspection_dies();
    world.tick();
    assert!(is_bypassed(&world));
}

#[test]
fn a_foreign_target_means_hands_off_and_is_told_once_as_that_and_once_as_drift() {
    let world = settled(World::standard());
    world.retarget_by_hand("*", &third_origin());
    world.inspection_dies();
    world.live(50);
    assert_eq!(decide(&world), held("ForeignTarget"));
    assert_eq!(puts(&world), 0);
    let subjects: Vec<String> = world.cloud.outbox().subjects().into_iter().map(str::to_owned).collect();
    let about = |word: &str| subjects.iter().filter(|subject| subject.contains(word)).count();
    assert_eq!((about("foreign"), about("drift"), subjects.len()), (1, 1, 2), "{subjects:?}");
}

#[test]
fn a_pin_to_hold_outranks_an_alarm() {
    let world = settled(World::standard());
    world.flip(json!({"action": "pin", "protection": "www", "posture": "hold", "reason": "INC-1"})).expect("pinned");
    world.inspection_dies();
    world.live(30);
    assert_eq!(decide(&world), held("Pinned"));
    assert_eq!(puts(&world), 0);
}

#[test]
fn a_pin_to_inspected_outranks_an_alarm() {
    let world = settled(World::standard());
    let pin = json!({"action": "pin", "protection": "www", "posture": "inspected", "reason": "INC-1"});
    world.flip(pin).expect("pinned");
    world.inspection_dies();
    world.live(30);
    assert_eq!(decide(&world), held("Pinned"));
    assert_eq!(puts(&world), 0);
}

#[test]
fn a_pin_to_bypassed_is_reached_and_outlives_a_healthy_alarm() {
    let world = settled(World::standard());
    let pin =
        json!({"action": "pin", "protection": "www", "posture": "bypassed", "reason": "INC-1", "expiresIn": "1d"});
    world.flip(pin).expect("pinned");
    if !is_bypassed(&world) {
        assert_eq!(decide(&world), ("bypass".to_owned(), "PinnedPosture".to_owned()));
        world.deliver();
    }
    assert!(is_bypassed(&world));
    world.live(120);
    assert!(is_bypassed(&world));
    assert_eq!(decide(&world), held("Pinned"));
    assert_eq!(puts(&world), 1);
}

#[test]
fn a_pinned_posture_that_someone_moves_is_reached_again_whatever_latch_budget_and_dwell_say() {
    let world = World::with(|spec| spec.automation.maximum_flips_per_day = 0);
    world.flip(json!({"action": "bypass", "protection": "www", "reason": "INC-1"})).expect("bypassed");
    world.retarget_by_hand("*", &inspection_origin());
    assert_eq!(decide(&world), ("bypass".to_owned(), "PinnedPosture".to_owned()));
    world.deliver();
    assert!(is_bypassed(&world));
}

#[test]
fn when_a_pin_expires_the_hold_down_starts_anew() {
    let world = settled(World::standard());
    let request = json!({"action": "bypass", "protection": "www", "reason": "INC-1", "expiresIn": "2h"});
    world.flip(request).expect("bypassed");
    world.pass(minutes(119));
    assert_eq!(decide(&world), held("Pinned"));
    world.pass(minutes(1));
    assert_eq!(decide(&world), held("HoldDown"));
    world.pass(seconds(899));
    assert_eq!(decide(&world), held("HoldDown"));
    world.pass(seconds(1));
    assert_eq!(decide(&world), restore());
    world.deliver();
    assert!(!is_bypassed(&world));
}

#[test]
fn when_a_pin_is_taken_away_the_hold_down_starts_anew() {
    let world = settled(World::standard());
    world.flip(json!({"action": "bypass", "protection": "www", "reason": "INC-1"})).expect("bypassed");
    world.pass(minutes(60));
    world.flip(json!({"action": "unpin", "protection": "www"})).expect("unpinned");
    assert_eq!(decide(&world), held("HoldDown"));
    world.pass(seconds(900));
    assert_eq!(decide(&world), restore());
}

#[test]
fn recovery_is_held_down_and_then_restored() {
    let world = bypassed_and_recovered(World::standard());
    assert_eq!(decide(&world), held("HoldDown"));
    world.pass(seconds(899));
    assert_eq!(decide(&world), held("HoldDown"));
    assert!(is_bypassed(&world));
    world.pass(seconds(1));
    world.tick();
    assert!(!is_bypassed(&world));
    assert_eq!(world.target("*"), inspection_origin());
}

#[test]
fn hold_down_counts_continuous_health_only() {
    let world = bypassed_and_recovered(World::standard());
    world.pass(minutes(14));
    world.set_alarm(AlarmState::Alarm);
    world.pass(minutes(1));
    world.set_alarm(AlarmState::Ok);
    world.pass(minutes(14));
    assert_eq!(decide(&world), held("HoldDown"));
    world.pass(minutes(1));
    assert_eq!(decide(&world), restore());
}

#[test]
fn an_automatic_flip_waits_for_the_dwell_time_after_the_last_one() {
    let world = settled(World::with(|spec| spec.automation.hold_down_seconds = 0));
    world.inspection_dies();
    world.tick();
    assert!(is_bypassed(&world));
    world.inspection_recovers();
    world.pass(seconds(299));
    assert_eq!(decide(&world), held("Dwell"));
    world.pass(seconds(1));
    assert_eq!(decide(&world), restore());
}

#[test]
fn the_daily_budget_latches_once_until_an_operator_unlatches() {
    let world = settled(World::with(|spec| {
        spec.automation.maximum_flips_per_day = 2;
        spec.automation.hold_down_seconds = 0;
        spec.automation.minimum_dwell_seconds = 0;
    }));
    world.inspection_dies();
    world.live(1);
    world.inspection_recovers();
    world.live(1);
    assert_eq!(puts(&world), 2);
    let told = messages(&world);

    world.inspection_dies();
    assert_eq!(decide(&world), held("FlipBudgetSpent"));
    assert_eq!(decide(&world), held("Latched"));
    world.live(30);
    assert_eq!(puts(&world), 2);
    let about_latch = world.cloud.outbox().subjects().iter().filter(|subject| subject.contains("latch")).count();
    assert_eq!(about_latch, 1, "{:?}", &world.cloud.outbox().subjects()[told..]);

    let unlatch = json!({"action": "unlatch", "protection": "www", "reason": "INC-9"});
    world.flip(unlatch).expect("unlatched");
    assert_eq!(decide(&world), bypass());
    world.deliver();
    assert!(is_bypassed(&world));
}

#[test]
fn the_budget_is_a_rolling_day() {
    let world = settled(World::with(|spec| {
        spec.automation.maximum_flips_per_day = 2;
        spec.automation.hold_down_seconds = 0;
        spec.automation.minimum_dwell_seconds = 0;
    }));
    world.inspection_dies();
    world.live(1);
    world.inspection_recovers();
    world.live(1);
    world.pass(SignedDuration::from_hours(24));
    world.inspection_dies();
    world.tick();
    assert!(is_bypassed(&world));
}

#[test]
fn flapping_every_minute_for_two_hours_makes_no_more_flips_than_the_budget() {
    let world = settled(World::with(|spec| {
        spec.automation.hold_down_seconds = 30;
        spec.automation.minimum_dwell_seconds = 60;
    }));
    for minute in 0..120 {
        if minute % 2 == 0 {
            world.inspection_dies();
        } else {
            world.inspection_recovers();
        }
        world.pass(seconds(30));
        world.tick();
        world.pass(seconds(30));
    }
    assert!(puts(&world) >= 2, "the world does flap");
    assert!(puts(&world) <= 6, "{} flips", puts(&world));
    assert!(world.row().latch.is_some());
}

#[test]
fn someone_who_reverts_a_bypass_is_fought_no_more_often_than_dwell_and_budget_allow() {
    let world = settled(World::standard());
    world.inspection_dies();
    for _ in 0..120 {
        world.tick();
        if is_bypassed(&world) {
            world.retarget_by_hand("*", &inspection_origin());
        }
        world.pass(minutes(1));
    }
    let times: Vec<_> = world.row().flips.iter().map(|flip| flip.at).collect();
    assert!(times.windows(2).all(|pair| pair[1].duration_since(pair[0]) >= seconds(300)), "{times:?}");
    assert_eq!(puts(&world), 6);
    assert!(world.row().latch.is_some());
}

#[test]
fn without_the_ledger_everything_holds_and_nothing_is_written() {
    let world = settled(World::standard());
    world.inspection_dies();
    world.cloud.clear_calls();
    world.cloud.on_any(&Operation::LEDGER).fail(FaultKind::Unknown);
    for event in [events::alarm_metric(), events::decide(), events::tick()] {
        let answer = world.react_and_deliver(event);
        for decision in answer["decisions"].as_array().expect("a list") {
            assert_eq!((&decision["decision"], &decision["reason"]), (&json!("hold"), &json!("LedgerUnavailable")));
        }
    }
    assert_eq!(decide(&world), held("LedgerUnavailable"));
    assert_eq!(world.cloud.count_answered(Operation::PutItem) + puts(&world), 0);
    assert!(messages(&world) >= 1, "an unreadable ledger is a loud signal");
    for (_, message) in &world.cloud.outbox().messages {
        let needs_no_ledger = message.body.contains("\"distribution\":") && !message.body.contains("\"status\"");
        assert!(needs_no_ledger, "the command to run next works without the ledger: {}", message.body);
    }
    world.cloud.heal();
    world.tick();
    assert!(is_bypassed(&world), "when the ledger is back, the next tick acts");
}

#[test]
fn an_application_that_is_down_too_is_no_place_to_go() {
    let outcomes = [
        ProbeOutcome::Failed { why: "connection refused".to_owned() },
        ProbeOutcome::Failed { why: "the certificate has expired".to_owned() },
        ProbeOutcome::Answered { status: 503 },
    ];
    for outcome in outcomes {
        let world = settled(World::standard());
        world.inspection_dies();
        world.cloud.probes().script(&application(), outcome.clone());
        let answer = world.react_and_deliver(events::alarm_metric());
        assert_eq!(decided(&answer), held("ApplicationUnhealthy"), "{outcome:?}");
        assert!(only(&answer)["because"].as_str().is_some_and(|because| because.contains("origin-www.cq-route.com")));
        world.live(10);
        assert_eq!(puts(&world), 0, "{outcome:?}");
        assert_eq!(world.cloud.outbox().metric("ApplicationHealthy"), Some(0));
    }
}

#[test]
fn the_application_is_asked_as_cloudfront_would_with_the_origins_headers() {
    let world = World::standard();
    world.inspection_dies();
    world.react(events::alarm_metric()).expect("an answer");
    let probes = world.cloud.probes();
    let first = probes.asked().first().expect("the application was probed");
    assert_eq!((&first.connect, first.port, first.path.as_str()), (&application(), 443, "/"));
    assert_eq!((&first.server_name, &first.host), (&application(), &application()));
    let sent =
        first.headers.iter().find(|(name, _)| name == "X-Origin-Verify").map(|(_, value)| value.expose().as_str());
    assert_eq!(sent, Some(CANARY));
}

#[test]
fn an_application_check_of_none_asks_nobody() {
    let world = World::with(|spec| spec.application_check = ApplicationCheck::None);
    world.inspection_dies();
    world.application_dies();
    assert_eq!(decide(&world), bypass());
    assert_eq!(world.cloud.count(Operation::Probe), 0);
}

#[test]
fn a_green_alarm_does_not_restore_inspection_whose_certificate_cloudfront_would_refuse() {
    let world = bypassed_and_recovered(World::standard());
    let expired = ProbeOutcome::Failed { why: "the certificate has expired".to_owned() };
    world.cloud.probes().script(&inspection(), expired);
    world.pass(seconds(900));
    assert_eq!(decide(&world), held("InspectionUnhealthy"));
    world.live(10);
    assert!(is_bypassed(&world));
    world.cloud.probes().unscript(&inspection());
    assert_eq!(decide(&world), restore());
}

#[test]
fn a_bypass_made_in_the_console_waits_for_an_operator() {
    let world = settled(World::standard());
    world.retarget_by_hand("*", &application_origin());
    world.live(120);
    assert_eq!(decide(&world), held("AwaitingOperator"));
    assert!(is_bypassed(&world));
    assert_eq!(puts(&world), 0);
}

#[test]
fn a_console_bypass_that_follows_one_of_ours_waits_for_an_operator_too() {
    let world = bypassed_and_recovered(World::standard());
    world.pass(seconds(900));
    world.tick();
    assert!(!is_bypassed(&world), "ours is restored");
    world.live(10);
    world.retarget_by_hand("*", &application_origin());
    world.live(60);
    assert_eq!(decide(&world), held("AwaitingOperator"));
    assert!(is_bypassed(&world));
}

#[test]
fn a_console_bypass_after_ours_was_restored_in_the_console_waits_for_an_operator() {
    let world = settled(World::standard());
    world.inspection_dies();
    world.tick();
    assert!(is_bypassed(&world), "by automation");
    world.pass(minutes(6));
    world.inspection_recovers();
    world.retarget_by_hand("*", &inspection_origin());
    world.live(5);
    world.retarget_by_hand("*", &application_origin());
    world.live(60);
    assert_eq!(decide(&world), held("AwaitingOperator"));
    assert!(is_bypassed(&world));
}

#[test]
fn a_break_glass_bypass_waits_for_an_operator() {
    let world = settled(World::standard());
    let request = json!({"action": "bypass", "distribution": "E2EXAMPLE", "from": "failopen-www", "to": "app & co", "reason": "INC-7"});
    world.flip(request).expect("bypassed");
    world.live(60);
    assert_eq!(decide(&world), held("AwaitingOperator"));
    assert!(is_bypassed(&world));
}

#[test]
fn a_manual_fail_back_waits_for_an_operator() {
    let world = bypassed_and_recovered(World::with(|spec| spec.automation.fail_back = FailBack::Manual));
    world.live(60);
    assert_eq!(decide(&world), held("AwaitingOperator"));
    assert!(is_bypassed(&world));
    world.flip(json!({"action": "restore", "protection": "www", "reason": "INC-7"})).expect("restored");
    assert!(!is_bypassed(&world));
}

#[test]
fn layer_2_that_is_off_or_only_notifies_moves_nothing_and_still_tells() {
    for (mode, reason) in [(EdgeFailOpen::Off, "EdgeOff"), (EdgeFailOpen::Notify, "NotifyOnly")] {
        let world = settled(World::with(|spec| spec.automation.edge_fail_open = mode));
        world.inspection_dies();
        let answer = world.react_and_deliver(events::alarm_metric());
        assert_eq!(decided(&answer), held(reason));
        assert_eq!(only(&answer)["traffic"], "bypassed-dns");
        world.live(30);
        assert_eq!(puts(&world), 0);
        assert_eq!(messages(&world), 1, "{:?}", world.cloud.outbox().subjects());
        world.inspection_recovers();
        assert_eq!(decide(&world), held("AlreadyThere"));
    }
}

#[test]
fn the_users_own_alarms_speak_for_inspection_too() {
    let name = AlarmName::new("inspection-errors");
    let own = name.clone();
    let world = World::with(|spec| spec.additional_alarms = vec![own]);
    world.cloud.cloudwatch().add(name.clone(), None, AlarmState::Ok, world.clock.aws_now());
    let world = settled(world);
    world.cloud.cloudwatch().set_state(&name, AlarmState::Alarm, world.clock.aws_now());
    let mut event = events::alarm_composite();
    event["alarmArn"] = json!("arn:aws:cloudwatch:us-east-1:111122223333:alarm:inspection-errors");
    event["alarmData"]["alarmName"] = json!("inspection-errors");
    let answer = world.react_and_deliver(event);
    assert_eq!(decided(&answer), bypass());
    assert!(is_bypassed(&world));
    world.pass(minutes(20));
    assert_eq!(decide(&world), held("AlreadyThere"), "while one of them rings, the bypass stays");
}

#[test]
fn the_users_own_alarm_is_told_once_an_episode_where_layer_2_only_notifies() {
    let name = AlarmName::new("inspection-errors");
    let own = name.clone();
    let world = World::with(|spec| {
        spec.additional_alarms = vec![own];
        spec.automation.edge_fail_open = EdgeFailOpen::Notify;
    });
    world.cloud.cloudwatch().add(name.clone(), None, AlarmState::Ok, world.clock.aws_now());
    let world = settled(world);
    for episode in 1..=2 {
        world.cloud.cloudwatch().set_state(&name, AlarmState::Alarm, world.clock.aws_now());
        world.live(10);
        assert_eq!(messages(&world), episode, "{:?}", world.cloud.outbox().subjects());
        assert!(world.cloud.outbox().messages[episode - 1].1.body.contains("alarm inspection-errors is in ALARM"));
        world.cloud.cloudwatch().set_state(&name, AlarmState::Ok, world.clock.aws_now());
        world.live(2);
    }
    assert_eq!(puts(&world), 0);
}

#[test]
fn protections_that_fail_together_are_decided_in_the_order_of_their_priority() {
    let world = World::with(|spec| {
        spec.traffic = vec![PathPattern::new("/api/*")];
        spec.priority = 10;
    });
    world.provision(&shop());
    let answer = world.react(events::tick()).expect("an answer");
    let names: Vec<&str> =
        answer["decisions"].as_array().expect("a list").iter().filter_map(|d| d["protection"].as_str()).collect();
    assert_eq!(names, ["www", "shop"]);
}

#[test]
fn a_protection_that_is_being_deleted_is_left_alone() {
    let world = settled(World::standard());
    world.edit_row(|row| row.lifecycle = Lifecycle::Deleting);
    world.inspection_dies();
    world.live(10);
    assert_eq!(puts(&world), 0);
    assert_eq!(only(&world.react(events::decide()).expect("an answer"))["decision"], "hold");
}

#[test]
fn a_distribution_that_may_not_be_read_holds_and_is_told_once() {
    let world = settled(World::standard());
    world.inspection_dies();
    world.cloud.on(Operation::GetDistributionConfig).fail(FaultKind::AccessDenied);
    world.live(50);
    assert_eq!(decide(&world).0, "hold");
    assert_eq!(puts(&world), 0);
    assert_eq!(messages(&world), 1, "{:?}", world.cloud.outbox().subjects());
}

#[test]
fn inspection_that_dies_while_the_distribution_cannot_be_read_is_told_once_an_outage() {
    let world = settled(World::standard());
    world.cloud.on(Operation::GetDistributionConfig).fail(FaultKind::AccessDenied);
    world.live(3);
    assert_eq!(messages(&world), 1, "{:?}", world.cloud.outbox().subjects());
    for outage in 1..=2 {
        world.inspection_dies();
        world.react(events::alarm_metric()).expect("an answer");
        world.live(90);
        assert_eq!(messages(&world), 1 + outage, "{:?}", world.cloud.outbox().subjects());
        let (_, message) = world.cloud.outbox().messages.last().cloned().expect("a message");
        assert!(message.subject.contains("inspection is down"), "{}", message.subject);
        for part in ["E2EXAMPLE", "layer 2", "layer 1", "GetDistributionConfig: ", r#""action":"status""#] {
            assert!(message.body.contains(part), "{part} is missing in {}", message.body);
        }
        world.inspection_recovers();
        world.live(5);
        assert_eq!(messages(&world), 1 + outage, "{:?}", world.cloud.outbox().subjects());
    }
    assert_eq!(puts(&world), 0);
}

#[test]
fn an_outage_that_was_told_before_the_distribution_became_unreadable_is_not_told_again() {
    let world = settled(World::with(|spec| spec.automation.edge_fail_open = EdgeFailOpen::Off));
    world.inspection_dies();
    world.live(2);
    assert_eq!(messages(&world), 1, "{:?}", world.cloud.outbox().subjects());
    world.cloud.on(Operation::GetDistributionConfig).fail(FaultKind::AccessDenied);
    world.live(90);
    assert_eq!(messages(&world), 2, "that it cannot be read: {:?}", world.cloud.outbox().subjects());
}

#[test]
fn a_distribution_that_cannot_be_understood_holds_and_is_told_once() {
    for bytes in ["", "<html><body>Service Unavailable</body></html>", "<DistributionConfig><Enabled>tr"] {
        let world = settled(World::standard());
        world.inspection_dies();
        world.cloud.cloudfront().garble(&distribution(), bytes);
        world.live(30);
        assert_eq!(decide(&world).0, "hold");
        assert_eq!(puts(&world), 0);
        assert_eq!(messages(&world), 1, "{:?}", world.cloud.outbox().subjects());
    }
}

#[test]
fn an_hour_without_a_control_plane_brings_no_thrash_and_converges_afterwards() {
    let world = settled(World::standard());
    world.inspection_dies();
    world.cloud.clear_calls();
    world.cloud.on_any(&Operation::CLOUDFRONT).fail(FaultKind::Unknown);
    world.live(59);
    assert_eq!(puts(&world), 0);
    assert!(messages(&world) <= 1, "{:?}", world.cloud.outbox().subjects());
    world.cloud.heal();
    world.live(2);
    assert!(is_bypassed(&world));
    assert_eq!(puts(&world), 1);
}

#[test]
fn alarms_that_cannot_be_read_are_missing_data() {
    let world = settled(World::standard());
    world.inspection_dies();
    world.cloud.on(Operation::DescribeAlarms).fail(FaultKind::Throttled);
    assert_eq!(decide(&world), held("NoHealthData"));
    assert_eq!(world.cloud.outbox().metric("DecisionErrors"), Some(1));
}

#[test]
fn drift_of_the_records_is_told_once_with_what_was_expected_and_what_was_found() {
    let world = settled(World::standard());
    world.cloud.route53().edit_records(&zone().id, &failover_record(), |record| record.ttl = Some(300));
    world.live(50);
    assert_eq!(messages(&world), 1, "{:?}", world.cloud.outbox().subjects());
    let body = world.cloud.outbox().messages[0].1.body.clone();
    assert!(body.contains("TTL") && body.contains("30") && body.contains("300"), "{body}");
}

#[test]
fn an_outage_is_told_when_it_begins_every_hour_and_when_it_ends() {
    let world = settled(World::standard());
    world.inspection_dies();
    world.live(150);
    let during = messages(&world);
    assert_eq!(during, 4, "the outage, the bypass, and two reminders: {:?}", world.cloud.outbox().subjects());
    assert_eq!(world.cloud.outbox().metric("Bypassed"), Some(1));
    assert_eq!(world.cloud.outbox().metric("InspectionHealthy"), Some(0));
    world.inspection_recovers();
    world.live(20);
    assert!(!is_bypassed(&world));
    assert_eq!(messages(&world), during + 1, "{:?}", world.cloud.outbox().subjects());
    assert_eq!(world.cloud.outbox().metric("Bypassed"), Some(0));
    assert_eq!(world.cloud.outbox().metric("InspectionHealthy"), Some(1));
}

#[test]
fn every_message_has_a_subject_that_reads_alone_and_the_command_to_run_next() {
    let world = World::with(|spec| {
        spec.automation.maximum_flips_per_day = 1;
        spec.automation.hold_down_seconds = 0;
    });
    world.live(1);
    world.inspection_dies();
    world.live(70);
    world.inspection_recovers();
    world.live(10);
    world.set_alarm(AlarmState::InsufficientData);
    world.live(5);
    world.cloud.route53().remove_records(&zone().id, &failover_record());
    world.live(20);
    world.retarget_by_hand("*", &third_origin());
    world.live(2);
    assert!(messages(&world) >= 6, "{:?}", world.cloud.outbox().subjects());
    assert_eq!(world.cloud.count(Operation::Publish), messages(&world), "SNS refused a message");
    for (_, message) in &world.cloud.outbox().messages {
        assert!(message.subject.contains("www") && message.subject.len() <= 100, "{}", message.subject);
        assert!(message.body.contains("aws lambda invoke --region us-east-1 --function-name arn:"), "{}", message.body);
    }
}

#[test]
fn a_message_that_sns_did_not_take_is_sent_later_and_once() {
    let told = |refused: u64| {
        let world = settled(World::standard());
        world.inspection_dies();
        world.cloud.on(Operation::Publish).first(refused).fail(FaultKind::Unknown);
        world.live(10);
        let mut subjects: Vec<String> = world.cloud.outbox().subjects().into_iter().map(str::to_owned).collect();
        subjects.sort();
        subjects
    };
    let at_once = told(0);
    assert!(!at_once.is_empty());
    for refused in 1..=4 {
        assert_eq!(told(refused), at_once, "{refused} times");
    }
}

#[test]
fn a_message_that_waits_in_a_row_that_cannot_be_written_any_more_is_not_sent_every_minute() {
    let world = settled(World::standard());
    world.cloud.on(Operation::Publish).first(1).fail(FaultKind::Unknown);
    world.inspection_dies();
    world.tick();
    let waiting = world.row().watch.outbox[0].subject.clone();
    world.cloud.on(Operation::PutItem).fail(FaultKind::AccessDenied);
    for _ in 0..45 {
        world.pass(SignedDuration::from_mins(1));
        world.react(events::tick()).expect_err("a row that cannot be written is told as a failed event");
    }
    let sent = world.cloud.outbox().subjects().into_iter().filter(|subject| *subject == waiting).count();
    assert!((1..=3).contains(&sent), "{sent} times in three quarters of an hour");
}

#[test]
fn who_asks_for_a_decision_gets_it_also_where_something_is_left_undone() {
    let world = settled(World::standard());
    world.inspection_dies();
    world.cloud.on(Operation::PutItem).fail(FaultKind::AccessDenied);
    world.react(events::tick()).expect_err("nobody reads what a tick answers");
    let answer = world.react(events::decide()).expect("somebody reads this");
    assert_eq!(answer["decisions"][0]["protection"], "www", "{answer}");
    world.cloud.on(Operation::Query).fail(FaultKind::AccessDenied);
    world.cloud.on(Operation::Publish).fail(FaultKind::AccessDenied);
    world.react(events::alarm_metric()).expect_err("nor what an alarm is answered");
    let answer = world.react(events::decide()).expect("somebody reads this");
    assert_eq!(answer["decisions"][0]["reason"], "LedgerUnavailable", "{answer}");
}

#[test]
fn header_values_of_the_origins_turn_up_in_no_answer_message_or_log_line() {
    let world = World::standard();
    let logs = Logs::default();
    let mut answers = String::new();
    logs.of(|| {
        world.inspection_dies();
        world.application_dies();
        for (_, event) in events::every_alarm_form() {
            answers.push_str(&format!("{:?}", world.react(event)));
        }
        world.cloud.probes().unscript(&application());
        answers.push_str(&world.tick().to_string());
        let truncated = world.configuration().as_bytes()[..2000].to_vec();
        world.cloud.cloudfront().garble(&distribution(), truncated);
        answers.push_str(&world.tick().to_string());
        world.cloud.cloudfront().ungarble(&distribution());
    });
    assert!(is_bypassed(&world));
    assert!(logs.text().contains("www"), "logs are caught");
    let said = format!("{answers}{}{:?}{:?}", logs.text(), world.cloud.outbox(), world.cloud.calls());
    assert!(!said.contains(CANARY));
    for secret in secrets(&world.document(&distribution())) {
        assert!(!said.contains(secret.expose().as_str()));
    }
}

#[test]
fn a_reason_with_control_characters_cannot_forge_a_log_line() {
    let world = World::standard();
    let mut event = events::alarm_metric();
    event["alarmData"]["state"]["reason"] = json!("x\n{\"level\":\"ERROR\",\"message\":\"forged\"}\r\u{1b}[31m");
    event["alarmArn"] = json!("arn:aws:cloudwatch:us-east-1:111122223333:alarm:a\nforged");
    let logs = Logs::default();
    let answer = logs.of(|| world.react(event));
    assert_eq!(answer, Ok(json!({"decisions": []})));
    for line in logs.text().lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "{line}");
    }
}

#[test]
fn missing_data_that_ended_while_the_distribution_could_not_be_read_is_told_again() {
    for (comes_back, times) in [(Some(AlarmState::Ok), 2), (Some(AlarmState::Alarm), 2), (None, 1)] {
        let world = settled(World::with(|spec| spec.automation.edge_fail_open = EdgeFailOpen::Notify));
        let told = || {
            let outbox = world.cloud.outbox();
            outbox.subjects().iter().filter(|subject| subject.contains("no health data")).count()
        };
        world.set_alarm(AlarmState::InsufficientData);
        world.live(2);
        assert_eq!(told(), 1);
        world.cloud.on(Operation::GetDistributionConfig).fail(FaultKind::AccessDenied);
        world.live(2);
        if let Some(state) = comes_back {
            world.set_alarm(state);
        }
        world.live(2);
        world.cloud.cloudwatch().remove(&alarm());
        world.cloud.heal();
        world.live(13);
        assert_eq!(told(), times, "{comes_back:?}");
        world.live(20);
        assert_eq!((told(), puts(&world)), (times, 0), "{comes_back:?}");
    }
}
