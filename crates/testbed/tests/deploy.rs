//! What is in deploy/ is what it says: valid to those who read it, and true about the binary.

#![allow(clippy::unwrap_used, reason = "a panic is the failure report")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::Instant;

use serde_json::Value;
use testbed::exposition::parse;
use testbed::grpc::{Client, LOGS, METRICS, TRACES};
use testbed::prometheus::{self, Prometheus};
use testbed::{Collector, PATIENCE, Reply, Upstream, config, http, set_up_with, skip};
use testkit::generate::batch;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// Where a copy of a pipeline has to stand, and how it looks there.
#[test]
fn copies_of_the_pipeline_are_the_pipeline() {
    let pipeline = read("pipelines/container.yaml");
    let chart = "deploy/helm/collimator/files/container.yaml";
    let manifest = "deploy/kubernetes/collimator.yaml";
    let text = read(manifest);
    let start = text.find("  config.yaml: |\n").unwrap() + "  config.yaml: |\n".len();
    let end = start + text[start..].find("\n---\n").unwrap() + 1;
    let line = |line: &str| if line.is_empty() { "\n".to_owned() } else { format!("    {line}\n") };
    let indented: String = pipeline.lines().map(line).collect();
    let fresh = format!("{}{indented}{}", &text[..start], &text[end..]);
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(root().join(chart), &pipeline).unwrap();
        fs::write(root().join(manifest), &fresh).unwrap();
    }
    assert_eq!(read(chart), pipeline);
    assert!(
        read(manifest) == fresh,
        "{manifest}: not pipelines/container.yaml; UPDATE_EXPECTED=1 rewrites it"
    );
}

/// Prepares the Python packages with the schemas; false, and a line that says why, where that can't be done.
fn schemas_available() -> bool {
    static READY: OnceLock<Result<(), String>> = OnceLock::new();
    match READY.get_or_init(|| set_up_with("setup_deploy.sh")) {
        Ok(()) => true,
        Err(why) => {
            skip(&format!("the schemas can't be set up: {why}"));
            false
        }
    }
}

/// Runs a part of `check.py`.
fn check(part: &str, expected: &str) {
    if !schemas_available() {
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/check.py");
    let mut command = Command::new(root().join(".test-env/deploy/bin/python"));
    let output = command.arg("-B").arg(script).arg(part).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains(expected), "{}", said(&output));
}

#[test]
fn manifests_are_kubernetes() {
    check("kubernetes", "kubernetes: ServiceAccount, ConfigMap, Deployment, Service, PodDisruptionBudget");
}

#[test]
fn the_daemonset_in_the_x_ray_daemons_place_is_kubernetes() {
    check("daemonset", "daemonset: ServiceAccount, DaemonSet, Service");
}

/// The page's own commands, up to what applies it.
#[test]
fn the_daemonset_is_made_for_either_kind_of_role() {
    let page = read("deploy/xray-daemon/README.md");
    let made: Vec<String> = page
        .lines()
        .filter_map(|line| line.strip_suffix(" | kubectl apply -f -"))
        .map(|line| {
            let mut shell = Command::new("sh");
            shell.args(["-c", line]).current_dir(root()).env("REGISTRY", "r.test").env("ROLE_ARN", "arn:x");
            let output = shell.output().unwrap();
            assert!(output.status.success(), "{line}: {}", said(&output));
            said(&output)
        })
        .collect();
    let [irsa, pod_identity] = &made[..] else { panic!("{page}") };
    let role = "\n  annotations:\n    eks.amazonaws.com/role-arn: arn:x\n---\n";
    assert!(irsa.contains(role) && !pod_identity.contains("\n  annotations:"), "{irsa} {pod_identity}");
    for made in &made {
        assert!(made.contains("image: r.test/collimator:"), "{made}");
        assert!(!made.contains(": ROLE_ARN"), "{made}");
    }
    assert_eq!(irsa.lines().count(), pod_identity.lines().count() + 2);
}

#[test]
fn the_chart_renders_to_kubernetes() {
    check("helm", "helm, everything, horizontalpodautoscaler.yaml: HorizontalPodAutoscaler");
}

#[test]
fn the_task_definition_is_what_ecs_takes() {
    check("ecs", "ecs: RegisterTaskDefinition takes it");
}

#[test]
fn the_dashboard_is_what_grafana_reads() {
    check("grafana", "grafana: 28 panels are what Grafana's models take");
}

