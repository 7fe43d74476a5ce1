//! What wraps every exporter.
