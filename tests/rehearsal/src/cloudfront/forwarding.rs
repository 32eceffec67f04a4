//! How an edge gets an origin's answer to one request: which connection it uses, and when it tries again.

use hyper::body::Bytes;
use hyper::header::{CONNECTION, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri};
use thiserror::Error;

use crate::clock::Clock;

use super::config::{Origin, Scheme, Server};
use super::connections::{Connection, Connector, Destination, Pool, Security, Unanswered, Unconnected};

/// Headers that mean one connection only (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The connection that an answer, or the lack of one, came over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Used {
    /// One that was made for this request.
    New,
    /// One that the edge had already.
    Reused,
    None,
}

/// Why an edge has to answer itself.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum Failure {
    #[error("the lab serves no buckets, VPC origins and origin groups")]
    NotServed,
    #[error("the request cannot be forwarded")]
    Unsendable,
    #[error(transparent)]
    Unconnected(#[from] Unconnected),
    #[error("the origin does not answer in time")]
    Silent,
    #[error("the origin closed the connection without an answer")]
    Broken,
}

impl Failure {
    /// 504 where time ran out, 502 for the rest (CloudFront Developer Guide, http-504-gateway-timeout and
    /// http-502-bad-gateway).
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Failure::Silent | Failure::Unconnected(Unconnected::TimedOut) => StatusCode::GATEWAY_TIMEOUT,
            Failure::Unconnected(Unconnected::Unresolved | Unconnected::Refused | Unconnected::Untrusted)
            | Failure::NotServed
            | Failure::Unsendable
            | Failure::Broken => StatusCode::BAD_GATEWAY,
        }
    }
}

/// What an origin, or the lack of it, has to say.
pub(crate) struct Forwarded {
    pub(crate) outcome: Result<Response<Bytes>, Failure>,
    pub(crate) used: Used,
}

/// One edge's way to all origins.
pub(crate) struct Forwarding {
    connector: Connector,
    pool: Pool,
    clock: Clock,
}

impl Forwarding {
    pub(crate) fn new(connector: Connector) -> Self {
        Self { clock: connector.clock, connector, pool: Pool::default() }
    }

    /// Forwards a request. `host` is the viewer's Host where the behaviour forwards it.
    pub(crate) async fn forward(&self, origin: &Origin, host: Option<&str>, request: &Request<Bytes>) -> Forwarded {
        let mut used = Used::None;
        let outcome = self.exchange(origin, host, request, &mut used).await;
        Forwarded { outcome, used }
    }

    async fn exchange(
        &self,
        origin: &Origin,
        host: Option<&str>,
        request: &Request<Bytes>,
        used: &mut Used,
    ) -> Result<Response<Bytes>, Failure> {
        let server = origin.server.ok_or(Failure::NotServed)?;
        let outgoing = outgoing(request, origin, host).ok_or(Failure::Unsendable)?;
        let destination = destination(origin, server, host);
        let mut attempts = origin.attempts.max(1);
        let mut may_reuse = true;
        loop {
            let idle = may_reuse.then(|| self.pool.take(&destination, self.clock.now())).flatten();
            let mut connection = match idle {
                Some(connection) => {
                    *used = Used::Reused;
                    connection
                }
                None => {
                    *used = Used::None;
                    let timeout = origin.connection_timeout;
                    let connection = self.connector.connect(&destination, attempts, timeout).await?;
                    *used = Used::New;
                    connection
                }
            };
            match connection.exchange(outgoing.clone(), server.read_timeout, self.clock).await {
                Ok(mut answer) => {
                    self.keep(&destination, server, connection, &answer);
                    remove_hop_by_hop(answer.headers_mut());
                    return Ok(answer);
                }
                Err(unanswered) => attempts = another_try(&unanswered, *used, request.method(), attempts)?,
            }
            may_reuse = false;
        }
    }

    /// An idle connection is kept for the origin's keep-alive time-out (CloudFront Developer Guide, "Keep-alive timeout" in
    /// DownloadDistValuesOrigin), which each use begins anew; an origin that drains says `Connection: close`.
    fn keep(&self, destination: &Destination, server: Server, connection: Connection, answer: &Response<Bytes>) {
        if !named_in_connection(answer.headers()).any(|name| name.eq_ignore_ascii_case("close")) {
            self.pool.keep(destination, connection, self.clock.now() + server.keep_alive);
        }
    }
}

/// Whether a request is sent once more, on a new connection, and the attempts that are left then.
///
/// A GET or HEAD that is not answered in time is tried again until the connection attempts are used up, any other method
/// is not (CloudFront Developer Guide, "Response timeout" in DownloadDistValuesOrigin). Assumed: a reused connection that
/// turns out to be closed costs no attempt, and does not matter to any method as long as nothing was sent.
fn another_try(unanswered: &Unanswered, used: Used, method: &Method, attempts: u32) -> Result<u32, Failure> {
    let repeatable = *method == Method::GET || *method == Method::HEAD;
    match unanswered {
        Unanswered::Silent if repeatable && attempts > 1 => Ok(attempts - 1),
        Unanswered::Silent => Err(Failure::Silent),
        Unanswered::Unsent if used == Used::Reused => Ok(attempts),
        Unanswered::Broken if used == Used::Reused && repeatable => Ok(attempts),
        Unanswered::Unsent | Unanswered::Broken => Err(Failure::Broken),
    }
}

