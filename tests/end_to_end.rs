//! The real template, the real functions and the real tools on a local AWS: scenarios of the rehearsal, as tests.
//!
//! The first run compiles the functions for Lambda and installs the tools, which takes minutes; a later one does not.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use failopen_rehearsal::{Ending, Narration, Options, Scenario, rehearse};

/// Keeps what the narration says.
#[derive(Clone, Default)]
struct Script(Arc<Mutex<Vec<u8>>>);

impl Write for Script {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("the script is not poisoned").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_real_template_and_functions_live_through_an_outage_and_leave_no_trace() {
    let told = played(Scenario::Default, "end-to-end");
    assert!(!told.contains("canary-header"), "a secret header value was told:\n{told}");
    let sums = told.lines().find(|line| line.contains("checked against AWS's models, 0 violations"));
    let sums = sums.unwrap_or_else(|| panic!("the referee has said nothing:\n{told}"));
    // Requests, operations, violations, conditional writes: a referee that saw nothing found no violation either.
    let numbers: Vec<usize> = sums.split(' ').filter_map(|word| word.parse().ok()).collect();
    assert!(numbers[0] > 100 && numbers[1] >= 20 && numbers[3] >= 2, "the referee has not seen the play: {sums}");
}

#[test]
fn the_permissions_of_the_roles_are_needed_and_their_absence_is_told() {
    let told = played(Scenario::PermissionsInBrief, "end-to-end-permissions");
    assert!(told.contains(" 0 missed by nobody or in silence"), "there is no table:\n{told}");
}

#[test]
fn viewers_are_served_through_an_outage_and_inspected_again_after_it() {
    let scenario = Scenario::find("blackhole-both").expect("it is in tests/rehearsal/scenarios");
    played(scenario, "end-to-end-blackhole-both");
}

#[test]
fn dns_fails_over_with_every_function_deleted() {
    let scenario = Scenario::find("functions-removed").expect("it is in tests/rehearsal/scenarios");
    played(scenario, "end-to-end-functions-removed");
}

/// One outage at a time beside what is played without viewers' clocks: in scaled time, a machine that is busy looks like a slow
/// service.
static STAGE: Mutex<()> = Mutex::new(());

/// Plays in a directory of its own, because `cargo rehearse` may be running, and returns what was told.
fn played(scenario: Scenario, run: &str) -> String {
    let _turn = matches!(scenario, Scenario::Outage(_)).then(|| STAGE.lock().unwrap_or_else(PoisonError::into_inner));
    let script = Script::default();
    let narration = Narration::plain(Box::new(script.clone()));
    let ending = rehearse(&scenario, run, &Options::default(), &narration, std::future::pending());
    let told = String::from_utf8_lossy(&script.0.lock().expect("the script is not poisoned")).into_owned();
    match ending {
        Ok(ending) => assert_eq!(ending, Ending::Played, "{told}"),
        Err(error) => panic!("{error:#}\n\n{told}"),
    }
    told
}
