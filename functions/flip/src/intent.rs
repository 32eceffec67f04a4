//! What a flip tells the ledger before it is written.

use failopen::amend::Amendment;
use failopen::flip::FlipPlan;
use failopen::ledger::{FlippedBy, PendingFlip, Row};
use failopen::posture::Side;
use jiff::Timestamp;

/// A flip about to be written.
pub(crate) struct Intent {
    /// When it was written into the ledger: by this the flip is known there.
    pub(crate) at: Timestamp,
    pub(crate) to: Side,
    pub(crate) by: FlippedBy,
    pub(crate) reason: String,
    pub(crate) requested_by: Option<String>,
}

impl Intent {
    pub(crate) fn pending(&self, plan: &FlipPlan) -> PendingFlip {
        PendingFlip {
            at: self.at,
            from: plan.before,
            to: self.to,
            by: self.by,
            reason: self.reason.clone(),
            requested_by: self.requested_by.clone(),
        }
    }

    /// Whether the row has this intent, and not that of somebody else.
    pub(crate) fn is_in(&self, row: &Row) -> bool {
        row.pending.as_ref().is_some_and(|pending| pending.at == self.at && pending.to == self.to)
    }

    /// Takes this intent out of the row, and leaves that of somebody else.
    pub(crate) fn withdraw(&self, row: &mut Row) -> Amendment {
        if !self.is_in(row) {
            return Amendment::Leave;
        }
        row.pending = None;
        Amendment::Write
    }
}
