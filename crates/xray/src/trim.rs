//! A document that is too large for the API is shortened, and says where.
//!
//! In this order, each only as far as it takes: the query of `sql`, stack frames, from the end of the longest stack, the
//! largest values of the metadata, and then what is in `last`. A text ends in how much was cut, frames that were left
//! out are counted in `truncated` as X-Ray has it, and a value of the metadata is replaced by a text that says how large
//! it was, or at the very end left out and counted.

mod last;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use crate::json::scan::{self, Member};
pub(crate) use last::{MESSAGE, TEXT};

/// How many things were never written into a document. They are counted with those that are left out here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Links.
    pub links: usize,
    /// Annotations.
    pub annotations: usize,
    /// Members of the metadata's namespaces.
    pub metadata: usize,
}

impl LeftOut {
    /// Whether something has to be said even of a document that is small enough.
    pub(crate) const fn is_any(self) -> bool {
        self.links > 0 || self.annotations > 0 || self.metadata > 0
    }
}

/// Shortens the document that begins at `start` in the buffer and ends with it to at most `max` bytes. Says whether that
/// was possible; if not, the document is shortened as far as it goes. What it would have beside what is written is
/// counted in it.
pub fn trim(bytes: &mut Vec<u8>, start: usize, max: usize, left_out: LeftOut) -> bool {
    let document = bytes.get(start..).unwrap_or_default();
    let mut edits = Edits::default();
    let root = scan::members_at(document, 0);
    let room = if left_out.is_any() { max.saturating_sub(last::NOTE) } else { max };
    edits.cut_query(document, &root, room);
    edits.cut_stacks(document, &root, room);
    edits.cut_metadata(document, &root, room);
    edits.cut_last(document, &root, room, left_out);
    let fits = edits.len(document) <= max;
    let shortened = edits.apply(document);
    bytes.truncate(start);
    bytes.extend_from_slice(&shortened);
    fits
}

/// What is to be replaced by what. The ranges do not overlap.
#[derive(Debug, Default)]
struct Edits {
    list: Vec<(Range<usize>, Vec<u8>)>,
    saved: usize,
    added: usize,
}

impl Edits {
    fn replace(&mut self, range: Range<usize>, by: Vec<u8>) {
        self.saved += range.len();
        self.added += by.len();
        self.list.push((range, by));
    }

    /// How long the document is now.
    fn len(&self, document: &[u8]) -> usize {
        document.len() + self.added - self.saved
    }

    /// How much is still to be saved.
    fn excess(&self, document: &[u8], max: usize) -> usize {
        self.len(document).saturating_sub(max)
    }

    fn apply(mut self, document: &[u8]) -> Vec<u8> {
        self.list.sort_by_key(|(range, _)| range.start);
        let mut out = Vec::with_capacity(self.len(document));
        let mut at = 0;
        for (range, by) in self.list {
            out.extend_from_slice(document.get(at..range.start).unwrap_or_default());
            out.extend_from_slice(&by);
            at = range.end;
        }
        out.extend_from_slice(document.get(at..).unwrap_or_default());
        out
    }

    fn cut_query(&mut self, document: &[u8], root: &[Member], max: usize) {
        let query = find(document, root, "sql")
            .and_then(|sql| find(document, &scan::members_at(document, sql.start), "sanitized_query"));
        if let Some(query) = query {
            self.cut_text(document, query, 0, max);
        }
    }

    /// Cuts a string as far as it takes, but leaves it this many characters.
    fn cut_text(&mut self, document: &[u8], range: Range<usize>, least: usize, max: usize) {
        let excess = self.excess(document, max);
        let text = document.get(range.clone()).unwrap_or_default();
        if excess == 0 || text.first() != Some(&b'"') {
            return;
        }
        let wanted = boundary(text, text.len().saturating_sub(excess + MARK + 1).max(1), usize::MAX);
        let keep = wanted.max(boundary(text, text.len(), least));
        let cut = text.len().saturating_sub(keep + 1);
        if cut > MARK {
            self.replace(range.start + keep..range.end, end_mark(cut));
        }
    }

    fn cut_stacks(&mut self, document: &[u8], root: &[Member], max: usize) {
        if self.excess(document, max) == 0 {
            return;
        }
        let exceptions = exceptions(document, root);
        let mut stacks: Vec<Stack> =
            exceptions.iter().filter_map(|exception| Stack::of(document, exception.value.start)).collect();
        let mut excess = self.excess(document, max);
        let mut longest: BinaryHeap<_> =
            stacks.iter().enumerate().map(|(at, stack)| (stack.kept, Reverse(at))).collect();
        while excess > 0 {
            let Some((_, Reverse(at))) = longest.pop() else { break };
            let Some(stack) = stacks.get_mut(at) else { break };
            let Some(saved) = stack.drop_last() else { break };
            excess = excess.saturating_sub(saved);
            longest.push((stack.kept, Reverse(at)));
        }
        for stack in stacks {
            stack.edit(self);
        }
    }

