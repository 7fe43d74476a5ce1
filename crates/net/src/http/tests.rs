use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::config::Secret;
use bytes::Bytes;
use http::header::CONTENT_ENCODING;
use http::request::Parts;
use http::{HeaderMap, StatusCode, Uri};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::client::{self, Client, SendError};
use super::server::{self, BodyError, Request, Response, Service, Settings};
use super::*;
use crate::Peer;
use crate::compression::{Compression, Encoding, compress};
use crate::dial::Proto;
use crate::proxy::Environment;
use crate::testing::{ConnectProxy, TestServer, run};
use crate::tls::{self, ServerTls};

/// Requests to `/held` that have come.
static HELD: AtomicUsize = AtomicUsize::new(0);

/// Answers with what it was sent.
struct Echo;

impl Service for Echo {
    async fn call(&self, request: Request) -> Response {
        assert!(request.reservation.bytes() >= request.body.len());
        let version = format!("{:?}", request.head.version);
        let mut response = Response::new(request.body);
        response.headers_mut().insert("x-version", version.parse().unwrap());
        match request.head.uri.path() {
            "/long" => *response.body_mut() = Bytes::from(vec![b'x'; 200_000]),
            "/busy" => *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE,
            "/never" => std::future::pending::<()>().await,
            "/held" => {
                HELD.fetch_add(1, Ordering::SeqCst);
                std::future::pending::<()>().await;
            }
            _ => {}
        }
        response
    }

    fn turn_away(&self, head: &Parts, _: Peer) -> Option<Response> {
        (head.uri.path() == "/forbidden").then(|| {
            let mut response = Response::new(Bytes::from_static(b"no"));
            *response.status_mut() = StatusCode::FORBIDDEN;
            response
        })
    }

    fn refuse(&self, _: &Parts, error: &BodyError) -> Response {
        let mut response = Response::new(Bytes::from(format!("refused: {error}")));
        *response.status_mut() = error.status();
        response
    }
}

fn serve(settings: Settings) -> TestServer {
    serve_within(settings, usize::MAX)
}

fn serve_within(settings: Settings, memory: usize) -> TestServer {
    let settings = Arc::new(settings);
    TestServer::start(memory, move |stream, peer, memory, signal| {
        server::serve_connection(stream, peer, Arc::new(Echo), &settings, memory, signal)
    })
}

/// Sends `request` on a connection of its own, closes the sending half, and reads to the end.
async fn raw(server: &TestServer, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(request).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

fn post(headers: &str, body: &[u8]) -> Vec<u8> {
    let mut request =
        format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n{headers}\r\n", body.len()).into_bytes();
    request.extend_from_slice(body);
    request
}

async fn check(server: &TestServer, request: &[u8], status: &str, body: &str) {
    let answer = raw(server, request).await;
    let (head, content) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{head}");
    assert_eq!(content, body);
}

fn url(server: &TestServer, path: &str) -> Uri {
    format!("http://{}{path}", server.address).parse().unwrap()
}

fn connect(settings: client::Settings) -> Client {
    Client::new(settings, &Environment::default()).unwrap()
}

#[test]
fn half_closed_clients_get_their_answers() {
    run(async {
        let server = serve(Settings::default());
        check(&server, &post("", b"hello"), "200 OK", "hello").await;
        let chunked = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n";
        check(&server, chunked, "200 OK", "hello").await;
        check(&server, b"GET /forbidden HTTP/1.1\r\nHost: x\r\n\r\n", "403", "no").await;
        assert!(raw(&server, b"nonsense\r\n\r\n").await.starts_with("HTTP/1.1 400"));
        assert_eq!(server.memory.used(), 0);
    });
}

#[test]
fn a_request_may_come_byte_by_byte() {
    run(async {
        let server = serve(Settings::default());
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        for byte in post("Connection: close\r\n", b"slow") {
            stream.write_u8(byte).await.unwrap();
            tokio::task::yield_now().await;
        }
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("\r\n\r\nslow"), "{answer}");
    });
}

