//! Rows about the events that reach react: doubled, late, lost, and empty ones.

use failopen::alarm::AlarmState;
use failopen_tests::events;
use failopen_tests::functions::converge;
use failopen_tests::world::World;

use crate::stage::{
    accepted, in_an_outage, is_bypassed, last_step, minutes, moved_the_target_only, outcome, puts, reason, seconds,
    settled, subjects, told,
};

/// Row 1: ALARM delivered 5 times, and each request that follows from it twice (I8).
pub(crate) fn the_same_alarm_delivered_five_times_makes_one_put() {
    let world = in_an_outage();
    for _ in 0..5 {
        world.react(events::alarm_metric()).expect("an answer");
        let requests = std::mem::take(&mut world.cloud.outbox().converges);
        for request in requests {
            for _ in 0..2 {
                world.flip(converge(&request)).expect("an answer");
            }
        }
    }
    assert_eq!(puts(&world).len(), 1);
    let (before, after) = last_step(&world);
    moved_the_target_only(&before, &after);
    assert!(is_bypassed(&world));
    assert_eq!(world.row().flips.len(), 1, "it counts once towards the budget");
}

/// Row 2: OK, then an ALARM event that is 6 hours old, and a request as old (I4, I9).
pub(crate) fn an_alarm_event_of_six_hours_ago_makes_no_put() {
    let world = in_an_outage();
    world.react(events::alarm_metric()).expect("an answer");
    let request = world.cloud.outbox().converges.remove(0);
    world.pass(minutes(5));
    world.inspection_recovers();
    world.pass(minutes(6 * 60));
    world.cloud.clear_calls();
    let answer = world.react_and_deliver(events::alarm_metric());
    assert_eq!(reason(&answer), "AlreadyThere");
    assert_eq!(outcome(&world.flip(converge(&request)).expect("an answer")), "held");
    assert_eq!(puts(&world), []);
}

/// Row 3: the ALARM event is lost, or the request that follows from it is (I6).
pub(crate) fn a_lost_alarm_event_costs_at_most_one_tick() {
    let world = in_an_outage();
    world.pass(seconds(59));
    world.tick();
    assert!(is_bypassed(&world));
    assert_eq!(puts(&world).len(), 1);

    let world = in_an_outage();
    world.react(events::alarm_metric()).expect("an answer");
    world.cloud.outbox().converges.clear();
    world.pass(seconds(59));
    world.tick();
    assert!(is_bypassed(&world));
    assert_eq!(puts(&world).len(), 1);
}

/// Row 4: INSUFFICIENT_DATA for an hour, of an alarm that had data and of one that never had any (I11).
///
/// Traffic is then not known to be inspected, so after that hour comes the contract's hourly repetition.
pub(crate) fn an_hour_of_insufficient_data_makes_no_put_and_one_alert() {
    let world = settled();
    world.set_alarm(AlarmState::InsufficientData);
    let answer = world.react_and_deliver(events::alarm_metric_insufficient_data());
    assert_eq!(reason(&answer), "NoHealthData");
    world.live(60);
    assert_eq!(puts(&world), []);
    assert_eq!((subjects(&world).len(), told(&world, "no health data")), (1, 1), "{:?}", subjects(&world));
    world.live(2);
    assert_eq!((subjects(&world).len(), told(&world, "still not inspected")), (2, 1), "{:?}", subjects(&world));

    let world = World::standard();
    world.set_alarm(AlarmState::InsufficientData);
    world.live(60);
    assert_eq!(accepted(&world), []);
    assert_eq!((subjects(&world).len(), told(&world, "no health data")), (1, 1), "{:?}", subjects(&world));
}
