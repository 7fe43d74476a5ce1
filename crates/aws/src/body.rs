//! The body of a signed request.

use bytes::Bytes;

use crate::sha256::{Digest, digests, sha256, together};

/// A request's body and its SHA-256, which the signature covers.
#[derive(Clone)]
pub struct Body {
    bytes: Bytes,
    hash: Digest,
}

impl Body {
    /// As many bodies as are best made [together](Self::together): sixteen with AVX-512, four with SHA instructions, one
    /// without.
    #[must_use]
    pub fn at_once() -> usize {
        together()
    }

    /// One body.
    #[must_use]
    pub fn new(bytes: Bytes) -> Self {
        let hash = sha256(&bytes);
        Self { bytes, hash }
    }

    /// Several bodies, in their order. Where the processor has the instructions, the hashes of four that are about equally
    /// long cost seven tenths of what they cost one by one, those of sixteen a third (`sha256_speed`).
    #[must_use]
    pub fn together(bodies: Vec<Bytes>) -> Vec<Self> {
        let hashes = digests(&bodies.iter().map(|bytes| &**bytes).collect::<Vec<_>>());
        bodies.into_iter().zip(hashes).map(|(bytes, hash)| Self { bytes, hash }).collect()
    }

    /// Its bytes.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub(crate) const fn hash(&self) -> &Digest {
        &self.hash
    }
}
