//! An HTTP server on a loopback socket, for tests that prove what really goes over the wire.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_cloudfront::config::Credentials;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio::net::TcpSocket;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ResolvesServerCertUsingSni, WebPkiClientVerifier};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{
    self, RootCertStore, ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion,
};

/// One request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// Method and target.
    pub(crate) line: String,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }
}

/// One answer to send.
#[derive(Clone)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// An error as the REST-XML services send it.
    pub(crate) fn xml_error(status: u16, code: &str) -> Self {
        let body = format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>"
        );
        Self::new(status, body).with("content-type", "text/xml")
    }
}

/// A port that accepts no connection, and that no other test is given as long as this is kept.
pub(crate) struct ClosedPort {
    pub(crate) address: SocketAddr,
    _bound: TcpSocket,
}

impl ClosedPort {
    pub(crate) fn reserved() -> Self {
        let bound = TcpSocket::new_v4().expect("a socket");
        bound.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        Self { address: bound.local_addr().expect("it is bound"), _bound: bound }
    }
}

/// A server that answers each request with what the script says and remembers all of them.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Server {
    /// The script gets the request and how many came before it.
    pub(crate) fn start(script: impl Fn(&Received, usize) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let received = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&received);
        // Ends with the test process; one connection at a time is enough for one client.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _closed_by_the_client = serve(stream, &script, &log);
            }
        });
        Self { address, received }
    }

    pub(crate) fn requests(&self) -> Vec<Received> {
        self.received.lock().expect("not poisoned").clone()
    }

    /// Settings that lead every client here.
    pub(crate) async fn sdk(&self) -> SdkConfig {
        aws_config::defaults(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
            .endpoint_url(format!("http://{}", self.address))
            .retry_config(RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(1)))
            .timeout_config(crate::connect::timeouts(Duration::from_secs(20)))
            .load()
            .await
    }
}

/// As [`Server`], behind TLS with a certificate of its own authority.
pub(crate) struct TlsServer {
    pub(crate) address: SocketAddr,
    /// The authority.
    pub(crate) root: CertificateDer<'static>,
    received: Arc<Mutex<Vec<Received>>>,
}

impl TlsServer {
    /// A certificate for `www.example.com`.
    pub(crate) fn certificate() -> CertificateParams {
        CertificateParams::new(["www.example.com".to_owned()]).expect("a valid name")
    }

    pub(crate) fn start(
        certificate: CertificateParams,
        demands_a_client_certificate: bool,
        script: impl Fn(&Received, usize) -> Reply + Send + 'static,
    ) -> Self {
        let pair = Pair::signed(certificate);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("TLS versions");
        let builder = match demands_a_client_certificate {
            true => {
                let mut roots = RootCertStore::empty();
                roots.add(pair.root.clone()).expect("a root");
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
                builder.with_client_cert_verifier(verifier.expect("a verifier"))
            }
            false => builder.with_no_client_auth(),
        };
        let config = builder.with_single_cert(vec![pair.certificate], pair.key).expect("a pair");
        Self::serving(config, pair.root, script)
    }

    /// A server that speaks these versions of TLS alone.
    pub(crate) fn speaking(certificate: CertificateParams, versions: &[&'static SupportedProtocolVersion]) -> Self {
        let pair = Pair::signed(certificate);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions).expect("versions");
        let config = builder.with_no_client_auth().with_single_cert(vec![pair.certificate], pair.key);
        Self::serving(config.expect("a pair"), pair.root, |_, _| Reply::new(200, ""))
    }

    /// A server that has no certificate for any name but the certificate's.
    pub(crate) fn knowing_only_its_name(certificate: CertificateParams) -> Self {
        let pair = Pair::signed(certificate);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = provider.key_provider.load_private_key(pair.key).expect("a key");
        let mut resolver = ResolvesServerCertUsingSni::new();
        resolver.add("www.example.com", CertifiedKey::new(vec![pair.certificate], key)).expect("the name is in it");
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = builder.expect("TLS versions").with_no_client_auth().with_cert_resolver(Arc::new(resolver));
        Self::serving(config, pair.root, |_, _| Reply::new(200, ""))
    }

    fn serving(
        config: ServerConfig,
        root: CertificateDer<'static>,
        script: impl Fn(&Received, usize) -> Reply + Send + 'static,
    ) -> Self {
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let received = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&received);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let connection = ServerConnection::new(Arc::clone(&config)).expect("a connection");
                let _closed_by_the_client = serve(StreamOwned::new(connection, stream), &script, &log);
            }
        });
        Self { address, root, received }
    }

    pub(crate) fn requests(&self) -> Vec<Received> {
        self.received.lock().expect("not poisoned").clone()
    }
}

/// A certificate and its key, signed by an authority of its own.
struct Pair {
    root: CertificateDer<'static>,
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl Pair {
    fn signed(certificate: CertificateParams) -> Self {
        let key = || KeyPair::generate().expect("a key");
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // The name tells authorities apart: a verifier looks for the issuer by it.
        authority.distinguished_name.push(DnType::CommonName, format!("authority {}", fastrand::u64(..)));
        let authority = CertifiedIssuer::self_signed(authority, key()).expect("an authority");
        let server_key = key();
        let signed = certificate.signed_by(&server_key, &authority).expect("a certificate");
        Self {
            root: authority.der().clone(),
            certificate: signed.der().clone(),
            key: PrivateKeyDer::try_from(server_key.serialize_der()).expect("a key"),
        }
    }
}

/// Reads one request from a stream, answers it and closes.
fn serve<S: Read + Write>(
    mut stream: S,
    script: &impl Fn(&Received, usize) -> Reply,
    log: &Mutex<Vec<Received>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(&mut stream);
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(());
    }
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok());
    let mut body = vec![0; length.unwrap_or_default()];
    reader.read_exact(&mut body)?;
    let request = Received { line: line.trim_end().trim_end_matches(" HTTP/1.1").to_owned(), headers, body };
    let before = log.lock().map(|log| log.len()).unwrap_or_default();
    let reply = script(&request, before);
    if let Ok(mut log) = log.lock() {
        log.push(request);
    }
    write!(stream, "HTTP/1.1 {} Scripted\r\ncontent-length: {}\r\n", reply.status, reply.body.len())?;
    for (name, value) in &reply.headers {
        write!(stream, "{name}: {value}\r\n")?;
    }
    write!(stream, "connection: close\r\n\r\n")?;
    stream.write_all(&reply.body)?;
    stream.flush()
}
