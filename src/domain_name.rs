//! Names of mail domains and of MX hosts: lower-case A-labels without the final dot.
//!
//! The only place that normalises names: what two parts of the program compare or print as a label came through here.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::Serialize;

/// A mail domain that somebody asked about: checked, converted to A-labels, lower case, without final dot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct DomainName(String);

/// Why a text is no domain name; one plain sentence each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DomainNameError {
    /// Nothing there.
    #[error("a domain name is empty: write it like example.com")]
    Empty,
    /// `192.0.2.1`, `[192.0.2.1]`, `2001:db8::1`.
    #[error("{0:?} is an IP address: give a mail domain like example.com")]
    Address(String),
    /// An address with a local part, a URL, a port.
    #[error("{text:?} is not a domain name: it contains {found:?}")]
    Character {
        /// What was given, shortened.
        text: String,
        /// The first character that no domain name has.
        found: char,
    },
    /// `a..b`, `.example.com`.
    #[error(
        "{0:?} is not a domain name: a label is empty (two dots in a row, or a dot at the start)"
    )]
    EmptyLabel(String),
    /// Over 63 bytes.
    #[error("{0:?} is not a domain name: a label is longer than 63 characters")]
    LongLabel(String),
    /// Over 253 bytes.
    #[error("{0:?} is not a domain name: it is longer than 253 characters")]
    Long(String),
    /// A label that starts or ends with a hyphen.
    #[error("{0:?} is not a domain name: a label starts or ends with a hyphen")]
    Hyphen(String),
    /// IDNA says no.
    #[error("{0:?} is not a domain name: it cannot be written in A-labels (IDNA)")]
    Idna(String),
}

/// At most this much of a bad name is repeated in a message.
const SHOWN: usize = 64;

