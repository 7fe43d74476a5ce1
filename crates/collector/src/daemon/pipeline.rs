//! From the daemon's settings to a configuration of our own.

use anyhow::{Result, bail};
use serde_json::{Map, Value, json};

use crate::daemon::file::File;
use crate::daemon::flags::Flags;

/// Where the daemon listens, for both transports.
const ADDRESS: &str = "127.0.0.1:2000";
/// Calls at once.
const CONCURRENCY: u64 = 8;
/// What the owner of an assumed role sees, and may ask for.
const ROLE_SESSION: &str = "xray-daemon";
/// MB of the log file before a new one is begun, unless that is turned off; one former file is kept.
const LOG_SIZE: u64 = 50;
/// Least memory for segments that wait, in MB.
const LEAST_BUFFER: u64 = 3;
/// Most of it: a machine without bounds says so by a very large number.
const MOST_BUFFER: u64 = 1 << 20;
/// Most of it that the receiver holds while the queue is full: its own default, in MiB.
const MOST_HELD: u64 = 16;
/// Documents in a call, and how long the first of them waits for the others.
const BATCH: u64 = 50;
const BATCH_WAIT: &str = "1s";

/// The configuration, as JSON, which is YAML. Flags beat the file.
///
/// # Errors
/// If a value makes no sense to the daemon either.
pub(crate) fn configuration(flags: &Flags, file: &File, region: &str, buffer: u64) -> Result<String> {
    let text = |flag: &Option<String>, file: &str| flag.clone().unwrap_or_else(|| file.to_owned());
    let or = |text: String, default: &str| if text.is_empty() { default.to_owned() } else { text };
    let local_mode = flags.local_mode.unwrap_or(file.local_mode);
    let role = text(&flags.role_arn, &file.role_arn);
    let session = if role.is_empty() { "" } else { ROLE_SESSION };
    let common = [
        ("region", region.to_owned()),
        ("role_arn", role),
        ("role_session_name", session.to_owned()),
        ("proxy_address", text(&flags.proxy_address, &file.proxy_address)),
    ];
    let mut proxy = given(&common);
    proxy.insert("endpoint".into(), literal(&or(text(&flags.bind_tcp, &file.socket.tcp), ADDRESS)));
    proxy.extend(given(&[("aws_endpoint", file.endpoint.clone())]));
    proxy.insert("local_mode".into(), local_mode.into());
    if file.no_verify_ssl {
        // The key's meaning here is the Collector's: certificates are not verified.
        proxy.insert("tls".into(), json!({"insecure": true}));
    }
    let mut exporter = given(&common);
    exporter.extend(given(&[
        ("endpoint", file.endpoint.clone()),
        ("resource_arn", text(&flags.resource_arn, &file.resource_arn)),
    ]));
    exporter.insert("local_mode".into(), local_mode.into());
    exporter.insert("no_verify_ssl".into(), file.no_verify_ssl.into());
    let workers = if file.concurrency == 0 { CONCURRENCY } else { file.concurrency };
    exporter.insert("num_workers".into(), workers.into());
    exporter.insert("telemetry".into(), json!({"enabled": true, "include_metadata": !local_mode}));
    let held = (buffer / 4).clamp(1, MOST_HELD);
    exporter.insert("sending_queue".into(), queue(buffer.saturating_sub(held).max(1)));
    let bind = or(text(&flags.bind, &file.socket.udp), ADDRESS);
    let configuration = json!({
        "receivers": {"awsxray": {"endpoint": literal(&bind), "max_held_mib": held, "proxy_server": proxy}},
        "exporters": {"awsxray": exporter},
        "service": {
            // The daemon opens no other port.
            "telemetry": {"metrics": {"level": "none"}, "logs": logs(flags, file)?},
            "pipelines": {"xray": {"receivers": ["awsxray"], "exporters": ["awsxray"]}},
        },
    });
    Ok(configuration.to_string())
}

/// MB for segments that wait: what flag or file say, or a hundredth of the machine's.
///
/// # Errors
/// If that is less than the daemon starts with.
pub(crate) fn buffer(flags: &Flags, file: &File, memory: u64) -> Result<u64> {
    match flags.buffer_memory.filter(|size| *size > 0).unwrap_or(file.buffer_memory) {
        0 => Ok((memory / 100 / (1 << 20)).clamp(LEAST_BUFFER, MOST_BUFFER)),
        given if given < LEAST_BUFFER => {
            bail!("Not enough buffers memory: {given} MB. Minimum memory required: {LEAST_BUFFER} MB")
        }
        given => Ok(given.min(MOST_BUFFER)),
    }
}

/// Full, it makes the receiver wait, and the kernel keeps what comes; the daemon would drop the oldest.
fn queue(megabytes: u64) -> Value {
    json!({
        "sizer": "bytes",
        "queue_size": megabytes << 20,
        "block_on_overflow": true,
        "batch": {"sizer": "items", "min_size": BATCH, "flush_timeout": BATCH_WAIT},
    })
}

