//! What goes before a document is given up: what X-Ray does not index.
//!
//! In this order: messages of exceptions, the URL and the user agent of a request, and values of annotations, the longest
//! first, then links and annotations from the end, and at last what is left of the metadata, the largest member first.
//! X-Ray indexes up to 1,000 characters of a value, 50 annotations and 20 links; so much is left of each. What was left
//! out of lists is counted in the metadata, in the namespace `collimator`.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::ops::Range;

use super::{Edits, LeftOut, exceptions, find};
use crate::json::scan::{self, Member};

/// The characters that are left of a message, which are those that X-Ray shows in lists of traces.
pub(crate) const MESSAGE: usize = 250;
/// The characters that are left of any other text.
pub(crate) const TEXT: usize = 1_000;
/// How many links are left.
const LINKS: usize = 20;
/// How many annotations are left.
const ANNOTATIONS: usize = 50;
/// The namespace of the metadata that says what was left out.
const NAMESPACE: &str = "collimator";
/// The most bytes that saying so takes.
pub(super) const NOTE: usize = 120;
/// The members of a document behind the metadata.
const BEHIND_METADATA: [&[u8]; 7] =
    [b"subsegments", b"namespace", b"parent_id", b"type", b"precursor_ids", b"traced", b"sql"];

impl Edits {
    pub(super) fn cut_last(&mut self, document: &[u8], root: &[Member], max: usize, left_out: LeftOut) {
        if self.excess(document, max) == 0 && !left_out.is_any() {
            return;
        }
        let member = |of: &Member, name| find(document, &scan::members_at(document, of.value.start), name);
        let messages = exceptions(document, root).iter().filter_map(|it| member(it, "message")).collect();
        self.cut_texts(document, messages, MESSAGE, max);
        let request = find(document, root, "http")
            .and_then(|http| find(document, &scan::members_at(document, http.start), "request"))
            .map(|request| scan::members_at(document, request.start))
            .unwrap_or_default();
        let texts = ["url", "user_agent"].iter().filter_map(|name| find(document, &request, name)).collect();
        self.cut_texts(document, texts, TEXT, max);
        let annotations = find(document, root, "annotations");
        let values = annotations.clone().map(|at| scan::members_at(document, at.start)).unwrap_or_default();
        self.cut_texts(document, values.into_iter().map(|it| it.value).collect(), TEXT, max);
        let links = left_out.links + self.cut_list(document, find(document, root, "links"), LINKS, max);
        let annotations = left_out.annotations + self.cut_list(document, annotations, ANNOTATIONS, max);
        let metadata = left_out.metadata + self.cut_members(document, find(document, root, "metadata"), max);
        let counts = [("links_cut", links), ("annotations_cut", annotations), ("metadata_cut", metadata)];
        self.note(document, root, &counts);
    }

    /// Cuts strings, the longest first.
    fn cut_texts(&mut self, document: &[u8], mut texts: Vec<Range<usize>>, least: usize, max: usize) {
        texts.sort_by_key(|text| Reverse(text.len()));
        for text in texts {
            if self.excess(document, max) == 0 || text.len() <= least {
                break;
            }
            self.cut_text(document, text, least, max);
        }
    }

    /// Leaves out members or elements from the end, but not the first `least`; how many.
    fn cut_list(&mut self, document: &[u8], list: Option<Range<usize>>, least: usize, max: usize) -> usize {
        let excess = self.excess(document, max);
        let members = list.map(|list| scan::members_at(document, list.start)).unwrap_or_default();
        let (Some(last), true) = (members.last(), excess > 0) else { return 0 };
        // Shortened values in what is left out save less than they seem to.
        let enough = |kept: &Member| {
            let tail = kept.value.end..last.value.end;
            tail.len().saturating_sub(self.saved_within(&tail)) >= excess + NOTE
        };
        let kept = members.partition_point(enough).max(least);
        let Some(end) = kept.checked_sub(1).and_then(|at| members.get(at)).map(|kept| kept.value.end) else {
            return 0;
        };
        let dropped = members.len() - kept;
        if dropped > 0 {
            let tail = end..last.value.end;
            self.forget(std::slice::from_ref(&tail));
            self.replace(tail, Vec::new());
        }
        dropped
    }

