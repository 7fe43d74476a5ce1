use std::sync::{Arc, Mutex};

use http::StatusCode;
use net::http::client::Proof;
use net::http::server::{Request, Response as Answer, Service, Settings as ServerSettings, serve_connection};
use net::listen::{Bound, Settings as ListenSettings};
use net::reserve::Unlimited;
use otlp::response::encode;
use testkit::contract;
use testkit::generate::{batch, message};

use super::*;

#[test]
fn keeps_the_contract_of_a_type() {
    contract::spec(&SPEC, false);
}

/// Reads a configuration; the findings, or nothing.
fn findings(yaml: &str) -> (Option<Config>, String) {
    testkit::settings::read(yaml, "exporters::otlp_http")
}

#[test]
fn what_is_wrong_is_said() {
    let check = |yaml: &str, part: &str| {
        let (_, findings) = findings(yaml);
        assert!(findings.contains(part), "{yaml}: {findings}");
    };
    check("{}", "at least one endpoint must be specified");
    check("endpoint: \"http://h:bad\"", "endpoint must be a valid URL: invalid port \":bad\" after host");
    check("traces_endpoint: \"127.0.0.1:4318\"", "first path segment in URL cannot contain colon");
    check("endpoint: localhost:4318", "does not begin with http:// or https://: every request will fail");
    check("endpoint: 127.0.0.1:4318", "first path segment in URL cannot contain colon");
    check(
        "{endpoint: \"http://a\", traces_endpoint: \"ftp://u:pw@b\"}",
        "\"ftp://b\" does not begin with http://",
    );
    check("{endpoint: \"http://a\", encoding: xml}", "encoding");
    check("{endpoint: \"http://a\", profiles_endpoint: \"http://b\"}", "profiles are not carried");
}

#[test]
fn configurations_are_read_as_by_the_collector() {
    let config = findings("endpoint: \"http://a\"").0.unwrap();
    assert_eq!(
        (config.client.compression, config.client.timeout),
        (Compression::Gzip, Duration::from_secs(30))
    );
    assert_eq!(config.encoding, Encoding::Proto);
}

#[test]
fn every_signal_has_its_url() {
    let check = |yaml: &str, expected: [Option<&str>; 3]| {
        let config = findings(yaml).0.unwrap();
        let urls = urls(&config);
        let found =
            [Signal::Traces, Signal::Metrics, Signal::Logs].map(|signal| urls[signal as usize].clone());
        let found = found.map(|url| url.map(Result::unwrap));
        assert_eq!(
            found.map(|url| url.map(|url| url.to_string())),
            expected.map(|url| url.map(str::to_owned)),
            "{yaml}"
        );
    };
    let whole = [Some("http://a:1/v1/traces"), Some("http://a:1/v1/metrics"), Some("http://a:1/v1/logs")];
    check("endpoint: \"http://a:1\"", whole);
    check("endpoint: \"http://a:1/\"", whole);
    let below = [Some("https://a/x/v1/traces"), Some("https://a/x/v1/metrics"), Some("https://a/x/v1/logs")];
    check("endpoint: \"https://a/x\"", below);
    check("logs_endpoint: \"http://l/in?k=v\"", [None, None, Some("http://l/in?k=v")]);
    check(
        "{endpoint: \"http://a:1\", metrics_endpoint: \"http://m/in\"}",
        [whole[0], Some("http://m/in"), whole[2]],
    );
}

/// As in the Collector, a pipeline of a signal needs a place to send it to.
#[test]
fn each_signal_of_the_pipelines_needs_a_place() {
    let build = |yaml: &str, signals: &[Signal]| {
        let cx = BuildCx { signals: data::Signals::of(signals), ..testkit::build_cx() };
        OtlpHttp::build(&findings(yaml).0.unwrap(), &cx).map(drop).map_err(|error| error.message)
    };
    let traces = Err("either endpoint or traces_endpoint must be specified".to_owned());
    assert_eq!(build("profiles_endpoint: \"http://a\"", &[Signal::Traces]), traces);
    assert_eq!(build("logs_endpoint: \"http://a\"", &[Signal::Logs, Signal::Traces]), traces);
    assert_eq!(build("logs_endpoint: \"http://a\"", &[Signal::Logs]), Ok(()));
    assert_eq!(build("profiles_endpoint: \"http://a\"", &[]), Ok(()));
    assert_eq!(build("endpoint: \"h:4318\"", &[Signal::Traces]), Ok(()));
}

