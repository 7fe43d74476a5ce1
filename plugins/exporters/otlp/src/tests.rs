use std::sync::{Arc, Mutex};

use net::grpc::server::{Request, Service, Settings as ServerSettings, serve_connection};
use net::listen::{Bound, Settings as ListenSettings};
use net::reserve::Unlimited;
use net::status::status_with_retry;
use testkit::contract;
use testkit::generate::{batch, message};
use tonic::Code as Grpc;

use super::*;

#[test]
fn keeps_the_contract_of_a_type() {
    contract::spec(&SPEC, false);
}

/// Reads a configuration; the findings, or nothing.
fn findings(yaml: &str) -> (Option<Config>, String) {
    testkit::settings::read(yaml, "exporters::otlp_grpc")
}

#[test]
fn configurations_are_read_as_by_the_collector() {
    let config = findings("endpoint: localhost:4317").0.unwrap();
    assert_eq!(config.client.compression, ForGrpc(Compression::Gzip));
    assert_eq!(config.delivery.timeout, Duration::from_secs(5));
    let config = findings("{endpoint: a:1, compression: none, timeout: 3s, sending_queue: {enabled: false}}");
    let config = config.0.unwrap();
    assert_eq!(config.client.compression, ForGrpc(Compression::None));
    assert_eq!(config.delivery.timeout, Duration::from_secs(3));
    assert!(config.delivery.holding.sending_queue.get().is_none());
}

#[test]
fn what_is_wrong_is_said() {
    let check = |yaml: &str, part: &str| {
        let (_, findings) = findings(yaml);
        assert!(findings.contains(part), "{yaml}: {findings}");
    };
    check("{}", "requires a non-empty \"endpoint\"");
    check("{endpoint: a:1, compresion: none}", "compression");
    check("{endpoint: a:1, timeout: soon}", "timeout");
    check("{endpoint: a:1, retry_on_failure: {max_interval: -1s}}", "max_interval");
}

/// What a server says, and what that means for the batch.
#[test]
fn statuses_are_understood() {
    let check = |status: Status, expected: Refusal| {
        let refused = refused(&status);
        assert_eq!(refused.refusal, expected, "{status:?}");
        assert_eq!(i32::from(refused.code.number()), status.code() as i32);
        assert_eq!(&*refused.message, status.message());
    };
    let retry = Refusal::Retry { after: None };
    for code in [
        Grpc::Cancelled,
        Grpc::DeadlineExceeded,
        Grpc::Aborted,
        Grpc::OutOfRange,
        Grpc::Unavailable,
        Grpc::DataLoss,
    ] {
        check(Status::new(code, "x"), retry);
    }
    for code in [
        Grpc::Unknown,
        Grpc::InvalidArgument,
        Grpc::NotFound,
        Grpc::AlreadyExists,
        Grpc::PermissionDenied,
        Grpc::FailedPrecondition,
        Grpc::Unimplemented,
        Grpc::Internal,
        Grpc::Unauthenticated,
        // Only with a word of when.
        Grpc::ResourceExhausted,
    ] {
        check(Status::new(code, "x"), Refusal::Permanent);
    }
    let hint = |code, seconds| status_with_retry(code, "x", Duration::from_secs(seconds));
    check(hint(Grpc::ResourceExhausted, 7), Refusal::Retry { after: Some(Duration::from_secs(7)) });
    check(hint(Grpc::Unavailable, 7), Refusal::Retry { after: Some(Duration::from_secs(7)) });
    check(hint(Grpc::Unavailable, 0), retry);
}

#[test]
fn too_large_is_known_by_its_words() {
    let check = |status: Status, expected: bool| {
        let is_too_large = refused(&status).refusal == Refusal::TooLarge;
        assert_eq!(is_too_large, expected, "{status:?}");
    };
    let exhausted = |message: &str| Status::resource_exhausted(message);
    // grpc-go, grpc-java, grpc-core, tonic
    check(exhausted("grpc: received message larger than max (5242880 vs. 4194304)"), true);
    check(exhausted("grpc: received message after decompression larger than max 4194304"), true);
    check(exhausted("gRPC message exceeds maximum size 4194304: 5242880"), true);
    check(exhausted("Received message larger than max (5242880 vs. 4194304)"), true);
    check(
        Status::out_of_range(
            "Error, decoded message length too large: found 5242880 bytes, the limit is: 4194304 bytes",
        ),
        true,
    );
    check(exhausted("sending queue is full"), false);
    check(Status::internal("larger than max"), false);
    check(status_with_retry(Grpc::ResourceExhausted, "larger than max", Duration::from_secs(1)), false);
}

