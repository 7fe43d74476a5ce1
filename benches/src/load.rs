//! The load generator: OTLP gRPC clients on h2 itself, closed loop or at a fixed rate.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use bytes::Bytes;
use hdrhistogram::Histogram;
use tokio::{
    task::JoinSet,
    time::{sleep, sleep_until},
};

use crate::{
    client::{Answer, Connection},
    grpc,
    ledger::Ledger,
    spans::Template,
};

/// Refused requests kept for a later retry; beyond that they are given up, unacknowledged.
const MAX_RETRIES_WAITING: usize = 200_000;

/// What to send, how fast and for how long.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) target: SocketAddr,
    pub(crate) connections: usize,
    /// Requests in flight on each connection.
    pub(crate) concurrency: usize,
    pub(crate) spans_per_request: usize,
    /// Spans a second, or `None` for as fast as the collector answers.
    pub(crate) rate: Option<f64>,
    pub(crate) duration: Duration,
    pub(crate) max_requests: u64,
    pub(crate) gzip: bool,
    pub(crate) threads: usize,
    /// Whether refused requests are sent again, for up to this long after the end.
    pub(crate) retry_for: Option<Duration>,
}

/// What came of a load.
pub(crate) struct Outcome {
    /// Requests sent, retries included.
    pub(crate) sent: u64,
    /// Spans that were answered OK during the load.
    pub(crate) acknowledged: u64,
    /// Refused requests by gRPC code, and how many of them carried `RetryInfo`.
    pub(crate) refused: BTreeMap<i32, [u64; 2]>,
    /// Requests that ended without an answer.
    pub(crate) failed: u64,
    /// Spans that a partial success rejected.
    pub(crate) rejected: u64,
    /// Microseconds from the intended start of a request to its OK.
    pub(crate) latency: Histogram<u64>,
    pub(crate) elapsed: Duration,
}

/// A handle to stop a load early.
#[derive(Clone, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(crate) fn stop(&self) {
        self.0.store(true, Relaxed);
    }
}

/// Runs a load to its end on threads of its own.
pub(crate) fn run(plan: &Plan, ledger: &Arc<Ledger>, stop: &Stop) -> anyhow::Result<Outcome> {
    let shared = Arc::new(Shared {
        template: Template::new(plan.spans_per_request)?,
        plan: plan.clone(),
        ledger: Arc::clone(ledger),
        start: Instant::now(),
        next_slot: AtomicU64::new(0),
        retries: Mutex::default(),
        under_way: AtomicU64::new(0),
        stop: stop.clone(),
    });
    let threads = plan.threads.clamp(1, plan.connections.max(1));
    let mut running = Vec::new();
    for number in 0..threads {
        let shared = Arc::clone(&shared);
        let connections = (number..plan.connections).step_by(threads).count();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let body = move || runtime.block_on(drive(shared, connections));
        running.push(thread::Builder::new().name("load".into()).spawn(body)?);
    }
    let mut outcome = Outcome::new()?;
    for thread in running {
        outcome.add(thread.join().map_err(|_| anyhow::anyhow!("a load thread panicked"))??)?;
    }
    outcome.elapsed = shared.start.elapsed();
    Ok(outcome)
}

/// Sends requests of one span until one is answered OK, at most for `limit`; returns when that was.
pub(crate) fn first_answer(
    target: SocketAddr,
    ledger: &Arc<Ledger>,
    limit: Duration,
) -> anyhow::Result<Instant> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let template = Template::new(1)?;
    let deadline = Instant::now() + limit;
    runtime.block_on(async {
        let connection = Connection::new(target);
        while Instant::now() < deadline {
            let first = ledger.issue(1);
            if let Some(Answer { code: grpc::OK, .. }) =
                connection.attempt(body(&template, first, false)?, false).await
            {
                ledger.acknowledge(first, 1);
                return Ok(Instant::now());
            }
            sleep(Duration::from_millis(1)).await;
        }
        anyhow::bail!("no request was accepted within {limit:?}")
    })
}

impl Outcome {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let latency = Histogram::new_with_bounds(1, 3_600_000_000, 3).ok().context("histogram bounds")?;
        Ok(Outcome {
            sent: 0,
            acknowledged: 0,
            refused: BTreeMap::new(),
            failed: 0,
            rejected: 0,
            latency,
            elapsed: Duration::ZERO,
        })
    }

    fn add(&mut self, other: Outcome) -> anyhow::Result<()> {
        self.sent += other.sent;
        self.acknowledged += other.acknowledged;
        self.failed += other.failed;
        self.rejected += other.rejected;
        for (code, counts) in other.refused {
            let sums = self.refused.entry(code).or_default();
            sums[0] += counts[0];
            sums[1] += counts[1];
        }
        self.latency.add(other.latency).ok().context("equal histogram bounds")
    }
}

