//! Room in the queue, which a batch takes up until it is settled, or has to wait with little left of it.

use std::sync::Arc;

use component::Sizer;
use data::Batch;
use tokio::sync::OwnedSemaphorePermit;

/// The room of one entry in the queue: given back at the latest when every batch that has some of its items is settled.
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

/// Gives back what is more than `needed`. Entries of which other batches have items keep theirs, and cover nothing.
pub(crate) fn give_back(room: &mut Vec<Room>, mut needed: usize) {
    room.retain_mut(|permit| {
        let Some(own) = Arc::get_mut(permit) else { return true };
        drop(own.split(own.num_permits().saturating_sub(needed)));
        needed -= own.num_permits();
        own.num_permits() > 0
    });
    room.shrink_to_fit();
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;

    use super::*;

    #[test]
    fn what_is_shared_stays_and_what_is_empty_goes() {
        let all = Arc::new(Semaphore::new(100));
        let entry = |size| Arc::new(Arc::clone(&all).try_acquire_many_owned(size).expect("it is free"));
        let mut room: Vec<Room> = [10, 20, 30, 40].map(entry).to_vec();
        let other = Arc::clone(&room[0]);
        give_back(&mut room, 200);
        assert_eq!(all.available_permits(), 0);
        give_back(&mut room, 25);
        let left: Vec<usize> = room.iter().map(|permit| permit.num_permits()).collect();
        assert_eq!((left, all.available_permits()), (vec![10, 20, 5], 65));
        drop(other);
        give_back(&mut room, 3);
        assert_eq!((room.len(), all.available_permits()), (1, 97));
        give_back(&mut room, 0);
        assert_eq!((room.len(), all.available_permits()), (0, 100));
    }
}
