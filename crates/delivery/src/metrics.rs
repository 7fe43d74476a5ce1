//! What an exporter's node tells about itself, under the Collector's names where it has them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use component::{Level, RunCx, SHUTDOWN};
use data::{Batch, Code, Refusal, Refused, Signal};
use telemetry::metrics::{Counter, Histogram, MetricsLevel, Scope, bounds};
use tokio::time::Instant;

type Label = (&'static str, String);

/// The metrics of one exporter and signal.
pub(crate) struct Metrics {
    meters: Arc<Scope>,
    items: &'static str,
    /// The exporter and where it sends to.
    labels: Vec<Label>,
    sent: Counter,
    failed: Failed,
    attempts: Attempts,
    queue: Option<Queue>,
}

/// Items whose delivery failed; at level `detailed` by what went wrong.
enum Failed {
    InAll(Counter),
    /// At most a few for each status code.
    ByError(Mutex<BTreeMap<(&'static str, bool), Counter>>),
}

/// How long single calls of the exporter took, by how they ended.
struct Attempts {
    delivered: Histogram,
    retry: Histogram,
    refused: Histogram,
}

/// Sizes of what goes into the sending queue, and of what comes out joined.
struct Queue {
    enqueued: Sizes,
    sent: Sizes,
}

struct Sizes {
    items: Histogram,
    bytes: Histogram,
}

impl Metrics {
    /// Registers those of a node. `destination` are labels of where it sends to, `queue` how full its queue is, if it
    /// has one.
    pub(crate) fn register(
        cx: &RunCx,
        signal: Signal,
        destination: Vec<Label>,
        queue: Option<Level>,
        in_flight: &Arc<AtomicUsize>,
    ) -> Self {
        let exporter = ("exporter", cx.node.id.to_string());
        let labels: Vec<Label> = [exporter.clone()].into_iter().chain(destination).collect();
        let (meters, items) = (Arc::clone(&cx.meters), signal.items());
        let help = "Number of items successfully sent to destination [Alpha]";
        let sent = meters.counter(&format!("otelcol_exporter_sent_{items}"), help, "{items}", &labels);
        let sizes =
            |name: &str, what: &str, bytes: &[f64]| Sizes::register(&meters, &exporter, name, what, bytes);
        let queue_sizes = queue.as_ref().map(|_| Queue {
            enqueued: sizes(
                "enqueue_size",
                "of requests put into the sending queue",
                bounds::ENQUEUE_SIZE_BYTES,
            ),
            sent: sizes(
                "queue_batch_send_size",
                "of batches taken from the sending queue",
                bounds::SEND_SIZE_BYTES,
            ),
        });
        let failed = match meters.level() {
            MetricsLevel::Detailed => Failed::ByError(Mutex::default()),
            _ => Failed::InAll(failed(&meters, items, &labels)),
        };
        gauges(cx, signal, queue, in_flight);
        let attempts = Attempts::register(&meters, &exporter, signal);
        Self { meters, items, labels, sent, failed, attempts, queue: queue_sizes }
    }

    /// Counts what was delivered.
    pub(crate) fn sent(&self, items: usize) {
        self.sent.add(items as u64);
    }

    /// Counts what is given up, under the reason for the books and what was answered last.
    pub(crate) fn failed(&self, items: usize, reason: &str, refused: &Refused) {
        match &self.failed {
            Failed::InAll(counter) => counter.add(items as u64),
            Failed::ByError(counters) => {
                let key = (error_type(reason, refused.code), !refused.is_retryable());
                let mut counters = counters.lock().unwrap_or_else(PoisonError::into_inner);
                let counter = counters.entry(key).or_insert_with(|| self.failed_by(key));
                counter.add(items as u64);
            }
        }
    }

    fn failed_by(&self, (error_type, permanent): (&'static str, bool)) -> Counter {
        let mut labels = self.labels.clone();
        labels.push(("error_type", error_type.to_owned()));
        labels.push(("error_permanent", permanent.to_string()));
        failed(&self.meters, self.items, &labels)
    }

    /// Notes how long one call of the exporter took; without refusal it was delivered.
    pub(crate) fn attempted(&self, began: Instant, refused: Option<&Refused>) {
        let histogram = match refused.map(|refused| &refused.refusal) {
            None => &self.attempts.delivered,
            Some(Refusal::Retry { .. }) => &self.attempts.retry,
            Some(Refusal::Permanent | Refusal::TooLarge) => &self.attempts.refused,
        };
        histogram.observe(began.elapsed().as_secs_f64());
    }

    /// Notes what was put into the queue.
    pub(crate) fn enqueued(&self, batch: &Batch) {
        if let Some(queue) = &self.queue {
            queue.enqueued.observe(batch);
        }
    }

    /// Notes what comes out of it.
    pub(crate) fn dispatched(&self, batch: &Batch) {
        if let Some(queue) = &self.queue {
            queue.sent.observe(batch);
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "metrics of Prometheus are doubles")]
impl Sizes {
    fn register(meters: &Scope, exporter: &Label, name: &str, what: &str, bytes: &[f64]) -> Self {
        let name = format!("otelcol_exporter_{name}");
        let labels = [exporter.clone()];
        let histogram = |name: &str, help: String, unit: &str, bounds: &[f64]| {
            meters.histogram(name, &help, unit, &labels, bounds)
        };
        Self {
            items: histogram(&name, format!("Items {what} [Development]"), "{units}", bounds::SEND_SIZE),
            bytes: histogram(&format!("{name}_bytes"), format!("Bytes {what} [Development]"), "By", bytes),
        }
    }

    fn observe(&self, batch: &Batch) {
        if self.items.is_on() {
            self.items.observe(batch.items() as f64);
            self.bytes.observe(batch.len() as f64);
        }
    }
}

impl Attempts {
    fn register(meters: &Scope, exporter: &Label, signal: Signal) -> Self {
        let histogram = |outcome: &str| {
            let signal = ("data_type", signal.name().to_owned());
            let labels = [exporter.clone(), signal, ("outcome", outcome.to_owned())];
            let help = "Time that single attempts to deliver took, by their outcome";
            meters.histogram(
                "collimator_exporter_attempt_duration",
                help,
                "s",
                &labels,
                bounds::DURATION_SECONDS,
            )
        };
        Self { delivered: histogram("delivered"), retry: histogram("retry"), refused: histogram("refused") }
    }
}

fn failed(meters: &Scope, items: &str, labels: &[Label]) -> Counter {
    let help = "Number of items in failed attempts to send to destination [Alpha]";
    meters.counter(&format!("otelcol_exporter_send_failed_{items}"), help, "{items}", labels)
}

/// The Collector's words: its own for what is no status, and Go's names of gRPC's codes.
fn error_type(reason: &str, code: Code) -> &'static str {
    match code {
        _ if reason == SHUTDOWN => "Shutdown",
        Code::Ok | Code::Unknown => "_OTHER",
        Code::Cancelled => "Canceled",
        Code::InvalidArgument => "InvalidArgument",
        Code::DeadlineExceeded => "DeadlineExceeded",
        Code::NotFound => "NotFound",
        Code::AlreadyExists => "AlreadyExists",
        Code::PermissionDenied => "PermissionDenied",
        Code::ResourceExhausted => "ResourceExhausted",
        Code::FailedPrecondition => "FailedPrecondition",
        Code::Aborted => "Aborted",
        Code::OutOfRange => "OutOfRange",
        Code::Unimplemented => "Unimplemented",
        Code::Internal => "Internal",
        Code::Unavailable => "Unavailable",
        Code::DataLoss => "DataLoss",
        Code::Unauthenticated => "Unauthenticated",
    }
}

/// What is read when somebody looks: deliveries under way, and the queue.
#[allow(clippy::cast_precision_loss, reason = "metrics of Prometheus are doubles")]
fn gauges(cx: &RunCx, signal: Signal, queue: Option<Level>, in_flight: &Arc<AtomicUsize>) {
    let exporter = ("exporter", cx.node.id.to_string());
    let labels = [exporter.clone(), ("data_type", signal.name().to_owned())];
    let gauge = |name: &str, help: &str, unit: &str, read: Box<dyn Fn() -> f64 + Send + Sync>| {
        cx.meters.gauge_fn(name, help, unit, &labels, read);
    };
    let in_flight = Arc::clone(in_flight);
    gauge(
        "otelcol_exporter_in_flight_requests",
        "Number of requests that are being delivered or wait for a retry [Alpha]",
        "{requests}",
        Box::new(move || in_flight.load(Ordering::Relaxed) as f64),
    );
    let Some(level) = queue else { return };
    let capacity = level.capacity() as f64;
    gauge(
        "otelcol_exporter_queue_capacity",
        "Fixed capacity of the sending queue [Alpha]",
        "{batches}",
        Box::new(move || capacity),
    );
    let size = level.clone();
    gauge(
        "otelcol_exporter_queue_size",
        "Current size of the sending queue [Alpha]",
        "{batches}",
        Box::new(move || size.used() as f64),
    );
    let name = format!("otelcol_exporter_enqueue_failed_{}", signal.items());
    let help = "Number of items refused because the sending queue was full [Alpha]";
    let refused = move || level.refused_items() as f64;
    cx.meters.counter_fn(&name, help, "{items}", &[exporter], refused);
}
