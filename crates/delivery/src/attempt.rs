//! One batch on its way out: attempts, waits, splitting, and the end of it in the books.

use std::sync::Arc;
use std::time::Duration;

use component::{Accepted, Exporter, Progress, Rejected, RunCx, SHUTDOWN, Settled, Sizer};
use data::{Account, Batch, Code, Refusal, Refused};
use otlp::batch::{PieceSize, chunk};
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::joining::Ready;
use crate::metrics::Metrics;
use crate::place::Place;
use crate::room::{self, Room};
use crate::settings::Settings;

/// What every delivery of one stage needs.
pub(crate) struct Delivery<E> {
    pub(crate) exporter: Arc<E>,
    pub(crate) settings: Settings,
    pub(crate) account: Arc<Account>,
    pub(crate) cx: RunCx,
    pub(crate) metrics: Metrics,
}

/// The reason for what no piece of is small enough.
const TOO_LARGE: &str = "too large";

/// How the attempts for a batch ended without delivering it.
enum Failure {
    /// It can be tried in smaller pieces.
    TooLarge(Refused),
    /// It is over, under this reason.
    Final(&'static str, Refused),
}

impl<E: Exporter> Delivery<E> {
    /// Delivers a batch, in pieces if the peer finds it too large, and settles its ticket and account.
    pub(crate) async fn deliver(&self, ready: Ready, mut place: Place) {
        let Ready { batch, mut room } = ready;
        let mut pieces = vec![batch];
        while let Some(mut piece) = pieces.pop() {
            let mut progress = Progress::default();
            // The room of what was cut is that of all pieces.
            let mut none = Vec::new();
            let room = if pieces.is_empty() { &mut room } else { &mut none };
            let ended = self.attempts(&mut piece, &mut progress, &mut place, room).await;
            match ended {
                Ok(accepted) => self.accepted(piece, progress.settled, accepted),
                Err(Failure::TooLarge(refused)) if progress.is_untouched() => {
                    let half = PieceSize::Items(piece.items().div_ceil(2));
                    match <[Batch; 1]>::try_from(chunk(piece, half, &self.cx.budget)) {
                        // A single item, or a signal that is not cut.
                        Ok([whole]) => self.refused(TOO_LARGE, whole, progress, &refused).await,
                        // Taken from the end, so turned round to keep the order.
                        Err(halves) => pieces.extend(halves.into_iter().rev()),
                    }
                }
                // Which items are left, only the exporter knows.
                Err(Failure::TooLarge(refused)) => self.refused(TOO_LARGE, piece, progress, &refused).await,
                Err(Failure::Final(reason, refused)) => self.refused(reason, piece, progress, &refused).await,
            }
        }
    }

    /// What was left when time was up, before anybody tried to deliver it. All of it is in the books before any of it is
    /// given up, which may take longer than there is time.
    pub(crate) async fn left(&self, left: Vec<Ready>) {
        let why = Refused::retry("interrupted due to shutdown: not tried yet");
        for Ready { batch, .. } in &left {
            self.account.refuse(SHUTDOWN, batch.items());
            self.metrics.failed(batch.items(), SHUTDOWN, &why);
        }
        for Ready { batch, room } in left {
            if !batch.ticket.is_awaited() {
                self.exporter.give_up(&batch, &mut Progress::default(), &why).await;
            }
            drop(room);
        }
    }

    async fn attempts(
        &self,
        batch: &mut Batch,
        progress: &mut Progress<E::Memory>,
        place: &mut Place,
        room: &mut Vec<Room>,
    ) -> Result<Accepted, Failure> {
        let retry = &self.settings.holding.retry_on_failure;
        let first_wait = || Backoff::new(retry, self.cx.clock.now().mono);
        let (mut started, mut backoff, mut delivered) = (Instant::now(), first_wait(), 0);
        loop {
            progress.passing = false;
            let refused = match self.attempt(batch, progress).await? {
                Ok(accepted) => return Ok(accepted),
                Err(refused) => refused,
            };
            // Patience is for what makes no progress.
            if progress.settled.delivered() > delivered {
                delivered = progress.settled.delivered();
                (started, backoff) = (Instant::now(), first_wait());
            }
            let hint = match refused.refusal {
                Refusal::TooLarge => return Err(Failure::TooLarge(refused)),
                Refusal::Permanent => return Err(Failure::Final("refused by the peer", refused)),
                Refusal::Retry { .. } if !retry.enabled => return Err(Failure::Final("failed", refused)),
                Refusal::Retry { after } => after,
            };
            let wait = backoff.next(retry, hint);
            let limit = retry.max_elapsed_time;
            if !limit.is_zero() && started.elapsed().saturating_add(wait) > limit {
                let message = format!("no more retries left: {refused}");
                return Err(Failure::Final(
                    "retries used up",
                    Refused { message: message.into(), ..refused },
                ));
            }
            self.make_way(batch, progress, place, room);
            self.pause(wait, &refused).await?;
            tokio::select! {
                () = place.take_again() => {}
                () = self.cx.stopping.cancelled() => return Err(time_is_up(&refused.message)),
            }
        }
    }

