//! The figures of one outage: from the moment inspection broke to the one in which everything is inspected again.

use std::time::Duration;

use serde::Serialize;

use super::phases::{Breakdown, breakdown};
use super::words;
use crate::clock::{Moment, in_seconds};
use crate::script::Layers;
use crate::timeline::{Answer, Class, Event, Kind, Record};

/// Of the requests from a moment on, at least this part must be good for the moment to count as the turn.
const NEARLY_ALL: f64 = 0.99;

/// When something happened, and how long after the outage's begin or end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Mark {
    /// Modelled time since the play began.
    pub(crate) at: Moment,
    /// Modelled time since inspection broke, or since it was healed.
    #[serde(serialize_with = "in_seconds")]
    pub(crate) after: Duration,
}

/// What brought the first bypassed answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SavedBy {
    #[serde(rename = "layer-1")]
    Layer1,
    #[serde(rename = "layer-2")]
    Layer2,
    /// People, without this product.
    Hand,
    Nobody,
}

/// One outage of inspection.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Outage {
    /// What inspection suffered from, as it was told.
    pub(crate) fault: String,
    pub(crate) dark: Moment,
    /// `None`: not before the play's end.
    pub(crate) healed: Option<Moment>,
    pub(crate) saved_by: SavedBy,
    /// Requests that began between dark and healed, and those of them that failed.
    pub(crate) requests: usize,
    pub(crate) lost: usize,
    /// Times since dark.
    pub(crate) onset: Onset,
    /// Times since healed.
    pub(crate) recovery: Option<Recovery>,
    /// What the time to bypass consists of.
    pub(crate) breakdown: Breakdown,
    /// A sentence where Route 53 never took inspection for unhealthy, with the reason if it is known.
    pub(crate) unseen: Option<String>,
}

impl Outage {
    /// Whether inspection was broken at `moment`.
    pub(crate) fn contains(&self, moment: Moment) -> bool {
        self.dark <= moment && self.healed.is_none_or(|healed| moment < healed)
    }
}

/// From dark to bypassed. Everything in it happened before inspection was healed.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Onset {
    /// Route 53 took inspection for unhealthy.
    pub(crate) detected: Option<Mark>,
    pub(crate) dns_moved: Option<Mark>,
    pub(crate) alarm: Option<Mark>,
    pub(crate) event_delivered: Option<Mark>,
    pub(crate) decided: Option<Mark>,
    pub(crate) written: Option<Mark>,
    /// The first edge, and all of them, had what was written.
    pub(crate) first_edge: Option<Mark>,
    pub(crate) all_edges: Option<Mark>,
    /// A viewer had the first bypassed answer to a request from after dark, and the first of each layer.
    pub(crate) first_bypassed: Option<Mark>,
    pub(crate) first_bypassed_dns: Option<Mark>,
    pub(crate) first_bypassed_edge: Option<Mark>,
    /// End of the first request from which on at least 99 % of the requests until healing were bypassed, or served in any way.
    pub(crate) bypassed_99_percent: Option<Mark>,
    pub(crate) served_99_percent: Option<Mark>,
    /// The last failed answer, to a request from before healing.
    pub(crate) last_lost: Option<Mark>,
}

/// From healed to inspected. Everything in it happened before inspection broke again.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Recovery {
    pub(crate) check_healthy: Option<Mark>,
    pub(crate) dns_back: Option<Mark>,
    pub(crate) alarm_ok: Option<Mark>,
    pub(crate) decided: Option<Mark>,
    pub(crate) written: Option<Mark>,
    pub(crate) first_edge: Option<Mark>,
    pub(crate) all_edges: Option<Mark>,
    pub(crate) first_inspected: Option<Mark>,
    /// End of the first request from which on at least 99 % of the requests were inspected.
    pub(crate) inspected_99_percent: Option<Mark>,
}

