use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ::config::Secret;
use bytes::Bytes;
use http::HeaderMap;
use http::uri::PathAndQuery;
use tokio::time::Instant;
use tonic::{Code, Status};

use super::client::{self, Balancer, Client};
use super::server::{self, Request, Service};
use super::*;
use crate::Peer;
use crate::compression::Compression;
use crate::dial::Address;
use crate::listen;
use crate::proxy::Proxies;
use crate::reserve::tests::Budget;
use crate::serve;
use crate::shutdown::Trigger;
use crate::testing::{TestServer, run};
use crate::tls;

/// Answers with what it was sent, except on paths that say otherwise.
#[derive(Default)]
pub(super) struct Echo {
    pub(super) calls: AtomicUsize,
    gate: tokio::sync::Notify,
}

impl Service for Echo {
    async fn call(&self, request: Request) -> Result<Bytes, Status> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        assert!(request.reservation.bytes() >= request.message.len());
        match request.path() {
            "/test/len" => Ok(Bytes::from(format!("{} {}", request.message.len(), request.wire_len))),
            "/test/empty" => Ok(Bytes::new()),
            "/test/wait" => {
                self.gate.notified().await;
                Ok(Bytes::from_static(b"waited"))
            }
            "/test/throttle" => Err(crate::status::status_with_retry(
                Code::ResourceExhausted,
                "slow down: 100% full",
                Duration::from_millis(1_500),
            )),
            _ => Ok(request.message),
        }
    }

    fn admit(&self, path: &str, _: &HeaderMap, _: Peer) -> Result<(), Status> {
        match path.starts_with("/test/") {
            true => Ok(()),
            false => Err(Status::unimplemented("unknown service foo")),
        }
    }
}

pub(super) fn serve(settings: server::Settings, echo: Arc<Echo>) -> TestServer {
    serve_within(settings, echo, usize::MAX)
}

pub(super) fn serve_within(settings: server::Settings, echo: Arc<Echo>, memory: usize) -> TestServer {
    TestServer::start(memory, move |stream, peer, memory, signal| {
        server::serve_connection(stream, peer, Arc::clone(&echo), &settings, memory, signal)
    })
}

fn settings_for(server: &TestServer) -> client::Settings {
    client::Settings {
        endpoint: server.address.to_string(),
        tls: tls::ClientSettings { insecure: true, ..Default::default() },
        ..Default::default()
    }
}

fn connect(settings: client::Settings) -> Client {
    Client::new(settings, &Proxies::default()).unwrap()
}

async fn unary(client: &Client, path: &'static str, parts: &[Bytes]) -> Result<Bytes, Status> {
    let path = PathAndQuery::from_static(path);
    client.unary(&path, &HeaderMap::new(), parts, None).await.map(|response| response.message)
}

#[test]
fn timeouts_are_written_as_they_are_read() {
    for (timeout, text) in [
        (Duration::from_secs(5), "5000000u"),
        (Duration::from_nanos(99), "99n"),
        (Duration::from_secs(3_600 * 24 * 365), "31536000S"),
        (Duration::MAX, "99999999H"),
    ] {
        assert_eq!(format_timeout(timeout), text);
    }
    let check = |text: &str, timeout: Option<Duration>| {
        assert_eq!(parse_timeout(&HeaderValue::from_str(text).unwrap()), timeout, "{text}");
    };
    check("5000000u", Some(Duration::from_secs(5)));
    check("2H", Some(Duration::from_secs(7_200)));
    check("99999999H", Some(Duration::from_secs(359_999_996_400)));
    check("123456789S", None);
    check("S", None);
    check("", None);
    check("1x", None);
    check("-1S", None);
}

#[test]
fn messages_of_every_size_and_compression_come_back() {
    run(async {
        let server = serve(server::Settings::default(), Arc::default());
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd, Compression::Snappy] {
            let client = connect(client::Settings { compression, ..settings_for(&server) });
            for size in [0, 1, 4_999, 100_000, 3 << 20] {
                let content: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
                let parts: Vec<_> = content.chunks(70_001).map(Bytes::copy_from_slice).collect();
                let answer = unary(&client, "/test/echo", &parts).await.unwrap();
                assert!(answer == content, "{compression:?} {size}");
            }
        }
        assert_eq!(server.memory.used(), 0);
    });
}

