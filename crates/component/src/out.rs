//! What a processor can do with the world.

use std::sync::Arc;

use data::{Account, Batch, Budget, Part, Refused, Time};

/// The effects of one call into a processor: batches to hand on, and the books.
///
/// It is a buffer, so a processor never waits; the engine sends what is in it afterwards.
#[derive(Debug)]
pub struct Out {
    now: Time,
    name: Arc<str>,
    budget: Arc<Budget>,
    account: Arc<Account>,
    sent: Vec<Batch>,
}

impl Out {
    /// An empty buffer for the node of that name and account.
    #[must_use]
    pub const fn new(name: Arc<str>, budget: Arc<Budget>, account: Arc<Account>) -> Self {
        Self { now: Time { mono: 0, wall: 0 }, name, budget, account, sent: Vec::new() }
    }

    /// The time at which the engine made this call.
    #[must_use]
    pub const fn now(&self) -> Time {
        self.now
    }

    /// The node's name, for [`Ticket::take_over`](data::Ticket::take_over).
    #[must_use]
    pub const fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Where buffers made here are counted.
    #[must_use]
    pub const fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// Takes a buffer into the memory account, to be a part of a batch.
    #[must_use]
    pub fn adopt(&self, buffer: Vec<u8>) -> Part {
        self.budget.adopt(buffer)
    }

    /// Hands a batch on to whatever comes next.
    pub fn send(&mut self, batch: Batch) {
        self.sent.push(batch);
    }

    /// Items came into being here, beyond those that came in.
    pub fn created(&mut self, items: usize) {
        self.account.create(items);
    }

    /// `items` of a batch were dropped on purpose; the batch itself goes on without them.
    pub fn discarded(&mut self, reason: &'static str, items: usize) {
        self.account.discard(reason, items);
    }

    /// The whole batch is dropped on purpose. Whoever waits for it is told that all is well.
    pub fn discard(&mut self, reason: &'static str, batch: Batch) {
        self.account.discard(reason, batch.items());
        batch.delivered();
    }

    /// The whole batch is refused.
    pub fn refuse(&mut self, reason: &'static str, batch: Batch, refused: &Refused) {
        self.account.refuse(reason, batch.items());
        batch.refused(refused);
    }

    /// Sets the time of the next call. For the engine and test harnesses.
    pub const fn set_now(&mut self, now: Time) {
        self.now = now;
    }

    /// What was sent since the last time. For the engine and test harnesses.
    pub fn take(&mut self) -> std::vec::Drain<'_, Batch> {
        self.sent.drain(..)
    }
}
