//! Whether `status` called the traffic what the viewers got.

use std::time::Duration;

use serde::Serialize;

use crate::clock::Moment;
use crate::timeline::{Answer, Class, Event, Kind, Record, StatusSample};

/// Answers that viewers had so long before or after a sample are held against it: together a modelled minute. A request may
/// have begun long before its answer, when everything was different.
const AROUND: Duration = Duration::from_secs(30);

/// So long after the check, DNS or the alarm moved, viewers may still get what was before: TTLs, and connections that are kept.
const DNS_TRANSITION: Duration = Duration::from_secs(90);

/// So long after a write, edges may still have what was before.
const EDGE_TRANSITION: Duration = Duration::from_secs(400);

/// One sample, held against the viewers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    Agrees,
    /// It does not agree, and something had moved so shortly before that it need not.
    InTransition,
    Disagrees,
    /// The sample is `unknown`, or no answer went any way.
    SaysNothing,
}

/// A sample that does not agree.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Doubt {
    pub(crate) at: Moment,
    /// The word of `status`.
    pub(crate) traffic: String,
    /// Answers in the minute around it that contradict the word, and all of them.
    pub(crate) contradicting: usize,
    pub(crate) answers: usize,
    pub(crate) verdict: Verdict,
}

/// All samples of a play.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Agreement {
    pub(crate) samples: usize,
    pub(crate) agree: usize,
    pub(crate) in_transition: usize,
    pub(crate) disagree: usize,
    pub(crate) say_nothing: usize,
    /// Those in transition and those that disagree.
    pub(crate) doubts: Vec<Doubt>,
}

pub(crate) fn agreement(record: &Record) -> Agreement {
    let mut agreement = Agreement { samples: record.statuses.len(), ..Agreement::default() };
    for sample in &record.statuses {
        let around = record.answers.iter().filter(|answer| is_around(answer, sample.at));
        let answers: Vec<&Answer> = around.collect();
        let contradicting = answers.iter().filter(|answer| contradicts(answer, &sample.traffic)).count();
        let supporting = answers.iter().filter(|answer| way(&sample.traffic) == Some(answer.class)).count();
        let verdict = verdict(sample, supporting, contradicting, &record.events);
        match verdict {
            Verdict::Agrees => agreement.agree += 1,
            Verdict::InTransition => agreement.in_transition += 1,
            Verdict::Disagrees => agreement.disagree += 1,
            Verdict::SaysNothing => agreement.say_nothing += 1,
        }
        if matches!(verdict, Verdict::InTransition | Verdict::Disagrees) {
            agreement.doubts.push(Doubt {
                at: sample.at,
                traffic: sample.traffic.clone(),
                contradicting,
                answers: answers.len(),
                verdict,
            });
        }
    }
    agreement
}

fn verdict(sample: &StatusSample, supporting: usize, contradicting: usize, events: &[Event]) -> Verdict {
    if contradicting == 0 {
        // Where every request fails, nothing shows whether the word is right.
        if supporting == 0 { Verdict::SaysNothing } else { Verdict::Agrees }
    } else if events.iter().any(|event| unsettles(event, sample.at)) {
        Verdict::InTransition
    } else {
        Verdict::Disagrees
    }
}

fn is_around(answer: &Answer, at: Moment) -> bool {
    answer.ended() + AROUND >= at && answer.ended() < at + AROUND
}

/// Each word of `status` names one way, and an answer that came another way contradicts it. A failed answer contradicts nothing:
/// it went no way. Nor does one that DNS alone has sent elsewhere, over a connection that an edge had kept open: it says where
/// DNS led when that was opened. Which origin an edge uses is no matter of connections.
pub(crate) fn contradicts(answer: &Answer, traffic: &str) -> bool {
    let Some(said) = way(traffic) else { return false };
    let is_old = answer.reused && answer.class != Class::BypassedEdge && said != Class::BypassedEdge;
    answer.class != Class::Failed && answer.class != said && !is_old
}

/// The way that `status` names; none for `unknown`.
fn way(traffic: &str) -> Option<Class> {
    [Class::Inspected, Class::BypassedDns, Class::BypassedEdge].into_iter().find(|class| class.name() == traffic)
}

