use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use super::*;
use crate::Resource;

const GOLDEN: &str = r#"# HELP otelcol_exporter_queue_batch_send_size Items [Development]
# TYPE otelcol_exporter_queue_batch_send_size histogram
otelcol_exporter_queue_batch_send_size_bucket{exporter="otlp",le="10"} 2
otelcol_exporter_queue_batch_send_size_bucket{exporter="otlp",le="1e+06"} 3
otelcol_exporter_queue_batch_send_size_bucket{exporter="otlp",le="+Inf"} 4
otelcol_exporter_queue_batch_send_size_sum{exporter="otlp"} 2.000021e+06
otelcol_exporter_queue_batch_send_size_count{exporter="otlp"} 4
# HELP otelcol_exporter_queue_size Depth\nof the "queue" \\ now [Alpha]
# TYPE otelcol_exporter_queue_size gauge
otelcol_exporter_queue_size{data_type="traces",exporter="otlp"} 0.25
# HELP otelcol_receiver_accepted_spans Spans [Alpha]
# TYPE otelcol_receiver_accepted_spans counter
otelcol_receiver_accepted_spans{receiver="a\"\\\nb",transport="grpc"} 7
otelcol_receiver_accepted_spans{receiver="otlp",transport="http"} 12345678
# HELP target_info Target metadata
# TYPE target_info gauge
target_info{service_instance_id="id",service_name="collimator",service_version="0.1.0"} 1
# HELP zz_in_flight Last [Alpha]
# TYPE zz_in_flight gauge
zz_in_flight -2
"#;

#[test]
fn exposition() {
    let resource = Resource::new("collimator", "0.1.0", "id");
    let registry = Registry::at_level(MetricsLevel::Detailed, Options::default(), resource);
    registry.gauge("zz_in_flight", "Last [Alpha]", "{requests}", &[]).add(-2);
    let accepted = |receiver, transport| {
        let labels = [("transport", text(transport)), ("receiver", text(receiver))];
        registry.counter("otelcol_receiver_accepted_spans", "Spans [Alpha]", "{spans}", &labels)
    };
    accepted("otlp", "http").add(12_345_678);
    accepted("a\"\\\nb", "grpc").add(3);
    accepted("a\"\\\nb", "grpc").add(4);
    let help = "Depth\nof the \"queue\" \\ now [Alpha]";
    let labels = [("exporter", text("otlp")), ("data_type", text("traces"))];
    registry.gauge_fn("otelcol_exporter_queue_size", help, "{batches}", &labels, || 0.25);
    let name = "otelcol_exporter_queue_batch_send_size";
    let labels = [("exporter", text("otlp"))];
    let sizes =
        registry.histogram(name, "Items [Development]", "", &labels, &[1e6, 10.0, f64::INFINITY, 10.0]);
    for size in [10.0, 0.5, 10.5, 2e6, f64::NAN] {
        sizes.observe(size);
    }
    assert_eq!(sizes.count(), 4);
    assert_eq!(render(&registry), GOLDEN);
}

#[test]
fn suffixes_on_demand() {
    let check = |without_units, without_type_suffix, expected: [&str; 4]| {
        let options = Options { without_units, without_type_suffix, ..Options::default() };
        let registry = Registry::new(options, Resource::default());
        registry.counter("a.spans", "", "{spans}", &[]);
        registry.counter("b_cpu_seconds", "", "s", &[]);
        registry.gauge("c_memory", "", "By", &[]);
        registry.counter("d_errors_total", "", "", &[]);
        let text = render(&registry);
        let names: Vec<&str> = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split(' ').next())
            .collect();
        assert_eq!(names[..4], expected);
    };
    check(true, true, ["a_spans", "b_cpu_seconds", "c_memory", "d_errors_total"]);
    check(false, true, ["a_spans", "b_cpu_seconds", "c_memory_bytes", "d_errors_total"]);
    check(true, false, ["a_spans_total", "b_cpu_seconds_total", "c_memory", "d_errors_total"]);
    check(false, false, ["a_spans_total", "b_cpu_seconds_total", "c_memory_bytes", "d_errors_total"]);
}

#[test]
fn levels_leave_out() {
    let names = [
        "otelcol_receiver_accepted_spans",
        "otelcol_processor_batch_timeout_trigger_send",
        "otelcol_processor_batch_batch_send_size_bytes",
    ];
    let check = |level, shown: usize| {
        let registry = Registry::at_level(level, Options::default(), Resource::default());
        for name in names {
            registry.counter(name, "", "", &[]).add(1);
        }
        assert_eq!(sampled(&registry).lines().count(), shown, "{level:?}");
        let histogram = registry.histogram("http_server_request_duration", "", "s", &[], &[1.0]);
        histogram.observe(0.5);
        let on = level == MetricsLevel::Detailed;
        assert_eq!((histogram.is_on(), histogram.count()), (on, u64::from(on)));
    };
    check(MetricsLevel::None, 0);
    check(MetricsLevel::Basic, 1);
    check(MetricsLevel::Normal, 2);
    check(MetricsLevel::Detailed, 3);
}

#[test]
fn one_registry_is_exposed_in_several_ways() {
    let registry = Registry::new(Options::default(), Resource::new("collimator", "0.1.0", "id"));
    registry.counter("uptime", "Uptime", "s", &[("host", text("own"))]).add(7);
    let options = Options {
        without_units: false,
        without_type_suffix: false,
        without_scope_info: false,
        constant_labels: vec![(text("service.name"), text("collimator")), (text("host"), text("other"))],
    };
    let mut all = String::new();
    registry.render_as(&options, &mut all);
    let expected = r#"uptime_seconds_total{host="own",otel_scope_name="collimator",otel_scope_schema_url="",otel_scope_version="0.1.0",service_name="collimator"} 7"#;
    assert!(all.contains(&format!("\n{expected}\n")), "{all}");
    assert!(all.contains("# TYPE uptime_seconds_total counter\n"), "{all}");
    assert_eq!(all.matches("target_info{").count(), 1);
    // The families stay sorted: the one behind `target_info` is written behind it.
    assert!(all.find("target_info{") < all.find("uptime_seconds_total"));
    assert_eq!(sampled(&registry), "uptime{host=\"own\"} 7\n");
}

