//! What people hear of, and how often: one message per change, per latch, per foreign target, per drift and per start of
//! missing health data, and an hourly reminder while traffic is not inspected.
//!
//! The watch of the ledger row is the memory. [`watch`] returns the next one with the messages in its outbox; the shell
//! writes it first and sends afterwards, so that two observers of one change send one message.

use jiff::{SignedDuration, Timestamp};

use crate::alarm::ObservedAlarm;
use crate::commands::{BREAK_GLASS, Commands};
use crate::decide::{is_health_known, wanted};
use crate::decision::{Decision, Reason};
use crate::drift::Drift;
use crate::id::ProtectionName;
use crate::ledger::{FlippedBy, Lifecycle, Row, SeenDrift, Watch};
use crate::letters::{Letters, UnreadableLetters, subject_line};
use crate::port::Message;
use crate::posture::{Health, Posture, Side, Traffic};
use crate::rows::UnreadableRow;

/// What react saw of one protection.
#[derive(Clone, Debug)]
pub struct Seen<'a> {
    pub posture: Posture,
    pub traffic: Traffic,
    /// Health of inspection as its own alarm tells it.
    pub inspection: Health,
    /// The side that all alarms together ask for; `None` where they do not say.
    pub asked: Option<Side>,
    pub decision: &'a Decision,
    /// Whether the alarms could be read. CloudWatch may be slow or throttled for a while, which says nothing about inspection.
    pub alarms_are_known: bool,
    /// `None` where drift was not read this time.
    pub drift: Option<&'a [Drift]>,
    /// When the reading began: what was read may be older than `now`, never older than this.
    pub observed_at: Timestamp,
}

impl Seen<'_> {
    fn health_data_missing(&self) -> bool {
        self.inspection == Health::Unknown || self.decision.reason == Reason::NoHealthData
    }
}

/// While not inspected, people are told again this often.
const REMINDER: SignedDuration = SignedDuration::from_hours(1);
/// The control planes of CloudFront and CloudWatch may be slow or throttled for a while; that is news only when it stays so.
const CONTROL_PLANE_PATIENCE: SignedDuration = SignedDuration::from_mins(10);
/// An outage may begin beside a single reading that fails, which the next tick makes good: then layer 2 does act.
const NEXT_READING: SignedDuration = SignedDuration::from_mins(2);
/// A deletion has ended by then, because CloudFormation waits an hour for it; one that failed leaves automation stopped.
const DELETION_PATIENCE: SignedDuration = SignedDuration::from_mins(75);
/// A new alarm has no data yet; that is news only when it stays so.
const WARM_UP: SignedDuration = SignedDuration::from_mins(10);
/// A distribution read this soon after a flip may still show the configuration before it (read-after-write consistency of
/// GetDistributionConfig is not documented), and clocks differ: such a reading proves nothing about who made a bypass.
const SETTLING: SignedDuration = SignedDuration::from_secs(60);

/// The watch after this observation, with every message that is due in its outbox.
pub fn watch(row: &Row, seen: &Seen<'_>, commands: &Commands, now: Timestamp) -> Watch {
    let mut next = row.watch.clone();
    let mut letters = Letters { row, seen, commands, now, written: Vec::new() };

    next.unreadable_since = None;
    next.unreadable_told_at = None;
    // What an outage means for traffic is told below, where the posture tells it.
    note_outage(seen.asked, &mut next, now);
    note_ownership(row, seen, &mut next);
    let reverted = note_revert(&mut letters, &mut next);
    note_change(&mut letters, &mut next, reverted);
    note_missing_data(&mut letters, &mut next);
    note_additional_alarm(&mut letters, &mut next);
    note_foreign_target(&mut letters, &mut next);
    note_deletion(&mut letters, &mut next);
    note_latch(&mut letters, &mut next);
    note_drift(&mut letters, &mut next);
    remind(&mut letters, &mut next);

    next.outbox.extend(letters.written);
    next
}

