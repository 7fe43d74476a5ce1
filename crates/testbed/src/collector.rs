//! The process under test.

use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use nix::sys::signal::kill;
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::account::Account;
use crate::{binary, eventually};

pub use nix::sys::signal::Signal;

const READY: &str = "Everything is ready";

/// A running collector. Killed if it is dropped without being stopped.
pub struct Collector {
    child: Child,
    directory: TempDir,
    output: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

/// How a collector ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; none if it died of a signal.
    pub code: Option<i32>,
    /// Everything it printed.
    pub output: String,
    /// What became of every item; each line is known to balance.
    pub account: Account,
    /// Where its configuration and files are.
    pub directory: TempDir,
}

impl Collector {
    /// Starts with a configuration and waits until it is ready. `DIR` in it is a directory of its own.
    ///
    /// Let listeners use port 0: [`grpc`](Self::grpc) and [`http`](Self::http) say what they got.
    #[must_use]
    pub fn start(config: &str) -> Self {
        Self::start_with(config, &[])
    }

    /// As [`start`](Self::start), with environment variables.
    #[must_use]
    pub fn start_with(config: &str, environment: &[(&str, &str)]) -> Self {
        let directory = TempDir::new().unwrap();
        let collector = Self::launch(config, environment, directory);
        collector.wait_for(READY);
        collector
    }

    /// Starts without waiting for anything: for what must fail.
    #[must_use]
    pub fn start_unready(config: &str) -> Self {
        Self::launch(config, &[], TempDir::new().unwrap())
    }

    /// Starts in the X-Ray daemon's place: with `cfg.yaml` in the working directory, and the daemon's arguments.
    #[must_use]
    pub fn start_daemon(file: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let directory = TempDir::new().unwrap();
        std::fs::write(directory.path().join("cfg.yaml"), file).unwrap();
        let mut command = Command::new(binary::path());
        command.arg("xray-daemon").args(arguments);
        let collector = Self::spawn(command, environment, directory);
        collector.wait_for(READY);
        collector
    }

    fn launch(config: &str, environment: &[(&str, &str)], directory: TempDir) -> Self {
        let path = directory.path().join("config.yaml");
        std::fs::write(&path, in_directory(config, directory.path())).unwrap();
        let mut command = Command::new(binary::path());
        command.arg("--config").arg(path);
        Self::spawn(command, environment, directory)
    }

    fn spawn(mut command: Command, environment: &[(&str, &str)], directory: TempDir) -> Self {
        command.current_dir(directory.path());
        command.envs(environment.iter().copied()).stdin(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let output = Arc::new(Mutex::new(String::new()));
        let readers = vec![
            collect(child.stderr.take().unwrap(), &output),
            collect(child.stdout.take().unwrap(), &output),
        ];
        Self { child, directory, output, readers }
    }

    /// Replaces the configuration file; [`signal`](Self::signal) `SIGHUP` makes the process read it.
    pub fn write_config(&self, config: &str) {
        // Renamed into place, so that the process never reads half of it.
        let next = self.file("config.next");
        std::fs::write(&next, in_directory(config, self.directory.path())).unwrap();
        std::fs::rename(next, self.file("config.yaml")).unwrap();
    }

    /// A file in the process's directory.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Where it takes OTLP over gRPC.
    #[must_use]
    pub fn grpc(&self) -> SocketAddr {
        self.endpoint("Starting GRPC server")
    }

    /// Where it takes OTLP over HTTP.
    #[must_use]
    pub fn http(&self) -> SocketAddr {
        self.endpoint("Starting HTTP server")
    }

    /// Where it serves its own metrics.
    #[must_use]
    pub fn metrics(&self) -> SocketAddr {
        self.endpoint("Serving metrics")
    }

    /// Where it takes X-Ray's datagrams.
    #[must_use]
    pub fn xray(&self) -> SocketAddr {
        self.endpoint("Listening on endpoint for X-Ray segments")
    }

    /// Where it answers X-Ray's SDKs.
    #[must_use]
    pub fn xray_proxy(&self) -> SocketAddr {
        self.endpoint("Starting proxy http server")
    }

    /// Where an extension serves.
    #[must_use]
    pub fn extension(&self, id: &str) -> SocketAddr {
        self.endpoint(&format!("Starting {id} extension"))
    }

    /// The value of the metric whose line begins with `series`, as the process says it now; 0 if there is none.
    #[must_use]
    pub fn metric(&self, series: &str) -> f64 {
        let page = crate::http::get(self.metrics(), "/metrics").text();
        let line = page.lines().find(|line| line.starts_with(series));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0.0)
    }

    fn endpoint(&self, message: &str) -> SocketAddr {
        let output = self.output();
        let line = output.lines().rfind(|line| line.contains(message));
        let line = line.unwrap_or_else(|| panic!("no line with {message:?} in\n{output}"));
        // The console has a space where JSON has none.
        let (_, rest) = line.split_once("\"endpoint\":").unwrap();
        rest.trim_start().trim_start_matches('"').split('"').next().unwrap().parse().unwrap()
    }

    /// What it has printed so far.
    #[must_use]
    pub fn output(&self) -> String {
        self.output.lock().unwrap().clone()
    }

    /// Waits until it has printed `text`.
    pub fn wait_for(&self, text: &str) {
        self.wait_for_times(text, 1);
    }

    /// Waits until it has printed `text` that many times.
    pub fn wait_for_times(&self, text: &str, times: usize) {
        eventually(&format!("{text:?} ({times} times)"), || {
            let output = self.output();
            let dead =
                !Path::new(&format!("/proc/{}/fd/1", self.child.id())).exists() && cfg!(target_os = "linux");
            let found = output.matches(text).count() >= times;
            assert!(found || !dead, "the process ended without {text:?}:\n{output}");
            found.then_some(())
        });
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    /// Resident memory, in bytes; none where the system does not say.
    #[must_use]
    pub fn memory(&self) -> Option<usize> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
        Some(line.split_whitespace().nth(1)?.parse::<usize>().ok()? * 1024)
    }

    /// Whether it is still running.
    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// SIGTERM, and how it ended.
    #[must_use]
    pub fn stop(self) -> Ended {
        self.signal(Signal::SIGTERM);
        self.ended()
    }

    /// SIGTERM; asserts a clean end at which nothing was lost.
    pub fn stop_clean(self) -> Ended {
        let ended = self.stop();
        assert_eq!(ended.code, Some(0), "{}", ended.output);
        ended
    }

    /// Waits for it to end by itself.
    #[must_use]
    pub fn ended(mut self) -> Ended {
        let status: ExitStatus = eventually("the process to end", || self.child.try_wait().unwrap());
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        let output = self.output();
        assert!(!output.contains("panicked"), "it panicked:\n{output}");
        let directory = std::mem::replace(&mut self.directory, TempDir::new().unwrap());
        Ended { code: status.code(), account: Account::read(&output), output, directory }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        // It may have ended already, and whoever drops it does not ask.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Ended {
    /// A file in the process's directory.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

/// `collimator validate` on a file.
#[must_use]
pub fn validate(config: &Path) -> Output {
    let mut command = Command::new(binary::path());
    command.arg("--config").arg(config).arg("validate").output().unwrap()
}

fn in_directory(config: &str, directory: &Path) -> String {
    config.replace("DIR", directory.to_str().unwrap())
}

fn collect(pipe: impl Read + Send + 'static, output: &Arc<Mutex<String>>) -> JoinHandle<()> {
    let output = Arc::clone(output);
    std::thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while pipe.read_until(b'\n', &mut line).unwrap() > 0 {
            output.lock().unwrap().push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    })
}
