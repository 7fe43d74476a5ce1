//! Outgoing connections: resolve, connect, pass a proxy, shake hands.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

use crate::Stream;
use crate::endpoint::{Target, join_host_port};
use crate::proxy::Proxy;
use crate::tls::ClientTls;

/// Idle TCP connections are probed as often as Go's are.
const TCP_KEEPALIVE: Duration = Duration::from_secs(15);

/// Addresses of one name that are used; further ones are ignored.
const MAX_ADDRESSES: usize = 256;

/// The head of a proxy's answer to CONNECT is no longer.
const MAX_PROXY_HEAD: usize = 16 * 1024;

/// Protocols that a TLS handshake can agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proto {
    /// HTTP/1.1
    Http1,
    /// HTTP/2
    Http2,
}

impl Proto {
    pub(crate) fn alpn(self) -> &'static [u8] {
        match self {
            Self::Http1 => b"http/1.1",
            Self::Http2 => b"h2",
        }
    }
}

/// One place to connect to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// A TCP address.
    Tcp(SocketAddr),
    /// A unix socket's path.
    Unix(PathBuf),
    /// A target behind a proxy, which resolves it: `host:port`.
    Tunnel(String),
}

/// A name without an address: the cause of an [`io::Error`].
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unresolved(String);

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
            Self::Tunnel(target) => f.write_str(target),
        }
    }
}

/// All addresses of `target`, sorted and without repetition. A name is asked of the system's resolver, which works
/// on tokio's blocking threads.
pub async fn resolve(target: &Target) -> io::Result<Vec<Address>> {
    let (host, port) = match target {
        Target::Unix(path) => return Ok(vec![Address::Unix(path.clone())]),
        Target::Tcp { host, port } => (host.as_str(), *port),
    };
    // Go connects to this machine when the host is empty.
    let host = if host.is_empty() { "localhost" } else { host };
    let unresolved = |why: String| io::Error::new(io::ErrorKind::NotFound, Unresolved(why));
    let found = tokio::net::lookup_host((host, port)).await.map_err(|error| unresolved(error.to_string()))?;
    let mut addresses: Vec<_> = found.take(MAX_ADDRESSES).collect();
    // Repeatable, and IPv4 first as in Go's fallback order on machines without IPv6.
    addresses.sort_unstable();
    addresses.dedup();
    if addresses.is_empty() {
        return Err(unresolved(format!("no addresses for {host}")));
    }
    Ok(addresses.into_iter().map(Address::Tcp).collect())
}

/// Connects to `address`, through `proxy` if the address is behind one, and shakes hands as `host` if there is TLS.
pub async fn connect(
    address: &Address,
    host: &str,
    proxy: Option<&Proxy>,
    tls: Option<&ClientTls>,
) -> io::Result<Stream> {
    let stream = match (address, proxy) {
        (Address::Tcp(address), _) => tcp(*address).await?,
        (Address::Unix(path), _) => Stream::unix(UnixStream::connect(path).await?, None),
        (Address::Tunnel(target), Some(proxy)) => tunnel(proxy, target).await?,
        (Address::Tunnel(_), None) => return Err(io::Error::other("no proxy to tunnel through")),
    };
    match tls {
        Some(tls) => tls.connect(stream, host).await,
        None => Ok(stream),
    }
}

/// Connects to `proxy` itself.
pub(crate) async fn connect_proxy(proxy: &Proxy) -> io::Result<Stream> {
    let target = Target::Tcp { host: proxy.host.clone(), port: proxy.port };
    connect_any(&resolve(&target).await?).await
}

/// Connects to the first TCP address that answers.
pub(crate) async fn connect_any(addresses: &[Address]) -> io::Result<Stream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "no addresses");
    for address in addresses {
        let Address::Tcp(address) = address else { continue };
        match tcp(*address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn tcp(address: SocketAddr) -> io::Result<Stream> {
    let stream = TcpStream::connect(address).await?;
    // Options that a connection can do without.
    stream.set_nodelay(true).ok();
    let keepalive = TcpKeepalive::new().with_time(TCP_KEEPALIVE).with_interval(TCP_KEEPALIVE);
    SockRef::from(&stream).set_tcp_keepalive(&keepalive).ok();
    Ok(Stream::tcp(stream, None))
}

/// Asks `proxy` for a tunnel to `target`.
pub(crate) async fn tunnel(proxy: &Proxy, target: &str) -> io::Result<Stream> {
    let mut stream = connect_proxy(proxy).await?;
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
    if let Some(authorization) = &proxy.authorization {
        request.push_str(&format!("Proxy-Authorization: {authorization}\r\n"));
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).await?;

    // Byte by byte: what follows the head belongs to the target already.
    let mut head = Vec::with_capacity(256);
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= MAX_PROXY_HEAD {
            return Err(io::Error::other("proxy's answer to CONNECT is too long"));
        }
        head.push(stream.read_u8().await?);
    }
    let line =
        String::from_utf8_lossy(head.split(|byte| *byte == b'\r').next().unwrap_or_default()).into_owned();
    let status = line.split(' ').nth(1).unwrap_or_default();
    if line.starts_with("HTTP/1.") && status.len() == 3 && status.starts_with('2') {
        return Ok(stream);
    }
    let address = join_host_port(&proxy.host, proxy.port);
    Err(io::Error::other(format!("proxy {address} refused to connect to {target}: {line}")))
}
