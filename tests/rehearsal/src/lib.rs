//! An outage that anyone can run: the real template, the real functions and the real tools on a local AWS.
//!
//! [`rehearse`] plays one [`Scenario`] and leaves `target/rehearsal/<run>/summary.json`. Everything that it starts ends with
//! it, and nothing is left outside `target/`.

mod aws;
mod certificates;
mod clock;
mod cloudfront;
mod cloudwatch;
mod connection;
mod deployment;
mod gdnsd;
mod lab;
mod layout;
mod leftovers;
mod local_aws;
mod narration;
mod origins;
mod permissions;
mod play;
mod process;
mod provisioning;
mod python;
mod referee;
mod rehearsal;
mod report;
mod route53;
mod scenario;
mod script;
mod site;
mod stage;
mod timeline;
mod tools;
mod troupe;
mod viewers;
mod workplace;

use std::future::Future;

use anyhow::Result;
use tokio::sync::watch;

pub use clock::Scale;
pub use narration::Narration;
pub use scenario::{Outage, Scenario};

/// What a rehearsal is played with.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How much faster than real time everything modelled happens.
    pub scale: Scale,
    /// Draws everything that is left to chance.
    pub seed: u64,
    /// How many plays of [`rehearse_all`] and [`compare`] go on at the same time.
    pub jobs: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { scale: Scale::DEFAULT, seed: 1, jobs: 2 }
    }
}

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
    scenario: &Scenario,
    run: &str,
    options: &Options,
    narration: &Narration,
    interruption: impl Future<Output = ()>,
) -> Result<Ending> {
    rehearsal::play(scenario, run, options, narration, interruption).map(|(ending, _)| ending)
}

/// Plays every outage of the lab, each in a directory of its own, some at a time, and tells a line for each.
///
/// # Errors
/// One or more of them failed; all were played.
pub fn rehearse_all(options: &Options, narration: &Narration, interruption: watch::Receiver<bool>) -> Result<Ending> {
    troupe::all(options, narration, interruption)
}

/// Plays the same outage with nothing, with people, with either layer and with both, and tells the table that README.md shows.
///
/// # Errors
/// One of the plays failed.
pub fn compare(options: &Options, narration: &Narration, interruption: watch::Receiver<bool>) -> Result<Ending> {
    troupe::compare(options, narration, interruption)
}

/// The scenarios, one a line, as `cargo rehearse list` prints them.
///
/// # Errors
/// Scenario files that cannot be read, or that are no scenarios.
pub fn scenarios() -> Result<String> {
    let scenarios = Scenario::all()?;
    let playable: Vec<(&str, &str)> = scenarios.iter().map(|scenario| (scenario.name(), scenario.summary())).collect();
    Ok(script::list(&playable))
}
