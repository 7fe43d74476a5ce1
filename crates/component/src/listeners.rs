//! Sockets that outlive what is behind them.
//!
//! The engine owns every listening socket, so a reload exchanges the receivers without a moment in which a
//! connection is refused: new ones wait in the kernel's backlog.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// A bound socket of any kind that receivers use.
#[derive(Debug)]
pub enum Socket {
    /// A TCP listener.
    Tcp(std::net::TcpListener),
    /// A unix stream listener.
    Unix(std::os::unix::net::UnixListener),
    /// A UDP socket.
    Udp(std::net::UdpSocket),
}

impl Socket {
    fn duplicate(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(socket) => Self::Tcp(socket.try_clone()?),
            Self::Unix(socket) => Self::Unix(socket.try_clone()?),
            Self::Udp(socket) => Self::Udp(socket.try_clone()?),
        })
    }
}

/// The sockets of the process by `transport:endpoint`. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Listeners {
    sockets: Arc<Mutex<BTreeMap<String, (Socket, u64)>>>,
    generation: u64,
}

impl Listeners {
    /// The socket known under `key`, or a new one from `bind`.
    ///
    /// # Errors
    /// As `bind`, or if the process has no file descriptors left.
    pub fn open(&self, key: &str, bind: impl FnOnce() -> io::Result<Socket>) -> io::Result<Socket> {
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((socket, generation)) = sockets.get_mut(key) {
            *generation = self.generation;
            return socket.duplicate();
        }
        let socket = bind()?;
        let duplicate = socket.duplicate()?;
        sockets.insert(key.to_owned(), (socket, self.generation));
        Ok(duplicate)
    }

    /// The same sockets for the next configuration. For the engine.
    #[must_use]
    pub fn next_generation(&self) -> Self {
        Self { sockets: Arc::clone(&self.sockets), generation: self.generation + 1 }
    }

    /// Closes what the present configuration did not open. For the engine, once all receivers are ready.
    pub fn retain_current(&self) {
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        sockets.retain(|_, (_, generation)| *generation == self.generation);
    }
}
