//! Listeners, clients, TLS, compression.
