//! HTTP proxies: which one, if any, stands between a client and its target.
//!
//! The rules are those of Go's `http.ProxyFromEnvironment`. The environment's values are passed in.

use std::net::IpAddr;

use base64::Engine as _;

/// The environment's values, read by whoever may read it: upper-case names win over lower-case ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// `HTTP_PROXY`: for `http://` targets.
    pub http_proxy: String,
    /// `HTTPS_PROXY`: for `https://` targets, and for every gRPC target.
    pub https_proxy: String,
    /// `NO_PROXY`: hosts, domains, addresses and networks without proxy, separated by commas; `*` is all.
    pub no_proxy: String,
}

impl Environment {
    /// The values of the usual variables; upper-case names win.
    pub fn from_variables<'a>(lookup: impl Fn(&str) -> Option<&'a str>) -> Self {
        let either = |name: &str| {
            let value = lookup(name).or_else(|| lookup(&name.to_ascii_lowercase()));
            value.unwrap_or_default().to_owned()
        };
        Self {
            http_proxy: either("HTTP_PROXY"),
            https_proxy: either("HTTPS_PROXY"),
            no_proxy: either("NO_PROXY"),
        }
    }
}

/// A proxy.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Value of `Proxy-Authorization`, when its URL carries a user.
    pub authorization: Option<String>,
}

impl std::fmt::Debug for Proxy {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proxy").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

/// A proxy URL that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("invalid proxy {url:?}: {why}")]
pub struct ProxyError {
    /// The URL, without user and password.
    url: String,
    why: &'static str,
}

/// The proxies in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    /// From `proxy_url`: for everything, without exceptions.
    always: Option<Proxy>,
    http: Option<Proxy>,
    https: Option<Proxy>,
    exceptions: Vec<Exception>,
}

impl Proxies {
    /// `proxy_url`, when not empty, is used for every target; otherwise the environment decides.
    pub fn new(proxy_url: &str, environment: &Environment) -> Result<Self, ProxyError> {
        Ok(Self {
            always: parse_proxy(proxy_url)?,
            http: parse_proxy(&environment.http_proxy)?,
            https: parse_proxy(&environment.https_proxy)?,
            exceptions: environment.no_proxy.split(',').filter_map(Exception::parse).collect(),
        })
    }

    /// The proxy for a target, if any. Loopback is reached directly, unless `proxy_url` says otherwise.
    pub fn for_target(&self, is_https: bool, host: &str, port: u16) -> Option<&Proxy> {
        if self.always.is_some() {
            return self.always.as_ref();
        }
        let proxy = if is_https { self.https.as_ref() } else { self.http.as_ref() }?;
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let address: Option<IpAddr> = host.parse().ok();
        let is_local = host == "localhost" || address.is_some_and(|address| address.is_loopback());
        let is_excepted = || self.exceptions.iter().any(|exception| exception.matches(&host, address, port));
        (!is_local && !is_excepted()).then_some(proxy)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Exception {
    All,
    Network { address: IpAddr, bits: u32 },
    Address { address: IpAddr, port: Option<u16> },
    Domain { name: String, includes_itself: bool, port: Option<u16> },
}

impl Exception {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        if text.is_empty() {
            return None;
        }
        if text == "*" {
            return Some(Self::All);
        }
        if let Some((address, bits)) = text.split_once('/') {
            let (address, bits) = (address.parse().ok()?, bits.parse().ok()?);
            return Some(Self::Network { address, bits });
        }
        if let Ok(address) = text.trim_start_matches('[').trim_end_matches(']').parse() {
            return Some(Self::Address { address, port: None });
        }
        let (host, port) = match crate::endpoint::split_host_port(&text) {
            Ok((host, port)) => (host.to_owned(), Some(port)),
            Err(_) => (text, None),
        };
        if let Ok(address) = host.parse() {
            return Some(Self::Address { address, port });
        }
        // `*.name` and `.name` are the names below it, `name` is those and itself.
        let below = host.strip_prefix("*.").or_else(|| host.strip_prefix('.'));
        let name = below.unwrap_or(&host).to_owned();
        Some(Self::Domain { name, includes_itself: below.is_none(), port })
    }

    fn matches(&self, host: &str, address: Option<IpAddr>, port: u16) -> bool {
        let same_port = |wanted: &Option<u16>| wanted.is_none_or(|wanted| wanted == port);
        match self {
            Self::All => true,
            Self::Network { address: network, bits } => {
                address.is_some_and(|address| is_within(address, *network, *bits))
            }
            Self::Address { address: wanted, port } => address == Some(*wanted) && same_port(port),
            Self::Domain { name, includes_itself, port } => {
                let below = host.strip_suffix(name.as_str()).is_some_and(|rest| rest.ends_with('.'));
                (below || (*includes_itself && host == name)) && same_port(port)
            }
        }
    }
}

fn is_within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let mask = u32::MAX.checked_shl(32u32.saturating_sub(bits)).unwrap_or(0);
            bits <= 32 && address.to_bits() & mask == network.to_bits() & mask
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let mask = u128::MAX.checked_shl(128u32.saturating_sub(bits)).unwrap_or(0);
            bits <= 128 && address.to_bits() & mask == network.to_bits() & mask
        }
        _ => false,
    }
}

