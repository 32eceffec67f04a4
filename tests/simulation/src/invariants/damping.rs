//! How often, how many and how late: automatic flips keep apart and are counted, and every invocation ends in time (I12,
//! I13).
//!
//! The dwell time is the functions' own, so it is measured by their clocks: each flip by the clock of the process that made
//! it. A process whose clock was stepped while it ran is left out, because no moment of it is certain.

use failopen::ledger::{Flip, FlippedBy, Row};
use failopen::posture::Side;
use failopen_tests::Operation;
use jiff::{SignedDuration, Timestamp};

use super::Violation;
use super::decisions::Automatic;
use super::past::Past;
use super::writes::is_break_glass;
use crate::step::{Author, Called, Ending, Function, ProcessId, Version};
use crate::world::SimWorld;

/// Writes of a distribution in one invocation of flip.
const ATTEMPTS: u32 = 5;
/// Kept back at the end of every invocation that writes.
const RESERVE: SignedDuration = SignedDuration::from_secs(5);
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// The automatic flips so far.
#[derive(Debug, Default)]
pub(crate) struct Damping {
    flips: Vec<Flipped>,
}

/// One automatic flip that was applied.
#[derive(Clone, Debug)]
struct Flipped {
    process: ProcessId,
    to: Side,
    /// By the clock of its process, or by the intent where somebody else has recorded it.
    at: Timestamp,
    /// Its process heard that the write was accepted.
    was_answered: bool,
    /// The same process wrote the ledger afterwards. Otherwise it died, and the flip counts from its intent, if at all: whoever
    /// changes the posture before react has seen it takes away the proof.
    is_recorded: bool,
    is_certain: bool,
    /// Versions of the distribution up to its own.
    versions: usize,
}

impl Damping {
    /// An automatic flip, not asked for by a pin, was applied.
    pub(crate) fn flipped(
        &mut self,
        world: &SimWorld,
        past: &Past,
        flip: &Automatic<'_>,
        was_answered: bool,
    ) -> Vec<Violation> {
        let mut found = Vec::new();
        let is_certain = !world.process(flip.process).stepped;
        if is_certain {
            found.extend(self.too_soon(world, past, flip));
            found.extend(self.too_many(past, flip));
        }
        self.flips.push(Flipped {
            process: flip.process,
            to: flip.request.posture,
            at: flip.now,
            was_answered,
            is_recorded: false,
            is_certain,
            versions: up_to_its_own(world, flip.process),
        });
        found
    }

    fn too_soon(&self, world: &SimWorld, past: &Past, flip: &Automatic<'_>) -> Option<Violation> {
        let rows = [&past.notes(flip.process).row, &past.row];
        let dwell = rows.iter().filter_map(|row| row.as_ref()).map(|row| row.spec.automation.minimum_dwell_seconds);
        let dwell = SignedDuration::from_secs(i64::from(dwell.min()?));
        let counting = |last: &Flipped| {
            let counts_from = match (last.is_recorded, was_left_alone(world, last)) {
                // Its clock was stepped after the write: the record is no earlier than the intent, and that no earlier than its
                // beginning.
                (true, _) if world.process(last.process).stepped => past.notes(last.process).began,
                (true, _) => last.at,
                (false, true) => past.notes(last.process).began,
                (false, false) => return None,
            };
            Some((last.is_certain, counts_from))
        };
        let (is_certain, counts_from) = self.flips.iter().rev().find_map(counting)?;
        let apart = flip.now.duration_since(counts_from);
        let what =
            || format!("two automatic flips within {} s, and the dwell time is {} s", apart.as_secs(), dwell.as_secs());
        (is_certain && apart < dwell).then(|| Violation::new("I12", what()))
    }

    fn too_many(&self, past: &Past, flip: &Automatic<'_>) -> Option<Violation> {
        let rows = [&past.notes(flip.process).row, &past.row];
        let rows = || rows.iter().filter_map(|row| row.as_ref());
        let most = rows().map(|row| row.spec.automation.maximum_flips_per_day).max()?;
        let unlatched = rows().filter_map(|row| row.unlatched_at).max();
        let since = (flip.now - DAY).max(unlatched.unwrap_or(Timestamp::MIN));
        let counted = self.flips.iter().filter(|flip| flip.is_recorded && flip.at > since).count();
        let what = || format!("{} automatic flips within 24 hours, and {most} are allowed", counted + 1);
        (counted >= most as usize).then(|| Violation::new("I12", what()))
    }

