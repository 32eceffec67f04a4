//! Private Python environments under `target/`, one for each list of pinned packages.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::narration::Step;
use crate::process::Process;
use crate::workplace::Workplace;

/// Oldest Python that the pinned packages run on.
const OLDEST: (u32, u32) = (3, 10);

/// A hundred packages over a slow line.
const INSTALLATION: Duration = Duration::from_secs(30 * 60);

/// Present in an environment whose installation went to its end.
const COMPLETE: &str = "complete";

/// A ready environment.
#[derive(Clone, Debug)]
pub(crate) struct Environment {
    directory: PathBuf,
}

impl Environment {
    /// The environment of this list of packages; made on first use, and again whenever the list changes.
    pub(crate) async fn of(requirements: &Path, name: &str, workplace: &Workplace, step: &Step<'_>) -> Result<Self> {
        let list = std::fs::read_to_string(requirements)
            .with_context(|| format!("{} cannot be read", requirements.display()))?;
        let python = Python::find()?;
        let mut hash = DefaultHasher::new();
        (&list, &python.version).hash(&mut hash);
        let directory = workplace.shared().join("python").join(format!("{name}-{:016x}", hash.finish()));
        let environment = Self { directory };

        let _turn = workplace.turn(name, step).await?;
        if environment.directory.join(COMPLETE).exists() {
            step.saw(format!("{name}: installed already, in {}", environment.directory.display()));
            return Ok(environment);
        }
        if environment.directory.exists() {
            std::fs::remove_dir_all(&environment.directory)?;
        }
        python.make(&environment.directory)?;
        let mut install = Command::new(environment.program("python"));
        install
            .args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off"])
            .arg("--cache-dir")
            .arg(workplace.shared().join("pip"))
            .arg("-r")
            .arg(requirements);
        Process::start(&format!("installing {name}"), &mut install, &workplace.log(&format!("pip-{name}")))?
            .finish(INSTALLATION, step)
            .await
            .context("the pinned packages could not be installed; is a package index reachable?")?;
        std::fs::write(environment.directory.join(COMPLETE), "")?;
        step.did(format!("installed {name} into {}", environment.directory.display()));
        Ok(environment)
    }

    /// Path of a program of this environment.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.programs().join(name)
    }

    /// Where its packages are: `lib/python3.11/site-packages`, whatever the version.
    pub(crate) fn packages(&self) -> Result<PathBuf> {
        let library = self.directory.join("lib");
        let versions = std::fs::read_dir(&library).with_context(|| format!("{} cannot be read", library.display()))?;
        let packages = versions.filter_map(|entry| Some(entry.ok()?.path().join("site-packages")));
        packages.filter(|path| path.is_dir()).max().with_context(|| format!("{} holds no packages", library.display()))
    }

    /// Where its programs are.
    pub(crate) fn programs(&self) -> PathBuf {
        self.directory.join("bin")
    }
}

/// The Python that environments are made with.
struct Python {
    program: String,
    version: String,
}

impl Python {
    fn find() -> Result<Self> {
        let mut found = Vec::new();
        let candidates = ["python3", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10"];
        for program in candidates {
            let output = Command::new(program)
                .args(["-c", "import sys; print('%d.%d.%d' % sys.version_info[:3])"])
                .stderr(Stdio::null())
                .output();
            let Ok(output) = output else { continue };
            let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            if is_recent(&version) {
                return Ok(Self { program: program.to_owned(), version });
            }
            if !version.is_empty() {
                found.push(format!("{program} is {version}"));
            }
        }
        let seen = if found.is_empty() { "there is no python3".to_owned() } else { found.join(", ") };
        bail!(
            "the local AWS and the SAM CLI need Python {}.{} or newer, and on this PATH {seen}; nothing was started. \
             Install it (Debian, Ubuntu: apt install python3 python3-venv) and run this again.",
            OLDEST.0,
            OLDEST.1
        )
    }

    fn make(&self, directory: &Path) -> Result<()> {
        let output = Command::new(&self.program)
            .args(["-m", "venv"])
            .arg(directory)
            .output()
            .with_context(|| format!("{} cannot be started", self.program))?;
        if !output.status.success() {
            bail!(
                "{} cannot make a virtual environment; nothing was started. Debian and Ubuntu keep that part in a package \
                 of its own: apt install python3-venv. It said: {}{}",
                self.program,
                String::from_utf8_lossy(&output.stdout).trim(),
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(())
    }
}

fn is_recent(version: &str) -> bool {
    let mut parts = version.split('.').map(str::parse::<u32>);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= OLDEST,
        _ => false,
    }
}

/// The packages beside the local AWS, installed where they are not: botocore's models are among them.
#[cfg(test)]
pub(crate) fn packages_for_tests() -> Result<PathBuf> {
    // Tests run at the same time, and a workplace is one run's at a time.
    static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let workplace = Workplace::take("referee-tests")?;
    let requirements = workplace.repository().join("tests/rehearsal/local_aws/requirements.txt");
    let install = || {
        let narration = crate::narration::Narration::plain(Box::new(std::io::sink()));
        let of = async |step: &Step<'_>| Environment::of(&requirements, "local-aws", &workplace, step).await;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(narration.step("The packages", of))
    };
    // A thread of its own, because the test that asks may be inside a runtime.
    std::thread::scope(|scope| {
        scope.spawn(install).join().map_err(|_| anyhow::anyhow!("the installation panicked"))?
    })?
    .packages()
}

#[cfg(test)]
mod tests {
    use super::is_recent;

    #[test]
    fn python_is_recent_from_three_ten_on() {
        assert!(is_recent("3.10.0") && is_recent("3.14.1") && is_recent("4.0.0"));
        assert!(!is_recent("3.9.18") && !is_recent("2.7.18") && !is_recent(""));
    }
}
