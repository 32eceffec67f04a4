//! The gate that every remote call of a process passes: it takes time, it may fail, and it may be where the process dies.

use std::future::{Future, pending};
use std::rc::Rc;

use failopen::id::{DistributionId, ETag};
use failopen::port::{Apply, Fault as PortFault, Observe, PutAccepted, RawDistribution};
use failopen_tests::Operation;
use failopen_tests::cloud::ANSWER_LOST;
use failopen_tests::faults::Injection;
use failopen_tests::log::Outcome;

use crate::agenda::Wait;
use crate::edits::mangle;
use crate::fault::Fault;
use crate::step::{Author, Called, Happened, ProcessId, Put};
use crate::weather::Turn;
use crate::world::SimWorld;

/// AWS as one process reaches it.
#[derive(Clone)]
pub struct SimCloud {
    pub(crate) world: Rc<SimWorld>,
    pub(crate) process: ProcessId,
}

impl SimCloud {
    /// Makes a call that needs nothing more than the gate.
    pub(crate) async fn call<T>(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<T, PortFault>>,
    ) -> Result<T, PortFault> {
        self.through(operation, async || (), call, |_, _| None).await
    }

    /// GetDistributionConfig, whose answer may be mangled on the way.
    pub(crate) async fn read(&self, id: &DistributionId) -> Result<RawDistribution, PortFault> {
        let world = &self.world;
        let mut raw = self.call(Operation::GetDistributionConfig, world.cloud().distribution(id)).await?;
        let is_mangled = !world.is_calm() && world.chance.per_mille(world.weather.mangled);
        if is_mangled {
            let knows_its_own = world.row().is_some_and(|row| row.made.distribution.is_some());
            raw.bytes = mangle(&raw.bytes, &world.chance, knows_its_own);
            world.count(Fault::MalformedDocument);
            world.story.tell(|| format!("  {} reads a configuration that was mangled on the way", self.process));
        }
        world.note_read(self.process, &raw.bytes, &raw, is_mangled);
        Ok(raw)
    }

    /// UpdateDistribution, before and after which somebody else may edit the distribution.
    pub(crate) async fn write(
        &self,
        id: &DistributionId,
        document: &[u8],
        if_match: &ETag,
    ) -> Result<PutAccepted, PortFault> {
        let world = &self.world;
        let edit_before = async || {
            if !world.is_calm() && world.chance.per_mille(world.weather.edit_before_put) && world.edit_distribution() {
                world.count(Fault::EditBeforePut);
            }
        };
        let before = std::cell::RefCell::new(None);
        let put = async {
            *before.borrow_mut() = Some(world.in_force());
            world.cloud().put_distribution(id, document, if_match).await
        };
        let note = |applied: bool, told: Result<(), _>| {
            let before = before.borrow_mut().take()?;
            if applied {
                world.note_version(Author::Process(self.process));
            }
            let put = Put {
                process: self.process,
                at: world.now(),
                distribution: id.clone(),
                read: world.process(self.process).read.clone(),
                before: before.bytes.into(),
                etag_before: before.etag,
                sent: document.into(),
                if_match: if_match.clone(),
                applied,
                told,
            };
            let number = world.note_put(put);
            if applied
                && !world.is_calm()
                && world.chance.per_mille(world.weather.edit_after_put)
                && world.edit_distribution()
            {
                world.count(Fault::EditAfterPut);
            }
            Some(number)
        };
        self.through(Operation::UpdateDistribution, edit_before, put, note).await
    }

    /// `first` happens right before the call takes effect; `note` hears whether it did, and what the caller is told.
    async fn through<T>(
        &self,
        operation: Operation,
        first: impl AsyncFnOnce(),
        call: impl Future<Output = Result<T, PortFault>>,
        note: impl FnOnce(bool, Result<(), failopen::port::FaultKind>) -> Option<usize>,
    ) -> Result<T, PortFault> {
        let world = &self.world;
        let fate = world.weather.fate(&world.chance, world.agenda.now(), operation, world.is_calm());
        let now = world.agenda.now();
        Wait::until(world, self.process, now + fate.request).await;
        if fate.turn == Turn::CrashesBefore {
            world.count(Fault::CrashBeforeCall);
            world.story.tell(|| format!("  {} dies before {operation}", self.process));
            self.die().await;
        }
        first().await;
        let injected = match fate.turn {
            Turn::Goes | Turn::CrashesBefore | Turn::CrashesAfter | Turn::Freezes => None,
            Turn::Fails(kind, fault) => Some((Injection::Fail(kind), fault)),
            Turn::LosesAnswer(kind, fault) => Some((Injection::LoseAnswer(kind), fault)),
        };
        if let Some((injection, _)) = &injected {
            world.cloud().meet(injection.clone());
        }
        let result = call.await;
        let was_lost = matches!(&result, Err(fault) if fault.detail == ANSWER_LOST);
        if let Some((injection, fault)) = &injected {
            // A call that AWS refuses anyway has no answer to lose.
            if was_lost || matches!(injection, Injection::Fail(_)) {
                world.count(*fault);
            }
        }
        self.note_call(operation, result.is_ok() || was_lost, note);
        if fate.turn == Turn::CrashesAfter {
            world.count(Fault::CrashAfterCall);
            world.story.tell(|| format!("  {} dies right after {operation}", self.process));
            self.die().await;
        }
        if fate.turn == Turn::Freezes {
            world.with_process(self.process, |process| process.is_frozen = true);
        }
        let now = world.agenda.now();
        Wait::until(world, self.process, now + fate.answer).await;
        result
    }

    fn note_call(
        &self,
        operation: Operation,
        applied: bool,
        note: impl FnOnce(bool, Result<(), failopen::port::FaultKind>) -> Option<usize>,
    ) {
        let world = &self.world;
        let (arguments, told) = {
            let calls = world.cloud().calls();
            match calls.last() {
                Some(call) => (call.arguments.clone(), told(call.outcome)),
                None => (String::new(), Ok(())),
            }
        };
        world.with_process(self.process, |process| process.calls += 1);
        world.story.tell(|| {
            let outcome = match (&told, applied) {
                (Ok(()), _) => "done".to_owned(),
                (Err(kind), true) => format!("done, and the caller is told {kind:?}"),
                (Err(kind), false) => format!("{kind:?}"),
            };
            format!("  {} {operation} {arguments}: {outcome}", self.process)
        });
        let put = note(applied, told);
        let called = Called { process: self.process, operation, arguments, applied, told, put };
        world.happened(Happened::Called(called));
        world.send_planned_copy(self.process, operation);
    }

    /// The process dies here, and makes no further call.
    async fn die(&self) {
        self.world.dead.set(Some(self.process));
        pending::<()>().await;
    }
}

fn told(outcome: Outcome) -> Result<(), failopen::port::FaultKind> {
    match outcome {
        Outcome::Answered | Outcome::Unanswered => Ok(()),
        Outcome::Failed(kind) => Err(kind),
    }
}
