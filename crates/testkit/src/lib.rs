//! Harness and contract suites for components.
