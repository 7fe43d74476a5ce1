//! Datagrams, taken from the kernel many at a time.
//!
//! UDP has no back-pressure: what is not read in time is dropped by the kernel, once its buffer is full. So a large buffer
//! is asked for, what was granted can be seen, and what was dropped is counted.

#[cfg(target_os = "linux")]
mod many;
// Built for tests everywhere, so that it is tested where tests are run.
#[cfg(any(not(target_os = "linux"), test))]
mod single;
#[cfg(not(target_os = "linux"))]
use single as many;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;

use crate::listen;

/// Room for one datagram: more than any can have, so that none is cut. Not a power of two, which would lay the beginnings
/// of all rooms, the part that is mostly used, onto the same lines of the processor's caches.
const ROOM: usize = (1 << 16) + 1088;

/// How many datagrams one [`Receiver::take`] takes at most.
pub const MOST_AT_ONCE: usize = 64;

/// Why a socket could not be bound; worded as the Collector words it.
#[derive(Debug, thiserror::Error)]
#[error("listen udp {endpoint}: {}", listen::worded(source))]
pub struct BindError {
    endpoint: String,
    source: io::Error,
}

/// A bound socket. Clones share it.
#[derive(Clone, Debug)]
pub struct Bound {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    socket: std::net::UdpSocket,
    /// What the kernel told last of how many datagrams it has dropped since the socket exists. It wraps.
    dropped: AtomicU32,
}

impl Shared {
    /// Notes how many were dropped since the socket exists; how many of them are new. A number from before the last one, such
    /// as comes with what has waited since, tells nothing.
    fn told(&self, now: u32) -> u32 {
        let is_later = |before: u32| now.wrapping_sub(before) <= u32::MAX / 2;
        let noted = self
            .dropped
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |before| is_later(before).then_some(now));
        noted.map_or(0, |before| now.wrapping_sub(before))
    }
}

impl Bound {
    /// Binds `host:port`, or any address with an empty host, with a receive buffer of `buffer` bytes if the system lets it
    /// have one. Resolves names with the system's resolver, so it may block: call it at start.
    ///
    /// # Errors
    /// If nothing could be bound.
    pub fn bind(endpoint: &str, buffer: usize) -> Result<Self, BindError> {
        let failed = |source| BindError { endpoint: endpoint.to_owned(), source };
        let settings = listen::Settings { endpoint: endpoint.to_owned(), ..listen::Settings::default() };
        let mut last = io::Error::new(io::ErrorKind::AddrNotAvailable, "no address");
        for address in listen::addresses(&settings).map_err(failed)? {
            match bind_address(address, buffer) {
                Ok(socket) => {
                    let shared = Shared { socket, dropped: AtomicU32::new(0) };
                    return Ok(Self { shared: Arc::new(shared) });
                }
                Err(error) => last = error,
            }
        }
        Err(failed(last))
    }

    /// The address that clients send to.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.shared.socket.local_addr().ok()
    }

    /// Asks for another receive buffer than the one that it was bound with: a socket may outlive the configuration that it
    /// was bound by. With 0 nothing is asked.
    pub fn ask(&self, buffer: usize) {
        many::prepare(&socket2::SockRef::from(&self.shared.socket), buffer);
    }

    /// Bytes of memory that the kernel keeps for datagrams until they are read, its own overhead included: Linux grants
    /// twice what is asked for, and a datagram of 1 kB takes somewhat more than 2 kB of that.
    #[must_use]
    pub fn granted(&self) -> Option<usize> {
        socket2::SockRef::from(&self.shared.socket).recv_buffer_size().ok()
    }

    /// A receiver in the current tokio runtime. The bound socket stays usable for a next one.
    ///
    /// # Errors
    /// If the system is out of descriptors.
    pub fn receiver(&self) -> io::Result<Receiver> {
        let watched = tokio::net::UdpSocket::from_std(self.shared.socket.try_clone()?)?;
        let shared = Arc::clone(&self.shared);
        Ok(Receiver { watched: Some(watched), spare: None, shared, rooms: vec![0; MOST_AT_ONCE * ROOM] })
    }
}

