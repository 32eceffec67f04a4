//! TLS handshakes that judge a certificate in every respect at once, instead of ending at the first fault.
//!
//! The certificate is accepted for the length of the handshake, judged afterwards, and nothing is ever sent on such a
//! connection. TLS 1.2 is the newest version spoken here, because it is the newest that CloudFront is documented to speak to
//! origins: its `OriginSslProtocols` has no later one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use failopen::handshake::{HORIZON_DAYS, Look, Seen, Shown, Trust};
use failopen::id::Hostname;
use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{ResolvesClientCert, WebPkiServerVerifier, verify_server_name};
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{
    self, AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    version,
};

use crate::fault::one_line;
use crate::network::{Network, connect};
use crate::tls::{certificate_problem, rustls_error, why};

/// The handshake alone.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Handshakes at the same time: more from one address may look like an attack.
const IN_FLIGHT: usize = 16;
/// Before a handshake that failed without a certificate is tried once more: one lost packet is no finding.
const PAUSE: Duration = Duration::from_secs(1);

impl Network {
    pub(crate) async fn handshakes(&self, looks: &[Look]) -> Vec<Seen> {
        stream::iter(looks).map(|look| self.look_twice(look)).buffered(IN_FLIGHT).collect().await
    }

    async fn look_twice(&self, look: &Look) -> Seen {
        match self.look(look).await {
            Seen::Unreachable { .. } | Seen::Broken { .. } => {
                tokio::time::sleep(PAUSE).await;
                self.look(look).await
            }
            seen @ (Seen::WrongVersion { .. } | Seen::NameUnknown | Seen::Certificate(_)) => seen,
        }
    }

    async fn look(&self, look: &Look) -> Seen {
        let host = look.connect.as_str();
        let connected = match self.addresses(host).await {
            Ok(addresses) => connect(host, &addresses, look.port).await,
            Err(why) => Err(why),
        };
        match connected {
            Ok(stream) => match self.tls.roots() {
                Ok(roots) => shake_hands(stream, look, roots).await,
                Err(why) => Seen::Broken { why },
            },
            Err(why) => Seen::Unreachable { why: one_line(&why) },
        }
    }
}

/// Accepts whatever is shown, and remembers it.
#[derive(Debug)]
struct Witness {
    provider: Arc<CryptoProvider>,
    shown: OnceLock<Vec<CertificateDer<'static>>>,
    asked_for_client_certificate: AtomicBool,
}

async fn shake_hands(stream: TcpStream, look: &Look, roots: Arc<RootCertStore>) -> Seen {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let witness = Arc::new(Witness {
        provider: Arc::clone(&provider),
        shown: OnceLock::new(),
        asked_for_client_certificate: AtomicBool::new(false),
    });
    let Ok(name) = ServerName::try_from(look.name.as_str().to_owned()) else {
        return Seen::Broken { why: format!("{} is not a name that a certificate can have", look.name) };
    };
    let config =
        match ClientConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(&[&version::TLS12]) {
            Ok(config) => config,
            Err(error) => return Seen::Broken { why: format!("TLS cannot be set up: {error}") },
        };
    let verifier: Arc<dyn ServerCertVerifier> = Arc::clone(&witness) as _;
    let mut config = config
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(Arc::clone(&witness) as _);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let outcome = timeout(HANDSHAKE, TlsConnector::from(Arc::new(config)).connect(name, stream)).await;
    let asks = witness.asked_for_client_certificate.load(Ordering::Relaxed);
    // A server that demands a client certificate ends the handshake after it has shown its own.
    if let Some(chain) = witness.shown.get().filter(|_| asks || matches!(outcome, Ok(Ok(_)))) {
        return match judge(chain, look, roots, provider) {
            Ok((trust, names_it, names_origin)) => {
                Seen::Certificate(Shown { trust, names_it, names_origin, asks_for_client_certificate: asks })
            }
            Err(why) => Seen::Broken { why: one_line(&why) },
        };
    }
    match outcome {
        Ok(Ok(_)) => Seen::Broken { why: "no certificate was shown".to_owned() },
        Ok(Err(error)) => {
            let line = one_line(&why(&look.name, &error));
            match rustls_error(&error) {
                // access_denied, before a certificate was shown, is what servers built on rustls say of such a name.
                Some(rustls::Error::AlertReceived(
                    AlertDescription::UnrecognisedName | AlertDescription::AccessDenied,
                )) => Seen::NameUnknown,
                Some(
                    rustls::Error::AlertReceived(
                        AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure,
                    )
                    | rustls::Error::PeerIncompatible(_),
                ) => Seen::WrongVersion { why: line },
                _ => Seen::Broken { why: line },
            }
        }
        Err(_elapsed) => {
            Seen::Broken { why: format!("no answer to the TLS handshake within {} s", HANDSHAKE.as_secs()) }
        }
    }
}

