//! `mailtls-exporter explain [CODE]`: what a finding means, how bad it is and for whom, and what to do.

use std::io::Write as _;

use clap::ValueEnum;

use crate::cli::Error;
use crate::cli::Outcome;
use crate::cli::check::written;
use crate::finding::Check;
use crate::finding::Code;
use crate::report::explanation;

/// What to explain, and how to say it.
#[derive(Debug, clap::Args)]
#[expect(
    clippy::doc_markdown,
    reason = "these are help texts, read in terminals"
)]
pub(super) struct Flags {
    /// A finding code, like dane_tlsa_mismatch, or a check, like dane; without it all of them
    #[arg(value_name = "CODE")]
    code: Option<String>,

    /// In which form
    #[arg(long, value_name = "FORM", default_value = "text")]
    output: Output,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Output {
    /// For people
    Text,
    /// An object
    Json,
}

/// A word that is neither a code nor a check.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExplainError {
    #[error("there is no finding {0:?}: did you mean {1}?")]
    Misspelled(String, Code),
    #[error("there is no finding {0:?}: mailtls-exporter explain lists them all")]
    Unknown(String),
}

/// Prints one entry of the catalogue, or many.
pub(super) fn run(flags: &Flags) -> Result<Outcome, Error> {
    let asked = flags.code.as_deref().map(normalised);
    let check = Check::ALL
        .iter()
        .find(|check| Some(check.as_str()) == asked.as_deref());
    let text = match (asked.as_deref(), check) {
        (Some(word), None) => {
            let code = Code::parse(word).ok_or_else(|| unknown(word))?;
            match flags.output {
                Output::Text => explanation::render(code),
                Output::Json => format!("{:#}\n", explanation::value(code)),
            }
        }
        (_, check) => {
            let wanted = |code: &Code| check.is_none_or(|&check| code.entry().check == check);
            let codes: Vec<Code> = Code::ALL.iter().copied().filter(wanted).collect();
            match flags.output {
                Output::Text => explanation::render_list(&codes),
                Output::Json => format!("{:#}\n", explanation::list_value(&codes)),
            }
        }
    };
    written(write!(anstream::stdout(), "{text}"))?;
    Ok(Outcome::Fine)
}

/// People write `DANE-TLSA-Mismatch`, and copy `code="…"` from an alert.
fn normalised(word: &str) -> String {
    let word = word.trim().trim_start_matches("code=").trim_matches('"');
    word.to_ascii_lowercase().replace(['-', ' '], "_")
}

/// With the nearest code, when there is one near.
fn unknown(word: &str) -> ExplainError {
    let word: String = word.chars().take(64).collect();
    let distance = |code: Code| strsim::damerau_levenshtein(&word, code.as_str());
    let nearest = Code::ALL.iter().copied().min_by_key(|&code| distance(code));
    // Half of the letters may be wrong, or some left out: `tlsa_mismatch` is meant for `dane_tlsa_mismatch`.
    let is_near = |&code: &Code| distance(code) * 2 <= word.chars().count();
    let part_of = |code: &Code| word.chars().count() > 2 && code.as_str().contains(&word);
    let whole = || Code::ALL.iter().copied().find(part_of);
    match nearest.filter(is_near).or_else(whole) {
        Some(code) => ExplainError::Misspelled(word, code),
        None => ExplainError::Unknown(word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_people_write() {
        for (word, expected) in [
            ("DANE-TLSA-Mismatch", "dane_tlsa_mismatch"),
            ("code=\"mx_missing\"", "mx_missing"),
            (" mx missing ", "mx_missing"),
        ] {
            assert_eq!(normalised(word), expected);
        }
    }

    #[test]
    fn suggests_the_nearest() {
        for (word, expected) in [
            ("dane_tlsa_missmatch", "did you mean dane_tlsa_mismatch?"),
            ("tlsa_mismatch", "did you mean dane_tlsa_mismatch?"),
            ("_starttls_missing", "did you mean dane_starttls_missing?"),
            ("", "explain lists them all"),
            ("quantum", "explain lists them all"),
        ] {
            let text = unknown(word).to_string();
            assert!(text.ends_with(expected), "{text}");
        }
    }
}
