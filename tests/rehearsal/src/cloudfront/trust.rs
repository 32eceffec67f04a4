//! Which certificates of origins an edge accepts.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore, SignatureScheme};

/// The roots that origins' certificates have to come from; CloudFront's are Mozilla's, the lab's is its own.
pub(crate) struct Trust {
    provider: Arc<CryptoProvider>,
    verifier: Arc<WebPkiServerVerifier>,
}

impl Trust {
    /// Reads the roots from a PEM file.
    pub(crate) fn reading(roots: &Path) -> Result<Self> {
        let unreadable = || format!("{} holds no root certificates", roots.display());
        let mut store = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(roots).with_context(unreadable)? {
            store.add(certificate.with_context(unreadable)?).with_context(unreadable)?;
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider.clone())
            .build()
            .with_context(unreadable)?;
        Ok(Self { provider, verifier })
    }

    /// A client for one connection with an origin. No session is ever resumed, so that each connection sees the certificate
    /// that the origin has now.
    pub(crate) fn connector(&self, domain: &str) -> Result<TlsConnector> {
        let domain = ServerName::try_from(domain.to_owned()).with_context(|| format!("{domain} is no name"))?;
        let config = ClientConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(EitherName { verifier: self.verifier.clone(), domain }))
            .with_no_client_auth();
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

/// The certificate must hold the origin's domain name or the forwarded Host, and be good in every other way (CloudFront
/// Developer Guide, using-https-cloudfront-to-custom-origin and http-502-bad-gateway). Assumed, where another page
/// (DownloadDistValuesOrigin) says that a forwarded Host must match: the weaker rule of the two.
#[derive(Debug)]
struct EitherName {
    verifier: Arc<WebPkiServerVerifier>,
    domain: ServerName<'static>,
}

impl ServerCertVerifier for EitherName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let verify = |name| self.verifier.verify_server_cert(end_entity, intermediates, name, ocsp_response, now);
        verify(server_name).or_else(|_other_name| verify(&self.domain))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
