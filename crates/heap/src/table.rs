//! The samples: what is held now, and what was allocated in all, by stack.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::sampler::{interval, unrecorded};

/// Most samples of memory held at once: 32 GiB at one in 512 KiB. More are not recorded.
pub const MAX_SAMPLES: usize = 65_536;
/// Most different stacks. More are not recorded.
pub const MAX_STACKS: usize = 8192;
/// Most frames of a stack that are kept, the innermost first.
const MAX_FRAMES: usize = 64;

/// A place that allocates, and estimates of how much.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stack {
    /// Return addresses, the innermost first.
    pub frames: Vec<usize>,
    /// Blocks held now.
    pub held: Amount,
    /// Blocks allocated since sampling began, freed ones included.
    pub allocated: Amount,
}

/// An estimate.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Amount {
    /// How many blocks.
    pub objects: f64,
    /// Their bytes.
    pub bytes: f64,
}

impl Amount {
    fn add(&mut self, other: Self) {
        self.objects += other.objects;
        self.bytes += other.bytes;
    }

    fn subtract(&mut self, other: Self) {
        self.objects = (self.objects - other.objects).max(0.0);
        self.bytes = (self.bytes - other.bytes).max(0.0);
    }
}

/// A block that is held.
struct Sample {
    stack: usize,
    weight: Amount,
}

type Hashed<K, V> = HashMap<K, V, BuildHasherDefault<DefaultHasher>>;

struct Table {
    samples: Hashed<usize, Sample>,
    stacks: Vec<Stack>,
    /// Positions in `stacks`.
    numbers: Hashed<Vec<usize>, usize>,
}

static TABLE: Mutex<Table> = Mutex::new(Table {
    samples: HashMap::with_hasher(BuildHasherDefault::new()),
    stacks: Vec::new(),
    numbers: HashMap::with_hasher(BuildHasherDefault::new()),
});

/// How many samples there are, to be read without the lock.
static HELD: AtomicUsize = AtomicUsize::new(0);

fn table() -> MutexGuard<'static, Table> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether anything is recorded.
#[inline]
pub(crate) fn has_any() -> bool {
    HELD.load(Ordering::Relaxed) != 0
}

/// Records a block of `size` bytes at `address` under the caller's stack; whether there was room for it.
pub(crate) fn record(address: usize, size: usize) -> bool {
    let recorded = unrecorded(|| {
        let frames = caller();
        table().record(address, weight(size, interval()), frames)
    });
    recorded == Some(true)
}

/// Forgets the block at `address`; whether it was recorded.
///
/// What the table itself allocates is never recorded, and it may free some of it while it is locked: hence the
/// thread's mark comes first.
pub(crate) fn forget(address: usize) -> bool {
    unrecorded(|| table().forget(address)) == Some(true)
}

/// Whether the block at `address` is recorded.
pub(crate) fn holds(address: usize) -> bool {
    unrecorded(|| table().samples.contains_key(&address)) == Some(true)
}

/// What was found up to now, by stack; those first that hold most.
#[must_use]
pub fn snapshot() -> Vec<Stack> {
    let mut stacks = unrecorded(|| table().stacks.clone()).unwrap_or_default();
    stacks.sort_by(|a, b| b.held.bytes.total_cmp(&a.held.bytes));
    stacks
}

impl Table {
    fn record(&mut self, address: usize, weight: Amount, frames: Vec<usize>) -> bool {
        if self.samples.len() >= MAX_SAMPLES {
            return false;
        }
        let number = match self.numbers.get(&frames) {
            Some(number) => *number,
            None if self.stacks.len() >= MAX_STACKS => return false,
            None => {
                self.stacks.push(Stack { frames: frames.clone(), ..Stack::default() });
                self.numbers.insert(frames, self.stacks.len() - 1);
                self.stacks.len() - 1
            }
        };
        let Some(stack) = self.stacks.get_mut(number) else { return false };
        stack.held.add(weight);
        stack.allocated.add(weight);
        self.samples.insert(address, Sample { stack: number, weight });
        HELD.store(self.samples.len(), Ordering::Relaxed);
        true
    }

    fn forget(&mut self, address: usize) -> bool {
        let Some(sample) = self.samples.remove(&address) else { return false };
        HELD.store(self.samples.len(), Ordering::Relaxed);
        if let Some(stack) = self.stacks.get_mut(sample.stack) {
            stack.held.subtract(sample.weight);
        }
        true
    }
}

/// How many blocks of this size a sample of one stands for: the inverse of its chance to be taken.
fn weight(size: usize, interval: usize) -> Amount {
    let size = size.max(1) as f64;
    let chance = -(-size / interval.max(1) as f64).exp_m1();
    Amount { objects: 1.0 / chance, bytes: size / chance }
}

/// The stack of whoever allocates.
fn caller() -> Vec<usize> {
    let mut frames = Vec::with_capacity(MAX_FRAMES);
    backtrace::trace(|frame| {
        frames.push(frame.ip().addr());
        frames.len() < MAX_FRAMES
    });
    frames
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_block_stands_for_many_a_large_one_for_itself() {
        let small = weight(512, 512 * 1024);
        assert!((small.objects - 1024.5).abs() < 0.1, "{small:?}");
        let large = weight(64 << 20, 512 * 1024);
        assert!((large.objects - 1.0).abs() < 1e-9, "{large:?}");
    }

    #[test]
    fn amounts_come_and_go_with_their_blocks() {
        let mut table =
            Table { samples: HashMap::default(), stacks: Vec::new(), numbers: HashMap::default() };
        let weight = Amount { objects: 2.0, bytes: 64.0 };
        assert!(table.record(4096, weight, vec![1, 2]));
        assert!(table.record(8192, weight, vec![1, 2]));
        assert!(table.record(12288, weight, vec![3]));
        assert!(table.forget(8192));
        assert!(!table.forget(8192), "once");
        let held: Vec<f64> = table.stacks.iter().map(|stack| stack.held.bytes).collect();
        let allocated: Vec<f64> = table.stacks.iter().map(|stack| stack.allocated.bytes).collect();
        assert_eq!((held, allocated), (vec![64.0, 64.0], vec![128.0, 64.0]));
    }
}
