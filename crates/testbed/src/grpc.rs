//! A gRPC client made of HTTP/2 frames: it can also send what no proper client would.

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::{BufMut as _, Bytes, BytesMut};
use h2::client::SendRequest;
use http::Request;
use prost::Message as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Paths of the three calls.
pub const TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
/// See [`TRACES`].
pub const METRICS: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
/// See [`TRACES`].
pub const LOGS: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

/// One connection.
#[derive(Clone)]
pub struct Client {
    requests: SendRequest<Bytes>,
}

/// What a call came to.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// `grpc-status`; -1 if there was none.
    pub code: i32,
    /// `grpc-message`, percent-decoded.
    pub message: String,
    /// `google.rpc.RetryInfo` in the details.
    pub retry_delay: Option<Duration>,
    /// The message, without its prefix.
    pub body: Bytes,
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RpcStatus {
    /// The gRPC code.
    #[prost(int32, tag = "1")]
    pub code: i32,
    /// For people.
    #[prost(string, tag = "2")]
    pub message: String,
    /// More.
    #[prost(message, repeated, tag = "3")]
    pub details: Vec<prost_types::Any>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RetryInfo {
    /// When to come back.
    #[prost(message, optional, tag = "1")]
    pub retry_delay: Option<prost_types::Duration>,
}

impl Client {
    /// Connects.
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream).await.unwrap()
    }

    /// Speaks HTTP/2 over a stream that is there already.
    ///
    /// # Errors
    /// If the other side doesn't.
    pub async fn over(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<Self, h2::Error> {
        let (requests, connection) = h2::client::handshake(stream).await?;
        // Its errors are those of the calls.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Self { requests })
    }

    /// One call; `body` is sent as it is, prefix and all.
    ///
    /// # Errors
    /// What HTTP/2 says when there is no answer.
    pub async fn call(&self, path: &str, headers: &[(&str, &str)], body: Bytes) -> Result<Answer, h2::Error> {
        let uri = format!("http://collimator{path}");
        let mut request =
            Request::post(uri).header("content-type", "application/grpc").header("te", "trailers");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut requests = self.requests.clone().ready().await?;
        let (response, mut stream) = requests.send_request(request.body(()).unwrap(), false)?;
        // The server may have answered and closed before it had all of it.
        stream.send_data(body, true).ok();
        let response = response.await?;
        let (head, mut body) = response.into_parts();
        let mut message = BytesMut::new();
        while let Some(data) = body.data().await {
            let data = data?;
            body.flow_control().release_capacity(data.len()).ok();
            message.extend_from_slice(&data);
        }
        let trailers = body.trailers().await?.unwrap_or(head.headers);
        Ok(answer(&trailers, &message))
    }

    /// Whether the server still takes calls on this connection.
    pub async fn is_open(&self) -> bool {
        self.requests.clone().ready().await.is_ok()
    }

    /// One ordinary call, which must be answered.
    pub async fn export(&self, path: &str, message: &[u8]) -> Answer {
        self.call(path, &[], frame(0, message)).await.unwrap()
    }

    /// One ordinary call, which may come to nothing.
    ///
    /// # Errors
    /// See [`call`](Self::call).
    pub async fn try_export(&self, path: &str, message: &[u8]) -> Result<Answer, h2::Error> {
        self.call(path, &[], frame(0, message)).await
    }
}

/// A message with its prefix; `compressed` is the flag.
#[must_use]
pub fn frame(compressed: u8, message: &[u8]) -> Bytes {
    frame_of_length(compressed, u32::try_from(message.len()).unwrap(), message)
}

/// A message whose prefix says what it likes.
#[must_use]
pub fn frame_of_length(compressed: u8, length: u32, message: &[u8]) -> Bytes {
    let mut framed = BytesMut::with_capacity(message.len() + 5);
    framed.put_u8(compressed);
    framed.put_u32(length);
    framed.extend_from_slice(message);
    framed.freeze()
}

fn answer(trailers: &http::HeaderMap, message: &[u8]) -> Answer {
    let text =
        |name: &str| trailers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let details = text("grpc-status-details-bin").map(|text| {
        let bytes = STANDARD_NO_PAD.decode(text.trim_end_matches('=')).unwrap();
        RpcStatus::decode(&bytes[..]).unwrap()
    });
    Answer {
        code: text("grpc-status").map_or(-1, |code| code.parse().unwrap()),
        message: percent_decoded(&text("grpc-message").unwrap_or_default()),
        retry_delay: details.as_ref().and_then(retry_delay),
        body: Bytes::copy_from_slice(message.get(5..).unwrap_or_default()),
    }
}

/// When the status says to come back.
#[must_use]
pub fn retry_delay(status: &RpcStatus) -> Option<Duration> {
    let is_retry = |any: &&prost_types::Any| any.type_url.ends_with("google.rpc.RetryInfo");
    let any = status.details.iter().find(is_retry)?;
    RetryInfo::decode(&any.value[..]).unwrap().retry_delay?.try_into().ok()
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = (first == b'%').then(|| std::str::from_utf8(after.get(..2)?).ok()).flatten();
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => (bytes.push(byte), rest = &after[2..]).1,
            None => (bytes.push(first), rest = after).1,
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
