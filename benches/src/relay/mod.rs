//! The floor: the barest relay that OTLP over gRPC allows. It receives requests, joins them without looking
//! inside, and sends the raw bytes on. What a collector costs above it is what its features cost.

mod bare;
mod tonic;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use anyhow::Context;
use bytes::Bytes;
use clap::ValueEnum;
use tokio::{
    net::TcpStream,
    runtime::{Builder, Runtime},
    signal::unix::{SignalKind, signal},
    sync::{Semaphore, mpsc, watch},
    time::interval,
};

use crate::grpc;

/// Requests joined to one message: 8,192 spans at 128 a request.
const JOINED_REQUESTS: usize = 64;
/// How long a request waits for others to be joined with, at most.
const JOIN_TIME: Duration = Duration::from_millis(200);
/// Messages under way to the upstream at a time; with these taken, receiving waits.
const IN_FLIGHT: usize = 4;

/// How the relay's threads are organised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Threads {
    /// One work-stealing runtime with a thread per core.
    Multi,
    /// One single-threaded runtime.
    Single,
    /// A single-threaded runtime per core; one acceptor hands connections out.
    PerCore,
}

/// What speaks gRPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stack {
    /// tonic's server and client with a codec of raw bytes.
    Tonic,
    /// hyper's HTTP/2 server and client with framing of our own.
    Hyper,
    /// The h2 crate itself on both sides.
    H2,
    /// tonic's server, hyper's client.
    TonicHyper,
    /// hyper's server, tonic's client.
    HyperTonic,
}

/// Everything that a relay is told.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) listen: SocketAddr,
    pub(crate) upstream: SocketAddr,
    pub(crate) threads: Threads,
    pub(crate) stack: Stack,
    /// `SETTINGS_MAX_FRAME_SIZE` offered to clients, in bytes.
    pub(crate) frame: u32,
}

/// Receive window of a stream and of a connection, in bytes.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 8 << 20;

/// Runs the relay until SIGTERM, then passes on what it holds.
pub(crate) fn run(settings: &Settings) -> anyhow::Result<()> {
    let cores = thread::available_parallelism()?.get();
    let runtime = match settings.threads {
        Threads::Multi => Builder::new_multi_thread().worker_threads(cores).enable_all().build()?,
        Threads::Single | Threads::PerCore => current_thread()?,
    };
    let (stop, stopped) = watch::channel(false);
    let mut workers = Vec::new();
    let mut inboxes = Vec::new();
    if settings.threads == Threads::PerCore {
        for _ in 1..cores {
            let (inbox, sockets) = mpsc::channel(1024);
            let (settings, stopped) = (settings.clone(), stopped.clone());
            let runtime = current_thread()?;
            workers.push(thread::spawn(move || runtime.block_on(serve(&settings, sockets, stopped))));
            inboxes.push(inbox);
        }
    }
    let outcome = runtime.block_on(async {
        let (inbox, sockets) = mpsc::channel(1024);
        inboxes.push(inbox);
        let accepting = tokio::spawn(accept(settings.listen, inboxes, stopped.clone()));
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::spawn(async move {
            terminate.recv().await;
            stop.send_replace(true);
            Some(stop)
        });
        serve(settings, sockets, stopped).await?;
        accepting.await.context("acceptor")?
    });
    for worker in workers {
        worker.join().map_err(|_| anyhow::anyhow!("a relay thread panicked"))??;
    }
    outcome
}

fn current_thread() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// Accepts connections and hands them out in turn.
async fn accept(
    listen: SocketAddr,
    inboxes: Vec<mpsc::Sender<std::net::TcpStream>>,
    mut stopped: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::bind(listen).await.context("listen")?;
    for inbox in inboxes.iter().cycle() {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                drop(stream.set_nodelay(true));
                if inbox.send(stream.into_std()?).await.is_err() {
                    break;
                }
            }
            () = stopping(&mut stopped) => break,
        }
    }
    Ok(())
}

