//! CloudFormation: one resource of one stack, its requests one after the other, their answers, and what people do to it.

use failopen::id::OwnerMark;
use failopen_tests::world::{LOGICAL_ID, STACK_ID, www};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::agenda::{Act, Due, MINUTE, Moment, SECOND};
use crate::chance::Chance;
use crate::delivery::Delivery;
use crate::fault::Fault;
use crate::orders::{Order, Orders, draw_orders};
use crate::scenario::{Scenario, draw_change};
use crate::step::{Cause, Function, Happened};
use crate::world::SimWorld;

/// How long CloudFormation waits for an answer (`ServiceTimeout`).
const PATIENCE: Moment = 3600 * SECOND;
/// Requests that are sent again in the calm, until one ends well.
const PERSISTENCE: u32 = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestKind {
    Create,
    Update,
    Delete,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestState {
    Open,
    Succeeded,
    /// With CloudFormation's reason.
    Failed(String),
    /// Nothing was heard in time.
    GivenUp,
    /// Somebody cancelled it; whatever it answers is ignored.
    Cancelled,
}

/// One request to the custom resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub kind: RequestKind,
    pub request_id: String,
    pub properties: Map<String, Value>,
    /// `None` for a Create.
    pub physical_id: Option<String>,
    /// CloudFormation made the physical id up.
    pub has_invented_id: bool,
    pub sent: Timestamp,
    pub state: RequestState,
    /// Every body that arrived at its ResponseURL.
    pub answers: Vec<String>,
    pub(crate) sent_at: Moment,
}

impl Request {
    /// The event as it is delivered, whenever that is.
    pub(crate) fn event(&self) -> Value {
        request_event(self.kind, &self.request_id, self.physical_id.as_deref(), &self.properties, self.sent)
    }
}

/// CloudFormation's mind.
#[derive(Debug)]
pub(crate) struct Stack {
    pub(crate) requests: Vec<Request>,
    physical_id: Option<String>,
    /// Properties of what exists, for CloudFormation; `None` where nothing does.
    accepted: Option<Map<String, Value>>,
    /// Wanted by the last template.
    wanted: Map<String, Value>,
    orders: Orders,
    sent_again: u32,
}

impl Stack {
    pub(crate) fn new(chance: &Chance, scenario: &Scenario) -> Self {
        let physical_id = OwnerMark::of(STACK_ID, LOGICAL_ID).physical_id(&www());
        let accepted = scenario.is_provisioned.then(|| scenario.properties.clone());
        Self {
            requests: Vec::new(),
            physical_id: scenario.is_provisioned.then_some(physical_id),
            accepted,
            wanted: scenario.properties.clone(),
            orders: draw_orders(chance, scenario),
            sent_again: 0,
        }
    }

    pub(crate) fn is_declared(&self) -> bool {
        self.accepted.is_some()
    }

    fn is_open(&self) -> bool {
        self.requests.last().is_some_and(|request| request.state == RequestState::Open)
    }
}

impl SimWorld {
    pub(crate) fn plan_stack(&self) {
        let first = self.stack.borrow().orders.front().map(|(pause, _)| *pause);
        if let Some(pause) = first {
            self.agenda.after(pause, Due::Act(Act::StackOrder));
        }
    }

    /// The next thing that people do to the stack.
    pub(crate) fn obey(&self) {
        let Some((_, order)) = self.stack.borrow().orders.front().copied() else { return };
        if self.is_calm() {
            return;
        }
        let is_open = self.stack.borrow().is_open();
        if is_open && order != Order::Cancel {
            self.agenda.after(self.scenario.lives.impatience(), Due::Act(Act::StackOrder));
            return;
        }
        self.stack.borrow_mut().orders.pop_front();
        let exists = self.stack.borrow().is_declared();
        match order {
            Order::Create if !exists => self.send_request(RequestKind::Create, None, false),
            Order::Update if exists => {
                let wanted = draw_change(&self.chance, &self.stack.borrow().wanted);
                self.stack.borrow_mut().wanted = wanted;
                self.send_request(RequestKind::Update, self.physical_id(), false);
            }
            Order::Delete if exists => self.send_request(RequestKind::Delete, self.physical_id(), false),
            Order::Cancel if is_open => self.cancel(),
            Order::Create | Order::Update | Order::Delete | Order::Cancel => {}
        }
        self.plan_stack();
    }