#[test]
fn an_empty_answer_is_a_message() {
    run(async {
        let server = serve(server::Settings::default(), Arc::default());
        let client = connect(settings_for(&server));
        assert_eq!(unary(&client, "/test/empty", &[Bytes::from_static(b"x")]).await.unwrap(), Bytes::new());
    });
}

#[test]
fn statuses_come_with_their_hints() {
    run(async {
        let server = serve(server::Settings::default(), Arc::default());
        let client = connect(settings_for(&server));
        let status = unary(&client, "/test/throttle", &[]).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::ResourceExhausted, "slow down: 100% full"));
        assert_eq!(crate::status::retry_delay(&status), Some(Duration::from_millis(1_500)));
        let status = unary(&client, "/other/method", &[]).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::Unimplemented, "unknown service foo"));
    });
}

#[test]
fn too_large_messages_are_refused_by_prefix_and_after_decompression() {
    run(async {
        let limits = server::Settings { max_recv_msg_size: 1_000, ..Default::default() };
        let server = serve(limits, Arc::default());
        let plain = connect(settings_for(&server));
        let status = unary(&plain, "/test/len", &[Bytes::from(vec![0; 1_001])]).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(status.message(), "grpc: received message larger than max (1001 vs. 1000)");
        assert_eq!(unary(&plain, "/test/len", &[Bytes::from(vec![0; 1_000])]).await.unwrap(), "1000 1000");
        // Far beyond every window: the refusal arrives though the body is never read.
        for _ in 0..3 {
            let status = unary(&plain, "/test/len", &[Bytes::from(vec![0; 20 << 20])]).await.unwrap_err();
            assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
        }
        // What was not read does not stay in the connection's window.
        assert_eq!(unary(&plain, "/test/len", &[Bytes::from(vec![0; 1_000])]).await.unwrap(), "1000 1000");
        let zipped = connect(client::Settings { compression: Compression::Gzip, ..settings_for(&server) });
        let status = unary(&zipped, "/test/len", &[Bytes::from(vec![0; 1_001])]).await.unwrap_err();
        assert_eq!(status.message(), "grpc: received message after decompression larger than max 1000");
        assert_eq!(server.memory.used(), 0);
    });
}

#[test]
fn memory_is_refused_before_a_body_is_read() {
    run(async {
        let echo = Arc::<Echo>::default();
        let server = serve_within(server::Settings::default(), Arc::clone(&echo), 100_000);
        let client = connect(settings_for(&server));
        let status = unary(&client, "/test/len", &[Bytes::from(vec![0; 200_000])]).await.unwrap_err();
        assert_eq!(
            (status.code(), status.message()),
            (Code::Unavailable, "data refused due to high memory usage")
        );
        assert_eq!(echo.calls.load(Ordering::SeqCst), 0);
        assert_eq!(server.memory.peak.load(Ordering::SeqCst), 0);
        assert_eq!(
            unary(&client, "/test/len", &[Bytes::from(vec![0; 90_000])]).await.unwrap(),
            "90000 90000"
        );
    });
}

#[test]
fn a_deadline_ends_the_call_on_both_sides() {
    run(async {
        let server = serve(server::Settings::default(), Arc::default());
        let client = connect(settings_for(&server));
        unary(&client, "/test/len", &[]).await.unwrap();
        let deadline = Instant::now() + Duration::from_millis(50);
        let path = PathAndQuery::from_static("/test/wait");
        let status = client.unary(&path, &HeaderMap::new(), &[], Some(deadline)).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded);
        // The handler is gone with its memory, and the connection goes on.
        unary(&client, "/test/len", &[]).await.unwrap();
        assert_eq!(server.memory.used(), 0);
    });
}