/// The chain's trust now and within the horizon, and whether the certificate has the look's names.
fn judge(
    chain: &[CertificateDer<'static>],
    look: &Look,
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
) -> Result<(Trust, bool, bool), String> {
    let (certificate, intermediates) = chain.split_first().ok_or("no certificate was shown")?;
    let parsed = ParsedCertificate::try_from(certificate).map_err(|error| format!("the certificate: {error}"))?;
    let has_name = |name: &Hostname| {
        let name = ServerName::try_from(name.as_str());
        name.is_ok_and(|name| verify_server_name(&parsed, &name).is_ok())
    };
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider)
        .build()
        .map_err(|error| format!("this machine's roots: {error}"))?;
    let sent = ServerName::try_from(look.name.as_str()).map_err(|_| format!("{} is no server name", look.name))?;
    let at = |time: UnixTime| match verifier.verify_server_cert(certificate, intermediates, &sent, &[], time) {
        // The name is judged by itself; the chain is judged first, so that it is good where only the name is wrong.
        Ok(_)
        | Err(rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => None,
        Err(error) => Some(error),
    };
    let now = UnixTime::now();
    let horizon = UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs() + HORIZON_DAYS.unsigned_abs() * 86_400));
    let trust = match at(now) {
        None => Trust::Trusted { until: at(horizon).as_ref().and_then(expiry) },
        Some(error) => refused(&look.name, &error),
    };
    Ok((trust, has_name(&look.name), look.origin_name.as_ref().is_some_and(has_name)))
}

fn expiry(error: &rustls::Error) -> Option<Timestamp> {
    let rustls::Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. }) = error else {
        return None;
    };
    i64::try_from(not_after.as_secs()).ok().and_then(|seconds| Timestamp::from_second(seconds).ok())
}

fn refused(name: &Hostname, error: &rustls::Error) -> Trust {
    let rustls::Error::InvalidCertificate(problem) = error else {
        return Trust::Untrusted { why: format!("shows a certificate that cannot be verified: {error}") };
    };
    let why = one_line(&certificate_problem(name, problem));
    match problem {
        CertificateError::ExpiredContext { .. } => {
            let since = expiry(error).map_or(String::new(), |at| format!(" since {at}"));
            Trust::Expired { why: format!("shows a certificate (or a part of its chain) that has expired{since}") }
        }
        CertificateError::NotValidYetContext { not_before, .. } => {
            let from =
                i64::try_from(not_before.as_secs()).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
            let from = from.map_or(String::new(), |at| format!(" before {at}"));
            Trust::Expired { why: format!("shows a certificate (or a part of its chain) that is not valid{from}") }
        }
        CertificateError::Expired | CertificateError::NotValidYet => Trust::Expired { why },
        _ => Trust::Untrusted { why },
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain = std::iter::once(end_entity).chain(intermediates);
        self.shown.get_or_init(|| chain.map(|certificate| certificate.clone().into_owned()).collect());
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl ResolvesClientCert for Witness {
    fn resolve(&self, _authorities: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked_for_client_certificate.store(true, Ordering::Relaxed);
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

/// For requests of those who verify no certificate, as Route 53's checkers do not.
pub(crate) fn without_verification() -> Result<TlsConnector, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let witness = Arc::new(Witness {
        provider: Arc::clone(&provider),
        shown: OnceLock::new(),
        asked_for_client_certificate: AtomicBool::new(false),
    });
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS12])
        .map_err(|error| format!("TLS cannot be set up: {error}"))?
        .dangerous()
        .with_custom_certificate_verifier(witness)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

#[cfg(test)]
#[path = "handshake_tests.rs"]
mod tests;
