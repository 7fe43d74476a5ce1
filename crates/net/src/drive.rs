//! Drives one server connection: its protocol, its requests, its time limits, its end.
//!
//! The requests of a connection run in the connection's own task. On single-threaded runtimes a task for each would
//! only add wake-ups; and when the connection is dropped, nothing of it is left.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::time::Instant;

use crate::frames::Frames;
use crate::shutdown::{Phase, Signal};

/// How long a connection that was asked to close, and has nothing in flight, may take over it.
const CLOSE_GRACE: Duration = Duration::from_secs(5);

/// When a sleep has nothing to wait for.
const FAR: Duration = Duration::from_secs(86_400 * 365);

/// Why a connection ended.
#[derive(Debug)]
pub enum End {
    /// The client closed it.
    Closed,
    /// It was asked to close, because of `reason`, and did.
    Drained(Reason),
    /// It was cut off.
    Cut(Reason),
    /// The transport or the protocol failed.
    Failed(Box<dyn std::error::Error + Send + Sync>),
}

/// Why we ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No request for the idle timeout.
    Idle,
    /// Older than the longest age.
    Age,
    /// Connections are not kept, and its requests are answered.
    Unkept,
    /// The server shuts down.
    Shutdown,
    /// The client did not begin to speak in time.
    Handshake,
    /// A request's head did not arrive in time.
    Header,
    /// A frame did not become whole in time.
    Frame,
}

/// Time limits of one connection; zero is none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Limits {
    /// From the first byte's chance until the connection counts as opened.
    pub(crate) handshake: Duration,
    /// Bytes that open a connection; with more than a connection can have, only a request opens it.
    pub(crate) opening_bytes: u64,
    /// From the first byte of an HTTP/1 head to its last.
    pub(crate) header: Duration,
    /// From an HTTP/2 frame's first byte to its last, and from a call's first header to the end of its headers.
    pub(crate) frame: Duration,
    /// Without a request in flight.
    pub(crate) idle: Duration,
    /// No longer than until its first requests are answered.
    pub(crate) unkept: bool,
    /// Since it was accepted.
    pub(crate) age: Duration,
    /// For requests in flight, once too old.
    pub(crate) age_grace: Duration,
}

/// What the connection, its requests and its driver tell each other. Within one task: the orderings are all relaxed.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    in_flight: AtomicUsize,
    requests: AtomicU64,
    bytes_read: AtomicU64,
    /// Bytes read when the latest request had been read whole, on connections where bytes mean requests (HTTP/1).
    http1_bytes: AtomicU64,
    /// Frames that came whole, on connections in HTTP/2.
    frames: AtomicU64,
    /// Whether a frame, or a call's headers, have begun and not ended.
    is_partial: AtomicBool,
}

impl Activity {
    /// Counts a request until the returned value is dropped.
    pub(crate) fn begin(self: &Arc<Self>, is_http1: bool) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.requests.fetch_add(1, Ordering::Relaxed);
        InFlight { activity: Arc::clone(self), is_http1 }
    }

    /// Counts bytes that came, and says where in its frames the client is with them.
    pub(crate) fn read(&self, count: usize, frames: &Frames) {
        self.bytes_read.fetch_add(count as u64, Ordering::Relaxed);
        self.frames.store(frames.whole(), Ordering::Relaxed);
        self.is_partial.store(frames.is_partial(), Ordering::Relaxed);
    }
}

/// A request in flight.
#[derive(Debug)]
pub(crate) struct InFlight {
    activity: Arc<Activity>,
    is_http1: bool,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.activity.in_flight.fetch_sub(1, Ordering::Relaxed);
        if self.is_http1 {
            let read = self.activity.bytes_read.load(Ordering::Relaxed);
            self.activity.http1_bytes.store(read, Ordering::Relaxed);
        }
    }
}

/// A hyper connection that can be asked to finish.
pub(crate) trait Connection: Future<Output = Result<(), Self::Error>> {
    type Error: Into<Box<dyn std::error::Error + Send + Sync>>;

    /// No further requests; those in flight go on.
    fn finish(self: Pin<&mut Self>);
}

/// Runs what hyper wants spawned inside the connection's own task.
#[derive(Clone, Default)]
pub(crate) struct Executor {
    new: Arc<Mutex<Vec<Task>>>,
}

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Executor {
    fn execute(&self, task: F) {
        self.new.lock().unwrap_or_else(PoisonError::into_inner).push(Box::pin(task));
    }
}

