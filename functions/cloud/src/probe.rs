//! The HTTPS request by which a host is judged as CloudFront would judge it.

use std::time::Duration;

use failopen::limits::PROBE;
use failopen::port::{Probe, ProbeOutcome};
use http_body_util::Empty;
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{HeaderName, HeaderValue};
use tokio::time::timeout;

use crate::fault::one_line;
use crate::network::{BODY_LIMIT, Network, connect, exchange};
use crate::tls::why;

/// TLS handshake alone.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// The whole probe, from the name to the last byte read.
const WHOLE: Duration = PROBE.unsigned_abs();

const USER_AGENT: &str = "failopen-probe";

/// Headers that belong to the connection: an origin's custom headers cannot set them here.
const OF_THE_CONNECTION: [&str; 5] = ["connection", "content-length", "host", "transfer-encoding", "user-agent"];

impl Network {
    pub(crate) async fn probe(&self, probe: &Probe) -> ProbeOutcome {
        let failed = |why: String| ProbeOutcome::Failed { why: one_line(&why) };
        match timeout(WHOLE, self.ask(probe)).await {
            Ok(Ok(status)) => ProbeOutcome::Answered { status },
            Ok(Err(why)) => failed(why),
            Err(_elapsed) => failed(format!("{} gave no answer within {} s", probe.connect, WHOLE.as_secs())),
        }
    }

    async fn ask(&self, probe: &Probe) -> Result<u16, String> {
        let request = request(probe)?;
        let host = probe.connect.as_str();
        let addresses = self.addresses(host).await?;
        let stream = connect(host, &addresses, probe.port).await?;
        let stream = match timeout(HANDSHAKE, self.tls.handshake(stream, &probe.server_name)).await {
            Ok(stream) => stream?,
            Err(_elapsed) => return Err(format!("{host} did not finish the TLS handshake within 5 s")),
        };
        // With TLS 1.3 a server refuses a missing client certificate only after the handshake.
        let answered = exchange(stream, request, BODY_LIMIT).await;
        answered.map(|(status, _)| status).map_err(|error| why(&probe.server_name, &error))
    }
}