    /// Lets others have the place of a batch that waits because of what is in it, and the room of what is not left of it. How
    /// many such batches there are is bounded by the queue, in which each keeps some room, and by memory: where there is
    /// none, no further one is begun.
    fn make_way(
        &self,
        batch: &mut Batch,
        progress: &Progress<E::Memory>,
        place: &mut Place,
        room: &mut Vec<Room>,
    ) {
        if !progress.passing || batch.ticket.is_awaited() {
            return;
        }
        if let Some(bytes) = progress.remembered {
            batch.replace(Vec::new(), batch.items());
            let left = batch.items().saturating_sub(progress.settled.items());
            room::give_back(room, room::needed(self.sizer(), batch, left, bytes));
        }
        if !self.cx.budget.is_exhausted() {
            place.leave();
        }
    }

    /// What the queue counts.
    fn sizer(&self) -> Sizer {
        let queue = self.settings.holding.sending_queue.get();
        queue.map_or(Sizer::Requests, |queue| queue.sizer().into())
    }

    /// One attempt within the timeout; the outer error ends everything because time is up.
    async fn attempt(
        &self,
        batch: &Batch,
        progress: &mut Progress<E::Memory>,
    ) -> Result<Result<Accepted, Refused>, Failure> {
        let export = self.exporter.export(batch, progress);
        let limited = async {
            if self.settings.timeout.is_zero() {
                return export.await;
            }
            tokio::time::timeout(self.settings.timeout, export).await.unwrap_or_else(|_elapsed| {
                let message = format!("no answer within {}", config::duration::format(self.settings.timeout));
                Err(Refused { code: Code::DeadlineExceeded, ..Refused::retry(message) })
            })
        };
        let began = Instant::now();
        tokio::select! {
            biased;
            result = limited => {
                self.metrics.attempted(began, result.as_ref().err());
                Ok(result)
            }
            () = self.cx.stopping.cancelled() => Err(time_is_up("an attempt was under way")),
        }
    }

    async fn pause(&self, wait: Duration, refused: &Refused) -> Result<(), Failure> {
        self.cx.notes.add(self.cx.clock.now(), refused);
        tracing::info!(
            otelcol.component.id = %self.cx.node.id,
            otelcol.component.kind = "exporter",
            error = %refused,
            interval = config::duration::format(wait),
            "Exporting failed. Will retry the request after interval."
        );
        let draining = self.cx.draining.is_cancelled();
        tokio::select! {
            () = tokio::time::sleep(wait) => Ok(()),
            // The wait may be longer than what time is left: one attempt at once, as in the Collector.
            () = self.cx.draining.cancelled(), if !draining => Ok(()),
            () = self.cx.stopping.cancelled() => Err(time_is_up(&refused.message)),
        }
    }

    fn accepted(&self, batch: Batch, mut settled: Settled, accepted: Accepted) {
        if let Some((rejected, message)) = accepted.rejected {
            settled.reject(
                "refused in part by the peer",
                usize::try_from(rejected).unwrap_or(usize::MAX),
                message,
            );
        }
        let (rejected, why) = self.rejected(&settled, batch.items());
        self.arrived(batch.items() - rejected);
        match why {
            None => batch.delivered(),
            Some(why) => batch.ticket.partly(rejected as u64, &why),
        }
    }

    async fn refused(
        &self,
        reason: &'static str,
        batch: Batch,
        mut progress: Progress<E::Memory>,
        refused: &Refused,
    ) {
        let settled = &progress.settled;
        let (rejected, _) = self.rejected(settled, batch.items());
        let delivered = settled.delivered().min(batch.items() - rejected);
        let left = batch.items() - rejected - delivered;
        let (what, lost) = if batch.ticket.is_awaited() {
            ("Exporting failed. Rejecting data.", "rejected_items")
        } else {
            ("Exporting failed. Dropping data.", "dropped_items")
        };
        tracing::error!(
            otelcol.component.id = %self.cx.node.id,
            otelcol.component.kind = "exporter",
            error = %refused,
            reason,
            counted_as = lost,
            items = left,
            "{what}"
        );
        self.cx.notes.add(self.cx.clock.now(), refused);
        self.arrived(delivered);
        self.account.refuse(reason, left);
        self.metrics.failed(left, reason, refused);
        if !batch.ticket.is_awaited() {
            // It may take longer than there is time, so that everything is in the books before.
            self.exporter.give_up(&batch, &mut progress, refused).await;
        } else if refused.is_retryable() || settled.is_empty() {
            // Whoever waits can only send all of it again.
            batch.refused(refused);
        } else {
            batch.ticket.partly((rejected + left) as u64, refused);
        }
    }

    fn arrived(&self, items: usize) {
        self.account.leave(items);
        self.metrics.sent(items);
    }

    /// Puts what the destination refused for good into the books: how many items of the batch's `items`, and its words.
    fn rejected(&self, settled: &Settled, items: usize) -> (usize, Option<Refused>) {
        let mut in_all = 0;
        let mut first = None;
        for Rejected { reason, items: claimed, message } in settled.rejected() {
            // The peer's count is not to be trusted further than what it was sent.
            let count = (*claimed).min(items - in_all);
            in_all += count;
            tracing::warn!(
                otelcol.component.id = %self.cx.node.id,
                otelcol.component.kind = "exporter",
                rejected = count,
                reason,
                said = &**message,
                "Partial success response"
            );
            let why = Refused::permanent(Code::InvalidArgument, Arc::clone(message));
            if count > 0 {
                self.account.refuse(reason, count);
                self.metrics.failed(count, reason, &why);
            }
            first.get_or_insert(why);
        }
        (in_all, first)
    }
}

fn time_is_up(last: &str) -> Failure {
    Failure::Final(SHUTDOWN, Refused::retry(format!("interrupted due to shutdown: {last}")))
}
