//! A canary: what the SDK's typed model would drop of a configuration, if it were ever used to write one.
//!
//! Documents are edited as bytes, so nothing is lost here. But other tools of the owner that are as old as this SDK would
//! lose it, and an SDK that has fallen behind CloudFront is worth renewing.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_sdk_cloudfront::Client;
use aws_sdk_cloudfront::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_cloudfront::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_cloudfront::error::BoxError;
use aws_sdk_cloudfront::types::DistributionConfig;
use failopen::document::lost_paths;
use failopen::id::DistributionId;

/// Compares what has changed since the last reading: a tick a minute must not repeat the work or the warning.
pub(crate) struct ModelDrift {
    client: Client,
    compared: Mutex<BTreeMap<DistributionId, Compared>>,
}

/// The last comparison of a distribution in the life of the process.
struct Compared {
    /// Of the configuration's bytes.
    digest: u64,
    /// As many as one configuration has.
    lost: BTreeSet<String>,
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

    /// As [`ModelDrift::lost`], without what the comparison before had lost too.
    async fn newly_lost(&self, id: &DistributionId, raw: &[u8], typed: Option<DistributionConfig>) -> Vec<String> {
        let mut hasher = DefaultHasher::new();
        raw.hash(&mut hasher);
        let digest = hasher.finish();
        if self.compared().get(id).is_some_and(|last| last.digest == digest) {
            return Vec::new();
        }
        let Some(typed) = typed else { return Vec::new() };
        let Some(lost) = self.lost(raw, typed).await else { return Vec::new() };
        let last = self.compared().insert(id.clone(), Compared { digest, lost: lost.iter().cloned().collect() });
        lost.into_iter().filter(|path| last.as_ref().is_none_or(|last| !last.lost.contains(path))).collect()
    }

    fn compared(&self) -> MutexGuard<'_, BTreeMap<DistributionId, Compared>> {
        self.compared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Paths only: values, headers among them, may be secrets. `None` where the comparison cannot be made: it is no reason
    /// to stop.
    async fn lost(&self, raw: &[u8], typed: DistributionConfig) -> Option<Vec<String>> {
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
        let written = written.0.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        lost_paths(raw, &written).ok()
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
        let lost = ModelDrift::new(client).lost(document.as_bytes(), typed).await;
        (lost.expect("the two can be compared"), server)
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

    /// What is newly lost of each document in turn, by the life of one process; `false`: the answer had no configuration.
    async fn newly_lost(readings: &[(&str, &str, bool)]) -> Vec<Vec<String>> {
        let server = Server::start(|_, _| Reply::new(200, RICH).with("etag", "E2"));
        let client = Client::new(&server.sdk().await);
        let drift = ModelDrift::new(client.clone());
        let mut all = Vec::new();
        for (id, document, has_configuration) in readings {
            let sent = (*document).to_owned();
            let server = Server::start(move |_, _| Reply::new(200, sent.clone()).with("etag", "E2"));
            let reader = Client::new(&server.sdk().await);
            let answer = reader.get_distribution_config().id("E1").send().await.expect("the SDK reads it");
            let typed = answer.distribution_config.filter(|_| *has_configuration);
            all.push(drift.newly_lost(&(*id).into(), document.as_bytes(), typed).await);
        }
        all
    }

    #[tokio::test]
    async fn a_lost_setting_is_told_once_for_each_distribution() {
        let lost = newly_lost(&[("E1", RICH, true), ("E1", RICH, true), ("E2", RICH, true)]).await;
        assert_eq!(lost, [UNKNOWN.to_vec(), vec![], UNKNOWN.to_vec()]);
    }

    #[tokio::test]
    async fn a_reading_without_a_configuration_is_no_comparison() {
        let lost = newly_lost(&[("E1", RICH, false), ("E1", RICH, true)]).await;
        assert_eq!(lost, [vec![], UNKNOWN.to_vec()]);
    }

    #[tokio::test]
    async fn a_setting_that_comes_later_is_told_alone_and_what_was_told_is_not_repeated() {
        let known = RICH.replace("FutureFeature", "FutureThing");
        let more = RICH.replacen("<FutureFeature", "<LaterFeature/><FutureFeature", 1);
        let readings = [("E1", RICH, true), ("E1", &more, true), ("E1", &more, true), ("E1", RICH, true)];
        let lost = newly_lost(&readings).await;
        assert_eq!(lost, [UNKNOWN.to_vec(), vec!["LaterFeature"], vec![], vec![]]);
        assert_eq!(newly_lost(&[("E1", RICH, true), ("E1", &known, true)]).await[1], ["FutureThing"]);
    }
}
