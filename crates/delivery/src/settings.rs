//! `sending_queue`, `retry_on_failure` and `timeout`: the Collector's keys and defaults.

use std::collections::BTreeSet;
use std::time::Duration;

use component::Sizer;
use config::{Checks, Choice, Fields, Optional, Section, setting_by_choice};

/// What an exporter with a network peer is wrapped in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Longest time for one attempt; zero for no limit.
    pub timeout: Duration,
    /// The rest.
    pub holding: QueueAndRetry,
}

/// What holds data until it is delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueAndRetry {
    /// The queue, unless it is turned off.
    pub sending_queue: Optional<SendingQueue>,
    /// What happens after a failure that may pass.
    pub retry_on_failure: Retry,
}

impl QueueAndRetry {
    /// Joins these with a timeout.
    #[must_use]
    pub const fn with_timeout(self, timeout: Duration) -> Settings {
        Settings { timeout, holding: self }
    }
}

impl Settings {
    /// No queue, no retry, no timeout, one batch at a time: for destinations on this machine.
    #[must_use]
    pub fn direct() -> Self {
        let retry_on_failure = Retry { enabled: false, ..Retry::default() };
        QueueAndRetry { sending_queue: Optional::None, retry_on_failure }.with_timeout(Duration::ZERO)
    }
}

impl Default for Settings {
    fn default() -> Self {
        QueueAndRetry::default().with_timeout(Duration::from_secs(5))
    }
}

impl Default for QueueAndRetry {
    fn default() -> Self {
        Self { sending_queue: Optional::Some(SendingQueue::default()), retry_on_failure: Retry::default() }
    }
}

impl Section for Settings {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("timeout", "Longest time for one attempt; 0 for no limit.", |s| &mut s.timeout);
        fields.flatten(|s| &mut s.holding);
    }
}

impl Section for QueueAndRetry {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("sending_queue", "Holds batches while they wait for the exporter.", |s| {
            &mut s.sending_queue
        });
        fields.field("retry_on_failure", "What happens after a failure that may pass.", |s| {
            &mut s.retry_on_failure
        });
    }
}

const ONLY_ITEMS_OR_BYTES: &str = "`batch` supports only `items` or `bytes` sizer, found \"requests\"";

/// The queue in front of an exporter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendingQueue {
    /// Exports that run at once.
    pub num_consumers: usize,
    /// Most that the queue holds, in units of `sizer`. What is being exported counts until it is
    /// settled, of what waits to be exported again only what is left, unless requests are counted.
    pub queue_size: usize,
    /// What `queue_size` counts; requests if it is not given. That it was given matters to `batch`, which inherits it.
    pub sizer: Option<QueueSizer>,
    /// Whether a client is answered only once its data is delivered.
    pub wait_for_result: bool,
    /// Whether a client waits for room in a full queue instead of being refused.
    pub block_on_overflow: bool,
    /// The id of a storage extension; empty for memory.
    pub storage: String,
    /// Joins batches in the queue.
    pub batch: Optional<QueueBatch>,
}

impl Default for SendingQueue {
    fn default() -> Self {
        Self {
            num_consumers: 10,
            queue_size: 1000,
            sizer: None,
            wait_for_result: false,
            block_on_overflow: false,
            storage: String::new(),
            batch: Optional::Default(QueueBatch::default()),
        }
    }
}

impl SendingQueue {
    /// What `queue_size` counts.
    #[must_use]
    pub fn sizer(&self) -> QueueSizer {
        self.sizer.unwrap_or_default()
    }

    /// What the sizes of `batch` count: its own sizer, or else the queue's if that was given, or else items; items,
    /// too, if the block was given without a body.
    #[must_use]
    pub fn batch_sizer(&self, batch: &QueueBatch) -> QueueSizer {
        batch.sizer.or(self.sizer).unwrap_or(QueueSizer::Items)
    }
}

