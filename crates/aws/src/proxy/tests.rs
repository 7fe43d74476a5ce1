use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use net::compression::Compression;
use net::http::client::{Client as Http, Response, Settings as HttpSettings};
use serde_json::Value;

use super::*;
use crate::testing::{Asked, upstream};

fn environment(keys: bool) -> Environment {
    let keys =
        [("AWS_ACCESS_KEY_ID", "key1"), ("AWS_SECRET_ACCESS_KEY", "secret")].into_iter().filter(|_| keys);
    Environment::new(keys.map(|(name, value)| (name.to_owned(), value.to_owned())))
}

/// A proxy that runs, and what it takes to ask it.
struct Running {
    url: String,
    http: Http,
    cx: RunCx,
    task: tokio::task::JoinHandle<Ended>,
}

impl Running {
    async fn start(config: Config, keys: bool) -> Self {
        let (cx, _ready) = testkit::run_cx(testkit::extension_node());
        let config = Config { endpoint: "127.0.0.1:0".to_owned(), local_mode: true, ..config };
        let proxy =
            Proxy::bind(&config, &environment(keys), &cx).await.unwrap_or_else(|error| panic!("{error}"));
        let url = format!("http://{}", proxy.local_addr().unwrap());
        let task = tokio::spawn(proxy.run());
        let http = Http::new(HttpSettings::default(), &net::proxy::Environment::default()).unwrap();
        Self { url, http, cx, task }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: &str,
    ) -> Response {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        let url = format!("{}{path}", self.url).parse().unwrap();
        self.http.request(method, &url, &map, &[Bytes::copy_from_slice(body.as_bytes())]).await.unwrap()
    }

    async fn post(&self, path: &str, body: &str) -> Response {
        self.ask(Method::POST, path, &[], body).await
    }

    async fn stop(self) {
        self.cx.draining.cancel();
        self.task.await.unwrap().unwrap();
    }
}

fn to(url: &str) -> Config {
    Config { region: "eu-west-1".to_owned(), aws_endpoint: format!("{url}/a/path"), ..Config::default() }
}

#[tokio::test]
async fn requests_are_signed_and_passed_on() {
    let (upstream, url) =
        upstream(|_| (StatusCode::IM_A_TEAPOT, "TeapotException", Bytes::from_static(b"{}")));
    let proxy = Running::start(to(&url), true).await;
    let headers = [
        ("content-type", "application/json"),
        ("user-agent", "sdk/1"),
        ("authorization", "AWS4-HMAC-SHA256 of somebody else"),
        ("x-amz-date", "20000101T000000Z"),
        ("x-forwarded-for", "10.0.0.1"),
        ("forwarded", "for=10.0.0.1"),
        ("x-amzn-x", "kept"),
        ("x-hop", "dropped"),
        ("connection", "x-hop"),
        ("te", "trailers"),
        ("expect", "100-continue"),
    ];
    let answer = proxy.ask(Method::PUT, "/any/path?b=2&a=1", &headers, "{\"a\":1}").await;
    assert_eq!((answer.status, &answer.body[..]), (StatusCode::IM_A_TEAPOT, &b"{}"[..]));
    assert_eq!(answer.headers["x-amzn-errortype"], "TeapotException");
    {
        let asked = upstream.asked.lock().unwrap();
        let asked = &asked[0];
        assert_eq!((asked.method.as_str(), asked.path.as_str()), ("PUT", "/any/path?b=2&a=1"));
        assert_eq!((asked.key(), &asked.body[..]), ("key1", &b"{\"a\":1}"[..]));
        assert_eq!((asked.header("user-agent"), asked.header("x-amzn-x")), ("sdk/1", "kept"));
        assert_eq!(asked.header("host"), url.trim_start_matches("http://"));
        for gone in ["x-forwarded-for", "forwarded", "x-hop", "te", "expect"] {
            assert!(!asked.headers.contains_key(gone), "{gone}");
        }
        let signed = "SignedHeaders=content-type;host;x-amz-date;x-amzn-x,";
        assert!(asked.header("authorization").contains(signed), "{}", asked.header("authorization"));
    }
    proxy.stop().await;
}

#[tokio::test]
async fn compressed_bodies_are_passed_on_plain() {
    let (upstream, url) = upstream(|_| (StatusCode::OK, "", Bytes::new()));
    let mut proxy = Running::start(to(&url), true).await;
    let settings = HttpSettings { compression: Compression::Gzip, ..HttpSettings::default() };
    proxy.http = Http::new(settings, &net::proxy::Environment::default()).unwrap();
    proxy.post("/GetSamplingRules", "{\"NextToken\": null}").await;
    {
        let asked = upstream.asked.lock().unwrap();
        assert_eq!(&asked[0].body[..], b"{\"NextToken\": null}");
        assert!(!asked[0].headers.contains_key("content-encoding"));
    }
    proxy.stop().await;
}

