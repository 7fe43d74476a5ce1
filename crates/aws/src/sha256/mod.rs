//! SHA-256 of several messages at once.
//!
//! A signature covers its request's body by this hash, which was a quarter of what it costs to send a segment. Each step of it
//! waits for the step before, so that a processor is idle most of the time with one message. `sha_ni` takes four in turns, in
//! less than the time of three; `avx512` sixteen side by side. Everything else is the library's.

#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "others have the library"))]
mod lane;
#[cfg(target_arch = "x86_64")]
mod sha_ni;

use aws_lc_rs::digest::{SHA256, digest};

use lane::Way;

/// The hash of a message.
pub(crate) type Digest = [u8; 32];

/// The hash of one message.
pub(crate) fn sha256(message: &[u8]) -> Digest {
    digest(&SHA256, message).as_ref().try_into().unwrap_or_default()
}

/// The hash of each message, in their order.
pub(crate) fn digests(messages: &[&[u8]]) -> Vec<Digest> {
    quickest().map_or_else(|| one_by_one(messages), |way| way.digests(messages))
}

/// Messages that are best taken together.
pub(crate) fn together() -> usize {
    quickest().map_or(1, |way| way.together)
}

fn one_by_one(messages: &[&[u8]]) -> Vec<Digest> {
    messages.iter().map(|message| sha256(message)).collect()
}

fn quickest() -> Option<Way> {
    ways().into_iter().flatten().next_back()
}

/// What this processor has beside the library, the slowest first.
fn ways() -> [Option<Way>; 2] {
    #[cfg(target_arch = "x86_64")]
    return [sha_ni::way(), avx512::way()];
    #[cfg(not(target_arch = "x86_64"))]
    [None; 2]
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
    check(&messages);
}

/// Compares every way with the library.
fn check(messages: &[&[u8]]) {
    let expected = one_by_one(messages);
    for way in ways().iter().flatten() {
        let lengths = || messages.iter().map(|message| message.len()).collect::<Vec<_>>();
        assert_eq!(way.digests(messages), expected, "{}: {:?}", way.name, lengths());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn as_many_as_there_may_be() {
        let bytes: Vec<u8> = (0..10_000_u32).map(|at| (at * 31 + at / 256) as u8).collect();
        for count in 0..40 {
            let alike: Vec<&[u8]> = (0..count).map(|at| &bytes[at..at + 1000]).collect();
            let unlike: Vec<&[u8]> = (0..count).map(|at| &bytes[at..at + at * at * 37 % 3000]).collect();
            check(&alike);
            check(&unlike);
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
