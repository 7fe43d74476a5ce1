//! One round of calls: all that is open of a wave is sent once.

use std::sync::Arc;

use component::Settled;
use data::{Budget, Refused};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::sync::SemaphorePermit;

use crate::answer::{self, Unprocessed};
use crate::call::{Calls, Failed};
use crate::documents::Documents;
use crate::waiting::{Ready, Waiting};
use crate::work::{Call, Fates, Refusal, Wave};

/// Documents that are found invalid by themselves before all of their calls are taken for invalid, unless some were taken.
const MAX_INVALID: usize = 4;

/// Calls that fail, none being answered in between, before no more are begun.
const MAX_FAILED: usize = 3;

/// What a round needs.
pub(crate) struct Round<'a> {
    pub(crate) calls: &'a Calls,
    pub(crate) budget: &'a Arc<Budget>,
    /// Of a call's body.
    pub(crate) max_bytes: usize,
    /// What is refused for good is kept in `unwritten`.
    pub(crate) keeps: bool,
    /// Hears of what was refused for good, before it is counted.
    pub(crate) told: &'a (dyn Fn(&Documents, &[Refusal]) + Sync),
}

/// What came of a round, besides what the wave says.
#[derive(Default)]
pub(crate) struct Came {
    /// A call was answered as it should be.
    pub(crate) answered: bool,
    /// Something was taken.
    pub(crate) taken: bool,
    /// Why a document came back that may be taken another time: one that has to wait, if any has.
    pub(crate) back: Option<Unprocessed>,
    /// Why a call failed that may go better later.
    pub(crate) failed: Option<Refused>,
    /// Calls that failed since one was answered.
    in_a_row: usize,
    /// Documents that were found invalid by themselves.
    invalid: usize,
}

impl Round<'_> {
    /// Sends what is open of a wave, in as many calls as it needs, several at once. What was refused for good is settled,
    /// and in the wave's `unwritten`. `has_taken` says whether the API has taken anything of the batch.
    pub(crate) async fn send(&self, wave: &mut Wave, has_taken: &mut bool, settled: &mut Settled) -> Came {
        let Wave { documents, fates, unwritten, in_vain } = wave;
        let documents = &*documents;
        let mut waiting = Waiting::new(documents, fates.calls(documents, self.max_bytes), self.budget);
        let mut under_way = FuturesUnordered::new();
        let mut came = Came::default();
        loop {
            // Otherwise what is under way is awaited, and the rest keeps its place.
            let goes_on = came.in_a_row < MAX_FAILED && !waiting.is_empty();
            let (call, result) = tokio::select! {
                biased;
                worker = self.calls.worker(), if goes_on => {
                    under_way.extend(waiting.next().map(|ready| self.call(ready, worker)));
                    continue;
                }
                Some(done) = under_way.next() => done,
                else => break,
            };
            *has_taken |= result.as_ref().is_ok_and(|unprocessed| unprocessed.len() < call.len());
            let refusals = match result {
                Ok(unprocessed) => {
                    if std::mem::take(in_vain) {
                        // The API was away: calls have not failed because of what is in them.
                        fates.forget_limits();
                    }
                    self.note(&mut came, &call, &unprocessed);
                    fates.taken(documents, &call, unprocessed, settled)
                }
                Err(failed) => self.failed(&mut came, *has_taken, failed, &call, &mut waiting, fates),
            };
            if !refusals.is_empty() {
                (self.told)(documents, &refusals);
                fates.refused(documents, &refusals, settled);
                if self.keeps {
                    unwritten.extend(refusals);
                }
            }
        }
        *in_vain = came.failed.is_some() && !came.answered;
        came
    }

    /// Notes a call that was taken, but for some documents.
    fn note(&self, came: &mut Came, call: &Call, unprocessed: &[Unprocessed]) {
        came.answered = true;
        came.taken |= unprocessed.len() < call.len();
        came.in_a_row = 0;
        let mut again = unprocessed.iter().filter(|one| answer::may_be_sent_again(&one.code));
        let waits = again.clone().find(|one| !self.calls.goes_on(one));
        if let Some(one) = waits.or_else(|| again.next())
            && came.back.as_ref().is_none_or(|former| self.calls.goes_on(former))
        {
            came.back = Some(one.clone());
        }
    }

    /// What becomes of a call that failed: halves, another time, or documents that are refused with it.
    fn failed(
        &self,
        came: &mut Came,
        has_taken: bool,
        failed: Failed,
        call: &Call,
        waiting: &mut Waiting<'_>,
        fates: &mut Fates,
    ) -> Vec<Refusal> {
        match failed {
            Failed::TooLarge(_) if call.len() > 1 => waiting.halve(call, false),
            // Looked for at once, so that it is soon known whether it is one document or all of them.
            Failed::Invalid(_) if call.len() > 1 && (came.invalid < MAX_INVALID || has_taken) => {
                waiting.halve(call, true);
            }
            Failed::TooLarge(said) => return refusals(call, answer::TOO_LARGE, &said),
            Failed::Invalid(said) | Failed::Never(said) => {
                came.invalid += 1;
                return refusals(call, answer::REFUSED, &said);
            }
            Failed::Later(refused) => came.later(refused),
            Failed::Broken(refused) => {
                fates.broke(call);
                came.later(refused);
            }
        }
        Vec::new()
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
}

impl Came {
    fn later(&mut self, refused: Refused) {
        self.in_a_row += 1;
        self.failed.get_or_insert(refused);
    }
}

/// The same of every document of a call.
pub(crate) fn refusals(call: &Call, code: &str, message: &str) -> Vec<Refusal> {
    let refusal =
        |index: &usize| Refusal { document: *index, code: code.to_owned(), message: message.to_owned() };
    call.iter().map(refusal).collect()
}
