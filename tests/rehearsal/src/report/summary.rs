//! `summary.json`: the figures of the page for programs. `docs/rehearsal.md` documents each field.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use super::figures::Figures;
use super::{Checked, Play, words};
use crate::clock::Moment;
use crate::narration::Outcome;
use crate::timeline::{Event, StatusSample};

#[derive(Serialize)]
struct Summary<'a> {
    scenario: &'a str,
    summary: &'a str,
    layers: &'static str,
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'a str>,
    /// Always true: no figure in it was measured on AWS.
    modelled: bool,
    /// Every modelled duration was divided by this.
    scale: f64,
    seed: u64,
    /// Modelled seconds from the play's begin to its end.
    seconds: Moment,
    #[serde(flatten)]
    figures: &'a Figures,
    expectations: &'a [Checked],
    work: Vec<Work<'a>>,
    simulated: &'a [String],
    events: &'a [Event],
    statuses: &'a [StatusSample],
}

/// The functions' own work: the one thing in the figures that is real, and that the scale has stretched.
#[derive(Serialize)]
struct Work<'a> {
    what: &'a str,
    wall_milliseconds: u128,
}

/// The text of `summary.json`.
pub(crate) fn text(play: &Play<'_>, figures: &Figures) -> Result<String> {
    let work = play.record.work.iter().map(|(what, wall)| Work { what, wall_milliseconds: wall.as_millis() }).collect();
    let summary = Summary {
        scenario: play.scenario,
        summary: play.summary,
        layers: words::layers(play.layers),
        outcome: play.outcome,
        failure: play.failure,
        modelled: true,
        scale: play.scale.factor(),
        seed: play.seed,
        seconds: play.ended,
        figures,
        expectations: &play.expectations,
        work,
        simulated: play.simulated,
        events: &play.record.events,
        statuses: &play.record.statuses,
    };
    let mut text = serde_json::to_string_pretty(&summary).context("summary.json")?;
    text.push('\n');
    Ok(text)
}

pub(crate) fn write(play: &Play<'_>, figures: &Figures, path: &Path) -> Result<()> {
    std::fs::write(path, text(play, figures)?).with_context(|| format!("{} cannot be written", path.display()))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::report::sample;
    use crate::script::Layers;

    fn json(play: &Play<'_>) -> Value {
        let figures = Figures::of(play.record, play.layers, play.ended);
        serde_json::from_str(&text(play, &figures).unwrap()).unwrap()
    }

    #[test]
    fn the_summary_says_that_it_is_modelled_and_at_which_scale() {
        let (record, simulated) = (sample::outage(Layers::Both), sample::simulated());
        let found = json(&sample::play(Layers::Both, &record, &simulated));
        assert_eq!(found["modelled"], true);
        assert_eq!(found["scale"], 20.0);
        assert_eq!(found["outcome"], "passed");
        assert_eq!(found["outages"][0]["onset"]["alarm"]["after"], 110.0);
        assert_eq!(found["outages"][0]["saved_by"], "layer-1");
        assert_eq!(found["work"][0]["wall_milliseconds"], 212);
        assert_eq!(found["events"][0]["kind"], "inspection-broken");
    }

    #[test]
    fn every_field_is_documented() {
        let (record, simulated) = (sample::outage(Layers::Both), sample::simulated());
        let mut play = sample::play(Layers::Both, &record, &simulated);
        play.failure = Some("why");
        assert_eq!(sample::undocumented(&json(&play)), Vec::<String>::new(), "see docs/rehearsal.md");
    }
}
