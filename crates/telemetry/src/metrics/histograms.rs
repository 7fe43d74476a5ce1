use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::levels::least_level;
use super::registry::OwnedLabels;
use super::{Histogram, Labels, Scope};

/// A histogram whose labels are known only when something is observed, such as the status of an answer.
///
/// The values of the labels must come from a small set: series are kept for as long as this is.
pub struct Histograms {
    meters: Arc<Scope>,
    name: &'static str,
    help: &'static str,
    unit: &'static str,
    bounds: &'static [f64],
    is_on: bool,
    known: Mutex<BTreeMap<OwnedLabels, Histogram>>,
}

impl Histograms {
    /// Series of this name in a scope; each is registered when it is first observed.
    #[must_use]
    pub fn new(
        meters: &Arc<Scope>,
        name: &'static str,
        help: &'static str,
        unit: &'static str,
        bounds: &'static [f64],
    ) -> Self {
        let is_on = least_level(name) <= meters.level();
        Self { meters: Arc::clone(meters), name, help, unit, bounds, is_on, known: Mutex::default() }
    }

    /// Whether anybody can see it: what is only measured for it need not be measured otherwise.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// Counts `value` in the series with these labels.
    pub fn observe(&self, labels: Labels<'_>, value: f64) {
        if !self.is_on {
            return;
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let register = || self.meters.histogram(self.name, self.help, self.unit, labels, self.bounds);
        known.entry(labels.to_vec()).or_insert_with(register).observe(value);
    }
}
