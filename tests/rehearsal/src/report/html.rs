//! `report.html`: one page with everything in it, which needs no network, no script and no font.

use std::path::Path;

use anyhow::{Context, Result};

use super::chart::{self, Shape};
use super::figures::Figures;
use super::markup::{escape, modelled};
use super::outage::{Mark, Outage, SavedBy};
use super::{Play, tables, words};
use crate::clock::Scale;
use crate::narration::Outcome;
use crate::timeline::Class;

pub(crate) const STYLE: &str = include_str!("style.css");

/// Further outages than these are folded away; the picture shows all.
const UNFOLDED: usize = 2;

pub(crate) fn write(play: &Play<'_>, figures: &Figures, path: &Path) -> Result<()> {
    std::fs::write(path, page(play, figures)).with_context(|| format!("{} cannot be written", path.display()))
}

/// The whole page.
pub(crate) fn page(play: &Play<'_>, figures: &Figures) -> String {
    let body = [
        header(play),
        tiles(play, figures),
        picture(play, figures),
        outages(play, figures),
        tables::totals(play, figures),
        tables::expectations(play),
        tables::events(play),
        tables::provenance(play),
    ];
    document(&format!("{} – rehearsal of an outage", play.scenario), &body.concat())
}

/// A page of its own around `body`.
pub(crate) fn document(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n<title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n\
         <body>\n<main>\n{body}\n</main>\n</body>\n</html>\n",
        escape(title)
    )
}

fn header(play: &Play<'_>) -> String {
    let (verdict, class) = match play.outcome {
        Outcome::Passed => ("✓ passed", "passed"),
        Outcome::Failed => ("✗ failed", "failed"),
        Outcome::Interrupted => ("◼ interrupted", "interrupted"),
    };
    let failure = play.failure.map_or(String::new(), |failure| {
        format!("<p class=\"failure\" role=\"alert\"><strong>Why it failed:</strong> {}</p>", escape(failure))
    });
    format!(
        "<header>\n<p class=\"over\">Failopen · rehearsal of an outage</p>\n<h1>{}</h1>\n<p class=\"lead\">{}</p>\n\
         <ul class=\"badges\"><li class=\"badge {class}\">{verdict}</li><li class=\"badge\">{}: {}</li>\
         <li class=\"badge scale\">modelled at {}</li><li class=\"badge\">seed {}</li></ul>\n{failure}\
         <p class=\"disclaimer\">This is a model of AWS on one machine. It is not AWS, and no figure here was measured on AWS. \
         Times are modelled: {} <a href=\"#provenance\">What is real, and what is modelled by which rule.</a></p>\n</header>\n",
        escape(play.scenario),
        escape(play.summary),
        words::layers(play.layers),
        words::layers_explained(play.layers),
        play.scale,
        play.seed,
        scale_explained(play.scale),
    )
}

pub(crate) fn scale_explained(scale: Scale) -> String {
    let minute = (600.0 / scale.factor()).round() / 10.0;
    if scale == Scale::REAL_TIME {
        "a modelled minute took a minute.".to_owned()
    } else {
        format!(
            "a modelled minute took {minute} s here, and whatever the functions really worked is stretched accordingly."
        )
    }
}

/// The figures that decide.
fn tiles(play: &Play<'_>, figures: &Figures) -> String {
    let totals = &figures.totals;
    let share = words::percent(totals.lost_during_outages, totals.requests_during_outages);
    let during = words::count(totals.requests_during_outages);
    let mut tiles = Vec::new();
    if let Some(outage) = figures.outages.first() {
        let onset = &outage.onset;
        tiles.push(("first bypassed answer", after(onset.first_bypassed), "after inspection broke".to_owned()));
        tiles.push(("99 % bypassed", after(onset.bypassed_99_percent), "after inspection broke".to_owned()));
        tiles.push(("saved by", saved_by(outage.saved_by), "brought the first bypassed answer".to_owned()));
    }
    tiles.push((
        "requests lost",
        words::count(totals.lost_during_outages),
        format!("{share} of {during} during outages"),
    ));
    tiles.push(("dark", words::duration(totals.dark), "at least half of the requests failed".to_owned()));
    tiles.push((
        "unprotected",
        words::duration(totals.unprotected),
        "at least one answer was not inspected".to_owned(),
    ));
    if let Some(recovery) = figures.outages.first().and_then(|outage| outage.recovery.as_ref()) {
        tiles.push((
            "99 % inspected again",
            after(recovery.inspected_99_percent),
            "after inspection was healed".to_owned(),
        ));
    }
    tiles.push(("flips", totals.flips.to_string(), "changes of what CloudFront targets".to_owned()));
    let several = match figures.outages.len() {
        0 | 1 => String::new(),
        several => {
            format!("<p class=\"note\">Times are those of the first of {several} outages; sums are those of all.</p>\n")
        }
    };
    let modelled = modelled(play.scale);
    let tiles = tiles.into_iter().map(|(name, figure, note)| {
        format!("<div class=\"tile\"><dt>{name}</dt><dd><b>{figure}</b><span>{note}</span>{modelled}</dd></div>\n")
    });
    format!(
        "<section aria-label=\"The figures that decide\">\n<dl class=\"tiles\">\n{}</dl>\n{several}</section>\n",
        tiles.collect::<String>()
    )
}