/// The watch after a tick on which the distribution could not be read: what was known stays, and one message is due per
/// episode, at once where waiting cannot help (`permanent`), and one for each outage of inspection that begins in it.
///
/// The alarms can be read without the distribution. What they say ends an episode in which they said nothing: what is missing
/// next is another one.
pub fn watch_unreadable(
    row: &Row,
    alarms: &[ObservedAlarm],
    why: &str,
    permanent: bool,
    commands: &Commands,
    now: Timestamp,
) -> Watch {
    let mut next = row.watch.clone();
    if is_health_known(row, alarms) {
        next.no_health_data_since = None;
        next.no_health_data_told_at = None;
    }
    if wanted(alarms) == Some(Side::Inspected) {
        next.additional_alarm_since = None;
    }
    let since = *next.unreadable_since.get_or_insert(now);
    let lasts = |patience| permanent || now.duration_since(since) >= patience;
    let asked = wanted(alarms);
    let is_news = asked == Some(Side::Bypassed) && next.outage_since.is_none();
    let letters = UnreadableLetters { row, why, since, commands, now };
    if row.is_in_service() && (!is_news || lasts(NEXT_READING)) {
        note_outage(asked, &mut next, now);
        if is_news {
            next.outbox.push(letters.inspection_down(alarms));
            // It says that nothing can be read, too.
            next.unreadable_told_at.get_or_insert(now);
        }
    }
    if next.unreadable_told_at.is_none() && lasts(CONTROL_PLANE_PATIENCE) {
        next.unreadable_told_at = Some(now);
        next.outbox.push(letters.unreadable());
    }
    next
}

/// The message about a protection whose row in the ledger cannot be read, and whose alarm rings (`is_down`) or does not.
pub fn unreadable_row(row: &UnreadableRow, is_down: bool, commands: &Commands) -> Message {
    let UnreadableRow { name, fault, .. } = row;
    let (subject, down) = match is_down {
        true => (
            "its ledger row cannot be read, and inspection is down",
            format!("Inspection is down: alarm {} is in ALARM. ", name.alarm()),
        ),
        false => ("its ledger row cannot be read: automation holds", String::new()),
    };
    Message {
        subject: subject_line(name.as_str(), subject),
        body: format!(
            "Protection: {name}\n\n{down}Its row in the ledger cannot be read ({fault}). Layer 2 does nothing for it while that lasts, and \
             nobody is told of changes of its traffic; DNS failover (layer 1) goes on by itself, and so do all other protections.\n\n\
             Next: restore the row from the point-in-time recovery of the ledger's table. Where traffic has to move meanwhile, \
             {BREAK_GLASS}:\n{}\n",
            commands.break_glass()
        ),
    }
}

/// The message about an alarm that calls react and is called as a protection's own, of which the ledger has no row.
pub fn missing_row(name: &ProtectionName, commands: &Commands) -> Message {
    let alarm = name.alarm();
    Message {
        subject: subject_line(name.as_str(), "its ledger row is gone: nobody watches it"),
        body: format!(
            "Protection: {name}\n\nIts alarm {alarm} has called react, but the ledger has no row of it. Layer 2 does nothing for it, and \
             nobody is told of changes of its traffic; DNS failover (layer 1) goes on by itself, and so do all other protections.\n\n\
             Next: if a stack still declares it, restore the row from the point-in-time recovery of the ledger's table (RUNBOOK.md, \
             \"Restore the ledger\"), and deploy or delete no protection of that name before. If none does, its deletion has left the \
             alarm, or somebody else has made it: see who needs it before you delete it. Where traffic has to move \
             meanwhile, {BREAK_GLASS}:\n{}\n",
            commands.break_glass()
        ),
    }
}

/// Remembers an outage of inspection from the first look at which an alarm asks for a bypass to the first at which all ask for
/// inspection. Silence is neither.
fn note_outage(asked: Option<Side>, next: &mut Watch, now: Timestamp) {
    match asked {
        Some(Side::Bypassed) => {
            next.outage_since.get_or_insert(now);
        }
        Some(Side::Inspected) => next.outage_since = None,
        None => {}
    }
}

