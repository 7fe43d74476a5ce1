//! Whole configurations through the real binary: `configs/valid` is taken in silence, `configs/warn` with what stands
//! in the `.txt` beside each, `configs/invalid` is refused with that.
//!
//! `UPDATE_EXPECTED=1 cargo test -p collimator --test configs` writes what is said now; read the difference.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What the configurations refer to. The names that begin with `UNSET` are not set.
const VARIABLES: &[(&str, &str)] = &[
    ("DEBUG_BODY", "{verbosity: detailed}"),
    ("EXPORTERS", "[debug, nop]"),
    ("EXPORTER_ID", "debug"),
    ("LOOP", "${env:LOOP}"),
    ("NAME_OF_TIMEOUT", "TIMEOUT"),
    ("NUM", "42"),
    ("PORT", "4317"),
    ("TIMEOUT", "3s"),
    ("TOKEN", "t0ken"),
    ("YES", "true"),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/configs")
}

fn collimator(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_collimator"));
    command.args(arguments).current_dir(folder()).env_clear().envs(VARIABLES.iter().copied());
    command.output().expect("it runs")
}

/// `valid/minimal.yaml` and so on, sorted.
fn cases(kind: &str) -> Vec<String> {
    let entries = fs::read_dir(folder().join(kind)).expect("it is there");
    let name = |entry: fs::DirEntry| format!("{kind}/{}", entry.file_name().to_string_lossy());
    let mut names: Vec<String> = entries.map(|entry| name(entry.expect("it is readable"))).collect();
    names.retain(|name| name.ends_with(".yaml"));
    names.sort();
    names
}

/// Compares what is said about each with what stands beside it.
fn check(kind: &str, exit_code: i32, least: usize) {
    let update = std::env::var_os("UPDATE_EXPECTED").is_some();
    let cases = cases(kind);
    assert!(cases.len() >= least, "only {} of {kind}", cases.len());
    let mut wrong = Vec::new();
    for case in cases {
        let output = collimator(&["validate", &case]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.code() != Some(exit_code) {
            wrong.push(format!("{case} ended with {:?}:\n{said}", output.status.code()));
            continue;
        }
        let beside = folder().join(&case).with_extension("txt");
        if update && kind != "valid" {
            fs::write(&beside, &said).expect("it can be written");
        } else if fs::read_to_string(&beside).unwrap_or_default() != said {
            wrong.push(format!("{case}:\n{said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn valid_configurations_are_taken_in_silence() {
    check("valid", 0, 100);
}

#[test]
fn what_is_probably_wrong_is_taken_with_a_warning() {
    check("warn", 0, 15);
}

#[test]
fn invalid_configurations_are_refused_with_place_and_remedy() {
    check("invalid", 1, 100);
}

/// What is said has a place and a severity in JSON, too; and secrets are not in it.
#[test]
fn findings_as_json() {
    let cases = [cases("warn"), cases("invalid")].concat();
    let mut arguments = vec!["validate", "--format", "json"];
    arguments.extend(cases.iter().map(String::as_str));
    let output = collimator(&arguments);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!text.contains("hunter2"));
    let results: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    let results = results.as_array().expect("a list");
    assert_eq!(results.len(), cases.len());
    for (result, case) in results.iter().zip(&cases) {
        assert_eq!(result["config"], **case);
        assert_eq!(result["valid"], case.starts_with("warn/"), "{case}");
        let findings = result["findings"].as_array().expect("a list");
        assert!(!findings.is_empty(), "{case}");
        for finding in findings {
            assert!(finding["line"].is_u64() && finding["column"].is_u64(), "{case}: {finding}");
        }
    }
}

#[test]
fn secrets_are_not_quoted() {
    let cases = [cases("warn"), cases("invalid")].concat();
    for case in cases.iter().filter(|case| case.contains("secret")) {
        for command in ["validate", "print-config", "graph"] {
            let Output { stdout, stderr, .. } = collimator(&[command, case]);
            for said in [stdout, stderr] {
                assert!(!String::from_utf8_lossy(&said).contains("hunter2"), "{command} {case}");
            }
        }
    }
}

/// What is printed is the same configuration: it is taken, and printed again as it was.
#[test]
fn printed_configurations_read_back() {
    let folder = tempfile::tempdir().expect("a folder");
    for case in cases("valid") {
        for defaults in [&[][..], &["--defaults"]] {
            let arguments = [&["print-config", "--mode", "unredacted"][..], defaults].concat();
            let first = collimator(&[&arguments[..], &[&case]].concat());
            assert!(first.status.success(), "{case}: {}", String::from_utf8_lossy(&first.stderr));
            let path = folder.path().join("printed.yaml");
            fs::write(&path, &first.stdout).expect("it can be written");
            let path = path.display().to_string();
            let again = collimator(&[&arguments[..], &[&path]].concat());
            assert_eq!(
                String::from_utf8_lossy(&again.stdout),
                String::from_utf8_lossy(&first.stdout),
                "{case} {defaults:?}: {}",
                String::from_utf8_lossy(&again.stderr)
            );
        }
    }
}