#[test]
fn partial_success_is_read() {
    use otlp::response::{PartialSuccess, encode};
    assert_eq!(accepted(b""), Accepted::default());
    assert_eq!(accepted(&encode(&PartialSuccess::default())), Accepted::default());
    let partial = PartialSuccess { rejected: 3, message: "old".to_owned() };
    assert_eq!(accepted(&encode(&partial)), Accepted { rejected: Some((3, "old".to_owned())) });
    let warning = PartialSuccess { rejected: 0, message: "less".to_owned() };
    assert_eq!(accepted(&encode(&warning)), Accepted { rejected: Some((0, "less".to_owned())) });
}

/// Takes everything and remembers it.
#[derive(Default)]
struct Server(Mutex<Vec<(String, String, Bytes)>>);

impl Service for Server {
    async fn call(&self, request: Request) -> Result<Bytes, Status> {
        let agent =
            request.head.headers.get("user-agent").and_then(|agent| agent.to_str().ok()).unwrap_or_default();
        let call = (request.head.uri.path().to_owned(), agent.to_owned(), request.message);
        self.0.lock().unwrap().push(call);
        Ok(Bytes::new())
    }
}

/// A server on loopback, and settings that lead to it.
fn server(more: &str) -> (Arc<Server>, Config) {
    let listen = ListenSettings { endpoint: "127.0.0.1:0".to_owned(), ..ListenSettings::default() };
    let bound = Bound::bind(&listen).unwrap();
    let address = bound.local_addr().unwrap();
    let server = Arc::new(Server::default());
    let serving = Arc::clone(&server);
    tokio::spawn(async move {
        let listener = bound.listen(&listen).unwrap();
        loop {
            let (stream, peer) = listener.accept().await;
            let (service, room) = (Arc::clone(&serving), Arc::new(Unlimited));
            let never = net::shutdown::Signal::never();
            tokio::spawn(serve_connection(stream, peer, service, &ServerSettings::default(), room, never));
        }
    });
    let yaml = format!("{{endpoint: \"{address}\", tls: {{insecure: true}}{more}}}");
    let (config, findings) = findings(&yaml);
    (server, config.unwrap_or_else(|| panic!("{findings}")))
}

#[tokio::test]
async fn keeps_the_contract_of_an_exporter() {
    for (signal, path) in [
        (Signal::Traces, "/opentelemetry.proto.collector.trace.v1.TraceService/Export"),
        (Signal::Metrics, "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"),
        (Signal::Logs, "/opentelemetry.proto.collector.logs.v1.LogsService/Export"),
    ] {
        for more in ["", ", compression: none, sending_queue: {enabled: false}"] {
            let (server, config) = server(more);
            let Ok(Stage::Exporter(unit)) = Otlp::build(&config, &testkit::build_cx()) else {
                panic!("not built")
            };
            contract::exporter(&*unit, signal).await;
            let calls = server.0.lock().unwrap();
            assert!(
                calls.iter().all(|(called, agent, _)| called == path && agent.starts_with("Collimator/test"))
            );
            let arrived: usize = calls.iter().map(|(_, _, message)| message.len()).sum();
            assert!(arrived > 0);
        }
    }
}

#[tokio::test]
async fn a_batch_arrives_as_the_bytes_that_it_is() {
    let (server, config) = server("");
    let Ok(Stage::Exporter(unit)) = Otlp::build(&config, &testkit::build_cx()) else { panic!("not built") };
    let node = testkit::RunHarness::start(&*unit, Signal::Traces).await.unwrap();
    let mut joined = batch(Signal::Traces, 1, 10);
    joined.append(batch(Signal::Traces, 11, 10));
    let bytes = message(&joined);
    node.send(joined).await;
    assert_eq!(node.finish().await.left, 20);
    let calls = server.0.lock().unwrap();
    assert_eq!(calls.iter().map(|(_, _, message)| message.to_vec()).collect::<Vec<_>>(), [bytes]);
}

#[tokio::test]
async fn a_signal_that_otlp_does_not_carry_is_refused() {
    let (_, config) = server(", sending_queue: {enabled: false}");
    let Ok(Stage::Exporter(unit)) = Otlp::build(&config, &testkit::build_cx()) else { panic!("not built") };
    let node = testkit::RunHarness::start(&*unit, Signal::Xray).await.unwrap();
    let verdict = node.send(batch(Signal::Xray, 1, 1)).await;
    assert_eq!(node.finish().await.refused_in_all(), 1);
    let Some(data::Verdict::Refused(refused)) = verdict.try_take() else { panic!("not refused") };
    assert_eq!((refused.refusal, refused.code), (Refusal::Permanent, Code::Unimplemented));
}
