//! TLS and mutual TLS between clients and the process, and between two processes; certificates that change.

#![allow(clippy::unwrap_used, reason = "a panic is the failure report")]

use std::path::Path;
use std::time::Duration;

use prost::Message as _;
use testbed::grpc::{Client, TRACES};
use testbed::tls::{Authority, Identity, connect};
use testbed::{Collector, PATIENCE, config, otlp_json};
use testkit::generate::traces;

fn spans(first: u64) -> Vec<u8> {
    traces(first..first + 10).encode_to_vec()
}

/// A server with a certificate in `files`; `more` are further TLS settings.
fn server(files: &Path, more: &str) -> String {
    let tls = format!("tls: {{cert_file: {0}/server.crt, key_file: {0}/server.key{more}}}", files.display());
    config::through_batch("file", "{path: DIR/out.json}")
        .replace("endpoint: \"127.0.0.1:0\"", &format!("endpoint: \"127.0.0.1:0\", {tls}"))
        .replace("endpoint: \"localhost:0\"", &format!("endpoint: \"localhost:0\", {tls}"))
}

async fn try_export(
    collector: &Collector,
    trusted: &Authority,
    identity: Option<&Identity>,
    first: u64,
) -> bool {
    let Ok(stream) = connect(collector.grpc(), trusted, identity).await else { return false };
    // With TLS 1.3 a client hears that its certificate is refused only when it reads.
    let Ok(client) = Client::over(stream).await else { return false };
    client.try_export(TRACES, &spans(first)).await.is_ok_and(|answer| answer.code == 0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_tls() {
    let (files, authority) = (tempfile::tempdir().unwrap(), Authority::new("ours"));
    authority.identity().write(files.path(), "server");
    let collector = Collector::start(&server(files.path(), ""));
    assert!(try_export(&collector, &authority, None, 1).await);
    assert!(!try_export(&collector, &Authority::new("another"), None, 11).await, "signed by somebody else");
    // Without TLS there is no answer.
    let plain = tokio::net::TcpStream::connect(collector.grpc()).await.unwrap();
    let plain = Client::over(plain).await;
    let answered = match plain {
        Ok(client) => client.try_export(TRACES, &spans(21)).await.is_ok(),
        Err(_) => false,
    };
    assert!(!answered);
    assert!(try_export(&collector, &authority, None, 31).await);
    let ended = collector.stop_clean();
    ended.account.nothing_lost();
    ended.account.passed("exporter file (traces)", "spans", 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_wants_certificates() {
    let files = tempfile::tempdir().unwrap();
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    servers.identity().write(files.path(), "server");
    std::fs::write(files.path().join("clients.crt"), clients.pem()).unwrap();
    let more = format!(", client_ca_file: {}/clients.crt", files.path().display());
    let collector = Collector::start(&server(files.path(), &more));
    assert!(try_export(&collector, &servers, Some(&clients.identity()), 1).await);
    assert!(!try_export(&collector, &servers, None, 11).await, "without a certificate");
    let stranger = Authority::new("strangers").identity();
    assert!(!try_export(&collector, &servers, Some(&stranger), 21).await, "with a stranger's certificate");
    assert!(
        !try_export(&collector, &servers, Some(&servers.identity()), 31).await,
        "with a server's certificate"
    );
    let ended = collector.stop_clean();
    ended.account.nothing_lost();
    ended.account.passed("exporter file (traces)", "spans", 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_certificate_is_taken_up() {
    let files = tempfile::tempdir().unwrap();
    let (first, second) = (Authority::new("first"), Authority::new("second"));
    first.identity().write(files.path(), "server");
    let collector = Collector::start(&server(files.path(), ", reload_interval: 100ms"));
    let stream = connect(collector.grpc(), &first, None).await.unwrap();
    let old_connection = Client::over(stream).await.unwrap();
    assert_eq!(old_connection.export(TRACES, &spans(1)).await.code, 0);
    second.identity().write(files.path(), "server");
    let deadline = std::time::Instant::now() + PATIENCE;
    let mut next = 11;
    while !try_export(&collector, &second, None, next).await {
        assert!(std::time::Instant::now() < deadline, "the new certificate is not used");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    next += 10;
    assert!(connect(collector.grpc(), &first, None).await.is_err(), "the old one is not used any more");
    assert_eq!(old_connection.export(TRACES, &spans(next)).await.code, 0, "what is open stays open");
    next += 10;
    // A file that is no certificate changes nothing.
    std::fs::write(files.path().join("server.crt"), "not a certificate").unwrap();
    while !collector.output().contains("reloading TLS certificates failed, the old ones stay in use") {
        assert!(try_export(&collector, &second, None, next).await);
        next += 10;
        assert!(std::time::Instant::now() < deadline, "the change is not noticed");
    }
    assert!(try_export(&collector, &second, None, next).await);
    next += 10;
    let ended = collector.stop_clean();
    ended.account.nothing_lost();
    ended.account.passed("exporter file (traces)", "spans", next - 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_process_to_process() {
    let files = tempfile::tempdir().unwrap();
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    servers.identity().write(files.path(), "server");
    clients.identity().write(files.path(), "client");
    std::fs::write(files.path().join("clients.crt"), clients.pem()).unwrap();
    std::fs::write(files.path().join("servers.crt"), servers.pem()).unwrap();
    let more = format!(", client_ca_file: {}/clients.crt", files.path().display());
    let second = Collector::start(&server(files.path(), &more));
    let tls = format!(
        "tls: {{ca_file: {0}/servers.crt, cert_file: {0}/client.crt, key_file: {0}/client.key, \
         server_name_override: localhost}}",
        files.path().display()
    );
    let over_grpc =
        config::through_batch("otlp_grpc", &format!("{{endpoint: \"{}\", {tls}}}", second.grpc()));
    let over_http =
        config::through_batch("otlp_http", &format!("{{endpoint: \"https://{}\", {tls}}}", second.http()));
    for (number, config) in [over_grpc, over_http].iter().enumerate() {
        let first = Collector::start(config);
        let client = Client::connect(first.grpc()).await;
        assert_eq!(client.export(TRACES, &spans(1 + number as u64 * 10)).await.code, 0);
        first.stop_clean().account.nothing_lost();
    }
    let ended = second.stop_clean();
    ended.account.nothing_lost();
    let in_file = otlp_json::distinct(otlp_json::span_ids(&ended.file("out.json")));
    assert_eq!(in_file, (1..21).collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_not_there_fails_the_start() {
    let files = tempfile::tempdir().unwrap();
    let collector = Collector::start_unready(&server(files.path(), ""));
    let ended = collector.ended();
    assert_eq!(ended.code, Some(1));
    assert!(ended.output.contains("failed to load TLS config"), "{}", ended.output);
    for file in ["server.crt", "server.key"] {
        assert!(ended.output.contains(file), "it says which files:\n{}", ended.output);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_are_refused_with_all_that_is_wrong() {
    let files = tempfile::tempdir().unwrap();
    let more = ", min_version: \"1.1\", max_version: \"1.9\", cipher_suites: [TLS_ONE, TLS_TWO]";
    let config = server(files.path(), more);
    let config = config.replacen("key_file", "ca_file", 1);
    let ended = Collector::start_unready(&config).ended();
    assert_eq!(ended.code, Some(1));
    for problem in [
        "TLS 1.1 is not available: 1.2 is the lowest version here",
        "invalid TLS max_version: unsupported TLS version: \"1.9\"",
        "invalid TLS cipher suite: \"TLS_ONE\" is not available",
        "invalid TLS cipher suite: \"TLS_TWO\" is not available",
    ] {
        assert_eq!(
            ended.output.matches(problem).count(),
            2,
            "{problem}: once for each server:\n{}",
            ended.output
        );
    }
    let problem = "TLS configuration must include both certificate and key";
    assert_eq!(ended.output.matches(problem).count(), 1, "{}", ended.output);
}
