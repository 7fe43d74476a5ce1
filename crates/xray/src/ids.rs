//! Trace and segment ids: bytes as OTLP has them, text as X-Ray has it.
//!
//! A trace id is `1-<8 hex>-<24 hex>`: the version, and the sixteen bytes of the W3C trace id in two groups. The first
//! was the epoch second of the request once; ids made by others need not have a time there. A segment id is sixteen
//! hex digits, the W3C span id.

/// Length of a trace id in X-Ray's form.
pub const TRACE_ID_LEN: usize = 35;
/// Length of a segment id.
pub const SEGMENT_ID_LEN: usize = 16;

/// The hex digits of four bytes, all at once: each half byte in a byte of its own, and then in the place of its digit.
const fn digits(bytes: [u8; 4]) -> [u8; 8] {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let mut halves = u32::from_be_bytes(bytes) as u64;
    halves = (halves & 0xffff_0000) << 16 | halves & 0xffff;
    halves = (halves & 0xff00_0000_ff00) << 8 | halves & 0x00ff_0000_00ff;
    halves = (halves & 0x00f0_00f0_00f0_00f0) << 4 | halves & 0x000f_000f_000f_000f;
    let letters = (halves + 6 * ONES) >> 4 & ONES;
    (halves + ONES * b'0' as u64 + letters * (b'a' - b'0' - 10) as u64).to_be_bytes()
}

/// The text of a trace id: `1-5f84c7a1-e7d1852db8c4fd35d88bf49a`. All zeros are written like any other.
#[must_use]
pub fn trace_id(id: [u8; 16]) -> [u8; TRACE_ID_LEN] {
    let mut text = *b"1-00000000-000000000000000000000000";
    let (groups, _) = id.as_chunks::<4>();
    for (place, group) in [2, 11, 19, 27].into_iter().zip(groups) {
        if let Some(place) = text.get_mut(place..place + 8) {
            place.copy_from_slice(&digits(*group));
        }
    }
    text
}

/// The text of a segment id: sixteen lower-case hex digits.
#[must_use]
pub fn segment_id(id: [u8; 8]) -> [u8; SEGMENT_ID_LEN] {
    let mut text = [0; SEGMENT_ID_LEN];
    for (place, group) in text.as_chunks_mut::<8>().0.iter_mut().zip(id.as_chunks::<4>().0) {
        *place = digits(*group);
    }
    text
}

/// The bytes of a trace id in X-Ray's form or as 32 hex digits, of either case.
///
/// As the reference has it, only the length and the hex digits count, not the version nor what stands between the two
/// groups.
#[must_use]
pub fn parse_trace_id(text: &[u8]) -> Option<[u8; 16]> {
    let (time, random) = match text.len() {
        32 => text.split_at_checked(8)?,
        TRACE_ID_LEN => (text.get(2..10)?, text.get(11..)?),
        _ => return None,
    };
    let mut id = [0; 16];
    let digits = time.iter().chain(random);
    decode(digits, &mut id)?;
    Some(id)
}

/// The bytes of a segment id: sixteen hex digits of either case.
#[must_use]
pub fn parse_segment_id(text: &[u8]) -> Option<[u8; 8]> {
    if text.len() != SEGMENT_ID_LEN {
        return None;
    }
    let mut id = [0; 8];
    decode(text.iter(), &mut id)?;
    Some(id)
}

fn decode<'a>(mut digits: impl Iterator<Item = &'a u8>, id: &mut [u8]) -> Option<()> {
    let mut digit = || char::from(*digits.next()?).to_digit(16);
    for byte in id {
        *byte = ((digit()? << 4) | digit()?) as u8;
    }
    Some(())
}

/// A source of new ids. It is seeded, so that a test knows what it will give; ids need to differ, not to be secret.
///
/// The generator is SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014), which
/// gives every 64-bit value once before it repeats.
#[derive(Clone, Debug)]
pub struct IdSource(u64);

impl IdSource {
    /// The ids that follow from a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A segment or exception id, never all zeros.
    pub fn segment_id(&mut self) -> [u8; 8] {
        loop {
            let id = self.next();
            if id != 0 {
                return id.to_be_bytes();
            }
        }
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: [u8; 16] = 0x5f84_c7a1_e7d1_852d_b8c4_fd35_d88b_f49a_u128.to_be_bytes();

    #[test]
    fn trace_ids_go_both_ways() {
        assert_eq!(&trace_id(TRACE), b"1-5f84c7a1-e7d1852db8c4fd35d88bf49a");
        assert_eq!(&trace_id([0; 16]), b"1-00000000-000000000000000000000000");
        for text in [
            "1-5f84c7a1-e7d1852db8c4fd35d88bf49a",
            "1-5F84C7A1-E7D1852DB8C4FD35D88BF49A",
            "5f84c7a1e7d1852db8c4fd35d88bf49a",
        ] {
            assert_eq!(parse_trace_id(text.as_bytes()), Some(TRACE), "{text}");
        }
        for text in ["", "1-5f84c7a1-e7d1852db8c4fd35d88bf49", "1-5f84c7a1-e7d1852db8c4fd35d88bf49a0"] {
            assert_eq!(parse_trace_id(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse_trace_id(b"1-5f84c7a1-e7d1852db8c4fd35d88bf49g"), None);
    }

    #[test]
    fn segment_ids_go_both_ways() {
        let id = 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes();
        assert_eq!(&segment_id(id), b"00f067aa0ba902b7");
        assert_eq!(parse_segment_id(b"00F067aa0ba902b7"), Some(id));
        for text in ["", "00f067aa0ba902b", "00f067aa0ba902b70", "00f067aa0ba902bx", "+0f067aa0ba902b7"] {
            assert_eq!(parse_segment_id(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn every_byte_has_its_digits_at_every_place() {
        for byte in 0..=255_u8 {
            for place in 0..8 {
                let mut id = [0x5a; 8];
                id[place] = byte;
                let expected: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
                assert_eq!(String::from_utf8_lossy(&segment_id(id)), expected);
            }
        }
    }

    #[test]
    fn new_ids_follow_from_the_seed_and_differ() {
        let ids = |seed| {
            let mut source = IdSource::new(seed);
            (0..1000).map(|_| source.segment_id()).collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(ids(1).len(), 1000);
        assert_eq!(ids(1), ids(1));
        assert!(ids(1).is_disjoint(&ids(2)));
        // The first values of the reference implementation for the seed 0.
        let mut source = IdSource::new(0);
        assert_eq!(source.segment_id(), 0xe220_a839_7b1d_cdaf_u64.to_be_bytes());
        assert_eq!(source.segment_id(), 0x6e78_9e6a_a1b9_65f4_u64.to_be_bytes());
    }
}
