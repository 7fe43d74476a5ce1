//! `collimator xray-daemon`: called as the daemon is called, it does what the daemon does.

#![allow(clippy::unwrap_used, reason = "a panic is the failure report")]

use std::net::{TcpListener, UdpSocket};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use serde_json::Value;
use testbed::{Collector, eventually, http, skip};
use testkit::xray_api::Api;

const CREDENTIALS: &[(&str, &str)] = &[
    ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "secret"),
    ("AWS_EC2_METADATA_DISABLED", "true"),
    ("AWS_HOSTNAME", "web-1"),
    ("AWS_INSTANCE_ID", "i-0abc"),
];

/// Written as no serializer would, so that a copy that was read and written again would differ.
fn document(number: u32) -> String {
    format!(
        "{{ \"name\":\"n\" , \"id\":\"{number:016x}\",\"trace_id\":\"1-5f84c7a1-e7d1852db8c4fd35d88bf49a\",\n\"start_time\":1.50, \"end_time\":2e0}}"
    )
}

#[test]
fn what_sdks_send_arrives_byte_for_byte() {
    let api = Api::start();
    let file = format!("Endpoint: \"{}\"\nRegion: eu-central-1\nLocalMode: true\nVersion: 2\n", api.url());
    // A flag beats the file.
    let arguments = ["-b", "127.0.0.1:0", "--bind-tcp=127.0.0.1:0", "-n", "eu-west-1"];
    let daemon = Collector::start_daemon(&file, &arguments, CREDENTIALS);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for number in 0..120 {
        let datagram = format!("{{\"format\": \"json\", \"version\": 1}}\n{}", document(number));
        socket.send_to(datagram.as_bytes(), daemon.xray()).unwrap();
    }
    socket.send_to(b"no header", daemon.xray()).unwrap();
    let mut taken = eventually("120 documents", || Some(api.taken()).filter(|taken| taken.len() == 120));
    taken.sort();
    assert_eq!(taken, (0..120).map(document).collect::<Vec<_>>());

    // The calls of an SDK that samples are signed on their way.
    let answer =
        http::post(daemon.xray_proxy(), "/GetSamplingRules", &[("content-type", "application/json")], b"{}");
    assert_eq!(answer.status, 200);
    let calls = api.calls();
    let rules = calls.iter().find(|called| called.path == "/GetSamplingRules").expect("it was forwarded");
    assert!(
        rules.header("authorization").contains("/eu-west-1/xray/aws4_request"),
        "{}",
        rules.header("authorization")
    );
    let ended = daemon.stop_clean();
    ended.account.passed("exporter awsxray (xray)", "documents", 120);
}

#[test]
fn it_is_called_as_the_daemon_is_called() {
    // As the daemon's package names its program.
    let output = Command::new(testbed::binary()).arg0("/usr/bin/xray").arg("-v").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.starts_with("AWS X-Ray daemon version: Collimator "), "{said}");

    let directory = tempfile::tempdir().unwrap();
    let file = |text: &str| {
        let path = directory.path().join("cfg.yaml");
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    for (arguments, code, expected) in [
        (vec!["--nonsense".to_owned()], 2, "flag provided but not defined: -nonsense"),
        (vec!["-h".to_owned()], 0, "--buffer-memory"),
        (vec!["-c".to_owned(), "/no/such/file".to_owned()], 1, "/no/such/file"),
        (vec!["-c".to_owned(), file("Regio: x\nVersion: 2\n")], 1, "did you mean `Region`?"),
        (
            vec!["-n=eu-west-1".to_owned(), "-m".to_owned(), "2".to_owned()],
            1,
            "Minimum memory required: 3 MB",
        ),
        (
            vec!["-n=eu-west-1".to_owned(), "-l".to_owned(), "loud".to_owned()],
            1,
            "expected one of dev, debug, info, warn, error, prod",
        ),
    ] {
        let mut command = Command::new(testbed::binary());
        let output = command.arg("xray-daemon").args(&arguments).current_dir("/").output().unwrap();
        let said = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
}

/// Sends a document and ends the daemon, whose last records are sent then.
fn records_of_one_document(daemon: Collector, api: &Api) -> Value {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let datagram = format!("{{\"format\":\"json\",\"version\":1}}\n{}", document(1));
    socket.send_to(datagram.as_bytes(), daemon.xray()).unwrap();
    eventually("the document", || (api.taken().len() == 1).then_some(()));
    daemon.stop_clean();
    let calls = api.calls();
    let records = calls.iter().find(|called| called.path == "/TelemetryRecords").expect("a record");
    serde_json::from_slice(&records.body).unwrap()
}

#[test]
fn its_records_are_the_daemons() {
    let api = Api::start();
    let file =
        format!("Endpoint: \"{}\"\nRegion: eu-west-1\nResourceARN: arn:aws:ecs:x\nVersion: 2\n", api.url());
    let daemon = Collector::start_daemon(&file, &["-b", "127.0.0.1:0", "-t", "127.0.0.1:0"], CREDENTIALS);
    let records = records_of_one_document(daemon, &api);
    assert_eq!(records["Hostname"], "web-1");
    assert_eq!(records["EC2InstanceId"], "i-0abc");
    assert_eq!(records["ResourceARN"], "arn:aws:ecs:x");
    assert_eq!(records["TelemetryRecords"][0]["SegmentsSentCount"], 1);
    assert_eq!(records["TelemetryRecords"][0]["SegmentsReceivedCount"], 1);
}

/// As in a pod whose packets may not hop to it, or outside of AWS.
#[test]
fn it_does_not_wait_for_a_metadata_service_that_is_silent() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let service = format!("http://{}", silent.local_addr().unwrap());
    let api = Api::start();
    let file = format!("Endpoint: \"{}\"\nRegion: eu-west-1\nVersion: 2\n", api.url());
    let environment = [
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_INSTANCE_ID", "i-0abc"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", service.as_str()),
    ];
    let daemon = Collector::start_daemon(&file, &["-b", "127.0.0.1:0", "-t", "127.0.0.1:0"], &environment);
    silent.set_nonblocking(true).unwrap();
    assert!(silent.accept().is_err(), "it was asked before datagrams were taken");
    let records = records_of_one_document(daemon, &api);
    assert_eq!((&records["Hostname"], &records["EC2InstanceId"]), (&"".into(), &"i-0abc".into()));
}

