//! What is logged goes to standard error, a line for each event: as logfmt (`time=… level=info msg="…" key=value`) or
//! as JSON.

use std::fmt;
use std::fmt::Write as _;
use std::io;

use clap::ValueEnum;
use tracing::Event;
use tracing::Subscriber;
use tracing::field::Field;
use tracing::field::Visit;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::FormatEvent;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::registry::LookupSpan;

use crate::clock;

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
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(false);
    match format {
        Format::Logfmt => builder.event_format(Logfmt).init(),
        Format::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_timer(Clock)
            .init(),
    }
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
        let mut pairs = Pairs::default();
        event.record(&mut pairs);
        let message = quoted(&pairs.message);
        writeln!(
            writer,
            "time={} level={level} msg={message}{}",
            clock::now(),
            pairs.others
        )
    }
}

/// The fields of an event: the message, and the others as ` key=value`.
#[derive(Default)]
struct Pairs {
    message: String,
    others: String,
}

impl Visit for Pairs {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let value = format!("{value:?}");
        self.push(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.push(field, value.to_owned());
    }
}

impl Pairs {
    fn push(&mut self, field: &Field, value: String) {
        if field.name() == "message" {
            self.message = value;
        } else {
            let _ = write!(self.others, " {}={}", field.name(), quoted(&value));
        }
    }
}

/// As it is where that is one word, else in quotes with everything escaped that could end the line or the quotes.
fn quoted(value: &str) -> String {
    let is_word = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '=' | '\\');
    if !value.is_empty() && value.chars().all(is_word) {
        value.to_owned()
    } else {
        format!("{value:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_what_is_no_word() {
        for (value, expected) in [
            ("[::]:10064", "[::]:10064"),
            ("", "\"\""),
            ("two words", "\"two words\""),
            ("a=b", "\"a=b\""),
            ("a\nlevel=error", "\"a\\nlevel=error\""),
            ("\u{1b}[31m", "\"\\u{1b}[31m\""),
            ("say \"x\"", "\"say \\\"x\\\"\""),
        ] {
            assert_eq!(quoted(value), expected);
        }
    }
}
