//! The exporter's node: takes from the queue, joins, and delivers several batches at once.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use component::{
    BoxError, Capacity, Ended, Entry, Exporter, ExporterStage, ExporterUnit, Inbox, Level, NodeId, Overflow,
    RunCx, Sizer, channel,
};
use data::{Account, Batch, Budget, Context, Signal};
use futures::FutureExt as _;
use tokio::sync::{OnceCell, OwnedSemaphorePermit};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::accumulator::{Accumulator, Thresholds};
use crate::attempt::Delivery;
use crate::settings::{QueueBatch, QueueSizer, SendingQueue, Settings};

/// Most partitions that batch at the same time; the one that waits longest is sent to make room.
const MAX_PARTITIONS: usize = 10_000;

/// Wraps an exporter. `concurrency` is how many exports may run at once when there is no queue to say so.
pub fn unit<E: Exporter>(exporter: E, settings: Settings, concurrency: usize) -> Box<dyn ExporterUnit> {
    Box::new(Unit {
        shared: Arc::new(Shared {
            exporter: Arc::new(exporter),
            started: OnceCell::new(),
            open: AtomicUsize::new(0),
        }),
        settings,
        concurrency: concurrency.max(1),
    })
}

struct Unit<E> {
    shared: Arc<Shared<E>>,
    settings: Settings,
    concurrency: usize,
}

/// What the stages of one exporter share: it is started once and closed after the last of them.
struct Shared<E> {
    exporter: Arc<E>,
    started: OnceCell<()>,
    open: AtomicUsize,
}

impl<E: Exporter> ExporterUnit for Unit<E> {
    fn stage(
        &self,
        node: &NodeId,
        signal: Signal,
        account: Arc<Account>,
        budget: &Arc<Budget>,
    ) -> ExporterStage {
        let queue = self.settings.holding.sending_queue.get();
        let capacity = match queue {
            Some(queue) => Capacity {
                sizer: queue.sizer.into(),
                size: queue.queue_size,
                overflow: if queue.block_on_overflow { Overflow::Wait } else { Overflow::Refuse },
                takes_over: (!queue.wait_for_result).then(|| node.to_string().into()),
                queued_in: Some(Arc::clone(budget)),
            },
            None => Capacity { size: self.concurrency, ..Capacity::inbox() },
        };
        let (inlet, inbox) = channel(capacity, Arc::clone(&account));
        let concurrency = queue.map_or(self.concurrency, |queue| queue.num_consumers);
        let joining = queue.and_then(|queue| queue.batch.get().map(|batch| Joining::new(queue, batch)));
        let (shared, settings) = (Arc::clone(&self.shared), self.settings.clone());
        shared.open.fetch_add(1, Ordering::Relaxed);
        let level = queue.map(|_| inlet.level());
        let run = move |cx: RunCx| {
            if let Some(level) = level {
                publish(&cx, level, signal);
            }
            let exporter = Arc::clone(&shared.exporter);
            let delivery = Arc::new(Delivery { exporter, settings, account, cx });
            let deliveries = JoinSet::new();
            Stage { shared, delivery, inbox, concurrency, joining, deliveries, next_worker: 0 }.run().boxed()
        };
        ExporterStage { inlet, run: Box::new(run) }
    }
}

struct Stage<E> {
    shared: Arc<Shared<E>>,
    delivery: Arc<Delivery<E>>,
    inbox: Inbox,
    concurrency: usize,
    joining: Option<Joining>,
    deliveries: JoinSet<()>,
    next_worker: usize,
}

/// A batch ready to go, and the room in the queue that it and its parts take up.
struct Ready {
    batch: Batch,
    permits: Vec<OwnedSemaphorePermit>,
}

impl<E: Exporter> Stage<E> {
    async fn run(mut self) -> Ended {
        let cx = self.delivery.cx.clone();
        let exporter = Arc::clone(&self.shared.exporter);
        self.shared.started.get_or_try_init(|| exporter.start(&cx)).await?;
        cx.ready();
        let result = self.serve().await;
        if self.shared.open.fetch_sub(1, Ordering::Relaxed) == 1 {
            exporter.close().await?;
        }
        result
    }

    async fn serve(&mut self) -> Ended {
        let stopping = self.delivery.cx.stopping.clone();
        while !stopping.is_cancelled() {
            let flush_at = self.joining.as_ref().and_then(Joining::flush_at);
            tokio::select! {
                biased;
                () = stopping.cancelled() => break,
                () = until(flush_at), if flush_at.is_some() => {
                    let due = self.joining.as_mut().map(|joining| joining.due(&self.delivery.cx)).unwrap_or_default();
                    self.dispatch(due).await?;
                }
                entry = self.inbox.recv() => match entry {
                    Some(entry) => {
                        let ready = self.join(entry);
                        self.dispatch(ready).await?;
                    }
                    None => break,
                },
            }
        }
        let rest = self.joining.as_mut().map(|joining| joining.all(&self.delivery.cx)).unwrap_or_default();
        self.dispatch(rest).await?;
        while let Some(ended) = self.deliveries.join_next().await {
            ended?;
        }
        Ok(())
    }

    fn join(&mut self, entry: Entry) -> Vec<Ready> {
        match &mut self.joining {
            Some(joining) => joining.push(entry, &self.delivery.cx),
            None => vec![Ready { batch: entry.batch, permits: vec![entry.permit] }],
        }
    }

