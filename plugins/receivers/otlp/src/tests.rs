use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use ::http::{HeaderMap, HeaderValue};
use data::{Code, Refusal, Refused, Signal};
use testkit::contract;
use testkit::generate::{batch, message};

use super::*;
use crate::intake::{Receipt, for_client, metadata};

#[test]
fn keeps_the_contract_of_a_type() {
    contract::spec(&SPEC, false);
}

/// Reads a configuration; the findings, or nothing.
fn findings(yaml: &str) -> (Option<Config>, String) {
    testkit::settings::read(yaml, "receivers::otlp")
}

fn config(yaml: &str) -> Config {
    let (config, findings) = findings(yaml);
    config.unwrap_or_else(|| panic!("{yaml}: {findings}"))
}

#[test]
fn protocols_are_served_if_they_are_named() {
    let served = |yaml: &str| {
        let protocols = config(yaml).protocols;
        let grpc = protocols.grpc.get().map(|grpc| grpc.listen.endpoint.clone());
        let http = protocols.http.get().map(|http| http.server.listen.endpoint.clone());
        (grpc, http)
    };
    let (grpc, http) = (Some("localhost:4317".to_owned()), Some("localhost:4318".to_owned()));
    assert_eq!(served("protocols: {grpc: , http: }"), (grpc.clone(), http.clone()));
    assert_eq!(served("protocols: {grpc: }"), (grpc, None));
    assert_eq!(served("protocols: {http: {}}"), (None, http));
    assert_eq!(served("protocols: {grpc: {endpoint: \"0.0.0.0:1\"}}"), (Some("0.0.0.0:1".to_owned()), None));
}

#[test]
fn paths_are_the_users() {
    let paths = |yaml: &str| config(yaml).protocols.http.get().unwrap().paths();
    assert_eq!(
        paths("protocols: {http: {traces_url_path: a/b, logs_url_path: /c}}"),
        [
            ("/a/b".to_owned(), Signal::Traces),
            ("/v1/metrics".to_owned(), Signal::Metrics),
            ("/c".to_owned(), Signal::Logs)
        ]
    );
}

#[test]
fn what_is_wrong_is_said() {
    let check = |yaml: &str, part: &str| {
        let (_, findings) = findings(yaml);
        assert!(findings.contains(part), "{yaml}: {findings}");
    };
    check("protocols: {}", "must specify at least one protocol when using the OTLP receiver");
    check("protocols: {gprc: }", "grpc");
    check("protocols: {grpc: {endpoint: 5, max_recv_msg_size_mib: x}}", "max_recv_msg_size_mib");
    check("{protocols: {grpc: }, invalid_utf8: ignore}", "invalid_utf8");
}

/// A refusal inside, and what a client is told: the code, and whether to come back.
#[test]
fn clients_are_told_what_the_specification_wants() {
    let check = |refused: Refused, code: Code, comes_back: bool| {
        let message = refused.message.clone();
        let told = for_client(refused.clone());
        let is_retry = matches!(told.refusal, Refusal::Retry { .. });
        assert_eq!((told.code, is_retry, &told.message), (code, comes_back, &message), "{refused:?}");
        if code == Code::ResourceExhausted {
            assert!(matches!(told.refusal, Refusal::Retry { after: Some(_) }), "{refused:?}");
        }
    };
    let retry = |code: Code| Refused { code, ..Refused::retry("x") };
    let later = |code: Code| Refused::retry_after(Duration::from_secs(7), code, "x");
    let never = |code: Code| Refused::permanent(code, "x");
    check(retry(Code::Unavailable), Code::Unavailable, true);
    check(retry(Code::DeadlineExceeded), Code::DeadlineExceeded, true);
    check(retry(Code::ResourceExhausted), Code::Unavailable, true);
    check(later(Code::ResourceExhausted), Code::ResourceExhausted, true);
    check(retry(Code::Internal), Code::Unavailable, true);
    check(later(Code::PermissionDenied), Code::Unavailable, true);
    check(never(Code::InvalidArgument), Code::InvalidArgument, false);
    check(never(Code::Unavailable), Code::Internal, false);
    check(never(Code::ResourceExhausted), Code::Internal, false);
    check(Refused::too_large("x"), Code::InvalidArgument, false);
    let told = for_client(later(Code::Internal));
    assert_eq!(told.refusal, Refusal::Retry { after: Some(Duration::from_secs(7)) }, "the hint stays");
}

#[test]
fn partial_success_is_worded_in_both_encodings() {
    let none = Receipt { rejected: None };
    assert_eq!(otlp::response::decode(&answer::protobuf(&none)), otlp::response::PartialSuccess::default());
    assert_eq!(answer::json(&none, "Spans"), r#"{"partialSuccess":{}}"#);
    let some = Receipt { rejected: Some((3, "a \"b\"\n".into())) };
    let decoded = otlp::response::decode(&answer::protobuf(&some));
    assert_eq!((decoded.rejected, decoded.message.as_str()), (3, "a \"b\"\n"));
    assert_eq!(
        answer::json(&some, "LogRecords"),
        r#"{"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"a \"b\"\n"}}"#
    );
}

#[test]
fn metadata_is_in_order_and_text() {
    let mut headers = HeaderMap::new();
    headers.append("x-tenant", HeaderValue::from_static("a"));
    headers.append("x-tenant", HeaderValue::from_static("b"));
    headers.append("authorization", HeaderValue::from_static("secret"));
    headers.append("odd", HeaderValue::from_bytes(b"\xff").unwrap());
    let found = metadata(&headers);
    let found: Vec<(&str, Vec<&str>)> =
        found.iter().map(|(name, values)| (&**name, values.iter().map(|value| &**value).collect())).collect();
    assert_eq!(found, [("authorization", vec!["secret"]), ("odd", vec![]), ("x-tenant", vec!["a", "b"])]);
}

/// A request on a socket of the file system, which no other test can hold.
fn post(socket: &Path, signal: Signal, body: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    let head = format!(
        "POST /v1/{signal} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/x-protobuf\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contract_of_a_receiver() {
    let directory = tempfile::tempdir().unwrap();
    for signal in [Signal::Traces, Signal::Metrics, Signal::Logs] {
        let socket = directory.path().join(signal.name());
        let config =
            config(&format!("protocols: {{http: {{transport: unix, endpoint: {}}}}}", socket.display()));
        let stage = OtlpReceiver::build(&config, &testkit::build_cx()).unwrap();
        contract::receiver(stage, signal, 1234, || async {
            for (first, count) in [(1, 1), (2, 0), (10, 1233)] {
                let body = message(&batch(signal, first, count));
                let answer = tokio::task::block_in_place(|| post(&socket, signal, &body));
                assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            }
        })
        .await;
    }
}
