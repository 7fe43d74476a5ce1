//! The OpenTelemetry SDKs of other languages, run as they are published.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

use crate::{PATIENCE, set_up_with, skip};

/// What an SDK said it sent: one document for each signal.
#[derive(Debug)]
pub struct Sent {
    /// `ExportTraceServiceRequest`
    pub traces: Value,
    /// `ExportMetricsServiceRequest`
    pub metrics: Value,
    /// `ExportLogsServiceRequest`
    pub logs: Value,
}

/// How an SDK sends.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// `grpc`, `http/protobuf` or `http/json`.
    pub protocol: &'static str,
    /// `none` or `gzip`.
    pub compression: &'static str,
}

/// Prepares the SDKs; false, and a line that says why, where that can't be done.
#[must_use]
pub fn available() -> bool {
    static READY: OnceLock<Result<(), String>> = OnceLock::new();
    match READY.get_or_init(set_up) {
        Ok(()) => true,
        Err(why) => {
            skip(why);
            false
        }
    }
}

fn set_up() -> Result<(), String> {
    set_up_with("setup.sh sdk").map_err(|why| format!("the SDKs can't be set up: {why}"))
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn script(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("sdk").join(name)
}

fn python(name: &str) -> Command {
    let mut command = Command::new(root().join(".test-env/venv/bin/python"));
    command.arg(script(name));
    command
}

/// Sends with the SDK for Python.
#[must_use]
pub fn send_python(to: SocketAddr, way: Way) -> Sent {
    send(python("send.py"), to, way)
}

/// Sends with the SDK for Node.
#[must_use]
pub fn send_node(to: SocketAddr, way: Way) -> Sent {
    let mut command = Command::new("node");
    // The packages are beside a copy of the script: that is where node looks for them.
    command.arg(root().join(".test-env/node/send.mjs"));
    send(command, to, way)
}

fn send(mut command: Command, to: SocketAddr, way: Way) -> Sent {
    let output = command.arg(to.to_string()).args([way.protocol, way.compression]).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{way:?}: {out}{err}");
    assert!(!err.to_lowercase().contains("error"), "{way:?}: {err}");
    let mut sent: Value = serde_json::from_str(&out).unwrap();
    Sent { traces: sent["traces"].take(), metrics: sent["metrics"].take(), logs: sent["logs"].take() }
}

/// The receiving end that the Python packages make: servers of their own for gRPC and HTTP.
pub struct Sink {
    child: Child,
    lines: Receiver<Value>,
    grpc: SocketAddr,
    http: SocketAddr,
}

impl Sink {
    /// Starts it.
    #[must_use]
    pub fn start() -> Self {
        let mut child = python("sink.py").stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = read_lines(child.stdout.take().unwrap());
        let ports = lines.recv_timeout(PATIENCE).expect("the sink starts");
        let address = |name: &str| format!("127.0.0.1:{}", ports[name]).parse().unwrap();
        Self { grpc: address("grpc"), http: address("http"), child, lines }
    }

    /// Where it takes gRPC.
    #[must_use]
    pub const fn grpc(&self) -> SocketAddr {
        self.grpc
    }

    /// Where it takes HTTP.
    #[must_use]
    pub const fn http(&self) -> SocketAddr {
        self.http
    }

    /// Everything that arrived and was not taken before: one object for each request, `signal` and `request`.
    #[must_use]
    pub fn take(&self) -> Vec<Value> {
        let mut all = Vec::new();
        // The sink prints a request before it answers it: what was answered is in the pipe.
        while let Ok(line) = self.lines.recv_timeout(Duration::from_millis(500)) {
            all.push(line);
        }
        all
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn read_lines(pipe: ChildStdout) -> Receiver<Value> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines() {
            let line = serde_json::from_str(&line.unwrap()).unwrap();
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