    /// Leaves out members of the metadata's namespaces, the largest first and of equals the last; how many.
    fn cut_members(&mut self, document: &[u8], metadata: Option<Range<usize>>, max: usize) -> usize {
        let excess = self.excess(document, max);
        let (Some(metadata), true) = (metadata, excess > 0) else { return 0 };
        let is_object = |at: &Range<usize>| document.get(at.start) == Some(&b'{');
        let is_ours = |it: &Member| document.get(it.key.clone()) == Some(NAMESPACE.as_bytes());
        let namespaces = scan::members_at(document, metadata.start).into_iter();
        let namespaces = namespaces.filter(|it| is_object(&it.value) && !is_ours(it));
        let namespaces: Vec<_> = namespaces.map(|it| scan::members_at(document, it.value.start)).collect();
        self.list.sort_by_key(|(range, _)| range.start);
        let mut sizes = Vec::new();
        for (namespace, members) in namespaces.iter().enumerate() {
            sizes.extend(members.iter().enumerate().map(|(at, it)| (self.size(it), namespace, at)));
        }
        sizes.sort_unstable_by_key(|size| Reverse(*size));
        let mut saved = 0;
        let mut dropped = HashSet::new();
        for (size, namespace, at) in sizes {
            if saved >= excess + NOTE {
                break;
            }
            saved += size;
            dropped.insert((namespace, at));
        }
        let mut gone = Vec::with_capacity(dropped.len());
        for (namespace, members) in namespaces.iter().enumerate() {
            places_without(members, |at| dropped.contains(&(namespace, at)), &mut gone);
        }
        self.forget(&gone);
        gone.into_iter().for_each(|range| self.replace(range, Vec::new()));
        dropped.len()
    }

    /// How long a member is by now, with a comma; the edits have to be in order.
    fn size(&self, member: &Member) -> usize {
        let edited = self.list.binary_search_by_key(&member.value.start, |(at, _)| at.start).ok();
        let edited = edited.and_then(|at| self.list.get(at)).map(|(_, by)| by.len());
        member.value.start.saturating_sub(member.key.start) + edited.unwrap_or(member.value.len()) + 2
    }

    /// How much the edits in a range save.
    fn saved_within(&self, range: &Range<usize>) -> usize {
        let within = self.list.iter().filter(|(at, _)| range.start <= at.start && at.end <= range.end);
        within.map(|(at, by)| at.len().saturating_sub(by.len())).sum()
    }

    /// Takes back the edits in ranges, which are in order.
    fn forget(&mut self, ranges: &[Range<usize>]) {
        let (mut saved, mut added) = (0, 0);
        self.list.retain(|(at, by)| {
            let before = ranges.partition_point(|range| range.start <= at.start);
            let range = before.checked_sub(1).and_then(|it| ranges.get(it));
            let is_within = range.is_some_and(|range| at.end <= range.end);
            if is_within {
                saved += at.len();
                added += by.len();
            }
            !is_within
        });
        self.saved -= saved;
        self.added -= added;
    }

    /// Says in the metadata what was left out.
    fn note(&mut self, document: &[u8], root: &[Member], counts: &[(&str, usize)]) {
        let own = |at: Option<&Range<usize>>, name: &str| {
            at.and_then(|at| find(document, &scan::members_at(document, at.start), name))
        };
        let metadata = find(document, root, "metadata");
        let namespace = own(metadata.as_ref(), NAMESPACE);
        // What an earlier hop has said, stays.
        let counts =
            counts.iter().filter(|(name, count)| *count > 0 && own(namespace.as_ref(), name).is_none());
        let counts: Vec<_> = counts.map(|(name, count)| format!("\"{name}\":{count}")).collect();
        if counts.is_empty() {
            return;
        }
        let counts = counts.join(",");
        match (namespace, metadata) {
            (Some(namespace), _) => self.insert_first(document, namespace, counts),
            (None, Some(metadata)) => {
                self.insert_first(document, metadata, format!("\"{NAMESPACE}\":{{{counts}}}"));
            }
            (None, None) => {
                let metadata = format!("\"metadata\":{{\"{NAMESPACE}\":{{{counts}}}}}");
                let name = |member: &&Member| document.get(member.key.clone()).unwrap_or_default();
                let behind = root.iter().find(|member| BEHIND_METADATA.contains(&name(member)));
                match (behind, root.last()) {
                    (Some(behind), _) => {
                        let at = behind.key.start.saturating_sub(1);
                        self.replace(at..at, format!("{metadata},").into_bytes());
                    }
                    (None, Some(last)) => {
                        self.replace(last.value.end..last.value.end, format!(",{metadata}").into_bytes());
                    }
                    (None, None) => {}
                }
            }
        }
    }

