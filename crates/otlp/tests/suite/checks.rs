//! The edge check: what it lets through, what it refuses, and how it says so.

use bytes::Bytes;
use collimator_otlp::wire::{
    FrameError, WireType, write_fixed64_field, write_len_field, write_nested, write_tag, write_varint,
    write_varint_field,
};
use collimator_otlp::{
    Fault, InvalidUtf8, Limits, Policy, Signal, admit, check, check_fast, check_plainly, count, normalise,
};
use proptest::prelude::*;

use crate::generate::{Odd, Rng, request};
use crate::prost_of::{decode, read};

const REFUSE: Policy = Policy { invalid_utf8: InvalidUtf8::Refuse, limits: Limits { max_depth: 96 } };

proptest! {
    #[test]
    fn fast_and_plain_agree(seed: u64, size in 0..5_usize, repeated: bool, invalid_utf8: bool) {
        for signal in Signal::ALL {
            let bytes = request(signal, &mut Rng(seed), size, Odd { repeated, invalid_utf8 });
            for policy in [Policy::default(), REFUSE] {
                let plain = check_plainly(signal, &bytes, &policy);
                prop_assert_eq!(check_fast(signal, &bytes, &policy), plain.clone().ok());
                prop_assert_eq!(check(signal, &bytes, &policy), plain);
            }
        }
    }

    #[test]
    fn what_is_admitted_says_what_prost_decoded(seed: u64, size in 0..4_usize) {
        for signal in Signal::ALL {
            let bytes = request(signal, &mut Rng(seed), size, Odd { repeated: true, invalid_utf8: false });
            let before = decode(signal, &bytes).unwrap();
            let admitted = admit(signal, bytes.into(), &Policy::default()).unwrap();
            prop_assert_eq!(admitted.replaced, 0);
            prop_assert!(decode(signal, &admitted.bytes).unwrap() == before);
            // The views stop at the first occurrence: there is only one left.
            prop_assert!(read(signal, &admitted.bytes) == before);
            let again = check(signal, &admitted.bytes, &REFUSE).unwrap();
            prop_assert!(again.is_clean);
            prop_assert_eq!(again.items, admitted.items);
            prop_assert_eq!(count(signal, &admitted.bytes), admitted.items);
        }
    }

    #[test]
    fn text_is_repaired(seed: u64, size in 0..4_usize) {
        for signal in Signal::ALL {
            let bytes = request(signal, &mut Rng(seed), size, Odd { repeated: false, invalid_utf8: true });
            let prost = decode(signal, &bytes);
            let admitted = admit(signal, bytes.clone().into(), &Policy::default()).unwrap();
            prop_assert_eq!(prost.is_ok(), admitted.replaced == 0);
            prop_assert_eq!(prost.is_ok(), check(signal, &bytes, &REFUSE).is_ok());
            prop_assert!(check(signal, &admitted.bytes, &REFUSE).unwrap().is_clean);
            prop_assert!(read(signal, &admitted.bytes) == decode(signal, &admitted.bytes).unwrap());
            prop_assert_eq!(count(signal, &admitted.bytes), count(signal, &bytes));
        }
    }

    #[test]
    fn only_the_text_that_was_wrong_changes(seed: u64, size in 1..4_usize, which: prop::sample::Index) {
        for signal in Signal::ALL {
            let bytes = request(signal, &mut Rng(seed), size, Odd::default());
            let marks: Vec<usize> = (0..bytes.len())
                .filter(|at| ["http.route", "user.email"].iter().any(|word| bytes[*at..].starts_with(word.as_bytes())))
                .collect();
            if marks.is_empty() {
                continue;
            }
            let at = marks[which.index(marks.len())];
            let with = |text: &[u8; 3]| {
                let mut bytes = bytes.clone();
                bytes[at..at + 3].copy_from_slice(text);
                bytes
            };
            // What prost decodes when the text is right, and there each wrong byte becomes U+FFFD.
            let marked = format!("{:?}", decode(signal, &with(b"~^~")).unwrap());
            let expected = marked.replacen("~^~", "\u{fffd}\u{fffd}\u{fffd}", 1);
            let admitted = admit(signal, with(b"\xff\xff\xff").into(), &Policy::default()).unwrap();
            prop_assert_eq!(admitted.replaced, 1);
            prop_assert_eq!(format!("{:?}", decode(signal, &admitted.bytes).unwrap()), expected);
        }
    }

    #[test]
    fn clean_bytes_are_handed_back(seed: u64) {
        let bytes = Bytes::from(request(Signal::Traces, &mut Rng(seed), 3, Odd::default()));
        let admitted = admit(Signal::Traces, bytes.clone(), &Policy::default()).unwrap();
        prop_assert_eq!(admitted.bytes.as_ptr(), bytes.as_ptr());
    }

    #[test]
    fn cut_short_anywhere_prost_and_we_say_the_same(seed: u64) {
        for signal in Signal::ALL {
            let bytes = request(signal, &mut Rng(seed), 2, Odd::default());
            let step = bytes.len() / 200 + 1;
            for cut in (0..bytes.len()).step_by(step) {
                let bytes = &bytes[..cut];
                prop_assert_eq!(check(signal, bytes, &Policy::default()).is_ok(), decode(signal, bytes).is_ok());
            }
        }
    }
}

