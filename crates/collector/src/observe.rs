//! The process's own logs and metrics.

use std::sync::Arc;

use anyhow::Result;
use config::telemetry::{LogEncoding, LogLevel, Telemetry};
use data::Clock;
use telemetry::Resource;
use telemetry::admin::{Admin, Page};
use telemetry::logs::{self, Encoding, Level, LogSettings};
use telemetry::metrics::{self, Options, Registry};

/// Who the process is, for `target_info` and log lines.
pub(crate) fn resource() -> Resource {
    Resource::new("collimator", env!("CARGO_PKG_VERSION"), &instance_id())
}

/// Turns on logging.
///
/// # Errors
/// If it is on already.
pub(crate) fn start_logs(settings: &Telemetry, clock: Arc<dyn Clock>) -> Result<()> {
    let level = match settings.logs.level {
        LogLevel::Debug => Level::Debug,
        LogLevel::Info => Level::Info,
        LogLevel::Warn => Level::Warn,
        LogLevel::Error => Level::Error,
    };
    let encoding = match settings.logs.encoding {
        LogEncoding::Console => Encoding::Console,
        LogEncoding::Json => Encoding::Json,
    };
    logs::init(&LogSettings { level, encoding, ..LogSettings::default() }, clock)?;
    Ok(())
}

/// The registry of the process's metrics, in the form that the first endpoint asks for.
pub(crate) fn registry(settings: &Telemetry, clock: Arc<dyn Clock>) -> Registry {
    let first = settings.prometheus().next();
    let options = first.map_or_else(Options::default, |prometheus| Options {
        without_units: prometheus.without_units,
        without_type_suffix: prometheus.without_type_suffix,
        without_scope_info: prometheus.without_scope_info,
    });
    let registry = Registry::new(options, resource());
    metrics::process::register(&registry, clock);
    registry
}

/// Serves the metrics at every endpoint that is asked for.
///
/// # Errors
/// If a port is taken.
pub(crate) fn serve(settings: &Telemetry, registry: &Registry) -> Result<Vec<Admin>> {
    let mut endpoints = Vec::new();
    for prometheus in settings.prometheus() {
        let admin = Admin::bind(&format!("{}:{}", prometheus.host, prometheus.port))?;
        let registry = registry.clone();
        admin.route("/metrics", move || {
            let mut text = String::new();
            registry.render(&mut text);
            Page::ok(metrics::CONTENT_TYPE, text)
        });
        tracing::info!(endpoint = %admin.local_addr(), "Serving metrics");
        endpoints.push(admin);
    }
    Ok(endpoints)
}

/// A random UUID (version 4). The kernel makes one for every reader of this file; elsewhere the process id and
/// the time have to do.
fn instance_id() -> String {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/random/uuid");
    kernel.map_or_else(
        |_| format!("{:x}-{:x}", std::process::id(), data::SystemClock::new().now().wall),
        |text| text.trim().to_owned(),
    )
}
