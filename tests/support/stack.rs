//! CloudFormation's side of the custom resource: one resource of one stack, its requests, and what it was answered.

use std::collections::BTreeSet;

use failopen::failure::Failure;
use failopen::id::Hostname;
use failopen::preflight::AllowLists;
use failopen_provision::Engine;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::cloud::Run;
use crate::events;
use crate::world::{REACT_ARN, World, distribution, failover_record, zone};

/// Lambda's longest time-out: what the template gives provision.
pub const TIME_OUT: SignedDuration = SignedDuration::from_mins(15);
/// When the ResponseURL of `cloudformation-create.json` was signed.
const FIXTURE_SIGNED_AT: &str = "X-Amz-Date=20261122T120000Z";

/// One resource as CloudFormation sees it.
pub struct Stack<'w> {
    pub world: &'w World,
    pub engine: Engine,
    /// The properties of the last request that the stack holds on to.
    pub properties: Map<String, Value>,
    /// What `Ref` gives.
    pub physical_id: Option<String>,
    requests: u32,
    sent_at: Option<Timestamp>,
}

/// An engine that may touch what the standard world holds.
pub fn engine() -> Engine {
    let allowed = AllowLists {
        distributions: BTreeSet::from([distribution(), "E3SECOND".into()]),
        zones: BTreeSet::from([zone().id, "Z1SECOND".into()]),
        records: BTreeSet::from([
            failover_record(),
            Hostname::new("cq-origin-new.cq-route.com"),
            Hostname::new("cq-route.com"),
            Hostname::new("cq-origin.elsewhere.com"),
        ]),
        zone_roles: BTreeSet::new(),
    };
    Engine::new(REACT_ARN, "/aws/lambda/failopen-provision", allowed, None).expect("the ARN of react is one")
}

impl<'w> Stack<'w> {
    /// A stack before its first request, with the properties of `cloudformation-create.json`.
    pub fn new(world: &'w World) -> Self {
        let create = events::cloudformation_create();
        let properties = create["ResourceProperties"].as_object().expect("a map").clone();
        Self { world, engine: engine(), properties, physical_id: None, requests: 0, sent_at: None }
    }

    /// Changes properties; `null` removes one.
    pub fn set(&mut self, changes: Value) -> &mut Self {
        for (name, value) in changes.as_object().expect("a map of changes") {
            match value {
                Value::Null => self.properties.remove(name),
                value => self.properties.insert(name.clone(), value.clone()),
            };
        }
        self
    }

    /// The next request of a kind, as CloudFormation sends it.
    pub fn request(&mut self, kind: &str) -> Value {
        self.requests += 1;
        let mut event = events::cloudformation_create();
        event["RequestType"] = json!(kind);
        event["RequestId"] = json!(format!("5e6f7a8b-0000-4000-8000-{:012}", self.requests));
        event["ResponseURL"] = json!(self.response_url(&event));
        event["ResourceProperties"] = Value::Object(self.properties.clone());
        if let Some(id) = &self.physical_id {
            event["PhysicalResourceId"] = json!(id);
        }
        event
    }

    /// Signed at the moment at which the request is sent. CloudFormation sends the next one only after the answer to the
    /// one before, so no two are signed in the same second (assumed).
    fn response_url(&mut self, event: &Value) -> String {
        let earliest = self.sent_at.map_or(self.world.clock.aws_now(), |before| before + SignedDuration::from_secs(1));
        let sent_at = self.world.clock.aws_now().max(earliest);
        self.sent_at = Some(sent_at);
        let url = event["ResponseURL"].as_str().expect("the fixture has a place for the answer");
        url.replace(FIXTURE_SIGNED_AT, &sent_at.strftime("X-Amz-Date=%Y%m%dT%H%M%SZ").to_string())
    }

    pub fn create(&mut self) -> Value {
        let request = self.request("Create");
        self.deliver(request)
    }

    pub fn update(&mut self) -> Value {
        let request = self.request("Update");
        self.deliver(request)
    }

    pub fn delete(&mut self) -> Value {
        self.physical_id.get_or_insert_with(|| "site-Protection-1K2N3B4V5C6X7".to_owned());
        let request = self.request("Delete");
        self.deliver(request)
    }

    /// Delivers a request and every continuation of it, and returns the answer that CloudFormation got last.
    pub fn deliver(&mut self, request: Value) -> Value {
        let before = self.world.cloud.outbox().answers.len();
        self.invoke(request).finished().expect("a request of CloudFormation is no function error");
        while let Some(event) = self.next_continuation() {
            self.invoke(event).finished().expect("a continuation is no function error");
        }
        let outbox = self.world.cloud.outbox();
        assert_eq!(outbox.answers.len(), before + 1, "exactly one answer for a request");
        let answer: Value = serde_json::from_str(&outbox.answers[before].body).expect("the answer is JSON");
        if answer["Status"] == "SUCCESS" {
            self.physical_id = answer["PhysicalResourceId"].as_str().map(str::to_owned);
        }
        answer
    }

    fn next_continuation(&self) -> Option<Value> {
        let event = self.world.cloud.outbox().continuations.pop()?;
        Some(serde_json::from_str(&event).expect("a continuation is an event"))
    }

    /// One invocation of the function.
    pub fn invoke(&self, event: Value) -> Run<Result<Value, Failure>> {
        let world = self.world;
        let deadline = world.clock.aws_now() + TIME_OUT;
        world.cloud.run(failopen_provision::handle(&self.engine, &world.cloud, &world.clock, deadline, event))
    }

    /// What a person asks the function.
    pub fn plan(&self) -> Result<Value, Failure> {
        self.invoke(json!({"action": "plan", "properties": self.properties})).finished()
    }
}
