//! What is held against what may be.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use component::{Gate, Machine};
use data::{Budget, Code, Refused, Signal, Signals};
use telemetry::metrics::{Counter, Scope};

use crate::config::Config;

const MIB: u64 = 1 << 20;

/// What the process takes with nothing in it, generously.
const OWN: u64 = 48 * MIB;

/// What a client that is refused is told to wait.
const COME_BACK: Duration = Duration::from_secs(1);

/// Bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// At this much, data is refused.
    pub(crate) soft: u64,
    /// What is not to be reached.
    pub(crate) hard: u64,
}

impl Limits {
    /// The limits of a configuration, of whose percentages `memory` bytes are the whole.
    pub(crate) fn of(config: &Config, memory: u64) -> Self {
        let percent = |part: u32| memory / 100 * u64::from(part.min(100));
        let (hard, spike) = match config.limit_mib {
            0 => (percent(config.limit_percentage), percent(config.spike_limit_percentage)),
            mib => (u64::from(mib) * MIB, u64::from(config.spike_limit_mib) * MIB),
        };
        let spike = if spike == 0 { hard / 5 } else { spike };
        Self { soft: hard.saturating_sub(spike), hard }
    }

    /// The resident memory at which data is refused.
    ///
    /// Refusing can't free what the process itself takes: a limit as low as that would be closed for ever.
    pub(crate) fn resident(self) -> u64 {
        self.hard.max(self.soft.saturating_add(OWN))
    }
}

/// The gate, one for all pipelines that name it.
pub(crate) struct Limiter {
    limits: Limits,
    check_interval: Duration,
    machine: Machine,
    id: Arc<str>,
    /// What the last check found.
    too_much_resident: AtomicBool,
    resident: AtomicU64,
    /// What was said in the log.
    refusing: AtomicBool,
    metrics: OnceLock<Metrics>,
}

struct Metrics {
    accepted: [Option<Counter>; Signal::ALL.len()],
    refused: [Option<Counter>; Signal::ALL.len()],
    unread: Counter,
}

impl Limiter {
    pub(crate) fn new(limits: Limits, check_interval: Duration, machine: Machine, id: &Arc<str>) -> Self {
        Self {
            limits,
            check_interval,
            machine,
            id: Arc::clone(id),
            too_much_resident: AtomicBool::new(false),
            resident: AtomicU64::new(0),
            refusing: AtomicBool::new(false),
            metrics: OnceLock::new(),
        }
    }

    fn refuses(&self, budget: &Budget, own: usize) -> bool {
        budget.held().saturating_sub(own) as u64 >= self.limits.soft
            || self.too_much_resident.load(Ordering::Relaxed)
    }

    /// The Collector's lines, when something has changed.
    fn tell(&self, held: u64, resident: u64, refuses: bool) {
        let (cur_mem_mib, resident_mib) = (held / MIB, resident / MIB);
        let id = &*self.id;
        if held >= self.limits.hard {
            tracing::warn!(
                otelcol.component.id = id,
                otelcol.component.kind = "processor",
                cur_mem_mib,
                resident_mib,
                "Memory usage is above hard limit. Refusing data."
            );
        }
        match (self.refusing.swap(refuses, Ordering::Relaxed), refuses) {
            (false, true) => tracing::warn!(
                otelcol.component.id = id,
                otelcol.component.kind = "processor",
                cur_mem_mib,
                resident_mib,
                "Memory usage is above soft limit. Refusing data."
            ),
            (true, false) => tracing::info!(
                otelcol.component.id = id,
                otelcol.component.kind = "processor",
                cur_mem_mib,
                resident_mib,
                "Memory usage back within limits. Resuming normal operation."
            ),
            _ => {}
        }
    }
}

impl Gate for Limiter {
    fn admit(&self, budget: &Budget, own: usize) -> Result<(), Refused> {
        if self.refuses(budget, own) {
            let message = "data refused due to high memory usage";
            return Err(Refused::retry_after(COME_BACK, Code::Unavailable, message));
        }
        Ok(())
    }

    fn reason(&self) -> &'static str {
        "high memory usage"
    }

    fn cause(&self, budget: &Budget) -> Option<String> {
        let (held, soft, hard) = (budget.held() as u64, self.limits.soft, self.limits.hard);
        if held >= soft {
            let (held, soft, hard) = (held / MIB, soft / MIB, hard / MIB);
            return Some(format!(
                "{held} MiB of telemetry are held; it refuses from {soft} MiB, so that its limit of {hard} MiB is kept"
            ));
        }
        self.too_much_resident.load(Ordering::Relaxed).then(|| {
            let (resident, limit) =
                (self.resident.load(Ordering::Relaxed) / MIB, self.limits.resident() / MIB);
            format!("the process takes {resident} MiB; it refuses from {limit} MiB")
        })
    }

    fn count(&self, signal: Signal, items: usize, passed: bool) {
        let Some(metrics) = self.metrics.get() else { return };
        let counters = if passed { &metrics.accepted } else { &metrics.refused };
        if let Some(Some(counter)) = counters.get(signal as usize) {
            counter.add(items as u64);
        }
    }

    fn count_unread(&self) {
        if let Some(metrics) = self.metrics.get() {
            metrics.unread.add(1);
        }
    }

    fn attach(&self, meters: &Scope, id: &str) {
        let (limit_mib, soft_mib) = (self.limits.hard / MIB, self.limits.soft / MIB);
        tracing::info!(
            otelcol.component.id = id,
            otelcol.component.kind = "processor",
            limit_mib,
            spike_limit_mib = limit_mib - soft_mib,
            check_interval = ::config::duration::format(self.check_interval),
            "Memory limiter configured"
        );
        self.metrics.get_or_init(|| Metrics::register(meters, id));
    }

    fn check_interval(&self) -> Duration {
        self.check_interval
    }

    fn check(&self, budget: &Budget) {
        let resident = (self.machine.resident)().unwrap_or(0);
        let limit = self.limits.resident();
        self.resident.store(resident, Ordering::Relaxed);
        self.too_much_resident.store(resident >= limit, Ordering::Relaxed);
        self.tell(budget.held() as u64, resident, self.refuses(budget, 0));
    }
}

impl Metrics {
    fn register(meters: &Scope, id: &str) -> Self {
        let labels = [("processor", id.to_owned())];
        let each = |what: &str, help: &str| {
            Signal::ALL.map(|signal| {
                let name = format!("otelcol_processor_memory_limiter_{what}_{}", signal.items());
                Signals::OTLP.contains(signal).then(|| meters.counter(&name, help, "{items}", &labels))
            })
        };
        Self {
            accepted: each("accepted", "Number of items that the memory limiter let pass [Alpha]"),
            refused: each("refused", "Number of items that the memory limiter refused [Alpha]"),
            unread: meters.counter(
                "collimator_processor_memory_limiter_refused_requests",
                "Number of requests that the memory limiter made receivers refuse before they were read",
                "{requests}",
                &labels,
            ),
        }
    }
}
