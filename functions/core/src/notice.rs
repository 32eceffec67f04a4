//! What people hear of, and how often: one message per change, per latch, per foreign target, per drift and per start of
//! missing health data, and an hourly reminder while traffic is not inspected.
//!
//! The watch of the ledger row is the memory. [`watch`] returns the next one with the messages in its outbox; the shell
//! writes it first and sends afterwards, so that two observers of one change send one message.

use jiff::{SignedDuration, Timestamp};

use crate::commands::Commands;
use crate::decision::{Decision, Reason};
use crate::drift::Drift;
use crate::ledger::{FlippedBy, Lifecycle, Queued, Row, SeenDrift, Watch};
use crate::posture::{Health, Posture, Side, Traffic};

/// What react saw of one protection.
#[derive(Clone, Debug)]
pub struct Seen<'a> {
    pub posture: Posture,
    pub traffic: Traffic,
    /// Health of inspection as its own alarm tells it.
    pub inspection: Health,
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
/// A deletion has ended by then, because CloudFormation waits an hour for it; one that failed leaves automation stopped.
const DELETION_PATIENCE: SignedDuration = SignedDuration::from_mins(75);
/// A new alarm has no data yet; that is news only when it stays so.
const WARM_UP: SignedDuration = SignedDuration::from_mins(10);
/// A distribution read this soon after a flip may still show the configuration before it (read-after-write consistency of
/// GetDistributionConfig is not documented), and clocks differ: such a reading proves nothing about who made a bypass.
const SETTLING: SignedDuration = SignedDuration::from_secs(60);
/// SNS accepts subjects of up to 100 characters.
const SUBJECT_LENGTH: usize = 100;

