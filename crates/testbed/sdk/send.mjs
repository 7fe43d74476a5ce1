// Sends all three signals with the OpenTelemetry SDK for JavaScript and prints, as OTLP JSON, what it sent.
//
//     node send.mjs HOST:PORT grpc|http/protobuf|http/json none|gzip
//
// What is printed is made from the SDK's own objects as they are handed to the exporter, not from the exporter's
// encoding of them.

import { ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags, ValueType, createTraceState, trace } from '@opentelemetry/api';
import { SeverityNumber } from '@opentelemetry/api-logs';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs';
import { AggregationTemporality, AggregationType, DataPointType, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';

const [endpoint, protocol, compression] = process.argv.slice(2);
const flavour = { grpc: 'grpc', 'http/protobuf': 'proto', 'http/json': 'http' }[protocol];

const resource = resourceFromAttributes(
  { 'service.name': 'shöp', pid: 4711, ratio: 0.25, debug: false, tags: ['a', 'b'] },
  { schemaUrl: 'https://opentelemetry.io/schemas/1.37.0' },
);
const ATTRIBUTES = {
  text: 'plain', empty: '', unicode: '日本語 🦀 \u0000 end', quote: 'a "b" \\ c\n', long: 'x'.repeat(5000),
  yes: true, no: false, zero: 0, minus: -1, max: Number.MAX_SAFE_INTEGER, min: Number.MIN_SAFE_INTEGER,
  pi: Math.PI, tiny: 5e-324, third: 1 / 3, texts: ['a', '', 'ü'], numbers: [1, -2, 3], doubles: [0.5, -2.25],
  bools: [true, false], none: [],
};

async function exporter(signal) {
  const module = await import(`@opentelemetry/exporter-${signal}-otlp-${flavour}`);
  const Exporter = module[{ trace: 'OTLPTraceExporter', metrics: 'OTLPMetricExporter', logs: 'OTLPLogExporter' }[signal]];
  const path = { trace: 'traces', metrics: 'metrics', logs: 'logs' }[signal];
  const url = protocol === 'grpc' ? `http://${endpoint}` : `http://${endpoint}/v1/${path}`;
  return new Exporter({ url, compression, temporalityPreference: AggregationTemporality.DELTA });
}

/** Keeps what passes through an exporter, and fails the script if it is not taken. */
function watched(inner, seen) {
  const send = inner.export.bind(inner);
  inner.export = (data, done) => {
    seen.push(...[data].flat());
    send(data, (result) => {
      if (result.code !== 0) {
        console.error('error: not exported', result.error);
        process.exitCode = 1;
      }
      done(result);
    });
  };
  return inner;
}

// --- from the SDK's objects to OTLP JSON -------------------------------------------------------------------------

const nanos = (time) => (BigInt(time[0]) * 1_000_000_000n + BigInt(time[1])).toString();
const number = (value) => (Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value });
const base64 = (bytes) => Buffer.from(bytes).toString('base64');

function anyValue(value) {
  if (value === null || value === undefined) return {};
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  if (typeof value === 'number') return number(value);
  if (value instanceof Uint8Array) return { bytesValue: base64(value) };
  if (Array.isArray(value)) return { arrayValue: { values: value.map(anyValue) } };
  return { kvlistValue: { values: attributes(value) } };
}

function attributes(object) {
  return Object.entries(object ?? {}).map(([key, value]) => ({ key, value: anyValue(value) }));
}

const flags = (traceFlags, remote) => traceFlags | 0x100 | (remote ? 0x200 : 0);
const inResource = () => ({ resource: { attributes: attributes(resource.attributes) }, schemaUrl: resource.schemaUrl });
const inScope = (scope) => ({ scope: { name: scope.name, version: scope.version, attributes: attributes(scope.attributes) }, schemaUrl: scope.schemaUrl });