/// What a server says, and what that means for the batch.
#[test]
fn statuses_are_understood() {
    let url: Uri = "http://a/v1/traces".parse().unwrap();
    let check = |status: u16, retry_after: Option<&str>, body: &str, expected: Refusal| {
        let mut headers = HeaderMap::new();
        if let Some(value) = retry_after {
            headers.insert(RETRY_AFTER, value.parse().unwrap());
        }
        let body = Bytes::copy_from_slice(body.as_bytes());
        let response = Response { status: StatusCode::from_u16(status).unwrap(), headers, body, sent_len: 0 };
        let refused = refused(&url, &response, 1_700_000_000_000_000_000);
        assert_eq!(refused.refusal, expected, "{status} {retry_after:?}");
        assert!(refused.message.contains(&format!("HTTP Status Code {status}")), "{}", refused.message);
    };
    let retry = Refusal::Retry { after: None };
    let after = |seconds| Refusal::Retry { after: Some(Duration::from_secs(seconds)) };
    for status in [429, 502, 503, 504] {
        check(status, None, "", retry);
        check(status, Some("7"), "", after(7));
    }
    check(503, Some("Tue, 14 Nov 2023 22:13:30 GMT"), "", after(10));
    check(503, Some("soon"), "", retry);
    for status in [400, 401, 403, 404, 405, 415, 500, 501, 505] {
        check(status, None, "", Refusal::Permanent);
        check(status, Some("7"), "", Refusal::Permanent);
    }
    check(413, None, "", Refusal::TooLarge);
    check(400, None, "http: request body too large", Refusal::TooLarge);
}

#[test]
fn the_servers_own_words_are_passed_on() {
    let url: Uri = "http://a/v1/traces".parse().unwrap();
    // google.rpc.Status { code: 3, message: "bad span" }
    let body = Bytes::from_static(b"\x08\x03\x12\x08bad span");
    let response = Response { status: StatusCode::BAD_REQUEST, headers: HeaderMap::new(), body, sent_len: 0 };
    let refused = refused(&url, &response, 0);
    assert!(refused.message.ends_with("Message=bad span"), "{}", refused.message);
}

/// Takes everything, remembers it, and gives one answer.
#[derive(Default)]
struct Server {
    answer: Bytes,
    calls: Mutex<Vec<(String, String, Bytes)>>,
}

