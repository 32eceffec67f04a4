//! One probe of one checker.
//!
//! Its rules are those of the Route 53 Developer Guide, "How Amazon Route 53 determines whether a health check is healthy".

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::check::{Check, Protocol};
use super::verdict::Finding;
use crate::clock::Clock;

/// Modelled time to connect: HTTP and HTTPS, and TCP, which needs nothing more.
const CONNECT: Duration = Duration::from_secs(4);
const CONNECT_BY_TCP: Duration = Duration::from_secs(10);

/// Modelled time to answer with a status, after connecting. Assumed: the TLS handshake is part of it.
const ANSWER: Duration = Duration::from_secs(2);

/// Modelled time to send the body after the status, where it is searched.
const BODY: Duration = Duration::from_secs(2);

/// Bytes of the body in which the search string has to be, as a whole.
const SEARCHED: usize = 5120;

/// Words of GetHealthCheckStatus.
const NO_CONNECTION: &str = "The health checker could not connect to the endpoint within the timeout limit.";
const NO_ANSWER: &str = "The health checker established a connection to the endpoint but no response was received within the \
     timeout limit.";

/// Probes once. `address` is what the check's host resolves to now; `tls` believes any certificate, so that the second attempt
/// without SNI, which a checker makes for a certificate with another name, has nothing to add.
pub(crate) async fn probe(check: &Check, address: Option<SocketAddr>, tls: &TlsConnector, clock: Clock) -> Finding {
    match attempt(check, address, tls, clock).await {
        Ok(answer) => Finding::Alive(answer),
        Err(error) => Finding::Dead(format!("{error:#}")),
    }
}

async fn attempt(check: &Check, address: Option<SocketAddr>, tls: &TlsConnector, clock: Clock) -> Result<String> {
    let address = address.with_context(|| format!("DNS resolution failed: no address of {}", check.endpoint()))?;
    // Whatever a check or DNS says, nothing in the lab leaves this machine.
    ensure!(address.ip().is_loopback(), "{address} is not on this machine");
    let patience = match check.protocol {
        Protocol::Http | Protocol::Https => CONNECT,
        Protocol::Tcp => CONNECT_BY_TCP,
    };
    let stream = clock.within(patience, TcpStream::connect(address)).await.context(NO_CONNECTION)?;
    let stream = stream.with_context(|| format!("no connection with {address}"))?;
    // Ends with the probe, and the connection with it.
    let mut connection = JoinSet::new();
    let answer = match check.protocol {
        Protocol::Tcp => return Ok("TCP connection established".to_owned()),
        Protocol::Http => clock.within(ANSWER, ask(check, stream, &mut connection)).await,
        Protocol::Https => {
            let name = server_name(check, address)?;
            let secured = async { ask(check, tls.connect(name, stream).await?, &mut connection).await };
            clock.within(ANSWER, secured).await
        }
    };
    let answer = answer.context(NO_ANSWER)??;
    let status = answer.status();
    let told = format!("HTTP Status Code {}, {}", status.as_u16(), status.canonical_reason().unwrap_or("unknown"));
    if !(status.is_success() || status.is_redirection()) {
        bail!("{told}");
    }
    if let Some(text) = &check.search_string {
        let found = clock.within(BODY, is_in_body(text, answer)).await.context(NO_ANSWER)??;
        if !found {
            bail!("{told}; the search string is not in the first {SEARCHED} bytes of the body");
        }
    }
    Ok(told)
}

/// TLS with an address instead of a name sends no SNI.
fn server_name(check: &Check, address: SocketAddr) -> Result<ServerName<'static>> {
    match &check.host {
        Some(host) if check.sends_name => host.clone().try_into().with_context(|| format!("{host} is no name for TLS")),
        Some(_) | None => Ok(ServerName::IpAddress(address.ip().into())),
    }
}

async fn ask<S>(check: &Check, stream: S, connection: &mut JoinSet<hyper::Result<()>>) -> Result<Response<Incoming>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, driver) = http1::handshake(TokioIo::new(stream)).await?;
    connection.spawn(driver);
    let agent = format!("Amazon-Route53-Health-Check-Service (ref {}; report http://amzn.to/1vsZADi)", check.id);
    let request = Request::get(&check.path)
        .header("host", host_header(check))
        .header("user-agent", agent)
        .header("connection", "close")
        .body(Empty::<Bytes>::new())
        .with_context(|| format!("the path {} cannot be asked for", check.path))?;
    Ok(sender.send_request(request).await?)
}

/// The port is named unless it is the protocol's own (Route 53 API Reference, `FullyQualifiedDomainName`).
fn host_header(check: &Check) -> String {
    match (check.protocol, check.port) {
        (Protocol::Http, 80) | (Protocol::Https, 443) => check.endpoint(),
        (Protocol::Http | Protocol::Https | Protocol::Tcp, port) => format!("{}:{port}", check.endpoint()),
    }
}

