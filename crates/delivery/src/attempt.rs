//! One batch on its way out: attempts, waits, splitting, and the end of it in the books.

use std::sync::Arc;
use std::time::Duration;

use component::{Accepted, Exporter, RunCx, SHUTDOWN};
use data::{Account, Batch, Code, Refusal, Refused};
use otlp::batch::{PieceSize, chunk};
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::metrics::Metrics;
use crate::settings::Settings;

/// What every delivery of one stage needs.
pub(crate) struct Delivery<E> {
    pub(crate) exporter: Arc<E>,
    pub(crate) settings: Settings,
    pub(crate) account: Arc<Account>,
    pub(crate) cx: RunCx,
    pub(crate) metrics: Metrics,
}

/// How the attempts for a batch ended without delivering it.
enum Failure {
    /// It can be tried in smaller pieces.
    TooLarge(Refused),
    /// It is over, under this reason.
    Final(&'static str, Refused),
}

impl<E: Exporter> Delivery<E> {
    /// Delivers a batch, in pieces if the peer finds it too large, and settles its ticket and account.
    pub(crate) async fn deliver(&self, batch: Batch) {
        let mut pieces = vec![batch];
        while let Some(piece) = pieces.pop() {
            match self.attempts(&piece).await {
                Ok(accepted) => self.accepted(piece, accepted),
                Err(Failure::TooLarge(refused)) => {
                    let half = PieceSize::Items(piece.items().div_ceil(2));
                    match <[Batch; 1]>::try_from(chunk(piece, half, &self.cx.budget)) {
                        // A single item, or a signal that is not cut.
                        Ok([whole]) => self.refused("too large", whole, &refused),
                        // Taken from the end, so turned round to keep the order.
                        Err(halves) => pieces.extend(halves.into_iter().rev()),
                    }
                }
                Err(Failure::Final(reason, refused)) => self.refused(reason, piece, &refused),
            }
        }
    }

    async fn attempts(&self, batch: &Batch) -> Result<Accepted, Failure> {
        let retry = &self.settings.holding.retry_on_failure;
        let started = Instant::now();
        let mut backoff = Backoff::new(retry, self.cx.clock.now().mono);
        loop {
            let refused = match self.attempt(batch).await? {
                Ok(accepted) => return Ok(accepted),
                Err(refused) => refused,
            };
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
            self.pause(wait, &refused).await?;
        }
    }

    /// One attempt within the timeout; the outer error ends everything because time is up.
    async fn attempt(&self, batch: &Batch) -> Result<Result<Accepted, Refused>, Failure> {
        let export = self.exporter.export(batch);
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

    fn accepted(&self, batch: Batch, accepted: Accepted) {
        let Some((rejected, message)) = accepted.rejected else {
            self.account.leave(batch.items());
            self.metrics.sent(batch.items());
            return batch.delivered();
        };
        // The peer's count is not to be trusted further than what it was sent.
        let count = usize::try_from(rejected).unwrap_or(usize::MAX).min(batch.items());
        tracing::warn!(
            otelcol.component.id = %self.cx.node.id,
            otelcol.component.kind = "exporter",
            rejected = count,
            message,
            "Partial success response"
        );
        self.account.leave(batch.items() - count);
        self.metrics.sent(batch.items() - count);
        let why = Refused::permanent(Code::InvalidArgument, message);
        if count > 0 {
            let reason = "refused in part by the peer";
            self.account.refuse(reason, count);
            self.metrics.failed(count, reason, &why);
        }
        batch.ticket.partly(count as u64, &why);
    }

    fn refused(&self, reason: &'static str, batch: Batch, refused: &Refused) {
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
            items = batch.items(),
            "{what}"
        );
        self.cx.notes.add(self.cx.clock.now(), refused);
        self.account.refuse(reason, batch.items());
        self.metrics.failed(batch.items(), reason, refused);
        batch.refused(refused);
    }
}

fn time_is_up(last: &str) -> Failure {
    Failure::Final(SHUTDOWN, Refused::retry(format!("interrupted due to shutdown: {last}")))
}
