//! `cargo rehearse compare`: the same outage with nothing, people, and each choice of layers, as a table and as pictures.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use super::chart::{self, Shape};
use super::figures::Figures;
use super::markup::{escape, modelled};
use super::outage::{Mark, SavedBy};
use super::{Play, html, words};
use crate::clock::{Scale, in_seconds};
use crate::narration::Outcome;
use crate::script::Layers;

/// The heads of the columns.
const HEADS: [&str; 9] = [
    "with",
    "first bypassed",
    "99 % served",
    "lost",
    "of requests",
    "dark",
    "unprotected",
    "99 % inspected",
    "saved by",
];

/// What the heads mean, for people.
const LEGEND: &str = "Times until the first bypassed answer and until 99 % of the requests are served count from the moment inspection \
     broke; the time until 99 % are inspected counts from its healing. Lost are requests that failed while inspection was \
     broken. Dark is the time in which at least half of the requests failed, unprotected that in which at least one answer was \
     not inspected.";

/// One play in the comparison.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    layers: &'static str,
    outcome: Outcome,
    seed: u64,
    first_bypassed: Option<Mark>,
    served_99_percent: Option<Mark>,
    requests_during_outages: usize,
    lost_during_outages: usize,
    #[serde(rename = "dark_seconds", serialize_with = "in_seconds")]
    dark: Duration,
    #[serde(rename = "unprotected_seconds", serialize_with = "in_seconds")]
    unprotected: Duration,
    inspected_99_percent: Option<Mark>,
    saved_by: SavedBy,
}

/// The plays of one outage, side by side.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Comparison {
    scenario: String,
    summary: String,
    /// Always true: no figure in it was measured on AWS.
    modelled: bool,
    #[serde(serialize_with = "factor")]
    scale: Scale,
    rows: Vec<Row>,
}

impl Row {
    /// Of the first outage; sums are those of all.
    fn of(play: &Play<'_>) -> Self {
        let figures = Figures::of(play.record, play.layers, play.ended);
        let outage = figures.outages.first();
        let onset = outage.map(|outage| &outage.onset);
        Self {
            layers: name(play.layers),
            outcome: play.outcome,
            seed: play.seed,
            first_bypassed: onset.and_then(|onset| onset.first_bypassed),
            served_99_percent: onset.and_then(|onset| onset.served_99_percent),
            requests_during_outages: figures.totals.requests_during_outages,
            lost_during_outages: figures.totals.lost_during_outages,
            dark: figures.totals.dark,
            unprotected: figures.totals.unprotected,
            inspected_99_percent: outage
                .and_then(|outage| outage.recovery.as_ref())
                .and_then(|recovery| recovery.inspected_99_percent),
            saved_by: outage.map_or(SavedBy::Nobody, |outage| outage.saved_by),
        }
    }

    fn cells(&self) -> [String; HEADS.len()] {
        let time =
            |mark: Option<Mark>, otherwise: &str| mark.map_or(otherwise.to_owned(), |mark| words::duration(mark.after));
        [
            self.layers.to_owned(),
            time(self.first_bypassed, "never"),
            time(self.served_99_percent, "when healed"),
            words::count(self.lost_during_outages),
            words::percent(self.lost_during_outages, self.requests_during_outages),
            words::duration(self.dark),
            words::duration(self.unprotected),
            time(self.inspected_99_percent, "never"),
            saved_by(self.saved_by).to_owned(),
        ]
    }
}

impl Comparison {
    /// `None` for no plays at all.
    pub(crate) fn of(plays: &[Play<'_>]) -> Option<Self> {
        let first = plays.first()?;
        Some(Self {
            // Every play has the name of the file and of its own layers.
            scenario: first.scenario.split('-').next().unwrap_or_default().to_owned(),
            summary: first.summary.to_owned(),
            modelled: true,
            scale: first.scale,
            rows: plays.iter().map(Row::of).collect(),
        })
    }

    /// For a terminal of a hundred columns.
    pub(crate) fn plain(&self) -> String {
        // Two lines of heads, so that no column is wider than its figures.
        let heads = [
            ["", "first", "99 %", "", "of re-", "", "un-", "99 % in-", "saved"],
            ["with", "bypassed", "served", "lost", "quests", "dark", "protected", "spected", "by"],
        ];
        let mut lines: Vec<[String; HEADS.len()]> = heads.map(|line| line.map(str::to_owned)).into();
        lines.extend(self.rows.iter().map(Row::cells));
        let widths: [usize; HEADS.len()] =
            std::array::from_fn(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0));
        let last = HEADS.len() - 1;
        let mut text: String = lines
            .iter()
            .map(|line| {
                let cells = line.iter().zip(widths).enumerate().map(|(column, (cell, width))| {
                    // Words to the left, figures to the right.
                    if column == 0 || column == last { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
                });
                format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
            })
            .collect();
        text += &format!("All figures are modelled, at a scale of {}; none was measured on AWS.\n", self.scale);
        text
    }

    /// For the README.
    pub(crate) fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let rule = HEADS
            .iter()
            .enumerate()
            .map(|(column, _)| if column == 0 || column + 1 == HEADS.len() { "---" } else { "---:" });
        let mut text = line(&HEADS.map(str::to_owned));
        text += &line(&rule.map(str::to_owned).collect::<Vec<_>>());
        text.extend(self.rows.iter().map(|row| line(&row.cells())));
        text += &format!("\nModelled at a scale of {}, not measured on AWS. {LEGEND}\n", self.scale);
        text
    }

