//! The sink's other face: X-Ray's API, as far as segments are sent to it.

use std::{convert::Infallible, sync::Arc, time::Instant};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::sink::Shared;

/// Path of the PutTraceSegments call.
const TRACE_SEGMENTS: &str = "/TraceSegments";
/// Largest body: fifty documents of 64 KiB, escaped.
const MAX_BODY: usize = 8 << 20;
/// Where a document begins in a body: within one, a quote has a backslash before it.
const DOCUMENT: &[u8] = b"\"{";
/// Before a document's id; that of its first and outermost object comes first.
const ID: &[u8] = br#"\"id\":\""#;

/// Serves one connection.
pub(crate) async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(|request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(answer(request, &shared).await) }
    });
    // A failure to answer means that the client has gone.
    drop(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
}

async fn answer(request: Request<Incoming>, shared: &Shared) -> Response<Full<Bytes>> {
    if request.uri().path() != TRACE_SEGMENTS {
        return reply(StatusCode::OK, "{}");
    }
    let Ok(body) = Limited::new(request.into_body(), MAX_BODY).collect().await else {
        return reply(StatusCode::PAYLOAD_TOO_LARGE, "{}");
    };
    shared.count_request();
    let Some(ids) = ids(&body.to_bytes()) else {
        shared.count_malformed();
        return reply(StatusCode::BAD_REQUEST, "{\"Message\":\"unreadable\"}");
    };
    match shared.throttle(ids.len(), Instant::now()) {
        None => reply(StatusCode::TOO_MANY_REQUESTS, "{\"__type\":\"ThrottledException\"}"),
        Some(wait) => {
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            shared.receive(&ids);
            reply(StatusCode::OK, "{\"UnprocessedTraceSegments\":[]}")
        }
    }
}

fn reply(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    response
}

/// The ids of the documents in a body, as big-endian numbers.
fn ids(body: &[u8]) -> Option<Vec<u64>> {
    let starts: Vec<usize> = memchr::memmem::find_iter(body, DOCUMENT)
        .filter(|at| at.checked_sub(1).and_then(|before| body.get(before)) != Some(&b'\\'))
        .collect();
    let ends = starts.iter().skip(1).copied().chain([body.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(start, end)| {
            let document = body.get(*start..end)?;
            let at = memchr::memmem::find(document, ID)? + ID.len();
            let digits = std::str::from_utf8(document.get(at..at + 16)?).ok()?;
            u64::from_str_radix(digits, 16).ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outermost_id_of_every_document_is_found() {
        let documents = [
            r#"{"name":"a","id":"00000000000000aa","cause":{"exceptions":[{"id":"00000000000000ff"}]}}"#,
            r#"{"name":"{\"id\":\"x","parent_id":"00000000000000cc","id":"00000000000000bb"}"#,
        ];
        let body = serde_json::to_vec(&serde_json::json!({"TraceSegmentDocuments": documents}));
        assert_eq!(ids(&body.expect("written")), Some(vec![0xaa, 0xbb]));
        assert_eq!(ids(br#"{"TraceSegmentDocuments":["{\"name\":\"a\"}"]}"#), None);
    }
}
