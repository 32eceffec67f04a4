//! Copies of CloudFormation's requests that outlive what they were about: a Delete that is delivered twice, and what is still on
//! its way, or at work, from before a Delete when the resource is made anew.

use std::cell::Cell;

use failopen_tests::Operation;

use crate::agenda::{Due, MINUTE, Moment, SECOND};
use crate::chance::Chance;
use crate::delivery::Delivery;
use crate::fault::Fault;
use crate::stack::{RequestKind, RequestState};
use crate::step::{Cause, Function, ProcessId};
use crate::world::SimWorld;

/// How the lives of the resource overlap in one schedule.
#[derive(Debug)]
pub(crate) struct Lives {
    are_several: bool,
    /// In a hundred Deletes: a second copy begins while the first is at work.
    doubled: u32,
    /// In a hundred Creates after a Delete: a copy of something from before that Delete arrives.
    haunted: u32,
    /// The Delete that is to be doubled, and the call at which its second copy sets out.
    planned: Cell<Option<(usize, Operation)>>,
}

/// Calls of a Delete from its beginning to its last seconds, which matter most.
const MARKS: [Operation; 6] = [
    Operation::UpdateDistribution,
    Operation::ChangeResourceRecordSets,
    Operation::DeleteAlarms,
    Operation::DeleteAlarms,
    Operation::DeleteHealthCheck,
    Operation::DeleteHealthCheck,
];

impl Lives {
    pub(crate) fn draw(chance: &Chance) -> Self {
        let are_several = chance.percent(20);
        let (doubled, haunted) = match are_several {
            true => (*chance.pick(&[0, 50, 90]), *chance.pick(&[0, 50, 90])),
            false => (if chance.percent(20) { 50 } else { 0 }, 0),
        };
        Self { are_several, doubled, haunted, planned: Cell::new(None) }
    }

    /// People delete the resource and make it again.
    pub(crate) fn are_several(&self) -> bool {
        self.are_several
    }

    /// How often people look whether the stack is ready for what they want next.
    pub(crate) fn impatience(&self) -> Moment {
        if self.are_several { 3 * SECOND } else { 20 * SECOND }
    }
}

impl SimWorld {
    /// Plans the copies that a request of CloudFormation meets, or gets.
    pub(crate) fn plan_copies(&self, number: usize, kind: RequestKind) {
        if self.is_calm() {
            return;
        }
        let lives = &self.scenario.lives;
        match kind {
            RequestKind::Delete if self.chance.percent(lives.doubled) => {
                lives.planned.set(Some((number, *self.chance.pick(&MARKS))));
            }
            RequestKind::Create => {
                let former: Vec<usize> = (0..number).filter(|former| self.is_of_former_life(*former)).collect();
                if !former.is_empty() && self.chance.percent(lives.haunted) {
                    let most = *self.chance.pick(&[3 * SECOND, MINUTE, 4 * MINUTE, 10 * MINUTE]);
                    self.deliver_copy(*self.chance.pick(&former), self.chance.between(10_000, most));
                }
            }
            RequestKind::Delete | RequestKind::Update => {}
        }
    }

    /// A process has made a call: the second copy of a Delete may have waited for it.
    pub(crate) fn send_planned_copy(&self, process: ProcessId, operation: Operation) {
        let lives = &self.scenario.lives;
        let Cause::Request(number) = self.process(process).cause else { return };
        if lives.planned.get() == Some((number, operation)) && !self.is_calm() {
            lives.planned.set(None);
            let most = *self.chance.pick(&[100_000, SECOND, 10 * SECOND]);
            self.deliver_copy(number, self.chance.between(1_000, most));
        }
    }

    fn deliver_copy(&self, number: usize, delay: Moment) {
        let (event, sent) = {
            let requests = self.requests();
            (requests[number].event(), requests[number].sent_at)
        };
        let cause = Cause::Request(number);
        let copy = Delivery { function: Function::Provision, cause, event, sent, number: 0, attempts: 0 };
        self.count(Fault::CloudformationRetry);
        self.agenda.after(delay, Due::Deliver(Box::new(copy)));
    }

    /// A copy of request `number` is delivered while copies of the requests `at_work` are: counts what overlaps.
    pub(crate) fn note_lives(&self, number: usize, at_work: &[usize]) {
        let kind = |number: usize| self.requests()[number].kind;
        if kind(number) == RequestKind::Delete && at_work.contains(&number) {
            self.count(Fault::DeleteOverlapsDelete);
        }
        let is_haunted = kind(number) == RequestKind::Create && at_work.iter().any(|one| self.is_of_former_life(*one));
        let comes_back = self.is_of_former_life(number)
            && self.requests()[number..].iter().skip(1).any(|later| later.kind == RequestKind::Create);
        if is_haunted || comes_back {
            self.count(Fault::CreateOverlapsFormerLife);
        }
    }

    /// Whether a request made or changed what a Delete has removed since.
    fn is_of_former_life(&self, number: usize) -> bool {
        let requests = self.requests();
        let has_ended = requests[number..]
            .iter()
            .any(|one| one.kind == RequestKind::Delete && one.state == RequestState::Succeeded);
        requests[number].kind != RequestKind::Delete && has_ended
    }
}