fn request(probe: &Probe) -> Result<Request<Empty<Bytes>>, String> {
    let mut request = Request::builder()
        .uri(&probe.path)
        .header("host", probe.host.as_str())
        .header("user-agent", USER_AGENT)
        .header("accept", "*/*")
        .header("connection", "close")
        .body(Empty::new())
        .map_err(|error| format!("the path or the host of the probe cannot be sent: {error}"))?;
    if request.uri().path_and_query().is_none() || !probe.path.starts_with('/') {
        return Err("the path of the probe has to start with /".to_owned());
    }
    for (name, value) in &probe.headers {
        if OF_THE_CONNECTION.contains(&name.to_ascii_lowercase().as_str()) {
            continue;
        }
        let (Ok(header), Ok(mut content)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value.expose())) else {
            return Err(format!("the origin's custom header {name} cannot be sent"));
        };
        content.set_sensitive(true);
        request.headers_mut().insert(header, content);
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::Tls;
    use crate::wire::{ClosedPort, Reply, TlsServer};
    use failopen::secret::Secret;

    async fn outcome(server: &TlsServer, name: &str) -> ProbeOutcome {
        let mut network = Network::new(None);
        network.tls = Tls::trusting_only(server.root.clone());
        let probe = Probe {
            connect: "127.0.0.1".into(),
            port: server.address.port(),
            server_name: name.into(),
            ..probe(&[("X-Origin-Verify", "confidential")])
        };
        network.probe(&probe).await
    }

    #[tokio::test]
    async fn a_host_with_a_good_certificate_is_asked_as_cloudfront_would_ask_it() {
        let server = TlsServer::start(TlsServer::certificate(), false, |_, _| Reply::new(503, "busy"));
        assert_eq!(outcome(&server, "www.example.com").await, ProbeOutcome::Answered { status: 503 });
        let request = &server.requests()[0];
        assert_eq!(request.line, "GET /health?deep=1");
        assert_eq!(request.header("host"), Some("www.example.com"));
        assert_eq!(request.header("x-origin-verify"), Some("confidential"));
        assert_eq!(request.header("user-agent"), Some(USER_AGENT));
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_and_is_not_followed() {
        let server = TlsServer::start(TlsServer::certificate(), false, |_, _| {
            Reply::new(302, "").with("location", "https://127.0.0.1:9/")
        });
        assert_eq!(outcome(&server, "www.example.com").await, ProbeOutcome::Answered { status: 302 });
        assert_eq!(server.requests().len(), 1);
    }

    #[tokio::test]
    async fn a_certificate_that_cloudfront_would_refuse_is_told_apart() {
        let expired = |mut certificate: rcgen::CertificateParams| {
            certificate.not_after = rcgen::date_time_ymd(2020, 1, 1);
            certificate
        };
        for (certificate, demands, name, words) in [
            (TlsServer::certificate(), false, "app.example.com", "not valid for the name app.example.com"),
            (expired(TlsServer::certificate()), false, "www.example.com", "has expired"),
            (TlsServer::certificate(), true, "www.example.com", "demands a client certificate"),
        ] {
            let server = TlsServer::start(certificate, demands, |_, _| Reply::new(200, ""));
            match outcome(&server, name).await {
                ProbeOutcome::Failed { why } => assert!(why.contains(words), "{why}"),
                answered => panic!("{words}: {answered:?}"),
            }
            assert!(server.requests().is_empty(), "no header was sent to a host that is not verified");
        }
    }

    #[tokio::test]
    async fn an_unknown_authority_is_not_trusted() {
        let mut impostor = TlsServer::start(TlsServer::certificate(), false, |_, _| Reply::new(200, ""));
        let other = TlsServer::start(TlsServer::certificate(), false, |_, _| Reply::new(200, ""));
        impostor.root = other.root;
        match outcome(&impostor, "www.example.com").await {
            ProbeOutcome::Failed { why } => assert!(why.contains("trusted authority"), "{why}"),
            answered => panic!("{answered:?}"),
        }
    }

    #[tokio::test]
    async fn a_closed_port_is_said_to_be_closed() {
        let closed = ClosedPort::reserved();
        let probe = Probe { connect: "127.0.0.1".into(), port: closed.address.port(), ..probe(&[]) };
        match Network::new(None).probe(&probe).await {
            ProbeOutcome::Failed { why } => assert!(why.contains("does not accept a connection"), "{why}"),
            answered => panic!("{answered:?}"),
        }
    }

    fn probe(headers: &[(&str, &str)]) -> Probe {
        Probe {
            connect: "app.example.com".into(),
            port: 443,
            server_name: "www.example.com".into(),
            host: "www.example.com".into(),
            path: "/health?deep=1".to_owned(),
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), Secret::new((*value).to_owned())))
                .collect(),
        }
    }

    #[test]
    fn the_origin_s_headers_are_sent_except_those_of_the_connection() {
        let request =
            request(&probe(&[("X-Origin-Verify", "confidential"), ("Host", "evil"), ("Connection", "keep-alive")]))
                .expect("can be sent");
        assert_eq!(request.headers()["x-origin-verify"], "confidential");
        assert_eq!(request.headers()["host"], "www.example.com");
        assert_eq!(request.headers()["connection"], "close");
        assert_eq!(request.headers().get_all("host").iter().count(), 1);
        assert_eq!(request.uri(), "/health?deep=1");
    }

    #[test]
    fn a_header_that_cannot_be_sent_is_named_without_its_value() {
        let why = request(&probe(&[("X-Origin-Verify", "confid\nential")])).unwrap_err();
        assert!(why.contains("X-Origin-Verify") && !why.contains("confid"), "{why}");
    }

    #[test]
    fn a_path_is_absolute() {
        assert!(request(&Probe { path: "health".to_owned(), ..probe(&[]) }).is_err());
        assert!(request(&Probe { path: "/a b".to_owned(), ..probe(&[]) }).is_err());
    }
}
