//! The exporter over real sockets on loopback, against the little mail internet of `tests/lab`.
//!
//! Scenario files say: given this domain, exactly these findings and these gauges. They are read off the design's check
//! catalogue and decision tables, and off what the program does only where that is written down nowhere.
//!
//! `monitor` probes in this process, `exporter` runs the program and talks to it over HTTP, `exposition` reads what it
//! exports.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(
    clippy::too_many_lines,
    reason = "most of these functions are tables of cases"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "tests measure how long things take"
)]

mod cardinality;
mod cli;
mod commands;
mod coordination;
mod dane;
mod demo;
mod dnssec;
mod exporter;
mod exposition;
mod hostile;
mod http;
mod http2;
mod limits;
mod load;
mod memory;
mod monitor;
mod mta_sts;
mod own_trouble;
mod politeness;
mod readme;
mod record;
#[path = "../recordings.rs"]
mod recordings;
mod reload;
mod replay;
mod resolve;
mod service;
mod smtp;
mod trouble;
mod web;
