"""An OTLP receiver made of grpcio and the packages of opentelemetry-proto: the receiving end that others wrote.

Prints the ports it listens on, then each request on a line of its own, before it is answered.
"""

import base64
import gzip
import json
import sys
import threading
import zlib
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
from google.protobuf.json_format import MessageToDict, ParseDict
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

SIGNALS = {
    "traces": (trace_service_pb2.ExportTraceServiceRequest, trace_service_pb2.ExportTraceServiceResponse),
    "metrics": (metrics_service_pb2.ExportMetricsServiceRequest, metrics_service_pb2.ExportMetricsServiceResponse),
    "logs": (logs_service_pb2.ExportLogsServiceRequest, logs_service_pb2.ExportLogsServiceResponse),
}
IDS = ("traceId", "spanId", "parentSpanId")
lock = threading.Lock()


def ids(value, convert):
    """Ids are hexadecimal in OTLP JSON and base64 in protobuf's."""
    if isinstance(value, list):
        return [ids(it, convert) for it in value]
    if isinstance(value, dict):
        return {key: convert(it) if key in IDS else ids(it, convert) for key, it in value.items()}
    return value


def to_hex(text):
    return base64.b64decode(text).hex()


def to_base64(text):
    return base64.b64encode(bytes.fromhex(text)).decode()


def show(signal, via, message):
    document = ids(MessageToDict(message, use_integers_for_enums=True), to_hex)
    with lock:
        print(json.dumps({"signal": signal, "via": via, "request": document}), flush=True)


def servicer(base, signal):
    class Servicer(base):
        def Export(self, request, context):
            show(signal, "grpc", request)
            return SIGNALS[signal][1]()

    return Servicer()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        encoding = self.headers.get("content-encoding")
        if encoding == "gzip":
            body = gzip.decompress(body)
        elif encoding == "deflate":
            body = zlib.decompress(body)
        elif encoding:
            raise ValueError(encoding)
        signal = self.path.removeprefix("/v1/")
        request, response = SIGNALS[signal]
        kind = self.headers["content-type"]
        if kind == "application/json":
            message, answer = ParseDict(ids(json.loads(body), to_base64), request()), b"{}"
        else:
            assert kind == "application/x-protobuf", kind
            message, answer = request.FromString(body), response().SerializeToString()
        show(signal, kind, message)
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


server = grpc.server(futures.ThreadPoolExecutor(4), options=[("grpc.max_receive_message_length", -1)])
trace_service_pb2_grpc.add_TraceServiceServicer_to_server(
    servicer(trace_service_pb2_grpc.TraceServiceServicer, "traces"), server)
metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(
    servicer(metrics_service_pb2_grpc.MetricsServiceServicer, "metrics"), server)
logs_service_pb2_grpc.add_LogsServiceServicer_to_server(
    servicer(logs_service_pb2_grpc.LogsServiceServicer, "logs"), server)
port = server.add_insecure_port("127.0.0.1:0")
server.start()
web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(json.dumps({"grpc": port, "http": web.server_address[1]}), flush=True)
try:
    web.serve_forever()
except KeyboardInterrupt:
    sys.exit(0)
