//! `verbosity: normal`: one line for each span, data point or log record. The layout is the Collector's.

use std::fmt::Write as _;

use otlp::Text;
use otlp::view::{
    Attributes, HistogramPoint, Logs, Metric, MetricData, Metrics, Number, NumberPoint, Repeated, Resource,
    Scope, Traces,
};
use otlp_json::plain;

use crate::value::{fixed, id, pairs, short};

/// The lines of spans.
pub(crate) fn traces(traces: &Traces<'_>) -> String {
    let mut text = String::new();
    for (i, resource) in traces.resource_spans().enumerate() {
        push_resource(&mut text, "ResourceTraces", i, resource.schema_url(), &resource.resource());
        for scope in resource.scope_spans() {
            push_scope(&mut text, "ScopeTraces", i, scope.schema_url(), &scope.scope());
            for span in scope.spans() {
                let (trace_id, span_id) = (id(&span.trace_id()), id(&span.span_id()));
                let attributes = spaced(span.attributes());
                push(&mut text, format_args!("{} {trace_id} {span_id}{attributes}", span.name()));
            }
        }
    }
    text
}

/// The lines of log records.
pub(crate) fn logs(logs: &Logs<'_>) -> String {
    let mut text = String::new();
    for (i, resource) in logs.resource_logs().enumerate() {
        push_resource(&mut text, "ResourceLog", i, resource.schema_url(), &resource.resource());
        for scope in resource.scope_logs() {
            push_scope(&mut text, "ScopeLog", i, scope.schema_url(), &scope.scope());
            for record in scope.log_records() {
                let attributes = pairs(record.attributes(), " ");
                // The space is there without attributes, too.
                push(&mut text, format_args!("{} {attributes}", plain(&record.body())));
            }
        }
    }
    text
}

/// The lines of data points.
pub(crate) fn metrics(metrics: &Metrics<'_>) -> String {
    let mut text = String::new();
    for (i, resource) in metrics.resource_metrics().enumerate() {
        push_resource(&mut text, "ResourceMetrics", i, resource.schema_url(), &resource.resource());
        for scope in resource.scope_metrics() {
            push_scope(&mut text, "ScopeMetrics", i, scope.schema_url(), &scope.scope());
            for metric in scope.metrics() {
                push_metric(&mut text, &metric);
            }
        }
    }
    text
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    // A string takes everything.
    writeln!(text, "{line}").ok();
}

fn push_resource(text: &mut String, name: &str, index: usize, schema: Text<'_>, resource: &Resource<'_>) {
    let schema = if schema.is_empty() { String::new() } else { format!(" [{schema}]") };
    push(text, format_args!("{name} #{index}{schema}{}", spaced(resource.attributes())));
}

/// `index` is that of the resource: so the Collector has it, and so scripts expect it.
fn push_scope(text: &mut String, name: &str, index: usize, schema: Text<'_>, scope: &Scope<'_>) {
    let mut details = scope.name().to_string();
    if !scope.version().is_empty() {
        details = format!("{details}@{}", scope.version());
    }
    let mut words = vec![format!("{name} #{index}")];
    words.extend((!details.is_empty()).then_some(details));
    words.extend((!schema.is_empty()).then(|| format!("[{schema}]")));
    push(text, format_args!("{}{}", words.join(" "), spaced(scope.attributes())));
}

/// ` k=v k=v`, or nothing.
fn spaced(attributes: Attributes<'_>) -> String {
    let pairs = pairs(attributes, " ");
    if pairs.is_empty() { pairs } else { format!(" {pairs}") }
}

fn push_metric(text: &mut String, metric: &Metric<'_>) {
    let mut point = |attributes: Attributes<'_>, value: String| {
        push(text, format_args!("{}{{{}}} {value}", metric.name(), pairs(attributes, ",")));
    };
    let mut numbers = |points: Repeated<'_, NumberPoint<'_>>| {
        points.for_each(|at| point(at.attributes(), number(at.value())));
    };
    match metric.data() {
        MetricData::Empty => {}
        MetricData::Gauge(gauge) => numbers(gauge.data_points()),
        MetricData::Sum(sum) => numbers(sum.data_points()),
        MetricData::Histogram(histogram) => {
            histogram.data_points().for_each(|at| point(at.attributes(), buckets(&at)));
        }
        MetricData::ExponentialHistogram(histogram) => histogram.data_points().for_each(|at| {
            point(at.attributes(), distribution(at.count(), at.sum(), at.min(), at.max()));
        }),
        MetricData::Summary(summary) => summary.data_points().for_each(|at| {
            let quantiles = at.quantile_values();
            let quantiles = quantiles.map(|at| format!(" q{}={}", short(at.quantile()), short(at.value())));
            let quantiles: String = quantiles.collect();
            point(at.attributes(), format!("count={} sum={}{quantiles}", at.count(), fixed(at.sum())));
        }),
    }
}

fn number(number: Number) -> String {
    match number {
        Number::Empty => String::new(),
        Number::Int(int) => int.to_string(),
        Number::Double(double) => short(double),
    }
}

fn distribution(count: u64, sum: Option<f64>, min: Option<f64>, max: Option<f64>) -> String {
    let mut text = format!("count={count}");
    for (name, value) in [("sum", sum), ("min", min), ("max", max)] {
        if let Some(value) = value {
            write!(text, " {name}={}", short(value)).ok();
        }
    }
    text
}

fn buckets(point: &HistogramPoint<'_>) -> String {
    let mut text = distribution(point.count(), point.sum(), point.min(), point.max());
    let mut bounds = point.explicit_bounds();
    for count in point.bucket_counts() {
        match bounds.next() {
            Some(bound) => write!(text, " le{}={count}", short(bound)).ok(),
            None => write!(text, " {count}").ok(),
        };
    }
    text
}
