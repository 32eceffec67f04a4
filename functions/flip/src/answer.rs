//! What a caller reads: the contract's JSON.

use failopen::flip::BehaviorChange;
use failopen::id::{DistributionId, ETag, ProtectionName};
use failopen::ledger::{Pin, PinPosture};
use failopen::posture::Posture;
use jiff::Timestamp;
use serde::Serialize;

/// Answer of every action that changes something, or could.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Answer {
    /// `None` for break-glass.
    pub(crate) protection: Option<ProtectionName>,
    pub(crate) action: &'static str,
    pub(crate) outcome: Outcome,
    pub(crate) posture: Change,
    pub(crate) behaviors: Vec<BehaviorChange>,
    pub(crate) distribution: Distribution,
    pub(crate) because: String,
    pub(crate) pin: Option<PinView>,
    pub(crate) at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    Changed,
    Unchanged,
    Held,
    Planned,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Change {
    pub(crate) before: Posture,
    pub(crate) after: Posture,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Distribution {
    pub(crate) id: DistributionId,
    pub(crate) etag: ETag,
    /// `InProgress` or `Deployed` as CloudFront answered the write; `null` where nothing was written and nobody asked.
    pub(crate) status: Option<String>,
}

/// A pin as operators see it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PinView {
    posture: PinPosture,
    reason: String,
    requested_by: Option<String>,
    expires_at: Option<Timestamp>,
}

impl From<&Pin> for PinView {
    fn from(pin: &Pin) -> Self {
        let Pin { posture, reason, requested_by, since: _, expires_at } = pin;
        Self { posture: *posture, reason: reason.clone(), requested_by: requested_by.clone(), expires_at: *expires_at }
    }
}
