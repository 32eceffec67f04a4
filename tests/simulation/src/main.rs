//! `cargo simulate`: random fault schedules over the real handlers.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use failopen_simulation::removal::Removal;
use failopen_simulation::{Campaign, Fault, LEAST, Played, run};
use indicatif::{ProgressBar, ProgressStyle};

#[derive(Parser)]
#[command(
    name = "cargo simulate",
    about = "Plays random fault schedules over the real handlers, on an AWS in memory and a clock of its own"
)]
struct Arguments {
    /// How many schedules
    #[arg(long, default_value_t = 20_000)]
    schedules: u64,
    /// Seed of the first schedule; the next one has the next number
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Take a rule of the design away and see whether it is noticed; `list` names them
    #[arg(long, value_name = "RULE")]
    without: Option<String>,
    /// Tell the story of every schedule, the good ones too (for a few schedules)
    #[arg(long)]
    story: bool,
    /// Print how often each kind of fault took effect
    #[arg(long)]
    faults: bool,
}

fn main() -> ExitCode {
    match play(&Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn play(arguments: &Arguments) -> io::Result<ExitCode> {
    let mut out = io::stdout();
    let removal = match arguments.without.as_deref() {
        None => None,
        Some(name) => match Removal::ALL.into_iter().find(|removal| removal.name() == name) {
            Some(removal) => Some(removal),
            None => {
                for removal in Removal::ALL {
                    writeln!(out, "{}", removal.name())?;
                }
                return Ok(if name == "list" { ExitCode::SUCCESS } else { ExitCode::from(2) });
            }
        },
    };
    if arguments.story {
        for seed in (0..arguments.schedules).map(|number| arguments.seed.wrapping_add(number)) {
            writeln!(out, "seed {seed}\n{}", failopen_simulation::play(seed, removal, true).story)?;
        }
    }
    let campaign = Campaign {
        seed: arguments.seed,
        schedules: arguments.schedules,
        threads: None,
        removal,
        stops_at_first: false,
    };
    // Hidden where standard error is no terminal.
    let bar = ProgressBar::new(arguments.schedules);
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} schedules, {per_sec}, {eta} left") {
        bar.set_style(style);
    }
    let summary = run(&campaign, |played| {
        bar.inc(1);
        for violation in &played.violations {
            // The story comes at the end; that nobody reads this line must not end the campaign.
            bar.suspend(|| {
                let _ = writeln!(io::stdout(), "seed {}: {}: {}", played.seed, violation.invariant, violation.what);
            });
        }
    });
    bar.finish_and_clear();
    for played in &summary.violated {
        tell(&mut out, played, arguments)?;
    }
    if arguments.faults {
        for fault in Fault::ALL {
            writeln!(out, "{fault:<28}{:>10}", summary.tally.of(*fault))?;
        }
    }
    // A rule that is taken away may take its faults with it.
    let rare = if removal.is_none() { summary.rare() } else { Vec::new() };
    for (fault, count) in &rare {
        let schedules = summary.schedules;
        writeln!(
            out,
            "{fault} took effect {count} times in {schedules} schedules, and below {LEAST} nothing is proved about it."
        )?;
    }
    writeln!(out, "{}", summary.last_line())?;
    Ok(if summary.violations == 0 && rare.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A schedule that violated something: what, how it came to that, and how to see it again.
fn tell(out: &mut impl Write, played: &Played, arguments: &Arguments) -> io::Result<()> {
    let without = arguments.without.as_ref().map_or(String::new(), |name| format!(" --without \"{name}\""));
    writeln!(out, "seed {}: something was violated", played.seed)?;
    write!(out, "{}", played.story)?;
    for violation in &played.violations {
        writeln!(out, "{}: {}", violation.invariant, violation.what)?;
    }
    writeln!(out, "again: cargo simulate --schedules 1 --seed {}{without}\n", played.seed)
}
