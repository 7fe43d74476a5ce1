//! The relay on tonic: its server and client, with a codec that leaves bytes as they are.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
};

use anyhow::Context as _;
use bytes::{Buf, BufMut, Bytes};
use futures::{FutureExt, future::BoxFuture, stream};
use http::{Request, Response, uri::PathAndQuery};
use tokio::sync::{mpsc, watch};
use tonic::{
    Status,
    body::Body,
    client::Grpc,
    codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    server::UnaryService,
    transport::{Channel, Endpoint, Server},
};

use super::{CONNECTION_WINDOW, Joiner, STREAM_WINDOW, Settings, next_connection};
use crate::grpc;

pub(super) type Upstream = Grpc<Channel>;

pub(super) async fn connect(upstream: SocketAddr) -> anyhow::Result<Upstream> {
    let endpoint = Endpoint::from_shared(format!("http://{upstream}"))?
        .tcp_nodelay(true)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    let channel = endpoint.connect().await.context("upstream")?;
    Ok(Grpc::new(channel))
}

pub(super) async fn send(mut client: Upstream, parts: Vec<Bytes>) -> anyhow::Result<()> {
    client.ready().await.context("upstream")?;
    let path = PathAndQuery::from_static(grpc::TRACES);
    client.unary(tonic::Request::new(parts), path, Raw).await?;
    Ok(())
}

pub(super) async fn serve(
    settings: &Settings,
    joiner: Arc<Joiner>,
    sockets: mpsc::Receiver<std::net::TcpStream>,
    stopped: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let mut stop = stopped.clone();
    let incoming = stream::unfold((sockets, stopped), |(mut sockets, mut stopped)| async move {
        let stream = next_connection(&mut sockets, &mut stopped).await?;
        Some((Ok::<_, std::io::Error>(stream), (sockets, stopped)))
    });
    Server::builder()
        .max_frame_size(settings.frame)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .serve_with_incoming_shutdown(Service { joiner }, incoming, async move {
            drop(stop.wait_for(|stopped| *stopped).await);
        })
        .await
        .context("tonic server")
}

/// Any path is that of the traces.
#[derive(Clone)]
struct Service {
    joiner: Arc<Joiner>,
}

impl tonic::codegen::Service<Request<Body>> for Service {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let method = Export { joiner: Arc::clone(&self.joiner) };
        async move {
            let mut server = tonic::server::Grpc::new(Raw).max_decoding_message_size(grpc::MAX_MESSAGE);
            Ok(server.unary(method, request).await)
        }
        .boxed()
    }
}

struct Export {
    joiner: Arc<Joiner>,
}

impl UnaryService<Bytes> for Export {
    type Response = Vec<Bytes>;
    type Future = BoxFuture<'static, Result<tonic::Response<Vec<Bytes>>, Status>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let joiner = Arc::clone(&self.joiner);
        async move {
            joiner.take([request.into_inner()]).await;
            Ok(tonic::Response::new(Vec::new()))
        }
        .boxed()
    }
}

/// Bytes in, bytes out.
#[derive(Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<Bytes>;
    type Decode = Bytes;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Vec<Bytes>;
    type Error = Status;

    fn encode(&mut self, parts: Vec<Bytes>, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.reserve(parts.iter().map(Bytes::len).sum());
        parts.iter().for_each(|part| out.put_slice(part));
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        small_buffers()
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, message: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(message.copy_to_bytes(message.remaining())))
    }

    fn buffer_settings(&self) -> BufferSettings {
        small_buffers()
    }
}

/// Buffers are reserved to the message's length once that is known; until then a few bytes will do.
fn small_buffers() -> BufferSettings {
    BufferSettings::new(64, 32 << 10)
}
