//! Rows about how often automation may flip, and who may stop it.

use failopen::posture::Side;
use failopen_tests::events;
use failopen_tests::world::{World, inspection_origin};
use serde_json::json;

use crate::stage::{
    accepted, in_an_outage, is_bypassed, looked_at, minutes, puts, reason, seconds, settled, subjects, told,
};

/// `MaximumFlipsPerDay` and `MinimumDwellSeconds` of the standard protection: the contract's defaults.
const MOST: usize = 6;
const DWELL: i64 = 300;

/// Row 8: Terraform reverts every bypass while the alarm rings (I6, I12).
pub(crate) fn who_reverts_a_bypass_is_told_of_and_fought_only_as_dwell_and_budget_allow() {
    let world = in_an_outage();
    let mut reverted = 0;
    for _ in 0..120 {
        world.tick();
        if is_bypassed(&world) {
            world.retarget_by_hand("*", &inspection_origin());
            reverted += 1;
        }
        world.pass(minutes(1));
    }
    let times = accepted(&world);
    assert_eq!((times.len(), reverted), (MOST, MOST));
    assert!(times.windows(2).all(|pair| pair[1].duration_since(pair[0]) >= seconds(DWELL)), "{times:?}");
    // Within a minute of the dwell time's end: the fight is taken up again by the next tick.
    assert!(times.windows(2).all(|pair| pair[1].duration_since(pair[0]) <= seconds(DWELL + 60)), "{times:?}");
    assert!(world.row().latch.is_some());
    assert_eq!(told(&world, "moved back by somebody else"), reverted, "{:?}", subjects(&world));
    assert_eq!(told(&world, "latched"), 1, "{:?}", subjects(&world));
    world.cloud.clear_calls();
    world.live(60);
    assert_eq!(puts(&world), [], "latched until an operator acts");
    world
        .flip(json!({"action": "bypass", "protection": "www", "reason": "INC-42"}))
        .expect("an operator is not limited");
    assert!(is_bypassed(&world));
}

/// Row 19: the alarm changes every 60 seconds for 2 hours (I12).
pub(crate) fn flapping_every_minute_for_two_hours_spends_the_budget_and_latches() {
    // With the contract's hold-down of 15 minutes there is no flapping at all: one bypass, and no way back.
    let world = flapped(settled());
    assert_eq!(accepted(&world).len(), 1);
    assert!(is_bypassed(&world) && world.row().latch.is_none());

    // Without a hold-down the dwell time and the budget are what is left.
    let world = flapped(looked_at(World::with(|spec| spec.automation.hold_down_seconds = 0)));
    let times = accepted(&world);
    assert_eq!(times.len(), MOST);
    assert!(times.windows(2).all(|pair| pair[1].duration_since(pair[0]) >= seconds(DWELL)), "{times:?}");
    assert!(world.row().latch.is_some());
    assert_eq!(told(&world, "latched"), 1, "{:?}", subjects(&world));
    let sides: Vec<Side> = world.row().flips.iter().map(|flip| flip.to).collect();
    assert!(sides.windows(2).all(|pair| pair[0] != pair[1]), "{sides:?}");
}

fn flapped(world: World) -> World {
    for minute in 0..120 {
        if minute % 2 == 0 {
            world.inspection_dies();
            world.react_and_deliver(events::alarm_metric());
        } else {
            world.inspection_recovers();
            world.react_and_deliver(events::alarm_metric_ok());
        }
        world.pass(seconds(30));
        world.tick();
        world.pass(seconds(30));
    }
    world
}

/// Row 35: the override `hold` during ALARM (I14).
pub(crate) fn a_pin_to_hold_during_an_alarm_makes_no_put() {
    let world = settled();
    let pin = json!({"action": "pin", "protection": "www", "posture": "hold", "reason": "INC-1", "expiresIn": "never"});
    world.flip(pin).expect("pinned");
    world.inspection_dies();
    let answer = world.react_and_deliver(events::alarm_metric());
    assert_eq!(reason(&answer), "Pinned");
    world.live(24 * 60);
    assert_eq!(puts(&world), []);
    world.flip(json!({"action": "unpin", "protection": "www"})).expect("unpinned");
    world.tick();
    assert!(is_bypassed(&world), "the pin alone has held it");
    assert_eq!(puts(&world).len(), 1);
}