    /// Leaves `report.html`, `summary.json` and `table.md` in `directory`. `plays` are those that this was made of.
    pub(crate) fn write(&self, plays: &[Play<'_>], directory: &Path) -> Result<()> {
        let mut json = serde_json::to_string_pretty(self).context("summary.json")?;
        json.push('\n');
        for (name, text) in [("report.html", self.page(plays)), ("summary.json", json), ("table.md", self.markdown())] {
            let path = directory.join(name);
            std::fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))?;
        }
        Ok(())
    }

    fn page(&self, plays: &[Play<'_>]) -> String {
        let modelled = modelled(self.scale);
        let heads: String = HEADS.iter().map(|head| format!("<th scope=\"col\">{head}</th>")).collect();
        let rows: String = self.rows.iter().map(row).collect();
        let body = format!(
            "<header>\n<p class=\"over\">Failopen · rehearsal of an outage</p>\n<h1>One outage, compared</h1>\n<p class=\"lead\">{summary}\
             </p>\n<ul class=\"badges\"><li class=\"badge scale\">modelled at {scale}</li></ul>\n<p class=\"disclaimer\">This is a model of \
             AWS on one machine. It is not AWS, and no figure here was measured on AWS. Times are modelled: {explained}</p>\n</header>\n\
             <section>\n<h2>The same outage, {times} {modelled}</h2>\n<table class=\"compare\">\n<caption class=\"sr\">The same outage with \
             different protection</caption>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n<p class=\"note\">{LEGEND}</p>\n\
             </section>\n<section>\n<h2>What viewers got {modelled}</h2>\n{legend}<div class=\"multiples\">\n{pictures}</div>\n<p \
             class=\"note\">Requests a modelled second, by the way they went; modelled minutes since the play began. All have the same \
             time axis.</p>\n</section>\n<footer><p>Made by <code>cargo rehearse compare</code>. Fields and figures: docs/rehearsal.md. The same \
             figures for programs: summary.json, beside this page.</p></footer>\n",
            summary = escape(&self.summary),
            scale = self.scale,
            explained = html::scale_explained(self.scale),
            legend = html::legend(),
            pictures = pictures(plays),
            times = times(self.rows.len()),
        );
        html::document("One outage, compared – rehearsal of an outage", &body)
    }
}

fn row(row: &Row) -> String {
    let cells = row.cells();
    let failed = if row.outcome == Outcome::Passed { "" } else { " <span class=\"real\">did not pass</span>" };
    let figures = cells.iter().zip(HEADS).skip(1).map(|(cell, head)| format!("<td data-head=\"{head}\">{cell}</td>"));
    format!("<tr><th scope=\"row\">{}{failed}</th>{}</tr>\n", cells[0], figures.collect::<String>())
}

/// The pictures of each play, for both widths, all until the last of them ended.
fn pictures(plays: &[Play<'_>]) -> String {
    let end = plays.iter().map(|play| play.ended).max().unwrap_or_default();
    let drawn = plays.iter().map(|play| {
        let figures = Figures::of(play.record, play.layers, play.ended);
        let pictures = [Shape::WIDE, Shape::NARROW]
            .map(|shape| chart::small(play, &figures, shape, &format!("{}-{}", id(play.layers), shape.name), end));
        format!(
            "<figure>\n<h3>{} <span class=\"soft\">{}</span></h3>\n{}\n</figure>\n",
            name(play.layers),
            words::layers_explained(play.layers),
            pictures.concat()
        )
    });
    drawn.collect()
}

/// As short as the names of the rows.
fn saved_by(saved_by: SavedBy) -> &'static str {
    match saved_by {
        SavedBy::Layer1 => "layer 1",
        SavedBy::Layer2 => "layer 2",
        SavedBy::Hand | SavedBy::Nobody => words::saved_by(saved_by),
    }
}

