//! `file`: writes batches to a file, as lines of JSON or as protobuf messages behind their length.
//!
//! The file, also that of `group_by`, holds whole messages only. Encoding and writing happen on a thread where
//! blocking is allowed, one batch after the other; small batches that fit into the buffer are encoded where they
//! are. With a buffer (`flush_interval`) a batch counts as delivered when it is in there, without one when the
//! kernel has it. Nothing is synchronised to the disk.

mod config;
mod encode;
mod group;
mod output;
mod rotation;
mod sink;

use std::sync::{Arc, Mutex as Lock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use component::{
    Accepted, BoxError, BuildCx, BuildError, Component, Exporter, Kind, Progress, RunCx, Spec, Stability,
    Stage,
};
use data::{Batch, Code, Refused};
use delivery::Settings;
use otlp::batch::otlp_signal;
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};
use tokio::task::{JoinError, spawn_blocking};

pub use config::{Compression, Config, Format, GroupBy, Rotation};
use sink::Sink;

/// The component type.
pub const SPEC: Spec =
    Spec::new::<FileExporter>(Kind::Exporter, "file", "Writes telemetry to files, as JSON or protobuf")
        .stability(Stability::Beta);

/// Batches of at most so many encoded bytes, some 40 spans, are not worth another thread.
const INLINE: usize = 16 << 10;

/// The exporter. All signals of one component go to the same files.
#[derive(Default)]
pub struct FileExporter {
    config: Config,
    /// Nothing before the start and after the end.
    sink: Arc<Mutex<Option<Sink>>>,
    /// Dropped to end the task that flushes.
    flushing: Lock<Option<oneshot::Sender<()>>>,
}

impl Component for FileExporter {
    type Config = Config;

    fn build(config: &Config, _cx: &BuildCx) -> Result<Stage, BuildError> {
        Ok(Stage::Exporter(delivery::unit(Self::new(config.clone()), Settings::direct(), 1)))
    }
}

impl FileExporter {
    /// An exporter that has not opened anything yet.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config, ..Self::default() }
    }

    fn set_flushing(&self, flushing: Option<oneshot::Sender<()>>) {
        *self.flushing.lock().unwrap_or_else(PoisonError::into_inner) = flushing;
    }
}

impl Exporter for FileExporter {
    type Memory = ();

    async fn start(&self, cx: &RunCx) -> Result<(), BoxError> {
        let (config, clock) = (self.config.clone(), Arc::clone(&cx.clock));
        let sink = spawn_blocking(move || Sink::open(&config, clock)).await??;
        *self.sink.lock().await = Some(sink);
        if let Some(interval) = self.config.buffering() {
            let (closing, closed) = oneshot::channel();
            self.set_flushing(Some(closing));
            let sink = Arc::clone(&self.sink);
            cx.workers.spawn(&cx.name, flush_regularly(sink, interval, closed, Arc::clone(&cx.node.id)));
        }
        Ok(())
    }

    async fn export(&self, batch: &Batch, _progress: &mut Progress<()>) -> Result<Accepted, Refused> {
        let Some(signal) = otlp_signal(batch.signal()) else {
            return Err(Refused::permanent(Code::Unimplemented, "files are written of OTLP's signals only"));
        };
        let parts: Vec<Bytes> = batch.chunks().cloned().collect();
        let (len, items) = (batch.len(), batch.items());
        let mut guard = Arc::clone(&self.sink).lock_owned().await;
        if let Some(sink) = guard.as_mut().filter(|sink| len <= INLINE && sink.has_room(len)) {
            return sink.export(signal, &parts, items);
        }
        // The lock goes along, so the order stays whatever becomes of this future.
        let work = spawn_blocking(move || open(&mut guard)?.export(signal, &parts, items));
        work.await.unwrap_or_else(|error| Err(interrupted(&error)))
    }

    async fn close(&self) -> Result<(), BoxError> {
        self.set_flushing(None);
        let mut guard = Arc::clone(&self.sink).lock_owned().await;
        let last = move || guard.take().map_or(Ok(()), |mut sink| sink.flush());
        spawn_blocking(last).await?.map_err(|lost| format!("data is lost: {lost}").into())
    }
}

fn open(guard: &mut OwnedMutexGuard<Option<Sink>>) -> Result<&mut Sink, Refused> {
    guard.as_mut().ok_or_else(|| Refused::retry("the file is not open"))
}

fn interrupted(error: &JoinError) -> Refused {
    Refused::permanent(Code::Internal, format!("writing was cut short: {error}"))
}

/// Writes the buffer out every `interval`, until `closed`.
async fn flush_regularly(
    sink: Arc<Mutex<Option<Sink>>>,
    interval: Duration,
    mut closed: oneshot::Receiver<()>,
    id: Arc<str>,
) {
    loop {
        tokio::select! {
            biased;
            _ = &mut closed => return,
            () = tokio::time::sleep(interval) => {}
        }
        let mut guard = Arc::clone(&sink).lock_owned().await;
        if guard.as_mut().is_none_or(Sink::is_clean) {
            continue;
        }
        let flush = spawn_blocking(move || guard.as_mut().map_or(Ok(()), Sink::flush));
        let failed = match flush.await {
            Ok(Ok(())) => continue,
            Ok(Err(unwritten)) => unwritten.to_string(),
            Err(interrupted) => interrupted.to_string(),
        };
        tracing::error!(
            otelcol.component.id = %id,
            otelcol.component.kind = "exporter",
            error = failed,
            "Failed to write the buffer. Will try again."
        );
    }
}

#[cfg(test)]
mod tests;
