//! Whole configurations against what is said about them: `cases/NAME.yaml` and beside it `NAME.txt`.
//! `UPDATE_EXPECTED=1 cargo test -p collimator-config` writes the second from what is said now; read the difference.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use collimator_config::document::{self, Catalog, Document, Kind, Role};
use collimator_config::{Diagnostics, Env, Location, load};
use data::Signal;

/// A few types in the manner of the real ones.
struct TestCatalog;

impl Catalog for TestCatalog {
    fn current_name(&self, kind: Kind, component_type: &str) -> Option<&'static str> {
        let current = match (kind, component_type) {
            (Kind::Exporter, "otlp") => "otlp_grpc",
            (Kind::Exporter, "otlphttp") => "otlp_http",
            _ => component_type,
        };
        self.type_names(kind).into_iter().find(|name| *name == current)
    }

    fn type_names(&self, kind: Kind) -> Vec<&'static str> {
        match kind {
            Kind::Receiver => vec!["otlp", "zipkin"],
            Kind::Processor => vec!["batch", "memory_limiter", "tail_sampling"],
            Kind::Exporter => vec!["otlp_grpc", "otlp_http", "debug", "file"],
            Kind::Connector => vec!["forward", "span_metrics"],
            Kind::Extension => vec!["health_check"],
        }
    }

    fn carries(&self, _: Kind, component_type: &str, input: Signal, output: Signal) -> bool {
        match component_type {
            "zipkin" | "tail_sampling" => (input, output) == (Signal::Traces, Signal::Traces),
            "span_metrics" => (input, output) == (Signal::Traces, Signal::Metrics),
            _ => input == output && input != Signal::Xray,
        }
    }

    fn role(&self, component_type: &str) -> Role {
        match component_type {
            "batch" => Role::Joins,
            "memory_limiter" => Role::Guards,
            "tail_sampling" => Role::Samples,
            _ => Role::Plain,
        }
    }
}

