//! batch processor
