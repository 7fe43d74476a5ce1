//! Whether the workers still get to their tasks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use component::Workers;
use data::{Clock, Time};

/// The time of the last sign of life of each worker.
pub struct Pulse {
    clock: Arc<dyn Clock>,
    workers: Workers,
    beats: Vec<Arc<Beat>>,
}

struct Beat {
    /// When a task last ran there, on the monotonic clock.
    last: AtomicU64,
    /// Whether a task is on its way that has not run yet; no second one is sent.
    asked: AtomicBool,
}

impl Pulse {
    /// The pulse of workers that are alive now.
    #[must_use]
    pub fn new(workers: Workers, clock: Arc<dyn Clock>) -> Self {
        let now = clock.now().mono;
        let beat = || Arc::new(Beat { last: AtomicU64::new(now), asked: AtomicBool::new(false) });
        let beats = (0..workers.count()).map(|_| beat()).collect();
        Self { clock, workers, beats }
    }

    /// Sends every worker a task that does nothing but say that it ran.
    pub fn ask(&self) {
        for (worker, beat) in self.beats.iter().enumerate() {
            if beat.asked.swap(true, Ordering::Relaxed) {
                continue;
            }
            let (beat, clock) = (Arc::clone(beat), Arc::clone(&self.clock));
            self.workers.handle(worker).spawn(async move {
                beat.last.store(clock.now().mono, Ordering::Relaxed);
                beat.asked.store(false, Ordering::Relaxed);
            });
        }
    }

    /// For how long each worker has not run anything, to within the interval at which it is asked.
    #[must_use]
    pub fn silences(&self) -> Vec<Duration> {
        let now = self.clock.now();
        let last = |beat: &Arc<Beat>| Time { mono: beat.last.load(Ordering::Relaxed), wall: 0 };
        self.beats.iter().map(|beat| now.since(last(beat))).collect()
    }
}
