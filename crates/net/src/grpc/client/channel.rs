//! The connections of a client: found, made, lost and made again by one task.
//!
//! The manager owns all state. Everything that takes time is a task in its set and ends in an [`Event`]; what calls
//! need to know is published as a [`Snapshot`].

use std::collections::BTreeMap;
use std::future::Future as _;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::request::Body;
use super::{Balancer, Shared};
use crate::Stream;
use crate::dial::{self, Address};
use crate::drive::{Executor, Tasks};
use crate::endpoint::Target;

/// gRPC's back-off: from one second, by 1.6, with a fifth of jitter.
const MIN_BACKOFF: Duration = Duration::from_secs(1);

/// A connection that lived this long was a success: the next one is tried at once.
const SETTLED: Duration = Duration::from_secs(1);

/// Names are not looked up more often than this, however often connections fail.
const MIN_RESOLVE_INTERVAL: Duration = Duration::from_secs(1);

const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;

/// A connection that calls can be sent on.
#[derive(Clone)]
pub(super) struct Connection {
    pub(super) sender: SendRequest<Body>,
}

/// What calls see of the connections.
#[derive(Default)]
pub(super) struct Snapshot {
    ready: Vec<Connection>,
    /// Why nothing can be reached; none while that is still open.
    failure: Option<String>,
}

/// What a call finds.
pub(super) enum Picked {
    Ready(Connection),
    Connecting,
    Failed(String),
}

impl Snapshot {
    pub(super) fn ready(&self) -> usize {
        self.ready.len()
    }

    /// The connection whose turn it is, passing over those that have just closed.
    pub(super) fn pick(&self, turn: usize) -> Picked {
        let start = turn.checked_rem(self.ready.len()).unwrap_or(0);
        let (before, from) = self.ready.split_at_checked(start).unwrap_or_default();
        let open = from.iter().chain(before).find(|connection| !connection.sender.is_closed());
        match (open, &self.failure) {
            (Some(connection), _) => Picked::Ready(connection.clone()),
            (None, Some(why)) => Picked::Failed(why.clone()),
            (None, None) => Picked::Connecting,
        }
    }
}

/// How a task of the manager ended.
enum Event {
    Resolved(io::Result<Vec<Address>>),
    /// The timer set after the resolution of that number.
    ResolveAgain(u64),
    Connected(u64, io::Result<Box<Opened>>),
    Closed(u64, Option<hyper::Error>, Tasks),
    Finished,
    Retry(u64),
}

/// A connection that has just been made, and what drives it.
struct Opened {
    address: Address,
    sender: SendRequest<Body>,
    driver: http2::Connection<TokioIo<Stream>, Body, Executor>,
    executor: Executor,
}

/// One connection to be: to its only address, or to the first of its addresses that answers.
struct Place {
    addresses: Vec<Address>,
    state: State,
    /// Failures since the last success.
    failures: u32,
}

enum State {
    Connecting,
    Ready { connection: Connection, since: Instant },
    Waiting,
}

/// Owns the connections of one client.
pub(super) struct Manager {
    shared: Arc<Shared>,
    tasks: JoinSet<Event>,
    places: BTreeMap<u64, Place>,
    next_place: u64,
    resolving: bool,
    last_resolved: Option<Instant>,
    resolutions: u64,
    failures_to_resolve: u32,
    failure: Option<String>,
    snapshot: watch::Sender<Arc<Snapshot>>,
}

impl Manager {
    pub(super) fn new(shared: Arc<Shared>) -> (Self, watch::Receiver<Arc<Snapshot>>) {
        let (snapshot, state) = watch::channel(Arc::default());
        let manager = Self {
            shared,
            tasks: JoinSet::new(),
            places: BTreeMap::new(),
            next_place: 0,
            resolving: false,
            last_resolved: None,
            resolutions: 0,
            failures_to_resolve: 0,
            failure: None,
            snapshot,
        };
        (manager, state)
    }

    /// Runs until it is aborted; with it ends every connection.
    pub(super) async fn run(mut self) {
        self.resolve();
        while let Some(event) = self.tasks.join_next().await {
            match event {
                Ok(Event::Resolved(result)) => self.resolved(result),
                Ok(Event::ResolveAgain(number)) if number == self.resolutions => self.resolve(),
                Ok(Event::ResolveAgain(_)) => {}
                Ok(Event::Connected(id, result)) => self.connected(id, result),
                Ok(Event::Closed(id, error, calls)) => {
                    self.tasks.spawn(async move {
                        finish(calls).await;
                        Event::Finished
                    });
                    self.closed(id, error);
                }
                Ok(Event::Finished) => continue,
                Ok(Event::Retry(id)) => self.connect(id),
                Err(error) => tracing::error!(%error, "a connection task failed"),
            }
            self.publish();
        }
    }

