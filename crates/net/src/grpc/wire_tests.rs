//! What a client can send that no proper client sends.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::Request;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::{Code, Status};

use super::server::{self, Keepalive, Settings};
use super::tests::{Echo, serve, serve_within};
use crate::compression::{Encoding, compress};
use crate::testing::{TestServer, run};

type Sender = h2::client::SendRequest<Bytes>;

async fn connect(server: &TestServer) -> Sender {
    let stream = TcpStream::connect(server.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(async move { connection.await.ok() });
    sender.ready().await.unwrap()
}

fn call(headers: &[(&'static str, &'static str)]) -> Request<()> {
    let mut request = Request::post("http://localhost/test/echo").header("te", "trailers");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

const GRPC: &[(&str, &str)] = &[("content-type", "application/grpc")];

fn framed(flag: u8, message: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    out.put_u8(flag);
    out.put_u32(u32::try_from(message.len()).unwrap());
    out.put_slice(message);
    out.freeze()
}

/// HTTP status, answer without its prefix, gRPC status.
async fn exchange(
    sender: &mut Sender,
    request: Request<()>,
    chunks: &[Bytes],
) -> (u16, Bytes, Option<Status>) {
    let (response, mut body) = sender.send_request(request, false).unwrap();
    for chunk in chunks {
        // The server may have answered, and reset the stream, before it had everything.
        if body.send_data(chunk.clone(), false).is_err() {
            break;
        }
        tokio::task::yield_now().await;
    }
    body.send_data(Bytes::new(), true).ok();
    let (head, mut body) = response.await.unwrap().into_parts();
    let mut answer = BytesMut::new();
    while let Some(chunk) = body.data().await {
        answer.extend_from_slice(&chunk.unwrap());
    }
    let trailers = body.trailers().await.unwrap().unwrap_or(head.headers);
    let message = answer.freeze();
    (head.status.as_u16(), message.slice(5.min(message.len())..), Status::from_header_map(&trailers))
}

async fn check(sender: &mut Sender, chunks: &[Bytes], code: Code, message: &str) {
    let (http, _, status) = exchange(sender, call(GRPC), chunks).await;
    let status = status.unwrap();
    assert_eq!((http, status.code(), status.message()), (200, code, message));
}

#[test]
fn a_message_may_come_byte_by_byte() {
    run(async {
        let server = serve(Settings::default(), Arc::default());
        let mut sender = connect(&server).await;
        let bytes: Vec<_> =
            framed(0, b"slow but complete").iter().map(|byte| Bytes::copy_from_slice(&[*byte])).collect();
        let (http, answer, status) = exchange(&mut sender, call(GRPC), &bytes).await;
        assert_eq!(
            (http, answer.as_ref(), status.unwrap().code()),
            (200, b"slow but complete".as_slice(), Code::Ok)
        );
    });
}

#[test]
fn a_body_is_exactly_one_message() {
    run(async {
        let server = serve(Settings::default(), Arc::default());
        let mut sender = connect(&server).await;
        let more = "cardinality violation: more than one message in a unary call";
        let none = "cardinality violation: received no request message from a unary client";
        let one = framed(0, b"one");
        check(&mut sender, &[one.clone(), one.clone()], Code::Internal, more).await;
        check(&mut sender, &[[&one[..], &one[..]].concat().into()], Code::Internal, more).await;
        check(&mut sender, &[one.clone(), Bytes::from_static(b"x")], Code::Internal, more).await;
        check(&mut sender, &[], Code::Internal, none).await;
        check(&mut sender, &[one.slice(..3)], Code::Internal, "unexpected EOF").await;
        check(&mut sender, &[one.slice(..7)], Code::Internal, "unexpected EOF").await;
        check(&mut sender, &[framed(7, b"x")], Code::Internal, "grpc: received unexpected payload format 7")
            .await;
        let flag = "grpc: compressed flag set with identity or empty encoding";
        check(&mut sender, &[framed(1, b"x")], Code::Internal, flag).await;
        assert_eq!(server.memory.used(), 0);
    });
}

#[test]
fn a_claimed_length_allocates_nothing() {
    run(async {
        let limits = Settings { max_recv_msg_size: u32::MAX as usize, ..Settings::default() };
        let server = serve(limits, Arc::default());
        let mut sender = connect(&server).await;
        let claim = Bytes::from_static(b"\x00\xff\xff\xff\xff");
        check(&mut sender, &[claim], Code::Internal, "unexpected EOF").await;
        assert!(server.memory.peak.load(Ordering::SeqCst) <= 1 << 20);
        assert_eq!(server.memory.used(), 0);
    });
}

#[test]
fn memory_is_asked_for_as_it_is_filled() {
    run(async {
        let limits = Settings { max_recv_msg_size: 64 << 20, ..Settings::default() };
        let server = serve_within(limits, Arc::default(), 3 << 20);
        let mut sender = connect(&server).await;
        let chunks = vec![Bytes::from(vec![0; 1 << 20]); 6];
        let mut body = vec![Bytes::from_static(b"\x00\x00\x60\x00\x00")];
        body.extend(chunks);
        check(&mut sender, &body, Code::Unavailable, "data refused due to high memory usage").await;
        assert_eq!(server.memory.used(), 0);
    });
}

#[test]
fn what_is_no_grpc_is_answered_in_http() {
    run(async {
        let server = serve(Settings::default(), Arc::default());
        let mut sender = connect(&server).await;
        for (content_type, http) in [
            ("application/grpc", 200),
            ("application/grpc+proto", 200),
            ("application/grpc;charset=x", 200),
            ("application/grpc+json", 415),
            ("application/grpcx", 415),
            ("application/json", 415),
        ] {
            let request = call(&[("content-type", content_type)]);
            let (status, ..) = exchange(&mut sender, request, &[framed(0, b"")]).await;
            assert_eq!(status, http, "{content_type}");
        }
        let (status, ..) = exchange(&mut sender, call(&[]), &[]).await;
        assert_eq!(status, 415);
        let get = Request::get("http://localhost/test/echo").body(()).unwrap();
        let (status, ..) = exchange(&mut sender, get, &[]).await;
        assert_eq!(status, 405);
    });
}

#[test]
fn encodings_are_known_or_named() {
    run(async {
        let server = serve(Settings::default(), Arc::default());
        let mut sender = connect(&server).await;
        let headers = |encoding| [GRPC[0], ("grpc-encoding", encoding)];
        let zipped = framed(1, &compress(Encoding::Gzip, 0, &[Bytes::from_static(b"text")]).unwrap());
        let (_, answer, _) =
            exchange(&mut sender, call(&headers("gzip")), std::slice::from_ref(&zipped)).await;
        assert_eq!(answer, "text");
        // The flag decides, message by message.
        let (_, answer, _) = exchange(&mut sender, call(&headers("gzip")), &[framed(0, b"plain")]).await;
        assert_eq!(answer, "plain");
        let (_, answer, _) = exchange(&mut sender, call(&headers("identity")), &[framed(0, b"plain")]).await;
        assert_eq!(answer, "plain");
        let (_, _, status) = exchange(&mut sender, call(&headers("br")), &[zipped]).await;
        let status = status.unwrap();
        assert_eq!(status.code(), Code::Unimplemented);
        assert_eq!(status.message(), "grpc: Decompressor is not installed for grpc-encoding \"br\"");
        assert_eq!(status.metadata().get("grpc-accept-encoding").unwrap(), "gzip,zstd,snappy");
        let (_, _, status) = exchange(&mut sender, call(&headers("gzip")), &[framed(1, b"no gzip")]).await;
        assert_eq!(status.unwrap().code(), Code::Internal);
    });
}

#[test]
fn bombs_are_refused() {
    run(async {
        let server = serve(Settings::default(), Arc::default());
        let mut sender = connect(&server).await;
        for (name, encoding) in
            [("gzip", Encoding::Gzip), ("zstd", Encoding::Zstd), ("snappy", Encoding::SnappyFramed)]
        {
            let bomb = compress(encoding, 0, &[Bytes::from(vec![0; 32 << 20])]).unwrap();
            let request = call(&[GRPC[0], ("grpc-encoding", name)]);
            let (_, _, status) = exchange(&mut sender, request, &[framed(1, &bomb)]).await;
            assert_eq!(status.unwrap().code(), Code::ResourceExhausted, "{name}");
        }
        assert!(server.memory.peak.load(Ordering::SeqCst) < 12 << 20);
    });
}

#[test]
fn a_cancelled_call_leaves_nothing() {
    run(async {
        let echo = Arc::<Echo>::default();
        let server = serve(Settings::default(), Arc::clone(&echo));
        let mut sender = connect(&server).await;
        let request = Request::post("http://localhost/test/wait").header("content-type", "application/grpc");
        let (response, mut body) = sender.send_request(request.body(()).unwrap(), false).unwrap();
        body.send_data(framed(0, &[1; 50_000]), true).unwrap();
        while echo.calls.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        assert!(server.memory.used() >= 50_000);
        body.send_reset(h2::Reason::CANCEL);
        drop(response);
        while server.memory.used() > 0 {
            tokio::task::yield_now().await;
        }
    });
}

/// A connection that sends `bytes` and then nothing must be ended by the server.
async fn check_silent(settings: Settings, bytes: &[u8]) {
    let server = serve(settings, Arc::default());
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
        check_silent(hasty.clone(), b"PRI * HTTP/2.0\r\n").await;
        check_silent(hasty, b"GET / HTTP/1.1\r\n\r\n").await;
        let keepalive = Keepalive { max_connection_idle: short, ..Keepalive::default() };
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
        let idle = Settings { keepalive, ..Settings::default() };
        let server = serve(idle, Arc::default());
        // One that answers pings is asked to go and does.
        let stream = TcpStream::connect(server.address).await.unwrap();
        let (sender, connection) = h2::client::handshake::<_>(stream).await.unwrap();
        connection.await.unwrap();
        drop(sender);
        let keepalive =
            Keepalive { max_connection_age: short, max_connection_age_grace: short, ..Keepalive::default() };
        // One that answers nothing is cut off.
        check_silent(Settings { keepalive, ..Settings::default() }, preface).await;
    });
}