    pub(crate) fn called(&mut self, world: &SimWorld, past: &Past, called: &Called) -> Vec<Violation> {
        if called.operation == Operation::PutItem && called.applied {
            let flips_of = |row: Option<&Row>| row.map_or(Vec::new(), |row| row.flips.clone());
            let recorded = flips_of(world.row().as_ref()).pop();
            let is_one_more = recorded != flips_of(past.row.as_deref()).pop();
            // One record, of the last. A write without an answer that somebody undid before it was read cannot be told from one that
            // never took effect: neither a former one, nor the last where the flip gives up and takes its intent back.
            let (own, others): (Vec<_>, Vec<_>) =
                self.flips.iter_mut().rev().partition(|flip| flip.process == called.process);
            let mut own = own.into_iter();
            match own.next() {
                Some(last) => last.is_recorded |= is_one_more || last.was_answered || !was_undone(world, past, last),
                // Somebody else's, found in force.
                None => {
                    let is_its = |flip: &Flip, last: &Flipped| flip.to == last.to && flip.at <= last.at;
                    let by_automation = |flip: &Flip| is_one_more && flip.by == FlippedBy::Automation;
                    let found = recorded.filter(by_automation).zip(others.into_iter().next());
                    if let Some((flip, last)) = found.filter(|(flip, last)| is_its(flip, last)) {
                        (last.at, last.is_recorded) = (flip.at, true);
                    }
                }
            }
            own.filter(|flip| flip.was_answered).for_each(|flip| flip.is_recorded = true);
        }
        let process = world.process(called.process);
        let mut found = Vec::new();
        if called.operation == Operation::UpdateDistribution && process.function == Function::Flip {
            if past.notes(called.process).puts >= ATTEMPTS {
                found.push(Violation::new("I13", format!("flip sent more than {ATTEMPTS} writes in one invocation")));
            }
            let left = process.killed_at.duration_since(world.now());
            if left < RESERVE && !process.stepped {
                let what = format!("flip wrote the distribution {} ms before its end", left.as_millis());
                found.push(Violation::new("I13", what));
            }
        }
        found
    }

    /// A protection was deleted: another one begins with an empty record.
    pub(crate) fn forget(&mut self) {
        self.flips.clear();
    }

    /// flip, which a person waits for, ends by itself.
    pub(crate) fn ended(&self, world: &SimWorld, id: ProcessId, ending: &Ending) -> Option<Violation> {
        let process = world.process(id);
        let had_its_time = !process.stepped && !process.is_frozen;
        let is_late = *ending == Ending::TimedOut && process.function == Function::Flip && had_its_time;
        is_late.then(|| Violation::new("I13", "flip was killed by Lambda's time-out"))
    }
}

/// Somebody else may have written at the very moment of the flip, and the world is ahead by that.
fn up_to_its_own(world: &SimWorld, process: ProcessId) -> usize {
    let versions = world.versions();
    let own = versions.iter().rposition(|version| version.author == Author::Process(process));
    own.map_or(versions.len(), |own| own + 1)
}

/// Whether nobody wrote the distribution after the flip without telling the ledger.
fn was_left_alone(world: &SimWorld, flip: &Flipped) -> bool {
    !world.versions()[flip.versions..].iter().any(|version| is_untold(world, version.author))
}

/// Whether somebody has moved a behaviour away from where the flip had pointed it, without telling the ledger.
fn was_undone(world: &SimWorld, past: &Past, flip: &Flipped) -> bool {
    let is_elsewhere = |version: &Version| past.sides.get(&version.etag).copied().flatten() != Some(flip.to);
    world.versions()[flip.versions..].iter().any(|version| is_untold(world, version.author) && is_elsewhere(version))
}

/// Break-glass does not tell the ledger either.
fn is_untold(world: &SimWorld, author: Author) -> bool {
    match author {
        Author::Foreign(_) => true,
        Author::Process(id) => is_break_glass(world, id),
        Author::Before => false,
    }
}
