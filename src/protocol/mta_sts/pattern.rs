//! The `mx` patterns of an MTA-STS policy (RFC 8461 §3.2, §4.1): `["*."] Domain`.
//!
//! `mail.example.com` matches that host, `*.example.com` every host with exactly one label more. What is matched is the
//! name in the MX record, in A-label form and without regard to case.

use std::fmt;

use serde::Serialize;

use crate::domain_name::MxHost;

/// A valid pattern.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern {
    /// The name without `*.`, in lower case.
    domain: String,
    /// Whether one label stands before it.
    shape: Shape,
    /// As written.
    written: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Shape {
    Exact,
    Wildcard,
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// `mx:`
    #[error("it is empty")]
    Empty,
    /// `mail.example.com.`
    #[error("it ends in a dot")]
    FinalDot,
    /// `mail..example.com`, `.example.com`
    #[error("a label is empty")]
    EmptyLabel,
    /// `*`, `mx*.example.com`, `a.*.example.com`
    #[error("\"*\" may stand for the whole first label only, with a domain behind it")]
    Wildcard,
    /// `bücher.example`
    #[error("it holds {0:?}: internationalised names are written as A-labels (xn--)")]
    NotAscii(char),
    /// A port, a list, an underscore, …
    #[error("it holds {0:?}, which no host name has")]
    Character(char),
    /// `192.0.2.1`, `[2001:db8::1]`
    #[error("it is an IP address, not a name")]
    Address,
    /// `-mail.example.com`
    #[error("a label begins or ends with a hyphen")]
    Hyphen,
    /// Over 63 characters.
    #[error("a label is longer than 63 characters")]
    LongLabel,
    /// Over 253 characters.
    #[error("it is longer than 253 characters")]
    Long,
}

impl Pattern {
    /// Reads a pattern: `["*."] Domain`, with Domain as in RFC 5321 §4.1.2.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let (shape, domain) = match text.strip_prefix("*.") {
            Some(domain) => (Shape::Wildcard, domain),
            None => (Shape::Exact, text),
        };
        check_domain(domain)?;
        Ok(Self {
            domain: domain.to_ascii_lowercase(),
            shape,
            written: text.to_owned(),
        })
    }

    /// Whether this pattern names `host`.
    pub fn matches(&self, host: &MxHost) -> bool {
        let host = host.as_str();
        match self.shape {
            Shape::Exact => host == self.domain,
            // RFC 8461 §4.1: the wildcard stands for exactly one label.
            Shape::Wildcard => host
                .strip_suffix(self.domain.as_str())
                .and_then(|start| start.strip_suffix('.'))
                .is_some_and(|label| !label.is_empty() && !label.contains('.')),
        }
    }

    /// As written in the policy.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// In lower case: what is compared and hashed.
    pub fn canonical(&self) -> String {
        self.written.to_ascii_lowercase()
    }

    /// Of `*.example.com` the name behind the wildcard, in lower case.
    pub fn wildcard_domain(&self) -> Option<&str> {
        match self.shape {
            Shape::Exact => None,
            Shape::Wildcard => Some(&self.domain),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.written)
    }
}

impl Serialize for Pattern {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.written)
    }
}

/// RFC 5321 §4.1.2: `sub-domain *("." sub-domain)`, each label letters, digits and inner hyphens.
fn check_domain(domain: &str) -> Result<(), PatternError> {
    use PatternError as E;
    if domain.is_empty() {
        return Err(E::Empty);
    }
    if is_address(domain) {
        return Err(E::Address);
    }
    // RFC 5321 §4.1.2: an underscore is none of them either.
    if let Some(c) = domain
        .chars()
        .find(|&c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '.')))
    {
        return Err(match c {
            '*' => E::Wildcard,
            c if c.is_ascii() => E::Character(c),
            c => E::NotAscii(c),
        });
    }
    let labels = || domain.split('.');
    if domain.len() > 1 && domain.ends_with('.') && !domain.ends_with("..") {
        return Err(E::FinalDot);
    }
    if labels().any(str::is_empty) {
        return Err(E::EmptyLabel);
    }
    if labels().any(|label| label.starts_with('-') || label.ends_with('-')) {
        return Err(E::Hyphen);
    }
    if labels().any(|label| label.len() > 63) {
        return Err(E::LongLabel);
    }
    // RFC 1035 §2.3.4 counts 255 octets on the wire: 253 characters.
    if domain.len() > 253 {
        return Err(E::Long);
    }
    Ok(())
}

