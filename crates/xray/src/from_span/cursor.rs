//! Where in a request a translation goes on, and how far it goes at a time.

use otlp::wire::{Field, Fields};

use super::Documents;

/// Where in a request the next span is. The default is its beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// In bytes of the request: the field of the spans of a resource.
    pub(super) resource: usize,
    /// In bytes of that one's message: the field of the spans of a scope.
    pub(super) scope: usize,
    /// In bytes of that one's message: the field of the span.
    pub(super) span: usize,
}

/// How much is made at a time: what is made of a span is made whole, so that it may become a little more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enough {
    /// Documents. Of a resource that has more bytes than they all, they go on until they have as many: what is made once
    /// of a resource is made once more where a translation goes on.
    pub documents: usize,
    /// Bytes of the spans that were read and of what was written of them: [`Documents::work`].
    pub bytes: usize,
}

impl Enough {
    /// Never.
    pub const NEVER: Self = Self { documents: usize::MAX, bytes: usize::MAX };

    /// Whether these are enough, of a resource of so many bytes.
    pub(super) fn is_there(self, documents: &Documents, resource: usize) -> bool {
        documents.work >= self.bytes
            || (documents.entries.len() >= self.documents && documents.work >= resource)
    }
}

/// The fields with a number that begin at or after `from`, each with where it begins and its payload.
pub(super) fn messages(bytes: &[u8], number: u32, from: usize) -> impl Iterator<Item = (usize, &[u8])> {
    Fields::new(bytes.get(from..).unwrap_or_default())
        .filter(move |field| field.number == number)
        .filter_map(move |field: Field<'_>| Some((from + field.start, field.bytes()?)))
}