#[test]
fn the_pipeline_written_out_does_the_same() {
    let api = Api::start();
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pipelines/xray-daemon.yaml");
    let pipeline = std::fs::read_to_string(path).unwrap();
    let url = api.url();
    let mut environment = CREDENTIALS.to_vec();
    environment.extend([
        ("XRAY_UDP_ADDRESS", "127.0.0.1:0"),
        ("XRAY_TCP_ADDRESS", "127.0.0.1:0"),
        ("XRAY_ENDPOINT", url.as_str()),
        ("XRAY_LOCAL_MODE", "true"),
        ("AWS_REGION", "eu-west-1"),
        ("METRICS_PORT", "0"),
    ]);
    let collector = Collector::start_with(&pipeline, &environment);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let datagram = format!("{{\"format\":\"json\",\"version\":1}}\n{}", document(1));
    socket.send_to(datagram.as_bytes(), collector.xray()).unwrap();
    let taken = eventually("the document", || api.taken().pop());
    assert_eq!(taken, document(1));
    collector.stop_clean();
}

/// The lines of "How to know that it works", as somebody pastes them.
#[test]
fn the_pages_own_lines_show_that_it_works() {
    const NEEDED: &str = "command -v curl openssl > /dev/null && : > /dev/udp/127.0.0.1/9";
    let bash = |lines: &str| Command::new("bash").arg("-c").arg(lines).output();
    if !bash(NEEDED).is_ok_and(|tried| tried.status.success()) {
        return skip("there is no bash with /dev/udp here, or no curl or openssl");
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/xray-daemon/README.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (_, section) = page.split_once("## How to know that it works").expect("the section is there");
    let (_, lines) = section.split_once("```bash\n").expect("it has lines for bash");
    let (lines, _) = lines.split_once("```").unwrap();

    let api = Api::start();
    let file = format!("Endpoint: \"{}\"\nRegion: eu-west-1\nLocalMode: true\nVersion: 2\n", api.url());
    let daemon = Collector::start_daemon(&file, &["-b", "127.0.0.1:0", "-t", "127.0.0.1:0"], CREDENTIALS);
    let lines = lines
        .replace("localhost:2000", &daemon.xray_proxy().to_string())
        .replace("/dev/udp/127.0.0.1/2000", &format!("/dev/udp/127.0.0.1/{}", daemon.xray().port()));
    assert!(!lines.contains("2000"), "{lines}");
    let ran = bash(&lines).unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let answer: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert!(answer.is_object(), "{answer}");
    let document: Value = serde_json::from_str(&eventually("the segment", || api.taken().pop())).unwrap();
    assert_eq!((&document["name"], document["id"].as_str().unwrap().len()), (&"hello".into(), 16));
    assert_eq!(document["trace_id"].as_str().unwrap().len(), 35);
    daemon.stop_clean().account.passed("exporter awsxray (xray)", "documents", 1);
}
