//! Clients that are slow, cut off, strange, or very many.

#![allow(clippy::unwrap_used, reason = "a panic is the failure report")]

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream as Socket};
use std::pin::Pin;
use std::task::{Context, Poll};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use prost::Message as _;
use testbed::grpc::{Client, TRACES, frame};
use testbed::http::{self, PROTOBUF};
use testbed::neighbour::Scene;
use testbed::{config, skip};
use testkit::generate::traces;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;

/// Sends every byte in a packet of its own.
struct ByteByByte(TcpStream);

impl AsyncRead for ByteByByte {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for ByteByByte {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf.get(..1).unwrap_or_default())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_byte_at_a_time() {
    let scene = Scene::start().await;
    let stream = TcpStream::connect(scene.collector.grpc()).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let client = Client::over(ByteByByte(stream)).await.unwrap();
    assert_eq!(client.export(TRACES, &traces(1..11).encode_to_vec()).await.code, 0);

    let body = traces(11..21).encode_to_vec();
    let request =
        [http::head("POST", "/v1/traces", &[PROTOBUF], body.len() as u64).as_bytes(), &body].concat();
    let mut stream = http::connect(scene.collector.http());
    for byte in request {
        stream.write_all(&[byte]).unwrap();
    }
    assert_eq!(http::response(&mut stream).status, 200);

