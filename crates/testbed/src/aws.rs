//! AWS as far as the tests need it, checked by botocore: see `aws/service.py` and `aws/client.py`.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use serde_json::Value;

use crate::PATIENCE;

/// The secret that goes with every key.
pub const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

fn python(script: &str) -> Command {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    // `xray::available` has made the environment.
    let mut command = Command::new(root.join("../../.test-env/xray/venv/bin/python"));
    command.arg(root.join("aws").join(script)).stdin(Stdio::null());
    command
}

/// A service that checks signatures; killed when dropped.
pub struct Service {
    child: Child,
    lines: Receiver<Value>,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Service {
    /// Starts it. Ask [`xray::available`](crate::xray::available) before.
    #[must_use]
    pub fn start() -> Self {
        let mut child = python("service.py").stdout(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in output.lines() {
                let Ok(value) = line.map(|line| serde_json::from_str(&line).unwrap()) else { break };
                if sender.send(value).is_err() {
                    break;
                }
            }
        });
        let first: Value = lines.recv_timeout(PATIENCE).expect("the service starts");
        let address = format!("127.0.0.1:{}", first["port"]).parse().unwrap();
        Self { child, lines, address }
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next request.
    #[must_use]
    pub fn next(&self) -> Value {
        self.lines.recv_timeout(PATIENCE).expect("a request comes")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// What botocore is answered when it asks for sampling rules and targets.
#[must_use]
pub fn ask(proxy: SocketAddr) -> Value {
    let output = python("client.py").arg(proxy.to_string()).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"))
}
