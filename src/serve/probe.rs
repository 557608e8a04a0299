//! `/probe?target=DOMAIN[&module=M][&debug=true]`: reads the question, finds out how long there is, and answers with
//! metrics, or with a sentence that says why not.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Query;
use axum::extract::State;
use axum::extract::rejection::QueryRejection;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use futures_util::FutureExt as _;
use tokio::time::Instant;

use crate::config::Config;
use crate::config::Module;
use crate::domain_name::DomainName;
use crate::domain_name::DomainNameError;
use crate::report;
use crate::report::Report;
use crate::serve::App;
use crate::serve::InForce;
use crate::serve::negotiation;
use crate::serve::permits::Caller;
use crate::serve::probe_log;
use crate::serve::sentence;
use crate::telemetry::ProbeRejection;

/// How long Prometheus will wait, in seconds.
const SCRAPE_TIMEOUT: &str = "X-Prometheus-Scrape-Timeout-Seconds";
/// For clients that heed it, in seconds.
const RETRY_AFTER: &str = "5";

/// Answers one request.
pub(super) async fn probe(
    State(app): State<Arc<App>>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let in_force = app.in_force();
    let question = query
        .map_err(|_| Rejection::Parameters)
        .and_then(|Query(parameters)| Question::read(&parameters, &in_force.config))
        .and_then(|question| {
            let timeout = timeout(&headers, app.timeout_offset, question.module.timeout)?;
            Ok((question, timeout))
        });
    let (question, timeout) = match question {
        Ok(question) => question,
        Err(rejection) => return reject(&app, &rejection),
    };
    let caller = match in_force.config.listed(&question.domain) {
        Some(_) => Caller::Listed,
        None => Caller::Anybody,
    };
    let Some(_permit) = app.probes.take(caller) else {
        return reject(&app, &Rejection::TooMany);
    };
    let probing = run(&app, &in_force, &question, timeout);
    let (report, log) = match question.shape {
        Shape::Metrics => (probing.await, String::new()),
        Shape::Report => probe_log::recorded(probing).await,
    };
    let answered = match report {
        Some(report) => survive(async { answer(&report, question.shape, &log, &headers) }).await,
        None => None,
    };
    answered.unwrap_or_else(|| broken(&app, &question))
}

/// The answer of a probe that panicked, which has failed.
fn broken(app: &App, question: &Question) -> Response {
    tracing::error!(domain = %question.domain, "a probe panicked");
    let counters = app.telemetry.modules.of(&question.module.name);
    counters.failures.increment();
    sentence(
        StatusCode::INTERNAL_SERVER_ERROR,
        "the probe broke: this is a bug of the exporter, whose log says more",
    )
}

/// One probe, counted; none when it panicked. It ends when the client goes away.
async fn run(
    app: &App,
    in_force: &InForce,
    question: &Question,
    timeout: Duration,
) -> Option<Report> {
    let counters = app.telemetry.modules.of(&question.module.name);
    let _in_flight = app.telemetry.probes_in_flight.enter();
    counters.probes.increment();
    let began = Instant::now();
    let (domain, module) = (&question.domain, &question.module);
    let report = if in_force.config.listed(domain).is_some() {
        survive(in_force.prober.run(domain, module, timeout)).await
    } else {
        survive(in_force.prober.run_unlisted(domain, module, timeout)).await
    };
    counters.duration.observe(began.elapsed());
    if report.as_ref().is_some_and(Report::unanswered) {
        counters.failures.increment();
    }
    report
}

/// What comes of it; none when it panicked. A panic leaves nothing half done behind: what probes share is caches.
pub(super) async fn survive<T>(work: impl Future<Output = T>) -> Option<T> {
    AssertUnwindSafe(work).catch_unwind().await.ok()
}

fn answer(report: &Report, shape: Shape, log: &str, headers: &HeaderMap) -> Response {
    match shape {
        Shape::Metrics => {
            let format = negotiation::format(headers);
            let body = report::metrics::probe::render(report, format);
            ([(header::CONTENT_TYPE, format.content_type())], body).into_response()
        }
        Shape::Report => {
            let text = report::text::render(report);
            let text = anstream::adapter::strip_str(&text);
            sentence(
                StatusCode::OK,
                &format!("{text}\nLog of this probe:\n{}", log.trim_end()),
            )
        }
    }
}

fn reject(app: &App, rejection: &Rejection) -> Response {
    app.telemetry
        .probes_rejected
        .of(rejection.reason())
        .increment();
    let mut response = sentence(rejection.status(), &rejection.to_string());
    if matches!(rejection, Rejection::TooMany) {
        let value = header::HeaderValue::from_static(RETRY_AFTER);
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
    response
}

/// What was asked.
#[derive(Debug)]
struct Question {
    domain: DomainName,
    module: Arc<Module>,
    shape: Shape,
}

/// What is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Metrics,
    /// `debug=true`: for people.
    Report,
}

