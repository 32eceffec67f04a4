//! The tables of the page.

use super::agreement::Verdict;
use super::figures::Figures;
use super::markup::{escape, modelled};
use super::milestones::{self, Marker, Milestone, markers};
use super::outage::Outage;
use super::phases::Phase;
use super::provenance::{CLOUDFRONT, CLOUDWATCH, REAL, ROUTE_53, Rule};
use super::{Play, words};
use crate::clock::Moment;
use crate::timeline::Class;

/// When each step of an outage happened.
pub(super) fn times(play: &Play<'_>, figures: &Figures, outage: &Outage) -> String {
    let markers = markers(&figures.outages);
    let mut tables = half(
        play,
        &markers,
        "From dark to bypassed",
        ("inspection broke", "fault", outage.dark, "after dark"),
        &milestones::onset(&outage.onset),
    );
    if let (Some(healed), Some(recovery)) = (outage.healed, &outage.recovery) {
        tables += &half(
            play,
            &markers,
            "From healed to inspected",
            ("inspection was healed", "healed", healed, "after healing"),
            &milestones::recovery(recovery),
        );
    }
    format!("<div class=\"halves\">\n{tables}</div>\n")
}

fn half(
    play: &Play<'_>,
    markers: &[Marker],
    caption: &str,
    (first, marker, begin, after): (&str, &'static str, Moment, &str),
    steps: &[Milestone],
) -> String {
    let number = |label: Option<&str>, at: Moment| {
        let found = markers.iter().find(|marker| Some(marker.label) == label && marker.at == at);
        found.map_or(String::new(), |marker| format!("<b class=\"no\">{}</b>", marker.number))
    };
    let begin = format!(
        "<tr><td>{}</td><th scope=\"row\">{first}</th><td>{begin}</td><td>0 s</td></tr>\n",
        number(Some(marker), begin)
    );
    let rows = steps.iter().map(|step| match step.mark {
        Some(mark) => format!(
            "<tr{}><td>{}</td><th scope=\"row\">{}</th><td>{}</td><td>{}</td></tr>\n",
            if step.is_seen { " class=\"viewers\"" } else { "" },
            number(step.marker, mark.at),
            step.name,
            mark.at,
            words::duration(mark.after)
        ),
        None => format!(
            "<tr class=\"not\"><td></td><th scope=\"row\">{}</th><td>–</td><td>did not happen</td></tr>\n",
            step.name
        ),
    });
    format!(
        "<table class=\"times\">\n<caption>{caption} {}</caption>\n<thead><tr><th scope=\"col\"><span class=\"sr\">number in \
         the picture</span></th><th scope=\"col\">step</th><th scope=\"col\">at</th><th scope=\"col\">{after}</th></tr></thead>\n\
         <tbody>\n{begin}{}</tbody>\n</table>\n",
        modelled(play.scale),
        rows.collect::<String>()
    )
}

/// What the time to bypass consists of: a bar for each phase, all on one scale.
pub(super) fn breakdown(play: &Play<'_>, outage: &Outage) -> String {
    let layers =
        [("Layer 1: DNS", &outage.breakdown.layer_1), ("Layer 2: the distribution", &outage.breakdown.layer_2)];
    let longest = layers.iter().flat_map(|(_, phases)| phases.last()).map(|last| last.ended() - outage.dark).max();
    let Some(longest) = longest else {
        return String::new();
    };
    let percent = |part: std::time::Duration| 100.0 * part.as_secs_f64() / longest.as_secs_f64().max(0.001);
    let bar = |phase: &Phase| {
        format!(
            "<li><span class=\"part\"><b>{}</b> {}</span><span class=\"seconds\">{}</span><span class=\"rail\"><span class=\"bar\" \
             style=\"margin-left:{:.2}%;width:{:.2}%\"></span></span></li>\n",
            words::part(phase.part),
            words::part_explained(phase.part),
            words::duration(phase.seconds),
            percent(phase.began - outage.dark),
            percent(phase.seconds),
        )
    };
    let drawn = layers.iter().filter_map(|(name, phases)| {
        let total = phases.last()?.ended() - outage.dark;
        let bars: String = phases.iter().map(bar).collect();
        Some(format!("<h4>{name}: {} in all</h4>\n<ol class=\"phases\">\n{bars}</ol>\n", words::duration(total)))
    });
    format!("<h3>What the time to bypass consists of {}</h3>\n{}", modelled(play.scale), drawn.collect::<String>())
}

/// The whole play in figures.
pub(super) fn totals(play: &Play<'_>, figures: &Figures) -> String {
    let totals = &figures.totals;
    let of_all = |number: usize| format!("{} ({})", words::count(number), words::percent(number, totals.requests));
    let mut rows = vec![("requests", words::count(totals.requests))];
    rows.extend(Class::ALL.map(|class| (words::class(class), of_all(totals.by_class.get(class)))));
    rows.extend([
        ("lost while inspection was broken", of(totals.lost_during_outages, totals.requests_during_outages)),
        (
            "served after more than 10 s, while inspection was broken",
            of(totals.late_during_outages, totals.requests_during_outages),
        ),
        ("lost at other times", words::count(totals.lost_otherwise)),
        ("POSTs lost", of(totals.posts_lost, totals.posts)),
        (
            "lost on reused connections, while inspection was broken",
            of(totals.reused_lost_during_outages, totals.reused_during_outages),
        ),
        ("dark: at least half of the requests failed", words::duration(totals.dark)),
        ("unprotected: at least one answer bypassed", words::duration(totals.unprotected)),
        ("the same, weighted with the part that was bypassed", words::duration(totals.unprotected_weighted)),
        ("flips", words::count(totals.flips)),
    ]);
    let agreement = &figures.agreement;
    let samples = [
        ("samples of status", agreement.samples),
        ("agree with what viewers got", agreement.agree),
        ("in transition: something had just moved", agreement.in_transition),
        ("disagree", agreement.disagree),
        ("say nothing", agreement.say_nothing),
    ]
    .map(|(name, number)| (name, words::count(number)));
    let calls: Vec<(&str, String)> =
        totals.calls.iter().map(|(call, times)| (call.as_str(), words::count(*times))).collect();
    let work: Vec<(&str, String)> =
        play.record.work.iter().map(|(what, wall)| (what.as_str(), format!("{} ms", wall.as_millis()))).collect();
    let modelled = modelled(play.scale);
    format!(
        "<section>\n<h2>The whole play {modelled}</h2>\n<div class=\"halves\">\n<div>\n{}</div>\n<div>\n{}{}{}{}</div>\n</div>\n</section>\n",
        pairs(&format!("Requests and time {modelled}"), &rows),
        pairs(&format!("What status said {modelled}"), &samples),
        doubts(figures, &modelled),
        pairs(&format!("API calls of functions and operators {modelled}"), &calls),
        pairs("The functions’ own work <span class=\"real\">measured, wall time</span>", &work) + &work_note(play),
    )
}

/// Samples of status that contradict the viewers. Where there are none there is nothing to look at.
fn doubts(figures: &Figures, modelled: &str) -> String {
    let doubts: Vec<_> = figures.agreement.doubts.iter().filter(|doubt| doubt.verdict == Verdict::Disagrees).collect();
    if doubts.is_empty() {
        return String::new();
    }
    let rows = doubts.iter().map(|doubt| {
        format!(
            "<tr><td>{}</td><th scope=\"row\">{}</th><td>{} of {} answers were otherwise</td></tr>\n",
            doubt.at,
            escape(&doubt.traffic),
            words::count(doubt.contradicting),
            words::count(doubt.answers)
        )
    });
    format!(
        "<table class=\"events\">\n<caption>Where status and viewers disagree {modelled}</caption>\n<tbody>\n{}</tbody>\n</table>\n",
        rows.collect::<String>()
    )
}

/// That this one is not modelled, and what the scale has made of it.
fn work_note(play: &Play<'_>) -> String {
    if play.record.work.is_empty() {
        return String::new();
    }
    let sum: std::time::Duration = play.record.work.iter().map(|(_, wall)| *wall).sum();
    format!(
        "<p class=\"note\">The functions are real programs, and no scale makes them faster. These {} ms are {} of the modelled time \
         at {}.</p>\n",
        words::count(usize::try_from(sum.as_millis()).unwrap_or(usize::MAX)),
        words::duration(play.scale.modelled(sum)),
        play.scale
    )
}

fn of(part: usize, whole: usize) -> String {
    format!("{} of {} ({})", words::count(part), words::count(whole), words::percent(part, whole))
}

/// A table of names and figures; none where there is nothing to tell.
fn pairs(caption: &str, rows: &[(&str, String)]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let rows = rows
        .iter()
        .map(|(name, figure)| format!("<tr><th scope=\"row\">{}</th><td>{figure}</td></tr>\n", escape(name)));
    format!(
        "<table class=\"pairs\">\n<caption>{caption}</caption>\n<tbody>\n{}</tbody>\n</table>\n",
        rows.collect::<String>()
    )
}

pub(super) fn expectations(play: &Play<'_>) -> String {
    if play.expectations.is_empty() {
        return String::new();
    }
    let rows = play.expectations.iter().map(|checked| {
        let (sign, class, word) = if checked.met { ("✓", "met", "met") } else { ("✗", "unmet", "not met") };
        format!(
            "<tr class=\"{class}\"><td><span aria-hidden=\"true\">{sign}</span><span class=\"sr\">{word}</span></td>\
             <th scope=\"row\"><code>{}</code><span class=\"saw\">saw: {}</span></th><td>{}</td><td>line {}</td></tr>\n",
            escape(&checked.text),
            escape(&checked.seen),
            checked.at,
            checked.line
        )
    });
    format!(
        "<section>\n<h2>What the scenario expected {}</h2>\n<table class=\"expectations\">\n<caption class=\"sr\">Expectations of the \
         scenario</caption>\n<tbody>\n{}</tbody>\n</table>\n</section>\n",
        modelled(play.scale),
        rows.collect::<String>()
    )
}

pub(super) fn events(play: &Play<'_>) -> String {
    let mut events: Vec<_> = play.record.events.iter().collect();
    events.sort_by_key(|event| event.at);
    let rows = events.iter().map(|event| {
        format!(
            "<tr><td>{}</td><th scope=\"row\">{}</th><td>{}</td></tr>\n",
            event.at,
            words::kind(event.kind),
            escape(&event.text)
        )
    });
    format!(
        "<section>\n<details>\n<summary>Everything that happened: {} events {}</summary>\n<table class=\"events\">\n<caption \
         class=\"sr\">Events of the play</caption>\n<tbody>\n{}</tbody>\n</table>\n</details>\n</section>\n",
        words::count(events.len()),
        modelled(play.scale),
        rows.collect::<String>()
    )
}

/// What is real, what is modelled, and by which rule.
pub(super) fn provenance(play: &Play<'_>) -> String {
    let real: String = REAL.iter().map(|what| format!("<li>{}</li>\n", escape(what))).collect();
    let simulated: String = play.simulated.iter().map(|what| format!("<li>{}</li>\n", escape(what))).collect();
    format!(
        "<section id=\"provenance\">\n<h2>What is real, and what is modelled</h2>\n<div class=\"halves\">\n<div>\n<h3>Real</h3>\n<ul>\n\
         {real}</ul>\n</div>\n<div>\n<h3>Something else played the part</h3>\n<ul>\n{simulated}</ul>\n</div>\n</div>\n\
         <h3>Rules of the models</h3>\n<p class=\"note\">Each with the page of AWS’s documentation that says so. None was verified on \
         live AWS.</p>\n{}{}{}</section>\n<footer><p>Made by <code>cargo rehearse</code>. Fields and figures: docs/rehearsal.md. The same \
         figures for programs: summary.json, beside this page.</p></footer>\n",
        rules("Route 53", &ROUTE_53),
        rules("CloudWatch and Lambda", &CLOUDWATCH),
        rules("CloudFront", &CLOUDFRONT),
    )
}

fn rules(caption: &str, rules: &[Rule]) -> String {
    let rows = rules
        .iter()
        .map(|rule| format!("<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n", escape(rule.rule), escape(rule.source)));
    format!(
        "<table class=\"rules\">\n<caption>{caption}</caption>\n<tbody>\n{}</tbody>\n</table>\n",
        rows.collect::<String>()
    )
}
