//! Settings: the Collector's keys and defaults.

use config::{Checks, Choice, Fields, Optional, Section, setting_by_choice};
use delivery::{SendingQueue, Settings};

/// Settings of the exporter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How much is shown.
    pub verbosity: Verbosity,
    /// How many messages of the same text are shown in a second.
    pub sampling_initial: u64,
    /// Of those that follow, every n-th is shown; zero for none.
    pub sampling_thereafter: u64,
    /// Whether messages go to the collector's own log.
    pub use_internal_logger: bool,
    /// Where they go if not: `stdout`, `stderr` or files.
    pub output_paths: Option<Vec<String>>,
    /// The queue, which is off unless it is given.
    pub sending_queue: Optional<SendingQueue>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            verbosity: Verbosity::Basic,
            sampling_initial: 2,
            sampling_thereafter: 1,
            use_internal_logger: true,
            output_paths: None,
            sending_queue: Optional::Default(SendingQueue::default()),
        }
    }
}

impl Section for Config {
    fn describe(fields: &mut Fields<Self>) {
        fields.field(
            "verbosity",
            "`basic`: how much there is. `normal`: a line for each item. `detailed`: every field.",
            |c| &mut c.verbosity,
        );
        let doc = "How many messages of the same text are shown in a second.";
        fields
            .field("sampling_initial", doc, |c| &mut c.sampling_initial)
            .negative_is(u64::MAX, "all of them");
        let doc = "Of those that follow, every n-th is shown; 0 for none.";
        fields.field("sampling_thereafter", doc, |c| &mut c.sampling_thereafter).negative_is(0, "none");
        fields.field("use_internal_logger", "Write to the collector's own log.", |c| {
            &mut c.use_internal_logger
        });
        fields.field(
            "output_paths",
            "Where to write instead, `stdout` if not given: `stdout`, `stderr` or files, which are appended to.",
            |c| &mut c.output_paths,
        );
        fields.field("sending_queue", "Holds batches while they wait for the exporter.", |c| {
            &mut c.sending_queue
        });
    }

    fn check(&self, checks: &mut Checks) {
        let Some(paths) = &self.output_paths else { return };
        if self.use_internal_logger {
            let message = "output_paths is not supported when use_internal_logger is true";
            checks.between(&["output_paths", "use_internal_logger"], message);
        } else if paths.is_empty() {
            checks.at("output_paths", "output_paths must not be empty when use_internal_logger is false");
        }
    }
}

impl Config {
    /// How the exporter is wrapped: no timeout and no retry.
    #[must_use]
    pub fn delivery(&self) -> Settings {
        let mut settings = Settings::direct();
        settings.holding.sending_queue = self.sending_queue.clone();
        settings
    }
}

/// How much is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verbosity {
    /// How much there is.
    #[default]
    Basic,
    /// A line for each item.
    Normal,
    /// Every field.
    Detailed,
}

impl Choice for Verbosity {
    const SPELLINGS: &'static [(&'static str, Self)] =
        &[("basic", Self::Basic), ("normal", Self::Normal), ("detailed", Self::Detailed)];
    const IGNORE_CASE: bool = true;
}
setting_by_choice!(Verbosity);