fn parse_proxy(url: &str) -> Result<Option<Proxy>, ProxyError> {
    if url.is_empty() {
        return Ok(None);
    }
    let rest = match url.split_once("://") {
        Some(("http", rest)) => rest,
        // Go reads a bare `host:port` as a proxy over http.
        None => url,
        Some(_) => return Err(error(url, "only http:// proxies are supported")),
    };
    let rest = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (user, address) = match rest.rsplit_once('@') {
        Some((user, address)) => (Some(user), address),
        None => (None, rest),
    };
    let (host, port) = match crate::endpoint::split_host_port(address) {
        Ok(split) => split,
        Err(crate::endpoint::EndpointError::MissingPort(_)) => {
            (address.trim_start_matches('[').trim_end_matches(']'), 80)
        }
        Err(_) => return Err(error(url, "no host and port")),
    };
    if host.is_empty() {
        return Err(error(url, "no host"));
    }
    let authorization = user.map(|user| {
        let user =
            if user.contains(':') { percent_decoded(user) } else { percent_decoded(&format!("{user}:")) };
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(user))
    });
    Ok(Some(Proxy { host: host.to_owned(), port, authorization }))
}

fn error(url: &str, why: &'static str) -> ProxyError {
    let shown = url.rsplit_once('@').map_or(url, |(_, address)| address);
    ProxyError { url: shown.to_owned(), why }
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        let pair = (ahead.next().and_then(hex), ahead.next().and_then(hex));
        match pair {
            (Some(high), Some(low)) if byte == b'%' => {
                out.push(high << 4 | low);
                bytes = ahead;
            }
            _ => out.push(byte),
        }
    }
    out
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_follow_gos_rules() {
        let environment = Environment {
            https_proxy: "http://proxy:3128".to_owned(),
            no_proxy: "example.com, .below.org,10.0.0.0/8,[fd00::1],host:4317,1.2.3.4:80".to_owned(),
            ..Environment::default()
        };
        let proxies = Proxies::new("", &environment).unwrap();
        let check = |host: &str, port, proxied| {
            assert_eq!(proxies.for_target(true, host, port).is_some(), proxied, "{host}:{port}");
        };
        check("other.net", 443, true);
        check("example.com", 443, false);
        check("a.example.com", 443, false);
        check("notexample.com", 443, true);
        check("below.org", 443, true);
        check("x.below.org", 443, false);
        check("10.20.30.40", 443, false);
        check("11.0.0.1", 443, true);
        check("fd00::1", 443, false);
        check("host", 4317, false);
        check("host", 4318, true);
        check("1.2.3.4", 80, false);
        check("localhost", 443, false);
        check("127.0.0.1", 443, false);
        assert!(proxies.for_target(false, "other.net", 80).is_none());
    }

    #[test]
    fn a_proxy_url_rules_out_exceptions_and_carries_a_user() {
        let environment = Environment { no_proxy: "*".to_owned(), ..Environment::default() };
        let proxies = Proxies::new("http://me:p%40ss@proxy:8080/", &environment).unwrap();
        let proxy = proxies.for_target(false, "localhost", 80).unwrap();
        assert_eq!((proxy.host.as_str(), proxy.port), ("proxy", 8080));
        assert_eq!(proxy.authorization.as_deref(), Some("Basic bWU6cEBzcw=="));
        let error = Proxies::new("socks5://me:secret@proxy", &environment).unwrap_err();
        assert!(!error.to_string().contains("secret"));
    }
}
