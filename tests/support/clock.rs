//! Virtual time: nothing waits, and what was planned for a moment happens when the clock passes it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use failopen::port::Clock;
use jiff::{SignedDuration, Timestamp};

type Happening = Box<dyn FnOnce()>;

/// A clock that moves only when told to, or when somebody sleeps on it. Clones are the same clock.
#[derive(Clone)]
pub struct FakeClock {
    state: Rc<State>,
}

struct State {
    now: Cell<Timestamp>,
    skew: Cell<SignedDuration>,
    slept: Cell<SignedDuration>,
    agenda: RefCell<BTreeMap<(Timestamp, u64), Happening>>,
    planned: Cell<u64>,
}

impl fmt::Debug for FakeClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FakeClock({}, {} planned)", self.state.now.get(), self.state.agenda.borrow().len())
    }
}

impl FakeClock {
    pub fn starting_at(now: Timestamp) -> Self {
        Self {
            state: Rc::new(State {
                now: Cell::new(now),
                skew: Cell::new(SignedDuration::ZERO),
                slept: Cell::new(SignedDuration::ZERO),
                agenda: RefCell::new(BTreeMap::new()),
                planned: Cell::new(0),
            }),
        }
    }

    /// The time at AWS, whatever the skew of the function's own clock.
    pub fn aws_now(&self) -> Timestamp {
        self.state.now.get()
    }

    /// Lets the function's clock differ from AWS's by this much, forwards or backwards.
    pub fn set_skew(&self, skew: SignedDuration) {
        self.state.skew.set(skew);
    }

    /// All that anybody has slept on this clock so far.
    pub fn slept(&self) -> SignedDuration {
        self.state.slept.get()
    }

    /// Plans something for a moment; a moment that has passed comes with the next movement of the clock.
    pub fn at(&self, moment: Timestamp, happening: impl FnOnce() + 'static) {
        let number = self.state.planned.get();
        self.state.planned.set(number + 1);
        self.state.agenda.borrow_mut().insert((moment, number), Box::new(happening));
    }

    /// Plans something for `delay` from now.
    pub fn after(&self, delay: SignedDuration, happening: impl FnOnce() + 'static) {
        self.at(self.aws_now() + delay, happening);
    }

    /// Moves the clock, and runs on the way what was planned, in order and each at its own moment.
    pub fn advance(&self, duration: SignedDuration) {
        let target = self.aws_now() + duration;
        while let Some((moment, happening)) = self.next_due(target) {
            self.state.now.set(self.aws_now().max(moment));
            happening();
        }
        self.state.now.set(self.aws_now().max(target));
    }

    /// Takes the first happening out, without holding the agenda: a happening may plan another one.
    fn next_due(&self, target: Timestamp) -> Option<(Timestamp, Happening)> {
        let mut agenda = self.state.agenda.borrow_mut();
        let entry = agenda.first_entry()?;
        let (moment, _) = *entry.key();
        (moment <= target).then(|| (moment, entry.remove()))
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        self.aws_now() + self.state.skew.get()
    }

    async fn sleep(&self, duration: SignedDuration) {
        self.state.slept.set(self.state.slept.get() + duration);
        self.advance(duration);
    }
}

/// A clock under which work that hangs is cut off.
#[derive(Clone, Debug)]
pub struct Impatient(pub FakeClock);

impl Clock for Impatient {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    async fn sleep(&self, duration: SignedDuration) {
        self.0.sleep(duration).await;
    }

    async fn passed(&self, moment: Timestamp) {
        // Called once the work gives way, which on this fake only a call that never ends does.
        self.0.sleep(moment.duration_since(self.0.now())).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> Timestamp {
        "2026-11-22T12:00:00Z".parse().expect("a timestamp")
    }

    #[test]
    fn sleeping_runs_what_was_planned_each_at_its_own_moment() {
        let clock = FakeClock::starting_at(noon());
        let seen = Rc::new(RefCell::new(Vec::new()));
        for seconds in [20, 10] {
            let (later, seen) = (clock.clone(), Rc::clone(&seen));
            clock.after(SignedDuration::from_secs(seconds), move || seen.borrow_mut().push(later.aws_now()));
        }
        clock.advance(SignedDuration::from_secs(15));
        assert_eq!(*seen.borrow(), vec![noon() + SignedDuration::from_secs(10)]);
        clock.advance(SignedDuration::from_secs(15));
        assert_eq!(seen.borrow().last(), Some(&(noon() + SignedDuration::from_secs(20))));
        assert_eq!(clock.now(), noon() + SignedDuration::from_secs(30));
    }

    #[test]
    fn a_skewed_function_clock_leaves_the_time_at_aws_alone() {
        let clock = FakeClock::starting_at(noon());
        clock.set_skew(SignedDuration::from_mins(-10));
        assert_eq!(clock.aws_now(), noon());
        assert_eq!(clock.now(), noon() - SignedDuration::from_mins(10));
    }
}
