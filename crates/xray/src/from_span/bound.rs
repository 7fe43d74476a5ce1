//! What of a resource no document has room for is cut once, and not again in each of its spans' documents.
//!
//! It is what [`trim`](mod@crate::trim) would cut of any document that has all of it, in its order and its words, so that
//! the same is left of the attributes.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::ops::Range;

use super::resource::Entry;
use crate::trim::{LeftOut, MARK, TEXT, mark, shortened};

/// Quotes, colon and comma: what a member has beside name and value.
pub(super) const MEMBER: usize = 4;

/// What was cut of a resource's attributes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cut {
    /// Anything.
    pub is_any: bool,
    pub left_out: LeftOut,
}

/// Cuts entries, which are in order and whose names and values are in `text`, until those that become metadata are at
/// most `max` bytes together, and those that become annotations too.
pub(super) fn bound(entries: &mut Vec<Entry>, text: &mut Vec<u8>, max: usize) -> Cut {
    keep_last_of_equals(entries, text);
    let mut cut = Cut::default();
    for indexed in [false, true] {
        let size = |entry: &Entry| entry.name.len() + entry.value.len() + MEMBER;
        let all: usize = entries.iter().filter(|entry| entry.indexed == indexed).map(size).sum();
        let rest = cut_values(entries, text, indexed, all, max);
        let left_out = leave_out(entries, indexed, rest, max, size);
        cut.is_any |= all > max;
        *(if indexed { &mut cut.left_out.annotations } else { &mut cut.left_out.metadata }) = left_out;
    }
    cut
}

fn keep_last_of_equals(entries: &mut Vec<Entry>, text: &[u8]) {
    entries.reverse();
    entries.dedup_by(|one, other| text.get(one.name.clone()) == text.get(other.name.clone()));
    entries.reverse();
}

/// Cuts the largest values first until `sum` is at most `max`, as far as that goes; what the sum is then.
fn cut_values(entries: &mut [Entry], text: &mut Vec<u8>, indexed: bool, mut sum: usize, max: usize) -> usize {
    if sum <= max {
        return sum;
    }
    let mut them: Vec<_> = entries.iter_mut().filter(|entry| entry.indexed == indexed).collect();
    them.sort_by_key(|entry| Reverse(entry.value.len()));
    for entry in them {
        let len = entry.value.len();
        if sum <= max || len <= MARK {
            break;
        }
        let value = text.get(entry.value.clone()).unwrap_or_default();
        let shorter = if indexed { shortened(value, TEXT) } else { Some(mark(len)) };
        if let Some(shorter) = shorter {
            sum -= len.saturating_sub(shorter.len());
            entry.value = append(text, &shorter);
        }
    }
    sum
}

/// Leaves out whole entries until `sum` is at most `max`: of the metadata the largest first, of annotations from the end.
fn leave_out(
    entries: &mut Vec<Entry>,
    indexed: bool,
    mut sum: usize,
    max: usize,
    size: impl Fn(&Entry) -> usize,
) -> usize {
    if sum <= max {
        return 0;
    }
    let them = entries.iter().enumerate().filter(|(_, entry)| entry.indexed == indexed);
    let mut them: Vec<_> = them.map(|(at, entry)| (if indexed { 0 } else { size(entry) }, at)).collect();
    them.sort_unstable_by_key(|it| Reverse(*it));
    let mut gone = HashSet::new();
    for (_, at) in them {
        if sum <= max {
            break;
        }
        sum -= entries.get(at).map_or(0, &size);
        gone.insert(at);
    }
    let mut places = 0..;
    entries.retain(|_| places.next().is_none_or(|at| !gone.contains(&at)));
    gone.len()
}

fn append(text: &mut Vec<u8>, bytes: &[u8]) -> Range<usize> {
    let start = text.len();
    text.extend_from_slice(bytes);
    start..text.len()
}
