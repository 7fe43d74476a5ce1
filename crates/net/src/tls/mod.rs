//! TLS of servers and clients, on rustls with the aws-lc-rs provider, which is passed in everywhere: nothing needs
//! a process-wide default.
//!
//! The keys are the Collector's (`tls:` of servers and clients). rustls has TLS 1.2 and 1.3 only, and only cipher
//! suites with forward secrecy and authenticated encryption; what it has not is refused when the settings are read.

mod client;
mod config;
mod material;
mod parameters;
mod server;
#[cfg(test)]
pub(crate) mod tests;
mod verify;

use std::time::Duration;

use ::config::Secret;

use crate::dial::Proto;

pub use client::ClientTls;
pub use server::ServerTls;

/// Keys common to both sides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Common {
    /// File of certificate authorities, PEM.
    pub ca_file: String,
    /// The same, inline.
    pub ca_pem: String,
    /// File of the own certificate and its chain, PEM.
    pub cert_file: String,
    /// The same, inline.
    pub cert_pem: String,
    /// File of the private key, PEM.
    pub key_file: String,
    /// The same, inline.
    pub key_pem: Secret,
    /// Trust the system's authorities besides the given ones. Without given ones a client always does.
    pub include_system_ca_certs_pool: bool,
    /// Lowest version: `1.2` (also when empty) or `1.3`. Older ones are 1.2.
    pub min_version: String,
    /// Highest version: `1.2` or `1.3` (also when empty). Older ones are 1.2.
    pub max_version: String,
    /// Allowed TLS 1.2 cipher suites by their IANA names, as Go has them; empty is all. TLS 1.3's are always on. What
    /// only Go has is left out.
    pub cipher_suites: Vec<String>,
    /// Allow weak cipher suites: there are none to allow, so this has no effect.
    pub include_insecure_cipher_suites: bool,
    /// Allowed key exchanges: `P256`, `P384`, `X25519`, `X25519MLKEM768`; empty is all. `P521` is left out.
    pub curve_preferences: Vec<String>,
    /// Read certificate and key again when files are older than this at a handshake; zero is never.
    pub reload_interval: Duration,
}

/// `tls:` of a server. Without the block a server is plaintext.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerSettings {
    /// Keys common to both sides. `ca_file` has no use in a server.
    pub common: Common,
    /// Authorities of clients; when set, every client needs a certificate of theirs.
    pub client_ca_file: String,
    /// Read `client_ca_file` again when it changed, at most once a second, at handshakes.
    pub client_ca_file_reload: bool,
}