    /// Starts deliveries, waiting for a free place for each.
    async fn dispatch(&mut self, ready: Vec<Ready>) -> Result<(), BoxError> {
        for Ready { batch, permits } in ready {
            while self.deliveries.len() >= self.concurrency {
                if let Some(ended) = self.deliveries.join_next().await {
                    ended?;
                }
            }
            while let Some(ended) = self.deliveries.try_join_next() {
                ended?;
            }
            let delivery = Arc::clone(&self.delivery);
            let task = async move {
                delivery.deliver(batch).await;
                drop(permits);
            };
            self.next_worker = self.next_worker.wrapping_add(1);
            let handle = self.delivery.cx.workers.handle(self.next_worker).clone();
            self.deliveries.spawn_on(task, &handle);
        }
        Ok(())
    }
}

/// The Collector's metrics of a queue.
#[allow(clippy::cast_precision_loss, reason = "a gauge of Prometheus is a double")]
fn publish(cx: &RunCx, level: Level, signal: Signal) {
    let labels = [("exporter", cx.node.id.to_string()), ("data_type", signal.name().to_owned())];
    let capacity = level.capacity() as f64;
    let (size_name, capacity_name) = ("otelcol_exporter_queue_size", "otelcol_exporter_queue_capacity");
    let used = move || level.used() as f64;
    cx.meters.gauge_fn(size_name, "Current size of the sending queue", "{batches}", &labels, used);
    let capacity = move || capacity;
    cx.meters.gauge_fn(capacity_name, "Fixed capacity of the sending queue", "{batches}", &labels, capacity);
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// `sending_queue.batch`: one accumulator for each combination of metadata.
struct Joining {
    settings: QueueBatch,
    limits: Thresholds,
    partitions: HashMap<Arc<Context>, Partition>,
}

struct Partition {
    accumulator: Accumulator,
    permits: Vec<OwnedSemaphorePermit>,
    flush_at: Instant,
}

impl Joining {
    fn new(queue: &SendingQueue, settings: &QueueBatch) -> Self {
        let sizer = match settings.sizer.unwrap_or(queue.sizer) {
            QueueSizer::Bytes => Sizer::Bytes,
            QueueSizer::Items | QueueSizer::Requests => Sizer::Items,
        };
        let limits = Thresholds { sizer, min_size: settings.min_size, max_size: settings.max_size };
        Self { settings: settings.clone(), limits, partitions: HashMap::new() }
    }

    fn flush_at(&self) -> Option<Instant> {
        self.partitions.values().map(|partition| partition.flush_at).min()
    }

    fn push(&mut self, entry: Entry, cx: &RunCx) -> Vec<Ready> {
        let Entry { mut batch, permit } = entry;
        batch.context = batch.context.only(&self.settings.partition.metadata_keys);
        let context = Arc::clone(&batch.context);
        let mut ready = self.make_room(&context, cx);
        let flush_at = Instant::now() + self.settings.flush_timeout;
        let partition = self.partitions.entry(Arc::clone(&context)).or_insert_with(|| Partition {
            accumulator: Accumulator::default(),
            permits: Vec::new(),
            flush_at,
        });
        partition.permits.push(permit);
        let mut complete = Vec::new();
        partition.accumulator.push(batch, self.limits, &cx.budget, &mut |batch| complete.push(batch));
        if partition.accumulator.items() == 0 {
            let permits =
                self.partitions.remove(&context).map(|partition| partition.permits).unwrap_or_default();
            ready.extend(with_permits(complete, permits));
        } else {
            // The permits stay with what still waits, so the queue never looks emptier than it is.
            ready.extend(complete.into_iter().map(|batch| Ready { batch, permits: Vec::new() }));
        }
        ready
    }

    /// Everything whose time has come.
    fn due(&mut self, cx: &RunCx) -> Vec<Ready> {
        let now = Instant::now();
        self.flush(cx, |partition| partition.flush_at <= now)
    }

    /// Everything.
    fn all(&mut self, cx: &RunCx) -> Vec<Ready> {
        self.flush(cx, |_| true)
    }

    fn make_room(&mut self, context: &Arc<Context>, cx: &RunCx) -> Vec<Ready> {
        if self.partitions.len() < MAX_PARTITIONS || self.partitions.contains_key(context) {
            return Vec::new();
        }
        let oldest = self.flush_at();
        self.flush(cx, |partition| Some(partition.flush_at) == oldest)
    }

    fn flush(&mut self, cx: &RunCx, wanted: impl Fn(&Partition) -> bool) -> Vec<Ready> {
        let mut ready = Vec::new();
        for (_, mut partition) in self.partitions.extract_if(|_, partition| wanted(partition)) {
            let mut batches = Vec::new();
            partition.accumulator.flush(self.limits, &cx.budget, &mut |batch| batches.push(batch));
            ready.extend(with_permits(batches, partition.permits));
        }
        ready
    }
}

/// Gives the room of several batches to the last of those made from them: it is free when all are settled or
/// on their way.
fn with_permits(batches: Vec<Batch>, permits: Vec<OwnedSemaphorePermit>) -> Vec<Ready> {
    let mut ready: Vec<Ready> =
        batches.into_iter().map(|batch| Ready { batch, permits: Vec::new() }).collect();
    if let Some(last) = ready.last_mut() {
        last.permits = permits;
    }
    ready
}
