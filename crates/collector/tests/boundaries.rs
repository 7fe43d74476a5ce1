//! Who may depend on whom: the arrows of ARCHITECTURE.md, read from the manifests.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

#[path = "../src/components.rs"]
mod components;

/// The crates below `crates/`, and what of ours each may use.
const ARROWS: &[(&str, &[&str])] = &[
    ("data", &[]),
    ("heap", &[]),
    ("config", &["data"]),
    ("telemetry", &["data"]),
    ("otlp", &["data"]),
    ("otlp-json", &["otlp"]),
    ("matching", &["config", "otlp", "otlp-json"]),
    ("attribute-actions", &["config", "data", "matching", "otlp", "otlp-json"]),
    ("net", &["config"]),
    ("xray", &["config", "otlp", "otlp-json"]),
    ("component", &["config", "data", "telemetry"]),
    ("delivery", &["component", "config", "data", "otlp", "telemetry"]),
    ("admin", &["component", "data", "net"]),
    ("aws", &["component", "config", "data", "net", "telemetry", "xray"]),
    ("engine", &["component", "config", "data", "telemetry"]),
    ("testkit", &["component", "config", "data", "otlp", "telemetry"]),
];

/// What a component may use. No other component, and never the engine.
const PLUGIN: &[&str] = &[
    "admin",
    "attribute-actions",
    "aws",
    "component",
    "config",
    "data",
    "delivery",
    "heap",
    "matching",
    "net",
    "otlp",
    "otlp-json",
    "telemetry",
    "xray",
];

/// What the binary may use beside its components.
const BINARY: &[&str] = &[
    "aws",
    "component",
    "config",
    "data",
    "engine",
    "heap",
    "net",
    "otlp",
    "otlp-json",
    "telemetry",
    "xray",
];

/// Tools stand outside: they see the wire, and the collector only as a child process.
const TOOL: &[&str] = &["attribute-actions", "otlp", "otlp-json", "xray"];

/// Crates that never get into the binary.
const NOT_SHIPPED: &[&str] = &["benches", "testbed", "testkit"];

/// What tests may use in addition.
const IN_TESTS: &[&str] = &["telemetry", "testkit"];

/// Crates of others that are confined in what is shipped, and to whom.
const CONFINED: &[(&str, &[&str])] = &[
    ("saphyr-parser", &["config"]),
    ("aws-config", &["aws"]),
    ("aws-sigv4", &["aws"]),
    ("mimalloc", &["collimator"]),
    ("prost", &["net"]),
    ("opentelemetry-proto", &[]),
    ("rustls", &["net"]),
    ("tokio-rustls", &["net"]),
    ("hyper", &["net"]),
    ("h2", &["net"]),
    ("tracing-subscriber", &["telemetry"]),
    ("anyhow", &["collimator"]),
    ("clap", &["collimator"]),
    ("clap_complete", &["collimator"]),
    ("pprof", &["extension-pprof"]),
    ("backtrace", &["extension-pprof", "heap"]),
];

/// Crates that compute and nothing else: no runtime, no network.
const PURE: &[&str] = &["data", "config", "otlp", "otlp-json", "matching", "attribute-actions", "xray"];

struct Package {
    /// Without the prefix: `data`, `processor-batch`.
    name: String,
    folder: PathBuf,
    /// Names without the prefix, and whether for tests only.
    uses: Vec<(String, bool)>,
}

impl Package {
    fn is_plugin(&self) -> bool {
        self.folder.parent().and_then(Path::parent).is_some_and(|above| above.ends_with("plugins"))
    }

    /// What of ours it may use; nothing is known of a new crate until the diagram says so.
    fn allowed(&self, ours: &[Self]) -> Option<BTreeSet<String>> {
        let own = |names: &[&str]| Some(names.iter().map(ToString::to_string).collect());
        if self.is_plugin() {
            return own(PLUGIN);
        }
        match self.name.as_str() {
            "collimator" => {
                let plugins = ours.iter().filter(|package| package.is_plugin());
                let plugins = plugins.map(|package| package.name.clone());
                Some(BINARY.iter().map(ToString::to_string).chain(plugins).collect())
            }
            "benches" => own(TOOL),
            // The generators of testkit are asked for signals by data's name for them.
            "testbed" => own(&[TOOL, IN_TESTS, &["data"]].concat()),
            name => ARROWS.iter().find(|(from, _)| *from == name).and_then(|(_, to)| own(to)),
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("two folders down").to_owned()
}

/// Every member of the workspace, as cargo understands its manifest.
fn packages() -> Vec<Package> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]).current_dir(root());
    let output = cargo.output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    let short = |value: &Value| {
        let name = value.as_str().expect("a name");
        name.strip_prefix("collimator-").unwrap_or(name).to_owned()
    };
    let package = |package: &Value| Package {
        name: short(&package["name"]),
        folder: Path::new(package["manifest_path"].as_str().expect("a path")).with_file_name(""),
        uses: package["dependencies"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|dependency| (short(&dependency["name"]), dependency["kind"] == "dev"))
            .collect(),
    };
    metadata["packages"].as_array().expect("a list").iter().map(package).collect()
}

