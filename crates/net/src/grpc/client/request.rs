//! A request's message as chunks: large parts go out as they are, small ones are put together.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{BufMut as _, Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use tonic::Status;

use crate::compression::{Encoding, compress};
use crate::grpc::message::PREFIX;

/// Parts shorter than this are copied together: a frame of its own costs more than the copy.
const SMALL_PART: usize = 4 * 1024;

/// What is put together is cut at HTTP/2's default frame size.
const CHUNK: usize = 16 * 1024;

/// A message with its prefix, ready to be sent any number of times.
pub(super) struct Message {
    chunks: Arc<[Bytes]>,
    /// With the prefix.
    total: usize,
}

impl Message {
    pub(super) fn new(encoding: Option<Encoding>, parts: &[Bytes]) -> Result<Self, Status> {
        match encoding {
            None => Self::framed(false, parts),
            Some(encoding) => {
                let compressed =
                    compress(encoding, 0, parts).map_err(|error| Status::internal(error.to_string()))?;
                Self::framed(true, &[Bytes::from(compressed)])
            }
        }
    }

    /// Bytes of the message, without its prefix.
    pub(super) fn len(&self) -> usize {
        self.total.saturating_sub(PREFIX)
    }

    pub(super) fn body(&self) -> Body {
        Body { chunks: Arc::clone(&self.chunks), next: 0, left: self.total }
    }

    fn framed(is_compressed: bool, parts: &[Bytes]) -> Result<Self, Status> {
        let length: usize = parts.iter().map(Bytes::len).sum();
        let prefix = u32::try_from(length).map_err(|_| {
            Status::resource_exhausted(format!(
                "trying to send message larger than max ({length} vs. {})",
                u32::MAX
            ))
        })?;
        let mut chunks = Vec::with_capacity(parts.len() + 1);
        let mut small = BytesMut::with_capacity(PREFIX + length.min(SMALL_PART));
        small.put_u8(u8::from(is_compressed));
        small.put_u32(prefix);
        for part in parts {
            if part.len() < SMALL_PART && small.len() + part.len() <= CHUNK {
                small.extend_from_slice(part);
                continue;
            }
            if !small.is_empty() {
                chunks.push(small.split().freeze());
            }
            match part.len() < SMALL_PART {
                true => small.extend_from_slice(part),
                false => chunks.push(part.clone()),
            }
        }
        if !small.is_empty() {
            chunks.push(small.freeze());
        }
        Ok(Self { chunks: chunks.into(), total: length + PREFIX })
    }
}

/// One sending of a [`Message`].
pub(super) struct Body {
    chunks: Arc<[Bytes]>,
    next: usize,
    left: usize,
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let chunk = self.chunks.get(self.next).cloned();
        Poll::Ready(chunk.map(|chunk| {
            self.next += 1;
            self.left = self.left.saturating_sub(chunk.len());
            Ok(Frame::data(chunk))
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.next >= self.chunks.len()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_parts_are_put_together_and_large_ones_are_not_copied() {
        let check = |sizes: &[usize], chunks: &[usize]| {
            let parts: Vec<_> = sizes.iter().map(|size| Bytes::from(vec![7; *size])).collect();
            let message = Message::framed(false, &parts).unwrap();
            let lengths: Vec<_> = message.chunks.iter().map(Bytes::len).collect();
            assert_eq!(lengths, chunks, "{sizes:?}");
            assert_eq!(message.len(), sizes.iter().sum::<usize>());
        };
        check(&[], &[5]);
        check(&[10, 20], &[35]);
        check(&[50_000], &[5, 50_000]);
        check(&[100, 50_000, 7, 8], &[105, 50_000, 15]);
        check(&[4_000; 5], &[12_005 + 4_000, 4_000]);
        let large = Bytes::from(vec![1; 9_000]);
        let message = Message::framed(false, std::slice::from_ref(&large)).unwrap();
        assert_eq!(message.chunks.last().map(|chunk| chunk.as_ptr()), Some(large.as_ptr()));
    }
}
