//! What must agree with what, without any I/O beyond this repository.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod architecture;
mod catalogue;
mod config;
mod corpus;
mod docs;
mod golden;
mod hostile;
mod metrics;
mod properties;
