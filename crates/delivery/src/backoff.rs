//! When to try again.

use std::time::Duration;

use crate::settings::Retry;

/// The waits between attempts for one batch: growing intervals, each varied at random.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    interval: Duration,
    seed: u64,
}

impl Backoff {
    /// `seed` makes the waits of batches that fail together differ.
    pub(crate) const fn new(retry: &Retry, seed: u64) -> Self {
        Self { interval: retry.initial_interval, seed }
    }

    /// The next wait; never shorter than what the peer asked for.
    pub(crate) fn next(&mut self, retry: &Retry, hint: Option<Duration>) -> Duration {
        let vary = 1.0 + retry.randomization_factor * (2.0 * self.random() - 1.0);
        let wait = scale(self.interval, vary);
        self.interval = scale(self.interval, retry.multiplier).min(retry.max_interval);
        wait.max(hint.unwrap_or_default())
    }

    /// Uniform in 0..1: splitmix64, which is plenty to spread retries.
    #[allow(clippy::cast_precision_loss, reason = "the top 53 bits fit a double exactly")]
    fn random(&mut self) -> f64 {
        self.seed = self.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// A duration times a factor of at least zero, saturating.
fn scale(duration: Duration, factor: f64) -> Duration {
    // What no duration can hold is endless; to take it for zero would try again without a pause.
    Duration::try_from_secs_f64(duration.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_grow_to_the_limit_and_hints_win() {
        let retry = Retry { randomization_factor: 0.0, ..Retry::default() };
        let mut backoff = Backoff::new(&retry, 1);
        let waits: Vec<f64> = (0..7).map(|_| backoff.next(&retry, None).as_secs_f64()).collect();
        assert_eq!(waits, [5.0, 7.5, 11.25, 16.875, 25.3125, 30.0, 30.0]);
        assert_eq!(backoff.next(&retry, Some(Duration::from_secs(90))), Duration::from_secs(90));
        assert_eq!(backoff.next(&retry, Some(Duration::ZERO)), Duration::from_secs(30));
    }

    #[test]
    fn a_huge_multiplier_leads_to_the_limit() {
        for multiplier in [1e300, f64::INFINITY] {
            let retry = Retry { randomization_factor: 0.0, multiplier, ..Retry::default() };
            let mut backoff = Backoff::new(&retry, 1);
            let waits = [backoff.next(&retry, None), backoff.next(&retry, None)];
            assert_eq!(waits, [retry.initial_interval, retry.max_interval]);
        }
    }

    #[test]
    fn waits_vary_within_the_factor() {
        let retry = Retry { multiplier: 1.0, ..Retry::default() };
        let mut backoff = Backoff::new(&retry, 7);
        let waits: Vec<f64> = (0..1000).map(|_| backoff.next(&retry, None).as_secs_f64()).collect();
        assert!(waits.iter().all(|wait| (2.5..=7.5).contains(wait)));
        assert!(waits.iter().any(|wait| *wait < 3.0) && waits.iter().any(|wait| *wait > 7.0));
    }
}
