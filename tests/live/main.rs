//! The whole chain at work: the domains of the demo, the exporter, Prometheus with our rules and Alertmanager with our
//! configuration, and somebody who is told. `rules` asks Prometheus and Alertmanager what they think of what they are given,
//! `stack` starts them, `faster` makes hours of rules pass in seconds, `receiver` is who is told, `alerts` breaks and mends
//! domains, `panels` asks what dashboards ask.
//!
//! A program of its own, for its scrapes come every two seconds and want the machine for themselves: cargo runs one test
//! program at a time. Needs what `tests/run` installs.

mod alerts;
mod faster;
mod panels;
mod receiver;
mod rules;
mod stack;

use std::process::Command;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

/// Held by each test: they do not take the processor from each other.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a program printed, standard output first; it must have succeeded.
fn printed(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let text =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let text = text.concat();
    assert!(output.status.success(), "{command:?}: {text}");
    text
}
