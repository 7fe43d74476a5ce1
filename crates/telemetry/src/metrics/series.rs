//! One series: what is read for it, and who still registers it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::{Counter, Gauge, Histogram};

/// Reads a value that is kept elsewhere.
pub(super) type Reader = Arc<dyn Fn() -> f64 + Send + Sync>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// What a series shows.
pub(super) enum Reading {
    /// The sum of the handles' count, of the readers, and of what retired readers said last.
    Counter {
        cell: Counter,
        settled: f64,
        readers: Vec<(u64, Reader)>,
    },
    /// The newest reader, or else the handles' value.
    Gauge {
        cell: Gauge,
        readers: Vec<(u64, Reader)>,
    },
    Histogram(Histogram),
}

impl Reading {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Counter { .. } => Kind::Counter,
            Self::Gauge { .. } => Kind::Gauge,
            Self::Histogram(_) => Kind::Histogram,
        }
    }
}

/// A reading with the number of its registrations; without any, it is hidden.
pub(super) struct Series {
    pub(super) reading: Reading,
    registrations: usize,
}

impl Series {
    pub(super) fn new(reading: Reading) -> Self {
        Self { reading, registrations: 0 }
    }

    pub(super) fn is_shown(&self) -> bool {
        self.registrations > 0
    }

    /// Adds a registration, which [`Series::leave`] ends by the same `id`.
    pub(super) fn join(&mut self, id: u64, reader: Option<Reader>) {
        self.registrations = self.registrations.saturating_add(1);
        if let Some(reader) = reader {
            match &mut self.reading {
                Reading::Counter { readers, .. } | Reading::Gauge { readers, .. } => {
                    readers.push((id, reader))
                }
                Reading::Histogram(_) => {}
            }
        }
    }

    /// Ends a registration and hands back its reader, to be dropped where no lock is held.
    pub(super) fn leave(&mut self, id: u64) -> Option<Reader> {
        self.registrations = self.registrations.saturating_sub(1);
        match &mut self.reading {
            Reading::Counter { settled, readers, .. } => {
                let reader = take(readers, id)?;
                *settled += read_total(&reader);
                Some(reader)
            }
            Reading::Gauge { readers, .. } => take(readers, id),
            Reading::Histogram(_) => None,
        }
    }

    /// Whether the value has to outlive its last registration.
    pub(super) fn is_kept(&self) -> bool {
        self.is_shown() || !matches!(self.reading, Reading::Gauge { .. })
    }
}

/// What a reader says; NaN if it panics, so that one reader's bug takes no other series away.
pub(super) fn read(reader: &Reader) -> f64 {
    // It shares nothing with us that a panic could leave half done.
    catch_unwind(AssertUnwindSafe(|| reader())).unwrap_or(f64::NAN)
}

/// What a counter's reader says, which may not take anything back.
pub(super) fn read_total(reader: &Reader) -> f64 {
    let value = read(reader);
    if value.is_finite() { value.max(0.0) } else { 0.0 }
}

fn take(readers: &mut Vec<(u64, Reader)>, id: u64) -> Option<Reader> {
    let position = readers.iter().position(|(reader, _)| *reader == id)?;
    Some(readers.remove(position).1)
}
