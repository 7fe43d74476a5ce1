//! A batch on its way to the API, wave by wave.

use std::sync::Arc;

use component::{Accepted, Settled};
use data::{Batch, Civil, Code, Refused, Signal};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::sync::SemaphorePermit;
use tokio::task::{spawn_blocking, yield_now};

use crate::answer::{self, Unprocessed};
use crate::call::Failed;
use crate::dead_letter::{self, Turn};
use crate::documents::Documents;
use crate::translate::{MAX_BYTES, Position};
use crate::waiting::{Ready, Waiting};
use crate::work::{Call, Fates, Refusal, Wave};
use crate::{Memory, Running};

/// Documents that are found invalid by themselves before all of their calls are taken for invalid, unless some were taken.
const MAX_INVALID: usize = 4;

impl Running {
    /// Sends what of a batch is not settled.
    ///
    /// What comes back of a wave is put aside and holds up no other; when the batch is at its end, it waits for the next
    /// attempt.
    pub(crate) async fn send_batch(
        &self,
        batch: &Batch,
        memory: &mut Memory,
        settled: &mut Settled,
    ) -> Result<Accepted, Refused> {
        let mut came_back = None;
        if memory.sending.is_none() {
            memory.sending = memory.aside.take();
        }
        loop {
            if memory.sending.is_none() {
                memory.sending = self.next(batch, &mut memory.next, settled).await?;
            }
            let Some(wave) = &mut memory.sending else {
                match (came_back, memory.aside.take()) {
                    (None, None) => return Ok(Accepted::default()),
                    // Of an attempt that did not come to the end.
                    (None, aside) => memory.sending = aside,
                    (Some(refused), aside) => {
                        memory.aside = aside;
                        return Err(refused);
                    }
                }
                came_back = None;
                continue;
            };
            if let Some(refused) = self.send(wave, &mut memory.has_taken, settled).await? {
                if !wave.put_aside(&mut memory.aside, MAX_BYTES, &self.cx.budget) {
                    return Err(refused);
                }
                came_back = Some(refused);
            }
            if let Some(wave) = memory.sending.take() {
                self.translators.done(wave.documents);
            }
        }
    }

    /// Writes what of a batch is not settled to the dead letters.
    pub(crate) async fn give_up(&self, batch: &Batch, memory: &mut Memory, settled: &mut Settled, why: &str) {
        loop {
            let wave = match memory.sending.take().or_else(|| memory.aside.take()) {
                None => self.next(batch, &mut memory.next, settled).await.unwrap_or_default(),
                begun => begun,
            };
            let Some(Wave { documents, fates }) = wave else { return };
            let refusals = refusals(&fates.left(), answer::GIVEN_UP, why);
            if !refusals.is_empty()
                && let Some(turn) = self.turn().await
            {
                self.write_down(turn, &documents, &refusals).await;
            }
            self.translators.done(documents);
        }
    }

    /// The next documents of a batch, none of which is sent yet.
    async fn next(
        &self,
        batch: &Batch,
        position: &mut Position,
        settled: &mut Settled,
    ) -> Result<Option<Wave>, Refused> {
        while !position.is_at_the_end(batch) {
            // Others have their turn. Not between making documents and remembering them: this may end here.
            yield_now().await;
            let documents = match batch.signal() {
                Signal::Xray => position.as_they_came(batch),
                Signal::Traces => self.translators.next(batch, position, self.cx.clock.now(), settled),
                other => {
                    let said = format!("X-Ray does not take {other}");
                    return Err(Refused::permanent(Code::Unimplemented, said));
                }
            };
            if documents.len() > 0 {
                self.counters.translated(&documents);
                return Ok(Some(Wave::new(documents)));
            }
            self.translators.done(documents);
        }
        Ok(None)
    }

    /// Sends what is open of a wave, until nothing is, or what is left came back and has to wait; then why.
    async fn send(
        &self,
        wave: &mut Wave,
        has_taken: &mut bool,
        settled: &mut Settled,
    ) -> Result<Option<Refused>, Refused> {
        loop {
            let returned = self.send_once(wave, has_taken, settled).await?;
            match (wave.fates.open(), returned) {
                (0, _) => return Ok(None),
                (open, Some(one)) if !self.goes_on(&one) => {
                    let said = format!("{open} segments were not processed: {}: {}", one.code, one.message);
                    return Ok(Some(Refused::retry(said)));
                }
                // At the pace that throttling sets; or alone, since it was not clear which of several was meant.
                _ => {}
            }
        }
    }

    /// Whether documents that came back for this reason are sent again for as long as it takes.
    fn goes_on(&self, one: &Unprocessed) -> bool {
        answer::is_throttling(&one.code) && self.calls.outlasts_throttling
    }

