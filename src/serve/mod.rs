//! The exporter as a web server: what it answers at which path, and how it starts and ends.
//!
//! `listener` owns the sockets and their limits, `probe`, `admin` and `pages` answer; none of them knows how a domain
//! is probed. On SIGTERM or SIGINT the listeners close at once, probes under way may finish, and a second signal ends
//! the process without waiting.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header;
use axum::middleware;
use axum::middleware::Next;
use axum::response::IntoResponse;
use axum::response::Response;
use axum::routing::get;
use axum::routing::post;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tokio::sync::watch;
use tower_http::compression::CompressionLayer;

use crate::config::Config;
use crate::finding::Severity;
use crate::gate::Gate;
use crate::probe::Prober;
use crate::probe::ProberError;
use crate::report::SelfReport;
use crate::telemetry::Telemetry;

mod admin;
mod listener;
mod negotiation;
mod pages;
mod probe;
mod process;
mod reload;

use listener::Bounds;
pub use listener::ListenAddress;
pub use listener::ListenAddressError;
use listener::Listeners;
use reload::InForce;
pub use reload::Lifecycle;
use reload::Reloads;

/// What the command line decides about serving.
#[derive(Debug, Clone)]
pub struct Options {
    /// `--web.listen-address`.
    pub listen: Vec<ListenAddress>,
    /// `--timeout-offset`: what a probe leaves of the time that Prometheus allows, for the way back.
    pub timeout_offset: Duration,
    /// `--web.enable-lifecycle`.
    pub lifecycle: Lifecycle,
    /// `--config.enable-auto-reload`: how often to see whether the configuration has changed.
    pub auto_reload: Option<Duration>,
}

/// Why the exporter does not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address, as given.
        address: ListenAddress,
        /// Why.
        source: io::Error,
    },
    /// There is nothing to probe with.
    #[error("cannot probe: {0}")]
    Prober(#[from] ProberError),
    /// The operating system does not deliver signals.
    #[error("cannot wait for signals: {0}")]
    Signals(#[source] io::Error),
}

/// What every request may look at.
pub(crate) struct App {
    in_force: ArcSwap<InForce>,
    telemetry: Arc<Telemetry>,
    /// Everybody whose probe is under way is inside.
    probes: Arc<Gate>,
    bounds: Arc<Bounds>,
    timeout_offset: Duration,
    reloads: Reloads,
    /// Set once the process is about to end.
    is_stopping: AtomicBool,
}

/// Serves until a signal ends it.
pub async fn run(config: Config, options: Options) -> Result<(), Error> {
    // Asked for before anything else: a signal that comes earlier than its handler kills, or as PID 1 is lost.
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Signals)?;
    let hangup = signal(SignalKind::hangup()).map_err(Error::Signals)?;
    let mut stop = async || {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    };

    let listeners = Listeners::bind(&options.listen).await?;
    let (reloads, requests) = Reloads::new(options.lifecycle);
    let app = Arc::new(App::new(config, options.timeout_offset, reloads)?);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "starting");
    for address in listeners.addresses() {
        tracing::info!(%address, "listening");
    }
    announce(&app.in_force().config);

    let (stopping, stopped) = watch::channel(false);
    let bounds = Arc::clone(&app.bounds);
    let serving = listeners.serve(routes(Arc::clone(&app)), bounds, stopped);
    let mut serving = std::pin::pin!(serving);
    let name = tokio::select! {
        () = &mut serving => return Ok(()),
        never = watch_itself(&app) => match never {},
        never = reload::watch(&app, requests, hangup, options.auto_reload) => match never {},
        name = stop() => name,
    };
    tracing::info!(signal = name, "stopping: probes under way may finish");
    app.is_stopping.store(true, Ordering::Relaxed);
    stopping.send_replace(true);
    tokio::select! {
        () = serving => tracing::info!("stopped"),
        name = stop() => tracing::warn!(signal = name, "stopped at once by a second signal"),
    }
    Ok(())
}

/// Looks at the exporter's own surroundings for as long as it runs, and says what is wrong with them: once, and once
/// when it is over.
async fn watch_itself(app: &App) -> Infallible {
    let mut said = SelfReport::default();
    loop {
        let replaced = app.reloads.replaced();
        let prober = app.in_force().prober.clone();
        tokio::select! {
            never = watch_while_in_force(&prober, &mut said) => match never {},
            () = replaced => {}
        }
    }
}

