//! A name and a type that a person wants to know about.

use super::name::name_text;
use super::name::parse_name;
use super::presentation::parse_type;
use super::presentation::type_text;
use crate::domain_name::DomainName;
use crate::domain_name::DomainNameError;

/// Checked, and spelled as everywhere in the output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    name: String,
    rtype: String,
}

/// Why it cannot be asked; one plain sentence each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuestionError {
    /// No DNS name.
    #[error(
        "{0:?} is not a DNS name: write labels of 1 to 63 characters with dots between, at most 253 in all"
    )]
    Name(String),
    /// A name outside ASCII that IDNA refuses.
    #[error(transparent)]
    Idna(#[from] DomainNameError),
    /// No record has this type.
    #[error(
        "there is no record type {0:?}: write MX, TLSA, DS or any other, or its number as in TYPE65280"
    )]
    Type(String),
}

impl Question {
    /// Reads presentation form; U-labels are converted.
    pub fn parse(name: &str, rtype: &str) -> Result<Self, QuestionError> {
        let ascii = if name.is_ascii() {
            None
        } else {
            Some(DomainName::parse(name)?)
        };
        let parsed = parse_name(ascii.as_ref().map_or(name, DomainName::as_str))
            .ok_or_else(|| QuestionError::Name(name.to_owned()))?;
        let wire = parse_type(rtype).ok_or_else(|| QuestionError::Type(rtype.to_owned()))?;
        Ok(Self {
            name: name_text(&parsed),
            rtype: type_text(wire),
        })
    }

    /// Lower case, without the final dot; the root is `.`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// As in zone files: `MX`, `TYPE65280`.
    pub fn rtype(&self) -> &str {
        &self.rtype
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_questions() {
        let long = "a".repeat(64);
        for (why, name, rtype, expected) in [
            (
                "as people write it",
                "Mx.Example.com.",
                "mx",
                Ok("mx.example.com MX"),
            ),
            ("the root", ".", "DNSKEY", Ok(". DNSKEY")),
            ("a number", "a.example", "type1", Ok("a.example A")),
            (
                "a number without a name",
                "a.example",
                "TYPE65280",
                Ok("a.example TYPE65280"),
            ),
            (
                "U-labels",
                "_25._tcp.b\u{fc}cher.example",
                "TLSA",
                Ok("_25._tcp.xn--bcher-kva.example TLSA"),
            ),
            (
                "an empty label",
                "a..example",
                "A",
                Err("is not a DNS name"),
            ),
            ("a long label", &long, "A", Err("is not a DNS name")),
            ("nothing", "", "A", Err("is not a DNS name")),
            (
                "no type",
                "a.example",
                "MAIL",
                Err("no record type \"MAIL\""),
            ),
            (
                "a type that only questions have",
                "a.example",
                "ANY",
                Err("no record type \"ANY\""),
            ),
            (
                "swapped",
                "MX",
                "a.example",
                Err("no record type \"a.example\""),
            ),
            (
                "an address outside ASCII",
                "b\u{fc}@example",
                "A",
                Err("contains '@'"),
            ),
        ] {
            match (Question::parse(name, rtype), expected) {
                (Ok(question), Ok(text)) => {
                    assert_eq!(
                        format!("{} {}", question.name(), question.rtype()),
                        text,
                        "{why}"
                    );
                }
                (Err(error), Err(part)) => {
                    assert!(error.to_string().contains(part), "{why}: {error}");
                }
                (got, _) => panic!("{why}: {got:?}"),
            }
        }
    }
}
