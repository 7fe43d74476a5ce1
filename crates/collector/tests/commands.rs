//! The commands of the binary, as a user gives them.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

const CONFIG: &str = "
receivers:
  otlp: {protocols: {grpc: , http: }}
  otlp/eu: {protocols: {http: {endpoint: 0.0.0.0:5318}}}
processors: {batch: {timeout: 5s}, batch/small: {send_batch_size: 10}}
connectors: {forward: }
exporters:
  otlp_grpc: {endpoint: 'backend:4317', headers: {authorization: '${env:TOKEN}', x-tenant: a}}
  debug:
service:
  pipelines:
    traces: {receivers: [otlp, otlp/eu], processors: [batch], exporters: [forward, debug]}
    traces/out: {receivers: [forward], processors: [batch/small], exporters: [otlp_grpc, debug], best_effort: [debug]}
    logs: {receivers: [otlp], exporters: [debug]}
    metrics: {receivers: [otlp], exporters: [debug]}
";

fn collimator(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_collimator"));
    command.args(arguments).env_clear().env("TOKEN", "Bearer hunter2").output().expect("it runs")
}

/// Standard output of what must succeed.
fn said(arguments: &[&str]) -> String {
    let output = collimator(arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Standard error of what must fail with this code.
fn refused(arguments: &[&str], exit_code: i32) -> String {
    let output = collimator(arguments);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(exit_code), "{arguments:?}: {errors}");
    errors
}

fn inline(yaml: &str) -> String {
    format!("yaml:{yaml}")
}

#[test]
fn the_picture_of_pipelines() {
    assert_eq!(
        said(&["graph", &inline(CONFIG)]),
        "\
traces
  otlp (localhost:4317, localhost:4318) ─┬──▶ batch ─┬──▶ [forward] ▶ traces/out
  otlp/eu (0.0.0.0:5318) ────────────────┘           └──▶ debug

traces/out
  [forward] ◀ traces ────▶ batch/small ─┬──▶ otlp_grpc (backend:4317)
                                        └──▶ debug, best effort

logs, metrics
  otlp (localhost:4317, localhost:4318) ──────▶ debug

beside them
  own metrics (localhost:8888/metrics)
"
    );
}

#[test]
fn pictures_for_other_programs() {
    let mermaid = said(&["graph", "--format", "mermaid", &inline(CONFIG)]);
    for line in [
        "flowchart LR",
        "  receiver__otlp_2f_eu([\"otlp/eu<br/>0.0.0.0:5318\"])",
        "  receiver__otlp_2f_eu --> traces__batch",
        "  traces__batch --> connector__forward",
        "  traces_2f_out__batch_2f_small -.-> exporter__debug",
        "  receiver__otlp -->|logs| exporter__debug",
    ] {
        assert!(mermaid.lines().any(|found| found == line), "{line}:\n{mermaid}");
    }
    let dot = said(&["graph", "--format", "dot", &inline(CONFIG)]);
    assert!(dot.starts_with("digraph collimator {") && dot.ends_with("}\n"), "{dot}");
    assert_eq!(dot.matches('{').count(), dot.matches('}').count());
    for line in [
        "  \"traces batch\" -> \"connector forward\";",
        "  \"traces/out batch/small\" -> \"exporter debug\" [style=dashed];",
        "  \"receiver otlp\" -> \"exporter debug\" [label=\"logs\"];",
    ] {
        assert!(dot.lines().any(|found| found == line), "{line}:\n{dot}");
    }
}

#[test]
fn components_are_listed_and_explained() {
    let list = said(&["components"]);
    let batch = list.lines().find(|line| line.starts_with("  batch ")).expect("it is listed");
    assert!(batch.contains("traces, metrics, logs") && batch.contains("beta"), "{batch}");
    assert!(list.contains("receivers\n") && list.contains("connectors\n"), "{list}");

    let batch = said(&["components", "batch"]);
    assert!(batch.starts_with("processor batch (beta)\n"), "{batch}");
    assert!(batch.contains("\n  timeout  (a duration, default 200ms)\n"), "{batch}");

    // The receiver, and the exporter under its former name.
    let both: Value = serde_json::from_str(&said(&["components", "otlp", "--format", "json"])).expect("JSON");
    let kinds: Vec<&Value> = both.as_array().expect("a list").iter().map(|one| &one["kind"]).collect();
    assert_eq!(kinds, ["receiver", "exporter"]);
    let one = said(&["components", "receivers/otlp", "--format", "json"]);
    let one: Value = serde_json::from_str(&one).expect("JSON");
    let keys = one[0]["settings"].as_array().expect("a list");
    let endpoint = keys.iter().find(|row| row["key"] == "protocols.grpc.endpoint").expect("a key");
    assert_eq!(endpoint["default"], "localhost:4317");

    assert!(refused(&["components", "nonsense"], 1).contains("there is no component `nonsense`"));
}

#[test]
fn the_configuration_is_printed_without_secrets() {
    let config = inline(CONFIG);
    let plain = said(&["print-config", &config, "--set", "processors.batch.timeout=7s"]);
    assert!(
        plain.contains("    timeout: 7s\n") && plain.contains("authorization: \"[REDACTED]\"\n"),
        "{plain}"
    );
    assert!(!plain.contains("hunter2") && !plain.contains("send_batch_max_size"), "{plain}");

    let all = said(&["print-initial-config", "--config", &config, "--defaults"]);
    assert!(all.contains("    send_batch_max_size: 0\n") && all.contains("  drain_timeout: 25s\n"), "{all}");
    assert!(!all.contains("hunter2"), "{all}");

    let shown = said(&["print-config", &config, "--mode", "unredacted", "--format", "json"]);
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    let headers = json!({ "authorization": "Bearer hunter2", "x-tenant": "a" });
    assert_eq!(shown["exporters"]["otlp_grpc"]["headers"], headers);

    let wrong = inline("{exporters: {otlp_grpc: {headers: {token: hunter3}, nonsense: 1}}}");
    assert!(refused(&["print-config", &wrong], 1).contains("unknown key `nonsense`"));
    let printed = said(&["print-config", "--validate=false", &wrong]);
    assert!(printed.contains("otlp_grpc: \"[NOT READABLE]\"") && !printed.contains("hunter3"), "{printed}");
}

#[test]
fn validation_of_several_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("it can be written");
        path.display().to_string()
    };
    let good = write("good.yaml", CONFIG);
    let bad = write("bad.yaml", "exporters: {debug: {verbosity: loud}}");
    let warned = write("warned.yaml", &CONFIG.replace("batch: {timeout: 5s}", "batch: {timeout: 5}"));
    assert_eq!(said(&["validate", &good]), "");
    assert_eq!(said(&["validate", &good, &warned]), "");
    let errors = refused(&["validate", &good, &bad], 1);
    assert!(errors.contains("bad.yaml is not valid") && !errors.contains("good.yaml"), "{errors}");
    assert!(refused(&["validate", "--strict", &good, &warned], 1).contains("there are warnings about"));
    let output = collimator(&["validate", "--format", "json", &good, &bad]);
    assert_eq!(output.status.code(), Some(1));
    let results: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&results[0]["valid"], &results[1]["valid"]), (&json!(true), &json!(false)));
    let findings = results[1]["findings"].as_array().expect("a list");
    let finding = findings.iter().find(|finding| finding["path"] == "exporters::debug::verbosity");
    assert_eq!(finding.expect("a finding")["line"], 1);
    // Merged with --config they are one.
    let part = write("part.yaml", "exporters: {debug: {verbosity: normal}}");
    assert_eq!(said(&["validate", "--config", &good, "--config", &part]), "");
    assert!(refused(&["validate", "--config", &good, &part], 1).contains("not both"));
}