async fn watch_while_in_force(prober: &Prober, said: &mut SelfReport) -> Infallible {
    prober.check_itself().await;
    loop {
        let report = prober.check_itself_until_changed(said).await;
        for finding in &report.findings {
            if !said.findings.contains(finding) {
                let (code, advice, detail) =
                    (finding.code.as_str(), finding.advice(), &finding.detail);
                match finding.severity {
                    Severity::Critical => tracing::error!(code, advice, "{detail}"),
                    Severity::Warning => tracing::warn!(code, advice, "{detail}"),
                    Severity::Info => tracing::info!(code, advice, "{detail}"),
                }
            }
        }
        for over in &said.findings {
            if !report.findings.contains(over) {
                tracing::info!(code = over.code.as_str(), "no longer so: this is over");
            }
        }
        *said = report;
    }
}

/// Says at start, and when it is read anew, what an operator would otherwise find out too late.
fn announce(config: &Config) {
    let domains = config.domains.len();
    if config.probe_unlisted_domains {
        tracing::info!(
            domains,
            "probing unlisted domains is open: whoever reaches this address can have any domain probed"
        );
    } else {
        tracing::info!(domains, "only listed domains are probed");
    }
}

impl App {
    fn new(
        config: Config,
        timeout_offset: Duration,
        reloads: Reloads,
    ) -> Result<Self, ProberError> {
        let telemetry = Arc::<Telemetry>::default();
        let prober = Prober::new(&config, Arc::clone(&telemetry))?;
        let in_force = InForce::new(config, prober);
        in_force.count(&telemetry);
        Ok(Self {
            telemetry,
            probes: Gate::new(in_force.config.limits.max_concurrent_probes),
            bounds: Arc::new(Bounds::of(&in_force.config)),
            in_force: ArcSwap::from_pointee(in_force),
            timeout_offset,
            reloads,
            is_stopping: AtomicBool::new(false),
        })
    }

    /// The configuration in force, and what probes by it. A request asks for it once, and goes by that until it is answered.
    fn in_force(&self) -> Arc<InForce> {
        self.in_force.load_full()
    }
}

/// Which path answers what. A known path asked in another way is 405, any other path 404.
fn routes(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(pages::start))
        .route("/style.css", get(pages::style))
        .route("/probe", get(probe::probe))
        .route("/metrics", get(admin::metrics))
        .route("/-/healthy", get(admin::healthy))
        .route("/-/ready", get(admin::ready))
        .route("/-/reload", post(admin::reload).put(admin::reload))
        .fallback(async || sentence(StatusCode::NOT_FOUND, "no such page: the first one is /"))
        .method_not_allowed_fallback(async || {
            sentence(
                StatusCode::METHOD_NOT_ALLOWED,
                "this page is asked in another way: the header Allow says how",
            )
        })
        .layer(middleware::from_fn(guard))
        .layer(CompressionLayer::new())
        .with_state(app)
}

