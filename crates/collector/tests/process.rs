//! The binary as a process: start, reload, end, and what it says about itself.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const SPAN: &str = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[
    {"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"one"},
    {"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b175","name":"two"}]}]}]}"#;

fn collimator() -> Command {
    Command::new(env!("CARGO_BIN_EXE_collimator"))
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has ports");
    listener.local_addr().expect("it is bound").port()
}

/// A pipeline from OTLP over HTTP at `port` into `exporter`.
fn configuration(port: u16, exporter: &str) -> String {
    format!(
        r#"
receivers: {{otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{port}"}}}}}}}}
exporters: {{{exporter}}}
service:
  drain_timeout: 200ms
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [{}]}}}}
"#,
        exporter.split(':').next().unwrap_or_default()
    )
}

/// A running collector, its configuration in a file, and what it has said so far.
struct Running {
    child: Child,
    stderr: BufReader<ChildStderr>,
    said: String,
    config: PathBuf,
    _folder: tempfile::TempDir,
}

impl Running {
    /// Starts it and waits until it says that it is ready.
    fn start(config: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("config.yaml");
        fs::write(&path, config).expect("it can be written");
        let mut command = collimator();
        let mut child = command.arg("--config").arg(&path).stderr(Stdio::piped()).spawn().expect("it starts");
        let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut running = Self { child, stderr, said: String::new(), config: path, _folder: folder };
        running.wait_for("Everything is ready");
        running
    }

    /// Reads until a line contains `text`.
    fn wait_for(&mut self, text: &str) {
        loop {
            let mut line = String::new();
            let read = self.stderr.read_line(&mut line).expect("text");
            assert!(read > 0, "it ended without `{text}`:\n{}", self.said);
            self.said.push_str(&line);
            if line.contains(text) {
                return;
            }
        }
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("pids are small");
        kill(Pid::from_raw(pid), signal).expect("it runs");
    }

    fn reload(&mut self, config: &str, says: &str) {
        fs::write(&self.config, config).expect("it can be written");
        self.signal(Signal::SIGHUP);
        self.wait_for(says);
    }

    /// Ends it and gives its exit code and everything that it said.
    fn stop(mut self) -> (Option<i32>, String) {
        self.signal(Signal::SIGTERM);
        self.stderr.read_to_string(&mut self.said).expect("text");
        let status = self.child.wait().expect("it ends");
        (status.code(), std::mem::take(&mut self.said))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A test that failed must leave nothing behind; one that passed has waited already.
        drop((self.child.kill(), self.child.wait()));
    }
}

/// Posts two spans and gives the status line of the answer.
fn post(port: u16) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    let head =
        "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n";
    write!(stream, "{head}Content-Length: {}\r\n\r\n{SPAN}", SPAN.len()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer.lines().next().unwrap_or_default().to_owned()
}

fn run(arguments: &[&str]) -> Output {
    collimator().args(arguments).output().expect("it runs")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_account_is_printed_and_balances() {
    let port = free_port();
    let running = Running::start(&configuration(port, "nop: {}"));
    assert_eq!(post(port), "HTTP/1.1 200 OK");
    let (code, said) = running.stop();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("receiver otlp, spans: entered 2 = left 2\n"), "{said}");
    assert!(said.contains("exporter nop (traces), spans: entered 2 = left 2\n"), "{said}");
    assert!(!said.contains("DOES NOT BALANCE"), "{said}");
}

#[test]
fn what_is_not_delivered_is_named_and_fails() {
    let (port, nobody) = (free_port(), free_port());
    let exporter = format!(r#"otlp_http: {{endpoint: "http://127.0.0.1:{nobody}"}}"#);
    let running = Running::start(&configuration(port, &exporter));
    assert_eq!(post(port), "HTTP/1.1 200 OK", "the queue has taken it over");
    let (code, said) = running.stop();
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("exporter otlp_http (traces), spans: entered 2 = left 0 + refused{shutdown} 2\n"),
        "{said}"
    );
    assert!(said.contains("Not delivered"), "{said}");
}

#[test]
fn a_wrong_configuration_does_not_replace_the_running_one() {
    let port = free_port();
    let good = configuration(port, "nop: {}");
    let mut running = Running::start(&good);
    running.reload(&good.replace("nop", "nap"), "the running one stays");
    assert_eq!(post(port), "HTTP/1.1 200 OK");
    let (code, said) = running.stop();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("unknown exporter type `nap`"), "{said}");
    assert!(said.contains("exporter nop (traces), spans: entered 2 = left 2\n"), "{said}");
}

