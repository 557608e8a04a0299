//! What must agree with what, without any I/O beyond this repository.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod architecture;
mod catalogue;
mod config;
mod corpus;
mod dashboards;
mod docs;
mod golden;
mod hostile;
mod lost_answers;
mod metrics;
mod picture;
mod promql;
mod properties;
mod rule_tests;
mod rules;
mod vectors;
mod vocabulary;