/// The outages of a play, in their order.
pub(crate) fn outages(record: &Record, layers: Layers, ended: Moment) -> Vec<Outage> {
    let mut events: Vec<&Event> = record.events.iter().collect();
    events.sort_by_key(|event| event.at);
    let mut answers: Vec<&Answer> = record.answers.iter().collect();
    answers.sort_by_key(|answer| answer.at);
    let periods = periods(&events);
    let next_darks = periods.iter().skip(1).map(|period| period.dark).chain([Moment::at(Duration::MAX)]);
    periods
        .iter()
        .zip(next_darks)
        .map(|(period, over)| {
            let healed = period.healed.unwrap_or(over);
            let until_healed = Span { events: &events, answers: &answers, from: period.dark, to: healed };
            let onset = until_healed.onset();
            let during: Vec<&&Answer> = until_healed.answers().collect();
            Outage {
                fault: period.fault.clone(),
                dark: period.dark,
                healed: period.healed,
                saved_by: saved_by(&onset, layers),
                requests: during.len(),
                lost: during.iter().filter(|answer| answer.class == Class::Failed).count(),
                recovery: period
                    .healed
                    .map(|healed| Span { events: &events, answers: &answers, from: healed, to: over }.recovery()),
                breakdown: breakdown(period.dark, &onset, last_reused_loss(&during, &onset), layers),
                unseen: (!was_seen(&events, period.dark, &onset))
                    .then(|| unseen(&period.fault, layers, period.healed.unwrap_or(ended) - period.dark))
                    .flatten(),
                onset,
            }
        })
        .collect()
}

/// When inspection was broken. A second fault before healing belongs to the same outage.
struct Period {
    fault: String,
    dark: Moment,
    healed: Option<Moment>,
}

fn periods(events: &[&Event]) -> Vec<Period> {
    let mut periods: Vec<Period> = Vec::new();
    for event in events {
        let open = periods.last_mut().filter(|period| period.healed.is_none());
        if event.kind == Kind::InspectionBroken {
            match open {
                None => periods.push(Period { fault: event.text.clone(), dark: event.at, healed: None }),
                Some(period) => period.fault = format!("{}, then {}", period.fault, event.text),
            }
        } else if let Some(period) = open.filter(|_| event.kind == Kind::InspectionHealed) {
            period.healed = Some(event.at);
        }
    }
    periods
}

/// A stretch of the play: what happened in it, and the requests that began in it.
struct Span<'a> {
    /// By time.
    events: &'a [&'a Event],
    /// By the time the viewer asked.
    answers: &'a [&'a Answer],
    from: Moment,
    to: Moment,
}

