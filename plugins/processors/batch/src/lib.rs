//! `batch`: joins small batches and cuts large ones.
//!
//! What arrives is taken over at once: clients are answered when their data is in here. Data of different
//! `metadata_keys` values is never joined. Joining copies nothing: a batch is a rope of what arrived.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use component::{
    BuildCx, BuildError, Carries, Component, Kind, Out, Processor, Sizer, Spec, Stability, Stage,
};
use config::document::Role;
use config::{Checks, Fields, Section};
use data::{Batch, Code, Context, Refused, Signals, Time};
use delivery::{Accumulator, Thresholds};
use telemetry::metrics::{Counter, Gauge, Histogram, Scope, bounds};

/// The component type.
pub const SPEC: Spec = Spec::new::<BatchProcessor>(
    Kind::Processor,
    "batch",
    "Joins small batches and cuts large ones, by size and time",
)
.carrying(Carries::Same(Signals::ALL))
.role(Role::Joins)
.stability(Stability::Beta);

/// Settings; the Collector's keys and defaults.
#[derive(Clone, Debug)]
pub struct Config {
    /// Longest time that data waits; zero sends at once.
    pub timeout: Duration,
    /// A batch of so many items is sent at once. Not a cap.
    pub send_batch_size: usize,
    /// Larger batches are cut; zero for no limit.
    pub send_batch_max_size: usize,
    /// Only data that agrees in these request metadata is joined.
    pub metadata_keys: Vec<String>,
    /// Most combinations of metadata values; zero for no limit.
    pub metadata_cardinality_limit: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            timeout: Duration::from_millis(200),
            send_batch_size: 8192,
            send_batch_max_size: 0,
            metadata_keys: Vec::new(),
            metadata_cardinality_limit: 1000,
        }
    }
}

impl Section for Config {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("timeout", "Longest time that data waits; 0 sends at once.", |c| &mut c.timeout);
        fields.field(
            "send_batch_size",
            "A batch of so many spans, data points or log records is sent at once; not a cap.",
            |c| &mut c.send_batch_size,
        );
        fields.field("send_batch_max_size", "Larger batches are cut; 0 for no limit.", |c| {
            &mut c.send_batch_max_size
        });
        fields.field(
            "metadata_keys",
            "Only data that agrees in these request metadata is joined; the receiver needs `include_metadata`.",
            |c| &mut c.metadata_keys,
        );
        fields.field(
            "metadata_cardinality_limit",
            "Most combinations of metadata values, beyond which data is refused; 0 for no limit.",
            |c| &mut c.metadata_cardinality_limit,
        );
    }

    fn check(&self, checks: &mut Checks) {
        if self.send_batch_max_size != 0 && self.send_batch_max_size < self.send_batch_size {
            let message = "send_batch_max_size must be greater or equal to send_batch_size";
            checks.between(&["send_batch_max_size", "send_batch_size"], message);
        }
        let mut seen = Vec::new();
        for (index, key) in self.metadata_keys.iter().enumerate() {
            let key = key.to_ascii_lowercase();
            if seen.contains(&key) {
                let message = format!("duplicate entry in metadata_keys: \"{key}\"");
                checks.at(&format!("metadata_keys.{index}"), message);
            }
            seen.push(key);
        }
    }
}

/// The processor.
#[derive(Debug)]
pub struct BatchProcessor {
    config: Config,
    limits: Thresholds,
    /// What waits, by the metadata that it agrees in. With no `metadata_keys` there is one group.
    groups: BTreeMap<Key, Group>,
    /// Nothing is due before. Kept, since there may be many groups and this is asked for after every batch.
    look_at: Option<Time>,
    metrics: Option<Metrics>,
}

type Key = Vec<(Box<str>, Vec<Box<str>>)>;

#[derive(Debug)]
struct Group {
    accumulator: Accumulator,
    /// When what is in it has to go; meaningless while it is empty.
    flush_at: Time,
}

#[derive(Debug)]
struct Metrics {
    send_size: Histogram,
    send_bytes: Histogram,
    by_size: Counter,
    by_timeout: Counter,
    cardinality: Gauge,
}

impl Component for BatchProcessor {
    type Config = Config;

    fn build(config: &Config, _cx: &BuildCx) -> Result<Stage, BuildError> {
        Ok(Stage::processor(Self::new(config.clone())))
    }
}

impl BatchProcessor {
    /// A processor with nothing in it.
    #[must_use]
    pub fn new(config: Config) -> Self {
        // Without a timeout nothing may wait for a size to be reached.
        let min_size = if config.timeout.is_zero() { 0 } else { config.send_batch_size };
        let limits = Thresholds { sizer: Sizer::Items, min_size, max_size: config.send_batch_max_size };
        Self { config, limits, groups: BTreeMap::new(), look_at: None, metrics: None }
    }

