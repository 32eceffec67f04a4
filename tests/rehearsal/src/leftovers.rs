//! Proof that nothing goes on: every process of a run carries its mark in the environment.

use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::local_aws::MARK;

/// Ends what is still running with the mark of this run, and says what that was. The list should be empty.
pub(crate) fn end_leftovers(run: &Path) -> Vec<String> {
    let mark = format!("{MARK}={}", run.display());
    let mut ended = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        // Processes of other users cannot be read, and are not ours.
        let Ok(environment) = std::fs::read(entry.path().join("environ")) else {
            continue;
        };
        if environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes()) {
            let program = std::fs::read_link(entry.path().join("exe")).unwrap_or_default();
            if kill(Pid::from_raw(id), Signal::SIGKILL).is_ok() {
                ended.push(format!("{id} ({})", program.display()));
            }
        }
    }
    ended
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_the_mark_of_the_run_is_found_and_ended() {
        let run = std::env::temp_dir().join(format!("failopen-leftover-{}", std::process::id()));
        let mut child = std::process::Command::new("sleep").arg("600").env(MARK, &run).spawn().unwrap();
        let ended = loop {
            // Between fork and exec the child still has our own environment.
            let ended = end_leftovers(&run);
            if !ended.is_empty() {
                break ended;
            }
            std::thread::yield_now();
        };
        assert_eq!(ended.len(), 1);
        assert!(ended[0].starts_with(&child.id().to_string()), "{ended:?}");
        assert!(!child.wait().unwrap().success());
    }
}