impl Span<'_> {
    fn onset(&self) -> Onset {
        let written = self.first(Kind::WrittenBypassed);
        let (first_edge, all_edges) = self.propagation(written);
        Onset {
            detected: self.first(Kind::CheckUnhealthy),
            dns_moved: self.first(Kind::DnsToApplication),
            alarm: self.first(Kind::AlarmAlarm),
            event_delivered: self.delivered(),
            decided: self.first(Kind::DecidedBypass),
            written,
            first_edge,
            all_edges,
            first_bypassed: self.first_answer(Class::is_bypassed),
            first_bypassed_dns: self.first_answer(|class| class == Class::BypassedDns),
            first_bypassed_edge: self.first_answer(|class| class == Class::BypassedEdge),
            bypassed_99_percent: self.turn_before_the_end(Class::is_bypassed),
            served_99_percent: self.turn_before_the_end(|class| class != Class::Failed),
            last_lost: self.last_lost(),
        }
    }

    fn recovery(&self) -> Recovery {
        let written = self.first(Kind::WrittenInspected);
        let (first_edge, all_edges) = self.propagation(written);
        Recovery {
            check_healthy: self.first(Kind::CheckHealthy),
            dns_back: self.first(Kind::DnsToInspection),
            alarm_ok: self.first(Kind::AlarmOk),
            decided: self.first(Kind::DecidedRestore),
            written,
            first_edge,
            all_edges,
            first_inspected: self.first_answer(|class| class == Class::Inspected),
            inspected_99_percent: self.turn(|class| class == Class::Inspected),
        }
    }

    fn mark(&self, at: Moment) -> Mark {
        Mark { at, after: at - self.from }
    }

    fn happened(&self) -> impl Iterator<Item = &&Event> {
        self.events.iter().filter(|event| (self.from..self.to).contains(&event.at))
    }

    fn answers(&self) -> impl DoubleEndedIterator<Item = &&Answer> {
        self.answers.iter().filter(|answer| (self.from..self.to).contains(&answer.at))
    }

    fn first(&self, kind: Kind) -> Option<Mark> {
        self.happened().find(|event| event.kind == kind).map(|event| self.mark(event.at))
    }

    /// The first event that reached react after the alarm: an earlier one belongs to another state of the alarm.
    fn delivered(&self) -> Option<Mark> {
        let alarm = self.first(Kind::AlarmAlarm)?;
        let delivered = self.happened().find(|event| event.kind == Kind::EventDelivered && event.at >= alarm.at);
        delivered.map(|event| self.mark(event.at))
    }

    /// When the first edge and when all of them had taken over what was written, unless something else was written first.
    fn propagation(&self, written: Option<Mark>) -> (Option<Mark>, Option<Mark>) {
        let Some(written) = written else {
            return (None, None);
        };
        let mut after = self.events.iter().filter(|event| event.at >= written.at);
        let is_write =
            |event: &&&Event| matches!(event.kind, Kind::WrittenBypassed | Kind::WrittenInspected | Kind::WrittenOther);
        let the_write = after.find(is_write);
        let until_next: Vec<&Event> = after.take_while(|event| !is_write(event)).copied().collect();
        let first = |kind: Kind| {
            the_write.and(until_next.iter().find(|event| event.kind == kind)).map(|event| self.mark(event.at))
        };
        (first(Kind::EdgeUpdated), first(Kind::Deployed))
    }

    /// When a viewer had the first such answer.
    fn first_answer(&self, such: impl Fn(Class) -> bool) -> Option<Mark> {
        self.answers().filter(|answer| such(answer.class)).map(|answer| answer.ended()).min().map(|at| self.mark(at))
    }

    fn last_lost(&self) -> Option<Mark> {
        let lost = self.answers().filter(|answer| answer.class == Class::Failed);
        lost.map(|answer| answer.ended()).max().map(|at| self.mark(at))
    }

    /// The same, unless it came only with what ended the stretch: requests that began before and were answered after it.
    fn turn_before_the_end(&self, good: impl Fn(Class) -> bool) -> Option<Mark> {
        self.turn(good).filter(|turn| turn.at < self.to)
    }

    /// End of the first good request from which on nearly all are good.
    fn turn(&self, good: impl Fn(Class) -> bool) -> Option<Mark> {
        let (mut goods, mut all, mut turn) = (0_usize, 0_usize, None);
        for answer in self.answers().rev() {
            all += 1;
            if good(answer.class) {
                goods += 1;
                if goods as f64 >= NEARLY_ALL * all as f64 {
                    turn = Some(answer.ended());
                }
            }
        }
        turn.map(|at| self.mark(at))
    }
}

fn saved_by(onset: &Onset, layers: Layers) -> SavedBy {
    let by_edge = if layers == Layers::ByHand { SavedBy::Hand } else { SavedBy::Layer2 };
    match (onset.first_bypassed_dns, onset.first_bypassed_edge) {
        (None, None) => SavedBy::Nobody,
        (Some(_), None) => SavedBy::Layer1,
        (None, Some(_)) => by_edge,
        (Some(dns), Some(edge)) if dns.at <= edge.at => SavedBy::Layer1,
        (Some(_), Some(_)) => by_edge,
    }
}

/// The last failed answer that came over a connection from before DNS moved: an edge keeps using it as long as it is busy.
fn last_reused_loss(during: &[&&Answer], onset: &Onset) -> Option<Moment> {
    let moved = onset.dns_moved?.at;
    let lost = during.iter().filter(|answer| answer.reused && answer.class == Class::Failed && answer.at >= moved);
    lost.map(|answer| answer.ended()).max()
}

/// Whether Route 53 took inspection for unhealthy, or did so still since an outage before.
fn was_seen(events: &[&Event], dark: Moment, onset: &Onset) -> bool {
    let before = events.iter().rev().filter(|event| event.at <= dark);
    let mut verdicts = before.filter(|event| matches!(event.kind, Kind::CheckUnhealthy | Kind::CheckHealthy));
    onset.detected.is_some() || verdicts.next().is_some_and(|event| event.kind == Kind::CheckUnhealthy)
}

