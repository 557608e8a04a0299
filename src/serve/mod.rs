//! The exporter as a web server: what it answers at which path, and how it starts and ends.
//!
//! `listener` owns the sockets, `connection` what happens on them (`tls`, `places`, `unsent` and `rewind` help), `web` the web configuration, `guard` and
//! `auth` stand before every route, `location` knows the path that all routes are below. `probe`, `discovery`, `api`,
//! `admin` and `pages` answer; none of them knows how a domain is probed. `systemd` is told how it goes. On SIGTERM or
//! SIGINT the listeners close at once, what is under way has ten seconds, and a second signal ends the process without
//! waiting.

use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::http::StatusCode;
use axum::http::header;
use axum::middleware;
use axum::response::IntoResponse;
use axum::response::Response;
use axum::routing::get;
use axum::routing::post;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tokio::sync::watch;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::SizeAbove;

use crate::config::Config;
use crate::config::Error as ConfigError;
use crate::finding::Severity;
use crate::probe::Prober;
use crate::probe::ProberError;
use crate::report::SelfReport;
use crate::telemetry::Telemetry;

mod admin;
mod api;
mod auth;
mod connection;
mod discovery;
mod guard;
mod listener;
mod liveness;
mod location;
mod negotiation;
mod pages;
mod permits;
mod places;
mod probe;
pub mod probe_log;
mod process;
mod reload;
mod rewind;
mod systemd;
mod tls;
mod unsent;
mod web;

use auth::Guard;
pub use listener::ListenAddress;
pub use listener::ListenAddressError;
use listener::Listeners;
pub use liveness::SPEAKS_TLS;
pub use liveness::over_tls;
pub use liveness::wants_certificate;
pub use location::ExternalUrl;
pub use location::Location;
pub use location::LocationError;
pub use location::Prefix;
use permits::Permits;
use places::Places;
pub use probe_log::Pairs;
use reload::InForce;
pub use reload::Lifecycle;
use reload::Reloads;
use web::Web;
pub use web::check_web_config;

/// Bytes of an answer that is worth compressing: it takes far more memory than a sentence, and saves nothing of it.
const COMPRESSED_FROM: u16 = 1024;

/// What the command line decides about serving.
#[derive(Debug, Clone)]
pub struct Options {
    /// `--web.listen-address` or `--web.systemd-socket`.
    pub listen: Listen,
    /// `--web.config.file`.
    pub web_config_file: Option<PathBuf>,
    /// `--web.external-url` and `--web.route-prefix`.
    pub location: Location,
    /// `--timeout-offset`: what a probe leaves of the time that Prometheus allows, for the way back.
    pub timeout_offset: Duration,
    /// `--web.enable-lifecycle`.
    pub lifecycle: Lifecycle,
    /// `--config.enable-auto-reload`: how often to see whether the configuration has changed.
    pub auto_reload: Option<Duration>,
}

/// Where sockets come from.
#[derive(Debug, Clone)]
pub enum Listen {
    /// They are opened.
    At(Vec<ListenAddress>),
    /// The service manager has opened them.
    Inherited,
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
    /// A socket of the service manager is none that can be served.
    #[error("cannot use a socket of the service manager: {0}")]
    Inherit(#[source] io::Error),
    /// The service manager has opened none.
    #[error(
        "the service manager has opened no socket for this process: without one, --web.systemd-socket has nothing to serve"
    )]
    NothingInherited,
    /// `--web.config.file`.
    #[error(transparent)]
    Web(#[from] ConfigError),
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
    /// One for each probe under way.
    probes: Permits,
    /// One for each connection.
    places: Arc<Places>,
    web: Arc<Web>,
    auth: Guard,
    location: Location,
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

    let listeners = match &options.listen {
        Listen::At(addresses) => Listeners::bind(addresses).await?,
        Listen::Inherited => Listeners::inherited()?,
    };
    let (reloads, requests) = Reloads::new(options.lifecycle);
    let app = Arc::new(App::new(config, &options, reloads)?);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "starting");
    for address in listeners.addresses() {
        tracing::info!(%address, "listening");
    }
    app.web.announce();
    announce(&app.in_force().config);

    let (stopping, stopped) = watch::channel(false);
    let (web, places) = (Arc::clone(&app.web), Arc::clone(&app.places));
    let serving = listeners.serve(routes(Arc::clone(&app)), web, places, stopped);
    let mut serving = std::pin::pin!(serving);
    systemd::ready();
    let name = tokio::select! {
        () = &mut serving => return Ok(()),
        never = watch_itself(&app) => match never {},
        never = systemd::keep_alive() => match never {},
        never = reload::watch(&app, requests, hangup, options.auto_reload) => match never {},
        name = stop() => name,
    };
    tracing::info!(signal = name, "stopping: probes under way have ten seconds");
    systemd::stopping();
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
            ended = probe::survive(watch_while_in_force(&prober, &mut said)) => {
                // What it reads comes from strangers, as everything in a probe: a bug there must not end the process either.
                let None = ended;
                tracing::error!("a check of the exporter's own surroundings panicked");
                tokio::time::sleep(AFTER_PANIC).await;
            }
            () = replaced => {}
        }
    }
}

