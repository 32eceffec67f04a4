//! `cargo rehearse`: plays an outage on a local AWS.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use failopen_rehearsal::{Ending, Narration, Options, Scale, Scenario, compare, rehearse, rehearse_all, scenarios};
use nix::sys::signal::{SigSet, Signal};
use tokio::sync::watch;

/// Exit code of a program that Ctrl-C has ended.
const INTERRUPTED: u8 = 130;

#[derive(Parser)]
#[command(
    name = "cargo rehearse",
    bin_name = "cargo rehearse",
    about = "Plays an outage on a local AWS: no account, no Docker, nothing left behind"
)]
struct Arguments {
    /// Name of a scenario, `list`, `all` (every outage of the lab), or `compare` (one outage with and without the layers)
    #[arg(default_value = "default")]
    scenario: String,

    /// How much faster than real time everything modelled happens, 1 to 60
    #[arg(long, value_parser = scale, default_value_t = Scale::DEFAULT)]
    scale: Scale,

    /// As long as it takes in the world: the same as --scale 1
    #[arg(long, conflicts_with = "scale")]
    real_time: bool,

    /// Draws everything that is left to chance: propagation to each edge, the order of requests
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// How many plays of `all` and `compare` go on at the same time
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=8))]
    jobs: u8,
}

fn scale(text: &str) -> Result<Scale, String> {
    let number = text.trim_start_matches("1:").parse().map_err(|_| "a number is wanted, such as 20".to_owned())?;
    Scale::new(number).ok_or_else(|| "a number from 1 (real time) to 60 is wanted".to_owned())
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            // The narration has told a failed step already; this is for what kept the play from starting, too.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode> {
    if arguments.scenario == "list" {
        writeln!(std::io::stdout(), "{}", scenarios()?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let scale = if arguments.real_time { Scale::REAL_TIME } else { arguments.scale };
    let options = Options { scale, seed: arguments.seed, jobs: usize::from(arguments.jobs) };
    // A name that does not exist is told before the signals are held back.
    let scenario = match arguments.scenario.as_str() {
        "all" | "compare" => None,
        name => Some(Scenario::find(name)?),
    };
    let interruption = interruption()?;
    let narration = Narration::on_standard_output();
    let ending = match scenario {
        Some(scenario) => rehearse(&scenario, scenario.name(), &options, &narration, interrupted(interruption))?,
        None if arguments.scenario == "all" => rehearse_all(&options, &narration, interruption)?,
        None => compare(&options, &narration, interruption)?,
    };
    Ok(match ending {
        Ending::Played => ExitCode::SUCCESS,
        Ending::Interrupted => {
            narration.say("Interrupted; everything that was started has been stopped.");
            ExitCode::from(INTERRUPTED)
        }
    })
}

/// True from the first Ctrl-C or request to terminate on. Must be called before any other thread exists: the signals are
/// held back from all threads, and taken by one that waits for them.
fn interruption() -> Result<watch::Receiver<bool>> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGTERM);
    signals.add(Signal::SIGHUP);
    signals.thread_block().context("Ctrl-C cannot be handled")?;
    let (told, heard) = watch::channel(false);
    std::thread::spawn(move || {
        if signals.wait().is_ok() {
            told.send_replace(true);
        }
        // Dropping the sender would look like an interruption that never comes, which is what it is.
    });
    Ok(heard)
}

/// Completes at the interruption.
async fn interrupted(mut interruption: watch::Receiver<bool>) {
    if interruption.wait_for(|interrupted| *interrupted).await.is_err() {
        std::future::pending::<()>().await;
    }
}
