//! A backend that takes a tenth of what is offered: does memory stay within its bound, are clients told to come
//! back, and does every acknowledged span arrive once the backend has recovered?

use std::{
    collections::BTreeMap,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use serde_json::{Value, json};

use crate::{
    ledger::Balance,
    load::{self, Outcome, Stop},
    measure, report,
    run::{self, Load, Started, code_name},
    scenario::{Output, Scenario},
    subject::Subject,
};

/// How often the child's memory is read.
const SAMPLING: Duration = Duration::from_millis(250);
/// How long refused requests are sent again after the backend has recovered, and how long the last acknowledged
/// spans may then take to arrive.
const RECOVERY_LIMIT: Duration = Duration::from_secs(180);
/// Nothing arriving for so long means that nothing will: longer than exporters wait between two attempts.
const QUIET_LIMIT: Duration = Duration::from_secs(45);

/// What an overload showed.
struct Overloaded {
    subject: String,
    balance: Balance,
    outcome: Outcome,
    idle: u64,
    /// Highest resident memory of any sample, in bytes.
    highest: u64,
    samples: usize,
    refused_by_sink: u64,
}

/// Overloads every subject in turn; an error when one exceeds `bound` bytes or loses spans.
pub(crate) fn run(
    subjects: &[Subject],
    scenario: &Scenario,
    load: &Load,
    bound: Option<u64>,
    json_file: Option<&Path>,
) -> anyhow::Result<()> {
    anyhow::ensure!(
        scenario.output == Output::Sink,
        "--overload needs a configuration that exports to the sink"
    );
    let mut results = Vec::new();
    for subject in subjects {
        let result = overload(subject, scenario, load).with_context(|| subject.name())?;
        report::say(&result.lines(bound));
        results.push(result);
    }
    if let Some(file) = json_file {
        let results: Vec<Value> = results.iter().map(Overloaded::to_json).collect();
        report::write_json(
            file,
            &json!({
                "overload": results,
                "memory_bound_bytes": bound,
                "left_out_for_peers": scenario.portable.left_out,
            }),
        )?;
    }
    for result in &results {
        anyhow::ensure!(result.balance.missing == 0, "{}: acknowledged spans did not arrive", result.subject);
        anyhow::ensure!(
            bound.is_none_or(|bound| result.highest <= bound),
            "{}: over its memory",
            result.subject
        );
    }
    Ok(())
}

fn overload(subject: &Subject, scenario: &Scenario, load: &Load) -> anyhow::Result<Overloaded> {
    let folder = tempfile::tempdir()?;
    let Started { mut child, sink, ledger, endpoints, .. } =
        run::start(subject, scenario, load.sink_frame, folder.path())?;
    thread::sleep(load.settle);
    let idle = measure::memory(child.pid()).context("the collector's memory")?.now;
    let offered = load.rate.context("an overload needs a rate")?;
    sink.throttle((offered / 10.0) as u64);
    let (mut highest, mut samples) = (idle, 0);
    let plan = load.plan(&endpoints, Some(RECOVERY_LIMIT));
    let stop = Stop::default();
    let outcome = thread::scope(|scope| -> anyhow::Result<Outcome> {
        let loading = scope.spawn(|| load::run(&plan, &ledger, &stop));
        let recovery = Instant::now() + load.duration;
        let mut healthy = Ok(());
        while !loading.is_finished() {
            thread::sleep(SAMPLING);
            if Instant::now() >= recovery {
                sink.throttle(0);
            }
            healthy = child.expect_running();
            if healthy.is_err() {
                stop.stop();
                break;
            }
            highest = highest.max(measure::memory(child.pid()).map_or(0, |memory| memory.now));
            samples += 1;
        }
        let outcome = loading.join().map_err(|_| anyhow::anyhow!("the load panicked"))?;
        healthy?;
        outcome
    })?;
    sink.throttle(0);
    run::wait_until_arrived(&ledger, RECOVERY_LIMIT, QUIET_LIMIT);
    highest = highest.max(measure::memory(child.pid()).map_or(0, |memory| memory.now));
    child.stop()?;
    let [_, refused_by_sink, _] = sink.counts();
    let balance = ledger.balance();
    Ok(Overloaded { subject: subject.name(), balance, outcome, idle, highest, samples, refused_by_sink })
}

impl Overloaded {
    fn lines(&self, bound: Option<u64>) -> String {
        let mebibytes = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
        let mut lines = vec![
            format!("{}: overloaded for {}", self.subject, report::seconds(self.outcome.elapsed)),
            format!(
                "  memory: idle {}, highest of {} samples {}, bound {}",
                mebibytes(self.idle),
                self.samples,
                mebibytes(self.highest),
                bound.map_or("none".into(), mebibytes)
            ),
            format!("  requests sent {}, unanswered {}", self.outcome.sent, self.outcome.failed),
        ];
        for (code, [count, advised]) in &self.outcome.refused {
            lines.push(format!(
                "  refused with {}: {count}, {advised} of them with RetryInfo",
                code_name(*code)
            ));
        }
        lines.push(format!("  refused by the sink: {} requests", self.refused_by_sink));
        lines.push(format!("  {:?}", self.balance));
        lines.join("\n")
    }

    fn to_json(&self) -> Value {
        let refused: BTreeMap<String, Value> = self
            .outcome
            .refused
            .iter()
            .map(|(code, [count, advised])| {
                (code_name(*code), json!({"requests": count, "with_retry_info": advised}))
            })
            .collect();
        json!({
            "subject": self.subject,
            "seconds": self.outcome.elapsed.as_secs_f64(),
            "memory_bytes": {"idle": self.idle, "highest": self.highest, "samples": self.samples},
            "requests": {"sent": self.outcome.sent, "failed": self.outcome.failed, "refused": refused},
            "refused_by_sink": self.refused_by_sink,
            "balance": report::balance_json(&self.balance),
        })
    }
}
