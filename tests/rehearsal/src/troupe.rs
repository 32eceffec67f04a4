//! Several plays, some at a time: each on a thread and in a directory of its own, its words in a file of its own.

use std::collections::VecDeque;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError, mpsc};

use anyhow::{Context, Result, bail};
use tokio::sync::watch;

use crate::narration::{Narration, Outcome};
use crate::rehearsal::{self, Played};
use crate::report::compare::Comparison;
use crate::report::{self, Figures, Play};
use crate::scenario::{Outage, Scenario};
use crate::workplace::Workplace;
use crate::{Ending, Options, stage};

/// Name of the directory that several plays leave what they have in common.
const ALL: &str = "all";
const COMPARE: &str = "compare";

/// How one play of several ended.
struct Ended {
    scenario: Scenario,
    outcome: Result<(Ending, Option<Played>)>,
    words: PathBuf,
}

/// See [`crate::rehearse_all`].
pub(crate) fn all(options: &Options, narration: &Narration, interruption: watch::Receiver<bool>) -> Result<Ending> {
    let scenarios = playable(Scenario::outages()?, narration);
    let workplace = Workplace::take(ALL)?;
    let count = scenarios.len();
    narration.say(&format!("{count} outages, {} at a time, at {}.", options.jobs, options.scale));
    let mut failed = Vec::new();
    let mut interrupted = false;
    play(scenarios, &workplace, options, &interruption, |ended| {
        let name = ended.scenario.name().to_owned();
        match &ended.outcome {
            Ok((Ending::Played, Some(played))) => {
                let play = view(&ended.scenario, options, Outcome::Passed, played, &[]);
                let brief = report::in_a_line(&Figures::of(play.record, play.layers, play.ended));
                narration.say(&format!("ok      {name:<34} {brief}"));
            }
            Ok((Ending::Played, None)) => narration.say(&format!("ok      {name}")),
            Ok((Ending::Interrupted, _)) => interrupted = true,
            Err(error) => {
                narration.say(&format!("FAILED  {name:<34} {error:#}\n        its words: {}", ended.words.display()));
                failed.push(name);
            }
        }
    })?;
    if interrupted {
        return Ok(Ending::Interrupted);
    }
    if !failed.is_empty() {
        bail!(
            "{} of {count} outages failed: {}. Play one alone: cargo rehearse {}",
            failed.len(),
            failed.join(", "),
            failed[0]
        );
    }
    narration.say(&format!("\nAll {count} outages went as expected, in {}.", narration.elapsed()));
    Ok(Ending::Played)
}

/// Those that this machine has the programs for; the others are named.
fn playable(scenarios: Vec<Scenario>, narration: &Narration) -> Vec<Scenario> {
    let can_be_played = |scenario: &Scenario| match scenario.can_be_played() {
        Ok(()) => true,
        Err(error) => {
            narration.say(&format!("left out {:<33} {error:#}", scenario.name()));
            false
        }
    };
    scenarios.into_iter().filter(can_be_played).collect()
}

/// See [`crate::compare`].
pub(crate) fn compare(options: &Options, narration: &Narration, interruption: watch::Receiver<bool>) -> Result<Ending> {
    let scenarios = Scenario::comparison()?;
    let workplace = Workplace::take(COMPARE)?;
    narration.say(&format!("One outage, {} times, {} at a time, at {}.", scenarios.len(), options.jobs, options.scale));
    let mut plays = Vec::new();
    let mut failed = Vec::new();
    let mut interrupted = false;
    play(scenarios, &workplace, options, &interruption, |ended| match ended.outcome {
        Ok((Ending::Played, Some(played))) => {
            narration.say(&format!("ok      {}", ended.scenario.name()));
            plays.push((ended.scenario, played));
        }
        Ok((Ending::Played, None)) => {}
        Ok((Ending::Interrupted, _)) => interrupted = true,
        Err(error) => {
            let (name, words) = (ended.scenario.name(), ended.words.display());
            narration.say(&format!("FAILED  {name:<34} {error:#}\n        its words: {words}"));
            failed.push(name.to_owned());
        }
    })?;
    if interrupted {
        return Ok(Ending::Interrupted);
    }
    if !failed.is_empty() {
        bail!("there is no comparison, because {} failed", failed.join(", "));
    }
    let simulated = stage::simulated(options.scale);
    let mut views: Vec<Play<'_>> =
        plays.iter().map(|(scenario, played)| view(scenario, options, Outcome::Passed, played, &simulated)).collect();
    views.sort_by_key(|play| play.layers);
    let comparison = Comparison::of(&views).context("there is no scenario to compare")?;
    comparison.write(&views, workplace.run())?;
    narration.say(&format!("\n{}", comparison.plain()));
    narration.say(&format!("Report:  {}", workplace.run().join("report.html").display()));
    narration.say(&format!("Summary: {}", workplace.run().join("summary.json").display()));
    Ok(Ending::Played)
}

/// A play as its report sees it.
fn view<'a>(
    scenario: &'a Scenario,
    options: &Options,
    outcome: Outcome,
    played: &'a Played,
    simulated: &'a [String],
) -> Play<'a> {
    let layers = match scenario {
        Scenario::Outage(Outage(script)) => script.layers,
        Scenario::Default | Scenario::Permissions | Scenario::PermissionsInBrief | Scenario::Provisioning => {
            crate::script::Layers::Both
        }
    };
    Play {
        scenario: scenario.name(),
        summary: scenario.summary(),
        layers,
        scale: options.scale,
        seed: options.seed,
        outcome,
        failure: played.failure.as_deref(),
        expectations: played.checked.clone(),
        simulated,
        record: &played.record,
        ended: played.ended,
    }
}

/// Plays them, and hands on each as it ends. The order of endings is theirs.
fn play(
    scenarios: Vec<Scenario>,
    workplace: &Workplace,
    options: &Options,
    interruption: &watch::Receiver<bool>,
    mut ended: impl FnMut(Ended),
) -> Result<()> {
    let waiting = Mutex::new(VecDeque::from(scenarios));
    let (told, heard) = mpsc::channel();
    std::thread::scope(|threads| {
        for _ in 0..options.jobs {
            let (told, waiting) = (told.clone(), &waiting);
            threads.spawn(move || {
                loop {
                    let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                    let Some(scenario) = next.filter(|_| !*interruption.borrow()) else {
                        return;
                    };
                    let words = workplace.log(scenario.name());
                    let outcome = one(&scenario, &words, options, interruption.clone());
                    if told.send(Ended { scenario, outcome, words }).is_err() {
                        return;
                    }
                }
            });
        }
        drop(told);
        for end in heard {
            ended(end);
        }
    });
    Ok(())
}

fn one(
    scenario: &Scenario,
    words: &PathBuf,
    options: &Options,
    mut interruption: watch::Receiver<bool>,
) -> Result<(Ending, Option<Played>)> {
    let file = File::create(words).with_context(|| format!("{} cannot be written", words.display()))?;
    let narration = Narration::plain(Box::new(file));
    let interrupted = async move {
        if interruption.wait_for(|interrupted| *interrupted).await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    rehearsal::play(scenario, scenario.name(), options, &narration, interrupted)
}
