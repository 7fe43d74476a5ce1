//! What can be said about an HTTP server.

use std::time::Duration;

use ::config::Secret;

use crate::http::cors;

/// What an HTTP server allows: the Collector's keys unless marked as ours. Durations of zero are no limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Largest body in bytes, both as sent and decompressed.
    pub max_request_body_size: usize,
    /// Accepted `Content-Encoding`s; an empty name is a body without one.
    pub compression_algorithms: Vec<String>,
    /// For a whole request, from the end of its head.
    pub read_timeout: Duration,
    /// For a request's head.
    pub read_header_timeout: Duration,
    /// For the client to take what is sent to it: the longest wait without any progress.
    pub write_timeout: Duration,
    /// For the next request.
    pub idle_timeout: Duration,
    /// Serve more than the first request of a connection, or in HTTP/2 those that came with it.
    pub keep_alives_enabled: bool,
    /// Answer clients that have closed their side of the connection. Otherwise such a client has gone away, which ends
    /// the work for it. Ours, and no key.
    pub half_close: bool,
    /// Added to every answer.
    pub response_headers: Vec<(String, Secret)>,
    /// Web pages that may send here.
    pub cors: Option<cors::Settings>,
    /// For the first request's head, and for later ones if `read_header_timeout` is zero. Ours.
    pub handshake_timeout: Duration,
    /// In each such interval a body has to bring 1 KiB, or its end. Ours.
    pub body_timeout: Duration,
    /// Requests in flight on one HTTP/2 connection. Ours.
    pub max_concurrent_streams: u32,
}

impl Default for Settings {
    fn default() -> Self {
        let algorithms = ["", "gzip", "zstd", "zlib", "snappy", "deflate", "lz4", "x-snappy-framed"];
        Self {
            max_request_body_size: 20 << 20,
            compression_algorithms: algorithms.map(str::to_owned).to_vec(),
            read_timeout: Duration::ZERO,
            read_header_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            keep_alives_enabled: true,
            half_close: true,
            response_headers: Vec::new(),
            cors: None,
            handshake_timeout: Duration::from_secs(60),
            body_timeout: Duration::from_secs(30),
            max_concurrent_streams: 250,
        }
    }
}