    fn resolve(&mut self) {
        if self.resolving {
            return;
        }
        self.resolving = true;
        self.last_resolved = Some(Instant::now());
        let shared = Arc::clone(&self.shared);
        self.tasks.spawn(async move {
            let target = &shared.endpoint.target;
            Event::Resolved(match (&shared.resolver, &shared.proxy) {
                (Some(resolver), _) => resolver(),
                (None, Some(_)) => Ok(vec![Address::Tunnel(target.authority())]),
                (None, None) => dial::resolve(target).await,
            })
        });
    }

    /// Names may point elsewhere by now when a connection fails.
    fn resolve_after_failure(&mut self) {
        let is_due = self.last_resolved.is_none_or(|last| last.elapsed() >= MIN_RESOLVE_INTERVAL);
        if is_due {
            self.resolve();
        }
    }

    fn resolved(&mut self, result: io::Result<Vec<Address>>) {
        self.resolving = false;
        self.resolutions += 1;
        let interval = match result {
            Ok(addresses) => {
                self.failures_to_resolve = 0;
                self.replace(addresses);
                self.shared.settings.resolve_interval.max(MIN_RESOLVE_INTERVAL)
            }
            Err(error) => {
                let endpoint = &self.shared.settings.endpoint;
                tracing::warn!(%endpoint, %error, "looking up the endpoint failed");
                self.failure = Some(format!("name resolver error: {error}"));
                self.failures_to_resolve = self.failures_to_resolve.saturating_add(1);
                backoff(self.failures_to_resolve, self.shared.settings.max_reconnect_backoff)
            }
        };
        if self.places.is_empty() || matches!(self.shared.endpoint.target, Target::Tcp { .. }) {
            // Timers of earlier resolutions find that they are late, so that only one counts.
            let number = self.resolutions;
            self.tasks.spawn(async move {
                tokio::time::sleep(interval).await;
                Event::ResolveAgain(number)
            });
        }
    }

    /// Keeps the places whose addresses are still there, drops the others, makes those that are missing.
    fn replace(&mut self, addresses: Vec<Address>) {
        let wanted: Vec<Vec<Address>> = match self.shared.settings.balancer {
            Balancer::RoundRobin => addresses.into_iter().map(|address| vec![address]).collect(),
            Balancer::PickFirst => vec![addresses],
        };
        // A dropped place's connection ends when its calls have.
        self.places.retain(|_, place| wanted.contains(&place.addresses));
        for addresses in wanted {
            if self.places.values().any(|place| place.addresses == addresses) {
                continue;
            }
            let id = self.next_place;
            self.next_place += 1;
            self.places.insert(id, Place { addresses, state: State::Waiting, failures: 0 });
            self.connect(id);
        }
    }

    fn connect(&mut self, id: u64) {
        let Some(place) = self.places.get_mut(&id) else { return };
        if !matches!(place.state, State::Waiting) {
            return;
        }
        place.state = State::Connecting;
        let (shared, addresses) = (Arc::clone(&self.shared), place.addresses.clone());
        self.tasks.spawn(async move { Event::Connected(id, open_any(&shared, &addresses).await) });
    }

    fn connected(&mut self, id: u64, result: io::Result<Box<Opened>>) {
        let Some(place) = self.places.get_mut(&id) else { return };
        match result {
            Ok(opened) => {
                tracing::debug!(address = %opened.address, "connected");
                let connection = Connection { sender: opened.sender };
                place.state = State::Ready { connection, since: Instant::now() };
                let (driver, executor) = (opened.driver, opened.executor);
                self.tasks.spawn(async move {
                    let (error, calls) = drive(driver, executor).await;
                    Event::Closed(id, error, calls)
                });
            }
            Err(error) => self.failed(id, &error.to_string()),
        }
    }

    fn closed(&mut self, id: u64, error: Option<hyper::Error>) {
        let Some(place) = self.places.get_mut(&id) else { return };
        let State::Ready { since, .. } = place.state else { return };
        if since.elapsed() >= SETTLED {
            place.failures = 0;
            place.state = State::Waiting;
            tracing::debug!(
                error = error.map(tracing::field::display),
                "connection closed, connecting again"
            );
            self.connect(id);
            self.resolve_after_failure();
            return;
        }
        let why = error.map_or_else(|| "server closed the connection".to_owned(), |error| error.to_string());
        self.failed(id, &why);
    }

