//! otlp exporter (gRPC)
