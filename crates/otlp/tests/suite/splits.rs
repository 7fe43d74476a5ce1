//! Cutting loses nothing, doubles nothing, and keeps what is around the items.

use bytes::Bytes;
use collimator_otlp::wire::{write_len_field, write_nested, write_varint_field};
use collimator_otlp::{Piece, Policy, Signal, check, chunk_items, compact, count, split_bytes, split_items};
use proptest::prelude::*;

use crate::generate::{Odd, Rng, request};
use crate::items::leaves;

fn parts(signal: Signal, seed: u64, size: usize) -> Vec<Bytes> {
    let mut rng = Rng(seed);
    (0..rng.below(4)).map(|_| request(signal, &mut rng, size, Odd::default()).into()).collect()
}

fn check_pieces(signal: Signal, before: &[Bytes], pieces: &[Piece]) {
    let mut all = Vec::new();
    for piece in pieces {
        assert_eq!(piece.bytes, piece.parts.iter().map(Bytes::len).sum::<usize>());
        let joined = piece.parts.concat();
        let checked = check(signal, &joined, &Policy::default()).unwrap();
        assert_eq!(checked.items, piece.items);
        assert!(checked.is_clean);
        assert!(piece.bytes > 0);
        all.extend(leaves(signal, &piece.parts));
    }
    assert!(all == leaves(signal, before));
}

proptest! {
    #[test]
    fn items_are_cut_where_asked(seed: u64, size in 0..5_usize, at in 0..40_usize) {
        for signal in Signal::ALL {
            let before = parts(signal, seed, size);
            let total: usize = before.iter().map(|part| count(signal, part)).sum();
            let (head, tail) = split_items(signal, before.clone(), at);
            let in_head: usize = head.iter().map(|part| count(signal, part)).sum();
            prop_assert_eq!(in_head, total.min(at));
            let both = [head, tail].concat();
            prop_assert!(leaves(signal, &both) == leaves(signal, &before));
            prop_assert!(both.iter().all(|part| check(signal, part, &Policy::default()).unwrap().is_clean));
        }
    }

    #[test]
    fn chunks_are_full(seed: u64, size in 0..5_usize, n in 1..20_usize) {
        for signal in Signal::ALL {
            let before = parts(signal, seed, size);
            let pieces = chunk_items(signal, &before, n);
            check_pieces(signal, &before, &pieces);
            if let Some((last, full)) = pieces.split_last() {
                prop_assert!(full.iter().all(|piece| piece.items == n));
                prop_assert!(last.items <= n);
            }
        }
    }

    #[test]
    fn pieces_keep_to_their_bytes(seed: u64, size in 0..5_usize, max in 0..6000_usize) {
        for signal in Signal::ALL {
            let before = parts(signal, seed, size);
            let pieces = split_bytes(signal, &before, max);
            check_pieces(signal, &before, &pieces);
            for piece in &pieces {
                prop_assert_eq!(piece.oversize, piece.bytes > max);
                if piece.oversize && piece.items > 1 {
                    // Not cut, because little room would be left: 4 bytes here and 10 there for each level.
                    let around: usize = leaves(signal, &piece.parts)[0].0.iter().map(|one| one.len() + 10).sum();
                    prop_assert!(around > max - max / 8);
                }
            }
        }
    }
}

/// Resources of scopes of spans, named by number.
fn traces(resources: usize, scopes: usize, spans: usize) -> Bytes {
    let mut out = Vec::new();
    for resource in 0..resources {
        write_nested(&mut out, 1, |out| {
            write_nested(out, 1, |out| write_varint_field(out, 2, resource as u64));
            for scope in 0..scopes {
                write_nested(out, 2, |out| {
                    write_nested(out, 1, |out| write_varint_field(out, 4, scope as u64));
                    for span in 0..spans {
                        write_nested(out, 2, |out| {
                            write_len_field(out, 5, format!("span {span}").as_bytes())
                        });
                    }
                });
            }
            write_len_field(out, 3, b"schema");
        });
    }
    out.into()
}

