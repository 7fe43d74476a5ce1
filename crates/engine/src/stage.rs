//! Driving processors and looking after gates: the only place where one waits.

use std::pin::Pin;
use std::sync::Arc;

use component::{BoxError, Ended, Entry, Gate, Inbox, Kind, Out, Outlet, Processor, RunCx};
use data::{Clock, Time};
use telemetry::metrics::{Histogram, bounds};
use tokio::time::{Instant, Sleep, sleep_until};

/// Runs a processor until its inbox closes and it is drained.
pub(crate) async fn drive(
    mut stage: Box<dyn Processor>,
    mut inbox: Inbox,
    outlet: Outlet,
    mut out: Out,
    cx: RunCx,
) -> Ended {
    stage.attach(&cx.meters, &cx.node.id);
    let duration = internal_duration(&cx);
    cx.ready();
    let mut timer = Timer::new(Arc::clone(&cx.clock));
    loop {
        let event = timer.next(stage.wake_at(), &mut inbox).await;
        out.set_now(timer.now());
        let last = matches!(event, Event::End);
        match event {
            Event::Batch(Entry { batch, permit }) => {
                drop(permit);
                let began = duration.is_on().then(Instant::now);
                stage.process(batch, &mut out);
                if let Some(began) = began {
                    duration.observe(began.elapsed().as_secs_f64());
                }
            }
            Event::Wake => stage.wake(&mut out),
            Event::End => stage.drain(&mut out),
        }
        for batch in out.take() {
            outlet.send(batch).await;
        }
        if last {
            return still_held(&*stage);
        }
    }
}

/// Calls a gate's check as often as it asks for that, until the drain.
pub(crate) async fn look_after(gate: Arc<dyn Gate>, cx: RunCx) -> Ended {
    gate.attach(&cx.meters, &cx.node.id);
    gate.check(&cx.budget);
    cx.ready();
    let interval = gate.check_interval();
    if interval.is_zero() {
        cx.draining.cancelled().await;
        return Ok(());
    }
    loop {
        tokio::select! {
            () = cx.draining.cancelled() => return Ok(()),
            () = tokio::time::sleep(interval) => gate.check(&cx.budget),
        }
    }
}

/// How long a processor takes for a batch; off below level `detailed`, and for connectors.
fn internal_duration(cx: &RunCx) -> Histogram {
    let (Kind::Processor, Some(signal)) = (cx.node.kind, cx.node.signal) else { return Histogram::default() };
    let labels = [("processor", cx.node.id.to_string()), ("otel_signal", signal.name().to_owned())];
    let help = "Duration of time taken to process a batch of telemetry data through the processor [Alpha]";
    let name = "otelcol_processor_internal_duration";
    cx.meters.histogram(name, help, "s", &labels, bounds::DURATION_SECONDS)
}

fn still_held(stage: &dyn Processor) -> Ended {
    match stage.held() {
        0 => Ok(()),
        held => Err(BoxError::from(format!("{held} items still held after the drain"))),
    }
}

enum Event {
    Batch(Entry),
    Wake,
    End,
}

/// One timer for the life of the stage: setting a new one for each batch would cost more than most batches.
struct Timer {
    clock: Arc<dyn Clock>,
    sleep: Option<(u64, Pin<Box<Sleep>>)>,
}

impl Timer {
    const fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, sleep: None }
    }

    fn now(&self) -> Time {
        self.clock.now()
    }

    async fn next(&mut self, wake_at: Option<Time>, inbox: &mut Inbox) -> Event {
        let Some(at) = wake_at else {
            return inbox.recv().await.map_or(Event::End, Event::Batch);
        };
        // A due deadline must not starve behind a busy inbox.
        let now = self.now();
        if now.reached(at) {
            // Wakes are rare; a stage that asks for a time that is past again and again must not block the worker.
            tokio::task::yield_now().await;
            return Event::Wake;
        }
        let sleep = self.sleep_until(at, now);
        tokio::select! {
            biased;
            entry = inbox.recv() => entry.map_or(Event::End, Event::Batch),
            () = sleep => Event::Wake,
        }
    }

    fn sleep_until(&mut self, at: Time, now: Time) -> Pin<&mut Sleep> {
        let due = || Instant::now() + at.since(now);
        let (set_for, sleep) = self.sleep.get_or_insert_with(|| (at.mono, Box::pin(sleep_until(due()))));
        if *set_for != at.mono || sleep.is_elapsed() {
            *set_for = at.mono;
            sleep.as_mut().reset(due());
        }
        sleep.as_mut()
    }
}

#[cfg(test)]
mod tests;
