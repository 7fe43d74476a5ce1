//! The gRPC client's keys in a configuration.

use std::time::Duration;

use config::{Checks, Fields, Headers, Optional, Section};
use http::uri::Authority;
use http::{HeaderName, HeaderValue};

use super::{Balancer, Keepalive, Settings};
use crate::compression::ForGrpc;
use crate::endpoint::Endpoint;
use crate::http::invalid_header;
use crate::tls;

/// The block that gRPC exporters take in with `flatten`.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// See [`Endpoint::parse`]. Whether it may be missing is the component's to check.
    pub endpoint: String,
    /// How messages are compressed.
    pub compression: ForGrpc,
    /// TLS, on by default.
    pub tls: tls::ClientSettings,
    /// Pings on silent connections.
    pub keepalive: Optional<Keepalive>,
    /// Let calls wait while no server can be reached.
    pub wait_for_ready: bool,
    /// Sent with every call.
    pub headers: Headers,
    /// How calls are spread over addresses.
    pub balancer_name: Balancer,
    /// `:authority` in place of the endpoint's.
    pub authority: String,
    /// `user-agent` in place of ours.
    pub user_agent: String,
    /// See [`Settings::max_recv_msg_size`].
    pub max_recv_msg_size: usize,
    /// See [`Settings::connect_timeout`].
    pub connect_timeout: Duration,
    /// See [`Settings::max_reconnect_backoff`].
    pub max_reconnect_backoff: Duration,
    /// See [`Settings::resolve_interval`].
    pub resolve_interval: Duration,
}

impl Default for Config {
    fn default() -> Self {
        let settings = Settings::default();
        Self {
            endpoint: String::new(),
            compression: ForGrpc(settings.compression),
            tls: settings.tls,
            keepalive: Optional::None,
            wait_for_ready: settings.wait_for_ready,
            headers: Headers::default(),
            balancer_name: settings.balancer,
            authority: settings.authority,
            user_agent: settings.user_agent,
            max_recv_msg_size: settings.max_recv_msg_size,
            connect_timeout: settings.connect_timeout,
            max_reconnect_backoff: settings.max_reconnect_backoff,
            resolve_interval: settings.resolve_interval,
        }
    }
}

impl Config {
    /// What [`Client::new`](super::Client::new) takes.
    pub fn settings(&self) -> Settings {
        Settings {
            endpoint: self.endpoint.clone(),
            compression: self.compression.0,
            tls: self.tls.clone(),
            keepalive: self.keepalive.get().cloned(),
            wait_for_ready: self.wait_for_ready,
            headers: self.headers.0.clone(),
            balancer: self.balancer_name,
            authority: self.authority.clone(),
            user_agent: self.user_agent.clone(),
            max_recv_msg_size: self.max_recv_msg_size,
            connect_timeout: self.connect_timeout,
            max_reconnect_backoff: self.max_reconnect_backoff,
            resolve_interval: self.resolve_interval,
        }
    }
}

impl Section for Config {
    fn describe(fields: &mut Fields<Self>) {
        fields
            .field("endpoint", "Where to send: host:port, dns:///host:port or unix:///path.", |c| {
                &mut c.endpoint
            })
            .url();
        fields.field("compression", "How messages are compressed: gzip, snappy, zstd or none.", |c| {
            &mut c.compression
        });
        fields.field("tls", "TLS, which is on unless insecure.", |c| &mut c.tls);
        fields.field("keepalive", "Pings on silent connections; none when absent.", |c| &mut c.keepalive);
        fields.ignored::<i64>("read_buffer_size", "Bytes to read at once.", "buffers follow the traffic");
        fields.ignored::<i64>("write_buffer_size", "Bytes to write at once.", "buffers follow the traffic");
        fields.field("wait_for_ready", "Let calls wait while no server can be reached.", |c| {
            &mut c.wait_for_ready
        });
        fields.field("headers", "Sent with every call.", |c| &mut c.headers);
        fields.field("balancer_name", "How calls are spread over addresses.", |c| &mut c.balancer_name);
        fields.field("authority", "The :authority to send in place of the endpoint's.", |c| &mut c.authority);
        fields.field("user_agent", "The user-agent to send in place of our own.", |c| &mut c.user_agent);
        fields
            .field("max_recv_msg_size", "Largest answer in bytes. Ours.", |c| &mut c.max_recv_msg_size)
            .at_least(1);
        fields.field("connect_timeout", "For a connection to be made. Ours.", |c| &mut c.connect_timeout);
        fields.field("max_reconnect_backoff", "Longest pause between attempts to connect. Ours.", |c| {
            &mut c.max_reconnect_backoff
        });
        fields.field("resolve_interval", "How often the endpoint's name is looked up. Ours.", |c| {
            &mut c.resolve_interval
        });
        fields.unsupported("auth", "Extension that signs calls.", "there are no authenticators for gRPC yet");
        fields.unsupported("middlewares", "Extensions that calls pass through.", "there are none yet");
    }

    fn check(&self, checks: &mut Checks) {
        if HeaderValue::try_from(self.user_agent.as_str()).is_err() {
            checks.at("user_agent", format!("invalid header {:?}", self.user_agent));
        }
        for (name, value) in &self.headers.0 {
            if HeaderName::try_from(name).is_err() {
                checks.warn("headers", format!("{name:?} is no name of a header: it is not sent"));
            } else if HeaderValue::try_from(value.expose()).is_err() {
                checks.at("headers", invalid_header(name, value));
            }
        }
        if !self.authority.is_empty() && Authority::try_from(self.authority.as_str()).is_err() {
            checks.at("authority", format!("invalid authority {:?}", self.authority));
        }
        if self.endpoint.is_empty() {
            return;
        }
        match Endpoint::parse(&self.endpoint) {
            Ok(_) => {}
            // What is wrong may be the password.
            Err(_) if self.endpoint.contains('@') => {
                checks.at("endpoint", "an address has no user and no password");
            }
            Err(error) => checks.at("endpoint", error.to_string()),
        }
    }
}

impl Section for Keepalive {
    fn describe(fields: &mut Fields<Self>) {
        fields
            .field("time", "Silence before a ping; at least 10s.", |c| &mut c.time)
            .negative_is(Duration::from_secs(10), "the least there is, 10s");
        fields
            .field("timeout", "For the answer to a ping; 0 is 20s.", |c| &mut c.timeout)
            .negative_is(Duration::ZERO, "the default, 20s");
        fields.field("permit_without_stream", "Ping while no call is in flight, too.", |c| {
            &mut c.permit_without_stream
        });
    }
}
