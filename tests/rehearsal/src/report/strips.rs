//! What each part of the system was in, or believed, as strips below the picture of the answers.

use super::SPEAKS;
use super::axis::Axis;
use super::markup::{escape, px, width};
use crate::clock::Moment;
use crate::timeline::{Class, Kind, Record};

/// Height of a strip, and size of the text in it.
const HEIGHT: f64 = 17.0;
const TEXT: f64 = 11.0;

/// How a state looks; the word is always with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tone {
    Well,
    Bad,
    Dns,
    Edge,
    /// On the way, or neither.
    Between,
}

impl Tone {
    fn class(self) -> &'static str {
        match self {
            Tone::Well => "t-well",
            Tone::Bad => "t-bad",
            Tone::Dns => "t-dns",
            Tone::Edge => "t-edge",
            Tone::Between => "t-between",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    from: Moment,
    word: String,
    tone: Tone,
}

/// One part over time.
#[derive(Clone, Debug)]
pub(crate) struct Strip {
    name: &'static str,
    /// Each until the next one; the last until the end.
    states: Vec<State>,
}

/// Those that have something to say.
pub(crate) fn strips(record: &Record, ended: Moment) -> Vec<Strip> {
    use Kind::{
        AlarmAlarm, AlarmInsufficientData, AlarmOk, ApplicationBroken, ApplicationHealed, CheckHealthy, CheckUnhealthy,
        DnsToApplication, DnsToInspection, InspectionBroken, InspectionHealed,
    };
    use Tone::{Bad, Between, Dns, Well};
    let well = [(InspectionBroken, "broken", Bad), (InspectionHealed, "well", Well)];
    let application = [(ApplicationBroken, "broken", Bad), (ApplicationHealed, "well", Well)];
    let check = [(CheckUnhealthy, "unhealthy", Bad), (CheckHealthy, "healthy", Well)];
    let dns = [(DnsToApplication, "application", Dns), (DnsToInspection, "inspection", Well)];
    let alarm = [(AlarmAlarm, "ALARM", Bad), (AlarmInsufficientData, "no data", Between), (AlarmOk, "OK", Well)];
    let by_events = [
        of_events(record, "inspection", &well),
        of_events(record, "application", &application),
        of_events(record, "Route 53", &check),
        of_events(record, "DNS answer", &dns),
        of_events(record, "alarm", &alarm),
        distribution(record),
    ];
    let traffic =
        of_samples("traffic", record.statuses.iter().map(|sample| (sample.at, sample.traffic.as_str())), ended);
    let posture =
        of_samples("posture", record.statuses.iter().map(|sample| (sample.at, sample.posture.as_str())), ended);
    by_events.into_iter().chain([traffic, posture]).flatten().collect()
}

/// A part whose state each of the kinds sets to a word; the last of them is how it was at the begin. `None` where nothing has
/// ever changed: then there is nothing to look at.
fn of_events(record: &Record, name: &'static str, kinds: &[(Kind, &str, Tone)]) -> Option<Strip> {
    let state = |from, (_, word, tone): (Kind, &str, Tone)| State { from, word: word.to_owned(), tone };
    let known = |kind| kinds.iter().find(|(known, ..)| *known == kind);
    let mut changes: Vec<State> =
        record.events.iter().filter_map(|event| Some(state(event.at, *known(event.kind)?))).collect();
    changes.sort_by_key(|state| state.from);
    let first = kinds.last().map(|begin| state(Moment::default(), *begin));
    (!changes.is_empty()).then(|| Strip { name, states: merged(first.into_iter().chain(changes)) })
}

/// What is written, and from the write to the last edge that it is on its way.
fn distribution(record: &Record) -> Option<Strip> {
    let targets = [
        (Kind::WrittenBypassed, "application", Tone::Edge),
        (Kind::WrittenInspected, "inspection", Tone::Well),
        (Kind::WrittenOther, "mixed", Tone::Between),
    ];
    let (_, mut word, mut tone) = targets[1];
    let mut states = vec![State { from: Moment::default(), word: word.to_owned(), tone }];
    let mut events: Vec<_> = record.events.iter().collect();
    events.sort_by_key(|event| event.at);
    for event in events {
        let target = targets.iter().find(|(kind, target, _)| *kind == event.kind && *target != word);
        if let Some((_, target, its_tone)) = target {
            (word, tone) = (target, *its_tone);
            states.push(State { from: event.at, word: format!("to {target}"), tone: Tone::Between });
        } else if event.kind == Kind::Deployed {
            states.push(State { from: event.at, word: word.to_owned(), tone });
        }
    }
    (states.len() > 1).then(|| Strip { name: "distribution", states: merged(states) })
}

/// A sample speaks until the next one, and no longer than `SPEAKS`: who is not asked any more says nothing.
fn of_samples<'a>(
    name: &'static str,
    samples: impl Iterator<Item = (Moment, &'a str)>,
    ended: Moment,
) -> Option<Strip> {
    let samples: Vec<(Moment, &str)> = samples.collect();
    let nexts = samples.iter().skip(1).map(|(at, _)| *at).chain([ended]);
    let states = samples.iter().zip(nexts).flat_map(|(&(from, word), next)| {
        let said = State { from, word: word.to_owned(), tone: tone(word) };
        let silence = State { from: from + SPEAKS, word: "no answer".to_owned(), tone: Tone::Between };
        [Some(said), (next > silence.from).then_some(silence)].into_iter().flatten()
    });
    let states = merged(states);
    (!states.is_empty()).then_some(Strip { name, states })
}

/// The colour of a word of `status`.
fn tone(word: &str) -> Tone {
    if word == Class::Inspected.name() {
        Tone::Well
    } else if word == Class::BypassedDns.name() {
        Tone::Dns
    } else if word.starts_with("bypassed") {
        Tone::Edge
    } else {
        Tone::Between
    }
}

/// The same without changes to what it was already.
fn merged(states: impl IntoIterator<Item = State>) -> Vec<State> {
    let mut merged: Vec<State> = Vec::new();
    for state in states {
        if merged.last().is_none_or(|last| last.word != state.word) {
            merged.push(state);
        }
    }
    merged
}

/// How high the drawing of so many strips is. Where names stand above their strips, each needs a line more.
pub(crate) fn height(strips: usize, names_above: bool) -> f64 {
    strips as f64 * pitch(names_above)
}

fn pitch(names_above: bool) -> f64 {
    if names_above { HEIGHT + 19.0 } else { HEIGHT + 5.0 }
}

/// Draws the strips from `top` downwards.
pub(crate) fn drawing(strips: &[Strip], axis: &Axis, top: f64, names_above: bool) -> String {
    let mut drawing = String::new();
    for (number, strip) in strips.iter().enumerate() {
        let row = top + number as f64 * pitch(names_above);
        let y = if names_above { row + 14.0 } else { row };
        let (x, base, anchor) =
            if names_above { (axis.left, row + 10.0, "start") } else { (axis.left - 8.0, y + HEIGHT - 5.0, "end") };
        let name = strip.name;
        drawing +=
            &format!("<text class=\"strip\" x=\"{}\" y=\"{}\" text-anchor=\"{anchor}\">{name}</text>", px(x), px(base));
        let ends = strip.states.iter().skip(1).map(|next| next.from).chain([axis.end]);
        for (state, end) in strip.states.iter().zip(ends) {
            drawing += &state.drawing(name, end, axis, y);
        }
    }
    drawing
}

impl State {
    fn drawing(&self, strip: &str, end: Moment, axis: &Axis, y: f64) -> String {
        let Some((x, wide)) = axis.stretch(self.from, end) else {
            return String::new();
        };
        let word = escape(&self.word);
        let rectangle = format!(
            "<rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"><title>{strip}: {word}, {} to {end}</title></rect>",
            self.tone.class(),
            px(x),
            px(y),
            px(wide),
            px(HEIGHT),
            self.from,
        );
        if width(&self.word, TEXT) + 6.0 > wide {
            return rectangle;
        }
        format!(
            "{rectangle}<text class=\"word {}\" x=\"{}\" y=\"{}\">{word}</text>",
            self.tone.class(),
            px(x + 4.0),
            px(y + HEIGHT - 5.0)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{at, event, status};

    fn words(strip: &Strip) -> Vec<&str> {
        strip.states.iter().map(|state| state.word.as_str()).collect()
    }

    #[test]
    fn a_part_that_never_changed_has_no_strip() {
        assert!(strips(&Record::default(), Moment::default()).is_empty());
    }

    #[test]
    fn a_distribution_is_on_its_way_until_the_last_edge_has_it() {
        let events = vec![
            event(10.0, Kind::WrittenBypassed, ""),
            event(20.0, Kind::EdgeUpdated, ""),
            event(30.0, Kind::Deployed, ""),
            event(40.0, Kind::WrittenInspected, ""),
        ];
        let found = strips(&Record { events, ..Record::default() }, at(100.0));
        assert_eq!(found.len(), 1);
        assert_eq!(words(&found[0]), ["inspection", "to application", "application", "to inspection"]);
    }

    #[test]
    fn samples_that_say_the_same_are_one_stretch() {
        let statuses = vec![
            status(1.0, "inspected", "inspected"),
            status(2.0, "inspected", "inspected"),
            status(3.0, "bypassed-dns", "inspected"),
        ];
        let found = strips(&Record { statuses, ..Record::default() }, at(100.0));
        assert_eq!(words(&found[0]), ["inspected", "bypassed-dns"]);
        assert_eq!(words(&found[1]), ["inspected"]);
    }

    #[test]
    fn who_is_not_asked_any_more_says_nothing() {
        let statuses = vec![status(10.0, "inspected", "inspected"), status(400.0, "inspected", "inspected")];
        let found = strips(&Record { statuses, ..Record::default() }, at(900.0));
        assert_eq!(words(&found[0]), ["inspected", "no answer", "inspected", "no answer"]);
        assert_eq!(found[0].states[1].from, at(160.0));
    }
}
