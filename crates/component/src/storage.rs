//! What must outlive a graph, and one day the process.
//!
//! Two things are kept: queues of records, where a record stays until it is acknowledged, and small values under
//! keys. [`MemoryStorage`] keeps both for as long as the process lives; a log on disk will stand behind the same
//! traits. `testkit::contract::storage` is what every implementation is put through.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Why something was not stored or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// No room within the bound that the configuration names.
    #[error("the storage is full: {used} of {limit} bytes are used and {wanted} more were asked for")]
    Full {
        /// Bytes in use.
        used: u64,
        /// The bound in bytes.
        limit: u64,
        /// Bytes asked for.
        wanted: u64,
    },
    /// The medium failed.
    #[error("the storage failed: {0}")]
    Failed(String),
}

/// The place of a record in its queue. Later records have greater ones; none is used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

/// Where components keep what must not be lost.
pub trait Storage: Send + Sync {
    /// The queue of that name. Opened again, it begins with the oldest record that is not acknowledged.
    ///
    /// # Errors
    /// If the medium fails.
    fn queue(&self, name: &str) -> Result<Arc<dyn Queue>, StorageError>;

    /// The value under a key, if there is one.
    ///
    /// # Errors
    /// If the medium fails.
    fn get(&self, key: &str) -> Result<Option<Bytes>, StorageError>;

    /// Puts a value under a key; none removes it.
    ///
    /// # Errors
    /// If there is no room, or the medium fails. The old value then stays.
    fn set(&self, key: &str, value: Option<Bytes>) -> Result<(), StorageError>;
}

/// Records in order, each kept until it is acknowledged. For one reader; any number may push.
pub trait Queue: Send + Sync {
    /// Appends a record. Once this returns, the record survives whatever the storage survives.
    ///
    /// # Errors
    /// If there is no room, or the medium fails. Nothing is kept then.
    fn push(&self, record: Bytes) -> Result<Position, StorageError>;

    /// The next record that was not handed out since the queue was opened; none at the end. Does not wait.
    ///
    /// # Errors
    /// If the medium fails.
    fn next(&self) -> Result<Option<(Position, Bytes)>, StorageError>;

    /// The record is settled and may be forgotten. Positions may come in any order, and more than once.
    ///
    /// # Errors
    /// If the medium fails; the record may then be handed out again after a restart.
    fn acknowledge(&self, position: Position) -> Result<(), StorageError>;

    /// Records kept: waiting, or handed out and not acknowledged.
    fn len(&self) -> usize;

    /// Whether nothing is kept.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Keeps everything in memory, within a bound. Cheap to clone; clones share it.
#[derive(Clone, Debug)]
pub struct MemoryStorage {
    shared: Arc<Mutex<Kept>>,
}

#[derive(Debug)]
struct Kept {
    limit: u64,
    used: u64,
    values: BTreeMap<String, Bytes>,
    queues: BTreeMap<String, Records>,
}

#[derive(Debug, Default)]
struct Records {
    next_position: u64,
    kept: BTreeMap<u64, Bytes>,
    /// Where the reader is: everything before was handed out since the queue was opened.
    read_to: u64,
}

impl MemoryStorage {
    /// A storage of at most `limit` bytes of records and values.
    #[must_use]
    pub fn new(limit: u64) -> Self {
        let kept = Kept { limit, used: 0, values: BTreeMap::new(), queues: BTreeMap::new() };
        Self { shared: Arc::new(Mutex::new(kept)) }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Storage for MemoryStorage {
    fn queue(&self, name: &str) -> Result<Arc<dyn Queue>, StorageError> {
        let mut kept = self.lock();
        // Opening again is what a restart is on disk: what was handed out and not settled comes back.
        kept.queues.entry(name.to_owned()).or_default().read_to = 0;
        Ok(Arc::new(MemoryQueue { storage: self.clone(), name: name.to_owned() }))
    }

    fn get(&self, key: &str) -> Result<Option<Bytes>, StorageError> {
        Ok(self.lock().values.get(key).cloned())
    }

    fn set(&self, key: &str, value: Option<Bytes>) -> Result<(), StorageError> {
        let mut kept = self.lock();
        let freed = kept.values.get(key).map_or(0, |old| old.len() as u64);
        let wanted = value.as_ref().map_or(0, |value| value.len() as u64);
        kept.make_room(wanted, freed)?;
        match value {
            Some(value) => kept.values.insert(key.to_owned(), value),
            None => kept.values.remove(key),
        };
        Ok(())
    }
}

impl Kept {
    /// Counts `wanted` bytes in and `freed` out, or changes nothing.
    fn make_room(&mut self, wanted: u64, freed: u64) -> Result<(), StorageError> {
        let used = self.used.saturating_sub(freed);
        if used.saturating_add(wanted) > self.limit {
            return Err(StorageError::Full { used: self.used, limit: self.limit, wanted });
        }
        self.used = used + wanted;
        Ok(())
    }
}

struct MemoryQueue {
    storage: MemoryStorage,
    name: String,
}

impl Queue for MemoryQueue {
    fn push(&self, record: Bytes) -> Result<Position, StorageError> {
        let mut kept = self.storage.lock();
        kept.make_room(record.len() as u64, 0)?;
        let records = kept.queues.entry(self.name.clone()).or_default();
        let position = records.next_position;
        records.next_position += 1;
        records.kept.insert(position, record);
        Ok(Position(position))
    }

    fn next(&self) -> Result<Option<(Position, Bytes)>, StorageError> {
        let mut kept = self.storage.lock();
        let Some(records) = kept.queues.get_mut(&self.name) else { return Ok(None) };
        let next = records.kept.range(records.read_to..).next();
        let next = next.map(|(position, record)| (Position(*position), record.clone()));
        if let Some((position, _)) = &next {
            records.read_to = position.0 + 1;
        }
        Ok(next)
    }

    fn acknowledge(&self, position: Position) -> Result<(), StorageError> {
        let mut kept = self.storage.lock();
        let removed = kept.queues.get_mut(&self.name).and_then(|records| records.kept.remove(&position.0));
        if let Some(record) = removed {
            kept.used = kept.used.saturating_sub(record.len() as u64);
        }
        Ok(())
    }

    fn len(&self) -> usize {
        self.storage.lock().queues.get(&self.name).map_or(0, |records| records.kept.len())
    }
}
