//! Random fault schedules over the real handlers: what they violate is known, and every kind of fault really happened.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Mutex;

use failopen_simulation::{Campaign, LARGE, run};

/// Small enough to run always: about two minutes on two cores. `cargo simulate --schedules 1000000` is the large version.
const SCHEDULES: u64 = LARGE;

/// Open defects: the schedules that show them, and what is violated. docs/assurance.md says what each group is about. A mend
/// takes its line away here; nothing may be added without a line there.
const OPEN: [(u64, &str); 0] = [];

#[test]
fn schedules_violate_nothing_but_what_is_known_and_every_kind_of_fault_took_effect_a_thousand_times() {
    let campaign = Campaign { seed: 0, schedules: SCHEDULES, threads: None, removal: None, stops_at_first: false };
    let found = Mutex::new(BTreeMap::new());
    let summary = run(&campaign, |played| {
        for violation in &played.violations {
            let mut found = found.lock().expect("nobody panics with it");
            found.entry(played.seed).or_insert_with(Vec::new).push(violation.invariant.to_owned());
        }
    });
    let found = found.into_inner().expect("nobody panicked with it");
    let known: BTreeMap<u64, &str> = OPEN.into_iter().collect();
    let mut wrong = String::new();
    for (seed, invariants) in &found {
        if known.get(seed).is_none_or(|known| invariants.iter().any(|invariant| invariant != known)) {
            let story = failopen_simulation::play(*seed, None, true).story;
            writeln!(wrong, "{story}\n{invariants:?}; again: cargo simulate --schedules 1 --seed {seed}")
                .expect("a string takes everything");
        }
    }
    for seed in known.keys().filter(|seed| !found.contains_key(seed)) {
        writeln!(wrong, "seed {seed} violates nothing any more: take it out of OPEN")
            .expect("a string takes everything");
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert_eq!((summary.schedules, summary.violations), (SCHEDULES, OPEN.len() as u64));
    let rare = summary.rare();
    assert!(rare.is_empty(), "these kinds of fault took effect too seldom: {rare:?}");
}
