//! The writer's quick paths write what its tables write, whatever the message.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use collimator_otlp_json::{write, write_by_table};
use otlp::schema::{KEY_VALUE, Kind, LOGS, METRICS, Message, SPAN, TRACES};
use otlp::wire::WireType;
use proptest::prelude::*;
use prost::Message as _;
use prost::encoding::encode_varint;
use support::Dice;

/// Deeper messages are empty: `AnyValue` nests without end.
const DEPTH: usize = 7;

fn check(message: &'static Message, wire: &[u8]) {
    let (mut quick, mut plain) = (b"before".to_vec(), b"before".to_vec());
    write(message, wire, &mut quick);
    write_by_table(message, wire, &mut plain);
    assert_eq!(String::from_utf8_lossy(&quick), String::from_utf8_lossy(&plain), "{wire:02x?}");
}

/// Any encoding of the message: mostly the fields of the schema in order, but also out of order, given twice,
/// left out, unknown, of the wrong wire type, with lengths and tags that take more bytes than they need.
fn encode(message: &'static Message, dice: &mut Dice<'_>, depth: usize) -> Vec<u8> {
    let mut wire = Vec::new();
    for field in message.fields {
        if dice.below(3) == 2 {
            continue;
        }
        let mut number = field.number;
        let mut kind = Some(field.kind);
        match dice.below(24) {
            21 => number = u32::try_from(dice.below(40)).unwrap(),
            22 => kind = None,
            23 => {
                let other = &message.fields[dice.below(message.fields.len())];
                (number, kind) = (other.number, Some(other.kind));
            }
            _ => {}
        }
        for _ in 0..[1, 1, 1, 1, 2][dice.below(5)] {
            encode_field(number, kind, &mut wire, dice, depth);
        }
    }
    wire
}

fn encode_field(number: u32, kind: Option<Kind>, wire: &mut Vec<u8>, dice: &mut Dice<'_>, depth: usize) {
    let wire_type = kind.map_or(WireType::Varint, |kind| kind.wire_type());
    let tag = u64::from(number << 3 | wire_type as u32);
    odd_varint(tag, wire, dice);
    match wire_type {
        WireType::Varint => odd_varint([0, 1, 2, 127, 128, dice.u64()][dice.below(6)], wire, dice),
        WireType::Fixed64 => {
            let value = [0, 1.5f64.to_bits(), 1_544_712_660_000_000_000, dice.u64()][dice.below(4)];
            wire.extend_from_slice(&value.to_le_bytes());
        }
        WireType::Fixed32 => wire.extend_from_slice(&[1, dice.below(3) as u8, 0, 0]),
        WireType::Len => {
            let payload = match kind {
                Some(Kind::Message(child)) if depth < DEPTH => encode(child, dice, depth + 1),
                Some(Kind::TraceId) => vec![dice.below(4) as u8; [16, 16, 16, 15, 0][dice.below(5)]],
                Some(Kind::SpanId) => vec![dice.below(4) as u8; [8, 8, 8, 7, 0][dice.below(5)]],
                // The end of it may look like the flags of a span.
                _ if dice.below(16) == 15 => vec![b'x', 0x85, 0x01, 1, 0, 0, 0],
                _ => dice.string().repeat([1, 1, 1, 40][dice.below(4)]).into_bytes(),
            };
            odd_varint(payload.len() as u64, wire, dice);
            wire.extend(payload);
        }
    }
}

/// A varint, one time out of many longer than need be.
fn odd_varint(value: u64, wire: &mut Vec<u8>, dice: &mut Dice<'_>) {
    encode_varint(value, wire);
    if dice.below(40) == 39 && value < 1 << 28 {
        *wire.last_mut().unwrap() |= 0x80;
        wire.push(0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn messages_as_sdks_encode_them(bytes in proptest::collection::vec(any::<u8>(), 0..1500)) {
        check(&TRACES, &Dice(&bytes).traces().encode_to_vec());
        check(&LOGS, &Dice(&bytes).logs().encode_to_vec());
        check(&METRICS, &Dice(&bytes).metrics().encode_to_vec());
    }

    #[test]
    fn messages_encoded_in_any_way(bytes in proptest::collection::vec(any::<u8>(), 0..1500)) {
        for message in [&TRACES, &LOGS, &METRICS, &SPAN, &KEY_VALUE] {
            check(message, &encode(message, &mut Dice(&bytes), 0));
        }
    }

    #[test]
    fn broken_messages(
        bytes in proptest::collection::vec(any::<u8>(), 0..600),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
    ) {
        for message in [&SPAN, &KEY_VALUE] {
            let mut wire = encode(message, &mut Dice(&bytes), 0);
            wire.truncate(cut.index(wire.len() + 1));
            for (at, byte) in changes.iter().filter(|_| !wire.is_empty()).collect::<Vec<_>>() {
                let at = at.index(wire.len());
                wire[at] = *byte;
            }
            check(message, &wire);
        }
    }
}
