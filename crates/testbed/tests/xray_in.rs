//! The X-Ray SDKs of other people send to the receiver and take their sampling decisions from it.

#![allow(clippy::unwrap_used, reason = "a panic is the failure report")]

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use serde_json::{Value, json};
use testbed::xray::{self, Sent};
use testbed::{Collector, Signal, eventually, otlp_json};

const RULES: &str = r#"{"version": 2, "default": {"fixed_target": 0, "rate": 0}, "rules": [
    {"description": "all", "host": "*", "http_method": "*", "url_path": "/always", "fixed_target": 1, "rate": 1}]}"#;

/// A receiver on free ports, with rules of its own; spans go to a file, documents to another.
fn config(rules: &std::path::Path) -> String {
    let rules = rules.display();
    format!(
        "receivers:
  awsxray:
    endpoint: 127.0.0.1:0
    proxy_server: {{endpoint: '127.0.0.1:0', rules: '{rules}'}}
exporters:
  file: {{path: DIR/spans.json}}
  debug: {{verbosity: normal, use_internal_logger: false, output_paths: [DIR/documents.txt]}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [awsxray], exporters: [file]}}
    xray: {{receivers: [awsxray], exporters: [debug]}}
"
    )
}

fn segments(document: &Value) -> usize {
    1 + document["subsegments"].as_array().into_iter().flatten().map(segments).sum::<usize>()
}

fn arrives(send: fn(SocketAddr, SocketAddr) -> Sent) {
    if !xray::available() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let rules = directory.path().join("rules.json");
    std::fs::write(&rules, RULES).unwrap();
    let collector = Collector::start(&config(&rules));
    let sent = send(collector.xray(), collector.xray_proxy());
    let ended = collector.stop_clean();

    let shown = std::fs::read_to_string(ended.file("documents.txt")).unwrap();
    let mut documents: Vec<&str> = shown.lines().filter(|line| !line.starts_with("X-Ray\t")).collect();
    let mut wanted: Vec<&str> = sent.documents.iter().map(String::as_str).collect();
    documents.sort_unstable();
    wanted.sort_unstable();
    assert!(wanted.len() >= 20);
    assert_eq!(documents, wanted, "byte for byte as they were sent");

    let spans: usize = sent.documents.iter().map(|text| segments(&serde_json::from_str(text).unwrap())).sum();
    let arrived = otlp_json::lines(&ended.file("spans.json"));
    assert_eq!(arrived.iter().flat_map(otlp_json::items).count(), spans);
    ended.account.nothing_lost();
    ended.account.passed("receiver awsxray", "spans", spans as u64);
    ended.account.passed("receiver awsxray", "documents", wanted.len() as u64);

    assert_eq!(sent.decisions, json!({"/always": 50, "/never": 0}));
}

#[test]
fn python() {
    arrives(xray::python);
}

#[test]
fn node() {
    arrives(xray::node);
}

#[test]
fn what_is_bad_ends_nothing_and_is_in_the_books() {
    let directory = tempfile::tempdir().unwrap();
    let rules = directory.path().join("rules.json");
    std::fs::write(&rules, RULES).unwrap();
    let collector = Collector::start(&config(&rules));
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.connect(collector.xray()).unwrap();
    let header = "{\"format\":\"json\",\"version\":1}\n";
    for bad in ["", "x", "{\"format\":\"json\",\"version\":3}\n{}", header] {
        client.send(bad.as_bytes()).unwrap();
        client.send(format!("{header}{bad}").as_bytes()).unwrap();
    }
    for id in 1..=3 {
        client.send(format!("{header}{}", testkit::generate::document(id)).as_bytes()).unwrap();
    }
    let file = collector.file("spans.json");
    eventually("the spans", || {
        let text = std::fs::read_to_string(&file).ok()?;
        (text.matches("\"spanId\"").count() == 3).then_some(())
    });
    std::thread::sleep(Duration::from_millis(50));
    let ended = collector.stop_clean();
    let spans = ended.account.of("receiver awsxray", "spans");
    let refused: u64 = spans.refused.values().sum();
    assert_eq!((spans.entered, spans.left, refused), (11, 3, 8), "{spans:?}");
}

#[test]
fn a_reload_loses_no_datagram() {
    let directory = tempfile::tempdir().unwrap();
    let rules = directory.path().join("rules.json");
    std::fs::write(&rules, RULES).unwrap();
    let first = config(&rules);
    let collector = Collector::start(&first);
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.connect(collector.xray()).unwrap();
    let sender = std::thread::spawn(move || {
        for id in 1..=3000 {
            let document = testkit::generate::document(id);
            client.send(format!("{{\"format\":\"json\",\"version\":1}}\n{document}").as_bytes()).unwrap();
            std::thread::sleep(Duration::from_micros(500));
        }
    });
    for reload in 1..=3 {
        let setting = format!("endpoint: 127.0.0.1:0\n    links: {}", reload % 2 == 1);
        collector.write_config(&first.replacen("endpoint: 127.0.0.1:0", &setting, 1));
        collector.signal(Signal::SIGHUP);
        eventually("the reload", || {
            (collector.output().matches("Config updated").count() == reload).then_some(())
        });
    }
    sender.join().unwrap();
    let ended = collector.stop_clean();
    let mut ids = otlp_json::span_ids(&ended.file("spans.json"));
    ids.sort_unstable();
    assert_eq!(ids, (1..=3000).collect::<Vec<_>>());
    ended.account.nothing_lost();
    ended.account.passed("receiver awsxray", "documents", 3000);
}
