//! The stateful fake of everything that the ports reach: its parts, its log, and the gate that every call passes.

use std::cell::{Ref, RefCell, RefMut};
use std::future::{Future, pending, poll_fn};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use failopen::id::Hostname;
use failopen::limits::CALL;
use failopen::port::{Fault, FaultKind};
use jiff::Timestamp;

use crate::clock::FakeClock;
use crate::cloudfront::CloudFront;
use crate::cloudwatch::Alarms;
use crate::engine::Ways;
use crate::faults::{Gate, Injection, Moment, RuleBuilder};
use crate::health::HealthChecks;
use crate::ledger::Ledger;
use crate::log::{Call, Operation, Outcome};
use crate::names::Names;
use crate::outbox::Outbox;
use crate::probes::Probes;
use crate::refusal::Refusal;
use crate::route53::Route53;

/// AWS, in memory and on one thread. Clones are the same AWS.
#[derive(Clone)]
pub struct FakeCloud {
    state: Rc<State>,
}

struct State {
    clock: FakeClock,
    gate: RefCell<Gate>,
    cloudfront: RefCell<CloudFront>,
    route53: RefCell<Route53>,
    health: RefCell<HealthChecks>,
    alarms: RefCell<Alarms>,
    ledger: RefCell<Ledger>,
    outbox: RefCell<Outbox>,
    probes: RefCell<Probes>,
    names: RefCell<Names>,
    engine: RefCell<Ways>,
}

/// What became of a process that ran on the fake.
#[derive(Debug, PartialEq, Eq)]
pub enum Run<T> {
    Finished(T),
    /// It died at the call that [`FakeCloud::crash_at`] named.
    Crashed,
}

impl<T> Run<T> {
    pub fn finished(self) -> T {
        match self {
            Run::Finished(value) => value,
            Run::Crashed => panic!("the process crashed where it was expected to finish"),
        }
    }
}

impl FakeCloud {
    pub fn new(clock: FakeClock) -> Self {
        Self {
            state: Rc::new(State {
                clock,
                gate: RefCell::default(),
                cloudfront: RefCell::default(),
                route53: RefCell::default(),
                health: RefCell::default(),
                alarms: RefCell::default(),
                ledger: RefCell::default(),
                outbox: RefCell::default(),
                probes: RefCell::default(),
                names: RefCell::default(),
                engine: RefCell::default(),
            }),
        }
    }

    pub fn clock(&self) -> &FakeClock {
        &self.state.clock
    }

