//! What the collector says about itself in numbers: names, types and labels, as Prometheus reads them.

#![allow(clippy::unwrap_used, reason = "a panic is the failure report")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use testbed::exposition::{Family, parse};
use testbed::grpc::{Client, LOGS, METRICS, TRACES};
use testbed::prometheus::{self, Prometheus};
use testbed::{Collector, Reply, Upstream, config, eventually, http};
use testkit::generate::batch;

/// The reference's table, kept beside this file.
const TABLE: &str = include_str!("own_metrics.tsv");

const LEVELS: [&str; 3] = ["basic", "normal", "detailed"];

struct Row {
    name: String,
    kind: &'static str,
    level: usize,
    labels: BTreeSet<Vec<&'static str>>,
}

fn table() -> Vec<Row> {
    let mut rows = Vec::new();
    for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
        let [name, kind, level, labels] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let level = LEVELS.iter().position(|known| *known == level).unwrap();
        let set = |names: &'static str| names.split(',').filter(|name| *name != "-").collect::<Vec<_>>();
        let labels: BTreeSet<Vec<&str>> = labels.split('|').map(set).collect();
        let names = match name.contains("{items}") {
            true => {
                ["spans", "metric_points", "log_records"].map(|items| name.replace("{items}", items)).to_vec()
            }
            false => vec![name.to_owned()],
        };
        rows.extend(names.into_iter().map(|name| Row { name, kind, level, labels: labels.clone() }));
    }
    rows
}

/// A collector with every kind of exporter that counts in its own way, and something sent through it.
async fn busy(level: &str, upstream: SocketAddr, http: SocketAddr, readers: &str) -> Collector {
    let exporters = format!(
        "otlp_grpc: {{endpoint: \"{upstream}\", tls: {{insecure: true}}, compression: none}}\n\
         otlp_http: {{endpoint: \"http://{http}\"}}\n\
         file: {{path: DIR/out.json}}"
    );
    let config = config::graph("{}", &exporters, "[batch]", "[otlp_grpc, otlp_http, file]", "");
    let metrics = format!("metrics: {{level: {level}, readers: [{readers}]}}");
    let start = config.find("    metrics: {readers").unwrap();
    let end = start + config[start..].find('\n').unwrap();
    let collector = Collector::start(&format!("{}    {metrics}{}", &config[..start], &config[end..]));
    let client = Client::connect(collector.grpc()).await;
    for (path, signal) in
        [(TRACES, data::Signal::Traces), (METRICS, data::Signal::Metrics), (LOGS, data::Signal::Logs)]
    {
        let message: Vec<u8> = batch(signal, 1, 7).chunks().flat_map(|chunk| chunk.to_vec()).collect();
        assert_eq!(client.export(path, &message).await.code, 0, "{path}");
    }
    // Without items, so that it counts only as a request.
    assert_eq!(http::post(collector.http(), "/v1/traces", &[http::JSON], b"{}").status, 200);
    collector
}

const READER: &str = "{pull: {exporter: {prometheus: {host: 127.0.0.1, port: 0}}}}";

fn next_hop() -> Collector {
    Collector::start(&config::direct("nop", "{}"))
}

fn scrape(address: SocketAddr) -> BTreeMap<String, Family> {
    parse(&http::get(address, "/metrics").text())
}

fn value(families: &BTreeMap<String, Family>, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let samples = families.get(name)?.samples.iter();
    let found = samples.filter(|sample| {
        labels.iter().all(|(name, value)| sample.labels.get(*name).is_some_and(|found| found == value))
    });
    let values: Vec<f64> = found.map(|sample| sample.value).collect();
    (!values.is_empty()).then(|| values.iter().sum())
}