/// Files and variables of a test; files are shown without their folder.
#[derive(Default)]
struct TestEnv {
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Env for TestEnv {
    fn var(&self, _: &str) -> Option<String> {
        None
    }

    fn read_file(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.files.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

fn read(yaml: &[u8]) -> (Option<Document>, Diagnostics) {
    let env = TestEnv { files: BTreeMap::from([("test.yaml".into(), yaml.to_vec())]) };
    let tree = match load(&[Location::File("test.yaml".into())], &env) {
        Ok(tree) => tree,
        Err(diagnostics) => return (None, diagnostics),
    };
    let mut diagnostics = tree.diagnostics();
    let document = document::read(&tree, &TestCatalog, &mut diagnostics);
    (document, diagnostics)
}

#[test]
fn cases() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let update = std::env::var_os("UPDATE_EXPECTED").is_some();
    let mut failed = Vec::new();
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        count += 1;
        let (_, diagnostics) = read(&fs::read(&path).unwrap());
        let (found, beside) = (diagnostics.to_string(), path.with_extension("txt"));
        if update {
            fs::write(&beside, &found).unwrap();
        } else if fs::read_to_string(&beside).unwrap_or_default() != found {
            failed.push(format!("{}:\n{found}", path.display()));
        }
    }
    assert!(count > 5, "no cases found");
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

const VALID: &str = "
receivers:
  otlp:
    protocols: {grpc: , http: }
  zipkin: {endpoint: localhost:9411}
processors: {batch: , tail_sampling/errors: {}}
exporters:
  otlp_grpc/backend: {endpoint: backend:4317}
  debug:
connectors: {span_metrics: , forward: }
extensions: {health_check: }
service:
  extensions: [health_check]
  drain_timeout: 10s
  workers: 2
  limits: {max_held_mib: 512}
  telemetry:
    logs: {level: Debug, encoding: json}
    metrics: {level: normal, readers: [{pull: {exporter: {prometheus: {host: 0.0.0.0, port: 9999}}}}]}
  pipelines:
    traces/in: {receivers: [otlp, zipkin], processors: [batch], exporters: [forward, span_metrics]}
    traces/out:
      receivers: [forward]
      processors: [tail_sampling/errors]
      exporters: [otlp_grpc/backend, debug]
      best_effort: [debug]
    metrics: {receivers: [otlp, span_metrics], exporters: [debug]}
";

#[test]
fn reads_a_document() {
    let (document, diagnostics) = read(VALID.as_bytes());
    assert_eq!(diagnostics.to_string(), "");
    let document = document.unwrap();
    let ids = |kind: Kind| -> Vec<String> {
        document.declared(kind).iter().map(|declared| declared.id.to_string()).collect()
    };
    assert_eq!(ids(Kind::Receiver), ["otlp", "zipkin"]);
    assert_eq!(ids(Kind::Processor), ["batch", "tail_sampling/errors"]);
    assert_eq!(ids(Kind::Exporter), ["otlp_grpc/backend", "debug"]);
    assert_eq!(ids(Kind::Connector), ["span_metrics", "forward"]);
    assert_eq!(ids(Kind::Extension), ["health_check"]);
    assert!(document.exporters[1].node.is_null());
    assert_eq!(document.exporters[1].key_span.start.line, 9);

    let service = &document.service;
    assert_eq!((service.drain_timeout.as_secs(), service.workers, service.limits.max_held_mib), (10, 2, 512));
    let prometheus: Vec<_> = service.telemetry.prometheus().collect();
    assert_eq!((prometheus[0].host.as_str(), prometheus[0].port, prometheus.len()), ("0.0.0.0", 9999, 1));
    let pipeline = &service.pipelines[1];
    assert_eq!(pipeline.id.to_string(), "traces/out");
    assert_eq!(pipeline.id.signal, Signal::Traces);
    assert_eq!(pipeline.exporters.len(), 2);
    assert_eq!(pipeline.best_effort[0].id.component_type(), "debug");
    assert_eq!(
        (pipeline.best_effort[0].span.start.line, pipeline.best_effort[0].span.start.column),
        (26, 21)
    );
}

#[test]
fn defaults_of_the_service() {
    let yaml = "{receivers: {otlp: }, exporters: {debug: },
        service: {pipelines: {traces: {receivers: [otlp], exporters: [debug]}}}}";
    let (document, diagnostics) = read(yaml.as_bytes());
    assert_eq!(diagnostics.to_string(), "");
    let service = document.unwrap().service;
    assert_eq!((service.drain_timeout.as_secs(), service.workers, service.limits.max_held_mib), (25, 0, 0));
    let prometheus: Vec<_> = service.telemetry.prometheus().collect();
    assert_eq!((prometheus[0].host.as_str(), prometheus[0].port), ("localhost", 8888));
}

#[test]
fn listed_twice_is_used_once() {
    let yaml = "{receivers: {otlp: }, exporters: {debug: },
        service: {pipelines: {traces: {receivers: [otlp, otlp], exporters: [debug, debug]}}}}";
    let (document, diagnostics) = read(yaml.as_bytes());
    assert!(!diagnostics.has_errors() && diagnostics.sorted().len() == 2, "{diagnostics}");
    let pipeline = &document.unwrap().service.pipelines[0];
    assert_eq!((pipeline.receivers.len(), pipeline.exporters.len()), (1, 1));
}

#[test]
fn findings_as_json() {
    let (_, diagnostics) = read(b"receivers: {otpl: }\nexporters: {debug: }\nservice: {pipelines: {}}");
    let json = diagnostics.to_json();
    assert_eq!(
        json[0],
        serde_json::json!({
            "severity": "error", "file": "test.yaml", "line": 1, "column": 13, "path": "receivers::otpl",
            "message": "unknown receiver type `otpl`", "help": "did you mean `otlp`?",
        })
    );
    assert_eq!(json.as_array().unwrap().len(), 2);
}

