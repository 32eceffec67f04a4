//! A process's own clock: it may be off, and it may be stepped while the process runs.

use std::rc::Rc;

use failopen::port::Clock;
use jiff::{SignedDuration, Timestamp};

use crate::agenda::{MINUTE, Wait};
use crate::step::ProcessId;
use crate::world::SimWorld;

/// The clock of one execution environment.
#[derive(Clone)]
pub(crate) struct SimClock {
    pub(crate) world: Rc<SimWorld>,
    pub(crate) process: ProcessId,
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        self.world.time_of(self.process)
    }

    async fn sleep(&self, duration: SignedDuration) {
        // Sleeping goes by a monotonic clock, which no step moves. A negative duration is no wait.
        let until = self.world.agenda.now() + micros(duration).max(0);
        Wait::until(&self.world, self.process, until).await;
    }

    async fn passed(&self, moment: Timestamp) {
        self.sleep(moment.duration_since(self.now())).await;
    }
}

/// Whole microseconds; more than any schedule lasts is cut.
fn micros(duration: SignedDuration) -> i64 {
    const LONG: i64 = 60 * 24 * 365 * MINUTE;
    i64::try_from(duration.as_micros()).unwrap_or(LONG).clamp(-LONG, LONG)
}