#[test]
fn round_robin_takes_turns_and_passes_over_the_dead() {
    run(async {
        let echoes = [Arc::<Echo>::default(), Arc::<Echo>::default()];
        let [first, second] = echoes.clone().map(|echo| serve(server::Settings::default(), echo));
        let addresses = [first.address, second.address].map(Address::Tcp).to_vec();
        let resolver: client::Resolver = Arc::new(move || Ok(addresses.clone()));
        let client =
            Client::with_resolver(settings_for(&first), &Proxies::default(), Some(resolver)).unwrap();
        while client.ready_connections() < 2 {
            tokio::task::yield_now().await;
        }
        for _ in 0..10 {
            unary(&client, "/test/len", &[]).await.unwrap();
        }
        let calls = echoes.each_ref().map(|echo| echo.calls.load(Ordering::SeqCst));
        assert_eq!(calls, [5, 5]);
        first.trigger.stop();
        first.ended().await;
        while client.ready_connections() > 1 {
            tokio::task::yield_now().await;
        }
        for _ in 0..10 {
            unary(&client, "/test/len", &[]).await.unwrap();
        }
        assert_eq!(echoes[1].calls.load(Ordering::SeqCst), 15);
    });
}

#[test]
fn a_name_that_comes_to_mean_another_address_is_followed() {
    run(async {
        let echoes = [Arc::<Echo>::default(), Arc::<Echo>::default()];
        let [old, new] = echoes.clone().map(|echo| serve(server::Settings::default(), echo));
        let answer = Arc::new(std::sync::Mutex::new(old.address));
        let resolver: client::Resolver = {
            let answer = Arc::clone(&answer);
            Arc::new(move || Ok(vec![Address::Tcp(*answer.lock().unwrap())]))
        };
        let settings = client::Settings { resolve_interval: Duration::from_millis(10), ..settings_for(&old) };
        let client = Client::with_resolver(settings, &Proxies::default(), Some(resolver)).unwrap();
        unary(&client, "/test/len", &[]).await.unwrap();
        let calls = |of: usize| echoes[of].calls.load(Ordering::SeqCst);
        assert_eq!((calls(0), calls(1)), (1, 0));
        // The old server lives on, so nothing but looking the name up again can tell.
        *answer.lock().unwrap() = new.address;
        while calls(1) == 0 {
            unary(&client, "/test/len", &[]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let stayed_behind = calls(0);
        for _ in 0..10 {
            unary(&client, "/test/len", &[]).await.unwrap();
        }
        assert_eq!(calls(0), stayed_behind, "the old address is left");
    });
}

#[test]
fn pick_first_stays_with_the_first_that_answers() {
    run(async {
        let echo = Arc::<Echo>::default();
        let live = serve(server::Settings::default(), Arc::clone(&echo));
        let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let addresses = [dead, live.address].map(Address::Tcp).to_vec();
        let resolver: client::Resolver = Arc::new(move || Ok(addresses.clone()));
        let settings = client::Settings { balancer: Balancer::PickFirst, ..settings_for(&live) };
        let client = Client::with_resolver(settings, &Proxies::default(), Some(resolver)).unwrap();
        for _ in 0..3 {
            unary(&client, "/test/len", &[]).await.unwrap();
        }
        assert_eq!((client.ready_connections(), echo.calls.load(Ordering::SeqCst)), (1, 3));
    });
}

#[test]
fn a_connection_that_is_lost_is_made_again() {
    run(async {
        let settings = server::Settings {
            keepalive: server::Keepalive {
                max_connection_age: Duration::from_millis(20),
                ..Default::default()
            },
            ..Default::default()
        };
        let server = serve(settings, Arc::default());
        let settings =
            client::Settings { max_reconnect_backoff: Duration::from_millis(5), ..settings_for(&server) };
        let client = connect(settings);
        let mut answered = 0;
        let until = Instant::now() + Duration::from_millis(200);
        while Instant::now() < until || answered < 10 {
            match unary(&client, "/test/echo", &[Bytes::from_static(b"x")]).await {
                Ok(_) => answered += 1,
                Err(status) => assert!(crate::status::is_retryable(&status), "{status:?}"),
            }
        }
    });
}

#[test]
fn calls_go_through_a_proxy_that_the_environment_names() {
    run(async {
        let echo = serve(server::Settings::default(), Arc::default());
        let (target, proxy) = (echo.address, crate::testing::ConnectProxy::start(echo.address));
        let environment = crate::proxy::Environment {
            https_proxy: format!("http://user:pass@{}", proxy.address),
            ..Default::default()
        };
        // A name that only the proxy can resolve.
        let endpoint = format!("gateway.invalid:{}", target.port());
        let settings = client::Settings { endpoint: endpoint.clone(), ..settings_for(&echo) };
        let client = Client::new(settings, &Proxies::new("", &environment).unwrap()).unwrap();
        assert_eq!(unary(&client, "/test/echo", &[Bytes::from_static(b"far")]).await.unwrap(), "far");
        let seen = proxy.seen.lock().unwrap().clone();
        assert!(seen[0].starts_with(&format!("CONNECT {endpoint} HTTP/1.1\r\n")), "{seen:?}");
        assert!(seen[0].contains("Proxy-Authorization: Basic dXNlcjpwYXNz\r\n"), "{seen:?}");
    });
}

#[test]
fn a_server_that_is_not_there_fails_calls_and_is_found_when_it_comes() {
    run(async {
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let settings = client::Settings {
            endpoint: address.to_string(),
            tls: tls::ClientSettings { insecure: true, ..Default::default() },
            max_reconnect_backoff: Duration::from_millis(20),
            ..Default::default()
        };
        let client = connect(settings.clone());
        let status = unary(&client, "/test/len", &[]).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        assert!(crate::status::is_retryable(&status));
        let patient = connect(client::Settings { wait_for_ready: true, ..settings });
        let path = PathAndQuery::from_static("/test/len");
        let no_metadata = HeaderMap::new();
        let call = patient.unary(&path, &no_metadata, &[], None);
        tokio::pin!(call);
        assert!(futures::poll!(call.as_mut()).is_pending());
        let listen = listen::Settings { endpoint: address.to_string(), ..Default::default() };
        let listener = listen::Bound::bind(&listen).unwrap().listen(&listen).unwrap();
        let serving = async {
            let (stream, peer) = listener.accept().await;
            let memory = Budget::new(usize::MAX);
            let never = crate::shutdown::Signal::never();
            let settings = server::Settings::default();
            server::serve_connection(stream, peer, Arc::<Echo>::default(), &settings, memory, never).await
        };
        tokio::select! {
            answer = call => assert_eq!(answer.unwrap().message, "0 0"),
            end = serving => panic!("connection ended: {end:?}"),
        }
    });
}

#[test]
fn draining_finishes_what_is_in_flight_and_the_client_is_told_to_retry() {
    run(async {
        let echo = Arc::<Echo>::default();
        let server = serve(server::Settings::default(), Arc::clone(&echo));
        let client = connect(settings_for(&server));
        let slow = tokio::spawn({
            let client = client.clone();
            async move { unary(&client, "/test/wait", &[]).await }
        });
        while echo.calls.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        server.trigger.drain();
        tokio::task::yield_now().await;
        echo.gate.notify_one();
        assert_eq!(slow.await.unwrap().unwrap(), "waited");
        server.ended().await;
        let status = unary(&client, "/test/len", &[]).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    });
}

#[test]
fn stopping_cuts_what_is_in_flight() {
    run(async {
        let echo = Arc::<Echo>::default();
        let server = serve(server::Settings::default(), Arc::clone(&echo));
        let client = connect(settings_for(&server));
        let stop = async {
            while echo.calls.load(Ordering::SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
            server.trigger.stop();
        };
        let (answer, ()) = tokio::join!(unary(&client, "/test/wait", &[]), stop);
        assert_eq!(answer.unwrap_err().code(), Code::Unavailable);
        let memory = Arc::clone(&server.memory);
        server.ended().await;
        assert_eq!(memory.used(), 0);
    });
}

#[test]
fn calls_go_over_unix_sockets() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("otlp.sock").to_str().unwrap().to_owned();
        let listen = listen::Settings {
            endpoint: path.clone(),
            transport: listen::Transport::Unix,
            ..listen::Settings::default()
        };
        let listener = listen::Bound::bind(&listen).unwrap().listen(&listen).unwrap();
        let trigger = Trigger::default();
        let serving = serve::serve(listener, None, &[], trigger.signal(), |stream, peer, signal| {
            assert_eq!(peer, Peer::Unix);
            let (settings, memory) = (server::Settings::default(), Budget::new(usize::MAX));
            server::serve_connection(stream, peer, Arc::<Echo>::default(), &settings, memory, signal)
        });
        let calling = async {
            let mut settings = client::Settings { endpoint: format!("unix://{path}"), ..Default::default() };
            settings.tls.insecure = true;
            let client = connect(settings);
            assert_eq!(unary(&client, "/test/echo", &[Bytes::from_static(b"near")]).await.unwrap(), "near");
            trigger.drain();
        };
        tokio::join!(serving, calling);
    });
}

