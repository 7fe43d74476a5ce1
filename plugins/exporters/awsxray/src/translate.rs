//! Spans into documents, by a translator for each delivery that is under way.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use component::Settled;
use data::{Batch, Budget, Time};
use xray::from_span::{Cursor, Documents as Translated, Enough, Options, Reason, Translator};

use crate::documents::{Documents, NO_ITEM};
use crate::work::MAX_DOCUMENTS;

/// Bytes of documents that are made of a batch at a time, unless one alone has more.
pub(crate) const MAX_BYTES: usize = 4 << 20;

/// Room that a list of documents keeps when nothing is in it.
const MAX_IDLE_BYTES: usize = 2 << 20;

/// Documents, and spans that were refused, that an idle list has room for.
const MAX_IDLE_ENTRIES: usize = 4096;

/// Lists that wait for work; further ones are given back. What was put aside makes lists of its own, so that without a bound
/// there would be one more for each.
const MAX_IDLE: usize = 4;

/// Translators and room for documents that wait for work.
pub(crate) struct Translators {
    options: Options,
    budget: Arc<Budget>,
    /// What is made at a time.
    enough: Enough,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    translators: Vec<Translator>,
    documents: Vec<Translated>,
}

/// How far a batch is translated.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Position {
    /// Parts that are translated whole.
    parts: usize,
    cursor: Cursor,
}

impl Position {
    /// Whether there is nothing left of a batch.
    pub(crate) fn is_at_the_end(&self, batch: &Batch) -> bool {
        batch.chunks().nth(self.parts).is_none()
    }

    /// The documents of a batch of documents: all the first time, then none.
    pub(crate) fn as_they_came(&mut self, batch: &Batch) -> Documents {
        Documents::AsTheyCame(
            batch.chunks().skip(std::mem::replace(&mut self.parts, usize::MAX)).cloned().collect(),
        )
    }
}

impl Translators {
    /// For an exporter that makes so many calls at once. Twice as many are made at a time, so that callers who are done find
    /// something to do until the slowest is; with the usual eight that is also as many as are hashed together.
    pub(crate) fn new(options: Options, calls: usize, budget: Arc<Budget>) -> Self {
        let documents = calls.saturating_mul(2 * MAX_DOCUMENTS);
        let enough = Enough { documents, bytes: MAX_BYTES };
        Self { options, budget, enough, idle: Mutex::default() }
    }

    /// The next documents of a batch of spans: as many as two rounds of calls take, none at its end. Spans that become none are
    /// settled.
    ///
    /// A batch of documents is never whole in memory: each may hold all of its resource, which the batch has only once for
    /// many spans.
    pub(crate) fn next(
        &self,
        batch: &Batch,
        position: &mut Position,
        now: Time,
        settled: &mut Settled,
    ) -> Documents {
        let (mut translator, mut made) = self.take();
        let seconds = i64::try_from(now.wall / 1_000_000_000).unwrap_or(i64::MAX);
        for part in batch.chunks().skip(position.parts) {
            let cursor = &mut position.cursor;
            if !translator.translate_some(part, cursor, self.enough, seconds, &mut made) {
                break;
            }
            position.parts += 1;
            *cursor = Cursor::default();
        }
        self.idle().translators.push(translator);
        settle_refused(&mut made, settled);
        let counted = Some(self.budget.force(made.memory()));
        Documents::Written { made, _counted: counted }
    }

    /// Nothing more is to be done with these.
    pub(crate) fn done(&self, documents: Documents) {
        let Documents::Written { mut made, .. } = documents else { return };
        let entries = made.entries.capacity().max(made.refused.capacity());
        if made.bytes.capacity() > MAX_IDLE_BYTES || entries > MAX_IDLE_ENTRIES {
            return;
        }
        made.clear();
        let mut idle = self.idle();
        if idle.documents.len() < MAX_IDLE {
            idle.documents.push(made);
        }
    }

    fn take(&self) -> (Translator, Translated) {
        let (translator, documents) = {
            let mut idle = self.idle();
            (idle.translators.pop(), idle.documents.pop())
        };
        let translator = translator.unwrap_or_else(|| Translator::new(self.options.clone(), seed()));
        (translator, documents.unwrap_or_default())
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ids need to differ from those of other processes and translators, no more.
fn seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// A span of which a document is missing is refused, whatever becomes of its other one.
fn settle_refused(translated: &mut Translated, settled: &mut Settled) {
    let mut entries = translated.entries.iter_mut().peekable();
    let mut last = None;
    // Both lists are in the order of the spans.
    for refused in &translated.refused {
        if last.replace(refused.item) == Some(refused.item) {
            continue;
        }
        settled.reject(reason(refused.reason), 1, refused.reason.to_string());
        while let Some(entry) = entries.next_if(|entry| entry.item <= refused.item) {
            if entry.item == refused.item {
                entry.item = NO_ITEM;
            }
        }
    }
}

/// As it stands in the books.
fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::TraceIdTime => "time of the trace id",
        Reason::TooLarge => "too large",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_no_bytes_are_refused_a_few_at_a_time_and_counted() {
        use otlp::wire::{write_len_field, write_nested};

        let mut request = Vec::new();
        write_nested(&mut request, 1, |out| {
            // Of this resource no document can be made.
            write_nested(out, 1, |out| {
                write_nested(out, 1, |out| {
                    write_len_field(out, 1, b"service.version");
                    write_nested(out, 2, |out| write_len_field(out, 1, &[b'x'; 70_000]));
                });
            });
            write_nested(out, 2, |out| (0..200_000).for_each(|_| write_len_field(out, 2, &[])));
        });
        let budget = Budget::unlimited();
        let translators = Translators::new(Options::default(), 1, Arc::clone(&budget));
        let now = Time { wall: 0, mono: 0 };
        let batch = Batch::new(data::Signal::Traces, vec![request.into()], 200_000, now);
        let (mut position, mut settled, mut waves) = (Position::default(), Settled::default(), 0);
        while !position.is_at_the_end(&batch) {
            let documents = translators.next(&batch, &mut position, now, &mut settled);
            assert!(
                budget.held() >= 16 * 60_000 || position.is_at_the_end(&batch),
                "their entries are counted"
            );
            translators.done(documents);
            waves += 1;
        }
        assert_eq!(
            (settled.items(), waves),
            (200_000, 200_000 / (MAX_BYTES / xray::from_span::LEAST_WORK) + 1)
        );
    }

    #[test]
    fn what_waits_for_work_has_a_bound() {
        let translators = Translators::new(Options::default(), 1, Budget::unlimited());
        let written = |bytes: usize, refused: usize| {
            let made = Translated {
                bytes: Vec::with_capacity(bytes),
                refused: Vec::with_capacity(refused),
                ..Translated::default()
            };
            Documents::Written { made, _counted: None }
        };
        translators.done(written(MAX_IDLE_BYTES + 1, 0));
        translators.done(written(0, MAX_IDLE_ENTRIES + 1));
        assert!(translators.idle().documents.is_empty());
        for _ in 0..100 {
            translators.done(written(100, 10));
        }
        assert_eq!(translators.idle().documents.len(), MAX_IDLE);
        assert!(translators.take().1.bytes.capacity() >= 100);
        assert_eq!(translators.idle().documents.len(), MAX_IDLE - 1);
    }
}