/// A request of one span with these fields.
fn span(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write_nested(&mut out, 1, |out| write_nested(out, 2, |out| write_nested(out, 2, write)));
    out
}

#[track_caller]
fn check_refused(bytes: &[u8], path: &str, what: Fault) {
    let malformed = check(Signal::Traces, bytes, &Policy::default()).unwrap_err();
    assert_eq!((malformed.path.as_str(), malformed.what), (path, what));
    assert!(malformed.offset <= bytes.len());
}

#[test]
fn every_byte_of_a_span_counts() {
    let bytes = span(|out| {
        write_len_field(out, 1, &[7; 16]);
        write_len_field(out, 5, b"name");
        write_fixed64_field(out, 7, 1);
    });
    for cut in 1..bytes.len() {
        assert!(check(Signal::Traces, &bytes[..cut], &Policy::default()).is_err(), "{cut}");
    }
    assert_eq!(check(Signal::Traces, &bytes, &Policy::default()).map(|found| found.items), Ok(1));
    assert_eq!(check(Signal::Traces, &[], &Policy::default()).map(|found| found.items), Ok(0));
}

#[test]
fn a_fault_is_named_with_its_path_and_place() {
    let mut bytes = span(|out| write_len_field(out, 1, &[7; 16]));
    write_nested(&mut bytes, 1, |out| {
        write_nested(out, 2, |_| {});
        write_nested(out, 2, |out| {
            write_nested(out, 2, |_| {});
            write_nested(out, 2, |out| {
                write_len_field(out, 5, b"name");
                write_len_field(out, 1, &[7; 15]);
            });
        });
    });
    let malformed = check(Signal::Traces, &bytes, &Policy::default()).unwrap_err();
    assert_eq!(
        malformed.to_string(),
        "resource_spans[1].scope_spans[1].spans[1].trace_id: 15 bytes where 16 are needed (at byte 40)"
    );
    assert_eq!(bytes[malformed.offset..][..2], [0x0a, 15]);
}

#[test]
fn ids_have_their_length() {
    let path = |name| format!("resource_spans[0].scope_spans[0].spans[0].{name}");
    for len in [1, 7, 8, 15, 17, 32] {
        let bytes = span(|out| write_len_field(out, 1, &vec![1; len]));
        check_refused(&bytes, &path("trace_id"), Fault::IdLength { len, needed: 16 });
    }
    for (number, name) in [(2, "span_id"), (4, "parent_span_id")] {
        for len in [1, 7, 9, 16] {
            let bytes = span(|out| write_len_field(out, number, &vec![1; len]));
            check_refused(&bytes, &path(name), Fault::IdLength { len, needed: 8 });
        }
    }
}

#[test]
fn wire_types_are_those_of_the_schema() {
    let path = "resource_spans[0].scope_spans[0].spans[0].name";
    let bytes = span(|out| write_varint_field(out, 5, 1));
    check_refused(&bytes, path, Fault::WireType { found: WireType::Varint, needed: WireType::Len });
    let path = "resource_spans[0].scope_spans[0].spans[0].kind";
    let bytes = span(|out| write_len_field(out, 6, b"\x01"));
    check_refused(&bytes, path, Fault::WireType { found: WireType::Len, needed: WireType::Varint });
    let path = "resource_spans[0].scope_spans[0].spans[0]";
    for tag in [3, 4, 6, 7] {
        let bytes = span(|out| out.extend([100 << 3 & 0x7f | tag | 0x80, 6, 0]));
        check_refused(&bytes, path, FrameError::WireType(tag).into());
    }
    check_refused(&span(|out| out.extend([0, 0])), path, FrameError::FieldZero.into());
}

