//! `mailtls-exporter tlsa CERT.pem`: the TLSA records to publish for certificates, chains and keys.

use std::io;
use std::io::IsTerminal as _;
use std::io::Write as _;
use std::path::PathBuf;

use clap::ValueEnum;

use crate::cli::Error;
use crate::cli::Outcome;
use crate::cli::check::name;
use crate::cli::check::written;
use crate::cli::lint::read;
use crate::domain_name::DomainName;
use crate::domain_name::DomainNameError;
use crate::draft;
use crate::draft::Made;
use crate::draft::MakeError;
use crate::draft::MatchingType;
use crate::draft::Selector;
use crate::draft::Usage;
use crate::draft::Wanted;
use crate::report::tlsa;

/// What to make records of, and which.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The record goes to standard output; what to know before it is published goes to standard error. \
        3 1 1, the default, is about the server's key and holds as long as the key is kept. Publish the record of \
        the next key two TTLs before the key is changed: give both files."
)]
pub(super) struct Flags {
    /// PEM: a certificate, a chain, a private or public key, a signing request; - is standard input
    #[arg(value_name = "CERT.pem", required = true)]
    files: Vec<PathBuf>,

    /// 3: the server's own certificate or key; 2: that of the authority that issued it
    #[arg(long, value_name = "0-3", default_value_t = 3, value_parser = clap::value_parser!(u8).range(0..=3))]
    usage: u8,

    /// 1: the public key; 0: the whole certificate
    #[arg(long, value_name = "0-1", default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=1))]
    selector: u8,

    /// 1: its SHA-256; 2: its SHA-512; 0: the thing itself
    #[arg(long, value_name = "0-2", default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=2))]
    matching_type: u8,

    /// The MX host, for whole lines of a zone file
    #[arg(long, value_name = "HOST", value_parser = host)]
    name: Option<DomainName>,

    /// In which form
    #[arg(long, value_name = "FORM", default_value = "text")]
    output: Output,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Output {
    /// A line for each record
    Text,
    /// An object
    Json,
}

/// Why no record was made.
#[derive(Debug, thiserror::Error)]
pub(super) enum TlsaError {
    #[error(
        "usages 0 and 1 mean nothing in SMTP: senders cannot use such a record (RFC 7672 §3.1.3). Use 3, or 2 for the issuing authority"
    )]
    UsagePkix,
    #[error("{}: {source}", name(.file))]
    File { file: PathBuf, source: MakeError },
}

/// `mx.example.com`, and its owner name as well.
fn host(text: &str) -> Result<DomainName, DomainNameError> {
    DomainName::parse(text.strip_prefix("_25._tcp.").unwrap_or(text))
}

/// Makes and prints them.
pub(super) fn run(flags: &Flags) -> Result<Outcome, Error> {
    let wanted = Wanted {
        usage: match flags.usage {
            3 => Usage::EndEntity,
            2 => Usage::TrustAnchor,
            _ => return Err(TlsaError::UsagePkix.into()),
        },
        selector: match flags.selector {
            0 => Selector::Certificate,
            _ => Selector::PublicKey,
        },
        matching_type: match flags.matching_type {
            0 => MatchingType::Full,
            1 => MatchingType::Sha256,
            _ => MatchingType::Sha512,
        },
    };
    let host = flags.name.as_ref();
    let mut all: Vec<Made> = Vec::new();
    for file in &flags.files {
        let made = draft::make_tlsa(&read(file)?, wanted, host).map_err(|source| {
            let file = file.clone();
            TlsaError::File { file, source }
        })?;
        // A renewed certificate with the same key has the same record.
        if !all.iter().any(|known| known.record == made.record) {
            all.push(made);
        }
    }
    match flags.output {
        Output::Text => {
            for made in &all {
                advise(made);
                let line = tlsa::text(&made.record, host);
                written(writeln!(io::stdout(), "{line}"))?;
            }
        }
        Output::Json => {
            let object = tlsa::value(&all, host);
            written(writeln!(io::stdout(), "{object:#}"))?;
        }
    }
    Ok(Outcome::Fine)
}

/// What the record is about, for whoever looks on, and what to know of it.
fn advise(made: &Made) {
    let mut err = anstream::stderr();
    // Nobody is left to tell when this fails.
    if let Some(about) = tlsa::about(made).filter(|_| io::stderr().is_terminal()) {
        let _ = writeln!(err, "{about}:");
    }
    for note in &made.notes {
        let _ = writeln!(err, "mailtls-exporter: note: {note}");
    }
}