#[test]
fn a_client_that_waits_to_continue_is_told_to_or_refused() {
    run(async {
        let server = serve(Settings { max_request_body_size: 10, ..Settings::default() });
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut go = [0; 25];
        stream.read_exact(&mut go).await.unwrap();
        assert_eq!(&go, b"HTTP/1.1 100 Continue\r\n\r\n");
        stream.write_all(b"hello").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("hello"), "{answer}");
        // Refused by its path alone, it is not asked for its body.
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(head.replace("/ HTTP", "/forbidden HTTP").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    });
}

#[test]
fn the_limit_holds_for_what_is_sent_and_for_what_comes_out() {
    run(async {
        let server = serve(Settings { max_request_body_size: 1_000, ..Settings::default() });
        let too_large = "refused: http: request body too large";
        let fits = "x".repeat(1_000);
        check(&server, &post("", fits.as_bytes()), "200", &fits).await;
        check(&server, &post("", &[b'x'; 1_001]), "400", too_large).await;
        let mut chunked = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for _ in 0..11 {
            chunked.extend_from_slice(b"64\r\n");
            chunked.extend_from_slice(&[b'x'; 100]);
            chunked.extend_from_slice(b"\r\n");
        }
        chunked.extend_from_slice(b"0\r\n\r\n");
        check(&server, &chunked, "400", too_large).await;
        let zipped = compress(Encoding::Gzip, 0, &[Bytes::from(fits.clone())]).unwrap();
        check(&server, &post("Content-Encoding: gzip\r\n", &zipped), "200", &fits).await;
        let bomb = compress(Encoding::Gzip, 0, &[Bytes::from(vec![0; 100_000])]).unwrap();
        check(&server, &post("Content-Encoding: gzip\r\n", &bomb), "400", too_large).await;
        assert!(server.memory.peak.load(Ordering::SeqCst) < 5_000);
    });
}

#[test]
fn every_content_encoding_is_read_and_others_are_refused() {
    run(async {
        let server = serve(Settings::default());
        let content = "some text, ".repeat(500);
        for (_, compression) in <Compression as ::config::Choice>::SPELLINGS {
            let client = connect(client::Settings { compression: *compression, ..Default::default() });
            let parts = [Bytes::from(content.clone()), Bytes::from_static(b"end")];
            let answer = client.post(&url(&server, "/"), &HeaderMap::new(), &parts).await.unwrap();
            assert_eq!((answer.status, answer.body), (StatusCode::OK, Bytes::from(format!("{content}end"))));
            assert_eq!(answer.sent_len == content.len() + 3, *compression == Compression::None);
        }
        let unsupported = "refused: unsupported Content-Encoding: br";
        check(&server, &post("Content-Encoding: br\r\n", b"x"), "400", unsupported).await;
        check(&server, &post("Content-Encoding: identity\r\n", b"x"), "200", "x").await;
        let torn = raw(&server, &post("Content-Encoding: gzip\r\n", b"no gzip")).await;
        assert!(torn.starts_with("HTTP/1.1 400"), "{torn}");
        let only_gzip = Settings { compression_algorithms: vec!["gzip".to_owned()], ..Settings::default() };
        let unsupported = "refused: unsupported Content-Encoding: zstd";
        check(&serve(only_gzip), &post("Content-Encoding: zstd\r\n", b"x"), "400", unsupported).await;
    });
}

#[test]
fn memory_is_refused_before_a_body_is_read() {
    run(async {
        let server = serve_within(Settings::default(), 10_000);
        let refused = "refused: data refused due to high memory usage";
        check(&server, &post("", &[b'x'; 20_000]), "503", refused).await;
        assert_eq!(server.memory.peak.load(Ordering::SeqCst), 0);
        check(&server, &post("", b"small"), "200", "small").await;
    });
}

#[test]
fn connections_are_kept_or_not() {
    run(async {
        let two = b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n";
        let kept = raw(&serve(Settings::default()), two).await;
        assert_eq!(kept.matches("HTTP/1.1 200").count(), 2);
        let closing = serve(Settings { keep_alives_enabled: false, ..Settings::default() });
        let closed = raw(&closing, two).await;
        assert_eq!(closed.matches("HTTP/1.1 200").count(), 1);
        assert!(closed.to_lowercase().contains("connection: close"));
    });
}

