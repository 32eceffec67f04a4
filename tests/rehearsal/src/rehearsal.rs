//! One play from the empty directory to the summary, with everything stopped in between.

use std::cell::RefCell;
use std::future::Future;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::clock::Moment;
use crate::gdnsd;
use crate::lab;
use crate::leftovers;
use crate::narration::{Narration, Outcome};
use crate::permissions;
use crate::play;
use crate::provisioning;
use crate::report::agreement::{Verdict, agreement};
use crate::report::{self, Checked, Play};
use crate::scenario::{Outage, Scenario};
use crate::script::Dns;
use crate::stage::{self, Stage};
use crate::timeline::Record;
use crate::workplace::Workplace;
use crate::{Ending, Options};

/// Lines of each log that explain a failure.
const EXCERPT: usize = 15;

/// What an outage left: for the report, and for a comparison with others.
pub(crate) struct Played {
    pub(crate) record: Record,
    pub(crate) checked: Vec<Checked>,
    pub(crate) failure: Option<String>,
    pub(crate) ended: Moment,
    pub(crate) report: PathBuf,
}

/// See [`crate::rehearse`]. An outage's record comes with it, where one was played to its end.
pub(crate) fn play(
    scenario: &Scenario,
    run: &str,
    options: &Options,
    narration: &Narration,
    interruption: impl Future<Output = ()>,
) -> Result<(Ending, Option<Played>)> {
    if !cfg!(all(target_os = "linux", target_env = "gnu")) {
        bail!(
            "the functions are programs for Linux with glibc, and here they would have to run on another system, so nothing \
             was started. Run this in a container or virtual machine with such a Linux."
        );
    }
    scenario.can_be_played()?;
    let workplace = Workplace::take(run)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("no thread could be started")?;
    let mut simulated = stage::simulated(options.scale).to_vec();
    if scenario.dns() == Dns::Gdnsd {
        simulated.push(gdnsd::simulated(options.scale));
    }
    narration.say(&format!("Rehearsal {}: {}.", scenario.name(), scenario.summary()));
    narration.say(&format!("Everything stays in {}.", workplace.run().display()));
    for part in &simulated {
        narration.say(&format!("Simulated: {part}."));
    }
    narration.say("");

    let played = RefCell::new(None);
    let outcome = runtime.block_on(async {
        tokio::select! {
            biased;
            () = async { interruption.await; narration.say("\nStopping everything that was started …") } => None,
            outcome = on_stage(scenario, options, narration, &workplace, &played) => Some(outcome),
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
    let played: Option<Played> = played.into_inner();
    match (scenario, &played) {
        (Scenario::Outage(Outage(script)), Some(outage)) => {
            let play = Play {
                scenario: scenario.name(),
                summary: scenario.summary(),
                layers: script.layers,
                scale: options.scale,
                seed: options.seed,
                outcome: told,
                failure: outage.failure.as_deref(),
                expectations: outage.checked.clone(),
                simulated: &simulated,
                record: &outage.record,
                ended: outage.ended,
            };
            let figures = report::write(&play, workplace.run())?;
            narration.say(&format!("\n{}", report::in_brief(&play, &figures)));
            narration.say(&format!("Report:  {}", outage.report.display()));
        }
        _ => narration.summarise(scenario.name(), told, &simulated, &summary)?,
    }
    if matches!(
        (scenario, &ending),
        (
            Scenario::Default | Scenario::Permissions | Scenario::PermissionsInBrief | Scenario::Provisioning,
            Ok(Ending::Played)
        )
    ) {
        narration.say(&format!("\nAll {} steps went as expected, in {}.", narration.told(), narration.elapsed()));
    }
    narration.say(&format!("Summary: {}", summary.display()));
    ending.map(|ending| (ending, played))
}

/// Sets the stage, plays, and explains a failure while the logs can still be read.
async fn on_stage(
    scenario: &Scenario,
    options: &Options,
    narration: &Narration,
    workplace: &Workplace,
    left: &RefCell<Option<Played>>,
) -> Result<()> {
    let stage = Stage::set(narration, workplace, options.scale).await?;
    let played = match scenario {
        Scenario::Default => play::default(&stage).await,
        Scenario::Permissions => permissions::play(&stage, permissions::Extent::Everything).await,
        Scenario::PermissionsInBrief => permissions::play(&stage, permissions::Extent::Brief).await,
        Scenario::Provisioning => provisioning::play(&stage).await,
        Scenario::Outage(Outage(script)) => {
            let checked = RefCell::default();
            let outcome = lab::play(&stage, script, options.seed, &checked).await;
            let record = stage.timeline.play();
            let outcome = outcome.and_then(|()| status_told_the_truth(&record));
            left.replace(Some(Played {
                record,
                checked: checked.into_inner(),
                failure: outcome.as_ref().err().map(|error| format!("{error:#}")),
                ended: Moment::at(stage.clock.now() - stage.timeline.opened()),
                report: workplace.run().join("report.html"),
            }));
            outcome
        }
    };
    if played.is_err() {
        stage.explain(EXCERPT).await;
    }
    let judged = judge(&stage);
    played.and(judged)?;
    match (scenario, stage.referee.report().shortfall()) {
        (Scenario::Default | Scenario::Provisioning, Some(shortfall)) => bail!(
            "the referee has not seen the whole play, so its word is worth nothing: {shortfall}. Look at {}",
            stage.workplace.run().join("referee.jsonl").display()
        ),
        (
            Scenario::Default
            | Scenario::Provisioning
            | Scenario::Permissions
            | Scenario::PermissionsInBrief
            | Scenario::Outage(_),
            _,
        ) => Ok(()),
    }
}

/// An operator acts on what `status` calls the traffic, so it has to be what viewers get, in every play.
fn status_told_the_truth(record: &Record) -> Result<()> {
    let agreement = agreement(record);
    match agreement.doubts.iter().find(|doubt| doubt.verdict == Verdict::Disagrees) {
        Some(doubt) => bail!(
            "status called the traffic {} at {}, and {} of {} answers around then came the other way",
            doubt.traffic,
            doubt.at,
            doubt.contradicting,
            doubt.answers
        ),
        None => Ok(()),
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
