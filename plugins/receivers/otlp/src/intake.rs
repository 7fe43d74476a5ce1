//! What both protocols do with a request once it is bytes: check, count, hand on, and wait for the verdict.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use component::{Outlet, Outlets, RunCx};
use data::{Batch, Budget, BudgetExhausted, Code, Context, Refusal, Refused, Signal, Ticket, Verdict};
use net::Peer;
use otlp::{InvalidUtf8, Policy};
use telemetry::metrics::Counter;

use crate::requests::Requests;

/// What a client that must wait is told to wait.
const COME_BACK: Duration = Duration::from_secs(1);

/// The common way in of one protocol.
pub(crate) struct Intake {
    outlets: Outlets,
    cx: RunCx,
    policy: Policy,
    /// How long a request waits for room in the pipeline before it is refused.
    patience: Duration,
    include_metadata: bool,
    counters: [Option<Counters>; Signal::ALL.len()],
    replaced: Counter,
    pub(crate) requests: Requests,
}

struct Counters {
    accepted: Counter,
    refused: Counter,
}

/// What the client is told when its data was taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Receipt {
    /// Items refused for good, and why, if any were.
    pub(crate) rejected: Option<(u64, Arc<str>)>,
}

/// The body as the client encoded it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Protobuf,
    Json,
}

/// How an intake behaves.
pub(crate) struct Settings {
    pub(crate) transport: &'static str,
    pub(crate) invalid_utf8: InvalidUtf8,
    pub(crate) patience: Duration,
    pub(crate) include_metadata: bool,
}

impl Intake {
    pub(crate) fn new(settings: &Settings, outlets: Outlets, cx: RunCx) -> Self {
        let counters = Signal::ALL
            .map(|signal| outlets.get(signal).map(|_| Counters::register(&cx, settings.transport, signal)));
        let labels = labels(&cx, settings.transport);
        let replaced = cx.meters.counter(
            "collimator_receiver_replaced_strings",
            "Number of strings that were not UTF-8 and were repaired",
            "{strings}",
            &labels,
        );
        let requests = Requests::new(&cx);
        Self {
            outlets,
            cx,
            policy: Policy { invalid_utf8: settings.invalid_utf8, ..Policy::default() },
            patience: settings.patience,
            include_metadata: settings.include_metadata,
            counters,
            replaced,
            requests,
        }
    }

    /// Whether some pipeline takes this signal from here.
    pub(crate) fn carries(&self, signal: Signal) -> bool {
        self.outlets.get(signal).is_some()
    }

    /// Whether the gates behind this (a memory limiter) would let a request pass, asked before it is read.
    pub(crate) fn admit(&self, signal: Signal) -> Result<(), Refused> {
        self.outlets.get(signal).map_or(Ok(()), Outlet::admit).map_err(for_client)
    }

    /// Takes one request into the graph and waits for what becomes of it.
    ///
    /// `reservation` is the memory of `body`; from here on the batch accounts for its own.
    pub(crate) async fn take(
        &self,
        signal: Signal,
        encoding: Encoding,
        body: Bytes,
        reservation: net::reserve::Reservation,
        context: Arc<Context>,
    ) -> Result<Receipt, Refused> {
        let (Some(outlet), Some(otlp)) = (self.outlets.get(signal), otlp::batch::otlp_signal(signal)) else {
            return Err(Refused::permanent(Code::Unimplemented, "unknown service"));
        };
        let body = match encoding {
            Encoding::Protobuf => body,
            Encoding::Json => from_json(otlp, &body)?,
        };
        let admitted = otlp::admit(otlp, body, &self.policy).map_err(|error| invalid(&error))?;
        if admitted.replaced > 0 {
            self.replaced.add(admitted.replaced as u64);
        }
        if admitted.items == 0 {
            return Ok(Receipt { rejected: None });
        }
        let part = self.cx.budget.adopt_bytes(admitted.bytes);
        drop(reservation);
        let (ticket, verdict) = Ticket::open(admitted.items);
        let batch = Batch::new(signal, vec![part], admitted.items, self.cx.clock.now());
        outlet.offer(batch.with_ticket(ticket).with_context(context), self.patience).await;
        let verdict = verdict.await;
        self.count(signal, admitted.items, &verdict);
        // Clients that wait for answers then send as fast as data leaves, and memory stays low without a refusal.
        let delay = self.cx.budget.answer_delay();
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        match verdict {
            Verdict::Delivered | Verdict::TakenOver { .. } => Ok(Receipt { rejected: None }),
            Verdict::Partly { rejected, message } => Ok(Receipt { rejected: Some((rejected, message)) }),
            Verdict::Refused(refused) => Err(for_client(refused)),
        }
    }