/// HTTP/2 has no word for it: the connection is closed once its first requests are answered.
#[test]
fn connections_in_http2_are_not_kept_either() {
    run(async {
        let server = serve(Settings { keep_alives_enabled: false, ..Settings::default() });
        let stream = TcpStream::connect(server.address).await.unwrap();
        let (mut sender, connection) = h2::client::handshake(stream).await.unwrap();
        let connection = tokio::spawn(connection);
        let request = http::Request::get("http://x/").body(()).unwrap();
        let (response, _) = sender.send_request(request, true).unwrap();
        assert_eq!(response.await.unwrap().status(), StatusCode::OK);
        connection.await.unwrap().unwrap();
    });
}

#[test]
fn a_client_that_is_turned_away_while_it_sends_reads_the_answer() {
    run(async {
        let server = serve(Settings::default());
        let body = vec![b'x'; 200_000];
        let head = format!("POST /forbidden HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
        check(&server, &[head.into_bytes(), body].concat(), "403", "no").await;
    });
}

#[test]
fn a_client_that_has_gone_ends_the_work_for_it() {
    run(async {
        let server = serve(Settings { half_close: false, ..Settings::default() });
        assert_eq!(raw(&server, b"GET /never HTTP/1.1\r\nHost: x\r\n\r\n").await, "");
    });
}

#[test]
fn response_headers_and_cors_are_added() {
    run(async {
        let server = serve(Settings {
            response_headers: vec![("x-added".to_owned(), Secret::new("yes"))],
            cors: Some(cors::Settings {
                allowed_origins: vec!["https://*.example.com".to_owned()],
                exposed_headers: vec!["x-added".to_owned()],
                ..Default::default()
            }),
            ..Settings::default()
        });
        let allowed = raw(&server, &post("Origin: https://a.example.com\r\n", b"")).await;
        for header in [
            "x-added: yes",
            "access-control-allow-origin: https://a.example.com",
            "access-control-allow-credentials: true",
            "access-control-expose-headers: x-added",
        ] {
            assert!(allowed.contains(header), "{allowed}");
        }
        let foreign = raw(&server, &post("Origin: https://evil.org\r\n", b"")).await;
        assert!(
            foreign.starts_with("HTTP/1.1 200") && !foreign.contains("access-control-allow"),
            "{foreign}"
        );
        let preflight =
            b"OPTIONS / HTTP/1.1\r\nHost: x\r\nOrigin: https://a.example.com\r\nAccess-Control-Request-Method: POST\r\n\r\n";
        let preflight = raw(&server, preflight).await;
        assert!(preflight.starts_with("HTTP/1.1 204") && preflight.contains("x-added"), "{preflight}");
    });
}

/// A connection that sends `bytes` and then nothing must be ended by the server.
async fn check_silent(settings: Settings, bytes: &[u8]) {
    let server = serve(settings);
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut rest = Vec::new();
    // An end or a reset: either way it is over.
    stream.read_to_end(&mut rest).await.ok();
    server.trigger.drain();
    server.ended().await;
}

#[test]
fn silent_and_slow_clients_are_given_up() {
    run(async {
        let short = Duration::from_millis(30);
        let hasty = Settings { handshake_timeout: short, ..Settings::default() };
        check_silent(hasty.clone(), b"").await;
        check_silent(hasty, b"POST / HTTP/1.1\r\nHost:").await;
        let server = serve(Settings { read_header_timeout: short, ..Settings::default() });
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(&post("", b"first")).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"first") {
            answer.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(b"GET / HT").await.unwrap();
        stream.read_to_end(&mut answer).await.ok();
        let idle = Settings { idle_timeout: short, ..Settings::default() };
        check_silent(idle, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let body = Settings { body_timeout: short, ..Settings::default() };
        check_silent(
            body,
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nConnection: close\r\n\r\nhalf",
        )
        .await;
        let whole = Settings { read_timeout: short, ..Settings::default() };
        check_silent(
            whole,
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nConnection: close\r\n\r\nhalf",
        )
        .await;
    });
}

#[test]
fn a_client_that_takes_nothing_is_given_up() {
    run(async {
        let server = serve(Settings { write_timeout: Duration::from_millis(30), ..Settings::default() });
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        // Many answers that nobody reads fill every buffer between us.
        let request = b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n".repeat(200);
        stream.write_all(&request).await.ok();
        server.trigger.drain();
        server.ended().await;
    });
}

#[test]
fn draining_lets_requests_finish_and_stopping_does_not() {
    run(async {
        let server = serve(Settings::default());
        let mut idle = TcpStream::connect(server.address).await.unwrap();
        idle.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut some = [0; 8];
        idle.read_exact(&mut some).await.unwrap();
        let mut busy = TcpStream::connect(server.address).await.unwrap();
        busy.write_all(b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        while HELD.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        server.trigger.drain();
        let mut rest = Vec::new();
        idle.read_to_end(&mut rest).await.unwrap();
        assert!(futures::poll!(std::pin::pin!(busy.readable())).is_pending());
        server.trigger.stop();
        busy.read_to_end(&mut rest).await.ok();
        server.ended().await;
    });
}

#[test]
fn answers_are_answers_whatever_their_status_and_long_ones_are_cut() {
    run(async {
        let server = serve(Settings::default());
        let client = connect(client::Settings::default());
        let busy = client.post(&url(&server, "/busy"), &HeaderMap::new(), &[]).await.unwrap();
        assert_eq!(busy.status, StatusCode::SERVICE_UNAVAILABLE);
        let long = client.post(&url(&server, "/long"), &HeaderMap::new(), &[]).await.unwrap();
        assert_eq!(long.body.len(), 64 << 10);
        let hasty = connect(client::Settings { timeout: Duration::from_millis(30), ..Default::default() });
        let error = hasty.post(&url(&server, "/never"), &HeaderMap::new(), &[]).await.unwrap_err();
        assert!(matches!(error, SendError::Timeout), "{error}");
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let nobody = format!("http://{nobody}/").parse().unwrap();
        let error = client.post(&nobody, &HeaderMap::new(), &[]).await.unwrap_err();
        assert!(error.to_string().contains("refused"), "{error}");
        let no_scheme: Uri = "localhost:4318".parse().unwrap();
        assert!(client.post(&no_scheme, &HeaderMap::new(), &[]).await.is_err());
    });
}

#[test]
fn configured_headers_win() {
    run(async {
        let server = serve(Settings::default());
        let headers = vec![("Content-Encoding".to_owned(), Secret::new("br"))];
        let client = connect(client::Settings { headers, ..Default::default() });
        let mut given = HeaderMap::new();
        given.insert(CONTENT_ENCODING, "gzip".parse().unwrap());
        let answer = client.post(&url(&server, "/"), &given, &[]).await.unwrap();
        assert_eq!(answer.body, "refused: unsupported Content-Encoding: br");
    });
}

#[test]
fn tls_agrees_on_a_version_and_proxies_are_passed() {
    run(async {
        let ours = tls::tests::Authority::new();
        let protocols = [Proto::Http2, Proto::Http1];
        let tls =
            ServerTls::new(&ours.server("gateway.invalid"), &protocols, Duration::from_secs(10)).unwrap();
        let (tls, settings) = (Arc::new(tls), Arc::new(Settings::default()));
        let server = TestServer::start(usize::MAX, move |stream, peer, memory, signal| {
            let (tls, settings) = (Arc::clone(&tls), Arc::clone(&settings));
            async move {
                let stream = tls.accept(stream).await?;
                Ok::<_, std::io::Error>(
                    server::serve_connection(stream, peer, Arc::new(Echo), &settings, memory, signal).await,
                )
            }
        });
        let proxy = ConnectProxy::start(server.address);
        let url: Uri = format!("https://gateway.invalid:{}/", server.address.port()).parse().unwrap();
        for (force_attempt_http2, version) in [(true, "HTTP/2.0"), (false, "HTTP/1.1")] {
            let client = connect(client::Settings {
                proxy_url: format!("http://{}", proxy.address),
                tls: ours.client(),
                force_attempt_http2,
                ..Default::default()
            });
            for _ in 0..3 {
                let parts = [Bytes::from_static(b"through")];
                let answer = client.post(&url, &HeaderMap::new(), &parts).await.unwrap();
                assert_eq!(
                    (answer.body.as_ref(), &answer.headers["x-version"]),
                    (b"through".as_slice(), &version.parse().unwrap())
                );
            }
        }
        // One connection for each client.
        assert_eq!(proxy.seen.lock().unwrap().len(), 2);
    });
}

#[test]
fn plain_targets_are_asked_of_the_proxy_itself() {
    run(async {
        let server = serve(Settings::default());
        let proxy = ConnectProxy::start(server.address);
        let environment =
            Environment { http_proxy: format!("http://me:pw@{}", proxy.address), ..Environment::default() };
        let client = Client::new(client::Settings::default(), &environment).unwrap();
        let url: Uri = "http://gateway.invalid/path".parse().unwrap();
        let answer = client.post(&url, &HeaderMap::new(), &[Bytes::from_static(b"x")]).await.unwrap();
        assert_eq!(answer.body, "x");
        let seen = proxy.seen.lock().unwrap().clone();
        assert!(seen[0].starts_with("POST http://gateway.invalid/path HTTP/1.1\r\n"), "{seen:?}");
        assert!(seen[0].contains("proxy-authorization: Basic bWU6cHc=\r\n"), "{seen:?}");
    });
}

/// Puts what it sees of a request into a header.
#[derive(Default)]
struct Witness {
    authorized: AtomicU64,
    refused: Mutex<Vec<client::Proof>>,
}

impl client::Authorize for Witness {
    fn authorize<'a>(
        &'a self,
        request: client::Outgoing<'a>,
    ) -> futures::future::BoxFuture<'a, Result<client::Proof, client::AuthorizeError>> {
        let length: usize = request.body.iter().map(Bytes::len).sum();
        let encoding = request.headers.get(CONTENT_ENCODING).map_or("", |value| value.to_str().unwrap());
        let header = format!("{} {} {length} {encoding}", request.method, request.url.path());
        request.headers.insert("x-witness", header.parse().unwrap());
        let may = request.url.path() != "/unsigned";
        let said = || client::AuthorizeError("no keys".to_owned());
        let proof = client::Proof(self.authorized.fetch_add(1, Ordering::Relaxed));
        Box::pin(std::future::ready(if may { Ok(proof) } else { Err(said()) }))
    }

    fn refused(&self, proof: client::Proof) -> futures::future::BoxFuture<'_, ()> {
        self.refused.lock().unwrap().push(proof);
        Box::pin(std::future::ready(()))
    }
}

