//! `cargo rehearse`: plays an outage on a local AWS.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use failopen_rehearsal::{Ending, Narration, Scenario, refuse_unready, rehearse, scenarios};
use nix::sys::signal::{SigSet, Signal};
use tokio::sync::oneshot;

/// Exit code of a program that Ctrl-C has ended.
const INTERRUPTED: u8 = 130;

#[derive(Parser)]
#[command(
    name = "cargo rehearse",
    bin_name = "cargo rehearse",
    about = "Plays an outage on a local AWS: no account, no Docker, nothing left behind"
)]
struct Arguments {
    /// Name of a scenario, or `list`
    #[arg(default_value = "default")]
    scenario: String,
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
        writeln!(std::io::stdout(), "{}", scenarios())?;
        return Ok(ExitCode::SUCCESS);
    }
    refuse_unready(&arguments.scenario)?;
    let scenario: Scenario = arguments.scenario.parse()?;
    let interruption = interruption()?;
    let narration = Narration::on_standard_output();
    Ok(match rehearse(scenario, scenario.name(), &narration, interruption)? {
        Ending::Played => ExitCode::SUCCESS,
        Ending::Interrupted => {
            narration.say("Interrupted; everything that was started has been stopped.");
            ExitCode::from(INTERRUPTED)
        }
    })
}

/// Completes at the first Ctrl-C or request to terminate. Must be called before any other thread exists: the signals are
/// held back from all threads, and taken by one that waits for them.
fn interruption() -> Result<impl Future<Output = ()>> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGTERM);
    signals.add(Signal::SIGHUP);
    signals.thread_block().context("Ctrl-C cannot be handled")?;
    let (told, heard) = oneshot::channel();
    std::thread::spawn(move || {
        if signals.wait().is_ok() {
            // Nobody listens any more when the play has ended by itself.
            let _ = told.send(());
        }
    });
    Ok(async move {
        if heard.await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
