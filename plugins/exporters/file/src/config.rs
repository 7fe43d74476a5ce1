//! Settings: the Collector's keys and defaults.

use std::time::Duration;

use config::{Checks, Choice, Fields, Section, setting_by_choice};

/// What `flush_interval` is when it is not given.
const FLUSH_INTERVAL: Duration = Duration::from_secs(1);

/// Settings of the exporter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The file; with `group_by`, the pattern of the files.
    pub path: String,
    /// How a batch is written.
    pub format: Format,
    /// Id of an encoding extension. Not honoured.
    pub encoding: Option<String>,
    /// How a message is compressed.
    pub compression: Compression,
    /// Whether what the file holds at the start is kept.
    pub append: bool,
    /// Begins a new file when one is full.
    pub rotation: Option<Rotation>,
    /// Longest time that data stays in the buffer; zero for no buffer. `None` is the default, one second.
    pub flush_interval: Option<Duration>,
    /// One file for each value of a resource attribute.
    pub group_by: GroupBy,
    /// Whether the directory of the file is made at the start.
    pub create_directory: bool,
    /// Permissions of directories that are made, in octal; empty for `0755`.
    pub directory_permissions: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            path: String::new(),
            format: Format::Json,
            encoding: None,
            compression: Compression::None,
            append: false,
            rotation: None,
            flush_interval: Some(FLUSH_INTERVAL),
            group_by: GroupBy::default(),
            create_directory: false,
            directory_permissions: String::new(),
        }
    }
}

impl Section for Config {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("path", "The file; with `group_by`, with a `*` for the attribute's value.", |c| {
            &mut c.path
        });
        fields.field("format", "`json`: one line for each batch. `proto`: length and message.", |c| {
            &mut c.format
        });
        fields
            .field("encoding", "Id of an encoding extension, instead of `format`.", |c| &mut c.encoding)
            .unsupported("there are no encoding extensions yet, and `format` would write something else");
        fields.field("compression", "`zstd`: each message is one frame behind its length.", |c| {
            &mut c.compression
        });
        fields.ignored::<CompressionParams>(
            "compression_params",
            "Level of a compression of the file as a whole.",
            "each message is compressed by itself, at zstd's own default level",
        );
        fields.field("append", "Keep what the file holds at the start; otherwise it is emptied.", |c| {
            &mut c.append
        });
        fields.field("rotation", "Begin a new file when one is full.", |c| &mut c.rotation);
        fields.field(
            "flush_interval",
            "Longest time that data stays in memory; 0 writes at once, as does `rotation`.",
            |c| &mut c.flush_interval,
        );
        fields.field("group_by", "One file for each value of a resource attribute.", |c| &mut c.group_by);
        fields.field("create_directory", "Make the directory of the file at the start.", |c| {
            &mut c.create_directory
        });
        fields.field(
            "directory_permissions",
            "Permissions of directories that are made, in octal and less the umask; `0755` if not given.",
            |c| &mut c.directory_permissions,
        );
    }

    fn check(&self, checks: &mut Checks) {
        if self.path.is_empty() {
            checks.at("path", "path must be non-empty");
        }
        if self.append && self.rotation.is_some() {
            let message = "append and rotation enabled at the same time is not supported";
            checks.between(&["append", "rotation"], message);
        }
        if self.append && self.compression != Compression::None {
            let message = "append and compression enabled at the same time is not supported";
            checks.between(&["append", "compression"], message);
        }
        if self.group_by.enabled {
            self.check_groups(checks);
        }
        if self.directory_mode().is_none() {
            let message = "must be the bits of a file mode in octal, such as \"0755\"";
            checks.at("directory_permissions", message);
        } else if !self.directory_permissions.is_empty() && !self.create_directory {
            checks.at("directory_permissions", "directory_permissions requires create_directory to be true");
        }
    }
}

impl Config {
    /// How long data may stay in the buffer; `None` if there is none.
    ///
    /// Rotation has none, so that a file is cut between messages; grouped files are not rotated.
    #[must_use]
    pub fn buffering(&self) -> Option<Duration> {
        let rotated = self.rotation.is_some() && !self.group_by.enabled;
        let interval = self.flush_interval.unwrap_or(FLUSH_INTERVAL);
        (!rotated && !interval.is_zero()).then_some(interval)
    }

