//! What the referee has seen: one JSON line an exchange, and the sums.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde::Serialize;

use super::emulator_faults;
use super::judge::Heard;
use super::node::Violation;

/// Status of an answer that refuses a call for want of a permission.
const FORBIDDEN: u16 = 403;

/// The file and the sums.
#[derive(Debug)]
pub(crate) struct Transcript {
    file: Mutex<File>,
    sums: Mutex<Sums>,
}

#[derive(Clone, Debug, Default)]
struct Sums {
    requests: usize,
    operations: BTreeSet<(String, String)>,
    fenced_updates: usize,
    violations: Vec<String>,
    excused: usize,
    refusals: BTreeMap<String, usize>,
}

/// What a whole rehearsal came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) requests: usize,
    pub(crate) operations: usize,
    /// Writes of a distribution's configuration that were conditional on an ETag and accepted.
    pub(crate) fenced_updates: usize,
    /// A line for each violation of a request, and for each of an answer that is no known fault of the local AWS.
    pub(crate) violations: Vec<String>,
    /// Known faults of the local AWS that were seen.
    pub(crate) excused: usize,
    /// Patterns that the models have.
    pub(crate) patterns: usize,
    /// Patterns that are written for another dialect and that nothing was held against.
    pub(crate) unchecked_patterns: usize,
}

/// Operations that a play of a whole life, from the deployment to the deletion, cannot do without.
const FEWEST_OPERATIONS: usize = 20;

impl Report {
    /// What is missing for a play of a whole life. A referee that was passed by finds no violation either.
    pub(crate) fn shortfall(&self) -> Option<String> {
        if self.operations < FEWEST_OPERATIONS {
            return Some(format!(
                "it saw {} operations, and a whole life has at least {FEWEST_OPERATIONS}",
                self.operations
            ));
        }
        (self.fenced_updates == 0).then(|| "it saw no UpdateDistribution with If-Match".to_owned())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} requests of {} operations checked against AWS's models, {} violations; {} UpdateDistribution with If-Match, {} \
             faults in answers of the local AWS excused, {} of the models' {} patterns in another dialect and unchecked",
            self.requests,
            self.operations,
            self.violations.len(),
            self.fenced_updates,
            self.excused,
            self.unchecked_patterns,
            self.patterns
        )
    }
}

/// One exchange. No value of a header or body is in it: they may be secrets.
#[derive(Serialize)]
struct Line<'a> {
    time: Timestamp,
    service: &'a str,
    operation: &'a str,
    status: u16,
    milliseconds: u128,
    request: &'a [Violation],
    answer: &'a [Violation],
    known_faults: &'a [Violation],
}

impl Transcript {
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("{} cannot be written", path.display()))?;
        Ok(Self { file: Mutex::new(file), sums: Mutex::default() })
    }

    /// Writes down one exchange.
    pub(crate) fn record(&self, heard: &Heard, status: u16, took: Duration, answer: Vec<Violation>) {
        let (known, answer): (Vec<_>, Vec<_>) =
            answer.into_iter().partition(|violation| emulator_faults::is_known(&heard.operation, violation));
        let line = Line {
            time: Timestamp::now(),
            service: &heard.service,
            operation: &heard.operation,
            status,
            milliseconds: took.as_millis(),
            request: &heard.violations,
            answer: &answer,
            known_faults: &known,
        };
        if let (Ok(mut file), Ok(mut text)) = (self.file.lock(), serde_json::to_vec(&line)) {
            text.push(b'\n');
            // What cannot be written is still in the sums, which decide.
            let _ = file.write_all(&text);
        }
        if let Ok(mut sums) = self.sums.lock() {
            sums.requests += 1;
            sums.operations.insert((heard.service.clone(), heard.operation.clone()));
            sums.excused += known.len();
            sums.fenced_updates += usize::from(heard.is_fenced_update() && status < 300);
            if status == FORBIDDEN {
                *sums.refusals.entry(heard.operation.clone()).or_default() += 1;
            }
            for (whose, violations) in [("request", &heard.violations), ("answer", &answer)] {
                let lines = violations
                    .iter()
                    .map(|violation| format!("{} {}, {whose}: {violation}", heard.service, heard.operation));
                sums.violations.extend(lines);
            }
        }
    }

    /// How often an operation was refused for want of a permission.
    pub(crate) fn refusals(&self, operation: &str) -> usize {
        self.sums.lock().ok().and_then(|sums| sums.refusals.get(operation).copied()).unwrap_or_default()
    }

    /// The sums so far. `patterns`: how many the models have, and how many of them are unchecked.
    pub(crate) fn report(&self, (patterns, unchecked_patterns): (usize, usize)) -> Report {
        let sums = self.sums.lock().map(|sums| sums.clone()).unwrap_or_default();
        Report {
            requests: sums.requests,
            operations: sums.operations.len(),
            fenced_updates: sums.fenced_updates,
            violations: sums.violations,
            excused: sums.excused,
            patterns,
            unchecked_patterns,
        }
    }
}