/// `tls:` of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientSettings {
    /// Keys common to both sides.
    pub common: Common,
    /// gRPC: plaintext, unless an authority is configured. HTTP goes by the URL's scheme.
    pub insecure: bool,
    /// Take any certificate.
    pub insecure_skip_verify: bool,
    /// The name that is asked for and verified in place of the endpoint's host.
    pub server_name_override: String,
}

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Both `ca_file` and `ca_pem`.
    #[error("provide either a CA file or the PEM-encoded string, but not both")]
    TwoCas,
    /// Both forms of a certificate or a key.
    #[error("provide either a {0} file or the PEM-encoded string, but not both")]
    TwoForms(&'static str),
    /// A certificate without its key, a key without its certificate, or a server with neither.
    #[error("TLS configuration must include both certificate and key (CertFile/CertPem and KeyFile/KeyPem)")]
    HalfPair,
    /// No version of TLS.
    #[error("invalid TLS {key}: unsupported TLS version: {version:?}")]
    UnknownVersion {
        /// `min_version` or `max_version`.
        key: &'static str,
        /// What was given.
        version: String,
    },
    /// Nothing between the two versions.
    #[error("invalid TLS configuration: min_version cannot be greater than max_version")]
    VersionOrder,
    /// A cipher suite that rustls has not.
    #[error("invalid TLS cipher suite: {name:?} is not available, expected one of {available}")]
    CipherSuite {
        /// What was given.
        name: String,
        /// The names that exist.
        available: String,
    },
    /// All that is left is TLS 1.2 without a cipher suite.
    #[error("none of the cipher suites is available in TLS 1.2, and max_version allows nothing later")]
    NoCipherSuite,
    /// A key exchange that the provider has not.
    #[error(
        "invalid TLS curve: {name:?} is not available, expected one of P256, P384, X25519, X25519MLKEM768"
    )]
    Curve {
        /// What was given.
        name: String,
    },
    /// A file that cannot be read.
    #[error("failed to load {what} {path}: {source}")]
    File {
        /// What the file is for.
        what: &'static str,
        /// Its path.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
    /// Something that is not the PEM it should be.
    #[error("failed to parse {what}: {message}")]
    Pem {
        /// What it is for.
        what: &'static str,
        /// What is wrong.
        message: String,
    },
    /// No trust anchors on this system.
    #[error("failed to load the system's CA certificates: {0}")]
    System(String),
    /// rustls does not accept the combination.
    #[error(transparent)]
    Rustls(#[from] rustls::Error),
    /// The endpoint's host is no name that a certificate can carry.
    #[error("{0:?} is not a valid server name")]
    ServerName(String),
    /// More than one of the others, so that nobody has to find them one by one.
    #[error("{}", joined(.0))]
    Several(Vec<TlsError>),
}

impl TlsError {
    /// The problems that this stands for.
    fn into_each(self) -> Vec<Self> {
        match self {
            Self::Several(problems) => problems,
            one => vec![one],
        }
    }
}

fn joined(problems: &[TlsError]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// An error if there are problems: the only one as it is.
fn none_of(mut problems: Vec<TlsError>) -> Result<(), TlsError> {
    match (problems.pop(), problems.is_empty()) {
        (None, _) => Ok(()),
        (Some(only), true) => Err(only),
        (Some(last), false) => {
            problems.push(last);
            Err(TlsError::Several(problems))
        }
    }
}

/// Both values, or the problems of both.
fn both<A, B>(left: Result<A, TlsError>, right: Result<B, TlsError>) -> Result<(A, B), TlsError> {
    match (left, right) {
        (Ok(left), Ok(right)) => Ok((left, right)),
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
        (Err(left), Err(right)) => {
            let mut problems = left.into_each();
            problems.extend(right.into_each());
            Err(TlsError::Several(problems))
        }
    }
}

/// All values, or the problems of all.
fn all<T>(results: impl Iterator<Item = Result<T, TlsError>>) -> Result<Vec<T>, TlsError> {
    let (mut values, mut problems) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(value) => values.push(value),
            Err(error) => problems.extend(error.into_each()),
        }
    }
    none_of(problems).map(|()| values)
}

impl Common {
    /// Checks everything that needs no file. Reports all problems.
    pub fn problems(&self) -> Vec<TlsError> {
        let mut problems = Vec::new();
        if !self.ca_file.is_empty() && !self.ca_pem.is_empty() {
            problems.push(TlsError::TwoCas);
        }
        let errors =
            [self.has_pair().err(), parameters::versions(self).err(), parameters::provider(self).err()];
        problems.extend(errors.into_iter().flatten().flat_map(TlsError::into_each));
        problems
    }

    /// Whether an own certificate is configured; an error if only half of it is.
    fn has_pair(&self) -> Result<bool, TlsError> {
        let given = |file: &str, pem: &str, what| match (file.is_empty(), pem.is_empty()) {
            (false, false) => Err(TlsError::TwoForms(what)),
            (true, true) => Ok(false),
            _ => Ok(true),
        };
        let (cert, key) = both(
            given(&self.cert_file, &self.cert_pem, "certificate"),
            given(&self.key_file, self.key_pem.expose(), "key"),
        )?;
        if cert == key { Ok(cert) } else { Err(TlsError::HalfPair) }
    }

    fn has_ca(&self) -> bool {
        !self.ca_file.is_empty() || !self.ca_pem.is_empty()
    }
}

impl ServerSettings {
    /// Checks everything that needs no file. Reports all problems.
    pub fn problems(&self) -> Vec<TlsError> {
        let mut problems = self.common.problems();
        if matches!(self.common.has_pair(), Ok(false)) {
            problems.push(TlsError::HalfPair);
        }
        problems
    }
}

impl ClientSettings {
    /// Whether a gRPC client with these settings is plaintext: `insecure` counts only without an authority.
    pub fn is_plaintext(&self) -> bool {
        self.insecure && !self.common.has_ca()
    }
}

/// The ALPN names to offer, most wanted first.
fn alpn(protocols: &[Proto]) -> Vec<Vec<u8>> {
    protocols.iter().map(|protocol| protocol.alpn().to_vec()).collect()
}
