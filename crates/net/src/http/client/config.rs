//! The HTTP client's keys in a configuration.

use std::time::Duration;

use config::{Checks, ComponentId, Fields, Headers, Section};
use http::{HeaderName, HeaderValue};

use super::Settings;
use crate::compression::Compression;
use crate::http::invalid_header;
use crate::proxy::{Environment, Proxies};
use crate::tls;

/// The block that HTTP exporters take in with `flatten`.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The target's URL. What it means, and whether it may be missing, is the component's.
    pub endpoint: String,
    /// The proxy for every request; empty leaves it to the environment.
    pub proxy_url: String,
    /// TLS of `https://` targets.
    pub tls: tls::ClientSettings,
    /// For a whole request; zero is no limit.
    pub timeout: Duration,
    /// Sent with every request.
    pub headers: Headers,
    /// How bodies are compressed.
    pub compression: Compression,
    /// More about that.
    pub compression_params: CompressionParams,
    /// Idle connections kept in all; 0 is no limit.
    pub max_idle_conns: usize,
    /// Idle connections kept to one host; 0 is 100.
    pub max_idle_conns_per_host: usize,
    /// Requests in flight to one host; 0 is no limit.
    pub max_conns_per_host: usize,
    /// How long a connection may be idle; zero is for ever.
    pub idle_conn_timeout: Duration,
    /// A connection for each request.
    pub disable_keep_alives: bool,
    /// Silence after which an HTTP/2 server is pinged; zero is never.
    pub http2_read_idle_timeout: Duration,
    /// For the answer to a ping.
    pub http2_ping_timeout: Duration,
    /// Offer HTTP/2 to `https://` targets.
    pub force_attempt_http2: bool,
    /// See [`Settings::connect_timeout`].
    pub connect_timeout: Duration,
    /// See [`Settings::max_response_body_size`].
    pub max_response_body_size: usize,
    /// Who authorizes requests. Where that extension is found is the component's.
    pub auth: Auth,
}

/// `compression_params:`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CompressionParams {
    /// The codec's level; 0 is its default.
    pub level: i32,
}

impl Default for Config {
    fn default() -> Self {
        let settings = Settings::default();
        Self {
            endpoint: String::new(),
            proxy_url: settings.proxy_url,
            tls: settings.tls,
            timeout: settings.timeout,
            headers: Headers::default(),
            compression: settings.compression,
            compression_params: CompressionParams::default(),
            max_idle_conns: settings.max_idle_conns,
            max_idle_conns_per_host: settings.max_idle_conns_per_host,
            max_conns_per_host: settings.max_conns_per_host,
            idle_conn_timeout: settings.idle_conn_timeout,
            disable_keep_alives: settings.disable_keep_alives,
            http2_read_idle_timeout: settings.http2_read_idle_timeout,
            http2_ping_timeout: settings.http2_ping_timeout,
            force_attempt_http2: settings.force_attempt_http2,
            connect_timeout: settings.connect_timeout,
            max_response_body_size: settings.max_response_body_size,
            auth: Auth::default(),
        }
    }
}

impl Config {
    /// What [`Client::new`](super::Client::new) takes.
    pub fn settings(&self) -> Settings {
        Settings {
            proxy_url: self.proxy_url.clone(),
            tls: self.tls.clone(),
            timeout: self.timeout,
            headers: self.headers.0.clone(),
            compression: self.compression,
            compression_level: self.compression_params.level,
            max_idle_conns: self.max_idle_conns,
            max_idle_conns_per_host: self.max_idle_conns_per_host,
            max_conns_per_host: self.max_conns_per_host,
            idle_conn_timeout: self.idle_conn_timeout,
            disable_keep_alives: self.disable_keep_alives,
            http2_read_idle_timeout: self.http2_read_idle_timeout,
            http2_ping_timeout: self.http2_ping_timeout,
            force_attempt_http2: self.force_attempt_http2,
            connect_timeout: self.connect_timeout,
            max_response_body_size: self.max_response_body_size,
        }
    }
}