struct Shared {
    template: Template,
    plan: Plan,
    ledger: Arc<Ledger>,
    start: Instant,
    next_slot: AtomicU64,
    retries: Mutex<VecDeque<Retry>>,
    /// Requests whose answer is awaited: each may become a retry.
    under_way: AtomicU64,
    stop: Stop,
}

/// A refused request: written anew from its first counter, so that waiting costs no memory.
#[derive(Clone, Copy)]
struct Retry {
    due: Instant,
    first: u64,
}

enum Work {
    Send { first: u64, intended: Instant },
    Wait(Instant),
    Done,
}

impl Shared {
    /// What a free worker has to do next.
    fn next(&self, now: Instant) -> Work {
        if self.stop.0.load(Relaxed) {
            return Work::Done;
        }
        let end = self.start + self.plan.duration;
        if now >= end {
            return self.next_retry(now, end);
        }
        let slot = self.next_slot.fetch_add(1, Relaxed);
        if slot >= self.plan.max_requests {
            return self.next_retry(now, end);
        }
        let intended = match self.plan.rate {
            Some(rate) => {
                self.start + Duration::from_secs_f64(slot as f64 * self.template.spans() as f64 / rate)
            }
            None => now,
        };
        if intended >= end {
            return if self.plan.retry_for.is_some() { Work::Wait(end) } else { Work::Done };
        }
        // Every other request is a retry, if one is due: retries are part of what is offered, not on top of it.
        let retry = if slot % 2 == 1 { self.take_due(now) } else { None };
        let first = retry.unwrap_or_else(|| self.ledger.issue(self.template.spans()));
        Work::Send { first, intended }
    }

    /// After the load: what was refused before is sent again, as fast as it is answered.
    fn next_retry(&self, now: Instant, end: Instant) -> Work {
        let Some(retry_for) = self.plan.retry_for else { return Work::Done };
        if now >= end + retry_for || (self.waiting() == 0 && self.under_way.load(Relaxed) == 0) {
            return Work::Done;
        }
        match self.take_due(now) {
            Some(first) => Work::Send { first, intended: now },
            None => Work::Wait(now + Duration::from_millis(50)),
        }
    }

    fn waiting(&self) -> usize {
        self.retries.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn take_due(&self, now: Instant) -> Option<u64> {
        let mut retries = self.retries.lock().unwrap_or_else(PoisonError::into_inner);
        let due = retries.front().is_some_and(|retry| retry.due <= now);
        if due { retries.pop_front().map(|retry| retry.first) } else { None }
    }

    fn retry_later(&self, first: u64, delay: Duration) {
        let mut retries = self.retries.lock().unwrap_or_else(PoisonError::into_inner);
        if self.plan.retry_for.is_some() && retries.len() < MAX_RETRIES_WAITING {
            retries.push_back(Retry { due: Instant::now() + delay, first });
        }
    }
}

impl Shared {
    /// Enters what came of a request; true when it was acknowledged.
    fn settle(&self, outcome: &mut Outcome, first: u64, answer: Option<&Answer>) -> bool {
        match answer {
            None => {
                outcome.failed += 1;
                self.retry_later(first, Duration::from_millis(100));
            }
            Some(Answer { code: grpc::OK, rejected: 0, .. }) => {
                self.ledger.acknowledge(first, self.template.spans());
                outcome.acknowledged += self.template.spans();
                return true;
            }
            Some(Answer { code: grpc::OK, rejected, .. }) => outcome.rejected += rejected,
            Some(Answer { code, retry_delay, .. }) => {
                let counts = outcome.refused.entry(*code).or_default();
                counts[0] += 1;
                counts[1] += u64::from(retry_delay.is_some());
                self.retry_later(first, retry_delay.unwrap_or(Duration::from_secs(1)));
            }
        }
        false
    }
}

/// All connections of one thread, each with its workers.
async fn drive(shared: Arc<Shared>, connections: usize) -> anyhow::Result<Outcome> {
    let mut workers = JoinSet::new();
    for _ in 0..connections {
        let connection = Arc::new(Connection::new(shared.plan.target));
        for _ in 0..shared.plan.concurrency {
            workers.spawn(work(Arc::clone(&shared), Arc::clone(&connection)));
        }
    }
    let mut outcome = Outcome::new()?;
    while let Some(worker) = workers.join_next().await {
        outcome.add(worker.context("a load worker panicked")??)?;
    }
    Ok(outcome)
}

async fn work(shared: Arc<Shared>, connection: Arc<Connection>) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::new()?;
    let gzip = shared.plan.gzip;
    loop {
        let (first, intended) = match shared.next(Instant::now()) {
            Work::Done => return Ok(outcome),
            Work::Wait(until) => {
                sleep_until(until.into()).await;
                continue;
            }
            Work::Send { first, intended } => (first, intended),
        };
        let begin = if intended > Instant::now() {
            // This worker is free in time: that the timer wakes it up to a millisecond late is not the collector's
            // doing. One that comes late because an answer did counts from when it should have sent.
            sleep_until(intended.into()).await;
            Instant::now()
        } else {
            intended
        };
        outcome.sent += 1;
        shared.under_way.fetch_add(1, Relaxed);
        let answer = connection.attempt(body(&shared.template, first, gzip)?, gzip).await;
        let acknowledged = shared.settle(&mut outcome, first, answer.as_ref());
        shared.under_way.fetch_sub(1, Relaxed);
        if acknowledged {
            outcome.latency.saturating_record(begin.elapsed().as_micros() as u64);
        }
        if answer.is_none() {
            sleep(Duration::from_millis(50)).await;
        }
    }
}

