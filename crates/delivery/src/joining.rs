//! `sending_queue.batch`: joins what waits in the queue, and knows whose room each joined batch takes up.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use component::{Entry, Sizer};
use data::{Batch, Budget, Context};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::accumulator::{Accumulator, Thresholds};
use crate::room::Room;
use crate::settings::{QueueBatch, QueueSizer, SendingQueue};

/// Most partitions that batch at the same time; the one that waits longest is sent to make room.
const MAX_PARTITIONS: usize = 10_000;

/// A batch ready to go, and the room in the queue of the entries that it was made of.
pub(crate) struct Ready {
    pub(crate) batch: Batch,
    pub(crate) room: Vec<Room>,
}

impl From<Entry> for Ready {
    fn from(Entry { batch, permit }: Entry) -> Self {
        Self { batch, room: vec![Arc::new(permit)] }
    }
}

/// One accumulator for each combination of metadata.
pub(crate) struct Joining {
    settings: QueueBatch,
    limits: Thresholds,
    partitions: HashMap<Arc<Context>, Partition>,
    /// No partition is due before. Kept, since there may be thousands and this is asked for with every entry.
    look_at: Option<Instant>,
}

struct Partition {
    accumulator: Accumulator,
    /// The entries of what waits, in its order: how many of their items are still here, and their room.
    entries: VecDeque<(usize, Room)>,
    flush_at: Instant,
}

impl Joining {
    pub(crate) fn new(queue: &SendingQueue, settings: &QueueBatch) -> Self {
        let sizer = match queue.batch_sizer(settings) {
            QueueSizer::Bytes => Sizer::Bytes,
            QueueSizer::Items | QueueSizer::Requests => Sizer::Items,
        };
        let limits = Thresholds { sizer, min_size: settings.min_size, max_size: settings.max_size };
        Self { settings: settings.clone(), limits, partitions: HashMap::new(), look_at: None }
    }

    /// When to ask for what is [`due`](Self::due).
    pub(crate) const fn look_at(&self) -> Option<Instant> {
        self.look_at
    }

    /// Takes an entry in; gives what is complete with it.
    pub(crate) fn push(&mut self, entry: Entry, budget: &Arc<Budget>) -> Vec<Ready> {
        let Entry { mut batch, permit } = entry;
        batch.context = batch.context.only(&self.settings.partition.metadata_keys);
        let context = Arc::clone(&batch.context);
        let mut ready = self.make_room(&context, budget);
        let flush_at = Instant::now() + self.settings.flush_timeout;
        let partition =
            self.partitions.entry(Arc::clone(&context)).or_insert_with(|| Partition::new(flush_at));
        self.look_at.get_or_insert(flush_at);
        let complete = partition.push(batch, permit, self.limits, budget);
        if partition.accumulator.is_empty() {
            self.partitions.remove(&context);
        } else if !complete.is_empty() {
            // What is left over came just now.
            partition.flush_at = flush_at;
        }
        ready.extend(complete);
        ready
    }

    /// Everything whose time has come.
    pub(crate) fn due(&mut self, budget: &Arc<Budget>) -> Vec<Ready> {
        let now = Instant::now();
        let due = self.flush(budget, |partition| partition.flush_at <= now);
        self.look_at = self.first_due();
        due
    }

    /// Everything.
    pub(crate) fn all(&mut self, budget: &Arc<Budget>) -> Vec<Ready> {
        self.flush(budget, |_| true)
    }

    fn make_room(&mut self, context: &Arc<Context>, budget: &Arc<Budget>) -> Vec<Ready> {
        if self.partitions.len() < MAX_PARTITIONS || self.partitions.contains_key(context) {
            return Vec::new();
        }
        let oldest = self.first_due();
        self.flush(budget, |partition| Some(partition.flush_at) == oldest)
    }

    fn first_due(&self) -> Option<Instant> {
        self.partitions.values().map(|partition| partition.flush_at).min()
    }

    fn flush(&mut self, budget: &Arc<Budget>, wanted: impl Fn(&Partition) -> bool) -> Vec<Ready> {
        let limits = self.limits;
        let flushed = self.partitions.extract_if(|_, partition| wanted(partition));
        flushed.flat_map(|(_, mut partition)| partition.flush(limits, budget)).collect()
    }
}

impl Partition {
    fn new(flush_at: Instant) -> Self {
        Self { accumulator: Accumulator::default(), entries: VecDeque::new(), flush_at }
    }

    fn push(
        &mut self,
        batch: Batch,
        permit: OwnedSemaphorePermit,
        limits: Thresholds,
        budget: &Arc<Budget>,
    ) -> Vec<Ready> {
        self.entries.push_back((batch.items(), Arc::new(permit)));
        let mut complete = Vec::new();
        self.accumulator.push(batch, limits, budget, &mut |batch| complete.push(batch));
        self.with_room(complete)
    }

    fn flush(&mut self, limits: Thresholds, budget: &Arc<Budget>) -> Vec<Ready> {
        let mut batches = Vec::new();
        self.accumulator.flush(limits, budget, &mut |batch| batches.push(batch));
        self.with_room(batches)
    }

    fn with_room(&mut self, batches: Vec<Batch>) -> Vec<Ready> {
        batches.into_iter().map(|batch| Ready { room: self.room_of(batch.items()), batch }).collect()
    }

    /// The room of the entries that the next `items` items came in: whole entries with it, shared where an entry
    /// is cut.
    fn room_of(&mut self, mut items: usize) -> Vec<Room> {
        let mut room = Vec::new();
        while let Some((left, entry)) = self.entries.front_mut() {
            if *left > items {
                *left -= items;
                if items > 0 {
                    room.push(Arc::clone(entry));
                }
                break;
            }
            items -= *left;
            room.extend(self.entries.pop_front().map(|(_, entry)| entry));
        }
        room
    }
}
