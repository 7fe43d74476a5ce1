//! Bound sockets and the connections they accept.
//!
//! Binding ([`Bound`]) is apart from accepting ([`Listener`]), so that a taken port fails the start, and so that the
//! engine can keep a socket open while it exchanges what is behind it.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use config::{Checks, Choice, Fields, Section};
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, TcpKeepalive, Type};
use tokio::sync::Semaphore;

use crate::{Peer, Stream};

/// First pause after a failed accept; it doubles up to [`MAX_PAUSE`].
const MIN_PAUSE: Duration = Duration::from_millis(5);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// What a socket is bound to: the keys `endpoint` and `transport` of every server, and our limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `host:port` (an empty host is every interface, port 0 any free port), or a path for unix sockets.
    pub endpoint: String,
    /// The kind of socket.
    pub transport: Transport,
    /// Open connections at once; further ones wait in the kernel's queue. Ours.
    pub max_connections: usize,
    /// Connections waiting to be accepted. Ours.
    pub backlog: u32,
    /// Permissions of a unix socket's file, such as `0o660`; unset leaves them to the umask. Ours.
    pub socket_mode: Option<u32>,
    /// How often an idle TCP connection is probed by the kernel; zero never. Ours; Go uses 15 s.
    pub tcp_keepalive: Duration,
}

impl Settings {
    /// What makes two sockets differ: to find a kept one by.
    pub fn key(&self) -> String {
        format!("{} {}", self.transport, self.endpoint)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            transport: Transport::Tcp,
            max_connections: 10_000,
            backlog: 1024,
            socket_mode: None,
            tcp_keepalive: Duration::from_secs(15),
        }
    }
}

impl Section for Settings {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("endpoint", "host:port to listen on, or a path for unix sockets.", |c| &mut c.endpoint);
        fields.field("transport", "tcp, tcp4, tcp6 or unix.", |c| &mut c.transport);
        fields
            .field("max_connections", "Open connections at once; further ones wait. Ours.", |c| {
                &mut c.max_connections
            })
            .at_least(1);
        fields.field("listen_backlog", "Connections waiting to be accepted. Ours.", |c| &mut c.backlog);
        fields.field("socket_mode", "Permissions of a unix socket's file, such as 0o660. Ours.", |c| {
            &mut c.socket_mode
        });
        fields.field("tcp_keepalive", "How often idle connections are probed; 0 is never. Ours.", |c| {
            &mut c.tcp_keepalive
        });
    }

    fn check(&self, checks: &mut Checks) {
        checks.listens("endpoint", self.transport.to_string(), self.endpoint.as_str());
        // No endpoint at all is any port of every interface, as in Go.
        let is_path = self.transport == Transport::Unix || self.endpoint.is_empty();
        match self.endpoint.rsplit_once(':') {
            _ if is_path => {}
            None => {
                checks.when_built("endpoint", format!("address {}: missing port in address", self.endpoint));
            }
            Some((_, port)) if port.parse::<u16>().is_err() => {
                checks
                    .when_built("endpoint", format!("invalid port {port:?}: a number up to 65535 is needed"));
            }
            Some(_) => {}
        }
    }
}

/// Kinds of sockets, by the names the Collector's `transport` uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// TCP over IPv4 or IPv6.
    #[default]
    Tcp,
    /// TCP over IPv4 only.
    Tcp4,
    /// TCP over IPv6 only.
    Tcp6,
    /// A unix stream socket.
    Unix,
}

impl Choice for Transport {
    const SPELLINGS: &'static [(&'static str, Self)] = &[
        ("tcp", Self::Tcp),
        ("", Self::Tcp),
        ("tcp4", Self::Tcp4),
        ("tcp6", Self::Tcp6),
        ("unix", Self::Unix),
    ];
}

config::setting_by_choice!(Transport);

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.spelling())
    }
}