#[test]
fn whole_resources_stay_slices() {
    let batch = traces(4, 2, 3);
    let (head, tail) = split_items(Signal::Traces, vec![batch.clone()], 12);
    assert_eq!([&head[0][..], &tail[0][..]].concat(), batch);
    assert_eq!(head[0].as_ptr(), batch.as_ptr());
    assert_eq!(tail[0].as_ptr(), batch[head[0].len()..].as_ptr());
    let (head, tail) = split_items(Signal::Traces, vec![batch.clone(), batch.clone()], 24);
    assert_eq!((head[0].as_ptr(), tail[0].as_ptr()), (batch.as_ptr(), batch.as_ptr()));
}

#[test]
fn both_sides_of_a_cut_have_what_is_around_it() {
    let batch = traces(1, 1, 5);
    let (head, tail) = split_items(Signal::Traces, vec![batch], 2);
    assert_eq!((head.len(), tail.len()), (1, 1));
    let (head, tail) = (leaves(Signal::Traces, &head), leaves(Signal::Traces, &tail));
    assert_eq!((head.len(), tail.len()), (2, 3));
    assert_eq!(head[0].0, tail[0].0);
}

#[test]
fn everything_fits_or_nothing_does() {
    let batch = traces(2, 2, 2);
    let (head, tail) = split_items(Signal::Traces, vec![batch.clone()], 0);
    assert!(head.is_empty());
    assert_eq!(tail, std::slice::from_ref(&batch));
    let (head, tail) = split_items(Signal::Traces, vec![batch.clone()], 8);
    assert_eq!((head, tail), (vec![batch.clone()], Vec::new()));
    let pieces = split_bytes(Signal::Traces, std::slice::from_ref(&batch), batch.len());
    assert_eq!(pieces, [Piece { items: 8, bytes: batch.len(), parts: vec![batch.clone()], oversize: false }]);
    let pieces = split_bytes(Signal::Traces, &[batch], 36);
    assert_eq!(pieces.len(), 8);
    assert!(pieces.iter().all(|piece| !piece.oversize && piece.items == 1));
    assert!(split_bytes(Signal::Traces, &[], 10).is_empty());
}

/// One resource of `resource` bytes and these spans.
fn large_resource(resource: usize, spans: &[usize]) -> Bytes {
    let mut out = Vec::new();
    write_nested(&mut out, 1, |out| {
        write_nested(out, 1, |out| write_len_field(out, 99, &vec![b'r'; resource]));
        write_nested(out, 2, |out| {
            for len in spans {
                write_nested(out, 2, |out| write_len_field(out, 5, &vec![b's'; *len]));
            }
        });
    });
    out.into()
}

#[test]
fn an_item_too_large_is_alone() {
    let batch = large_resource(10, &[20, 20, 500, 20]);
    let pieces = split_bytes(Signal::Traces, &[batch], 100);
    let found: Vec<_> = pieces.iter().map(|piece| (piece.items, piece.oversize)).collect();
    assert_eq!(found, [(2, false), (1, true), (1, false)]);
}

#[test]
fn a_large_resource_is_not_repeated_without_end() {
    let batch = large_resource(100_000, &[10; 1000]);
    for max in [1000, 100_000, 100_100, 110_000, 120_000] {
        let pieces = split_bytes(Signal::Traces, std::slice::from_ref(&batch), max);
        let total: usize = pieces.iter().map(|piece| piece.bytes).sum();
        assert!(total < 17 * batch.len(), "{total} bytes for a limit of {max}");
    }
}

#[test]
fn a_small_slice_of_a_large_allocation_is_copied_out() {
    let backing = Bytes::from(vec![1; 1000]);
    let kept = compact(backing.slice(..500), backing.len());
    assert_eq!(kept.as_ptr(), backing.as_ptr());
    let copied = compact(backing.slice(..499), backing.len());
    assert_ne!(copied.as_ptr(), backing.as_ptr());
    assert_eq!(copied, backing.slice(..499));
}
