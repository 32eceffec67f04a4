//! How long things may take: of one call, and of a function before Lambda ends it. In one place, because the sum has to fit
//! the time-outs in `template.yaml`.

use std::pin::pin;

use futures_util::future::{Either, select};
use jiff::{SignedDuration, Timestamp};

use crate::port::Clock;

/// Opening one connection to AWS. The SDK's own default is longer than a flip can wait.
pub const CONNECT: SignedDuration = SignedDuration::from_secs(2);
/// One attempt of a call to AWS, answer included. The SDK has no such limit of its own, and a write that hangs would take all
/// of the function's time.
pub const ATTEMPT: SignedDuration = SignedDuration::from_secs(8);
/// One call to AWS: all attempts and the pauses between them.
pub const CALL: SignedDuration = SignedDuration::from_secs(20);
/// One probe of a host, from the name to the last byte read.
pub const PROBE: SignedDuration = SignedDuration::from_secs(10);
/// One question to DNS about a host or a zone: all links, both kinds of address.
pub const RESOLUTION: SignedDuration = SignedDuration::from_secs(10);
/// One PUT of an answer to CloudFormation.
pub const ANSWER: SignedDuration = SignedDuration::from_secs(10);
/// Whoever has begun a flip has written it within this time, or never will: flip's `Timeout` in `template.yaml`.
pub const FLIP_LIFE: SignedDuration = SignedDuration::from_secs(55);
/// What every handler leaves between its end and its deadline.
pub const SPARE: SignedDuration = SignedDuration::from_secs(5);

/// Runs work until `until`. `None`: time was up first, and the work was dropped where it stood.
pub async fn within<T, K: Clock>(clock: &K, until: Timestamp, work: impl Future<Output = T>) -> Option<T> {
    match select(pin!(work), pin!(clock.passed(until))).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(_) => None,
    }
}

/// A pause of at least `least`, and at random up to half of it more, so that those who began together do not stay together.
///
/// The sub-second part of the clock is random enough to part two invocations, and needs no source of randomness here.
pub fn jittered(least: SignedDuration, now: Timestamp) -> SignedDuration {
    let millisecond = i128::from(now.subsec_millisecond().unsigned_abs());
    let most = least.as_millis() / 2;
    least + SignedDuration::from_millis_i128(most * millisecond / 999)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    /// A clock on which the moment has come, or never comes.
    struct Stopped(bool);

    impl Clock for Stopped {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }

        async fn sleep(&self, _: SignedDuration) {}

        async fn passed(&self, _: Timestamp) {
            if !self.0 {
                std::future::pending().await
            }
        }
    }

    /// A clock that moves only when somebody sleeps on it.
    struct Virtual;

    impl Clock for Virtual {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }

        async fn sleep(&self, _: SignedDuration) {}
    }

    #[test]
    fn nothing_is_cut_off_on_a_clock_that_stands_still() {
        let hangs = within(&Virtual, Virtual.now(), std::future::pending::<u8>()).now_or_never();
        assert_eq!(hangs, None, "it waits on, although its time is up");
    }

    #[test]
    fn work_is_dropped_when_its_time_is_up_and_kept_when_it_ends_before() {
        let hangs = within(&Stopped(true), Timestamp::MAX, std::future::pending::<u8>()).now_or_never();
        assert_eq!(hangs, Some(None));
        let ends = within(&Stopped(false), Timestamp::MAX, std::future::ready(7)).now_or_never();
        assert_eq!(ends, Some(Some(7)));
        assert_eq!(within(&Stopped(false), Timestamp::MAX, std::future::pending::<u8>()).now_or_never(), None);
    }

    #[test]
    fn a_pause_is_as_long_as_asked_and_at_most_half_as_long_again() {
        let at = |millisecond: i64| Timestamp::from_millisecond(1_795_348_800_000 + millisecond).expect("a timestamp");
        let least = SignedDuration::from_secs(4);
        assert_eq!(jittered(least, at(0)), least);
        assert_eq!(jittered(least, at(999)), SignedDuration::from_secs(6));
        let spread: std::collections::BTreeSet<_> = (0..1000).map(|ms| jittered(least, at(ms))).collect();
        assert_eq!(spread.len(), 1000, "two functions that differ by a millisecond part");
    }
}
