//! The way out of a node: its edges to the next ones.
//!
//! Room is reserved in every branch before any branch gets the batch, so a refusal never leaves copies on the
//! healthy branches. Branches marked best-effort are served if they have room and are no part of the verdict.

use std::sync::Arc;
use std::time::Duration;

use data::{Account, Batch, Code, Refused, Signal};

use crate::channel::{Closed, Inlet, Overflow, SHUTDOWN, Slot};

/// One edge of the graph.
#[derive(Clone, Debug)]
pub struct Edge {
    /// Where it leads.
    pub inlet: Inlet,
    /// Whether the batch counts as delivered without this branch.
    pub best_effort: bool,
}

/// The edges of one node for one signal. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Outlet {
    edges: Arc<[Edge]>,
    account: Arc<Account>,
}

/// A receiver's way out: an outlet for each signal that some pipeline takes from it.
#[derive(Clone, Debug, Default)]
pub struct Outlets {
    by_signal: [Option<Outlet>; Signal::ALL.len()],
}

/// Why a batch could not be placed.
enum Unplaced {
    Full,
    Closed,
}

impl Outlet {
    /// Joins the edges with the account of the node that they leave.
    #[must_use]
    pub fn new(edges: Vec<Edge>, account: Arc<Account>) -> Self {
        Self { edges: edges.into(), account }
    }

    /// The account of the node that this leaves.
    #[must_use]
    pub fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// Hands on a batch that is inside the node, waiting for room however long it takes.
    ///
    /// If the next stage has ended the batch is refused in its ticket and in the account.
    pub async fn send(&self, batch: Batch) {
        let mut slots = Vec::with_capacity(self.edges.len());
        for edge in self.needed() {
            match edge.inlet.reserve(&batch).await {
                Ok(slot) => slots.push(slot),
                Err(Closed) => return self.refuse(batch, &Unplaced::Closed),
            }
        }
        self.place(batch, slots);
    }

    /// Takes a batch off the wire into the graph: counts it as received and hands it on.
    ///
    /// Waits up to `patience` for room where the next stage asks for that, and refuses otherwise. What became
    /// of it is said by the batch's ticket.
    pub async fn offer(&self, batch: Batch, patience: Duration) {
        self.account.receive(batch.items());
        let mut slots = Vec::with_capacity(self.edges.len());
        for edge in self.needed() {
            match reserve_within(&edge.inlet, &batch, patience).await {
                Ok(slot) => slots.push(slot),
                Err(why) => return self.refuse(batch, &why),
            }
        }
        self.place(batch, slots);
    }

    fn needed(&self) -> impl Iterator<Item = &Edge> {
        self.edges.iter().filter(|edge| !edge.best_effort)
    }

    fn place(&self, batch: Batch, slots: Vec<Slot<'_>>) {
        for edge in self.edges.iter().filter(|edge| edge.best_effort) {
            self.place_if_room(&edge.inlet, batch.best_effort());
        }
        let items = batch.items();
        let mut slots = slots.into_iter();
        let Some(last) = slots.next_back() else {
            // Only best-effort branches: nobody else answers for the batch.
            self.account.leave(items);
            return batch.delivered();
        };
        for slot in slots {
            self.account.create(items);
            self.fill(slot, batch.branch());
        }
        self.fill(last, batch);
    }

    fn place_if_room(&self, inlet: &Inlet, copy: Batch) {
        let items = copy.items();
        self.account.create(items);
        match inlet.try_reserve(&copy) {
            Ok(Some(slot)) => self.fill(slot, copy),
            Ok(None) | Err(Closed) => {
                self.account.discard("best-effort branch full", items);
                copy.delivered();
            }
        }
    }

    fn fill(&self, slot: Slot<'_>, batch: Batch) {
        let items = batch.items();
        match slot.fill(batch) {
            Ok(()) => self.account.leave(items),
            Err(batch) => self.refuse(batch, &Unplaced::Closed),
        }
    }

    fn refuse(&self, batch: Batch, why: &Unplaced) {
        let (reason, refused) = match why {
            // The hint keeps thousands of clients from knocking at once; the text is the Collector's.
            Unplaced::Full => (
                "queue full",
                Refused::retry_after(Duration::from_secs(1), Code::Unavailable, "sending queue is full"),
            ),
            Unplaced::Closed => {
                let reason = if batch.ticket.is_awaited() { "stopped" } else { SHUTDOWN };
                (reason, Refused::retry("the pipeline is stopping"))
            }
        };
        self.account.refuse(reason, batch.items());
        batch.refused(&refused);
    }
}

async fn reserve_within<'a>(
    inlet: &'a Inlet,
    batch: &Batch,
    patience: Duration,
) -> Result<Slot<'a>, Unplaced> {
    match inlet.try_reserve(batch) {
        Ok(Some(slot)) => return Ok(slot),
        Ok(None) if inlet.overflow() == Overflow::Refuse => return Err(Unplaced::Full),
        Ok(None) => {}
        Err(Closed) => return Err(Unplaced::Closed),
    }
    match tokio::time::timeout(patience, inlet.reserve(batch)).await {
        Ok(Ok(slot)) => Ok(slot),
        Ok(Err(Closed)) => Err(Unplaced::Closed),
        Err(_elapsed) => Err(Unplaced::Full),
    }
}

impl Outlets {
    /// Puts in the way out for `signal`.
    #[must_use]
    pub fn with(mut self, signal: Signal, outlet: Outlet) -> Self {
        self.by_signal[signal as usize] = Some(outlet);
        self
    }

    /// The way out for `signal`, if some pipeline takes it from this receiver.
    #[must_use]
    pub fn get(&self, signal: Signal) -> Option<&Outlet> {
        self.by_signal[signal as usize].as_ref()
    }
}