    // The same in chunks of one byte.
    let body = traces(21..31).encode_to_vec();
    let mut stream = http::connect(scene.collector.http());
    let head = "POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    for byte in body {
        stream.write_all(b"1\r\n").unwrap();
        stream.write_all(&[byte, b'\r', b'\n']).unwrap();
    }
    stream.write_all(b"0\r\n\r\n").unwrap();
    assert_eq!(http::response(&mut stream).status, 200);
    scene.finish(1..31).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_end_in_the_middle() {
    let scene = Scene::start().await;
    let body = traces(1..11).encode_to_vec();
    let request =
        [http::head("POST", "/v1/traces", &[PROTOBUF], body.len() as u64).as_bytes(), &body].concat();

    // Half closed after a whole request: it is answered.
    let mut stream = http::connect(scene.collector.http());
    stream.write_all(&request).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(http::response(&mut stream).status, 200);

    // Cut at every place: nothing of it is taken.
    for end in (0..request.len()).step_by(37) {
        let mut stream = http::connect(scene.collector.http());
        stream.write_all(&request[..end]).unwrap();
        if end % 2 == 0 {
            stream.shutdown(Shutdown::Write).unwrap();
            let response = http::try_response(&mut stream);
            assert!(response.is_none_or(|response| response.status == 400), "cut at {end}");
        }
    }

    // The same in HTTP/2: what a client wrote up to some byte, and then no more.
    let recorded = recorded(&frame(0, &traces(100..110).encode_to_vec())).await;
    for end in (0..recorded.len() - 1).step_by(97) {
        let mut stream = http::connect(scene.collector.grpc());
        stream.write_all(&recorded[..end]).unwrap();
        if end % 2 == 0 {
            stream.shutdown(Shutdown::Write).unwrap();
            stream.read_to_end(&mut Vec::new()).ok();
        }
    }
    scene.finish(1..11).await;
}

/// What a client writes for a call, up to its last byte.
async fn recorded(body: &bytes::Bytes) -> Vec<u8> {
    let (ours, mut theirs) = tokio::io::duplex(1 << 20);
    let client = Client::over(ours).await.unwrap();
    let call = tokio::spawn({
        let body = body.clone();
        async move { drop(client.call(TRACES, &[], body).await) }
    });
    // The server's settings, which the client waits for.
    theirs.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
    let mut bytes = Vec::new();
    let mut buffer = [0; 65_536];
    while !bytes.windows(body.len()).any(|window| window == &body[..]) {
        let read = tokio::io::AsyncReadExt::read(&mut theirs, &mut buffer).await.unwrap();
        bytes.extend_from_slice(&buffer[..read]);
    }
    call.abort();
    let end = bytes.windows(body.len()).position(|window| window == &body[..]).unwrap() + body.len();
    bytes.truncate(end);
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_protocols() {
    let scene = Scene::start().await;
    let noise: Vec<u8> = (0_u32..5000).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let hello = [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &noise[..500]].concat();
    let frames = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &noise].concat();
    let giant_frame =
        [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\x00\x00\x00\x00\x00\x01"[..], &noise].concat();
    let headers = format!("POST /v1/traces HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(200_000));
    let line = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(2_000_000));
    let says: [&[u8]; 8] = [
        &noise,
        &hello,
        &frames,
        &giant_frame,
        headers.as_bytes(),
        line.as_bytes(),
        b"GET / HTTP/1.1\r\n\r\n",
        b"\r\n\r\n\r\n",
    ];
    for address in [scene.collector.grpc(), scene.collector.http()] {
        for bytes in says {
            let mut stream = http::connect(address);
            // It may be thrown out before it has said everything.
            stream.write_all(bytes).ok();
            stream.shutdown(Shutdown::Write).ok();
            stream.read_to_end(&mut Vec::new()).ok();
        }
    }
    scene.finish([]).await;
}

const IDLE: usize = 10_000;

/// The preface of HTTP/2 and empty settings: a connection that is open and asks for nothing.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

/// Whether this process may hold so many connections; says so if not.
fn can_open(connections: usize) -> bool {
    let needed = connections as u64 + 500;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let is_enough =
        hard >= needed && (soft >= needed || setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok());
    if !is_enough {
        skip(&format!("{connections} connections need {needed} open files, {hard} are allowed"));
    }
    is_enough
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_idle_connections() {
    if !can_open(IDLE) {
        return;
    }
    let scene = Scene::start().await;
    let addresses = [scene.collector.grpc(), scene.collector.http()];
    let open = |number: usize| {
        let mut stream = Socket::connect(addresses[number % 2]).unwrap();
        stream.write_all(PREFACE).unwrap();
        stream
    };
    let mut idle: Vec<Socket> = (0..IDLE).map(open).collect();
    // Each of them is served: the server's own settings come.
    for stream in &mut idle {
        stream.read_exact(&mut [0; 9]).unwrap();
    }
    let client = Client::connect(scene.collector.grpc()).await;
    assert_eq!(client.export(TRACES, &traces(1..11).encode_to_vec()).await.code, 0);
    assert_eq!(
        http::post(scene.collector.http(), "/v1/traces", &[PROTOBUF], &traces(11..21).encode_to_vec()).status,
        200
    );
    scene.finish(1..21).await;
    drop(idle);
}

/// What is begun and never ended, by many clients at once: the bound is that of `max_memory_mib`, and it ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unfinished_frames_and_heads_stay_within_the_bound() {
    const CLIENTS: usize = 600;
    const BOUND: usize = 64 << 20;
    if !can_open(CLIENTS) {
        return;
    }
    let limits = "  otlp: {protocols: {grpc: {endpoint: \"127.0.0.1:0\", body_timeout: 1s, handshake_timeout: 2s}, \
        http: {endpoint: \"localhost:0\", body_timeout: 1s, handshake_timeout: 2s}}}";
    let config = config::graph(
        "{}",
        "file: {path: DIR/out.json}",
        "[batch]",
        "[file]",
        "limits: {max_memory_mib: 64}",
    );
    let usual = config.lines().find(|line| line.starts_with("  otlp:")).unwrap();
    let scene = Scene::with_config(&config.replace(usual, limits)).await;

    // An unknown frame and headers without end, both whole but for some bytes; a head of HTTP/1.
    let unknown = [PREFACE, b"\x00\x40\x00\xfa\x00\x00\x00\x00\x00", &[b'x'; 16_000]].concat();
    let headers = [PREFACE, b"\x00\x20\x00\x01\x00\x00\x00\x00\x01", &[0; 8_192]].concat();
    let head = [b"POST /v1/traces HTTP/1.1\r\nA: ", &[b'x'; 60_000][..]].concat();
    for says in [unknown, headers, head] {
        let open = |number: usize| {
            let address =
                if number.is_multiple_of(2) { scene.collector.grpc() } else { scene.collector.http() };
            let mut stream = Socket::connect(address).unwrap();
            stream.set_nonblocking(true).unwrap();
            // As much as goes; the server does not take it from everyone at once.
            stream.write_all(&says).ok();
            stream
        };
        let mut clients: Vec<Socket> = (0..CLIENTS).map(open).collect();
        let is_over = |stream: &mut Socket| {
            let mut buffer = [0; 4096];
            loop {
                match stream.read(&mut buffer) {
                    Ok(0) => return true,
                    Ok(_) => {}
                    Err(error) => return error.kind() != std::io::ErrorKind::WouldBlock,
                }
            }
        };
        // Sixty seconds are enough for all of them to have their turn and be thrown out.
        for _ in 0..600 {
            clients.retain_mut(|stream| !is_over(stream));
            if clients.is_empty() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        assert!(clients.is_empty(), "{} of {CLIENTS} are still served", clients.len());
    }
    let peak = scene.collector.memory().unwrap_or_default();
    println!("peak: {} MiB", peak >> 20);
    assert!(peak < BOUND, "the process took {} MiB", peak >> 20);
    scene.finish([]).await;
}
