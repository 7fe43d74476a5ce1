//! The memory of a connection's own buffers, apart from the messages that come out of them.
//!
//! HTTP/2 hands over a frame when it is whole, and TLS a record; until then both lie in buffers that nobody reserved.
//! A client that never finishes a frame would hold them for nothing. So a connection takes what its buffers need out
//! of the same memory as telemetry before it reads, and waits while there is none.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Sleep;

use crate::reserve::Reserve;

/// What a connection takes that has not said anything: a task and a socket.
pub(crate) const SILENT: usize = 4 << 10;

/// What a connection takes from its first byte to its end: buffers for reading, writing and headers, its state, its
/// task. Measured: 27 KiB of resident memory for each of 1,500 connections in plain HTTP/2, most of it h2's.
pub(crate) const BASE: usize = 32 << 10;

/// TLS keeps a record of either direction and the session's keys besides.
pub(crate) const TLS: usize = 48 << 10;

/// What of a connection's read buffer is in [`BASE`].
pub(crate) const READ_BUFFER: usize = 8 << 10;

/// How often a connection that found no memory asks again.
const RETRY: Duration = Duration::from_millis(50);

/// Memory taken for the buffers of one connection; given back when it is dropped. It grows to the most that they
/// have needed: a buffer that has grown stays so until the connection ends.
pub(crate) struct Allowance {
    owner: Arc<dyn Reserve>,
    bytes: usize,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Allowance {
    pub(crate) fn new(owner: Arc<dyn Reserve>) -> Self {
        Self { owner, bytes: 0, waiting: None }
    }

    /// Ready once `bytes` are taken.
    pub(crate) fn poll_cover(&mut self, cx: &mut Context<'_>, bytes: usize) -> Poll<()> {
        while self.bytes < bytes {
            if let Some(waiting) = &mut self.waiting {
                std::task::ready!(waiting.as_mut().poll(cx));
                self.waiting = None;
            }
            match self.owner.take_buffer(bytes - self.bytes) {
                Ok(()) => self.bytes = bytes,
                Err(_) => self.waiting = Some(Box::pin(tokio::time::sleep(RETRY))),
            }
        }
        Poll::Ready(())
    }
}

impl Drop for Allowance {
    fn drop(&mut self) {
        self.owner.release_buffer(self.bytes);
    }
}

impl std::fmt::Debug for Allowance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Allowance").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;
    use crate::reserve::tests::Budget;
    use crate::testing::run;

    #[test]
    fn waits_for_memory_and_gives_it_back() {
        run(async {
            let budget = Budget::new(100);
            let mut first = Allowance::new(budget.clone());
            poll_fn(|cx| first.poll_cover(cx, 60)).await;
            poll_fn(|cx| first.poll_cover(cx, 50)).await;
            assert_eq!(budget.buffers(), 60, "what was needed once is kept");
            let mut second = Allowance::new(budget.clone());
            let mut covered = std::pin::pin!(poll_fn(|cx| second.poll_cover(cx, 50)));
            assert!(futures::poll!(covered.as_mut()).is_pending());
            drop(first);
            covered.await;
            assert_eq!(budget.buffers(), 50);
            drop(second);
            assert_eq!(budget.buffers(), 0);
        });
    }
}
