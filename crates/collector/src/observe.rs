//! The process's own logs and metrics.

use std::sync::Arc;

use anyhow::Result;
use config::telemetry::{LogEncoding, LogLevel, Logs, Prometheus, Telemetry};
use data::{Budget, Clock};
use telemetry::Resource;
use telemetry::admin::{Admin, Page};
use telemetry::logs::{self, Encoding, Level, LogSettings, Output, Sampling};
use telemetry::metrics::{self, MetricsLevel, Options, Registry};

/// Who the process is, for `target_info` and log lines: the defaults, changed as the configuration says.
pub(crate) fn resource(settings: &Telemetry) -> Resource {
    let mut resource = Resource::new("collimator", env!("CARGO_PKG_VERSION"), &instance_id());
    for (name, value) in &settings.resource.0 {
        resource.set(name, value.as_deref());
    }
    resource
}

/// Turns on logging.
///
/// # Errors
/// If a file cannot be opened, or logging is on already.
pub(crate) fn start_logs(
    settings: &Telemetry,
    resource: &Resource,
    clock: Arc<dyn Clock>,
) -> Result<logs::Logs> {
    Ok(logs::init(&log_settings(&settings.logs, resource), clock)?)
}

/// What the configuration says about logs.
pub(crate) fn log_settings(logs: &Logs, resource: &Resource) -> LogSettings {
    let level = match logs.level {
        LogLevel::Debug => Level::Debug,
        LogLevel::Info => Level::Info,
        LogLevel::Warn => Level::Warn,
        LogLevel::Error => Level::Error,
        LogLevel::Fatal => Level::Fatal,
    };
    let encoding = match logs.encoding {
        LogEncoding::Console => Encoding::Console,
        LogEncoding::Json => Encoding::Json,
        LogEncoding::XrayDaemon => Encoding::XrayDaemon,
    };
    let sampling = logs.sampling.get().map(|sampling| Sampling {
        tick: sampling.tick,
        initial: sampling.initial,
        thereafter: sampling.thereafter,
    });
    let outputs = |paths: &[String]| paths.iter().map(|path| Output::from(path.as_str())).collect();
    LogSettings {
        level,
        encoding,
        sampling,
        disable_caller: logs.disable_caller,
        outputs: outputs(&logs.output_paths),
        rotate_at: logs.rotate_at_mib << 20,
        errors: outputs(&logs.error_output_paths),
        initial_fields: logs
            .initial_fields
            .iter()
            .map(|(name, value)| (name.clone(), value.0.to_string()))
            .collect(),
        resource: (!logs.disable_zap_resource).then(|| resource.clone()),
    }
}

/// The registry of the process's metrics, with those of the process in it.
pub(crate) fn registry(settings: &Telemetry, resource: &Resource, clock: Arc<dyn Clock>) -> Registry {
    let level = match settings.metrics.level {
        config::telemetry::MetricsLevel::None => MetricsLevel::None,
        config::telemetry::MetricsLevel::Basic => MetricsLevel::Basic,
        config::telemetry::MetricsLevel::Normal => MetricsLevel::Normal,
        config::telemetry::MetricsLevel::Detailed => MetricsLevel::Detailed,
    };
    let registry = Registry::at_level(level, Options::default(), resource.clone());
    metrics::process::register(&registry, clock);
    #[allow(clippy::cast_precision_loss, reason = "metrics of Prometheus are doubles")]
    registry.counter_fn(
        "otelcol_process_runtime_total_alloc_bytes",
        "Cumulative bytes allocated for heap objects [Alpha]",
        "By",
        &[],
        || heap::allocated() as f64,
    );
    // The Collector's handler has this, and dashboards ask for it; rendering here has no way to fail.
    for cause in ["encoding", "gathering"] {
        let help = "Total number of internal errors encountered by the promhttp metric handler.";
        let labels = [("cause", cause.to_owned())];
        registry.counter("promhttp_metric_handler_errors_total", help, "", &labels);
    }
    registry
}

/// Makes visible how much telemetry is held, and how much may be.
#[allow(clippy::cast_precision_loss, reason = "metrics of Prometheus are doubles")]
pub(crate) fn memory(registry: &Registry, budget: &Arc<Budget>) {
    let gauge = |what: &str, help: &str, read: fn(&Budget) -> usize| {
        let (name, budget) = (format!("collimator_memory_{what}"), Arc::clone(budget));
        registry.gauge_fn(&name, help, "By", &[], move || read(&budget) as f64);
    };
    gauge("held", "Bytes of telemetry that are held", Budget::held);
    gauge("queued", "Bytes of telemetry that wait in sending queues", Budget::queued);
    gauge("buffers", "Bytes in the buffers of connections", Budget::buffers);
    gauge("limit", "Bytes of telemetry that may be held before receivers refuse", Budget::limit);
}

/// Serves the metrics at every endpoint that is asked for, each in its own form.
///
/// # Errors
/// If a port is taken.
pub(crate) fn serve(settings: &Telemetry, resource: &Resource, registry: &Registry) -> Result<Vec<Admin>> {
    if settings.metrics.level == config::telemetry::MetricsLevel::None {
        tracing::info!("Internal metrics telemetry disabled");
    }
    let mut endpoints = Vec::new();
    for prometheus in settings.prometheus() {
        let admin = Admin::bind(&host_port(&prometheus.host, prometheus.port))?;
        let (registry, options) = (registry.clone(), options(prometheus, resource));
        admin.route("/metrics", move || {
            let mut text = String::new();
            registry.render_as(&options, &mut text);
            Page::ok(metrics::CONTENT_TYPE, text)
        });
        tracing::info!(endpoint = %admin.local_addr(), "Serving metrics");
        endpoints.push(admin);
    }
    Ok(endpoints)
}

fn options(prometheus: &Prometheus, resource: &Resource) -> Options {
    let lists = prometheus.with_resource_constant_labels.as_ref();
    let taken = |(name, _): &(&str, &str)| lists.is_some_and(|lists| lists.takes(name));
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    Options {
        without_units: prometheus.without_units,
        without_type_suffix: prometheus.without_type_suffix,
        without_scope_info: prometheus.without_scope_info,
        constant_labels: resource.iter().filter(taken).map(owned).collect(),
    }
}

/// An address of IPv6 is put into brackets unless it has them.
fn host_port(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
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
