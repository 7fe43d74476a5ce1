//! One type for every connection, so that servers and clients are compiled once.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::allowance::{self, Allowance};
use crate::reserve::Reserve;

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A TCP client.
    Tcp(SocketAddr),
    /// A process on this machine.
    Unix,
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix => f.write_str("@"),
        }
    }
}

/// A connection: TCP or unix socket, plain or under TLS.
#[derive(Debug)]
pub struct Stream {
    io: Io,
    /// A place among the listener's connections; free again when the stream is dropped.
    _permit: Option<OwnedSemaphorePermit>,
    /// Memory for the connection's buffers; free again when the stream is dropped.
    allowance: Option<Allowance>,
}

#[derive(Debug)]
enum Io {
    Tcp(TcpStream),
    Unix(UnixStream),
    ServerTls(Box<tokio_rustls::server::TlsStream<Stream>>),
    ClientTls(Box<tokio_rustls::client::TlsStream<Stream>>),
}

impl Stream {
    pub(crate) fn tcp(stream: TcpStream, permit: Option<OwnedSemaphorePermit>) -> Self {
        Self { io: Io::Tcp(stream), _permit: permit, allowance: None }
    }

    pub(crate) fn unix(stream: UnixStream, permit: Option<OwnedSemaphorePermit>) -> Self {
        Self { io: Io::Unix(stream), _permit: permit, allowance: None }
    }

    pub(crate) fn server_tls(stream: tokio_rustls::server::TlsStream<Stream>) -> Self {
        Self { io: Io::ServerTls(Box::new(stream)), _permit: None, allowance: None }
    }

    pub(crate) fn client_tls(stream: tokio_rustls::client::TlsStream<Stream>) -> Self {
        Self { io: Io::ClientTls(Box::new(stream)), _permit: None, allowance: None }
    }

    /// Moves a plain connection to the runtime that this is called in, so that its wake-ups need not cross threads. One
    /// under TLS stays where it is: move it before the handshake.
    pub fn into_current_runtime(self) -> io::Result<Self> {
        let io = match self.io {
            Io::Tcp(stream) => Io::Tcp(TcpStream::from_std(stream.into_std()?)?),
            Io::Unix(stream) => Io::Unix(UnixStream::from_std(stream.into_std()?)?),
            io @ (Io::ServerTls(_) | Io::ClientTls(_)) => io,
        };
        Ok(Self { io, _permit: self._permit, allowance: self.allowance })
    }

    /// Waits until `memory` has room for one connection more, though one that says nothing. To be called before the
    /// next connection is accepted, so that those who have to wait do it in the kernel.
    pub async fn admitted(mut self, memory: Arc<dyn Reserve>) -> Self {
        let mut allowance = Allowance::new(memory);
        poll_fn(|cx| allowance.poll_cover(cx, allowance::SILENT)).await;
        self.allowance = Some(allowance);
        self
    }

    /// Waits until the client of an [`admitted`](Self::admitted) connection begins to speak and there is room for the
    /// buffers of a connection, plain or under TLS. To be called before a TLS handshake.
    ///
    /// Fails when it takes longer than `limit` (zero is none): with [`io::ErrorKind::TimedOut`] if the client was
    /// silent, with [`io::ErrorKind::OutOfMemory`] if there was no room.
    pub async fn wait_for_room(mut self, is_tls: bool, limit: Duration) -> io::Result<Self> {
        let until = (!limit.is_zero()).then(|| Instant::now() + limit);
        let readable = async {
            match &self.io {
                Io::Tcp(stream) => stream.readable().await,
                Io::Unix(stream) => stream.readable().await,
                Io::ServerTls(_) | Io::ClientTls(_) => Ok(()),
            }
        };
        within(until, readable).await.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))?;
        let bytes = if is_tls { allowance::BASE + allowance::TLS } else { allowance::BASE };
        if let Some(allowance) = &mut self.allowance {
            let no_room =
                || io::Error::new(io::ErrorKind::OutOfMemory, "no memory for the connection's buffers");
            within(until, poll_fn(|cx| allowance.poll_cover(cx, bytes))).await.ok_or_else(no_room)?;
        }
        Ok(self)
    }

    /// The protocol agreed on in the TLS handshake (`h2`, `http/1.1`), if any.
    pub fn alpn(&self) -> Option<&[u8]> {
        match &self.io {
            Io::Tcp(_) | Io::Unix(_) => None,
            Io::ServerTls(stream) => stream.get_ref().1.alpn_protocol(),
            Io::ClientTls(stream) => stream.get_ref().1.alpn_protocol(),
        }
    }

    /// The certificate that the other side showed in the TLS handshake, DER-encoded.
    pub fn peer_certificate(&self) -> Option<Vec<u8>> {
        let certificates = match &self.io {
            Io::Tcp(_) | Io::Unix(_) => None,
            Io::ServerTls(stream) => stream.get_ref().1.peer_certificates(),
            Io::ClientTls(stream) => stream.get_ref().1.peer_certificates(),
        };
        certificates?.first().map(|certificate| certificate.to_vec())
    }

    /// Whether the bytes are under TLS.
    pub fn is_tls(&self) -> bool {
        matches!(self.io, Io::ServerTls(_) | Io::ClientTls(_))
    }
}

/// The outcome of `future`, or none if it has none at `until`.
async fn within<T>(until: Option<Instant>, future: impl Future<Output = T>) -> Option<T> {
    match until {
        None => Some(future.await),
        Some(until) => tokio::time::timeout_at(until, future).await.ok(),
    }
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        Self::tcp(stream, None)
    }
}

impl From<UnixStream> for Stream {
    fn from(stream: UnixStream) -> Self {
        Self::unix(stream, None)
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Io::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Io::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            Io::ServerTls(stream) => Pin::new(stream).poll_read(cx, buf),
            Io::ClientTls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().io {
            Io::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Io::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
            Io::ServerTls(stream) => Pin::new(stream).poll_write(cx, buf),
            Io::ClientTls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().io {
            Io::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Io::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Io::ServerTls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Io::ClientTls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Io::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Io::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Io::ServerTls(stream) => Pin::new(stream).poll_flush(cx),
            Io::ClientTls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Io::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Io::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Io::ServerTls(stream) => Pin::new(stream).poll_shutdown(cx),
            Io::ClientTls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