impl Section for SendingQueue {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("num_consumers", "Exports that run at once.", |s| &mut s.num_consumers);
        fields.field("queue_size", "Most that the queue holds, in units of `sizer`.", |s| &mut s.queue_size);
        fields.field("sizer", "What `queue_size` counts: `requests`, unless it is given.", |s| &mut s.sizer);
        fields.field("wait_for_result", "Answer clients only once their data is delivered.", |s| {
            &mut s.wait_for_result
        });
        fields.field("block_on_overflow", "Let clients wait for room instead of refusing them.", |s| {
            &mut s.block_on_overflow
        });
        fields
            .field("storage", "Id of a storage extension that keeps the queue on disk.", |s| &mut s.storage)
            .unsupported("queues on disk are not there yet: the data would not survive a restart");
        // The Collector hands its sizer down only to a block that has a body, though it be `{}`.
        fields.field("batch", "Joins batches in the queue.", |s| &mut s.batch).on_null(|batch| {
            if let Optional::Some(batch) = batch {
                batch.sizer = Some(QueueSizer::Items);
            }
        });
    }

    fn check(&self, checks: &mut Checks) {
        if self.num_consumers == 0 {
            checks.at("num_consumers", "`num_consumers` must be positive");
        }
        if self.queue_size == 0 {
            checks.at("queue_size", "`queue_size` must be positive");
        }
        if let Some(batch) = self.batch.get() {
            let sizer = self.batch_sizer(batch);
            if batch.sizer.is_none() && sizer == QueueSizer::Requests {
                checks.at("sizer", ONLY_ITEMS_OR_BYTES);
            } else if sizer == self.sizer() && batch.min_size > self.queue_size {
                checks.at("batch.min_size", "`min_size` must be less than or equal to `queue_size`");
            }
        }
    }
}

/// What a queue's size counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QueueSizer {
    /// Batches.
    #[default]
    Requests,
    /// Spans, data points, log records.
    Items,
    /// Encoded bytes, uncompressed.
    Bytes,
}

impl Choice for QueueSizer {
    const NULL_KEEPS: bool = true;
    const SPELLINGS: &'static [(&'static str, Self)] =
        &[("requests", Self::Requests), ("items", Self::Items), ("bytes", Self::Bytes)];
}
setting_by_choice!(QueueSizer);

impl From<QueueSizer> for Sizer {
    fn from(sizer: QueueSizer) -> Self {
        match sizer {
            QueueSizer::Requests => Self::Requests,
            QueueSizer::Items => Self::Items,
            QueueSizer::Bytes => Self::Bytes,
        }
    }
}

/// Joining batches in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueBatch {
    /// Longest time that data waits to be joined.
    pub flush_timeout: Duration,
    /// A batch of this size is sent at once.
    pub min_size: usize,
    /// Larger batches are split; 0 for no limit.
    pub max_size: usize,
    /// What the sizes count; see [`SendingQueue::batch_sizer`].
    pub sizer: Option<QueueSizer>,
    /// Joins only what agrees in these request metadata.
    pub partition: Partition,
}

impl Default for QueueBatch {
    fn default() -> Self {
        Self {
            flush_timeout: Duration::from_millis(200),
            min_size: 8192,
            max_size: 0,
            sizer: None,
            partition: Partition::default(),
        }
    }
}

impl Section for QueueBatch {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("flush_timeout", "Longest time that data waits to be joined.", |s| &mut s.flush_timeout);
        fields.field("min_size", "A batch of this size is sent at once.", |s| &mut s.min_size);
        fields.field("max_size", "Larger batches are split; 0 for no limit.", |s| &mut s.max_size);
        fields.field("sizer", "What the sizes count: `items` or `bytes`.", |s| &mut s.sizer);
        fields.field("partition", "Joins only what agrees.", |s| &mut s.partition);
    }

    fn check(&self, checks: &mut Checks) {
        if self.flush_timeout.is_zero() {
            checks.at("flush_timeout", "`flush_timeout` must be positive, found 0");
        }
        if self.max_size != 0 && self.max_size < self.min_size {
            let message = "`max_size` must be greater than or equal to `min_size`";
            checks.between(&["max_size", "min_size"], message);
        }
        if self.sizer == Some(QueueSizer::Requests) {
            checks.between(&["sizer"], ONLY_ITEMS_OR_BYTES);
        }
    }
}

