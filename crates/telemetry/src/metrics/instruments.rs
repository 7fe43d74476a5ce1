use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// A count that only grows, wrapping after 2⁶⁴. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Counter {
    cell: Arc<AtomicU64>,
}

impl Counter {
    /// Adds `count`.
    pub fn add(&self, count: u64) {
        self.cell.fetch_add(count, Ordering::Relaxed);
    }

    /// The count so far.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.cell.load(Ordering::Relaxed)
    }
}

/// A whole number that goes up and down; fractions are for
/// [`Registry::gauge_fn`](super::Registry::gauge_fn). Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Gauge {
    cell: Arc<AtomicI64>,
}

impl Gauge {
    /// Replaces the value.
    pub fn set(&self, value: i64) {
        self.cell.store(value, Ordering::Relaxed);
    }

    /// Adds `delta`, which may be negative.
    pub fn add(&self, delta: i64) {
        self.cell.fetch_add(delta, Ordering::Relaxed);
    }

    /// The value now.
    #[must_use]
    pub fn value(&self) -> i64 {
        self.cell.load(Ordering::Relaxed)
    }
}

/// A distribution over fixed buckets. Clones share it. The default one is off.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    /// Nothing if the level of metrics leaves it out.
    shared: Option<Arc<Buckets>>,
}

#[derive(Debug)]
struct Buckets {
    /// Ascending and finite; bucket `i` holds what is at most `bounds[i]`, the last one the rest.
    bounds: Box<[f64]>,
    counts: Box<[AtomicU64]>,
    /// The bits of an `f64`.
    sum: AtomicU64,
}

impl Histogram {
    /// Sorts `bounds` and drops what is repeated or not finite.
    pub(super) fn new(bounds: &[f64]) -> Self {
        let mut bounds: Vec<f64> = bounds.iter().copied().filter(|bound| bound.is_finite()).collect();
        bounds.sort_by(f64::total_cmp);
        bounds.dedup();
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { shared: Some(Arc::new(Buckets { bounds: bounds.into(), counts, sum: AtomicU64::new(0) })) }
    }

    /// Whether anybody can see it: what is only measured for it need not be measured otherwise.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.shared.is_some()
    }

    /// Counts `value`; NaN is ignored, since one would spoil the sum for ever.
    pub fn observe(&self, value: f64) {
        let Some(shared) = &self.shared else { return };
        if value.is_nan() {
            return;
        }
        let bucket = shared.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = shared.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let add = |bits| Some((f64::from_bits(bits) + value).to_bits());
        // The closure never declines, so neither does the update.
        shared.sum.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).ok();
    }

    /// The sum of all observed values.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.shared.as_ref().map_or(0.0, |shared| f64::from_bits(shared.sum.load(Ordering::Relaxed)))
    }

    /// How many values were observed.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets().map(|(_, count)| count).sum()
    }

    /// Each upper bound with the count of its own bucket; the last bound is infinite.
    pub(super) fn buckets(&self) -> impl Iterator<Item = (f64, u64)> {
        self.shared.iter().flat_map(|shared| {
            let bounds = shared.bounds.iter().copied().chain([f64::INFINITY]);
            bounds.zip(shared.counts.iter().map(|count| count.load(Ordering::Relaxed)))
        })
    }
}
