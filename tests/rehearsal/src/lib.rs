//! An outage that anyone can run: the real template, the real functions and the real tools on a local AWS.
//!
//! [`rehearse`] plays one [`Scenario`] and leaves `target/rehearsal/<run>/summary.json`. Everything that it starts ends with
//! it, and nothing is left outside `target/`.

mod aws;
mod certificates;
mod checkers;
mod deployment;
mod leftovers;
mod local_aws;
mod narration;
mod origins;
mod permissions;
mod play;
mod process;
mod python;
mod referee;
mod resolver;
mod scenario;
mod site;
mod stage;
mod tools;
mod workplace;

use std::future::Future;

use anyhow::{Context, Result, bail};

pub use narration::Narration;
pub use scenario::{Scenario, UnknownScenario};

use narration::Outcome;
use stage::Stage;
use workplace::Workplace;

/// Lines of each log that explain a failure.
const EXCERPT: usize = 15;

/// How a rehearsal that found nothing wrong came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Every expectation was met.
    Played,
    /// `interruption` came first; everything was stopped.
    Interrupted,
}

/// Plays `scenario` in `target/rehearsal/<run>` until its end or until `interruption`.
///
/// # Errors
/// The first expectation that was not met, after the logs that explain it were told; or what kept the play from starting.
/// Everything has been stopped in any case.
pub fn rehearse(
    scenario: Scenario,
    run: &str,
    narration: &Narration,
    interruption: impl Future<Output = ()>,
) -> Result<Ending> {
    if !cfg!(all(target_os = "linux", target_env = "gnu")) {
        bail!(
            "the functions are programs for Linux with glibc, and here they would have to run on another system, so nothing \
             was started. Run this in a container or virtual machine with such a Linux."
        );
    }
    let workplace = Workplace::take(run)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("no thread could be started")?;
    narration.say(&format!("Rehearsal {}: {}.", scenario.name(), scenario.summary()));
    narration.say(&format!("Everything stays in {}.", workplace.run().display()));
    for part in stage::SIMULATED {
        narration.say(&format!("Simulated: {part}."));
    }
    narration.say("");

    let outcome = runtime.block_on(async {
        tokio::select! {
            biased;
            () = async { interruption.await; narration.say("\nStopping everything that was started …") } => None,
            outcome = play_on_stage(scenario, narration, &workplace) => Some(outcome),
        }
    });
    drop(runtime);
    let leftovers = leftovers::end_leftovers(workplace.run());
    let (told, ending) = match outcome {
        None => (Outcome::Interrupted, Ok(Ending::Interrupted)),
        Some(Err(error)) => (Outcome::Failed, Err(error)),
        Some(Ok(())) if !leftovers.is_empty() => {
            let list = leftovers.join(", ");
            (
                Outcome::Failed,
                Err(anyhow::anyhow!("the play went well, but these processes outlived it and were ended: {list}")),
            )
        }
        Some(Ok(())) => (Outcome::Passed, Ok(Ending::Played)),
    };
    let summary = workplace.run().join("summary.json");
    narration.summarise(scenario.name(), told, &stage::SIMULATED, &summary)?;
    if matches!(ending, Ok(Ending::Played)) {
        narration.say(&format!("\nAll {} steps went as expected, in {}.", narration.told(), narration.elapsed()));
    }
    narration.say(&format!("Summary: {}", summary.display()));
    ending
}

/// Sets the stage, plays, and explains a failure while the logs can still be read.
async fn play_on_stage(scenario: Scenario, narration: &Narration, workplace: &Workplace) -> Result<()> {
    let stage = Stage::set(narration, workplace).await?;
    let played = match scenario {
        Scenario::Default => play::default(&stage).await,
        Scenario::Permissions => permissions::play(&stage, permissions::Extent::Everything).await,
        Scenario::PermissionsInBrief => permissions::play(&stage, permissions::Extent::Brief).await,
    };
    if played.is_err() {
        stage.explain(EXCERPT).await;
    }
    let judged = judge(&stage);
    played.and(judged)?;
    match (scenario, stage.referee.report().shortfall()) {
        (Scenario::Default, Some(shortfall)) => bail!(
            "the referee has not seen the whole play, so its word is worth nothing: {shortfall}. Look at {}",
            stage.workplace.run().join("referee.jsonl").display()
        ),
        (Scenario::Default | Scenario::Permissions | Scenario::PermissionsInBrief, _) => Ok(()),
    }
}

/// Tells what the referee has seen. A request that AWS would refuse fails the rehearsal even where the local AWS took it.
fn judge(stage: &Stage<'_>) -> Result<()> {
    let report = stage.referee.report();
    stage.narration.say(&format!("\n{report}"));
    for violation in &report.violations {
        stage.narration.say(&format!("     | {violation}"));
    }
    if let Some(first) = report.violations.first() {
        bail!(
            "{} exchanges break AWS's models, the first one: {first}; all of them are in {}",
            report.violations.len(),
            stage.workplace.run().join("referee.jsonl").display()
        );
    }
    Ok(())
}

/// The scenarios, one a line, as `cargo rehearse list` prints them.
#[must_use]
pub fn scenarios() -> String {
    Scenario::ALL.map(|scenario| format!("{:<22} {}", scenario.name(), scenario.summary())).join("\n")
}

/// Refuses what the contract names and this version cannot do yet.
///
/// # Errors
/// Always for `all` and `compare`: the outages that they sum up and compare are not here yet.
pub fn refuse_unready(name: &str) -> Result<()> {
    match name {
        "all" | "compare" => bail!(
            "`{name}` belongs to the outage lab, which is not here yet, so nothing was played. \
             Run `cargo rehearse list` for the scenarios that there are."
        ),
        _ => Ok(()),
    }
}