fn logs(flags: &Flags, file: &File) -> Result<Value> {
    let level = flags.log_level.as_deref().unwrap_or(&file.logging.level);
    let level = match level.to_ascii_lowercase().as_str() {
        "dev" | "debug" => "debug",
        "" | "prod" | "info" => "info",
        "warn" => "warn",
        "error" => "error",
        _ => bail!("log level {level:?}: expected one of dev, debug, info, warn, error, prod"),
    };
    let path = flags.log_file.as_deref().unwrap_or(&file.logging.path);
    let path = if path.is_empty() { "stdout" } else { path };
    // The daemon's lines, where the daemon writes them.
    Ok(json!({
        "level": level,
        "encoding": "xray_daemon",
        "output_paths": [literal(path)],
        "rotate_at_mib": if file.logging.rotation.unwrap_or(true) { LOG_SIZE } else { 0 },
        "disable_zap_resource": true,
    }))
}

/// Those that are not empty.
fn given(values: &[(&str, String)]) -> Map<String, Value> {
    let given = values.iter().filter(|(_, value)| !value.is_empty());
    given.map(|(key, value)| ((*key).to_owned(), literal(value))).collect()
}

/// A text in which nothing is a reference.
fn literal(text: &str) -> Value {
    text.replace('$', "$$").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::flags::{Parsed, parse};

    fn flags(text: &str) -> Flags {
        let arguments: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        let Ok(Parsed::Run(flags)) = parse(&arguments) else { panic!("{text}") };
        *flags
    }

    #[test]
    fn a_hundredth_of_the_memory_is_for_segments() {
        let mib = |text: &str, memory: u64| buffer(&flags(text), &File::default(), memory << 20);
        assert_eq!(mib("", 16_384).unwrap(), 163);
        assert_eq!((mib("", 64).unwrap(), mib("-m 3", 64).unwrap()), (3, 3));
        assert_eq!(buffer(&flags(""), &File::default(), u64::MAX).unwrap(), MOST_BUFFER);
        assert!(mib("-m 2", 64).unwrap_err().to_string().contains("3 MB"));
        assert_eq!(buffer(&flags("-m 0"), &File { buffer_memory: 7, ..File::default() }, 0).unwrap(), 7);
    }

    #[test]
    fn receiver_and_queue_share_the_buffer() {
        for (buffer, held, queue) in
            [(3, 1, 2), (16, 4, 12), (163, 16, 147), (MOST_BUFFER, 16, MOST_BUFFER - 16)]
        {
            let made = configuration(&flags(""), &File::default(), "eu-west-1", buffer).unwrap();
            let made: Value = serde_json::from_str(&made).unwrap();
            assert_eq!(made["receivers"]["awsxray"]["max_held_mib"], held);
            assert_eq!(made["exporters"]["awsxray"]["sending_queue"]["queue_size"], queue << 20);
        }
    }

    #[test]
    fn flags_go_before_the_file() {
        let file = File { proxy_address: "http://file:1".to_owned(), concurrency: 3, ..File::default() };
        let made = |text: &str| -> Value {
            let made = configuration(&flags(text), &file, "eu-west-1", 16).unwrap();
            serde_json::from_str(&made).unwrap()
        };
        let (plain, told) = (
            made(""),
            made("-r arn:aws:iam::1:role/r -p http://u:pa$w@p:1 -b 0.0.0.0:3000 -f /var/log/x.log -l dev -o"),
        );
        let at = |made: &Value, path: &str| made.pointer(path).cloned().unwrap_or_default();
        let (receiver, exporter) = ("/receivers/awsxray", "/exporters/awsxray");
        assert_eq!(at(&plain, &format!("{receiver}/endpoint")), ADDRESS);
        assert_eq!(at(&plain, &format!("{exporter}/num_workers")), 3);
        assert_eq!(at(&plain, &format!("{receiver}/proxy_server/region")), "eu-west-1");
        assert_eq!(at(&plain, &format!("{exporter}/proxy_address")), "http://file:1");
        assert_eq!(at(&plain, "/service/telemetry/logs/output_paths/0"), "stdout");
        assert_eq!(at(&plain, "/service/telemetry/logs/rotate_at_mib"), 50);
        assert_eq!(at(&told, &format!("{exporter}/proxy_address")), "http://u:pa$$w@p:1", "no reference");
        assert_eq!(at(&told, &format!("{receiver}/endpoint")), "0.0.0.0:3000");
        assert_eq!(at(&told, "/service/telemetry/logs/output_paths/0"), "/var/log/x.log");
        assert_eq!(at(&told, "/service/telemetry/logs/level"), "debug");
        assert_eq!(at(&told, &format!("{exporter}/local_mode")), true);
        for place in [exporter, "/receivers/awsxray/proxy_server"] {
            assert_eq!(at(&told, &format!("{place}/role_session_name")), "xray-daemon");
            assert_eq!(at(&plain, &format!("{place}/role_session_name")), Value::Null);
        }
    }
}