/// Why there is no probe; one plain sentence each.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Rejection {
    #[error("the parameters cannot be read: write /probe?target=example.com")]
    Parameters,
    #[error("the parameter {0} stands there twice")]
    Repeated(&'static str),
    #[error("the parameter target is missing: write /probe?target=example.com")]
    NoTarget,
    #[error("{0}")]
    NoDomain(#[from] DomainNameError),
    #[error("there is no module {name:?}: there is {known}")]
    UnknownModule { name: String, known: String },
    #[error(
        "debug is {0:?}: write debug=true for the report and the log of this probe, or leave it out"
    )]
    Debug(String),
    #[error("{SCRAPE_TIMEOUT} is {0:?}: a number of seconds above zero was expected")]
    Timeout(String),
    #[error(
        "{0} is not listed under domains in the configuration, and probe_unlisted_domains is off"
    )]
    NotListed(DomainName),
    #[error(
        "as many probes are under way as limits.max_concurrent_probes allows: ask again in {RETRY_AFTER} seconds"
    )]
    TooMany,
}

impl Rejection {
    const fn status(&self) -> StatusCode {
        match self {
            Self::Parameters
            | Self::Repeated(_)
            | Self::NoTarget
            | Self::NoDomain(_)
            | Self::UnknownModule { .. }
            | Self::Debug(_)
            | Self::Timeout(_) => StatusCode::BAD_REQUEST,
            Self::NotListed(_) => StatusCode::FORBIDDEN,
            Self::TooMany => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    const fn reason(&self) -> ProbeRejection {
        match self {
            Self::Parameters
            | Self::Repeated(_)
            | Self::NoTarget
            | Self::NoDomain(_)
            | Self::Debug(_)
            | Self::Timeout(_) => ProbeRejection::BadRequest,
            Self::UnknownModule { .. } => ProbeRejection::UnknownModule,
            Self::NotListed(_) => ProbeRejection::NotListed,
            Self::TooMany => ProbeRejection::TooMany,
        }
    }
}

impl Question {
    /// A listed domain asked for without a module gets its own. Parameters of other names are passed over, as other
    /// exporters do.
    fn read(parameters: &[(String, String)], config: &Config) -> Result<Self, Rejection> {
        let target = once(parameters, "target")?.filter(|target| !target.is_empty());
        let module = once(parameters, "module")?.filter(|module| !module.is_empty());
        let shape = match once(parameters, "debug")? {
            Some("true") => Shape::Report,
            Some("false" | "") | None => Shape::Metrics,
            Some(other) => return Err(Rejection::Debug(other.chars().take(64).collect())),
        };
        let domain = DomainName::parse(target.ok_or(Rejection::NoTarget)?)?;
        let listed = config.listed(&domain);
        if listed.is_none() && !config.probe_unlisted_domains {
            return Err(Rejection::NotListed(domain));
        }
        let name = module
            .or(listed.map(|listed| listed.module.as_str()))
            .unwrap_or("default");
        let module = config
            .module(name)
            .ok_or_else(|| Rejection::UnknownModule {
                name: name.chars().take(64).collect(),
                known: known_modules(config),
            })?;
        Ok(Self {
            domain,
            module: Arc::clone(module),
            shape,
        })
    }
}

pub(super) fn known_modules(config: &Config) -> String {
    let names: Vec<&str> = config.modules.keys().map(String::as_str).collect();
    names.join(", ")
}

/// The value of a parameter that may be given once.
pub(super) fn once<'a>(
    parameters: &'a [(String, String)],
    name: &'static str,
) -> Result<Option<&'a str>, Rejection> {
    let mut values = parameters.iter().filter(|(key, _)| key == name);
    let first = values.next().map(|(_, value)| value.as_str());
    match values.next() {
        Some(_) => Err(Rejection::Repeated(name)),
        None => Ok(first),
    }
}

/// How long the probe may take: what Prometheus allows less the offset, or the module's own time-out if that is shorter.
fn timeout(headers: &HeaderMap, offset: Duration, module: Duration) -> Result<Duration, Rejection> {
    // An empty one says nothing, as in blackbox_exporter.
    let value = headers
        .get(SCRAPE_TIMEOUT)
        .filter(|value| !value.is_empty());
    let Some(value) = value else {
        return Ok(module);
    };
    let seconds = value.to_str().ok().and_then(|text| text.parse().ok());
    let allowed = seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|allowed| !allowed.is_zero())
        .ok_or_else(|| {
            let text = String::from_utf8_lossy(value.as_bytes());
            Rejection::Timeout(text.chars().take(64).collect())
        })?;
    // Who allows less than the offset gets what can be had in that time, rather than nothing.
    let left = allowed.saturating_sub(offset);
    let left = if left.is_zero() { allowed } else { left };
    Ok(left.min(module))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn config(text: &str) -> Config {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Config::load(Some(file.path()), &crate::config::Overrides::default()).unwrap()
    }

    /// Domain, module and shape.
    type Asked<'a> = Result<(&'a str, &'a str, Shape), Rejection>;
    /// Why, under which configuration, the parameters, what is read.
    type Row<'a> = (&'a str, &'a Config, &'a [(&'a str, &'a str)], Asked<'a>);

    const LISTED: &str = "