fn shipped() -> impl Iterator<Item = Package> {
    packages().into_iter().filter(|package| !NOT_SHIPPED.contains(&package.name.as_str()))
}

#[test]
fn every_arrow_is_in_the_diagram() {
    let packages = packages();
    let ours: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    let mut wrong = Vec::new();
    for package in &packages {
        let Some(allowed) = package.allowed(&packages) else {
            wrong.push(format!("{} has no place in the diagram", package.name));
            continue;
        };
        for (used, in_tests) in &package.uses {
            let fine = !ours.contains(used.as_str())
                || allowed.contains(used)
                || (*in_tests && IN_TESTS.contains(&used.as_str()));
            if !fine {
                wrong.push(format!("{} must not use {used}", package.name));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn nothing_of_the_tests_is_shipped() {
    for package in shipped() {
        let uses = package.uses.iter().filter(|(_, in_tests)| !in_tests);
        for (used, _) in uses {
            assert!(!NOT_SHIPPED.contains(&used.as_str()), "{} must not use {used}", package.name);
        }
    }
}

#[test]
fn confined_crates_stay_where_they_are() {
    for package in shipped() {
        for (used, _) in package.uses.iter().filter(|(_, in_tests)| !in_tests) {
            let allowed = CONFINED.iter().find(|(name, _)| name == used).map(|(_, allowed)| *allowed);
            let name = package.name.as_str();
            assert!(allowed.is_none_or(|allowed| allowed.contains(&name)), "{name} must not use {used}");
            let runtime = ["tokio", "futures", "hyper", "socket2"].contains(&used.as_str());
            assert!(!(PURE.contains(&name) && runtime), "{name} must not use {used}");
        }
    }
}

#[test]
fn every_component_is_registered_but_the_template() {
    let of_kind = |kind: component::Kind| components::COMPONENTS.of_kind(kind).count();
    for kind in component::Kind::ALL {
        let folder = root().join("plugins").join(kind.section());
        let Ok(entries) = fs::read_dir(folder) else {
            assert_eq!(of_kind(kind), 0, "{kind} without a folder");
            continue;
        };
        let names = entries.map(|entry| entry.expect("a folder").file_name());
        let components = names.filter(|name| name != "template").count();
        assert_eq!(components, of_kind(kind), "{}", kind.section());
    }
}

#[test]
fn every_dependency_is_explained() {
    let architecture = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("it is there");
    let ours: BTreeSet<String> = packages().into_iter().map(|package| package.name).collect();
    let theirs: BTreeSet<String> =
        packages().into_iter().flat_map(|package| package.uses).map(|(name, _)| name).collect();
    let missing: Vec<_> = theirs
        .difference(&ours)
        .filter(|name| {
            !architecture.lines().any(|line| line.starts_with('|') && line.contains(&format!("`{name}`")))
        })
        .collect();
    assert_eq!(missing, Vec::<&String>::new(), "no row in ARCHITECTURE.md");
}

/// Every source of what is shipped, without tests.
fn sources() -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders: Vec<PathBuf> = shipped().map(|package| package.folder.join("src")).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.expect("readable").path();
            let is_test = path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("tests"));
            if path.is_dir() {
                folders.push(path);
            } else if !is_test && path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("readable");
                found.insert(path.strip_prefix(root()).expect("below the root").to_owned(), text);
            }
        }
    }
    found
}

fn files_with(text: &str) -> Vec<String> {
    let found = sources().into_iter().filter(|(_, source)| source.contains(text));
    found.map(|(path, _)| path.display().to_string()).collect()
}

#[test]
fn no_queue_is_unbounded() {
    // The one channel: its room is a semaphore, so that it can be reserved in several branches at once.
    assert_eq!(files_with("unbounded_channel"), ["crates/component/src/channel.rs"]);
}

#[test]
fn only_the_binary_reads_the_environment_and_ends_the_process() {
    // `SystemEnv`, which the binary passes in.
    assert_eq!(files_with("env::var"), ["crates/collector/src/environment.rs", "crates/config/src/load.rs"]);
    assert_eq!(files_with("process::exit"), Vec::<String>::new());
}

#[test]
fn processors_neither_wait_nor_ask_the_time() {
    for (path, source) in sources() {
        let path = path.display().to_string();
        if path.starts_with("plugins/processors") || path.starts_with("plugins/connectors") {
            for forbidden in [".await", "Instant::now", "SystemTime", "std::fs", "std::net"] {
                assert!(!source.contains(forbidden), "{path} uses {forbidden}");
            }
        }
    }
}
