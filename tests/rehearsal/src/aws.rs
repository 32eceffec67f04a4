//! Clients of the local AWS: the SDK's where its model is enough, bare HTTP where bytes matter.

use anyhow::{Context, Result, bail};
use aws_config::{BehaviorVersion, Region};
use aws_sdk_lambda::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::LogType;
use aws_smithy_types::base64;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// Route 53's metrics exist in this Region only, so everything is there.
pub(crate) const REGION: &str = "us-east-1";

/// SDK clients, and bare HTTP beside them.
#[derive(Clone)]
pub(crate) struct Aws {
    pub(crate) cloudwatch: aws_sdk_cloudwatch::Client,
    pub(crate) lambda: aws_sdk_lambda::Client,
    pub(crate) route53: aws_sdk_route53::Client,
    pub(crate) wire: Wire,
}

impl Aws {
    pub(crate) async fn at(endpoint: &str, wire: Wire) -> Self {
        let credentials =
            Credentials::builder().access_key_id("test").secret_access_key("test").provider_name("rehearsal").build();
        let config = aws_config::defaults(BehaviorVersion::latest())
            .endpoint_url(endpoint)
            .region(Region::new(REGION))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .load()
            .await;
        Self {
            cloudwatch: aws_sdk_cloudwatch::Client::new(&config),
            lambda: aws_sdk_lambda::Client::new(&config),
            route53: aws_sdk_route53::Client::new(&config),
            wire,
        }
    }

    /// Invokes a function and waits for its answer. A function error is an error here.
    pub(crate) async fn invoke(&self, function: &str, event: &Value) -> Result<Value> {
        let answer = self
            .lambda
            .invoke()
            .function_name(function)
            .payload(Blob::new(serde_json::to_vec(event)?))
            .send()
            .await
            .with_context(|| format!("{function} could not be invoked"))?;
        let payload: Value = serde_json::from_slice(answer.payload().map(Blob::as_ref).unwrap_or_default())
            .with_context(|| format!("{function} answered something that is no JSON"))?;
        if let Some(kind) = answer.function_error() {
            bail!("{function} answered {event} with a function error ({kind}): {payload}");
        }
        Ok(payload)
    }

    /// Invokes a function and returns all that it said: its answer, and the last lines of its log.
    pub(crate) async fn hear(&self, function: &str, event: &Value) -> Result<Heard> {
        let answer = self
            .lambda
            .invoke()
            .function_name(function)
            .log_type(LogType::Tail)
            .payload(Blob::new(serde_json::to_vec(event)?))
            .send()
            .await
            .with_context(|| format!("{function} could not be invoked"))?;
        let log = base64::decode(answer.log_result().unwrap_or_default()).context("the log of an invocation")?;
        Ok(Heard {
            answer: String::from_utf8_lossy(answer.payload().map(Blob::as_ref).unwrap_or_default()).into_owned(),
            failed: answer.function_error().is_some(),
            log: String::from_utf8_lossy(&log).into_owned(),
        })
    }

    /// A distribution's configuration: the bytes as they are, and their ETag.
    pub(crate) async fn distribution(&self, id: &str) -> Result<RawDocument> {
        let path = format!("/2020-05-31/distribution/{id}/config");
        let answer = self.wire.send("cloudfront", "GET", &path, &[], b"").await?.successful("GetDistributionConfig")?;
        let etag = answer.header("etag").context("GetDistributionConfig answered without an ETag")?;
        Ok(RawDocument { etag, bytes: answer.body })
    }

    /// Writes a distribution's configuration over the present one, as the console would.
    pub(crate) async fn write_distribution(&self, id: &str, document: &str) -> Result<()> {
        let etag = self.distribution(id).await?.etag;
        let path = format!("/2020-05-31/distribution/{id}/config");
        let headers = [("content-type", "application/xml".to_owned()), ("if-match", etag)];
        let answer = self.wire.send("cloudfront", "PUT", &path, &headers, document.as_bytes()).await?;
        answer.successful("UpdateDistribution").map(drop)
    }

    /// The last lines of every function's log, for people.
    pub(crate) async fn function_logs(&self, lines: usize) -> Result<Vec<FunctionLog>> {
        let groups = self.logs("DescribeLogGroups", &serde_json::json!({})).await?;
        let mut logs = Vec::new();
        for group in groups["logGroups"].as_array().into_iter().flatten() {
            let Some(name) = group["logGroupName"].as_str() else {
                continue;
            };
            let events = self.logs("FilterLogEvents", &serde_json::json!({ "logGroupName": name })).await?;
            let messages: Vec<String> = events["events"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|event| event["message"].as_str())
                .map(|message| message.trim_end().to_owned())
                .filter(|message| !message.is_empty())
                .collect();
            let skipped = messages.len().saturating_sub(lines);
            logs.push(FunctionLog { group: name.to_owned(), lines: messages.into_iter().skip(skipped).collect() });
        }
        Ok(logs)
    }

    async fn logs(&self, operation: &str, input: &Value) -> Result<Value> {
        let headers = [
            ("x-amz-target", format!("Logs_20140328.{operation}")),
            ("content-type", "application/x-amz-json-1.1".to_owned()),
        ];
        let answer = self.wire.send("logs", "POST", "/", &headers, &serde_json::to_vec(input)?).await?;
        Ok(serde_json::from_slice(&answer.successful(operation)?.body)?)
    }
}

/// What one invocation of a function said.
pub(crate) struct Heard {
    pub(crate) answer: String,
    /// Whether the answer is a function error.
    pub(crate) failed: bool,
    pub(crate) log: String,
}

/// The log of one function.
pub(crate) struct FunctionLog {
    pub(crate) group: String,
    pub(crate) lines: Vec<String>,
}

/// A distribution's configuration as bytes.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RawDocument {
    pub(crate) etag: String,
    pub(crate) bytes: Vec<u8>,
}

/// Bare HTTP to the local AWS, for what an SDK's model cannot carry.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    port: u16,
}

/// An answer as it came.
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
    }

    /// This answer, unless it says that something went wrong.
    pub(crate) fn successful(self, operation: &str) -> Result<Self> {
        if self.status >= 300 {
            bail!("{operation} answered {}: {}", self.status, String::from_utf8_lossy(&self.body));
        }
        Ok(self)
    }
}

impl Wire {
    pub(crate) fn to(port: u16) -> Self {
        Self { port }
    }

    /// One request. The local AWS finds the service by the scope of the signature, and checks no signature.
    pub(crate) async fn send(
        &self,
        service: &str,
        method: &str,
        path: &str,
        headers: &[(&str, String)],
        body: &[u8],
    ) -> Result<Answer> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let scope = format!("test/20260101/{REGION}/{service}/aws4_request");
        let mut request = hyper::Request::builder()
            .method(method)
            .uri(path)
            .header("host", format!("127.0.0.1:{}", self.port))
            .header("authorization", format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let answer = sender.send_request(request.body(Full::new(Bytes::copy_from_slice(body)))?).await?;
        let status = answer.status().as_u16();
        let headers = answer
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let body = answer.into_body().collect().await?.to_bytes().to_vec();
        connection.abort();
        Ok(Answer { status, headers, body })
    }
}
