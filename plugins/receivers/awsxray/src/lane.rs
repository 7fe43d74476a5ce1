//! One signal's way into the pipelines: documents become batches, and wait for room.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use component::{Outlet, RunCx, SHUTDOWN};
use data::{Batch, Budget, Clock, Part, Reservation, Signal, Time};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::counts::Items;

/// A batch of so many bytes is complete. It may become larger by what one look at the socket brings.
const COMPLETE: usize = 1 << 20;

/// Collects documents of one signal.
pub(crate) struct Lane {
    signal: Signal,
    outlet: Outlet,
    counters: Items,
    budget: Arc<Budget>,
    clock: Arc<dyn Clock>,
    sender: mpsc::Sender<Batch>,
    /// Bytes on their way, and how many may be.
    held: Arc<AtomicUsize>,
    max_held: usize,
    delay: Duration,
    /// What is collected: encoded spans, or documents one behind the other.
    pub(crate) buffer: Vec<u8>,
    /// Where each document ends, where a batch is one of documents.
    ends: Vec<usize>,
    items: usize,
    begun: Option<Begun>,
    /// How large the last batch was: the next one will be much the same.
    usual: usize,
}

/// When a batch was begun, and the memory set aside for it.
struct Begun {
    arrived: Time,
    flush_at: Instant,
    reservation: Reservation,
}

/// Hands on batches of one lane, one after the other, however long that takes.
pub(crate) struct Forward {
    outlet: Outlet,
    accepted: telemetry::metrics::Counter,
    batches: mpsc::Receiver<Batch>,
    held: Arc<AtomicUsize>,
}

impl Lane {
    /// A lane that takes nothing more once it holds `max_held` bytes for which there is no room behind it.
    pub(crate) fn new(
        signal: Signal,
        outlet: Outlet,
        cx: &RunCx,
        delay: Duration,
        max_held: usize,
    ) -> (Self, Forward) {
        let (sender, batches) = mpsc::channel((max_held / COMPLETE).max(1));
        let held = Arc::<AtomicUsize>::default();
        let counters = Items::register(cx, signal);
        let forward = Forward {
            outlet: outlet.clone(),
            accepted: counters.accepted.clone(),
            batches,
            held: Arc::clone(&held),
        };
        let lane = Self {
            signal,
            outlet,
            counters,
            budget: Arc::clone(&cx.budget),
            clock: Arc::clone(&cx.clock),
            sender,
            held,
            max_held,
            delay,
            buffer: Vec::new(),
            ends: Vec::new(),
            items: 0,
            begun: None,
            usual: 0,
        };
        (lane, forward)
    }

    /// Whether a document may be taken: nothing behind refuses it, and there is memory for it. A batch that is complete
    /// waits for its place first.
    pub(crate) async fn has_room(&mut self) -> bool {
        if self.buffer.len() >= COMPLETE {
            self.flush().await;
        }
        // One look at the socket may bring sixty-four datagrams of 64 KiB, so that batches alone bound nothing.
        let held = self.held.load(Ordering::Relaxed) + self.buffer.len();
        if held >= self.max_held || self.outlet.admit().is_err() {
            return false;
        }
        if self.begun.is_none() {
            let Ok(reservation) = self.budget.reserve(COMPLETE) else { return false };
            let flush_at = Instant::now() + self.delay;
            self.begun = Some(Begun { arrived: self.clock.now(), flush_at, reservation });
            // Somewhat more, since a buffer that grows is copied whole.
            self.buffer.reserve(self.usual + self.usual / 8);
        }
        true
    }

    /// Documents or spans were put into the buffer.
    pub(crate) fn took(&mut self, items: usize) {
        if items == 0 {
            return;
        }
        if self.signal == Signal::Xray {
            self.ends.push(self.buffer.len());
        }
        if self.items == 0 {
            // The memory was set aside before anybody knew when the first one would come.
            if let Some(begun) = &mut self.begun {
                begun.flush_at = Instant::now() + self.delay;
                begun.arrived = self.clock.now();
            }
        }
        self.items += items;
    }

    /// Items came in and are no good: nobody has them, and the books say why.
    pub(crate) fn refuse(&self, reason: &'static str, items: usize) {
        self.outlet.account().receive(items);
        self.outlet.account().refuse(reason, items);
        self.counters.refused.add(items as u64);
    }

    /// When what is collected has to go.
    pub(crate) fn flush_at(&self) -> Option<Instant> {
        self.begun.as_ref().filter(|_| self.items > 0).map(|begun| begun.flush_at)
    }

    /// Memory that is set aside for nothing is given back.
    pub(crate) fn rest(&mut self) {
        if self.items == 0 {
            self.begun = None;
        }
    }

    /// Sends what is collected on its way, waiting until what was sent before has gone far enough.
    pub(crate) async fn flush(&mut self) {
        if self.items == 0 {
            return;
        }
        // The place first: a batch that waits in a future would be lost with it.
        let sender = self.sender.clone();
        if let Ok(place) = sender.reserve().await
            && let Some(batch) = self.batch()
        {
            place.send(batch);
        }
    }

    /// The same if that needs no waiting.
    pub(crate) fn try_flush(&mut self) {
        if self.items == 0 {
            return;
        }
        let sender = self.sender.clone();
        if let Ok(place) = sender.try_reserve()
            && let Some(batch) = self.batch()
        {
            place.send(batch);
        }
    }

    /// Puts what is collected into the books as refused, and drops it.
    pub(crate) fn give_up(&mut self) {
        let items = std::mem::take(&mut self.items);
        if items > 0 {
            self.refuse(SHUTDOWN, items);
        }
        self.buffer = Vec::new();
        self.ends.clear();
        self.begun = None;
    }

    /// What is collected as a batch that is in the books.
    fn batch(&mut self) -> Option<Batch> {
        if self.items == 0 {
            return None;
        }
        let Begun { arrived, reservation, .. } = self.begun.take()?;
        let (items, mut buffer) = (std::mem::take(&mut self.items), std::mem::take(&mut self.buffer));
        self.usual = buffer.len().min(2 * COMPLETE);
        if buffer.len() < buffer.capacity() / 2 {
            buffer.shrink_to_fit();
        }
        let whole_len = buffer.len();
        let whole = reservation.own(buffer);
        let parts = if self.signal == Signal::Xray { cut(&whole, &self.ends) } else { vec![whole] };
        self.ends.clear();
        self.held.fetch_add(whole_len, Ordering::Relaxed);
        self.outlet.account().receive(items);
        Some(Batch::new(self.signal, parts, items, arrived))
    }
}

/// Documents out of what holds them all.
fn cut(whole: &Part, ends: &[usize]) -> Vec<Part> {
    let mut start = 0;
    let document = |end: &usize| {
        let document = whole.slice(start..*end);
        start = *end;
        document
    };
    ends.iter().map(document).collect()
}

impl Forward {
    /// Hands on until the lane has ended.
    pub(crate) async fn run(mut self) {
        while let Some(batch) = self.batches.recv().await {
            let (items, bytes) = (batch.items(), batch.len());
            self.outlet.send(batch).await;
            self.held.fetch_sub(bytes, Ordering::Relaxed);
            self.accepted.add(items as u64);
        }
    }
}
