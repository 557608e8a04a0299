//! The command line: reads the arguments and hands over to the command, each in a file of its own.
//!
//! What a command was asked for goes to standard output, and nothing else does; logs, progress and complaints go to
//! standard error. The exit code is 0 for "all is well", 1 for "it is not", 2 for "that could not be found out".

use std::io;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::ArgMatches;
use clap::CommandFactory as _;
use clap::FromArgMatches as _;
use clap::Parser;
use clap::Subcommand;
use clap::parser::ValueSource;

use crate::config::Config;
use crate::config::DnsServer;
use crate::config::Error as ConfigError;
use crate::config::Overrides;
use crate::probe::AssumptionError;
use crate::probe::ProberError;
use crate::serve::Error as ServeError;

mod check;
mod config;
mod explain;
mod healthcheck;
mod lint;
mod log;
mod manual;
mod recording;
mod resolve;
mod serve;
mod tlsa;

/// Watches the transport security of mail domains: MTA-STS, DANE, DNSSEC, STARTTLS and certificates.
///
/// Without a command it serves Prometheus: a scrape of /probe?target=example.com probes that domain.
#[derive(Debug, Parser)]
#[command(name = "mailtls-exporter", version)]
struct Arguments {
    #[command(flatten)]
    serve: serve::Flags,
    #[command(flatten)]
    everywhere: Everywhere,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve Prometheus; the same as without a command
    Serve(serve::Flags),
    /// Probe domains now and say what was found
    Check(check::Flags),
    /// Judge what is about to be published: a policy, its record, a TLS-RPT record, TLSA records
    Lint(lint::Flags),
    /// Look up one name with its whole chain of trust, link by link
    Resolve(resolve::Flags),
    /// Print the TLSA records to publish for certificates, chains or keys
    Tlsa(tlsa::Flags),
    /// Say what a finding means, how bad it is and for whom, and what to do
    Explain(explain::Flags),
    /// The configuration
    Config(config::Flags),
    /// Ask the running exporter whether it is healthy
    Healthcheck(healthcheck::Flags),
    /// Print a reference page in Markdown
    Docs(manual::DocsFlags),
    /// Print completions for a shell
    Completions(manual::CompletionFlags),
    /// Print the manual page: mailtls-exporter man | man -l -
    Man,
}

const EVERYWHERE: &str = "For every command";

/// The flags of every command.
#[expect(
    clippy::doc_markdown,
    reason = "these are help texts, read in terminals"
)]
#[derive(Debug, clap::Args)]
#[command(next_help_heading = EVERYWHERE)]
struct Everywhere {
    /// The configuration; without it the defaults hold
    #[arg(
        long = "config.file",
        env = "MAILTLS_CONFIG_FILE",
        value_name = "FILE",
        global = true
    )]
    config_file: Option<PathBuf>,

    /// A DNS server, in place of dns.servers: 192.0.2.1, 192.0.2.1:5353, tls://9.9.9.9#dns.quad9.net or
    /// https://dns.example/dns-query. May be given several times
    #[arg(
        long = "dns.server",
        env = "MAILTLS_DNS_SERVER",
        value_name = "SERVER",
        value_delimiter = ',',
        global = true
    )]
    dns_servers: Vec<DnsServer>,

    /// DS or DNSKEY records to trust, in place of dns.trust_anchor_file
    #[arg(
        long = "dns.trust-anchor-file",
        env = "MAILTLS_DNS_TRUST_ANCHOR_FILE",
        value_name = "FILE",
        global = true
    )]
    trust_anchor_file: Option<PathBuf>,

    /// PEM certificates to trust, in place of tls.ca_file
    #[arg(
        long = "tls.ca-file",
        env = "MAILTLS_TLS_CA_FILE",
        value_name = "FILE",
        global = true
    )]
    ca_file: Option<PathBuf>,

    /// How much is logged; the default is info for serve and warn for everything else
    #[arg(
        long = "log.level",
        env = "MAILTLS_LOG_LEVEL",
        value_name = "LEVEL",
        global = true
    )]
    log_level: Option<log::Level>,

    /// How it is logged
    #[arg(
        long = "log.format",
        env = "MAILTLS_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "logfmt",
        global = true
    )]
    log_format: log::Format,
}

impl Everywhere {
    fn config(&self) -> Result<Config, ConfigError> {
        let overrides = Overrides {
            dns_servers: self.dns_servers.clone(),
            trust_anchor_file: self.trust_anchor_file.clone(),
            ca_file: self.ca_file.clone(),
        };
        Config::load(self.config_file.as_deref(), &overrides)
    }
}

