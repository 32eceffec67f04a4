//! The metrics of Route 53's health checks, a value a modelled minute.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Moment;

/// Names of the metrics (Route 53 Developer Guide, "Monitoring health checks using CloudWatch").
pub(crate) const NAMESPACE: &str = "AWS/Route53";
pub(crate) const CHECK_DIMENSION: &str = "HealthCheckId";
pub(crate) const STATUS: &str = "HealthCheckStatus";
pub(crate) const PERCENTAGE_HEALTHY: &str = "HealthCheckPercentageHealthy";

const MINUTE: u64 = 60;

/// A minute of the play, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Minute(u64);

impl Minute {
    /// The one that a moment is in.
    pub(crate) fn of(moment: Moment) -> Self {
        Self(moment.since_begin().as_secs() / MINUTE)
    }

    pub(crate) fn begin(self) -> Moment {
        Moment::at(Duration::from_secs(self.0 * MINUTE))
    }

    pub(crate) fn end(self) -> Moment {
        self.next().begin()
    }

    pub(crate) fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// This minute and those before it, the oldest first: so many, or fewer where the play is younger.
    pub(crate) fn with_minutes_before(self, many: u64) -> impl Iterator<Item = Minute> {
        ((self.0 + 1).saturating_sub(many)..=self.0).map(Minute)
    }
}

/// What a health check said in a minute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Datapoint {
    pub(crate) healthy: bool,
    /// Share of checkers that see the endpoint healthy, in percent; a check of other checks has none.
    pub(crate) percentage: Option<f64>,
}

impl Datapoint {
    /// The value of `HealthCheckStatus`: 1 for healthy, 0 for unhealthy.
    pub(crate) fn status(self) -> f64 {
        f64::from(u8::from(self.healthy))
    }
}

/// Datapoints of all health checks since the play began.
#[derive(Debug, Default)]
pub(crate) struct Metrics(Mutex<BTreeMap<String, BTreeMap<Minute, Datapoint>>>);

impl Metrics {
    /// Takes a look into account: a minute's value is the worst of its looks, since Minimum is the one statistic of
    /// `HealthCheckStatus` that means anything (same page). Assumed: so is that of the percentage.
    pub(crate) fn observe(&self, check: &str, at: Moment, seen: Datapoint) {
        let mut checks = self.lock();
        let datapoint = checks.entry(check.to_owned()).or_default().entry(Minute::of(at)).or_insert(seen);
        datapoint.healthy &= seen.healthy;
        let percentages = datapoint.percentage.into_iter().chain(seen.percentage);
        datapoint.percentage = percentages.reduce(f64::min);
    }

    /// The value in a minute; `None` where the check did not exist or was disabled.
    pub(crate) fn datapoint(&self, check: &str, minute: Minute) -> Option<Datapoint> {
        self.lock().get(check)?.get(&minute).copied()
    }

    /// The values of all checks in a minute.
    pub(crate) fn of_minute(&self, minute: Minute) -> Vec<(String, Datapoint)> {
        let checks = self.lock();
        let datapoint = |minutes: &BTreeMap<Minute, Datapoint>| minutes.get(&minute).copied();
        checks.iter().filter_map(|(check, minutes)| Some((check.clone(), datapoint(minutes)?))).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, BTreeMap<Minute, Datapoint>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::at(Duration::from_secs(seconds))
    }

    fn seen(healthy: bool, percentage: f64) -> Datapoint {
        Datapoint { healthy, percentage: Some(percentage) }
    }

    #[test]
    fn one_bad_look_spoils_its_minute_and_no_other() {
        let metrics = Metrics::default();
        for (second, look) in [(10, seen(true, 100.0)), (59, seen(false, 12.5)), (60, seen(true, 100.0))] {
            metrics.observe("check", at(second), look);
        }
        metrics.observe("check", at(119), seen(true, 75.0));
        assert_eq!(metrics.datapoint("check", Minute(0)), Some(seen(false, 12.5)));
        assert_eq!(metrics.datapoint("check", Minute(1)), Some(seen(true, 75.0)));
        assert_eq!(metrics.datapoint("check", Minute(2)), None);
        assert_eq!(metrics.of_minute(Minute(1)), [("check".to_owned(), seen(true, 75.0))]);
    }

    #[test]
    fn a_range_of_minutes_ends_with_the_last_one_and_begins_no_sooner_than_the_play() {
        let numbers = |minute: Minute| minute.with_minutes_before(3).map(|minute| minute.0).collect::<Vec<u64>>();
        assert_eq!(numbers(Minute(5)), [3, 4, 5]);
        assert_eq!(numbers(Minute(1)), [0, 1]);
        assert_eq!((Minute::of(at(119)), Minute(1).end()), (Minute(1), at(120)));
    }
}