/// What has to agree for batches to be joined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Partition {
    /// Names of request metadata.
    pub metadata_keys: Vec<String>,
}

impl Section for Partition {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("metadata_keys", "Names of request metadata; needs `include_metadata`.", |s| {
            &mut s.metadata_keys
        });
    }

    fn check(&self, checks: &mut Checks) {
        let mut seen = BTreeSet::new();
        for (index, key) in self.metadata_keys.iter().enumerate() {
            if !seen.insert(key.to_lowercase()) {
                let message = format!("duplicate entry in metadata_keys: {key:?} (case-insensitive)");
                checks.at(&format!("metadata_keys.{index}"), message);
            }
        }
    }
}

/// What happens after a failure that may pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Retry {
    /// Whether to try again at all.
    pub enabled: bool,
    /// The first wait.
    pub initial_interval: Duration,
    /// Each wait is drawn from the interval times 1 ± this.
    pub randomization_factor: f64,
    /// The interval grows by this factor each time.
    pub multiplier: f64,
    /// Longest interval.
    pub max_interval: Duration,
    /// Longest time from the first attempt to the last; zero for ever.
    pub max_elapsed_time: Duration,
}

// The factor is checked to be a number, so equality is total.
impl Eq for Retry {}

impl Default for Retry {
    fn default() -> Self {
        Self {
            enabled: true,
            initial_interval: Duration::from_secs(5),
            randomization_factor: 0.5,
            multiplier: 1.5,
            max_interval: Duration::from_secs(30),
            max_elapsed_time: Duration::from_secs(300),
        }
    }
}

impl Section for Retry {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("enabled", "Whether to try again at all.", |s| &mut s.enabled);
        fields
            .field("initial_interval", "The first wait.", |s| &mut s.initial_interval)
            .negative_if(|s| !s.enabled);
        fields.field(
            "randomization_factor",
            "Each wait varies by this share of the interval, 0 to 1.",
            |s| &mut s.randomization_factor,
        );
        fields.field("multiplier", "How the interval grows; not below 0.", |s| &mut s.multiplier);
        fields
            .field("max_interval", "Longest interval.", |s| &mut s.max_interval)
            .negative_if(|s| !s.enabled);
        let doc = "Longest time from the first attempt to the last; 0 for ever. After it the data is lost.";
        fields.field("max_elapsed_time", doc, |s| &mut s.max_elapsed_time).negative_if(|s| !s.enabled);
    }

    fn check(&self, checks: &mut Checks) {
        // What is off may be anything, as in the Collector.
        if !self.enabled {
            return;
        }
        if !(0.0..=1.0).contains(&self.randomization_factor) {
            let found = self.randomization_factor;
            checks.at(
                "randomization_factor",
                format!("'randomization_factor' must be within [0, 1], found {found}"),
            );
        }
        if self.multiplier.is_nan() || self.multiplier < 0.0 {
            checks.at("multiplier", format!("'multiplier' must be non-negative, found {}", self.multiplier));
        }
        let elapsed = self.max_elapsed_time;
        if elapsed.is_zero() {
            return;
        }
        if elapsed < self.initial_interval {
            let message = "'max_elapsed_time' must not be less than 'initial_interval'";
            checks.between(&["max_elapsed_time", "initial_interval"], message);
        }
        if elapsed < self.max_interval {
            let message = "'max_elapsed_time' must not be less than 'max_interval'";
            checks.between(&["max_elapsed_time", "max_interval"], message);
        }
    }
}