impl Service for Server {
    async fn call(&self, request: Request) -> Answer {
        let header = |name: &str| {
            let value = request.head.headers.get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let call = (request.head.uri.path().to_owned(), header("content-type"), request.body);
        self.calls.lock().unwrap().push(call);
        Answer::new(self.answer.clone())
    }
}

/// A server on loopback, and an exporter that leads to it.
fn server(answer: Bytes, more: &str) -> (Arc<Server>, Box<dyn component::ExporterUnit>) {
    let listen = ListenSettings { endpoint: "127.0.0.1:0".to_owned(), ..ListenSettings::default() };
    let bound = Bound::bind(&listen).unwrap();
    let address = bound.local_addr().unwrap();
    let server = Arc::new(Server { answer, ..Server::default() });
    let serving = Arc::clone(&server);
    tokio::spawn(async move {
        let listener = bound.listen(&listen).unwrap();
        let settings = Arc::new(ServerSettings::default());
        loop {
            let (stream, peer) = listener.accept().await;
            let (service, room) = (Arc::clone(&serving), Arc::new(Unlimited));
            let never = net::shutdown::Signal::never();
            tokio::spawn(serve_connection(stream, peer, service, &settings, room, never));
        }
    });
    let (config, findings) = findings(&format!("{{endpoint: \"http://{address}\"{more}}}"));
    let config = config.unwrap_or_else(|| panic!("{findings}"));
    let Ok(Stage::Exporter(unit)) = OtlpHttp::build(&config, &testkit::build_cx()) else {
        panic!("not built")
    };
    (server, unit)
}

#[tokio::test]
async fn keeps_the_contract_of_an_exporter() {
    for signal in [Signal::Traces, Signal::Metrics, Signal::Logs] {
        for (more, content_type) in
            [("", "application/x-protobuf"), (", encoding: json, compression: none", "application/json")]
        {
            let (server, unit) = server(Bytes::new(), more);
            contract::exporter(&*unit, signal).await;
            let calls = server.calls.lock().unwrap();
            let path = format!("/v1/{signal}");
            assert!(!calls.is_empty());
            assert!(calls.iter().all(|(called, kind, _)| *called == path && kind == content_type));
        }
    }
}

#[tokio::test]
async fn partial_success_is_read_in_both_encodings() {
    let partial = PartialSuccess { rejected: 3, message: "old".to_owned() };
    let json = Bytes::from_static(br#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"old"}}"#);
    for (answer, more) in [(encode(&partial), ""), (json, ", encoding: json")] {
        let more = format!("{more}, sending_queue: {{enabled: false}}");
        let (_server, unit) = server(answer, &more);
        let node = testkit::RunHarness::start(&*unit, Signal::Traces).await.unwrap();
        let verdict = node.send(batch(Signal::Traces, 1, 10)).await;
        let statement = node.finish().await;
        assert_eq!((statement.left, statement.refused_in_all()), (7, 3));
        let expected = data::Verdict::Partly { rejected: 3, message: "old".into() };
        assert_eq!(verdict.try_take(), Some(expected));
    }
}

#[tokio::test]
async fn a_batch_arrives_as_the_bytes_that_it_is() {
    let (server, unit) = server(Bytes::new(), "");
    let node = testkit::RunHarness::start(&*unit, Signal::Logs).await.unwrap();
    let mut joined = batch(Signal::Logs, 1, 10);
    joined.append(batch(Signal::Logs, 11, 10));
    let bytes = message(&joined);
    node.send(joined).await;
    assert_eq!(node.finish().await.left, 20);
    let calls = server.calls.lock().unwrap();
    assert_eq!(calls.iter().map(|(_, _, body)| body.to_vec()).collect::<Vec<_>>(), [bytes]);
}

#[test]
fn urls_are_shown_without_what_may_be_secret() {
    let url = "https://user:word@host.example:4318/v1/traces?api_key=k".parse().unwrap();
    assert_eq!(shown(&url), "https://host.example:4318/v1/traces");
}

/// An authenticator that says that it was asked, and hears of what was refused.
#[derive(Default)]
struct Stamp(Mutex<Vec<Proof>>);

impl net::http::client::Authorize for Stamp {
    fn authorize<'a>(
        &'a self,
        request: net::http::client::Outgoing<'a>,
    ) -> futures::future::BoxFuture<'a, Result<Proof, net::http::client::AuthorizeError>> {
        request.headers.insert("x-stamp", HeaderValue::from_static("here"));
        Box::pin(std::future::ready(Ok(Proof(7))))
    }

    fn refused(&self, proof: Proof) -> futures::future::BoxFuture<'_, ()> {
        self.0.lock().unwrap().push(proof);
        Box::pin(std::future::ready(()))
    }
}

#[tokio::test]
async fn the_authenticator_is_found_by_its_id() {
    let (cx, _ready) = testkit::run_cx(testkit::extension_node());
    let id: ComponentId = "sigv4auth/a".parse().unwrap();
    let missing = auth::authorizer(&id, &cx.process).err().unwrap().to_string();
    assert_eq!(missing, "failed to resolve authenticator \"sigv4auth/a\": authenticator not found");
    cx.process.capabilities().offer("sigv4auth/a", 5_u8);
    let wrong = auth::authorizer(&id, &cx.process).err().unwrap().to_string();
    assert_eq!(wrong, "requested authenticator is not a HTTP client authenticator");
    let stamp = Arc::new(Stamp::default());
    let authorizer: net::http::client::Authorizer = Arc::clone(&stamp) as _;
    cx.process.capabilities().offer("sigv4auth/a", authorizer);
    let found = auth::authorizer(&id, &cx.process).unwrap();
    let (mut headers, url) = (HeaderMap::new(), Uri::from_static("http://a/"));
    let method = http::Method::POST;
    let outgoing =
        net::http::client::Outgoing { method: &method, url: &url, headers: &mut headers, body: &[] };
    let proof = found.authorize(outgoing).await.unwrap();
    assert_eq!(headers["x-stamp"], "here");
    found.refused(proof).await;
    assert_eq!(*stamp.0.lock().unwrap(), [Proof(7)], "what it was authorized with, not what is held by now");
}
