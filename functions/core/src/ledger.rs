//! What we remember about a protection: one row each, written only on condition of the version that was read.
//!
//! The row is the proof of ownership for everything in the distribution (origins and behaviours carry no tags), the memory
//! of pins, flips and the latch, and the original targets that Delete restores. No row: nothing in a distribution is deleted.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::id::{
    AlarmName, DistributionId, ETag, HealthCheckId, HostedZoneId, Hostname, OriginId, OwnerMark, PathPattern,
    ProtectionName,
};
use crate::limits::FLIP_LIFE;
use crate::posture::{Posture, Side};
use crate::records::AdoptedSets;
use crate::spec::{Spec, ZoneRole};
use crate::tombstone::{Sent, Tombstone};
pub use crate::watch::{Queued, SeenDrift, Watch};

/// One protection as the ledger knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    pub name: ProtectionName,
    /// Hash of StackId and LogicalResourceId; every write of `provision` is conditional on it.
    pub owner: OwnerMark,
    pub stack_id: String,
    pub logical_id: String,
    pub lifecycle: Lifecycle,
    pub spec: Spec,
    pub made: Made,
    /// An operator's override. An expired pin is still here until someone notices; ask [`Row::pin_at`].
    #[serde(default)]
    pub pin: Option<Pin>,
    /// When the last pin ended, by expiry or by `unpin`: hold-down starts anew there.
    #[serde(default)]
    pub pin_ended_at: Option<Timestamp>,
    /// Flips that happened, oldest first; see [`Row::record_flip`] for how many are kept.
    #[serde(default)]
    pub flips: Vec<Flip>,
    /// A flip that was about to be written. Proof that it is ours, should we die between the write and its record.
    #[serde(default)]
    pub pending: Option<PendingFlip>,
    #[serde(default)]
    pub latch: Option<Latch>,
    /// When an operator last released the latch: the daily budget counts from there.
    #[serde(default)]
    pub unlatched_at: Option<Timestamp>,
    #[serde(default)]
    pub watch: Watch,
    /// The answer to the last Create or Update that succeeded: the same request, delivered again, gets the same bytes.
    #[serde(default)]
    pub answered: Option<Answered>,
    /// RequestId of the Create that made this row: another Create comes only after every Delete has ended.
    #[serde(default)]
    pub created_by: Option<String>,
    /// The newest request of CloudFormation that has begun on this row, whatever became of it: what was sent before it is
    /// over, and stops before it writes.
    #[serde(default)]
    pub newest: Option<Sent>,
    /// How many times requests have told this row what they are about to write: of two equal rows, the one with the higher number has
    /// been told since that a write is on its way.
    #[serde(default)]
    pub intents: u64,
    /// What was under this name before: requests of that time are over.
    #[serde(default)]
    pub tombstones: Vec<Tombstone>,
}

/// A custom-resource answer that was decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    pub request_id: String,
    pub body: String,
}

/// A row with the version that a write must be conditional on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned {
    pub row: Row,
    pub version: u64,
}

/// Where a protection stands in its life. Automation acts only on `active` ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lifecycle {
    /// Create has begun; a crash is resumed by the same event or undone by Delete.
    Creating,
    Active,
    /// Update has begun; automation goes on by what the row says is in the distribution.
    Updating,
    /// Delete has begun; automation has stopped.
    Deleting,
}

/// What exists because of us, written before (intent) or right after each step so that a crash can be undone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    #[serde(default)]
    pub health_check: Option<MadeHealthCheck>,
    #[serde(default)]
    pub records: Option<MadeRecords>,
    #[serde(default)]
    pub distribution: Option<MadeDistribution>,
    #[serde(default)]
    pub alarm: Option<AlarmName>,
    /// Health checks, records and distributions that an Update has replaced and not yet removed.
    #[serde(default)]
    pub replaced: Vec<Replaced>,
}

/// The health check on inspection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeHealthCheck {
    /// The idempotency token, written before the check is created: from it the check is found again after a crash.
    /// `None` for an adopted check, which is never deleted.
    pub caller_reference: Option<String>,
    /// `None` between the intent and the creation.
    pub id: Option<HealthCheckId>,
}

/// The two failover records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeRecords {
    pub zone: HostedZoneId,
    pub role: Option<ZoneRole>,
    pub name: Hostname,
    pub ttl: u32,
    pub primary: Hostname,
    pub primary_health_check: HealthCheckId,
    pub secondary: Hostname,
    pub secondary_health_check: Option<HealthCheckId>,
    /// Set for records that were there before us: never changed and never removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopted: Option<AdoptedSets>,
}

