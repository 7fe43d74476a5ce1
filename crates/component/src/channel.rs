//! The bounded way into a stage.
//!
//! One type serves short inboxes between stages and the sending queues of exporters, so that room can be
//! reserved in every branch before any branch gets a batch. What a batch takes up is measured by a [`Sizer`];
//! the room is given back when the [`Entry`]'s permit is dropped, which for a queue is after delivery.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use data::{Account, Batch, Budget};
use tokio::sync::mpsc::{self, error::SendError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

/// The reason under which items are refused that nobody will send again: what was left when time was up.
pub const SHUTDOWN: &str = "shutdown";

/// What the capacity of a channel counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sizer {
    /// Batches.
    #[default]
    Requests,
    /// Spans, data points, log records, documents.
    Items,
    /// Encoded bytes, uncompressed.
    Bytes,
}

impl Sizer {
    /// The size of a batch in this measure.
    #[must_use]
    pub fn measure(self, batch: &Batch) -> usize {
        match self {
            Self::Requests => 1,
            Self::Items => batch.items(),
            Self::Bytes => batch.len(),
        }
    }
}

/// What a full channel does to a receiver that has a client to answer.
///
/// A stage that holds data already taken over always waits: refusing would lose it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// Make it wait for room, within its patience.
    #[default]
    Wait,
    /// Refuse at once.
    Refuse,
}

/// The bounds of a channel.
#[derive(Clone, Debug)]
pub struct Capacity {
    /// What is counted.
    pub sizer: Sizer,
    /// How much fits, at least 1.
    pub size: usize,
    /// What happens to a client when it is full.
    pub overflow: Overflow,
    /// Set if whoever puts a batch in is done with it: the name under which the stage answers for it.
    pub takes_over: Option<Arc<str>>,
    /// Set for sending queues: where the bytes that wait in it are counted.
    pub queued_in: Option<Arc<Budget>>,
}

impl Capacity {
    /// Batches between two stages inside a pipeline.
    ///
    /// Short, because what waits here is neither counted in a queue nor batched: enough to keep the next stage
    /// busy while this one is scheduled.
    #[must_use]
    pub const fn inbox() -> Self {
        Self { sizer: Sizer::Requests, size: 64, overflow: Overflow::Wait, takes_over: None, queued_in: None }
    }
}

/// Makes a channel into the node whose account is given.
///
/// Channels are made from the back of the graph to its front: that of a stage after those that it sends to. Who
/// needs room in several relies on it, see [`Outlet`](crate::Outlet).
#[must_use]
pub fn channel(capacity: Capacity, account: Arc<Account>) -> (Inlet, Inbox) {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let size = capacity.size.clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
    let (sender, entries) = mpsc::unbounded_channel();
    let shared = Arc::new(Shared {
        capacity: Capacity { size, ..capacity },
        room: Arc::new(Semaphore::new(size)),
        account,
        refused_items: AtomicU64::new(0),
        number: MADE.fetch_add(1, Ordering::Relaxed),
    });
    (Inlet { shared: Arc::clone(&shared), sender }, Inbox { shared, entries })
}

/// The sending end. The channel closes when the last one is dropped.
#[derive(Clone, Debug)]
pub struct Inlet {
    shared: Arc<Shared>,
    sender: mpsc::UnboundedSender<Entry>,
}

/// The receiving end; the stage owns it.
#[derive(Debug)]
pub struct Inbox {
    shared: Arc<Shared>,
    entries: mpsc::UnboundedReceiver<Entry>,
}

/// How full a channel is.
#[derive(Clone, Debug)]
pub struct Level(Arc<Shared>);

impl Level {
    /// Room in all, in units of the sizer.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.0.capacity.size
    }

    /// What is counted.
    #[must_use]
    pub fn sizer(&self) -> Sizer {
        self.0.capacity.sizer
    }

    /// Whether it is a sending queue, rather than a short inbox.
    #[must_use]
    pub fn is_queue(&self) -> bool {
        self.0.capacity.queued_in.is_some()
    }

    /// Room taken up. Batches handed to the stage count until their permit is dropped.
    #[must_use]
    pub fn used(&self) -> usize {
        self.0.capacity.size.saturating_sub(self.0.room.available_permits())
    }

    /// Items that clients offered to a sending queue and that were refused at once because it was full, once for
    /// each edge that would have led them into it. [`Overflow::Wait`] refuses nothing at once.
    #[must_use]
    pub fn refused_items(&self) -> u64 {
        self.0.refused_items.load(Ordering::Relaxed)
    }
}

/// A batch and the room that it takes up.
#[derive(Debug)]
pub struct Entry {
    /// The batch.
    pub batch: Batch,
    /// Gives the room back when dropped.
    pub permit: OwnedSemaphorePermit,
}

/// The stage behind the channel has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stage has stopped")]
pub struct Closed;

/// Room for one batch.
#[derive(Debug)]
pub(crate) struct Slot<'a> {
    inlet: &'a Inlet,
    permit: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct Shared {
    capacity: Capacity,
    room: Arc<Semaphore>,
    account: Arc<Account>,
    /// See [`Level::refused_items`].
    refused_items: AtomicU64,
    /// How many channels of the process were made before.
    number: u64,
}

