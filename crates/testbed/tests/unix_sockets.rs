//! Unix sockets: a receiver that listens on files, senders that connect to them, and what happens to the files.

#![allow(clippy::unwrap_used, reason = "a panic is the failure report")]

use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use prost::Message as _;
use testbed::grpc::{Client, TRACES};
use testbed::http::{self, PROTOBUF};
use testbed::{Collector, PATIENCE, Signal, config, otlp_json};
use testkit::generate::traces;

fn spans(first: u64) -> Vec<u8> {
    traces(first..first + 10).encode_to_vec()
}

/// `otlp → batch → file` behind two sockets in `sockets`; `more` are further settings of both.
fn server(sockets: &Path, more: &str) -> String {
    let listen =
        |name: &str| format!("transport: unix, endpoint: \"{}/{name}.sock\"{more}", sockets.display());
    config::through_batch("file", "{path: DIR/out.json}")
        .replace("endpoint: \"127.0.0.1:0\"", &listen("grpc"))
        .replace("endpoint: \"localhost:0\"", &listen("http"))
}

async fn over_grpc(sockets: &Path, first: u64) -> i32 {
    let stream = tokio::net::UnixStream::connect(sockets.join("grpc.sock")).await.unwrap();
    Client::over(stream).await.unwrap().export(TRACES, &spans(first)).await.code
}

fn over_http(sockets: &Path, first: u64) -> u16 {
    let mut stream = UnixStream::connect(sockets.join("http.sock")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    http::request_over(&mut stream, "POST", "/v1/traces", &[PROTOBUF], &spans(first)).status
}

fn is_there(sockets: &Path) -> [bool; 2] {
    ["grpc", "http"].map(|name| {
        let found = std::fs::symlink_metadata(sockets.join(format!("{name}.sock")));
        found.is_ok_and(|found| found.file_type().is_socket())
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_on_unix_sockets() {
    let sockets = tempfile::tempdir().unwrap();
    let collector = Collector::start(&server(sockets.path(), ", socket_mode: 0o620"));
    for name in ["grpc.sock", "http.sock"] {
        let mode = std::fs::metadata(sockets.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o620, "{name}");
    }
    assert_eq!(over_grpc(sockets.path(), 1).await, 0);
    assert_eq!(over_http(sockets.path(), 11), 200);

    // A reload keeps the sockets: they are never gone.
    collector.signal(Signal::SIGHUP);
    collector.wait_for("Config updated");
    assert_eq!(over_grpc(sockets.path(), 21).await, 0);
    assert_eq!(over_http(sockets.path(), 31), 200);

    let ended = collector.stop_clean();
    ended.account.nothing_lost();
    let in_file = otlp_json::distinct(otlp_json::span_ids(&ended.file("out.json")));
    assert_eq!(in_file, (1..41).collect());
    assert_eq!(is_there(sockets.path()), [false, false], "the files are removed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_process_left_is_replaced() {
    let sockets = tempfile::tempdir().unwrap();
    let killed = Collector::start(&server(sockets.path(), ""));
    killed.signal(Signal::SIGKILL);
    assert_eq!(killed.ended().code, None);
    assert_eq!(is_there(sockets.path()), [true, true], "a killed process cleans nothing up");

    let collector = Collector::start(&server(sockets.path(), ""));
    assert_eq!(over_grpc(sockets.path(), 1).await, 0);
    assert_eq!(over_http(sockets.path(), 11), 200);
    collector.stop_clean().account.passed("exporter file (traces)", "spans", 20);
    assert_eq!(is_there(sockets.path()), [false, false]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_use_is_left_alone() {
    let sockets = tempfile::tempdir().unwrap();
    let first = Collector::start(&server(sockets.path(), ""));
    let second = Collector::start_unready(&server(sockets.path(), "")).ended();
    assert_eq!(second.code, Some(1));
    assert!(second.output.contains("bind: address already in use"), "{}", second.output);
    assert_eq!(is_there(sockets.path()), [true, true]);
    assert_eq!(over_grpc(sockets.path(), 1).await, 0);
    let _ended = first.stop_clean();

    // Nor is a file removed that is no socket.
    let file = sockets.path().join("grpc.sock");
    std::fs::write(&file, "mine").unwrap();
    let third = Collector::start_unready(&server(sockets.path(), "")).ended();
    assert_eq!(third.code, Some(1));
    assert!(third.output.contains("bind: address already in use"), "{}", third.output);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_process_to_process() {
    let sockets = tempfile::tempdir().unwrap();
    let second = Collector::start(&server(sockets.path(), ""));
    let exporter =
        format!("{{endpoint: \"unix://{}/grpc.sock\", tls: {{insecure: true}}}}", sockets.path().display());
    let first = Collector::start(&config::through_batch("otlp_grpc", &exporter));
    let client = Client::connect(first.grpc()).await;
    assert_eq!(client.export(TRACES, &spans(1)).await.code, 0);
    first.stop_clean().account.nothing_lost();
    let ended = second.stop_clean();
    ended.account.nothing_lost();
    assert_eq!(otlp_json::span_ids(&ended.file("out.json")), (1..11).collect::<Vec<_>>());
}