/// An address, or four numbers that want to be one.
fn is_address(domain: &str) -> bool {
    let inner = domain.trim_start_matches('[').trim_end_matches(']');
    let inner = inner.strip_prefix("IPv6:").unwrap_or(inner);
    let numbers = || inner.split('.');
    inner.parse::<std::net::IpAddr>().is_ok()
        || (numbers().count() == 4
            && numbers().all(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(serde::Deserialize)]
    struct Vector {
        id: String,
        why: String,
        input: Input,
        /// true, false or `"invalid_pattern"`.
        expected: serde_json::Value,
    }

    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Input {
        pattern: String,
        mx: String,
    }

    #[test]
    fn agrees_with_the_vectors() {
        let rows: Vec<Vector> =
            serde_json::from_str(include_str!("../../../tests/vectors/mta_sts_mx_match.json"))
                .unwrap();
        assert!(rows.len() > 15);
        for row in rows {
            let got: serde_json::Value = match Pattern::parse(&row.input.pattern) {
                Ok(pattern) => pattern.matches(&MxHost::from_dns(&row.input.mx)).into(),
                Err(_) => "invalid_pattern".into(),
            };
            assert_eq!(row.expected, got, "{}: {}", row.id, row.why);
        }
    }

    #[test]
    fn says_what_is_no_pattern() {
        use PatternError as E;
        let long_label = format!("{}.example", "a".repeat(64));
        let long_name = ["a".repeat(60).as_str(); 5].join(".");
        for (text, expected) in [
            ("", E::Empty),
            ("*", E::Wildcard),
            ("*.", E::Empty),
            ("*.*.example.com", E::Wildcard),
            ("mx*.example.com", E::Wildcard),
            ("*mx.example.com", E::Wildcard),
            ("mail.example.com.", E::FinalDot),
            (".", E::EmptyLabel),
            (".example.com", E::EmptyLabel),
            ("a..example.com", E::EmptyLabel),
            ("a.example.com..", E::EmptyLabel),
            ("*..example.com", E::EmptyLabel),
            ("mail_1.example.com", E::Character('_')),
            ("mail.example.com:25", E::Character(':')),
            ("a.example.com, b.example.com", E::Character(',')),
            ("a.example.com b.example.com", E::Character(' ')),
            ("<a.example.com>", E::Character('<')),
            ("b\u{fc}cher.example", E::NotAscii('\u{fc}')),
            ("192.0.2.1", E::Address),
            ("999.0.2.1", E::Address),
            ("*.192.0.2.1", E::Address),
            ("[192.0.2.1]", E::Address),
            ("2001:db8::1", E::Address),
            ("[IPv6:2001:db8::1]", E::Address),
            ("-mail.example.com", E::Hyphen),
            ("mail-.example.com", E::Hyphen),
            (long_label.as_str(), E::LongLabel),
            (long_name.as_str(), E::Long),
        ] {
            assert_eq!(Pattern::parse(text).err(), Some(expected), "{text:?}");
        }
    }

    #[test]
    fn takes_what_the_grammar_takes() {
        for text in [
            "mail",
            "mail.example.com",
            "*.com",
            "1.example.com",
            "1.2.3",
            "1.2.3.4.5",
            "xn--mx-lka.example",
            "a--b.example",
            "MAIL.Example.COM",
        ] {
            assert_eq!(
                Pattern::parse(text).map(|p| p.to_string()),
                Ok(text.to_owned())
            );
        }
    }

    #[test]
    fn wildcards_stand_for_one_label() {
        let wildcard = Pattern::parse("*.Example.com").unwrap();
        assert_eq!(wildcard.wildcard_domain(), Some("example.com"));
        assert_eq!(wildcard.canonical(), "*.example.com");
        for (host, expected) in [
            ("a.example.com", true),
            ("A.EXAMPLE.COM.", true),
            ("example.com", false),
            (".example.com", false),
            ("a.b.example.com", false),
            ("aexample.com", false),
            (".", false),
        ] {
            let host = MxHost::from_dns(host);
            assert_eq!(wildcard.matches(&host), expected, "{host}");
        }
        assert_eq!(
            Pattern::parse("a.example.com").unwrap().wildcard_domain(),
            None
        );
    }

    proptest! {
        #[test]
        fn never_panics(text in ".{0,80}", host in ".{0,80}") {
            if let Ok(pattern) = Pattern::parse(&text) {
                let _ = pattern.matches(&MxHost::from_dns(&host));
            }
        }

        #[test]
        fn a_name_matches_itself_and_its_wildcard(label in "[a-z0-9]{1,10}", domain in "[a-z0-9]{1,10}\\.[a-z]{2,5}") {
            let host = MxHost::from_dns(&format!("{label}.{domain}"));
            prop_assert!(Pattern::parse(host.as_str()).unwrap().matches(&host));
            let wildcard = Pattern::parse(&format!("*.{domain}")).unwrap();
            prop_assert!(wildcard.matches(&host));
            prop_assert!(!wildcard.matches(&MxHost::from_dns(&domain)));
        }
    }
}
