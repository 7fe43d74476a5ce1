//! The HTTP server's keys in a configuration.

use std::time::Duration;

use config::{Checks, Fields, Headers, Optional, Section};
use http::{HeaderName, HeaderValue};

use super::Settings;
use crate::compression::{Encoding, http_name_is_identity};
use crate::http::{cors, invalid_header};
use crate::listen;
use crate::tls;

/// The block of an HTTP server, `protocols.http` of the OTLP receiver for instance.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `endpoint`, `transport` and limits of the socket.
    pub listen: listen::Settings,
    /// TLS; plaintext without.
    pub tls: Optional<tls::ServerSettings>,
    /// Web pages that may send here.
    pub cors: Optional<cors::Settings>,
    /// Largest body in bytes, as sent and decompressed; 0 is 20 MiB.
    pub max_request_body_size: usize,
    /// Give request headers to components that ask for client metadata.
    pub include_metadata: bool,
    /// Added to every answer.
    pub response_headers: Headers,
    /// Accepted `Content-Encoding`s.
    pub compression_algorithms: Vec<String>,
    /// See [`Settings::read_timeout`].
    pub read_timeout: Duration,
    /// See [`Settings::read_header_timeout`].
    pub read_header_timeout: Duration,
    /// See [`Settings::write_timeout`].
    pub write_timeout: Duration,
    /// See [`Settings::idle_timeout`].
    pub idle_timeout: Duration,
    /// See [`Settings::keep_alives_enabled`].
    pub keep_alives_enabled: bool,
    /// See [`Settings::handshake_timeout`].
    pub handshake_timeout: Duration,
    /// See [`Settings::body_timeout`].
    pub body_timeout: Duration,
    /// See [`Settings::max_concurrent_streams`].
    pub max_concurrent_streams: u32,
}

impl Default for Config {
    fn default() -> Self {
        let settings = Settings::default();
        Self {
            listen: listen::Settings::default(),
            tls: Optional::None,
            cors: Optional::None,
            max_request_body_size: settings.max_request_body_size,
            include_metadata: false,
            response_headers: Headers::default(),
            compression_algorithms: settings.compression_algorithms,
            read_timeout: settings.read_timeout,
            read_header_timeout: settings.read_header_timeout,
            write_timeout: settings.write_timeout,
            idle_timeout: settings.idle_timeout,
            keep_alives_enabled: settings.keep_alives_enabled,
            handshake_timeout: settings.handshake_timeout,
            body_timeout: settings.body_timeout,
            max_concurrent_streams: settings.max_concurrent_streams,
        }
    }
}

impl Config {
    /// What [`serve_connection`](super::serve_connection) takes.
    pub fn settings(&self) -> Settings {
        Settings {
            max_request_body_size: match self.max_request_body_size {
                0 => Settings::default().max_request_body_size,
                size => size,
            },
            compression_algorithms: self.compression_algorithms.clone(),
            read_timeout: self.read_timeout,
            read_header_timeout: self.read_header_timeout,
            write_timeout: self.write_timeout,
            idle_timeout: self.idle_timeout,
            keep_alives_enabled: self.keep_alives_enabled,
            response_headers: self.response_headers.0.clone(),
            half_close: true,
            cors: self.cors.get().cloned(),
            handshake_timeout: self.handshake_timeout,
            body_timeout: self.body_timeout,
            max_concurrent_streams: self.max_concurrent_streams,
        }
    }
}

/// What a negative time limit means to Go's HTTP server, too.
const NO_LIMIT: &str = "no limit";

impl Section for Config {
    fn describe(fields: &mut Fields<Self>) {
        fields.flatten(|c| &mut c.listen);
        fields.field("tls", "TLS; plaintext when absent.", |c| &mut c.tls);
        fields.field("cors", "Web pages that may send here; none when absent.", |c| &mut c.cors);
        fields
            .field("max_request_body_size", "Largest body in bytes, as sent and decompressed.", |c| {
                &mut c.max_request_body_size
            })
            .negative_is(0, "the default, 20 MiB");
        fields.field("include_metadata", "Keep request headers for components that ask for them.", |c| {
            &mut c.include_metadata
        });
        fields.field("response_headers", "Added to every answer.", |c| &mut c.response_headers);
        fields.field("compression_algorithms", "Accepted Content-Encodings; an empty one is none.", |c| {
            &mut c.compression_algorithms
        });
        fields
            .field("read_timeout", "For a whole request; 0 is no limit.", |c| &mut c.read_timeout)
            .negative_is(Duration::ZERO, NO_LIMIT);
        fields
            .field("read_header_timeout", "For a request's head; 0 is handshake_timeout.", |c| {
                &mut c.read_header_timeout
            })
            .negative_is(Duration::ZERO, "the same as `handshake_timeout`");
        fields
            .field("write_timeout", "For the client to take what is sent; 0 is no limit.", |c| {
                &mut c.write_timeout
            })
            .negative_is(Duration::ZERO, NO_LIMIT);
        fields
            .field("idle_timeout", "For the next request; 0 is no limit.", |c| &mut c.idle_timeout)
            .negative_is(Duration::ZERO, NO_LIMIT);
        fields.field("keep_alives_enabled", "Serve more than one request on a connection.", |c| {
            &mut c.keep_alives_enabled
        });
        fields
            .field("handshake_timeout", "For the first request's head. Ours.", |c| &mut c.handshake_timeout);
        fields.field("body_timeout", "For each KiB of a body, or its end. Ours.", |c| &mut c.body_timeout);
        fields
            .field("max_concurrent_streams", "Requests in flight on one HTTP/2 connection. Ours.", |c| {
                &mut c.max_concurrent_streams
            })
            .at_least(1);
        fields.unsupported(
            "auth",
            "Extension that authenticates callers.",
            "there are no authenticators of callers yet",
        );
        fields.unsupported("middlewares", "Extensions that requests pass through.", "there are none yet");
    }

    fn check(&self, checks: &mut Checks) {
        for (index, name) in self.compression_algorithms.iter().enumerate() {
            if !http_name_is_identity(name) && Encoding::from_http(name).is_none() {
                // The Collector takes any name and then decompresses nothing of it.
                let message = format!("unsupported compression type {name:?}: such requests are refused");
                checks.warn(&format!("compression_algorithms.{index}"), message);
            }
        }
        for (name, value) in &self.response_headers.0 {
            if HeaderName::try_from(name).is_err() || HeaderValue::try_from(value.expose()).is_err() {
                checks.at("response_headers", invalid_header(name, value));
            }
        }
    }
}

impl Section for cors::Settings {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("allowed_origins", "Origins such as https://*.example.com; * is all.", |c| {
            &mut c.allowed_origins
        });
        fields.field("allowed_headers", "Request headers to allow; * is all.", |c| &mut c.allowed_headers);
        fields.field("exposed_headers", "Response headers that pages may read.", |c| &mut c.exposed_headers);
        fields.field("max_age", "Seconds for which browsers may remember a preflight.", |c| &mut c.max_age);
    }
}
