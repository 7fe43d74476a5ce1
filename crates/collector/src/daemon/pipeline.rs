//! From the daemon's settings to a configuration of our own.

use anyhow::{Result, bail};
use serde_json::{Map, Value, json};

use crate::daemon::file::File;
use crate::daemon::flags::Flags;
use crate::machine;

/// Where the daemon listens, for both transports.
const ADDRESS: &str = "127.0.0.1:2000";
/// Calls at once.
const CONCURRENCY: u64 = 8;
/// Least memory for segments that wait, in MB.
const LEAST_BUFFER: u64 = 3;
/// Documents in a call, and how long the first of them waits for the others.
const BATCH: u64 = 50;
const BATCH_WAIT: &str = "1s";

/// The configuration, as JSON, which is YAML. Flags beat the file.
///
/// # Errors
/// If a value makes no sense to the daemon either.
pub(crate) fn configuration(flags: &Flags, file: &File) -> Result<String> {
    let text = |flag: &Option<String>, file: &str| flag.clone().unwrap_or_else(|| file.to_owned());
    let or = |text: String, default: &str| if text.is_empty() { default.to_owned() } else { text };
    let local_mode = flags.local_mode.unwrap_or(file.local_mode);
    let common = [
        ("region", text(&flags.region, &file.region)),
        ("role_arn", text(&flags.role_arn, &file.role_arn)),
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
    exporter.insert("sending_queue".into(), queue(flags.buffer_memory.unwrap_or(file.buffer_memory))?);
    let bind = or(text(&flags.bind, &file.socket.udp), ADDRESS);
    let configuration = json!({
        "receivers": {"awsxray": {"endpoint": literal(&bind), "proxy_server": proxy}},
        "exporters": {"awsxray": exporter},
        "service": {
            // The daemon opens no other port.
            "telemetry": {"metrics": {"level": "none"}, "logs": logs(flags, file)?},
            "pipelines": {"xray": {"receivers": ["awsxray"], "exporters": ["awsxray"]}},
        },
    });
    Ok(configuration.to_string())
}

/// Full, it makes the receiver wait, and the kernel keeps what comes; the daemon would drop the oldest.
fn queue(megabytes: u64) -> Result<Value> {
    let megabytes = match megabytes {
        0 => (machine::memory() / 100 / (1 << 20)).max(LEAST_BUFFER),
        given if given < LEAST_BUFFER => {
            bail!("Not enough buffers memory: {given} MB. Minimum memory required: {LEAST_BUFFER} MB")
        }
        given => given,
    };
    Ok(json!({
        "sizer": "bytes",
        "queue_size": megabytes << 20,
        "block_on_overflow": true,
        "batch": {"sizer": "items", "min_size": BATCH, "flush_timeout": BATCH_WAIT},
    }))
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
    let mut logs = Map::new();
    logs.insert("level".into(), level.into());
    if !path.is_empty() {
        logs.insert("output_paths".into(), json!([literal(path)]));
    }
    Ok(logs.into())
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
