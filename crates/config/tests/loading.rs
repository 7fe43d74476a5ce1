//! Sources, merging and `${…}`: the tables of the Collector's behaviour.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use collimator_config::{Env, Lists, Location, Node, Origin, Value, load, load_with};

#[derive(Default)]
struct TestEnv {
    variables: BTreeMap<&'static str, String>,
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Env for TestEnv {
    fn var(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn read_file(&self, path: &Path) -> io::Result<Vec<u8>> {
        let missing = || io::Error::new(io::ErrorKind::NotFound, "no such file");
        self.files.get(path).cloned().ok_or_else(missing)
    }

    fn fetch(&self, url: &str) -> io::Result<Vec<u8>> {
        self.read_file(Path::new(url))
    }
}

fn env(variables: &[(&'static str, &str)], files: &[(&str, &str)]) -> TestEnv {
    TestEnv {
        variables: variables.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
        files: files.iter().map(|(path, text)| (path.into(), text.as_bytes().to_vec())).collect(),
    }
}

/// A node in one line; strings in quotes, so that types show.
fn show(node: &Node) -> String {
    match &node.value {
        Value::Null => "null".into(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => format!("{value:?}"),
        Value::String(value) => format!("{value:?}"),
        Value::Seq(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", ")),
        Value::Map(entries) => {
            let one = |(key, node): &(collimator_config::Key, Node)| format!("{}: {}", key.text, show(node));
            format!("{{{}}}", entries.iter().map(one).collect::<Vec<_>>().join(", "))
        }
    }
}

fn loaded(locations: &[&str], env: &TestEnv) -> String {
    let locations: Vec<Location> = locations.iter().map(|text| text.parse().unwrap()).collect();
    match load(&locations, env) {
        Ok(tree) => show(&tree.root),
        Err(diagnostics) => diagnostics.to_string(),
    }
}

#[test]
fn later_sources_win() {
    let check = |sources: &[&str], expected: &str| {
        let names: Vec<String> = (0..sources.len()).map(|index| format!("{index}.yaml")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let files: Vec<(&str, &str)> = names.iter().copied().zip(sources.iter().copied()).collect();
        assert_eq!(loaded(&names, &env(&[], &files)), expected, "{sources:?}");
    };
    check(&["a: 1", "b: 2"], "{a: 1, b: 2}");
    check(&["a: {x: 1, y: 2}", "a: {y: 3, z: 4}"], "{a: {x: 1, y: 3, z: 4}}");
    check(&["a: [1, 2]", "a: [3]"], "{a: [3]}");
    check(&["a: {x: 1}", "a: [3]"], "{a: [3]}");
    check(&["a: {x: 1}", "a: 5"], "{a: 5}");
    check(&["a: 5", "a: {x: 1}"], "{a: {x: 1}}");
    check(&["a: {x: 1}", "a:"], "{a: null}");
    check(&["a: {x: {y: 1}}", "a: {x: }", "a: {x: {z: 2}}"], "{a: {x: {z: 2}}}");
    check(&["a: 1", "", "# nothing"], "{a: 1}");
    check(&["", ""], "null");
    check(&["a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}"], "{a: {p: 1, q: 2}, b: {q: 3, p: 1}}");
    check(
        &["a: &a {p: 1}\nb: &b {p: 2, q: 2}\nc: {<<: [*a, *b], r: 3}"],
        "{a: {p: 1}, b: {p: 2, q: 2}, c: {r: 3, p: 1, q: 2}}",
    );
    check(&["\"<<\": 1"], "{<<: 1}");
}

#[test]
fn sources_of_every_scheme() {
    let env = env(
        &[("CONFIG", "{a: {b: 1, c: 2}}"), ("EMPTY", "")],
        &[("base.yaml", "a: {b: 0, d: x}"), ("c:drive.yaml", "drive: true")],
    );
    let check = |locations: &[&str], expected: &str| assert_eq!(loaded(locations, &env), expected);
    check(&["base.yaml"], "{a: {b: 0, d: \"x\"}}");
    check(&["file:base.yaml", "env:CONFIG"], "{a: {b: 1, d: \"x\", c: 2}}");
    check(&["base.yaml", "yaml:a::b: 7"], "{a: {b: 7, d: \"x\"}}");
    check(&["yaml:{a::b: 1, a::c::d: 2, e: 3}"], "{a: {b: 1, c: {d: 2}}, e: 3}");
    check(&["env:EMPTY", "env:UNSET"], "null");
    check(&["c:drive.yaml"], "{drive: true}");
    check(
        &["nofile.yaml", "yaml:[a]"],
        "error: unable to read the file `nofile.yaml`: no such file\n\n\
         error: expected a map of sections, found a list\n --> yaml:1:1\n  |\n1 | [a]\n  | ^^^\n",
    );

    let check_set = |text: &str, expected: &str| {
        let locations = ["base.yaml".parse().unwrap(), Location::from_set(text).unwrap()];
        assert_eq!(show(&load(&locations, &env).unwrap().root), expected, "{text}");
    };
    check_set("a.b=5", "{a: {b: 5, d: \"x\"}}");
    check_set("a.x.y=[otlp, z]", "{a: {b: 0, d: \"x\", x: {y: [\"otlp\", \"z\"]}}}");
    check_set("a=", "{a: null}");
    check_set("a.d=k=v", "{a: {b: 0, d: \"k=v\"}}");
    let message = |text: &str| load(&[Location::from_set(text).unwrap()], &env).unwrap_err().to_string();
    let shown =
        "error: the tag `!x` is not supported here\n --> --set a.b:1:9\n  |\n1 | a.b=[a, !x b]\n  |         ";
    assert!(message("a.b=[a, !x b]").starts_with(shown), "{}", message("a.b=[a, !x b]"));
    let error = Location::from_set("foo").unwrap_err();
    assert_eq!(error.to_string(), "missing equal sign in `foo`");
    let error = "foo:bar".parse::<Location>().unwrap_err();
    assert_eq!(error.to_string(), "unsupported scheme on URI `foo:bar`");
}

/// The value of `v` and, where it differs, what a string field would get.
fn expanded(yaml: &str, env: &TestEnv) -> String {
    let location = Location::Yaml(format!("v: {yaml}"));
    let tree = match load(&[location], env) {
        Ok(tree) => tree,
        Err(diagnostics) => return diagnostics.sorted()[0].message.clone(),
    };
    let node = tree.root.get("v").unwrap();
    match node.as_text().filter(|_| !matches!(node.value, Value::String(_))) {
        Some(text) => format!("{} or {text:?}", show(node)),
        None => show(node),
    }
}

#[test]
fn references() {
    let env = env(
        &[
            ("X", "x"),
            ("N", "42"),
            ("EMPTY", ""),
            ("NAME", "X"),
            ("MORE", "<${X}>"),
            ("DOLLARS", "a$$b"),
            ("LOOP", "${LOOP}"),
            ("BOMB", "${BOMB}${BOMB}"),
            ("LIST", "[a, '${X}', '$${X}']"),
        ],
        &[("part.yaml", "{a: 1, b: '${N}'}"), ("text.txt", "plain ${X}\n"), ("odd.txt", "a: b: c")],
    );
    let check = |yaml: &str, expected: &str| assert_eq!(expanded(yaml, &env), expected, "{yaml}");
    check("${env:X}", "\"x\"");
    check("${X}", "\"x\"");
    check("'${X}'", "\"x\"");
    check("${env:UNSET:-text}", "\"text\"");
    check("${UNSET:-text}", "\"text\"");
    check("${env:X:-text}", "\"x\"");
    check("${env:EMPTY:-text}", "null");
    check("${env:UNSET:-a:-b}", "\"a:-b\"");
    check("${env:UNSET:-5}", "5 or \"5\"");
    check("${env:UNSET:-}", "\"\"");
    check("${env:UNSET:-${X}}", "\"x\"");
    check("${env:UNSET}", "null");
    check("a${env:UNSET}b", "\"ab\"");
    check("${env:${NAME}}", "\"x\"");
    check("${file:part.yaml}", "{a: 1, b: 42} or \"{a: 1, b: '42'}\"");
    check("${file:text.txt}", "\"plain x\\n\"");
    check("${file:odd.txt}", "\"a: b: c\"");
    check("<${file:text.txt}>", "\"<plain x\\n>\"");
    check("\"${yaml:[1, 2]}\"", "[1, 2] or \"[1, 2]\"");
    check("a$$b", "\"a$b\"");
    check("a$$$$b", "\"a$$b\"");
    check("$${X}", "\"${X}\"");
    check("$$${X}", "\"$x\"");
    check("$$$${X}", "\"$${X}\"");
    check("$X", "\"$X\"");
    check("a $ b", "\"a $ b\"");
    check("'^a$'", "\"^a$\"");
    check("${abc", "\"${abc\"");
    check("${abc ${X}", "\"${abc x\"");
    check("${X}-${N}", "\"x-42\"");
    check("${X}}", "\"x}\"");
    check("${MORE}", "\"<x>\"");
    check("${DOLLARS}", "\"a$b\"");
    check("${LIST}", "[\"a\", \"x\", \"${X}\"] or \"[a, 'x', '${X}']\"");
    check("{'${X}': '${X}'}", "{${X}: \"x\"}");
    check("['${X}', {a: '${N}'}]", "[\"x\", {a: 42}]");
    check(
        "${}",
        "`` is not the name of an environment variable: letters, digits and `_`, and no digit first",
    );
    check(
        "${env:1A}",
        "`1A` is not the name of an environment variable: letters, digits and `_`, and no digit first",
    );
    check(
        "${env:A-B}",
        "`A-B` is not the name of an environment variable: letters, digits and `_`, and no digit first",
    );
    check(
        "${foo:bar}",
        "scheme `foo` is not supported in `${…}`; `env`, `file`, `yaml`, `http` and `https` are",
    );
    check("${file:nofile}", "unable to read the file `nofile`: no such file");
    check("${LOOP}", "references nested deeper than 999 levels");
    check("${BOMB}", "references nested deeper than 999 levels");
}

/// As far as in the Collector, alone and inside of a text.
#[test]
fn long_chains_of_references() {
    let names: Vec<&'static str> = (0..1000).map(|index| &*format!("V{index}").leak()).collect();
    let chain = |length: usize, around: &str| {
        let mut values: Vec<String> =
            names.iter().take(length).skip(1).map(|next| format!("{around}${{{next}}}")).collect();
        values.push("5".to_owned());
        let variables: Vec<_> = names.iter().copied().zip(values.iter().map(String::as_str)).collect();
        load(&[Location::Yaml("v: '${V0}'".to_owned())], &env(&variables, &[]))
    };
    for around in ["", "x"] {
        let tree = chain(999, around).unwrap();
        let text = tree.root.get("v").unwrap().as_text().unwrap();
        assert_eq!(text, format!("{}5", around.repeat(998)));
        let diagnostics = chain(1000, around).unwrap_err();
        assert_eq!(diagnostics.sorted()[0].message, "references nested deeper than 999 levels");
    }
}

#[test]
fn references_that_build_too_much() {
    let names: Vec<&'static str> = (0..80).map(|index| &*format!("V{index}").leak()).collect();
    let check = |content: fn(&str) -> String, expected: &str| {
        let values: Vec<String> = names.iter().skip(1).map(|next| content(next)).collect();
        let variables: Vec<_> = names.iter().copied().zip(values.iter().map(String::as_str)).collect();
        let location = Location::Yaml("{v: '${V0}', w: '<${V0}>'}".to_owned());
        let diagnostics = load(&[location], &env(&variables, &[])).unwrap_err();
        assert_eq!(diagnostics.sorted()[0].message, expected);
    };
    check(
        |next| format!("{}'${{{next}}}'{}", "[".repeat(60), "]".repeat(60)),
        "nested deeper than 64 levels",
    );
    check(|next| format!("['${{{next}}}']"), "nested deeper than 64 levels");
    check(|next| format!("['${{{next}}}', '${{{next}}}']"), "nested deeper than 64 levels");
    check(|next| format!("{}${{{next}}}", "x".repeat(1 << 20)), "references supply too much");
}

#[test]
fn many_open_references() {
    let env = env(&[], &[]);
    let text = "${".repeat(500_000);
    assert_eq!(expanded(&format!("'{text}'"), &env), format!("{text:?}"));
}

/// What a variable holds decides what it is; a string field takes it as it was written.
#[test]
fn coercion() {
    let check = |content: &str, expected: &str| {
        let env = env(&[("V", content)], &[]);
        for yaml in ["${env:V}", "\"${env:V}\""] {
            assert_eq!(expanded(yaml, &env), expected, "{content}");
        }
        let text = content.to_owned();
        assert_eq!(expanded("x-${env:V}-y", &env), format!("{:?}", format!("x-{text}-y")));
    };
    check("42", "42 or \"42\"");
    check("0123", "83 or \"0123\"");
    check("1.10", "1.1 or \"1.10\"");
    check("true", "true or \"true\"");
    check("yes", "\"yes\"");
    check("on", "\"on\"");
    check("\"42\"", "\"\\\"42\\\"\"");
    check("2024-01-01", "\"2024-01-01\"");
    check("{a: [1,2]}", "{a: [1, 2]} or \"{a: [1,2]}\"");
    check("a: b: c", "\"a: b: c\"");
    check("[", "\"[\"");
    check("null", "null");
    check("", "null");
    check("a, b", "\"a, b\"");
    check("line 1\nline 2", "\"line 1\\nline 2\"");
}

#[test]
fn places_and_warnings() {
    let env = env(&[("DBG", "{verbosity: 5}")], &[("part.yaml", "x:\n  y: 1\n")]);
    let yaml = "exporters:\n  debug: ${env:DBG}\n  file: ${file:part.yaml}\nother: ${env:UNSET}";
    let tree = load(&[Location::Yaml(yaml.into())], &env).unwrap();
    let exporters = tree.root.get("exporters").unwrap();
    let verbosity = exporters.get("debug").unwrap().get("verbosity").unwrap();
    assert_eq!((verbosity.span.start.line, verbosity.span.start.column), (2, 10));
    assert_eq!(exporters.get("debug").unwrap().origin, Origin::Expanded);
    let in_file = exporters.get("file").unwrap().get("x").unwrap().get("y").unwrap();
    assert_eq!((in_file.span.start.line, in_file.span.start.column), (2, 6));
    let diagnostics = tree.diagnostics();
    assert_eq!(diagnostics.sources().get(in_file.span.source).unwrap().name, "part.yaml");
    assert_eq!(
        diagnostics.to_string(),
        "warning: environment variable `UNSET` is not set\n --> yaml:4:8\n  |\n4 | other: ${env:UNSET}\n  \
         |        ^^^^^^^^^^^^\n  = help: `${env:UNSET:-text}` gives a default\n"
    );
}

#[test]
fn keys_may_be_paths_in_every_source() {
    let env = env(&[("C", "{a::b: 3}")], &[("a.yaml", "a::b::c: 1\na: {b::d: 2, e: [{f::g: 3}]}")]);
    assert_eq!(loaded(&["a.yaml"], &env), "{a: {b: {c: 1, d: 2}, e: [{f::g: 3}]}}");
    assert_eq!(loaded(&["a.yaml", "env:C"], &env), "{a: {b: 3, e: [{f::g: 3}]}}");
}

#[test]
fn web_servers_are_sources() {
    let url = "http://host/a.yaml";
    let env = env(&[], &[(url, "a: 1"), ("https://host/b", "[x, y]")]);
    assert_eq!(loaded(&[url, "yaml:b: ${https://host/b}"], &env), r#"{a: 1, b: ["x", "y"]}"#);
    let missing = loaded(&["https://host/c"], &env);
    assert_eq!(missing, "error: unable to fetch `https://host/c`: no such file\n");
    assert!(loaded(&["yaml:a: ${https://host/c}"], &env).contains("unable to fetch `https://host/c`"));
}

/// The Collector's gate `confmap.enableMergeAppendOption`.
#[test]
fn lists_of_ids_can_be_joined() {
    let one = "service: {extensions: [a, b], pipelines: {traces: {receivers: [r], processors: [p], exporters: [e]}}}";
    let two = "service: {extensions: [b, c], pipelines: {traces: {receivers: [s], processors: [q], exporters: [e]}}}";
    let env = env(&[], &[("one", one), ("two", two)]);
    let locations = ["one", "two"].map(|path| path.parse::<Location>().unwrap());
    let joined = load_with(&locations, &env, Lists::Append).unwrap();
    assert_eq!(
        show(&joined.root),
        r#"{service: {extensions: ["a", "b", "c"], pipelines: {traces: {receivers: ["r", "s"], processors: ["q"], exporters: ["e"]}}}}"#
    );
    assert!(loaded(&["one", "two"], &env).contains(r#"extensions: ["b", "c"]"#));
}
