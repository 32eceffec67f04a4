//! Every rule of the design, taken away alone, is noticed: the simulation is not vacuous.
#![expect(clippy::print_stderr, reason = "the table is what this test has to say")]

use failopen_simulation::play;
use failopen_simulation::removal::Removal;

/// Schedules within which a missing rule has to be noticed. The rarest needs a few hundred; more would mean that the
/// schedules seldom get to where the rule matters.
const SCHEDULES: u64 = 3_000;

#[test]
fn every_rule_that_is_taken_away_is_noticed_and_the_same_schedule_with_it_is_clean() {
    let mut table = String::new();
    let mut unnoticed = Vec::new();
    for removal in Removal::ALL {
        let noticed = (0..SCHEDULES).map(|seed| play(seed, Some(removal), false)).find(|played| {
            // A schedule counts only where nothing but the missing rule is to blame.
            !played.violations.is_empty() && play(played.seed, None, false).violations.is_empty()
        });
        match noticed {
            Some(played) => {
                let by = played.violations[0].invariant;
                let line =
                    format!("{:<40}{by:<6}seed {:<8}{} schedules\n", removal.name(), played.seed, played.seed + 1);
                table.push_str(&line);
            }
            None => unnoticed.push(removal.name()),
        }
    }
    eprintln!("{table}");
    assert!(unnoticed.is_empty(), "not noticed within {SCHEDULES} schedules: {unnoticed:?}");
}
