//! Rules that can be taken away, to see that the simulation notices.
//!
//! A rule is taken away between the handler and AWS: the handlers are the real ones, and what they read or send is bent so
//! that they behave as if the rule had never been written. A simulation in which every one of these is caught is not vacuous.

mod rows;
mod sabotaged;

use failopen_tests::world::CANARY;
use jiff::Timestamp;
use serde_json::{Value, json};

pub use sabotaged::Sabotaged;

/// A rule of the design that a run goes without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Removal {
    /// Distribution writes are not conditional on anything.
    NoIfMatch,
    /// After a write without an answer the former reading is used again.
    NoRereadAfterUnknown,
    /// The state of an alarm is taken from the event instead of being read.
    EdgeTriggered,
    /// Ticks do nothing.
    NoTick,
    /// A bypass that automation did not make is reversed like one that it made.
    RestoresOthersBypass,
    /// After a 412 the old body is edited again and sent with the fresh ETag.
    BlindRetry,
    /// Automatic flips need not keep apart.
    NoDwell,
    /// Automatic flips are not counted, and nothing latches.
    NoBudget,
    /// A bypass does not ask whether the application answers.
    NoApplicationProbe,
    /// flip carries out requests of react however old they are.
    StaleConvergeAccepted,
    /// Automation does not look at pins.
    PinsIgnored,
    /// Whatever carries one of our names is removed as if it were ours.
    OwnershipIgnored,
    /// Delete removes the records while edges still use them.
    NoWaitForDeployed,
    /// The configuration that is sent is built from a model that does not know every element.
    TypedRebuild,
    /// A secret header value is part of what is told to people.
    SecretTold,
    /// A health check is not in the ledger before it has been made.
    NoIntent,
    /// Every invocation answers in its own words, like one that names its log stream.
    AnswersItsOwnWay,
    /// Nobody is told why automation holds.
    HoldsInSilence,
}

/// Subjects of the messages about automation that holds.
const HOLDS: [&str; 2] = ["no health data", "foreign origin"];

impl Removal {
    pub const ALL: [Removal; 18] = [
        Removal::NoIfMatch,
        Removal::NoRereadAfterUnknown,
        Removal::EdgeTriggered,
        Removal::NoTick,
        Removal::RestoresOthersBypass,
        Removal::BlindRetry,
        Removal::NoDwell,
        Removal::NoBudget,
        Removal::NoApplicationProbe,
        Removal::StaleConvergeAccepted,
        Removal::PinsIgnored,
        Removal::OwnershipIgnored,
        Removal::NoWaitForDeployed,
        Removal::TypedRebuild,
        Removal::SecretTold,
        Removal::NoIntent,
        Removal::AnswersItsOwnWay,
        Removal::HoldsInSilence,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Removal::NoIfMatch => "no If-Match",
            Removal::NoRereadAfterUnknown => "no re-read after an unknown outcome",
            Removal::EdgeTriggered => "edge-triggered",
            Removal::NoTick => "no tick",
            Removal::RestoresOthersBypass => "restores what an operator bypassed",
            Removal::BlindRetry => "blind retry with a fresh ETag",
            Removal::NoDwell => "no dwell time",
            Removal::NoBudget => "no flip budget and no latch",
            Removal::NoApplicationProbe => "no application probe",
            Removal::StaleConvergeAccepted => "stale converge accepted",
            Removal::PinsIgnored => "pins ignored",
            Removal::OwnershipIgnored => "ownership ignored on delete",
            Removal::NoWaitForDeployed => "records removed before Deployed",
            Removal::TypedRebuild => "typed rebuild of the document",
            Removal::SecretTold => "a secret in a notification",
            Removal::NoIntent => "no intent before CreateHealthCheck",
            Removal::AnswersItsOwnWay => "answers twice, differently",
            Removal::HoldsInSilence => "holds in silence",
        }
    }

    /// The event as a function without this rule would take it; `now` is the function's own clock.
    pub fn event(self, mut event: Value, now: Timestamp) -> Value {
        if self == Removal::StaleConvergeAccepted && event["action"] == "converge" {
            event["decidedAt"] = json!(now.to_string());
        }
        event
    }

    /// Whether a function without this rule sends a message at all.
    fn is_told(self, subject: &str) -> bool {
        self != Removal::HoldsInSilence || !HOLDS.iter().any(|words| subject.contains(words))
    }

    /// What is told to people, by a function without this rule.
    fn told(self, body: &str) -> String {
        if self == Removal::SecretTold { format!("{body}\nX-Origin-Verify: {CANARY}") } else { body.to_owned() }
    }
}

/// The alarm state that an event speaks of, in any of its forms.
fn state_in(event: &Value) -> Option<String> {
    let message = event["Records"][0]["Sns"]["Message"].as_str().and_then(|text| serde_json::from_str(text).ok());
    let message: Value = message.unwrap_or_default();
    let places = [&event["alarmData"]["state"]["value"], &event["detail"]["state"]["value"], &message["NewStateValue"]];
    places.into_iter().find_map(Value::as_str).map(str::to_owned)
}
