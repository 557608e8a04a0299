//! What is wrong with a value, from serde's words to an operator's.

use std::fmt;
use std::fmt::Display;

use serde::de::Expected;
use serde::de::Unexpected;

use crate::config::Problem;

/// What ends a reading.
#[derive(Debug)]
pub(super) enum Error {
    New(Problem),
    /// A key that must be there.
    Missing(&'static str),
    /// Among the mistakes already.
    Noted,
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New(problem) => problem.fmt(f),
            Self::Missing(key) => write!(f, "{key} is missing"),
            Self::Noted => f.write_str("a mistake"),
        }
    }
}

impl std::error::Error for Error {}

impl serde::de::Error for Error {
    fn custom<T: Display>(text: T) -> Self {
        Self::New(Problem::Value(text.to_string()))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = expected.to_string();
        let (expected, found) = (in_words(&expected), shown(found));
        Self::custom(format_args!("expected {expected}, found {found}"))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_variant(found: &str, known: &'static [&'static str]) -> Self {
        Self::New(Problem::UnknownWord {
            found: shortened(found),
            known: known.iter().map(|&word| word.to_owned()).collect(),
        })
    }

    fn missing_field(key: &'static str) -> Self {
        Self::Missing(key)
    }
}

/// What a programmer calls it, as an operator does.
fn in_words(expected: &str) -> &str {
    match expected {
        "u16" => "a number from 1 to 65535",
        "u8" | "u32" | "u64" | "usize" => "a whole number",
        "a boolean" => "true or false",
        "a string" => "text",
        "a sequence" => "a list",
        "a map" => "keys and values",
        other if other.starts_with("struct ") => "keys and values",
        other => other,
    }
}

fn shown(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Unit => "nothing".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "keys and values".to_owned(),
        Unexpected::Other(text) => shortened(text),
        other => shortened(&other.to_string().replace('`', "")),
    }
}

/// Characters of a value that are shown.
const SHOWN: usize = 100;

/// So that the wrong file is not one line as long as the file.
fn shortened(found: &str) -> String {
    let mut shown: String = found.chars().take(SHOWN).collect();
    if shown.len() < found.len() {
        shown.push('…');
    }
    shown
}
