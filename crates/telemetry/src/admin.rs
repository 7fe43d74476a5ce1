//! A small HTTP/1.1 listener on a thread of its own, for metrics, health and what else an operator asks.
//!
//! It serves `GET` and `HEAD` of registered pages, and `POST` of registered actions, one request to a connection.
//! Nothing of a request but its first line is looked at, save that an action is refused to web pages, which browsers
//! name in `Origin`. Everything about a client is bounded: its head in bytes, its stay in time, and the
//! connections in number, the oldest giving way to the newest, so that slow clients cannot lock others out.

mod http;
mod serve;

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::{fmt, io, thread};

use thiserror::Error;
use tokio::sync::oneshot;

/// How many clients are served at once; one more ends the oldest.
pub const MAX_CONNECTIONS: usize = 64;

/// A listener with its routes. Dropping it stops accepting, gives responses under way half a second, and waits for
/// the thread to end.
pub struct Admin {
    local_addr: SocketAddr,
    routes: Routes,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// What a route answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The HTTP status, such as 200, or 503 for a health check that fails.
    pub status: u16,
    /// The value of `Content-Type`.
    pub content_type: &'static str,
    /// The content.
    pub body: Vec<u8>,
}

impl Page {
    /// A page with status 200.
    #[must_use]
    pub fn ok(content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, content_type, body: body.into() }
    }
}

/// Why an [`Admin`] could not start, in the reference's words.
#[derive(Debug, Error)]
pub enum BindError {
    /// The address does not resolve.
    #[error(
        "failed to create meter provider: binding address {address} for Prometheus exporter: listen tcp: lookup {address}: {}",
        reason(source)
    )]
    Lookup {
        /// The address as configured.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// The address cannot be listened on.
    #[error(
        "failed to create meter provider: binding address {address} for Prometheus exporter: listen tcp {resolved}: bind: {}",
        reason(source)
    )]
    Bind {
        /// The address as configured.
        address: String,
        /// What it resolves to.
        resolved: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The thread could not be started.
    #[error("failed to create meter provider: starting the admin thread: {}", reason(.0))]
    Thread(io::Error),
}

/// What an action answers when it is done.
pub type Answer = Pin<Box<dyn Future<Output = Page> + Send>>;

#[derive(Clone)]
enum Handler {
    Page(Arc<dyn Fn() -> Page + Send + Sync>),
    Action(Arc<dyn Fn() -> Answer + Send + Sync>),
}

type Routes = Arc<RwLock<BTreeMap<&'static str, Handler>>>;

impl Admin {
    /// Listens on `address` (`host:port`, port 0 for any) and serves at once; until it has routes, with 404. Of a
    /// host's addresses the first of IPv4 is taken, or else the first.
    ///
    /// # Errors
    ///
    /// The address does not resolve, is taken or forbidden, or the system has no more threads.
    pub fn bind(address: &str) -> Result<Self, BindError> {
        let resolved =
            resolve(address).map_err(|source| BindError::Lookup { address: address.to_owned(), source })?;
        let bind = |source| BindError::Bind { address: address.to_owned(), resolved, source };
        let listener = TcpListener::bind(resolved).map_err(bind)?;
        listener.set_nonblocking(true).map_err(bind)?;
        let local_addr = listener.local_addr().map_err(bind)?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(BindError::Thread)?;
        let routes = Routes::default();
        let (stop, stopped) = oneshot::channel();
        let served = routes.clone();
        let serve = move || {
            if let Err(error) = runtime.block_on(serve::serve(listener, served, stopped)) {
                tracing::error!(%error, "admin listener failed");
            }
            // A route's blocking work, had it any, must not hold up the end of the process.
            runtime.shutdown_background();
        };
        let thread =
            thread::Builder::new().name("admin".to_owned()).spawn(serve).map_err(BindError::Thread)?;
        Ok(Self { local_addr, routes, stop: Some(stop), thread: Some(thread) })
    }

    /// The address listened on, with the port that was chosen for port 0.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Serves `path` (with its leading `/`, without a query) by `page`, instead of what served it before. `page` runs
    /// on the admin thread, so it should be quick.
    pub fn route(&self, path: &'static str, page: impl Fn() -> Page + Send + Sync + 'static) {
        self.set(path, Handler::Page(Arc::new(page)));
    }

    /// Does `action` for each `POST` of `path`. It may take a while: others are served meanwhile.
    pub fn action(&self, path: &'static str, action: impl Fn() -> Answer + Send + Sync + 'static) {
        self.set(path, Handler::Action(Arc::new(action)));
    }

    fn set(&self, path: &'static str, handler: Handler) {
        self.routes.write().unwrap_or_else(PoisonError::into_inner).insert(path, handler);
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        drop(self.stop.take());
        // An error is a panic of the thread, which has been reported where it happened.
        self.thread.take().map(thread::JoinHandle::join);
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("local_addr", &self.local_addr).finish_non_exhaustive()
    }
}

/// One address, as `localhost` must not end up on `::1` because somebody else has `127.0.0.1`.
fn resolve(address: &str) -> io::Result<SocketAddr> {
    let addresses: Vec<SocketAddr> = address.to_socket_addrs()?.collect();
    let first = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first());
    first.copied().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such host"))
}

/// The system's reason in the reference's words.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "address already in use".to_owned(),
        io::ErrorKind::AddrNotAvailable => "cannot assign requested address".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