modules: {fast: {timeout: 5s}}
domains:
  - {domain: example.com, module: fast}
";

    #[test]
    fn reads_the_question() {
        let open = config("modules: {fast: {timeout: 5s}}");
        let closed = config(LISTED);
        let unknown = || Rejection::UnknownModule {
            name: "slow".to_owned(),
            known: "default, fast".to_owned(),
        };
        let rows: Vec<Row<'_>> = vec![
            (
                "the default module",
                &open,
                &[("target", "example.com")],
                Ok(("example.com", "default", Shape::Metrics)),
            ),
            (
                "a U-label",
                &open,
                &[("target", "Bücher.example."), ("module", "fast")],
                Ok(("xn--bcher-kva.example", "fast", Shape::Metrics)),
            ),
            (
                "for people",
                &open,
                &[("debug", "true"), ("target", "example.com")],
                Ok(("example.com", "default", Shape::Report)),
            ),
            (
                "not for people",
                &open,
                &[("debug", "false"), ("target", "example.com")],
                Ok(("example.com", "default", Shape::Metrics)),
            ),
            (
                "who knows for whom",
                &open,
                &[("debug", "maybe"), ("target", "example.com")],
                Err(Rejection::Debug("maybe".to_owned())),
            ),
            (
                "what others know",
                &open,
                &[("target", "example.com"), ("hostname", "x")],
                Ok(("example.com", "default", Shape::Metrics)),
            ),
            (
                "the module of a listed domain",
                &closed,
                &[("target", "EXAMPLE.com")],
                Ok(("example.com", "fast", Shape::Metrics)),
            ),
            (
                "the module that was asked for",
                &closed,
                &[("target", "example.com"), ("module", "default")],
                Ok(("example.com", "default", Shape::Metrics)),
            ),
            (
                "not listed",
                &closed,
                &[("target", "example.net")],
                Err(Rejection::NotListed(
                    DomainName::parse("example.net").unwrap(),
                )),
            ),
            ("no target", &open, &[], Err(Rejection::NoTarget)),
            ("empty", &open, &[("target", "")], Err(Rejection::NoTarget)),
            (
                "twice",
                &open,
                &[("target", "a.example"), ("target", "b.example")],
                Err(Rejection::Repeated("target")),
            ),
            (
                "no domain",
                &open,
                &[("target", "..")],
                Err(DomainNameError::EmptyLabel("..".to_owned()).into()),
            ),
            (
                "no such module",
                &open,
                &[("target", "example.com"), ("module", "slow")],
                Err(unknown()),
            ),
        ];
        for (why, config, parameters, expected) in rows {
            let parameters: Vec<(String, String)> = parameters
                .iter()
                .map(|&(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            let question = Question::read(&parameters, config);
            let read = question.as_ref().map(|question| {
                let module = question.module.name.as_str();
                (question.domain.as_str(), module, question.shape)
            });
            assert_eq!(read, expected.as_ref().map(|asked| *asked), "{why}");
        }
    }

    #[tokio::test]
    async fn lives_through_a_panic() {
        assert_eq!(survive(async { 1 }).await, Some(1));
        assert_eq!(survive(async { panic!("as asked") }).await, None::<()>);
    }

    #[test]
    fn leaves_time_for_the_way_back() {
        let seconds = Duration::from_secs_f64;
        for (why, header, expected) in [
            ("no header", None, Some(55.0)),
            ("Prometheus's own", Some("10"), Some(9.5)),
            ("with a fraction", Some("2.500000"), Some(2.0)),
            ("the module's is shorter", Some("120"), Some(55.0)),
            ("less than the offset", Some("0.25"), Some(0.25)),
            ("as much as the offset", Some("0.5"), Some(0.5)),
            ("text", Some("soon"), None),
            ("nothing", Some(""), Some(55.0)),
            ("zero", Some("0"), None),
            ("below zero", Some("-1"), None),
            ("no number", Some("NaN"), None),
            ("no end", Some("inf"), None),
            ("more than fits", Some("1e30"), None),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(value) = header {
                headers.insert(SCRAPE_TIMEOUT, HeaderValue::from_static(value));
            }
            let read = timeout(&headers, seconds(0.5), seconds(55.0));
            assert_eq!(read.ok(), expected.map(seconds), "{why}");
        }
    }
}
