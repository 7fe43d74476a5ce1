//! The kinds of telemetry that a pipeline can carry.

use std::fmt;

/// A kind of telemetry. A pipeline carries exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Signal {
    /// OTLP traces; items are spans.
    Traces,
    /// OTLP metrics; items are data points.
    Metrics,
    /// OTLP logs; items are log records.
    Logs,
    /// X-Ray segment documents exactly as a client sent them; items are documents.
    Xray,
}

impl Signal {
    /// Every signal, in the order in which they are listed to people.
    pub const ALL: [Self; 4] = [Self::Traces, Self::Metrics, Self::Logs, Self::Xray];

    /// The name in configuration and logs: `traces`, `metrics`, `logs`, `xray`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
            Self::Logs => "logs",
            Self::Xray => "xray",
        }
    }

    /// What one item is called in metric names: `spans`, `metric_points`, `log_records`, `documents`.
    #[must_use]
    pub const fn items(self) -> &'static str {
        match self {
            Self::Traces => "spans",
            Self::Metrics => "metric_points",
            Self::Logs => "log_records",
            Self::Xray => "documents",
        }
    }

    /// The signal with this [`name`](Self::name).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|signal| signal.name() == name)
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of signals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signals(u8);

impl Signals {
    /// The three signals of OTLP.
    pub const OTLP: Self = Self::of(&[Signal::Traces, Signal::Metrics, Signal::Logs]);
    /// Every signal.
    pub const ALL: Self = Self::of(&Signal::ALL);

    /// The set of these signals.
    #[must_use]
    pub const fn of(signals: &[Signal]) -> Self {
        let mut bits = 0;
        let mut i = 0;
        while i < signals.len() {
            bits |= 1 << signals[i] as u8;
            i += 1;
        }
        Self(bits)
    }

    /// Whether the set holds `signal`.
    #[must_use]
    pub const fn contains(self, signal: Signal) -> bool {
        self.0 & (1 << signal as u8) != 0
    }

    /// The signals of the set, in the order of [`Signal::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Signal> {
        Signal::ALL.into_iter().filter(move |signal| self.contains(*signal))
    }
}
