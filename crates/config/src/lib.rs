//! Configuration with positions.
