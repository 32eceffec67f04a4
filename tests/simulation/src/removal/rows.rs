//! Ledger rows as a handler without one of the rules would see them, and back.

use failopen::ledger::{Flip, FlippedBy, Row};
use failopen::posture::{Posture, Side};
use failopen::spec::ApplicationCheck;
use jiff::Timestamp;

use super::Removal;

/// Reason of a flip that never was.
const INVENTED: &str = "invented by the removal of a rule";

impl Removal {
    /// The row as read.
    pub(super) fn bend(self, row: &Row) -> Row {
        let mut bent = row.clone();
        match self {
            Removal::RestoresOthersBypass => {
                bent.flips.push(Flip {
                    at: Timestamp::UNIX_EPOCH,
                    from: Posture::Inspected,
                    to: Side::Bypassed,
                    by: FlippedBy::Operator,
                    reason: INVENTED.to_owned(),
                    requested_by: None,
                    etag_after: None,
                });
                bent.watch.inspected_seen_at = None;
            }
            Removal::NoDwell => bent.spec.automation.minimum_dwell_seconds = 0,
            Removal::NoBudget => {
                bent.spec.automation.maximum_flips_per_day = u32::MAX;
                bent.latch = None;
            }
            Removal::NoApplicationProbe => bent.spec.application_check = ApplicationCheck::None,
            Removal::PinsIgnored => bent.pin = None,
            Removal::NoIfMatch
            | Removal::NoRereadAfterUnknown
            | Removal::EdgeTriggered
            | Removal::NoTick
            | Removal::BlindRetry
            | Removal::StaleConvergeAccepted
            | Removal::OwnershipIgnored
            | Removal::NoWaitForDeployed
            | Removal::TypedRebuild
            | Removal::SecretTold
            | Removal::NoIntent
            | Removal::AnswersItsOwnWay
            | Removal::HoldsInSilence => {}
        }
        bent
    }

    /// A row that was made from a bent one, as it is written; `read` is what was there before it was bent.
    pub(super) fn unbend(self, row: &Row, read: &Row) -> Row {
        let mut written = row.clone();
        match self {
            Removal::RestoresOthersBypass => {
                written.flips.retain(|flip| flip.reason != INVENTED);
                if written.watch.inspected_seen_at.is_none() {
                    written.watch.inspected_seen_at = read.watch.inspected_seen_at;
                }
            }
            Removal::NoDwell => {
                written.spec.automation.minimum_dwell_seconds = read.spec.automation.minimum_dwell_seconds;
            }
            Removal::NoBudget => {
                written.spec.automation.maximum_flips_per_day = read.spec.automation.maximum_flips_per_day;
                written.latch.clone_from(&read.latch);
            }
            Removal::NoApplicationProbe => written.spec.application_check.clone_from(&read.spec.application_check),
            Removal::PinsIgnored => written.pin.clone_from(&read.pin),
            Removal::NoIfMatch
            | Removal::NoRereadAfterUnknown
            | Removal::EdgeTriggered
            | Removal::NoTick
            | Removal::BlindRetry
            | Removal::StaleConvergeAccepted
            | Removal::OwnershipIgnored
            | Removal::NoWaitForDeployed
            | Removal::TypedRebuild
            | Removal::SecretTold
            | Removal::NoIntent
            | Removal::AnswersItsOwnWay
            | Removal::HoldsInSilence => {}
        }
        written
    }
}
