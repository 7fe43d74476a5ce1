//! What the receiver counts about itself.

use component::RunCx;
use data::Signal;
use telemetry::metrics::Counter;
use xray::to_span::Reason;

use crate::header::Flaw;

/// Counters of one signal: the Collector's, where it has them.
pub(crate) struct Items {
    pub(crate) accepted: Counter,
    pub(crate) refused: Counter,
}

/// Counters of what comes in on the socket.
pub(crate) struct Counts {
    datagrams: Counter,
    dropped: Counter,
    flaws: [Counter; Flaw::ALL.len()],
    reasons: [Counter; Reason::ALL.len()],
}

impl Items {
    pub(crate) fn register(cx: &RunCx, signal: Signal) -> Self {
        let labels = labels(cx);
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

impl Counts {
    pub(crate) fn register(cx: &RunCx) -> Self {
        let counter = |name: &str, help: &str, unit: &str| cx.meters.counter(name, help, unit, &labels(cx));
        let reason = |code: &str| {
            let labels = [("receiver", cx.node.id.to_string()), ("reason", code.to_owned())];
            let help = "Number of datagrams, documents and subsegments that were refused, by what is wrong with them";
            cx.meters.counter("collimator_receiver_awsxray_refused", help, "{items}", &labels)
        };
        Self {
            datagrams: counter(
                "collimator_receiver_datagrams",
                "Number of datagrams taken from the kernel",
                "{datagrams}",
            ),
            dropped: counter(
                "collimator_receiver_dropped_datagrams",
                "Number of datagrams that the kernel dropped because its buffer for the socket was full",
                "{datagrams}",
            ),
            flaws: Flaw::ALL.map(|flaw| reason(flaw.code())),
            reasons: Reason::ALL.map(|it| reason(it.code())),
        }
    }

    pub(crate) fn datagrams(&self, taken: usize, dropped: u32) {
        self.datagrams.add(taken as u64);
        self.dropped.add(dropped.into());
    }

    pub(crate) fn flawed(&self, flaw: Flaw) {
        if let Some(counter) = self.flaws.get(flaw as usize) {
            counter.add(1);
        }
    }

    pub(crate) fn refused(&self, reason: Reason, times: u64) {
        if let Some(counter) = self.reasons.get(reason as usize) {
            counter.add(times);
        }
    }
}

fn labels(cx: &RunCx) -> [(&'static str, String); 2] {
    [("receiver", cx.node.id.to_string()), ("transport", "udp".to_owned())]
}