    /// Puts a member first into an object.
    fn insert_first(&mut self, document: &[u8], object: Range<usize>, mut member: String) {
        if document.get(object.start) != Some(&b'{') {
            return;
        }
        if !scan::members_at(document, object.start).is_empty() {
            member.push(',');
        }
        self.replace(object.start + 1..object.start + 1, member.into_bytes());
    }
}

/// Where the members of an object are that go, each with the comma before it, or behind it if none is left before it.
fn places_without(members: &[Member], goes: impl Fn(usize) -> bool, places: &mut Vec<Range<usize>>) {
    let start = |member: &Member| member.key.start.saturating_sub(1);
    let mut is_any_kept = false;
    let mut due = members.iter().enumerate().peekable();
    let mut end = 0;
    while let Some((at, member)) = due.next() {
        if !goes(at) {
            is_any_kept = true;
        } else if is_any_kept {
            places.push(end..member.value.end);
        } else {
            let next = due.peek().map_or(member.value.end, |(_, next)| start(next));
            places.push(start(member)..next);
        }
        end = member.value.end;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::super::{LeftOut, trim};

    #[track_caller]
    fn trimmed(document: &Value, max: usize) -> Value {
        let mut bytes = serde_json::to_vec(document).expect("JSON");
        assert!(trim(&mut bytes, 0, max, LeftOut::default()), "{}", bytes.len());
        assert!(bytes.len() <= max && bytes.len() + 400 > max, "{}", bytes.len());
        serde_json::from_slice(&bytes).expect("still JSON")
    }

    #[track_caller]
    fn check_cut(text: &Value, kept: &str) {
        let text = text.as_str().expect("a text");
        assert!(text.starts_with(kept) && text.ends_with(" bytes cut)"), "{text}");
    }

    #[test]
    fn messages_urls_and_values_are_cut_and_say_so() {
        let message = "é".repeat(700);
        let document = json!({
            "http": {"request": {"url": "u".repeat(2000)}, "response": {}},
            "cause": {"exceptions": [{"id": "1", "message": message}, {"id": "2", "message": "m"}]},
            "annotations": {"long": "日".repeat(1500), "other": "x".repeat(1000), "number": 7},
        });
        let first = trimmed(&document, 8500);
        check_cut(&first["cause"]["exceptions"][0]["message"], &"é".repeat(250));
        assert_eq!((&first["http"], &first["annotations"]), (&document["http"], &document["annotations"]));
        assert_eq!(first["cause"]["exceptions"][1], document["cause"]["exceptions"][1]);
        let second = trimmed(&document, 7500);
        check_cut(&second["http"]["request"]["url"], &"u".repeat(1000));
        assert_eq!(second["annotations"], document["annotations"]);
        let third = trimmed(&document, 6200);
        check_cut(&third["annotations"]["long"], &"日".repeat(1000));
        assert_eq!(
            (&third["annotations"]["other"], &third["annotations"]["number"]),
            (&json!("x".repeat(1000)), &json!(7))
        );
    }

    #[test]
    fn links_go_before_annotations_and_are_counted() {
        let links: Vec<_> = (0..900).map(|id| json!({"id": format!("{id:016}")})).collect();
        let annotations: Map<_, _> = (0..2000).map(|at| (format!("k{at:04}"), json!("value"))).collect();
        // Shortened first, and then left out all the same.
        let mut annotations = annotations;
        annotations.insert("z".to_owned(), json!("x".repeat(3000)));
        let document = json!({"annotations": annotations, "links": links, "namespace": "remote"});
        let first = trimmed(&document, 50_000);
        let kept = first["links"].as_array().expect("a list").len();
        assert!((21..900).contains(&kept));
        assert_eq!(first["links"][0], document["links"][0]);
        assert_eq!(first["metadata"]["collimator"], json!({"links_cut": 900 - kept}));
        let second = trimmed(&document, 20_000);
        let left = second["annotations"].as_object().expect("an object").len();
        assert!((51..2000).contains(&left));
        assert_eq!(second["links"].as_array().map(Vec::len), Some(20));
        assert_eq!(
            second["metadata"]["collimator"],
            json!({"links_cut": 880, "annotations_cut": 2001 - left})
        );
    }

    #[test]
    fn what_was_left_out_is_said_wherever_there_is_metadata() {
        let links: Vec<_> = (0..100).map(|id| json!({"id": format!("{id:016}")})).collect();
        for (metadata, expected) in [
            (json!({}), json!({})),
            (json!({"default": {"a": 1}}), json!({"default": {"a": 1}})),
            (json!({"collimator": {"a": 1}}), json!({"collimator": {"a": 1}})),
            (json!({"collimator": {"links_cut": 7}}), json!({"collimator": {"links_cut": 7}})),
        ] {
            let cut = trimmed(&json!({"links": links, "metadata": metadata}), 2000);
            let mut said = cut["metadata"].clone();
            let count = said["collimator"]["links_cut"].take();
            assert!(count.as_u64().is_some_and(|count| count > 0), "{cut}");
            let mut expected = expected;
            expected["collimator"]["links_cut"] = Value::Null;
            assert_eq!(said, expected);
        }
        let cut = trimmed(&json!({"links": links}), 2000);
        assert!(cut["metadata"]["collimator"]["links_cut"].is_u64());
    }

    #[test]
    fn small_metadata_goes_at_last_the_largest_first_and_is_counted() {
        let mut small: Map<_, _> = (0..2600).map(|at| (format!("k{at:04}"), json!("v".repeat(20)))).collect();
        small.insert("x".repeat(9_000), json!(1));
        small.insert("large".to_owned(), json!("l".repeat(5_000)));
        let document = json!({
            "annotations": {"a": "x".repeat(2_000)},
            "metadata": {"default": small, "empty": {}, "list": [1, 2], "ns": {"k": "v", "r": "v".repeat(21)}, "nul": null},
        });
        let cut = trimmed(&document, 64_000);
        check_cut(&cut["annotations"]["a"], &"x".repeat(1000));
        let metadata = &cut["metadata"];
        let kept = metadata["default"].as_object().expect("an object");
        assert!(kept.len() > 1_500 && kept.contains_key("k0000") && !kept.contains_key("k2599"));
        assert!(!kept.keys().any(|key| key.len() > 5), "the largest goes first");
        assert_eq!(metadata["ns"], document["metadata"]["ns"]);
        for same in ["empty", "list", "nul"] {
            assert_eq!(metadata[same], document["metadata"][same], "{same}");
        }
        assert_eq!(metadata["collimator"], json!({"metadata_cut": 2602 - kept.len()}));
        // The first of an object, all of it, and what has only just no room.
        for (max, left) in [(75, 0), (100, 0), (160, 1), (200, 3)] {
            let document = json!({"metadata": {"default": {"a": 1, "bcd": "x".repeat(30), "e": 2, "f": 3, "g": "y".repeat(120)}}});
            let mut bytes = serde_json::to_vec(&document).expect("JSON");
            assert!(trim(&mut bytes, 0, max, LeftOut::default()), "{max}: {}", bytes.len());
            let cut: Value = serde_json::from_slice(&bytes).expect("still JSON");
            let kept = cut["metadata"]["default"].as_object().expect("an object").len();
            assert!(bytes.len() <= max && kept >= left, "{max}: {cut}");
        }
    }

    #[test]
    fn what_was_never_written_is_counted_too() {
        let document = json!({"metadata": {"default": {"a": "x".repeat(60)}}, "links": [{"id": "1"}]});
        let mut bytes = serde_json::to_vec(&document).expect("JSON");
        let max = bytes.len() + 10;
        let left_out = LeftOut { links: 3, annotations: 2, metadata: 7 };
        assert!(trim(&mut bytes, 0, max, left_out) && bytes.len() <= max, "{}", bytes.len());
        let cut: Value = serde_json::from_slice(&bytes).expect("still JSON");
        assert_eq!(cut["metadata"]["collimator"]["links_cut"], 3);
        assert_eq!(cut["metadata"]["collimator"]["annotations_cut"], 2);
        assert!(cut["metadata"]["collimator"]["metadata_cut"].as_u64().is_some_and(|count| count >= 7));
    }
}
