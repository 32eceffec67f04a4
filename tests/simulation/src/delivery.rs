//! How events reach functions: at least once, sometimes twice, late, out of order, or never.

use std::cell::Cell;

use failopen::port::Converge;
use failopen_tests::functions::converge;
use serde_json::Value;

use crate::agenda::{Due, MINUTE, Moment, SECOND};
use crate::fault::Fault;
use crate::step::{Cause, Function, ProcessId};
use crate::world::SimWorld;

/// One event on its way to a function.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) function: Function,
    pub(crate) cause: Cause,
    pub(crate) event: Value,
    /// When it was sent.
    pub(crate) sent: Moment,
    /// Counts what is sent, for telling what overtook what. 0: its order means nothing.
    pub(crate) number: u64,
    /// Deliveries of this event that failed before.
    pub(crate) attempts: u32,
}

/// Events sent and delivered so far.
#[derive(Debug, Default)]
pub(crate) struct Post {
    sent: Cell<u64>,
    newest: Cell<u64>,
}

/// Older than this, an event is late: nothing that still matters takes so long.
const LATE: Moment = 2 * MINUTE;
/// Lambda keeps an asynchronous event for six hours.
const LATEST: Moment = 360 * MINUTE;
/// Lambda's waits before it delivers an event again whose function failed (Lambda developer guide, asynchronous
/// invocation: "one minute between the first two attempts, and two minutes between the second and third attempts").
const RETRIES: [Moment; 2] = [MINUTE, 2 * MINUTE];

impl SimWorld {
    /// Sends an event that may be lost, doubled and delayed.
    pub(crate) fn post(&self, function: Function, cause: Cause, event: Value) {
        let number = self.scenario.post.sent.get() + 1;
        self.scenario.post.sent.set(number);
        let odds = &self.scenario.delivery;
        let delivery = Delivery { function, cause, event, sent: self.agenda.now(), number, attempts: 0 };
        let calm = self.is_calm();
        if !calm && self.chance.percent(odds.drop) {
            self.count(Fault::DroppedEvent);
            self.story.tell(|| format!("an event to {function} is lost on the way"));
            return;
        }
        let copies = if !calm && self.chance.percent(odds.duplicate) { 1 + self.chance.below(4) } else { 0 };
        for copy in 0..=copies {
            let delay = if !calm && self.chance.percent(odds.delay) {
                self.long_delay()
            } else {
                self.chance.between(20_000, 2 * SECOND)
            };
            if copy > 0 {
                self.count(Fault::DuplicateEvent);
            }
            self.agenda.after(delay, Due::Deliver(Box::new(delivery.clone())));
        }
    }

    /// From seconds to six hours, short delays as likely as long ones.
    fn long_delay(&self) -> Moment {
        let most = *self.chance.pick(&[30 * SECOND, LATE, 10 * MINUTE, 60 * MINUTE, LATEST]);
        self.chance.between(SECOND, most)
    }

    /// An event arrives: counts what is wrong with it.
    pub(crate) fn note_delivery(&self, delivery: &Delivery) {
        let age = self.agenda.now() - delivery.sent;
        match delivery.cause {
            Cause::Alarm { .. } | Cause::Converge(_) => {}
            Cause::Tick | Cause::Operator | Cause::Request(_) => return,
        }
        if age >= LATE {
            self.count(Fault::DelayedEvent);
        }
        let newest = &self.scenario.post.newest;
        if delivery.number < newest.get() {
            self.count(Fault::ReorderedEvent);
        }
        newest.set(newest.get().max(delivery.number));
    }

    /// Carries what react has just asked for to flip.
    pub(crate) fn send_converges(&self) {
        let requests: Vec<Converge> = std::mem::take(&mut self.cloud().outbox().converges);
        for request in requests {
            let event = converge(&request);
            self.post(Function::Flip, Cause::Converge(request), event);
        }
    }

    /// Carries what provision has just asked itself.
    pub(crate) fn send_continuations(&self, process: ProcessId) {
        let events: Vec<String> = std::mem::take(&mut self.cloud().outbox().continuations);
        let cause = self.process(process).cause.clone();
        for event in events {
            let Ok(event) = serde_json::from_str(&event) else { continue };
            self.post(Function::Provision, cause.clone(), event);
        }
    }

    /// Lambda delivers the event of a failed provision again, twice at most.
    pub(crate) fn deliver_again(&self, delivery: Delivery) {
        let Some(wait) = RETRIES.get(delivery.attempts as usize) else { return };
        self.count(Fault::CloudformationRetry);
        let again = Delivery { attempts: delivery.attempts + 1, ..delivery };
        self.agenda.after(*wait, Due::Deliver(Box::new(again)));
    }
}
