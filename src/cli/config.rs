//! `mailtls-exporter config check`: whether the configuration would be taken, before anything is restarted.

use std::io;
use std::io::Write as _;
use std::path::PathBuf;

use clap::Subcommand;

use crate::cli::Error;
use crate::cli::Everywhere;
use crate::cli::Outcome;
use crate::cli::check::written;
use crate::config::Config;
use crate::config::both;
use crate::serve::check_web_config;

/// What to do with the configuration.
#[derive(Debug, clap::Args)]
pub(super) struct Flags {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Read it, and every file that it names, and say what is wrong or what it amounts to
    Check {
        /// The web configuration, to be checked too
        #[arg(
            long = "web.config.file",
            env = "MAILTLS_WEB_CONFIG_FILE",
            value_name = "FILE"
        )]
        web_config_file: Option<PathBuf>,
    },
}

/// Does it. `web_config_file` is the one that stands before the command.
pub(super) fn run(
    everywhere: &Everywhere,
    flags: Flags,
    web_config_file: Option<PathBuf>,
) -> Result<Outcome, Error> {
    match flags.action {
        Action::Check {
            web_config_file: own,
        } => {
            let config = everywhere.config();
            let name = match &everywhere.config_file {
                Some(file) => file.display().to_string(),
                None => "the defaults (there is no --config.file)".to_owned(),
            };
            if let Ok(config) = &config {
                written(writeln!(io::stdout(), "{name}: fine; {}", summary(config)))?;
            }
            let web = own.or(web_config_file);
            let checked = web.as_deref().map_or(Ok(()), check_web_config);
            if let (Some(file), Ok(())) = (&web, &checked) {
                written(writeln!(io::stdout(), "{}: fine", file.display()))?;
            }
            both(config, checked)?;
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
