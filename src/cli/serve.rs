//! `mailtls-exporter` and `mailtls-exporter serve`: the exporter.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::FalseyValueParser;

use crate::cli::Error;
use crate::cli::Everywhere;
use crate::cli::Outcome;
use crate::cli::block_on;
use crate::config::Config;
use crate::config::both;
use crate::serve;
use crate::serve::ExternalUrl;
use crate::serve::Lifecycle;
use crate::serve::Listen;
use crate::serve::ListenAddress;
use crate::serve::Location;
use crate::serve::Options;
use crate::serve::Prefix;
use crate::serve::check_web_config;

/// The flags of serve: the name that clap knows each by, and the one that people do.
pub(super) const FLAGS: &[(&str, &str)] = &[
    ("listen", "--web.listen-address"),
    (WEB_CONFIG_FILE, "--web.config.file"),
    ("external_url", "--web.external-url"),
    ("route_prefix", "--web.route-prefix"),
    ("systemd_socket", "--web.systemd-socket"),
    ("timeout_offset", "--timeout-offset"),
    ("enable_lifecycle", "--web.enable-lifecycle"),
    ("enable_auto_reload", "--config.enable-auto-reload"),
    ("auto_reload_interval", "--config.auto-reload-interval"),
];

/// Which `config check` takes too.
pub(super) const WEB_CONFIG_FILE: &str = "web_config_file";

pub(super) const DEFAULT_PORT: u16 = 10064;
const DEFAULT_TIMEOUT_OFFSET: Duration = Duration::from_millis(500);
/// As in Prometheus.
const DEFAULT_AUTO_RELOAD_INTERVAL: Duration = Duration::from_secs(30);

/// Where the exporter is to be found: for itself, and for who asks after its health.
#[derive(Debug, clap::Args)]
pub(super) struct Place {
    /// Where the exporter listens: :PORT is every address of this host. May be given several times [default: :10064]
    #[arg(
        long = "web.listen-address",
        env = "MAILTLS_WEB_LISTEN_ADDRESS",
        value_name = "ADDRESS",
        value_delimiter = ','
    )]
    pub(super) listen: Vec<ListenAddress>,

    /// The URL that people reach the exporter at, where that is another one: behind a proxy
    #[arg(
        long = "web.external-url",
        env = "MAILTLS_WEB_EXTERNAL_URL",
        value_name = "URL"
    )]
    external_url: Option<ExternalUrl>,

    /// The path that all pages are below [default: the path of --web.external-url]
    #[arg(
        long = "web.route-prefix",
        env = "MAILTLS_WEB_ROUTE_PREFIX",
        value_name = "PATH"
    )]
    route_prefix: Option<Prefix>,
}

impl Place {
    /// What this does not say, `other` does.
    fn or(self, other: Self) -> Self {
        Self {
            listen: if self.listen.is_empty() {
                other.listen
            } else {
                self.listen
            },
            external_url: self.external_url.or(other.external_url),
            route_prefix: self.route_prefix.or(other.route_prefix),
        }
    }

    /// The path that all routes are below.
    pub(super) fn location(&self) -> Location {
        Location::new(self.external_url.clone(), self.route_prefix.clone())
    }
}

/// How to serve.
#[derive(Debug, clap::Args)]
pub(super) struct Flags {
    #[command(flatten)]
    place: Place,

    /// TLS, client certificates, passwords and headers, in the common format of Prometheus exporters
    #[arg(
        long = "web.config.file",
        env = "MAILTLS_WEB_CONFIG_FILE",
        value_name = "FILE"
    )]
    pub(super) web_config_file: Option<PathBuf>,

    /// Serve on the sockets that systemd has opened, in place of --web.listen-address
    #[arg(
        long = "web.systemd-socket",
        env = "MAILTLS_WEB_SYSTEMD_SOCKET",
        value_parser = FalseyValueParser::new()
    )]
    systemd_socket: bool,

    /// What a probe leaves of the time that Prometheus allows, in seconds or with a unit [default: 0.5]
    #[arg(
        long = "timeout-offset",
        env = "MAILTLS_TIMEOUT_OFFSET",
        value_name = "SECONDS",
        value_parser = seconds
    )]
    timeout_offset: Option<Duration>,

    /// Let POST /-/reload read the configuration anew; SIGHUP always does
    #[arg(
        long = "web.enable-lifecycle",
        env = "MAILTLS_WEB_ENABLE_LIFECYCLE",
        value_parser = FalseyValueParser::new()
    )]
    enable_lifecycle: bool,

    /// Read the configuration anew when it, or a file that it names, has changed
    #[arg(
        long = "config.enable-auto-reload",
        env = "MAILTLS_CONFIG_ENABLE_AUTO_RELOAD",
        value_parser = FalseyValueParser::new()
    )]
    enable_auto_reload: bool,

    /// How often to look for such a change [default: 30s]
    #[arg(
        long = "config.auto-reload-interval",
        env = "MAILTLS_CONFIG_AUTO_RELOAD_INTERVAL",
        value_name = "DURATION",
        value_parser = interval
    )]
    auto_reload_interval: Option<Duration>,
}

impl Flags {
    /// What these do not say, `others` do.
    pub(super) fn or(self, others: Self) -> Self {
        Self {
            place: self.place.or(others.place),
            web_config_file: self.web_config_file.or(others.web_config_file),
            systemd_socket: self.systemd_socket || others.systemd_socket,
            timeout_offset: self.timeout_offset.or(others.timeout_offset),
            enable_lifecycle: self.enable_lifecycle || others.enable_lifecycle,
            enable_auto_reload: self.enable_auto_reload || others.enable_auto_reload,
            auto_reload_interval: self.auto_reload_interval.or(others.auto_reload_interval),
        }
    }

    fn options(self) -> Options {
        let everywhere = ListenAddress::Every { port: DEFAULT_PORT };
        let location = self.place.location();
        Options {
            listen: if self.systemd_socket {
                Listen::Inherited
            } else if self.place.listen.is_empty() {
                Listen::At(vec![everywhere])
            } else {
                Listen::At(self.place.listen)
            },
            web_config_file: self.web_config_file,
            location,
            timeout_offset: self.timeout_offset.unwrap_or(DEFAULT_TIMEOUT_OFFSET),
            lifecycle: if self.enable_lifecycle {
                Lifecycle::ByPost
            } else {
                Lifecycle::BySignal
            },
            auto_reload: self.enable_auto_reload.then(|| {
                self.auto_reload_interval
                    .unwrap_or(DEFAULT_AUTO_RELOAD_INTERVAL)
            }),
        }
    }
}

/// `0.5`, as other exporters write it, or `500ms`.
fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.parse().ok();
    number
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .or_else(|| humantime::parse_duration(text).ok())
        .ok_or_else(|| "write 0.5 or 500ms".to_owned())
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = humantime::parse_duration(text).ok();
    interval
        .filter(|interval| !interval.is_zero())
        .ok_or_else(|| "write 30s or 5m".to_owned())
}

/// Serves until it is told to stop.
pub(super) fn run(everywhere: &Everywhere, flags: Flags) -> Result<Outcome, Error> {
    let web = flags.web_config_file.as_deref();
    let (config, ()) = both(
        everywhere.config().and_then(Config::to_stay),
        web.map_or(Ok(()), check_web_config),
    )?;
    block_on(async {
        serve::run(config, flags.options()).await?;
        Ok(Outcome::Fine)
    })
}
