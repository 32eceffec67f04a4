//! Processes that overlap on one fake, each moved forward by hand.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::cloud::FakeCloud;
use crate::faults::Moment;

/// A process that a test moves forward half a call at a time: to before a call, then to after it, where its effect is there
/// and its answer not yet read. A call that stands still for longer than [`CALL`] is given up, as the SDK does.
///
/// [`CALL`]: failopen::limits::CALL
pub struct Process<'p, T> {
    cloud: FakeCloud,
    work: Pin<Box<dyn Future<Output = T> + 'p>>,
    outcome: Option<T>,
}

impl FakeCloud {
    /// A process that has not begun. From here on every call on this fake gives way before it is made and after it.
    pub fn process<'p, T>(&self, work: impl Future<Output = T> + 'p) -> Process<'p, T> {
        self.gate().borrow_mut().stepping = true;
        Process { cloud: self.clone(), work: Box::pin(work), outcome: None }
    }
}

impl<T> Process<'_, T> {
    /// Moves on by half a call. What the process waits for between two calls passes with it. Says whether it still runs.
    pub fn step(&mut self) -> bool {
        if self.outcome.is_none() {
            let mut context = Context::from_waker(Waker::noop());
            if let Poll::Ready(outcome) = self.work.as_mut().poll(&mut context) {
                self.outcome = Some(outcome);
            }
        }
        self.outcome.is_none()
    }

    /// Moves on to before or after its n-th call from here, the first being 1, or to its end.
    pub fn advance(&mut self, calls: u64, moment: Moment) {
        let first = self.cloud.last_call();
        let made = match moment {
            Moment::Before => first + calls - 1,
            Moment::After => first + calls,
        };
        while self.cloud.last_call() < made {
            if !self.step() {
                return;
            }
        }
        if moment == Moment::Before {
            // The answer of the call before is read, and whatever is waited for then has passed.
            self.step();
        }
    }

    /// Moves on to its end.
    pub fn finish(mut self) -> T {
        /// More than any handler needs.
        const MOST: u64 = 100_000;
        let _ = (0..MOST).find(|_| !self.step());
        self.outcome.expect("the process ends; one that is still running waits for what the fake does not have")
    }
}
