//! What can be said about a gRPC client.

use std::time::Duration;

use ::config::{Choice, Secret};

use crate::compression::Compression;
use crate::tls;

/// What a gRPC client does. The keys are the Collector's unless marked as ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// See [`Endpoint::parse`](crate::endpoint::Endpoint::parse) for its forms.
    pub endpoint: String,
    /// How messages are compressed: `gzip`, `snappy`, `zstd` or not.
    pub compression: Compression,
    /// TLS, which is on unless `insecure`.
    pub tls: tls::ClientSettings,
    /// Pings on silent connections; without the block there are none.
    pub keepalive: Option<Keepalive>,
    /// Let calls wait while no server can be reached, instead of failing them.
    pub wait_for_ready: bool,
    /// Sent with every call; names are lower-cased.
    pub headers: Vec<(String, Secret)>,
    /// How calls are spread over the endpoint's addresses.
    pub balancer: Balancer,
    /// `:authority` in place of the endpoint's host and port; empty is unset.
    pub authority: String,
    /// `user-agent`; empty is ours.
    pub user_agent: String,
    /// Largest answer in bytes, on the wire and decompressed. Ours; gRPC's default.
    pub max_recv_msg_size: usize,
    /// For a connection to be made, with TLS. Ours; gRPC's default.
    pub connect_timeout: Duration,
    /// Longest pause between attempts to connect. Ours; gRPC's default.
    pub max_reconnect_backoff: Duration,
    /// How often a name is looked up again; it is, besides, when a connection fails. Ours.
    pub resolve_interval: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            compression: Compression::None,
            tls: tls::ClientSettings::default(),
            keepalive: None,
            wait_for_ready: false,
            headers: Vec::new(),
            balancer: Balancer::RoundRobin,
            authority: String::new(),
            user_agent: String::new(),
            max_recv_msg_size: 4 << 20,
            connect_timeout: Duration::from_secs(20),
            max_reconnect_backoff: Duration::from_secs(120),
            resolve_interval: Duration::from_secs(30),
        }
    }
}

/// `keepalive:` of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keepalive {
    /// Silence after which the server is pinged; less than 10 s is 10 s.
    pub time: Duration,
    /// For the answer to a ping; zero is 20 s.
    pub timeout: Duration,
    /// Ping also while no call is in flight.
    pub permit_without_stream: bool,
}

/// How calls are spread: the values of `balancer_name`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balancer {
    /// One connection to each address, calls in turn.
    #[default]
    RoundRobin,
    /// One connection, to the first address that answers.
    PickFirst,
}

impl Choice for Balancer {
    const SPELLINGS: &'static [(&'static str, Self)] =
        &[("round_robin", Self::RoundRobin), ("", Self::RoundRobin), ("pick_first", Self::PickFirst)];
}

::config::setting_by_choice!(Balancer);