    fn cut_metadata(&mut self, document: &[u8], root: &[Member], max: usize) {
        let Some(metadata) = find(document, root, "metadata") else { return };
        let mut values: Vec<Range<usize>> = Vec::new();
        for namespace in scan::members_at(document, metadata.start) {
            values.extend(scan::members_at(document, namespace.value.start).into_iter().map(|it| it.value));
        }
        values.sort_by_key(|value| Reverse(value.len()));
        for value in values {
            if self.excess(document, max) == 0 || value.len() <= MARK {
                break;
            }
            let mark = mark(value.len());
            self.replace(value, mark);
        }
    }
}

/// The most bytes of a note about what was cut.
pub(crate) const MARK: usize = 40;

/// What a value of the metadata becomes that had so many bytes.
pub(crate) fn mark(len: usize) -> Vec<u8> {
    format!("\"({len} bytes cut)\"").into_bytes()
}

/// What a text ends in, its quote included, of which so many bytes were cut.
fn end_mark(cut: usize) -> Vec<u8> {
    format!("... ({cut} bytes cut)\"").into_bytes()
}

/// A JSON string of which only this many characters are left; none if that would save nothing, or it is none.
pub(crate) fn shortened(text: &[u8], characters: usize) -> Option<Vec<u8>> {
    if text.first() != Some(&b'"') {
        return None;
    }
    let keep = boundary(text, text.len(), characters);
    let cut = text.len().saturating_sub(keep + 1);
    let kept = text.get(..keep).filter(|_| cut > MARK)?;
    Some([kept, &end_mark(cut)].concat())
}

/// The frames of an exception.
struct Stack {
    frames: Vec<Range<usize>>,
    kept: usize,
    /// Where `truncated` is, or where it should be, and how many it counts.
    note: Range<usize>,
    truncated: usize,
}

impl Stack {
    fn of(document: &[u8], exception: usize) -> Option<Self> {
        let members = scan::members_at(document, exception);
        let frames = find(document, &members, "stack")?;
        let frames = scan::members_at(document, frames.start).into_iter().map(|frame| frame.value);
        let frames: Vec<_> = frames.collect();
        let noted = find(document, &members, "truncated");
        let count = noted.clone().and_then(|at| str::from_utf8(document.get(at)?).ok()?.parse().ok());
        // Before the first of the members that follow it, at their quotes.
        let follows = |member: &&Member| {
            matches!(document.get(member.key.clone()), Some(b"skipped" | b"cause" | b"stack"))
        };
        let place = members.iter().find(follows)?.key.start.checked_sub(1)?;
        let note = noted.unwrap_or(place..place);
        Some(Self { kept: frames.len(), frames, note, truncated: count.unwrap_or(0) })
    }

    /// Leaves one more frame out; how many bytes that saves.
    fn drop_last(&mut self) -> Option<usize> {
        let last = self.kept.checked_sub(1)?;
        let frame = self.frames.get(last)?.len() + 1;
        let first = self.kept == self.frames.len();
        self.kept = last;
        // The first also brings the note.
        Some(if first { frame.saturating_sub(MARK) } else { frame })
    }

    fn edit(self, edits: &mut Edits) {
        let dropped = self.frames.len() - self.kept;
        let (Some(first), Some(last)) = (self.frames.get(self.kept), self.frames.last()) else { return };
        let start = match self.kept.checked_sub(1).and_then(|at| self.frames.get(at)) {
            Some(kept) => kept.end,
            None => first.start,
        };
        edits.replace(start..last.end, Vec::new());
        let count = self.truncated + dropped;
        let note = if self.note.is_empty() { format!("\"truncated\":{count},") } else { count.to_string() };
        edits.replace(self.note, note.into_bytes());
    }
}

/// The exceptions of the cause.
fn exceptions(document: &[u8], root: &[Member]) -> Vec<Member> {
    let list = find(document, root, "cause")
        .and_then(|cause| find(document, &scan::members_at(document, cause.start), "exceptions"));
    list.map(|list| scan::members_at(document, list.start)).unwrap_or_default()
}

/// Where the value of a member is.
fn find(document: &[u8], members: &[Member], name: &str) -> Option<Range<usize>> {
    let is_it = |member: &&Member| document.get(member.key.clone()) == Some(name.as_bytes());
    members.iter().find(is_it).map(|member| member.value.clone())
}

