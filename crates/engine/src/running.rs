//! Nodes that run: starting them one after the other, and waiting for them to end.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use component::{BoxError, Ended, NodeId, SHUTDOWN};
use data::Signal;
use futures::FutureExt as _;
use futures::future::{BoxFuture, select_all};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::books::Books;
use crate::services::Services;

/// How often a drain that takes its time says what it waits for.
const STRAGGLER_INTERVAL: Duration = Duration::from_secs(5);
/// What tasks get to settle their books once time is up, before they are cut off.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// One running node.
pub(crate) struct NodeTask {
    pub(crate) node: NodeId,
    task: JoinHandle<Ended>,
}

/// Items that a drain could not deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// Where they were.
    pub node: NodeId,
    /// Their signal.
    pub signal: Signal,
    /// How many.
    pub items: u64,
}

/// How a drain ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What was not delivered, by node.
    pub left: Vec<Left>,
    /// Nodes that had to be cut off.
    pub stragglers: Vec<NodeId>,
    /// Nodes that ended with an error, with its text.
    pub failed: Vec<(NodeId, String)>,
}

impl Report {
    /// Whether everything was delivered and every node ended well.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.left.is_empty() && self.stragglers.is_empty() && self.failed.is_empty()
    }

    /// Fills in what the books say was not delivered.
    pub(crate) fn read_books(&mut self, books: &Books) {
        for (node, signal, statement) in books.statements() {
            let given_up = statement.refused.iter().filter(|(reason, _)| *reason == SHUTDOWN);
            let items = statement.inside() + given_up.map(|(_, count)| count).sum::<u64>();
            if items > 0 {
                self.left.push(Left { node, signal, items });
            }
        }
    }
}

/// Starts a node's task on worker `worker` and waits until it is ready.
///
/// If it ends by itself before `expected_end` or `stopping` is cancelled, the process is ended.
pub(crate) async fn start(
    services: &Services,
    worker: usize,
    node: NodeId,
    expected_end: CancellationToken,
    stopping: CancellationToken,
    ready: oneshot::Receiver<()>,
    run: BoxFuture<'static, Ended>,
) -> Result<NodeTask, BoxError> {
    let (fatal, who) = (services.fatal.clone(), node.clone());
    let (started, was_started) = oneshot::channel::<()>();
    let watched = async move {
        let ended = match AssertUnwindSafe(run).catch_unwind().await {
            Ok(ended) => ended,
            Err(panic) => {
                let text = panic_text(&*panic);
                fatal.report(format!("{who} panicked: {text}"));
                Err(BoxError::from(format!("panicked: {text}")))
            }
        };
        // Before it is ready an end is the caller's to report.
        let expected = |token: &CancellationToken| token.is_cancelled();
        if was_started.await.is_ok() && !expected(&expected_end) && !expected(&stopping) {
            let how = ended.as_ref().err().map_or_else(|| "without an error".to_owned(), ToString::to_string);
            fatal.report(format!("{who} ended by itself: {how}"));
        }
        ended
    };
    let task = services.workers.handle(worker).spawn(watched);
    if ready.await.is_ok() {
        // The task can't have gone: it waits for this before it ends.
        started.send(()).ok();
        return Ok(NodeTask { node, task });
    }
    drop(started);
    match task.await {
        Ok(Err(error)) => Err(error),
        Ok(Ok(())) => Err("ended before it was ready".into()),
        Err(error) => Err(error.into()),
    }
}

/// Waits for tasks to end until `deadline`; gives back those that have not, naming them now and then.
pub(crate) async fn wait(tasks: Vec<NodeTask>, deadline: Instant, report: &mut Report) -> Vec<NodeTask> {
    let mut tasks = tasks;
    while !tasks.is_empty() {
        let until = deadline.min(Instant::now() + STRAGGLER_INTERVAL);
        let any = select_all(tasks.iter_mut().map(|task| &mut task.task));
        match timeout_at(until, any).await {
            Ok((ended, index, _)) => {
                let task = tasks.swap_remove(index);
                note_end(task.node, ended, report);
            }
            Err(_elapsed) if Instant::now() >= deadline => break,
            Err(_elapsed) => {
                let names: Vec<String> = tasks.iter().map(|task| task.node.to_string()).collect();
                tracing::info!(waiting_for = names.join(", "), "still draining");
            }
        }
    }
    tasks
}

/// Time is up: lets the tasks settle what they have, then cuts them off.
pub(crate) async fn cut_off(tasks: Vec<NodeTask>, stopping: &CancellationToken, report: &mut Report) {
    stopping.cancel();
    let stubborn = wait(tasks, Instant::now() + LAST_WORDS, report).await;
    for NodeTask { node, task } in stubborn {
        task.abort();
        // The abort has to be over before the books are read. Deliveries that this leaves behind on other workers have
        // written into them before they gave anything up.
        task.await.ok();
        report.stragglers.push(node);
    }
}

fn note_end(node: NodeId, ended: Result<Ended, tokio::task::JoinError>, report: &mut Report) {
    let error = match ended {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    tracing::error!(node = %node, error, "ended with an error");
    report.failed.push((node, error));
}

fn panic_text(panic: &(dyn Any + Send)) -> Arc<str> {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message").into()
}
