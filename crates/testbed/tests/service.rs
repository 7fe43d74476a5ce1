//! The process among its neighbours: the service manager, the container's quota, who asks it to reload, its own logs.

#![allow(clippy::unwrap_used, reason = "a panic is the failure report")]

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use testbed::{Collector, PATIENCE, Signal, binary, config, eventually, http, skip};

const UPDATED: &str = "Config updated";

/// A service manager's socket.
struct Manager {
    socket: UnixDatagram,
    directory: tempfile::TempDir,
}

impl Manager {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(directory.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, directory }
    }

    fn path(&self) -> String {
        self.directory.path().join("notify").to_str().unwrap().to_owned()
    }

    fn next(&self) -> String {
        let mut bytes = [0; 4096];
        let length = self.socket.recv(&mut bytes).expect("the manager is told something");
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    /// The next one that is not the watchdog's.
    fn next_state(&self) -> String {
        loop {
            let told = self.next();
            if told != "WATCHDOG=1" {
                return told;
            }
        }
    }
}

#[test]
fn the_service_manager_is_told() {
    let manager = Manager::new();
    let config = config::direct("nop", "{}");
    let environment = [("NOTIFY_SOCKET", manager.path()), ("WATCHDOG_USEC", "100000".to_owned())];
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    let collector = Collector::start_with(&config, &environment);
    assert_eq!(manager.next_state(), "READY=1\nSTATUS=Running");
    assert_eq!(manager.next(), "WATCHDOG=1");

    collector.signal(Signal::SIGHUP);
    let reloading = manager.next_state();
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    assert_eq!(manager.next_state(), "READY=1\nSTATUS=Running");
    collector.write_config("receivers: 5");
    collector.signal(Signal::SIGHUP);
    assert!(manager.next_state().starts_with("RELOADING=1\n"));
    assert_eq!(manager.next_state(), "READY=1\nSTATUS=Running, but the last configuration was refused");

    collector.signal(Signal::SIGTERM);
    let stopping = manager.next_state();
    assert!(stopping.starts_with("STOPPING=1\nEXTEND_TIMEOUT_USEC=30000000\n"), "{stopping}");
    assert_eq!(collector.ended().code, Some(0));
}

fn admin(collector: &Collector) -> SocketAddr {
    let output = collector.output();
    let line = output.lines().find(|line| line.contains("Taking reloads")).unwrap();
    line.rsplit_once("\"endpoint\": \"").unwrap().1.split('"').next().unwrap().parse().unwrap()
}

#[test]
fn a_reload_can_be_asked_for_over_http() {
    let first = config::graph("{}", "nop:", "[]", "[nop]", "admin: {endpoint: \"127.0.0.1:0\"}");
    let collector = Collector::start(&first);
    let admin = admin(&collector);
    let ask = |headers: &[(&str, &str)]| http::post(admin, "/-/reload", headers, b"");

    let answer = ask(&[]);
    assert_eq!((answer.status, answer.text().as_str()), (200, "Config updated\n"));
    collector.wait_for(UPDATED);

    collector.write_config(&first.replace("exporters: [nop]", "exporters: [nopp]"));
    let answer = ask(&[]);
    assert_eq!(answer.status, 422);
    let text = answer.text();
    for part in [
        "the running one stays",
        "no exporter or connector `nopp` is configured",
        "config.yaml:",
        "did you mean `nop`?",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert_eq!(collector.metric("collimator_reloads{outcome=\"refused\"}"), 1.0);
    // A web page in somebody's browser may not.
    assert_eq!(ask(&[("origin", "https://example.com")]).status, 403);
    assert_eq!(http::get(admin, "/-/reload").status, 405);
    assert_eq!(collector.metric("collimator_reloads{outcome=\"applied\"}"), 1.0);
    collector.stop_clean();
}

#[test]
fn nobody_listens_for_reloads_unless_asked() {
    let collector = Collector::start(&config::direct("nop", "{}"));
    assert!(!collector.output().contains("Taking reloads"));
    collector.stop_clean();
}

#[test]
fn logs_go_where_they_should_in_the_form_they_should() {
    let logs = "telemetry:
    resource: {service.name: shop-gateway, service.instance.id: null, zone: eu}
    logs: {encoding: json, output_paths: [stderr, DIR/own.log], disable_caller: true, initial_fields: {site: 7}}";
    let first = config::direct("nop", "{}").replacen("telemetry:", logs, 1);
    let collector = Collector::start(&first);
    let log = || std::fs::read_to_string(collector.file("own.log")).unwrap();
    let text = log();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ready =
        lines.iter().find(|line| line["msg"].as_str().unwrap().starts_with("Everything is ready")).unwrap();
    assert_eq!((&ready["level"], &ready["site"], &ready["caller"]), (&"info".into(), &7.into(), &().into()));
    let resource = serde_json::json!({"service.name": "shop-gateway", "service.version": ready["resource"]["service.version"], "zone": "eu"});
    assert_eq!(ready["resource"], resource);

    // A reload changes what is logged, and how.
    let quiet = first.replace("encoding: json", "level: error, encoding: console");
    collector.write_config(&quiet);
    collector.signal(Signal::SIGHUP);
    eventually("the reload to be over", || {
        (collector.metric("collimator_reloads{outcome=\"applied\"}") == 1.0).then_some(())
    });
    let before = log();
    collector.write_config(&first);
    collector.signal(Signal::SIGHUP);
    eventually("the second reload", || {
        (collector.metric("collimator_reloads{outcome=\"applied\"}") == 2.0).then_some(())
    });
    let new = log()[before.len()..].to_owned();
    assert!(new.lines().all(|line| line.contains("Config updated")), "{new}");
    collector.stop_clean();
}

/// A control group with half a processor, removed when this is dropped.
struct Group(PathBuf);

impl Group {
    fn new() -> std::io::Result<Self> {
        let root = PathBuf::from("/sys/fs/cgroup");
        let name = format!("collimator-test-{}", std::process::id());
        let first = root.join("cpu");
        let group = Self(if first.is_dir() { first.join(name) } else { root.join(name) });
        std::fs::create_dir(&group.0)?;
        if first.is_dir() {
            std::fs::write(group.0.join("cpu.cfs_period_us"), "100000")?;
            std::fs::write(group.0.join("cpu.cfs_quota_us"), "50000")?;
        } else {
            std::fs::write(group.0.join("cpu.max"), "50000 100000")?;
        }
        Ok(group)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The kernel lets go of ended processes a moment later.
        for _ in 0..100 {
            if std::fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn the_quota_of_the_container_is_respected() {
    let group = match Group::new() {
        Ok(group) => group,
        Err(error) => return skip(&format!("no control group can be made here: {error}")),
    };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.yaml");
    std::fs::write(&path, config::direct("nop", "{}")).unwrap();
    let script = "echo $$ > \"$0/cgroup.procs\" && exec \"$1\" --config \"$2\"";
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).arg(&group.0).arg(binary()).arg(&path).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = lines.find_map(|line| line.ok().filter(|line| line.contains("Starting collimator")));
    child.kill().unwrap();
    child.wait().unwrap();
    let line = line.expect("it starts");
    assert!(line.contains("\"cpus\": 0.5") && line.contains("\"workers\": 1"), "{line}");
}