/// A bypass found after this moment is somebody else's, because the protection was seen inspected after our own.
fn note_ownership(row: &Row, seen: &Seen<'_>, next: &mut Watch) {
    if seen.posture != Posture::Inspected || !row.bypass_is_ours() {
        return;
    }
    let settled = match (&row.pending, row.flips.last()) {
        (Some(pending), _) => pending.at,
        (None, Some(flip)) => flip.at,
        (None, None) => return,
    };
    if seen.observed_at.duration_since(settled) > SETTLING {
        next.inspected_seen_at = Some(seen.observed_at);
    }
}

/// Somebody else has undone a bypass of automation while what made it necessary goes on. Told once for each such bypass:
/// between two ticks it may have come and gone unseen. Returns whether it is told now.
fn note_revert(letters: &mut Letters<'_>, next: &mut Watch) -> bool {
    let Letters { row, seen, .. } = *letters;
    let is_undone = matches!(seen.posture, Posture::Inspected | Posture::Mixed);
    let undone = row.flips.last().filter(|flip| {
        let is_settled = seen.observed_at.duration_since(flip.at) > SETTLING;
        is_undone && is_settled && flip.to == Side::Bypassed && flip.by == FlippedBy::Automation
    });
    let Some(flip) = undone.filter(|_| wants_bypass(seen)) else { return false };
    if next.reverted_flip_at == Some(flip.at) {
        return false;
    }
    next.reverted_flip_at = Some(flip.at);
    letters.reverted(flip);
    true
}

/// Whether automation bypasses what it finds inspected, or would if it were free to: with the alarms OK nobody fights.
fn wants_bypass(seen: &Seen<'_>) -> bool {
    match seen.decision.reason {
        Reason::AlarmActive | Reason::ApplicationUnhealthy | Reason::Dwell | Reason::FlipBudgetSpent => true,
        // The latch is asked about before missing data.
        Reason::Latched => seen.inspection == Health::Unhealthy,
        Reason::LedgerUnavailable
        | Reason::ForeignTarget
        | Reason::Pinned
        | Reason::PinnedPosture
        | Reason::AlreadyThere
        | Reason::EdgeOff
        | Reason::NotifyOnly
        | Reason::NoHealthData
        | Reason::AwaitingOperator
        | Reason::HoldDown
        | Reason::InspectionUnhealthy
        | Reason::HoldDownElapsed => false,
    }
}

fn note_change(letters: &mut Letters<'_>, next: &mut Watch, reverted: bool) {
    let seen = letters.seen;
    let is_same_traffic = next.traffic == Some(seen.traffic) || (next.traffic.is_some() && !seen.alarms_are_known);
    if is_same_traffic && next.posture == Some(seen.posture) {
        return;
    }
    let first_sight = next.traffic.is_none();
    let silence_begins = seen.traffic == Traffic::Unknown && seen.health_data_missing();
    let posture_changed = next.posture.is_some_and(|before| before != seen.posture);
    // Nothing has changed for people when a protection is first seen doing what it was set up to do, and a loss of health
    // data has a message of its own.
    let untold = (first_sight && seen.posture == Posture::Inspected && seen.traffic != Traffic::BypassedDns)
        || (silence_begins && !posture_changed)
        || (seen.posture == Posture::Foreign)
        || reverted;
    if !untold {
        letters.change(next.traffic);
    }
    next.traffic = Some(seen.traffic);
    next.posture = Some(seen.posture);
    next.since = Some(letters.now);
}

