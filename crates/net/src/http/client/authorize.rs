//! Requests that carry a proof of who sends them: made for each request by something outside, such as a signature.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, Method, Uri};

/// A request as it is about to be sent.
#[derive(Debug)]
pub struct Outgoing<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its whole URL.
    pub url: &'a Uri,
    /// Its headers but those that the connection needs; to be added to.
    pub headers: &'a mut HeaderMap,
    /// Its body in parts, compressed if it is.
    pub body: &'a [Bytes],
}

/// Why a request could not be authorized. It may go better another time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot authorize the request: {0}")]
pub struct AuthorizeError(pub String);

/// Adds to requests what proves who sends them.
pub trait Authorize: Send + Sync {
    /// Adds it to one request.
    ///
    /// # Errors
    /// If that is not possible now.
    fn authorize<'a>(&'a self, request: Outgoing<'a>) -> BoxFuture<'a, Result<(), AuthorizeError>>;

    /// A server answered 401 or 403 to what was authorized: what is remembered may be out of date.
    fn refused(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// Whoever does that, shared.
pub type Authorizer = Arc<dyn Authorize>;
