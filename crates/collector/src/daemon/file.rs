//! The daemon's `cfg.yaml`.

use anyhow::{Result, anyhow};
use config::{Checks, Diagnostics, Fields, Node, Section, Sources, Value, yaml};

/// Its settings. As in the daemon, zero and nothing mean the default.
#[derive(Clone, Debug, Default)]
pub(crate) struct File {
    pub(crate) buffer_memory: u64,
    pub(crate) concurrency: u64,
    pub(crate) endpoint: String,
    pub(crate) region: String,
    pub(crate) socket: Socket,
    pub(crate) logging: Logging,
    pub(crate) local_mode: bool,
    pub(crate) resource_arn: String,
    pub(crate) role_arn: String,
    pub(crate) no_verify_ssl: bool,
    pub(crate) proxy_address: String,
    pub(crate) version: u64,
}

/// Where it listens.
#[derive(Clone, Debug, Default)]
pub(crate) struct Socket {
    pub(crate) udp: String,
    pub(crate) tcp: String,
}

/// What it logs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Logging {
    pub(crate) rotation: Option<bool>,
    pub(crate) level: String,
    pub(crate) path: String,
}

impl Section for File {
    fn describe(fields: &mut Fields<Self>) {
        fields.field(
            "TotalBufferSizeMB",
            "Memory for segments that wait, in MB; 0 is 1 % of the machine's.",
            |c| &mut c.buffer_memory,
        );
        fields.field("Concurrency", "Calls at once; 0 is 8.", |c| &mut c.concurrency);
        fields.field("Endpoint", "The service's URL instead of the Region's.", |c| &mut c.endpoint);
        fields.field("Region", "The AWS Region.", |c| &mut c.region);
        fields.field("Socket", "Where to listen.", |c| &mut c.socket);
        fields.field("Logging", "What to log.", |c| &mut c.logging);
        fields.field("LocalMode", "Do not ask EC2 for metadata.", |c| &mut c.local_mode);
        fields.field("ResourceARN", "The resource in telemetry records.", |c| &mut c.resource_arn);
        fields.field("RoleARN", "A role to assume.", |c| &mut c.role_arn);
        fields.field("NoVerifySSL", "Do not verify certificates.", |c| &mut c.no_verify_ssl);
        fields.field("ProxyAddress", "An HTTP proxy.", |c| &mut c.proxy_address);
        fields.field("Version", "Of the file's format: 1 or 2.", |c| &mut c.version).required().range(1..=2);
        for (key, instead) in [
            ("Profile", "it has no effect since version 2 of the file"),
            ("Processor", "it has no effect since version 2 of the file"),
            ("MemoryLimit", "use `TotalBufferSizeMB`"),
            ("LogRotation", "use `Logging`"),
        ] {
            fields.not_honoured(key, "Of an older daemon.", instead);
        }
    }

    fn check(&self, checks: &mut Checks) {
        if matches!(self.buffer_memory, 1 | 2) {
            checks.at("TotalBufferSizeMB", "must be at least 3");
        }
    }
}

impl Section for Socket {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("UDPAddress", "For segments.", |c| &mut c.udp);
        fields.field("TCPAddress", "For sampling calls.", |c| &mut c.tcp);
        fields.not_honoured("BufferSizeKB", "Of an older daemon.", "buffers are as large as segments may be");
    }
}

impl Section for Logging {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("LogRotation", "Begin a new file at 50 MB.", |c| &mut c.rotation);
        fields.field("LogLevel", "dev, debug, info, warn, error or prod.", |c| &mut c.level);
        fields.field("LogPath", "A file; standard output when empty.", |c| &mut c.path);
        fields.not_honoured("LogFormat", "Of an older daemon.", "there is one format");
    }
}

/// What becomes of keys that nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// In a file that was named they are errors.
    Refused,
    /// In a file that was found where the daemon looks for one they do no harm, as in the daemon.
    SetAside,
}

/// Keys that are known, by the key of the map they are in.
const KNOWN: [(&str, &[&str]); 3] = [
    (
        "",
        &[
            "TotalBufferSizeMB",
            "Concurrency",
            "Endpoint",
            "Region",
            "Socket",
            "Logging",
            "LocalMode",
            "ResourceARN",
            "RoleARN",
            "NoVerifySSL",
            "ProxyAddress",
            "Version",
        ],
    ),
    ("Socket", &["UDPAddress", "TCPAddress"]),
    ("Logging", &["LogRotation", "LogLevel", "LogPath"]),
];

