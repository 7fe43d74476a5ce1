//! What becomes of one request.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use data::Clock;
use http::header::{CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, HeaderName};
use http::{HeaderMap, HeaderValue, StatusCode};
use net::http::client::SendError;
use net::http::server::{Request, Response, Service};
use telemetry::metrics::Counter;
use xray::sampling::{Call, Operation};

use super::rules::Rules;
use super::{MAX_ANSWER, TIMEOUT};
use crate::{Answer, Body, Client, ClientError};

/// Headers of one hop, which concern nobody behind it.
const OF_ONE_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Answers sampling requests from rules, if it has any, and forwards everything else.
pub(crate) struct Forwarder {
    pub(crate) client: Option<Client>,
    pub(crate) rules: Option<Arc<Rules>>,
    pub(crate) only_sampling: bool,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) answered: Counter,
    pub(crate) forwarded: Counter,
    pub(crate) failed: Counter,
}

impl Service for Forwarder {
    async fn call(&self, request: Request) -> Response {
        let now = super::now(&*self.clock);
        let operation = Operation::of_path(request.head.uri.path());
        if let (Some(rules), Some(operation)) = (&self.rules, operation) {
            self.answered.add(1);
            // Read before the rules are locked: one long request is not waited for by all others.
            return match Call::read(operation, &request.body) {
                Ok(call) => json(StatusCode::OK, rules.answer(&call, now).into()),
                Err(error) => told(StatusCode::BAD_REQUEST, error.code, &error.message),
            };
        }
        if self.only_sampling && operation.is_none() {
            self.failed.add(1);
            let message = "only sampling calls are forwarded here";
            return told(StatusCode::FORBIDDEN, "AccessDeniedException", message);
        }
        let Some(client) = &self.client else {
            self.failed.add(1);
            let message = "no AWS region is known here, so requests are not forwarded";
            return told(StatusCode::BAD_GATEWAY, "ServiceUnavailable", message);
        };
        match forward(client, request, now.wall).await {
            Ok(response) => {
                self.forwarded.add(1);
                response
            }
            Err(response) => {
                self.failed.add(1);
                response
            }
        }
    }
}

async fn forward(client: &Client, request: Request, now: Duration) -> Result<Response, Response> {
    let head = request.head;
    // Only what is a path: `OPTIONS *` and the like are no request to a service.
    let path = head.uri.path_and_query().map(http::uri::PathAndQuery::as_str);
    let Some(path) = path.filter(|path| path.starts_with('/')) else {
        return Err(told(StatusCode::BAD_REQUEST, "InvalidRequestException", "the request has no path"));
    };
    let headers = inbound(head.headers);
    let body = Body::new(request.body);
    let sending = client.send(head.method, path, headers, &body, UNIX_EPOCH + now);
    // The request's own limit does not hold while credentials are fetched.
    let timed_out = || Err(ClientError::Send(SendError::Timeout));
    match tokio::time::timeout(TIMEOUT, sending).await.unwrap_or_else(|_| timed_out()) {
        Ok(answer) if answer.body.len() > MAX_ANSWER => {
            tracing::warn!(path, "the service's answer is too long");
            Err(empty(StatusCode::BAD_GATEWAY))
        }
        Ok(answer) => Ok(outbound(answer)),
        Err(error) => Err(failure(path, &error)),
    }
}

/// What a caller is told when nothing could be forwarded. Nothing goes on unsigned.
fn failure(path: &str, error: &ClientError) -> Response {
    match error {
        ClientError::Path(_) | ClientError::Sign(_) => {
            told(StatusCode::BAD_REQUEST, "InvalidRequestException", &error.to_string())
        }
        ClientError::Credentials(_) => {
            tracing::warn!(path, %error, "a request could not be signed");
            // The reason names files, profiles and roles: it is for the log, not for whoever reaches the port.
            told(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", "no credentials")
        }
        ClientError::Send(SendError::Timeout) => {
            tracing::warn!(path, %error, "a request could not be forwarded");
            empty(StatusCode::GATEWAY_TIMEOUT)
        }
        ClientError::Send(_) => {
            tracing::warn!(path, %error, "a request could not be forwarded");
            empty(StatusCode::BAD_GATEWAY)
        }
    }
}

/// A caller's headers without those of its hop, those that name its network, and what the signature replaces. The body
/// was decompressed, so its encoding goes too.
fn inbound(mut headers: HeaderMap) -> HeaderMap {
    drop_hop(&mut headers);
    headers.remove(HOST);
    headers.remove(CONTENT_ENCODING);
    // The body is here already.
    headers.remove(EXPECT);
    let forwarded: Vec<HeaderName> = headers
        .keys()
        .filter(|name| name.as_str() == "forwarded" || name.as_str().starts_with("x-forwarded-"))
        .cloned()
        .collect();
    for name in forwarded {
        headers.remove(name);
    }
    headers
}

fn outbound(answer: Answer) -> Response {
    let mut headers = answer.headers;
    drop_hop(&mut headers);
    let mut response = Response::new(answer.body);
    *response.status_mut() = answer.status;
    *response.headers_mut() = headers;
    response
}

fn drop_hop(headers: &mut HeaderMap) {
    // What the connection's header names is of this hop, too.
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|names| names.split(','))
        .filter_map(|name| HeaderName::try_from(name.trim()).ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in OF_ONE_HOP {
        headers.remove(name);
    }
    // Told anew for the body as it is here.
    headers.remove(CONTENT_LENGTH);
}

fn json(status: StatusCode, body: Bytes) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// An error as AWS tells it, with its code in the header and in the body.
fn told(status: StatusCode, code: &'static str, message: &str) -> Response {
    let body = serde_json::json!({"__type": code, "Message": message, "message": message});
    let mut response = json(status, body.to_string().into());
    response.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static(code));
    response
}

fn empty(status: StatusCode) -> Response {
    let mut response = Response::default();
    *response.status_mut() = status;
    response
}