    pub fn cloudfront(&self) -> RefMut<'_, CloudFront> {
        self.state.cloudfront.borrow_mut()
    }

    pub fn route53(&self) -> RefMut<'_, Route53> {
        self.state.route53.borrow_mut()
    }

    pub fn health(&self) -> RefMut<'_, HealthChecks> {
        self.state.health.borrow_mut()
    }

    pub fn cloudwatch(&self) -> RefMut<'_, Alarms> {
        self.state.alarms.borrow_mut()
    }

    pub fn ledger(&self) -> RefMut<'_, Ledger> {
        self.state.ledger.borrow_mut()
    }

    pub fn outbox(&self) -> RefMut<'_, Outbox> {
        self.state.outbox.borrow_mut()
    }

    pub fn probes(&self) -> RefMut<'_, Probes> {
        self.state.probes.borrow_mut()
    }

    pub fn names(&self) -> RefMut<'_, Names> {
        self.state.names.borrow_mut()
    }

    pub fn engine(&self) -> RefMut<'_, Ways> {
        self.state.engine.borrow_mut()
    }

    pub(crate) fn gate(&self) -> &RefCell<Gate> {
        &self.state.gate
    }

    /// What a resolver is told about a name now, if Route 53 holds it.
    pub fn resolve(&self, name: &Hostname) -> Option<Vec<String>> {
        let now = self.clock().aws_now();
        self.state.route53.borrow().resolve(name, &self.state.health.borrow(), now)
    }

    /// Begins a rule about one operation.
    pub fn on(&self, operation: Operation) -> RuleBuilder<'_> {
        RuleBuilder::new(self, vec![operation])
    }

    /// Begins a rule about several operations, counted together.
    pub fn on_any(&self, operations: &[Operation]) -> RuleBuilder<'_> {
        RuleBuilder::new(self, operations.to_vec())
    }

    /// Says what becomes of the next call, whichever it is.
    pub fn meet(&self, injection: Injection) {
        self.gate().borrow_mut().next.push(injection);
    }

    /// Forgets every rule: the faults stop.
    pub fn heal(&self) {
        self.gate().borrow_mut().forget_rules();
    }

    /// Lets the process die at the call with this number, numbers counting all calls of this fake from 1 on.
    pub fn crash_at(&self, number: u64, moment: Moment) {
        self.gate().borrow_mut().crash_at(number, moment);
    }

    /// Lets the call with this number never end: only a clock that cuts work off gets past it.
    pub fn hang_at(&self, number: u64) {
        self.gate().borrow_mut().hang_at(number);
    }

    /// Number of the last call made.
    pub fn last_call(&self) -> u64 {
        self.gate().borrow().last_number()
    }

    /// Makes every call give way once before it is made, so that two processes joined on one thread interleave.
    pub fn interleave(&self) {
        self.gate().borrow_mut().interleaved = true;
    }

    /// The calls since the log was last cleared.
    pub fn calls(&self) -> Ref<'_, [Call]> {
        Ref::map(self.gate().borrow(), |gate| gate.calls.as_slice())
    }

    pub fn clear_calls(&self) {
        self.gate().borrow_mut().calls.clear();
    }

    /// How many calls of one operation the log holds.
    pub fn count(&self, operation: Operation) -> usize {
        self.calls().iter().filter(|call| call.operation == operation).count()
    }

    /// How many calls of one operation were answered as asked.
    pub fn count_answered(&self, operation: Operation) -> usize {
        self.calls().iter().filter(|call| call.operation == operation && call.outcome == Outcome::Answered).count()
    }

    /// The operations in the log, in order, of those named.
    pub fn sequence(&self, of: &[Operation]) -> Vec<Operation> {
        self.calls().iter().map(|call| call.operation).filter(|operation| of.contains(operation)).collect()
    }

    /// Runs one process, or several joined, until they end or die. Afterwards a new process may start.
    pub fn run<T>(&self, process: impl Future<Output = T>) -> Run<T> {
        let mut process = std::pin::pin!(process);
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..MOST_POLLS {
            match process.as_mut().poll(&mut context) {
                Poll::Ready(value) => return Run::Finished(value),
                Poll::Pending if self.gate().borrow().has_crashed() => {
                    self.gate().borrow_mut().restart();
                    return Run::Crashed;
                }
                Poll::Pending => {}
            }
        }
        panic!("the process waits for something that the fake does not have");
    }

    /// Every call passes here: it is logged, may be caught by a rule, and may be where the process dies.
    pub(crate) async fn call<T>(
        &self,
        operation: Operation,
        arguments: String,
        act: impl FnOnce() -> Result<T, Refusal>,
    ) -> Result<T, Fault> {
        let begun = self.clock().aws_now();
        if self.gate().borrow().gives_way() {
            give_way().await;
        }
        if self.gate().borrow().has_crashed() {
            pending::<()>().await;
        }
        let now = self.clock().aws_now();
        let number = self.gate().borrow_mut().begin(operation, arguments.clone(), now);
        if self.gate().borrow_mut().dies_at(number, Moment::Before) {
            pending::<()>().await;
        }
        if self.gate().borrow().hangs(number) {
            pending::<()>().await;
        }
        let mut result = if self.is_given_up(begun) {
            Err(Refusal::new(FaultKind::Unknown, "the request was given up before it was sent"))
        } else {
            self.act(operation, &arguments, act)
        };
        if self.gate().borrow_mut().dies_at(number, Moment::After) {
            pending::<()>().await;
        }
        if self.gate().borrow().stepping {
            give_way().await;
            if result.is_ok() && self.is_given_up(begun) {
                result = Err(Refusal::new(FaultKind::Unknown, ANSWER_LOST));
            }
        }
        let outcome = match &result {
            Ok(_) => Outcome::Answered,
            Err(refusal) => Outcome::Failed(refusal.kind),
        };
        self.gate().borrow_mut().end(number, outcome);
        result.map_err(|refusal| Fault::new(refusal.kind, operation.name(), refusal.detail))
    }

    /// Whether a process that stands still has waited for a call longer than the SDK would. That AWS carries nothing out
    /// after that is assumed.
    fn is_given_up(&self, begun: Timestamp) -> bool {
        self.gate().borrow().stepping && self.clock().aws_now() > begun + CALL
    }

    fn act<T>(
        &self,
        operation: Operation,
        arguments: &str,
        act: impl FnOnce() -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let injections = self.gate().borrow_mut().injections(operation, arguments);
        let mut lost = None;
        let mut afterwards = Vec::new();
        for injection in injections {
            match injection {
                Injection::Fail(kind) => return Err(Refusal::new(kind, "the request failed before it took effect")),
                Injection::LoseAnswer(kind) => lost = Some(kind),
                Injection::Before(happening) => happening(self),
                Injection::After(happening) => afterwards.push(happening),
                Injection::Take(duration) => self.clock().advance(duration),
            }
        }
        let result = act();
        afterwards.iter().for_each(|happening| happening(self));
        match (result, lost) {
            (Ok(_), Some(kind)) => Err(Refusal::new(kind, ANSWER_LOST)),
            (result, _) => result,
        }
    }
}

/// What a caller is told whose request took effect and whose answer was lost.
pub const ANSWER_LOST: &str = "the request took effect and its answer was lost";

/// More than any handler needs; a process that is polled this often is waiting for something that never comes.
const MOST_POLLS: usize = 1_000_000;

/// Returns to whoever polls, once.
async fn give_way() {
    let mut given = false;
    poll_fn(|context| {
        if std::mem::replace(&mut given, true) {
            return Poll::Ready(());
        }
        // Collections of futures poll only what was woken.
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
