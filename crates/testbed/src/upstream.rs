//! A gRPC server that plays the next hop, well or badly.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::server::SendResponse;
use http::{HeaderMap, Response};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message as _;
use tokio::net::{TcpListener, TcpStream};

use crate::grpc::frame;

/// How it answers.
#[derive(Clone, Debug)]
pub enum Reply {
    /// All is well.
    Ok,
    /// It refuses some of the spans.
    Partial(i64, String),
    /// A gRPC status.
    Status(i32, String),
    /// It takes the request and never answers.
    Never,
}

/// The server. Takes plain messages only (`compression: none`).
pub struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    reply: Mutex<Reply>,
    taken: Mutex<Vec<(String, Bytes)>>,
}

impl Upstream {
    /// Listens on a port of its own.
    pub async fn start(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { reply: Mutex::new(reply), taken: Mutex::default() });
        let serving = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(connection(stream, Arc::clone(&serving)));
            }
        });
        Self { address, shared }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes how it answers from the next request on.
    pub fn reply(&self, reply: Reply) {
        *self.shared.reply.lock().unwrap() = reply;
    }

    /// Path and message of every request so far, whatever was answered.
    #[must_use]
    pub fn taken(&self) -> Vec<(String, Bytes)> {
        self.shared.taken.lock().unwrap().clone()
    }

    /// The ids of all spans so far.
    #[must_use]
    pub fn span_ids(&self) -> BTreeSet<u64> {
        let traces = self.taken().into_iter().filter(|(path, _)| path == crate::grpc::TRACES);
        traces.flat_map(|(_, message)| span_ids(&message)).collect()
    }
}

/// The span ids of an encoded request.
#[must_use]
pub fn span_ids(message: &[u8]) -> Vec<u64> {
    let request = ExportTraceServiceRequest::decode(message).unwrap();
    let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
    let spans = scopes.flat_map(|scope| &scope.spans);
    spans.map(|span| u64::from_be_bytes(span.span_id[..].try_into().unwrap())).collect()
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move { drop(answer(request, respond, &shared).await) });
    }
}

async fn answer(
    request: http::Request<h2::RecvStream>,
    mut respond: SendResponse<Bytes>,
    shared: &Shared,
) -> Result<(), h2::Error> {
    let path = request.uri().path().to_owned();
    let mut body = request.into_body();
    let mut bytes = Vec::new();
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        bytes.extend_from_slice(&data);
    }
    let message = Bytes::from(bytes).slice(5..);
    let reply = shared.reply.lock().unwrap().clone();
    shared.taken.lock().unwrap().push((path, message));
    let (code, text, body) = match reply {
        Reply::Ok => (0, String::new(), Vec::new()),
        Reply::Partial(rejected_spans, error_message) => {
            let partial_success = Some(ExportTracePartialSuccess { rejected_spans, error_message });
            (0, String::new(), ExportTraceServiceResponse { partial_success }.encode_to_vec())
        }
        Reply::Status(code, text) => (code, text, Vec::new()),
        Reply::Never => return std::future::pending().await,
    };
    let head = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
    let mut stream = respond.send_response(head, false)?;
    if code == 0 {
        stream.send_data(frame(0, &body), false)?;
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", code.into());
    trailers.insert("grpc-message", text.parse().unwrap());
    stream.send_trailers(trailers)
}
