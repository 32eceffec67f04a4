//! Failures on demand: a rule says which calls, which of them, and what becomes of them.
//!
//! ```
//! # use failopen::port::FaultKind;
//! # use failopen_tests::{FakeCloud, FakeClock, Operation};
//! # let cloud = FakeCloud::new(FakeClock::starting_at("2026-11-22T12:00:00Z".parse().unwrap()));
//! cloud.on(Operation::UpdateDistribution).nth(1).lose_answer(FaultKind::Unknown);
//! cloud.on(Operation::GetDistributionConfig).fail(FaultKind::AccessDenied);
//! ```

use std::rc::Rc;

use failopen::port::FaultKind;
use jiff::{SignedDuration, Timestamp};

use crate::cloud::FakeCloud;
use crate::log::{Call, Operation, Outcome};

/// What becomes of a call that a rule catches.
#[derive(Clone)]
pub enum Injection {
    /// Nothing is done, and the caller is told this.
    Fail(FaultKind),
    /// What was asked is done, and the caller is told this instead of the answer.
    LoseAnswer(FaultKind),
    /// Something else happens first, e.g. a foreign edit between our GET and our PUT.
    Before(Rc<dyn Fn(&FakeCloud)>),
    /// Something else happens right after, before the caller reads the answer.
    After(Rc<dyn Fn(&FakeCloud)>),
    /// The call takes this long on the virtual clock.
    Take(SignedDuration),
}

/// Side of a call on which a process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The call is never made.
    Before,
    /// The call is made and takes effect; its answer is never read.
    After,
}

/// Which of the matching calls, counted from when the rule was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Always,
    Nth(u64),
    First(u64),
}

impl When {
    fn holds_for(self, seen: u64) -> bool {
        match self {
            When::Always => true,
            When::Nth(n) => seen == n,
            When::First(n) => seen <= n,
        }
    }
}

struct Rule {
    operations: Vec<Operation>,
    containing: Option<String>,
    when: When,
    seen: u64,
    injection: Injection,
}

/// A rule being written; it takes effect with the method that says what happens.
#[must_use = "a rule needs one of fail, lose_answer, before, after or take"]
pub struct RuleBuilder<'a> {
    cloud: &'a FakeCloud,
    operations: Vec<Operation>,
    containing: Option<String>,
    when: When,
}

impl<'a> RuleBuilder<'a> {
    pub(crate) fn new(cloud: &'a FakeCloud, operations: Vec<Operation>) -> Self {
        Self { cloud, operations, containing: None, when: When::Always }
    }

    /// Only calls whose logged arguments contain this text.
    pub fn containing(mut self, text: impl Into<String>) -> Self {
        self.containing = Some(text.into());
        self
    }

    /// Only the n-th matching call from now, the first being 1.
    pub fn nth(mut self, n: u64) -> Self {
        self.when = When::Nth(n);
        self
    }

    /// Only the first n matching calls from now.
    pub fn first(mut self, n: u64) -> Self {
        self.when = When::First(n);
        self
    }

    pub fn fail(self, kind: FaultKind) {
        self.inject(Injection::Fail(kind));
    }

    pub fn lose_answer(self, kind: FaultKind) {
        self.inject(Injection::LoseAnswer(kind));
    }

    pub fn before(self, happening: impl Fn(&FakeCloud) + 'static) {
        self.inject(Injection::Before(Rc::new(happening)));
    }

    pub fn after(self, happening: impl Fn(&FakeCloud) + 'static) {
        self.inject(Injection::After(Rc::new(happening)));
    }

    pub fn take(self, duration: SignedDuration) {
        self.inject(Injection::Take(duration));
    }

    fn inject(self, injection: Injection) {
        let Self { cloud, operations, containing, when } = self;
        cloud.gate().borrow_mut().rules.push(Rule { operations, containing, when, seen: 0, injection });
    }
}

/// Where every call passes: it is numbered, logged, and may be caught.
#[derive(Default)]
pub(crate) struct Gate {
    pub(crate) calls: Vec<Call>,
    last_number: u64,
    rules: Vec<Rule>,
    /// What becomes of the next call.
    pub(crate) next: Vec<Injection>,
    crash: Option<(u64, Moment)>,
    crashed: bool,
    hang: Option<u64>,
    pub(crate) interleaved: bool,
    /// As `interleaved`, and after every call too.
    pub(crate) stepping: bool,
}

impl Gate {
    /// Numbers and logs a call. It stays unanswered until [`Gate::end`].
    pub(crate) fn begin(&mut self, operation: Operation, arguments: String, at: Timestamp) -> u64 {
        self.last_number += 1;
        let number = self.last_number;
        self.calls.push(Call { number, at, operation, arguments, outcome: Outcome::Unanswered });
        number
    }

    pub(crate) fn end(&mut self, number: u64, outcome: Outcome) {
        if let Some(call) = self.calls.iter_mut().rev().find(|call| call.number == number) {
            call.outcome = outcome;
        }
    }

    /// What the rules do to this call.
    pub(crate) fn injections(&mut self, operation: Operation, arguments: &str) -> Vec<Injection> {
        let mut caught = std::mem::take(&mut self.next);
        for rule in &mut self.rules {
            let named = rule.operations.contains(&operation);
            if named && rule.containing.as_deref().is_none_or(|text| arguments.contains(text)) {
                rule.seen += 1;
                if rule.when.holds_for(rule.seen) {
                    caught.push(rule.injection.clone());
                }
            }
        }
        caught
    }

    /// Whether the process dies here. Once dead, it makes no further call.
    pub(crate) fn dies_at(&mut self, number: u64, moment: Moment) -> bool {
        if self.crash == Some((number, moment)) {
            self.crashed = true;
        }
        self.crashed
    }

    pub(crate) fn hang_at(&mut self, number: u64) {
        self.hang = Some(number);
    }

    /// Whether a call lets others go first.
    pub(crate) fn gives_way(&self) -> bool {
        self.interleaved || self.stepping
    }

    /// Whether this call never gets an answer, nor a lost connection.
    pub(crate) fn hangs(&self, number: u64) -> bool {
        self.hang == Some(number)
    }

    pub(crate) fn has_crashed(&self) -> bool {
        self.crashed
    }

    pub(crate) fn crash_at(&mut self, number: u64, moment: Moment) {
        self.crash = Some((number, moment));
    }

    pub(crate) fn last_number(&self) -> u64 {
        self.last_number
    }

    /// A new process starts; what the old one did stays done.
    pub(crate) fn restart(&mut self) {
        self.crash = None;
        self.crashed = false;
    }

    pub(crate) fn forget_rules(&mut self) {
        self.rules.clear();
    }
}
