//! The bodies of requests.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// A body in parts, which are sent as they are.
pub(super) struct Parts {
    parts: std::vec::IntoIter<Bytes>,
    left: u64,
}

impl Parts {
    pub(super) fn new(mut parts: Vec<Bytes>) -> Self {
        parts.retain(|part| !part.is_empty());
        let left = parts.iter().map(|part| part.len() as u64).sum();
        Self { parts: parts.into_iter(), left }
    }

    /// What is not sent yet.
    pub(super) fn as_slice(&self) -> &[Bytes] {
        self.parts.as_slice()
    }

    /// Its length in bytes.
    pub(super) const fn len(&self) -> u64 {
        self.left
    }
}

impl Body for Parts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let part = self.parts.next();
        Poll::Ready(part.map(|part| {
            self.left = self.left.saturating_sub(part.len() as u64);
            Ok(Frame::data(part))
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