impl Inlet {
    /// Greater than the number of every channel that the stage behind this one sends to.
    pub(crate) fn number(&self) -> u64 {
        self.shared.number
    }

    /// What a full channel does to a client.
    #[must_use]
    pub fn overflow(&self) -> Overflow {
        self.shared.capacity.overflow
    }

    /// A view of how full the channel is that does not keep it open.
    #[must_use]
    pub fn level(&self) -> Level {
        Level(Arc::clone(&self.shared))
    }

    /// Waits for room and puts the batch in.
    ///
    /// # Errors
    /// Gives the batch back if the stage has ended.
    pub async fn send(&self, batch: Batch) -> Result<(), Batch> {
        match self.reserve(&batch, 1).await {
            Ok(permit) => self.slot(permit).fill(batch),
            Err(Closed) => Err(batch),
        }
    }

    /// Waits for room for `copies` of the batch.
    pub(crate) async fn reserve(&self, batch: &Batch, copies: usize) -> Result<OwnedSemaphorePermit, Closed> {
        let room = Arc::clone(&self.shared.room);
        room.acquire_many_owned(self.shared.size(batch, copies)).await.map_err(|_| Closed)
    }

    /// Room at once, or none (`Ok(None)`).
    pub(crate) fn try_reserve(
        &self,
        batch: &Batch,
        copies: usize,
    ) -> Result<Option<OwnedSemaphorePermit>, Closed> {
        let room = Arc::clone(&self.shared.room);
        match room.try_acquire_many_owned(self.shared.size(batch, copies)) {
            Ok(permit) => Ok(Some(permit)),
            Err(TryAcquireError::NoPermits) => Ok(None),
            Err(TryAcquireError::Closed) => Err(Closed),
        }
    }

    /// Counts a batch that was refused at once because this sending queue had no room for `copies` of it.
    pub(crate) fn count_refused(&self, batch: &Batch, copies: usize) {
        if self.shared.capacity.queued_in.is_some() {
            let items = batch.items().saturating_mul(copies) as u64;
            self.shared.refused_items.fetch_add(items, Ordering::Relaxed);
        }
    }

    /// A place for the batch that room was reserved for.
    pub(crate) const fn slot(&self, permit: OwnedSemaphorePermit) -> Slot<'_> {
        Slot { inlet: self, permit }
    }
}

impl Slot<'_> {
    /// Puts the batch in; gives it back if the stage has ended meanwhile.
    pub(crate) fn fill(self, mut batch: Batch) -> Result<(), Batch> {
        let Self { inlet: Inlet { shared, sender }, permit } = self;
        let items = batch.items();
        let taker = shared.capacity.takes_over.as_ref();
        // Nobody is told that it was taken over before it is in there.
        let mut ticket = taker.map(|_| std::mem::take(&mut batch.ticket));
        shared.account.enter(items);
        shared.count_queued(&batch);
        let sent = sender.send(Entry { batch, permit });
        if let Err(SendError(Entry { mut batch, .. })) = sent {
            shared.begin(&batch);
            shared.account.refuse("stopped", items);
            batch.ticket.merge(ticket.take().unwrap_or_default());
            return Err(batch);
        }
        if let (Some(mut ticket), Some(by)) = (ticket, taker) {
            ticket.take_over(by);
        }
        Ok(())
    }
}

impl Shared {
    fn count_queued(&self, batch: &Batch) {
        if let Some(budget) = &self.capacity.queued_in {
            budget.enqueue(batch.len());
        }
    }

    /// A batch goes from the channel into the stage.
    fn begin(&self, batch: &Batch) {
        self.account.begin(batch.items());
        if let Some(budget) = &self.capacity.queued_in {
            budget.dequeue(batch.len());
        }
    }

    /// What is larger than the whole channel takes all of it: it passes alone instead of never.
    fn size(&self, batch: &Batch, copies: usize) -> u32 {
        let size = self.capacity.sizer.measure(batch).max(1).saturating_mul(copies).min(self.capacity.size);
        u32::try_from(size).unwrap_or(u32::MAX)
    }
}

impl Inbox {
    /// The next batch, or none once every inlet is gone and all was taken.
    pub async fn recv(&mut self) -> Option<Entry> {
        let entry = self.entries.recv().await?;
        self.shared.begin(&entry.batch);
        Some(entry)
    }

    /// The next batch if one waits.
    pub fn try_recv(&mut self) -> Option<Entry> {
        let entry = self.entries.try_recv().ok()?;
        self.shared.begin(&entry.batch);
        Some(entry)
    }

    /// The account of the node behind the channel.
    #[must_use]
    pub fn account(&self) -> &Arc<Account> {
        &self.shared.account
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.shared.room.close();
        self.entries.close();
        // What was never taken is given up in the books; its tickets say so by being dropped.
        while let Some(entry) = self.try_recv() {
            self.shared.account.refuse(SHUTDOWN, entry.batch.items());
        }
    }
}