#[test]
fn https_forces_tls_over_insecure() {
    run(async {
        let server = serve(server::Settings::default(), Arc::default());
        let plain = settings_for(&server);
        let endpoint = format!("https://{}", plain.endpoint);
        let mut settings = client::Settings { endpoint, ..plain.clone() };
        settings.tls.insecure_skip_verify = true;
        let status = unary(&connect(settings), "/test/len", &[]).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        let endpoint = format!("http://{}", plain.endpoint);
        let client = connect(client::Settings { endpoint, ..plain });
        unary(&client, "/test/len", &[]).await.unwrap();
    });
}

#[test]
fn clients_that_cannot_work_are_not_made() {
    run(async {
        let check = |change: fn(&mut client::Settings), message: &str| {
            let mut settings = client::Settings { endpoint: "localhost:1".to_owned(), ..Default::default() };
            settings.tls.insecure = true;
            change(&mut settings);
            let error = Client::new(settings, &Proxies::default()).err().unwrap().to_string();
            assert!(error.contains(message), "{error}");
        };
        check(|settings| settings.endpoint.clear(), "requires a non-empty");
        check(|settings| settings.endpoint = "foo".to_owned(), "missing port in address");
        check(|settings| settings.compression = Compression::Lz4, "unsupported compression type");
        check(|settings| settings.authority = "not an authority".to_owned(), "invalid authority");
        let secret = |settings: &mut client::Settings| {
            settings.headers = vec![("a".to_owned(), Secret::new("line\nbreak"))];
        };
        check(secret, "invalid header \"a\"");
    });
}