#[test]
fn a_body_that_stands_still_is_given_up() {
    run(async {
        let server = serve(
            Settings { body_timeout: Duration::from_millis(30), ..Settings::default() },
            Arc::default(),
        );
        let mut sender = connect(&server).await;
        let (response, mut body) = sender.send_request(call(GRPC), false).unwrap();
        body.send_data(framed(0, &[0; 1_000]).slice(..500), false).unwrap();
        let head = response.await.unwrap();
        let status = Status::from_header_map(head.headers()).unwrap();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
        assert_eq!(server.memory.used(), 0);
    });
}

#[test]
fn a_frame_that_does_not_become_whole_is_cut_off_and_paid_for() {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
    // Half an unknown frame, half of a call's headers, headers whose end does not come.
    let unfinished = [
        [b"\x00\xff\xff\xfa\x00\x00\x00\x00\x00", &[0; 40_000][..]].concat(),
        [b"\x00\x20\x00\x01\x04\x00\x00\x00\x01", &[0; 100][..]].concat(),
        b"\x00\x00\x00\x01\x00\x00\x00\x00\x01".to_vec(),
    ];
    run(async {
        let settings = Settings { body_timeout: Duration::from_millis(300), ..Settings::default() };
        let server = serve(settings, Arc::default());
        for says in unfinished {
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            stream.write_all(&[PREFACE, &says].concat()).await.unwrap();
            let asked = std::time::Instant::now();
            let mut most = 0;
            // The settings and their acknowledgement, and then the end.
            while stream.read(&mut [0; 100]).await.is_ok_and(|count| count > 0) {
                most = most.max(server.memory.buffers());
            }
            assert!(asked.elapsed() >= Duration::from_millis(300));
            assert!(says.len() < 40_000 || most >= 40_000, "{most} bytes are counted");
        }
        let mut sender = connect(&server).await;
        let (_, answer, _) = exchange(&mut sender, call(GRPC), &[framed(0, b"alive")]).await;
        assert_eq!(answer, "alive");
        drop(sender);
        server.trigger.drain();
        let memory = Arc::clone(&server.memory);
        server.ended().await;
        assert_eq!(memory.buffers(), 0);
    });
}

