//! Every automatic flip: whether it was asked for on the strength of what was read after the event, and whether people had
//! left it to automation (I4, I9, I10, I11, I14, and automation's part of I17 and I18).
//!
//! I10 of the fault catalogue also asks for N evaluations in ALARM. The public contract leaves that number to the alarm
//! (`AlarmEvaluationPeriods`), so here ALARM is enough.

use std::rc::Rc;

use failopen::ledger::{Pin, PinPosture, Row};
use failopen::port::Converge;
use failopen::posture::Side;
use failopen::spec::{ApplicationCheck, EdgeFailOpen, FailBack};
use jiff::{SignedDuration, Timestamp};

use super::Violation;
use super::past::{Notes, Past, is_being_deleted};
use crate::step::{Process, ProcessId};
use crate::world::SimWorld;

/// Older than this, a request of react is held.
const CONVERGE_LIFE: SignedDuration = SignedDuration::from_secs(120);

/// A flip that react asked for and that was just sent to CloudFront.
pub(crate) struct Automatic<'a> {
    pub(crate) process: ProcessId,
    pub(crate) request: &'a Converge,
    /// By the clock of the process that sends it.
    pub(crate) now: Timestamp,
}

impl Automatic<'_> {
    /// Whether an operator's pin may be what this flip carries out: then no rule of automation limits it.
    pub(crate) fn may_be_pinned(&self, past: &Past) -> bool {
        let notes = past.notes(self.process);
        let pins = [&notes.row, &past.row].into_iter().flatten().filter_map(|row| row.pin.as_ref());
        let mut in_force = pins.filter(|pin| is_in_force(pin, notes.began) || is_in_force(pin, self.now));
        in_force.any(|pin| side_of(pin) == Some(self.request.posture))
    }

    /// The checks, each named by its invariant.
    pub(crate) fn check(&self, world: &SimWorld, past: &Past) -> Vec<Violation> {
        let notes = past.notes(self.process);
        let process = world.process(self.process).clone();
        let mut found = self.overridden(past, notes, &process);
        if is_being_deleted(&notes.row) {
            found.push(Violation::new("I18", "automation flipped a protection that was being deleted"));
        }
        let age = notes.began.duration_since(self.request.decided_at);
        if age > CONVERGE_LIFE && !process.stepped {
            let what = format!("flip carried out a request of {} s ago", age.as_secs());
            found.push(Violation::new("I9", what));
        }
        if self.may_be_pinned(past) {
            return found;
        }
        let askers = past.askers(world, self.request);
        if askers.is_empty() {
            found.push(Violation::new("I4", "a flip that react never asked for"));
            return found;
        }
        // Requests of the same moment for the same side cannot be told apart: one that was right is enough.
        let reproaches: Vec<Vec<Violation>> = askers.into_iter().map(|asker| self.unfounded(past, asker)).collect();
        if reproaches.iter().all(|reproaches| !reproaches.is_empty()) {
            found.extend(reproaches.into_iter().next().unwrap_or_default());
        }
        found
    }

    /// I14 and the latch of I12: what the ledger said when the flip began, and still says.
    fn overridden(&self, past: &Past, notes: &Notes, process: &Process) -> Vec<Violation> {
        let (Some(before), Some(row)) = (&notes.row, &past.row) else { return Vec::new() };
        let mut found = Vec::new();
        let pin = before.pin.as_ref().filter(|pin| row.pin.as_ref() == Some(*pin));
        let pin = pin.filter(|pin| is_in_force(pin, notes.began) && is_in_force(pin, self.now) && !process.stepped);
        if let Some(pin) = pin
            && side_of(pin) != Some(self.request.posture)
        {
            let what = format!("automation flipped to {} under the pin {:?}", self.request.posture, pin.posture);
            found.push(Violation::new("I14", what));
        }
        if pin.is_some() {
            return found;
        }
        if before.latch.is_some() && before.latch == row.latch && !self.may_be_pinned(past) {
            found.push(Violation::new("I12", "automation flipped while it was latched"));
        }
        let is_left_to_people =
            |row: &Rc<Row>| matches!(row.spec.automation.edge_fail_open, EdgeFailOpen::Off | EdgeFailOpen::Notify);
        if is_left_to_people(before) && is_left_to_people(row) && !self.may_be_pinned(past) {
            found.push(Violation::new("I14", "automation flipped where layer 2 is off or only notifies"));
        }
        found
    }

    /// Why the react process that asked should not have.
    fn unfounded(&self, past: &Past, asker: &Notes) -> Vec<Violation> {
        let mut found = Vec::new();
        let rows = [&asker.row, &past.row];
        match self.request.posture {
            Side::Bypassed => {
                if !asker.saw_alarm {
                    found.push(Violation::new("I4", "a bypass was asked for while the alarm was never in ALARM"));
                }
                let is_checked = |row: &Rc<Row>| matches!(row.spec.application_check, ApplicationCheck::Probe { .. });
                if rows.iter().all(|row| row.as_ref().is_some_and(is_checked)) && !asker.application_answered {
                    found.push(Violation::new("I10", "a bypass was asked for without an answer of the application"));
                }
            }
            Side::Inspected => {
                if !asker.saw_ok {
                    found.push(Violation::new("I4", "a restore was asked for while the alarm was never OK"));
                }
                if !asker.inspection_answered {
                    found.push(Violation::new("I10", "a restore was asked for without an answer of inspection"));
                }
                if !asker.bypass_is_ours {
                    found.push(Violation::new("I17", "a bypass was reversed that automation had not made"));
                }
                let is_manual = |row: &Rc<Row>| row.spec.automation.fail_back == FailBack::Manual;
                if rows.iter().all(|row| row.as_ref().is_some_and(is_manual)) {
                    found.push(Violation::new("I14", "automation restored where FailBack is manual"));
                }
                found.extend(self.too_soon(&rows, asker));
            }
        }
        found
    }

    /// Hold-down, by the asker's own clock against the moment that CloudWatch told it.
    fn too_soon(&self, rows: &[&Option<Rc<Row>>; 2], asker: &Notes) -> Option<Violation> {
        let holds = rows.iter().filter_map(|row| row.as_ref()).map(|row| row.spec.automation.hold_down_seconds);
        let hold = SignedDuration::from_secs(i64::from(holds.min()?));
        let healthy_for = self.request.decided_at.duration_since(asker.ok_since?);
        let what = || format!("a restore was asked for after {} s of health", healthy_for.as_secs());
        (healthy_for < hold).then(|| Violation::new("I12", what()))
    }
}

fn is_in_force(pin: &Pin, now: Timestamp) -> bool {
    pin.expires_at.is_none_or(|end| now < end)
}

fn side_of(pin: &Pin) -> Option<Side> {
    match pin.posture {
        PinPosture::Inspected => Some(Side::Inspected),
        PinPosture::Bypassed => Some(Side::Bypassed),
        PinPosture::Hold => None,
    }
}
