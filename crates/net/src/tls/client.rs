//! The client's side of TLS.

use std::io;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio_rustls::TlsConnector;

use super::material::{Material, Reloading, trusted};
use super::verify::{Trusted, Verifier};
use super::{ClientSettings, TlsError, alpn, both, none_of, parameters};
use crate::Stream;
use crate::dial::Proto;

/// Makes TLS connections, with an own certificate that follows its files.
pub struct ClientTls {
    settings: ClientSettings,
    protocols: Vec<Proto>,
    trusted: Trusted,
    config: Reloading<ClientConfig>,
}

impl ClientTls {
    /// Reads all files once; all that is wrong is found here. `protocols` are offered by ALPN, most wanted first.
    pub fn new(settings: &ClientSettings, protocols: &[Proto]) -> Result<Self, TlsError> {
        // Authorities are read once: the Collector's `reload_interval` does not concern them.
        let trusted = match settings.insecure_skip_verify {
            true => Ok(Trusted::nobody()),
            false => trusted(&settings.common),
        };
        let files = both(trusted, Material::read(&settings.common, ""));
        let ((), (trusted, material)) = both(none_of(settings.common.problems()), files)?;
        let config = build(settings, protocols, &trusted, &material)?;
        let interval = settings.common.reload_interval;
        let interval = (!interval.is_zero()).then_some(interval);
        Ok(Self {
            settings: settings.clone(),
            protocols: protocols.to_vec(),
            trusted,
            config: Reloading::new(config, material, interval),
        })
    }

    /// Shakes hands over `stream` with a server that must be `host`, unless another name is configured.
    pub async fn connect(&self, stream: Stream, host: &str) -> io::Result<Stream> {
        let name = match self.settings.server_name_override.as_str() {
            "" => host.trim_start_matches('[').trim_end_matches(']'),
            name => name,
        };
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| io::Error::other(TlsError::ServerName(name.to_owned())))?;
        let config = self.config.get(
            || Material::read(&self.settings.common, ""),
            |material| build(&self.settings, &self.protocols, &self.trusted, material),
        );
        TlsConnector::from(config).connect(name, stream).await.map(Stream::client_tls)
    }
}

fn build(
    settings: &ClientSettings,
    protocols: &[Proto],
    trusted: &Trusted,
    material: &Material,
) -> Result<ClientConfig, TlsError> {
    let provider = parameters::provider(&settings.common)?;
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(parameters::versions(&settings.common)?)?;
    let builder = match settings.insecure_skip_verify {
        true => builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider))),
        false => {
            let verifier = Verifier::new(trusted, provider)
                .map_err(|error| TlsError::Pem { what: "CA", message: error.to_string() })?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        }
    };
    let mut config = match material.pair()? {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key)?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = alpn(protocols);
    Ok(config)
}

/// `insecure_skip_verify`: any certificate will do, though the server still has to own its key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