/// Serves the connections that come in, until stopped; then passes on what is left.
async fn serve(
    settings: &Settings,
    sockets: mpsc::Receiver<std::net::TcpStream>,
    stopped: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let upstream = match settings.stack {
        Stack::Tonic | Stack::HyperTonic => Upstream::Tonic(tonic::connect(settings.upstream).await?),
        Stack::Hyper | Stack::TonicHyper => Upstream::Hyper(bare::connect(settings.upstream).await?),
        Stack::H2 => Upstream::H2(bare::connect_h2(settings.upstream).await?),
    };
    let joiner = Arc::new(Joiner {
        pending: Mutex::default(),
        upstream,
        in_flight: Arc::new(Semaphore::new(IN_FLIGHT)),
    });
    let flusher = tokio::spawn(flush_in_time(Arc::clone(&joiner)));
    match settings.stack {
        Stack::Tonic | Stack::TonicHyper => {
            tonic::serve(settings, Arc::clone(&joiner), sockets, stopped).await?
        }
        Stack::Hyper | Stack::HyperTonic => {
            bare::serve(settings, Arc::clone(&joiner), sockets, stopped).await
        }
        Stack::H2 => bare::serve_h2(settings, Arc::clone(&joiner), sockets, stopped).await,
    }
    flusher.abort();
    joiner.flush().await;
    let all = u32::try_from(IN_FLIGHT)?;
    drop(tokio::time::timeout(Duration::from_secs(10), joiner.in_flight.acquire_many(all)).await);
    Ok(())
}

async fn flush_in_time(joiner: Arc<Joiner>) {
    let mut ticks = interval(JOIN_TIME);
    loop {
        ticks.tick().await;
        joiner.flush().await;
    }
}

/// Joins requests: a repeated field may be split between its elements, so joining is putting side by side.
struct Joiner {
    pending: Mutex<Pending>,
    upstream: Upstream,
    in_flight: Arc<Semaphore>,
}

#[derive(Default)]
struct Pending {
    requests: usize,
    parts: Vec<Bytes>,
}

impl Joiner {
    /// Takes a request over, in one or more parts; waits when the upstream is behind.
    async fn take(self: &Arc<Self>, parts: impl IntoIterator<Item = Bytes>) {
        let full = {
            let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            pending.parts.extend(parts);
            pending.requests += 1;
            (pending.requests >= JOINED_REQUESTS).then(|| std::mem::take(&mut *pending))
        };
        if let Some(full) = full {
            self.send(full.parts).await;
        }
    }

    async fn flush(self: &Arc<Self>) {
        let pending = std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner));
        if pending.requests > 0 {
            self.send(pending.parts).await;
        }
    }

    async fn send(self: &Arc<Self>, parts: Vec<Bytes>) {
        let Ok(permit) = Arc::clone(&self.in_flight).acquire_owned().await else { return };
        let joiner = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(error) = joiner.upstream.send(parts).await {
                drop(std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("relay: {error:#}\n")));
            }
            drop(permit);
        });
    }
}

enum Upstream {
    Tonic(tonic::Upstream),
    Hyper(bare::Upstream),
    H2(h2::client::SendRequest<Bytes>),
}

impl Upstream {
    async fn send(&self, parts: Vec<Bytes>) -> anyhow::Result<()> {
        match self {
            Upstream::Tonic(client) => tonic::send(client.clone(), parts).await,
            Upstream::Hyper(client) => bare::send(client.clone(), framed(parts)).await,
            Upstream::H2(client) => bare::send_h2(client.clone(), framed(parts)).await,
        }
    }
}

/// The parts of a message behind its prefix.
fn framed(mut parts: Vec<Bytes>) -> Vec<Bytes> {
    let length = parts.iter().map(Bytes::len).sum();
    parts.insert(0, Bytes::copy_from_slice(&grpc::prefix(false, length)));
    parts
}

/// The next connection, or `None` once stopped.
async fn next_connection(
    sockets: &mut mpsc::Receiver<std::net::TcpStream>,
    stopped: &mut watch::Receiver<bool>,
) -> Option<TcpStream> {
    tokio::select! {
        socket = sockets.recv() => TcpStream::from_std(socket?).ok(),
        () = stopping(stopped) => None,
    }
}

/// Waits until the relay is told to stop.
async fn stopping(stopped: &mut watch::Receiver<bool>) {
    drop(stopped.wait_for(|stopped| *stopped).await);
}
