//! The memory that telemetry may hold.
//!
//! Receivers reserve before they read a body, so a sender is refused while its bytes are still in the kernel.
//! A reservation lives exactly as long as the allocation that it was made for: it is dropped with the last
//! [`Bytes`](bytes::Bytes) that points into it, wherever in the graph that is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;

use crate::part::Part;

/// How many bytes the whole process may hold in telemetry that is accepted and not yet passed on, and in the buffers
/// of the connections that it comes through.
///
/// Buffers take room from telemetry, not the other way round: an eighth of the limit is theirs even when telemetry
/// fills all of it, so that a client can be told to come back; and they never take more than half.
#[derive(Debug)]
pub struct Budget {
    limit: AtomicUsize,
    held: AtomicUsize,
    buffers: AtomicUsize,
    queued: AtomicUsize,
    ease: AtomicUsize,
}

/// How long answers are kept back with twice as much in queues as is let be.
const DELAY_AT_TWICE: Duration = Duration::from_millis(10);

/// How many times that at most.
const DELAY_LIMIT: u16 = 50;

/// The budget has no room for what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the memory for telemetry is used up: {held} of {limit} bytes are held and {wanted} more were asked for"
)]
pub struct BudgetExhausted {
    /// Bytes asked for.
    pub wanted: usize,
    /// Bytes held by others.
    pub held: usize,
    /// The limit in bytes.
    pub limit: usize,
}

/// Bytes set aside in a [`Budget`]; given back on drop.
#[derive(Debug)]
pub struct Reservation {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Budget {
    /// A budget of `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Arc<Self> {
        let zero = AtomicUsize::default;
        let (limit, ease) = (AtomicUsize::new(limit), AtomicUsize::new(usize::MAX));
        Arc::new(Self { limit, held: zero(), buffers: zero(), queued: zero(), ease })
    }

    /// A budget that never refuses; it still counts.
    #[must_use]
    pub fn unlimited() -> Arc<Self> {
        Self::new(usize::MAX)
    }