/// Our origin and the protected behaviours in one distribution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeDistribution {
    pub id: DistributionId,
    /// The distribution's own CallerReference, which CloudFront never changes, pinned at provisioning: an answer that says
    /// otherwise is not this distribution's. Aliases are the owner's to change and prove nothing.
    pub caller_reference: String,
    /// `failopen-<Name>`, or the id of an adopted origin.
    pub inspection_origin: OriginId,
    /// The origin was there before us: never changed and never removed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub origin_adopted: bool,
    /// HTTPS ports that the origin was given or was meant to be given, the present one first. The former ones are what a roll-back
    /// leads to, and what a write that arrives late may still set. Empty in rows of before they were kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub origin_ports: Vec<u16>,
    /// The origin that all protected behaviours targeted before.
    pub application_origin: OriginId,
    pub behaviors: Vec<ProtectedBehavior>,
    /// False between the intent and the accepted write.
    pub written: bool,
}

/// A behaviour that the protection moves between its two origins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtectedBehavior {
    pub path_pattern: PathPattern,
    /// What it targeted before us: the application, or an adopted origin; a cloned behaviour's is that of the behaviour it was
    /// cloned from.
    pub original_target: OriginId,
    /// Set for a behaviour that we added: hash of its content without the TargetOriginId, as we wrote it.
    pub cloned: Option<String>,
}

/// Something an Update replaced: removed only after every edge has stopped using it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Replaced {
    HealthCheck(MadeHealthCheck),
    Records(MadeRecords),
    Distribution(MadeDistribution),
}

/// An operator's override of the automatic decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    pub posture: PinPosture,
    pub reason: String,
    #[serde(default)]
    pub requested_by: Option<String>,
    pub since: Timestamp,
    /// `None`: `never` was spelled out.
    pub expires_at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PinPosture {
    Inspected,
    Bypassed,
    /// Stay where it is.
    Hold,
}

/// One flip that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flip {
    pub at: Timestamp,
    pub from: Posture,
    pub to: Side,
    pub by: FlippedBy,
    pub reason: String,
    #[serde(default)]
    pub requested_by: Option<String>,
    pub etag_after: Option<ETag>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FlippedBy {
    /// react decided it: counts towards the dwell time and the daily budget.
    Automation,
    /// `bypass`, `restore` or a pin: never limited.
    Operator,
}

/// A flip about to be written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingFlip {
    pub at: Timestamp,
    pub from: Posture,
    pub to: Side,
    pub by: FlippedBy,
    pub reason: String,
    #[serde(default)]
    pub requested_by: Option<String>,
}

/// The daily budget is spent: automation stops until an operator says `unlatch`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latch {
    pub since: Timestamp,
    pub because: String,
}

/// Flips kept in the row: more than any budget needs, few enough for the 400 KB of a DynamoDB item.
const FLIPS_KEPT: usize = 100;

impl Row {
    /// The row of a protection of which nothing exists yet.
    pub fn creating(owner: OwnerMark, stack_id: &str, logical_id: &str, spec: Spec) -> Self {
        Self {
            name: spec.name.clone(),
            owner,
            stack_id: stack_id.to_owned(),
            logical_id: logical_id.to_owned(),
            lifecycle: Lifecycle::Creating,
            spec,
            made: Made::default(),
            pin: None,
            pin_ended_at: None,
            flips: Vec::new(),
            pending: None,
            latch: None,
            unlatched_at: None,
            watch: Watch::default(),
            answered: None,
            created_by: None,
            newest: None,
            intents: 0,
            tombstones: Vec::new(),
        }
    }

    /// The newest request, where CloudFormation has certainly sent it after `request`.
    pub fn newer_than(&self, request: &Sent) -> Option<&Sent> {
        self.newest.as_ref().filter(|newest| request.is_before(newest))
    }

    /// Whether the newest request was sent when `create`, a Create, had been. In the same second, too: CloudFormation deletes what it
    /// has just asked for, but it asks for nothing anew in the second in which it sends a Delete of it.
    pub fn is_gone_on_from(&self, create: &Sent) -> bool {
        let is_other = |newest: &&Sent| newest.request_id != create.request_id;
        let newest = self.newest.as_ref().filter(is_other).and_then(|newest| newest.at);
        create.at.zip(newest).is_some_and(|(create, newest)| create <= newest)
    }

