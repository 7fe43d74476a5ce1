//! `convert`, as a user gives it.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

fn run(arguments: &[&str], stdin: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_collimator"));
    command.arg("convert").args(arguments).env_clear();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it runs");
    let mut input = child.stdin.take().expect("piped");
    // It may end before it has read everything.
    drop(input.write_all(stdin));
    drop(input);
    child.wait_with_output().expect("it ends")
}

/// Standard output, of what succeeds.
fn converted(arguments: &[&str], stdin: &[u8]) -> Vec<u8> {
    let output = run(arguments, stdin);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    assert!(errors.is_empty(), "{errors}");
    output.stdout
}

fn lines(text: &[u8]) -> Vec<Value> {
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).expect("a line of JSON")).collect()
}

fn request() -> Value {
    let text = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    json!({"resourceSpans": [{
        "resource": {"attributes": [text("service.name", "shop")]},
        "scopeSpans": [{"scope": {"name": "library"}, "spans": [
            {"traceId": "5f84c7a1e7d1852db8c4fd35d88bf49a", "spanId": "00f067aa0ba902b7", "name": "GET /", "kind": 2,
             "startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000001500000000",
             "events": [{"name": "cache miss"}]},
            {"traceId": "5f84c7a1e7d1852db8c4fd35d88bf49a", "spanId": "00f067aa0ba902b8", "name": "work", "kind": 1,
             "parentSpanId": "00f067aa0ba902b7", "startTimeUnixNano": "1700000000000000000",
             "endTimeUnixNano": "1700000001000000000", "attributes": [text("team", "blue")]},
        ]}],
    }]})
}

fn document() -> Value {
    json!({"name": "shop", "id": "6226467e3f845502", "trace_id": "1-5f84c7a1-e7d1852db8c4fd35d88bf49a",
        "start_time": 1_498_082_657.5, "end_time": 1_498_082_658.5, "fault": true, "origin": "AWS::EC2::Instance",
        "subsegments": [{"name": "call", "id": "00000000000000a0", "start_time": 1_498_082_657.5,
            "end_time": 1_498_082_658, "namespace": "remote"}]})
}

#[test]
fn otlp_becomes_documents_whatever_its_form() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let line = request().to_string();
    let documents = lines(&converted(&[], line.as_bytes()));
    assert_eq!((&documents[0]["name"], &documents[0]["id"]), (&json!("shop"), &json!("00f067aa0ba902b7")));
    assert_eq!(
        (&documents[1]["type"], &documents[1]["parent_id"]),
        (&json!("subsegment"), &json!("00f067aa0ba902b7"))
    );
    assert_eq!(documents[1]["metadata"]["default"]["team"], "blue");
    assert_eq!(documents.len(), 2);

    // Two lines, one text over several lines, and protobuf with lengths and without.
    assert_eq!(
        converted(&[], format!("{line}\n\n{line}\n").as_bytes()).len(),
        2 * converted(&[], line.as_bytes()).len()
    );
    let pretty = serde_json::to_vec_pretty(&request()).expect("JSON");
    assert_eq!(lines(&converted(&["-"], &pretty)), documents);
    let wire = converted(&["--to", "otlp-proto"], line.as_bytes());
    fs::write(path("request.pb"), &wire).expect("written");
    assert_eq!(lines(&converted(&[&path("request.pb")], b"")), documents);
    let length = u32::try_from(wire.len()).expect("short").to_be_bytes();
    let twice = [&length[..], &wire, &length, &wire].concat();
    assert_eq!(lines(&converted(&[], &twice)).len(), 4);

    let output = path("out.jsonl");
    let indexed = ["--indexed-attribute", "team", "-o", &output, &path("request.pb")];
    assert!(converted(&indexed, b"").is_empty());
    let written = lines(&fs::read(&output).expect("written"));
    assert_eq!(written[1]["annotations"], json!({"team": "blue"}));
}

