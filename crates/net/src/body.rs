//! Reading request and response bodies: never faster than memory is granted, never slower than a pace.

use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as _, Frame};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use crate::reserve::{Refusal, Reservation};

/// Memory for a body is asked for in steps: first at most this, then as much again as is there already.
const FIRST_STEP: usize = 1 << 20;

/// A chunk this long may stay in the buffer it was read into; copying a shorter one is cheaper than pinning that.
const KEEP_CHUNK: usize = 8 * 1024;

/// A body has to make this much progress within each interval of its pace.
const MIN_PROGRESS: usize = 1024;

/// Why a body could not be read on.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// Too little came for too long.
    Stalled,
    /// The call's own deadline passed.
    Deadline,
    /// The stream was reset or the connection lost.
    Broken(hyper::Error),
}

/// Watches the progress of one body. Costs nothing until the first wait.
pub(crate) struct Pace {
    /// Zero is no limit.
    interval: Duration,
    deadline: Option<Instant>,
    received: usize,
    mark: usize,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Pace {
    pub(crate) fn new(interval: Duration, deadline: Option<Instant>) -> Self {
        Self { interval, deadline, received: 0, mark: 0, timer: None }
    }

    /// The next frame; none at the end.
    pub(crate) async fn frame(&mut self, body: &mut Incoming) -> Result<Option<Frame<Bytes>>, ReadError> {
        let frame = poll_fn(|cx| match Pin::new(&mut *body).poll_frame(cx) {
            Poll::Ready(frame) => Poll::Ready(frame.transpose().map_err(ReadError::Broken)),
            Poll::Pending => self.poll_waiting(cx).map(Err),
        })
        .await?;
        self.received += frame.as_ref().and_then(Frame::data_ref).map_or(0, Bytes::len);
        Ok(frame)
    }

    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Poll<ReadError> {
        loop {
            let Some(timer) = self.timer.as_mut() else {
                let Some(next) = self.next_look() else { return Poll::Pending };
                self.timer = Some(Box::pin(tokio::time::sleep_until(next)));
                continue;
            };
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Poll::Ready(ReadError::Deadline);
            }
            if self.received - self.mark < MIN_PROGRESS {
                return Poll::Ready(ReadError::Stalled);
            }
            self.mark = self.received;
            self.timer = None;
        }
    }

    fn next_look(&self) -> Option<Instant> {
        let interval = (!self.interval.is_zero()).then(|| Instant::now() + self.interval);
        interval.into_iter().chain(self.deadline).min()
    }
}

/// Collects chunks into one buffer.
pub(crate) struct Gather {
    /// The one chunk, as long as there is only one and it is worth keeping.
    only: Bytes,
    buffer: Vec<u8>,
    /// What the sender says will come.
    expected: Option<usize>,
}

impl Gather {
    /// Asks for the first step of memory. The caller has checked `expected` against its limit.
    pub(crate) fn new(expected: Option<usize>, reservation: &mut Reservation) -> Result<Self, Refusal> {
        reservation.grow(expected.unwrap_or(0).min(FIRST_STEP))?;
        Ok(Self { only: Bytes::new(), buffer: Vec::new(), expected })
    }

    pub(crate) fn len(&self) -> usize {
        self.only.len() + self.buffer.len()
    }

    /// Adds a chunk. The caller has checked the sum against its limit.
    pub(crate) fn push(&mut self, chunk: Bytes, reservation: &mut Reservation) -> Result<(), Refusal> {
        let needed = self.len().saturating_add(chunk.len());
        let held = reservation.bytes();
        if needed > held {
            let wanted = held.saturating_mul(2).min(self.expected.unwrap_or(usize::MAX)).max(needed);
            reservation.grow(wanted - held)?;
        }
        if self.len() == 0 && chunk.len() >= KEEP_CHUNK {
            self.only = chunk;
            return Ok(());
        }
        let room = reservation.bytes();
        if self.buffer.capacity() < needed {
            self.buffer.reserve_exact(room.saturating_sub(self.buffer.len()));
        }
        let only = std::mem::take(&mut self.only);
        self.buffer.extend_from_slice(&only);
        self.buffer.extend_from_slice(&chunk);
        Ok(())
    }

    pub(crate) fn finish(self) -> Bytes {
        if self.buffer.is_empty() { self.only } else { Bytes::from(self.buffer) }
    }
}
