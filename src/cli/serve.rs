//! `mailtls-exporter` and `mailtls-exporter serve`: the exporter.

use std::time::Duration;

use crate::cli::Error;
use crate::cli::Everywhere;
use crate::cli::Outcome;
use crate::cli::block_on;
use crate::serve;
use crate::serve::ListenAddress;
use crate::serve::Options;

/// The flags of serve: the name that clap knows each by, and the one that people do.
pub(super) const FLAGS: &[(&str, &str)] = &[
    ("listen", "--web.listen-address"),
    ("timeout_offset", "--timeout-offset"),
];

pub(super) const DEFAULT_PORT: u16 = 10064;
const DEFAULT_TIMEOUT_OFFSET: Duration = Duration::from_millis(500);

/// How to serve.
#[derive(Debug, clap::Args)]
pub(super) struct Flags {
    /// Where to listen: :PORT is every address of this host. May be given several times [default: :10064]
    #[arg(
        long = "web.listen-address",
        env = "MAILTLS_WEB_LISTEN_ADDRESS",
        value_name = "ADDRESS",
        value_delimiter = ','
    )]
    listen: Vec<ListenAddress>,

    /// What a probe leaves of the time that Prometheus allows, in seconds or with a unit [default: 0.5]
    #[arg(
        long = "timeout-offset",
        env = "MAILTLS_TIMEOUT_OFFSET",
        value_name = "SECONDS",
        value_parser = seconds
    )]
    timeout_offset: Option<Duration>,
}

impl Flags {
    /// What these do not say, `others` do.
    pub(super) fn or(self, others: Self) -> Self {
        Self {
            listen: if self.listen.is_empty() {
                others.listen
            } else {
                self.listen
            },
            timeout_offset: self.timeout_offset.or(others.timeout_offset),
        }
    }

    fn options(self) -> Options {
        let everywhere = ListenAddress::Every { port: DEFAULT_PORT };
        Options {
            listen: if self.listen.is_empty() {
                vec![everywhere]
            } else {
                self.listen
            },
            timeout_offset: self.timeout_offset.unwrap_or(DEFAULT_TIMEOUT_OFFSET),
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

/// Serves until it is told to stop.
pub(super) fn run(everywhere: &Everywhere, flags: Flags) -> Result<Outcome, Error> {
    let config = everywhere.config()?;
    block_on(async {
        serve::run(config, flags.options()).await?;
        Ok(Outcome::Fine)
    })
}