#[test]
fn numbers_as_go_writes_them() {
    let check = |value: f64, expected: &str| assert_eq!(text::number(value), expected);
    check(0.0, "0");
    check(0.005, "0.005");
    check(0.0001, "0.0001");
    check(0.000_012_5, "1.25e-05");
    check(100_000.0, "100000");
    check(999_999.5, "999999.5");
    check(1_048_576.0, "1.048576e+06");
    check(-1e100, "-1e+100");
    check(f64::NEG_INFINITY, "-Inf");
    check(f64::NAN, "NaN");
}

#[test]
fn concurrent_use_loses_nothing() {
    let registry = registry();
    let counter = registry.counter("c", "", "", &[]);
    let histogram = registry.histogram("h", "", "", &[], &[1.0]);
    thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                let mine = registry.counter("c", "", "", &[]);
                for _ in 0..10_000 {
                    mine.add(1);
                    histogram.observe(0.5);
                }
            });
        }
        threads.spawn(|| render(&registry));
    });
    assert_eq!(counter.value(), 40_000);
    assert_eq!((histogram.count(), histogram.sum()), (40_000, 20_000.0));
}

#[test]
fn scopes_hide_and_counters_continue() {
    let registry = registry();
    let elsewhere = Arc::new(AtomicU64::new(0));
    let build = || {
        let scope = registry.scope();
        let counter = scope.counter("c", "", "", &[]);
        let gauge = scope.gauge("g", "", "", &[]);
        let histogram = scope.histogram("h", "", "", &[], &[]);
        let kept = elsewhere.clone();
        scope.counter_fn("r", "", "", &[], move || kept.load(Ordering::Relaxed) as f64);
        (scope, counter, gauge, histogram)
    };
    let (scope, counter, gauge, histogram) = build();
    counter.add(5);
    gauge.set(3);
    histogram.observe(2.0);
    elsewhere.store(10, Ordering::Relaxed);
    let samples = "c 5\ng 3\nh_bucket{le=\"+Inf\"} 1\nh_sum 2\nh_count 1\nr 10\n";
    assert_eq!(sampled(&registry), samples);

    drop(scope);
    assert_eq!(sampled(&registry), "");
    elsewhere.store(1, Ordering::Relaxed);

    let (scope, counter, ..) = build();
    counter.add(1);
    let samples = "c 6\ng 0\nh_bucket{le=\"+Inf\"} 1\nh_sum 2\nh_count 1\nr 11\n";
    assert_eq!(sampled(&registry), samples);

    // The next graph is built before the last one is gone.
    let (next, ..) = build();
    drop(scope);
    assert_eq!(sampled(&registry), samples.replace("r 11", "r 12"));
    drop(next);
    assert_eq!(sampled(&registry), "");
}

#[test]
fn the_newest_gauge_reader_is_shown() {
    let registry = registry();
    let old = registry.scope();
    old.gauge_fn("g", "", "", &[], || 1.0);
    let new = registry.scope();
    new.gauge_fn("g", "", "", &[], || 2.0);
    assert_eq!(sampled(&registry), "g 2\n");
    drop(new);
    assert_eq!(sampled(&registry), "g 1\n");
}

#[test]
fn a_name_has_one_type() {
    let registry = registry();
    registry.counter("x", "", "", &[]).add(1);
    registry.gauge("x", "", "", &[]).set(9);
    registry.histogram("x", "", "", &[], &[1.0]).observe(1.0);
    assert_eq!(sampled(&registry), "x 1\n");
}

#[test]
fn a_family_is_bounded() {
    let registry = registry();
    let old = registry.scope();
    let count = |scope: &Scope, n: usize| scope.counter("c", "", "", &[("n", n.to_string())]).add(1);
    (0..MAX_SERIES_PER_FAMILY + 3).for_each(|n| count(&old, n));
    let shown = sampled(&registry);
    assert_eq!(shown.lines().count(), MAX_SERIES_PER_FAMILY + 1);
    assert!(shown.contains("c{otel_metric_overflow=\"true\"} 3\n"));
    drop(old);
    let new = registry.scope();
    count(&new, 1_000_000);
    assert_eq!(sampled(&registry), "c{n=\"1000000\"} 1\n");
}

#[test]
fn a_panicking_reader_takes_nothing_else_away() {
    let registry = registry();
    registry.counter("a", "", "", &[]).add(1);
    let scope = registry.scope();
    scope.gauge_fn("b", "", "", &[], || panic!("reader"));
    scope.counter_fn("c", "", "", &[], || panic!("reader"));
    assert_eq!(sampled(&registry), "a 1\nb NaN\nc 0\n");
    drop(scope);
    assert_eq!(sampled(&registry), "a 1\n");
}

fn registry() -> Registry {
    Registry::new(Options::default(), Resource::default())
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn render(registry: &Registry) -> String {
    let mut text = String::new();
    registry.render(&mut text);
    text
}

/// The samples without comments and `target_info`.
fn sampled(registry: &Registry) -> String {
    let text = render(registry);
    text.lines().filter(|line| !line.starts_with(['#', 't'])).map(|line| format!("{line}\n")).collect()
}