/// A root of a file system with the unit, what it starts, and the host's units that it needs.
fn installed() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let units = folder.path().join("usr/lib/systemd/system");
    let sysusers = folder.path().join("usr/lib/sysusers.d");
    let programs = folder.path().join("usr/bin");
    for folder in [&units, &sysusers, &programs, &folder.path().join("etc")] {
        fs::create_dir_all(folder).unwrap();
    }
    for entry in fs::read_dir("/usr/lib/systemd/system").unwrap() {
        let path = entry.unwrap().path();
        let kind = path.extension().and_then(|extension| extension.to_str());
        if matches!(kind, Some("target" | "slice" | "socket" | "mount")) && path.is_file() {
            fs::copy(&path, units.join(path.file_name().unwrap())).unwrap();
        }
    }
    let deploy = root().join("deploy/systemd");
    fs::copy(deploy.join("collimator.service"), units.join("collimator.service")).unwrap();
    fs::copy(deploy.join("collimator.sysusers"), sysusers.join("collimator.conf")).unwrap();
    for program in ["collimator", "kill"] {
        // Any program will do: the check asks whether there is one.
        fs::copy("/bin/true", programs.join(program)).unwrap();
    }
    folder
}

#[test]
fn the_unit_is_verified_by_systemd() {
    if !Path::new("/usr/bin/systemd-analyze").exists() || !Path::new("/usr/lib/systemd/system").exists() {
        return skip("systemd-analyze is missing");
    }
    let folder = installed();
    let rooted = |program: &str| {
        let mut command = Command::new(program);
        command.arg(format!("--root={}", folder.path().display()));
        command
    };
    let verify = || rooted("systemd-analyze").args(["verify", "collimator.service"]).output().unwrap();
    let output = verify();
    assert!(output.status.success() && said(&output).is_empty(), "{}", said(&output));
    // It would have said so.
    let unit = folder.path().join("usr/lib/systemd/system/collimator.service");
    let text = fs::read_to_string(&unit).unwrap();
    fs::write(&unit, text.replace("NoNewPrivileges", "NoNewPrivilegs")).unwrap();
    assert!(said(&verify()).contains("NoNewPrivilegs"), "{}", said(&verify()));

    let output = rooted("systemd-sysusers").output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let users = fs::read_to_string(folder.path().join("etc/passwd")).unwrap();
    assert!(users.starts_with("collimator:"), "{users}");

    let mut security = Command::new("systemd-analyze");
    security.args(["security", "--offline=yes", "--threshold=20", "--no-pager"]);
    let output = security.arg(root().join("deploy/systemd/collimator.service")).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn the_unit_s_variables_are_those_of_its_pipeline() {
    let pipeline = read("pipelines/gateway.yaml");
    let defaults = read("deploy/systemd/collimator.default");
    let variables = defaults.lines().filter_map(|line| line.strip_prefix('#')?.split_once('='));
    let variables: Vec<_> = variables.filter(|(name, _)| !name.contains(' ')).collect();
    assert!(variables.len() >= 5, "{variables:?}");
    for (name, _) in variables {
        assert!(pipeline.contains(&format!("${{env:{name}")), "{name}");
    }
}

#[test]
fn the_image_holds_only_what_it_should() {
    let text = read("deploy/container/Containerfile");
    let joined = text.replace("\\\n", " ");
    let lines: Vec<Vec<&str>> = joined
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
        .map(|line| line.split_whitespace().collect())
        .collect();
    let last = lines.iter().rposition(|line| line[0] == "FROM").unwrap();
    let (build, image) = lines.split_at(last);
    let toolchain = read("rust-toolchain.toml");
    let version =
        toolchain.lines().find_map(|line| line.strip_prefix("channel = ")).unwrap().trim_matches('"');
    assert_eq!(build[0][1], format!("rust:{version}-alpine"));
    assert!(build.concat().contains(&"--locked"));
    assert_eq!(image[0], ["FROM", "scratch"]);
    let user = image.iter().find(|line| line[0] == "USER").unwrap()[1];
    assert!(user.split(':').all(|id| id.parse::<u32>().unwrap() >= 10_000), "{user}");
    assert!(image.iter().all(|line| line[0] != "RUN"), "there is nothing to run in an empty image");
    // What is copied from here is here, and not kept out.
    let ignored = read("deploy/container/Containerfile.dockerignore");
    let copied = image.iter().filter(|line| line[0] == "COPY" && !line[1].starts_with("--from"));
    let copied: Vec<&str> = copied.map(|line| line[1]).collect();
    assert_eq!(copied, ["pipelines/container.yaml", "LICENSE"]);
    let workspace = ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml", "benches", "crates", "plugins"];
    for path in copied.into_iter().chain(workspace) {
        assert!(root().join(path).exists(), "{path}");
        let top = path.split('/').next().unwrap();
        assert!(ignored.lines().any(|line| line == format!("!{top}")), "{top}");
    }
    let ports: BTreeSet<&str> =
        image.iter().filter(|line| line[0] == "EXPOSE").flat_map(|line| &line[1..]).copied().collect();
    let pipeline = read("pipelines/container.yaml");
    assert!(ports.len() == 4 && ports.iter().all(|port| pipeline.contains(port)), "{ports:?}");
}

/// Every query of the dashboard.
fn queries() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&read("deploy/grafana/collimator.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<i64> = panels.iter().map(|panel| panel["id"].as_i64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "every panel has an id of its own");
    let targets = panels.iter().filter(|panel| panel["type"] != "row").flat_map(|panel| {
        assert!(!panel["description"].as_str().unwrap().is_empty(), "{}", panel["title"]);
        panel["targets"].as_array().unwrap()
    });
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

/// The names of metrics in a query: what stands before a selector in braces.
fn metrics(query: &str) -> BTreeSet<&str> {
    let before = query.split('{').collect::<Vec<_>>();
    let names = before[..before.len() - 1].iter().map(|text| {
        let start = text.rfind(|character: char| !character.is_ascii_alphanumeric() && character != '_');
        &text[start.map_or(0, |start| start + 1)..]
    });
    names.collect()
}

#[test]
fn prometheus_takes_its_configuration_and_the_rules_do_what_they_say() {
    if prometheus::available() {
        let config = root().join("deploy/grafana/prometheus.yml");
        let said = prometheus::promtool_on(&config, ["check", "config"]);
        assert!(said.contains("SUCCESS: 6 rules found"), "{said}");
        let tests = root().join("crates/testbed/deploy/alerts_test.yml");
        let said = prometheus::promtool_on(&tests, ["test", "rules"]);
        assert!(said.contains("SUCCESS"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_dashboard_asks_for_what_is_served() {
    let queries = queries();
    assert!(queries.len() > 30, "{}", queries.len());
    let upstream = Upstream::start(Reply::Ok).await;
    let exporters = format!(
        "otlp_grpc: {{endpoint: \"{}\", tls: {{insecure: true}}, compression: none}}
        awsxray: {{endpoint: \"http://127.0.0.1:9\", region: eu-west-1}}",
        upstream.address()
    );
    let config = config::graph("{}", &exporters, "[batch]", "[otlp_grpc]", "");
    let receiver = "receivers:\n  awsxray: {endpoint: \"127.0.0.1:0\", proxy_server: {enabled: false}}\n";
    let pipeline = "    xray: {receivers: [awsxray], exporters: [awsxray]}\n";
    let config = config.replacen("receivers:\n", receiver, 1) + pipeline;
    let keys = [("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "secret")];
    let collector = Collector::start_with(&config, &keys);
    let families = parse(&http::get(collector.metrics(), "/metrics").text());
    let mut served: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for family in families.values() {
        for sample in &family.samples {
            served.entry(sample.name.clone()).or_default().extend(sample.labels.keys().cloned());
        }
    }
    // A histogram that has seen nothing has all its buckets, too.
    for query in &queries {
        for metric in metrics(query) {
            assert!(served.contains_key(metric), "{metric} in\n{query}");
        }
        for by in query.split("by (").skip(1) {
            let labels = by.split(')').next().unwrap().split(", ");
            let known = |label: &str| metrics(query).iter().any(|metric| served[*metric].contains(label));
            labels.for_each(|label| assert!(known(label), "{label} in\n{query}"));
        }
    }
    let rules = read("deploy/grafana/alerts.yml");
    let words = rules.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
    let named: BTreeSet<&str> =
        words.filter(|word| word.starts_with("otelcol_") || word.starts_with("collimator_")).collect();
    assert!(named.len() >= 8, "{named:?}");
    named.into_iter().for_each(|metric| assert!(served.contains_key(metric), "{metric} in the rules"));
    if prometheus::available() {
        ask_prometheus(&collector, &queries).await;
    }
    collector.stop_clean();
}

/// Each query gives something once telemetry flows.
async fn ask_prometheus(collector: &Collector, queries: &[String]) {
    let server = Prometheus::start(collector.metrics());
    let client = Client::connect(collector.grpc()).await;
    let mut asked: Vec<String> = queries
        .iter()
        .map(|query| query.replace("$__rate_interval", "5s").replace("$job", ".*").replace("$instance", ".*"))
        .collect();
    let deadline = Instant::now() + PATIENCE;
    while !asked.is_empty() {
        assert!(Instant::now() < deadline, "no answer to {asked:#?}");
        for (path, signal) in
            [(TRACES, data::Signal::Traces), (METRICS, data::Signal::Metrics), (LOGS, data::Signal::Logs)]
        {
            let message: Vec<u8> = batch(signal, 1, 7).chunks().flat_map(|chunk| chunk.to_vec()).collect();
            assert_eq!(client.export(path, &message).await.code, 0, "{path}");
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        asked.retain(|query| server.query(query).iter().all(|(_, value)| value.is_nan()));
    }
}
