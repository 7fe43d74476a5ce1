//! Time as a value.
//!
//! Components never read a clock: they are handed a [`Time`], which tests turn by hand and simulations take
//! from the data. `std::time::Instant` can be neither stored nor set, so it is not used.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A point in time on both clocks, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Time {
    /// Nanoseconds since an arbitrary start; never goes back. For deadlines and durations.
    pub mono: u64,
    /// Nanoseconds since the Unix epoch; may jump. For what people and files see.
    pub wall: u64,
}

impl Time {
    /// This time moved forward on both clocks, saturating.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        let nanos = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        Self { mono: self.mono.saturating_add(nanos), wall: self.wall.saturating_add(nanos) }
    }

    /// How long after `earlier` this is on the monotonic clock; zero if it is not.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.mono.saturating_sub(earlier.mono))
    }

    /// Whether this is at or after `other` on the monotonic clock.
    #[must_use]
    pub fn reached(self, other: Self) -> bool {
        self.mono >= other.mono
    }
}

/// Where the engine reads the time.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Time;
}

/// The machine's clocks.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock whose monotonic side starts at zero now.
    #[must_use]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Time {
        let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Time { mono: nanos(self.start.elapsed()), wall: nanos(wall) }
    }
}

/// A clock turned by hand.
#[derive(Debug, Default)]
pub struct ManualClock {
    mono: AtomicU64,
    wall: AtomicU64,
}

impl ManualClock {
    /// A clock that stands at `start`.
    #[must_use]
    pub fn at(start: Time) -> Self {
        Self { mono: AtomicU64::new(start.mono), wall: AtomicU64::new(start.wall) }
    }

    /// Moves both sides forward and returns the new time.
    pub fn advance(&self, by: Duration) -> Time {
        let now = self.now().after(by);
        self.mono.store(now.mono, Ordering::Release);
        self.wall.store(now.wall, Ordering::Release);
        now
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Time {
        Time { mono: self.mono.load(Ordering::Acquire), wall: self.wall.load(Ordering::Acquire) }
    }
}
