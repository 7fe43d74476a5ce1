//! Servers on loopback, and a bound in time, for the tests of this crate.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::listen::{self, Bound};
use crate::reserve::tests::Budget;
use crate::shutdown::{Phase, Signal, Trigger};
use crate::{Peer, Stream};

/// Runs a test on a current-thread runtime, within a minute.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime
        .block_on(async { tokio::time::timeout(Duration::from_secs(60), test).await })
        .expect("test took too long")
}

/// A listener on loopback whose connections are served by `serve`.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) trigger: Trigger,
    pub(crate) memory: Arc<Budget>,
    task: tokio::task::JoinHandle<()>,
}

impl TestServer {
    pub(crate) fn start<F, E>(
        memory: usize,
        serve: impl Fn(Stream, Peer, Arc<Budget>, Signal) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = E> + Send + 'static,
        E: Send + 'static,
    {
        let bound = Bound::bind(&loopback()).unwrap();
        let listener = bound.listen(&loopback()).unwrap();
        let (trigger, memory) = (Trigger::default(), Budget::new(memory));
        let (mut signal, budget) = (trigger.signal(), Arc::clone(&memory));
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            let each = signal.clone();
            loop {
                tokio::select! {
                    (stream, peer) = listener.accept() => {
                        connections.spawn(serve(stream, peer, Arc::clone(&budget), each.clone()));
                    }
                    _ = signal.reached(Phase::Drain) => break,
                }
            }
            drop(listener);
            while connections.join_next().await.is_some() {}
        });
        Self { address: bound.local_addr().unwrap(), trigger, memory, task }
    }

    /// Waits until every connection has ended.
    pub(crate) async fn ended(self) {
        self.task.await.unwrap();
    }
}

pub(crate) fn loopback() -> listen::Settings {
    listen::Settings { endpoint: "127.0.0.1:0".to_owned(), ..listen::Settings::default() }
}