#[test]
fn a_configuration_from_a_web_server() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has ports");
    let port = listener.local_addr().expect("it is bound").port();
    let server = std::thread::spawn(move || {
        for status in ["200 OK", "404 Not Found"] {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut request = [0; 4096];
            let read = stream.read(&mut request).expect("a request");
            assert!(request[..read].starts_with(b"GET /config.yaml HTTP/1.1\r\n"));
            let length = CONFIG.len();
            write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{CONFIG}"
            )
            .expect("it reads");
        }
    });
    let url = format!("http://127.0.0.1:{port}/config.yaml");
    assert_eq!(said(&["validate", "--config", &url]), "");
    assert!(refused(&["validate", "--config", &url], 1).contains("the server answered 404 Not Found"));
    server.join().expect("it answered");
    assert!(refused(&["validate", "--config", &url], 1).contains("unable to fetch"));
}

#[test]
fn feature_gates() {
    assert!(said(&["featuregate"]).contains("confmap.enableMergeAppendOption"));
    assert!(said(&["featuregate", "service.AllowNoPipelines"]).contains("not supported"));
    assert!(refused(&["featuregate", "nosuch"], 1).contains("feature gate \"nosuch\" not found"));
    let config = inline(CONFIG);
    let second = inline("{exporters: {nop: }, service: {pipelines: {logs: {exporters: [nop]}}}}");
    let print = |gates: &[&str]| {
        let arguments = ["print-config", &config, &second, "--format", "json"];
        let printed: Value = serde_json::from_str(&said(&[&arguments, gates].concat())).expect("JSON");
        printed["service"]["pipelines"]["logs"]["exporters"].clone()
    };
    assert_eq!(print(&[]), json!(["nop"]));
    assert_eq!(print(&["--feature-gates=confmap.enableMergeAppendOption"]), json!(["debug", "nop"]));
    assert_eq!(
        print(&["--feature-gates", "-confmap.enableMergeAppendOption,service.partialReload"]),
        json!(["nop"])
    );
    let unknown = refused(&["validate", "--config", &config, "--feature-gates=foo"], 1);
    assert!(unknown.contains("no such feature gate \"foo\""), "{unknown}");
}