/// The tasks that an [`Executor`] was given.
pub(crate) struct Tasks {
    executor: Executor,
    running: FuturesUnordered<Task>,
}

impl Tasks {
    pub(crate) fn new(executor: Executor) -> Self {
        Self { executor, running: FuturesUnordered::new() }
    }

    /// Polls what can run. Whatever a task does to the connection wakes the task that both are part of.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) {
        loop {
            let new = std::mem::take(&mut *self.executor.new.lock().unwrap_or_else(PoisonError::into_inner));
            let is_new = !new.is_empty();
            self.running.extend(new);
            match self.running.poll_next_unpin(cx) {
                Poll::Ready(Some(())) => {}
                _ if is_new => {}
                _ => return,
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }
}

/// Runs `connection` to its end.
pub(crate) async fn drive<C: Connection>(
    connection: C,
    executor: Executor,
    activity: Arc<Activity>,
    limits: Limits,
    shutdown: Signal,
) -> End {
    let mut connection = pin!(connection);
    let mut tasks = Tasks::new(executor);
    let mut watch = Watch::new(activity, limits);
    let mut timer = pin!(tokio::time::sleep_until(watch.deadline()));
    let mut drain = pin!(reached(shutdown.clone(), Phase::Drain));
    let mut stop = pin!(reached(shutdown, Phase::Stop));
    let mut is_drained = false;

    std::future::poll_fn(move |cx| {
        if !is_drained && drain.as_mut().poll(cx).is_ready() {
            is_drained = true;
            watch.close(Reason::Shutdown, None);
            connection.as_mut().finish();
        }
        if is_drained && stop.as_mut().poll(cx).is_ready() {
            return Poll::Ready(End::Cut(Reason::Shutdown));
        }
        if let Poll::Ready(result) = connection.as_mut().poll(cx) {
            return Poll::Ready(match (result, watch.closing) {
                (Ok(()), None) => End::Closed,
                (Ok(()), Some(closing)) => End::Drained(closing.reason),
                (Err(error), _) => End::Failed(error.into()),
            });
        }
        tasks.poll(cx);
        loop {
            match watch.verdict() {
                Verdict::Cut(reason) => return Poll::Ready(End::Cut(reason)),
                Verdict::Close(reason, grace) => {
                    watch.close(reason, Some(grace));
                    connection.as_mut().finish();
                    // Finishing makes work for the connection; it may be done at once.
                    cx.waker().wake_by_ref();
                }
                Verdict::Wait => {}
            }
            let deadline = watch.deadline();
            // A deadline that moved back is found when the timer fires: rearming it for each request would cost more.
            if deadline < timer.deadline() {
                timer.as_mut().reset(deadline);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            timer.as_mut().reset(watch.deadline().max(Instant::now() + Duration::from_millis(1)));
        }
    })
    .await
}

async fn reached(mut signal: Signal, phase: Phase) {
    signal.reached(phase).await;
}

/// Judges a connection by its activity.
struct Watch {
    activity: Arc<Activity>,
    limits: Limits,
    accepted: Instant,
    requests: u64,
    /// Since when nothing is in flight; none while something is.
    idle_since: Option<Instant>,
    /// Since when a part of an HTTP/1 head is there.
    head_since: Option<Instant>,
    /// Since when a part of a frame is there, and how many had come before it.
    frame_since: Option<(Instant, u64)>,
    /// Set once the connection was asked to close.
    closing: Option<Closing>,
}

#[derive(Clone, Copy)]
struct Closing {
    reason: Reason,
    asked: Instant,
    /// When it is cut off, whatever is in flight; none leaves what is in flight alone.
    cut_at: Option<Instant>,
}

enum Verdict {
    Wait,
    Close(Reason, Duration),
    Cut(Reason),
}

impl Watch {
    fn new(activity: Arc<Activity>, limits: Limits) -> Self {
        let accepted = Instant::now();
        let idle_since = Some(accepted);
        Self {
            activity,
            limits,
            accepted,
            requests: 0,
            idle_since,
            head_since: None,
            frame_since: None,
            closing: None,
        }
    }

    fn close(&mut self, reason: Reason, grace: Option<Duration>) {
        let asked = Instant::now();
        self.closing = Some(Closing { reason, asked, cut_at: grace.map(|grace| asked + grace) });
    }

    /// Looks at what has happened, and whether it is time for something.
    fn verdict(&mut self) -> Verdict {
        let now = Instant::now();
        self.observe(now);
        let deadline = self.deadline();
        if now < deadline {
            return Verdict::Wait;
        }
        let is_due = |at: Option<Instant>| at.is_some_and(|at| now >= at);
        match self.closing {
            Some(closing) if is_due(self.closing_deadline(closing)) => Verdict::Cut(closing.reason),
            Some(_) => Verdict::Wait,
            None if is_due(self.opening_deadline()) => Verdict::Cut(Reason::Handshake),
            None if is_due(self.head_deadline()) => Verdict::Cut(Reason::Header),
            None if is_due(self.frame_deadline()) => Verdict::Cut(Reason::Frame),
            None if is_due(self.unkept_deadline()) => Verdict::Close(Reason::Unkept, CLOSE_GRACE),
            None if is_due(self.idle_deadline()) => Verdict::Close(Reason::Idle, CLOSE_GRACE),
            None if is_due(self.age_deadline()) => {
                let grace = self.limits.age_grace;
                Verdict::Close(Reason::Age, if grace.is_zero() { FAR } else { grace })
            }
            None => Verdict::Wait,
        }
    }

    fn observe(&mut self, now: Instant) {
        let requests = self.activity.requests.load(Ordering::Relaxed);
        let is_idle = self.activity.in_flight.load(Ordering::Relaxed) == 0;
        let is_same = requests == self.requests;
        self.requests = requests;
        self.idle_since = match (is_idle, self.idle_since) {
            (true, Some(since)) if is_same => Some(since),
            (true, _) => Some(now),
            (false, _) => None,
        };
        let finished_at = self.activity.http1_bytes.load(Ordering::Relaxed);
        let has_head = is_idle
            && finished_at > 0
            && self.activity.bytes_read.load(Ordering::Relaxed) > finished_at
            && !self.limits.header.is_zero();
        self.head_since = match (has_head, self.head_since) {
            (true, None) => Some(now),
            (true, since) => since,
            (false, _) => None,
        };
        let frames = self.activity.frames.load(Ordering::Relaxed);
        let is_partial = !self.limits.frame.is_zero() && self.activity.is_partial.load(Ordering::Relaxed);
        self.frame_since = match self.frame_since {
            _ if !is_partial => None,
            Some((since, before)) if before == frames => Some((since, before)),
            _ => Some((now, frames)),
        };
    }

    /// When to look again at the latest.
    fn deadline(&self) -> Instant {
        let next = match self.closing {
            Some(closing) => self.closing_deadline(closing),
            None => {
                let deadlines = [
                    self.opening_deadline(),
                    self.head_deadline(),
                    self.frame_deadline(),
                    self.unkept_deadline(),
                    self.idle_deadline(),
                    self.age_deadline(),
                ];
                deadlines.into_iter().flatten().min()
            }
        };
        next.unwrap_or(self.accepted + FAR)
    }

    /// A client that has not said anything, or stops in the middle of a head, must not hold up the end.
    fn closing_deadline(&self, closing: Closing) -> Option<Instant> {
        let idle_since = || self.idle_since.map(|since| since.max(closing.asked));
        let silent = self.activity.bytes_read.load(Ordering::Relaxed) == 0;
        let grace = if silent { Duration::ZERO } else { CLOSE_GRACE };
        closing.cut_at.or_else(|| Some(idle_since()? + grace))
    }

    fn opening_deadline(&self) -> Option<Instant> {
        let is_open = self.requests > 0
            || self.activity.bytes_read.load(Ordering::Relaxed) >= self.limits.opening_bytes;
        (!is_open).then(|| after(self.accepted, self.limits.handshake)).flatten()
    }

    fn head_deadline(&self) -> Option<Instant> {
        after(self.head_since?, self.limits.header)
    }

    fn frame_deadline(&self) -> Option<Instant> {
        after(self.frame_since?.0, self.limits.frame)
    }

    fn unkept_deadline(&self) -> Option<Instant> {
        self.idle_since.filter(|_| self.limits.unkept && self.requests > 0)
    }

    fn idle_deadline(&self) -> Option<Instant> {
        after(self.idle_since?, self.limits.idle)
    }

    fn age_deadline(&self) -> Option<Instant> {
        after(self.accepted, self.limits.age)
    }
}

fn after(since: Instant, limit: Duration) -> Option<Instant> {
    if limit.is_zero() { None } else { since.checked_add(limit) }
}