    /// Sends what is open once, in as many calls as it needs, several at once. What came back to be sent again comes
    /// first if it may not go on at once.
    async fn send_once(
        &self,
        Wave { documents, fates }: &mut Wave,
        has_taken: &mut bool,
        settled: &mut Settled,
    ) -> Result<Option<Unprocessed>, Refused> {
        let documents = &*documents;
        let mut waiting = Waiting::new(documents, fates.calls(documents, self.max_bytes), &self.cx.budget);
        let mut under_way = FuturesUnordered::new();
        let mut failed: Option<Refused> = None;
        let mut returned: Option<Unprocessed> = None;
        let mut invalid = 0;
        loop {
            // After a failure what is under way is awaited, and the rest keeps its place.
            let goes_on = failed.is_none() && !waiting.is_empty();
            let (call, result) = tokio::select! {
                biased;
                worker = self.calls.worker(), if goes_on => {
                    under_way.extend(waiting.next().map(|ready| self.call(ready, worker)));
                    continue;
                }
                Some(done) = under_way.next() => done,
                else => break,
            };
            match result {
                Ok(unprocessed) => {
                    *has_taken |= unprocessed.len() < call.len();
                    let mut again = unprocessed.iter().filter(|one| answer::may_be_sent_again(&one.code));
                    if let Some(one) = again.clone().find(|one| !self.goes_on(one)).or_else(|| again.next())
                        && returned.as_ref().is_none_or(|former| self.goes_on(former))
                    {
                        returned = Some(one.clone());
                    }
                    let refusals = fates.taken(documents, &call, unprocessed, settled);
                    self.bury(documents, refusals, fates, settled).await;
                }
                Err(Failed::TooLarge(_)) if call.len() > 1 => {
                    waiting.halve(&call, false);
                }
                // Looked for at once, so that it is soon known whether it is one document or all of them.
                Err(Failed::Invalid(_)) if call.len() > 1 && (invalid < MAX_INVALID || *has_taken) => {
                    waiting.halve(&call, true);
                }
                Err(Failed::TooLarge(said)) => {
                    self.bury(documents, refusals(&call, answer::TOO_LARGE, &said), fates, settled).await;
                }
                Err(Failed::Invalid(said) | Failed::Never(said)) => {
                    invalid += 1;
                    self.bury(documents, refusals(&call, answer::REFUSED, &said), fates, settled).await;
                }
                Err(Failed::Later(refused)) => {
                    failed.get_or_insert(refused);
                }
            }
        }
        failed.map_or(Ok(returned), Err)
    }

    /// Makes a call, with a worker who is free again then.
    async fn call(
        &self,
        ready: Ready,
        _worker: Option<SemaphorePermit<'_>>,
    ) -> (Call, Result<Vec<Unprocessed>, Failed>) {
        let result = self.calls.put(&ready.body, ready.call.len()).await;
        (ready.call, result)
    }

    /// Says what was refused for good, counts it, and keeps it where the configuration wants that. Once it is counted it is
    /// written, whether or not anybody waits for that.
    async fn bury(
        &self,
        documents: &Documents,
        refusals: Vec<Refusal>,
        fates: &mut Fates,
        settled: &mut Settled,
    ) {
        let Some(first) = refusals.first() else { return };
        let turn = self.turn().await;
        if let Some(recorder) = &self.calls.recorder {
            recorder.counts.rejected(refusals.len());
        }
        tracing::warn!(
            otelcol.component.id = %self.cx.node.id,
            otelcol.component.kind = "exporter",
            segment = documents.id(first.document),
            code = first.code,
            said = first.message,
            others = refusals.len() - 1,
            "X-Ray refused segments"
        );
        fates.refused(documents, &refusals, settled);
        if let Some(turn) = turn {
            self.write_down(turn, documents, &refusals).await;
        }
    }

    /// Waits for the turn to write to the dead letters, if they are kept.
    pub(crate) async fn turn(&self) -> Option<Turn> {
        match &self.dead_letters {
            Some(dead_letters) => Some(Arc::clone(dead_letters).turn().await),
            None => None,
        }
    }

    /// Writes documents to the dead letters. That is begun before the first await, and goes on if this is dropped there.
    async fn write_down(&self, turn: Turn, documents: &Documents, refusals: &[Refusal]) {
        let time = Civil::from_unix_nanos(self.cx.clock.now().wall.into()).rfc3339();
        let mut text = Vec::new();
        for Refusal { document, code, message } in refusals {
            let document = String::from_utf8_lossy(documents.get(*document));
            dead_letter::write(&mut text, &time, code, message, &document);
        }
        let count = refusals.len() as u64;
        let (kept, not_kept) = (self.counters.kept.clone(), self.counters.not_kept.clone());
        // The disk may take its time.
        let written = spawn_blocking(move || {
            let written = turn.append(&text);
            if written.is_ok() {
                kept.add(count)
            } else {
                not_kept.add(count)
            }
            written
        });
        if let Err(error) = written.await.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
            tracing::error!(
                otelcol.component.id = %self.cx.node.id,
                otelcol.component.kind = "exporter",
                %error,
                documents = count,
                "segments can't be kept"
            );
        }
    }
}

pub(crate) fn refusals(call: &Call, code: &str, message: &str) -> Vec<Refusal> {
    let refusal =
        |index: &usize| Refusal { document: *index, code: code.to_owned(), message: message.to_owned() };
    call.iter().map(refusal).collect()
}
