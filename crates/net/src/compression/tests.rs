use bytes::Bytes;
use std::sync::atomic::Ordering;

use super::*;
use crate::reserve::{Reservation, tests::Budget};

const ALL: [Encoding; 6] =
    [Encoding::Gzip, Encoding::Zlib, Encoding::Zstd, Encoding::Snappy, Encoding::SnappyFramed, Encoding::Lz4];

fn sample(size: usize) -> Vec<u8> {
    (0..size).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8 ^ (i as u8 & 3)).collect()
}

fn plain(encoding: Encoding, input: &[u8], limit: usize) -> Result<Vec<u8>, DecompressError> {
    decompress(encoding, input, limit, &mut Reservation::unlimited())
}

#[test]
fn every_encoding_returns_what_it_was_given() {
    for encoding in ALL {
        for size in [0, 1, 100, 70_000, 1_000_000] {
            let content = sample(size);
            let (head, tail) = content.split_at(size / 3);
            let parts = [Bytes::copy_from_slice(head), Bytes::copy_from_slice(tail)];
            for level in [0, 1, 9] {
                let compressed = compress(encoding, level, &parts).unwrap();
                assert_eq!(plain(encoding, &compressed, size).unwrap(), content, "{encoding:?} {size}");
            }
        }
    }
}

#[test]
fn the_cap_is_exact() {
    for encoding in ALL {
        let content = sample(50_000);
        let compressed = compress(encoding, 0, &[Bytes::from(content.clone())]).unwrap();
        assert_eq!(plain(encoding, &compressed, 50_000).unwrap(), content, "{encoding:?}");
        let error = plain(encoding, &compressed, 49_999).unwrap_err();
        assert_eq!(error, DecompressError::TooLarge { limit: 49_999 }, "{encoding:?}");
    }
}

#[test]
fn bombs_stop_at_the_cap_and_take_no_more_memory_than_that() {
    let bomb = [Bytes::from(vec![0; 64 << 20])];
    for encoding in ALL {
        let compressed = compress(encoding, 0, &bomb).unwrap();
        let budget = Budget::new(usize::MAX);
        let mut reservation = Reservation::new(budget.clone());
        let error = decompress(encoding, &compressed, 1 << 20, &mut reservation).unwrap_err();
        assert_eq!(error, DecompressError::TooLarge { limit: 1 << 20 }, "{encoding:?}");
        assert!(budget.peak.load(Ordering::SeqCst) <= (1 << 20) + 1, "{encoding:?}");
    }
}

#[test]
fn concatenated_members_and_frames_are_one_body() {
    for encoding in [Encoding::Gzip, Encoding::Zstd, Encoding::Lz4, Encoding::SnappyFramed] {
        let mut body = compress(encoding, 0, &[Bytes::from_static(b"first ")]).unwrap();
        body.extend(compress(encoding, 0, &[Bytes::from_static(b"second")]).unwrap());
        assert_eq!(plain(encoding, &body, 100).unwrap(), b"first second", "{encoding:?}");
    }
}

#[test]
fn torn_and_false_input_is_an_error() {
    for encoding in ALL {
        let compressed = compress(encoding, 0, &[Bytes::from(sample(10_000))]).unwrap();
        for cut in [compressed.len() / 2, compressed.len() - 1] {
            let torn = plain(encoding, &compressed[..cut], 1 << 20);
            assert!(matches!(torn, Err(DecompressError::Corrupt(_))), "{encoding:?} {cut}: {torn:?}");
        }
        // As a snappy block this claims three megabytes.
        let garbage = plain(encoding, b"\x80\x80\xc0\x01not compressed at all", 1 << 30);
        assert!(matches!(garbage, Err(DecompressError::Corrupt(_))), "{encoding:?} {garbage:?}");
    }
}

#[test]
fn snappy_blocks_and_streams_are_told_apart() {
    let content = Bytes::from(sample(5_000));
    let block = compress(Encoding::Snappy, 0, std::slice::from_ref(&content)).unwrap();
    let framed = compress(Encoding::SnappyFramed, 0, std::slice::from_ref(&content)).unwrap();
    for encoding in [Encoding::Snappy, Encoding::SnappyFramed] {
        assert_eq!(plain(encoding, &block, 5_000).unwrap(), content);
        assert_eq!(plain(encoding, &framed, 5_000).unwrap(), content);
    }
}

#[test]
fn a_refusal_stops_decompression() {
    let compressed = compress(Encoding::Gzip, 0, &[Bytes::from(vec![7; 1 << 20])]).unwrap();
    let mut reservation = Reservation::new(Budget::new(100_000));
    let error = decompress(Encoding::Gzip, &compressed, 4 << 20, &mut reservation).unwrap_err();
    assert!(matches!(error, DecompressError::Refused(_)), "{error:?}");
}

#[test]
fn levels_are_those_of_the_codec() {
    for (compression, level, allowed) in [
        (Compression::Gzip, 9, true),
        (Compression::Gzip, 99, false),
        (Compression::Zstd, 99, true),
        (Compression::Snappy, 1, false),
        (Compression::Lz4, 0, true),
    ] {
        assert_eq!(compression.allows_level(level), allowed, "{compression:?} {level}");
    }
}