    /// The mode of directories that are made; `None` if the setting is not one.
    #[must_use]
    pub fn directory_mode(&self) -> Option<u32> {
        if self.directory_permissions.is_empty() {
            return Some(0o755);
        }
        let octal = self.directory_permissions.bytes().all(|byte| byte.is_ascii_digit());
        u32::from_str_radix(&self.directory_permissions, 8).ok().filter(|mode| octal && *mode <= 0o777)
    }

    fn check_groups(&self, checks: &mut Checks) {
        if self.path.matches('*').count() != 1 {
            checks.at("path", "path must contain exactly one * when group_by is enabled");
        } else if self.path.starts_with('*') {
            checks.at("path", "path must not start with * when group_by is enabled");
        }
        if self.group_by.resource_attribute.is_empty() {
            let message = "resource_attribute must not be empty when group_by is enabled";
            checks.at("group_by.resource_attribute", message);
        }
        if self.group_by.max_open_files == 0 {
            checks.when_built("group_by.max_open_files", "max_open_files must be positive");
        }
        if self.rotation.is_some() {
            checks.warn("rotation", "`rotation` has no effect: files of `group_by` are not rotated");
        }
    }
}

/// How a batch is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// OTLP/JSON, one line.
    #[default]
    Json,
    /// OTLP protobuf, behind its length.
    Proto,
}

impl Choice for Format {
    const SPELLINGS: &'static [(&'static str, Self)] = &[("json", Self::Json), ("proto", Self::Proto)];
}
setting_by_choice!(Format);

/// How a message is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// As one zstd frame.
    Zstd,
}

impl Choice for Compression {
    const SPELLINGS: &'static [(&'static str, Self)] = &[("", Self::None), ("zstd", Self::Zstd)];
}
setting_by_choice!(Compression);

/// When a file is full, and how long full ones are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// Largest size of a file, in MiB; zero for the default, 100.
    pub max_megabytes: u64,
    /// Files are removed so many days after they were full; zero for never.
    pub max_days: u64,
    /// Most full files that are kept; zero for all.
    pub max_backups: usize,
    /// Local time in the names of full files. Not honoured.
    pub localtime: bool,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { max_megabytes: 100, max_days: 0, max_backups: 100, localtime: false }
    }
}

/// `compression_params:`, read for its types only.
#[derive(Clone, Default)]
struct CompressionParams {
    level: i64,
}

impl Section for CompressionParams {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("level", "The codec's level.", |c| &mut c.level);
    }
}

impl Section for Rotation {
    fn describe(fields: &mut Fields<Self>) {
        fields
            .field("max_megabytes", "Largest size of a file, in MiB; 0 for 100.", |c| &mut c.max_megabytes)
            .negative_is(0, "the default, 100");
        fields
            .field("max_days", "Days after which a full file is removed; 0 for never.", |c| &mut c.max_days)
            .negative_is(0, "never");
        fields
            .field("max_backups", "Most full files that are kept; 0 for all.", |c| &mut c.max_backups)
            .negative_is(0, "all");
        fields
            .field("localtime", "Local time in the names of full files.", |c| &mut c.localtime)
            .not_honoured("the names are in UTC");
    }
}

/// One file for each value of a resource attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupBy {
    /// Whether there are such files.
    pub enabled: bool,
    /// The attribute.
    pub resource_attribute: String,
    /// Most files that are open at once.
    pub max_open_files: usize,
}

impl Default for GroupBy {
    fn default() -> Self {
        Self {
            enabled: false,
            resource_attribute: "fileexporter.path_segment".to_owned(),
            max_open_files: 100,
        }
    }
}

impl Section for GroupBy {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("enabled", "Write to several files.", |c| &mut c.enabled);
        fields.field("resource_attribute", "The attribute whose value replaces the `*` of `path`.", |c| {
            &mut c.resource_attribute
        });
        let doc = "Most files that are open at once; the least used is closed to make room.";
        fields.field("max_open_files", doc, |c| &mut c.max_open_files).negative_if(|c| !c.enabled);
    }
}
