//! TLS as a strict client speaks it, and what its errors mean in words.

use std::error::Error;
use std::sync::{Arc, OnceLock};

use failopen::id::Hostname;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, AlertDescription, CertificateError, ClientConfig, RootCertStore};

use crate::fault::chain;

/// Handshakes that trust the machine's own root certificates (`SSL_CERT_FILE` is honoured) and TLS 1.2 or newer.
#[derive(Default)]
pub(crate) struct Tls {
    /// Loaded by the first handshake: most invocations make none.
    roots: OnceLock<Result<Arc<RootCertStore>, String>>,
    connector: OnceLock<Result<TlsConnector, String>>,
}

impl Tls {
    #[cfg(test)]
    pub(crate) fn trusting_only(root: CertificateDer<'static>) -> Self {
        Self { roots: OnceLock::from(usable(vec![root])), connector: OnceLock::new() }
    }

    /// The trusted roots.
    pub(crate) fn roots(&self) -> Result<Arc<RootCertStore>, String> {
        // A root that cannot be read is one root fewer; having none is told.
        self.roots.get_or_init(|| usable(rustls_native_certs::load_native_certs().certs)).clone()
    }

    /// One line for people says why a handshake failed.
    pub(crate) async fn handshake(&self, stream: TcpStream, name: &Hostname) -> Result<TlsStream<TcpStream>, String> {
        let connector = self.connector.get_or_init(|| trusting(self.roots()?)).as_ref().map_err(Clone::clone)?;
        let server_name = ServerName::try_from(name.as_str().to_owned())
            .map_err(|_| format!("{name} is not a name that a certificate can have"))?;
        connector.connect(server_name, stream).await.map_err(|error| why(name, &error))
    }
}

fn usable(certificates: Vec<CertificateDer<'static>>) -> Result<Arc<RootCertStore>, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates);
    if roots.is_empty() {
        return Err("this machine has no root certificates, so no certificate can be verified".to_owned());
    }
    Ok(Arc::new(roots))
}

fn trusting(roots: Arc<RootCertStore>) -> Result<TlsConnector, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// What went wrong on a TLS connection with `name`, in the words of whoever has to mend it.
pub(crate) fn why(name: &Hostname, error: &(dyn Error + 'static)) -> String {
    match rustls_error(error) {
        Some(rustls::Error::InvalidCertificate(problem)) => certificate_problem(name, problem),
        Some(rustls::Error::AlertReceived(AlertDescription::CertificateRequired)) => {
            format!("{name} demands a client certificate")
        }
        Some(rustls::Error::AlertReceived(AlertDescription::ProtocolVersion) | rustls::Error::PeerIncompatible(_)) => {
            format!("{name} does not speak TLS 1.2 or newer with a cipher in common")
        }
        Some(rustls::Error::AlertReceived(AlertDescription::UnrecognisedName)) => {
            format!("{name} is a name that the server does not know (no certificate for this SNI)")
        }
        Some(other) => format!("the TLS handshake with {name} failed: {other}"),
        None => format!("the connection with {name} broke: {}", chain(error)),
    }
}

/// What is wrong with the certificate of `name`.
pub(crate) fn certificate_problem(name: &Hostname, problem: &CertificateError) -> String {
    match problem {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("the certificate of {name} has expired")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            format!("the certificate of {name} is not valid yet")
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("the certificate is not valid for the name {name}")
        }
        CertificateError::UnknownIssuer => {
            format!("the certificate of {name} is not signed by a trusted authority, or its chain is incomplete")
        }
        CertificateError::Revoked => format!("the certificate of {name} has been revoked"),
        other => format!("the certificate of {name} is not acceptable: {other}"),
    }
}

/// The TLS error inside an I/O or HTTP error.
pub(crate) fn rustls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        // An I/O error hides its cause from `source`, which goes straight to the cause's own.
        next = match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(error: rustls::Error) -> String {
        why(&"www.example.com".into(), &std::io::Error::other(error))
    }

    #[test]
    fn certificate_problems_are_told_apart() {
        let told = |problem| told(rustls::Error::InvalidCertificate(problem));
        assert_eq!(told(CertificateError::Expired), "the certificate of www.example.com has expired");
        assert_eq!(
            told(CertificateError::NotValidForName),
            "the certificate is not valid for the name www.example.com"
        );
        assert!(told(CertificateError::UnknownIssuer).contains("trusted authority"));
    }

    #[test]
    fn a_demand_for_a_client_certificate_is_named() {
        let alert = rustls::Error::AlertReceived(AlertDescription::CertificateRequired);
        assert_eq!(told(alert), "www.example.com demands a client certificate");
    }

    #[test]
    fn a_broken_connection_says_what_broke() {
        let error = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        assert!(why(&"www.example.com".into(), &error).contains("reset"));
    }
}