    /// Whether a flip has told the ledger what it is about to write, and may still write it.
    pub fn awaits_flip(&self, now: Timestamp) -> Option<SignedDuration> {
        let left = FLIP_LIFE - now.duration_since(self.pending.as_ref()?.at).max(SignedDuration::ZERO);
        (left > SignedDuration::ZERO).then_some(left)
    }

    /// Notes that `request` has begun, unless it is known to be over.
    pub fn note_request(&mut self, request: &Sent) {
        if self.newer_than(request).is_none() {
            self.newest = Some(request.clone());
        }
    }

    /// Whether the protection is in a distribution and stays there.
    pub fn is_in_service(&self) -> bool {
        let is_wired = self.made.distribution.as_ref().is_some_and(|made| made.written);
        match self.lifecycle {
            Lifecycle::Active | Lifecycle::Updating => is_wired,
            Lifecycle::Creating | Lifecycle::Deleting => false,
        }
    }

    /// The pin in force at `now`.
    pub fn pin_at(&self, now: Timestamp) -> Option<&Pin> {
        self.pin.as_ref().filter(|pin| pin.expires_at.is_none_or(|end| now < end))
    }

    /// When the last pin ended, counting one that has expired and that nobody has cleared yet.
    pub fn last_pin_end(&self, now: Timestamp) -> Option<Timestamp> {
        let expired = self.pin.as_ref().and_then(|pin| pin.expires_at).filter(|end| *end <= now);
        expired.max(self.pin_ended_at)
    }

    /// Automatic flips that count towards the daily budget: those of the 24 hours before `now`, since the last unlatch.
    pub fn automatic_flips_in_a_day(&self, now: Timestamp) -> usize {
        let day_ago = now - SignedDuration::from_hours(24);
        let since = self.unlatched_at.map_or(day_ago, |unlatched| unlatched.max(day_ago));
        self.flips.iter().filter(|flip| flip.by == FlippedBy::Automation && flip.at > since).count()
    }

    /// The last automatic flip; the dwell time counts from there.
    pub fn last_automatic_flip(&self) -> Option<&Flip> {
        self.flips.iter().rev().find(|flip| flip.by == FlippedBy::Automation)
    }

    /// Whether a flip towards `to` that was begun at `begun_at` is recorded already, by another invocation that made the same change.
    /// `answered`: its own write was accepted for certain, so that it is one of its own unless the other came after it.
    pub fn has_counted(&self, to: Side, begun_at: Timestamp, answered: bool) -> bool {
        if self.flips.iter().any(|flip| flip.to == to && flip.at >= begun_at) {
            return true;
        }
        // Two clocks may disagree about that. A write without an answer whose intent went with the record of such a flip was that
        // one.
        let is_begun = self.pending.as_ref().is_some_and(|pending| pending.at == begun_at && pending.to == to);
        !answered && !is_begun && self.flips.last().is_some_and(|flip| flip.to == to)
    }

    /// Records a flip that happened and forgets that it was pending.
    pub fn record_flip(&mut self, flip: Flip) {
        self.pending = None;
        self.flips.push(flip);
        let excess = self.flips.len().saturating_sub(FLIPS_KEPT);
        self.flips.drain(..excess);
    }

    /// Records a flip that happened and that nobody lived to record: it was intended, and the distribution is where it was to
    /// go. Without that it would count neither for the dwell time nor for the daily budget.
    pub fn record_pending(&mut self, found: Posture) {
        if found == Posture::Bypassed && !self.bypass_is_ours() {
            return;
        }
        let Some(pending) = self.pending.take_if(|pending| pending.to.posture() == found) else { return };
        let PendingFlip { at, from, to, by, reason, requested_by } = pending;
        self.record_flip(Flip { at, from, to, by, reason, requested_by, etag_after: None });
    }

    /// Whether a bypass found now is one that this ledger recorded: the last flip went there, and nobody has seen the
    /// protection inspected since. A bypass made in the console, by break-glass or by someone's IaC is not.
    pub fn bypass_is_ours(&self) -> bool {
        let recorded = match (&self.pending, self.flips.last()) {
            (Some(pending), _) if pending.to == Side::Bypassed => Some(pending.at),
            (_, Some(flip)) if flip.to == Side::Bypassed => Some(flip.at),
            _ => None,
        };
        recorded.is_some_and(|at| self.watch.inspected_seen_at.is_none_or(|seen| seen < at))
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
