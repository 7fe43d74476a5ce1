//! Connections whose other end has gone without a word, and connections that have lived long enough.

#![allow(clippy::unwrap_used, reason = "a panic is the failure report")]

use std::time::Duration;

use prost::Message as _;
use testbed::grpc::{Client, TRACES};
use testbed::relay::Relay;
use testbed::{Collector, PATIENCE, Reply, Upstream, config, eventually};
use testkit::generate::traces;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const ACK: u8 = 1;

fn spans(first: u64) -> Vec<u8> {
    traces(first..first + 10).encode_to_vec()
}

/// `otlp → otlp_grpc` without a queue, whose receiver has these `keepalive.server_parameters`.
async fn server(reply: Reply, parameters: &str) -> (Upstream, Collector) {
    let upstream = Upstream::start(reply).await;
    let exporter = format!(
        "{{endpoint: \"{}\", tls: {{insecure: true}}, compression: none, timeout: 0s, \
         sending_queue: {{enabled: false}}, \
         retry_on_failure: {{initial_interval: 50ms, max_interval: 50ms, max_elapsed_time: 0s}}}}",
        upstream.address()
    );
    let keepalive = format!("endpoint: \"127.0.0.1:0\", keepalive: {{server_parameters: {{{parameters}}}}}");
    let config = config::direct("otlp_grpc", &exporter).replace("endpoint: \"127.0.0.1:0\"", &keepalive);
    (upstream, Collector::start(&config))
}

/// A client that shows every frame and answers nothing by itself.
struct Frames(TcpStream);

impl Frames {
    async fn open(collector: &Collector) -> Self {
        let mut stream = TcpStream::connect(collector.grpc()).await.unwrap();
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        let mut frames = Self(stream);
        frames.send(SETTINGS, 0, &[]).await;
        frames
    }

    async fn send(&mut self, kind: u8, flags: u8, payload: &[u8]) {
        let length = u8::try_from(payload.len()).unwrap();
        let head = [0, 0, length, kind, flags, 0, 0, 0, 0];
        self.0.write_all(&[&head, payload].concat()).await.unwrap();
    }

    /// Kind, flags and payload of the next frame; none once the server has closed.
    async fn next(&mut self) -> Option<(u8, u8, Vec<u8>)> {
        let frame = async {
            let mut head = [0; 9];
            self.0.read_exact(&mut head).await.ok()?;
            let [high, middle, low, kind, flags, ..] = head;
            let mut payload = vec![0; u32::from_be_bytes([0, high, middle, low]).try_into().unwrap()];
            self.0.read_exact(&mut payload).await.ok()?;
            Some((kind, flags, payload))
        };
        tokio::time::timeout(PATIENCE, frame).await.expect("a frame, or the end")
    }
}

/// Reads without answering until the server closes; how often it was asked.
async fn pings_until_closed(mut frames: Frames) -> usize {
    let mut pings = 0;
    while let Some((kind, flags, _)) = frames.next().await {
        pings += usize::from(kind == PING && flags & ACK == 0);
    }
    pings
}

