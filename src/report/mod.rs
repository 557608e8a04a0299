//! What was decided, in the forms that people and machines read: metrics, JSON, text, pages. Decides nothing.
#![warn(clippy::wildcard_enum_match_arm)]

pub mod metrics;