async fn is_in_body(text: &str, answer: Response<Incoming>) -> Result<bool> {
    let mut body = answer.into_body();
    let mut read = Vec::new();
    while read.len() < SEARCHED {
        let Some(frame) = body.frame().await else {
            break;
        };
        read.extend_from_slice(frame?.data_ref().unwrap_or(&Bytes::new()));
        read.truncate(SEARCHED);
        if String::from_utf8_lossy(&read).contains(text) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::certificates::{Authority, trusting_all};
    use crate::clock::Scale;

    fn clock() -> Clock {
        Clock::start(Scale::new(10.0).unwrap())
    }

    /// A server that answers one request with these bytes and holds the connection.
    async fn server(answer: String, tls: Option<TlsAcceptor>) -> (SocketAddr, JoinSet<String>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            match tls {
                None => serve(stream, &answer).await,
                Some(tls) => serve(tls.accept(stream).await.unwrap(), &answer).await,
            }
        });
        (address, task)
    }

    async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &str) -> String {
        let mut request = vec![0; 4096];
        let read = stream.read(&mut request).await.unwrap();
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        // Until the checker hangs up.
        let _ = stream.read(&mut [0; 1]).await;
        String::from_utf8_lossy(&request[..read]).into_owned()
    }

    fn http(status: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    }

    async fn find(check: &Check, address: SocketAddr) -> Finding {
        probe(check, Some(address), &trusting_all().unwrap(), clock()).await
    }

    async fn find_http(answer: String, search_string: Option<&str>) -> Finding {
        let (address, _task) = server(answer, None).await;
        let search_string = search_string.map(str::to_owned);
        find(&Check { protocol: Protocol::Http, search_string, ..Check::example() }, address).await
    }

    #[tokio::test]
    async fn an_https_check_passes_without_looking_at_the_certificate() {
        let settings = Authority::new().unwrap().server(&["somebody-else.test"]).unwrap();
        let (address, mut task) = server(http("200 OK", ""), Some(TlsAcceptor::from(settings))).await;
        let check = Check { port: 8443, path: "/health".to_owned(), ..Check::example() };
        assert_eq!(find(&check, address).await, Finding::Alive("HTTP Status Code 200, OK".to_owned()));
        let request = task.join_next().await.unwrap().unwrap();
        assert!(request.starts_with("GET /health HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("host: inspection.test:8443\r\n"), "{request}");
        assert!(request.contains("user-agent: Amazon-Route53-Health-Check-Service (ref check;"), "{request}");
    }

    #[test]
    fn tls_names_the_host_only_when_the_check_says_so() {
        let address = SocketAddr::from(([127, 0, 0, 2], 443));
        let name = |sends_name| server_name(&Check { sends_name, ..Check::example() }, address).unwrap();
        assert_eq!(name(true), ServerName::try_from("inspection.test").unwrap());
        assert_eq!(name(false), ServerName::IpAddress(address.ip().into()));
    }

    #[tokio::test]
    async fn a_redirect_is_healthy_and_an_error_is_not() {
        assert!(find_http(http("302 Found", ""), None).await.is_alive());
        assert!(!find_http(http("404 Not Found", ""), None).await.is_alive());
        let error = find_http(http("503 Service Unavailable", ""), None).await;
        assert_eq!(error, Finding::Dead("HTTP Status Code 503, Service Unavailable".to_owned()));
    }

    #[tokio::test]
    async fn a_search_string_counts_in_the_first_5120_bytes_only() {
        let fill = |bytes| "x".repeat(bytes);
        assert!(find_http(http("200 OK", &format!("{}well", fill(5116))), Some("well")).await.is_alive());
        assert!(!find_http(http("200 OK", &format!("{}well", fill(5117))), Some("well")).await.is_alive());
        assert!(!find_http(http("200 OK", "ill"), Some("well")).await.is_alive());
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_within_two_more_seconds_is_a_failure() {
        let stuck = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nnot yet".to_owned();
        assert_eq!(find_http(stuck.clone(), Some("well")).await, Finding::Dead(NO_ANSWER.to_owned()));
        assert!(find_http(stuck, None).await.is_alive());
    }

    #[tokio::test]
    async fn a_host_that_hangs_fails_after_two_modelled_seconds() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let begun = Instant::now();
        assert_eq!(find(&Check::example(), address).await, Finding::Dead(NO_ANSWER.to_owned()));
        assert!(begun.elapsed() >= Duration::from_millis(200));
    }

    #[tokio::test]
    async fn a_tcp_check_needs_a_connection_and_nothing_more() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let check = Check { protocol: Protocol::Tcp, ..Check::example() };
        assert!(find(&check, address).await.is_alive());
        drop(listener);
        assert!(!find(&check, address).await.is_alive());
    }

    #[tokio::test]
    async fn a_host_without_an_address_fails() {
        let finding = probe(&Check::example(), None, &trusting_all().unwrap(), clock()).await;
        assert_eq!(finding, Finding::Dead("DNS resolution failed: no address of inspection.test".to_owned()));
    }
}
