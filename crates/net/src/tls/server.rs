//! The server's side of TLS.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use tokio_rustls::TlsAcceptor;

use super::material::{Material, Reloading};
use super::{ServerSettings, TlsError, alpn, both, none_of, parameters};
use crate::Stream;
use crate::dial::Proto;

/// How often a changed `client_ca_file` is looked for.
const CLIENT_CA_INTERVAL: Duration = Duration::from_secs(1);

/// Accepts TLS handshakes, with certificates that follow their files.
pub struct ServerTls {
    settings: ServerSettings,
    protocols: Vec<Proto>,
    handshake_timeout: Duration,
    config: Reloading<ServerConfig>,
}

impl ServerTls {
    /// Reads all files once; whatever is wrong is found here. `protocols` are offered by ALPN, most wanted first.
    pub fn new(
        settings: &ServerSettings,
        protocols: &[Proto],
        handshake_timeout: Duration,
    ) -> Result<Self, TlsError> {
        let material = Material::read(&settings.common, &settings.client_ca_file);
        let ((), material) = both(none_of(settings.problems()), material)?;
        let config = build(settings, protocols, &material)?;
        let reload = settings.common.reload_interval;
        let interval = match (reload.is_zero(), settings.client_ca_file_reload) {
            (false, true) => Some(reload.min(CLIENT_CA_INTERVAL)),
            (false, false) => Some(reload),
            (true, true) => Some(CLIENT_CA_INTERVAL),
            (true, false) => None,
        };
        Ok(Self {
            settings: settings.clone(),
            protocols: protocols.to_vec(),
            handshake_timeout,
            config: Reloading::new(config, material, interval),
        })
    }

    /// Shakes hands over `stream`. Fails when the client does, or takes too long.
    pub async fn accept(&self, stream: Stream) -> io::Result<Stream> {
        let config = self.config.get(
            || Material::read(&self.settings.common, &self.settings.client_ca_file),
            |material| build(&self.settings, &self.protocols, material),
        );
        let handshake = TlsAcceptor::from(config).accept(stream);
        match tokio::time::timeout(self.handshake_timeout, handshake).await {
            Ok(stream) => stream.map(Stream::server_tls),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "TLS handshake took too long")),
        }
    }
}

fn build(
    settings: &ServerSettings,
    protocols: &[Proto],
    material: &Material,
) -> Result<ServerConfig, TlsError> {
    let provider = parameters::provider(&settings.common)?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(parameters::versions(&settings.common)?)?;
    let builder = match material.client_roots()? {
        Some(roots) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|error| TlsError::Pem { what: "client CA", message: error.to_string() })?;
            builder.with_client_cert_verifier(verifier)
        }
        None => builder.with_no_client_auth(),
    };
    let (chain, key) = material.pair()?.ok_or(TlsError::HalfPair)?;
    let mut config = builder.with_single_cert(chain, key)?;
    config.alpn_protocols = alpn(protocols);
    Ok(config)
}