    fn physical_id(&self) -> Option<String> {
        self.stack.borrow().physical_id.clone()
    }

    /// A cancelled Create is followed by a Delete at once, with an id that CloudFormation makes up, because none was
    /// answered yet.
    fn cancel(&self) {
        let kind = {
            let mut stack = self.stack.borrow_mut();
            let Some(request) = stack.requests.last_mut() else { return };
            request.state = RequestState::Cancelled;
            request.kind
        };
        self.story.tell(|| format!("somebody cancels the {kind:?}"));
        self.after_failure(kind, None);
    }

    fn send_request(&self, kind: RequestKind, physical_id: Option<String>, has_invented_id: bool) {
        let number = self.stack.borrow().requests.len();
        let request_id = format!("5e6f7a8b-0000-4000-8000-{number:012}");
        let properties = match kind {
            RequestKind::Create | RequestKind::Update => self.stack.borrow().wanted.clone(),
            RequestKind::Delete => {
                let stack = self.stack.borrow();
                stack.accepted.clone().unwrap_or_else(|| stack.wanted.clone())
            }
        };
        let now = self.now();
        let request = Request {
            kind,
            request_id,
            properties,
            physical_id,
            has_invented_id,
            sent: now,
            state: RequestState::Open,
            answers: Vec::new(),
            sent_at: self.agenda.now(),
        };
        if has_invented_id {
            self.count(Fault::InventedPhysicalId);
        }
        self.story.tell(|| {
            let id = request.physical_id.as_deref().unwrap_or("none yet");
            format!("CloudFormation sends {kind:?} (request {number}, physical id {id})")
        });
        let event = request.event();
        self.stack.borrow_mut().requests.push(request);
        self.plan_copies(number, kind);
        self.happened(Happened::Requested(number));
        self.agenda.after(PATIENCE, Due::Act(Act::Stack(number)));
        let delivery = Delivery {
            function: Function::Provision,
            cause: Cause::Request(number),
            event,
            sent: self.agenda.now(),
            number: 0,
            attempts: 0,
        };
        if !self.is_calm() && self.chance.percent(self.scenario.delivery.duplicate / 2) {
            self.count(Fault::CloudformationRetry);
            let late = *self.chance.pick(&[SECOND, 20 * SECOND, 5 * MINUTE]);
            self.agenda.after(self.chance.between(10_000, late), Due::Deliver(Box::new(delivery.clone())));
        }
        let most = if !self.is_calm() && self.chance.percent(15) { MINUTE } else { SECOND };
        self.agenda.after(self.chance.between(10_000, most), Due::Deliver(Box::new(delivery)));
    }

    /// An answer arrives at a ResponseURL.
    pub(crate) fn hear_answer(&self, body: &str) {
        let Ok(answer) = serde_json::from_str::<Value>(body) else { return };
        let mut stack = self.stack.borrow_mut();
        let of = |request: &Request| answer["RequestId"] == request.request_id.as_str();
        let Some(number) = stack.requests.iter().position(of) else { return };
        let request = &mut stack.requests[number];
        request.answers.push(body.to_owned());
        self.story
            .tell(|| format!("CloudFormation hears {} to request {number}: {}", answer["Status"], answer["Reason"]));
        if request.state != RequestState::Open {
            return;
        }
        let kind = request.kind;
        let physical_id = answer["PhysicalResourceId"].as_str().map(str::to_owned);
        if answer["Status"] == "SUCCESS" {
            request.state = RequestState::Succeeded;
            let properties = request.properties.clone();
            match kind {
                RequestKind::Create | RequestKind::Update => {
                    stack.accepted = Some(properties);
                    stack.physical_id = physical_id;
                }
                RequestKind::Delete => {
                    stack.accepted = None;
                    stack.physical_id = None;
                }
            }
            return;
        }
        request.state = RequestState::Failed(answer["Reason"].as_str().unwrap_or_default().to_owned());
        if kind == RequestKind::Create {
            stack.physical_id = physical_id;
        }
        drop(stack);
        self.agenda.after(self.chance.between(2 * SECOND, 5 * SECOND), Due::Act(Act::Stack(number)));
    }

