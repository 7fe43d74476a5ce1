//! A real Prometheus, and its linter.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;

use crate::{eventually, http, set_up_with, skip};

/// Prepares Prometheus; false, and a line that says why, where that can't be done.
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
    set_up_with("setup_prometheus.sh").map_err(|why| format!("prometheus can't be set up: {why}"))
}

fn program(name: &str) -> Command {
    Command::new(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../.test-env/prometheus").join(name))
}

/// What `promtool check metrics` has to say about an exposition; nothing if all is well.
#[must_use]
pub fn promtool(exposition: &str) -> Vec<String> {
    let mut command = program("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(exposition.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said: Vec<String> = String::from_utf8(said).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(output.status.success(), said.is_empty(), "{said:?}");
    said
}

/// What promtool says of a file: `check config`, which looks at the rules that it names, too, or `test rules`.
#[must_use]
pub fn promtool_on(path: &Path, command: [&str; 2]) -> String {
    let output = program("promtool").args(command).arg(path).output().unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

/// A Prometheus that scrapes one target every 200 ms.
pub struct Prometheus {
    child: Child,
    address: SocketAddr,
    _directory: TempDir,
}

impl Prometheus {
    /// Starts it and waits until it is ready.
    #[must_use]
    pub fn start(target: SocketAddr) -> Self {
        let directory = TempDir::new().unwrap();
        // Port 0 it would take, and not say which it got.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let config = format!(
            "scrape_configs:\n  - job_name: own\n    scrape_interval: 200ms\n    scrape_timeout: 200ms\n    \
             static_configs: [{{targets: [\"{target}\"]}}]\n"
        );
        let path = directory.path().join("prometheus.yml");
        std::fs::write(&path, config).unwrap();
        let child = program("prometheus")
            .arg(format!("--config.file={}", path.display()))
            .arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--log.level=error")
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let prometheus = Self { child, address, _directory: directory };
        eventually("prometheus", || {
            let mut stream = std::net::TcpStream::connect(address).ok()?;
            let answer = http::request_over(&mut stream, "GET", "/-/ready", &[], b"");
            (answer.status == 200).then_some(())
        });
        prometheus
    }

    /// The result of a query at this moment: labels and value of every series.
    #[must_use]
    pub fn query(&self, query: &str) -> Vec<(Value, f64)> {
        let escaped: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let answer = self.get(&format!("/api/v1/query?query={escaped}"));
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        let result = answer["data"]["result"].as_array().unwrap();
        let series = result.iter();
        series.map(|series| (series["metric"].clone(), value(&series["value"][1]))).collect()
    }

    /// Any page of its API.
    #[must_use]
    pub fn get(&self, path: &str) -> Value {
        // Without a proxy's chunks: its answers are long.
        let mut stream = http::connect(self.address);
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut stream, &mut text).unwrap();
        serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn value(text: &Value) -> f64 {
    text.as_str().unwrap().parse().unwrap()
}