#[test]
fn lengths_nest() {
    // Ten gibibytes of name, in a span of a few bytes.
    let bytes = span(|out| {
        write_tag(out, 5, WireType::Len);
        write_varint(out, 10 << 30);
    });
    check_refused(
        &bytes,
        "resource_spans[0].scope_spans[0].spans[0].name",
        FrameError::Length { len: 10 << 30, left: 0 }.into(),
    );
    // One byte beyond the span, though not beyond the request.
    let mut bytes = span(|out| out.extend([0x2a, 2, b'x']));
    write_len_field(&mut bytes, 9, b"more");
    check_refused(
        &bytes,
        "resource_spans[0].scope_spans[0].spans[0].name",
        FrameError::Length { len: 2, left: 1 }.into(),
    );
}

#[test]
fn packed_elements_are_whole() {
    let point = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        write_nested(&mut out, 1, |out| {
            write_nested(out, 2, |out| {
                write_nested(out, 2, |out| write_nested(out, 9, |out| write_nested(out, 1, write)));
            });
        });
        check(Signal::Metrics, &out, &Policy::default())
    };
    assert!(point(&|out| write_len_field(out, 6, &[0; 24])).is_ok());
    assert!(point(&|out| write_fixed64_field(out, 6, 1)).is_ok());
    let refused = point(&|out| write_len_field(out, 6, &[0; 23])).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "resource_metrics[0].scope_metrics[0].metrics[0].histogram.data_points[0].bucket_counts: \
         packed elements that do not fill the field (at byte 10)"
    );
}

/// An attribute whose value is arrays in arrays.
fn nested_arrays(depth: usize) -> Vec<u8> {
    let mut value = Vec::new();
    for _ in 0..depth {
        let mut outer = Vec::new();
        write_nested(&mut outer, 5, |out| write_len_field(out, 1, &value));
        value = outer;
    }
    span(|out| write_nested(out, 9, |out| write_len_field(out, 2, &value)))
}

#[test]
fn nesting_is_bounded() {
    // A span is 3 deep, its attribute 4, the attribute's value 5, and every array two more.
    let depth_of = |arrays: usize| 5 + 2 * arrays;
    let limit = usize::from(Limits::default().max_depth);
    let deepest = (limit - 5) / 2;
    assert!(depth_of(deepest) <= limit);
    let bytes = nested_arrays(deepest);
    assert!(check(Signal::Traces, &bytes, &Policy::default()).is_ok());
    assert!(decode(Signal::Traces, &bytes).is_ok());
    let refused = check(Signal::Traces, &nested_arrays(deepest + 1), &Policy::default()).unwrap_err();
    assert_eq!(refused.what, Fault::TooDeep { max: 96 });
    let bomb = nested_arrays(10_000);
    assert!(check(Signal::Traces, &bomb, &Policy::default()).is_err());
    let generous = Policy { limits: Limits { max_depth: u8::MAX }, ..Policy::default() };
    assert!(check(Signal::Traces, &bomb, &generous).is_err());
    assert!(check(Signal::Traces, &nested_arrays(120), &generous).is_ok());
}

#[test]
fn the_last_of_a_scalar_counts_and_messages_are_merged() {
    let bytes = span(|out| {
        write_len_field(out, 5, b"first");
        write_nested(out, 15, |out| write_len_field(out, 2, b"message"));
        write_len_field(out, 5, b"last");
        write_nested(out, 15, |out| write_varint_field(out, 3, 2));
    });
    assert!(!check(Signal::Traces, &bytes, &Policy::default()).unwrap().is_clean);
    let expected = span(|out| {
        write_len_field(out, 5, b"last");
        write_nested(out, 15, |out| {
            write_len_field(out, 2, b"message");
            write_varint_field(out, 3, 2);
        });
    });
    let normalised = normalise(Signal::Traces, &bytes, &Policy::default()).unwrap();
    assert_eq!((normalised.bytes, normalised.replaced), (expected, 0));
}