    /// CloudFormation goes on after a failure, or stops waiting.
    pub(crate) fn attend(&self, number: usize) {
        let (kind, state, is_last, is_over) = {
            let stack = self.stack.borrow();
            let request = &stack.requests[number];
            let is_over = self.agenda.now() - request.sent_at >= PATIENCE;
            (request.kind, request.state.clone(), number + 1 == stack.requests.len(), is_over)
        };
        match state {
            RequestState::Open if is_over => {
                self.stack.borrow_mut().requests[number].state = RequestState::GivenUp;
                self.story.tell(|| format!("CloudFormation stops waiting for request {number}"));
                self.happened(Happened::GaveUp(number));
                self.after_failure(kind, None);
            }
            RequestState::Failed(_) if is_last => self.after_failure(kind, self.physical_id()),
            RequestState::Open
            | RequestState::Succeeded
            | RequestState::Failed(_)
            | RequestState::GivenUp
            | RequestState::Cancelled => {}
        }
    }

    /// A failed Create is deleted, a failed Update is rolled back by another one. A failed rollback or Delete stays failed
    /// until somebody asks again.
    fn after_failure(&self, kind: RequestKind, physical_id: Option<String>) {
        match kind {
            RequestKind::Create => {
                let is_invented = physical_id.is_none();
                let id = physical_id.unwrap_or_else(|| "failopen-Protection-1K2N3B4V5C6X7".to_owned());
                self.send_request(RequestKind::Delete, Some(id), is_invented);
            }
            RequestKind::Update => {
                let (accepted, wanted) = {
                    let stack = self.stack.borrow();
                    (stack.accepted.clone(), stack.wanted.clone())
                };
                let Some(accepted) = accepted.filter(|accepted| *accepted != wanted) else { return };
                self.stack.borrow_mut().wanted = accepted;
                self.send_request(RequestKind::Update, self.physical_id(), false);
            }
            RequestKind::Delete => {}
        }
    }

    /// In the calm, somebody asks again for what failed. Returns whether the stack has come to rest.
    pub(crate) fn stack_rests(&self) -> bool {
        let (kind, state, id, is_invented) = {
            let stack = self.stack.borrow();
            let Some(last) = stack.requests.last() else { return true };
            (last.kind, last.state.clone(), last.physical_id.clone(), last.has_invented_id)
        };
        match state {
            RequestState::Open => false,
            RequestState::Succeeded => true,
            RequestState::Failed(_) | RequestState::GivenUp | RequestState::Cancelled => {
                // What follows a failed Create or Update comes by itself a moment later.
                let comes = kind == RequestKind::Create;
                let again = self.stack.borrow().sent_again;
                if comes || again >= PERSISTENCE {
                    return !comes;
                }
                self.stack.borrow_mut().sent_again += 1;
                self.send_request(kind, id, is_invented);
                false
            }
        }
    }
}

/// The event, as CloudFormation sends it; shape as in `tests/events/cloudformation-*.json`.
fn request_event(
    kind: RequestKind,
    request_id: &str,
    physical_id: Option<&str>,
    properties: &Map<String, Value>,
    now: Timestamp,
) -> Value {
    let date = now.strftime("%Y%m%dT%H%M%SZ");
    let url = format!(
        "https://cloudformation-custom-resource-response-useast1.s3.amazonaws.com/{request_id}?X-Amz-Date={date}\
         &X-Amz-Expires=7200&X-Amz-Signature=canary-response-url-9c41"
    );
    let mut event = json!({
        "RequestType": format!("{kind:?}"), "ResponseURL": url, "StackId": STACK_ID, "RequestId": request_id,
        "LogicalResourceId": LOGICAL_ID, "ResourceType": "Custom::FailOpenProtection",
        "ResourceProperties": properties,
    });
    if let Some(id) = physical_id {
        event["PhysicalResourceId"] = json!(id);
    }
    event
}
