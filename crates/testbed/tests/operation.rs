//! What an operator relies on: limits, health, pages and profiles of the real process.

#![allow(clippy::unwrap_used, reason = "a panic is the failure report")]
#![allow(clippy::cast_precision_loss, clippy::float_cmp, reason = "counts far below 2^52")]

use std::net::SocketAddr;
use std::time::Duration;

use prost::Message as _;
use serde_json::{Value, json};
use testbed::grpc::{Client, TRACES};
use testbed::http::{self, PROTOBUF};
use testbed::{Collector, Reply, Signal, Upstream, config, eventually};
use testkit::generate::traces;

const UNAVAILABLE: i32 = 14;

/// `otlp → processors → otlp_grpc`, which never gives up; further lines of `processors` and `extensions`.
fn gateway(upstream: &Upstream, processors: &str, list: &str, extensions: &str) -> String {
    let exporter = format!(
        "otlp_grpc: {{endpoint: \"{}\", tls: {{insecure: true}}, compression: none, \
         retry_on_failure: {{initial_interval: 1s, max_interval: 1s, max_elapsed_time: 0s}}}}",
        upstream.address()
    );
    let ids: Vec<&str> = extensions.lines().filter_map(|line| line.split(':').next()).collect();
    let service = format!("extensions: [{}]", ids.join(", "));
    let config = config::graph("{}", &exporter, list, "[otlp_grpc]", &service);
    let extensions: String = extensions.lines().map(|line| format!("  {line}\n")).collect();
    let config = if extensions.is_empty() { config } else { format!("extensions:\n{extensions}{config}") };
    config.replace("processors:\n", &format!("processors:\n  {processors}\n"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_memory_limiter_refuses_before_requests_are_read() {
    const LIMITER: &str = "memory_limiter: {check_interval: 100ms, limit_mib: 2}";
    let upstream = Upstream::start(Reply::Status(UNAVAILABLE, "not now".to_owned())).await;
    let collector = Collector::start(&gateway(&upstream, LIMITER, "[memory_limiter, batch]", ""));
    let client = Client::connect(collector.grpc()).await;
    let (mut taken, mut refused) = (0, Vec::new());
    // At the limit itself one more may fit, when the last was joined with others.
    while refused.len() < 10 {
        let answer = client.export(TRACES, &traces(taken + 1..taken + 501).encode_to_vec()).await;
        if answer.code == 0 {
            (taken, refused) = (taken + 500, Vec::new());
        } else {
            refused.push(answer);
        }
        assert!(taken < 100_000, "two MiB are full by now");
    }
    for answer in refused {
        assert_eq!((answer.code, &*answer.message), (UNAVAILABLE, "data refused due to high memory usage"));
        assert_eq!(answer.retry_delay, Some(Duration::from_secs(1)));
    }
    let body = traces(taken + 1..taken + 2).encode_to_vec();
    let response = http::post(collector.http(), "/v1/traces", &[PROTOBUF], &body);
    assert_eq!((response.status, response.header("retry-after")), (503, Some("1")));
    let metric = |name: &str| collector.metric(&format!("otelcol_processor_{name}"));
    assert_eq!(metric("memory_limiter_accepted_spans"), taken as f64);
    let incoming = r#"incoming_items{otel_signal="traces",processor="memory_limiter"}"#;
    assert_eq!(metric(incoming), taken as f64, "what is refused was never read");
    assert!(collector.metric("collimator_processor_memory_limiter_refused_requests") >= 10.0);
    collector.wait_for("Memory usage is above soft limit. Refusing data.");

    upstream.reply(Reply::Ok);
    collector.wait_for("Memory usage back within limits. Resuming normal operation.");
    let sent = || collector.metric("otelcol_exporter_sent_spans");
    eventually("all of it", || (sent() == taken as f64).then_some(()));
    let answer = client.export(TRACES, &traces(taken + 1..taken + 2).encode_to_vec()).await;
    assert_eq!(answer.code, 0, "{answer:?}");
    let ended = collector.stop_clean();
    ended.account.nothing_lost();
    assert_eq!(ended.account.of("processor memory_limiter (traces)", "spans").left, taken + 1);
}

/// Asks until the answer has that status, and gives the JSON in it.
fn until(at: SocketAddr, path: &str, status: u16) -> Value {
    eventually(&format!("{status} at {path}"), || {
        let response = http::get(at, path);
        (response.status == status).then(|| serde_json::from_slice(&response.body).unwrap())
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_follows_progress_pressure_and_the_drain() {
    const LIMITER: &str = "memory_limiter: {check_interval: 100ms, limit_mib: 2}";
    const HEALTH: &str = "health_check: {endpoint: \"127.0.0.1:0\", stalled_after: 2s}";
    let upstream = Upstream::start(Reply::Status(UNAVAILABLE, "not now".to_owned())).await;
    let collector = Collector::start(&gateway(&upstream, LIMITER, "[memory_limiter, batch]", HEALTH));
    let health = collector.extension("health_check");
    assert_eq!(http::get(health, "/").status, 200);
    assert_eq!(until(health, "/ready", 200)["reasons"], json!([]));
    let client = Client::connect(collector.grpc()).await;
    assert_eq!(client.export(TRACES, &traces(1..501).encode_to_vec()).await.code, 0);
    let said = until(health, "/ready", 503)["reasons"][0].clone();
    assert_eq!(said["code"], "exporter_stalled", "{said}");
    let message = said["message"].as_str().unwrap();
    assert!(message.starts_with("exporter otlp_grpc (traces) has delivered nothing for"), "{message}");
    assert!(message.contains("not now"), "{message}");
    let mut taken = 500;
    while client.export(TRACES, &traces(taken + 1..taken + 501).encode_to_vec()).await.code == 0 {
        taken += 500;
    }
    eventually("a closed gate", || {
        let reasons = until(health, "/ready", 503)["reasons"].to_string();
        reasons.contains("processor memory_limiter (traces) refuses data").then_some(())
    });
    assert_eq!(http::get(health, "/").status, 200, "the Collector's answer knows nothing of it");
    assert_eq!(until(health, "/live", 200)["status"], "alive");

    collector.signal(Signal::SIGTERM);
    assert_eq!(until(health, "/", 503)["status"], "Server not available");
    assert!(until(health, "/ready", 503)["reasons"].to_string().contains("draining"));
    upstream.reply(Reply::Ok);
    let ended = collector.ended();
    assert_eq!(ended.code, Some(0), "{}", ended.output);
    ended.account.nothing_lost();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_say_where_data_is_stuck_and_why() {
    const PAGES: &str = "zpages: {endpoint: \"127.0.0.1:0\", response_headers: {x-secret: hide-me}}";
    let upstream = Upstream::start(Reply::Status(UNAVAILABLE, "<not> now".to_owned())).await;
    let collector = Collector::start(&gateway(&upstream, "", "[batch]", PAGES));
    let zpages = collector.extension("zpages");
    let client = Client::connect(collector.grpc()).await;
    assert_eq!(client.export(TRACES, &traces(1..501).encode_to_vec()).await.code, 0);
    let stuck = eventually("a stall", || {
        let said = until(zpages, "/debug/pipelinez?format=json", 200);
        // A failed attempt is a warning at once; it is bad when nothing gets through for a while.
        let bad = |finding: &&Value| finding["severity"] == "bad";
        said["findings"].as_array().unwrap().iter().find(bad).map(|finding| (finding.clone(), said.clone()))
    });
    let (finding, said) = stuck;
    assert_eq!(
        (&finding["severity"], &finding["node"]),
        (&json!("bad"), &json!("exporter otlp_grpc (traces)"))
    );
    let message = finding["message"].as_str().unwrap();
    assert!(message.contains("500 spans wait") && message.contains("<not> now"), "{message}");
    let traces_nodes =
        &said["pipelines"].as_array().unwrap().iter().find(|it| it["name"] == "traces").unwrap()["nodes"];
    let ids: Vec<&str> =
        traces_nodes.as_array().unwrap().iter().map(|node| node["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["otlp", "batch", "otlp_grpc"], "in the order in which data meets them");
    assert_eq!(traces_nodes[0]["ledger"]["left"], 500);
    assert_eq!(traces_nodes[2]["ledger"]["held"], 500);
    for page in ["servicez", "pipelinez", "extensionz", "featurez"] {
        let response = http::get(zpages, &format!("/debug/{page}"));
        assert_eq!(
            (response.status, response.header("content-type")),
            (200, Some("text/html; charset=utf-8"))
        );
        let text = response.text();
        assert!(text.contains("500 spans wait") && text.contains("&lt;not&gt; now"), "{page}: {text}");
        assert!(!text.contains("hide-me"), "secrets are hidden: {text}");
    }
    let service = until(zpages, "/debug/servicez?format=json", 200);
    assert!(service["build"].as_str().unwrap().starts_with("Collimator/"), "{service}");
    assert!(service["settings"].to_string().contains("[REDACTED]"), "{service}");
    upstream.reply(Reply::Ok);
    collector.signal(Signal::SIGHUP);
    collector.wait_for("Config updated");
    assert_eq!(collector.extension("zpages"), zpages, "a reload keeps the socket");
    eventually("all is well", || {
        (until(zpages, "/debug/servicez?format=json", 200)["findings"] == json!([])).then_some(())
    });
    collector.stop_clean().account.nothing_lost();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_profile_is_taken_under_load_and_hurts_nobody() {
    const PROFILES: &str = "pprof: {endpoint: \"127.0.0.1:0\"}";
    let upstream = Upstream::start(Reply::Ok).await;
    let collector = Collector::start(&gateway(&upstream, "", "[batch]", PROFILES));
    let pprof = collector.extension("pprof");
    let client = Client::connect(collector.grpc()).await;
    let profiles = std::thread::spawn(move || {
        [
            http::get(pprof, "/debug/pprof/profile?seconds=2&format=collapsed"),
            http::get(pprof, "/debug/pprof/profile?seconds=1"),
        ]
    });
    let mut sent = 0;
    while !profiles.is_finished() {
        let answer = client.export(TRACES, &traces(sent + 1..sent + 501).encode_to_vec()).await;
        assert_eq!(answer.code, 0, "{answer:?}");
        sent += 500;
    }
    let [collapsed, encoded] = profiles.join().unwrap();
    assert_eq!((collapsed.status, encoded.status), (200, 200), "{}", collapsed.text());
    let text = collapsed.text();
    assert!(text.lines().any(|line| line.starts_with("worker-")), "samples by thread: {text}");
    assert!(text.contains("collimator_"), "functions have names: {text}");
    // Begins with the field of the sample types.
    assert_eq!((encoded.header("content-type"), encoded.body[0]), (Some("application/octet-stream"), 0x0a));
    let heap = http::get(pprof, "/debug/pprof/heap");
    assert_eq!((heap.status, heap.body[0]), (200, 0x0a));
    let held = http::get(pprof, "/debug/pprof/heap?format=collapsed").text();
    assert!(held.contains("collimator_"), "who holds memory has a name: {held}");
    let ended = collector.stop_clean();
    ended.account.nothing_lost();
    assert_eq!(ended.account.of("exporter otlp_grpc (traces)", "spans").left, sent);
}

#[test]
fn two_listeners_on_one_port_are_found_before_the_start() {
    let endpoint = "{endpoint: \"127.0.0.1:45679\"}";
    let extensions = format!("health_check: {endpoint}\nzpages: {endpoint}\npprof: {endpoint}");
    let config = config::graph("{}", "nop:", "[]", "[nop]", "extensions: [health_check, zpages, pprof]");
    let extensions: String = extensions.lines().map(|line| format!("  {line}\n")).collect();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.yaml");
    std::fs::write(&path, format!("extensions:\n{extensions}{config}")).unwrap();
    let output = testbed::validate(&path);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for pair in ["`health_check` and the extension `zpages` both listen on", "the extension `pprof`"] {
        assert!(said.contains(pair), "{pair}: {said}");
    }
}
