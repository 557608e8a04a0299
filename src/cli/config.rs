//! `mailtls-exporter config check`: whether the configuration would be taken, before anything is restarted.

use std::io;
use std::io::Write as _;

use clap::Subcommand;

use crate::cli::Error;
use crate::cli::Everywhere;
use crate::cli::Outcome;
use crate::cli::check::written;
use crate::config::Config;

/// What to do with the configuration.
#[derive(Debug, clap::Args)]
pub(super) struct Flags {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Read it, and every file that it names, and say what is wrong or what it amounts to
    Check,
}

/// Does it.
pub(super) fn run(everywhere: &Everywhere, flags: &Flags) -> Result<Outcome, Error> {
    match flags.action {
        Action::Check => {
            let config = everywhere.config()?;
            let name = match &everywhere.config_file {
                Some(file) => file.display().to_string(),
                None => "the defaults (there is no --config.file)".to_owned(),
            };
            written(writeln!(io::stdout(), "{name}: fine; {}", summary(&config)))?;
            Ok(Outcome::Fine)
        }
    }
}

fn summary(config: &Config) -> String {
    let modules: Vec<&str> = config.modules.keys().map(String::as_str).collect();
    let domains = match config.domains.len() {
        0 => "no domain is listed".to_owned(),
        1 => "1 domain is listed".to_owned(),
        many => format!("{many} domains are listed"),
    };
    let others = if config.probe_unlisted_domains {
        "any other can be probed too"
    } else {
        "no other can be probed"
    };
    format!("modules: {}; {domains}, {others}", modules.join(", "))
}
