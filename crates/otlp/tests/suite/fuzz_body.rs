//! What must hold for any bytes at all. The fuzz target runs this, and so does an ordinary test.

use bytes::Bytes;
use collimator_otlp::attributes::{AttributeEditor, Changes, Holder, Level, Rewriter};
use collimator_otlp::edit::{Depth, Editor, Fate, SpanEdit, edit};
use collimator_otlp::{
    Checked, InvalidUtf8, Limits, Policy, Signal, admit, check, check_fast, check_plainly, chunk_items,
    count, split_bytes, split_items,
};

use crate::items::leaves;
use crate::prost_of::{decode, read};

/// Checks, reads, cuts and edits the bytes as each of the signals.
pub(crate) fn fuzz_wire(data: &[u8]) {
    for signal in Signal::ALL {
        one(signal, data);
    }
}

fn one(signal: Signal, data: &[u8]) {
    // Over bytes that are garbage, views, counting, cutting and editing say anything, but they end.
    let counted = count(signal, data);
    assert!(counted <= data.len());
    let bytes = Bytes::copy_from_slice(data);
    assert!(edit(signal, &bytes, &mut Touch).dropped <= counted);
    Rewriter::default().rewrite(signal, Level::Item, data, &mut Double);
    Rewriter::default().rewrite(signal, Level::Resource, data, &mut Double);
    let (head, _) = split_items(signal, vec![bytes.clone()], 1);
    assert!(head.iter().map(|part| count(signal, part)).sum::<usize>() <= 1);
    assert!(split_bytes(signal, std::slice::from_ref(&bytes), 100).len() <= data.len());
    for policy in policies() {
        let checked = check(signal, data, &policy);
        assert_eq!(checked, check_plainly(signal, data, &policy));
        assert_eq!(checked.clone().ok(), check_fast(signal, data, &policy));
        if let Err(malformed) = &checked {
            assert!(malformed.offset <= data.len());
        }
    }
    match check(signal, data, &Policy::default()) {
        Ok(checked) => accepted(signal, &bytes, checked),
        // Views recurse as deep as values nest: reading all of what was refused for its depth is not for them.
        Err(_) if data.len() < 200 => drop(read(signal, data)),
        Err(_) => {}
    }
}

/// Removes every attribute and adds it again behind the last.
struct Double;

impl AttributeEditor for Double {
    fn attributes(&mut self, holder: Holder<'_>, changes: &mut Changes) {
        for (at, attribute) in holder.attributes() {
            changes.remove(at);
            changes.add(holder.bytes().len(), attribute.key().as_bytes(), attribute.value_bytes());
        }
    }
}

fn policies() -> [Policy; 3] {
    [
        Policy::default(),
        Policy { invalid_utf8: InvalidUtf8::Refuse, ..Policy::default() },
        Policy { limits: Limits { max_depth: 5 }, ..Policy::default() },
    ]
}

fn accepted(signal: Signal, bytes: &Bytes, checked: Checked) {
    let decoded = decode(signal, bytes);
    let admitted = admit(signal, bytes.clone(), &Policy::default()).expect("it passed the check");
    // prost refuses text that is not UTF-8, which we repair. Otherwise it takes what we take; what it takes
    // beyond that (groups, ids of any length, tags of more than five bytes) we refuse.
    assert_eq!(decoded.is_ok(), all_utf8(signal, bytes));
    let again = check(signal, &admitted.bytes, &Policy::default()).expect("it has been rewritten");
    assert!(again.is_clean);
    assert_eq!(again.items, admitted.items);
    assert!(!checked.is_clean || admitted.bytes == bytes);
    let after = decode(signal, &admitted.bytes).expect("nothing is wrong with it");
    let same = |left: &_, right: &_| format!("{left:?}") == format!("{right:?}");
    assert!(same(&read(signal, &admitted.bytes), &after));
    if let Ok(before) = decoded {
        assert!(same(&before, &after));
    }
    cut(signal, &admitted.bytes, admitted.items);
}

/// Whether all text is UTF-8, that which was overridden included.
fn all_utf8(signal: Signal, bytes: &[u8]) -> bool {
    check(signal, bytes, &Policy { invalid_utf8: InvalidUtf8::Refuse, ..Policy::default() }).is_ok()
}

fn cut(signal: Signal, bytes: &Bytes, total: usize) {
    let whole = std::slice::from_ref(bytes);
    let before = leaves(signal, whole);
    assert_eq!(before.iter().filter(|leaf| leaf.1.is_some()).count(), total);
    let (head, tail) = split_items(signal, whole.to_vec(), total / 2);
    let held: usize = head.iter().map(|part| count(signal, part)).sum();
    assert_eq!(held, total / 2);
    assert!(leaves(signal, &[head, tail].concat()) == before);
    for pieces in [chunk_items(signal, whole, 3), split_bytes(signal, whole, bytes.len() / 2)] {
        let parts: Vec<Bytes> = pieces.into_iter().flat_map(|piece| piece.parts).collect();
        assert!(leaves(signal, &parts) == before);
        for part in &parts {
            assert!(check(signal, part, &Policy::default()).is_ok_and(|checked| checked.is_clean));
        }
    }
    let edited = edit(signal, bytes, &mut Touch);
    assert!(check(signal, &edited.bytes, &Policy::default()).is_ok_and(|checked| checked.is_clean));
    assert_eq!(count(signal, &edited.bytes) + edited.dropped, total);
}

/// Changes some attributes, drops some spans.
struct Touch;

impl Editor for Touch {
    fn depth(&self) -> Depth {
        Depth::Nested
    }

    fn span(&mut self, span: &mut SpanEdit<'_>) -> Fate {
        span.attributes().set("key", true);
        span.attributes().rename("key", "other");
        span.set_name("name");
        if span.before().kind() == 1 { Fate::Drop } else { Fate::Keep }
    }
}
