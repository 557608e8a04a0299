//! What must agree with what, without any I/O beyond this repository.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod architecture;
mod catalogue;
mod config;
mod dashboards;
mod docs;
mod metrics;
mod promql;
mod rules;
mod vocabulary;
