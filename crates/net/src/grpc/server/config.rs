//! The gRPC server's keys in a configuration.

use std::time::Duration;

use config::{Fields, Optional, Section};

use super::{Keepalive, Settings};
use crate::listen;
use crate::tls;

/// The block of a gRPC server, `protocols.grpc` of the OTLP receiver for instance.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `endpoint`, `transport` and limits of the socket.
    pub listen: listen::Settings,
    /// TLS; plaintext without.
    pub tls: Optional<tls::ServerSettings>,
    /// Largest message in MiB; 0 is 4.
    pub max_recv_msg_size_mib: usize,
    /// Calls in flight per connection; 0 is 1,000.
    pub max_concurrent_streams: u32,
    /// How long connections live, and how dead ones are found.
    pub keepalive: Optional<KeepaliveConfig>,
    /// Give request headers to components that ask for client metadata.
    pub include_metadata: bool,
    /// See [`Settings::handshake_timeout`].
    pub handshake_timeout: Duration,
    /// See [`Settings::body_timeout`].
    pub body_timeout: Duration,
    /// See [`Settings::write_timeout`].
    pub write_timeout: Duration,
}

/// `keepalive:` of a server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeepaliveConfig {
    /// What the server does itself.
    pub server_parameters: Optional<Keepalive>,
}

impl Default for Config {
    fn default() -> Self {
        let settings = Settings::default();
        Self {
            listen: listen::Settings::default(),
            tls: Optional::None,
            max_recv_msg_size_mib: 0,
            max_concurrent_streams: settings.max_concurrent_streams,
            keepalive: Optional::None,
            include_metadata: false,
            handshake_timeout: settings.handshake_timeout,
            body_timeout: settings.body_timeout,
            write_timeout: settings.write_timeout,
        }
    }
}

impl Config {
    /// What [`serve_connection`](super::serve_connection) takes.
    pub fn settings(&self) -> Settings {
        let defaults = Settings::default();
        let keepalive = self.keepalive.get().and_then(|keepalive| keepalive.server_parameters.get());
        Settings {
            max_recv_msg_size: match self.max_recv_msg_size_mib {
                0 => defaults.max_recv_msg_size,
                mib => mib.saturating_mul(1 << 20),
            },
            max_concurrent_streams: self.max_concurrent_streams,
            keepalive: keepalive.cloned().unwrap_or_default(),
            handshake_timeout: self.handshake_timeout,
            body_timeout: self.body_timeout,
            write_timeout: self.write_timeout,
            ..defaults
        }
    }
}

impl Section for Config {
    fn describe(fields: &mut Fields<Self>) {
        fields.flatten(|c| &mut c.listen);
        fields.field("tls", "TLS; plaintext when absent.", |c| &mut c.tls);
        fields.field("max_recv_msg_size_mib", "Largest message in MiB; 0 is 4.", |c| {
            &mut c.max_recv_msg_size_mib
        });
        fields.field("max_concurrent_streams", "Calls in flight on one connection; 0 is 1000.", |c| {
            &mut c.max_concurrent_streams
        });
        fields.ignored::<i64>("read_buffer_size", "Bytes to read at once.", "buffers follow the traffic");
        fields.ignored::<i64>("write_buffer_size", "Bytes to write at once.", "buffers follow the traffic");
        fields.field("keepalive", "How long connections live, and how dead ones are found.", |c| {
            &mut c.keepalive
        });
        fields.field("include_metadata", "Keep request headers for components that ask for them.", |c| {
            &mut c.include_metadata
        });
        fields.field("handshake_timeout", "For a client to begin speaking. Ours.", |c| {
            &mut c.handshake_timeout
        });
        fields.field("body_timeout", "For each KiB of a message, or its end. Ours.", |c| &mut c.body_timeout);
        fields.field("write_timeout", "For a client to take what is sent to it. Ours.", |c| {
            &mut c.write_timeout
        });
        fields.ignored::<Dialer>("dialer", "Settings of outgoing connections.", "a server makes none");
        fields.unsupported(
            "auth",
            "Extension that authenticates callers.",
            "there are no authenticators of callers yet",
        );
        fields.unsupported("middlewares", "Extensions that calls pass through.", "there are none yet");
    }
}

/// `dialer:` of a server, read for its types only.
#[derive(Clone, Default)]
struct Dialer {
    timeout: Duration,
}

impl Section for Dialer {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("timeout", "For a connection to be made.", |c| &mut c.timeout).negative_if(|_| true);
    }
}

/// `keepalive.enforcement_policy:`, read for its types only.
#[derive(Clone, Default)]
struct EnforcementPolicy {
    min_time: Duration,
    permit_without_stream: bool,
}

impl Section for EnforcementPolicy {
    fn describe(fields: &mut Fields<Self>) {
        fields
            .field("min_time", "Least time between a client's pings.", |c| &mut c.min_time)
            .negative_if(|_| true);
        fields.field("permit_without_stream", "Allow pings when there is no call.", |c| {
            &mut c.permit_without_stream
        });
    }
}

impl Section for KeepaliveConfig {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("server_parameters", "What the server does itself.", |c| &mut c.server_parameters);
        fields.ignored::<EnforcementPolicy>(
            "enforcement_policy",
            "What clients may do.",
            "pings cost next to nothing, and clients that send many are not cut off",
        );
    }
}

impl Section for Keepalive {
    fn describe(fields: &mut Fields<Self>) {
        const FOR_EVER: &str = "for ever";
        fields
            .field("max_connection_idle", "Longest time without a call; 0 is for ever.", |c| {
                &mut c.max_connection_idle
            })
            .negative_is(Duration::ZERO, FOR_EVER);
        fields
            .field("max_connection_age", "Longest life of a connection; 0 is for ever.", |c| {
                &mut c.max_connection_age
            })
            .negative_is(Duration::ZERO, FOR_EVER);
        let doc = "For calls in flight at the end of that life; 0 is for ever.";
        fields
            .field("max_connection_age_grace", doc, |c| &mut c.max_connection_age_grace)
            .negative_is(Duration::ZERO, FOR_EVER);
        fields
            .field("time", "Silence before a ping; 0 is 2h.", |c| &mut c.time)
            .negative_is(Duration::ZERO, "the default, 2h");
        fields
            .field("timeout", "For the answer to a ping; 0 is 20s.", |c| &mut c.timeout)
            .negative_is(Duration::ZERO, "the default, 20s");
    }
}
