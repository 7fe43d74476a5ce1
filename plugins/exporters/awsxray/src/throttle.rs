//! One pace for all workers: who is told to slow down slows the others down too.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The first wait after a call was throttled; each further one is twice as long.
const FIRST: Duration = Duration::from_millis(200);
/// The longest, unless the API asks for more.
const LONGEST: Duration = Duration::from_secs(20);
/// What the API may ask for at most.
const LONGEST_HINT: Duration = Duration::from_secs(300);

/// The pace at which calls are made.
#[derive(Debug, Default)]
pub(crate) struct Throttle(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// When the next call may be made.
    opens_at: Option<Instant>,
    interval: Duration,
    /// When the interval last grew.
    slowed_at: Option<Instant>,
}

impl Throttle {
    /// Waits until a call may be made.
    pub(crate) async fn pass(&self) {
        while let Some(at) = self.opens_at(Instant::now()) {
            tokio::time::sleep_until(at).await;
        }
    }

    /// When the next call may be made, if not now.
    fn opens_at(&self, now: Instant) -> Option<Instant> {
        self.state().opens_at.filter(|at| *at > now)
    }

    /// A call that was made at `called` was throttled, perhaps with a hint how long to wait. The wait that follows.
    pub(crate) fn slow_down(&self, now: Instant, called: Instant, hint: Option<Duration>) -> Duration {
        let mut state = self.state();
        // Calls that were under way when it was slowed down say nothing about the new pace.
        if state.slowed_at.is_none_or(|at| called >= at) {
            state.interval = (state.interval * 2).clamp(FIRST, LONGEST);
            state.slowed_at = Some(now);
        }
        let wait = state.interval.max(hint.unwrap_or_default().min(LONGEST_HINT));
        let opens_at = now + wait;
        state.opens_at = Some(state.opens_at.map_or(opens_at, |at| at.max(opens_at)));
        wait
    }

    /// A call was taken.
    pub(crate) fn ease(&self) {
        let mut state = self.state();
        state.interval /= 2;
        if state.interval < FIRST {
            state.interval = Duration::ZERO;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A throttle and a clock that the test turns.
    struct Bench {
        throttle: Throttle,
        began: Instant,
        now: Instant,
    }

    impl Bench {
        fn new() -> Self {
            let now = Instant::now();
            Self { throttle: Throttle::default(), began: now, now }
        }

        fn slow_down(&self, called: Instant, hint: Option<Duration>) -> Duration {
            self.throttle.slow_down(self.now, called, hint)
        }

        /// Goes on to where a call may be made; how long that took.
        fn pass(&mut self) -> Duration {
            let at = self.throttle.opens_at(self.now).unwrap_or(self.now);
            let waited = at - self.now;
            self.now = at;
            waited
        }
    }

    #[test]
    fn waits_grow_and_shrink() {
        let mut bench = Bench::new();
        assert_eq!(bench.pass(), Duration::ZERO);
        for millis in [200, 400, 800] {
            let wait = Duration::from_millis(millis);
            assert_eq!(bench.slow_down(bench.now, None), wait);
            // The other workers' calls were made at the old pace.
            assert_eq!(bench.slow_down(bench.now - Duration::from_millis(1), None), wait);
            assert_eq!(bench.pass(), wait);
        }
        bench.throttle.ease();
        assert_eq!(bench.slow_down(bench.now, None), Duration::from_millis(800));
        bench.pass();
        (0..10).for_each(|_| bench.throttle.ease());
        assert_eq!(bench.slow_down(bench.now, None), FIRST);
        for _ in 0..20 {
            bench.pass();
            bench.slow_down(bench.now, None);
        }
        assert_eq!(bench.pass(), LONGEST);
        assert!(bench.now - bench.began > LONGEST);
    }

    #[test]
    fn hints_are_honoured_within_bounds() {
        let mut bench = Bench::new();
        bench.slow_down(bench.now, Some(Duration::from_secs(60)));
        bench.slow_down(bench.now, None);
        assert_eq!(bench.pass(), Duration::from_secs(60));
        bench.slow_down(bench.now, Some(Duration::MAX));
        assert_eq!(bench.pass(), LONGEST_HINT);
    }
}