#[test]
fn a_start_that_fails_brings_the_former_graph_back() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("loopback has ports");
    let (port, other) = (free_port(), taken.local_addr().expect("it is bound").port());
    let mut running = Running::start(&configuration(port, "nop: {}"));
    running.reload(&configuration(other, "nop: {}"), "the running one stays");
    assert_eq!(post(port), "HTTP/1.1 200 OK");
    let (code, said) = running.stop();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("address already in use"), "{said}");
}

#[test]
fn a_reload_keeps_sockets_and_counts() {
    let port = free_port();
    let mut running = Running::start(&configuration(port, "nop: {}"));
    assert_eq!(post(port), "HTTP/1.1 200 OK");
    running.reload(&configuration(port, "nop/other: {}"), "Config updated");
    assert_eq!(post(port), "HTTP/1.1 200 OK");
    let (code, said) = running.stop();
    assert_eq!(code, Some(0), "{said}");
    for line in [
        "receiver otlp, spans: entered 4 = left 4\n",
        "exporter nop (traces), spans: entered 2 = left 2\n",
        "exporter nop/other (traces), spans: entered 2 = left 2\n",
    ] {
        assert!(said.contains(line), "{line} in {said}");
    }
}

#[test]
fn a_taken_port_fails_the_start() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("loopback has ports");
    let port = taken.local_addr().expect("it is bound").port();
    let config = format!("yaml:{}", configuration(port, "nop: {}"));
    let output = run(&["--config", &config]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("receiver otlp") && said.contains("address already in use"), "{said}");
}

#[test]
fn validate_and_run_refuse_in_the_same_words() {
    let good = configuration(0, "nop: {}");
    for wrong in [
        good.replace("nop: {}", "nop: {key: 1}"),
        good.replace("[nop]", "[nap]"),
        good.replace("http:", "htp:"),
        // Only building finds this one: what is wrong is a variable that stands in for a setting.
        configuration(0, "otlp_grpc: {endpoint: 'localhost:1'}"),
    ] {
        let config = format!("yaml:{wrong}");
        let refused = |arguments: &[&str]| {
            let mut command = collimator();
            command.args(arguments).arg("--config").arg(&config).env("HTTPS_PROXY", "nonsense://");
            command.output().expect("it runs")
        };
        let (validated, run) = (refused(&["validate"]), refused(&[]));
        assert_eq!((validated.status.code(), run.status.code()), (Some(1), Some(1)), "{wrong}");
        let last = |output: &Output| stderr(output).split("Error: ").nth(1).map(ToOwned::to_owned);
        assert!(last(&validated).is_some(), "{}", stderr(&validated));
        assert_eq!(last(&validated), last(&run));
    }
}

#[test]
fn every_pipeline_in_the_repository_is_valid() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("two folders down");
    let mut checked = 0;
    for folder in ["pipelines", "benches/scenarios"] {
        for entry in fs::read_dir(root.join(folder)).expect("it is there") {
            let path = entry.expect("readable").path();
            let output = run(&["validate", "--config", &path.display().to_string()]);
            assert!(output.status.success(), "{}: {}", path.display(), stderr(&output));
            checked += 1;
        }
    }
    assert!(checked > 0);
}

/// A web server that holds up a reload does not hold up the end.
#[test]
fn a_reload_that_waits_for_a_server_can_be_ended() {
    let server = TcpListener::bind("127.0.0.1:0").expect("loopback has ports");
    let url = format!("http://{}/config.yaml", server.local_addr().expect("it is bound"));
    let mut child = collimator();
    let mut child = child.args(["--config", &url]).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));

    let (mut first, _) = server.accept().expect("it asks");
    assert!(first.read(&mut [0; 4096]).expect("a request") > 0);
    let config = configuration(0, "nop: ");
    let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", config.len());
    write!(first, "{head}{config}").expect("it reads");
    drop(first);
    let mut said = String::new();
    while !said.contains("Everything is ready") {
        assert!(stderr.read_line(&mut said).expect("text") > 0, "it ended:\n{said}");
    }

    let pid = Pid::from_raw(i32::try_from(child.id()).expect("pids are small"));
    kill(pid, Signal::SIGHUP).expect("it runs");
    let (second, _) = server.accept().expect("it asks again");
    kill(pid, Signal::SIGTERM).expect("it runs");
    stderr.read_to_string(&mut said).expect("text");
    assert!(child.wait().expect("it ends").success(), "{said}");
    // It has not waited for an answer, or for its own patience to end.
    assert!(!said.contains("Configuration refused"), "{said}");
    drop(second);
}
