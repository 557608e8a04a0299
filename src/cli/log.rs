//! What is logged goes to standard error, a line for each event: as logfmt (`time=… level=info msg="…" key=value`) or
//! as JSON.

use std::fmt;
use std::io;

use clap::ValueEnum;
use tracing::Event;
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::Registry;
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::FormatEvent;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::clock;
use crate::serve::Pairs;
use crate::serve::probe_log;

/// How much is logged.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Level {
    /// Everything
    Debug,
    /// What an operator may want to know
    Info,
    /// What somebody should look at
    Warn,
    /// What is broken
    Error,
}

/// How it is logged.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Format {
    /// time=… level=info msg="…"
    Logfmt,
    /// {"time":"…","level":"INFO","msg":"…"}
    Json,
}

/// Logs from now on. What libraries log below a warning is for their authors.
pub(super) fn start(level: Level, format: Format) {
    let level = match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    };
    let others = if level == "error" { "error" } else { "warn" };
    let filter = EnvFilter::new(format!("{others},mailtls_exporter={level}"));
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(false);
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match format {
        Format::Logfmt => Box::new(layer.event_format(Logfmt).with_filter(filter)),
        Format::Json => Box::new(
            layer
                .json()
                .flatten_event(true)
                .with_current_span(false)
                .with_span_list(false)
                .with_timer(Clock)
                .with_filter(filter),
        ),
    };
    tracing_subscriber::registry()
        .with(layer)
        .with(probe_log::layer())
        .init();
}

struct Clock;

impl FormatTime for Clock {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        write!(writer, "{}", clock::now())
    }
}

struct Logfmt;

impl<S, N> FormatEvent<S, N> for Logfmt
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = event.metadata().level().as_str().to_ascii_lowercase();
        let pairs = Pairs::of(event);
        writeln!(writer, "time={} level={level} {pairs}", clock::now())
    }
}