/// Answers that many pings; gives the connection, which is open all the while.
async fn answered(mut frames: Frames, pings: usize) -> Frames {
    let mut answered = 0;
    while answered < pings {
        match frames.next().await.expect("a connection that stays") {
            (SETTINGS, 0, _) => frames.send(SETTINGS, ACK, &[]).await,
            (PING, 0, payload) => {
                frames.send(PING, ACK, &payload).await;
                answered += 1;
            }
            (GOAWAY, ..) => panic!("sent away although it answers"),
            _ => {}
        }
    }
    frames
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_answer_no_ping_are_cut_off() {
    let (_upstream, collector) = server(Reply::Ok, "time: 1s, timeout: 5s").await;
    let client = Client::connect(collector.grpc()).await;
    assert_eq!(client.export(TRACES, &spans(1)).await.code, 0);
    let (silent, answering) = (Frames::open(&collector).await, Frames::open(&collector).await);
    let (pings, answering) = tokio::join!(pings_until_closed(silent), answered(answering, 4));
    assert_eq!(pings, 1, "it is asked once, and is gone without an answer");
    // So does a library's client that had nothing to say all the while.
    assert_eq!(client.export(TRACES, &spans(11)).await.code, 0);
    drop((client, answering));
    collector.stop_clean().account.passed("exporter otlp_grpc (traces)", "spans", 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exporter_gives_up_on_a_peer_that_fell_silent() {
    let upstream = Upstream::start(Reply::Ok).await;
    let relay = Relay::start(upstream.address()).await;
    // Calls have no time limit of their own: only the ping that is not answered can end one.
    let exporter = format!(
        "{{endpoint: \"{}\", tls: {{insecure: true}}, compression: none, timeout: 0s, connect_timeout: 1s, \
         max_reconnect_backoff: 1s, keepalive: {{time: 10s, timeout: 1s}}, \
         retry_on_failure: {{initial_interval: 100ms, max_interval: 100ms, max_elapsed_time: 0s}}}}",
        relay.address()
    );
    let collector = Collector::start(&config::direct("otlp_grpc", &exporter));
    let client = Client::connect(collector.grpc()).await;
    assert_eq!(client.export(TRACES, &spans(1)).await.code, 0);
    eventually("the first spans", || (upstream.span_ids().len() == 10).then_some(()));

    relay.fall_silent();
    assert_eq!(client.export(TRACES, &spans(11)).await.code, 0, "the queue has it");
    collector.wait_for("Exporting failed. Will retry the request after interval.");
    assert_eq!(upstream.span_ids(), (1..11).collect());
    relay.recover();
    eventually("what was sent into the silence", || (upstream.span_ids().len() == 20).then_some(()));
    let ended = collector.stop_clean();
    ended.account.nothing_lost();
    ended.account.passed("exporter otlp_grpc (traces)", "spans", 20);
    assert_eq!(upstream.span_ids(), (1..21).collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_connection_ends_after_its_last_call() {
    let refusal = Reply::Status(14, "not now".to_owned());
    let (upstream, collector) = server(refusal, "max_connection_age: 3s").await;
    let client = Client::connect(collector.grpc()).await;
    let in_flight = tokio::spawn({
        let client = client.clone();
        async move { client.try_export(TRACES, &spans(1)).await }
    });
    eventually("an attempt", || (!upstream.taken().is_empty()).then_some(()));
    until_sent_away(&client).await;
    assert!(!in_flight.is_finished(), "the call is not ended with it");
    upstream.reply(Reply::Ok);
    assert_eq!(in_flight.await.unwrap().unwrap().code, 0, "it is answered on the old connection");
    let next = Client::connect(collector.grpc()).await;
    assert_eq!(next.export(TRACES, &spans(11)).await.code, 0);
    drop((client, next));
    collector.stop_clean().account.passed("exporter otlp_grpc (traces)", "spans", 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_have_a_grace_on_an_old_connection() {
    let refusal = Reply::Status(14, "not now".to_owned());
    let parameters = "max_connection_age: 3s, max_connection_age_grace: 1s";
    let (upstream, collector) = server(refusal, parameters).await;
    let client = Client::connect(collector.grpc()).await;
    let in_flight = tokio::spawn({
        let client = client.clone();
        async move { client.try_export(TRACES, &spans(1)).await }
    });
    eventually("an attempt", || (!upstream.taken().is_empty()).then_some(()));
    until_sent_away(&client).await;
    let cut = tokio::time::timeout(PATIENCE, in_flight).await.expect("the grace to end").unwrap();
    assert!(cut.is_err(), "nobody answers it any more: {cut:?}");
    upstream.reply(Reply::Ok);
    let next = Client::connect(collector.grpc()).await;
    assert_eq!(next.export(TRACES, &spans(11)).await.code, 0);
    drop((client, next));
    // What the pipeline had taken in goes its way, though nobody waits for the answer.
    collector.stop_clean().account.passed("exporter otlp_grpc (traces)", "spans", 20);
}

/// Waits until the server takes no more calls on the client's connection.
async fn until_sent_away(client: &Client) {
    let sent_away = async {
        while client.is_open().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, sent_away).await.expect("to be sent away");
}