/// The last place up to `at` in a JSON string, quotes included, that is neither within a character nor within an escape,
/// and that has no more than this many of them before it.
fn boundary(text: &[u8], at: usize, characters: usize) -> usize {
    let mut place = 1;
    for _ in 0..characters {
        let rest = text.get(place..).unwrap_or_default();
        let len = match rest {
            [b'\\', b'u', ..] => 6,
            [b'\\', ..] => 2,
            [_, after @ ..] => 1 + after.iter().take_while(|byte| **byte & 0xc0 == 0x80).count(),
            [] => return place,
        };
        if place + len > at {
            return place;
        }
        place += len;
    }
    place
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[track_caller]
    fn check(document: &Value, max: usize, fits: bool) -> Value {
        let text = serde_json::to_vec(document).expect("JSON");
        let mut bytes = b"before".to_vec();
        bytes.extend_from_slice(&text);
        assert_eq!(trim(&mut bytes, 6, max, LeftOut::default()), fits);
        assert!(bytes.starts_with(b"before"));
        assert_eq!(fits, bytes.len() - 6 <= max);
        serde_json::from_slice(&bytes[6..]).expect("still JSON")
    }

    fn frames(count: usize) -> Value {
        (0..count).map(|line| json!({"path": "a.java", "line": line, "label": "f"})).collect()
    }

    #[test]
    fn a_query_is_cut_first_and_says_so() {
        let query = "é\"".repeat(500);
        let document = json!({"sql": {"sanitized_query": query, "user": "u"}, "metadata": {"default": {"k": "v".repeat(500)}}});
        let trimmed = check(&document, 1200, true);
        let cut = trimmed["sql"]["sanitized_query"].as_str().expect("text");
        assert!(cut.ends_with(" bytes cut)") && cut.starts_with("é\"é\""), "{cut}");
        assert_eq!(trimmed["metadata"], document["metadata"]);
        assert_eq!(trimmed["sql"]["user"], "u");
    }

    #[test]
    fn frames_go_from_the_end_of_the_longest_stack_and_are_counted() {
        let document = json!({"cause": {"exceptions": [
            {"id": "1", "cause": "2", "stack": frames(100)},
            {"id": "2", "truncated": 7, "stack": frames(10)},
            {"id": "3"},
        ]}});
        let trimmed = check(&document, 2000, true);
        let exceptions = &trimmed["cause"]["exceptions"];
        let kept = exceptions[0]["stack"].as_array().expect("a list");
        assert!(kept.len() > 10 && kept[0]["line"] == 0, "{}", kept.len());
        assert_eq!(exceptions[0]["truncated"], 100 - kept.len());
        assert_eq!(exceptions[1], document["cause"]["exceptions"][1]);
        let trimmed = check(&document, 300, true);
        assert_eq!(
            trimmed["cause"]["exceptions"][0]["truncated"].as_u64().map(|count| count > 95),
            Some(true)
        );
        assert_eq!(
            trimmed["cause"]["exceptions"][1]["truncated"].as_u64().map(|count| count > 7),
            Some(true)
        );
    }

    #[test]
    fn the_largest_metadata_goes_last() {
        let document = json!({
            "sql": {"sanitized_query": "q".repeat(100)},
            "cause": {"exceptions": [{"id": "1", "stack": frames(20)}]},
            "metadata": {"default": {"small": "s", "large": "x".repeat(1000)}, "ns": {"list": vec![1; 300]}, "nul": null},
        });
        let trimmed = check(&document, 1000, true);
        assert_eq!(trimmed["cause"]["exceptions"][0]["truncated"], 20);
        assert_eq!(trimmed["metadata"]["default"]["large"], "(1002 bytes cut)");
        assert_eq!(trimmed["metadata"]["default"]["small"], "s");
        assert_eq!(trimmed["metadata"]["ns"], document["metadata"]["ns"]);
        let trimmed = check(&document, 500, true);
        assert_eq!(trimmed["metadata"]["ns"]["list"], "(601 bytes cut)");
    }

    #[test]
    fn what_can_t_be_shortened_is_left_and_said_to_be_too_large() {
        check(&json!({"annotations": {"a": "x".repeat(1000)}}), 500, false);
        check(&json!({"links": vec![json!({"id": "x".repeat(50)}); 20]}), 500, false);
        check(&json!({"metadata": {"x".repeat(1000): {"k": 1}}}), 500, false);
        check(&json!({"name": "small"}), 500, true);
        let mut bytes = b"no document".to_vec();
        let nothing = LeftOut::default();
        assert!(!trim(&mut bytes, 0, 5, nothing) && trim(&mut bytes, 0, 100, nothing));
    }
}
