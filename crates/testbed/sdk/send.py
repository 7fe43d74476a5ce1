"""Sends all three signals with the OpenTelemetry SDK for Python and prints, as OTLP JSON, what it sent.

    send.py HOST:PORT grpc|http/protobuf none|gzip

What is printed is made from the SDK's own objects as they are handed to the exporter, not from the exporter's
encoding of them.
"""

import base64
import json
import logging
import math
import sys

from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.metrics import Observation
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter
from opentelemetry.sdk.metrics import Counter, MeterProvider
from opentelemetry.sdk.metrics import export as metric_export
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.span import TraceState

endpoint, protocol, compression = sys.argv[1:4]
# It warns of each attribute over the limit, of which there are many here on purpose.
logging.disable(logging.WARNING)

RESOURCE = Resource(
    {"service.name": "shöp", "service.version": "1.2.3", "pid": 4711, "ratio": 0.25, "debug": False, "tags": ["a", "b"]},
    schema_url="https://opentelemetry.io/schemas/1.37.0",
)
ATTRIBUTES = {
    "text": "plain", "empty": "", "unicode": "日本語 🦀 \u0000 end", "quote": 'a "b" \\ c\n', "long": "x" * 5000,
    "yes": True, "no": False, "zero": 0, "minus": -1, "max": 2**63 - 1, "min": -(2**63),
    "pi": 3.141592653589793, "tiny": 5e-324, "huge": 1.7976931348623157e308, "third": 1 / 3, "one": 1.0, "null": 0.0,
    "infinite": math.inf, "texts": ["a", "", "ü"], "numbers": [1, -2, 3], "doubles": [0.5, -2.25],
    "bools": [True, False], "none": [],
}


# --- exporters that keep what passes through them ---------------------------------------------------------------

class Spans(SpanExporter):
    def __init__(self, inner):
        self.inner, self.seen = inner, []

    def export(self, spans):
        self.seen.extend(spans)
        result = self.inner.export(spans)
        assert result is SpanExportResult.SUCCESS, result
        return result

    def shutdown(self):
        self.inner.shutdown()


class Metrics(metric_export.MetricExporter):
    def __init__(self, inner):
        super().__init__(preferred_temporality={Counter: metric_export.AggregationTemporality.DELTA})
        self.inner, self.seen = inner, []

    def export(self, metrics_data, timeout_millis=10_000, **kwargs):
        self.seen.extend(metrics_data.resource_metrics)
        result = self.inner.export(metrics_data, timeout_millis, **kwargs)
        assert result is metric_export.MetricExportResult.SUCCESS, result
        return result

    def force_flush(self, timeout_millis=10_000):
        return True

    def shutdown(self, timeout_millis=30_000, **kwargs):
        self.inner.shutdown()


class Logs(LogRecordExporter):
    def __init__(self, inner):
        self.inner, self.seen = inner, []

    def export(self, batch):
        self.seen.extend(batch)
        result = self.inner.export(batch)
        assert result.name == "SUCCESS", result
        return result

    def force_flush(self, timeout_millis=10_000):
        return True

    def shutdown(self):
        self.inner.shutdown()


def exporters():
    if protocol == "grpc":
        import grpc
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

        squeeze = grpc.Compression.Gzip if compression == "gzip" else grpc.Compression.NoCompression
        options = {"endpoint": endpoint, "insecure": True, "compression": squeeze}
        return OTLPSpanExporter(**options), OTLPMetricExporter(**options), OTLPLogExporter(**options)
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    squeeze = Compression.Gzip if compression == "gzip" else Compression.NoCompression
    url = f"http://{endpoint}/v1/"
    return (
        OTLPSpanExporter(endpoint=url + "traces", compression=squeeze),
        OTLPMetricExporter(endpoint=url + "metrics", compression=squeeze),
        OTLPLogExporter(endpoint=url + "logs", compression=squeeze),
    )


# --- from the SDK's objects to OTLP JSON ------------------------------------------------------------------------

def double(value):
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def any_value(value):
    if value is None:
        return {}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": double(value)}
    if isinstance(value, bytes):
        return {"bytesValue": base64.b64encode(value).decode()}
    if isinstance(value, (list, tuple)):
        return {"arrayValue": {"values": [any_value(it) for it in value]}}
    return {"kvlistValue": {"values": attributes(value)}}


def attributes(mapping):
    return [{"key": key, "value": any_value(value)} for key, value in (mapping or {}).items()]


def resource(it):
    return {"attributes": attributes(it.attributes)}


def scope(it):
    return {"name": it.name, "version": it.version, "attributes": attributes(it.attributes)}


def remote_flags(context):
    return 0x100 | (0x200 if context is not None and context.is_remote else 0)


def link(it):
    # This exporter leaves out the trace state of links.
    return {
        "traceId": f"{it.context.trace_id:032x}", "spanId": f"{it.context.span_id:016x}",
        "attributes": attributes(it.attributes), "droppedAttributesCount": it.dropped_attributes,
        "flags": remote_flags(it.context),
    }


