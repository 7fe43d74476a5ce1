//! What the service manager is told: systemd's notification protocol (sd_notify(3)), over its datagram socket.

use std::io;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use component::{Environment, Workers};
use nix::time::{ClockId, clock_gettime};

/// The way to the service manager, if one started the process and wants to be told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notify {
    socket: Option<Arc<UnixDatagram>>,
    watchdog: Option<Duration>,
}

impl Notify {
    /// As the environment says; a socket that is not there is a warning, since the process can do without.
    pub(crate) fn new(environment: &Environment) -> Self {
        let Some(address) = environment.get("NOTIFY_SOCKET").filter(|address| !address.is_empty()) else {
            return Self::default();
        };
        match connect(address) {
            Ok(socket) => Self { socket: Some(Arc::new(socket)), watchdog: watchdog(environment) },
            Err(error) => {
                tracing::warn!(address, %error, "the service manager can't be told anything");
                Self::default()
            }
        }
    }

    /// Telemetry is taken.
    pub(crate) fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={status}"));
    }

    /// A new configuration is read; [`ready`](Self::ready) ends it.
    pub(crate) fn reloading(&self) {
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from);
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={}\nSTATUS=Reloading", now.as_micros()));
    }

    /// The process is about to end, which may take `at_most` so long.
    pub(crate) fn stopping(&self, at_most: Duration) {
        let at_most = at_most.as_micros();
        self.tell(&format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={at_most}\nSTATUS=Delivering what is held"));
    }

    /// Feeds the watchdog if there is one: whenever every worker has run a task, twice in its time. A worker that is
    /// stuck keeps this from happening, and the manager starts the process anew.
    pub(crate) fn watch(&self, workers: &Workers) -> io::Result<()> {
        let Some(interval) = self.watchdog else { return Ok(()) };
        let (notify, workers) = (self.clone(), workers.clone());
        // Ends with the process, or when the workers have.
        std::thread::Builder::new().name("watchdog".to_owned()).spawn(move || {
            while all_answer(&workers) {
                notify.tell("WATCHDOG=1");
                std::thread::sleep(interval / 2);
            }
        })?;
        Ok(())
    }

    fn tell(&self, text: &str) {
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(text.as_bytes())
        {
            tracing::warn!(%error, "the service manager could not be told");
        }
    }
}

/// Waits until every worker has run a task; false if one has ended.
fn all_answer(workers: &Workers) -> bool {
    let (answer, answers) = sync_channel::<()>(workers.count());
    for worker in 0..workers.count() {
        let answer = answer.clone();
        // There is room for all, so this does not wait.
        workers.handle(worker).spawn(async move { answer.send(()).ok() });
    }
    drop(answer);
    answers.iter().count() == workers.count()
}

/// A path, or a name in the abstract namespace behind an `@`.
fn connect(address: &str) -> io::Result<UnixDatagram> {
    let to = match address.strip_prefix('@') {
        Some(name) => abstract_address(name)?,
        None => SocketAddr::from_pathname(address)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&to)?;
    // A manager that does not read must not hold the process up.
    socket.set_write_timeout(Some(Duration::from_secs(1)))?;
    Ok(socket)
}

#[cfg(target_os = "linux")]
fn abstract_address(name: &str) -> io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt as _;
    SocketAddr::from_abstract_name(name)
}

#[cfg(not(target_os = "linux"))]
fn abstract_address(_name: &str) -> io::Result<SocketAddr> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The watchdog's time, if it is meant for this process.
fn watchdog(environment: &Environment) -> Option<Duration> {
    let is_ours = environment.get("WATCHDOG_PID").is_none_or(|pid| pid == std::process::id().to_string());
    let micros: u64 = environment.get("WATCHDOG_USEC")?.parse().ok()?;
    (is_ours && micros > 0).then(|| Duration::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use component::Fatal;
    use engine::Threads;

    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        Environment::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    /// A manager's socket and what was told to it.
    struct Manager(UnixDatagram);

    impl Manager {
        fn next(&self) -> String {
            let mut bytes = [0; 1024];
            let length = self.0.recv(&mut bytes).expect("something was told");
            String::from_utf8_lossy(bytes.get(..length).unwrap_or_default()).into_owned()
        }
    }

    #[test]
    fn states_are_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let manager = Manager(UnixDatagram::bind(&path).expect("a socket"));
        let notify = Notify::new(&environment(&[("NOTIFY_SOCKET", path.to_str().expect("a text"))]));
        notify.ready("Running");
        assert_eq!(manager.next(), "READY=1\nSTATUS=Running");
        notify.reloading();
        let told = manager.next();
        let micros = told.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").and_then(|rest| rest.split_once('\n'));
        let micros: u64 = micros.and_then(|(micros, _)| micros.parse().ok()).expect("a time");
        assert!(micros > 0, "{told}");
        notify.stopping(Duration::from_secs(26));
        assert!(manager.next().starts_with("STOPPING=1\nEXTEND_TIMEOUT_USEC=26000000\n"));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn names_in_the_abstract_namespace() {
        let name = format!("collimator-test-{}", std::process::id());
        let address = abstract_address(&name).expect("a name");
        let manager = Manager(UnixDatagram::bind_addr(&address).expect("a socket"));
        Notify::new(&environment(&[("NOTIFY_SOCKET", &format!("@{name}"))])).ready("x");
        assert_eq!(manager.next(), "READY=1\nSTATUS=x");
    }

    #[test]
    fn nobody_to_tell() {
        Notify::new(&environment(&[])).ready("x");
        Notify::new(&environment(&[("NOTIFY_SOCKET", "/nonexistent/notify")])).ready("x");
    }

    #[test]
    fn the_watchdog_is_fed_while_workers_answer() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let manager = Manager(UnixDatagram::bind(&path).expect("a socket"));
        let path = path.to_str().expect("a text");
        let own = std::process::id().to_string();
        let variables = [("NOTIFY_SOCKET", path), ("WATCHDOG_USEC", "20000"), ("WATCHDOG_PID", &own)];
        let notify = Notify::new(&environment(&variables));
        let threads = Threads::start(2, Fatal::default()).expect("threads");
        notify.watch(&threads.workers()).expect("a thread");
        assert_eq!(manager.next(), "WATCHDOG=1");
        assert_eq!(manager.next(), "WATCHDOG=1");
        // A worker that is stuck: what is on its way comes, and then nothing more until it goes on.
        let (go_on, stuck) = std::sync::mpsc::channel::<()>();
        let (is_stuck, waits) = std::sync::mpsc::channel();
        threads.workers().handle(1).spawn(async move {
            is_stuck.send(()).ok();
            stuck.recv().ok();
        });
        waits.recv().expect("it runs");
        manager.0.set_read_timeout(Some(Duration::from_millis(300))).expect("a limit");
        let mut bytes = [0; 64];
        while manager.0.recv(&mut bytes).is_ok() {}
        go_on.send(()).expect("it waits");
        manager.0.set_read_timeout(None).expect("no limit");
        assert_eq!(manager.next(), "WATCHDOG=1");
    }

    #[test]
    fn a_watchdog_of_another_process() {
        assert_eq!(watchdog(&environment(&[("WATCHDOG_USEC", "1000"), ("WATCHDOG_PID", "1")])), None);
        assert_eq!(watchdog(&environment(&[("WATCHDOG_USEC", "0")])), None);
        let millisecond = Some(Duration::from_millis(1));
        assert_eq!(watchdog(&environment(&[("WATCHDOG_USEC", "1000")])), millisecond);
    }
}