    /// What is kept of the client.
    pub(crate) fn context(&self, headers: &http::HeaderMap, peer: Peer) -> Arc<Context> {
        let address = match peer {
            Peer::Tcp(address) => Some(address),
            Peer::Unix => None,
        };
        let metadata = if self.include_metadata { metadata(headers) } else { Vec::new() };
        Arc::new(Context { metadata, peer: address, ..Context::default() })
    }

    /// An item is accepted if its request was, as the Collector counts.
    fn count(&self, signal: Signal, items: usize, verdict: &Verdict) {
        let Some(counters) = &self.counters[signal as usize] else { return };
        if verdict.is_ok() { counters.accepted.add(items as u64) } else { counters.refused.add(items as u64) }
    }
}

impl Counters {
    fn register(cx: &RunCx, transport: &str, signal: Signal) -> Self {
        let labels = labels(cx, transport);
        let counter = |what: &str, help: &str| {
            let name = format!("otelcol_receiver_{what}_{}", signal.items());
            cx.meters.counter(&name, help, "{items}", &labels)
        };
        // Always there with 0, as in the Collector, which counts nothing here by default.
        counter(
            "failed",
            "Number of items that failed to be processed by the receiver due to internal errors [Alpha]",
        );
        Self {
            accepted: counter("accepted", "Number of items successfully pushed into the pipeline [Alpha]"),
            refused: counter("refused", "Number of items that could not be pushed into the pipeline [Alpha]"),
        }
    }
}

fn labels(cx: &RunCx, transport: &str) -> [(&'static str, String); 2] {
    [("receiver", cx.node.id.to_string()), ("transport", transport.to_owned())]
}

fn from_json(signal: otlp::Signal, body: &[u8]) -> Result<Bytes, Refused> {
    let limits = otlp_json::Limits::default();
    otlp_json::read(signal.schema(), body, &limits).map(Bytes::from).map_err(|error| invalid(&error))
}

fn invalid(error: &dyn std::error::Error) -> Refused {
    Refused::permanent(Code::InvalidArgument, error.to_string())
}

/// A refusal as the OTLP specification wants it told: what may be sent again under a code that says so, what may
/// not under one that does not.
pub(crate) fn for_client(refused: Refused) -> Refused {
    let says_retry = matches!(
        refused.code,
        Code::Cancelled
            | Code::DeadlineExceeded
            | Code::ResourceExhausted
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unavailable
            | Code::DataLoss
    );
    match refused.refusal {
        // RESOURCE_EXHAUSTED may be retried only if it says when.
        Refusal::Retry { after: None } if refused.code == Code::ResourceExhausted || !says_retry => {
            Refused::retry_after(COME_BACK, Code::Unavailable, refused.message)
        }
        Refusal::Retry { after: Some(after) } if !says_retry => {
            Refused::retry_after(after, Code::Unavailable, refused.message)
        }
        Refusal::Retry { .. } => refused,
        Refusal::TooLarge => Refused::permanent(Code::InvalidArgument, refused.message),
        Refusal::Permanent if says_retry => Refused::permanent(Code::Internal, refused.message),
        Refusal::Permanent => refused,
    }
}

/// Request headers by name, both as text; binary values are not kept.
pub(crate) fn metadata(headers: &http::HeaderMap) -> Vec<(Box<str>, Vec<Box<str>>)> {
    let values = |name| headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).map(Into::into);
    let mut metadata: Vec<(Box<str>, Vec<Box<str>>)> =
        headers.keys().map(|name| (name.as_str().into(), values(name).collect())).collect();
    metadata.sort();
    metadata
}

/// The process's memory for telemetry, as servers ask for it.
pub(crate) struct Memory(pub(crate) Arc<Budget>);

impl net::reserve::Reserve for Memory {
    fn take(&self, bytes: usize) -> Result<(), net::reserve::Refusal> {
        self.0.take(bytes).map_err(|_: BudgetExhausted| net::reserve::Refusal {
            message: "data refused due to high memory usage".into(),
            retry_after: Some(COME_BACK),
        })
    }

    fn release(&self, bytes: usize) {
        self.0.give_back(bytes);
    }

    fn take_buffer(&self, bytes: usize) -> Result<(), net::reserve::Refusal> {
        self.0.take_buffer(bytes).map_err(|_: BudgetExhausted| net::reserve::Refusal {
            message: "no memory for a connection's buffers".into(),
            retry_after: None,
        })
    }

    fn release_buffer(&self, bytes: usize) {
        self.0.give_back_buffer(bytes);
    }

    fn is_roomy(&self) -> bool {
        self.0.is_roomy()
    }
}