    /// Bytes held now. May exceed the limit by what processors had to make to pass things on.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// The limit in bytes.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    /// Whether all of it is held: what is made all the same goes beyond the limit.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        self.held().saturating_add(self.buffers()) >= self.limit()
    }

    /// Bytes in the buffers of connections.
    #[must_use]
    pub fn buffers(&self) -> usize {
        self.buffers.load(Ordering::Relaxed)
    }

    /// Bytes in sending queues that nobody has begun to send: zero as long as destinations keep up.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    /// Bytes came into a sending queue.
    pub fn enqueue(&self, bytes: usize) {
        self.queued.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes left a sending queue, to be sent or given up.
    pub fn dequeue(&self, bytes: usize) {
        self.queued.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// How long to keep the answer to a client back because destinations are behind.
    ///
    /// 10 ms when twice as much is queued as [`set_ease`](Self::set_ease) allows, growing with the square of what is
    /// beyond it, at most 500 ms: some dozen clients and some thousand settle alike at a few times that much, sending
    /// as fast as data leaves.
    #[must_use]
    pub fn answer_delay(&self) -> Duration {
        let (queued, ease) = (self.queued(), self.ease.load(Ordering::Relaxed));
        if queued <= ease {
            return Duration::ZERO;
        }
        let beyond = (queued - ease) as f64 / ease.max(1) as f64;
        DELAY_AT_TWICE.mul_f64((beyond * beyond).min(f64::from(DELAY_LIMIT)))
    }

    /// Sets how many bytes may be queued before answers are delayed.
    pub fn set_ease(&self, bytes: usize) {
        self.ease.store(bytes, Ordering::Relaxed);
    }

    /// Changes the limit; what is held stays held.
    pub fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// Sets `bytes` aside.
    ///
    /// # Errors
    /// [`BudgetExhausted`] if that would pass the limit.
    pub fn reserve(self: &Arc<Self>, bytes: usize) -> Result<Reservation, BudgetExhausted> {
        self.take(bytes)?;
        Ok(Reservation { budget: Arc::clone(self), bytes })
    }

    /// As [`reserve`](Self::reserve), for callers with a guard of their own.
    ///
    /// # Errors
    /// As there.
    pub fn take(&self, bytes: usize) -> Result<(), BudgetExhausted> {
        let held = self.held.fetch_add(bytes, Ordering::Relaxed).saturating_add(self.buffers());
        let limit = self.limit();
        if held.saturating_add(bytes) > limit {
            self.held.fetch_sub(bytes, Ordering::Relaxed);
            return Err(BudgetExhausted { wanted: bytes, held, limit });
        }
        Ok(())
    }

    /// Sets `bytes` aside for the buffers of a connection.
    ///
    /// # Errors
    /// [`BudgetExhausted`] if buffers have their share.
    pub fn take_buffer(&self, bytes: usize) -> Result<(), BudgetExhausted> {
        let buffers = self.buffers.fetch_add(bytes, Ordering::Relaxed);
        let (limit, held) = (self.limit(), self.held());
        let share = (limit / 2).min(limit.saturating_sub(held)).max(limit / 8);
        if buffers.saturating_add(bytes) > share {
            self.buffers.fetch_sub(bytes, Ordering::Relaxed);
            return Err(BudgetExhausted { wanted: bytes, held: held.saturating_add(buffers), limit });
        }
        Ok(())
    }

    /// Gives back what [`take_buffer`](Self::take_buffer) took.
    pub fn give_back_buffer(&self, bytes: usize) {
        self.buffers.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Whether buffers take so little that those of a new connection may be large.
    #[must_use]
    pub fn is_roomy(&self) -> bool {
        self.buffers() < self.limit() / 4
    }

    /// Gives back what [`take`](Self::take) took.
    pub fn give_back(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Counts `bytes` that exist already, even past the limit.
    #[must_use]
    pub fn force(self: &Arc<Self>, bytes: usize) -> Reservation {
        self.held.fetch_add(bytes, Ordering::Relaxed);
        Reservation { budget: Arc::clone(self), bytes }
    }

    /// Takes in a buffer made inside the graph, counted even past the limit.
    #[must_use]
    pub fn adopt(self: &Arc<Self>, buffer: Vec<u8>) -> Part {
        self.force(0).own(buffer)
    }

    /// Takes in bytes made inside the graph by another library, counted even past the limit.
    #[must_use]
    pub fn adopt_bytes(self: &Arc<Self>, bytes: Bytes) -> Part {
        self.force(0).own_bytes(bytes)
    }
}

impl Reservation {
    /// Bytes set aside.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Sets `more` bytes aside in the same budget.
    ///
    /// # Errors
    /// [`BudgetExhausted`] if that would pass the limit; what was reserved before stays.
    pub fn grow(&mut self, more: usize) -> Result<(), BudgetExhausted> {
        let mut added = self.budget.reserve(more)?;
        self.bytes += std::mem::take(&mut added.bytes);
        Ok(())
    }

    /// Ties the reservation to `buffer`: it becomes as large as the buffer's allocation and ends with it.
    #[must_use]
    pub fn own(mut self, buffer: Vec<u8>) -> Part {
        self.resize(buffer.capacity());
        let backing = buffer.capacity();
        Part::new(Bytes::from_owner(Owned { buffer, _reservation: self }), backing)
    }

    /// Ties the reservation to bytes that another library allocated.
    #[must_use]
    pub fn own_bytes(mut self, bytes: Bytes) -> Part {
        self.resize(bytes.len());
        let backing = bytes.len();
        Part::new(Bytes::from_owner(Owned { buffer: bytes, _reservation: self }), backing)
    }

    fn resize(&mut self, bytes: usize) {
        if bytes > self.bytes {
            self.budget.held.fetch_add(bytes - self.bytes, Ordering::Relaxed);
        } else {
            self.budget.held.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
        }
        self.bytes = bytes;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

struct Owned<T> {
    buffer: T,
    _reservation: Reservation,
}

impl<T: AsRef<[u8]>> AsRef<[u8]> for Owned<T> {
    fn as_ref(&self) -> &[u8] {
        self.buffer.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reservation_ends_with_the_last_slice() {
        let budget = Budget::new(100);
        let part = budget.reserve(60).unwrap().own(vec![1; 50]);
        assert_eq!(budget.held(), 50);
        let slice = part.slice(10..20);
        drop(part);
        assert_eq!(budget.held(), 50, "a slice keeps the whole allocation");
        drop(slice);
        assert_eq!(budget.held(), 0);
    }

    #[test]
    fn refuses_past_the_limit_and_keeps_the_books() {
        let budget = Budget::new(100);
        let mut first = budget.reserve(70).unwrap();
        assert_eq!(budget.reserve(31).unwrap_err(), BudgetExhausted { wanted: 31, held: 70, limit: 100 });
        assert!(first.grow(31).is_err());
        first.grow(30).unwrap();
        assert_eq!((first.bytes(), budget.held()), (100, 100));
        let forced = budget.force(5);
        assert_eq!(budget.held(), 105);
        drop((first, forced));
        assert_eq!(budget.held(), 0);
    }

    #[test]
    fn answers_are_delayed_by_what_is_queued() {
        let budget = Budget::unlimited();
        budget.set_ease(100);
        let delays = [100, 100, 100, 700].map(|more| {
            budget.enqueue(more);
            budget.answer_delay().as_millis()
        });
        assert_eq!(delays, [0, 10, 40, 500]);
        budget.dequeue(900);
        assert_eq!(budget.answer_delay(), Duration::ZERO);
        budget.set_ease(0);
        assert_eq!(budget.answer_delay(), Duration::from_millis(500), "none is let be");
    }

    #[test]
    fn buffers_have_a_share_of_their_own() {
        let budget = Budget::new(160);
        assert!(budget.is_roomy());
        budget.take_buffer(80).unwrap();
        assert!(budget.take_buffer(1).is_err(), "no more than half");
        assert!(!budget.is_roomy());
        let telemetry = budget.reserve(80).unwrap();
        assert_eq!(budget.reserve(1).unwrap_err(), BudgetExhausted { wanted: 1, held: 160, limit: 160 });
        budget.give_back_buffer(80);
        let rest = budget.reserve(80).unwrap();
        budget.take_buffer(20).unwrap();
        assert!(budget.take_buffer(1).is_err(), "an eighth is there in any case, and no more");
        budget.give_back_buffer(20);
        drop((telemetry, rest));
        assert_eq!((budget.held(), budget.buffers()), (0, 0));
    }

    #[test]
    fn a_small_remnant_is_copied_out() {
        let budget = Budget::new(1000);
        let part = budget.reserve(100).unwrap().own(vec![7; 100]);
        let kept = part.slice(0..60).compact(&budget);
        assert_eq!(budget.held(), 100, "more than half: shared");
        let small = part.slice(0..40).compact(&budget);
        assert_eq!(budget.held(), 140);
        drop((part, kept));
        assert_eq!((budget.held(), small.bytes().len()), (40, 40));
    }
}
