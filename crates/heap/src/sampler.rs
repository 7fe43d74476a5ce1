//! How much is allocated, and which allocations are recorded.
//!
//! Both are one countdown in each thread, in bytes. At its end the thread looks: it adds what it has allocated to
//! [`COUNTED`], and takes a sample if one is due. Between, an allocation costs a subtraction.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// Longest countdown: how many bytes of a thread may not be counted yet.
const STRIDE: usize = 64 * 1024;
/// Bytes allocated in this process, but for those since each thread last looked.
static COUNTED: AtomicU64 = AtomicU64::new(0);

/// Mean number of bytes between two samples; 0 while sampling is off.
static INTERVAL: AtomicUsize = AtomicUsize::new(0);
/// Whether an allocator has asked.
static INSTALLED: AtomicBool = AtomicBool::new(false);

thread_local! {
    // None needs memory or a destructor, so all may be used by an allocator at any time.
    /// Bytes until the thread looks.
    static LEFT: Cell<usize> = const { Cell::new(0) };
    /// What `LEFT` was when the thread last looked.
    static BEGUN: Cell<usize> = const { Cell::new(0) };
    /// Bytes until the thread's next sample, at that time; 0 if nobody wanted one.
    static UNTIL: Cell<usize> = const { Cell::new(0) };
    /// Whether the thread is recording: what it allocates then is not recorded.
    static BUSY: Cell<bool> = const { Cell::new(false) };
    /// State of the thread's random numbers.
    static RANDOM: Cell<u64> = const { Cell::new(0) };
}

/// Takes a sample every `interval` bytes on average from now on, at least one byte. Go's default is 512 KiB. Threads
/// other than this one begin within their next 64 KiB.
pub fn start(interval: usize) {
    INTERVAL.store(interval.max(1), Ordering::Relaxed);
    count(BEGUN.replace(0).saturating_sub(LEFT.replace(0)));
    // Shows whether anybody asks: see `is_installed`.
    drop(std::hint::black_box(Box::new(0_u8)));
}

/// Takes no more samples. Those of memory that is still held stay known until it is freed.
pub fn stop() {
    INTERVAL.store(0, Ordering::Relaxed);
}

/// Whether the process's allocator is a [`Sampling`](crate::Sampling) one, so that there can be samples at all.
/// Known after [`start`].
#[must_use]
pub fn is_installed() -> bool {
    INSTALLED.load(Ordering::Relaxed)
}

/// Bytes that were ever asked of a [`Sampling`](crate::Sampling) allocator, freed or not; 0 if there is none. A block that is
/// made larger or smaller counts as a new one. At most 64 KiB a thread are not in it yet.
#[must_use]
pub fn allocated() -> u64 {
    COUNTED.load(Ordering::Relaxed)
}

fn count(bytes: usize) {
    COUNTED.fetch_add(bytes as u64, Ordering::Relaxed);
}

/// The interval, for weighting; 0 if sampling is off.
pub(crate) fn interval() -> usize {
    INTERVAL.load(Ordering::Relaxed)
}

/// Counts an allocation; whether it is the one to record.
#[inline]
pub(crate) fn is_due(size: usize) -> bool {
    let left = LEFT.get();
    if left > size {
        LEFT.set(left - size);
        return false;
    }
    look(size)
}

/// The end of a countdown.
#[cold]
fn look(size: usize) -> bool {
    INSTALLED.store(true, Ordering::Relaxed);
    let passed = BEGUN.get().saturating_sub(LEFT.get()).saturating_add(size);
    count(passed);
    let until = UNTIL.get();
    let is_reached = passed >= until;
    let interval = INTERVAL.load(Ordering::Relaxed);
    let next = match interval {
        0 => 0,
        // Never 0: a sample that is due while one is taken is taken after it.
        _ if BUSY.get() => until.saturating_sub(passed).max(usize::from(until != 0)),
        _ if is_reached => distance(interval),
        _ => until - passed,
    };
    UNTIL.set(next);
    let begun = if next == 0 { STRIDE } else { next.min(STRIDE) };
    LEFT.set(begun);
    BEGUN.set(begun);
    // A thread's first allocation says nothing about its size: its countdown had not begun.
    interval != 0 && !BUSY.get() && is_reached && (until != 0 || interval == 1)
}

/// Runs `work`, none of whose allocations are recorded; `None` if the thread is in such work already.
pub(crate) fn unrecorded<T>(work: impl FnOnce() -> T) -> Option<T> {
    if BUSY.replace(true) {
        return None;
    }
    let result = work();
    BUSY.set(false);
    Some(result)
}

/// Bytes until the next sample: exponentially distributed, so that every byte has the same chance whatever the pattern.
fn distance(interval: usize) -> usize {
    // 53 random bits as a number in (0, 1].
    let uniform = ((random() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
    let distance = -uniform.ln() * interval as f64;
    // Never 0, which stands for a countdown that has not begun.
    (distance as usize).saturating_add(1)
}

/// Xorshift; seeded by where the thread's state lies, which differs from thread to thread.
fn random() -> u64 {
    RANDOM.with(|state| {
        let mut x = state.get();
        if x == 0 {
            x = (std::ptr::from_ref(state).addr() as u64) | 1;
        }
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        state.set(x);
        x.wrapping_mul(0x2545_f491_4f6c_dd1d)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_have_the_interval_as_their_mean() {
        let rounds = 100_000;
        let sum: usize = (0..rounds).map(|_| distance(1000)).sum();
        let mean = sum / rounds;
        assert!((980..1020).contains(&mean), "{mean}");
    }

    #[test]
    fn unrecorded_work_is_not_nested() {
        let inner = unrecorded(|| unrecorded(|| ()));
        assert_eq!(inner, Some(None));
        assert_eq!(unrecorded(|| 1), Some(1));
    }
}
