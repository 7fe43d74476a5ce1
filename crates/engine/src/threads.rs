//! The data plane's threads: each runs one single-threaded runtime.
//!
//! Measured against one work-stealing runtime this costs less per item (no migration, no shared run queue) and
//! keeps a connection's buffers on one core.

use std::io;
use std::thread::JoinHandle;
use std::time::Duration;

use component::{Fatal, Workers};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// What blocking calls get to return once the threads are told to end.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Threads that run until this is dropped.
pub struct Threads {
    workers: Workers,
    stops: Vec<oneshot::Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

impl Threads {
    /// Starts `count` threads, at least one.
    ///
    /// # Errors
    /// If the system gives no thread or no reactor.
    pub fn start(count: usize, fatal: Fatal) -> io::Result<Self> {
        let (mut stops, mut threads) = (Vec::new(), Vec::new());
        let mut handles: Vec<Handle> = Vec::new();
        for number in 0..count.max(1) {
            let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
            handles.push(runtime.handle().clone());
            let (stop, stopped) = oneshot::channel::<()>();
            stops.push(stop);
            let name = format!("worker-{number}");
            threads.push(std::thread::Builder::new().name(name).spawn(move || {
                // An error means that the sender is gone, which is the signal.
                runtime.block_on(stopped).ok();
                // Something that blocks for ever (a file on a dead file system) must not keep the process.
                runtime.shutdown_timeout(LAST_WORDS);
            })?);
        }
        Ok(Self { workers: Workers::new(handles, fatal), stops, threads })
    }

    /// Where to spawn tasks on these threads.
    #[must_use]
    pub fn workers(&self) -> Workers {
        self.workers.clone()
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.stops.clear();
        for thread in self.threads.drain(..) {
            // A task's panic was caught and reported where it ran.
            thread.join().ok();
        }
    }
}
