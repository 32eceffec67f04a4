//! Random fault schedules over the real handlers: nothing is violated, and every kind of fault really happened.

use std::fmt::Write;

use failopen_simulation::{Campaign, LARGE, run};

/// Small enough to run always: about two minutes on two cores. `cargo simulate --schedules 1000000` is the large version.
const SCHEDULES: u64 = LARGE;

#[test]
fn no_schedule_violates_an_invariant_and_every_kind_of_fault_took_effect_a_thousand_times() {
    let campaign = Campaign { seed: 0, schedules: SCHEDULES, threads: None, removal: None, stops_at_first: true };
    let summary = run(&campaign, |_| ());
    let mut told = String::new();
    for played in &summary.violated {
        write!(told, "{}\nagain: cargo simulate --schedules 1 --seed {}\n", played.story, played.seed)
            .expect("a string takes everything");
    }
    assert_eq!(summary.violations, 0, "{told}");
    assert_eq!(summary.schedules, SCHEDULES);
    let rare = summary.rare();
    assert!(rare.is_empty(), "these kinds of fault took effect too seldom: {rare:?}");
}
