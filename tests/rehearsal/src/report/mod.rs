//! What a play leaves for people: figures, `summary.json`, a page with a picture, the comparison, and the terminal meanwhile.
//!
//! Everything is computed from the one [`Record`]. The figures are pure; pages and files are made of the figures, never the
//! other way round, so that all of them say the same. `docs/rehearsal.md` explains each field and figure to their readers.

pub(crate) mod agreement;
mod axis;
mod brief;
mod buckets;
mod chart;
pub(crate) mod compare;
mod figures;
mod html;
mod markup;
mod milestones;
mod outage;
mod phases;
mod pins;
mod provenance;
pub(crate) mod screen;
mod strips;
mod summary;
mod tables;
mod totals;
mod words;

#[cfg(test)]
mod sample;

pub(crate) use brief::{in_a_line, in_brief};
pub(crate) use figures::Figures;

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use crate::clock::{Moment, Scale};
use crate::narration::Outcome;
use crate::script::Layers;
use crate::timeline::Record;

/// Status is asked every modelled minute; after two that brought no answer, nobody knows.
const SPEAKS: Duration = Duration::from_secs(150);

/// A play that is over, as it is reported.
pub(crate) struct Play<'a> {
    /// Name on the command line.
    pub(crate) scenario: &'a str,
    /// What happens, in a line.
    pub(crate) summary: &'a str,
    pub(crate) layers: Layers,
    pub(crate) scale: Scale,
    /// What the drawn durations were drawn from.
    pub(crate) seed: u64,
    pub(crate) outcome: Outcome,
    /// Why the play failed.
    pub(crate) failure: Option<&'a str>,
    pub(crate) expectations: Vec<Checked>,
    /// What the play does not prove, because something else played its part.
    pub(crate) simulated: &'a [String],
    pub(crate) record: &'a Record,
    pub(crate) ended: Moment,
}

/// An expectation of the scenario, and what became of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Checked {
    /// As it is written.
    pub(crate) text: String,
    /// In the scenario's file, from 1.
    pub(crate) line: usize,
    pub(crate) met: bool,
    pub(crate) at: Moment,
    /// What was there when it was decided.
    pub(crate) seen: String,
}

/// Leaves `report.html` and `summary.json` in `directory`, and returns the figures that both show.
pub(crate) fn write(play: &Play<'_>, directory: &Path) -> Result<Figures> {
    let figures = Figures::of(play.record, play.layers, play.ended);
    summary::write(play, &figures, &directory.join("summary.json"))?;
    html::write(play, &figures, &directory.join("report.html"))?;
    Ok(figures)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The files are left in `target/rehearsal/sample`, for people to look at after a change of the page.
    #[test]
    fn a_report_is_a_page_and_a_summary() {
        let directory = sample::directory("sample");
        let (record, simulated) = (sample::outage(Layers::Both), sample::simulated());
        let figures = write(&sample::play(Layers::Both, &record, &simulated), &directory).unwrap();
        assert_eq!(figures.outages.len(), 1);
        for file in ["report.html", "summary.json"] {
            assert!(std::fs::metadata(directory.join(file)).unwrap().len() > 1000);
        }
    }
}