fn saved_by(saved_by: SavedBy) -> String {
    words::saved_by(saved_by).to_owned()
}

fn after(mark: Option<Mark>) -> String {
    mark.map_or("never".to_owned(), |mark| words::duration(mark.after))
}

fn picture(play: &Play<'_>, figures: &Figures) -> String {
    let shapes = [Shape::WIDE, Shape::NARROW];
    let [wide, narrow] = shapes.map(|shape| chart::picture(play, figures, shape));
    let closer: String = shapes.iter().filter_map(|shape| chart::onset(play, figures, *shape)).collect();
    let closer = if closer.is_empty() {
        closer
    } else {
        format!("<h3>A closer look at its begin {}</h3>\n<figure>\n{closer}\n</figure>\n", modelled(play.scale))
    };
    format!(
        "<section>\n<h2>What viewers got {}</h2>\n<figure>\n{}{wide}\n{narrow}\n<figcaption>Answers to the requests that began at \
         each moment, by the way they went; modelled minutes since the play began. The numbers are those of the tables below. \
         Where the distribution is grey, what was written is on its way to the edges.</figcaption>\n</figure>\n{closer}</section>\n",
        modelled(play.scale),
        legend(),
    )
}

/// The colours with their words.
pub(crate) fn legend() -> String {
    let items =
        Class::ALL.map(|class| format!("<li><i class=\"key k-{}\"></i>{}</li>", class.name(), words::class(class)));
    format!("<ul class=\"legend\">{}</ul>\n", items.concat())
}

fn outages(play: &Play<'_>, figures: &Figures) -> String {
    let several = figures.outages.len() > 1;
    let sections = figures.outages.iter().zip(1..).map(|(outage, number)| {
        let title = if several { format!("Outage {number}: {}", outage.fault) } else { outage.fault.clone() };
        let body = outage_section(play, figures, outage);
        if number <= UNFOLDED {
            format!("<section>\n<h2>{} {}</h2>\n{body}</section>\n", escape(&title), modelled(play.scale))
        } else {
            format!("<details>\n<summary>{} {}</summary>\n{body}</details>\n", escape(&title), modelled(play.scale))
        }
    });
    sections.collect()
}

