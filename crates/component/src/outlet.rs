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
use crate::gate::{Guard, Way};

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
    best_effort: Vec<(Inlet, Origin)>,
    /// The ways that have gates.
    gated: Vec<Gated>,
}

/// A channel that has to take the batch.
#[derive(Debug)]
struct Needed {
    inlet: Inlet,
    /// Where each of the edges into it comes from: pipelines without processors may share an exporter.
    origins: Vec<Origin>,
}

/// The gated way behind whose gates an edge begins; none for the node itself.
type Origin = Option<usize>;

/// The gates of a way, at least one.
#[derive(Debug)]
struct Gated {
    guards: Vec<Arc<Guard>>,
    /// Whether a refusal of its gates counts: some edge behind them is not best-effort.
    needed: bool,
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
        Self::through(vec![edges.into()], account)
    }

    /// Joins ways, some of which may have gates, with the account of the node that they leave.
    #[must_use]
    pub fn through(ways: Vec<Way>, account: Arc<Account>) -> Self {
        Self { branches: Arc::new(Branches::new(ways)), account }
    }

    /// The account of the node that this leaves.
    #[must_use]
    pub fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// Whether the gates behind this would let a request pass: to be asked before it is read.
    ///
    /// # Errors
    /// What the client is to be told; it is counted as a request that was not read.
    pub fn admit(&self) -> Result<(), Refused> {
        self.branches.needed_guards().try_for_each(|guard| guard.admit_unread())
    }

    /// Hands on a batch that is inside the node, waiting for room however long it takes.
    ///
    /// If the next stage has ended the batch is refused in its ticket and in the account.
    pub async fn send(&self, batch: Batch) {
        let Some(batch) = self.past_gates(batch) else { return };
        let mut slots = Vec::with_capacity(self.branches.needed.len());
        for needed in &self.branches.needed {
            match needed.inlet.reserve(&batch, needed.origins.len()).await {
                Ok(permit) => needed.divide(permit, &mut slots),
                Err(Closed) => return refuse(&self.account, batch, &Unplaced::Closed),
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
        let Some(batch) = self.past_gates(batch) else { return };
        let mut offered = Offered { account: &self.account, batch: Some(batch) };
        let mut slots = Vec::with_capacity(self.branches.needed.len());
        let reserved = match &offered.batch {
            Some(batch) => self.branches.reserve_within(batch, patience, &mut slots).await,
            None => Ok(()),
        };
        let Some(batch) = offered.batch.take() else { return };
        match reserved {
            Ok(()) => self.place(batch, slots),
            Err(why) => refuse(&self.account, batch, &why),
        }
    }

    /// Gives the batch back if no gate refuses it, which only what somebody waits for can be: refusing what was
    /// taken over before would lose it.
    fn past_gates(&self, batch: Batch) -> Option<Batch> {
        if self.branches.gated.is_empty() || !batch.ticket.is_awaited() {
            return Some(batch);
        }
        for gated in self.branches.gated.iter().filter(|gated| gated.needed) {
            let refusal = gated
                .guards
                .iter()
                .enumerate()
                .find_map(|(at, guard)| Some((at, guard.admit(&batch).err()?)));
            if let Some((at, refused)) = refusal {
                self.account.leave(batch.items());
                gated.enter(&batch, Some(at));
                batch.refused(&refused);
                return None;
            }
        }
        Some(batch)
    }

    fn place(&self, mut batch: Batch, slots: Vec<(Slot<'_>, Origin)>) {
        let mut books = self.enter_gates(&batch);
        let mut best_effort = self.branches.best_effort.iter();
        // With nobody else to answer for the batch, one of these gets it and the others copies.
        let alone = if slots.is_empty() { best_effort.next() } else { None };
        for (inlet, origin) in best_effort {
            place_if_room(inlet, batch.best_effort(), books.next_from(*origin));
        }
        if let Some((inlet, origin)) = alone {
            std::mem::take(&mut batch.ticket).delivered();
            return place_if_room(inlet, batch, books.next_from(*origin));
        }
        let mut slots = slots.into_iter();
        let Some((last, last_origin)) = slots.next_back() else {
            self.account.discard("no way out", batch.items());
            return batch.delivered();
        };
        for (slot, origin) in slots {
            fill(slot, batch.branch(), books.next_from(origin));
        }
        fill(last, batch, books.next_from(last_origin));
    }

    /// Leads a batch for which there is room through all gates.
    fn enter_gates(&self, batch: &Batch) -> Copies<'_> {
        let mut books = Copies {
            items: batch.items(),
            own: (&self.account, false),
            gated: self.branches.gated.iter().map(|gated| (gated.account(), false)).collect(),
        };
        for gated in &self.branches.gated {
            books.next_from(None).leave(batch.items());
            gated.enter(batch, None);
        }
        books
    }
}

/// The accounts that a batch is handed on from. Each gives it once; whatever it gives further is a copy made there.
struct Copies<'a> {
    items: usize,
    own: (&'a Account, bool),
    gated: Vec<(&'a Account, bool)>,
}

impl<'a> Copies<'a> {
    /// The account that the next edge from `origin` leaves, with the batch in it.
    fn next_from(&mut self, origin: Origin) -> &'a Account {
        let (account, given) = match origin.and_then(|gated| self.gated.get_mut(gated)) {
            Some(gated) => gated,
            None => &mut self.own,
        };
        if *given {
            account.create(self.items);
        }
        *given = true;
        account
    }
}

impl Gated {
    /// The account of the last gate: what the edges behind it leave.
    fn account(&self) -> &Account {
        self.guards.last().expect("a gated way has a gate").account()
    }

    /// Leads the batch from gate to gate: into the last one, or to the one that refuses it.
    fn enter(&self, batch: &Batch, refused_at: Option<usize>) {
        let last = refused_at.unwrap_or(self.guards.len().saturating_sub(1));
        for (at, guard) in self.guards.iter().enumerate().take(last + 1) {
            guard.enter(batch, refused_at != Some(at));
            if at < last {
                guard.account().leave(batch.items());
            }
        }
    }
}

fn place_if_room(inlet: &Inlet, batch: Batch, account: &Account) {
    let items = batch.items();
    let slot = inlet.try_reserve(&batch, 1).ok().flatten().map(|permit| inlet.slot(permit));
    let unplaced = match slot {
        Some(slot) => slot.fill(batch).err(),
        None => Some(batch),
    };
    match unplaced {
        None => account.leave(items),
        Some(batch) => {
            account.discard("best-effort branch full", items);
            batch.delivered();
        }
    }
}

fn fill(slot: Slot<'_>, batch: Batch, account: &Account) {
    let items = batch.items();
    match slot.fill(batch) {
        Ok(()) => account.leave(items),
        Err(batch) => refuse(account, batch, &Unplaced::Closed),
    }
}

fn refuse(account: &Account, batch: Batch, why: &Unplaced) {
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
    account.refuse(reason, batch.items());
    batch.refused(&refused);
}

impl Branches {
    fn new(ways: Vec<Way>) -> Self {
        let (mut edges, mut gated) = (Vec::new(), Vec::new());
        for Way { guards, edges: behind } in ways {
            let origin = (!guards.is_empty() && !behind.is_empty()).then_some(gated.len());
            if origin.is_some() {
                gated.push(Gated { guards, needed: behind.iter().any(|edge| !edge.best_effort) });
            }
            edges.extend(behind.into_iter().map(|edge| (edge, origin)));
        }
        edges.sort_by_key(|(edge, _)| Reverse(edge.inlet.number()));
        let (mut needed, mut best_effort): (Vec<Needed>, Vec<(Inlet, Origin)>) = (Vec::new(), Vec::new());
        for (Edge { inlet, best_effort: may_fail }, origin) in edges {
            match needed.last_mut() {
                _ if may_fail => best_effort.push((inlet, origin)),
                Some(last) if last.inlet.number() == inlet.number() => last.origins.push(origin),
                _ => needed.push(Needed { inlet, origins: vec![origin] }),
            }
        }
        Self { needed, best_effort, gated }
    }

    fn needed_guards(&self) -> impl Iterator<Item = &Guard> {
        self.gated.iter().filter(|gated| gated.needed).flat_map(|gated| gated.guards.iter().map(Arc::as_ref))
    }

    /// Reserves in every needed branch, or says why that can't be.
    async fn reserve_within<'a>(
        &'a self,
        batch: &Batch,
        patience: Duration,
        slots: &mut Vec<(Slot<'a>, Origin)>,
    ) -> Result<(), Unplaced> {
        let mut since: Option<Instant> = None;
        for needed in &self.needed {
            let copies = needed.origins.len();
            let permit = match needed.inlet.try_reserve(batch, copies) {
                Ok(Some(permit)) => permit,
                Ok(None) if needed.inlet.overflow() == Overflow::Refuse => {
                    needed.inlet.count_refused(batch, copies);
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
        match tokio::time::timeout(patience, self.inlet.reserve(batch, self.origins.len())).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(Closed)) => Err(Unplaced::Closed),
            Err(_elapsed) => Err(Unplaced::Full),
        }
    }

    /// A slot for each edge out of the room for all.
    fn divide<'a>(&'a self, mut permit: OwnedSemaphorePermit, slots: &mut Vec<(Slot<'a>, Origin)>) {
        let Some((last, others)) = self.origins.split_last() else { return };
        for (given, origin) in others.iter().enumerate() {
            let left = self.origins.len() - given;
            let share = permit.split(permit.num_permits() / left).expect("a share is no more than the whole");
            slots.push((self.inlet.slot(share), *origin));
        }
        slots.push((self.inlet.slot(permit), *last));
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
