//! What left the functions: messages, metrics, requests to flip, answers to CloudFormation.

use failopen::port::{Converge, Message, Metric};
use jiff::Timestamp;

use crate::refusal::Refusal;

/// Everything that was sent, in order.
#[derive(Debug, Default)]
pub struct Outbox {
    pub messages: Vec<(Timestamp, Message)>,
    pub metrics: Vec<(Timestamp, Metric)>,
    /// Requests that react has made and that nobody has delivered yet.
    pub converges: Vec<Converge>,
    pub answers: Vec<Answer>,
    /// Events with which a function invoked itself again, and that nobody has delivered yet.
    pub continuations: Vec<String>,
}

/// One PUT to CloudFormation's pre-signed URL.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    pub url: String,
    pub body: String,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Answer({})", self.body)
    }
}

impl Outbox {
    /// A subject is ASCII, at most 100 characters, without line breaks or control characters; a message has at most 256 KB
    /// (SNS API reference, Publish). SNS refuses the whole message otherwise.
    pub(crate) fn publish(&mut self, message: &Message, now: Timestamp) -> Result<(), Refusal> {
        let subject = &message.subject;
        let printable = subject.chars().all(|c| c.is_ascii() && !c.is_ascii_control());
        if subject.is_empty() || subject.len() > 100 || !printable {
            return Err(Refusal::refused("InvalidParameter: Subject"));
        }
        if message.body.is_empty() || message.body.len() > 256 * 1024 {
            return Err(Refusal::refused("InvalidParameter: Message"));
        }
        self.messages.push((now, message.clone()));
        Ok(())
    }

    pub fn subjects(&self) -> Vec<&str> {
        self.messages.iter().map(|(_, message)| message.subject.as_str()).collect()
    }

    /// The last value of a metric.
    pub fn metric(&self, name: &str) -> Option<u32> {
        self.metrics.iter().rev().find(|(_, metric)| metric.name == name).map(|(_, metric)| metric.value)
    }
}