/// Takes keys that nobody knows out of the map under `inside`, and says which.
fn set_aside(node: &mut Node, inside: &str, path: &str) {
    let Value::Map(entries) = &mut node.value else { return };
    let known = KNOWN.into_iter().find(|(map, _)| *map == inside).map_or(&[][..], |(_, keys)| keys);
    entries.retain_mut(|(key, value)| {
        let is_known = known.contains(&key.text.as_str());
        if !is_known {
            let dot = if inside.is_empty() { "" } else { "." };
            eprintln!("warning: {path}: {inside}{dot}{}: this key has no effect", key.text);
        } else if inside.is_empty() && KNOWN.into_iter().any(|(map, _)| map == key.text) {
            let map = key.text.clone();
            set_aside(value, &map, path);
        }
        is_known
    });
}

/// Reads the file; warnings are printed.
///
/// # Errors
/// Everything that is wrong with it, each at its place.
pub(crate) fn read(path: &str, text: &str, unknown: Unknown) -> Result<File> {
    let mut sources = Sources::default();
    let source = sources.add(path, text);
    let mut diagnostics = Diagnostics::new(sources);
    let file = yaml::parse(text, source, &mut diagnostics).and_then(|mut node| {
        if unknown == Unknown::SetAside {
            set_aside(&mut node, "", path);
        }
        config::read::<File>(&node, &mut diagnostics, "")
    });
    let file =
        file.ok_or_else(|| anyhow!("the daemon's configuration file is not valid\n\n{diagnostics}"))?;
    if !diagnostics.is_empty() {
        eprint!("{diagnostics}");
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The daemon's own sample, `cfg.yaml` of its archive.
    const SAMPLE: &str = "\
# Maximum buffer size in MB (minimum 3). Choose 0 to use 1% of host memory.
TotalBufferSizeMB: 0
Concurrency: 8
Region: \"us-west-1\"
Endpoint: \"\"
Socket:
  UDPAddress: \"127.0.0.1:2000\"
  TCPAddress: \"127.0.0.1:2000\"
Logging:
  LogRotation: true
  LogLevel: \"dev\"
  LogPath: \"\"
LocalMode: false
ResourceARN: \"\"
RoleARN: \"\"
NoVerifySSL: false
ProxyAddress: \"\"
Version: 2
";

    #[test]
    fn the_daemons_own_sample_is_read() {
        let file = read("cfg.yaml", SAMPLE, Unknown::Refused).expect("valid");
        assert_eq!(
            (file.region.as_str(), file.concurrency, file.logging.level.as_str()),
            ("us-west-1", 8, "dev")
        );
        assert_eq!(file.socket.udp, "127.0.0.1:2000");
    }

    #[test]
    fn what_is_wrong_has_its_place() {
        for (text, expected) in [
            ("Region: x\n", "Version"),
            ("Version: 3\n", "must be between 1 and 2"),
            ("Version: 2\nRegio: x\n", "did you mean `Region`?"),
            ("Version: 2\nTotalBufferSizeMB: 2\n", "must be at least 3"),
            ("Version: 2\nSocket: {UDPAdress: x}\n", "did you mean `UDPAddress`?"),
        ] {
            let error = read("cfg.yaml", text, Unknown::Refused).expect_err(text).to_string();
            assert!(error.contains(expected) && error.contains("cfg.yaml:"), "{text}: {error}");
        }
    }

    #[test]
    fn in_a_usual_place_unknown_keys_are_set_aside() {
        let text =
            "{Version: 2, Region: a, Profile: {CPU: b}, Logging: {LogLevel: warn, LogFormat: x}, New: 1}";
        let file = read("cfg.yaml", text, Unknown::SetAside).expect("valid");
        assert_eq!((file.region.as_str(), file.logging.level.as_str()), ("a", "warn"));
        assert!(read("cfg.yaml", "Region: a", Unknown::SetAside).is_err(), "a version is needed anyway");
        assert!(read("cfg.yaml", text, Unknown::Refused).is_err());
    }
}
