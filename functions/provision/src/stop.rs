//! Why work ended before its end.

use failopen::failure::Failure;
use failopen::finding::{Finding, worst_first};
use failopen::port::{Fault, FaultKind};
use failopen::properties::Problem;

/// Why work ended before its end, by what happens next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// What was asked for is refused before anything was changed.
    Refused { problems: Vec<Problem>, findings: Vec<Finding> },
    /// A step failed: one sentence or more, with what to do.
    Failed(String),
    /// Another request (a Delete) has taken the protection over; whatever is done now would be undone or orphaned.
    Superseded,
    /// A newer Create or Update has begun: in one sentence or more.
    Overtaken(String),
    /// Another copy of this very request has succeeded meanwhile: the body of its answer, which is this one's too.
    Answered(String),
    /// Lambda's time is nearly up.
    OutOfTime,
}

impl Stop {
    /// Something stands against going on that was not there when everything was looked at.
    pub(crate) fn findings(findings: &[Finding]) -> Self {
        let sentences: Vec<String> = worst_first(findings).iter().map(|finding| format!("{finding}.")).collect();
        Self::Failed(format!(
            "{} It came up while this request was at work; what was made before is recorded in the ledger, and a Delete or \
             the next Update takes it from there.",
            sentences.join(" ")
        ))
    }

    /// A remote call failed for good while `doing` something.
    pub(crate) fn fault(doing: &str, fault: &Fault) -> Self {
        Self::Failed(format!("{doing} failed ({fault}): {}.", advice(fault.kind)))
    }

    /// The reason that CloudFormation shows, worst first.
    pub(crate) fn reason(&self) -> String {
        match self {
            Stop::Refused { problems, findings } => {
                let problems = problems.iter().map(Problem::to_string);
                let findings = worst_first(findings).into_iter().map(Finding::to_string);
                let sentences: Vec<String> = problems.chain(findings).collect();
                let start = match sentences.as_slice() {
                    [_] => "Refused, nothing was changed.".to_owned(),
                    many => format!("Refused for {} reasons, nothing was changed.", many.len()),
                };
                let sentences: Vec<String> = sentences.iter().map(|sentence| format!("{sentence}.")).collect();
                format!("{start} {}", sentences.join(" "))
            }
            Stop::Failed(sentence) | Stop::Overtaken(sentence) => sentence.clone(),
            Stop::Superseded => {
                "A Delete of this protection has taken over, so this request stopped; what it had made is \
                                 removed by the Delete."
                    .to_owned()
            }
            Stop::Answered(_) => "Another copy of this request has succeeded, and its answer stands.".to_owned(),
            Stop::OutOfTime => {
                "The function's time is up before the work was done; what was made is recorded in the ledger, \
                                so the same request can be repeated, and a Delete removes it."
                    .to_owned()
            }
        }
    }
}

/// What to do about a call that failed for good.
pub(crate) fn advice(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::AccessDenied => {
            "allow it to the provision function's role (the Allowed… parameters of the engine's stack, or an organisation \
             policy) and try again"
        }
        FaultKind::Throttled => "AWS limits the rate; wait some minutes and try again",
        FaultKind::Stale => "somebody else keeps changing it; stop that and try again",
        FaultKind::NotFound => "it is gone; check the id and try again",
        FaultKind::Refused => "AWS refused it; mend what it names and try again",
        FaultKind::Unknown => "its outcome is unknown; a later attempt reads before it goes on, so try again",
        FaultKind::Malformed => "the answer cannot be understood; look at the object in the console, then try again",
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure.message)
    }
}
