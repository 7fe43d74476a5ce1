//! The receiver's settings: the Collector's keys and defaults, and some of ours.

use std::time::Duration;

use aws::proxy::Switchable;
use config::{Checks, Choice, Fields, Section, setting_by_choice};
use xray::to_span::{Limits, Options};

/// Settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where datagrams are received.
    pub endpoint: String,
    /// `udp`.
    pub transport: String,
    /// The TCP proxy beside it.
    pub proxy_server: Switchable,
    /// MiB that the kernel is asked to keep unread datagrams in.
    pub receive_buffer_mib: usize,
    /// Longest time that documents wait to become one batch.
    pub batch_delay: Duration,
    /// MiB of documents that are held while the pipeline has no room.
    pub max_held_mib: usize,
    /// Whether what spans have no place for is carried in attributes.
    pub preserve_xray_fields: bool,
    /// Whether `fault` and `error` make a span an error.
    pub status_from_flags: bool,
    /// Whether an empty `cause` makes a span an error.
    pub empty_cause_is_error: bool,
    /// Whether links of segments become links of spans.
    pub links: bool,
    /// The names of attributes about HTTP.
    pub http_conventions: Conventions,
    /// The names of attributes about databases.
    pub database_conventions: Conventions,
    /// Bounds of one document.
    pub limits: DocumentLimits,
}

/// Bounds of one document.
#[derive(Clone, Debug)]
pub struct DocumentLimits {
    /// Levels of nested subsegments.
    pub max_depth: usize,
    /// Segments, nested ones included.
    pub max_segments: usize,
}

/// Which semantic conventions the names of attributes follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Conventions {
    /// The Collector's.
    #[default]
    Old,
    /// The stable ones.
    Stable,
    /// Both.
    Both,
}

impl Choice for Conventions {
    const SPELLINGS: &'static [(&'static str, Self)] =
        &[("old", Self::Old), ("stable", Self::Stable), ("both", Self::Both)];
}
setting_by_choice!(Conventions);

impl From<Conventions> for xray::to_span::Conventions {
    fn from(conventions: Conventions) -> Self {
        match conventions {
            Conventions::Old => Self::Old,
            Conventions::Stable => Self::Stable,
            Conventions::Both => Self::Both,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        let options = Options::default();
        Self {
            endpoint: "localhost:2000".to_owned(),
            transport: "udp".to_owned(),
            proxy_server: Switchable::default(),
            receive_buffer_mib: 16,
            batch_delay: Duration::from_millis(50),
            max_held_mib: 16,
            preserve_xray_fields: options.preserve,
            status_from_flags: options.status_from_flags,
            empty_cause_is_error: options.empty_cause_is_error,
            links: options.links,
            http_conventions: Conventions::Old,
            database_conventions: Conventions::Old,
            limits: DocumentLimits::default(),
        }
    }
}

impl Default for DocumentLimits {
    fn default() -> Self {
        let Limits { max_depth, max_segments, .. } = Limits::default();
        Self { max_depth, max_segments }
    }
}

impl Config {
    /// How documents are translated.
    #[must_use]
    pub fn options(&self) -> Options {
        Options {
            status_from_flags: self.status_from_flags,
            empty_cause_is_error: self.empty_cause_is_error,
            preserve: self.preserve_xray_fields,
            links: self.links,
            http: self.http_conventions.into(),
            database: self.database_conventions.into(),
            limits: Limits {
                max_depth: self.limits.max_depth,
                max_segments: self.limits.max_segments,
                ..Limits::default()
            },
        }
    }
}

impl Section for Config {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("endpoint", "host:port to receive datagrams on.", |c| &mut c.endpoint);
        fields
            .field("transport", "`udp`; there is no other.", |c| &mut c.transport)
            .check(|transport| check_transport(transport));
        fields.not_honoured("dialer", "How to connect.", "nothing is connected to");
        fields.field("proxy_server", "The HTTP server on TCP that SDKs ask for sampling rules.", |c| {
            &mut c.proxy_server
        });
        fields
            .field(
                "receive_buffer_mib",
                "MiB of datagrams that the kernel is asked to keep until they are read; 0 leaves it as it is. Ours.",
                |c| &mut c.receive_buffer_mib,
            )
            .at_most(1024);
        fields
            .field(
                "batch_delay",
                "Longest time that documents wait for others to become one batch. Ours.",
                |c| &mut c.batch_delay,
            )
            .at_most(Duration::from_secs(1));
        fields
            .field(
                "max_held_mib",
                "MiB that are held while the pipeline has no room, of each signal; then datagrams stay with the kernel. Ours.",
                |c| &mut c.max_held_mib,
            )
            .range(1..=1024);
        fields.field(
            "preserve_xray_fields",
            "Carry in attributes what spans have no place for, so that the exporter can write it again. Ours.",
            |c| &mut c.preserve_xray_fields,
        );
        fields.field("status_from_flags", "A segment with `fault` or `error` is an error. Ours.", |c| {
            &mut c.status_from_flags
        });
        fields.field("empty_cause_is_error", "A segment with an empty `cause` is an error. Ours.", |c| {
            &mut c.empty_cause_is_error
        });
        fields.field("links", "Links of segments become links of spans. Ours.", |c| &mut c.links);
        fields.field(
            "http_conventions",
            "Names of attributes about HTTP: `old` (`http.method`), `stable` (`http.request.method`), `both`. Ours.",
            |c| &mut c.http_conventions,
        );
        fields.field(
            "database_conventions",
            "Names of attributes about databases: `old` (`db.system`), `stable` (`db.system.name`), `both`. Ours.",
            |c| &mut c.database_conventions,
        );
        fields.field("limits", "Bounds of one document. Ours.", |c| &mut c.limits);
    }

    fn check(&self, checks: &mut Checks) {
        if self.transport == "udp" {
            checks.listens("endpoint", "udp", self.endpoint.as_str());
        }
        check_endpoint(checks, &self.endpoint);
    }
}

impl Section for DocumentLimits {
    fn describe(fields: &mut Fields<Self>) {
        let doc = "Levels of subsegments in a segment; a document with more is refused.";
        fields.field("max_depth", doc, |c| &mut c.max_depth).range(1..=256);
        let doc = "Segments and subsegments of a document; one with more is refused.";
        fields.field("max_segments", doc, |c| &mut c.max_segments).at_least(1);
    }
}

fn check_transport(transport: &str) -> Result<(), String> {
    const OTHERS: [&str; 10] =
        ["tcp", "tcp4", "tcp6", "udp4", "udp6", "ip", "ip4", "ip6", "unix", "unixgram"];
    match transport {
        "udp" => Ok(()),
        other if OTHERS.contains(&other) || other == "unixpacket" => {
            Err(format!("X-Ray receiver only supports ingesting spans through UDP, `{other}` was given"))
        }
        other => Err(format!("invalid transport type {other:?}: must be `udp`")),
    }
}

fn check_endpoint(checks: &mut Checks, endpoint: &str) {
    match endpoint.rsplit_once(':') {
        None => checks.when_built("endpoint", format!("address {endpoint}: missing port in address")),
        Some((_, port)) if port.parse::<u16>().is_err() => {
            checks.when_built("endpoint", format!("invalid port {port:?}: a number up to 65535 is needed"));
        }
        Some(_) => {}
    }
}