function span(it) {
  const context = it.spanContext();
  return {
    traceId: context.traceId, spanId: context.spanId, parentSpanId: it.parentSpanContext?.spanId,
    traceState: context.traceState?.serialize(), flags: flags(context.traceFlags, it.parentSpanContext?.isRemote),
    name: it.name, kind: it.kind + 1, startTimeUnixNano: nanos(it.startTime), endTimeUnixNano: nanos(it.endTime),
    attributes: attributes(it.attributes), droppedAttributesCount: it.droppedAttributesCount,
    events: it.events.map((event) => ({
      name: event.name, timeUnixNano: nanos(event.time), attributes: attributes(event.attributes),
      droppedAttributesCount: event.droppedAttributesCount,
    })),
    droppedEventsCount: it.droppedEventsCount,
    links: it.links.map((link) => ({
      traceId: link.context.traceId, spanId: link.context.spanId, traceState: link.context.traceState?.serialize(),
      attributes: attributes(link.attributes), droppedAttributesCount: link.droppedAttributesCount,
      flags: flags(link.context.traceFlags, link.context.isRemote),
    })),
    droppedLinksCount: it.droppedLinksCount,
    status: { code: it.status.code, message: it.status.message },
  };
}

function log(it) {
  return {
    timeUnixNano: nanos(it.hrTime), observedTimeUnixNano: nanos(it.hrTimeObserved), severityNumber: it.severityNumber,
    severityText: it.severityText, body: anyValue(it.body), attributes: attributes(it.attributes),
    droppedAttributesCount: it.droppedAttributesCount, flags: it.spanContext?.traceFlags,
    traceId: it.spanContext?.traceId, spanId: it.spanContext?.spanId, eventName: it.eventName,
  };
}

function point(it, metric) {
  const common = { attributes: attributes(it.attributes), startTimeUnixNano: nanos(it.startTime), timeUnixNano: nanos(it.endTime) };
  const value = it.value;
  switch (metric.dataPointType) {
    case DataPointType.HISTOGRAM:
      return { ...common, count: value.count, sum: value.sum, min: value.min, max: value.max,
        bucketCounts: value.buckets.counts, explicitBounds: value.buckets.boundaries };
    case DataPointType.EXPONENTIAL_HISTOGRAM:
      return { ...common, count: value.count, sum: value.sum, min: value.min, max: value.max, scale: value.scale,
        zeroCount: value.zeroCount, positive: value.positive, negative: value.negative };
    default:
      return { ...common, ...(metric.descriptor.valueType === ValueType.INT ? { asInt: String(value) } : { asDouble: value }) };
  }
}

function metric(it) {
  const dataPoints = it.dataPoints.map((each) => point(each, it));
  const aggregationTemporality = it.aggregationTemporality === AggregationTemporality.DELTA ? 1 : 2;
  const data = {
    [DataPointType.GAUGE]: { gauge: { dataPoints } },
    [DataPointType.SUM]: { sum: { dataPoints, aggregationTemporality, isMonotonic: it.isMonotonic } },
    [DataPointType.HISTOGRAM]: { histogram: { dataPoints, aggregationTemporality } },
    [DataPointType.EXPONENTIAL_HISTOGRAM]: { exponentialHistogram: { dataPoints, aggregationTemporality } },
  }[it.dataPointType];
  const { name, description, unit } = it.descriptor;
  return { name, description, unit, ...data };
}

// --- what is sent ------------------------------------------------------------------------------------------------

function makeTraces(provider) {
  const tracer = provider.getTracer('lib', '0.1', { schemaUrl: 'https://example.com/schema' });
  const remote = {
    traceId: '0123456789abcdef0123456789abcdef', spanId: '00f067aa0ba902b7', isRemote: true,
    traceFlags: TraceFlags.SAMPLED, traceState: createTraceState('vendor=value,other=x'),
  };
  const links = [{ context: remote, attributes: ATTRIBUTES }, { context: { ...remote, isRemote: false, traceState: undefined } }];
  for (const kind of [0, 1, 2, 3, 4]) {
    const parent = kind % 2 ? trace.setSpanContext(ROOT_CONTEXT, remote) : ROOT_CONTEXT;
    const root = tracer.startSpan(`${SpanKind[kind]} ünï`, { kind, attributes: ATTRIBUTES, links }, parent);
    root.addEvent('empty');
    root.addEvent('full', ATTRIBUTES, [1_700_000_000, 123_456_789]);
    root.recordException(new Error('no good'));
    const child = tracer.startSpan('child', {}, trace.setSpan(parent, root));
    child.setStatus({ code: SpanStatusCode.OK });
    child.end();
    root.setStatus({ code: SpanStatusCode.ERROR, message: 'it broke: ä' });
    root.end();
  }
  const many = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`k${index}`, index]));
  const over = tracer.startSpan('over every limit', { attributes: many, links: Array(200).fill({ context: remote }) });
  for (let index = 0; index < 200; index += 1) over.addEvent(`event ${index}`, many);
  over.end();
  const other = provider.getTracer('other');
  for (let index = 0; index < 500; index += 1) other.startSpan(`many ${index}`).end();
}

