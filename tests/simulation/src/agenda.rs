//! Virtual time: what is due when, and futures that wait for it.

use std::cell::{Cell, RefCell};
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::delivery::Delivery;
use crate::step::ProcessId;
use crate::world::SimWorld;

/// Microseconds of virtual time since the schedule's beginning.
pub(crate) type Moment = i64;

pub(crate) const SECOND: Moment = 1_000_000;
pub(crate) const MINUTE: Moment = 60 * SECOND;

/// What comes up at a moment.
#[derive(Debug)]
pub(crate) enum Due {
    /// A future of a process has waited long enough.
    Wake(Rc<Alarm>),
    /// Lambda's time-out.
    Kill(ProcessId),
    /// An event reaches a function.
    Deliver(Box<Delivery>),
    /// An actor does the next thing that it has planned.
    Act(Act),
}

/// What the actors of a schedule do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Tick,
    EvaluateAlarm,
    TurnInspection,
    TurnApplication,
    MetricGap { ends: bool },
    Edit,
    UndoEdit(crate::step::EditKind),
    Operate,
    StepClock { back: bool },
    Stack(usize),
    StackOrder,
    Calm,
    Rest,
}

#[derive(Debug)]
struct Entry {
    at: Moment,
    /// Orders what is due at the same moment.
    number: u64,
    due: Due,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    /// The earliest is the greatest, because a heap gives the greatest first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

/// Everything that is still to come, and the present.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    now: Cell<Moment>,
    numbers: Cell<u64>,
    entries: RefCell<BinaryHeap<Entry>>,
}

impl Agenda {
    pub(crate) fn now(&self) -> Moment {
        self.now.get()
    }

    /// Plans something; what lies in the past comes at once.
    pub(crate) fn at(&self, at: Moment, due: Due) {
        let number = self.numbers.get();
        self.numbers.set(number + 1);
        self.entries.borrow_mut().push(Entry { at: at.max(self.now()), number, due });
    }

    pub(crate) fn after(&self, delay: Moment, due: Due) {
        self.at(self.now() + delay, due);
    }

    /// Takes the next thing, and moves the present there.
    pub(crate) fn next(&self) -> Option<Due> {
        let Entry { at, due, .. } = self.entries.borrow_mut().pop()?;
        self.now.set(at);
        Some(due)
    }

    /// Brings forward the deliveries that would come after `latest`: late events arrive, but not after the end.
    pub(crate) fn hurry(&self, latest: Moment, spread: impl Fn() -> Moment) {
        let mut entries = self.entries.borrow_mut();
        let mut all: Vec<Entry> = entries.drain().collect();
        all.sort_by_key(|entry| entry.number);
        for entry in &mut all {
            if matches!(entry.due, Due::Deliver(_)) && entry.at > latest {
                entry.at = self.now() + spread();
            }
        }
        entries.extend(all);
    }

    pub(crate) fn clear(&self) {
        self.entries.borrow_mut().clear();
    }
}

/// One waiting future, as the agenda knows it.
#[derive(Debug)]
pub(crate) struct Alarm {
    pub(crate) process: ProcessId,
    rung: Cell<bool>,
    /// The future is gone: nobody waits any more.
    abandoned: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Alarm {
    /// Lets the future go on. Returns whether anybody still waits.
    pub(crate) fn ring(&self) -> bool {
        if self.abandoned.get() {
            return false;
        }
        self.rung.set(true);
        // Collections of futures poll only what was woken.
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
        true
    }
}

/// A future that is ready at a moment of virtual time. It moves no time by itself, so others go on meanwhile.
pub(crate) struct Wait<'w> {
    world: &'w SimWorld,
    process: ProcessId,
    until: Moment,
    alarm: Option<Rc<Alarm>>,
}

impl<'w> Wait<'w> {
    pub(crate) fn until(world: &'w SimWorld, process: ProcessId, until: Moment) -> Self {
        Self { world, process, until, alarm: None }
    }
}

impl Future for Wait<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        match &self.alarm {
            Some(alarm) if alarm.rung.get() => Poll::Ready(()),
            Some(alarm) => {
                *alarm.waker.borrow_mut() = Some(context.waker().clone());
                Poll::Pending
            }
            None => {
                let alarm = Rc::new(Alarm {
                    process: self.process,
                    rung: Cell::new(false),
                    abandoned: Cell::new(false),
                    waker: RefCell::new(Some(context.waker().clone())),
                });
                self.world.agenda.at(self.until, Due::Wake(Rc::clone(&alarm)));
                self.alarm = Some(alarm);
                Poll::Pending
            }
        }
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        if let Some(alarm) = &self.alarm {
            alarm.abandoned.set(true);
        }
    }
}
