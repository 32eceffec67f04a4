//! Whatever an event is, it is read or refused with a sentence.

use failopen::secret::Secret;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::provision_event::{self, Event};
use crate::react_event::{self, Look};
use crate::request::{self, BreakGlass, FlipRequest, PinRequest, Request};

/// Takes the bytes for the event of each of the three functions.
pub fn check(bytes: &[u8]) {
    let Ok(event) = serde_json::from_slice::<Value>(bytes) else { return };
    react(&event);
    // The same inside SNS.
    react(&json!({"Records": [{"Sns": {"Message": event.to_string()}}]}));
    flip(&event);
    provision(event);
}

fn react(event: &Value) {
    match react_event::parse(event) {
        Ok(look @ (Look::Alarm(_) | Look::Alarms(_))) => {
            let names = look.alarms();
            assert!(!names.is_empty() && names.iter().all(|name| !name.as_str().is_empty()), "{names:?}");
        }
        Ok(Look::Protection(name)) => assert!(!name.as_str().is_empty()),
        Ok(Look::Tick) => {}
        Err(why) => assert!(!why.is_empty()),
    }
}

fn flip(event: &Value) {
    let request = match request::parse(event) {
        Ok(request) => request,
        Err(why) => return assert!(!why.is_empty()),
    };
    let expiry = match &request {
        Request::Flip(FlipRequest { expires_in, reason, .. }) | Request::Pin(PinRequest { expires_in, reason, .. }) => {
            assert!(!reason.trim().is_empty(), "an override has a reason");
            Some(*expires_in)
        }
        Request::BreakGlass(BreakGlass { from, to, paths, reason, .. }) => {
            assert!(from != to && !paths.is_empty() && !reason.trim().is_empty());
            None
        }
        Request::Status(_) | Request::Plan(_) | Request::Unpin(_) | Request::Unlatch(_) | Request::Converge { .. } => {
            None
        }
    };
    if let Some(expiry) = expiry {
        for now in [Timestamp::UNIX_EPOCH, Timestamp::MAX] {
            assert!(expiry.ends_at(now).is_none_or(|end| end >= now), "an override ends after it began");
        }
    }
}

fn provision(event: Value) {
    let url = event.get("ResponseURL").and_then(Value::as_str).unwrap_or_default().to_owned();
    // A URL that is part of what else is said in the request is no secret of it; shorter ones may be part of any sentence.
    let mut others = event.clone();
    if let Some(map) = others.as_object_mut() {
        map.remove("ResponseURL");
    }
    let is_secret = url.len() >= 24 && !others.to_string().contains(&url);
    let hides = |text: &str| assert!(!is_secret || !text.contains(&url), "the ResponseURL is told");
    match provision_event::parse(event) {
        Ok(Event::Resource(request)) => {
            let begun = Timestamp::UNIX_EPOCH;
            let continued: Value = from_secret(&request.continuation(begun));
            match provision_event::parse(continued) {
                Ok(Event::Resource(again)) => {
                    assert_eq!(again.started_at, Some(begun));
                    assert_eq!((again.kind, &again.request_id), (request.kind, &request.request_id));
                    assert_eq!(again.response_url.expose(), request.response_url.expose());
                    assert!(again.properties == request.properties && again.physical_id == request.physical_id);
                }
                Ok(Event::Plan(_)) | Err(_) => panic!("a continuation is a request"),
            }
        }
        Ok(Event::Plan(_)) => {}
        Err(failure) => {
            assert!(!failure.message.is_empty());
            hides(&failure.message);
        }
    }
}

fn from_secret(text: &Secret<String>) -> Value {
    serde_json::from_str(text.expose()).expect("a continuation is JSON")
}