fn body(template: &Template, first: u64, gzip: bool) -> std::io::Result<Bytes> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64;
    if gzip {
        let mut message = Vec::with_capacity(template.len());
        template.write(first, now, &mut message);
        return grpc::frame(message, true);
    }
    let mut framed = Vec::with_capacity(grpc::PREFIX + template.len());
    framed.extend_from_slice(&grpc::prefix(false, template.len()));
    template.write(first, now, &mut framed);
    Ok(framed.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ledger::Balance, sink::Sink};

    fn check(gzip: bool, spans_per_request: usize, rate: Option<f64>) {
        let ledger = Arc::new(Ledger::default());
        let sink = Sink::start(Arc::clone(&ledger), 16_384).expect("a sink");
        first_answer(sink.address(), &ledger, Duration::from_secs(20)).expect("an answer");
        let plan = Plan {
            target: sink.address(),
            connections: 3,
            concurrency: 2,
            spans_per_request,
            rate,
            duration: Duration::from_secs(60),
            max_requests: 40,
            gzip,
            threads: 2,
            retry_for: None,
        };
        let outcome = run(&plan, &ledger, &Stop::default()).expect("a load");
        let spans = 40 * spans_per_request as u64;
        assert_eq!((outcome.sent, outcome.acknowledged, outcome.failed), (40, spans, 0));
        let all = spans + 1;
        let expected = Balance { issued: all, acknowledged: all, received: all, ..Balance::default() };
        assert_eq!(ledger.balance(), expected);
    }

    #[test]
    fn every_span_sent_to_the_sink_is_acknowledged_and_received() {
        check(false, 128, None);
        check(true, 128, None);
        check(false, 10, Some(100_000.0));
        check(true, 1, Some(100_000.0));
    }

    #[test]
    fn refused_requests_are_sent_again_until_they_are_taken() {
        let ledger = Arc::new(Ledger::default());
        let sink = Sink::start(Arc::clone(&ledger), 16_384).expect("a sink");
        // The first request occupies a sink that takes a span a second for so long that others are refused.
        sink.throttle(1);
        let plan = Plan {
            target: sink.address(),
            connections: 1,
            concurrency: 2,
            spans_per_request: 4,
            rate: None,
            duration: Duration::from_secs(60),
            max_requests: 3,
            gzip: false,
            threads: 1,
            retry_for: Some(Duration::from_secs(60)),
        };
        let loading = {
            let ledger = Arc::clone(&ledger);
            thread::spawn(move || run(&plan, &ledger, &Stop::default()))
        };
        while sink.counts()[1] == 0 {
            thread::sleep(Duration::from_millis(5));
        }
        sink.throttle(0);
        let outcome = loading.join().expect("no panic").expect("a load");
        let [refused, advised] = outcome.refused[&grpc::UNAVAILABLE];
        assert!(refused >= 1 && advised == refused);
        let expected = Balance { issued: 12, acknowledged: 12, received: 12, ..Balance::default() };
        assert_eq!(ledger.balance(), expected);
    }
}
