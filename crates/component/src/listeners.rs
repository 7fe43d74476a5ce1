//! Sockets that outlive what is behind them.
//!
//! The engine owns every listening socket, so a reload exchanges the receivers without a moment in which a
//! connection is refused: new ones wait in the kernel's backlog.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The sockets of the process by what they are bound to. Cheap to clone.
#[derive(Clone, Default)]
pub struct Listeners {
    sockets: Arc<Mutex<BTreeMap<String, Kept>>>,
    generation: u64,
}

struct Kept {
    socket: Box<dyn Any + Send>,
    generation: u64,
}

impl Listeners {
    /// The socket known under `key`, or a new one from `bind`.
    ///
    /// `key` names everything that makes two sockets differ, such as `tcp localhost:4317`. Clones of a `T` must
    /// share the socket.
    ///
    /// # Errors
    /// As `bind`.
    pub fn open<T: Clone + Send + 'static, E>(
        &self,
        key: &str,
        bind: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        // Opened twice by one configuration is a conflict, which binding again will report.
        if let Some(kept) = sockets.get_mut(key).filter(|kept| kept.generation != self.generation)
            && let Some(socket) = kept.socket.downcast_ref::<T>()
        {
            kept.generation = self.generation;
            return Ok(socket.clone());
        }
        let socket = bind()?;
        let kept = Kept { socket: Box::new(socket.clone()), generation: self.generation };
        sockets.insert(key.to_owned(), kept);
        Ok(socket)
    }

    /// The same sockets for the next configuration. For the engine.
    #[must_use]
    pub fn next_generation(&self) -> Self {
        Self { sockets: Arc::clone(&self.sockets), generation: self.generation + 1 }
    }

    /// Closes what the present configuration did not open. For the engine, once all receivers are ready.
    pub fn retain_current(&self) {
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        sockets.retain(|_, kept| kept.generation == self.generation);
    }
}