/// What holds for every answer: a browser takes it for what it says it is, and nobody keeps it.
async fn guard(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

/// An answer of one plain sentence.
fn sentence(status: StatusCode, text: &str) -> Response {
    let plain = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    (status, plain, format!("{text}\n")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DnsServer;
    use std::net::SocketAddr;
    use tokio::io::AsyncReadExt as _;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpStream;
    use tokio::task::JoinSet;

    /// With an upstream that takes queries and never answers one.
    fn silent_upstream() -> (Config, std::net::UdpSocket) {
        let upstream = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut config = Config::default_config();
        config.dns.servers = vec![DnsServer::Plain(upstream.local_addr().unwrap())];
        config.dns.timeout = Duration::from_millis(50);
        config.dns.attempts = 1;
        (config, upstream)
    }

    struct Running {
        address: SocketAddr,
        app: Arc<App>,
        stopping: watch::Sender<bool>,
        serving: JoinSet<()>,
    }

    async fn start(config: Config) -> Running {
        let listeners = Listeners::bind(&["127.0.0.1:0".parse().unwrap()])
            .await
            .unwrap();
        let address = listeners.addresses()[0];
        let (reloads, _) = Reloads::new(Lifecycle::BySignal);
        let app = Arc::new(App::new(config, Duration::from_millis(500), reloads).unwrap());
        let (stopping, stopped) = watch::channel(false);
        let mut serving = JoinSet::new();
        let bounds = Arc::clone(&app.bounds);
        serving.spawn(listeners.serve(routes(Arc::clone(&app)), bounds, stopped));
        Running {
            address,
            app,
            stopping,
            serving,
        }
    }

    /// Sends a request and returns all of the answer.
    async fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn answers() {
        let (config, _upstream) = silent_upstream();
        let running = start(config).await;
        for (request, status, part) in [
            ("GET /", 200, "<title>mailtls-exporter</title>"),
            ("GET /", 200, "content-security-policy: default-src 'none'"),
            ("GET /style.css", 200, "content-type: text/css"),
            ("GET /metrics", 200, "mailtls_exporter_build_info{"),
            (
                "GET /metrics",
                200,
                "content-type: text/plain; version=0.0.4",
            ),
            ("GET /-/healthy", 200, "healthy"),
            ("GET /-/ready", 200, "ready"),
            ("GET /probe?target=example.com", 200, "probe_success"),
            (
                "GET /probe?target=example.com&debug=true",
                200,
                "\nexample.com\n",
            ),
            (
                "GET /probe?target=b%C3%BCcher.example&debug=true",
                200,
                "xn--bcher-kva.example",
            ),
            ("GET /probe", 400, "the parameter target is missing"),
            ("GET /probe?target=%ff", 400, "is not a domain name"),
            (
                "GET /probe?target=a.example&module=x",
                400,
                "there is no module",
            ),
            ("GET /nothing", 404, "no such page"),
            ("GET /-/nothing", 404, "no such page"),
            ("POST /probe?target=example.com", 405, "allow: GET,HEAD"),
            (
                "HEAD /metrics",
                200,
                "content-type: text/plain; version=0.0.4",
            ),
            ("GET /metrics", 200, "x-content-type-options: nosniff"),
        ] {
            let answer = ask(running.address, request).await;
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status} ")),
                "{request}: {answer}"
            );
            assert!(answer.contains(part), "{request}: {answer}");
        }
        let counters = running.app.telemetry.modules.of("default");
        assert_eq!(counters.probes.value(), 3);
        assert_eq!(running.app.telemetry.probes_in_flight.value(), 0);
    }

    #[tokio::test]
    async fn compresses_when_asked() {
        let running = start(Config::default_config()).await;
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAccept-Encoding: gzip\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.contains("content-encoding: gzip\r\n"), "{answer}");
        let plain = ask(running.address, "GET /metrics").await;
        assert!(!plain.contains("content-encoding"), "{plain}");
    }

    #[tokio::test]
    async fn turns_away_what_is_too_much() {
        let (mut config, _upstream) = silent_upstream();
        config.limits.max_concurrent_probes = 1;
        let running = start(config).await;
        let permit = running.app.probes.try_enter().unwrap();
        let answer = ask(running.address, "GET /probe?target=example.com").await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(answer.contains("retry-after: 5\r\n"), "{answer}");
        drop(permit);
        let answer = ask(running.address, "GET /probe?target=example.com").await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let metrics = ask(running.address, "GET /metrics").await;
        let counted = "mailtls_exporter_probes_rejected_total{reason=\"too_many\"} 1\n";
        assert!(metrics.contains(counted), "{metrics}");
    }

    #[tokio::test]
    async fn finishes_what_is_under_way() {
        let (mut config, _upstream) = silent_upstream();
        config.dns.timeout = Duration::from_secs(10);
        let mut running = start(config).await;
        let mut asking = JoinSet::new();
        let address = running.address;
        asking.spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let request = "GET /probe?target=slow.example HTTP/1.1\r\nHost: localhost\r\n\
                X-Prometheus-Scrape-Timeout-Seconds: 1\r\n\r\n";
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        });
        while running.app.telemetry.probes_in_flight.value() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // Idle: it must not keep the process.
        let _idle = TcpStream::connect(address).await.unwrap();
        running.stopping.send_replace(true);
        running.serving.join_next().await.unwrap().unwrap();
        let answer = asking.join_next().await.unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(answer.contains("probe_success"), "{answer}");
        assert!(TcpStream::connect(address).await.is_err(), "nobody listens");
    }

    #[tokio::test]
    async fn ready_ends_before_the_process() {
        let running = start(Config::default_config()).await;
        running.app.is_stopping.store(true, Ordering::Relaxed);
        let answer = ask(running.address, "GET /-/ready").await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        let answer = ask(running.address, "GET /-/healthy").await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}
