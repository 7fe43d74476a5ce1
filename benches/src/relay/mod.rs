//! The floor: the barest relay that OTLP over gRPC allows. It receives requests, joins them without looking
//! inside, and sends the raw bytes on. What a collector costs above it is what its features cost.

mod bare;
mod tonic;

use std::{
    io::Write,
    net::SocketAddr,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use anyhow::Context;
use bytes::{Bytes, BytesMut};
use clap::ValueEnum;
use tokio::{
    net::TcpStream,
    runtime::{Builder, Runtime},
    signal::unix::{SignalKind, signal},
    sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, watch},
    time::{interval, timeout},
};

use crate::grpc;

/// Requests joined to one message: 8,192 spans at 128 a request.
const JOINED_REQUESTS: usize = 64;
/// How long a request waits for others to be joined with, at most.
const JOIN_TIME: Duration = Duration::from_millis(200);
/// Messages under way to the upstream at a time; with these taken, receiving waits.
const IN_FLIGHT: usize = 4;
/// HTTP/2's default frame size, in bytes.
const FRAME: usize = 16 << 10;
/// How long the last messages may take after SIGTERM.
const STOP_LIMIT: Duration = Duration::from_secs(10);

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
    /// The same, with a connection's requests handled in the connection's own task.
    H2Inline,
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
        Stack::H2 | Stack::H2Inline => Upstream::H2(bare::connect_h2(settings.upstream).await?),
    };
    let joiner = Arc::new(Joiner::new(upstream));
    let flusher = tokio::spawn(flush_in_time(Arc::clone(&joiner)));
    match settings.stack {
        Stack::Tonic | Stack::TonicHyper => {
            tonic::serve(settings, Arc::clone(&joiner), sockets, stopped).await?
        }
        Stack::Hyper | Stack::HyperTonic => {
            bare::serve(settings, Arc::clone(&joiner), sockets, stopped).await
        }
        Stack::H2 | Stack::H2Inline => bare::serve_h2(settings, Arc::clone(&joiner), sockets, stopped).await,
    }
    flusher.abort();
    drop(timeout(STOP_LIMIT, joiner.finish()).await);
    Ok(())
}

async fn flush_in_time(joiner: Arc<Joiner>) {
    let mut ticks = interval(JOIN_TIME);
    loop {
        ticks.tick().await;
        joiner.flush();
    }
}

/// Joins requests: a repeated field may be split between its elements, so joining is putting side by side.
struct Joiner {
    pending: Mutex<Pending>,
    upstream: Upstream,
    /// One permit per message under way; taken and given back under the lock on `pending`, so that a full one
    /// is never left without a sender.
    in_flight: Arc<Semaphore>,
    space: Notify,
}

#[derive(Default)]
struct Pending {
    requests: usize,
    parts: Vec<Bytes>,
}

impl Joiner {
    fn new(upstream: Upstream) -> Self {
        let in_flight = Arc::new(Semaphore::new(IN_FLIGHT));
        Joiner { pending: Mutex::default(), upstream, in_flight, space: Notify::new() }
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a request over, in one or more parts; waits when the upstream is behind.
    async fn take(self: &Arc<Self>, parts: impl IntoIterator<Item = Bytes>) {
        loop {
            // Enabled before the look, so that no space is missed in between.
            let mut space = pin!(self.space.notified());
            space.as_mut().enable();
            {
                let mut pending = self.pending();
                if pending.requests < JOINED_REQUESTS {
                    pending.parts.extend(parts);
                    pending.requests += 1;
                    if pending.requests == JOINED_REQUESTS {
                        self.try_send(&mut pending);
                    }
                    return;
                }
            }
            space.await;
        }
    }

    fn flush(self: &Arc<Self>) {
        let mut pending = self.pending();
        if pending.requests > 0 {
            self.try_send(&mut pending);
        }
    }

    /// Sends what is pending if a permit is free; if not, the next message that arrives makes way for it.
    fn try_send(self: &Arc<Self>, pending: &mut Pending) {
        if let Ok(permit) = Arc::clone(&self.in_flight).try_acquire_owned() {
            tokio::spawn(Arc::clone(self).send(std::mem::take(pending), permit));
        }
    }

    async fn send(self: Arc<Self>, mut message: Pending, permit: OwnedSemaphorePermit) {
        loop {
            self.send_one(message).await;
            let mut pending = self.pending();
            if pending.requests < JOINED_REQUESTS {
                drop(permit);
                return;
            }
            message = std::mem::take(&mut *pending);
            self.space.notify_waiters();
        }
    }

    async fn send_one(&self, message: Pending) {
        if let Err(error) = self.upstream.send(message.parts).await {
            drop(writeln!(std::io::stderr(), "relay: {error:#}"));
        }
    }

    /// Waits for what is under way, then sends what is left.
    async fn finish(&self) {
        let all = u32::try_from(IN_FLIGHT).unwrap_or(u32::MAX);
        let permits = self.in_flight.acquire_many(all).await;
        let rest = std::mem::take(&mut *self.pending());
        if rest.requests > 0 {
            self.send_one(rest).await;
        }
        drop(permits);
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

/// A message's prefix and parts, ready to be sent: large parts as they are, runs of small ones joined to the
/// size of a frame. A frame of its own costs more than copying a few kilobytes.
fn framed(parts: Vec<Bytes>) -> Vec<Bytes> {
    let length = parts.iter().map(Bytes::len).sum();
    let mut frames = Vec::with_capacity(parts.len() + 1);
    let mut small = BytesMut::with_capacity(FRAME);
    small.extend_from_slice(&grpc::prefix(false, length));
    for part in parts {
        if !small.is_empty() && small.len() + part.len() > FRAME {
            frames.push(small.split().freeze());
        }
        if part.len() > FRAME / 2 {
            if !small.is_empty() {
                frames.push(small.split().freeze());
            }
            frames.push(part);
        } else {
            small.reserve(FRAME);
            small.extend_from_slice(&part);
        }
    }
    if !small.is_empty() {
        frames.push(small.freeze());
    }
    frames
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_parts_share_frames_and_large_ones_are_left_alone() {
        let sizes = |parts: &[usize]| -> Vec<usize> {
            let parts = parts.iter().map(|size| Bytes::from(vec![7; *size])).collect();
            framed(parts).iter().map(Bytes::len).collect()
        };
        assert_eq!(sizes(&[]), [5]);
        assert_eq!(sizes(&[100, 200]), [305]);
        assert_eq!(sizes(&[FRAME, FRAME]), [5, FRAME, FRAME]);
        assert_eq!(sizes(&[4096, 4096, 4096, 4096, 10]), [5 + 3 * 4096, 4106]);
        assert_eq!(sizes(&[10, FRAME, 10]), [15, FRAME, 10]);
    }
}