#[test]
fn documents_become_otlp_and_come_back() {
    let document = document();
    let wrapped =
        json!({"Traces": [{"Id": "1-5f", "Segments": [{"Id": "x", "Document": document.to_string()}]}]});
    let header = "{\"format\":\"json\",\"version\":1}\n";
    let plain = converted(&[], document.to_string().as_bytes());
    assert_eq!(
        lines(&plain)[0]["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().map(Vec::len),
        Some(2)
    );
    for input in [
        format!("\u{feff}{document}"),
        wrapped.to_string(),
        format!("{header}{document}\n"),
        json!([document]).to_string(),
    ] {
        assert_eq!(converted(&[], input.as_bytes()), plain, "{input}");
    }
    for to in ["otlp-json", "otlp-proto"] {
        let there = converted(&["--to", to], document.to_string().as_bytes());
        let back = lines(&converted(&[], &there));
        assert_eq!(back.len(), 2, "{to}");
        assert_eq!((&back[0]["fault"], &back[0]["origin"]), (&json!(true), &json!("AWS::EC2::Instance")));
        assert_eq!(
            (&back[0]["start_time"], &back[1]["namespace"]),
            (&json!(1_498_082_657.5), &json!("remote"))
        );
        assert_eq!(back[1]["parent_id"], document["id"]);
    }
}

#[test]
fn the_report_says_what_was_not_carried_over_and_what_was_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let mut large = request();
    large["resourceSpans"][0]["scopeSpans"][0]["spans"][1]["attributes"][0]["value"]["stringValue"] =
        json!("x".repeat(70_000));
    fs::write(path("a.jsonl"), format!("{}\n{{torn\n{large}\n{{\"a\":1}}\n", request())).expect("written");
    let mut bad = document();
    bad["subsegments"][0]["id"] = json!("short");
    fs::write(path("b.json"), bad.to_string()).expect("written");

    let report = path("report.json");
    let output = run(&[&path("a.jsonl"), &path("b.json"), &format!("--report={report}")], b"");
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty());
    let report: Value = serde_json::from_slice(&fs::read(report).expect("a report")).expect("JSON");
    let [first, second] = report["inputs"].as_array().expect("a list").as_slice() else { panic!("{report}") };
    assert_eq!((&first["input"], &first["read"]["spans"]), (&json!(path("a.jsonl")), &json!(4)));
    assert_eq!((&first["written"]["documents"], &first["shortened"]), (&json!(4), &json!(1)));
    let lost = |what: &str| {
        first["not_carried_over"]
            .as_array()
            .and_then(|list| list.iter().find(|it| it["what"] == what))
            .map(|it| it["count"].clone())
    };
    assert_eq!(
        (lost("event"), lost("scope"), lost("resource")),
        (Some(json!(2)), Some(json!(4)), Some(json!(2)))
    );
    assert_eq!(
        first["refused"][0],
        json!({"reason": "neither OTLP nor an X-Ray document", "count": 1, "places": ["line 4"]})
    );
    assert_eq!(
        first["refused"][1],
        json!({"reason": "not JSON, or nested too deeply", "count": 1, "places": ["line 2"]})
    );
    assert_eq!((&second["read"]["documents"], &second["written"]["spans"]), (&json!(1), &json!(1)));
    assert_eq!(
        (&second["refused"][0]["reason"], &second["refused"][0]["count"]),
        (&json!("id: not a valid id"), &json!(1))
    );

    let output = run(&["--report", "--keep", &path("a.jsonl")], b"");
    let text = String::from_utf8_lossy(&output.stderr);
    let expected =
        "4 spans became 4 documents\n  1 document shortened, since it was too large\n  not carried over\n";
    assert!(text.contains(expected), "{text}");
    assert!(text.contains("2 × resources of subsegments\n") && !text.contains("events"), "{text}");
    assert!(text.contains("    1 × not JSON, or nested too deeply (line 2)\n"), "{text}");

    let output = run(&["--report", "--report-format", "json"], request().to_string().as_bytes());
    let report: Value = serde_json::from_slice(&output.stderr).expect("JSON");
    assert_eq!((&report["inputs"][0]["input"], output.status.code()), (&json!("-"), Some(0)));
}

#[test]
fn what_can_t_be_read_is_passed_by_and_fails() {
    for (input, why) in [
        (&b"\x0a\x05abc"[..], "not OTLP in protobuf, or cut off"),
        (b"\x0a\x02\x08\x01", "resource 1"),
        (b"\x00\x00\x00\x09abc", "not OTLP in protobuf, or cut off"),
        (b"\x7fELF", "not JSON"),
        (b"{\"resourceLogs\":[]}", "OTLP, but no traces"),
        (b"{\"resourceSpans\":[{\"resource\":3}]}", "line 1"),
        (b"{\"trace_id\":\"x\"}", "line 1"),
        (b"[[[[[[[[[[[[1]]]]]]]]]]]]", "wrapped too often"),
        (b"7", "neither OTLP nor"),
    ] {
        let output = run(&["--report"], input);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && text.contains(why), "{}: {text}", input.escape_ascii());
        assert!(output.stdout.is_empty());
    }
    let output = run(&["--to", "xray"], document().to_string().as_bytes());
    assert!(String::from_utf8_lossy(&output.stderr).contains("1 thing could not be converted"));
    assert!(converted(&[], b"").is_empty() && converted(&[], b"\n\n").is_empty());
}