/// Why a socket could not be bound; worded as the Collector words it.
#[derive(Debug, thiserror::Error)]
#[error("listen {transport} {endpoint}: {}", worded(source))]
pub struct BindError {
    transport: Transport,
    endpoint: String,
    source: io::Error,
}

/// A socket that is bound and listens, though nobody accepts yet. Clones share it.
#[derive(Clone, Debug)]
pub struct Bound {
    socket: Arc<BoundSocket>,
}

#[derive(Debug)]
enum BoundSocket {
    Tcp(std::net::TcpListener),
    Unix { socket: std::os::unix::net::UnixListener, _file: SocketFile },
}

/// Removes the socket's file when the last owner of the socket is gone.
#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Whatever keeps the file is found at the next start, which removes stale ones.
        std::fs::remove_file(&self.0).ok();
    }
}

impl Bound {
    /// Binds as `settings` say. Resolves names with the system's resolver, so it may block: call it at start.
    pub fn bind(settings: &Settings) -> Result<Self, BindError> {
        let socket = match settings.transport {
            Transport::Unix => bind_unix(settings),
            _ => bind_tcp(settings),
        };
        let socket = socket.map_err(|source| BindError {
            transport: settings.transport,
            endpoint: settings.endpoint.clone(),
            source,
        })?;
        Ok(Self { socket: Arc::new(socket) })
    }

    /// Takes over a listening TCP socket, for instance one passed in by a supervisor.
    pub fn from_tcp(socket: std::net::TcpListener) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { socket: Arc::new(BoundSocket::Tcp(socket)) })
    }

    /// The address a client connects to; none for unix sockets.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match &*self.socket {
            BoundSocket::Tcp(socket) => socket.local_addr().ok(),
            BoundSocket::Unix { .. } => None,
        }
    }

    /// Starts accepting, in the current tokio runtime and within the limits of `settings`. The bound socket stays
    /// usable for a next listener, with other limits.
    pub fn listen(&self, settings: &Settings) -> io::Result<Listener> {
        let accept = match &*self.socket {
            BoundSocket::Tcp(socket) => Accept::Tcp(tokio::net::TcpListener::from_std(socket.try_clone()?)?),
            BoundSocket::Unix { socket, .. } => {
                Accept::Unix(tokio::net::UnixListener::from_std(socket.try_clone()?)?)
            }
        };
        let max_connections = settings.max_connections.clamp(1, Semaphore::MAX_PERMITS);
        Ok(Listener {
            accept,
            max_connections,
            places: Arc::new(Semaphore::new(max_connections)),
            keepalive: settings.tcp_keepalive,
            _bound: self.clone(),
        })
    }
}

/// Accepts connections until it is dropped.
#[derive(Debug)]
pub struct Listener {
    accept: Accept,
    max_connections: usize,
    places: Arc<Semaphore>,
    keepalive: Duration,
    _bound: Bound,
}

#[derive(Debug)]
enum Accept {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener),
}

