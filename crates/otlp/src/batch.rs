//! Cutting a [`Batch`]: its bytes, its ticket and its memory account together.

use std::sync::Arc;

use bytes::Bytes;
use data::{Batch, Budget, Part};

use crate::Signal;
use crate::split::{Piece, chunk_items, split_bytes};

/// How large the pieces may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PieceSize {
    /// At most so many items.
    Items(usize),
    /// At most so many encoded bytes, unless a single item has more.
    Bytes(usize),
}

/// Cuts a batch into pieces of at most that size, in order. Each has its share of the ticket.
///
/// Documents of X-Ray are a part each, and parts are not cut.
#[must_use]
pub fn chunk(mut batch: Batch, size: PieceSize, budget: &Arc<Budget>) -> Vec<Batch> {
    let Some(signal) = otlp_signal(batch.signal()) else { return chunk_parts(batch, size) };
    let (parts, _) = batch.take();
    let bytes: Vec<Bytes> = parts.iter().map(|part| part.bytes().clone()).collect();
    let pieces = match size {
        PieceSize::Items(items) => chunk_items(signal, &bytes, items),
        PieceSize::Bytes(max) => split_bytes(signal, &bytes, max),
    };
    drop(bytes);
    let mut sources = Sources { parts, next: 0 };
    let mut batches = Vec::with_capacity(pieces.len());
    let mut pieces = pieces.into_iter().peekable();
    while let Some(Piece { parts, items, .. }) = pieces.next() {
        let parts = parts.into_iter().map(|bytes| sources.adopt(bytes, budget)).collect();
        if pieces.peek().is_none() {
            // The last piece takes what is left of the ticket.
            batch.replace(parts, items);
            batches.push(batch);
            return batches;
        }
        batches.push(batch.split_off_front(parts, items, Vec::new()));
    }
    // Nothing in it: the ticket still has to be answered.
    vec![batch]
}

/// Cuts a batch whose every part is an item.
fn chunk_parts(mut batch: Batch, size: PieceSize) -> Vec<Batch> {
    let (parts, items) = batch.take();
    batch.replace(Vec::new(), items);
    let (mut batches, mut front, mut bytes) = (Vec::new(), Vec::new(), 0);
    for part in parts {
        let full = match size {
            PieceSize::Items(most) => front.len() >= most.max(1),
            PieceSize::Bytes(most) => bytes + part.len() > most,
        };
        if full && !front.is_empty() {
            let items = front.len();
            batches.push(batch.split_off_front(std::mem::take(&mut front), items, Vec::new()));
            bytes = 0;
        }
        bytes += part.len();
        front.push(part);
    }
    // The last piece takes what is left of the ticket.
    let items = front.len();
    batch.replace(front, items);
    batches.push(batch);
    batches
}

/// The parts that pieces were cut from, in order: a slice keeps the allocation of its part alive.
struct Sources {
    parts: Vec<Part>,
    next: usize,
}

impl Sources {
    fn adopt(&mut self, bytes: Bytes, budget: &Arc<Budget>) -> Part {
        // Pieces come in the order of their sources, so the search goes on where it ended.
        for (index, part) in self.parts.iter().enumerate().skip(self.next) {
            if let Some(slice) = part.slice_of(&bytes) {
                self.next = index;
                return slice.compact(budget);
            }
        }
        budget.adopt_bytes(bytes)
    }
}

/// The OTLP signal that a batch's signal is, if it is one.
#[must_use]
pub const fn otlp_signal(signal: data::Signal) -> Option<Signal> {
    match signal {
        data::Signal::Traces => Some(Signal::Traces),
        data::Signal::Metrics => Some(Signal::Metrics),
        data::Signal::Logs => Some(Signal::Logs),
        data::Signal::Xray => None,
    }
}

#[cfg(test)]
mod tests {
    use data::{Ticket, Time, Verdict};

    use super::*;

    fn documents(lengths: &[usize]) -> Batch {
        let parts = lengths.iter().map(|len| Part::from(vec![b'x'; *len])).collect();
        Batch::new(data::Signal::Xray, parts, lengths.len(), Time::default())
    }

    #[test]
    fn documents_are_cut_between_parts() {
        let budget = Budget::unlimited();
        for (size, lengths, wanted) in [
            (PieceSize::Items(2), &[1, 2, 3, 4, 5][..], &[&[1, 2][..], &[3, 4], &[5]][..]),
            (PieceSize::Items(9), &[1, 2], &[&[1, 2]]),
            (PieceSize::Items(0), &[1, 2], &[&[1], &[2]]),
            (PieceSize::Bytes(5), &[2, 3, 1, 9, 1, 4], &[&[2, 3], &[1], &[9], &[1, 4]]),
            (PieceSize::Bytes(5), &[], &[&[]]),
        ] {
            let (ticket, verdict) = Ticket::open(lengths.len());
            let pieces = chunk(documents(lengths).with_ticket(ticket), size, &budget);
            let found: Vec<Vec<usize>> =
                pieces.iter().map(|piece| piece.chunks().map(Bytes::len).collect()).collect();
            assert_eq!(found, wanted, "{size:?}");
            assert!(pieces.iter().all(|piece| piece.items() == piece.parts().len()));
            pieces.into_iter().for_each(Batch::delivered);
            assert_eq!(verdict.try_take(), Some(Verdict::Delivered));
        }
    }
}
