//! Where tasks run: a few single-threaded runtimes.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt as _;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// The data plane's runtimes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Workers {
    handles: Arc<[Handle]>,
    next: Arc<AtomicUsize>,
    fatal: Fatal,
}

/// The first thing that went wrong beyond repair.
#[derive(Clone, Debug, Default)]
pub struct Fatal {
    reason: Arc<Mutex<Option<String>>>,
    token: CancellationToken,
}

impl Fatal {
    /// Ends the process, in order, with this reason. Later reasons are logged and otherwise ignored.
    pub fn report(&self, reason: String) {
        tracing::error!(reason, "terminating the process");
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(reason);
        self.token.cancel();
    }

    /// Resolves when something was reported.
    pub async fn reported(&self) {
        self.token.cancelled().await;
    }

    /// What was reported first.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Workers {
    /// Tasks will run on the runtimes behind `handles`, at least one.
    #[must_use]
    pub fn new(handles: Vec<Handle>, fatal: Fatal) -> Self {
        assert!(!handles.is_empty(), "there is always at least one worker");
        Self { handles: handles.into(), next: Arc::default(), fatal }
    }

    /// How many runtimes there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.handles.len()
    }

    /// Runs a task on the next runtime in turn. For connections and other work that is its own unit.
    ///
    /// A panic in it is reported as [`Fatal`] under `name`.
    pub fn spawn(&self, name: &Arc<str>, task: impl Future<Output = ()> + Send + 'static) {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        self.spawn_at(turn, name, task);
    }

    /// Runs a task on the runtime number `worker`, modulo their count.
    pub fn spawn_at(&self, worker: usize, name: &Arc<str>, task: impl Future<Output = ()> + Send + 'static) {
        let guarded = self.guard(name, task);
        let handle = &self.handles[worker % self.handles.len()];
        handle.spawn(guarded);
    }

    /// A task that does not panic: it reports that as [`Fatal`] under `name`, and ends.
    pub fn guard(
        &self,
        name: &Arc<str>,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let (fatal, name) = (self.fatal.clone(), Arc::clone(name));
        async move {
            if let Err(panic) = AssertUnwindSafe(task).catch_unwind().await {
                fatal.report(format!("a task of {name} panicked: {}", panic_text(&*panic)));
            }
        }
    }

    /// A runtime, for tasks whose handle the caller keeps.
    #[must_use]
    pub fn handle(&self, worker: usize) -> &Handle {
        &self.handles[worker % self.handles.len()]
    }
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