    /// Waits before the place is tried again.
    fn failed(&mut self, id: u64, why: &str) {
        let Some(place) = self.places.get_mut(&id) else { return };
        place.failures = place.failures.saturating_add(1);
        place.state = State::Waiting;
        let pause = backoff(place.failures, self.shared.settings.max_reconnect_backoff);
        let addresses: Vec<_> = place.addresses.iter().map(ToString::to_string).collect();
        let addresses = addresses.join(",");
        tracing::warn!(%addresses, error = why, pause_ms = pause.as_millis(), "connecting failed");
        self.failure = Some(format!("connection error: {addresses}: {why}"));
        self.tasks.spawn(async move {
            tokio::time::sleep(pause).await;
            Event::Retry(id)
        });
        self.resolve_after_failure();
    }

    fn publish(&self) {
        let connections = self.places.values().filter_map(|place| match &place.state {
            State::Ready { connection, .. } => Some(connection.clone()),
            State::Connecting | State::Waiting => None,
        });
        let ready: Vec<_> = connections.collect();
        // As in gRPC: a place that failed once counts as failing until it is connected.
        let is_open = self.places.values().any(|place| place.failures == 0);
        let failure = self.failure.clone().filter(|_| ready.is_empty() && !is_open);
        self.snapshot.send_replace(Arc::new(Snapshot { ready, failure }));
    }
}

async fn open_any(shared: &Shared, addresses: &[Address]) -> io::Result<Box<Opened>> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "no addresses");
    for address in addresses {
        match tokio::time::timeout(shared.settings.connect_timeout, open(shared, address)).await {
            Ok(Ok(opened)) => return Ok(opened),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::Error::new(io::ErrorKind::TimedOut, "connecting took too long"),
        }
    }
    Err(last)
}

async fn open(shared: &Shared, address: &Address) -> io::Result<Box<Opened>> {
    let host = shared.endpoint.target.host();
    let stream = dial::connect(address, host, shared.proxy.as_ref(), shared.tls.as_ref()).await?;
    if stream.is_tls() && stream.alpn() != Some(dial::Proto::Http2.alpn()) {
        // gRPC clients insist on ALPN: without it the other side may speak anything.
        return Err(io::Error::other("server does not offer HTTP/2 by ALPN"));
    }
    let executor = Executor::default();
    let mut builder = http2::Builder::new(executor.clone());
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    if let Some(keepalive) = &shared.settings.keepalive {
        let timeout = keepalive.timeout;
        builder
            .keep_alive_interval(keepalive.time.max(Duration::from_secs(10)))
            .keep_alive_timeout(if timeout.is_zero() { Duration::from_secs(20) } else { timeout })
            .keep_alive_while_idle(keepalive.permit_without_stream);
    }
    let (sender, driver) = builder.handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    Ok(Box::new(Opened { address: address.clone(), sender, driver, executor }))
}

/// Runs a connection until it takes no more calls. Calls in flight may be left among its tasks.
async fn drive(
    driver: http2::Connection<TokioIo<Stream>, Body, Executor>,
    executor: Executor,
) -> (Option<hyper::Error>, Tasks) {
    let mut driver = pin!(driver);
    let mut tasks = Tasks::new(executor);
    let error = std::future::poll_fn(|cx| {
        let ended = driver.as_mut().poll(cx);
        tasks.poll(cx);
        ended.map(Result::err)
    })
    .await;
    (error, tasks)
}

/// Runs what a connection has left over, to the end of its last call.
async fn finish(mut tasks: Tasks) {
    std::future::poll_fn(move |cx| {
        tasks.poll(cx);
        if tasks.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// The pause after the given number of failures, at least one.
fn backoff(failures: u32, max: Duration) -> Duration {
    let growth = 1.6_f64.powi(i32::try_from(failures.saturating_sub(1)).unwrap_or(i32::MAX).min(64));
    let pause = MIN_BACKOFF.as_secs_f64() * growth;
    // Clients that lost one server should not all come back at the same moment; this needs no better randomness.
    let random = std::hash::RandomState::new().build_hasher().finish() % 1_000;
    let jitter = 0.8 + 0.4 * (random as f64 / 1_000.0);
    Duration::from_secs_f64((pause.min(max.as_secs_f64())) * jitter)
}
