//! The one thing that flows.

use std::sync::Arc;

use bytes::Bytes;

use crate::context::Context;
use crate::part::Part;
use crate::signal::Signal;
use crate::ticket::Ticket;
use crate::time::Time;
use crate::verdict::Refused;

/// Encoded telemetry of one signal, with what must stay with it.
///
/// The bytes were checked at the edge: every view over them is infallible. Cloning is not offered, since a copy
/// needs a ticket of its own: see [`Batch::branch`].
#[derive(Debug)]
#[must_use = "a batch dropped without a verdict counts as not delivered"]
pub struct Batch {
    signal: Signal,
    parts: Vec<Part>,
    items: usize,
    /// When the first of the items arrived.
    pub arrived: Time,
    /// Who sent it.
    pub context: Arc<Context>,
    /// Who waits for it.
    pub ticket: Ticket,
}

impl Batch {
    /// A batch of `items` items encoded in `parts`, from nobody in particular and with nobody waiting.
    pub fn new(signal: Signal, parts: Vec<Part>, items: usize, arrived: Time) -> Self {
        Self { signal, parts, items, arrived, context: Context::empty(), ticket: Ticket::none() }
    }

    /// The same batch for somebody who waits for its verdict.
    pub fn with_ticket(mut self, ticket: Ticket) -> Self {
        self.ticket = ticket;
        self
    }

    /// The same batch from the given sender.
    pub fn with_context(mut self, context: Arc<Context>) -> Self {
        self.context = context;
        self
    }

    /// What it carries.
    #[must_use]
    pub const fn signal(&self) -> Signal {
        self.signal
    }

    /// Spans, data points, log records or documents.
    #[must_use]
    pub const fn items(&self) -> usize {
        self.items
    }

    /// The encoding, in pieces whose concatenation is one message.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The bytes of every part, in order.
    pub fn chunks(&self) -> impl Iterator<Item = &Bytes> {
        self.parts.iter().map(Part::bytes)
    }

    /// Encoded length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts.iter().map(Part::len).sum()
    }

    /// Whether nothing is encoded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.iter().all(Part::is_empty)
    }

    /// Replaces the encoding; `items` is the new count.
    pub fn replace(&mut self, parts: Vec<Part>, items: usize) {
        self.parts = parts;
        self.items = items;
    }

    /// Takes the batch apart: encoding, count, and the rest as an empty batch that keeps ticket and context.
    pub fn take(&mut self) -> (Vec<Part>, usize) {
        (std::mem::take(&mut self.parts), std::mem::take(&mut self.items))
    }

    /// A second batch of the same bytes; the verdict for the first then needs both.
    pub fn branch(&self) -> Self {
        self.copy(self.ticket.branch())
    }

    /// A second batch of the same bytes for which nobody waits.
    pub fn best_effort(&self) -> Self {
        self.copy(Ticket::none())
    }

    /// Puts the items of `other` behind this one's. Both must carry the same signal and context.
    pub fn append(&mut self, other: Self) {
        debug_assert_eq!(self.signal, other.signal, "only batches of one signal are joined");
        debug_assert_eq!(self.context, other.context, "only batches of equal context are joined");
        self.parts.extend(other.parts);
        self.items += other.items;
        self.ticket.merge(other.ticket);
        if other.arrived.mono < self.arrived.mono {
            self.arrived = other.arrived;
        }
    }

    /// Cuts off a batch with the given encoding of the first `items` items; `self` keeps `rest`.
    pub fn split_off_front(&mut self, front: Vec<Part>, items: usize, rest: Vec<Part>) -> Self {
        let ticket = self.ticket.split(items);
        self.items = self.items.saturating_sub(items);
        self.parts = rest;
        let (signal, arrived, context) = (self.signal, self.arrived, Arc::clone(&self.context));
        Self { signal, parts: front, items, arrived, context, ticket }
    }

    /// The items arrived.
    pub fn delivered(self) {
        self.ticket.delivered();
    }

    /// The items were refused.
    pub fn refused(self, refused: &Refused) {
        self.ticket.refused(refused);
    }

    fn copy(&self, ticket: Ticket) -> Self {
        Self {
            signal: self.signal,
            parts: self.parts.clone(),
            items: self.items,
            arrived: self.arrived,
            context: Arc::clone(&self.context),
            ticket,
        }
    }
}
