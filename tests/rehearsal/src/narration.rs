//! What the audience sees: numbered steps, each with what was done, what was seen and how long it took.

use std::cell::{Cell, RefCell};
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

/// Without a terminal, a line that a wait goes on is printed this often.
const PLAIN_PROGRESS: Duration = Duration::from_secs(15);

/// How often a condition is looked at.
const GLANCE: Duration = Duration::from_millis(200);

/// Tells the story and remembers it for `summary.json`.
pub struct Narration {
    output: RefCell<Box<dyn Write + Send>>,
    terminal: bool,
    steps: RefCell<Vec<Told>>,
    begun: Instant,
}

/// One step as it is remembered.
#[derive(Debug, Serialize)]
struct Told {
    step: String,
    outcome: Outcome,
    milliseconds: u128,
    did: Vec<String>,
    saw: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    Passed,
    Failed,
    Interrupted,
}

/// The step that is being told.
pub(crate) struct Step<'a> {
    narration: &'a Narration,
    bar: Option<ProgressBar>,
    begun: Instant,
    said: Cell<Instant>,
    did: RefCell<Vec<String>>,
    saw: RefCell<Vec<String>>,
}

impl Narration {
    /// On standard output, with moving progress where that is a terminal.
    #[must_use]
    pub fn on_standard_output() -> Self {
        let terminal = std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
        Self::new(Box::new(std::io::stdout()), terminal)
    }

    /// Plain lines to `output`.
    #[must_use]
    pub fn plain(output: Box<dyn Write + Send>) -> Self {
        Self::new(output, false)
    }

    fn new(output: Box<dyn Write + Send>, terminal: bool) -> Self {
        Self { output: RefCell::new(output), terminal, steps: RefCell::default(), begun: Instant::now() }
    }

    /// A line of its own.
    pub fn say(&self, line: &str) {
        let mut output = self.output.borrow_mut();
        // An audience that has left is no reason to stop half-way: everything must still be stopped and removed.
        let _ = writeln!(output, "{line}").and_then(|()| output.flush());
    }

    /// Whether progress may move.
    pub(crate) fn terminal(&self) -> bool {
        self.terminal
    }

    /// Plays one step. The first error is told, remembered, and ends the play.
    pub(crate) async fn step<T>(&self, title: &str, play: impl AsyncFnOnce(&Step<'_>) -> Result<T>) -> Result<T> {
        self.say(&format!("{:>3}. {title}", self.told() + 1));
        let bar = self.terminal.then(|| {
            let bar = ProgressBar::new_spinner().with_style(
                ProgressStyle::with_template("     {spinner} {wide_msg}")
                    .unwrap_or_else(|_| ProgressStyle::default_spinner()),
            );
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        let now = Instant::now();
        let step = Step {
            narration: self,
            bar,
            begun: now,
            said: Cell::new(now),
            did: RefCell::default(),
            saw: RefCell::default(),
        };
        let result = play(&step).await;
        if let Some(bar) = &step.bar {
            bar.finish_and_clear();
        }
        let took = step.begun.elapsed();
        let (did, saw) = (step.did.into_inner(), step.saw.into_inner());
        let failure = result.as_ref().err().map(|error| format!("{error:#}"));
        match &failure {
            None => self.say(&format!("     took  {}", seconds(took))),
            Some(failure) => self.say(&format!("     FAILED after {}: {failure}", seconds(took))),
        }
        self.steps.borrow_mut().push(Told {
            step: title.to_owned(),
            outcome: if failure.is_none() { Outcome::Passed } else { Outcome::Failed },
            milliseconds: took.as_millis(),
            did,
            saw,
            failure,
        });
        result
    }

    /// Number of steps told so far.
    pub(crate) fn told(&self) -> usize {
        self.steps.borrow().len()
    }

    /// Writes `summary.json`: every step with its outcome and milliseconds.
    pub(crate) fn summarise(&self, scenario: &str, outcome: Outcome, simulated: &[String], path: &Path) -> Result<()> {
        #[derive(Serialize)]
        struct Summary<'a> {
            scenario: &'a str,
            outcome: Outcome,
            milliseconds: u128,
            /// What this run does not prove, because something else played its part.
            simulated: &'a [String],
            steps: &'a [Told],
        }
        let steps = self.steps.borrow();
        let summary =
            Summary { scenario, outcome, milliseconds: self.begun.elapsed().as_millis(), simulated, steps: &steps };
        let mut text = serde_json::to_string_pretty(&summary)?;
        text.push('\n');
        std::fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
    }

    /// Time since the first word.
    pub(crate) fn elapsed(&self) -> String {
        seconds(self.begun.elapsed())
    }
}

impl Step<'_> {
    /// Something that was done.
    pub(crate) fn did(&self, what: impl Into<String>) {
        self.tell("did", what.into(), &self.did);
    }

    /// Something that was seen.
    pub(crate) fn saw(&self, what: impl Into<String>) {
        self.tell("saw", what.into(), &self.saw);
    }

    fn tell(&self, verb: &str, what: String, memory: &RefCell<Vec<String>>) {
        let line = format!("     {verb}   {}", what.replace('\n', "\n           "));
        match &self.bar {
            Some(bar) => bar.suspend(|| self.narration.say(&line)),
            None => self.narration.say(&line),
        }
        self.said.set(Instant::now());
        memory.borrow_mut().push(what);
    }

    /// What is being waited for: moving on a terminal, now and then a line elsewhere.
    pub(crate) fn waiting(&self, what: &str) {
        let waited = seconds(self.begun.elapsed());
        match &self.bar {
            Some(bar) => bar.set_message(format!("{waited}  {what}")),
            None if self.said.get().elapsed() >= PLAIN_PROGRESS => {
                self.narration.say(&format!("     …     {waited}  {what}"));
                self.said.set(Instant::now());
            }
            None => {}
        }
    }

    /// Looks until there is an answer. `glance` says what it sees meanwhile, which is what a failure tells.
    pub(crate) async fn until<T>(
        &self,
        what: &str,
        patience: Duration,
        mut glance: impl AsyncFnMut() -> Result<Seen<T>>,
    ) -> Result<T> {
        let begun = Instant::now();
        loop {
            match glance().await? {
                Seen::Done(answer) => return Ok(answer),
                Seen::NotYet(sight) if begun.elapsed() >= patience => {
                    bail!("waited {} for {what}, and saw {sight}", seconds(patience));
                }
                Seen::NotYet(sight) => self.waiting(&format!("waiting for {what}; so far {sight}")),
            }
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// Lets time pass, telling why.
    pub(crate) async fn pause(&self, why: &str, duration: Duration) {
        let begun = Instant::now();
        while begun.elapsed() < duration {
            self.waiting(why);
            tokio::time::sleep(GLANCE.min(duration)).await;
        }
    }
}

/// What one look at the world gave.
pub(crate) enum Seen<T> {
    Done(T),
    /// Not what is waited for, but this.
    NotYet(String),
}

fn seconds(duration: Duration) -> String {
    let whole = duration.as_secs();
    if whole >= 60 {
        format!("{} min {} s", whole / 60, whole % 60)
    } else {
        format!("{:.1} s", duration.as_secs_f64())
    }
}
