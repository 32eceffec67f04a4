//! Distributions: read and written as the bytes that CloudFront sends, never through the SDK's typed model.
//!
//! The typed model drops elements that it does not know and invents values for missing ones, so it must not rebuild what is
//! written. The SDK still signs, retries and resolves endpoints: the raw answer is captured by an interceptor, and the raw
//! request replaces the body that the SDK serialised.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_cloudfront::Client;
use aws_sdk_cloudfront::config::http::HttpRequest;
use aws_sdk_cloudfront::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_cloudfront::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_cloudfront::error::BoxError;
use aws_sdk_cloudfront::types::DistributionConfig;
use aws_smithy_types::body::SdkBody;
use failopen::document::Document;
use failopen::id::{DistributionId, ETag};
use failopen::port::{DistributionStatus, Fault, FaultKind, PutAccepted, RawDistribution};
use failopen::secret::Secret;

use crate::fault::{fault, fault_about};
use crate::model_drift::ModelDrift;

const GET_CONFIG: &str = "GetDistributionConfig";
const GET: &str = "GetDistribution";
const UPDATE: &str = "UpdateDistribution";

/// CloudFront's distributions.
pub(crate) struct Distributions {
    client: Client,
    model_drift: ModelDrift,
}

impl Distributions {
    pub(crate) fn new(client: Client) -> Self {
        Self { model_drift: ModelDrift::new(client.clone()), client }
    }

    pub(crate) async fn read(&self, id: &DistributionId) -> Result<RawDistribution, Fault> {
        let capture = Capture::default();
        let sent =
            self.client.get_distribution_config().id(id.as_str()).customize().interceptor(capture.clone()).send().await;
        // The typed answer is not what is worked with: the bytes are complete even where the SDK cannot understand them,
        // and the document's own parser is the strict one.
        match (sent, capture.take()) {
            (Ok(typed), Some(raw)) => {
                self.model_drift.watch(id, &raw.bytes, typed.distribution_config).await;
                Ok(raw)
            }
            (Err(error), Some(raw)) if error.raw_response().is_some_and(|answer| answer.status().is_success()) => {
                Ok(raw)
            }
            (Err(error), _) => Err(fault(GET_CONFIG, error)),
            (Ok(_), None) => {
                let detail = "the answer came without a readable body or without an ETag, so the distribution cannot be \
                              edited safely";
                Err(Fault::new(FaultKind::Malformed, GET_CONFIG, detail))
            }
        }
    }

    pub(crate) async fn status(&self, id: &DistributionId) -> Result<DistributionStatus, Fault> {
        let output = self.client.get_distribution().id(id.as_str()).send().await.map_err(|error| fault(GET, error))?;
        let distribution = output
            .distribution
            .ok_or_else(|| Fault::new(FaultKind::Malformed, GET, "the answer holds no distribution"))?;
        Ok(DistributionStatus { status: distribution.status, domain_name: distribution.domain_name })
    }

    pub(crate) async fn write(
        &self,
        id: &DistributionId,
        document: &[u8],
        if_match: &ETag,
    ) -> Result<PutAccepted, Fault> {
        let secrets = header_values(document);
        let document = document.to_vec();
        let output = self
            .client
            .update_distribution()
            .id(id.as_str())
            .if_match(if_match.as_str())
            .distribution_config(placeholder()?)
            .customize()
            .mutate_request(move |request| replace_body(request, &document))
            .send()
            .await
            .map_err(|error| fault_about(UPDATE, "NoSuchDistribution", error, |message| without(message, &secrets)))?;
        let etag = output.e_tag.filter(|etag| !etag.is_empty()).ok_or_else(|| {
            Fault::new(FaultKind::Unknown, UPDATE, "the write was accepted but its answer carries no ETag")
        })?;
        let status = output.distribution.map(|distribution| distribution.status).filter(|status| !status.is_empty());
        // Without a status the safe belief is that not every edge has the configuration yet.
        Ok(PutAccepted { etag: ETag::new(etag), status: status.unwrap_or_else(|| "InProgress".to_owned()) })
    }
}

/// A configuration that satisfies the SDK's required input. It never leaves the process; had it ever left, CloudFront would
/// refuse it, because it has neither origins nor a default behaviour.
fn placeholder() -> Result<DistributionConfig, Fault> {
    DistributionConfig::builder()
        .caller_reference("")
        .comment("")
        .enabled(true)
        .build()
        .map_err(|error| Fault::new(FaultKind::Refused, UPDATE, error.to_string()))
}

/// A header value of fewer bytes keeps nothing secret, and taking it out would tear every message apart.
const SHORTEST_SECRET: usize = 4;

