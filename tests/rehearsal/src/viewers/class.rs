//! Which way an answer came, told from the marks that origins and edges leave on it.

use hyper::StatusCode;
use hyper::header::HeaderMap;

use crate::origins::{INSPECTED_BY, SERVED_BY};
use crate::timeline::Class;

/// Id of the origin that an edge has an answer from, percent-encoded.
const EDGE_ORIGIN: &str = "x-edge-origin";
/// Whether the edge had its connection with the origin already: `reused`.
const EDGE_CONNECTION: &str = "x-edge-connection";

/// The class of an answer with this status and these headers. A request without an answer has failed, and needs no look.
pub(super) fn classify(status: StatusCode, headers: &HeaderMap, application_origin: &str) -> Class {
    // A 4xx that the application has not given is an edge's own refusal: the viewer was not served.
    let refused = status.is_client_error() && !headers.contains_key(SERVED_BY);
    let origin = headers.get(EDGE_ORIGIN).map(|origin| percent_decoded(origin.as_bytes()));
    if status.is_server_error() || refused {
        Class::Failed
    } else if headers.contains_key(INSPECTED_BY) {
        Class::Inspected
    } else if origin.as_deref() == Some(application_origin.as_bytes()) {
        Class::BypassedEdge
    } else {
        Class::BypassedDns
    }
}

/// Whether the edge used a connection with the origin that it had already.
pub(super) fn reused(headers: &HeaderMap) -> bool {
    headers.get(EDGE_CONNECTION).is_some_and(|connection| connection == "reused")
}

/// What is no escape stays as it is.
fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        let escaped = match rest {
            [b'%', high, low, ..] => hexadecimal(*high, *low),
            _ => None,
        };
        decoded.push(escaped.unwrap_or(first));
        rest = if escaped.is_some() { &rest[3..] } else { after };
    }
    decoded
}

fn hexadecimal(high: u8, low: u8) -> Option<u8> {
    let digit = |character: u8| char::from(character).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    const APPLICATION: &str = "app & co";

    fn class(status: u16, headers: &[(&'static str, &'static str)]) -> Class {
        let headers =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect();
        classify(StatusCode::from_u16(status).unwrap(), &headers, APPLICATION)
    }

    #[test]
    fn the_marks_tell_which_way_a_good_answer_came() {
        let served = ("x-served-by", "application");
        let inspected = ("x-inspected-by", "inspection");
        let (from_inspection, from_application) =
            (("x-edge-origin", "failopen-www"), ("x-edge-origin", "app%20%26%20co"));
        assert_eq!(class(200, &[served, inspected, from_inspection]), Class::Inspected);
        assert_eq!(class(200, &[served, from_inspection]), Class::BypassedDns);
        assert_eq!(class(200, &[served, from_application]), Class::BypassedEdge);
        assert_eq!(class(404, &[served, from_application]), Class::BypassedEdge);
        assert_eq!(class(403, &[served, inspected]), Class::Inspected);
    }

    #[test]
    fn a_5xx_has_failed_whoever_gave_it_and_so_has_an_edges_own_refusal() {
        assert_eq!(class(502, &[("x-inspected-by", "inspection")]), Class::Failed);
        assert_eq!(class(503, &[("x-served-by", "application")]), Class::Failed);
        assert_eq!(class(403, &[("x-edge-origin", "app%20%26%20co")]), Class::Failed);
    }

    #[test]
    fn origins_are_compared_as_they_were_before_their_escapes() {
        assert_eq!(percent_decoded(b"app%20%26%20co"), b"app & co");
        assert_eq!(percent_decoded(b"100%, 5%2"), b"100%, 5%2");
        assert_eq!(percent_decoded("%C3%bc".as_bytes()), "ü".as_bytes());
    }
}