#[test]
fn completions_version_and_help() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(said(&["completions", shell]).contains("print-config"), "{shell}");
    }
    assert!(said(&["completion", "bash"]).contains("_collimator"));
    for version in ["--version", "-v", "-V"] {
        assert!(said(&[version]).starts_with("collimator "), "{version}");
    }
    let help = said(&["--help"]);
    for text in ["Exit codes:", "validate", "print-config", "featuregate", "--feature-gates"] {
        assert!(help.contains(text), "{text}:\n{help}");
    }
    assert!(refused(&["--nosuch"], 2).contains("--nosuch"));
    assert!(refused(&["validate", "--set", "foo"], 1).contains("missing equal sign"));
    assert!(refused(&["validate", "--config", "foo:bar"], 1).contains("unsupported scheme on URI `foo:bar`"));
}

/// Whether a schema of the kind that `schema` prints takes a value; patterns of texts are not looked at.
fn takes(root: &Value, schema: &Value, value: &Value) -> bool {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.trim_start_matches("#/$defs/");
        // A value from elsewhere is a text with `${` in it.
        let text = name != "reference" || value.as_str().is_some_and(|text| text.contains("${"));
        return text && takes(root, &root["$defs"][name], value);
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let fits = |wanted: &Value| wanted == kind || (wanted == "number" && kind == "integer");
    let right_type = match &schema["type"] {
        Value::Null => true,
        Value::Array(kinds) => kinds.iter().any(fits),
        wanted => fits(wanted),
    };
    let any = schema["anyOf"].as_array().is_none_or(|any| any.iter().any(|one| takes(root, one, value)));
    let word = schema["enum"].as_array().is_none_or(|words| words.contains(value));
    let items = || match value {
        Value::Array(items) => {
            schema.get("items").is_none_or(|one| items.iter().all(|item| takes(root, one, item)))
        }
        Value::Object(entries) => entries.iter().all(|(key, value)| takes_entry(root, schema, key, value)),
        _ => true,
    };
    right_type && any && word && items()
}

fn takes_entry(root: &Value, schema: &Value, key: &str, value: &Value) -> bool {
    if let Some(schema) = schema["properties"].get(key) {
        return takes(root, schema, value);
    }
    // `^\s*(otlp_grpc|otlp)\s*(/.+)?$`
    let named = |pattern: &str| {
        let names = pattern.split(['(', ')']).nth(1).unwrap_or_default();
        names.split('|').any(|name| name == key.split('/').next().unwrap_or_default().trim())
    };
    let patterns = schema["patternProperties"].as_object();
    if let Some((_, schema)) = patterns.and_then(|patterns| patterns.iter().find(|(name, _)| named(name))) {
        return takes(root, schema, value);
    }
    match &schema["additionalProperties"] {
        Value::Bool(allowed) => *allowed,
        Value::Null => true,
        schema => takes(root, schema, value),
    }
}

#[test]
fn the_schema_takes_what_is_valid() {
    let schema: Value = serde_json::from_str(&said(&["schema"])).expect("JSON");
    let check = |config: &Value| takes(&schema, &schema, config);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/configs/valid");
    let mut seen = 0;
    for entry in fs::read_dir(folder).expect("it is there") {
        let path = entry.expect("it is readable").path();
        let text = fs::read_to_string(&path).expect("text");
        // Printed as JSON it is what an editor sees, but for what variables supply.
        if text.contains("env:") || text.contains("yaml:") || text.contains("::") {
            continue;
        }
        seen += 1;
        for more in [&[][..], &["--defaults"]] {
            let arguments = ["print-config", "--format", "json", &path.display().to_string()];
            let config: Value = serde_json::from_str(&said(&[&arguments, more].concat())).expect("JSON");
            assert!(check(&config), "{}: {config:#}", path.display());
        }
    }
    assert!(seen > 60, "only {seen}");
    let body = |body: Value| json!({ "processors": { "batch/x": body } });
    assert!(check(&body(json!({ "timeout": "5s", "send_batch_size": "${env:SIZE}" }))));
    assert!(!check(&body(json!({ "timout": "5s" }))));
    assert!(!check(&body(json!({ "send_batch_size": "many" }))));
    assert!(!check(&json!({ "processors": { "bacth": null } })));
    assert!(!check(&json!({ "procesors": null })));
    let timeout = &schema["$defs"]["processor.batch"]["properties"]["timeout"];
    assert!(
        timeout["description"].as_str().is_some_and(|doc| !doc.is_empty()) && timeout["default"] == "200ms"
    );
}