impl DomainName {
    /// Reads what a person or Prometheus wrote; a U-label is converted, one final dot is dropped.
    pub fn parse(text: &str) -> Result<Self, DomainNameError> {
        let shown = || -> String {
            let mut short: String = text.chars().take(SHOWN).collect();
            if short.len() < text.len() {
                short.push('…');
            }
            short
        };
        let bare = text.strip_suffix('.').unwrap_or(text);
        if bare.is_empty() {
            return Err(if text.is_empty() {
                DomainNameError::Empty
            } else {
                DomainNameError::EmptyLabel(shown())
            });
        }
        if is_address(bare) {
            return Err(DomainNameError::Address(shown()));
        }
        if let Some(found) = bare.chars().find(|&c| {
            c.is_ascii() && !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
                || c.is_control()
        }) {
            return Err(DomainNameError::Character {
                text: shown(),
                found,
            });
        }
        // Asked before IDNA, whose conversion of a very long label takes long.
        if bare.len() > 4 * 253 {
            return Err(DomainNameError::Long(shown()));
        }
        let name = if bare.is_ascii() {
            bare.to_ascii_lowercase()
        } else {
            idna::domain_to_ascii(bare).map_err(|_| DomainNameError::Idna(shown()))?
        };
        // IDNA maps fullwidth forms to ASCII, also to what no name has: "：25／" becomes a port and a path.
        if let Some(found) = name
            .chars()
            .find(|&c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')))
        {
            return Err(DomainNameError::Character {
                text: shown(),
                found,
            });
        }
        if name.split('.').any(str::is_empty) {
            return Err(DomainNameError::EmptyLabel(shown()));
        }
        if name.split('.').any(|label| label.len() > 63) {
            return Err(DomainNameError::LongLabel(shown()));
        }
        if name.len() > 253 {
            return Err(DomainNameError::Long(shown()));
        }
        if name
            .split('.')
            .any(|label| label.starts_with('-') || label.ends_with('-'))
        {
            return Err(DomainNameError::Hyphen(shown()));
        }
        // A last label of digits only is how addresses look to half of the world's software (RFC 3696 §2).
        if name
            .rsplit('.')
            .next()
            .is_some_and(|tld| tld.bytes().all(|b| b.is_ascii_digit()))
        {
            return Err(DomainNameError::Address(shown()));
        }
        Ok(Self(name))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// This domain as the MX host that it is when no MX record exists (RFC 5321 §5.1).
    pub fn as_mx_host(&self) -> MxHost {
        MxHost(self.0.clone())
    }
}

impl FromStr for DomainName {
    type Err = DomainNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl<'de> Deserialize<'de> for DomainName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The name of an MX host as DNS gave it: folded to lower case, without final dot, otherwise whatever the zone says
/// (unusual bytes stand as `\DDD`). Two spellings of one host are equal. The null MX (RFC 7505) is the empty name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct MxHost(String);

impl MxHost {
    /// From the presentation form of a DNS name.
    pub fn from_dns(text: &str) -> Self {
        let bare = text.strip_suffix('.').unwrap_or(text);
        Self(bare.to_ascii_lowercase())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The "." of RFC 7505 §3.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// An IP address where a name must stand (RFC 5321 §5.1).
    pub fn is_address_literal(&self) -> bool {
        is_address(&self.0)
    }
}

impl<'de> Deserialize<'de> for MxHost {
    /// A file may come from anybody: only what a resolver could have written, at most 255 bytes as `\DDD` each.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.len() <= 4 * 255 && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(serde::de::Error::custom("no name of a host"))
        }
    }
}

impl fmt::Display for MxHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

fn is_address(text: &str) -> bool {
    let inner = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    let inner = inner
        .get(..5)
        .filter(|p| p.eq_ignore_ascii_case("IPv6:"))
        .map_or(inner, |p| &inner[p.len()..]);
    inner.parse::<std::net::IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_people_write() {
        for (why, text, expected) in [
            ("plain", "example.com", "example.com"),
            ("final dot", "example.com.", "example.com"),
            ("case", "EXAMPLE.Com", "example.com"),
            ("U-label", "bücher.example", "xn--bcher-kva.example"),
            (
                "U-label in upper case",
                "BÜCHER.example",
                "xn--bcher-kva.example",
            ),
            ("underscore", "_tcp.example.com", "_tcp.example.com"),
            ("one label", "localhost", "localhost"),
        ] {
            assert_eq!(
                DomainName::parse(text).map(|n| n.0),
                Ok(expected.to_owned()),
                "{why}"
            );
        }
    }

    #[test]
    fn says_what_is_wrong() {
        use DomainNameError as E;
        let long_label = format!("{}.example", "a".repeat(64));
        let long_name = ["a".repeat(60).as_str(); 5].join(".");
        for (text, expected) in [
            ("", E::Empty),
            (".", E::EmptyLabel(".".into())),
            ("..", E::EmptyLabel("..".into())),
            ("a..b", E::EmptyLabel("a..b".into())),
            ("192.0.2.1", E::Address("192.0.2.1".into())),
            ("[192.0.2.1]", E::Address("[192.0.2.1]".into())),
            ("2001:db8::1", E::Address("2001:db8::1".into())),
            ("[IPv6:::1]", E::Address("[IPv6:::1]".into())),
            ("1.2.3.4.5", E::Address("1.2.3.4.5".into())),
            (
                "me@example.com",
                E::Character {
                    text: "me@example.com".into(),
                    found: '@',
                },
            ),
            (
                "a b",
                E::Character {
                    text: "a b".into(),
                    found: ' ',
                },
            ),
            (
                "a\u{0}b",
                E::Character {
                    text: "a\u{0}b".into(),
                    found: '\0',
                },
            ),
            ("-a.example", E::Hyphen("-a.example".into())),
        ] {
            assert_eq!(DomainName::parse(text), Err(expected), "{text:?}");
        }
        for mapped in [
            "x：25／.evil.example",
            "a＜script＞.example",
            "a＠b.example",
            "a＃b.example",
            "a\u{3000}b.example",
        ] {
            let parsed = DomainName::parse(mapped);
            assert!(parsed.is_err(), "{mapped:?} became {parsed:?}");
        }
        assert!(matches!(
            DomainName::parse(&long_label),
            Err(E::LongLabel(_))
        ));
        assert!(matches!(DomainName::parse(&long_name), Err(E::Long(_))));
        assert!(matches!(
            DomainName::parse(&"a".repeat(100_000)),
            Err(E::Long(_))
        ));
    }

    #[test]
    fn folds_mx_hosts() {
        assert_eq!(
            MxHost::from_dns("MX1.Example.COM."),
            MxHost::from_dns("mx1.example.com")
        );
        assert!(MxHost::from_dns(".").is_root());
        assert!(MxHost::from_dns("192.0.2.1.").is_address_literal());
    }
}