/// Until the surroundings are looked at again after that was a bug.
const AFTER_PANIC: Duration = Duration::from_secs(30);

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
    fn new(config: Config, options: &Options, reloads: Reloads) -> Result<Self, Error> {
        let telemetry = Arc::<Telemetry>::default();
        let prober = Prober::new(&config, Arc::clone(&telemetry))?;
        let in_force = InForce::new(config, prober);
        in_force.count(&telemetry);
        Ok(Self {
            telemetry,
            probes: Permits::of(&in_force.config),
            places: Places::of(&in_force.config),
            web: Arc::new(Web::load(options.web_config_file.as_deref())?),
            auth: Guard::new(),
            location: options.location.clone(),
            in_force: ArcSwap::from_pointee(in_force),
            timeout_offset: options.timeout_offset,
            reloads,
            is_stopping: AtomicBool::new(false),
        })
    }

    /// The configuration in force, and what probes by it. A request asks for it once, and goes by that until it is answered.
    fn in_force(&self) -> Arc<InForce> {
        self.in_force.load_full()
    }
}

/// Which path answers what, below the prefix. A known path asked in another way is 405, any other path 404.
fn routes(app: Arc<App>) -> Router {
    let routes = Router::new()
        .route("/", get(pages::start))
        .route("/style.css", get(pages::style))
        .route("/probe", get(probe::probe))
        .route("/metrics", get(admin::metrics))
        .route("/sd", get(discovery::targets))
        .route("/api/v1/findings", get(api::findings))
        .route("/api/v1/report/{domain}", get(api::report))
        .route("/-/healthy", get(admin::healthy))
        .route("/-/ready", get(admin::ready))
        .route("/-/reload", post(admin::reload).put(admin::reload))
        .fallback(async || not_found())
        .method_not_allowed_fallback(async || {
            sentence(
                StatusCode::METHOD_NOT_ALLOWED,
                "this page is asked in another way: the header Allow says how",
            )
        })
        .with_state(Arc::clone(&app));
    guarded(app, routes)
}

/// With what stands before and after every route.
fn guarded(app: Arc<App>, routes: Router) -> Router {
    let routes = routes.layer(CatchPanicLayer::custom(|_| broken()));
    app.location
        .around(routes)
        .layer(middleware::from_fn_with_state(app, guard::guard))
        .layer(CompressionLayer::new().compress_when(SizeAbove::new(COMPRESSED_FROM)))
}

/// The answer where a route panicked.
fn broken() -> Response {
    sentence(
        StatusCode::INTERNAL_SERVER_ERROR,
        "this is a bug of the exporter, whose log says more",
    )
}

/// The answer to a path that there is not.
fn not_found() -> Response {
    sentence(StatusCode::NOT_FOUND, "no such page: the first one is /")
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
    use crate::serve::permits::Caller;
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
        start_with(config, routes).await
    }

    async fn start_with(config: Config, routes: impl FnOnce(Arc<App>) -> Router) -> Running {
        let listeners = Listeners::bind(&["127.0.0.1:0".parse().unwrap()])
            .await
            .unwrap();
        let address = listeners.addresses()[0];
        let options = Options {
            listen: Listen::Inherited,
            web_config_file: None,
            location: Location::default(),
            timeout_offset: Duration::from_millis(500),
            lifecycle: Lifecycle::BySignal,
            auto_reload: None,
        };
        let (reloads, _) = Reloads::new(options.lifecycle);
        let app = Arc::new(App::new(config, &options, reloads).unwrap());
        let (stopping, stopped) = watch::channel(false);
        let mut serving = JoinSet::new();
        let (web, places) = (Arc::clone(&app.web), Arc::clone(&app.places));
        serving.spawn(listeners.serve(routes(Arc::clone(&app)), web, places, stopped));
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
        let permit = running.app.probes.take(Caller::Anybody).unwrap();
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
    async fn a_panic_ends_one_answer_and_nothing_else() {
        let routes = |app| {
            let broken = get(async || -> Response { panic!("as asked") });
            let fine = get(admin::healthy);
            guarded(
                app,
                Router::new().route("/broken", broken).route("/fine", fine),
            )
        };
        let running = start_with(Config::default_config(), routes).await;
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        let requests = "GET /broken HTTP/1.1\r\nHost: x\r\n\r\n\
            GET /fine HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        stream.write_all(requests.as_bytes()).await.unwrap();
        let mut answers = String::new();
        stream.read_to_string(&mut answers).await.unwrap();
        assert!(answers.starts_with("HTTP/1.1 500 "), "{answers}");
        assert!(answers.contains("HTTP/1.1 200 "), "{answers}");
        assert_eq!(answers.matches("nosniff").count(), 2, "{answers}");
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
