//! Where a rehearsal keeps everything it writes: one directory under `target/`, held by one run at a time.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::narration::Step;

/// The directories of one run, and the lock that keeps a second run out of them.
pub(crate) struct Workplace {
    repository: PathBuf,
    target: PathBuf,
    run: PathBuf,
    /// Held until the run ends; the operating system lets go of it even after a crash.
    _lock: File,
}

impl Workplace {
    /// Takes `target/rehearsal/<run>` and empties what an earlier run left there.
    pub(crate) fn take(run: &str) -> Result<Self> {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../..")
            .canonicalize()
            .context("the repository that this rehearsal was built from is gone; build it again where you cloned it")?;
        let target = match std::env::var_os("CARGO_TARGET_DIR") {
            Some(directory) => std::path::absolute(directory)?,
            None => repository.join("target"),
        };
        let run = target.join("rehearsal").join(run);
        std::fs::create_dir_all(&run).with_context(|| format!("{} cannot be created", run.display()))?;
        let lock = run.join("lock");
        let file = File::options().create(true).truncate(false).write(true).open(&lock)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!(
                "another rehearsal is using {}; nothing was started. Wait for it to end, or stop it, and run this again.",
                run.display()
            ),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("{} cannot be locked", lock.display()));
            }
        }
        let workplace = Self { repository, target, run, _lock: file };
        workplace.empty()?;
        Ok(workplace)
    }

    fn empty(&self) -> Result<()> {
        for entry in std::fs::read_dir(&self.run)? {
            let entry = entry?;
            if entry.file_name() == "lock" {
                continue;
            }
            if entry.file_type()?.is_dir() {
                std::fs::remove_dir_all(entry.path())?;
            } else {
                std::fs::remove_file(entry.path())?;
            }
        }
        for directory in ["home", "tmp", "logs"] {
            std::fs::create_dir_all(self.run.join(directory))?;
        }
        Ok(())
    }

    /// The root of the repository.
    pub(crate) fn repository(&self) -> &Path {
        &self.repository
    }

    /// Cargo's target directory: what runs share (tools, compiled functions) lives there.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// What the runs of all scenarios share: environments of Python, caches.
    pub(crate) fn shared(&self) -> PathBuf {
        self.target.join("rehearsal")
    }

    /// This run's own directory.
    pub(crate) fn run(&self) -> &Path {
        &self.run
    }

    /// Home directory of the tools, so that nothing is left in the user's own.
    pub(crate) fn home(&self) -> PathBuf {
        self.run.join("home")
    }

    /// Directory for temporary files of what is started.
    pub(crate) fn temporary(&self) -> PathBuf {
        self.run.join("tmp")
    }

    /// Where the output of `name` goes.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.run.join("logs").join(format!("{name}.log"))
    }

    /// Waits for its turn with something that runs share, e.g. the compiled functions. The turn ends with the answer.
    pub(crate) async fn turn(&self, what: &str, step: &Step<'_>) -> Result<File> {
        let path = self.shared().join(format!("{what}.lock"));
        let file = File::options().create(true).truncate(false).write(true).open(&path)?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => step.waiting(&format!("another run is busy with the {what}")),
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| format!("{} cannot be locked", path.display()));
                }
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}
