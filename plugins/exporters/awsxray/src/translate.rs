//! Spans into documents, by a translator for each delivery that is under way.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::{Mutex, PoisonError};

use component::Settled;
use data::{Batch, Time};
use otlp::view::Traces;
use xray::from_span::{Documents as Translated, Options, Reason, Translator};

use crate::work::NO_ITEM;

/// Translators that wait for work.
pub(crate) struct Translators {
    options: Options,
    idle: Mutex<Vec<Translator>>,
}

impl Translators {
    pub(crate) fn new(options: Options) -> Self {
        Self { options, idle: Mutex::default() }
    }

    /// The documents of a batch of spans. Spans that become none are settled.
    pub(crate) fn translate(&self, batch: &Batch, now: Time, settled: &mut Settled) -> Translated {
        let mut translator =
            self.idle().pop().unwrap_or_else(|| Translator::new(self.options.clone(), seed()));
        let mut translated = Translated {
            // A document is a little longer than its span.
            bytes: Vec::with_capacity(batch.len() + batch.len() / 2),
            entries: Vec::with_capacity(batch.items()),
            ..Translated::default()
        };
        let seconds = i64::try_from(now.wall / 1_000_000_000).unwrap_or(i64::MAX);
        batch.chunks().for_each(|part| translator.translate(part, seconds, &mut translated));
        self.idle().push(translator);
        settle_refused(&mut translated, settled);
        translated
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Translator>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes that the documents of a batch may have together, as far as they can be told before they are made.
const MAX_DOCUMENTS: usize = 32 << 20;

/// Whether the documents of a batch would take too much memory at once. Each may hold all of its resource, which the batch
/// has only once for many spans.
pub(crate) fn is_large(batch: &Batch) -> bool {
    // Without a repeated resource a document is about as long as its span.
    let mut bytes = batch.len().saturating_mul(2);
    for part in batch.chunks() {
        for resource_spans in Traces::new(part).resource_spans() {
            let spans: usize = resource_spans.scope_spans().map(|scope| scope.spans().count()).sum();
            let resource: usize = resource_spans.resource().as_bytes().len();
            bytes = bytes.saturating_add(spans.saturating_mul(resource));
        }
    }
    bytes > MAX_DOCUMENTS
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