def event(it):
    return {
        "name": it.name, "timeUnixNano": str(it.timestamp), "attributes": attributes(it.attributes),
        "droppedAttributesCount": it.dropped_attributes,
    }


def span(it):
    context = it.get_span_context()
    return {
        "traceId": f"{context.trace_id:032x}", "spanId": f"{context.span_id:016x}",
        "parentSpanId": f"{it.parent.span_id:016x}" if it.parent else "",
        "traceState": context.trace_state.to_header(), "flags": remote_flags(it.parent),
        "name": it.name, "kind": it.kind.value + 1,
        "startTimeUnixNano": str(it.start_time), "endTimeUnixNano": str(it.end_time),
        "attributes": attributes(it.attributes), "droppedAttributesCount": it.dropped_attributes,
        "events": [event(e) for e in it.events], "droppedEventsCount": it.dropped_events,
        "links": [link(each) for each in it.links], "droppedLinksCount": it.dropped_links,
        "status": {"code": it.status.status_code.value, "message": it.status.description or ""},
    }


def log(it):
    record = it.log_record
    return {
        "timeUnixNano": str(record.timestamp or 0), "observedTimeUnixNano": str(record.observed_timestamp or 0),
        "severityNumber": record.severity_number.value if record.severity_number else 0,
        "severityText": record.severity_text or "", "body": any_value(record.body),
        "attributes": attributes(record.attributes), "droppedAttributesCount": it.dropped_attributes,
        "traceId": f"{record.trace_id:032x}" if record.trace_id else "",
        "spanId": f"{record.span_id:016x}" if record.span_id else "",
        "flags": int(record.trace_flags), "eventName": record.event_name or "",
    }


def exemplar(it):
    value = {"asInt": str(it.value)} if isinstance(it.value, int) else {"asDouble": double(it.value)}
    return {
        "timeUnixNano": str(it.time_unix_nano), "filteredAttributes": attributes(it.filtered_attributes),
        "spanId": f"{it.span_id:016x}" if it.span_id else "", "traceId": f"{it.trace_id:032x}" if it.trace_id else "",
        **value,
    }


def buckets(it):
    return {"offset": it.offset, "bucketCounts": [str(count) for count in it.bucket_counts]}


def point(it):
    common = {
        "attributes": attributes(it.attributes), "timeUnixNano": str(it.time_unix_nano),
        "startTimeUnixNano": str(it.start_time_unix_nano or 0), "exemplars": [exemplar(e) for e in it.exemplars],
    }
    if isinstance(it, metric_export.NumberDataPoint):
        value = {"asInt": str(it.value)} if isinstance(it.value, int) else {"asDouble": double(it.value)}
        return common | value
    common |= {"count": str(it.count), "sum": it.sum, "min": it.min, "max": it.max}
    if isinstance(it, metric_export.HistogramDataPoint):
        return common | {"bucketCounts": [str(c) for c in it.bucket_counts], "explicitBounds": list(it.explicit_bounds)}
    return common | {
        "scale": it.scale, "zeroCount": str(it.zero_count), "flags": it.flags,
        "positive": buckets(it.positive), "negative": buckets(it.negative),
    }


def metric(it):
    name = {"Gauge": "gauge", "Sum": "sum", "Histogram": "histogram", "ExponentialHistogram": "exponentialHistogram"}
    data = {"dataPoints": [point(p) for p in it.data.data_points]}
    if hasattr(it.data, "aggregation_temporality"):
        data["aggregationTemporality"] = it.data.aggregation_temporality.value
    if hasattr(it.data, "is_monotonic"):
        data["isMonotonic"] = it.data.is_monotonic
    return {"name": it.name, "description": it.description or "", "unit": it.unit or "", name[type(it.data).__name__]: data}


def grouped(items, kind, scopes, leaves, leaf):
    """One resource and scope for each item: the comparison is by item."""
    return {kind: [
        {"resource": resource(it.resource), "schemaUrl": it.resource.schema_url,
         scopes: [{"scope": scope(it.instrumentation_scope), "schemaUrl": it.instrumentation_scope.schema_url or "",
                   leaves: [leaf(it)]}]}
        for it in items
    ]}


def metrics_document(seen):
    return {"resourceMetrics": [
        {"resource": resource(it.resource), "schemaUrl": it.schema_url, "scopeMetrics": [
            {"scope": scope(s.scope), "schemaUrl": s.schema_url or "", "metrics": [metric(m) for m in s.metrics]}
            for s in it.scope_metrics
        ]}
        for it in seen
    ]}


# --- what is sent -----------------------------------------------------------------------------------------------

