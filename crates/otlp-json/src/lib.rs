//! OTLP's JSON form.