#[test]
fn a_server_that_drains_is_left_for_the_next_while_its_last_calls_finish() {
    run(async {
        let bound = listen::Bound::bind(&crate::testing::loopback()).unwrap();
        let [old, new] = [Arc::<Echo>::default(), Arc::<Echo>::default()];
        let start = |echo: &Arc<Echo>, signal| {
            let (echo, listener) = (Arc::clone(echo), bound.listen(&crate::testing::loopback()).unwrap());
            tokio::spawn(serve::serve(listener, None, &[], signal, move |stream, peer, signal| {
                let (settings, memory) = (server::Settings::default(), Budget::new(usize::MAX));
                server::serve_connection(stream, peer, Arc::clone(&echo), &settings, memory, signal)
            }))
        };
        let (first, second) = (Trigger::default(), Trigger::default());
        let first_server = start(&old, first.signal());
        let mut settings = client::Settings {
            endpoint: bound.local_addr().unwrap().to_string(),
            max_reconnect_backoff: Duration::from_millis(5),
            wait_for_ready: true,
            ..Default::default()
        };
        settings.tls.insecure = true;
        let client = connect(settings);
        let slow = tokio::spawn({
            let client = client.clone();
            async move { unary(&client, "/test/wait", &[]).await }
        });
        while old.calls.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        first.drain();
        let _second_server = start(&new, second.signal());
        while new.calls.load(Ordering::SeqCst) == 0 {
            unary(&client, "/test/len", &[]).await.unwrap();
        }
        assert!(!slow.is_finished());
        old.gate.notify_one();
        assert_eq!(slow.await.unwrap().unwrap(), "waited");
        first_server.await.unwrap();
    });
}