impl Section for Config {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("endpoint", "URL to send to.", |c| &mut c.endpoint).url();
        fields
            .field("proxy_url", "Proxy for every request; the environment decides when empty.", |c| {
                &mut c.proxy_url
            })
            .url();
        fields.field("tls", "TLS of https:// targets.", |c| &mut c.tls);
        fields.field("timeout", "For a whole request; 0 is no limit.", |c| &mut c.timeout);
        fields.ignored::<i64>("read_buffer_size", "Bytes to read at once.", "buffers follow the traffic");
        fields.ignored::<i64>("write_buffer_size", "Bytes to write at once.", "buffers follow the traffic");
        fields.field("headers", "Sent with every request.", |c| &mut c.headers);
        fields.field("compression", "How bodies are compressed.", |c| &mut c.compression);
        fields.field("compression_params", "More about compression.", |c| &mut c.compression_params);
        fields
            .field("max_idle_conns", "Idle connections kept in all; 0 is no limit.", |c| {
                &mut c.max_idle_conns
            })
            .negative_is(1, "as few as can be: 1");
        fields
            .field("max_idle_conns_per_host", "Idle connections kept to one host; 0 is 100.", |c| {
                &mut c.max_idle_conns_per_host
            })
            .negative_is(1, "as few as can be: 1");
        fields
            .field("max_conns_per_host", "Requests in flight to one host; 0 is no limit.", |c| {
                &mut c.max_conns_per_host
            })
            .negative_is(0, "no limit");
        fields
            .field("idle_conn_timeout", "How long a connection may be idle.", |c| &mut c.idle_conn_timeout)
            .negative_is(Duration::ZERO, "no limit");
        fields.field("disable_keep_alives", "A connection for each request.", |c| &mut c.disable_keep_alives);
        fields
            .field("http2_read_idle_timeout", "Silence before an HTTP/2 ping; 0 is never.", |c| {
                &mut c.http2_read_idle_timeout
            })
            .negative_is(Duration::ZERO, "never");
        fields
            .field("http2_ping_timeout", "For the answer to a ping.", |c| &mut c.http2_ping_timeout)
            .negative_is(Settings::default().http2_ping_timeout, "the default, 15s");
        fields.field("force_attempt_http2", "Offer HTTP/2 to https:// targets.", |c| {
            &mut c.force_attempt_http2
        });
        fields.field("connect_timeout", "For a connection to be made. Ours.", |c| &mut c.connect_timeout);
        fields.field("max_response_body_size", "Bytes read of an answer. Ours.", |c| {
            &mut c.max_response_body_size
        });
        fields.ignored::<Cookies>("cookies", "Keep cookies.", "no cookies are kept");
        fields.field("auth", "Who authorizes requests.", |c| &mut c.auth);
        fields.unsupported("middlewares", "Extensions that requests pass through.", "there are none yet");
    }

    fn check(&self, checks: &mut Checks) {
        let (compression, level) = (self.compression, self.compression_params.level);
        if !compression.allows_level(level) {
            let name = config::Choice::spelling(compression);
            checks.at(
                "compression_params.level",
                format!("unsupported parameters {{Level:{level}}} for compression type {name:?}"),
            );
        }
        if let Err(error) = Proxies::new(&self.proxy_url, &Environment::default()) {
            checks.at("proxy_url", error.to_string());
        }
        for (name, value) in &self.headers.0 {
            if HeaderName::try_from(name).is_err() {
                checks.warn("headers", format!("{name:?} is no name of a header: it is not sent"));
            } else if HeaderValue::try_from(value.expose()).is_err() {
                checks.at("headers", invalid_header(name, value));
            }
        }
    }
}

/// `auth:`, the extension that authorizes requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Auth {
    /// Its id.
    pub authenticator: Option<ComponentId>,
}

impl Section for Auth {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("authenticator", "Id of the extension that signs requests, such as sigv4auth.", |a| {
            &mut a.authenticator
        });
    }
}

/// `cookies:`, read for its types only.
#[derive(Clone, Default)]
struct Cookies {
    enabled: bool,
}

impl Section for Cookies {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("enabled", "Keep cookies.", |c| &mut c.enabled);
    }
}

impl Section for CompressionParams {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("level", "The codec's level; 0 is its default.", |c| &mut c.level);
    }
}