#[test]
fn the_last_member_of_a_oneof_counts() {
    let array = |out: &mut Vec<u8>, text: &[u8]| {
        write_nested(out, 5, |out| write_nested(out, 1, |out| write_len_field(out, 1, text)));
    };
    let value =
        |write: &dyn Fn(&mut Vec<u8>)| span(|out| write_nested(out, 9, |out| write_nested(out, 2, write)));
    let bytes = value(&|out| {
        array(out, b"gone");
        write_varint_field(out, 3, 1);
        array(out, b"first");
        array(out, b"second");
    });
    let expected = value(&|out| {
        write_nested(out, 5, |out| {
            write_nested(out, 1, |out| write_len_field(out, 1, b"first"));
            write_nested(out, 1, |out| write_len_field(out, 1, b"second"));
        });
    });
    let normalised = normalise(Signal::Traces, &bytes, &Policy::default()).unwrap();
    assert_eq!(normalised.bytes, expected);
}

#[test]
fn points_of_a_metric_overridden_are_not_counted() {
    let mut bytes = Vec::new();
    write_nested(&mut bytes, 1, |out| {
        write_nested(out, 2, |out| {
            write_nested(out, 2, |out| {
                write_nested(out, 5, |out| (0..3).for_each(|_| write_nested(out, 1, |_| {})));
                write_nested(out, 7, |out| write_nested(out, 1, |_| {}));
            });
        });
    });
    let admitted = admit(Signal::Metrics, bytes.into(), &Policy::default()).unwrap();
    assert_eq!(admitted.items, 1);
}

#[test]
fn invalid_text_is_replaced_or_refused() {
    let bytes = span(|out| write_len_field(out, 5, b"gr\xf6\xdfe"));
    let admitted = admit(Signal::Traces, bytes.clone().into(), &Policy::default()).unwrap();
    assert_eq!(admitted.replaced, 1);
    assert_eq!(admitted.bytes, span(|out| write_len_field(out, 5, "gr\u{fffd}\u{fffd}e".as_bytes())));
    let refused = admit(Signal::Traces, bytes.into(), &REFUSE).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "resource_spans[0].scope_spans[0].spans[0].name: text that is not UTF-8 (at byte 6)"
    );
}

#[test]
fn messages_beside_the_one_that_is_rewritten_are_copied_as_they_came() {
    // Its length takes three bytes where one would do.
    let neighbour = [&[0x12, 0x86, 0x80, 0x00, 0x2a, 0x04][..], b"name"].concat();
    let bytes = |name: &[u8]| {
        let mut out = Vec::new();
        write_nested(&mut out, 1, |out| {
            write_nested(out, 2, |out| {
                out.extend(&neighbour);
                write_nested(out, 2, |out| write_len_field(out, 5, name));
                out.extend(&neighbour);
            });
        });
        out
    };
    let normalised = normalise(Signal::Traces, &bytes(b"\xff"), &Policy::default()).unwrap();
    assert_eq!((normalised.bytes, normalised.replaced), (bytes("\u{fffd}".as_bytes()), 1));
}

#[test]
fn text_is_repaired_however_deep_it_is() {
    for depth in 0..30 {
        let bytes = span(|out| {
            write_nested(out, 9, |out| {
                write_len_field(out, 1, b"key");
                write_nested(out, 2, |out| nested_text(out, depth, b"\xff"));
            });
        });
        let admitted = admit(Signal::Traces, bytes.into(), &Policy::default()).unwrap();
        assert_eq!(admitted.replaced, 1, "{depth}");
        assert!(check(Signal::Traces, &admitted.bytes, &REFUSE).unwrap().is_clean, "{depth}");
    }
}

/// A value that is a string in that many arrays.
fn nested_text(out: &mut Vec<u8>, depth: usize, text: &[u8]) {
    match depth.checked_sub(1) {
        None => write_len_field(out, 1, text),
        Some(above) => {
            write_nested(out, 5, |out| write_nested(out, 1, |out| nested_text(out, above, text)));
        }
    }
}

#[test]
fn unknown_fields_are_kept() {
    let bytes = span(|out| {
        write_len_field(out, 5, b"first");
        write_len_field(out, 900, b"from the future");
        write_len_field(out, 5, b"last");
        write_varint_field(out, 900, 1);
    });
    let normalised = normalise(Signal::Traces, &bytes, &Policy::default()).unwrap().bytes;
    let expected = span(|out| {
        write_len_field(out, 900, b"from the future");
        write_len_field(out, 5, b"last");
        write_varint_field(out, 900, 1);
    });
    assert_eq!(normalised, expected);
}