fn destination(origin: &Origin, server: Server, host: Option<&str>) -> Destination {
    let security = match server.scheme {
        Scheme::Http => Security::Plain,
        Scheme::Https => Security::Tls { server_name: host.unwrap_or(&origin.domain).to_owned() },
    };
    Destination { domain: origin.domain.clone(), port: server.port, security }
}

/// The request as the origin gets it; `None` for one that HTTP cannot carry.
///
/// Assumed for the lab: every other header of the viewer's, and the whole query, are forwarded, whatever the policies say.
fn outgoing(request: &Request<Bytes>, origin: &Origin, host: Option<&str>) -> Option<Request<Bytes>> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let mut outgoing = Request::new(request.body().clone());
    *outgoing.method_mut() = request.method().clone();
    *outgoing.uri_mut() = Uri::try_from(format!("{}{path}", origin.path)).ok()?;
    let headers = outgoing.headers_mut();
    *headers = request.headers().clone();
    remove_hop_by_hop(headers);
    // The edge has taken the whole body already.
    headers.remove(EXPECT);
    headers.insert(HOST, HeaderValue::from_str(host.unwrap_or(&origin.domain)).ok()?);
    // Custom headers replace those of the viewer (CloudFront Developer Guide, add-origin-custom-headers).
    for (name, value) in &origin.headers {
        headers.insert(name.clone(), value.clone());
    }
    Some(outgoing)
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = named_in_connection(headers).filter_map(|name| name.parse().ok()).collect();
    for name in named {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

/// What the Connection headers list.
fn named_in_connection(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lists = headers.get_all(CONNECTION).into_iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloudfront::trial::distribution;

    #[test]
    fn a_get_without_an_answer_is_tried_again_until_its_attempts_are_used_up() {
        assert_eq!(another_try(&Unanswered::Silent, Used::New, &Method::GET, 2), Ok(1));
        assert_eq!(another_try(&Unanswered::Silent, Used::New, &Method::GET, 1), Err(Failure::Silent));
        assert_eq!(another_try(&Unanswered::Silent, Used::Reused, &Method::POST, 3), Err(Failure::Silent));
    }

    #[test]
    fn only_a_reused_connection_may_break_unnoticed() {
        assert_eq!(another_try(&Unanswered::Broken, Used::Reused, &Method::HEAD, 1), Ok(1));
        assert_eq!(another_try(&Unanswered::Broken, Used::Reused, &Method::POST, 3), Err(Failure::Broken));
        assert_eq!(another_try(&Unanswered::Unsent, Used::Reused, &Method::POST, 3), Ok(3));
        assert_eq!(another_try(&Unanswered::Broken, Used::New, &Method::GET, 3), Err(Failure::Broken));
    }

    #[test]
    fn an_outgoing_request_has_the_origins_host_path_and_custom_headers() {
        let request = Request::builder()
            .uri("/a?b=c")
            .header("host", "www.example.com")
            .header("connection", "keep-alive, x-hop")
            .header("x-hop", "1")
            .header("x-secret", "from the viewer")
            .header("accept", "text/html")
            .body(Bytes::new())
            .unwrap();
        let configuration = distribution(443, false);
        let origin = configuration.origin("the origin").unwrap();
        let outgoing = outgoing(&request, origin, None).unwrap();
        assert_eq!(outgoing.uri(), "/base/a?b=c");
        let headers: Vec<_> =
            outgoing.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let expected: [(&str, &[u8]); 3] =
            [("host", b"origin.example.com"), ("x-secret", b"canary"), ("accept", b"text/html")];
        assert_eq!(headers.len(), expected.len());
        for header in expected {
            assert!(headers.contains(&header), "{header:?} is missing in {headers:?}");
        }
    }

    #[test]
    fn a_forwarded_host_is_what_tls_asks_for() {
        let configuration = distribution(443, true);
        let origin = configuration.origin("the origin").unwrap();
        let name = |host| match destination(origin, origin.server.unwrap(), host).security {
            Security::Tls { server_name } => server_name,
            Security::Plain => String::new(),
        };
        assert_eq!(name(Some("www.example.com")), "www.example.com");
        assert_eq!(name(None), "origin.example.com");
    }

    #[test]
    fn lost_time_is_a_504_and_everything_else_a_502() {
        for failure in [Failure::Silent, Failure::Unconnected(Unconnected::TimedOut)] {
            assert_eq!(failure.status(), 504, "{failure:?}");
        }
        let others = [Unconnected::Unresolved, Unconnected::Refused, Unconnected::Untrusted].map(Failure::Unconnected);
        for failure in others.into_iter().chain([Failure::NotServed, Failure::Broken]) {
            assert_eq!(failure.status(), 502, "{failure:?}");
        }
    }
}
