//! otlp receiver
