//! The X-Ray daemon's place taken: called by its name, with its flags and its file.

#![allow(clippy::unwrap_used, reason = "a panic is the failure report")]

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use testbed::aws::{SECRET, Service, ask};
use testbed::xray;

/// The binary under the daemon's name, with nothing in its environment but this.
fn daemon(folder: &Path, arguments: &[&str]) -> Command {
    let program = folder.join("xray");
    if !program.exists() {
        std::os::unix::fs::symlink(testbed::binary(), &program).unwrap();
    }
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).env_clear().env("AWS_EC2_METADATA_DISABLED", "true");
    command.env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE").env("AWS_SECRET_ACCESS_KEY", SECRET);
    command.stdin(Stdio::null());
    command
}

/// A daemon that runs, and what it has said so far.
struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
    said: Vec<String>,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut running = Self { child, stdout, said: Vec::new() };
        running.wait_for("Everything is ready");
        running
    }

    fn wait_for(&mut self, text: &str) {
        while !self.said.last().is_some_and(|line| line.contains(text)) {
            let mut line = String::new();
            assert!(self.stdout.read_line(&mut line).unwrap() > 0, "it ended: {:?}", self.said);
            self.said.push(line);
        }
    }

    /// The address in the line that says `text`.
    fn endpoint(&self, text: &str) -> SocketAddr {
        let line = self.said.iter().find(|line| line.contains(text)).unwrap();
        let (_, rest) = line.split_once("\"endpoint\": \"").unwrap();
        rest.split('"').next().unwrap().parse().unwrap()
    }

    fn stop(mut self) -> Vec<String> {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), Signal::SIGTERM).unwrap();
        self.wait_for("Shutdown complete");
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        std::mem::take(&mut self.said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn the_daemon_s_work_is_done_by_its_own_flags_and_file() {
    if !xray::available() {
        return;
    }
    let service = Service::start();
    let folder = tempfile::tempdir().unwrap();
    let file = format!(
        "Version: 2\nEndpoint: {}\nRegion: us-east-1\nConcurrency: 1\nNew: 1\nSocket:\n  UDPAddress: 127.0.0.1:0\n",
        service.url()
    );
    // Nobody names it: it is where the daemon looks, and a key that is not known does no harm there.
    std::fs::write(folder.path().join("cfg.yaml"), file).unwrap();
    let running = Running::start(daemon(folder.path(), &["-t=127.0.0.1:0", "-n", "eu-west-1", "-o"]));

    let udp = running.endpoint("Listening on endpoint for X-Ray segments");
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    for id in 0..120 {
        // The service knows the fields; to everybody between, they are bytes.
        let document = format!("{{\"id\":\"{id:016x}\", \"kept\" :\"as it is\"}}");
        sender.send_to(format!("{{\"format\":\"json\",\"version\":1}}\n{document}").as_bytes(), udp).unwrap();
    }
    let mut calls = 0;
    let mut length = 0;
    while length < 120 * 50 {
        let request = service.next();
        assert_eq!(
            (&request["path"], &request["valid"]),
            (&json!("/TraceSegments"), &json!(true)),
            "{request}"
        );
        assert_eq!(request["region"], "eu-west-1", "flags go before the file");
        assert!(request["headers"]["x-amzn-xray-timestamp"].is_string());
        calls += 1;
        length += usize::try_from(request["length"].as_u64().unwrap()).unwrap();
    }
    assert!(calls >= 3, "50 documents at most in one call");
    assert_eq!(ask(running.endpoint("Starting proxy http server"))["rules"], json!(["Default"]));
    let said = running.stop();
    for text in ["Initializing AWS X-Ray daemon", "Using buffer memory limit of", "Using region: eu-west-1"] {
        assert!(said.iter().any(|line| line.contains(&format!("Z [Info] {text}"))), "{text}: {said:?}");
    }
}

#[test]
fn it_ends_as_the_daemon_does_when_it_can_t_start() {
    let folder = tempfile::tempdir().unwrap();
    let check = |arguments: &[&str], code: i32, expected: &str| {
        let output: Output = daemon(folder.path(), arguments).output().unwrap();
        let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
        assert_eq!(
            (output.status.code(), text.contains(expected)),
            (Some(code), true),
            "{arguments:?}: {text}"
        );
    };
    check(&["-v"], 0, "AWS X-Ray daemon version: ");
    check(&["--help"], 0, "--bind-tcp");
    check(&["-x"], 2, "flag provided but not defined: -x");
    check(&[], 1, "Cannot fetch region variable from config file, environment variables and ec2 metadata.");
    check(&["-m", "2", "-n", "eu-west-1"], 1, "3 MB");
    check(&["-c", "missing.yaml"], 1, "missing.yaml");
    std::fs::write(folder.path().join("bad.yaml"), "Version: 2\nRegio: eu-west-1\n").unwrap();
    check(&["-c", "bad.yaml"], 1, "bad.yaml:2:1");
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    check(&["-n", "eu-west-1", "-b", &address, "-t", "127.0.0.1:0"], 1, "address already in use");
}
