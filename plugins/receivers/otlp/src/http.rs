//! OTLP over HTTP, protobuf and JSON.

use std::sync::Arc;

use bytes::Bytes;
use data::{Refusal, Refused, Signal};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use net::Peer;
use net::http::server::{BodyError, Request, Response, Service};
use net::status::{encode_rpc_status, http_from_code, retry_after};
use tonic::{Code, Status};

use crate::answer;
use crate::grpc::status;
use crate::intake::{Encoding, Intake, Receipt};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// Answers POSTs to the paths of the signals that some pipeline takes.
pub(crate) struct Http {
    pub(crate) intake: Arc<Intake>,
    /// Path and signal; exact matches only.
    pub(crate) paths: Vec<(String, Signal)>,
}

impl Service for Http {
    async fn call(&self, request: Request) -> Response {
        let (signal, encoding) = match self.route(&request.head) {
            Ok(route) => route,
            Err(response) => return *response,
        };
        let begun = self.intake.requests.begin(request.wire_len);
        let context = self.intake.context(&request.head.headers, request.peer);
        let taken = self.intake.take(signal, encoding, request.body, request.reservation, context);
        let response = match taken.await {
            Ok(receipt) => success(&receipt, signal, encoding),
            Err(refused) => failure(&refused, encoding),
        };
        if let Some(begun) = begun {
            let (route, status) = (request.head.uri.path(), response.status().as_u16());
            let size = response.body().len();
            self.intake.requests.answered(&begun, route, request.head.version, status, size);
        }
        response
    }

    fn turn_away(&self, head: &Parts, _peer: Peer) -> Option<Response> {
        self.route(head).err().map(|response| *response)
    }

    fn admit(&self, head: &Parts) -> Result<(), net::reserve::Refusal> {
        let Ok((signal, _)) = self.route(head) else { return Ok(()) };
        self.intake.admit(signal).map_err(|refused| net::reserve::Refusal {
            message: refused.message.to_string().into(),
            retry_after: match refused.refusal {
                Refusal::Retry { after } => after,
                Refusal::Permanent | Refusal::TooLarge => None,
            },
        })
    }

    fn refuse(&self, head: &Parts, error: &BodyError) -> Response {
        let Some(encoding) = encoding(head) else { return text(error.status(), &error.to_string()) };
        let code = match error.status() {
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::REQUEST_TIMEOUT => Code::Unavailable,
            _ => Code::InvalidArgument,
        };
        let mut response = error_body(error.status(), &Status::new(code, error.to_string()), encoding);
        if let BodyError::Refused(refusal) = error
            && let Some(after) = refusal.retry_after
        {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_after(after)));
        }
        response
    }
}

impl Http {
    fn route(&self, head: &Parts) -> Result<(Signal, Encoding), Box<Response>> {
        let found = self.paths.iter().find(|(path, _)| path == head.uri.path());
        let Some((_, signal)) = found.filter(|(_, signal)| self.intake.carries(*signal)) else {
            return Err(text(StatusCode::NOT_FOUND, "404 page not found\n").into());
        };
        if head.method != Method::POST {
            let message = "405 method not allowed, supported: [POST]";
            return Err(text(StatusCode::METHOD_NOT_ALLOWED, message).into());
        }
        let Some(encoding) = encoding(head) else {
            let message = "415 unsupported media type, supported: [application/json, application/x-protobuf]";
            return Err(text(StatusCode::UNSUPPORTED_MEDIA_TYPE, message).into());
        };
        Ok((*signal, encoding))
    }
}

/// What the content type says; parameters do not matter.
fn encoding(head: &Parts) -> Option<Encoding> {
    let content_type = head.headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("application/x-protobuf") {
        Some(Encoding::Protobuf)
    } else if media_type.eq_ignore_ascii_case("application/json") {
        Some(Encoding::Json)
    } else {
        None
    }
}

fn success(receipt: &Receipt, signal: Signal, encoding: Encoding) -> Response {
    let items = match signal {
        Signal::Traces => "Spans",
        Signal::Metrics => "DataPoints",
        Signal::Logs | Signal::Xray => "LogRecords",
    };
    match encoding {
        Encoding::Protobuf => respond(StatusCode::OK, PROTOBUF, answer::protobuf(receipt)),
        Encoding::Json => respond(StatusCode::OK, JSON, answer::json(receipt, items)),
    }
}

/// A refusal: the status that the specification gives its code, and when to come back if it may.
fn failure(refused: &Refused, encoding: Encoding) -> Response {
    let status = status(refused);
    let http =
        StatusCode::from_u16(http_from_code(status.code())).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = error_body(http, &status, encoding);
    if let Refusal::Retry { after: Some(after) } = refused.refusal {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_after(after)));
    }
    response
}

/// A `google.rpc.Status` in the encoding of the request.
fn error_body(http: StatusCode, status: &Status, encoding: Encoding) -> Response {
    match encoding {
        Encoding::Protobuf => respond(http, PROTOBUF, encode_rpc_status(status).into()),
        Encoding::Json => {
            let (code, message) = (status.code() as i32, serde_json::Value::from(status.message()));
            respond(http, JSON, format!(r#"{{"code":{code},"message":{message}}}"#).into())
        }
    }
}

fn text(status: StatusCode, message: &str) -> Response {
    respond(status, TEXT, Bytes::copy_from_slice(message.as_bytes()))
}

fn respond(status: StatusCode, content_type: HeaderValue, body: Bytes) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
