//! forward connector
