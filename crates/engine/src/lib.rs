//! The graph that runs components.
