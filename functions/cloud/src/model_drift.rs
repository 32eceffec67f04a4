//! A canary: what the SDK's typed model would drop of a configuration, if it were ever used to write one.
//!
//! Documents are edited as bytes, so nothing is lost here. But other tools of the owner that are as old as this SDK would
//! lose it, and an SDK that has fallen behind CloudFront is worth renewing.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_cloudfront::Client;
use aws_sdk_cloudfront::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_cloudfront::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_cloudfront::error::BoxError;
use aws_sdk_cloudfront::types::DistributionConfig;
use failopen::document::lost_paths;
use failopen::id::DistributionId;

/// Compares each distribution once in the life of the process: a tick a minute must not repeat the work or the warning.
pub(crate) struct ModelDrift {
    client: Client,
    compared: Mutex<BTreeSet<DistributionId>>,
}

impl ModelDrift {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, compared: Mutex::default() }
    }

    /// Warns, once, with the paths of elements that `typed` does not have of the `raw` document that it was read from.
    pub(crate) async fn watch(&self, id: &DistributionId, raw: &[u8], typed: Option<DistributionConfig>) {
        let lost = self.newly_lost(id, raw, typed).await;
        if !lost.is_empty() {
            tracing::warn!(
                distribution = %id,
                model_drift = lost.join(", "),
                "The distribution has settings that this program's AWS SDK does not know; they are kept, because \
                 distributions are edited without it, but other tools that write this distribution may lose them"
            );
        }
    }

    /// As [`ModelDrift::lost`] for a distribution that was not compared yet; empty afterwards.
    async fn newly_lost(&self, id: &DistributionId, raw: &[u8], typed: Option<DistributionConfig>) -> Vec<String> {
        let is_first = self.compared.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone());
        match typed.filter(|_| is_first) {
            Some(typed) => self.lost(raw, typed).await,
            None => Vec::new(),
        }
    }

    /// Paths only: values, headers among them, may be secrets. Empty where the comparison cannot be made: it is no reason
    /// to stop.
    async fn lost(&self, raw: &[u8], typed: DistributionConfig) -> Vec<String> {
        let written = Written::default();
        // The SDK itself writes what its model holds; the interceptor ends the operation before anything is sent.
        let _ended = self
            .client
            .update_distribution()
            .id("-")
            .distribution_config(typed)
            .customize()
            .interceptor(written.clone())
            .send()
            .await;
        let written = written.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        written.and_then(|written| lost_paths(raw, &written).ok()).unwrap_or_default()
    }
}

/// Takes the serialised request and ends the operation.
#[derive(Clone, Debug, Default)]
struct Written(Arc<Mutex<Option<Vec<u8>>>>);

impl Intercept for Written {
    fn name(&self) -> &'static str {
        "Written"
    }

    fn read_after_serialization(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.request().body().bytes().map(<[u8]>::to_vec);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = body;
        Err("the request was only written, not sent".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Reply, Server};

    const RICH: &str = include_str!("../../../tests/events/distribution-rich.xml");

    /// The elements of the sample that no model knows.
    const UNKNOWN: [&str; 4] = [
        "CacheBehaviors/Items/CacheBehavior/FutureBehaviorFeature",
        "DefaultCacheBehavior/FutureBehaviorFeature",
        "FutureFeature",
        "Origins/Items/Origin/FutureOriginFeature",
    ];

    async fn lost(document: &str) -> (Vec<String>, Server) {
        let sent = document.to_owned();
        let server = Server::start(move |_, _| Reply::new(200, sent.clone()).with("etag", "E2"));
        let client = Client::new(&server.sdk().await);
        let typed = client.get_distribution_config().id("E1").send().await.expect("the SDK reads it");
        let typed = typed.distribution_config.expect("a configuration");
        (ModelDrift::new(client).lost(document.as_bytes(), typed).await, server)
    }

    #[tokio::test]
    async fn exactly_the_paths_that_the_sdk_does_not_know_are_named() {
        let (paths, server) = lost(RICH).await;
        assert_eq!(paths, UNKNOWN);
        assert_eq!(server.requests().len(), 1, "the configuration was read, and nothing was sent");
    }

    #[tokio::test]
    async fn of_a_configuration_that_the_sdk_knows_nothing_is_named() {
        let mut known = RICH.to_owned();
        for name in ["FutureBehaviorFeature", "FutureBehaviorFeature", "FutureFeature", "FutureOriginFeature"] {
            let (start, end) = (format!("<{name}"), format!("</{name}>"));
            let start = known.find(&start).expect("the sample has it");
            let end = start + known[start..].find(&end).expect("it ends") + end.len();
            known.replace_range(start..end, "");
        }
        assert_eq!(lost(&known).await.0, [""; 0]);
    }

    #[tokio::test]
    async fn a_distribution_is_compared_once() {
        let server = Server::start(|_, _| Reply::new(200, RICH).with("etag", "E2"));
        let client = Client::new(&server.sdk().await);
        let answer = client.get_distribution_config().id("E1").send().await.expect("the SDK reads it");
        let typed = answer.distribution_config.expect("a configuration");
        let drift = ModelDrift::new(client);
        for (id, lost) in [("E1", 4), ("E1", 0), ("E2", 4)] {
            let newly = drift.newly_lost(&id.into(), RICH.as_bytes(), Some(typed.clone())).await;
            assert_eq!(newly.len(), lost, "{id}");
        }
    }
}
