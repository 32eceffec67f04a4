//! When each edge takes over a change of the distribution.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;

use crate::clock::Moment;

use super::config::Configuration;

/// Modelled milliseconds from a write to an edge: between about 10 s, as somebody has measured at one edge
/// (docs.rubyonjets.com), and 5 minutes, within which all have it ("Slashing CloudFront change propagation times in 2020", AWS
/// blog; "typically takes a few minutes", CloudFront Developer Guide, associate-function).
///
/// Assumed: every delay between these is as likely as any other, at each edge and for each change anew.
const DELAY: RangeInclusive<u64> = 10_000..=300_000;

/// A configuration that was written.
#[derive(Debug)]
pub(crate) struct Version {
    pub(crate) etag: String,
    /// When it was seen in the control plane, from which its delays count.
    pub(crate) written: Moment,
    pub(crate) configuration: Arc<Configuration>,
}

/// A version reaches an edge.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    /// From 0.
    pub(crate) edge: usize,
    pub(crate) at: Moment,
    pub(crate) version: Arc<Version>,
}

/// All arrivals that are to come.
pub(crate) struct Schedule {
    rng: Rng,
    /// By edge, in the order of their times.
    arrivals: Vec<VecDeque<Arrival>>,
}

impl Schedule {
    pub(crate) fn new(edges: usize, seed: u64) -> Self {
        Self { rng: Rng::with_seed(seed), arrivals: vec![VecDeque::new(); edges] }
    }

    /// Draws when each edge takes over. Successive changes arrive in order, so none overtakes the one before (CloudFront
    /// Developer Guide, HowToUpdateDistribution).
    pub(crate) fn change(&mut self, version: &Arc<Version>) {
        for (edge, coming) in self.arrivals.iter_mut().enumerate() {
            let drawn = version.written + Duration::from_millis(self.rng.u64(DELAY));
            let at = coming.back().map_or(drawn, |before| before.at.max(drawn));
            coming.push_back(Arrival { edge, at, version: version.clone() });
        }
    }

    /// When there is something to do.
    pub(crate) fn next(&self) -> Option<Moment> {
        self.arrivals.iter().filter_map(VecDeque::front).map(|arrival| arrival.at).min()
    }

    /// What has arrived by now and was not taken before, in the order of its times.
    pub(crate) fn take_due(&mut self, now: Moment) -> Vec<Arrival> {
        let mut due = Vec::new();
        for coming in &mut self.arrivals {
            while let Some(arrival) = coming.pop_front_if(|arrival| arrival.at <= now) {
                due.push(arrival);
            }
        }
        // A stable order: of two that reach an edge at once, the later one has to win.
        due.sort_by_key(|arrival| arrival.at);
        due
    }

    /// Whether every edge has the latest version.
    pub(crate) fn is_settled(&self) -> bool {
        self.arrivals.iter().all(VecDeque::is_empty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::at(Duration::from_secs(seconds))
    }

    fn version(etag: &str, written: u64) -> Arc<Version> {
        let configuration = Configuration::parse(include_bytes!("../../../events/distribution-rich.xml")).unwrap();
        Arc::new(Version { etag: etag.to_owned(), written: at(written), configuration: Arc::new(configuration) })
    }

    #[test]
    fn every_edge_has_a_change_between_10_s_and_5_min_after_it_was_written() {
        let mut schedule = Schedule::new(50, 7);
        schedule.change(&version("E1", 1000));
        assert!(schedule.take_due(at(1009)).is_empty());
        let due = schedule.take_due(at(1300));
        assert_eq!(due.len(), 50);
        assert!(due.is_sorted_by_key(|arrival| arrival.at));
        assert!(due.last().unwrap().at - due[0].at > Duration::from_secs(60));
        assert!(schedule.is_settled() && schedule.next().is_none());
    }

    #[test]
    fn a_change_is_taken_over_when_its_time_has_come_and_once() {
        let mut schedule = Schedule::new(4, 7);
        schedule.change(&version("E1", 0));
        let first = schedule.next().unwrap();
        let due = schedule.take_due(first);
        assert_eq!((due.len(), due[0].at), (1, first));
        assert!(schedule.take_due(first).is_empty());
        assert!(!schedule.is_settled());
    }

    #[test]
    fn successive_changes_arrive_in_order_at_each_edge() {
        let mut schedule = Schedule::new(8, 7);
        for (number, etag) in ["E1", "E2", "E3"].into_iter().enumerate() {
            schedule.change(&version(etag, number as u64));
        }
        let due = schedule.take_due(at(400));
        for edge in 0..8 {
            let etags: Vec<_> =
                due.iter().filter(|arrival| arrival.edge == edge).map(|arrival| &arrival.version.etag).collect();
            assert_eq!(etags, ["E1", "E2", "E3"]);
        }
    }

    #[test]
    fn the_same_seed_draws_the_same_delays() {
        let times = |seed| {
            let mut schedule = Schedule::new(4, seed);
            schedule.change(&version("E1", 0));
            schedule.take_due(at(300)).iter().map(|arrival| (arrival.edge, arrival.at)).collect::<Vec<_>>()
        };
        assert_eq!(times(1), times(1));
        assert_ne!(times(1), times(2));
    }
}
