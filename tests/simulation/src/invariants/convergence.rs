//! What must be true when everything is at rest: the protection is where it is wanted, and people have heard of what keeps it
//! from there (I6, I11, I12).
//!
//! What is wanted is worked out here anew, from the public contract and from what is true of alarm, hosts and records.

use failopen::alarm::AlarmState;
use failopen::ledger::{FlippedBy, PinPosture, Row};
use failopen::port::FailoverRole;
use failopen::posture::Side;
use failopen::spec::{ApplicationCheck, EdgeFailOpen, FailBack};
use failopen_tests::world;
use jiff::{SignedDuration, Timestamp};

use super::Violation;
use super::configuration::Configuration;
use super::past::{Past, is_silent};
use crate::step::Version;
use crate::world::SimWorld;

/// A tick that tells people comes within this time of calm, whatever the phase of the schedule.
const TOLD_WITHIN: SignedDuration = SignedDuration::from_mins(3);
/// Missing data of a protection that was never seen inspected is news after ten minutes.
const WARM_UP: SignedDuration = SignedDuration::from_mins(13);

pub(crate) fn at_rest(world: &SimWorld, past: &Past) -> Vec<Violation> {
    let Some(row) = past.row.as_deref().filter(|row| row.is_in_service()) else { return Vec::new() };
    let Some(made) = &row.made.distribution else { return Vec::new() };
    let patterns: Vec<String> = made.behaviors.iter().map(|known| known.path_pattern.as_str().to_owned()).collect();
    let versions = world.versions();
    let Some(present) = versions.last().and_then(|last| Configuration::read(&last.bytes)) else { return Vec::new() };
    let mut found = Vec::new();
    let set = [&past.inspection, &past.application];
    if present.is_foreign(&patterns, &set) {
        // By what was protected then, or is now: an Update may have changed that.
        let was_foreign = |version: &&Version| {
            past.noted_foreign.contains(&version.etag)
                || Configuration::read(&version.bytes).is_some_and(|one| one.is_foreign(&patterns, &set))
        };
        // What react has never noted to be over goes on, for people too.
        let goes_on = |version: &&Version| !past.noted.contains(&version.etag) || was_foreign(version);
        let began = versions.iter().rev().take_while(goes_on).filter(was_foreign);
        if is_untold(world, "foreign origin", began.last().map(|version| version.at), TOLD_WITHIN) {
            found.push(Violation::new("I11", "a protected behaviour is foreign, and nobody was told"));
        }
        return found;
    }
    let there = past.side(&present, &patterns);
    let rest = Rest { world, past, row, present: &present };
    if let Some(side) = rest.wanted()
        && there != Some(side)
    {
        let what = format!("at rest the posture is {there:?}, and {side} is wanted");
        found.push(Violation::new("I6", what));
    }
    found.extend(rest.untold());
    found
}

struct Rest<'a> {
    world: &'a SimWorld,
    past: &'a Past,
    row: &'a Row,
    present: &'a Configuration,
}

