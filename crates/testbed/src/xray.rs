//! The SDKs of AWS X-Ray, run as they are published.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::{set_up_with, skip};

/// What an SDK did.
#[derive(Debug)]
pub struct Sent {
    /// Every document, as it went into a datagram.
    pub documents: Vec<String>,
    /// How many of 50 requests were sampled, by path.
    pub decisions: Value,
}

/// Prepares the SDKs; false, and a line that says why, where that can't be done.
#[must_use]
pub fn available() -> bool {
    static READY: OnceLock<Result<(), String>> = OnceLock::new();
    let ready =
        || set_up_with("setup.sh xray").map_err(|why| format!("the X-Ray SDKs can't be set up: {why}"));
    match READY.get_or_init(ready) {
        Ok(()) => true,
        Err(why) => {
            skip(why);
            false
        }
    }
}

fn environment() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../.test-env/xray")
}

/// Sends segments with the SDK for Python, and asks for its sampling rules.
#[must_use]
pub fn python(udp: SocketAddr, tcp: SocketAddr) -> Sent {
    let mut command = Command::new(environment().join("venv/bin/python"));
    command.arg(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("xray/send.py"));
    run(command, udp, tcp)
}

/// Sends segments with the SDK for Node, and asks for its sampling rules.
#[must_use]
pub fn node(udp: SocketAddr, tcp: SocketAddr) -> Sent {
    let mut command = Command::new("node");
    command.arg(environment().join("node/send.cjs"));
    run(command, udp, tcp)
}

fn run(mut command: Command, udp: SocketAddr, tcp: SocketAddr) -> Sent {
    let output = command.arg(udp.to_string()).arg(tcp.to_string()).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    let mut sent: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
    let documents = sent["documents"].as_array().unwrap().iter();
    let documents = documents.map(|document| document.as_str().unwrap().to_owned()).collect();
    Sent { documents, decisions: sent["decisions"].take() }
}