fn note_missing_data(letters: &mut Letters<'_>, next: &mut Watch) {
    if !letters.seen.health_data_missing() {
        next.no_health_data_since = None;
        next.no_health_data_told_at = None;
        return;
    }
    let since = *next.no_health_data_since.get_or_insert(letters.now);
    let ever_inspected = letters.row.watch.traffic.is_some_and(|traffic| traffic != Traffic::Unknown);
    let patience = match (letters.seen.alarms_are_known, ever_inspected) {
        (false, _) => CONTROL_PLANE_PATIENCE,
        (true, true) => SignedDuration::ZERO,
        (true, false) => WARM_UP,
    };
    if next.no_health_data_told_at.is_none() && letters.now.duration_since(since) >= patience {
        letters.no_health_data(since);
        next.no_health_data_told_at = Some(letters.now);
    }
}

/// A layer 2 that only notifies has to: an alarm of the user's own changes neither traffic nor posture, and would be told by
/// nothing else.
fn note_additional_alarm(letters: &mut Letters<'_>, next: &mut Watch) {
    let Seen { posture, inspection, decision, .. } = letters.seen;
    // With the protection's own alarm OK and nothing to restore, only another alarm keeps this from being `AlreadyThere`.
    let is_theirs =
        decision.reason == Reason::NotifyOnly && *posture == Posture::Inspected && *inspection == Health::Healthy;
    if !is_theirs {
        next.additional_alarm_since = None;
    } else if next.additional_alarm_since.is_none() {
        next.additional_alarm_since = Some(letters.now);
        letters.additional_alarm();
    }
}

fn note_foreign_target(letters: &mut Letters<'_>, next: &mut Watch) {
    // A deletion takes our own behaviours away.
    if letters.seen.posture != Posture::Foreign || letters.row.lifecycle == Lifecycle::Deleting {
        next.foreign_since = None;
    } else if next.foreign_since.is_none() {
        next.foreign_since = Some(letters.now);
        letters.foreign_target();
    }
}

/// A deletion that failed and was given up leaves a protection that looks quiet, and that automation has left alone since.
fn note_deletion(letters: &mut Letters<'_>, next: &mut Watch) {
    if letters.row.lifecycle != Lifecycle::Deleting {
        next.deleting_since = None;
        next.deleting_told_at = None;
        return;
    }
    let since = *next.deleting_since.get_or_insert(letters.now);
    if next.deleting_told_at.is_none() && letters.now.duration_since(since) >= DELETION_PATIENCE {
        next.deleting_told_at = Some(letters.now);
        letters.deletion_unfinished(since);
    }
}

fn note_latch(letters: &mut Letters<'_>, next: &mut Watch) {
    match &letters.row.latch {
        None => next.latch_told_at = None,
        Some(latch) if next.latch_told_at.is_none() => {
            let because = latch.because.clone();
            next.latch_told_at = Some(letters.now);
            letters.latched(&because);
        }
        Some(_) => {}
    }
}

fn note_drift(letters: &mut Letters<'_>, next: &mut Watch) {
    let Some(drift) = letters.seen.drift else { return };
    next.drift_read_at = Some(letters.now);
    let known = std::mem::take(&mut next.drift);
    let mut fresh = Vec::new();
    for found in drift {
        let before = known.iter().find(|seen| seen.what == found.what);
        if before.is_none() {
            fresh.push(found);
        }
        let since = before.map_or(letters.now, |seen| seen.since);
        next.drift.push(SeenDrift { what: found.what.clone(), since });
    }
    if !fresh.is_empty() {
        letters.drifted(&fresh);
    }
}

fn remind(letters: &mut Letters<'_>, next: &mut Watch) {
    if letters.seen.traffic == Traffic::Inspected {
        next.reminded_at = None;
        return;
    }
    if !letters.written.is_empty() || next.reminded_at.is_none() {
        next.reminded_at = Some(letters.now);
    } else if next.reminded_at.is_some_and(|last| letters.now.duration_since(last) >= REMINDER) {
        letters.reminder(next.since.unwrap_or(letters.now));
        next.reminded_at = Some(letters.now);
    }
}

#[cfg(test)]
#[path = "notice_tests.rs"]
mod tests;
