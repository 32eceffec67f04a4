//! A play in a line, and in a few: what a terminal shows at the end.

use super::outage::{Mark, Outage, SavedBy};
use super::words::{duration, wrapped};
use super::{Figures, Play};
use crate::narration::Outcome;

/// `dark 42 s, 91 lost and 3 late of 2400 requests in the outage, saved by layer 1`; of several outages, all together.
pub(crate) fn in_a_line(figures: &Figures) -> String {
    let totals = &figures.totals;
    let saved = match figures.outages.first() {
        Some(outage) => format!(", {}", saved_by(outage.saved_by)),
        None => String::new(),
    };
    if figures.outages.is_empty() {
        return format!(
            "dark {}, {} of {} requests failed",
            duration(totals.dark),
            totals.by_class.failed,
            totals.requests
        );
    }
    format!(
        "dark {}, {} lost and {} late of {} requests in the outage{saved}",
        duration(totals.dark),
        totals.lost_during_outages,
        totals.late_during_outages,
        totals.requests_during_outages
    )
}

/// The times of each outage, and the sums. Every figure is modelled, and says at which scale.
pub(crate) fn in_brief(play: &Play<'_>, figures: &Figures) -> String {
    let verdict = match play.outcome {
        Outcome::Passed => format!("All {} expectations were met.", play.expectations.len()),
        Outcome::Failed => format!("FAILED: {}", play.failure.unwrap_or("the play broke down")),
        Outcome::Interrupted => "Interrupted.".to_owned(),
    };
    let mut lines = wrapped("", &verdict);
    lines.push(format!("Modelled at {}, seed {}:", play.scale, play.seed));
    for outage in &figures.outages {
        lines.extend(of_outage(outage));
    }
    let totals = &figures.totals;
    lines.extend(wrapped(
        "  ",
        &format!(
            "{} requests: {} inspected, {} bypassed, {} failed, {} late in outages; dark {}, unprotected {}, {} flips",
            totals.requests,
            totals.by_class.inspected,
            totals.by_class.bypassed_dns + totals.by_class.bypassed_edge,
            totals.by_class.failed,
            totals.late_during_outages,
            duration(totals.dark),
            duration(totals.unprotected),
            totals.flips
        ),
    ));
    lines.extend(wrapped("  ", &own_work(play)));
    lines.join("\n")
}

fn of_outage(outage: &Outage) -> Vec<String> {
    let onset = &outage.onset;
    let mut lines = vec![format!("  {}, at {}:", outage.fault, outage.dark)];
    if let Some(unseen) = &outage.unseen {
        lines.extend(wrapped("    ", unseen));
    }
    lines.extend(times(
        "since dark",
        &[
            ("detected", &onset.detected),
            ("DNS moved", &onset.dns_moved),
            ("alarm", &onset.alarm),
            ("decided", &onset.decided),
            ("written", &onset.written),
            ("first bypassed", &onset.first_bypassed),
            ("99 % bypassed", &onset.bypassed_99_percent),
        ],
    ));
    if let Some(recovery) = &outage.recovery {
        lines.extend(times(
            "since healed",
            &[
                ("check healthy", &recovery.check_healthy),
                ("alarm OK", &recovery.alarm_ok),
                ("restore written", &recovery.written),
                ("first inspected", &recovery.first_inspected),
                ("99 % inspected", &recovery.inspected_99_percent),
            ],
        ));
    }
    lines.push(format!("    {} of {} requests lost, {}", outage.lost, outage.requests, saved_by(outage.saved_by)));
    lines
}

/// Those that there are, in their order.
fn times(since: &str, marks: &[(&str, &Option<Mark>)]) -> Vec<String> {
    let told: Vec<String> = marks
        .iter()
        .filter_map(|(name, mark)| mark.as_ref().map(|mark| format!("{name} {}", duration(mark.after))))
        .collect();
    wrapped(&format!("    {since}: "), &if told.is_empty() { "nothing".to_owned() } else { told.join(", ") })
}

/// The functions are real programs: the scale stretches what they need.
fn own_work(play: &Play<'_>) -> String {
    let Some(longest) = play.record.work.iter().map(|(_, wall)| *wall).max() else {
        return "No function had work that the scale stretched.".to_owned();
    };
    format!(
        "In these times the functions' own work is stretched by the scale: at most {} ms a time, shown as {}.",
        longest.as_millis(),
        duration(play.scale.modelled(longest))
    )
}

fn saved_by(saved_by: SavedBy) -> &'static str {
    match saved_by {
        SavedBy::Layer1 => "saved by layer 1",
        SavedBy::Layer2 => "saved by layer 2",
        SavedBy::Hand => "saved by people",
        SavedBy::Nobody => "saved by nobody",
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::super::words::COLUMNS;
    use super::*;
    use crate::script::Layers;

    #[test]
    fn a_play_in_brief_fits_a_terminal_and_says_that_it_is_modelled() {
        for layers in Layers::ALL {
            let (record, simulated) = (sample::outage(layers), sample::simulated());
            let play = sample::play(layers, &record, &simulated);
            let figures = Figures::of(&record, layers, play.ended);
            let brief = in_brief(&play, &figures);
            assert!(brief.contains("Modelled at 1:20"), "{brief}");
            assert!(brief.lines().all(|line| line.chars().count() <= COLUMNS), "{brief}");
            assert!(in_a_line(&figures).ends_with(saved_by(figures.outages[0].saved_by)));
        }
    }
}
