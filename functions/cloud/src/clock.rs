//! The clock of the machine.

use failopen::port::Clock;
use jiff::{SignedDuration, Timestamp};

/// Real time.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    /// In whole milliseconds: what is finer helps nobody who reads it in a message.
    fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }

    /// A negative duration is no wait.
    async fn sleep(&self, duration: SignedDuration) {
        tokio::time::sleep(duration.try_into().unwrap_or_default()).await;
    }

    async fn passed(&self, moment: Timestamp) {
        self.sleep(moment.duration_since(self.now())).await;
    }
}