/// Answers with a header of the request.
struct Tell;

impl Service for Tell {
    async fn call(&self, request: Request) -> Response {
        let mut response =
            Response::new(Bytes::copy_from_slice(request.head.headers["x-witness"].as_bytes()));
        if request.head.uri.path() == "/forbidden" {
            *response.status_mut() = StatusCode::FORBIDDEN;
        }
        response
    }
}

#[test]
fn requests_are_authorized_as_they_are_sent() {
    run(async {
        let settings = Arc::new(Settings::default());
        let server = TestServer::start(usize::MAX, move |stream, peer, memory, signal| {
            server::serve_connection(stream, peer, Arc::new(Tell), &settings, memory, signal)
        });
        let settings = client::Settings { compression: Compression::Gzip, ..client::Settings::default() };
        let witness = Arc::new(Witness::default());
        let client = Client::new(settings, &Environment::default()).unwrap().authorized(witness.clone());
        let url = |path: &str| -> Uri { format!("http://{}{path}", server.address).parse().unwrap() };
        let body = [Bytes::from(vec![b'x'; 10_000])];
        let answer = client.post(&url("/a"), &HeaderMap::new(), &body).await.unwrap();
        let expected = format!("POST /a {} gzip", answer.sent_len);
        assert_eq!(String::from_utf8_lossy(&answer.body), expected, "it sees the compressed body");
        assert!(answer.sent_len < 1_000);
        assert!(witness.refused.lock().unwrap().is_empty());
        client.post(&url("/forbidden"), &HeaderMap::new(), &body).await.unwrap();
        assert_eq!(*witness.refused.lock().unwrap(), [client::Proof(1)], "what that request had");
        let error = client.post(&url("/unsigned"), &HeaderMap::new(), &body).await.unwrap_err();
        assert_eq!(error.to_string(), "cannot authorize the request: no keys");
        drop(client);
        server.trigger.stop();
        server.ended().await;
    });
}
