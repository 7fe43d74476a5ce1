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

/// A proxy that tunnels everything to one address, and remembers what it was asked.
pub(crate) struct ConnectProxy {
    pub(crate) address: SocketAddr,
    pub(crate) seen: Arc<std::sync::Mutex<Vec<String>>>,
    _task: tokio::task::JoinHandle<()>,
}

impl ConnectProxy {
    pub(crate) fn start(target: SocketAddr) -> Self {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let mut tunnels = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                let log = Arc::clone(&log);
                tunnels.spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        head.push(client.read_u8().await.unwrap());
                    }
                    let head = String::from_utf8(head).unwrap();
                    let is_tunnel = head.starts_with("CONNECT ");
                    log.lock().unwrap().push(head.clone());
                    let mut server = tokio::net::TcpStream::connect(target).await.unwrap();
                    match is_tunnel {
                        true => client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap(),
                        false => server.write_all(head.as_bytes()).await.unwrap(),
                    }
                    tokio::io::copy_bidirectional(&mut client, &mut server).await.ok();
                });
            }
        });
        Self { address, seen, _task: task }
    }
}
