//! The words in which automation decides: the contract's verdicts and reasons.

use std::fmt;

use serde::Serialize;

use crate::posture::Side;

/// A decision with its reasons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[must_use]
pub struct Decision {
    pub decision: Verdict,
    pub reason: Reason,
    /// One sentence for people.
    pub because: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Bypass,
    Restore,
    Hold,
}

/// The contract's reasons, in the contract's order of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Reason {
    LedgerUnavailable,
    ForeignTarget,
    Pinned,
    PinnedPosture,
    AlreadyThere,
    EdgeOff,
    NotifyOnly,
    Latched,
    NoHealthData,
    FlipBudgetSpent,
    Dwell,
    ApplicationUnhealthy,
    AlarmActive,
    AwaitingOperator,
    HoldDown,
    InspectionUnhealthy,
    HoldDownElapsed,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The variant names are the contract's words.
        fmt::Debug::fmt(self, f)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Bypass => "bypass",
            Verdict::Restore => "restore",
            Verdict::Hold => "hold",
        })
    }
}

impl Verdict {
    /// Where a decision wants the posture to go.
    pub fn side(self) -> Option<Side> {
        match self {
            Verdict::Bypass => Some(Side::Bypassed),
            Verdict::Restore => Some(Side::Inspected),
            Verdict::Hold => None,
        }
    }
}

impl From<Side> for Verdict {
    fn from(side: Side) -> Self {
        match side {
            Side::Bypassed => Verdict::Bypass,
            Side::Inspected => Verdict::Restore,
        }
    }
}

impl Decision {
    pub fn hold(reason: Reason, because: impl Into<String>) -> Self {
        Self { decision: Verdict::Hold, reason, because: because.into() }
    }

    /// Go to a side.
    pub(crate) fn go(side: Side, reason: Reason, because: impl Into<String>) -> Self {
        Self { decision: side.into(), reason, because: because.into() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn logs_and_messages_spell_verdicts_and_reasons_as_answers_do() {
        for verdict in [Verdict::Bypass, Verdict::Restore, Verdict::Hold] {
            assert_eq!(json!(verdict), json!(verdict.to_string()));
        }
        for reason in [Reason::LedgerUnavailable, Reason::PinnedPosture, Reason::HoldDownElapsed] {
            assert_eq!(json!(reason), json!(reason.to_string()));
        }
        assert_eq!(json!(Reason::AlarmActive), json!("AlarmActive"));
        assert_eq!(json!(Verdict::Bypass), json!("bypass"));
    }

    #[test]
    fn a_verdict_and_the_side_it_leads_to_are_two_names_of_one_thing() {
        for side in [Side::Bypassed, Side::Inspected] {
            assert_eq!(Verdict::from(side).side(), Some(side));
        }
        assert_eq!(Verdict::Hold.side(), None);
    }
}
