//! The way out of a node: its edges to the next ones.
//!
//! Room is reserved in every branch before any branch gets the batch, so a refusal never leaves copies on the
//! healthy branches. Branches marked best-effort are served if they have room and are no part of the verdict.
//!
//! Whoever waits for room in one branch may hold room in another. Two rules keep such waits from closing a ring:
//! every outlet reserves from the front of the graph to its back (a channel's stage only ever waits for channels
//! behind it), and the room of several edges into one channel is asked for at once.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use data::{Account, Batch, Code, Refused, Signal};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::channel::{Closed, Inlet, Overflow, SHUTDOWN, Slot};

/// The reason under which items are refused whose client did not wait until there was room for them.
const CLIENT_GONE: &str = "client gone";

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
    branches: Arc<Branches>,
    account: Arc<Account>,
}

/// A receiver's way out: an outlet for each signal that some pipeline takes from it.
#[derive(Clone, Debug, Default)]
pub struct Outlets {
    by_signal: [Option<Outlet>; Signal::ALL.len()],
}

#[derive(Debug)]
struct Branches {
    /// In the order in which room is reserved.
    needed: Vec<Needed>,
    best_effort: Vec<Inlet>,
}

/// A channel that has to take the batch.
#[derive(Debug)]
struct Needed {
    inlet: Inlet,
    /// How many edges lead into it: pipelines without processors may share an exporter.
    copies: usize,
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
        Self { branches: Arc::new(Branches::new(edges)), account }
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
        let mut slots = Vec::with_capacity(self.branches.needed.len());
        for needed in &self.branches.needed {
            match needed.inlet.reserve(&batch, needed.copies).await {
                Ok(permit) => needed.divide(permit, &mut slots),
                Err(Closed) => return self.refuse(batch, &Unplaced::Closed),
            }
        }
        self.place(batch, slots);
    }

    /// Takes a batch off the wire into the graph: counts it as received and hands it on.
    ///
    /// Waits up to `patience` in all for room where the next stage asks for that, and refuses otherwise. What
    /// became of it is said by the batch's ticket. Dropping the future before that refuses the batch.
    pub async fn offer(&self, batch: Batch, patience: Duration) {
        self.account.receive(batch.items());
        let mut offered = Offered { account: &self.account, batch: Some(batch) };
        let mut slots = Vec::with_capacity(self.branches.needed.len());
        let reserved = match &offered.batch {
            Some(batch) => self.branches.reserve_within(batch, patience, &mut slots).await,
            None => Ok(()),
        };
        let Some(batch) = offered.batch.take() else { return };
        match reserved {
            Ok(()) => self.place(batch, slots),
            Err(why) => self.refuse(batch, &why),
        }
    }

    fn place(&self, mut batch: Batch, slots: Vec<Slot<'_>>) {
        let items = batch.items();
        let mut best_effort = self.branches.best_effort.iter();
        // With nobody else to answer for the batch, one of these gets it and the others copies.
        let alone = if slots.is_empty() { best_effort.next() } else { None };
        for inlet in best_effort {
            self.account.create(items);
            self.place_if_room(inlet, batch.best_effort());
        }
        if let Some(inlet) = alone {
            std::mem::take(&mut batch.ticket).delivered();
            return self.place_if_room(inlet, batch);
        }
        let mut slots = slots.into_iter();
        let Some(last) = slots.next_back() else {
            self.account.discard("no way out", items);
            return batch.delivered();
        };
        for slot in slots {
            self.account.create(items);
            self.fill(slot, batch.branch());
        }
        self.fill(last, batch);
    }

    fn place_if_room(&self, inlet: &Inlet, batch: Batch) {
        let items = batch.items();
        let slot = inlet.try_reserve(&batch, 1).ok().flatten().map(|permit| inlet.slot(permit));
        let unplaced = match slot {
            Some(slot) => slot.fill(batch).err(),
            None => Some(batch),
        };
        match unplaced {
            None => self.account.leave(items),
            Some(batch) => {
                self.account.discard("best-effort branch full", items);
                batch.delivered();
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

impl Branches {
    fn new(mut edges: Vec<Edge>) -> Self {
        edges.sort_by_key(|edge| Reverse(edge.inlet.number()));
        let (mut needed, mut best_effort): (Vec<Needed>, Vec<Inlet>) = (Vec::new(), Vec::new());
        for Edge { inlet, best_effort: may_fail } in edges {
            match needed.last_mut() {
                _ if may_fail => best_effort.push(inlet),
                Some(last) if last.inlet.number() == inlet.number() => last.copies += 1,
                _ => needed.push(Needed { inlet, copies: 1 }),
            }
        }
        Self { needed, best_effort }
    }

    /// Reserves in every needed branch, or says why that can't be.
    async fn reserve_within<'a>(
        &'a self,
        batch: &Batch,
        patience: Duration,
        slots: &mut Vec<Slot<'a>>,
    ) -> Result<(), Unplaced> {
        let mut since: Option<Instant> = None;
        for needed in &self.needed {
            let permit = match needed.inlet.try_reserve(batch, needed.copies) {
                Ok(Some(permit)) => permit,
                Ok(None) if needed.inlet.overflow() == Overflow::Refuse => {
                    needed.inlet.count_refused(batch, needed.copies);
                    return Err(Unplaced::Full);
                }
                Ok(None) => {
                    let waited = since.get_or_insert_with(Instant::now).elapsed();
                    needed.reserve_within(batch, patience.saturating_sub(waited)).await?
                }
                Err(Closed) => return Err(Unplaced::Closed),
            };
            needed.divide(permit, slots);
        }
        Ok(())
    }
}

impl Needed {
    async fn reserve_within(
        &self,
        batch: &Batch,
        patience: Duration,
    ) -> Result<OwnedSemaphorePermit, Unplaced> {
        match tokio::time::timeout(patience, self.inlet.reserve(batch, self.copies)).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(Closed)) => Err(Unplaced::Closed),
            Err(_elapsed) => Err(Unplaced::Full),
        }
    }

    /// A slot for each edge out of the room for all.
    fn divide<'a>(&'a self, mut permit: OwnedSemaphorePermit, slots: &mut Vec<Slot<'a>>) {
        for left in (2..=self.copies).rev() {
            let share = permit.split(permit.num_permits() / left).expect("a share is no more than the whole");
            slots.push(self.inlet.slot(share));
        }
        slots.push(self.inlet.slot(permit));
    }
}

/// A batch that waits for room. Dropped with it, because the client is gone, it refuses it.
struct Offered<'a> {
    account: &'a Account,
    batch: Option<Batch>,
}

impl Drop for Offered<'_> {
    fn drop(&mut self) {
        if let Some(batch) = self.batch.take() {
            self.account.refuse(CLIENT_GONE, batch.items());
            batch.refused(&Refused { code: Code::Cancelled, ..Refused::retry("the client went away") });
        }
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
