//! The two forms of event: a custom-resource request of CloudFormation, and a question of a person.

use std::fmt;

use failopen::failure::Failure;
use failopen::quote::quoted;
use failopen::secret::Secret;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// Field of an event with which the function continues its own work.
const CONTINUATION: &str = "FailopenStartedAt";

pub(crate) enum Event {
    Resource(Box<Request>),
    /// `{"action": "plan", "properties": {…}}`
    Plan(Map<String, Value>),
}

/// A request of CloudFormation. It holds what must not be printed, so it cannot be.
pub(crate) struct Request {
    pub(crate) kind: Kind,
    pub(crate) response_url: Secret<String>,
    pub(crate) stack_id: String,
    pub(crate) request_id: String,
    pub(crate) logical_id: String,
    /// Absent on Create; on Delete it may be one that CloudFormation made up.
    pub(crate) physical_id: Option<String>,
    /// Values may be external ids: read, never printed as they are.
    pub(crate) properties: Secret<Map<String, Value>>,
    /// When an earlier invocation began this work.
    pub(crate) started_at: Option<Timestamp>,
    /// The whole event, to be continued with.
    event: Secret<Map<String, Value>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Create,
    Update,
    Delete,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Create => "Create",
            Kind::Update => "Update",
            Kind::Delete => "Delete",
        })
    }
}

impl Request {
    /// The event with which this very function goes on later.
    pub(crate) fn continuation(&self, started_at: Timestamp) -> Secret<String> {
        let mut event = self.event.expose().clone();
        event.insert(CONTINUATION.to_owned(), json!(started_at.to_string()));
        Secret::new(Value::Object(event).to_string())
    }
}

/// Reads an event.
///
/// # Errors
/// `InvalidRequest`. It repeats no value of the event: a ResponseURL is a bearer token.
pub(crate) fn parse(event: Value) -> Result<Event, Failure> {
    let Value::Object(map) = event else {
        return Err(Failure::invalid("The event must be a JSON object."));
    };
    if map.contains_key("RequestType") || map.contains_key("ResponseURL") {
        resource(map).map(|request| Event::Resource(Box::new(request)))
    } else {
        question(map).map(Event::Plan)
    }
}

fn question(mut map: Map<String, Value>) -> Result<Map<String, Value>, Failure> {
    const HOW: &str =
        "Send {\"action\":\"plan\",\"properties\":{…}} with the properties of Custom::FailOpenProtection.";
    match map.remove("action") {
        Some(Value::String(action)) if action == "plan" => {}
        Some(_) => return Err(Failure::invalid(format!("This function knows the action `plan` only. {HOW}"))),
        None => {
            return Err(Failure::invalid(format!("The event is no CloudFormation request and has no `action`. {HOW}")));
        }
    }
    let properties = match map.remove("properties") {
        Some(Value::Object(properties)) => properties,
        Some(_) | None => return Err(Failure::invalid(format!("`properties` is missing or is no map. {HOW}"))),
    };
    if let Some(unknown) = map.keys().next() {
        return Err(Failure::invalid(format!("The request has an unknown field {}. {HOW}", quoted(unknown))));
    }
    Ok(properties)
}

fn resource(map: Map<String, Value>) -> Result<Request, Failure> {
    let mut missing = Vec::new();
    let mut text = |name: &'static str| {
        let text = map.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        if text.is_empty() {
            missing.push(name);
        }
        text
    };
    let (stack_id, request_id, logical_id) = (text("StackId"), text("RequestId"), text("LogicalResourceId"));
    let response_url = Secret::new(text("ResponseURL"));
    let kind = text("RequestType");
    if !missing.is_empty() {
        let missing = missing.join(", ");
        return Err(Failure::invalid(format!("The CloudFormation request lacks {missing}, so it cannot be answered.")));
    }
    let kind = match kind.as_str() {
        "Create" => Kind::Create,
        "Update" => Kind::Update,
        "Delete" => Kind::Delete,
        _ => return Err(Failure::invalid("RequestType must be Create, Update or Delete.")),
    };
    let physical_id = map.get("PhysicalResourceId").and_then(Value::as_str).map(str::to_owned);
    let properties = map.get("ResourceProperties").and_then(Value::as_object).cloned().unwrap_or_default();
    let started_at = map.get(CONTINUATION).and_then(Value::as_str).and_then(|text| text.parse().ok());
    Ok(Request {
        kind,
        response_url,
        stack_id,
        request_id,
        logical_id,
        physical_id,
        properties: Secret::new(properties),
        started_at,
        event: Secret::new(map),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn create() -> Value {
        json!({"RequestType": "Create", "ResponseURL": "https://canary-url/?sig=1", "StackId": "arn:stack",
            "RequestId": "request-1", "LogicalResourceId": "Protection", "ResourceType": "Custom::FailOpenProtection",
            "ResourceProperties": {"Name": "www", "HostedZoneExternalId": "canary-external-id"}, "FutureField": [1]})
    }

    fn request(event: Value) -> Request {
        match parse(event) {
            Ok(Event::Resource(request)) => *request,
            Ok(Event::Plan(_)) => panic!("a request of CloudFormation"),
            Err(failure) => panic!("{failure}"),
        }
    }

    #[test]
    fn a_request_is_read_with_what_this_program_does_not_know() {
        let request = request(create());
        assert_eq!((request.kind, request.request_id.as_str()), (Kind::Create, "request-1"));
        assert_eq!(request.properties.expose()["Name"], "www");
    }

    #[test]
    fn a_continuation_is_the_same_request_with_its_beginning() {
        let begun: Timestamp = "2026-11-22T12:00:00Z".parse().expect("a timestamp");
        let continued = request(serde_json::from_str(request(create()).continuation(begun).expose()).expect("JSON"));
        assert_eq!(continued.started_at, Some(begun));
        assert_eq!(continued.request_id, "request-1");
        assert_eq!(continued.response_url.expose(), "https://canary-url/?sig=1");
    }

    #[test]
    fn a_request_that_lacks_something_is_refused_without_repeating_the_url() {
        for field in ["RequestType", "ResponseURL", "StackId", "RequestId", "LogicalResourceId"] {
            let mut event = create();
            event.as_object_mut().expect("a map").remove(field);
            let failure = parse(event).err().expect("it cannot be answered");
            assert!(failure.message.contains(field) && !failure.message.contains("canary"), "{failure}");
        }
    }

    #[test]
    fn a_plan_takes_properties_and_nothing_else() {
        let event = parse(json!({"action": "plan", "properties": {"Name": "www"}}));
        assert!(matches!(event, Ok(Event::Plan(properties)) if properties["Name"] == "www"));
        for (event, named) in [
            (json!({"action": "apply", "properties": {}}), "plan"),
            (json!({"action": "plan"}), "properties"),
            (json!({"action": "plan", "properties": {}, "force": true}), "force"),
            (json!({}), "action"),
            (json!([]), "object"),
            (json!("x"), "object"),
        ] {
            let failure = parse(event).err().expect("not a request");
            assert!(failure.message.contains(named), "{failure}");
        }
    }
}
