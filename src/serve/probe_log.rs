//! What one probe logs, kept beside the log of the process for whoever asks with `debug=true`: its events down to
//! `debug`, whatever the log's own level.
//!
//! Events belong to a probe when they happen inside its span; tasks that it starts carry the span along. What strangers
//! say stands in such events quoted and cut, here and in the log, so that it can neither begin a line nor fill one.

use std::fmt;
use std::fmt::Write as _;

use tokio::time::Instant;
use tracing::Dispatch;
use tracing::Event;
use tracing::Id;
use tracing::Instrument as _;
use tracing::Metadata;
use tracing::Subscriber;
use tracing::field::Field;
use tracing::field::Visit;
use tracing::level_filters::LevelFilter;
use tracing::span::Attributes;
use tracing_subscriber::Layer;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// Lines kept of one probe; later ones are counted.
const LINES: usize = 1000;
/// Characters of one value.
const VALUE: usize = 500;
/// The span of a probe that is recorded.
const SPAN: &str = "recorded_probe";

/// Runs a probe; what it logged comes along, a line for each event. Empty where [`layer`] was not installed.
pub(super) async fn recorded<T>(probe: impl Future<Output = T>) -> (T, String) {
    let span = tracing::debug_span!(target: "mailtls_exporter", SPAN);
    let outcome = probe.instrument(span.clone()).await;
    let lines = span.with_subscriber(|(id, dispatch)| lines(id, dispatch));
    (outcome, lines.flatten().unwrap_or_default())
}

fn lines(id: &Id, dispatch: &Dispatch) -> Option<String> {
    let registry: &Registry = dispatch.downcast_ref()?;
    let span = registry.span(id)?;
    let extensions = span.extensions();
    let log: &Log = extensions.get()?;
    let mut lines = log.lines.join("");
    if log.left_out > 0 {
        let _ = writeln!(lines, "and {} lines more", log.left_out);
    }
    Some(lines)
}

/// What records; beside the layer that writes the log.
pub fn layer<S>() -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let is_ours = |metadata: &Metadata<'_>| metadata.target().starts_with("mailtls_exporter");
    let filter = dynamic_filter_fn(move |metadata, context: &Context<'_, S>| {
        is_ours(metadata) && (metadata.name() == SPAN || is_recorded(context))
    });
    Recorder.with_filter(filter.with_max_level_hint(LevelFilter::DEBUG))
}

fn is_recorded<S>(context: &Context<'_, S>) -> bool
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    context
        .lookup_current()
        .is_some_and(|span| span.scope().any(|span| span.name() == SPAN))
}

struct Recorder;

struct Log {
    begin: Instant,
    lines: Vec<String>,
    left_out: usize,
}

impl<S> Layer<S> for Recorder
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let span = context.span(id);
        if let Some(span) = span.filter(|_| attributes.metadata().name() == SPAN) {
            span.extensions_mut().insert(Log {
                begin: Instant::now(),
                lines: Vec::new(),
                left_out: 0,
            });
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let Some(mut scope) = context.event_scope(event) else {
            return;
        };
        let Some(span) = scope.find(|span| span.name() == SPAN) else {
            return;
        };
        let pairs = Pairs::of(event);
        let mut extensions = span.extensions_mut();
        let Some(log) = extensions.get_mut::<Log>() else {
            return;
        };
        if log.lines.len() < LINES {
            let seconds = log.begin.elapsed().as_secs_f64();
            let level = event.metadata().level().as_str().to_ascii_lowercase();
            log.lines
                .push(format!("{seconds:7.3}s level={level} {pairs}\n"));
        } else {
            log.left_out += 1;
        }
    }
}

/// The fields of an event as `msg="…" key=value`.
#[derive(Debug, Default)]
pub struct Pairs {
    message: String,
    others: String,
}

impl Pairs {
    /// Of this event.
    pub fn of(event: &Event<'_>) -> Self {
        let mut pairs = Self::default();
        event.record(&mut pairs);
        pairs
    }

    fn push(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            let _ = write!(self.others, " {}={}", field.name(), quoted(value));
        }
    }
}

impl fmt::Display for Pairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "msg={}{}", quoted(&self.message), self.others)
    }
}

impl Visit for Pairs {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.push(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.push(field, value);
    }
}

/// As it is where that is one word, else in quotes with everything escaped that could end the line or the quotes; cut
/// where it is too long for a line.
fn quoted(value: &str) -> String {
    let cut: String = value.chars().take(VALUE).collect();
    let ellipsis = if cut.len() < value.len() { "…" } else { "" };
    let is_word = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '=' | '\\');
    if !value.is_empty() && value.chars().all(is_word) {
        format!("{cut}{ellipsis}")
    } else {
        format!("{cut:?}{ellipsis}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt as _;

    #[test]
    fn quotes_what_is_no_word() {
        let long = "a".repeat(VALUE + 1);
        let cut = format!("{}…", "a".repeat(VALUE));
        for (value, expected) in [
            ("[::]:10064", "[::]:10064"),
            ("", "\"\""),
            ("two words", "\"two words\""),
            ("a=b", "\"a=b\""),
            ("a\nlevel=error", "\"a\\nlevel=error\""),
            ("\u{1b}[31m", "\"\\u{1b}[31m\""),
            ("say \"x\"", "\"say \\\"x\\\"\""),
            (long.as_str(), cut.as_str()),
        ] {
            assert_eq!(quoted(value), expected);
        }
    }

    /// In a runtime of one thread, where the subscriber of this test is the one of all its tasks.
    #[test]
    fn a_probe_has_its_own_lines() {
        let subscriber = tracing_subscriber::registry().with(layer());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let probe = |name: &'static str, events: usize| {
            recorded(async move {
                let mut tasks = tokio::task::JoinSet::new();
                let task = async move { tracing::debug!(name, "in a task") };
                tasks.spawn(task.in_current_span());
                tasks.join_next().await;
                for _ in 0..events {
                    tracing::debug!(target: "mailtls_exporter::observe", name, said = "x\ny", "seen");
                }
                tracing::debug!(target: "hickory_net", "not ours");
            })
        };
        let (one, other) = tracing::subscriber::with_default(subscriber, || {
            tracing::debug!(target: "mailtls_exporter", "in no probe");
            runtime.block_on(async { tokio::join!(probe("a", 1), probe("b", LINES + 1)) })
        });
        let lines: Vec<&str> = one.1.lines().collect();
        assert_eq!(lines.len(), 2, "{}", one.1);
        let is_in = |line: &str, parts: &[&str]| parts.iter().all(|part| line.contains(part));
        assert!(
            is_in(lines[0], &["level=debug msg=\"in a task\" name=a"]),
            "{}",
            one.1
        );
        assert!(
            is_in(lines[1], &["msg=seen name=a said=\"x\\ny\""]),
            "{}",
            one.1
        );
        assert_eq!(other.1.lines().count(), LINES + 1);
        assert!(other.1.ends_with("and 2 lines more\n"), "{}", other.1);
        assert!(!other.1.contains("name=a"));
    }
}