fn outage_section(play: &Play<'_>, figures: &Figures, outage: &Outage) -> String {
    let unseen =
        outage.unseen.as_ref().map_or(String::new(), |said| format!("<p class=\"unseen\">{}</p>\n", escape(said)));
    format!("{unseen}{}{}", tables::times(play, figures, outage), tables::breakdown(play, outage))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use crate::script::Layers;
    use crate::timeline::Kind;

    fn sampled(layers: Layers) -> String {
        let (record, simulated) = (sample::outage(layers), sample::simulated());
        let play = sample::play(layers, &record, &simulated);
        page(&play, &Figures::of(&record, layers, play.ended))
    }

    /// The page as a document, without what XML does not know.
    fn parsed(page: &str) -> roxmltree::Document<'_> {
        let (_, html) = page.split_once("<!DOCTYPE html>\n").unwrap();
        roxmltree::Document::parse(html).unwrap()
    }

    #[test]
    fn the_page_is_well_formed_and_each_id_is_unique() {
        for layers in [Layers::Nothing, Layers::ByHand, Layers::Layer1, Layers::Layer2, Layers::Both] {
            let page = sampled(layers);
            let document = parsed(&page);
            let mut ids: Vec<&str> = document.descendants().filter_map(|node| node.attribute("id")).collect();
            ids.sort_unstable();
            let all = ids.len();
            ids.dedup();
            assert_eq!(ids.len(), all, "an id twice: {ids:?}");
            assert_eq!(document.descendants().filter(|node| node.has_tag_name("svg")).count() % 2, 0);
        }
    }

    #[test]
    fn the_page_asks_nobody_for_anything() {
        let page = sampled(Layers::Both);
        for forbidden in ["http:", "https:", "<script", "<link", "<img", "@import", "@font-face", "src="] {
            assert!(!page.contains(forbidden), "{forbidden} is in the page");
        }
        assert_eq!(page.matches("url(").count(), page.matches("url(#").count());
    }

    #[test]
    fn what_was_recorded_cannot_become_markup() {
        let page = sampled(Layers::Both);
        assert!(page.contains("&quot;sale &lt;b&gt;&amp;&lt;/b&gt; more&quot;") && !page.contains("<b>&</b>"));
    }

    #[test]
    fn a_picture_has_a_title_a_description_and_a_table_a_caption() {
        let page = sampled(Layers::Both);
        let document = parsed(&page);
        for svg in document.descendants().filter(|node| node.has_tag_name("svg")) {
            let named = svg.attribute("aria-labelledby").unwrap().split(' ');
            for id in named {
                assert!(
                    svg.children().any(|child| child.attribute("id") == Some(id) && child.text().is_some()),
                    "{id}"
                );
            }
        }
        for table in document.descendants().filter(|node| node.has_tag_name("table")) {
            assert!(table.first_element_child().unwrap().has_tag_name("caption"));
        }
    }

    #[test]
    fn every_tile_and_heading_with_figures_says_that_it_is_modelled_and_at_which_scale() {
        let page = sampled(Layers::Both);
        let document = parsed(&page);
        let says =
            |node: roxmltree::Node<'_, '_>| node.descendants().any(|inner| inner.text() == Some("modelled 1:20"));
        let tiles = document.descendants().filter(|node| node.attribute("class") == Some("tile"));
        assert_eq!(tiles.clone().count(), 8);
        assert!(tiles.clone().all(says));
        let captions = document.descendants().filter(|node| node.attribute("class") == Some("times"));
        assert!(captions.clone().count() == 2 && captions.clone().all(says));
    }

    #[test]
    fn a_failed_play_says_why() {
        let (record, simulated) = (sample::outage(Layers::Nothing), sample::simulated());
        let mut play = sample::play(Layers::Nothing, &record, &simulated);
        play.outcome = Outcome::Failed;
        play.failure = Some("expected <bypassed>, and saw failed");
        play.expectations[0].met = false;
        let page = page(&play, &Figures::of(&record, Layers::Nothing, play.ended));
        assert!(page.contains("✗ failed") && page.contains("expected &lt;bypassed&gt;, and saw failed"));
        assert!(page.contains(">not met<"));
    }

    #[test]
    fn a_page_without_anything_in_it_is_a_page() {
        let record = crate::timeline::Record::default();
        let mut play = sample::play(Layers::Both, &record, &[]);
        play.expectations.clear();
        play.ended = crate::clock::Moment::default();
        parsed(&page(&play, &Figures::of(&record, Layers::Both, play.ended)));
    }

    /// Left in `target/rehearsal/sample-flapping`, for people to look at.
    #[test]
    fn a_page_with_many_outages_folds_most_of_them_away() {
        let mut record = sample::outage(Layers::Both);
        let at = |number: f64, kind| sample::event(200.0 + number * 200.0, kind, "inspection: expired-certificate");
        record.events = (0..12)
            .flat_map(|number| {
                let number = f64::from(number);
                let detected = sample::event(235.0 + number * 200.0, Kind::CheckUnhealthy, "");
                let moved = sample::event(236.0 + number * 200.0, Kind::DnsToApplication, "");
                let back = sample::event(330.0 + number * 200.0, Kind::DnsToInspection, "");
                [at(number, Kind::InspectionBroken), detected, moved, at(number + 0.5, Kind::InspectionHealed), back]
            })
            .filter(|event| event.at.seconds() > 400.0 || event.kind != Kind::CheckUnhealthy)
            .collect();
        let play = sample::play(Layers::Both, &record, &[]);
        let page = page(&play, &Figures::of(&record, Layers::Both, play.ended));
        let document = parsed(&page);
        assert_eq!(document.descendants().filter(|node| node.has_tag_name("details")).count(), 12 - UNFOLDED + 1);
        assert!(page.contains("the first of 12 outages") && page.contains("Route 53 did not see this"));
        std::fs::write(sample::directory("sample-flapping").join("report.html"), &page).unwrap();
    }
}