    fn flush(&mut self, out: &mut Out, due: impl Fn(&Group) -> bool) {
        let budget = Arc::clone(out.budget());
        for group in self.groups.values_mut().filter(|group| group.accumulator.items() > 0 && due(group)) {
            group.accumulator.flush(self.limits, &budget, &mut |batch| {
                Metrics::sent(self.metrics.as_ref(), &batch, false);
                out.send(batch);
            });
        }
    }

    fn at_limit(&self, key: &Key) -> bool {
        let limit = self.config.metadata_cardinality_limit;
        limit > 0 && self.groups.len() >= limit && !self.groups.contains_key(key)
    }
}

impl Processor for BatchProcessor {
    fn attach(&mut self, meters: &Scope, id: &str) {
        self.metrics = Some(Metrics::register(meters, id));
    }

    fn process(&mut self, mut batch: Batch, out: &mut Out) {
        batch.context = if self.config.metadata_keys.is_empty() {
            Context::empty()
        } else {
            batch.context.only(&self.config.metadata_keys)
        };
        let key = batch.context.metadata.clone();
        if self.at_limit(&key) {
            let refused = Refused::permanent(Code::Internal, "too many batcher metadata-value combinations");
            return out.refuse("too many metadata combinations", batch, &refused);
        }
        batch.ticket.take_over(out.name());
        let (now, budget) = (out.now(), Arc::clone(out.budget()));
        let timeout = self.config.timeout;
        let group = self
            .groups
            .entry(key)
            .or_insert_with(|| Group { accumulator: Accumulator::default(), flush_at: now.after(timeout) });
        let mut sent = group.accumulator.items() == 0;
        group.accumulator.push(batch, self.limits, &budget, &mut |batch| {
            Metrics::sent(self.metrics.as_ref(), &batch, true);
            out.send(batch);
            sent = true;
        });
        if sent {
            group.flush_at = now.after(timeout);
        }
        if group.accumulator.items() > 0 {
            self.look_at.get_or_insert(group.flush_at);
        }
        if let Some(metrics) = &self.metrics {
            metrics.cardinality.set(i64::try_from(self.groups.len()).unwrap_or(i64::MAX));
        }
    }

    fn wake_at(&self) -> Option<Time> {
        self.look_at
    }

    fn wake(&mut self, out: &mut Out) {
        let now = out.now();
        self.flush(out, |group| now.reached(group.flush_at));
        let waiting = self.groups.values().filter(|group| group.accumulator.items() > 0);
        self.look_at = waiting.map(|group| group.flush_at).min_by_key(|at| at.mono);
    }

    fn drain(&mut self, out: &mut Out) {
        self.flush(out, |_| true);
        self.look_at = None;
    }

    fn held(&self) -> usize {
        self.groups.values().map(|group| group.accumulator.items()).sum()
    }

    fn takes_over(&self) -> bool {
        self.config.metadata_keys.is_empty()
    }
}

impl Metrics {
    fn register(meters: &Scope, id: &str) -> Self {
        let labels = [("processor", id.to_owned())];
        let name = |metric: &str| format!("otelcol_processor_batch_{metric}");
        Self {
            send_size: meters.histogram(
                &name("batch_send_size"),
                "Number of units in the batch [Alpha]",
                "{units}",
                &labels,
                bounds::SEND_SIZE,
            ),
            send_bytes: meters.histogram(
                &name("batch_send_size_bytes"),
                "Number of bytes in batch that was sent [Alpha]",
                "By",
                &labels,
                bounds::SEND_SIZE_BYTES,
            ),
            by_size: meters.counter(
                &name("batch_size_trigger_send"),
                "Number of times the batch was sent due to a size trigger [Alpha]",
                "{times}",
                &labels,
            ),
            by_timeout: meters.counter(
                &name("timeout_trigger_send"),
                "Number of times the batch was sent due to a timeout trigger [Alpha]",
                "{times}",
                &labels,
            ),
            cardinality: meters.gauge(
                &name("metadata_cardinality"),
                "Number of distinct metadata value combinations being processed [Alpha]",
                "{combinations}",
                &labels,
            ),
        }
    }

    fn sent(metrics: Option<&Self>, batch: &Batch, by_size: bool) {
        let Some(metrics) = metrics else { return };
        #[allow(clippy::cast_precision_loss, reason = "batches are far below 2^52 items and bytes")]
        if metrics.send_bytes.is_on() {
            metrics.send_bytes.observe(batch.len() as f64);
        }
        #[allow(clippy::cast_precision_loss, reason = "batches are far below 2^52 items")]
        metrics.send_size.observe(batch.items() as f64);
        if by_size { metrics.by_size.add(1) } else { metrics.by_timeout.add(1) }
    }
}

#[cfg(test)]
mod tests;