#[tokio::test]
async fn nothing_goes_on_unsigned() {
    let (upstream, url) = upstream(|_| (StatusCode::OK, "", Bytes::new()));
    let proxy = Running::start(to(&url), false).await;
    let answer = proxy.post("/GetSamplingRules", "{}").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    let told: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(told["message"], "no credentials", "and nothing of where they were looked for");
    assert!(upstream.asked.lock().unwrap().is_empty());
    proxy.stop().await;

    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let proxy = Running::start(to(&url), true).await;
    let answer = proxy.post("/GetSamplingRules", "{}").await;
    assert_eq!((answer.status, answer.body.len()), (StatusCode::BAD_GATEWAY, 0));
    proxy.stop().await;
}

const RULES: &str = "version: 2\nrules:\n- {host: '*', http_method: GET, url_path: '/a/*', fixed_target: 3, rate: 0.5}\n\
                     default: {fixed_target: 1, rate: 0.1}\n";

fn names(answer: &Response) -> Vec<String> {
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    let records = answer["SamplingRuleRecords"].as_array().unwrap().iter();
    records.map(|record| record["SamplingRule"]["RuleName"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn rules_of_its_own_need_no_account() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.yaml");
    std::fs::write(&path, RULES).unwrap();
    let config = Config { rules: path.to_str().unwrap().to_owned(), ..Config::default() };
    let proxy = Running::start(config, false).await;
    let answer = proxy.post("/GetSamplingRules", "").await;
    assert_eq!(
        (answer.status, names(&answer)),
        (StatusCode::OK, vec!["rule-1".to_owned(), "Default".to_owned()])
    );
    assert_eq!(answer.headers["content-type"], "application/json");

    let report = r#"{"SamplingStatisticsDocuments": [{"RuleName": "rule-1", "ClientID": "0123456789abcdef01234567",
        "Timestamp": 1, "RequestCount": 100, "SampledCount": 1, "BorrowCount": 1}]}"#;
    proxy.post("/SamplingTargets", report).await;
    let answer: Value = serde_json::from_slice(&proxy.post("/SamplingTargets", report).await.body).unwrap();
    let quota = &answer["SamplingTargetDocuments"][0]["ReservoirQuota"];
    assert_eq!(*quota, 0, "in the first seconds nobody knows what is out");

    for path in ["/GetSamplingRules", "/SamplingTargets", "/SamplingStatisticSummaries"] {
        let long = proxy.post(path, &format!("{{\"a\":[{}0]}}", "0,".repeat(40_000))).await;
        assert_eq!(long.status, StatusCode::BAD_REQUEST, "{path}");
    }
    let wrong = proxy.post("/SamplingTargets", "{").await;
    assert_eq!(
        (wrong.status, wrong.headers["x-amzn-errortype"].to_str().unwrap()),
        (StatusCode::BAD_REQUEST, "SerializationException")
    );
    let other = proxy.post("/TraceSegments", "{}").await;
    assert_eq!(other.status, StatusCode::FORBIDDEN);
    proxy.stop().await;

    let rules = path.to_str().unwrap().to_owned();
    let proxy = Running::start(Config { rules, forward: Forward::All, ..Config::default() }, false).await;
    let other = proxy.post("/TraceSegments", "{}").await;
    assert_eq!(other.status, StatusCode::BAD_GATEWAY);
    assert!(String::from_utf8_lossy(&other.body).contains("no AWS region"));
    proxy.stop().await;
}

#[tokio::test]
async fn an_empty_variable_names_no_region() {
    let variables = ["AWS_DEFAULT_REGION", "AWS_REGION"].map(|name| (name.to_owned(), String::new()));
    let config = Config { local_mode: true, ..Config::default() };
    let found = super::upstream(&config, &Environment::new(variables), true).await.unwrap();
    assert!(found.is_none());
}

