//! A service on loopback that answers as told, and remembers what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use config::Secret;
use http::header::{AUTHORIZATION, HOST};
use http::{HeaderMap, StatusCode};
use net::dial::Proto;
use net::http::server::{Request, Response, Service, Settings, serve_connection};
use net::listen::{Bound, Settings as ListenSettings};
use net::reserve::Unlimited;
use net::tls::{self, ServerTls};
use tokio::sync::watch;

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
        // HTTP/2 has it in the URI.
        assert!(request.head.headers.contains_key(HOST) || request.head.uri.authority().is_some());
        let asked = Asked {
            method: request.head.method.to_string(),
            path: request.head.uri.to_string(),
            headers: request.head.headers,
            body: request.body,
        };
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
    let (upstream, address) = serve(answer, None);
    (upstream, format!("http://{address}"))
}

/// The same, which speaks HTTP/2 over TLS with a certificate of nobody, behind a relay.
pub(crate) fn upstream_http2(
    answer: impl Fn(&Asked) -> (StatusCode, &'static str, Bytes) + Send + Sync + 'static,
) -> (Arc<Upstream>, Relay) {
    let pair = rcgen::generate_simple_self_signed(vec!["upstream.invalid".to_owned()]).unwrap();
    let common = tls::Common {
        cert_pem: pair.cert.pem(),
        key_pem: Secret::new(pair.signing_key.serialize_pem()),
        ..tls::Common::default()
    };
    let settings = tls::ServerSettings { common, ..tls::ServerSettings::default() };
    let tls = ServerTls::new(&settings, &[Proto::Http2], Duration::from_secs(10)).unwrap();
    let (upstream, address) = serve(answer, Some(Arc::new(tls)));
    (upstream, Relay::start(address))
}

fn serve(
    answer: impl Fn(&Asked) -> (StatusCode, &'static str, Bytes) + Send + Sync + 'static,
    tls: Option<Arc<ServerTls>>,
) -> (Arc<Upstream>, SocketAddr) {
    let listen = ListenSettings { endpoint: "127.0.0.1:0".to_owned(), ..ListenSettings::default() };
    let bound = Bound::bind(&listen).unwrap();
    let address = bound.local_addr().unwrap();
    let upstream = Arc::new(Upstream { answer: Box::new(answer), asked: Mutex::default() });
    let serving = Arc::clone(&upstream);
    tokio::spawn(async move {
        let listener = bound.listen(&listen).unwrap();
        let settings = Arc::new(Settings::default());
        loop {
            let (mut stream, peer) = listener.accept().await;
            let (service, room) = (Arc::clone(&serving), Arc::new(Unlimited));
            let (settings, tls) = (Arc::clone(&settings), tls.clone());
            tokio::spawn(async move {
                if let Some(tls) = tls {
                    stream = tls.accept(stream).await.unwrap();
                }
                let never = net::shutdown::Signal::never();
                serve_connection(stream, peer, service, &settings, room, never).await
            });
        }
    });
    (upstream, address)
}

/// Passes connections on.
pub(crate) struct Relay {
    pub(crate) url: String,
    mute: watch::Sender<()>,
}

impl Relay {
    fn start(target: SocketAddr) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let mute = watch::Sender::new(());
        let muted = mute.clone();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut muted = muted.subscribe();
                tokio::spawn(async move {
                    let mut server = tokio::net::TcpStream::connect(target).await.unwrap();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                        _ = muted.changed() => std::future::pending::<()>().await,
                    }
                });
            }
        });
        Self { url, mute }
    }

    /// From now on nothing passes on the connections that there are. Nobody is told; new ones are as before.
    pub(crate) fn mute(&self) {
        self.mute.send(()).unwrap();
    }
}
