//! A service on loopback that answers as told, and remembers what it was asked.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST};
use http::{HeaderMap, StatusCode};
use net::http::server::{Request, Response, Service, Settings, serve_connection};
use net::listen::{Bound, Settings as ListenSettings};
use net::reserve::Unlimited;

/// A request as it came.
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Which key signed it.
    pub(crate) fn key(&self) -> &str {
        let authorization = self.header(AUTHORIZATION.as_str());
        let (_, rest) = authorization.split_once("Credential=").unwrap_or_default();
        rest.split('/').next().unwrap_or_default()
    }
}

type Answering = dyn Fn(&Asked) -> (StatusCode, &'static str, Bytes) + Send + Sync;

pub(crate) struct Upstream {
    answer: Box<Answering>,
    pub(crate) asked: Mutex<Vec<Asked>>,
}

impl Service for Upstream {
    async fn call(&self, request: Request) -> Response {
        let asked = Asked {
            method: request.head.method.to_string(),
            path: request.head.uri.to_string(),
            headers: request.head.headers,
            body: request.body,
        };
        assert!(asked.headers.contains_key(HOST));
        let (status, error, body) = (self.answer)(&asked);
        self.asked.lock().unwrap().push(asked);
        let mut response = Response::new(body);
        *response.status_mut() = status;
        if !error.is_empty() {
            response.headers_mut().insert("x-amzn-errortype", error.parse().unwrap());
        }
        response
    }
}

/// Starts it; the URL leads there.
pub(crate) fn upstream(
    answer: impl Fn(&Asked) -> (StatusCode, &'static str, Bytes) + Send + Sync + 'static,
) -> (Arc<Upstream>, String) {
    let listen = ListenSettings { endpoint: "127.0.0.1:0".to_owned(), ..ListenSettings::default() };
    let bound = Bound::bind(&listen).unwrap();
    let url = format!("http://{}", bound.local_addr().unwrap());
    let upstream = Arc::new(Upstream { answer: Box::new(answer), asked: Mutex::default() });
    let serving = Arc::clone(&upstream);
    tokio::spawn(async move {
        let listener = bound.listen(&listen).unwrap();
        let settings = Arc::new(Settings::default());
        loop {
            let (stream, peer) = listener.accept().await;
            let (service, room) = (Arc::clone(&serving), Arc::new(Unlimited));
            let never = net::shutdown::Signal::never();
            tokio::spawn(serve_connection(stream, peer, service, &settings, room, never));
        }
    });
    (upstream, url)
}
