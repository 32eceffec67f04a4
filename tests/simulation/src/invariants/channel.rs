//! What leaves the functions: answers to CloudFormation, messages, and no secret in any of it (I16, I19, I21).
//!
//! Two parts of I16 are checked in a weaker form. An event that Lambda delivers again may be answered differently where the
//! first answer was a failure, where the later one is a failure that a failing call explains, or where CloudFormation has sent
//! another request since: it listens to the first answer alone, and a function that cannot reach the ledger can neither
//! remember what it said nor be told. And "at least one answer" is not checked: a function may die as often as it is tried.

use std::collections::BTreeMap;

use failopen_tests::Operation;
use failopen_tests::world::CANARY;
use jiff::SignedDuration;
use serde_json::Value;

use super::Violation;
use super::past::Past;
use crate::stack::RequestState;
use crate::step::{Called, Cause, Ending, ProcessId};
use crate::world::SimWorld;

/// CloudFormation's limit for an answer (User Guide, "Custom resource response objects").
const LONGEST_BODY: usize = 4096;
/// Part of every ResponseURL's signature.
const URL_CANARY: &str = "canary-response-url";
/// CloudFormation waits this long.
const PATIENCE: SignedDuration = SignedDuration::from_secs(3600);
/// Where the answers of this world's stacks may go.
const HOST: &str = "https://cloudformation-custom-resource-response-useast1.s3.amazonaws.com/";

/// What was sent so far.
#[derive(Debug, Default)]
pub(crate) struct Channel {
    messages: usize,
    answers: usize,
    /// The body that each process sends.
    bodies: BTreeMap<ProcessId, String>,
    /// The bodies that arrived for each request.
    heard: BTreeMap<String, String>,
}

impl Channel {
    pub(crate) fn called(&mut self, world: &SimWorld, past: &Past, called: &Called) -> Vec<Violation> {
        let mut found = Vec::new();
        if let Some(secret) = secret_in(&called.arguments) {
            found.push(Violation::new("I19", format!("{secret} is in the arguments of {}", called.operation)));
        }
        match called.operation {
            Operation::Publish => found.extend(self.published(world)),
            Operation::Answer => found.extend(self.answered(world, called)),
            Operation::PutItem if called.applied => {
                let outbox = past.row.iter().flat_map(|row| &row.watch.outbox);
                if let Some(secret) = outbox.clone().find_map(|queued| secret_in(&queued.body)) {
                    found.push(Violation::new("I19", format!("{secret} is in a message that waits in the ledger")));
                }
            }
            _ => {}
        }
        found
    }

    fn published(&mut self, world: &SimWorld) -> Vec<Violation> {
        let outbox = world.cloud().outbox();
        let new = &outbox.messages[self.messages.min(outbox.messages.len())..];
        let secrets = new.iter().filter_map(|(_, message)| secret_in(&message.body).or(secret_in(&message.subject)));
        let found = secrets.map(|secret| Violation::new("I19", format!("{secret} is in a notification"))).collect();
        self.messages = outbox.messages.len();
        found
    }

    fn answered(&mut self, world: &SimWorld, called: &Called) -> Vec<Violation> {
        let mut found = Vec::new();
        let outbox = world.cloud().outbox();
        for answer in &outbox.answers[self.answers.min(outbox.answers.len())..] {
            let body = &answer.body;
            if body.len() > LONGEST_BODY {
                found.push(Violation::new("I16", format!("an answer of {} bytes", body.len())));
            }
            if !answer.url.starts_with(HOST) {
                found.push(Violation::new("I16", "an answer to a host that is not CloudFormation's"));
            }
            if let Some(secret) = secret_in(body) {
                found.push(Violation::new("I19", format!("{secret} is in an answer to CloudFormation")));
            }
            if body.contains("met a defect of its own") {
                found.push(Violation::new("I21", "provision panicked"));
            }
            found.extend(self.differs(world, called.process, body));
        }
        self.answers = outbox.answers.len();
        found
    }

    /// One outcome for each request: whatever arrives for it is byte-equal.
    fn differs(&mut self, world: &SimWorld, process: ProcessId, body: &str) -> Option<Violation> {
        let Cause::Request(number) = world.process(process).cause else {
            return Some(Violation::new("I16", "an answer that nobody asked for"));
        };
        let requests = world.requests();
        let request = requests.get(number)?;
        let answer: Option<Value> = serde_json::from_str(body).ok();
        let Some(id) = answer.and_then(|answer| answer["RequestId"].as_str().map(str::to_owned)) else {
            return Some(Violation::new("I16", "an answer that is not JSON, or does not name its request"));
        };
        if id != request.request_id {
            return Some(Violation::new("I16", "an answer to another request"));
        }
        let in_process = self.bodies.entry(process).or_insert_with(|| body.to_owned());
        if in_process != body {
            return Some(Violation::new("I16", "one invocation sent two different answers"));
        }
        let before = self.heard.entry(id).or_insert_with(|| body.to_owned());
        // CloudFormation takes the first answer. A failure is not remembered, because the ledger may be what has failed, and
        // a copy of a request that has succeeded fails where the world has changed since.
        let has_failed = body.contains("\"FAILED\"") || before.contains("\"FAILED\"");
        let is_over = number + 1 < requests.len() || has_failed;
        if before != body && !is_over {
            return Some(Violation::new("I16", format!("request {number} was answered {before}, and then {body}")));
        }
        let waited = world.now().duration_since(request.sent);
        let is_late = waited > PATIENCE && request.state == RequestState::Open;
        is_late.then(|| Violation::new("I16", format!("an answer after {} s", waited.as_secs())))
    }

    pub(crate) fn ended(&self, world: &SimWorld, id: ProcessId, ending: &Ending) -> Vec<Violation> {
        let mut found = Vec::new();
        let told = match ending {
            Ending::Answered(answer) => answer.to_string(),
            Ending::Failed(failure) => failure.message.clone(),
            Ending::Panicked => {
                found.push(Violation::new("I21", format!("{} panicked", world.process(id).function)));
                String::new()
            }
            Ending::Crashed | Ending::TimedOut => String::new(),
        };
        if let Some(secret) = secret_in(&told) {
            found.push(Violation::new("I19", format!("{secret} is in an answer of {}", world.process(id).function)));
        }
        found
    }

    /// At rest every request has been answered, unless nobody lived to do it: see `RequestState::GivenUp`.
    pub(crate) fn at_rest(&self, world: &SimWorld) -> Vec<Violation> {
        let mut found = Vec::new();
        let row = world.row().and_then(|row| serde_json::to_string(&row).ok()).unwrap_or_default();
        if let Some(secret) = secret_in(&row) {
            found.push(Violation::new("I19", format!("{secret} is in the ledger")));
        }
        found
    }
}

fn secret_in(text: &str) -> Option<&'static str> {
    if text.contains(CANARY) {
        Some("the value of an origin's header")
    } else if text.contains(URL_CANARY) {
        Some("a ResponseURL")
    } else {
        None
    }
}