/// The watch after this observation, with every message that is due in its outbox.
pub fn watch(row: &Row, seen: &Seen<'_>, commands: &Commands, now: Timestamp) -> Watch {
    let mut next = row.watch.clone();
    let mut letters = Letters { row, seen, commands, now, written: Vec::new() };

    next.unreadable_since = None;
    next.unreadable_told_at = None;
    note_ownership(row, seen, &mut next);
    note_change(&mut letters, &mut next);
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
/// episode, at once where waiting cannot help (`permanent`).
pub fn watch_unreadable(row: &Row, why: &str, permanent: bool, commands: &Commands, now: Timestamp) -> Watch {
    let mut next = row.watch.clone();
    let since = *next.unreadable_since.get_or_insert(now);
    let patience = if permanent { SignedDuration::ZERO } else { CONTROL_PLANE_PATIENCE };
    if next.unreadable_told_at.is_none() && now.duration_since(since) >= patience {
        next.unreadable_told_at = Some(now);
        let traffic = next.traffic.unwrap_or(Traffic::Unknown);
        next.outbox.push(Queued {
            at: now,
            subject: subject_line(row.name.as_str(), "the distribution cannot be read: automation holds"),
            body: format!(
                "Protection: {}\nDistribution: {}\n\nThe distribution's configuration cannot be read since {since}: {why}. \
                 Nothing is changed while that lasts; DNS failover (layer 1) goes on by itself.\n\nTraffic when last seen: \
                 {traffic}.\n\nNext:\n{}\n",
                row.name,
                row.spec.distribution,
                commands.status(&row.name)
            ),
        });
    }
    next
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

fn note_change(letters: &mut Letters<'_>, next: &mut Watch) {
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
        || (seen.posture == Posture::Foreign);
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

/// Writes the messages of one observation.
struct Letters<'a> {
    row: &'a Row,
    seen: &'a Seen<'a>,
    commands: &'a Commands,
    now: Timestamp,
    written: Vec<Queued>,
}

impl Letters<'_> {
    fn change(&mut self, before: Option<Traffic>) {
        let name = &self.row.name;
        let was = before.map_or(String::new(), |traffic| format!(" (was {traffic})"));
        let (headline, next_step) = match self.seen.traffic {
            Traffic::Inspected => ("traffic is inspected again".to_owned(), self.commands.status(name)),
            Traffic::BypassedDns => {
                ("inspection is down, DNS sends traffic to the application".to_owned(), self.look_or_bypass())
            }
            Traffic::BypassedEdge => {
                ("CloudFront sends traffic to the application, uninspected".to_owned(), self.commands.restore(name))
            }
            Traffic::Unknown => {
                (format!("posture is {}, traffic is not known", self.seen.posture), self.look_or_bypass())
            }
        };
        let subject = format!("{}{was}", headline);
        self.send(&subject, self.cause(), &next_step);
    }

    fn reminder(&mut self, since: Timestamp) {
        let subject = format!("still not inspected: {} since {since}", self.seen.traffic);
        let next_step = match self.seen.posture {
            Posture::Bypassed | Posture::Mixed => self.commands.restore(&self.row.name),
            Posture::Inspected | Posture::Foreign => self.look_or_bypass(),
        };
        self.send(&subject, self.cause(), &next_step);
    }

    /// Where layer 2 only notifies, inspection is dead and CloudFront still points at it, the flip is up to whoever reads
    /// this; everywhere else the first thing to do is to look.
    fn look_or_bypass(&self) -> String {
        let name = &self.row.name;
        let is_theirs = self.seen.decision.reason == Reason::NotifyOnly && self.seen.inspection == Health::Unhealthy;
        match self.seen.posture {
            Posture::Inspected | Posture::Mixed if is_theirs => self.commands.bypass(name),
            Posture::Inspected | Posture::Mixed | Posture::Bypassed | Posture::Foreign => self.commands.status(name),
        }
    }

    fn no_health_data(&mut self, since: Timestamp) {
        let what = format!(
            "Nobody knows whether inspection is healthy since {since}: {}. Automation holds and does not bypass on missing \
             data. Look for a deleted or disabled health check or alarm.",
            self.seen.decision.because
        );
        self.send("no health data: automation holds", what, &self.commands.status(&self.row.name));
    }

    fn additional_alarm(&mut self) {
        self.send(
            "one of your own alarms is not OK, and layer 2 only notifies",
            self.cause(),
            &self.commands.status(&self.row.name),
        );
    }

    fn foreign_target(&mut self) {
        let what = format!(
            "Someone pointed a protected behaviour of distribution {} at another origin, or removed it. Automation keeps its \
             hands off until that is undone or the protection is deployed again.",
            self.row.spec.distribution
        );
        self.send(
            "a protected behaviour targets a foreign origin: hands off",
            what,
            &self.commands.status(&self.row.name),
        );
    }

    fn deletion_unfinished(&mut self, since: Timestamp) {
        let what = format!(
            "CloudFormation began to delete the protection at {since} and has not finished, so automation has been stopped since \
             then. Delete the resource again, or declare it again in the same stack under the same logical id."
        );
        self.send("deletion not finished: automation is stopped", what, &self.commands.status(&self.row.name));
    }

    fn latched(&mut self, because: &str) {
        let what = format!(
            "Automation has stopped flipping: {because}. The posture stays as it is; operators are not limited."
        );
        self.send("automation is latched: too many flips in 24 hours", what, &self.commands.unlatch(&self.row.name));
    }

    fn drifted(&mut self, drift: &[&Drift]) {
        let lines: Vec<String> = drift
            .iter()
            .map(|drift| format!("- {}: expected {}, found {}", drift.what, drift.expected, drift.found))
            .collect();
        let what = format!("What was provisioned is no longer as it should be:\n{}", lines.join("\n"));
        let subject = match drift {
            [only] => format!("drift: {}", only.what),
            _ => format!("drift: {} settings changed", drift.len()),
        };
        self.send(&subject, what, &self.commands.status(&self.row.name));
    }

    /// Why things are as they are: the flip that made them so, if we made one, and the decision now.
    fn cause(&self) -> String {
        let flip = self.row.flips.last().filter(|flip| flip.to.posture() == self.seen.posture).map(|flip| {
            let by = match flip.by {
                FlippedBy::Automation => "automation",
                FlippedBy::Operator => "an operator",
            };
            let verb = match flip.to {
                Side::Bypassed => "bypassed",
                Side::Inspected => "restored",
            };
            format!("At {} {by} {verb} it: {}. ", flip.at, flip.reason)
        });
        let decision = self.seen.decision;
        format!("{}Automation now: {} ({}).", flip.unwrap_or_default(), decision.because, decision.reason)
    }

    fn send(&mut self, subject: &str, what: String, next_step: &str) {
        let since =
            self.row.watch.since.filter(|_| self.row.watch.traffic == Some(self.seen.traffic)).unwrap_or(self.now);
        let body = format!(
            "Protection: {}\nDistribution: {}\n\n{what}\n\nTraffic now: {} (posture {}) since {since}.\n\nNext:\n{next_step}\n",
            self.row.name, self.row.spec.distribution, self.seen.traffic, self.seen.posture
        );
        self.written.push(Queued { at: self.now, subject: subject_line(&self.row.name.to_string(), subject), body });
    }
}

/// A subject that reads alone: SNS wants printable ASCII, no line break, at most 100 characters.
fn subject_line(name: &str, text: &str) -> String {
    format!("[failopen] {name}: {text}")
        .chars()
        .map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { ' ' })
        .take(SUBJECT_LENGTH)
        .collect()
}

#[cfg(test)]
#[path = "notice_tests.rs"]
mod tests;
