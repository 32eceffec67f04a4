//! Time in a rehearsal: one scale divides every modelled duration alike, so that an outage of an hour is played in minutes.

use std::fmt;
use std::ops::{Add, Sub};
use std::pin::pin;
use std::time::{Duration, Instant};

use serde::{Serialize, Serializer};

/// Steps in which patience is counted, on the wall, and how much later than asked for a step may come on an idle machine.
const STEP: Duration = Duration::from_millis(10);
const LATE: Duration = Duration::from_millis(2);

/// How much faster than real time everything modelled happens. The functions themselves are real programs and are not faster.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale(f64);

impl Scale {
    /// A scenario takes about two minutes: an outage, a quarter of an hour of hold-down, and CloudFront's propagation twice.
    pub const DEFAULT: Scale = Scale(20.0);
    /// As long as it takes.
    pub const REAL_TIME: Scale = Scale(1.0);

    /// `None` for what is no scale: below 1, or above 60, where a modelled minute is a second and a function's own work would
    /// be longer than what is modelled around it.
    #[must_use]
    pub fn new(scale: f64) -> Option<Self> {
        (1.0..=60.0).contains(&scale).then_some(Self(scale))
    }

    /// How long a modelled duration takes here.
    pub(crate) fn wall(self, modelled: Duration) -> Duration {
        modelled.div_f64(self.0)
    }

    /// What a duration that was measured here stands for.
    pub(crate) fn modelled(self, wall: Duration) -> Duration {
        wall.mul_f64(self.0)
    }

    pub(crate) fn factor(self) -> f64 {
        self.0
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1:{}", self.0)
    }
}

/// A moment of the play: modelled time since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(Duration);

impl Moment {
    pub(crate) fn at(since_begin: Duration) -> Self {
        Self(since_begin)
    }

    pub(crate) fn since_begin(self) -> Duration {
        self.0
    }

    pub(crate) fn seconds(self) -> f64 {
        self.0.as_secs_f64()
    }
}

impl Add<Duration> for Moment {
    type Output = Moment;

    fn add(self, later: Duration) -> Moment {
        Moment(self.0 + later)
    }
}

/// The time between two moments; none where the other one is later.
impl Sub for Moment {
    type Output = Duration;

    fn sub(self, earlier: Moment) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// Modelled seconds, to the millisecond.
impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        in_seconds(&self.0, serializer)
    }
}

/// Serialises a duration as seconds, to the millisecond.
pub(crate) fn in_seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((duration.as_secs_f64() * 1000.0).round() / 1000.0)
}

/// `+12:05` in minutes and seconds, `+1:02:05` with hours.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (minutes, seconds) = (self.0.as_secs() / 60, self.0.as_secs() % 60);
        match minutes / 60 {
            0 => write!(f, "+{minutes:02}:{seconds:02}"),
            hours => write!(f, "+{hours}:{:02}:{seconds:02}", minutes % 60),
        }
    }
}

/// Tells modelled time, and lets it pass.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    scale: Scale,
    begun: Instant,
}

impl Clock {
    pub(crate) fn start(scale: Scale) -> Self {
        Self { scale, begun: Instant::now() }
    }

    pub(crate) fn scale(&self) -> Scale {
        self.scale
    }

    pub(crate) fn now(&self) -> Moment {
        self.moment(Instant::now())
    }

    /// When something that was seen at `instant` happened in the play.
    pub(crate) fn moment(&self, instant: Instant) -> Moment {
        Moment(self.scale.modelled(instant.saturating_duration_since(self.begun)))
    }

    pub(crate) async fn sleep(&self, modelled: Duration) {
        tokio::time::sleep(self.scale.wall(modelled)).await;
    }

    pub(crate) async fn sleep_until(&self, moment: Moment) {
        self.sleep(moment - self.now()).await;
    }

    /// Gives work a modelled time to end; `None` where it has not.
    ///
    /// The time is counted in short steps, and one that comes late counts hardly more than one that is on time: in scaled time,
    /// a machine that is busy elsewhere for a moment would otherwise make every service look slow.
    pub(crate) async fn within<T>(&self, modelled: Duration, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        let mut left = self.scale.wall(modelled);
        loop {
            let step = STEP.min(left);
            let begun = Instant::now();
            tokio::select! {
                // What was done while the machine was busy is done.
                biased;
                done = &mut work => return Some(done),
                () = tokio::time::sleep(step) => {}
            }
            left = left.saturating_sub(begun.elapsed().min(step + LATE).max(step));
            if left.is_zero() {
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_modelled_duration_is_divided_alike() {
        let scale = Scale::new(20.0).unwrap();
        assert_eq!(scale.wall(Duration::from_secs(60)), Duration::from_secs(3));
        assert_eq!(scale.modelled(Duration::from_secs(3)), Duration::from_secs(60));
        assert_eq!(scale.to_string(), "1:20");
        assert!(Scale::new(0.5).is_none() && Scale::new(61.0).is_none() && Scale::new(f64::NAN).is_none());
    }

    #[tokio::test]
    async fn patience_ends_when_nothing_comes_and_not_before() {
        let clock = Clock::start(Scale::DEFAULT);
        let begun = Instant::now();
        assert_eq!(clock.within(Duration::from_secs(2), std::future::pending::<()>()).await, None);
        assert!(begun.elapsed() >= Duration::from_millis(95));
        assert_eq!(clock.within(Duration::from_secs(2), std::future::ready(7)).await, Some(7));
    }

    #[tokio::test]
    async fn a_machine_that_stands_still_uses_up_nobodys_patience() {
        let clock = Clock::start(Scale::DEFAULT);
        let answer = async {
            for _ in 0..5 {
                // Nothing else runs on this thread meanwhile, timers included: 250 ms, where patience is 100.
                std::thread::sleep(Duration::from_millis(50));
                tokio::task::yield_now().await;
            }
        };
        assert_eq!(clock.within(Duration::from_secs(2), answer).await, Some(()));
    }

    #[test]
    fn moments_read_like_a_stopwatch() {
        assert_eq!(Moment::at(Duration::from_millis(65_500)).to_string(), "+01:05");
        assert_eq!(Moment::at(Duration::from_secs(3725)).to_string(), "+1:02:05");
        assert_eq!(Moment::default() - Moment::at(Duration::from_secs(1)), Duration::ZERO);
    }
}
