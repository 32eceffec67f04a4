//! The figures of a whole play.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::buckets::{Buckets, ratio};
use super::outage::Outage;
use crate::clock::{Moment, in_seconds};
use crate::timeline::{Answer, Class, Kind, Record};

/// Dark and unprotected time are counted in stretches of this length: long enough to hold several requests.
const STRETCH: Duration = Duration::from_secs(5);

/// A stretch is dark where at least this part of its requests failed.
const DARK: f64 = 0.5;

/// Answers by class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct ByClass {
    pub(crate) inspected: usize,
    pub(crate) bypassed_dns: usize,
    pub(crate) bypassed_edge: usize,
    pub(crate) failed: usize,
}

impl ByClass {
    fn of(answers: &[Answer]) -> Self {
        let count = |class: Class| answers.iter().filter(|answer| answer.class == class).count();
        Self {
            inspected: count(Class::Inspected),
            bypassed_dns: count(Class::BypassedDns),
            bypassed_edge: count(Class::BypassedEdge),
            failed: count(Class::Failed),
        }
    }

    pub(crate) fn get(&self, class: Class) -> usize {
        match class {
            Class::Inspected => self.inspected,
            Class::BypassedDns => self.bypassed_dns,
            Class::BypassedEdge => self.bypassed_edge,
            Class::Failed => self.failed,
        }
    }
}

/// An answer that takes longer is late.
const LATE: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Totals {
    pub(crate) requests: usize,
    pub(crate) by_class: ByClass,
    /// Requests that began while inspection was broken, and those of them that failed.
    pub(crate) requests_during_outages: usize,
    pub(crate) lost_during_outages: usize,
    /// Those that were served, but later than [`LATE`]: hardly a viewer waits for that.
    pub(crate) late_during_outages: usize,
    /// Requests that failed although inspection was well when they began.
    pub(crate) lost_otherwise: usize,
    pub(crate) posts: usize,
    pub(crate) posts_lost: usize,
    /// Answers over a connection that an edge had already, while inspection was broken; and those of them that failed.
    pub(crate) reused_during_outages: usize,
    pub(crate) reused_lost_during_outages: usize,
    /// Time in which at least half of the requests failed.
    #[serde(rename = "dark_seconds", serialize_with = "in_seconds")]
    pub(crate) dark: Duration,
    /// Time in which at least one answer was bypassed.
    #[serde(rename = "unprotected_seconds", serialize_with = "in_seconds")]
    pub(crate) unprotected: Duration,
    /// The same, each stretch weighted with the part of its answers that were bypassed.
    #[serde(rename = "unprotected_weighted_seconds", serialize_with = "in_seconds")]
    pub(crate) unprotected_weighted: Duration,
    /// How often the protected behaviours changed what they target, whoever wrote it.
    pub(crate) flips: usize,
    /// Calls to AWS by functions and operators, by service and operation.
    pub(crate) calls: BTreeMap<String, usize>,
}

impl Totals {
    pub(crate) fn of(record: &Record, outages: &[Outage], ended: Moment) -> Self {
        let answers = &record.answers;
        let buckets = Buckets::of(answers, STRETCH, ended);
        let is_lost = |answer: &&Answer| answer.class == Class::Failed;
        let during: Vec<&Answer> =
            answers.iter().filter(|answer| outages.iter().any(|outage| outage.contains(answer.at))).collect();
        let reused = during.iter().copied().filter(|answer| answer.reused);
        let posts = answers.iter().filter(|answer| answer.method == "POST");
        let lost_during_outages = during.iter().copied().filter(is_lost).count();
        Self {
            requests: answers.len(),
            by_class: ByClass::of(answers),
            requests_during_outages: during.len(),
            lost_during_outages,
            late_during_outages: during
                .iter()
                .filter(|answer| answer.class != Class::Failed && answer.took > LATE)
                .count(),
            lost_otherwise: answers.iter().filter(is_lost).count() - lost_during_outages,
            posts: posts.clone().count(),
            posts_lost: posts.filter(is_lost).count(),
            reused_during_outages: reused.clone().count(),
            reused_lost_during_outages: reused.filter(is_lost).count(),
            dark: buckets.lasting(|bucket| bucket.share(Class::Failed) >= DARK),
            unprotected: buckets.lasting(|bucket| bucket.bypassed() > 0),
            unprotected_weighted: buckets.weighted(|bucket| ratio(bucket.bypassed(), bucket.total())),
            flips: flips(record),
            calls: record.calls.clone(),
        }
    }
}

