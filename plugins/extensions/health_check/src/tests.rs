use std::time::Duration;

use component::Phase;
use http::StatusCode;
use net::http::server::Response;
use serde_json::Value;
use testkit::contract;

use super::*;

fn head(path: &str) -> http::request::Parts {
    http::Request::get(path).body(()).unwrap().into_parts().0
}

fn config(text: &str) -> Config {
    ::config::read_text(text).unwrap_or_else(|error| panic!("{error}"))
}

/// Asks a site over a process in that phase.
async fn ask(text: &str, phase: Phase, path: &str) -> Response {
    let (cx, _ready) = testkit::run_cx(testkit::extension_node());
    cx.process.enter(phase, cx.clock.now());
    let site = HealthSite::new(Arc::new(config(text)), &cx);
    admin::Site::answer(&site, &head(path)).await
}

fn body(response: &Response) -> &str {
    std::str::from_utf8(response.body()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contract() {
    contract::spec(&SPEC, true);
    let build = |text: &str| HealthCheck::build(&config(text), &testkit::build_cx()).unwrap();
    contract::extension(|endpoint| build(&format!("endpoint: \"{endpoint}\"")), "/live").await;
}

#[tokio::test]
async fn answers_as_the_collector_at_its_path() {
    for path in ["/", "/any", "/any/where"] {
        let response = ask("{}", Phase::Running, path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let said: Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(said["status"], "Server available");
        assert!(said["upSince"].as_str().unwrap().ends_with('Z'), "{said}");
        assert!(said["uptime"].as_str().unwrap().ends_with('s'), "{said}");
    }
    for phase in [Phase::Starting, Phase::Draining] {
        let response = ask("{}", phase, "/").await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        let expected = r#"{"status":"Server not available","upSince":"0001-01-01T00:00:00Z","uptime":""}"#;
        assert_eq!(body(&response), expected);
    }
    assert_eq!(ask("path: /health", Phase::Running, "/health").await.status(), StatusCode::OK);
    assert_eq!(ask("path: /health", Phase::Running, "/health/").await.status(), StatusCode::NOT_FOUND);
}

/// As the second version of the Collector's extension answers, at the paths that were given for it.
#[tokio::test]
async fn answers_as_the_second_version_if_told_to() {
    let text = "{use_v2: true, path: /old, http: {status: {path: /healthz}}}";
    let response = ask(text, Phase::Running, "/healthz").await;
    assert_eq!(response.status(), StatusCode::OK);
    let said: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!((&said["healthy"], &said["status"]), (&true.into(), &"StatusOK".into()));
    for (phase, status) in [(Phase::Starting, "StatusStarting"), (Phase::Draining, "StatusStopping")] {
        let response = ask(text, phase, "/healthz").await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(body(&response).contains(status), "{}", body(&response));
    }
    for (path, status) in
        [("/old", StatusCode::NOT_FOUND), ("/live", StatusCode::OK), ("/ready", StatusCode::OK)]
    {
        assert_eq!(ask(text, Phase::Running, path).await.status(), status, "{path}");
    }
    let off = "{use_v2: true, http: {status: {enabled: false}}}";
    assert_eq!(ask(off, Phase::Running, "/status").await.status(), StatusCode::NOT_FOUND);
    let endpoint = |text: &str| config(text).server().map(|server| server.listen.endpoint.clone());
    assert_eq!(endpoint("{endpoint: 'a:1', use_v2: true, http: {endpoint: 'b:1'}}").as_deref(), Some("b:1"));
    assert_eq!(endpoint("{endpoint: 'a:1', http: {endpoint: 'b:1'}}").as_deref(), Some("a:1"));
    assert_eq!(endpoint("{use_v2: true, grpc: {}}"), None);
}

#[tokio::test]
async fn bodies_of_the_users_own_are_sent_as_they_are() {
    let text = "response_body: {healthy: fine, unhealthy: ''}";
    assert_eq!(body(&ask(text, Phase::Running, "/").await), "fine");
    assert_eq!(body(&ask(text, Phase::Draining, "/").await), "");
}

#[tokio::test]
async fn ours_say_why() {
    let response = ask("{}", Phase::Running, "/ready").await;
    assert_eq!(response.status(), StatusCode::OK, "{}", body(&response));
    let response = ask("{}", Phase::Draining, "/ready").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let said: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!((&said["status"], &said["reasons"][0]["code"]), (&"not ready".into(), &"draining".into()));
    assert_eq!(ask("{}", Phase::Draining, "/live").await.status(), StatusCode::OK, "a drain is no death");
    let theirs = ask("path: /ready", Phase::Running, "/ready").await;
    assert!(body(&theirs).contains("Server available"), "the user's path goes first");
}

#[test]
fn what_is_wrong_is_said() {
    let cases = [
        ("endpoint: ''", "endpoint must be specified"),
        ("path: health", "path must start with /"),
        ("use_v2: true", "must specify at least one protocol"),
        ("{use_v2: true, http: {endpoint: ''}}", "http endpoint required"),
        ("{use_v2: true, http: {status: {path: x}}}", "path must start with /"),
        ("{use_v2: true, grpc: {endpoint: ''}}", "grpc endpoint required"),
        ("silent_after: 1s", "must be at least 2s"),
        ("check_collector_pipeline: {exporter_failure_threshold: 0}", "expects a positive number"),
    ];
    for (text, expected) in cases {
        let found = ::config::read_text::<Config>(text).expect_err(text).to_string();
        assert!(found.contains(expected), "{text}: {found}");
    }
    let taken =
        config("check_collector_pipeline: {enabled: true, interval: 5m, exporter_failure_threshold: 5}");
    assert_eq!(taken.stalled_after, Duration::from_secs(300));
}