#[test]
fn headers_and_paths_reach_the_service() {
    struct Looking;
    impl server::Service for Looking {
        async fn call(&self, request: server::Request) -> Result<Bytes, Status> {
            let token = request.head.headers.get("x-token").and_then(|value| value.to_str().ok());
            assert!(matches!(request.peer, crate::Peer::Tcp(address) if address.ip().is_loopback()));
            assert!(request.deadline.is_some());
            Ok(Bytes::from(format!("{} {}", request.path(), token.unwrap_or_default())))
        }
    }
    run(async {
        let server = TestServer::start(usize::MAX, |stream, peer, memory, signal| {
            server::serve_connection(stream, peer, Arc::new(Looking), &Settings::default(), memory, signal)
        });
        let mut sender = connect(&server).await;
        let request = call(&[GRPC[0], ("x-token", "t1"), ("grpc-timeout", "10S")]);
        let (_, answer, _) = exchange(&mut sender, request, &[framed(0, b"")]).await;
        assert_eq!(answer, "/test/echo t1");
    });
}

#[test]
fn a_thousand_idle_connections_are_held_and_ended() {
    run(async {
        let server = serve(Settings::default(), Arc::default());
        let before = resident();
        let mut idle = Vec::new();
        for _ in 0..1_000 {
            let Ok(stream) = TcpStream::connect(server.address).await else {
                // Where few descriptors are allowed, fewer connections have to do.
                break;
            };
            let (sender, connection) = h2::client::handshake(stream).await.unwrap();
            idle.push((sender, tokio::spawn(async move { connection.await.ok() })));
        }
        let each = resident().saturating_sub(before) / idle.len().max(1);
        // Both ends live in this process.
        println!("{} idle connections, {each} bytes for both ends of each", idle.len());
        assert!(each < 200_000, "{each} bytes");
        let mut sender = connect(&server).await;
        let (_, answer, _) = exchange(&mut sender, call(GRPC), &[framed(0, b"alive")]).await;
        assert_eq!(answer, "alive");
        drop(sender);
        server.trigger.drain();
        server.ended().await;
        for (_, task) in idle {
            task.await.unwrap();
        }
    });
}

/// Bytes of this process in memory.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}