/// The values of all origin custom headers, longest first, because one may be part of another; `None` where the document
/// cannot be read, so that nobody knows what it holds.
fn header_values(document: &[u8]) -> Option<Vec<Secret<String>>> {
    let document = Document::parse(document).ok()?;
    let headers = document.origins().iter().flat_map(|origin| document.custom_headers(&origin.id));
    let mut values: Vec<_> =
        headers.map(|(_, value)| value).filter(|value| value.expose().len() >= SHORTEST_SECRET).collect();
    values.sort_by_key(|value| std::cmp::Reverse(value.expose().len()));
    Some(values)
}

/// A refusal may quote what was refused. Its message is worth repeating, and the secrets in it are not.
fn without(message: &str, secrets: &Option<Vec<Secret<String>>>) -> Option<String> {
    let secrets = secrets.as_ref()?;
    Some(secrets.iter().fold(message.to_owned(), |message, secret| message.replace(secret.expose(), "[secret]")))
}

/// Runs before signing, on every attempt, so the signature covers the document's own bytes.
fn replace_body(request: &mut HttpRequest, document: &[u8]) {
    *request.body_mut() = SdkBody::from(document);
    request.headers_mut().insert("content-length", document.len().to_string());
}

/// Keeps the raw bytes and the ETag of the last successful answer.
#[derive(Clone, Default)]
struct Capture(Arc<Mutex<Option<RawDistribution>>>);

impl Capture {
    fn take(&self) -> Option<RawDistribution> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl std::fmt::Debug for Capture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Capture")
    }
}