function makeMetrics(provider) {
  const meter = provider.getMeter('meters', '2', { schemaUrl: 'https://example.com/schema' });
  const counter = meter.createCounter('requests', { unit: '1', description: 'how many', valueType: ValueType.INT });
  counter.add(3, { ...ATTRIBUTES, route: '/a' });
  counter.add(2 ** 40, { route: '/b' });
  meter.createCounter('bytes.read', { unit: 'By' }).add(0.5);
  meter.createUpDownCounter('open', { valueType: ValueType.INT }).add(-4, { pool: 'x' });
  meter.createGauge('temperature', { unit: 'Cel' }).record(-273.15, { where: 'outside' });
  const histogram = meter.createHistogram('latency', { unit: 'ms' });
  const exponential = meter.createHistogram('size', { unit: 'By' });
  for (const value of [0, 0.5, 7, 30, 12_000, 1e9]) {
    histogram.record(value, { route: '/a' });
    exponential.record(value, { route: '/a' });
  }
  exponential.record(5);
  meter.createObservableGauge('observed', { valueType: ValueType.INT }).addCallback((result) => result.observe(17, { cpu: 0 }));
  meter.createObservableCounter('observed.sum').addCallback((result) => result.observe(1.5));
}

function makeLogs(provider) {
  const logger = provider.getLogger('logger', '3', { schemaUrl: 'https://example.com/schema' });
  const inTrace = trace.setSpanContext(ROOT_CONTEXT, {
    traceId: '000000000000000000000000000000aa', spanId: '00000000000000bb', traceFlags: TraceFlags.SAMPLED,
  });
  const bodies = ['text', '', 5, -1.5, true, false, new Uint8Array([0, 255, 32]), ['a', 1, [2.5]],
    { k: { deep: [1, 'two'] }, b: new Uint8Array([1]) }, undefined];
  bodies.forEach((body, index) => {
    logger.emit({
      body, severityNumber: index * 2 + 1, severityText: `LEVEL ${index}`, timestamp: [1_700_000_000, index],
      observedTimestamp: [1_700_000_001, 5], attributes: { ...ATTRIBUTES, bytes: new Uint8Array([0, 1, 254]) },
      context: index % 2 ? inTrace : ROOT_CONTEXT, eventName: index % 3 === 0 ? `event.${index}` : undefined,
    });
  });
  for (let index = 0; index < 300; index += 1) {
    logger.emit({ body: `many ${index}`, severityNumber: SeverityNumber.INFO, timestamp: [1, index], context: ROOT_CONTEXT });
  }
}

const [spans, metrics, logs] = [[], [], []];

const tracers = new BasicTracerProvider({
  resource,
  spanLimits: { attributeCountLimit: 64, attributePerEventCountLimit: 10 },
  spanProcessors: [new BatchSpanProcessor(watched(await exporter('trace'), spans), { maxQueueSize: 10_000, maxExportBatchSize: 100 })],
});
makeTraces(tracers);
await tracers.shutdown();

const meters = new MeterProvider({
  resource,
  views: [{ instrumentName: 'size', aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM } }],
  readers: [new PeriodicExportingMetricReader({ exporter: watched(await exporter('metrics'), metrics), exportIntervalMillis: 3_600_000 })],
});
makeMetrics(meters);
await meters.shutdown();

const loggers = new LoggerProvider({
  resource,
  processors: [new BatchLogRecordProcessor({ exporter: watched(await exporter('logs'), logs), maxQueueSize: 10_000, maxExportBatchSize: 64 })],
});
makeLogs(loggers);
await loggers.shutdown();

process.stdout.write(JSON.stringify({
  traces: { resourceSpans: spans.map((it) => ({ ...inResource(), scopeSpans: [{ ...inScope(it.instrumentationScope), spans: [span(it)] }] })) },
  metrics: { resourceMetrics: metrics.map((it) => ({
    ...inResource(),
    scopeMetrics: it.scopeMetrics.map((each) => ({ ...inScope(each.scope), metrics: each.metrics.map(metric) })),
  })) },
  logs: { resourceLogs: logs.map((it) => ({ ...inResource(), scopeLogs: [{ ...inScope(it.instrumentationScope), logRecords: [log(it)] }] })) },
}));
