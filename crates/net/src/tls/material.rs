//! Certificates, keys and authorities, from files or inline, and when they are read again.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::verify::Trusted;
use super::{Common, TlsError, both};

/// No PEM file of certificates or keys is larger.
const MAX_FILE: u64 = 8 << 20;

/// The bytes that an own certificate is made of; equal bytes need no new configuration.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Material {
    cert: Vec<u8>,
    key: Vec<u8>,
    client_ca: Vec<u8>,
}

/// Certificate chain and key.
pub(super) type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl Material {
    /// Reads what `common` and `client_ca_file` name. Reports all that can't be read.
    pub(super) fn read(common: &Common, client_ca_file: &str) -> Result<Self, TlsError> {
        let pair = both(
            file_or_inline("TLS cert", &common.cert_file, &common.cert_pem),
            file_or_inline("TLS key", &common.key_file, common.key_pem.expose()),
        );
        let client_ca = file_or_inline("client CA CertPool File", client_ca_file, "");
        let ((cert, key), client_ca) = both(pair, client_ca)?;
        Ok(Self { cert, key, client_ca })
    }

    /// The own certificate, if there is one.
    pub(super) fn pair(&self) -> Result<Option<Pair>, TlsError> {
        if self.cert.is_empty() && self.key.is_empty() {
            return Ok(None);
        }
        let chain = certificates("TLS cert", &self.cert)?;
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|error| TlsError::Pem { what: "TLS key", message: error.to_string() })?;
        Ok(Some((chain, key)))
    }

    /// The authorities of clients, if clients are to be verified.
    pub(super) fn client_roots(&self) -> Result<Option<RootCertStore>, TlsError> {
        if self.client_ca.is_empty() {
            return Ok(None);
        }
        let mut roots = RootCertStore::empty();
        for certificate in certificates("client CA", &self.client_ca)? {
            roots.add(certificate)?;
        }
        Ok(Some(roots))
    }
}

/// The authorities that a client trusts.
pub(super) fn trusted(common: &Common) -> Result<Trusted, TlsError> {
    let mut roots = RootCertStore::empty();
    let mut named = Vec::new();
    if common.has_ca() {
        let pem = file_or_inline("CA CertPool File", &common.ca_file, &common.ca_pem)?;
        named = certificates("CA", &pem)?;
        for certificate in &named {
            roots.add(certificate.clone())?;
        }
    }
    if !common.has_ca() || common.include_system_ca_certs_pool {
        let system = rustls_native_certs::load_native_certs();
        let (added, _) = roots.add_parsable_certificates(system.certs);
        if added == 0 && !common.has_ca() {
            let why = system.errors.first().map_or_else(|| "none found".to_owned(), ToString::to_string);
            return Err(TlsError::System(why));
        }
    }
    Ok(Trusted { roots: Arc::new(roots), named: named.into() })
}

/// A value made from [`Material`], made anew when files have changed; a failure keeps the old one.
///
/// Reading happens at a handshake and on its thread: a few kilobytes from the page cache, once an interval.
pub(super) struct Reloading<T> {
    current: RwLock<Arc<T>>,
    /// None when nothing is ever read again.
    interval: Option<Duration>,
    state: Mutex<State>,
}

struct State {
    next: Instant,
    material: Material,
}

impl<T> Reloading<T> {
    pub(super) fn new(value: T, material: Material, interval: Option<Duration>) -> Self {
        let next = Instant::now() + interval.unwrap_or_default();
        Self { current: RwLock::new(Arc::new(value)), interval, state: Mutex::new(State { next, material }) }
    }

    /// The value to use for the next handshake.
    pub(super) fn get(
        &self,
        read: impl FnOnce() -> Result<Material, TlsError>,
        build: impl FnOnce(&Material) -> Result<T, TlsError>,
    ) -> Arc<T> {
        if let Some(interval) = self.interval {
            self.refresh(interval, read, build);
        }
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn refresh(
        &self,
        interval: Duration,
        read: impl FnOnce() -> Result<Material, TlsError>,
        build: impl FnOnce(&Material) -> Result<T, TlsError>,
    ) {
        // Whoever finds it taken uses the value as it is.
        let Ok(mut state) = self.state.try_lock() else { return };
        let now = Instant::now();
        if now < state.next {
            return;
        }
        state.next = now + interval;
        let rebuilt = match read() {
            Ok(material) if material == state.material => return,
            Ok(material) => build(&material).map(|value| (value, material)),
            Err(error) => Err(error),
        };
        match rebuilt {
            Ok((value, material)) => {
                state.material = material;
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
                tracing::info!("TLS certificates reloaded");
            }
            Err(error) => {
                tracing::warn!(%error, "reloading TLS certificates failed, the old ones stay in use")
            }
        }
    }
}

fn file_or_inline(what: &'static str, file: &str, inline: &str) -> Result<Vec<u8>, TlsError> {
    if file.is_empty() {
        return Ok(inline.as_bytes().to_vec());
    }
    read_capped(file).map_err(|source| TlsError::File { what, path: file.to_owned(), source })
}

fn read_capped(path: &str) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(std::io::Error::other("file is too large to be certificates"));
    }
    Ok(bytes)
}

fn certificates(what: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match parsed {
        Ok(certificates) if certificates.is_empty() => {
            Err(TlsError::Pem { what, message: "no certificate found".to_owned() })
        }
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(TlsError::Pem { what, message: error.to_string() }),
    }
}
