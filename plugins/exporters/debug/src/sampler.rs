//! `sampling_initial` and `sampling_thereafter`: the first messages of the same text in a second, then every
//! n-th. The rules are those of zap's sampler, which the Collector uses.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use data::Time;

/// Texts are told apart by a hash of so many values, so that the memory has a bound.
const SLOTS: usize = 4096;
const SECOND: u64 = 1_000_000_000;

/// Counts messages by their text.
#[derive(Debug)]
pub(crate) struct Sampler {
    initial: u64,
    thereafter: u64,
    /// When the count ends, and the count.
    slots: Vec<(u64, u64)>,
}

impl Sampler {
    pub(crate) fn new(initial: u64, thereafter: u64) -> Self {
        Self { initial, thereafter, slots: vec![(0, 0); SLOTS] }
    }

    /// Whether a message is shown.
    pub(crate) fn admits(&mut self, message: &str, now: Time) -> bool {
        let mut hasher = DefaultHasher::new();
        message.hash(&mut hasher);
        #[allow(clippy::cast_possible_truncation, reason = "less than SLOTS")]
        let slot = (hasher.finish() % SLOTS as u64) as usize;
        let Some((end, count)) = self.slots.get_mut(slot) else { return true };
        if now.mono >= *end {
            (*end, *count) = (now.mono.saturating_add(SECOND), 0);
        }
        *count += 1;
        *count <= self.initial
            || (self.thereafter != 0 && (*count - self.initial).is_multiple_of(self.thereafter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(initial: u64, thereafter: u64, expected: &str) {
        let mut sampler = Sampler::new(initial, thereafter);
        let shown = |at: u64| if sampler.admits("Traces", Time { mono: at, wall: 0 }) { 'x' } else { '.' };
        // Eight in one second, two in the next.
        let text: String = (0..8).chain([SECOND, SECOND + 1]).map(shown).collect();
        assert_eq!(text, expected);
    }

    #[test]
    fn the_first_and_then_every_nth() {
        check(2, 1, "xxxxxxxxxx");
        check(2, 3, "xx..x..xxx");
        check(1, 0, "x.......x.");
        check(0, 2, ".x.x.x.x.x");
    }

    #[test]
    fn other_texts_are_counted_by_themselves() {
        let mut sampler = Sampler::new(1, 0);
        assert!(sampler.admits("Traces", Time::default()));
        assert!(sampler.admits("Logs", Time::default()));
        assert!(!sampler.admits("Logs", Time::default()));
    }
}
