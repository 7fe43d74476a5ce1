//! SHA-256 of several messages at once.
//!
//! A signature covers its request's body by this hash, which was a quarter of what it costs to send a segment. Each step of it
//! waits for the step before, so a processor that has instructions for it is idle half of the time with one message, and
//! takes four in little more than the time of two. `lanes` does that; everything else is the library's.

#[cfg(target_arch = "x86_64")]
mod lanes;

use aws_lc_rs::digest::{SHA256, digest};

/// The hash of a message.
pub(crate) type Digest = [u8; 32];

/// Messages that are taken at once.
pub(crate) const LANES: usize = 4;

/// Hashes up to [`LANES`] messages.
type Digests = fn(&[&[u8]]) -> Vec<Digest>;

/// The hash of each message, in their order.
pub(crate) fn digests(messages: &[&[u8]]) -> Vec<Digest> {
    let quick = quick();
    let chunks = messages.chunks(LANES);
    chunks.flat_map(|chunk| quick.filter(|_| chunk.len() > 1).unwrap_or(one_by_one)(chunk)).collect()
}

/// The hash of one message.
pub(crate) fn sha256(message: &[u8]) -> Digest {
    digest(&SHA256, message).as_ref().try_into().unwrap_or_default()
}

fn one_by_one(messages: &[&[u8]]) -> Vec<Digest> {
    messages.iter().map(|message| sha256(message)).collect()
}

fn quick() -> Option<Digests> {
    #[cfg(target_arch = "x86_64")]
    return lanes::digests();
    #[cfg(not(target_arch = "x86_64"))]
    None
}

/// The body of the fuzz target `sha256`: messages cut from the data have the hashes that the library says.
///
/// # Panics
///
/// When they have not.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    // The first byte of each message says how long it is; a long run of them may be one message.
    let mut messages = Vec::new();
    let mut rest = data;
    while let Some((len, more)) = rest.split_first() {
        let (message, more) = more.split_at(more.len().min(usize::from(*len) * 3));
        messages.push(message);
        rest = more;
    }
    assert_eq!(digests(&messages), one_by_one(&messages));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(messages: &[&[u8]]) {
        assert_eq!(digests(messages), one_by_one(messages), "{:?}", messages.iter().map(|m| m.len()));
    }

    #[test]
    fn every_length_beside_every_other() {
        let bytes: Vec<u8> = (0..1000_u32).map(|at| (at * 7 + at / 256) as u8).collect();
        for len in 0..200 {
            for other in [0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 1000] {
                check(&[&bytes[..len], &bytes[..other]]);
                check(&[&bytes[..len], &bytes[..other], &bytes[1..]]);
                check(&[&bytes[..other], &bytes[..len], &bytes[2..], &bytes[3..=len + 3]]);
                check(&[&bytes[..other], &bytes[..len], &[], &bytes[3..], &bytes[..len], &[]]);
            }
        }
    }

    #[test]
    fn as_the_standard_has_it() {
        let hex = |digest: &Digest| digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let expected = [
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ];
        assert_eq!(digests(&[b"", b"abc"]).iter().map(hex).collect::<Vec<_>>(), expected);
        assert!(digests(&[]).is_empty());
    }

    proptest::proptest! {
        #[test]
        fn any_messages(messages: Vec<Vec<u8>>, data: Vec<u8>) {
            check(&messages.iter().map(Vec::as_slice).collect::<Vec<_>>());
            fuzz(&data);
        }
    }
}