/// Before the first write every behaviour targets inspection. A write that leaves the targets as they are is no flip.
fn flips(record: &Record) -> usize {
    let mut events: Vec<_> = record.events.iter().collect();
    events.sort_by_key(|event| event.at);
    let writes = events.into_iter().map(|event| event.kind);
    let mut targets = Kind::WrittenInspected;
    let mut flips = 0;
    for kind in
        writes.filter(|kind| matches!(kind, Kind::WrittenBypassed | Kind::WrittenInspected | Kind::WrittenOther))
    {
        flips += usize::from(kind != targets);
        targets = kind;
    }
    flips
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{answer, at, event};

    fn totals(answers: Vec<Answer>, events: Vec<crate::timeline::Event>) -> Totals {
        let record = Record { answers, events, ..Record::default() };
        let outages = super::super::outage::outages(&record, crate::script::Layers::Both, at(100.0));
        Totals::of(&record, &outages, at(100.0))
    }

    #[test]
    fn losses_are_told_apart_by_whether_inspection_was_broken() {
        let broken = vec![event(10.0, Kind::InspectionBroken, ""), event(20.0, Kind::InspectionHealed, "")];
        let mut post = answer(12.0, 1.0, Class::Failed);
        post.method = "POST";
        post.reused = true;
        let answers = vec![
            answer(9.0, 5.0, Class::Failed),
            answer(10.0, 1.0, Class::Failed),
            post,
            answer(15.0, 1.0, Class::BypassedDns),
            answer(20.0, 1.0, Class::Inspected),
        ];
        let found = totals(answers, broken);
        assert_eq!((found.requests, found.requests_during_outages), (5, 3));
        assert_eq!((found.lost_during_outages, found.lost_otherwise), (2, 1));
        assert_eq!((found.posts, found.posts_lost), (1, 1));
        assert_eq!((found.reused_during_outages, found.reused_lost_during_outages), (1, 1));
    }

    #[test]
    fn who_waits_for_long_is_late_and_not_lost() {
        let broken = vec![event(10.0, Kind::InspectionBroken, ""), event(20.0, Kind::InspectionHealed, "")];
        let answers = vec![
            answer(5.0, 30.0, Class::Inspected),
            answer(11.0, 10.0, Class::BypassedDns),
            answer(12.0, 10.1, Class::BypassedDns),
            answer(13.0, 30.0, Class::Failed),
        ];
        let found = totals(answers, broken);
        assert_eq!((found.late_during_outages, found.lost_during_outages), (1, 1));
    }

    #[test]
    fn a_stretch_is_dark_from_half_of_its_requests_and_unprotected_from_one() {
        let found = totals(
            vec![
                answer(0.0, 0.1, Class::Inspected),
                answer(5.0, 0.1, Class::Failed),
                answer(6.0, 0.1, Class::Inspected),
                answer(10.0, 0.1, Class::BypassedEdge),
                answer(11.0, 0.1, Class::Inspected),
                answer(12.0, 0.1, Class::Inspected),
                answer(13.0, 0.1, Class::Inspected),
                answer(15.0, 0.1, Class::Inspected),
            ],
            vec![],
        );
        assert_eq!(found.dark, Duration::from_secs(5));
        assert_eq!(found.unprotected, Duration::from_secs(5));
        assert_eq!(found.unprotected_weighted, Duration::from_millis(1250));
    }

    #[test]
    fn a_flip_is_a_change_of_what_is_targeted() {
        let written = [
            Kind::WrittenInspected,
            Kind::WrittenBypassed,
            Kind::WrittenBypassed,
            Kind::WrittenInspected,
            Kind::WrittenOther,
        ];
        let events = written.iter().zip(1..).map(|(kind, second)| event(f64::from(second), *kind, "")).collect();
        assert_eq!(totals(vec![], events).flips, 3);
    }
}
