//! Calls that wait for a worker, and their bodies.

use std::collections::VecDeque;
use std::sync::Arc;

use aws::Body;
use bytes::Bytes;
use data::{Budget, Reservation};

use crate::documents::Documents;
use crate::work::Call;

/// Bytes of documents whose bodies are made together, unless one call alone has more.
const TOGETHER: usize = 1 << 20;

/// The calls of a wave that are not begun.
pub(crate) struct Waiting<'a> {
    documents: &'a Documents,
    budget: &'a Arc<Budget>,
    calls: VecDeque<Call>,
    /// Those that come before all others. They are made one by one.
    urgent: VecDeque<Call>,
    ready: VecDeque<Ready>,
}

/// A call that can be made.
pub(crate) struct Ready {
    pub(crate) call: Call,
    pub(crate) body: Body,
    _memory: Reservation,
}

impl<'a> Waiting<'a> {
    /// Of these documents. Bodies are counted in the budget.
    pub(crate) fn new(documents: &'a Documents, calls: VecDeque<Call>, budget: &'a Arc<Budget>) -> Self {
        Self { documents, budget, calls, urgent: VecDeque::new(), ready: VecDeque::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.calls.is_empty() && self.urgent.is_empty() && self.ready.is_empty()
    }

    /// The next call. Bodies are made when somebody is there to send them: that one's, and with it those of the next few,
    /// since some are hashed together in less time than one by one.
    pub(crate) fn next(&mut self) -> Option<Ready> {
        if let Some(call) = self.urgent.pop_front() {
            return self.make(vec![call]).pop_front();
        }
        if self.ready.is_empty() {
            let calls = self.some();
            self.ready = self.make(calls);
        }
        self.ready.pop_front()
    }

    /// Puts a call back in two halves, before or behind all others.
    pub(crate) fn halve(&mut self, call: &Call, before: bool) {
        let (front, back) = call.split_at(call.len() / 2);
        if before {
            self.urgent.push_front(back.to_vec());
            self.urgent.push_front(front.to_vec());
        } else {
            self.calls.extend([front.to_vec(), back.to_vec()]);
        }
    }

    /// The next calls whose bodies are made together.
    fn some(&mut self) -> Vec<Call> {
        let most = Body::at_once();
        let mut calls = Vec::with_capacity(most);
        let mut bytes = 0;
        while calls.len() < most
            && let Some(call) = self.calls.front()
        {
            bytes += call.iter().map(|index| self.documents.get(*index).len()).sum::<usize>();
            if bytes > TOGETHER && !calls.is_empty() {
                break;
            }
            calls.extend(self.calls.pop_front());
        }
        calls
    }

    fn make(&self, calls: Vec<Call>) -> VecDeque<Ready> {
        let bodies = calls.iter().map(|call| Bytes::from(self.documents.body(call))).collect();
        let ready =
            |(call, body): (_, Body)| Ready { _memory: self.budget.force(body.bytes().len()), call, body };
        calls.into_iter().zip(Body::together(bodies)).map(ready).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::Fates;

    fn documents(count: usize, bytes: usize) -> Documents {
        let document = |at| Bytes::from(format!("{{\"id\":\"{at:016x}\"{}}}", " ".repeat(bytes)));
        Documents::AsTheyCame((0..count).map(document).collect())
    }

    /// The calls, and how many bodies were made with each.
    fn all(count: usize, bytes: usize) -> Vec<(Call, usize)> {
        let documents = documents(count, bytes);
        let budget = Budget::unlimited();
        let mut waiting =
            Waiting::new(&documents, Fates::new(&documents).calls(&documents, 3 << 20), &budget);
        let mut calls = Vec::new();
        let mut held = 0;
        while let Some(Ready { call, body, _memory }) = waiting.next() {
            assert_eq!(**body.bytes(), *documents.body(&call));
            let made = if held == 0 { waiting.ready.len() + 1 } else { 0 };
            held = waiting.ready.len();
            calls.push((call, made));
        }
        assert!(waiting.is_empty());
        calls
    }

    #[test]
    fn bodies_are_made_several_at_a_time() {
        let most = Body::at_once();
        let count = (2 * most + 1) * 50 - 20;
        let calls = all(count, 10);
        assert_eq!(
            calls.iter().flat_map(|(call, _)| call).copied().collect::<Vec<_>>(),
            Vec::from_iter(0..count)
        );
        let made: Vec<_> = calls.iter().map(|(_, made)| *made).filter(|made| *made > 0).collect();
        assert_eq!(made, [most, most, 1]);
        assert!(all(0, 0).is_empty());
    }

    #[test]
    fn long_ones_are_made_one_by_one() {
        assert_eq!(all(150, 30_000).iter().map(|(_, made)| *made).collect::<Vec<_>>(), [1, 1, 1]);
        // Two of half a megabyte each, where there is use for two.
        let expected = if Body::at_once() > 1 { [2, 0, 1] } else { [1, 1, 1] };
        assert_eq!(all(150, 10_000).iter().map(|(_, made)| *made).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn halves_are_calls_like_others() {
        let documents = documents(101, 1);
        let budget = Budget::unlimited();
        let mut waiting =
            Waiting::new(&documents, Fates::new(&documents).calls(&documents, 1 << 20), &budget);
        let next = |waiting: &mut Waiting<'_>| waiting.next().map(|ready| ready.call).unwrap_or_default();
        let first = next(&mut waiting);
        waiting.halve(&first, true);
        let half = next(&mut waiting);
        waiting.halve(&half, false);
        let lengths: Vec<usize> =
            std::iter::from_fn(|| Some(next(&mut waiting).len()).filter(|len| *len > 0)).collect();
        assert_eq!(lengths, [25, 50, 1, 12, 13]);
    }
}
