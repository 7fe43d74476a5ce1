use std::sync::atomic::{AtomicU64, Ordering};

use data::Time;
use tracing::Level;

use super::Sampling;

/// How many kinds of lines are told apart; those that meet in a slot share its allowance, as in the reference.
const SLOTS: usize = 4_096;

/// Limits repeated lines in fixed memory and without locks.
pub(super) struct Limiter {
    sampling: Sampling,
    slots: Box<[Slot]>,
}

#[derive(Default)]
struct Slot {
    /// The end of the tick in monotonic nanoseconds.
    ends: AtomicU64,
    /// The lines of the tick so far.
    count: AtomicU64,
}

impl Limiter {
    pub(super) fn new(sampling: Sampling) -> Self {
        Self { sampling, slots: (0..SLOTS).map(|_| Slot::default()).collect() }
    }

    /// Counts a line and says whether to write it.
    pub(super) fn admit(&self, level: Level, message: &str, now: Time) -> bool {
        let slot = usize::try_from(key(level, message) % SLOTS as u64).ok();
        let Some(slot) = slot.and_then(|slot| self.slots.get(slot)) else { return true };
        let Sampling { tick, initial, thereafter } = self.sampling;
        let count = slot.count(now, now.after(tick));
        // Up to `initial` there is no excess; then it counts from one.
        match count.checked_sub(initial) {
            None | Some(0) => true,
            Some(excess) => thereafter != 0 && excess.is_multiple_of(thereafter),
        }
    }
}

impl Slot {
    /// Which line of its tick this is, from one.
    fn count(&self, now: Time, next_end: Time) -> u64 {
        let ends = self.ends.load(Ordering::Relaxed);
        let is_first = now.mono >= ends
            && self.ends.compare_exchange(ends, next_end.mono, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if is_first {
            self.count.store(1, Ordering::Relaxed);
            return 1;
        }
        self.count.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }
}

/// FNV-1a over the level and the message.
fn key(level: Level, message: &str) -> u64 {
    let bytes = level.as_str().bytes().chain(message.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const STEP: Duration = Duration::from_secs(1);

    /// Which of 350 lines at one time are admitted.
    fn admitted(limiter: &Limiter, now: Time) -> Vec<u32> {
        (1..=350).filter(|_| limiter.admit(Level::INFO, "again", now)).collect()
    }

    #[test]
    fn first_ten_then_every_hundredth() {
        let limiter = Limiter::new(Sampling::default());
        let expected: Vec<u32> = (1..=10).chain([110, 210, 310]).collect();
        let start = Time::default();
        assert_eq!(admitted(&limiter, start), expected);
        // Within the tick the count goes on; a wall clock that jumps changes nothing.
        let within = Time { wall: u64::MAX, ..start.after(STEP * 9) };
        assert_eq!(admitted(&limiter, within), [60, 160, 260]);
        assert_eq!(admitted(&limiter, start.after(STEP * 10)), expected);
    }

    #[test]
    fn others_are_not_touched() {
        let limiter = Limiter::new(Sampling { thereafter: 0, ..Sampling::default() });
        let now = Time { mono: 7, wall: 0 };
        assert_eq!(admitted(&limiter, now).len(), 10);
        assert!(limiter.admit(Level::WARN, "again", now));
        assert!(limiter.admit(Level::INFO, "something else", now));
        assert!(!limiter.admit(Level::INFO, "again", now));
    }

    #[test]
    fn odd_settings() {
        let none = Limiter::new(Sampling { initial: 0, thereafter: 100, tick: STEP });
        assert_eq!(admitted(&none, Time::default()), [100, 200, 300]);
        let no_tick = Limiter::new(Sampling { tick: Duration::ZERO, ..Sampling::default() });
        assert_eq!(admitted(&no_tick, Time::default()).len(), 350);
        let endless = Limiter::new(Sampling { tick: Duration::MAX, initial: 1, thereafter: 0 });
        assert_eq!(admitted(&endless, Time::default()), [1]);
    }
}