impl Intercept for Capture {
    fn name(&self) -> &'static str {
        "Capture"
    }

    /// Only here has the body been read from the socket; before deserialisation it is still an unread stream.
    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response();
        let etag = response.headers().get("etag").filter(|etag| !etag.is_empty());
        let captured = match (response.status().is_success(), response.body().bytes(), etag) {
            (true, Some(bytes), Some(etag)) if !bytes.is_empty() => {
                Some(RawDistribution { bytes: bytes.to_vec(), etag: ETag::new(etag) })
            }
            _ => None,
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = captured;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Received, Reply, Server};

    /// Holds an element that the SDK does not know, a comment and odd white space: all of it has to survive.
    const DOCUMENT: &str = "<?xml version=\"1.0\"?>\n<DistributionConfig xmlns=\"http://cloudfront.amazonaws.com/doc/2020-05-31/\">\
        <CallerReference>one</CallerReference><!-- kept --><NotYetInvented  a='1'>kept</NotYetInvented>\
        <Origins><Quantity>0</Quantity></Origins><Comment/><Enabled>true</Enabled></DistributionConfig>\n";
    const DISTRIBUTION: &str = "<Distribution><Id>E1</Id><Status>InProgress</Status></Distribution>";

    async fn distributions(server: &Server) -> Distributions {
        Distributions::new(Client::new(&server.sdk().await))
    }

    fn serving(reply: impl Fn() -> Reply + Send + 'static) -> Server {
        Server::start(move |_: &Received, _| reply())
    }

    async fn write(server: &Server) -> Result<PutAccepted, Fault> {
        distributions(server).await.write(&"E1".into(), DOCUMENT.as_bytes(), &"E3SEEN".into()).await
    }

    #[tokio::test]
    async fn the_bytes_read_are_the_bytes_sent() {
        let server = serving(|| Reply::new(200, DOCUMENT).with("etag", "E2"));
        let read = distributions(&server).await.read(&"E1".into()).await.expect("readable");
        assert_eq!(String::from_utf8_lossy(&read.bytes), DOCUMENT);
        assert_eq!(read.etag, "E2".into());
        assert_eq!(server.requests()[0].line, "GET /2020-05-31/distribution/E1/config");
    }

    #[tokio::test]
    async fn bytes_that_the_sdk_cannot_understand_are_still_read() {
        let odd = DOCUMENT.replace("<Enabled>true", "<Enabled>perhaps");
        let sent = odd.clone();
        let server = serving(move || Reply::new(200, sent.clone()).with("etag", "E2"));
        let read = distributions(&server).await.read(&"E1".into()).await.expect("readable");
        assert_eq!(String::from_utf8_lossy(&read.bytes), odd);
    }

    #[tokio::test]
    async fn an_answer_without_etag_or_body_is_malformed() {
        for server in [
            serving(|| Reply::new(200, DOCUMENT)),
            serving(|| Reply::new(200, DOCUMENT).with("etag", "")),
            serving(|| Reply::new(200, "").with("etag", "E2")),
        ] {
            let fault = distributions(&server).await.read(&"E1".into()).await.unwrap_err();
            assert_eq!(fault.kind, FaultKind::Malformed, "{fault}");
        }
    }

    #[tokio::test]
    async fn a_read_that_is_refused_or_gone_says_so() {
        for (status, code, kind) in [
            (404, "NoSuchDistribution", FaultKind::NotFound),
            (403, "AccessDenied", FaultKind::AccessDenied),
            (503, "ServiceUnavailable", FaultKind::Unknown),
        ] {
            let server = serving(move || Reply::xml_error(status, code));
            let fault = distributions(&server).await.read(&"E1".into()).await.unwrap_err();
            assert_eq!((fault.kind, fault.operation), (kind, GET_CONFIG));
            assert_eq!(fault.detail, format!("{code}: no"));
        }
    }

    #[tokio::test]
    async fn a_write_sends_exactly_the_document_on_condition_of_its_etag() {
        let server = serving(|| Reply::new(200, DISTRIBUTION).with("etag", "E4"));
        let accepted = write(&server).await;
        assert_eq!(accepted, Ok(PutAccepted { etag: "E4".into(), status: "InProgress".to_owned() }));
        let request = &server.requests()[0];
        assert_eq!(request.line, "PUT /2020-05-31/distribution/E1/config");
        assert_eq!(String::from_utf8_lossy(&request.body), DOCUMENT);
        assert_eq!(request.header("if-match"), Some("E3SEEN"));
        assert_eq!(request.header("content-length"), Some(DOCUMENT.len().to_string().as_str()));
        assert!(request.header("authorization").is_some_and(|signature| signature.contains("if-match")));
    }

    #[tokio::test]
    async fn a_write_that_was_applied_and_whose_answer_was_lost_looks_stale() {
        let server = Server::start(|_, before| match before {
            0 => Reply::xml_error(500, "InternalError"),
            _ => Reply::xml_error(412, "PreconditionFailed"),
        });
        assert_eq!(write(&server).await.map_err(|fault| fault.kind), Err(FaultKind::Stale));
        let requests = server.requests();
        assert_eq!(requests.len(), 2);
        assert!(requests.iter().all(|request| request.body == DOCUMENT.as_bytes()), "the retry is the same write");
    }

    #[tokio::test]
    async fn an_accepted_write_that_cannot_be_understood_has_an_unknown_outcome() {
        for server in [
            serving(|| Reply::new(200, "<Unheard><Of/>").with("etag", "E4")),
            serving(|| Reply::new(200, DISTRIBUTION)),
        ] {
            assert_eq!(write(&server).await.map_err(|fault| fault.kind), Err(FaultKind::Unknown));
        }
    }

    #[tokio::test]
    async fn a_missing_part_is_not_a_missing_distribution() {
        for (code, kind) in [("NoSuchDistribution", FaultKind::NotFound), ("NoSuchCachePolicy", FaultKind::Refused)] {
            let server = serving(move || Reply::xml_error(404, code));
            assert_eq!(write(&server).await.map_err(|fault| fault.kind), Err(kind), "{code}");
        }
    }

    /// As CloudFront describes what it does not like: by quoting it.
    fn quoting(words: &str) -> Reply {
        let message = format!("The header value {words} is not valid.");
        let error = format!("<Type>Sender</Type><Code>InvalidArgument</Code><Message>{message}</Message>");
        Reply::new(400, format!("<ErrorResponse><Error>{error}</Error></ErrorResponse>"))
    }

    #[tokio::test]
    async fn a_refusal_that_quotes_header_values_is_repeated_without_them() {
        let rich = include_bytes!("../../../tests/events/distribution-rich.xml");
        for quoted in ["canary-header-5f2b", "canary-header-5f2b-api", "shop &lt;eu&gt; &amp; &quot;co&quot;"] {
            let server = serving(move || quoting(quoted));
            let fault = distributions(&server).await.write(&"E1".into(), rich, &"E3SEEN".into()).await.unwrap_err();
            assert_eq!(fault.kind, FaultKind::Refused);
            assert_eq!(fault.detail, "InvalidArgument: The header value [secret] is not valid.");
        }
        // What cannot be read may hold anything.
        let server = serving(|| quoting("canary"));
        let fault = distributions(&server).await.write(&"E1".into(), b"<canary>", &"E3SEEN".into()).await.unwrap_err();
        assert_eq!(fault.detail, "InvalidArgument (HTTP 400)");
    }

    #[tokio::test]
    async fn a_fault_never_quotes_the_document() {
        let server = serving(|| Reply::new(200, "<confidential>confidential").with("etag", "E4"));
        let fault = write(&server).await.unwrap_err();
        assert!(!format!("{fault:?}").contains("confidential"), "{fault:?}");
        let server = serving(|| Reply::new(200, "<confidential>confidential"));
        let fault = distributions(&server).await.read(&"E1".into()).await.unwrap_err();
        assert!(!format!("{fault:?}").contains("confidential"), "{fault:?}");
    }
}
