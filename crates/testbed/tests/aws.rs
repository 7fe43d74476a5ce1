//! Signatures hold before botocore, whoever's credentials they are made with; sampling is answered as AWS answers it.

#![allow(clippy::unwrap_used, reason = "a panic is the failure report")]

use serde_json::{Value, json};
use testbed::aws::{SECRET, Service, ask};
use testbed::http::{self, PROTOBUF};
use testbed::{Collector, eventually, xray};

/// No credentials but those that a test gives, and no metadata service.
const NOTHING: [(&str, &str); 3] = [
    ("AWS_EC2_METADATA_DISABLED", "true"),
    ("AWS_CONFIG_FILE", "/nowhere/config"),
    ("AWS_SHARED_CREDENTIALS_FILE", "/nowhere/credentials"),
];

const KEYS: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", SECRET),
    ("AWS_SESSION_TOKEN", "a-token"),
];

/// The extension beside a pipeline that does nothing.
fn proxy(settings: &str, environment: &[(&str, &str)]) -> Collector {
    let config = format!(
        "receivers: {{nop: }}
exporters: {{nop: }}
extensions:
  awsproxy: {{endpoint: '127.0.0.1:0', {settings}}}
service:
  extensions: [awsproxy]
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{traces: {{receivers: [nop], exporters: [nop]}}}}
"
    );
    Collector::start_with(&config, &[&NOTHING[..], environment].concat())
}

fn forwarding(service: &Service) -> String {
    format!("region: eu-west-1, aws_endpoint: '{}'", service.url())
}

fn call(collector: &Collector, path: &str) {
    let answer = http::post(collector.xray_proxy(), path, &[("content-type", "text/plain")], b"{}");
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
}

fn is_signed_by(request: &Value, key: &str, token: &str) {
    assert_eq!(request["valid"], true, "{request}");
    assert_eq!((&request["key"], &request["token"]), (&json!(key), &json!(token)), "{request}");
}

#[test]
fn what_is_forwarded_is_signed_as_botocore_signs() {
    if !xray::available() {
        return;
    }
    let service = Service::start();
    let collector = proxy(&forwarding(&service), &KEYS);
    let answer = ask(collector.xray_proxy());
    assert_eq!(answer["rules"], json!(["Default"]));
    for path in ["/GetSamplingRules", "/SamplingTargets", "/SamplingTargets"] {
        let request = service.next();
        assert_eq!(request["path"], path);
        is_signed_by(&request, "AKIDEXAMPLE", "a-token");
        assert_eq!((&request["service"], &request["region"]), (&json!("xray"), &json!("eu-west-1")));
        assert!(request["headers"]["user-agent"].as_str().unwrap().contains("Botocore"), "{request}");
    }
    // A path and a query that need care in the signature.
    call(&collector, "/a%20b/c?z=1&a=x%20y&a=");
    is_signed_by(&service.next(), "AKIDEXAMPLE", "a-token");
    collector.stop_clean();
}

/// A container's credentials (EKS pod identity, ECS), then a role on top of keys: both over our own HTTP client.
#[test]
fn credentials_come_from_a_container_or_a_role() {
    if !xray::available() {
        return;
    }
    let service = Service::start();
    let url = format!("{}/credentials", service.url());
    let container =
        [("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str()), ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "pod")];
    let collector = proxy(&forwarding(&service), &container);
    call(&collector, "/GetSamplingRules");
    let asked = service.next();
    assert_eq!((&asked["path"], &asked["headers"]["authorization"]), (&json!("/credentials"), &json!("pod")));
    is_signed_by(&service.next(), "AKIDCONTAINER", "container");
    call(&collector, "/GetSamplingRules");
    is_signed_by(&service.next(), "AKIDCONTAINER", "container");
    collector.stop_clean();

    let sts = service.url();
    let environment = [&KEYS[..], &[("AWS_ENDPOINT_URL_STS", sts.as_str())]].concat();
    let role = "role_arn: 'arn:aws:iam::123456789012:role/r'";
    let collector = proxy(&format!("{}, {role}", forwarding(&service)), &environment);
    call(&collector, "/GetSamplingRules");
    let assumed = service.next();
    is_signed_by(&assumed, "AKIDEXAMPLE", "a-token");
    assert_eq!(assumed["service"], "sts");
    assert_eq!(assumed["sts"]["RoleArn"], json!(["arn:aws:iam::123456789012:role/r"]));
    assert_eq!(assumed["sts"]["DurationSeconds"], json!(["900"]));
    is_signed_by(&service.next(), "AKIDASSUMED", "assumed");
    collector.stop_clean();
}

#[test]
fn otlp_is_signed_for_x_ray() {
    if !xray::available() {
        return;
    }
    let service = Service::start();
    let config = format!(
        "receivers: {{otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:0'}}}}}}}}
exporters:
  otlp_http: {{traces_endpoint: '{}/v1/traces', auth: {{authenticator: sigv4auth/a}}}}
extensions:
  sigv4auth/a: {{region: eu-west-1, service: xray}}
service:
  extensions: [sigv4auth/a]
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [otlp_http]}}}}
",
        service.url()
    );
    let collector = Collector::start_with(&config, &[&NOTHING[..], &KEYS[..]].concat());
    let span = br#"{"resourceSpans":[{"scopeSpans":[{"spans":[
        {"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"one"}]}]}]}"#;
    let answer = http::post(collector.http(), "/v1/traces", &[("content-type", "application/json")], span);
    assert_eq!(answer.status, 200);
    let request = service.next();
    is_signed_by(&request, "AKIDEXAMPLE", "a-token");
    assert_eq!((&request["path"], &request["service"]), (&json!("/v1/traces"), &json!("xray")));
    let headers = &request["headers"];
    assert_eq!(
        (&headers["content-type"], &headers["content-encoding"]),
        (&json!(PROTOBUF.1), &json!("gzip"))
    );
    let ended = collector.stop_clean();
    ended.account.passed("exporter otlp_http (traces)", "spans", 1);
}

#[test]
fn sampling_is_answered_from_a_file_without_an_account() {
    if !xray::available() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let rules = directory.path().join("rules.json");
    let rule = |name: &str, reservoir: u32| json!({"RuleName": name, "Priority": 10, "FixedRate": 0.5, "ReservoirSize": reservoir, "URLPath": "/a/*"});
    let write = |rules: &std::path::Path, list: &[Value]| {
        std::fs::write(rules, json!({"SamplingRules": list}).to_string()).unwrap();
    };
    write(&rules, &[rule("a", 7)]);
    let collector = proxy(&format!("rules: '{}'", rules.display()), &[]);
    let answer = ask(collector.xray_proxy());
    // What clients have of before the start is taken back first, for ten seconds.
    assert_eq!(answer, json!({"rules": ["a", "Default"], "targets": {"a": 0, "Default": 0}}));
    let targets = json!({"a": 7, "Default": 1});
    eventually("reservoirs", || (ask(collector.xray_proxy())["targets"] == targets).then_some(()));
    write(&rules, &[rule("a", 7), rule("another", 2)]);
    collector.wait_for("Sampling rules changed");
    let answer = ask(collector.xray_proxy());
    assert_eq!(answer["rules"], json!(["a", "another", "Default"]));
    std::fs::write(&rules, "{\"SamplingRules\": 5}").unwrap();
    collector.wait_for("sampling rules refused");
    assert_eq!(ask(collector.xray_proxy())["rules"], answer["rules"], "the former rules stay");
    collector.stop_clean();
}