fn bind_address(address: SocketAddr, buffer: usize) -> io::Result<std::net::UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    many::prepare(&socket, buffer);
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// Takes datagrams from a socket.
#[derive(Debug)]
pub struct Receiver {
    /// While there is one, each datagram that comes wakes the runtime, whoever waits.
    watched: Option<tokio::net::UdpSocket>,
    /// The same while nobody is woken: to watch it again takes no new descriptor, of which there may be none left. See
    /// [`watch`](Self::watch) for when there is neither.
    spare: Option<std::net::UdpSocket>,
    shared: Arc<Shared>,
    /// A room of [`ROOM`] bytes for each. Memory that no datagram has reached is never touched.
    rooms: Vec<u8>,
}

/// What one [`Receiver::take`] took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Datagrams handed over.
    pub datagrams: usize,
    /// Bytes of them.
    pub bytes: usize,
    /// Datagrams that the kernel has dropped since the last time that it told, for want of room.
    pub dropped: u32,
}

impl Receiver {
    /// Bytes of memory that datagrams are taken into.
    #[must_use]
    pub const fn rooms_len(&self) -> usize {
        self.rooms.len()
    }

    /// Waits until there may be something to take. Cancel safe.
    ///
    /// # Errors
    /// If the system has no room to watch it, or the runtime is going away. [`take_now`](Self::take_now) works even so.
    pub async fn readable(&mut self) -> io::Result<()> {
        let watched = match (self.watched.take(), self.spare.take()) {
            (Some(watched), _) => watched,
            (None, Some(spare)) => self.watch(spare)?,
            (None, None) => self.watch(self.shared.socket.try_clone()?)?,
        };
        self.watched.insert(watched).readable().await
    }

    /// Watches a socket. One that can't be watched is closed, and its descriptor asked for again at once: it is there unless
    /// another thread was faster at the system's last one. Without it each further try asks anew, and fails until one is free.
    fn watch(&mut self, socket: std::net::UdpSocket) -> io::Result<tokio::net::UdpSocket> {
        tokio::net::UdpSocket::from_std(socket)
            .inspect_err(|_| self.spare = self.shared.socket.try_clone().ok())
    }

    /// From now until somebody waits for [`readable`](Self::readable) again, datagrams come without waking anybody: for
    /// whoever knows when to look. A wake-up costs more than all that is done with a datagram.
    pub fn unwatch(&mut self) {
        if let Some(watched) = self.watched.take() {
            self.spare = watched.into_std().ok();
        }
    }

    /// Takes what there is, at most [`MOST_AT_ONCE`] datagrams, and hands over each. Does not wait.
    ///
    /// # Errors
    /// What the socket reports; that nothing is there is none.
    pub fn take(&mut self, each: impl FnMut(&[u8])) -> io::Result<Taken> {
        let Self { watched: Some(watched), shared, rooms, .. } = self else { return self.take_now(each) };
        let mut each = Some(each);
        // So that the runtime knows when there is nothing more.
        let taken = watched.try_io(Interest::READABLE, || match each.take() {
            Some(each) => many::take(&shared.socket, rooms, each),
            None => Ok(Counted::default()),
        });
        self.told(taken)
    }

    /// The same without asking the runtime, which may not know yet of what has just come.
    ///
    /// # Errors
    /// As there.
    pub fn take_now(&mut self, each: impl FnMut(&[u8])) -> io::Result<Taken> {
        let taken = many::take(&self.shared.socket, &mut self.rooms, each);
        self.told(taken)
    }

    /// Datagrams that the kernel has dropped since it was told last, without waiting for the next one to tell of them. Looks
    /// through a table of all sockets: for once in a while.
    #[must_use]
    pub fn dropped(&self) -> u32 {
        many::dropped(&self.shared.socket).map_or(0, |now| self.shared.told(now))
    }

    fn told(&self, taken: io::Result<Counted>) -> io::Result<Taken> {
        let Counted { datagrams, bytes, dropped } = match taken {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Counted::default(),
            taken => taken?,
        };
        Ok(Taken { datagrams, bytes, dropped: dropped.map_or(0, |now| self.shared.told(now)) })
    }
}

/// What one call to the kernel gave.
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    datagrams: usize,
    bytes: usize,
    /// How many it has dropped since the socket exists, if it told.
    dropped: Option<u32>,
}

#[cfg(test)]
mod tests;
