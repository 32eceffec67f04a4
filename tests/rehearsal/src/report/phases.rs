//! What the time from dark to bypassed consists of, for each layer.

use std::time::Duration;

use serde::Serialize;

use super::outage::{Mark, Onset};
use crate::clock::{Moment, in_seconds};
use crate::script::Layers;

/// What time went by with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Part {
    /// Enough of Route 53's checkers have to see enough failures.
    Detection,
    /// An edge has to ask DNS again, when the TTL of the answer that it has is over.
    Dns,
    /// Edges go on using the connections that they have.
    ConnectionReuse,
    /// The check's metric comes once a minute, and the alarm is evaluated once a minute.
    Metric,
    /// The alarm's event travels to react.
    Event,
    Decision,
    Write,
    /// The configuration travels to the first edge, and to the last.
    FirstEdge,
    LastEdge,
    /// People notice, decide and write.
    People,
}

/// A stretch of the time to bypass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Phase {
    pub(crate) part: Part,
    pub(crate) began: Moment,
    #[serde(serialize_with = "in_seconds")]
    pub(crate) seconds: Duration,
}

impl Phase {
    pub(crate) fn ended(&self) -> Moment {
        self.began + self.seconds
    }
}

/// The phases of both layers, each in their order; none where a layer did nothing.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Breakdown {
    pub(crate) layer_1: Vec<Phase>,
    /// Of the flip, or of people where there is no flip.
    pub(crate) layer_2: Vec<Phase>,
}

pub(crate) fn breakdown(dark: Moment, onset: &Onset, last_reused_loss: Option<Moment>, layers: Layers) -> Breakdown {
    let mark = |mark: Option<Mark>| mark.map(|mark| mark.at);
    let layer_1 = match onset.first_bypassed_dns {
        None => Vec::new(),
        Some(first) => chain(
            dark,
            [
                (Part::Detection, mark(onset.detected)),
                (Part::Dns, Some(first.at)),
                (Part::ConnectionReuse, last_reused_loss.filter(|last| *last > first.at)),
            ],
        ),
    };
    let propagation = [(Part::FirstEdge, mark(onset.first_edge)), (Part::LastEdge, mark(onset.all_edges))];
    let layer_2 = match (onset.written, layers) {
        (None, _) => Vec::new(),
        (Some(written), Layers::ByHand) => {
            chain(dark, [(Part::People, Some(written.at))].into_iter().chain(propagation))
        }
        (Some(written), Layers::Nothing | Layers::Layer1 | Layers::Layer2 | Layers::Both) => {
            let to_write = [
                (Part::Detection, mark(onset.detected)),
                (Part::Metric, mark(onset.alarm)),
                (Part::Event, mark(onset.event_delivered)),
                (Part::Decision, mark(onset.decided)),
                (Part::Write, Some(written.at)),
            ];
            chain(dark, to_write.into_iter().chain(propagation))
        }
    };
    Breakdown { layer_1, layer_2 }
}

/// Each part lasts from the end of the one before to its own. What did not happen takes no time; nor does what came only after
/// a later part was over (an event that arrives when a tick has decided already).
fn chain(begin: Moment, ends: impl IntoIterator<Item = (Part, Option<Moment>)>) -> Vec<Phase> {
    let known: Vec<(Part, Moment)> = ends.into_iter().filter_map(|(part, end)| Some((part, end?))).collect();
    let mut began = begin;
    let mut phases = Vec::new();
    for (number, &(part, end)) in known.iter().enumerate() {
        let is_overtaken = known[number..].iter().any(|(_, later)| *later < end);
        if end > began && !is_overtaken {
            phases.push(Phase { part, began, seconds: end - began });
            began = end;
        }
    }
    phases
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::at;

    fn mark(seconds: f64) -> Option<Mark> {
        Some(Mark { at: at(seconds), after: at(seconds) - at(100.0) })
    }

    #[test]
    fn phases_are_without_gaps() {
        let onset = Onset {
            detected: mark(130.0),
            alarm: mark(190.0),
            decided: mark(195.0),
            written: mark(197.0),
            first_edge: mark(230.0),
            all_edges: mark(400.0),
            first_bypassed_dns: mark(150.0),
            ..Onset::default()
        };
        let found = breakdown(at(100.0), &onset, Some(at(180.0)), Layers::Both);
        let seconds = |phases: &[Phase]| phases.iter().map(|phase| phase.seconds.as_secs()).collect::<Vec<_>>();
        assert_eq!(seconds(&found.layer_1), [30, 20, 30]);
        assert_eq!(seconds(&found.layer_2), [30, 60, 5, 2, 33, 170]);
        for pair in found.layer_2.windows(2) {
            assert_eq!(pair[0].ended(), pair[1].began);
        }
    }

    #[test]
    fn an_event_that_comes_after_a_tick_has_decided_takes_no_time_of_its_own() {
        let onset = Onset {
            alarm: mark(190.0),
            event_delivered: mark(300.0),
            decided: mark(240.0),
            written: mark(245.0),
            ..Onset::default()
        };
        let parts: Vec<_> =
            breakdown(at(100.0), &onset, None, Layers::Layer2).layer_2.iter().map(|phase| phase.part).collect();
        assert_eq!(parts, [Part::Metric, Part::Decision, Part::Write]);
    }

    #[test]
    fn by_hand_the_time_until_the_write_is_that_of_people() {
        let onset = Onset { written: mark(1000.0), all_edges: mark(1300.0), ..Onset::default() };
        let parts: Vec<_> =
            breakdown(at(100.0), &onset, None, Layers::ByHand).layer_2.iter().map(|phase| phase.part).collect();
        assert_eq!(parts, [Part::People, Part::LastEdge]);
    }

    #[test]
    fn a_layer_that_did_nothing_has_no_phases() {
        let found = breakdown(at(100.0), &Onset { detected: mark(130.0), ..Onset::default() }, None, Layers::Both);
        assert!(found.layer_1.is_empty() && found.layer_2.is_empty());
    }
}
