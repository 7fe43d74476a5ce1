//! The relay on hyper's HTTP/2 and on the h2 crate itself, with gRPC framing of our own: the parts of a message
//! are the slices that were read from the socket, and they go out again without being copied.

use std::{
    collections::VecDeque,
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use anyhow::Context as _;
use bytes::{Buf, Bytes};
use futures::{StreamExt, stream::FuturesUnordered};
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use http_body::Frame;
use http_body_util::BodyExt;
use hyper::{body::Incoming, client::conn::http2::SendRequest, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    net::TcpStream,
    sync::{mpsc, watch},
    task::JoinSet,
};

use super::{CONNECTION_WINDOW, Joiner, STREAM_WINDOW, Settings, Stack, next_connection, stopping};
use crate::grpc;

pub(super) type Upstream = SendRequest<Parts>;

pub(super) async fn connect(upstream: SocketAddr) -> anyhow::Result<Upstream> {
    let stream = TcpStream::connect(upstream).await.context("upstream")?;
    stream.set_nodelay(true)?;
    let (client, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .handshake(TokioIo::new(stream))
        .await?;
    tokio::spawn(connection);
    Ok(client)
}

pub(super) async fn send(mut client: Upstream, parts: Vec<Bytes>) -> anyhow::Result<()> {
    client.ready().await?;
    let response = client.send_request(post(Parts { data: parts.into(), trailers: None })?).await?;
    let (head, body) = response.into_parts();
    let body = body.collect().await?;
    expect_ok(&head.headers, body.trailers())
}

pub(super) async fn connect_h2(upstream: SocketAddr) -> anyhow::Result<h2::client::SendRequest<Bytes>> {
    let stream = TcpStream::connect(upstream).await.context("upstream")?;
    stream.set_nodelay(true)?;
    let (client, connection) = h2::client::handshake(stream).await?;
    tokio::spawn(connection);
    Ok(client)
}

pub(super) async fn send_h2(client: h2::client::SendRequest<Bytes>, parts: Vec<Bytes>) -> anyhow::Result<()> {
    let mut client = client.ready().await?;
    let (response, mut stream) = client.send_request(post(())?, false)?;
    let last = parts.len().saturating_sub(1);
    for (index, part) in parts.into_iter().enumerate() {
        stream.send_data(part, index == last)?;
    }
    let (head, mut body) = response.await?.into_parts();
    while let Some(chunk) = body.data().await {
        let length = chunk?.len();
        body.flow_control().release_capacity(length)?;
    }
    expect_ok(&head.headers, body.trailers().await?.as_ref())
}

fn post<B>(body: B) -> anyhow::Result<Request<B>> {
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("http://upstream{}", grpc::TRACES))
        .header(header::CONTENT_TYPE, grpc::CONTENT_TYPE)
        .header(header::TE, "trailers");
    Ok(request.body(body)?)
}

fn expect_ok(headers: &HeaderMap, trailers: Option<&HeaderMap>) -> anyhow::Result<()> {
    let status = trailers.and_then(grpc::status).or_else(|| grpc::status(headers));
    anyhow::ensure!(status == Some(grpc::OK), "upstream answered {status:?}");
    Ok(())
}

/// A body of ready parts and trailers.
pub(super) struct Parts {
    data: VecDeque<Bytes>,
    trailers: Option<HeaderMap>,
}

impl http_body::Body for Parts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = self.data.pop_front().map(Frame::data);
        Poll::Ready(data.or_else(|| self.trailers.take().map(Frame::trailers)).map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_empty() && self.trailers.is_none()
    }
}

pub(super) async fn serve(
    settings: &Settings,
    joiner: Arc<Joiner>,
    mut sockets: mpsc::Receiver<std::net::TcpStream>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    while let Some(stream) = next_connection(&mut sockets, &mut stopped).await {
        let (joiner, mut stopped) = (Arc::clone(&joiner), stopped.clone());
        let service = service_fn(move |request: Request<Incoming>| answer(request, Arc::clone(&joiner)));
        let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .max_frame_size(settings.frame)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .serve_connection(TokioIo::new(stream), service);
        connections.spawn(async move {
            let mut connection = std::pin::pin!(connection);
            tokio::select! {
                _ = connection.as_mut() => return,
                () = stopping(&mut stopped) => {}
            }
            connection.as_mut().graceful_shutdown();
            drop(connection.await);
        });
        while connections.try_join_next().is_some() {}
    }
    connections.join_all().await;
}

async fn answer(request: Request<Incoming>, joiner: Arc<Joiner>) -> Result<Response<Parts>, hyper::Error> {
    let mut body = request.into_body();
    let mut parts = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            parts.push(data);
        }
    }
    skip_prefix(&mut parts);
    joiner.take(parts).await;
    let body = Parts { data: [Bytes::from_static(&[0; grpc::PREFIX])].into(), trailers: Some(ok_trailers()) };
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, grpc::CONTENT_TYPE);
    Ok(response)
}

fn ok_trailers() -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert(grpc::GRPC_STATUS, HeaderValue::from_static("0"));
    trailers
}

/// Takes the message prefix off, wherever the frames were cut.
fn skip_prefix(parts: &mut [Bytes]) {
    let mut left = grpc::PREFIX;
    for part in parts {
        let here = left.min(part.len());
        part.advance(here);
        left -= here;
        if left == 0 {
            return;
        }
    }
}

pub(super) async fn serve_h2(
    settings: &Settings,
    joiner: Arc<Joiner>,
    mut sockets: mpsc::Receiver<std::net::TcpStream>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    while let Some(stream) = next_connection(&mut sockets, &mut stopped).await {
        connections.spawn(connection_h2(stream, settings.clone(), Arc::clone(&joiner), stopped.clone()));
        while connections.try_join_next().is_some() {}
    }
    connections.join_all().await;
}

async fn connection_h2(
    stream: TcpStream,
    settings: Settings,
    joiner: Arc<Joiner>,
    mut stopped: watch::Receiver<bool>,
) {
    let handshake = h2::server::Builder::new()
        .max_frame_size(settings.frame)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .handshake(stream);
    let Ok(mut connection) = handshake.await else { return };
    let mut asked_to_stop = false;
    let mut inline = FuturesUnordered::new();
    loop {
        let accepted = tokio::select! {
            accepted = connection.accept() => accepted,
            _ = inline.next(), if !inline.is_empty() => continue,
            () = stopping(&mut stopped), if !asked_to_stop => {
                asked_to_stop = true;
                connection.graceful_shutdown();
                continue;
            }
        };
        let Some(Ok((request, respond))) = accepted else { return };
        let answer = answer_h2(request, respond, Arc::clone(&joiner));
        if settings.stack == Stack::H2Inline {
            inline.push(answer);
        } else {
            tokio::spawn(async move { drop(answer.await) });
        }
    }
}

async fn answer_h2(
    request: Request<h2::RecvStream>,
    mut respond: h2::server::SendResponse<Bytes>,
    joiner: Arc<Joiner>,
) -> Result<(), h2::Error> {
    let mut body = request.into_body();
    let mut parts = Vec::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        body.flow_control().release_capacity(chunk.len())?;
        parts.push(chunk);
    }
    skip_prefix(&mut parts);
    joiner.take(parts).await;
    let mut response = Response::new(());
    response.headers_mut().insert(header::CONTENT_TYPE, grpc::CONTENT_TYPE);
    let mut stream = respond.send_response(response, false)?;
    stream.send_data(Bytes::from_static(&[0; grpc::PREFIX]), false)?;
    stream.send_trailers(ok_trailers())
}
