//! The exporter's own metrics.
