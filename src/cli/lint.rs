//! `mailtls-exporter lint …`: judges what is about to be published, offline, with the same code as a probe.

use std::io;
use std::io::Read as _;
use std::io::Write as _;
use std::path::Path;
use std::path::PathBuf;

use clap::Subcommand;
use clap::ValueEnum;

use crate::cli::Error;
use crate::cli::Everywhere;
use crate::cli::Outcome;
use crate::cli::check::FailOn;
use crate::cli::check::name;
use crate::cli::check::written;
use crate::domain_name::DomainName;
use crate::draft;
use crate::draft::DraftError;
use crate::draft::Publication;
use crate::finding::Severity;
use crate::report::publication;

/// What to judge, and how to say it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit code: 0 when nothing reaches --fail-on, 1 when something does, 2 when it could not be judged. A TLS-RPT \
        record that nobody can use is a warning, for no mail hangs on it: --fail-on warning fails it. How bad a finding is can depend on the other half (record and policy, TLSA and \
        certificate): that is taken to be right, and in force. Thresholds and severities are those of the module \
        \"default\" of the configuration."
)]
pub(super) struct Flags {
    #[command(subcommand)]
    draft: Draft,

    /// In which form
    #[arg(long, value_name = "FORM", default_value = "text", global = true)]
    output: Output,

    /// From which severity on the exit code is 1
    #[arg(
        long,
        value_name = "SEVERITY",
        default_value = "critical",
        global = true
    )]
    fail_on: FailOn,
}

#[derive(Debug, Subcommand)]
enum Draft {
    /// The policy that mta-sts.DOMAIN is to serve
    MtaStsPolicy {
        /// The file to be served; - is standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,

        /// The mail domain that it is for: then patterns that are wider than they need to be are found too
        #[arg(long, value_name = "DOMAIN", value_parser = DomainName::parse)]
        domain: Option<DomainName>,
    },
    /// The TXT record for _mta-sts.DOMAIN
    MtaStsRecord(Text),
    /// The TXT record for _smtp._tls.DOMAIN
    TlsrptRecord(Text),
    /// The TLSA records for _25._tcp.HOST
    Tlsa(Text),
}

#[derive(Debug, clap::Args)]
struct Text {
    /// The record: its bare text, the same in quotes, a line of a zone file or what dig prints; - is standard input
    #[arg(value_name = "TEXT")]
    text: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Output {
    /// For people
    Text,
    /// An object
    Json,
}

/// Why a draft was not judged.
#[derive(Debug, thiserror::Error)]
pub(super) enum LintError {
    #[error("cannot read {}: {source}", name(.file))]
    File { file: PathBuf, source: io::Error },
    #[error("{}: {source}", from.as_deref().map_or_else(|| "the text given".to_owned(), name))]
    Draft {
        from: Option<PathBuf>,
        source: DraftError,
    },
    #[error("{} is larger than {} MiB: nothing of the kind is", name(.file), LARGEST >> 20)]
    TooLarge { file: PathBuf },
}

/// In bytes; far more than anything that can be published.
const LARGEST: u64 = 16 << 20;

/// Judges and prints.
pub(super) fn run(everywhere: &Everywhere, flags: &Flags) -> Result<Outcome, Error> {
    let config = everywhere.config()?;
    // That of a probe without one.
    let module = config
        .module("default")
        .expect("every configuration has it");
    let publication = match &flags.draft {
        Draft::MtaStsPolicy { file, domain } => {
            draft::mta_sts_policy(&read(file)?, domain.as_ref(), &module.thresholds)
        }
        Draft::MtaStsRecord(text) => text.judge(draft::mta_sts_record)?,
        Draft::TlsrptRecord(text) => text.judge(draft::tlsrpt_record)?,
        Draft::Tlsa(text) => text.judge(draft::tlsa)?,
    };
    let publication = publication.changed(&module.severity);
    let mut out = anstream::stdout();
    written(match flags.output {
        Output::Text => write!(out, "{}", publication::render(&publication)),
        Output::Json => {
            let object = publication::value(&publication);
            writeln!(out, "{object:#}")
        }
    })?;
    let worst = publication
        .findings
        .iter()
        .map(|finding| finding.severity)
        .max();
    let fails = worst >= Some(Severity::from(flags.fail_on));
    Ok(if fails {
        Outcome::NotFine
    } else {
        Outcome::Fine
    })
}

impl Text {
    fn judge(
        &self,
        judge: fn(&str) -> Result<Publication, DraftError>,
    ) -> Result<Publication, LintError> {
        let from = (self.text == "-").then(|| PathBuf::from("-"));
        let text = match &from {
            Some(input) => String::from_utf8_lossy(&read(input)?).into_owned(),
            None => self.text.clone(),
        };
        judge(&text).map_err(|source| LintError::Draft { from, source })
    }
}

/// A file, or standard input.
pub(super) fn read(file: &Path) -> Result<Vec<u8>, LintError> {
    let failed = |source| LintError::File {
        file: file.to_owned(),
        source,
    };
    let reader: Box<dyn io::Read> = if file == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(std::fs::File::open(file).map_err(failed)?)
    };
    let mut bytes = Vec::new();
    let limited = &mut reader.take(LARGEST + 1);
    limited.read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LARGEST {
        return Err(LintError::TooLarge {
            file: file.to_owned(),
        });
    }
    Ok(bytes)
}
