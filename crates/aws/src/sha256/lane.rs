//! A message on its way to its hash.
//!
//! Source: FIPS 180-4, sections 4.2.2, 5.1.1 and 5.3.3.

use super::{Digest, sha256};

/// How several messages are hashed.
#[derive(Clone, Copy)]
pub(super) struct Way {
    pub(super) name: &'static str,
    /// Messages that are best taken together.
    pub(super) together: usize,
    pub(super) run: Run,
}

/// Takes every lane to its end.
pub(super) type Run = fn(&mut [Lane<'_>]);

impl Way {
    /// The hash of each message, in their order.
    pub(super) fn digests(&self, messages: &[&[u8]]) -> Vec<Digest> {
        messages.chunks(self.together).flat_map(|some| self.digests_of(some)).collect()
    }

    fn digests_of(&self, messages: &[&[u8]]) -> Vec<Digest> {
        if let [message] = messages {
            // The library is quicker with one.
            return vec![sha256(message)];
        }
        let mut lanes: Vec<Lane<'_>> = messages.iter().map(|message| Lane::new(message)).collect();
        (self.run)(&mut lanes);
        let ends: Vec<Vec<u8>> = messages.iter().map(|message| end(message)).collect();
        for (lane, end) in lanes.iter_mut().zip(&ends) {
            lane.blocks = end.as_chunks().0;
        }
        (self.run)(&mut lanes);
        lanes.iter().map(Lane::digest).collect()
    }
}

/// What is taken in at a time.
const BLOCK: usize = 64;
pub(super) type Block = [u8; BLOCK];

/// Behind a message: a one, zeros, and its length in bits.
const LENGTH: usize = 8;

const START: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// One for each of 64 rounds, which are made four at a time, and those four at a time.
pub(super) static ROUNDS: [[[u32; 4]; 4]; 4] = [
    [
        [0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5],
        [0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5],
        [0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3],
        [0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174],
    ],
    [
        [0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc],
        [0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da],
        [0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7],
        [0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967],
    ],
    [
        [0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13],
        [0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85],
        [0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3],
        [0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070],
    ],
    [
        [0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5],
        [0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3],
        [0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208],
        [0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2],
    ],
];

/// A message on its way: its words as the standard names them, a to h, and what of it is not taken in yet.
pub(super) struct Lane<'a> {
    pub(super) state: [u32; 8],
    pub(super) blocks: &'a [Block],
}

impl<'a> Lane<'a> {
    /// All of a message but its end.
    fn new(message: &'a [u8]) -> Self {
        Self { state: START, blocks: message.as_chunks().0 }
    }

    /// Takes so many blocks out.
    pub(super) fn take(&mut self, count: usize) -> &'a [Block] {
        let (taken, left) = self.blocks.split_at_checked(count).unwrap_or_default();
        self.blocks = left;
        taken
    }

    /// What the words are in the end.
    fn digest(&self) -> Digest {
        let mut digest = Digest::default();
        for (place, word) in digest.as_chunks_mut().0.iter_mut().zip(self.state) {
            *place = word.to_be_bytes();
        }
        digest
    }
}

/// What of a message fills no block, and what the standard adds to it.
fn end(message: &[u8]) -> Vec<u8> {
    let (_, rest) = message.as_chunks::<BLOCK>();
    let mut end = [rest, &[0x80]].concat();
    end.resize((end.len() + LENGTH).next_multiple_of(BLOCK) - LENGTH, 0);
    end.extend((message.len() as u64).wrapping_mul(8).to_be_bytes());
    end
}
