//! The settings: the Collector's keys, defaults and complaints.

use std::time::Duration;

use ::config::{Checks, Fields, Section};

/// There is nothing to force here: memory is freed with the last byte that needs it.
const NO_COLLECTOR: &str = "there is no garbage collector";

/// What the longest intervals are when they are not given.
const LONGEST: Duration = Duration::from_secs(30);

/// Settings. One of `limit_mib` and `limit_percentage` is needed; with both the first counts.
#[derive(Clone, Debug)]
pub struct Config {
    /// How often the resident memory is looked at; above zero.
    pub check_interval: Duration,
    /// The hard limit in MiB.
    pub limit_mib: u32,
    /// How far below the hard limit data is refused, in MiB; 0 is a fifth of the limit.
    pub spike_limit_mib: u32,
    /// The hard limit as a part of the memory that the process may use.
    pub limit_percentage: u32,
    /// As `spike_limit_mib`, as a part of the memory that the process may use.
    pub spike_limit_percentage: u32,
    /// Has no meaning here.
    pub min_gc_interval_when_soft_limited: Duration,
    /// Has no meaning here.
    pub min_gc_interval_when_hard_limited: Duration,
    /// Has no meaning here.
    pub max_gc_interval_when_soft_limited: Duration,
    /// Has no meaning here.
    pub max_gc_interval_when_hard_limited: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            check_interval: Duration::ZERO,
            limit_mib: 0,
            spike_limit_mib: 0,
            limit_percentage: 0,
            spike_limit_percentage: 0,
            min_gc_interval_when_soft_limited: Duration::from_secs(10),
            min_gc_interval_when_hard_limited: Duration::ZERO,
            max_gc_interval_when_soft_limited: LONGEST,
            max_gc_interval_when_hard_limited: LONGEST,
        }
    }
}

impl Section for Config {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("check_interval", "How often the resident memory is looked at; must be given.", |c| {
            &mut c.check_interval
        });
        fields.field("limit_mib", "The hard limit in MiB. This or `limit_percentage` must be given.", |c| {
            &mut c.limit_mib
        });
        fields.field(
            "spike_limit_mib",
            "Data is refused so many MiB below the hard limit; 0 is a fifth of it.",
            |c| &mut c.spike_limit_mib,
        );
        fields.field(
            "limit_percentage",
            "The hard limit in percent of the container's or machine's memory; `limit_mib` goes first.",
            |c| &mut c.limit_percentage,
        );
        fields.field(
            "spike_limit_percentage",
            "Data is refused so many percent of the memory below the hard limit; 0 is a fifth of it.",
            |c| &mut c.spike_limit_percentage,
        );
        let doc = "Least time between collections above the soft limit.";
        fields
            .field("min_gc_interval_when_soft_limited", doc, |c| &mut c.min_gc_interval_when_soft_limited)
            .not_honoured(NO_COLLECTOR);
        let doc = "Least time between collections above the hard limit.";
        fields
            .field("min_gc_interval_when_hard_limited", doc, |c| &mut c.min_gc_interval_when_hard_limited)
            .negative_is(Duration::ZERO, "0s")
            .not_honoured(NO_COLLECTOR);
        let doc = "Most time between collections that do not help, above the soft limit.";
        fields
            .field("max_gc_interval_when_soft_limited", doc, |c| &mut c.max_gc_interval_when_soft_limited)
            .not_honoured(NO_COLLECTOR);
        let doc = "Most time between collections that do not help, above the hard limit.";
        fields
            .field("max_gc_interval_when_hard_limited", doc, |c| &mut c.max_gc_interval_when_hard_limited)
            .not_honoured(NO_COLLECTOR);
    }

    /// The Collector's texts, which reports the first of them only.
    fn check(&self, checks: &mut Checks) {
        if self.check_interval.is_zero() {
            checks.between(&["check_interval"], "'check_interval' must be greater than zero");
        }
        self.check_intervals(checks);
        if self.limit_mib == 0 && self.limit_percentage == 0 {
            checks.at("", "'limit_mib' or 'limit_percentage' must be greater than zero");
        }
        for (key, percentage) in [
            ("limit_percentage", self.limit_percentage),
            ("spike_limit_percentage", self.spike_limit_percentage),
        ] {
            if percentage > 100 {
                let message = "'limit_percentage' and 'spike_limit_percentage' must be greater than zero and \
                    less than or equal to hundred";
                checks.at(key, message);
            }
        }
        if self.limit_mib > 0 && self.limit_mib <= self.spike_limit_mib {
            let message = "'spike_limit_mib' must be smaller than 'limit_mib'";
            checks.between(&["spike_limit_mib", "limit_mib"], message);
        }
        if self.limit_percentage > 0 && self.limit_percentage <= self.spike_limit_percentage {
            let message = "'spike_limit_percentage' must be smaller than 'limit_percentage'";
            checks.between(&["spike_limit_percentage", "limit_percentage"], message);
        }
    }
}

impl Config {
    /// Intervals have no effect, but what the Collector would refuse is refused. Its older versions have no longest
    /// intervals, so a shortest one beyond the default of those is no mistake.
    fn check_intervals(&self, checks: &mut Checks) {
        const SOFT: [&str; 2] = ["min_gc_interval_when_soft_limited", "max_gc_interval_when_soft_limited"];
        const HARD: [&str; 2] = ["min_gc_interval_when_hard_limited", "max_gc_interval_when_hard_limited"];
        let (least, most) = (self.min_gc_interval_when_soft_limited, self.max_gc_interval_when_soft_limited);
        let hard = (self.min_gc_interval_when_hard_limited, self.max_gc_interval_when_hard_limited);
        if least < hard.0 {
            let message = format!("'{}' should be larger than '{}'", SOFT[0], HARD[0]);
            checks.between(&[SOFT[0], HARD[0]], message);
        }
        for ([min, max], (least, most)) in [(SOFT, (least, most)), (HARD, hard)] {
            if !most.is_zero() && most != LONGEST && most < least {
                let message = format!("'{max}' must be greater than or equal to '{min}' (or 0 to disable)");
                checks.between(&[max, min], message);
            }
        }
        if !most.is_zero() && most < hard.1 {
            let message =
                format!("'{}' should be larger than or equal to '{}' (when both are set)", SOFT[1], HARD[1]);
            checks.between(&[SOFT[1], HARD[1]], message);
        }
    }
}