#[tokio::test]
async fn rules_go_before_the_service() {
    let (upstream, url) = upstream(|_: &Asked| (StatusCode::OK, "", Bytes::new()));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.yaml");
    std::fs::write(&path, RULES).unwrap();
    let rules = path.to_str().unwrap();
    let asked = || -> Vec<String> {
        let asked = std::mem::take(&mut *upstream.asked.lock().unwrap());
        asked.into_iter().map(|asked| asked.path).collect()
    };
    // What of an answer, and of a segment, is forwarded.
    for (rules, forward, expected) in [
        (rules, Forward::All, &["/TraceSegments"][..]),
        (rules, Forward::Auto, &[]),
        ("", Forward::Auto, &["/GetSamplingRules", "/TraceSegments"]),
        ("", Forward::Sampling, &["/GetSamplingRules"]),
    ] {
        let config = Config { rules: rules.to_owned(), forward, ..to(&url) };
        let proxy = Running::start(config, true).await;
        assert_eq!(proxy.post("/GetSamplingRules", "{}").await.status, StatusCode::OK);
        let segments = proxy.post("/TraceSegments", "{}").await;
        assert_eq!(asked(), expected, "{forward:?}");
        if expected.len() < 2 && forward != Forward::All {
            let code = segments.headers["x-amzn-errortype"].to_str().unwrap();
            assert_eq!((segments.status, code), (StatusCode::FORBIDDEN, "AccessDeniedException"));
        }
        proxy.stop().await;
    }
}

#[test]
fn a_changed_file_is_taken_and_a_wrong_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.yaml");
    std::fs::write(&path, RULES).unwrap();
    let at = |seconds| Duration::from_secs(seconds);
    let now = |seconds| Now { mono: at(seconds), wall: at(seconds) };
    let rules = Rules::open(path.to_str().unwrap(), now(7)).unwrap();
    let listed = || {
        let call = xray::sampling::Call::read(xray::sampling::Operation::Rules, b"").unwrap();
        String::from_utf8(rules.answer(&call, now(1_000))).unwrap()
    };
    assert!(listed().contains("rule-1") && listed().contains("\"ModifiedAt\":7.0"), "{}", listed());
    let quota = |seconds| {
        let report = r#"{"SamplingStatisticsDocuments": [{"RuleName": "rule-1", "ClientID": "one", "RequestCount": 99}]}"#;
        let call = xray::sampling::Call::read(xray::sampling::Operation::Targets, report.as_bytes()).unwrap();
        let answer: Value = serde_json::from_slice(&rules.answer(&call, now(seconds))).unwrap();
        answer["SamplingTargetDocuments"][0]["ReservoirQuota"].as_u64()
    };
    assert_eq!([8, 18, 28].map(quota), [Some(0), Some(3), Some(3)]);
    std::fs::write(&path, "version: 2\ndefault: {fixed_target: 1, rate: 5}\n").unwrap();
    rules.look(at(9));
    assert!(listed().contains("rule-1"), "the former rules stay");
    std::fs::write(&path, "version: 2\ndefault: {fixed_target: 7, rate: 0.5}\n# another length\n").unwrap();
    rules.look(at(9));
    assert!(!listed().contains("rule-1") && listed().contains("\"ReservoirSize\":7"), "{}", listed());
    assert!(listed().contains("\"ModifiedAt\":9.0"), "when it was taken, not the file's time: {}", listed());
    std::fs::remove_file(&path).unwrap();
    rules.look(at(9));
    assert!(listed().contains("\"ReservoirSize\":7"), "nothing is no change");
    let missing = Rules::open("/nowhere/rules.json", now(0)).err().unwrap().to_string();
    assert!(missing.contains("cannot read sampling rules /nowhere/rules.json"), "{missing}");
}

#[tokio::test]
async fn what_stands_in_the_way_of_a_start_is_said() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (cx, _ready) = testkit::run_cx(testkit::extension_node());
    let check = async |config: Config, expected: &str| {
        let config = Config { local_mode: true, ..config };
        let error = Proxy::bind(&config, &environment(true), &cx).await.err().expect(expected).to_string();
        assert!(error.contains(expected), "{error}");
    };
    let endpoint = taken.local_addr().unwrap().to_string();
    check(Config { endpoint, ..to("http://localhost:1") }, "address already in use").await;
    check(Config::default(), "cannot fetch region").await;
    check(Config { rules: "/nowhere".to_owned(), ..Config::default() }, "cannot read sampling rules").await;
}

#[test]
fn configurations_are_checked() {
    let cases = [
        ("endpoint: localhost", "missing port"),
        ("endpoint: 'localhost:x'", "invalid port"),
        ("region: 'evil.com/'", "invalid region"),
        ("service_name: 'a/b'", "invalid service name"),
        ("aws_endpoint: localhost", "is no endpoint"),
        ("enabled: true", "enabled"),
    ];
    for (text, expected) in cases {
        let found = ::config::read_text::<Config>(text).expect_err(text).to_string();
        assert!(found.contains(expected), "{text}: {found}");
    }
    let off = ::config::read_text::<Switchable>("{enabled: false, endpoint: ''}").unwrap();
    assert!(!off.0.enabled);
}
