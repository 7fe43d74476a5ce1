//! Where a gRPC client connects: the forms that `endpoint` may have.

use std::path::PathBuf;

/// A parsed `endpoint` of a gRPC client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// What to connect to.
    pub target: Target,
    /// `https://` asks for TLS whatever the settings say.
    pub forces_tls: bool,
}

/// What to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A host, by name or address, without brackets, and a port.
    Tcp {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// A unix socket.
    Unix(PathBuf),
}

/// Why an endpoint is none; worded as Go words it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EndpointError {
    /// Nothing given.
    #[error("requires a non-empty \"endpoint\"")]
    Empty,
    /// A host without port.
    #[error("address {0}: missing port in address")]
    MissingPort(String),
    /// IPv6 addresses have to be in brackets.
    #[error("address {0}: too many colons in address")]
    TooManyColons(String),
    /// A port that is no number of 16 bits.
    #[error("invalid port {0:?}")]
    InvalidPort(String),
    /// `unix:` and nothing else.
    #[error("unix socket path cannot be empty")]
    NoPath,
}

impl Endpoint {
    /// Reads `host:port`, `dns:///host:port`, `passthrough:///host:port`, `unix:///path`, `unix:path`,
    /// `http://host:port` and `https://host:port`.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        if text.is_empty() {
            return Err(EndpointError::Empty);
        }
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() {
                return Err(EndpointError::NoPath);
            }
            return Ok(Self { target: Target::Unix(PathBuf::from(path)), forces_tls: false });
        }
        let (address, forces_tls) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
            (Some(address), _) => (address, false),
            (None, Some(address)) => (address, true),
            (None, None) => (without_resolver(text), false),
        };
        let (host, port) = split_host_port(address)?;
        Ok(Self { target: Target::Tcp { host: host.to_owned(), port }, forces_tls })
    }
}

impl Target {
    /// `host:port` as it stands in `:authority` and `Host`; `localhost` for unix sockets, as in gRPC.
    pub fn authority(&self) -> String {
        match self {
            Self::Tcp { host, port } => join_host_port(host, *port),
            Self::Unix(_) => "localhost".to_owned(),
        }
    }

    /// The name that the server's certificate has to carry.
    pub fn host(&self) -> &str {
        match self {
            Self::Tcp { host, .. } => host,
            Self::Unix(_) => "localhost",
        }
    }
}

/// `host:port`, with brackets around an IPv6 address.
pub fn join_host_port(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Splits `host:port`; an IPv6 address is in brackets, which are taken off.
pub fn split_host_port(address: &str) -> Result<(&str, u16), EndpointError> {
    let (host, port) =
        address.rsplit_once(':').ok_or_else(|| EndpointError::MissingPort(address.to_owned()))?;
    let host = match host.strip_prefix('[') {
        Some(inner) => {
            inner.strip_suffix(']').ok_or_else(|| EndpointError::MissingPort(address.to_owned()))?
        }
        None if host.contains(':') => return Err(EndpointError::TooManyColons(address.to_owned())),
        None => host,
    };
    let port = port.parse().map_err(|_| EndpointError::InvalidPort(port.to_owned()))?;
    Ok((host, port))
}

/// `dns://authority/host:port` names a resolver that we do not ask: the system's is the one there is.
fn without_resolver(text: &str) -> &str {
    for scheme in ["dns://", "passthrough://"] {
        if let Some(rest) = text.strip_prefix(scheme) {
            return rest.split_once('/').map_or(rest, |(_, address)| address);
        }
    }
    text.strip_prefix("dns:").unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read() {
        let tcp = |host: &str, port| Target::Tcp { host: host.to_owned(), port };
        let check = |text: &str, target: Target, forces_tls: bool| {
            assert_eq!(Endpoint::parse(text), Ok(Endpoint { target, forces_tls }), "{text}");
        };
        check("gateway:4317", tcp("gateway", 4317), false);
        check("http://gateway:4317", tcp("gateway", 4317), false);
        check("https://gateway:4317", tcp("gateway", 4317), true);
        check("dns:///gateway:4317", tcp("gateway", 4317), false);
        check("dns://1.1.1.1/gateway:4317", tcp("gateway", 4317), false);
        check("[::1]:4317", tcp("::1", 4317), false);
        check("unix:///run/otlp.sock", Target::Unix("/run/otlp.sock".into()), false);
        check("unix:otlp.sock", Target::Unix("otlp.sock".into()), false);
        assert_eq!(tcp("::1", 80).authority(), "[::1]:80");
    }

    #[test]
    fn errors_read_like_gos() {
        let check = |text: &str, message: &str| {
            assert_eq!(Endpoint::parse(text).unwrap_err().to_string(), message);
        };
        check("", "requires a non-empty \"endpoint\"");
        check("unix://", "unix socket path cannot be empty");
        check("foo", "address foo: missing port in address");
        check("foo:abc", "invalid port \"abc\"");
        check("foo:99999", "invalid port \"99999\"");
        check("::1:4317", "address ::1:4317: too many colons in address");
    }
}
