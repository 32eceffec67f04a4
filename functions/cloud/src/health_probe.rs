//! The health path as Route 53's checkers ask it: their time limits, and no verification of certificates.

use std::time::Duration;

use failopen::health_probe::{HealthProbe, HealthProbed, SEARCHED};
use failopen::spec::CheckType;
use http_body_util::Empty;
use hyper::Request;
use hyper::body::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::fault::{chain, one_line};
use crate::handshake::without_verification;
use crate::network::{Network, connect_within, exchange};

/// Connecting, for HTTP and HTTPS (Route 53 Developer Guide, "How Route 53 determines whether a health check is healthy").
const CONNECT: Duration = Duration::from_secs(4);
/// Connecting, for TCP.
const CONNECT_TCP: Duration = Duration::from_secs(10);
/// The status after the connection, and with a search string as long again for the body.
const ANSWER: Duration = Duration::from_secs(2);

const USER_AGENT: &str = "failopen-preflight";

impl Network {
    pub(crate) async fn health_probe(&self, probe: &HealthProbe) -> HealthProbed {
        match self.ask_health(probe).await {
            Ok(probed) => probed,
            Err(why) => HealthProbed::NoAnswer { why: one_line(&why) },
        }
    }

    async fn ask_health(&self, probe: &HealthProbe) -> Result<HealthProbed, String> {
        let host = probe.host.as_str();
        let addresses = self.addresses(host).await?;
        let within = if probe.protocol == CheckType::Tcp { CONNECT_TCP } else { CONNECT };
        let stream = connect_within(host, &addresses, probe.port, within).await?;
        match probe.protocol {
            CheckType::Tcp => Ok(HealthProbed::Connected),
            CheckType::Http => answer(stream, probe).await,
            CheckType::Https => {
                let name = ServerName::try_from(host.to_owned()).map_err(|_| format!("{host} is no server name"))?;
                match timeout(ANSWER, without_verification()?.connect(name, stream)).await {
                    Ok(Ok(stream)) => answer(stream, probe).await,
                    Ok(Err(error)) => Err(format!("the TLS handshake failed: {}", chain(&error))),
                    Err(_elapsed) => Err(format!("no TLS handshake within {} s", ANSWER.as_secs())),
                }
            }
        }
    }
}

async fn answer<S: AsyncRead + AsyncWrite + Unpin>(stream: S, probe: &HealthProbe) -> Result<HealthProbed, String> {
    let request = Request::builder()
        .uri(&probe.path)
        .header("host", probe.host.as_str())
        .header("user-agent", USER_AGENT)
        .header("accept", "*/*")
        .header("connection", "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| format!("the path cannot be asked for: {error}"))?;
    let (within, limit) = if probe.search_string.is_some() { (ANSWER * 2, SEARCHED) } else { (ANSWER, 0) };
    match timeout(within, exchange(stream, request, limit)).await {
        Ok(Ok((status, body))) => {
            let found = probe.search_string.as_deref().map(|wanted| contains(&body, wanted.as_bytes()));
            Ok(HealthProbed::Answered { status, found })
        }
        Ok(Err(error)) => Err(format!("the connection broke: {}", chain(&error))),
        Err(_elapsed) => Err(format!("connected, and no whole answer within {} s", within.as_secs())),
    }
}

/// Whether `wanted` is in the first [`SEARCHED`] bytes.
fn contains(body: &[u8], wanted: &[u8]) -> bool {
    let searched = &body[..body.len().min(SEARCHED)];
    wanted.is_empty() || searched.windows(wanted.len()).any(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::wire::{ClosedPort, Reply, Server, TlsServer};

    async fn probed(address: SocketAddr, protocol: CheckType, search_string: Option<&str>) -> HealthProbed {
        let probe = HealthProbe {
            host: "127.0.0.1".into(),
            port: address.port(),
            protocol,
            path: "/healthz?deep=1".to_owned(),
            search_string: search_string.map(str::to_owned),
        };
        Network::new(None).health_probe(&probe).await
    }

    const HEALTHY: HealthProbed = HealthProbed::Answered { status: 200, found: None };

    #[tokio::test]
    async fn a_healthy_path_is_seen_over_every_protocol_whatever_its_certificate() {
        let plain = Server::start(|_, _| Reply::new(200, "ok"));
        assert_eq!(probed(plain.address, CheckType::Http, None).await, HEALTHY);
        assert_eq!(plain.requests()[0].line, "GET /healthz?deep=1");
        assert_eq!(probed(plain.address, CheckType::Tcp, None).await, HealthProbed::Connected);
        // Nobody trusts this authority, and the certificate is for another name.
        let tls = TlsServer::start(TlsServer::certificate(), false, |_, _| Reply::new(200, "ok"));
        assert_eq!(probed(tls.address, CheckType::Https, None).await, HEALTHY);
    }

    #[tokio::test]
    async fn a_redirect_and_an_error_are_told_by_their_status() {
        let moved = Server::start(|_, _| Reply::new(301, "").with("location", "http://127.0.0.1:9/"));
        assert_eq!(
            probed(moved.address, CheckType::Http, None).await,
            HealthProbed::Answered { status: 301, found: None }
        );
        assert_eq!(moved.requests().len(), 1, "not followed");
        let broken = Server::start(|_, _| Reply::new(503, "busy"));
        assert_eq!(
            probed(broken.address, CheckType::Http, None).await,
            HealthProbed::Answered { status: 503, found: None }
        );
    }

    #[tokio::test]
    async fn the_search_string_counts_in_the_first_5120_bytes_only() {
        for (before, found) in [(0, true), (SEARCHED - 5, true), (SEARCHED - 4, false), (20_000, false)] {
            let server = Server::start(move |_, _| Reply::new(200, format!("{}alive", "x".repeat(before))));
            let seen = probed(server.address, CheckType::Http, Some("alive")).await;
            assert_eq!(seen, HealthProbed::Answered { status: 200, found: Some(found) }, "after {before} bytes");
        }
    }

    #[tokio::test]
    async fn whoever_does_not_answer_in_the_checkers_time_is_no_answer() {
        let slow = Server::start(|_, _| {
            std::thread::sleep(Duration::from_secs(3));
            Reply::new(200, "late")
        });
        let HealthProbed::NoAnswer { why } = probed(slow.address, CheckType::Http, None).await else {
            panic!("it answered in time");
        };
        assert!(why.contains("within 2 s"), "{why}");
        let closed = ClosedPort::reserved();
        let HealthProbed::NoAnswer { why } = probed(closed.address, CheckType::Tcp, None).await else {
            panic!("nothing listens there");
        };
        assert!(why.contains("does not accept a connection"), "{why}");
    }
}
