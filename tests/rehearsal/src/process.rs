//! Programs that the rehearsal starts: each in a process group of its own, ended with everything that it started.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::narration::Step;

/// How long a program may take to end by itself once asked.
const PATIENCE: Duration = Duration::from_secs(5);

/// A running program. Dropping it ends it and its children.
pub(crate) struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    /// Open as long as this program is wanted; a program may end itself when it is closed, should we be killed.
    _input: Option<ChildStdin>,
}

impl Process {
    /// Starts `command` with its output in `log`.
    pub(crate) fn start(name: &str, command: &mut Command, log: &Path) -> Result<Self> {
        let file = File::create(log).with_context(|| format!("{} cannot be written", log.display()))?;
        let mut child =
            command
                .stdin(Stdio::piped())
                .stdout(file.try_clone()?)
                .stderr(file)
                .process_group(0)
                .spawn()
                .with_context(|| format!("{name} cannot be started ({})", command.get_program().to_string_lossy()))?;
        let input = child.stdin.take();
        Ok(Self { name: name.to_owned(), child, log: log.to_owned(), _input: input })
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// Waits for the end, telling the last line of output meanwhile. A failure brings the end of the output with it.
    pub(crate) async fn finish(mut self, patience: Duration, step: &Step<'_>) -> Result<()> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.ended()? {
                if status.success() {
                    return Ok(());
                }
                bail!(
                    "{} ended with {status}; its last words ({}):\n{}",
                    self.name,
                    self.log.display(),
                    tail(&self.log, 25)
                );
            }
            let last = tail(&self.log, 1);
            if begun.elapsed() >= patience {
                let minutes = patience.as_secs() / 60;
                bail!("{} has not ended after {minutes} minutes and was stopped; it said last: {last}", self.name);
            }
            step.waiting(&format!("{}: {}", self.name, last.trim()));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn signal(&self, signal: Signal) {
        // The group is this program's own (see `start`); it is gone when all in it have ended.
        if let Ok(id) = i32::try_from(self.child.id()) {
            let _ = killpg(Pid::from_raw(id), signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal(Signal::SIGTERM);
            let asked = Instant::now();
            while asked.elapsed() < PATIENCE && matches!(self.child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        // Children of a program that has ended by itself are still in its group.
        self.signal(Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

/// The last `lines` lines of a text file, for people. A file that cannot be read has none.
pub(crate) fn tail(path: &Path, lines: usize) -> String {
    const WINDOW: u64 = 64 * 1024;
    let text = File::open(path)
        .and_then(|mut file| {
            use std::io::{Read, Seek, SeekFrom};
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(WINDOW)))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        })
        .unwrap_or_default();
    let all: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_program_is_ended_with_its_children() {
        let log = std::env::temp_dir().join(format!("failopen-process-{}.log", std::process::id()));
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 600 & echo $!; wait"]);
        let process = Process::start("sh", &mut command, &log).unwrap();
        let child = loop {
            if let Ok(id) = tail(&log, 1).parse::<i32>() {
                break id;
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        drop(process);
        std::fs::remove_file(&log).unwrap();
        // The signal is sent when the drop returns; the end of a process that is not ours to wait for may take a moment, and
        // its entry stays until the init process has collected it.
        let ended = || {
            let state = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
            state.is_empty() || state.contains(") Z ")
        };
        let asked = Instant::now();
        while !ended() {
            assert!(asked.elapsed() < PATIENCE, "process {child} has outlived its parent");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn the_tail_of_a_file_is_its_last_lines() {
        let path = std::env::temp_dir().join(format!("failopen-tail-{}.log", std::process::id()));
        std::fs::write(&path, "one\ntwo\n\nthree\n").unwrap();
        assert_eq!(tail(&path, 2), "two\nthree");
        std::fs::remove_file(&path).unwrap();
    }
}