/// Whether the event leaves open what viewers get in the minute around a sample.
fn unsettles(event: &Event, sample: Moment) -> bool {
    let lasts = match event.kind {
        Kind::CheckUnhealthy
        | Kind::CheckHealthy
        | Kind::DnsToApplication
        | Kind::DnsToInspection
        | Kind::AlarmAlarm
        | Kind::AlarmOk
        | Kind::AlarmInsufficientData
        | Kind::EdgeUpdated
        | Kind::Deployed => DNS_TRANSITION,
        Kind::WrittenBypassed | Kind::WrittenInspected | Kind::WrittenOther => EDGE_TRANSITION,
        Kind::InspectionBroken
        | Kind::InspectionHealed
        | Kind::ApplicationBroken
        | Kind::ApplicationHealed
        | Kind::EventDelivered
        | Kind::EventLost
        | Kind::DecidedBypass
        | Kind::DecidedRestore
        | Kind::DecidedHold
        | Kind::Throttled
        | Kind::Operator
        | Kind::Disturbance
        | Kind::ExpectationMet
        | Kind::ExpectationFailed => return false,
    };
    event.at < sample + AROUND && event.at + lasts >= sample
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{answer, at, event, status};

    fn of(traffic: &str, class: Class, events: Vec<Event>) -> Agreement {
        agreement(&Record {
            answers: vec![answer(1000.0, 0.1, class), answer(1100.0, 0.1, Class::Failed)],
            events,
            statuses: vec![status(1010.0, traffic, "inspected")],
            ..Record::default()
        })
    }

    #[test]
    fn inspected_traffic_holds_no_bypassed_answer() {
        assert_eq!(of("inspected", Class::Inspected, vec![]).agree, 1);
        assert_eq!(of("inspected", Class::Failed, vec![]).say_nothing, 1);
        let found = of("inspected", Class::BypassedDns, vec![]);
        assert_eq!((found.disagree, found.doubts[0].contradicting), (1, 1));
    }

    #[test]
    fn bypassed_traffic_holds_no_inspected_answer() {
        for (traffic, way, other) in [
            ("bypassed-dns", Class::BypassedDns, Class::BypassedEdge),
            ("bypassed-edge", Class::BypassedEdge, Class::BypassedDns),
        ] {
            assert_eq!(of(traffic, way, vec![]).agree, 1);
            assert_eq!(of(traffic, other, vec![]).disagree, 1, "the other layer");
            assert_eq!(of(traffic, Class::Inspected, vec![]).disagree, 1);
        }
    }

    #[test]
    fn unknown_says_nothing_and_so_does_a_minute_without_viewers() {
        assert_eq!(of("unknown", Class::Inspected, vec![]).say_nothing, 1);
        let silent = Record { statuses: vec![status(10.0, "inspected", "inspected")], ..Record::default() };
        assert_eq!(agreement(&silent).say_nothing, 1);
    }

    #[test]
    fn shortly_after_something_moved_a_sample_need_not_agree() {
        let found = |seconds, kind| of("inspected", Class::BypassedDns, vec![event(seconds, kind, "")]);
        assert_eq!(found(930.0, Kind::DnsToApplication).in_transition, 1);
        assert_eq!(found(900.0, Kind::DnsToApplication).disagree, 1);
        assert_eq!(found(650.0, Kind::WrittenInspected).in_transition, 1);
        assert_eq!(found(600.0, Kind::WrittenInspected).disagree, 1);
        assert_eq!(found(1000.0, Kind::Operator).disagree, 1);
    }

    #[test]
    fn what_moves_within_the_minute_counts_as_before() {
        let moved = vec![event(1035.0, Kind::EdgeUpdated, "")];
        assert_eq!(of("inspected", Class::BypassedEdge, moved).in_transition, 1);
        let later = vec![event(1045.0, Kind::EdgeUpdated, "")];
        assert_eq!(of("inspected", Class::BypassedEdge, later).disagree, 1);
        assert_eq!(at(1010.0) - at(1000.0), Duration::from_secs(10));
    }

    #[test]
    fn an_answer_counts_when_the_viewer_has_it() {
        let late = answer(1020.0, 45.0, Class::BypassedDns);
        let record = Record {
            answers: vec![late],
            statuses: vec![status(1000.0, "inspected", "inspected")],
            ..Record::default()
        };
        assert_eq!(agreement(&record).say_nothing, 1);
    }

    #[test]
    fn an_answer_over_an_old_connection_contradicts_no_status() {
        let [old, new] = [true, false].map(|reused| move |class| Answer { reused, ..answer(0.0, 1.0, class) });
        assert!(!contradicts(&old(Class::Inspected), "bypassed-dns"));
        assert!(contradicts(&new(Class::Inspected), "bypassed-dns"));
        assert!(!contradicts(&old(Class::BypassedDns), "inspected"));
        assert!(contradicts(&old(Class::BypassedEdge), "inspected"), "an edge's origin is in its configuration");
        assert!(contradicts(&old(Class::Inspected), "bypassed-edge"));
        assert!(contradicts(&new(Class::BypassedEdge), "inspected"));
        assert!(!contradicts(&new(Class::Failed), "inspected"));
        assert!(!contradicts(&new(Class::BypassedEdge), "unknown"));
    }
}