impl Listener {
    /// The next connection. Waits while all places are taken, and over shortages of descriptors or memory.
    ///
    /// Cancel safe: a connection is not lost when the future is dropped.
    pub async fn accept(&self) -> (Stream, Peer) {
        // The semaphore is never closed; if it were, serving uncounted would beat not serving.
        let permit = Arc::clone(&self.places).acquire_owned().await.ok();
        let mut pause = MIN_PAUSE;
        loop {
            let error = match self.accept_one().await {
                Ok(Accepted::Tcp(stream, address)) => {
                    self.configure(&stream);
                    return (Stream::tcp(stream, permit), Peer::Tcp(address));
                }
                Ok(Accepted::Unix(stream)) => return (Stream::unix(stream, permit), Peer::Unix),
                Err(error) => error,
            };
            if is_of_one_connection(&error) {
                continue;
            }
            tracing::warn!(%error, pause_ms = pause.as_millis(), "accepting connections failed, trying again");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }

    /// Connections open now.
    pub fn open_connections(&self) -> usize {
        self.max_connections.saturating_sub(self.places.available_permits())
    }

    async fn accept_one(&self) -> io::Result<Accepted> {
        match &self.accept {
            Accept::Tcp(socket) => socket.accept().await.map(|(stream, peer)| Accepted::Tcp(stream, peer)),
            Accept::Unix(socket) => socket.accept().await.map(|(stream, _)| Accepted::Unix(stream)),
        }
    }

    /// Options that a connection can do without: a failure is the connection's end soon enough.
    fn configure(&self, stream: &tokio::net::TcpStream) {
        stream.set_nodelay(true).ok();
        if !self.keepalive.is_zero() {
            let keepalive = TcpKeepalive::new().with_time(self.keepalive).with_interval(self.keepalive);
            SockRef::from(stream).set_tcp_keepalive(&keepalive).ok();
        }
    }
}

enum Accepted {
    Tcp(tokio::net::TcpStream, SocketAddr),
    Unix(tokio::net::UnixStream),
}

/// Errors that concern the connection that was about to be accepted, not the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// What operators look for after a failed start, in the words they know.
pub(crate) fn worded(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "bind: address already in use".to_owned(),
        io::ErrorKind::AddrNotAvailable => "bind: cannot assign requested address".to_owned(),
        io::ErrorKind::PermissionDenied => "bind: permission denied".to_owned(),
        _ => error.to_string(),
    }
}

fn bind_tcp(settings: &Settings) -> io::Result<BoundSocket> {
    let mut last = io::Error::new(io::ErrorKind::AddrNotAvailable, "no address of the wanted kind");
    for address in addresses(settings)? {
        match bind_address(address, settings) {
            Ok(socket) => return Ok(BoundSocket::Tcp(socket)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// What to try, in order. Like Go: an empty host is every interface, no endpoint at all some port of them, and of a name's addresses IPv4 comes first.
pub(crate) fn addresses(settings: &Settings) -> io::Result<Vec<SocketAddr>> {
    let wanted = |address: &SocketAddr| match settings.transport {
        Transport::Tcp4 => address.is_ipv4(),
        Transport::Tcp6 => address.is_ipv6(),
        Transport::Tcp | Transport::Unix => true,
    };
    let endpoint = if settings.endpoint.is_empty() { ":0" } else { &settings.endpoint };
    let mut addresses: Vec<_> = match endpoint.strip_prefix(':') {
        Some(port) => {
            let port = port.parse().map_err(|_| invalid("invalid port"))?;
            vec![SocketAddr::from(([0u16; 8], port)), SocketAddr::from(([0u8; 4], port))]
        }
        None => endpoint.to_socket_addrs()?.collect(),
    };
    addresses.retain(wanted);
    if !endpoint.starts_with(':') {
        addresses.sort_by_key(SocketAddr::is_ipv6);
    }
    Ok(addresses)
}

fn bind_address(address: SocketAddr, settings: &Settings) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(settings.transport == Transport::Tcp6)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(settings.backlog).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}

fn bind_unix(settings: &Settings) -> io::Result<BoundSocket> {
    let path = Path::new(&settings.endpoint);
    if path.as_os_str().is_empty() {
        return Err(invalid("a unix socket needs a path"));
    }
    remove_stale(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let file = SocketFile(path.to_owned());
    // Before it listens: nobody gets in while the file still has the permissions of the umask.
    if let Some(mode) = settings.socket_mode {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    }
    socket.listen(i32::try_from(settings.backlog).unwrap_or(i32::MAX))?;
    Ok(BoundSocket::Unix { socket: socket.into(), _file: file })
}

/// Removes what a killed process left behind: a socket that nobody accepts on. Anything else at that path stays.
fn remove_stale(path: &Path) -> io::Result<()> {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    if !is_socket {
        return Ok(());
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        _ => Ok(()),
    }
}

fn invalid(message: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

#[cfg(test)]
#[path = "listen_tests.rs"]
mod tests;
