//! Whether a server is who it says: as webpki has it, and as Go has it where that matters to people.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{VerifierBuilderError, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme};

/// What webpki says of an authority's certificate that a server shows as its own. When it says so it has found the time right.
const IS_AUTHORITY: &str = "CaUsedAsEndEntity";

/// Who is trusted.
pub(super) struct Trusted {
    pub(super) roots: Arc<RootCertStore>,
    /// Those of them that the configuration names, whole.
    pub(super) named: Arc<[CertificateDer<'static>]>,
}

impl Trusted {
    /// For whoever does not ask.
    pub(super) fn nobody() -> Self {
        Self { roots: Arc::new(RootCertStore::empty()), named: Arc::default() }
    }
}

/// Verifies as webpki does. Besides, a server may show an authority's certificate if the configuration itself names that very
/// one as trusted: `openssl req -x509` makes such ones, and Go takes them. Its extended key usage is not looked at; whoever
/// has its key could issue another one as well.
#[derive(Debug)]
pub(super) struct Verifier {
    webpki: Arc<WebPkiServerVerifier>,
    named: Arc<[CertificateDer<'static>]>,
}

impl Verifier {
    pub(super) fn new(
        trusted: &Trusted,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, VerifierBuilderError> {
        let Trusted { roots, named } = trusted;
        let webpki = WebPkiServerVerifier::builder_with_provider(Arc::clone(roots), provider).build()?;
        Ok(Self { webpki, named: Arc::clone(named) })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified =
            self.webpki.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            Err(Error::InvalidCertificate(CertificateError::Other(OtherError(why))))
                if why.to_string() == IS_AUTHORITY && self.named.iter().any(|named| named == end_entity) =>
            {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}
