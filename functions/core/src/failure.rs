//! Failures of a function, as the caller of `aws lambda invoke` sees them: a stable `errorType` and one sentence.

use crate::amend::Unamended;
use crate::id::ProtectionName;
use crate::port::{Fault, FaultKind};

/// `errorType` of a Lambda function error. Scripts match on it, so none is ever renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorType {
    InvalidRequest,
    UnknownProtection,
    ForeignTarget,
    MalformedDistribution,
    /// Lost the race for the distribution's ETag too often.
    DistributionChanged,
    Throttled,
    AccessDenied,
    LedgerUnavailable,
    Unavailable,
}

impl ErrorType {
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorType::InvalidRequest => "InvalidRequest",
            ErrorType::UnknownProtection => "UnknownProtection",
            ErrorType::ForeignTarget => "ForeignTarget",
            ErrorType::MalformedDistribution => "MalformedDistribution",
            ErrorType::DistributionChanged => "DistributionChanged",
            ErrorType::Throttled => "Throttled",
            ErrorType::AccessDenied => "AccessDenied",
            ErrorType::LedgerUnavailable => "LedgerUnavailable",
            ErrorType::Unavailable => "Unavailable",
        }
    }
}

/// A request that was not carried out. The message says what happened, what it means and what to do next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    pub error_type: ErrorType,
    pub message: String,
}

impl Failure {
    pub fn new(error_type: ErrorType, message: impl Into<String>) -> Self {
        Self { error_type, message: message.into() }
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorType::InvalidRequest, message)
    }

    /// A fault of the ledger before anything was written: whatever its kind, nothing is known about pins, flips and targets.
    pub fn ledger(fault: &Fault) -> Self {
        Self::new(
            ErrorType::LedgerUnavailable,
            format!(
                "The ledger cannot be used ({fault}); nothing was changed. To move traffic now, use break-glass: \
                 {{\"action\":\"bypass\",\"distribution\":\"…\",\"from\":\"…\",\"to\":\"…\",\"reason\":\"…\"}}."
            ),
        )
    }

    /// A change of a protection's row that was not made, or of which nobody knows whether it was.
    pub fn unamended(name: &ProtectionName, unamended: &Unamended) -> Self {
        let Unamended { fault, in_doubt } = unamended;
        if !in_doubt {
            return Self::ledger(fault);
        }
        Self::new(
            ErrorType::LedgerUnavailable,
            format!(
                "The ledger did not answer clearly ({fault}), so the outcome is not known. If the ledger has taken the request, \
                 automation acts on it within a minute, and a pin of it is in force. Ask for \
                 {{\"action\":\"status\",\"protection\":\"{name}\"}} before anything else, then run the same command again. To move \
                 traffic now, use break-glass: \
                 {{\"action\":\"bypass\",\"distribution\":\"…\",\"from\":\"…\",\"to\":\"…\",\"reason\":\"…\"}}."
            ),
        )
    }

    /// A fault of CloudFront, Route 53 or CloudWatch, with what to do about it. No earlier write may be in doubt.
    pub fn remote(fault: &Fault) -> Self {
        let (error_type, advice) = match fault.kind {
            FaultKind::AccessDenied => (
                ErrorType::AccessDenied,
                "nothing was changed; allow the action to this function's role (AllowedDistributions of the engine stack, \
                 or an organisation policy) and run the same command again",
            ),
            FaultKind::Throttled => {
                (ErrorType::Throttled, "AWS limits the rate; wait a minute and run the same command again")
            }
            FaultKind::Stale => (
                ErrorType::DistributionChanged,
                "someone else keeps changing the distribution; stop that deployment or run the same command again",
            ),
            FaultKind::Malformed => (
                ErrorType::MalformedDistribution,
                "nothing was changed; look at the distribution with `aws cloudfront get-distribution-config`",
            ),
            FaultKind::NotFound => (
                ErrorType::ForeignTarget,
                "it is gone, so nothing was changed; deploy the protection again or delete it",
            ),
            FaultKind::Refused => (
                ErrorType::Unavailable,
                "AWS refused the request, so nothing was changed; mend what the message names and run the same command again",
            ),
            FaultKind::Unknown => (
                ErrorType::Unavailable,
                "the outcome is unknown; ask for `status` before anything else, then run the same command again",
            ),
        };
        Self::new(error_type, format!("{fault}: {advice}."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_keeps_its_meaning_and_says_what_to_do_next() {
        for (kind, error_type, advice) in [
            (FaultKind::AccessDenied, "AccessDenied", "allow"),
            (FaultKind::Throttled, "Throttled", "wait"),
            (FaultKind::Stale, "DistributionChanged", "again"),
            (FaultKind::Malformed, "MalformedDistribution", "get-distribution-config"),
            (FaultKind::NotFound, "ForeignTarget", "deploy"),
            (FaultKind::Refused, "Unavailable", "mend"),
            (FaultKind::Unknown, "Unavailable", "`status` before anything else"),
        ] {
            let failure = Failure::remote(&Fault::new(kind, "UpdateDistribution", "what AWS said"));
            assert_eq!(failure.error_type.as_str(), error_type);
            for part in ["UpdateDistribution", "what AWS said", advice] {
                assert!(failure.to_string().contains(part), "{part} is missing in {failure}");
            }
        }
    }

    #[test]
    fn without_the_ledger_there_is_still_break_glass() {
        let failure = Failure::ledger(&Fault::new(FaultKind::Unknown, "GetItem", "no answer"));
        assert_eq!(failure.error_type.as_str(), "LedgerUnavailable");
        assert!(failure.message.contains("nothing was changed") && failure.message.contains("\"distribution\""));
    }

    #[test]
    fn a_row_in_doubt_is_never_called_unchanged() {
        let fault = Fault::new(FaultKind::Unknown, "PutItem", "no answer");
        let failure = |in_doubt| Failure::unamended(&"www".into(), &Unamended { fault: fault.clone(), in_doubt });
        assert_eq!(failure(false), Failure::ledger(&fault));
        let in_doubt = failure(true);
        assert_eq!(in_doubt.error_type.as_str(), "LedgerUnavailable");
        assert!(!in_doubt.message.contains("nothing was changed"), "{in_doubt}");
        for part in ["PutItem: no answer", "not known", "within a minute", r#"{"action":"status","protection":"www"}"#]
        {
            assert!(in_doubt.message.contains(part), "{part} is missing in {in_doubt}");
        }
    }

    #[test]
    fn what_the_caller_got_wrong_is_no_fault_of_aws() {
        assert_eq!(Failure::invalid("field `x`").error_type.as_str(), "InvalidRequest");
        assert_eq!(ErrorType::UnknownProtection.as_str(), "UnknownProtection");
    }
}