def make_traces(provider):
    tracer = provider.get_tracer("lib", "0.1", "https://example.com/schema", {"scope.attribute": "yes"})
    remote = SpanContext(0x0123456789ABCDEF0123456789ABCDEF, 0x00F067AA0BA902B7, is_remote=True,
                         trace_flags=TraceFlags(1), trace_state=TraceState([("vendor", "value"), ("other", "x")]))
    parent = trace.set_span_in_context(NonRecordingSpan(remote))
    links = [Link(remote, ATTRIBUTES), Link(SpanContext(1, 2, is_remote=False), {})]
    for number, kind in enumerate(SpanKind):
        root = tracer.start_span(f"{kind.name} ünï", context=parent if number % 2 else None, kind=kind,
                                 attributes=ATTRIBUTES, links=links)
        root.add_event("empty")
        root.add_event("full", ATTRIBUTES, timestamp=1_700_000_000_123_456_789)
        root.record_exception(ValueError("no good"))
        child = tracer.start_span("child", context=trace.set_span_in_context(root))
        child.set_status(Status(StatusCode.OK))
        child.end()
        root.set_status(Status(StatusCode.ERROR, "it broke: ä"))
        root.end()
    over = tracer.start_span("over every limit", attributes={f"k{n}": n for n in range(200)},
                             links=[Link(remote, {})] * 200)
    for number in range(200):
        over.add_event(f"event {number}", {f"k{n}": n for n in range(20)})
    over.end()
    other = provider.get_tracer("other")
    for number in range(500):
        other.start_span(f"many {number}").end()


def make_metrics(provider):
    meter = provider.get_meter("meters", "2", "https://example.com/schema", {"scope": 1})
    counter = meter.create_counter("requests", "1", "how many")
    counter.add(3, ATTRIBUTES | {"route": "/a"})
    counter.add(2**53, {"route": "/b"})
    meter.create_counter("bytes.read", "By").add(0.5, {})
    meter.create_up_down_counter("open").add(-4, {"pool": "x"})
    meter.create_gauge("temperature", "Cel").set(-273.15, {"where": "outside"})
    histogram = meter.create_histogram("latency", "ms")
    exponential = meter.create_histogram("size", "By")
    for value in (0, 0.5, 7, 30, 12_000, 1e9):
        histogram.record(value, {"route": "/a"})
        exponential.record(value, {"route": "/a"})
    exponential.record(5, {})
    with provider_of_spans.get_tracer("exemplars").start_as_current_span("with an exemplar"):
        histogram.record(42.5, {"route": "/exemplar"})
        counter.add(1, {"route": "/exemplar"})
    meter.create_observable_gauge("observed", [lambda _: [Observation(17, {"cpu": 0})]])
    meter.create_observable_counter("observed.sum", [lambda _: [Observation(1.5, {})]])


def make_logs(provider):
    logger = provider.get_logger("logger", "3", "https://example.com/schema", {"scope": True})
    context = trace.set_span_in_context(NonRecordingSpan(SpanContext(0xAA, 0xBB, False, TraceFlags(1))))
    bodies = ["text", "", 5, -1.5, True, False, b"\x00\xff bytes", ["a", 1, [2.5]], {"k": {"deep": [1, "two"]}, "b": b"\x01"}, None]
    for number, body in enumerate(bodies):
        logger.emit(LogRecord(
            timestamp=1_700_000_000_000_000_000 + number, observed_timestamp=1_700_000_001_000_000_000,
            context=context if number % 2 else None, severity_number=list(SeverityNumber)[number * 2 + 1],
            severity_text=f"LEVEL {number}", body=body, attributes=ATTRIBUTES | {"bytes": b"\x00\x01\xfe"},
            event_name=f"event.{number}" if number % 3 == 0 else None,
        ))
    for number in range(300):
        logger.emit(LogRecord(timestamp=number + 1, observed_timestamp=number + 2, body=f"many {number}",
                              severity_number=SeverityNumber.INFO))


span_exporter, metric_exporter, log_exporter = exporters()
spans, metrics, logs = Spans(span_exporter), Metrics(metric_exporter), Logs(log_exporter)

provider_of_spans = TracerProvider(resource=RESOURCE, shutdown_on_exit=False,
                                   span_limits=SpanLimits(max_event_attributes=10, max_span_attributes=64))
provider_of_spans.add_span_processor(BatchSpanProcessor(spans, max_queue_size=10_000, max_export_batch_size=100))
make_traces(provider_of_spans)

exponential_view = View(instrument_name="size", aggregation=ExponentialBucketHistogramAggregation())
reader = metric_export.PeriodicExportingMetricReader(metrics, export_interval_millis=math.inf)
provider_of_metrics = MeterProvider([reader], RESOURCE, shutdown_on_exit=False, views=[exponential_view])
make_metrics(provider_of_metrics)
provider_of_metrics.force_flush()
provider_of_metrics.shutdown()
assert metrics.seen

provider_of_logs = LoggerProvider(RESOURCE, shutdown_on_exit=False)
provider_of_logs.add_log_record_processor(BatchLogRecordProcessor(logs, max_queue_size=10_000, max_export_batch_size=64))
make_logs(provider_of_logs)
provider_of_logs.shutdown()
provider_of_spans.shutdown()

print(json.dumps({
    "traces": grouped(spans.seen, "resourceSpans", "scopeSpans", "spans", span),
    "metrics": metrics_document(metrics.seen),
    "logs": grouped(logs.seen, "resourceLogs", "scopeLogs", "logRecords", log),
}))
