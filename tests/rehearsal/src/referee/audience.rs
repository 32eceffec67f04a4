//! Who watches the exchanges besides the judge, and the one thing that the referee may do to them: refuse for their rate.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use hyper::body::Bytes;
use tokio::sync::broadcast;

/// Exchanges that a slow listener may fall behind.
const REMEMBERED: usize = 1024;

/// Status of CloudFront's answer to calls that come too fast.
const THROTTLED: u16 = 400;

/// CloudFront's answer to calls that come too fast; the code is not modelled, and is what the service sends (`Throttling: Rate
/// exceeded`, ansible-collections/community.aws#296).
const RATE_EXCEEDED: &[u8] =
    b"<?xml version=\"1.0\"?>\n<ErrorResponse xmlns=\"http://cloudfront.amazonaws.com/doc/2020-05-31/\">\
    <Error><Type>Sender</Type><Code>Throttling</Code><Message>Rate exceeded</Message></Error>\
    <RequestId>00000000-0000-0000-0000-000000000000</RequestId></ErrorResponse>";

/// A request that has been answered. It cannot be printed: what was sent may hold secrets.
#[derive(Clone)]
pub(crate) struct Exchange {
    pub(crate) service: String,
    pub(crate) operation: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) status: u16,
    pub(crate) begun: Instant,
    pub(crate) ended: Instant,
    pub(crate) sent: Bytes,
}

/// Listeners, and until when CloudFront is throttled.
#[derive(Debug)]
pub(crate) struct Audience {
    told: broadcast::Sender<Exchange>,
    throttled_until: Mutex<Option<Instant>>,
}

impl Audience {
    pub(crate) fn new() -> Self {
        Self { told: broadcast::Sender::new(REMEMBERED), throttled_until: Mutex::default() }
    }

    /// Every exchange that ends from now on.
    pub(crate) fn listen(&self) -> broadcast::Receiver<Exchange> {
        self.told.subscribe()
    }

    pub(crate) fn tell(&self, exchange: Exchange) {
        // Nobody has to listen.
        let _ = self.told.send(exchange);
    }

    /// From now on and until `moment`, every call to CloudFront is refused.
    pub(crate) fn throttle_cloudfront(&self, moment: Instant) {
        *self.throttled_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(moment);
    }

    /// The answer that a call gets instead of the local AWS's.
    pub(crate) fn refusal(&self, service: &str) -> Option<(u16, Bytes)> {
        let until = *self.throttled_until.lock().unwrap_or_else(PoisonError::into_inner);
        let is_refused = service == "cloudfront" && until.is_some_and(|until| Instant::now() < until);
        is_refused.then(|| (THROTTLED, Bytes::from_static(RATE_EXCEEDED)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_cloudfront_is_throttled_and_only_until_then() {
        let audience = Audience::new();
        assert!(audience.refusal("cloudfront").is_none());
        audience.throttle_cloudfront(Instant::now() + Duration::from_secs(60));
        let (status, body) = audience.refusal("cloudfront").unwrap();
        assert_eq!(status, 400);
        assert!(String::from_utf8_lossy(&body).contains("<Code>Throttling</Code>"));
        assert!(audience.refusal("route53").is_none());
        audience.throttle_cloudfront(Instant::now());
        assert!(audience.refusal("cloudfront").is_none());
    }
}
