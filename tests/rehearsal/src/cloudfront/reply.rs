//! What a viewer gets from an edge, and the headers by which the lab knows how it came about.

use std::fmt::Write as _;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue, SERVER};
use hyper::{Response, StatusCode};

use super::forwarding::{Forwarded, Used};

/// Id of the origin that was asked, percent-encoded where it is not ASCII; empty where none was to be asked.
const ORIGIN: &str = "x-edge-origin";
/// `new`, `reused` or `none`.
const CONNECTION: &str = "x-edge-connection";
/// `error` for an answer from the error cache, else absent.
const CACHE: &str = "x-edge-cache";

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    /// Id.
    origin: String,
    used: Used,
    from_error_cache: bool,
}

impl Reply {
    /// Whatever forwarding to an origin has led to.
    pub(crate) fn forwarded(origin: &str, forwarded: Forwarded) -> Self {
        let Forwarded { outcome, used } = forwarded;
        let reply = match outcome {
            Ok(answer) => {
                let (head, body) = answer.into_parts();
                Self { status: head.status, headers: head.headers, body, ..Self::own(head.status, "", origin) }
            }
            Err(failure) => Self::own(failure.status(), &failure.to_string(), origin),
        };
        Self { used, ..reply }
    }

    /// An answer of the edge's own, without asking an origin.
    pub(crate) fn own(status: StatusCode, why: &str, origin: &str) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(SERVER, HeaderValue::from_static("CloudFront"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        let body = format!("The request could not be satisfied: {why}.\n").into();
        Self { status, headers, body, origin: origin.to_owned(), used: Used::None, from_error_cache: false }
    }

    /// This error as it is served again.
    pub(crate) fn again(&self) -> Self {
        Self { used: Used::None, from_error_cache: true, ..self.clone() }
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn into_response(self) -> Response<Full<Bytes>> {
        let x_cache = match self.status.as_u16() {
            400.. => "Error from cloudfront",
            _ => "Miss from cloudfront",
        };
        let connection = match self.used {
            Used::New => "new",
            Used::Reused => "reused",
            Used::None => "none",
        };
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        let headers = response.headers_mut();
        headers.insert("x-cache", HeaderValue::from_static(x_cache));
        headers.insert(CONNECTION, HeaderValue::from_static(connection));
        if let Ok(origin) = HeaderValue::from_str(&visible(&self.origin)) {
            headers.insert(ORIGIN, origin);
        }
        if self.from_error_cache {
            headers.insert(CACHE, HeaderValue::from_static("error"));
        }
        response
    }
}

/// Percent-encodes what a header cannot carry, and the percent sign.
fn visible(id: &str) -> String {
    id.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            b'%' | 0..b' ' | 0x7f.. => {
                // Writing to a string does not fail.
                let _ = write!(encoded, "%{byte:02X}");
            }
            b' '..0x7f => encoded.push(byte.into()),
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_named_in_ascii() {
        assert_eq!(visible("app & co"), "app & co");
        assert_eq!(visible("Café 100%"), "Caf%C3%A9 100%25");
    }

    #[test]
    fn an_error_that_is_served_again_says_so() {
        let reply = Reply::own(StatusCode::BAD_GATEWAY, "no origin", "app & co");
        let headers = reply.again().into_response().headers().clone();
        assert_eq!((&headers[CACHE], &headers[CONNECTION]), (&"error".parse().unwrap(), &"none".parse().unwrap()));
        assert_eq!(headers["x-cache"], "Error from cloudfront");
        assert_eq!(reply.into_response().headers().get(CACHE), None);
    }
}
