//! How the pool gets its connections: directly or through a proxy, plain or with TLS.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;

use crate::Stream;
use crate::dial::{self, Proto};
use crate::endpoint::{Target, join_host_port};
use crate::proxy::Proxies;
use crate::tls::ClientTls;

/// Makes connections for the pool.
#[derive(Clone)]
pub(super) struct Connector {
    /// Or why there is none.
    pub(super) tls: Result<Arc<ClientTls>, String>,
    pub(super) proxies: Proxies,
    /// Zero is no limit.
    pub(super) timeout: Duration,
}

impl Connector {
    async fn connect(self, url: Uri) -> io::Result<Pooled> {
        let connecting = self.open(&url);
        match self.timeout {
            Duration::ZERO => connecting.await,
            timeout => tokio::time::timeout(timeout, connecting)
                .await
                .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "connecting took too long"))),
        }
    }

    async fn open(&self, url: &Uri) -> io::Result<Pooled> {
        let is_https = match url.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(io::Error::other(format!("unsupported protocol scheme in {url}"))),
        };
        let host = url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let port = url.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        let (stream, is_proxied) = match self.proxies.for_target(is_https, host, port) {
            Some(proxy) if is_https => (dial::tunnel(proxy, &join_host_port(host, port)).await?, false),
            Some(proxy) => (dial::connect_proxy(proxy).await?, true),
            None => {
                let target = Target::Tcp { host: host.to_owned(), port };
                (dial::connect_any(&dial::resolve(&target).await?).await?, false)
            }
        };
        let stream = match (&self.tls, is_https) {
            (_, false) => stream,
            (Ok(tls), true) => tls.connect(stream, host).await?,
            (Err(why), true) => return Err(io::Error::other(why.clone())),
        };
        let is_http2 = stream.alpn() == Some(Proto::Http2.alpn());
        Ok(Pooled { io: TokioIo::new(stream), is_http2, is_proxied })
    }
}

impl tower_service::Service<Uri> for Connector {
    type Response = Pooled;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Pooled>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        Box::pin(self.clone().connect(url))
    }
}

/// A connection in the pool.
pub(super) struct Pooled {
    io: TokioIo<Stream>,
    is_http2: bool,
    is_proxied: bool,
}

impl Connection for Pooled {
    fn connected(&self) -> Connected {
        let connected = Connected::new().proxy(self.is_proxied);
        if self.is_http2 { connected.negotiated_h2() } else { connected }
    }
}

impl hyper::rt::Read for Pooled {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl hyper::rt::Write for Pooled {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