#[test]
fn an_unreadable_line_does_not_end_the_input() {
    let good = request().to_string();
    let pretty = serde_json::to_string_pretty(&request()).expect("JSON");
    for bad in ["{\"a\":1e400}", "{torn", "]", "\"open", "{\"a\":\"\u{1}\"}", "\u{7f}"] {
        for (input, documents, place) in [
            (format!("{good}\n{bad}\n{good}\n{good}\n"), 6, "line 2"),
            (format!("{bad}\n{good}\n{good}"), 4, "line 1"),
            (format!("{pretty}\n{bad}\n{pretty}\n{good}\n"), 6, ""),
        ] {
            let output = run(&["--report"], input.as_bytes());
            let text = String::from_utf8_lossy(&output.stderr);
            assert_eq!(lines(&output.stdout).len(), documents, "{bad} in {place}: {text}");
            assert!(output.status.code() == Some(1) && text.contains(place), "{text}");
        }
    }
}

/// It would take minutes if every line were counted from the beginning, or if all of them were kept.
#[test]
fn any_number_of_unreadable_lines_is_passed_by_quickly() {
    let input = format!("{{torn\n{}{}", "]\n".repeat(200_000), request());
    let output = run(&["--report"], input.as_bytes());
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("200001 × not JSON"), "{text}");
    assert_eq!(lines(&output.stdout).len(), 2);
}

#[test]
fn files_that_can_t_be_used_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("in.json");
    fs::write(&path, document().to_string()).expect("written");
    let name = path.to_str().expect("UTF-8");
    let fails = |arguments: &[&str], text: &str| {
        let output = run(arguments, b"");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && errors.contains(text), "{arguments:?}: {errors}");
    };
    fails(&["/nowhere/in.json"], "opening /nowhere/in.json");
    fails(&["/nowhere/in.json"], "1 thing could not be converted");
    fails(&["--report", name, "/nowhere/in.json"], "1 document became 2 spans");
    fails(&["-o", "/nowhere/out.json", name], "creating /nowhere/out.json");
    fails(&["-o", name, name], "can't be the output");
    fails(&[&format!("--report={name}"), name], "can't be the report");
    let (new, dotted) = (folder.path().join("new"), folder.path().join("./new"));
    let (new, report) = (new.to_str().expect("UTF-8"), format!("--report={}", dotted.display()));
    fails(&["-o", new, &report, name], "can't be both the output and the report");
    assert!(!Path::new(new).exists());
    assert_eq!(fs::read(Path::new(name)).expect("still there"), document().to_string().into_bytes());
}

#[test]
fn a_file_that_can_t_be_opened_or_read_is_passed_by() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("in.json");
    fs::write(&path, document().to_string()).expect("written");
    let (name, inside) = (path.to_str().expect("UTF-8"), folder.path().to_str().expect("UTF-8"));
    let output = run(&["--report", name, "/nowhere/in.json", inside, name], b"");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!((lines(&output.stdout).len(), output.status.code()), (2, Some(1)), "{errors}");
    for said in [
        "opening /nowhere/in.json: No such file",
        "/nowhere/in.json: 0 spans became 0 spans\n  refused\n    1 × can't be read: No such file or directory (os error 2)\n",
        &format!("converting {inside}: reading: Is a directory"),
        "1 × can't be read: Is a directory (os error 21) (byte 0)\n",
    ] {
        assert!(errors.contains(said), "{said}: {errors}");
    }
    // One document for nobody to write is another matter: there is no use in going on.
    let output = run(&["-o", "/dev/full", name, name], b"");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("writing the output"));
}

#[test]
fn what_comes_bit_by_bit_is_converted_bit_by_bit() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_collimator"))
        .arg("convert")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let (mut input, output) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
    let (sender, lines) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        BufReader::new(output).lines().map_while(Result::ok).for_each(|line| drop(sender.send(line)));
    });
    for _ in 0..3 {
        writeln!(input, "{}", document()).expect("it reads");
        let line = lines.recv_timeout(Duration::from_secs(20)).expect("a line before the next is written");
        assert!(serde_json::from_str::<Value>(&line).is_ok(), "{line}");
    }
    drop(input);
    assert!(child.wait().expect("it ends").success());
    reader.join().expect("no panic");
}
