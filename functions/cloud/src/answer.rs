//! The custom-resource answer: one PUT to CloudFormation's pre-signed URL.

use std::net::IpAddr;
use std::time::Duration;

use failopen::id::Hostname;
use failopen::limits::ANSWER;
use failopen::port::{Fault, FaultKind};
use failopen::secret::Secret;
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::HeaderValue;
use tokio::time::timeout;
use url::{Host, Url};

use crate::fault::one_line;
use crate::network::{BODY_LIMIT, Network, connect, exchange};
use crate::tls::why;

const OPERATION: &str = "CustomResourceAnswer";

/// The whole PUT. The caller decides whether there is time for another.
const WHOLE: Duration = ANSWER.unsigned_abs();

/// Where an answer goes, taken apart. The URL is a bearer credential, so none of this is ever printed but the host.
struct Destination {
    host: String,
    port: u16,
    is_tls: bool,
    request: Request<Full<Bytes>>,
}

impl Network {
    pub(crate) async fn answer(&self, url: &Secret<String>, body: &str) -> Result<(), Fault> {
        let destination = destination(url, body).map_err(|why| Fault::new(FaultKind::Refused, OPERATION, why))?;
        let unknown = |why: String| Fault::new(FaultKind::Unknown, OPERATION, one_line(&why));
        let status = match timeout(WHOLE, self.put(destination)).await {
            Ok(status) => status.map_err(unknown)?,
            Err(_elapsed) => return Err(unknown(format!("no answer within {} s", WHOLE.as_secs()))),
        };
        match status {
            200..=299 => Ok(()),
            // Redirects are not followed: the destination has been checked, and another one has not.
            300..=499 => {
                let detail = format!("CloudFormation's URL refused the answer with HTTP {status}; it may have expired");
                Err(Fault::new(FaultKind::Refused, OPERATION, detail))
            }
            _ => Err(unknown(format!("HTTP {status}"))),
        }
    }

    async fn put(&self, destination: Destination) -> Result<u16, String> {
        let Destination { host, port, is_tls, request } = destination;
        let stream = connect(&host, &system_addresses(&host, port).await?, port).await?;
        let name = Hostname::new(host);
        let answered = match is_tls {
            true => exchange(self.tls.handshake(stream, &name).await?, request, BODY_LIMIT).await,
            false => exchange(stream, request, BODY_LIMIT).await,
        };
        answered.map(|(status, _)| status).map_err(|error| why(&name, &error))
    }
}

/// The system's own resolver, always: a DNS server for probes has no say in where a credential is sent.
async fn system_addresses(host: &str, port: u16) -> Result<Vec<IpAddr>, String> {
    let found = tokio::net::lookup_host((host, port)).await;
    let found = found.map_err(|error| format!("the name {host} could not be resolved: {error}"))?;
    let mut addresses: Vec<IpAddr> = found.map(|address| address.ip()).collect();
    addresses.sort_by_key(IpAddr::is_ipv6);
    Ok(addresses)
}

fn destination(url: &Secret<String>, body: &str) -> Result<Destination, &'static str> {
    let url = Url::parse(url.expose()).map_err(|_| "the ResponseURL of the request is not a URL")?;
    let (host, is_loopback) = match url.host() {
        Some(Host::Domain(name)) => (name.to_owned(), name == "localhost"),
        Some(Host::Ipv4(address)) => (address.to_string(), address.is_loopback()),
        Some(Host::Ipv6(address)) => (address.to_string(), address.is_loopback()),
        None => return Err("the ResponseURL of the request has no host"),
    };
    let is_tls = match url.scheme() {
        "https" => true,
        "http" if is_loopback => false,
        _ => return Err("the ResponseURL of the request is neither https nor on this machine"),
    };
    let port = url.port_or_known_default().ok_or("the ResponseURL of the request has no port")?;
    let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let request = Request::put(path)
        .header("host", authority)
        // The signature of the URL covers an empty content type.
        .header("content-type", HeaderValue::from_static(""))
        .header("content-length", body.len())
        .header("connection", "close")
        .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
        .map_err(|_| "the ResponseURL of the request cannot be sent")?;
    Ok(Destination { host, port, is_tls, request })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{ClosedPort, Reply, Server};

    async fn answered(status: u16) -> (Result<(), Fault>, Server) {
        let server = Server::start(move |_, _| Reply::new(status, "").with("location", "http://127.0.0.1:9/elsewhere"));
        let url = Secret::new(format!("http://{}/answers/1?X-Amz-Signature=confidential", server.address));
        (Network::new(None).answer(&url, r#"{"Status":"SUCCESS"}"#).await, server)
    }

    #[tokio::test]
    async fn an_answer_is_put_with_the_content_type_that_was_signed() {
        let (answered, server) = answered(200).await;
        assert_eq!(answered, Ok(()));
        let request = &server.requests()[0];
        assert_eq!(request.line, "PUT /answers/1?X-Amz-Signature=confidential");
        assert_eq!(request.body, br#"{"Status":"SUCCESS"}"#);
        assert_eq!((request.header("content-type"), request.header("content-length")), (Some(""), Some("20")));
        assert_eq!(request.header("host"), Some(server.address.to_string().as_str()));
    }

    #[tokio::test]
    async fn an_answer_that_is_not_taken_is_told_apart_and_the_url_is_not_told() {
        for (status, kind) in
            [(403, FaultKind::Refused), (307, FaultKind::Refused), (500, FaultKind::Unknown), (503, FaultKind::Unknown)]
        {
            let (answered, server) = answered(status).await;
            let fault = answered.unwrap_err();
            assert_eq!(fault.kind, kind, "{status}");
            assert!(!format!("{fault:?}").contains("confidential") && !fault.detail.contains("/answers"), "{fault:?}");
            assert_eq!(server.requests().len(), 1, "neither repeated nor redirected");
        }
    }

    #[tokio::test]
    async fn nobody_there_is_an_unknown_outcome() {
        let closed = ClosedPort::reserved();
        let url = Secret::new(format!("http://{}/answers/1?X-Amz-Signature=confidential", closed.address));
        let fault = Network::new(None).answer(&url, "{}").await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Unknown);
        assert!(!format!("{fault:?}").contains("confidential"), "{fault:?}");
    }

    fn to(url: &str) -> Result<Destination, &'static str> {
        destination(&Secret::new(url.to_owned()), "{}")
    }

    #[test]
    fn the_signed_path_and_query_are_sent_untouched() {
        let url = "https://bucket.s3.amazonaws.com/arn%3Aaws%3A1%7Cx?X-Amz-Signature=a%2Bb&X-Amz-Expires=7200";
        let destination = to(url).expect("a URL");
        assert_eq!(destination.request.uri(), "/arn%3Aaws%3A1%7Cx?X-Amz-Signature=a%2Bb&X-Amz-Expires=7200");
        assert_eq!(destination.request.headers()["host"], "bucket.s3.amazonaws.com");
        assert_eq!(destination.request.headers()["content-type"], "");
        assert!(destination.is_tls && destination.port == 443);
    }

    #[test]
    fn plain_http_stays_on_this_machine() {
        for (url, host) in
            [("http://127.0.0.1:4566/x", "127.0.0.1:4566"), ("http://localhost:4566/x", "localhost:4566")]
        {
            let destination = to(url).expect("a URL");
            assert!(!destination.is_tls && destination.port == 4566);
            assert_eq!(destination.request.headers()["host"], host);
        }
        for url in ["http://example.com/x", "http://localhost.example.com/x", "ftp://localhost/x", "not a URL"] {
            assert!(to(url).is_err(), "{url}");
        }
    }
}
