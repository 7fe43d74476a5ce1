//! SIGTERM under load: whatever was answered OK until the end has to be at the destination when the process is
//! gone.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use serde_json::json;

use crate::{
    ledger::Balance,
    load::{self, Stop},
    report,
    run::{self, Load, Started},
    scenario::{Output, Scenario},
    subject::Subject,
};

/// Stops every subject `runs` times under load; an error when an acknowledged span is missing afterwards.
pub(crate) fn run(
    subjects: &[Subject],
    scenario: &Scenario,
    load: &Load,
    runs: u32,
    json_file: Option<&Path>,
) -> anyhow::Result<()> {
    anyhow::ensure!(scenario.output != Output::Nowhere, "--drain needs a configuration with a destination");
    let mut results = Vec::new();
    let mut broken = 0;
    for subject in subjects {
        for number in 0..runs {
            // Not always at the same moment of a batch's life.
            let under_load = load.duration + Duration::from_millis(u64::from(number % 16) * 37);
            let (balance, drained_in) =
                drain(subject, scenario, load, under_load).with_context(|| subject.name())?;
            let verdict = if balance.missing == 0 { "complete" } else { "BROKEN" };
            report::say(&format!(
                "{} run {}: {verdict}, ended {} after SIGTERM, {balance:?}",
                subject.name(),
                number + 1,
                report::seconds(drained_in)
            ));
            broken += u32::from(balance.missing > 0 || balance.foreign > 0);
            results.push(json!({
                "subject": subject.name(),
                "drain_seconds": drained_in.as_secs_f64(),
                "balance": report::balance_json(&balance),
            }));
        }
    }
    if let Some(file) = json_file {
        report::write_json(
            file,
            &json!({"drain": results, "left_out_for_peers": scenario.portable.left_out}),
        )?;
    }
    anyhow::ensure!(broken == 0, "acknowledged spans were missing after {broken} of the runs");
    Ok(())
}

fn drain(
    subject: &Subject,
    scenario: &Scenario,
    load: &Load,
    under_load: Duration,
) -> anyhow::Result<(Balance, Duration)> {
    let folder = tempfile::tempdir()?;
    let Started { mut child, sink, ledger, endpoints, .. } =
        run::start(subject, scenario, load.sink_frame, folder.path())?;
    let mut plan = load.plan(&endpoints, None);
    // The load goes on while the child drains, as it would in the field.
    plan.duration = under_load + Duration::from_secs(120);
    let stop = Stop::default();
    let drained_in = thread::scope(|scope| -> anyhow::Result<Duration> {
        let loading = scope.spawn(|| load::run(&plan, &ledger, &stop));
        thread::sleep(under_load);
        let ended = child.expect_running().and_then(|()| {
            let begin = Instant::now();
            child.terminate()?;
            Ok((child.wait()?, begin.elapsed()))
        });
        stop.stop();
        loading.join().map_err(|_| anyhow::anyhow!("the load panicked"))??;
        let (status, drained_in) = ended?;
        anyhow::ensure!(status.success(), "the collector ended with {status}\n{}", child.log_tail());
        Ok(drained_in)
    })?;
    drop(sink);
    if scenario.output == Output::File {
        run::receive_file(&endpoints.file, &ledger)?;
    }
    Ok((ledger.balance(), drained_in))
}
