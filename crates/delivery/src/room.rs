//! Room in the queue, which a batch takes up until it is settled.

use std::sync::Arc;

use component::Sizer;
use data::Batch;
use tokio::sync::OwnedSemaphorePermit;

/// The room of one entry in the queue: given back when every batch that has some of its items is settled.
pub(crate) type Room = Arc<OwnedSemaphorePermit>;

/// Bytes that a batch takes up at least, whatever is left of it: as many as it costs to have one wait.
const LEAST_BYTES: usize = 8 << 10;

/// Of the items of a batch it takes up at least one in so many, for the same reason.
const LEAST_PART: usize = 16;

/// The room that a batch needs of which so many items are left, and these bytes: none is too much where batches are counted.
pub(crate) fn needed(sizer: Sizer, batch: &Batch, left: usize, bytes: usize) -> usize {
    match sizer {
        Sizer::Requests => usize::MAX,
        Sizer::Items => left.max(batch.items().div_ceil(LEAST_PART)),
        Sizer::Bytes => bytes.max(LEAST_BYTES),
    }
}

/// Gives back what is more than `needed`. Entries of which other batches have items keep theirs.
pub(crate) fn give_back(room: &mut [Room], mut needed: usize) {
    for permit in room {
        if let Some(permit) = Arc::get_mut(permit) {
            drop(permit.split(permit.num_permits().saturating_sub(needed)));
        }
        needed = needed.saturating_sub(permit.num_permits());
    }
}
