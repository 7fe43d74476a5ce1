//! The boundary between engine and components.
