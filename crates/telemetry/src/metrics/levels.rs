//! How many metrics there are: `service.telemetry.metrics.level`.

/// A level of metrics; each has those of the ones before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum MetricsLevel {
    /// None at all.
    None,
    /// What tells whether everything arrives.
    Basic,
    /// And what the batches look like.
    #[default]
    Normal,
    /// And distributions of sizes and times, some of which cost a clock reading for each batch.
    Detailed,
}

/// The least level at which a metric is there, as the reference's drop lists have it.
pub(super) fn least_level(name: &str) -> MetricsLevel {
    const DETAILED: [&str; 8] = [
        "otelcol_exporter_queue_batch_send_size",
        "otelcol_exporter_enqueue_size",
        "otelcol_processor_internal_duration",
        "otelcol_processor_batch_batch_send_size_bytes",
        "http_server_",
        "http_client_",
        "rpc_server_",
        "rpc_client_",
    ];
    let begins = |list: &[&str]| list.iter().any(|prefix| name.starts_with(prefix));
    if begins(&DETAILED) {
        MetricsLevel::Detailed
    } else if begins(&["otelcol_processor_batch_"]) {
        MetricsLevel::Normal
    } else {
        MetricsLevel::Basic
    }
}
