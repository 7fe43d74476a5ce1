//! Memory is asked for before a body is read, and given back when its message is dropped.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// Where a server asks for memory: a budget of the process, usually.
pub trait Reserve: Send + Sync {
    /// Takes `bytes` out of the budget, or says why not. Must not block.
    fn take(&self, bytes: usize) -> Result<(), Refusal>;

    /// Gives `bytes` back; called once for everything taken.
    fn release(&self, bytes: usize);

    /// Takes `bytes` for the buffers of a connection, or says that it has to wait. Must not block. By default they
    /// are not counted.
    fn take_buffer(&self, bytes: usize) -> Result<(), Refusal> {
        let _ = bytes;
        Ok(())
    }

    /// Gives back what was taken for buffers.
    fn release_buffer(&self, bytes: usize) {
        let _ = bytes;
    }

    /// Whether a new connection may have large buffers: while few have any.
    fn is_roomy(&self) -> bool {
        true
    }
}

/// No budget: for servers whose memory nobody counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unlimited;

impl Reserve for Unlimited {
    fn take(&self, _bytes: usize) -> Result<(), Refusal> {
        Ok(())
    }

    fn release(&self, _bytes: usize) {}
}

/// No memory for this request now. The client is told to come back: gRPC `Unavailable`, HTTP 503.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// What the client reads.
    pub message: Cow<'static, str>,
    /// When to try again, if that can be said.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// A refusal without a hint when to come back.
    pub fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self { message: message.into(), retry_after: None }
    }
}

/// Bytes held in a budget until this is dropped. It travels with the message whose memory it stands for.
pub struct Reservation {
    owner: Option<Arc<dyn Reserve>>,
    bytes: usize,
}

impl Reservation {
    /// An empty reservation in `owner`'s budget.
    pub fn new(owner: Arc<dyn Reserve>) -> Self {
        Self { owner: Some(owner), bytes: 0 }
    }

    /// A reservation that asks nobody and only counts.
    pub fn unlimited() -> Self {
        Self { owner: None, bytes: 0 }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Holds `more` bytes in addition, or leaves everything as it was.
    pub fn grow(&mut self, more: usize) -> Result<(), Refusal> {
        let Some(total) = self.bytes.checked_add(more) else {
            return Err(Refusal::new("request is larger than memory"));
        };
        if let Some(owner) = &self.owner {
            owner.take(more)?;
        }
        self.bytes = total;
        Ok(())
    }

    /// Gives back what is held beyond `bytes`.
    pub fn shrink_to(&mut self, bytes: usize) {
        let surplus = self.bytes.saturating_sub(bytes);
        if surplus > 0 {
            self.bytes = bytes;
            if let Some(owner) = &self.owner {
                owner.release(surplus);
            }
        }
    }

    /// A second, empty reservation in the same budget.
    pub fn sibling(&self) -> Self {
        Self { owner: self.owner.clone(), bytes: 0 }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

impl std::fmt::Debug for Reservation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reservation").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A budget that remembers its highest use.
    pub(crate) struct Budget {
        pub(crate) limit: usize,
        pub(crate) used: AtomicUsize,
        pub(crate) peak: AtomicUsize,
        buffers: AtomicUsize,
    }

    impl Budget {
        pub(crate) fn new(limit: usize) -> Arc<Self> {
            let zero = AtomicUsize::default;
            Arc::new(Self { limit, used: zero(), peak: zero(), buffers: zero() })
        }

        pub(crate) fn used(&self) -> usize {
            self.used.load(Ordering::SeqCst)
        }

        /// Bytes taken for the buffers of connections, which have a limit of their own.
        pub(crate) fn buffers(&self) -> usize {
            self.buffers.load(Ordering::SeqCst)
        }
    }

    impl Reserve for Budget {
        fn take(&self, bytes: usize) -> Result<(), Refusal> {
            let used = self.used.fetch_add(bytes, Ordering::SeqCst) + bytes;
            if used > self.limit {
                self.used.fetch_sub(bytes, Ordering::SeqCst);
                return Err(Refusal::new("data refused due to high memory usage"));
            }
            self.peak.fetch_max(used, Ordering::SeqCst);
            Ok(())
        }

        fn release(&self, bytes: usize) {
            self.used.fetch_sub(bytes, Ordering::SeqCst);
        }

        fn take_buffer(&self, bytes: usize) -> Result<(), Refusal> {
            let used = self.buffers.fetch_add(bytes, Ordering::SeqCst) + bytes;
            if used > self.limit {
                self.buffers.fetch_sub(bytes, Ordering::SeqCst);
                return Err(Refusal::new("no memory for connections"));
            }
            Ok(())
        }

        fn release_buffer(&self, bytes: usize) {
            self.buffers.fetch_sub(bytes, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_reservation_gives_back_exactly_what_it_took() {
        let budget = Budget::new(100);
        let mut first = Reservation::new(budget.clone());
        first.grow(60).unwrap();
        let mut second = first.sibling();
        assert_eq!(second.grow(50), Err(Refusal::new("data refused due to high memory usage")));
        second.grow(40).unwrap();
        first.shrink_to(10);
        assert_eq!(budget.used(), 50);
        drop((first, second));
        assert_eq!(budget.used(), 0);
    }
}
