//! The collector under test as a child process, stopped by its id on every path.

use std::{
    collections::BTreeSet,
    fs::File,
    io,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use nix::{
    sys::{
        resource::{Resource, getrlimit, setrlimit},
        signal::{Signal, kill},
    },
    unistd::Pid,
};
use tokio::signal::unix::{SignalKind, signal};

/// How long a child may take to drain after SIGTERM.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// Enough for the largest sweep over connections, on both sides of a collector.
const MAX_OPEN_FILES: u64 = 65_536;

/// A running child; dropping it kills it.
pub(crate) struct Subject {
    child: Child,
    log: PathBuf,
    started: Instant,
}

impl Subject {
    /// Starts `command` (program, then arguments) with `environment` added; its output goes to `log`.
    pub(crate) fn start(
        command: &[String],
        environment: &[(String, String)],
        log: &Path,
    ) -> anyhow::Result<Self> {
        let (program, arguments) = command.split_first().context("an empty command")?;
        let output = File::create(log).with_context(|| log.display().to_string())?;
        let mut running = running();
        let started = Instant::now();
        let child = Command::new(program)
            .args(arguments)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("can't start {program}"))?;
        running.insert(child.id());
        drop(running);
        Ok(Subject { child, log: log.to_path_buf(), started })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// When the child was started.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// Fails, with the end of the child's output, if it has ended.
    pub(crate) fn expect_running(&mut self) -> anyhow::Result<()> {
        match self.try_reap()? {
            None => Ok(()),
            Some(status) => anyhow::bail!("the collector ended with {status}\n{}", self.log_tail()),
        }
    }

    /// Asks the child to end, as an orchestrator would.
    pub(crate) fn terminate(&mut self) -> anyhow::Result<()> {
        let pid = i32::try_from(self.child.id()).context("process id")?;
        kill(Pid::from_raw(pid), Signal::SIGTERM).context("SIGTERM")
    }

    /// Waits for the end after [`Subject::terminate`]; kills a child that takes too long.
    pub(crate) fn wait(&mut self) -> anyhow::Result<ExitStatus> {
        let deadline = Instant::now() + STOP_LIMIT;
        while Instant::now() < deadline {
            if let Some(status) = self.try_reap()? {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(5));
        }
        self.kill();
        anyhow::bail!("the collector did not end within {STOP_LIMIT:?} of SIGTERM and was killed")
    }

    /// The child's status if it has ended. Reaped and forgotten at one go: its id may soon be somebody else's.
    fn try_reap(&mut self) -> io::Result<Option<ExitStatus>> {
        let mut running = running();
        let status = self.child.try_wait()?;
        if status.is_some() {
            running.remove(&self.child.id());
        }
        Ok(status)
    }

    fn kill(&mut self) {
        let mut running = running();
        drop(self.child.kill());
        drop(self.child.wait());
        running.remove(&self.child.id());
    }

    /// SIGTERM and wait; any other end than exit code 0 is an error.
    pub(crate) fn stop(&mut self) -> anyhow::Result<()> {
        self.expect_running()?;
        self.terminate()?;
        let status = self.wait()?;
        let ended_by_signal = status.signal() == Some(Signal::SIGTERM as i32);
        anyhow::ensure!(
            status.success(),
            "the collector ended with {status}{}\n{}",
            if ended_by_signal { ", without a handler for SIGTERM" } else { "" },
            self.log_tail()
        );
        Ok(())
    }

    /// The last lines of the child's output.
    pub(crate) fn log_tail(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        if !matches!(self.try_reap(), Ok(Some(_))) {
            self.kill();
        }
    }
}

/// Ids of the children that have not been reaped.
fn running() -> MutexGuard<'static, BTreeSet<u32>> {
    static RUNNING: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets this process and its children open as many sockets as the system allows: the usual soft limit of 1,024 is
/// too low for a thousand connections.
pub(crate) fn raise_open_files_limit() -> anyhow::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, hard.min(MAX_OPEN_FILES), hard)?)
}

/// From now on SIGINT and SIGTERM end this process's children before they end the process.
pub(crate) fn end_children_on_signals() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut interrupt, mut terminate) = {
        let _guard = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    thread::Builder::new().name("signals".into()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        let children = running();
        for pid in children.iter().filter_map(|pid| i32::try_from(*pid).ok()) {
            kill(Pid::from_raw(pid), Signal::SIGKILL).ok();
        }
        end(130)
    })?;
    Ok(())
}

#[expect(clippy::exit, reason = "the main thread may be anywhere; the children have been ended")]
fn end(code: i32) -> ! {
    std::process::exit(code)
}