/// What there is to say where Route 53 has seen nothing.
fn unseen(fault: &str, layers: Layers, lasted: Duration) -> Option<String> {
    let consequence = match layers {
        Layers::Layer1 | Layers::Both => "Route 53 did not see this: layer 1 did nothing.",
        Layers::Layer2 => "Route 53 did not see this.",
        // Nobody has asked Route 53 here.
        Layers::Nothing | Layers::ByHand => return None,
    };
    Some(match words::why_unseen(fault, lasted) {
        Some(why) => format!("{consequence} {why}"),
        None => consequence.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{self, answer, at, event};

    fn seconds(mark: Option<Mark>) -> Option<f64> {
        mark.map(|mark| mark.after.as_secs_f64())
    }

    fn of(answers: Vec<Answer>, events: Vec<Event>, layers: Layers) -> Vec<Outage> {
        outages(&Record { answers, events, ..Record::default() }, layers, at(1000.0))
    }

    fn broken(from: f64, to: f64) -> Vec<Event> {
        vec![event(from, Kind::InspectionBroken, "blackhole"), event(to, Kind::InspectionHealed, "")]
    }

    #[test]
    fn a_play_without_a_fault_has_no_outage() {
        assert!(of(vec![answer(1.0, 0.1, Class::Inspected)], vec![], Layers::Both).is_empty());
    }

    #[test]
    fn each_fault_that_is_healed_is_an_outage_of_its_own() {
        let events =
            [broken(100.0, 200.0), broken(300.0, 400.0), vec![event(500.0, Kind::InspectionBroken, "refused")]]
                .concat();
        let found = of(vec![], events, Layers::Both);
        assert_eq!(found.iter().map(|outage| outage.dark.seconds()).collect::<Vec<_>>(), [100.0, 300.0, 500.0]);
        assert_eq!(found[2].healed, None);
        assert!(found[2].recovery.is_none() && found[1].recovery.is_some());
    }

    #[test]
    fn a_second_fault_before_healing_belongs_to_the_first() {
        let mut events = broken(100.0, 200.0);
        events.insert(1, event(150.0, Kind::InspectionBroken, "errors"));
        let found = of(vec![], events, Layers::Both);
        assert_eq!((found.len(), found[0].fault.as_str()), (1, "blackhole, then errors"));
    }

    #[test]
    fn the_first_bypassed_answer_counts_when_the_viewer_has_it() {
        let answers = vec![
            answer(90.0, 15.0, Class::BypassedDns),
            answer(110.0, 30.0, Class::BypassedDns),
            answer(120.0, 2.0, Class::BypassedEdge),
        ];
        let found = of(answers, broken(100.0, 200.0), Layers::Both);
        assert_eq!(seconds(found[0].onset.first_bypassed), Some(22.0));
        assert_eq!(found[0].saved_by, SavedBy::Layer2);
    }

    #[test]
    fn an_answer_to_a_request_from_after_healing_has_saved_nobody() {
        let found = of(vec![answer(201.0, 0.1, Class::BypassedDns)], broken(100.0, 200.0), Layers::Both);
        assert_eq!(found[0].saved_by, SavedBy::Nobody);
        assert_eq!(found[0].onset.first_bypassed, None);
    }

    #[test]
    fn ninety_nine_percent_are_reached_with_the_first_request_from_which_on_they_are() {
        let mut answers: Vec<Answer> =
            (0..100).map(|second| answer(100.0 + f64::from(second), 0.1, Class::Failed)).collect();
        answers.extend((0..400).map(|second| answer(200.0 + f64::from(second), 0.1, Class::BypassedDns)));
        let found = of(answers.clone(), broken(100.0, 600.0), Layers::Layer1);
        assert_eq!(seconds(found[0].onset.bypassed_99_percent), Some(100.1));
        assert_eq!(seconds(found[0].onset.last_lost), Some(99.1));

        // Four losses in 400 are 1 %. With a fifth the turn is behind the second of them: three in the 379 that remain.
        let turn = |answers: &[Answer]| {
            seconds(of(answers.to_vec(), broken(100.0, 600.0), Layers::Layer1)[0].onset.bypassed_99_percent)
        };
        for lost in [10, 20, 30, 40] {
            answers[100 + lost].class = Class::Failed;
        }
        assert_eq!(turn(&answers), Some(100.1));
        answers[100 + 50].class = Class::Failed;
        assert_eq!(turn(&answers), Some(121.1));
    }

    #[test]
    fn healing_is_no_turn_of_the_outage_that_it_ends() {
        let mut answers: Vec<Answer> =
            (0..100).map(|second| answer(100.0 + f64::from(second), 0.1, Class::Failed)).collect();
        // It began before healing, at 200, and was answered after it.
        answers.push(answer(199.5, 1.0, Class::Inspected));
        let found = of(answers, broken(100.0, 200.0), Layers::Nothing);
        assert_eq!(found[0].onset.served_99_percent, None);
    }

    #[test]
    fn nothing_that_is_never_reached_has_a_time() {
        let answers = (0..50).map(|second| answer(100.0 + f64::from(second), 0.1, Class::Failed)).collect();
        let found = of(answers, broken(100.0, 150.0), Layers::Nothing);
        assert_eq!(found[0].onset.bypassed_99_percent, None);
        assert_eq!(found[0].onset.served_99_percent, None);
        assert_eq!((found[0].requests, found[0].lost), (50, 50));
        assert_eq!(found[0].unseen, None);
    }

    #[test]
    fn edges_that_take_over_the_next_write_are_not_those_of_this_one() {
        let mut events = broken(100.0, 900.0);
        events.extend([
            event(200.0, Kind::WrittenBypassed, ""),
            event(230.0, Kind::EdgeUpdated, ""),
            event(260.0, Kind::WrittenInspected, "infrastructure as code"),
            event(300.0, Kind::EdgeUpdated, ""),
            event(500.0, Kind::Deployed, ""),
        ]);
        let found = of(vec![], events, Layers::Layer2);
        assert_eq!(seconds(found[0].onset.first_edge), Some(130.0));
        assert_eq!(seconds(found[0].onset.all_edges), None);
    }

    #[test]
    fn an_edge_that_is_the_first_after_healing_still_belongs_to_its_write() {
        let mut events = broken(100.0, 220.0);
        events.extend([event(200.0, Kind::WrittenBypassed, ""), event(230.0, Kind::EdgeUpdated, "")]);
        assert_eq!(seconds(of(vec![], events, Layers::Layer2)[0].onset.first_edge), Some(130.0));
    }

    #[test]
    fn what_route_53_has_not_seen_is_said() {
        let mut events = broken(100.0, 900.0);
        events[0].text = "inspection: expired-certificate".to_owned();
        let said = of(vec![], events.clone(), Layers::Both)[0].unseen.clone().unwrap();
        assert!(
            said.starts_with("Route 53 did not see this: layer 1 did nothing.") && said.contains("validate"),
            "{said}"
        );
        events.push(event(130.0, Kind::CheckUnhealthy, ""));
        assert_eq!(of(vec![], events, Layers::Both)[0].unseen, None);
    }

    #[test]
    fn a_check_that_is_unhealthy_still_has_seen_the_next_fault() {
        let mut events = [broken(100.0, 200.0), broken(210.0, 300.0)].concat();
        events.extend([event(130.0, Kind::CheckUnhealthy, ""), event(240.0, Kind::CheckHealthy, "")]);
        assert!(of(vec![], events.clone(), Layers::Both).iter().all(|outage| outage.unseen.is_none()));
        events.push(event(205.0, Kind::CheckHealthy, ""));
        assert!(of(vec![], events, Layers::Both)[1].unseen.is_some());
    }

    #[test]
    fn a_whole_outage_is_told_with_every_step() {
        let record = sample::outage(Layers::Both);
        let found = &outages(&record, Layers::Both, at(sample::ENDED))[0];
        let onset = &found.onset;
        assert_eq!(found.saved_by, SavedBy::Layer1);
        assert_eq!(seconds(onset.detected), Some(34.0));
        assert_eq!(seconds(onset.alarm), Some(110.0));
        assert_eq!(seconds(onset.written), Some(118.0));
        assert_eq!(seconds(onset.all_edges), Some(419.0));
        assert!((40.0..60.0).contains(&seconds(onset.first_bypassed).unwrap()));
        let recovery = found.recovery.as_ref().unwrap();
        assert_eq!(seconds(recovery.check_healthy), Some(29.0));
        assert_eq!(seconds(recovery.written), Some(1005.0));
        assert!(seconds(recovery.first_inspected) < seconds(recovery.all_edges));
        assert!(recovery.inspected_99_percent.is_some());
        assert_eq!(found.breakdown.layer_1.len(), 3);
        assert_eq!(found.breakdown.layer_2.len(), 7);
    }
}
