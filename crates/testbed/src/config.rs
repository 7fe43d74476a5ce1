//! Configurations for tests.

/// `otlp → batch → exporter` for all three signals, on ports that the system chooses. `body` are the exporter's
/// settings, in flow style.
#[must_use]
pub fn through_batch(exporter: &str, body: &str) -> String {
    graph("{}", &format!("{exporter}: {body}"), "[batch]", &format!("[{exporter}]"), "")
}

/// The same without the batch processor: clients are answered by the exporter's word.
#[must_use]
pub fn direct(exporter: &str, body: &str) -> String {
    graph("{}", &format!("{exporter}: {body}"), "[]", &format!("[{exporter}]"), "")
}

/// The parts of such a configuration: further settings of the receiver, the exporters (as lines of the section),
/// what the pipelines name, and further lines of the section `service`.
#[must_use]
pub fn graph(receiver: &str, exporters: &str, processors: &str, exits: &str, service: &str) -> String {
    let more = receiver.trim_start_matches('{').trim_end_matches('}');
    let pipelines: String = ["traces", "metrics", "logs"]
        .map(|signal| {
            format!("    {signal}: {{receivers: [otlp], processors: {processors}, exporters: {exits}}}\n")
        })
        .concat();
    let exporters: String = exporters.lines().map(|line| format!("  {}\n", line.trim_start())).collect();
    let service: String = service.lines().map(|line| format!("  {}\n", line.trim_start())).collect();
    // Two names for the same address: a reload knows a socket by what the configuration calls it.
    format!(
        "receivers:
  otlp: {{protocols: {{grpc: {{endpoint: \"127.0.0.1:0\"}}, http: {{endpoint: \"localhost:0\"}}}}, {more}}}
processors:
  batch: {{timeout: 50ms}}
exporters:
{exporters}service:
  telemetry:
    metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: 0}}}}}}}}]}}
{service}  pipelines:
{pipelines}"
    )
}