impl Rest<'_> {
    /// Where the protection has to be by now. `None`: where it is.
    fn wanted(&self) -> Option<Side> {
        let Self { world, past, row, .. } = *self;
        let now = world.now();
        if let Some(pin) = row.pin.as_ref().filter(|pin| pin.expires_at.is_none_or(|end| now < end)) {
            return match pin.posture {
                PinPosture::Hold => None,
                PinPosture::Inspected => self.leads_to_inspection().then_some(Side::Inspected),
                PinPosture::Bypassed => Some(Side::Bypassed),
            };
        }
        let is_automatic = row.spec.automation.edge_fail_open == EdgeFailOpen::Automatic;
        if !is_automatic || row.latch.is_some() || self.is_spent() {
            return None;
        }
        let (inspection, application) = world.hosts_up();
        let is_checked = matches!(row.spec.application_check, ApplicationCheck::Probe { .. });
        match past.alarm.0 {
            AlarmState::Alarm => (application || !is_checked).then_some(Side::Bypassed),
            AlarmState::Ok => {
                let may_return = row.spec.automation.fail_back == FailBack::Automatic && self.bypass_is_recorded();
                let is_possible = inspection && self.leads_to_inspection() && self.has_primary();
                (may_return && is_possible && self.is_held_down(now)).then_some(Side::Inspected)
            }
            AlarmState::InsufficientData | AlarmState::Missing => None,
        }
    }

    /// The origin is there and carries the failover record.
    fn leads_to_inspection(&self) -> bool {
        let origin = self.present.origin(&self.past.inspection);
        origin.is_some_and(|origin| origin.domain == self.row.spec.failover_record.as_str())
    }

    /// The name that CloudFront would ask for leads to inspection.
    fn has_primary(&self) -> bool {
        let route53 = self.world.cloud().route53();
        let of_name = |record: &&failopen::port::RecordSet| record.name == self.row.spec.failover_record;
        let mut records = route53.all_records(&world::zone().id).iter().filter(of_name);
        self.row.spec.dns.zone().is_none() || records.any(|record| record.failover != Some(FailoverRole::Secondary))
    }

    fn bypass_is_recorded(&self) -> bool {
        let row = self.row;
        let pending = row.pending.as_ref().filter(|pending| pending.to == Side::Bypassed).map(|pending| pending.at);
        let flip = row.flips.last().filter(|flip| flip.to == Side::Bypassed).map(|flip| flip.at);
        let seen = row.watch.inspected_seen_at;
        pending.or(flip).is_some_and(|at| seen.is_none_or(|seen| seen < at))
    }

    /// The alarm has been OK, and no pin has been in force, for as long as people want it.
    fn is_held_down(&self, now: Timestamp) -> bool {
        let hold = SignedDuration::from_secs(i64::from(self.row.spec.automation.hold_down_seconds));
        let expired = self.row.pin.as_ref().and_then(|pin| pin.expires_at);
        let since = [self.past.alarm.1, self.row.pin_ended_at, expired].into_iter().flatten().max();
        // A tick, its request to flip, and the flip come after that.
        since.is_some_and(|since| now.duration_since(since) > hold + TOLD_WITHIN)
    }

    fn is_spent(&self) -> bool {
        let (row, now) = (self.row, self.world.now());
        let since = (now - SignedDuration::from_hours(24)).max(row.unlatched_at.unwrap_or(Timestamp::MIN));
        let counts = |flip: &&failopen::ledger::Flip| flip.by == FlippedBy::Automation && flip.at > since;
        row.flips.iter().filter(counts).count() >= row.spec.automation.maximum_flips_per_day as usize
    }

    /// What people should have heard of and did not.
    fn untold(&self) -> Vec<Violation> {
        let Self { world, past, row, .. } = *self;
        let mut found = Vec::new();
        if row.latch.is_some() && is_untold(world, "latched", past.latched_since, TOLD_WITHIN) {
            found.push(Violation::new("I12", "automation is latched, and nobody was told"));
        }
        let is_told = past.told_unheard || !is_untold(world, "no health data", past.silent_since, WARM_UP);
        if is_silent(past.alarm.0) && !is_told {
            found.push(Violation::new("I11", "there is no health data, and nobody was told"));
        }
        found
    }
}

/// Whether an episode that began at `since` has lasted for `patience` of the calm without a message about it. Messages of an
/// earlier one do not count.
fn is_untold(world: &SimWorld, words: &str, since: Option<Timestamp>, patience: SignedDuration) -> bool {
    let Some(calm) = world.calm_since() else { return false };
    let since = since.unwrap_or(Timestamp::MIN);
    let outbox = world.cloud().outbox();
    let was_told = outbox.messages.iter().any(|(at, message)| *at >= since && message.subject.contains(words));
    world.now().duration_since(calm.max(since)) > patience && !was_told
}