fn check_table(families: &BTreeMap<String, Family>, level: usize) {
    for row in table() {
        let Some(family) = families.get(&row.name) else {
            assert!(row.level > level, "{} is missing at {}", row.name, LEVELS[level]);
            continue;
        };
        assert!(row.level <= level, "{} is there at {}", row.name, LEVELS[level]);
        assert_eq!(family.kind, row.kind, "{}", row.name);
        assert_eq!(family.label_sets(), row.labels, "{}", row.name);
        if row.name.starts_with("otelcol") {
            let stability = [" [Alpha]", " [Beta]", " [Development]"];
            assert!(stability.iter().any(|end| family.help.ends_with(end)), "{}: {}", row.name, family.help);
        }
    }
    for (name, family) in families {
        assert!(!family.help.is_empty() && !family.samples.is_empty(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reference_s_table_at_every_level() {
    let upstream = Upstream::start(Reply::Ok).await;
    let next = next_hop();
    for (level, name) in LEVELS.into_iter().enumerate() {
        let collector = busy(name, upstream.address(), next.http(), READER).await;
        let sent = |exporter: &str| {
            let families = scrape(collector.metrics());
            value(&families, "otelcol_exporter_sent_spans", &[("exporter", exporter)]) == Some(7.0)
        };
        eventually("deliveries", || ["otlp_grpc", "otlp_http", "file"].into_iter().all(sent).then_some(()));
        let families = scrape(collector.metrics());
        check_table(&families, level);
        let port = next.http().port().to_string();
        let to = [("server_address", "127.0.0.1"), ("server_port", port.as_str()), ("url_path", "/v1/logs")];
        assert_eq!(value(&families, "otelcol_exporter_sent_log_records", &to), Some(7.0));
        if name == "detailed" {
            let signal = [("processor", "batch"), ("otel_signal", "traces")];
            assert_eq!(histogram_count(&families, "otelcol_processor_internal_duration", &signal), 1.0);
            let traces = "opentelemetry.proto.collector.trace.v1.TraceService/Export";
            let call = [("rpc_method", traces), ("rpc_response_status_code", "OK")];
            for end in ["server", "client"] {
                assert_eq!(histogram_count(&families, &format!("rpc_{end}_call_duration"), &call), 1.0);
            }
            let posted = [("http_route", "/v1/traces"), ("http_response_status_code", "200")];
            assert_eq!(histogram_count(&families, "http_server_request_duration", &posted), 1.0);
            assert_eq!(histogram_count(&families, "http_client_request_duration", &[posted[1]]), 3.0);
            let queue = [("exporter", "otlp_grpc")];
            assert_eq!(histogram_count(&families, "otelcol_exporter_enqueue_size", &queue), 3.0);
            assert_eq!(
                histogram_count(&families, "otelcol_exporter_queue_batch_send_size_bytes", &queue),
                3.0
            );
        }
        collector.stop_clean();
    }
}

fn histogram_count(families: &BTreeMap<String, Family>, name: &str, labels: &[(&str, &str)]) -> f64 {
    let samples = families[name].samples.iter();
    let counts = samples.filter(|sample| sample.name.ends_with("_count"));
    let of_labels = counts.filter(|sample| labels.iter().all(|(name, value)| sample.labels[*name] == *value));
    of_labels.map(|sample| sample.value).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_are_told_apart_in_detail() {
    let upstream = Upstream::start(Reply::Status(3, "no".into())).await;
    let next = next_hop();
    for (level, labels) in [
        ("normal", &["exporter", "server_address", "server_port"][..]),
        ("detailed", &["error_permanent", "error_type", "exporter", "server_address", "server_port"][..]),
    ] {
        let collector = busy(level, upstream.address(), next.http(), READER).await;
        let grpc = [("exporter", "otlp_grpc")];
        let failed = |families: &_| value(families, "otelcol_exporter_send_failed_spans", &grpc);
        let families = eventually("the failure", || {
            let families = scrape(collector.metrics());
            (failed(&families) == Some(7.0)).then_some(families)
        });
        let family = &families["otelcol_exporter_send_failed_spans"];
        assert!(family.label_sets().contains(labels), "{family:?}");
        if level == "detailed" {
            let why = [grpc[0], ("error_type", "InvalidArgument"), ("error_permanent", "true")];
            assert_eq!(value(&families, "otelcol_exporter_send_failed_spans", &why), Some(7.0));
        }
        assert_eq!(value(&families, "otelcol_exporter_sent_spans", &grpc), Some(0.0));
        drop(collector);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_metric_is_documented() {
    let page = include_str!("../../../deploy/OPERATING.md");
    let (upstream, next) = (Upstream::start(Reply::Ok).await, next_hop());
    let collector = busy("detailed", upstream.address(), next.http(), READER).await;
    let known: BTreeSet<String> = table().into_iter().map(|row| row.name).collect();
    let daemon = Collector::start(&daemon());
    let served = [scrape(collector.metrics()), scrape(daemon.metrics())];
    for (name, family) in served.iter().flatten() {
        // The Collector knows no documents of X-Ray; they are counted as its items are.
        let name_there = name.replace("_documents", "_spans");
        let in_table = known.contains(&name_there) || name.starts_with("otelcol_exporter_send_failed_");
        assert!(in_table || page.contains(&format!("`{name}`")), "{name} is not in OPERATING.md");
        let own = page
            .lines()
            .find(|line| line.starts_with("| `collimator_") && line.contains(&format!("`{name}`")));
        let columns = own.and_then(|line| line.split('|').nth(2)).unwrap_or_default();
        for labels in family.label_sets().iter().filter(|_| own.is_some()) {
            let documented: BTreeSet<&str> = columns.split('`').skip(1).step_by(2).collect();
            assert_eq!(labels.iter().copied().collect::<BTreeSet<_>>(), documented, "{name}");
        }
    }
    for name in page.split('`').skip(1).step_by(2).filter(|name| name.starts_with("collimator_")) {
        assert!(served.iter().any(|one| one.contains_key(name)), "{name} is documented and not served");
    }
    collector.stop_clean();
    daemon.stop_clean();
}

/// In the X-Ray daemon's place.
fn daemon() -> String {
    format!(
        "receivers:
  awsxray: {{endpoint: \"127.0.0.1:0\", proxy_server: {{enabled: false}}}}
exporters:
  awsxray: {{endpoint: \"http://127.0.0.1:9\", region: eu-west-1, local_mode: true}}
service:
  telemetry:
    metrics: {{readers: [{READER}]}}
  pipelines:
    xray: {{receivers: [awsxray], exporters: [awsxray]}}
"
    )
}

#[test]
fn none_means_none() {
    let config = config::direct("nop", "{}").replace("metrics: {readers", "metrics: {level: none, readers");
    let collector = Collector::start(&config);
    let output = collector.output();
    assert!(output.contains("Internal metrics telemetry disabled") && !output.contains("Serving metrics"));
    collector.stop_clean();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_scrapes_it() {
    if !prometheus::available() {
        return;
    }
    let upstream = Upstream::start(Reply::Ok).await;
    let next = next_hop();
    // The one that the log names last is the one with the long names.
    let long = READER.replace("port: 0", "port: 0, without_units: false, without_type_suffix: false");
    let collector = busy("detailed", upstream.address(), next.http(), &format!("{READER}, {long}")).await;
    let endpoints: Vec<SocketAddr> = collector
        .output()
        .lines()
        .filter(|line| line.contains("Serving metrics"))
        .map(|line| {
            line.rsplit_once("\"endpoint\": \"").unwrap().1.split('"').next().unwrap().parse().unwrap()
        })
        .collect();
    let [short, long] = endpoints[..] else { panic!("{endpoints:?}") };

    // Silent, but for the suffix that the Collector leaves out by default.
    assert_eq!(prometheus::promtool(&http::get(long, "/metrics").text()), [""; 0]);
    let said = prometheus::promtool(&http::get(short, "/metrics").text());
    assert!(
        said.iter().all(|line| line.ends_with("counter metrics should have \"_total\" suffix")),
        "{said:?}"
    );

    let server = Prometheus::start(short);
    let labels = eventually("a scrape", || {
        let found = server.query("otelcol_receiver_accepted_spans{transport=\"grpc\"} == 7");
        found.into_iter().next()
    });
    assert_eq!(labels.0["receiver"], "otlp");
    assert_eq!(server.query("up{job=\"own\"}")[0].1, 1.0);
    // What it understood is what is in the table.
    let metadata = server.get("/api/v1/targets/metadata?match_target=%7Bjob%3D%22own%22%7D");
    let kinds: BTreeMap<&str, &str> = metadata["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["metric"].as_str().unwrap(), entry["type"].as_str().unwrap()))
        .collect();
    for row in table() {
        assert_eq!(kinds.get(row.name.as_str()), Some(&row.kind), "{}", row.name);
    }
    drop(server);
    collector.stop_clean();
}
