//! The client's side of gRPC, on h2 itself.

use std::{
    net::SocketAddr,
    sync::{LazyLock, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderValue, Request, Uri, header};
use tokio::{net::TcpStream, time::timeout};

use crate::grpc;

/// How long one request may take before it counts as failed.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// One HTTP/2 connection, made when first needed and again when it was lost.
pub(crate) struct Connection {
    target: SocketAddr,
    client: Mutex<Option<SendRequest<Bytes>>>,
    connecting: tokio::sync::Mutex<()>,
}

impl Connection {
    pub(crate) fn new(target: SocketAddr) -> Self {
        Connection { target, client: Mutex::default(), connecting: tokio::sync::Mutex::default() }
    }

    fn current(&self) -> Option<SendRequest<Bytes>> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn forget(&self) {
        self.client.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Sends a request and waits for its answer; `None` when there was none in time.
    pub(crate) async fn attempt(&self, body: Bytes, gzip: bool) -> Option<Answer> {
        let attempt = async {
            let answer = exchange(self.client().await?, body, gzip).await;
            if answer.is_err() {
                self.forget();
            }
            answer.ok()
        };
        timeout(REQUEST_TIMEOUT, attempt).await.ok().flatten()
    }

    /// A client that may send a request, or `None` when the collector can't be reached now.
    async fn client(&self) -> Option<SendRequest<Bytes>> {
        if let Some(client) = self.current() {
            match client.ready().await {
                Ok(client) => return Some(client),
                Err(_) => self.forget(),
            }
        }
        let _connecting = self.connecting.lock().await;
        if let Some(client) = self.current() {
            return client.ready().await.ok();
        }
        let stream = TcpStream::connect(self.target).await.ok()?;
        stream.set_nodelay(true).ok()?;
        let (client, connection) = h2::client::Builder::new().handshake(stream).await.ok()?;
        tokio::spawn(connection);
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = Some(client.clone());
        client.ready().await.ok()
    }
}

/// What a collector answered.
pub(crate) struct Answer {
    /// The gRPC status.
    pub(crate) code: i32,
    /// What a `RetryInfo` asked for.
    pub(crate) retry_delay: Option<Duration>,
    /// Spans that a partial success rejected.
    pub(crate) rejected: u64,
}

async fn exchange(mut client: SendRequest<Bytes>, body: Bytes, gzip: bool) -> Result<Answer, h2::Error> {
    let mut request = Request::post(uri());
    let headers = request.headers_mut();
    if let Some(headers) = headers {
        headers.insert(header::CONTENT_TYPE, grpc::CONTENT_TYPE);
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static("benches"));
        if gzip {
            headers.insert(grpc::GRPC_ENCODING, HeaderValue::from_static("gzip"));
        }
    }
    let request = request.body(()).map_err(|_| h2::Reason::INTERNAL_ERROR)?;
    let (response, mut stream) = client.send_request(request, false)?;
    stream.send_data(body, true)?;
    let (head, mut body) = response.await?.into_parts();
    let mut rejected = 0;
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        body.flow_control().release_capacity(chunk.len())?;
        if chunk.len() > grpc::PREFIX {
            rejected = u64::try_from(grpc::rejected_spans(&chunk)).unwrap_or(0);
        }
    }
    let trailers = body.trailers().await?;
    let headers =
        trailers.as_ref().filter(|trailers| grpc::status(trailers).is_some()).unwrap_or(&head.headers);
    let code = grpc::status(headers).unwrap_or(2);
    Ok(Answer { code, retry_delay: grpc::retry_delay(headers), rejected })
}

fn uri() -> Uri {
    static URI: LazyLock<Uri> =
        LazyLock::new(|| format!("http://collector{}", grpc::TRACES).parse().unwrap_or_default());
    URI.clone()
}
