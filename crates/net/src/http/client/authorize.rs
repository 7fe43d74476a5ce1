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

/// What a request was authorized with, in the words of whoever did it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Proof(pub u64);

/// Adds to requests what proves who sends them.
pub trait Authorize: Send + Sync {
    /// Adds it to one request; says with what.
    ///
    /// # Errors
    /// If that is not possible now.
    fn authorize<'a>(&'a self, request: Outgoing<'a>) -> BoxFuture<'a, Result<Proof, AuthorizeError>>;

    /// A server answered 401 or 403 to what was authorized with this: it may be out of date.
    fn refused(&self, proof: Proof) -> BoxFuture<'_, ()> {
        let _ = proof;
        Box::pin(std::future::ready(()))
    }
}

/// Whoever does that, shared.
pub type Authorizer = Arc<dyn Authorize>;