fn times(number: usize) -> String {
    match number {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        3 => "three times".to_owned(),
        4 => "four times".to_owned(),
        5 => "five times".to_owned(),
        more => format!("{more} times"),
    }
}

fn name(layers: Layers) -> &'static str {
    match layers {
        Layers::Both => "both",
        Layers::Nothing | Layers::ByHand | Layers::Layer1 | Layers::Layer2 => words::layers(layers),
    }
}

fn id(layers: Layers) -> &'static str {
    match layers {
        Layers::Nothing => "nothing",
        Layers::ByHand => "by-hand",
        Layers::Layer1 => "layer-1",
        Layers::Layer2 => "layer-2",
        Layers::Both => "both",
    }
}

fn factor<S: serde::Serializer>(scale: &Scale, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(scale.factor())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use crate::timeline::Record;

    const ALL: [Layers; 5] = [Layers::Nothing, Layers::ByHand, Layers::Layer1, Layers::Layer2, Layers::Both];

    fn with_plays<T>(then: impl FnOnce(&[Play<'_>], &Comparison) -> T) -> T {
        let records: Vec<(Layers, Record)> = ALL.map(|layers| (layers, sample::outage(layers))).into();
        let plays: Vec<_> = records.iter().map(|(layers, record)| sample::play(*layers, record, &[])).collect();
        then(&plays, &Comparison::of(&plays).unwrap())
    }

    #[test]
    fn there_is_nothing_to_compare_without_plays() {
        assert!(Comparison::of(&[]).is_none());
    }

    #[test]
    fn each_row_says_who_saved_it() {
        let saved = with_plays(|_, comparison| comparison.rows.iter().map(|row| row.saved_by).collect::<Vec<_>>());
        assert_eq!(saved, [SavedBy::Nobody, SavedBy::Hand, SavedBy::Layer1, SavedBy::Layer2, SavedBy::Layer1]);
    }

    #[test]
    fn the_plain_table_is_aligned_and_fits_a_hundred_columns() {
        let text = with_plays(|_, comparison| comparison.plain());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2 + 5 + 1);
        assert!(lines.iter().all(|line| line.chars().count() <= 100), "{text}");
        let saved = lines[1].chars().count() - "by".len();
        for (line, name) in lines[2..7].iter().zip(["nobody", "people", "layer 1", "layer 2", "layer 1"]) {
            assert_eq!(line.chars().skip(saved).collect::<String>(), name, "{text}");
        }
        assert!(lines[7].contains("modelled") && lines[7].contains("1:20"));
    }

    #[test]
    fn nothing_brings_no_bypass_and_loses_all() {
        let cells = with_plays(|_, comparison| comparison.rows[0].cells());
        assert_eq!((cells[1].as_str(), cells[2].as_str(), cells[4].as_str()), ("never", "when healed", "100 %"));
    }

    #[test]
    fn the_markdown_has_a_row_for_each_play_and_says_that_it_is_modelled() {
        let text = with_plays(|_, comparison| comparison.markdown());
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
        assert_eq!(rows.len(), 7);
        assert!(rows.iter().all(|row| row.matches('|').count() == HEADS.len() + 1), "{text}");
        assert!(text.contains("Modelled at a scale of 1:20, not measured on AWS."));
    }

    /// The files are left in `target/rehearsal/sample-compare`, for people to look at after a change of the page.
    #[test]
    fn a_comparison_is_a_page_with_a_picture_for_each_play() {
        let directory = sample::directory("sample-compare");
        with_plays(|plays, comparison| comparison.write(plays, &directory)).unwrap();
        let page = std::fs::read_to_string(directory.join("report.html")).unwrap();
        let (_, html) = page.split_once('\n').unwrap();
        let document = roxmltree::Document::parse(html).unwrap();
        assert_eq!(document.descendants().filter(|node| node.has_tag_name("svg")).count(), 2 * 5);
        assert!(!page.contains("http:") && !page.contains("https:") && !page.contains("<script"));
        let summary: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(directory.join("summary.json")).unwrap()).unwrap();
        assert_eq!(sample::undocumented(&summary), Vec::<String>::new(), "see docs/rehearsal.md");
        assert_eq!((&summary["modelled"], &summary["rows"][3]["layers"]), (&true.into(), &"layer 2".into()));
    }
}
