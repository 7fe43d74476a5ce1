//! The exporter's node: takes from the queue, joins, and delivers several batches at once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use component::{
    BoxError, Capacity, Ended, Entry, Exporter, ExporterStage, ExporterUnit, Inbox, NodeId, Overflow, RunCx,
    channel,
};
use data::{Account, Budget, Signal};
use futures::FutureExt as _;
use tokio::sync::OnceCell;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::attempt::Delivery;
use crate::joining::{Joining, Ready};
use crate::metrics::Metrics;
use crate::place::{Place, Places};
use crate::settings::Settings;

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

/// One of the stages that keep an exporter open. A stage that never runs, since the start failed before its turn,
/// gives this up by being dropped.
struct Hold<E>(Option<Arc<Shared<E>>>);

impl<E> Hold<E> {
    fn new(shared: &Arc<Shared<E>>) -> Self {
        shared.open.fetch_add(1, Ordering::Relaxed);
        Self(Some(Arc::clone(shared)))
    }

    /// Lets go; whether that was the last one.
    fn release(mut self) -> bool {
        self.0.take().is_some_and(|shared| shared.let_go())
    }
}

impl<E> Drop for Hold<E> {
    fn drop(&mut self) {
        if let Some(shared) = self.0.take() {
            shared.let_go();
        }
    }
}

impl<E> Shared<E> {
    /// What the other stages did before they let go is visible to the last one.
    fn let_go(&self) -> bool {
        self.open.fetch_sub(1, Ordering::AcqRel) == 1
    }
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
                sizer: queue.sizer().into(),
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
        let hold = Hold::new(&shared);
        let level = queue.map(|_| inlet.level());
        let run = move |cx: RunCx| {
            async move {
                let exporter = Arc::clone(&shared.exporter);
                shared.started.get_or_try_init(|| exporter.start(&cx)).await?;
                // Once it is started it knows where it sends to.
                let in_flight = Arc::new(AtomicUsize::new(0));
                let metrics = Metrics::register(&cx, signal, exporter.destination(signal), level, &in_flight);
                cx.ready();
                let delivery = Arc::new(Delivery { exporter, settings, account, cx, metrics });
                let deliveries = JoinSet::new();
                Stage {
                    delivery,
                    inbox,
                    places: Places::new(concurrency),
                    joining,
                    deliveries,
                    left: Vec::new(),
                    in_flight,
                    next_worker: 0,
                }
                .run(hold)
                .await
            }
            .boxed()
        };
        ExporterStage { inlet, run: Box::new(run) }
    }
}

struct Stage<E> {
    delivery: Arc<Delivery<E>>,
    inbox: Inbox,
    places: Places,
    joining: Option<Joining>,
    deliveries: JoinSet<()>,
    /// What had no place when time was up.
    left: Vec<Ready>,
    /// Deliveries that were begun and have not ended.
    in_flight: Arc<AtomicUsize>,
    next_worker: usize,
}

impl<E: Exporter> Stage<E> {
    async fn run(mut self, hold: Hold<E>) -> Ended {
        let result = self.serve().await;
        if hold.release() {
            self.delivery.exporter.close().await?;
        }
        result
    }

    async fn serve(&mut self) -> Ended {
        let stopping = self.delivery.cx.stopping.clone();
        while !stopping.is_cancelled() {
            let look_at = self.joining.as_ref().and_then(Joining::look_at);
            tokio::select! {
                biased;
                () = stopping.cancelled() => break,
                () = until(look_at), if look_at.is_some() => {
                    let due = self.joining.as_mut().map(|joining| joining.due(&self.delivery.cx.budget)).unwrap_or_default();
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
        let rest =
            self.joining.as_mut().map(|joining| joining.all(&self.delivery.cx.budget)).unwrap_or_default();
        self.dispatch(rest).await?;
        if stopping.is_cancelled() {
            // Before those that are under way have ended: giving them up may take longer than there is time.
            self.leave().await;
        }
        while let Some(ended) = self.deliveries.join_next().await {
            ended?;
        }
        self.leave().await;
        Ok(())
    }

    /// Leaves what has found no place, and what is in the queue, since time is up.
    async fn leave(&mut self) {
        let mut left = std::mem::take(&mut self.left);
        left.extend(std::iter::from_fn(|| self.inbox.try_recv()).map(Ready::from));
        self.delivery.left(left).await;
    }

    fn join(&mut self, entry: Entry) -> Vec<Ready> {
        self.delivery.metrics.enqueued(&entry.batch);
        match &mut self.joining {
            Some(joining) => joining.push(entry, &self.delivery.cx.budget),
            None => vec![entry.into()],
        }
    }

    /// Waits for a place, in its turn, unless time is up before.
    async fn place(&mut self) -> Result<Option<Place>, BoxError> {
        let stopping = self.delivery.cx.stopping.clone();
        let mut taken = std::pin::pin!(self.places.clone().take());
        loop {
            tokio::select! {
                biased;
                place = &mut taken => return Ok(Some(place)),
                Some(ended) = self.deliveries.join_next() => ended?,
                () = stopping.cancelled() => return Ok(None),
            }
        }
    }

    /// Starts deliveries, waiting for a free place for each. What has none when time is up is left.
    async fn dispatch(&mut self, ready: Vec<Ready>) -> Result<(), BoxError> {
        let mut ready = VecDeque::from(ready);
        while !ready.is_empty() {
            let Some(place) = self.place().await? else {
                self.left.extend(ready);
                return Ok(());
            };
            let Some(ready) = ready.pop_front() else { break };
            while let Some(ended) = self.deliveries.try_join_next() {
                ended?;
            }
            let delivery = Arc::clone(&self.delivery);
            delivery.metrics.dispatched(&ready.batch);
            let in_flight = InFlight::new(&self.in_flight);
            let task = async move {
                let _in_flight = in_flight;
                delivery.deliver(ready, place).await;
            };
            // A panic ends the process in order: the other batches are delivered as ever.
            let cx = &self.delivery.cx;
            let task = cx.workers.guard(&cx.name, task);
            self.next_worker = self.next_worker.wrapping_add(1);
            let handle = self.delivery.cx.workers.handle(self.next_worker).clone();
            self.deliveries.spawn_on(task, &handle);
        }
        Ok(())
    }
}

/// A delivery that counts as in flight, waits before its retries included, until this is dropped.
struct InFlight(Arc<AtomicUsize>);

impl InFlight {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