/// How a command ended, as the exit code says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// All is well.
    Fine,
    /// The answer is there, and it is not what was hoped for.
    NotFine,
    /// There is no answer.
    Unanswered,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Fine => Self::from(0),
            Outcome::NotFine => Self::from(1),
            Outcome::Unanswered => Self::from(2),
        }
    }
}

/// Why a command did not get to its answer.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error(transparent)]
    Question(#[from] check::QuestionError),
    #[error(transparent)]
    Assumption(#[from] AssumptionError),
    #[error(transparent)]
    Evidence(#[from] recording::FileError),
    #[error(transparent)]
    Lint(#[from] lint::LintError),
    #[error(transparent)]
    Tlsa(#[from] tlsa::TlsaError),
    #[error(transparent)]
    Explain(#[from] explain::ExplainError),
    #[error(transparent)]
    LookUp(#[from] resolve::LookUpError),
    #[error("cannot probe: {0}")]
    Prober(#[from] ProberError),
    #[error("cannot start: {0}")]
    Runtime(#[source] io::Error),
    #[error("cannot write the result: {0}")]
    Output(#[source] io::Error),
}

/// Does what the arguments of the process ask for.
pub fn run() -> ExitCode {
    let matches = Arguments::command().get_matches();
    let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    if let Some(flag) = misplaced_flag(&matches) {
        return complain(&format!("{flag} is only for serve"));
    }
    let everywhere = arguments.everywhere;
    let is_serving = matches!(arguments.command, None | Some(Command::Serve(_)));
    let level = everywhere.log_level.unwrap_or(if is_serving {
        log::Level::Info
    } else {
        log::Level::Warn
    });
    log::start(level, everywhere.log_format);
    let outcome = match arguments.command {
        None => serve::run(&everywhere, arguments.serve),
        Some(Command::Serve(flags)) => serve::run(&everywhere, flags.or(arguments.serve)),
        Some(Command::Check(flags)) => check::run(&everywhere, &flags),
        Some(Command::Lint(flags)) => lint::run(&everywhere, &flags),
        Some(Command::Resolve(flags)) => resolve::run(&everywhere, flags),
        Some(Command::Tlsa(flags)) => tlsa::run(&flags),
        Some(Command::Explain(flags)) => explain::run(&flags),
        Some(Command::Config(flags)) => {
            config::run(&everywhere, flags, arguments.serve.web_config_file)
        }
        Some(Command::Healthcheck(flags)) => healthcheck::run(flags),
        Some(Command::Docs(flags)) => manual::docs(&flags),
        Some(Command::Completions(flags)) => manual::completions(Arguments::command(), &flags),
        Some(Command::Man) => manual::man(Arguments::command()),
    };
    outcome.map_or_else(|error| complain(&error.to_string()), ExitCode::from)
}

/// A flag of serve that stands before another command, where it would have no effect.
fn misplaced_flag(matches: &ArgMatches) -> Option<&'static str> {
    match matches.subcommand_name() {
        None | Some("serve") => None,
        Some(command) => serve::FLAGS
            .iter()
            .filter(|(id, _)| (command, *id) != ("config", serve::WEB_CONFIG_FILE))
            .find(|(id, _)| matches.value_source(id) == Some(ValueSource::CommandLine))
            .map(|(_, flag)| *flag),
    }
}

fn complain(message: &str) -> ExitCode {
    for line in message.lines() {
        // Nobody is left to tell when this fails.
        let _ = writeln!(io::stderr(), "mailtls-exporter: {line}");
    }
    Outcome::Unanswered.into()
}

/// Runs a command that talks to the network.
fn block_on<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Error::Runtime)?;
    let outcome = runtime.block_on(work);
    // An assessment still under way keeps nobody waiting.
    runtime.shutdown_background();
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn flags_of_serve_belong_to_serve() {
        for (arguments, misplaced) in [
            (&["--web.listen-address", ":1"][..], None),
            (&["--web.listen-address", ":1", "serve"], None),
            (
                &["--web.listen-address", ":1", "config", "check"],
                Some("--web.listen-address"),
            ),
            (
                &["--timeout-offset=1s", "check", "example.com"],
                Some("--timeout-offset"),
            ),
            (&["--web.config.file", "web.yaml", "config", "check"], None),
            (&["config", "check", "--web.config.file", "web.yaml"], None),
            (
                &["--web.config.file", "web.yaml", "check", "example.com"],
                Some("--web.config.file"),
            ),
            (&["--dns.server", "192.0.2.1", "check", "example.com"], None),
            (&["check", "example.com", "--dns.server", "192.0.2.1"], None),
        ] {
            let all = ["mailtls-exporter"].iter().chain(arguments);
            let matches = Arguments::command().try_get_matches_from(all).unwrap();
            assert_eq!(misplaced_flag(&matches), misplaced, "{arguments:?}");
        }
    }
}
