//! The real template, the real functions and the real tools on a local AWS: the default rehearsal, as a test.
//!
//! The first run compiles the functions for Lambda and installs the tools, which takes minutes; a later one does not.

use std::io::Write;
use std::sync::{Arc, Mutex};

use failopen_rehearsal::{Ending, Narration, Scenario, rehearse};

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
    let script = Script::default();
    let narration = Narration::plain(Box::new(script.clone()));
    // A directory of its own: `cargo rehearse` may be running.
    let ending = rehearse(Scenario::Default, "end-to-end", &narration, std::future::pending());
    let told = String::from_utf8_lossy(&script.0.lock().expect("the script is not poisoned")).into_owned();
    match ending {
        Ok(ending) => assert_eq!(ending, Ending::Played, "{told}"),
        Err(error) => panic!("{error:#}\n\n{told}"),
    }
    assert!(!told.contains("canary-header"), "a secret header value was told:\n{told}");
}
