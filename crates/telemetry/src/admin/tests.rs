use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::mpsc;

use super::*;

#[test]
fn requests() {
    let admin = served();
    let check = |request: &str, status: &str, body: &str| {
        let answer = exchange(&admin, request.as_bytes());
        let (head, content) =
            answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{request:?}: {answer:?}"));
        assert_eq!(head.lines().next(), Some(format!("HTTP/1.1 {status}").as_str()), "{request:?}");
        assert!(head.contains("\r\nConnection: close"), "{head}");
        assert_eq!(content, body, "{request:?}");
    };
    check("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK", "up 1\n");
    check("GET /metrics?name=up HTTP/1.0\r\n\r\n", "200 OK", "up 1\n");
    check("GET /metrics HTTP/1.1\n\n", "200 OK", "up 1\n");
    check("HEAD /metrics HTTP/1.1\r\n\r\n", "200 OK", "");
    check("GET /health HTTP/1.1\r\n\r\n", "503 Service Unavailable", "{}");
    check("GET /panic HTTP/1.1\r\n\r\n", "500 Internal Server Error", "500 Internal Server Error\n");
    check("GET / HTTP/1.1\r\n\r\n", "404 Not Found", "404 page not found\n");
    check("DELETE /metrics HTTP/1.1\r\n\r\n", "405 Method Not Allowed", "405 method not allowed\n");
    let body = "POST /metrics HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody";
    check(body, "405 Method Not Allowed", "405 method not allowed\n");
    check("POST /do HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "200 OK", "done\n");
    check("GET /do HTTP/1.1\r\n\r\n", "405 Method Not Allowed", "405 method not allowed\n");
    let from_a_page = "POST /do HTTP/1.1\r\nHost: x\r\norigin: https://example.com\r\n\r\n";
    check(from_a_page, "403 Forbidden", "403 not for web pages\n");
    for garbage in [
        "\u{16}\u{3}\u{1}\r\n\r\n",
        "\r\n\r\n",
        "GET\r\n\r\n",
        "GET metrics HTTP/1.1\r\n\r\n",
        "GET / HTTP/2\n\n",
    ] {
        check(garbage, "400 Bad Request", "400 Bad Request\n");
    }
}

#[test]
fn answers_carry_type_and_length() {
    let answer = exchange(&served(), b"HEAD /metrics HTTP/1.1\r\n\r\n");
    assert_eq!(
        answer,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\nConnection: close\r\n\r\n"
    );
}

#[test]
fn a_head_is_bounded() {
    let endless = vec![b'a'; http::MAX_HEAD];
    let answer = exchange(&served(), &endless);
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[test]
fn slow_clients_block_nobody() {
    let admin = served();
    let connect = |_| {
        let mut stream = TcpStream::connect(admin.local_addr()).unwrap();
        stream.write_all(b"GET /met").unwrap();
        stream
    };
    let slow: Vec<TcpStream> = (0..MAX_CONNECTIONS * 2).map(connect).collect();
    let get = b"GET /metrics HTTP/1.1\r\n\r\n";
    assert!(exchange(&admin, get).ends_with("up 1\n"));
    // The newest of the slow ones are still served, the oldest had to go.
    let mut newest = slow.last().unwrap();
    newest.write_all(b"rics HTTP/1.1\r\n\r\n").unwrap();
    assert!(read(newest).ends_with("up 1\n"));
    assert_eq!(read(&slow[0]), "");
}

#[test]
fn many_connections() {
    let admin = served();
    thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| {
                for _ in 0..50 {
                    assert!(exchange(&admin, b"GET /metrics HTTP/1.1\r\n\r\n").ends_with("up 1\n"));
                }
            });
        }
    });
}

#[test]
fn a_burst_is_served_in_full() {
    let admin = served();
    let send = |_| {
        let mut stream = TcpStream::connect(admin.local_addr()).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
        stream
    };
    let clients: Vec<TcpStream> = (0..MAX_CONNECTIONS * 3 / 2).map(send).collect();
    for client in &clients {
        assert!(read(client).ends_with("up 1\n"));
    }
}

#[test]
fn a_taken_port_is_told_in_the_references_words() {
    let admin = served();
    let address = admin.local_addr().to_string();
    let error = Admin::bind(&address).unwrap_err().to_string();
    let expected = format!(
        "failed to create meter provider: binding address {address} for Prometheus exporter: \
         listen tcp {address}: bind: address already in use"
    );
    assert_eq!(error, expected);
    assert!(matches!(Admin::bind("no port"), Err(BindError::Lookup { .. })));
}

#[test]
fn dropping_frees_the_port_and_finishes_answers() {
    let admin = Admin::bind("localhost:0").unwrap();
    let address = admin.local_addr();
    assert!(address.is_ipv4());
    let (entered, entry) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let released = std::sync::Mutex::new(released);
    admin.route("/slow", move || {
        entered.send(()).ok();
        released.lock().unwrap().recv().ok();
        Page::ok("text/plain", "done")
    });
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(b"GET /slow HTTP/1.1\r\n\r\n").unwrap();
    entry.recv().unwrap();
    let stopping = thread::spawn(move || drop(admin));
    release.send(()).unwrap();
    assert!(read(&client).ends_with("done"));
    drop(client);
    stopping.join().unwrap();
    assert!(TcpStream::connect(address).is_err());
    Admin::bind(&address.to_string()).unwrap();
}

fn served() -> Admin {
    let admin = Admin::bind("127.0.0.1:0").unwrap();
    admin.route("/metrics", || Page::ok("text/plain", "up 1\n"));
    admin.route("/health", || Page { status: 503, ..Page::ok("application/json", "{}") });
    admin.route("/panic", || panic!("page"));
    admin.action("/do", || Box::pin(async { Page::ok("text/plain", "done\n") }));
    admin
}

fn exchange(admin: &Admin, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(admin.local_addr()).unwrap();
    stream.write_all(request).unwrap();
    read(&stream)
}

/// Everything up to the end of the connection, however it ends.
fn read(mut stream: &TcpStream) -> String {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok();
    String::from_utf8(bytes).unwrap()
}
