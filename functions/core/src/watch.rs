//! What react remembers of a protection, in the protection's ledger row: what it saw last, and what people were told of.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::posture::{Posture, Traffic};

/// What react saw last time, so that people hear of changes once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    #[serde(default)]
    pub traffic: Option<Traffic>,
    #[serde(default)]
    pub posture: Option<Posture>,
    /// Since when `traffic` and `posture` have been what they are.
    #[serde(default)]
    pub since: Option<Timestamp>,
    /// Last time the posture was seen `inspected` after the last flip to `bypassed`: a bypass found later is not ours.
    #[serde(default)]
    pub inspected_seen_at: Option<Timestamp>,
    /// The bypass of automation that somebody else has undone and that people were told of, by its time.
    #[serde(default)]
    pub reverted_flip_at: Option<Timestamp>,
    /// Last message about not being inspected, for the hourly repetition.
    #[serde(default)]
    pub reminded_at: Option<Timestamp>,
    #[serde(default)]
    pub no_health_data_since: Option<Timestamp>,
    #[serde(default)]
    pub no_health_data_told_at: Option<Timestamp>,
    /// Since when one of the user's own alarms has not been OK while layer 2 only notifies.
    #[serde(default)]
    pub additional_alarm_since: Option<Timestamp>,
    #[serde(default)]
    pub foreign_since: Option<Timestamp>,
    #[serde(default)]
    pub deleting_since: Option<Timestamp>,
    #[serde(default)]
    pub deleting_told_at: Option<Timestamp>,
    #[serde(default)]
    pub latch_told_at: Option<Timestamp>,
    #[serde(default)]
    pub unreadable_since: Option<Timestamp>,
    #[serde(default)]
    pub unreadable_told_at: Option<Timestamp>,
    /// Since when an alarm has asked for a bypass, until all ask for inspection: an outage is told once, readable or not.
    #[serde(default)]
    pub outage_since: Option<Timestamp>,
    #[serde(default)]
    pub drift_read_at: Option<Timestamp>,
    #[serde(default)]
    pub drift: Vec<SeenDrift>,
    /// Messages decided but not known to be sent: written together with what caused them, so that none is lost.
    #[serde(default)]
    pub outbox: Vec<Queued>,
}

/// A message on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queued {
    pub at: Timestamp,
    pub subject: String,
    pub body: String,
}

/// One drift and since when it has been seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenDrift {
    pub what: String,
    pub since: Timestamp,
}
