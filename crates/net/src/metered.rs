//! The stream under a server's connection: counted, its buffers paid for, and not waited for without end.

use std::future::Future as _;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::Stream;
use crate::allowance::{Allowance, READ_BUFFER};
use crate::drive::Activity;
use crate::frames::Frames;
use crate::reserve::Reserve;

/// A stream that counts what it reads, that reads as far as there is memory for the buffer it reads into, and that
/// fails when the peer takes nothing for too long.
pub(crate) struct Metered {
    stream: Stream,
    activity: Arc<Activity>,
    frames: Frames,
    /// For the read buffer, beyond what every connection has.
    allowance: Allowance,
    /// Zero is no limit.
    write_timeout: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Metered {
    pub(crate) fn new(
        stream: Stream,
        activity: Arc<Activity>,
        memory: Arc<dyn Reserve>,
        write_timeout: Duration,
    ) -> Self {
        let (frames, allowance) = (Frames::new(), Allowance::new(memory));
        Self { stream, activity, frames, allowance, write_timeout, stalled: None }
    }

    /// Passes a write's result on, unless it has been waited for too long.
    fn written(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if result.is_ready() || self.write_timeout.is_zero() {
            self.stalled = None;
            return result;
        }
        let timeout = self.write_timeout;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        match stalled.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "peer took nothing for the write timeout",
            ))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        // The buffer holds what came of a frame, and room for its rest.
        let buffer = this.frames.pending() + buf.remaining();
        ready!(this.allowance.poll_cover(cx, buffer.saturating_sub(READ_BUFFER)));
        let before = buf.filled().len();
        let result = Pin::new(&mut this.stream).poll_read(cx, buf);
        let read = buf.filled().get(before..).unwrap_or_default();
        this.frames.follow(read);
        this.activity.read(read.len(), &this.frames);
        result
    }
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.written(cx, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.written(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
