//! A batch on its way to the API, wave by wave.

use std::sync::Arc;
use std::time::Duration;

use component::{Accepted, Settled};
use data::{Batch, Civil, Code, Refused, Signal};
use telemetry::metrics::Counter;
use tokio::task::{spawn_blocking, yield_now};

use crate::answer;
use crate::dead_letter::{self, Turn};
use crate::documents::Documents;
use crate::round::{Came, Round, refusals};
use crate::translate::{MAX_BYTES, Position};
use crate::work::{Refusal, Wave};
use crate::{Memory, Running};

/// Waits before what came back is sent again, while the batch keeps its place; then it waits as `retry_on_failure` says.
const SOON: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(200), Duration::from_millis(400)];

/// Bytes of documents that are written to the dead letters at a time, unless one alone has more.
const MAX_WRITTEN: usize = 1 << 20;

impl Running {
    /// Sends what of a batch is not settled.
    ///
    /// What comes back of a wave is put aside and holds up no other. At the end of the batch it is sent again soon, and if
    /// that does not help waits for the next attempt.
    pub(crate) async fn send_batch(
        &self,
        batch: &Batch,
        memory: &mut Memory,
        settled: &mut Settled,
    ) -> Result<Accepted, Refused> {
        let mut came_back = None;
        loop {
            if memory.sending.is_none() {
                memory.sending = self.next(batch, &mut memory.next, settled).await?;
            }
            if memory.sending.is_none() {
                if let Some(refused) = came_back.take() {
                    let Some(wait) = SOON.get(memory.soon) else { return Err(refused) };
                    memory.soon += 1;
                    self.calls.unless_draining(tokio::time::sleep(*wait)).await;
                }
                memory.sending = memory.aside.take();
            }
            let Some(wave) = &mut memory.sending else { return Ok(Accepted::default()) };
            if let Some(refused) = self.send(wave, &mut memory.has_taken, settled).await? {
                if !wave.put_aside(&mut memory.aside, MAX_BYTES, &self.cx.budget) {
                    // What was put aside is sent first then, and makes room.
                    std::mem::swap(&mut memory.sending, &mut memory.aside);
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
        let left = batch.items().saturating_sub(settled.items());
        let begun = [&memory.sending, &memory.aside].into_iter().flatten();
        let unwritten: usize = begun.map(|wave| wave.unwritten.len()).sum();
        let mut missing = Missing { left: left + unwritten, not_kept: &self.counters.not_kept };
        loop {
            let wave = match memory.sending.take().or_else(|| memory.aside.take()) {
                None => self.next(batch, &mut memory.next, settled).await.unwrap_or_default(),
                begun => begun,
            };
            let Some(mut wave) = wave else { break };
            let given_up = wave.fates.left();
            wave.unwritten.extend(refusals(&given_up, answer::GIVEN_UP, why));
            self.bury(&mut wave, |begun| missing.left = missing.left.saturating_sub(begun)).await;
            self.translators.done(wave.documents);
        }
        missing.left = 0;
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
            let Came { answered, back, failed, .. } = self.round(wave, has_taken, settled).await;
            self.bury(wave, |_| ()).await;
            match (wave.fates.open(), failed, back) {
                (0, ..) => return Ok(None),
                // Others of the same round were answered, so that it need not be the API.
                (_, Some(refused), _) if answered => return Ok(Some(refused)),
                (_, Some(refused), _) => return Err(refused),
                (open, None, Some(one)) if !self.calls.goes_on(&one) => {
                    let said = format!("{open} segments were not processed: {}: {}", one.code, one.message);
                    return Ok(Some(Refused::retry(said)));
                }
                // At the pace that throttling sets; or alone, since it was not clear which of several was meant.
                _ => {}
            }
        }
    }

    async fn round(&self, wave: &mut Wave, has_taken: &mut bool, settled: &mut Settled) -> Came {
        let told = |documents: &Documents, refusals: &[Refusal]| self.told(documents, refusals);
        let (calls, budget, max_bytes) = (&self.calls, &self.cx.budget, self.max_bytes);
        let round = Round { calls, budget, max_bytes, keeps: self.dead_letters.is_some(), told: &told };
        round.send(wave, has_taken, settled).await
    }

    /// Says what was refused for good.
    fn told(&self, documents: &Documents, refusals: &[Refusal]) {
        let Some(first) = refusals.first() else { return };
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
    }

    /// Keeps what is not written of a wave, where the configuration wants that. `begun` hears of how many documents the write
    /// has begun, which counts what becomes of it.
    async fn bury(&self, wave: &mut Wave, mut begun: impl FnMut(usize)) {
        while !wave.unwritten.is_empty()
            && let Some(turn) = self.turn().await
        {
            let mut bytes = 0;
            let fits = wave.unwritten.iter().take_while(|refusal| {
                let before = bytes;
                bytes += wave.documents.get(refusal.document).len();
                before == 0 || bytes <= MAX_WRITTEN
            });
            let count = fits.count();
            // Nothing is awaited until the write is begun, which then goes on if this is dropped.
            let some: Vec<Refusal> = wave.unwritten.drain(..count).collect();
            begun(count);
            self.write_down(turn, &wave.documents, &some).await;
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

/// Documents of which nobody knows yet whether they are kept: if that is never known, they are not.
struct Missing<'a> {
    left: usize,
    not_kept: &'a Counter,
}

impl Drop for Missing<'_> {
    fn drop(&mut self) {
        self.not_kept.add(self.left as u64);
    }
}
