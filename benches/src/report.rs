//! Tables for people, JSON for programs.

use std::{io::Write as _, path::Path, time::Duration};

use anyhow::Context;
use serde_json::{Value, json};

use crate::run::{Measured, code_name};

/// Prints a line.
pub(crate) fn say(line: &str) {
    // A closed pipe is no reason to leave children behind: the run goes on.
    drop(writeln!(std::io::stdout(), "{line}"));
}

/// What the numbers were taken on.
pub(crate) fn conditions() -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{cores} cores, {}, Linux {}", model.trim_start_matches(['\t', ' ', ':']), kernel.trim_end())
}

/// One line for one run.
pub(crate) fn say_run(run: &Measured) {
    let balance = run.balance;
    let mut line = format!(
        "{:<22} {:<24} {:>6.2} µs/span ({:.0} % kernel) {:>9.0} spans/s  p50 {} p99 {}  idle {} peak {} MiB  first span {:>4} ms  \
         sink {:.2} load {:.2} µs/span",
        run.subject,
        run.load,
        run.cpu,
        run.kernel_share * 100.0,
        run.spans_per_second(),
        millis(run.outcome.latency.value_at_quantile(0.5)),
        millis(run.outcome.latency.value_at_quantile(0.99)),
        mib(run.idle.now),
        mib(run.after.peak),
        run.first_accepted.as_millis(),
        run.sink_cpu,
        run.load_cpu,
    );
    for (code, [count, advised]) in &run.outcome.refused {
        line += &format!("  refused {} {count} ({advised} with RetryInfo)", code_name(*code));
    }
    if run.outcome.failed > 0 {
        line += &format!("  failed {}", run.outcome.failed);
    }
    if !run.balance_checked {
        line += "  balance not checked";
    } else if !run.balanced() || balance.duplicates > 0 {
        line += &format!("  {balance:?} malformed {}", run.sink_counts[2]);
    }
    say(&line);
}

fn millis(micros: u64) -> String {
    format!("{:>6.2}", micros as f64 / 1000.0)
}

fn mib(bytes: u64) -> String {
    format!("{:>4.0}", bytes as f64 / f64::from(1 << 20))
}

/// The table over all runs: medians per load and subject, and the ratio to `reference` round by round.
pub(crate) fn say_summary(runs: &[Measured], subjects: &[String], loads: &[String], reference: Option<&str>) {
    say("");
    say(
        "| load | subject | CPU µs/span | kernel | spans/s | p50 ms | p99 ms | idle MiB | peak MiB | first span ms | ratio |",
    );
    say("|---|---|---|---|---|---|---|---|---|---|---|");
    for load in loads {
        for subject in subjects {
            let of = |subject: &str| {
                runs.iter().filter(move |run| run.load == *load && run.subject == subject).collect::<Vec<_>>()
            };
            let mine = of(subject);
            if mine.is_empty() {
                continue;
            }
            let middle =
                |value: &dyn Fn(&Measured) -> f64| median(mine.iter().map(|run| value(run)).collect());
            let ratio = reference.map(|reference| {
                let pairs: Vec<f64> =
                    mine.iter().zip(of(reference)).map(|(run, other)| run.cpu / other.cpu).collect();
                let least = pairs.iter().copied().fold(f64::INFINITY, f64::min);
                let most = pairs.iter().copied().fold(0.0, f64::max);
                format!("{:.2} ({least:.2}–{most:.2})", median(pairs))
            });
            say(&format!(
                "| {load} | {subject} | {:.3} | {:.0} % | {:.0} | {:.2} | {:.2} | {:.1} | {:.1} | {:.0} | {} |",
                middle(&|run| run.cpu),
                middle(&|run| run.kernel_share * 100.0),
                middle(&|run| run.spans_per_second()),
                middle(&|run| run.outcome.latency.value_at_quantile(0.5) as f64 / 1e3),
                middle(&|run| run.outcome.latency.value_at_quantile(0.99) as f64 / 1e3),
                middle(&|run| run.idle.now as f64 / f64::from(1 << 20)),
                middle(&|run| run.after.peak as f64 / f64::from(1 << 20)),
                middle(&|run| run.first_accepted.as_secs_f64() * 1e3),
                ratio.unwrap_or_default(),
            ));
        }
    }
    if let Some(reference) = reference {
        say(&format!(
            "\nratio: CPU per span to that of {reference}, median and range of the rounds' own ratios"
        ));
    }
}

/// The middle value; of an even number, the lower of the two. Not a number when there is none.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}

/// Everything about one run.
pub(crate) fn to_json(run: &Measured) -> Value {
    let balance = run.balance;
    let refused: serde_json::Map<String, Value> = run
        .outcome
        .refused
        .iter()
        .map(|(code, [count, advised])| {
            (code_name(*code), json!({"requests": count, "with_retry_info": advised}))
        })
        .collect();
    json!({
        "subject": run.subject,
        "load": run.load,
        "cpu_us_per_span": run.cpu,
        "kernel_share": run.kernel_share,
        "sink_cpu_us_per_span": run.sink_cpu,
        "load_cpu_us_per_span": run.load_cpu,
        "spans_per_second": run.spans_per_second(),
        "latency_us": {
            "p50": run.outcome.latency.value_at_quantile(0.5),
            "p99": run.outcome.latency.value_at_quantile(0.99),
            "max": run.outcome.latency.max(),
        },
        "memory_bytes": {"idle": run.idle.now, "after": run.after.now, "peak": run.after.peak},
        "first_span_ms": run.first_accepted.as_secs_f64() * 1e3,
        "requests": {"sent": run.outcome.sent, "failed": run.outcome.failed, "refused": refused},
        "rejected_spans": run.outcome.rejected,
        "balance": balance_json(&balance),
        "balance_checked": run.balance_checked,
        "balanced": run.balanced(),
    })
}

/// The account as JSON.
pub(crate) fn balance_json(balance: &crate::ledger::Balance) -> Value {
    json!({
        "issued": balance.issued,
        "acknowledged": balance.acknowledged,
        "received": balance.received,
        "missing": balance.missing,
        "unacknowledged": balance.unacknowledged,
        "duplicates": balance.duplicates,
        "foreign": balance.foreign,
    })
}

/// Writes results for programs.
pub(crate) fn write_json(file: &Path, value: &Value) -> anyhow::Result<()> {
    std::fs::write(file, serde_json::to_string_pretty(value)?).with_context(|| file.display().to_string())
}

/// Seconds with a decimal.
pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_value() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.0);
        assert!(median(Vec::new()).is_nan());
    }
}