#[test]
fn findings_do_not_steer_the_terminal() {
    let yaml = b"{\"a\\e[31m\": 1, receivers: {\"b\\e[31m\": 2, \"c\\r\": 1, \"c\\r\": 2}}";
    let texts =
        [read(yaml).1.to_string(), read(&yaml[..20]).1.to_string(), read(b"a: \x1b[31m b: c").1.to_string()];
    for text in texts {
        assert!(text.contains("error") && !text.contains(['\x1b', '\r']), "{text}");
    }
}

/// Whatever is thrown at it: findings, never a panic, never a hang.
#[test]
fn hostile_texts() {
    let check = |yaml: &[u8], expected: &str| {
        let (_, diagnostics) = read(yaml);
        let text = diagnostics.to_string();
        let shown: String = String::from_utf8_lossy(yaml).chars().take(80).collect();
        assert!(text.contains(expected), "{shown}: {text}");
    };
    check("[".repeat(100_000).as_bytes(), "recursion limit exceeded");
    check("[".repeat(100).as_bytes(), "nested deeper than 64 levels");
    check("- ".repeat(100_000).as_bytes(), "nested deeper than 64 levels");
    check("{a: ".repeat(100_000).as_bytes(), "recursion limit exceeded");
    check("{a: ".repeat(100).as_bytes(), "nested deeper than 64 levels");
    check("? ".repeat(50_000).as_bytes(), "error");
    check(&vec![b'a'; (4 << 20) + 1], "longer than 4194304 bytes");
    check(&[b"a: ".as_slice(), &[0xff, 0xfe]].concat(), "test.yaml:1:4\n");
    check(b"\xc3\xa4: \xff", "not UTF-8 text\n --> test.yaml:1:4");
    check(b"a: &x [*x]", "inside the value");
    check(b"a: *nope", "invalid YAML");
    check(b"a: b: c", "invalid YAML");
    check(b"a: 'open", "invalid YAML");
    check(b"\ta: 1", "error");
    check(b"a: 1\n---\nb: 2", "a second YAML document");
    check(b"{[a]: 1}", "a key must be plain text");
    check(b"a: !!binary xyz", "is not supported here");
    check(b"- a\n- b", "expected a map of sections, found a list");
    check(b"just text", "expected a map of sections, found the string `just text`");
    check(b"", "empty configuration");
    check(b"{}", "empty configuration");
    check(b"\xef\xbb\xbf# only a comment", "empty configuration");

    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..20 {
        let below = format!("*a{}, ", level - 1).repeat(10);
        bomb += &format!("a{level}: &a{level} [{below}]\n");
    }
    check(bomb.as_bytes(), "more than 200000 values, aliases counted in full");
    let mut deep = "a0: &a0 [x]\n".to_owned();
    for level in 1..100 {
        deep += &format!("a{level}: &a{level} [*a{}]\n", level - 1);
    }
    check(deep.as_bytes(), "nested deeper than 64 levels");
    let many: String = (0..20_000).map(|key| format!("k{key}: \n")).collect();
    check(many.as_bytes(), "more than 10000 keys in one map");
    let unknown: String = (0..9_000).map(|key| format!("k{key}: \n")).collect();
    check(unknown.as_bytes(), "unknown key `k100`");
    check(unknown.as_bytes(), "… and 8503 more");
}

/// Every prefix of a valid file, and every file with one byte changed, must be survived.
#[test]
fn broken_texts() {
    for end in 0..VALID.len() {
        let (_, diagnostics) = read(&VALID.as_bytes()[..end]);
        let _ = (diagnostics.to_string(), diagnostics.to_json());
    }
    for (index, byte) in (0..VALID.len()).flat_map(|index| b"\0:{*\n\xff".map(|byte| (index, byte))) {
        let mut changed = VALID.as_bytes().to_vec();
        changed[index] = byte;
        let (_, diagnostics) = read(&changed);
        let _ = (diagnostics.to_string(), diagnostics.to_json());
    }
}
