//! The TLS-RPT TXT record at `_smtp._tls.<domain>` (RFC 8460 §3): `v=TLSRPTv1; rua=mailto:reports@example.com`.
//!
//! It says where senders report how their attempts at TLS went: a comma-separated list of `mailto:` and `https:` URIs, in
//! which `,`, `!` and `;` are percent-encoded. Unlike in DMARC no URI has a size behind it.

use std::fmt;

use serde::Deserialize;
use serde::Serialize;

use crate::closed_set::closed_set;
use crate::protocol::txt;
use crate::protocol::txt::FieldDefect;
use crate::protocol::txt::TxtRecord;
use crate::protocol::txt::excerpt;

/// What the TXT records at `_smtp._tls.<domain>` amount to.
pub type Reading = txt::Reading<Record, Defect>;

/// A valid record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Where reports go; never empty.
    pub rua: Vec<Endpoint>,
    /// URIs of other schemes, which senders pass over; shortened.
    pub passed_over: Vec<String>,
    /// Endpoints that fit the grammar and yet cannot work.
    pub doubts: Vec<RuaDefect>,
    /// Fields that RFC 8460 does not know, name and value.
    pub extensions: Vec<(String, String)>,
}

/// Where reports go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// How they get there.
    pub scheme: Scheme,
    /// The whole URI as published.
    pub uri: String,
}

closed_set! {
    /// How reports are delivered: label `scheme` of `mailtls_tlsrpt_rua_endpoints`.
    pub enum Scheme {
        /// RFC 8460 §5.3.
        Mailto = "mailto",
        /// RFC 8460 §5.4.
        Https = "https",
    }
}

/// One thing wrong with a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Defect {
    /// A field does not fit the grammar.
    Field(FieldDefect),
    /// No `rua`.
    RuaMissing,
    /// A member of `rua` is no use, and the record with it.
    Rua(RuaDefect),
}

/// A member of `rua` that nobody can report to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuaDefect {
    /// The member, shortened.
    pub uri: String,
    /// What is wrong with it.
    pub why: RuaFault,
}

impl fmt::Display for RuaDefect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rua {:?}: {}", self.uri, self.why)
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(defect) => defect.fmt(f),
            Self::RuaMissing => f.write_str("the field rua is missing"),
            Self::Rua(defect) => defect.fmt(f),
        }
    }
}

closed_set! {
    /// What can be wrong with a member of `rua`: a fragment for people.
    pub enum RuaFault {
        /// `rua=`, `rua=a,,b`
        Empty = "it is empty",
        /// `reports@example.com`
        NoScheme = "it is no URI: write mailto: before an address",
        /// `mailto:a@example.com!10m`
        Exclamation = "\"!\" must be written as %21, and no size stands behind the address as in DMARC",
        /// A blank, a quote, a letter beyond ASCII, …
        Character = "it holds a character that no URI has",
        /// `%zz`
        Percent = "a percent sign is not followed by two hexadecimal digits",
        /// Neither `mailto:` nor `https:`; a defect where nothing else is left.
        OtherScheme = "its scheme is neither mailto nor https",
        /// `mailto:`
        NoAddress = "no address follows mailto:",
        /// `https:///reports`
        NoHost = "no host follows https://",
        /// `mailto:postmaster`: a URI, but no mail address (RFC 6068 §2).
        NoDomain = "the address has no domain",
        /// `mailto:@example.com` (RFC 6068 §2).
        NoLocalPart = "nothing stands before the @ of the address",
        /// `mailto://a@example.com`: a URI, but RFC 6068 §2 has every other delimiter of an address percent-encoded.
        Delimiter = "in an address \"/\", \"[\", \"]\" and a second \"@\" are percent-encoded, and no \"//\" stands before it",
    }
}

impl fmt::Display for Record {
    /// As it is published.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("v=TLSRPTv1; rua=")?;
        for (at, endpoint) in self.rua.iter().enumerate() {
            if at > 0 {
                f.write_str(",")?;
            }
            f.write_str(&endpoint.uri)?;
        }
        f.write_str(";")?;
        for (name, value) in &self.extensions {
            write!(f, " {name}={value};")?;
        }
        Ok(())
    }
}

/// Reads the TXT records found at `_smtp._tls.<domain>`.
pub fn read(records: &[TxtRecord]) -> Reading {
    txt::read(records, txt::TLS_RPT, parse)
}

/// The fields behind `v=TLSRPTv1;`.
fn parse(behind_version: &[u8]) -> Result<Record, Vec<Defect>> {
    let found = txt::fields(behind_version, "rua");
    let rua = found.value("rua").map(read_rua);
    let rua_missing = rua.is_none() && !found.spoiled("rua");
    let rua = rua.unwrap_or_default();
    let mut defects: Vec<Defect> = found.defects.into_iter().map(Defect::Field).collect();
    if rua_missing {
        defects.push(Defect::RuaMissing);
    }
    defects.extend(rua.faults.into_iter().map(Defect::Rua));
    if rua.endpoints.is_empty() {
        // RFC 8460 §3 knows two schemes. Reading: others are passed over, and the record is no use if none is left.
        defects.extend(rua.passed_over.iter().map(|uri| {
            Defect::Rua(RuaDefect {
                uri: uri.clone(),
                why: RuaFault::OtherScheme,
            })
        }));
    }
    if !defects.is_empty() {
        return Err(defects);
    }
    Ok(Record {
        rua: rua.endpoints,
        passed_over: rua.passed_over,
        doubts: rua.doubts,
        extensions: found
            .fields
            .iter()
            .filter(|field| field.name != "rua")
            .map(|field| (field.name.to_owned(), field.value.to_owned()))
            .collect(),
    })
}

/// The members of `rua`, sorted by what they are good for.
#[derive(Default)]
struct Rua {
    endpoints: Vec<Endpoint>,
    passed_over: Vec<String>,
    doubts: Vec<RuaDefect>,
    faults: Vec<RuaDefect>,
}

/// A record of 64 KiB can hold very many; nobody reads them all.
const MAX_DEFECTS: usize = 20;

/// WSP of RFC 5234 §B.1.
const BLANKS: [char; 2] = [' ', '\t'];

/// RFC 8460 §3: `tlsrpt-uri *(*WSP "," *WSP tlsrpt-uri)`.
fn read_rua(value: &str) -> Rua {
    let mut rua = Rua::default();
    for (at, uri) in value.split(',').enumerate() {
        // Blanks stand beside a comma; none follows the equals sign.
        let uri = uri.trim_end_matches(BLANKS);
        let uri = match at {
            0 => uri,
            _ => uri.trim_start_matches(BLANKS),
        };
        let defect = |why| RuaDefect {
            uri: excerpt(uri.as_bytes()),
            why,
        };
        match read_uri(uri) {
            Ok(Uri::Endpoint(scheme)) => {
                let doubt = address_fault(uri).filter(|_| scheme == Scheme::Mailto);
                if rua.doubts.len() < MAX_DEFECTS {
                    rua.doubts.extend(doubt.map(defect));
                }
                rua.endpoints.push(Endpoint {
                    scheme,
                    uri: uri.to_owned(),
                });
            }
            Ok(Uri::OtherScheme) if rua.passed_over.len() < MAX_DEFECTS => {
                rua.passed_over.push(excerpt(uri.as_bytes()));
            }
            Err(why) if rua.faults.len() < MAX_DEFECTS => rua.faults.push(defect(why)),
            Ok(Uri::OtherScheme) | Err(_) => {}
        }
    }
    rua
}

/// A URI that fits the grammar.
enum Uri {
    Endpoint(Scheme),
    OtherScheme,
}

fn read_uri(uri: &str) -> Result<Uri, RuaFault> {
    if uri.is_empty() {
        return Err(RuaFault::Empty);
    }
    if uri.starts_with(BLANKS) {
        return Err(RuaFault::Character);
    }
    let (scheme, rest) = uri.split_once(':').ok_or(RuaFault::NoScheme)?;
    if !is_scheme(scheme) {
        return Err(RuaFault::NoScheme);
    }
    check_characters(rest)?;
    // RFC 3986 §3.1: schemes are case-insensitive.
    if scheme.eq_ignore_ascii_case("mailto") {
        match rest.split('?').next() {
            None | Some("") => Err(RuaFault::NoAddress),
            Some(_) => Ok(Uri::Endpoint(Scheme::Mailto)),
        }
    } else if scheme.eq_ignore_ascii_case("https") {
        // RFC 9110 §4.2.2: an empty host is invalid.
        let host = rest
            .strip_prefix("//")
            .and_then(|behind| behind.split(['/', '?', '#']).next())
            .map(|authority| authority.rsplit('@').next().unwrap_or_default());
        match host {
            Some(host) if !host.is_empty() && !host.starts_with(':') => {
                Ok(Uri::Endpoint(Scheme::Https))
            }
            Some(_) | None => Err(RuaFault::NoHost),
        }
    } else {
        Ok(Uri::OtherScheme)
    }
}

/// RFC 3986 §3.1: `ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )`.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

/// RFC 3986 §2, less what RFC 8460 §3 wants encoded: `,` and `;` ended the URI before it came here.
fn check_characters(text: &str) -> Result<(), RuaFault> {
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '!' => return Err(RuaFault::Exclamation),
            '%' => {
                let hex = |c: Option<char>| c.is_some_and(|c| c.is_ascii_hexdigit());
                if !hex(chars.next()) || !hex(chars.next()) {
                    return Err(RuaFault::Percent);
                }
            }
            '-' | '.' | '_' | '~' | ':' | '/' | '?' | '#' | '[' | ']' | '@' | '$' | '&' | '\''
            | '(' | ')' | '*' | '+' | '=' => {}
            c if c.is_ascii_alphanumeric() => {}
            _ => return Err(RuaFault::Character),
        }
    }
    Ok(())
}

/// What keeps a `mailto:` URI from naming one mail address (RFC 6068 §2): RFC 8460 §3 asks for a URI and no more, so that
/// the record is valid all the same.
fn address_fault(uri: &str) -> Option<RuaFault> {
    let (_, to) = uri.split_once(':')?;
    let to = to.split(['?', '#']).next().unwrap_or_default();
    match to.split_once('@') {
        _ if to.contains(['/', '[', ']']) => Some(RuaFault::Delimiter),
        Some((_, domain)) if domain.contains('@') => Some(RuaFault::Delimiter),
        None | Some((_, "")) => Some(RuaFault::NoDomain),
        Some(("", _)) => Some(RuaFault::NoLocalPart),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::txt::FieldFault;
    use crate::protocol::txt::tests::anything;
    use crate::protocol::txt::tests::record;
    use crate::protocol::txt::tests::vectors;

    /// The metric state and the finding code that a reading stands for.
    fn verdict(reading: &Reading) -> (&'static str, Option<&'static str>) {
        match reading {
            Reading::Absent => ("absent", None),
            Reading::NearMiss(_) => ("invalid", Some("tlsrpt_record_invalid")),
            Reading::Multiple(_) => ("multiple", Some("tlsrpt_record_multiple")),
            Reading::Invalid { defects, .. } => {
                let code = if defects.iter().all(|d| matches!(d, Defect::Rua(_))) {
                    "tlsrpt_rua_invalid"
                } else {
                    "tlsrpt_record_invalid"
                };
                ("invalid", Some(code))
            }
            Reading::Valid(record) if record.doubts.is_empty() => ("valid", None),
            Reading::Valid(_) => ("valid", Some("tlsrpt_rua_invalid")),
        }
    }

    fn uris(record: &Record) -> Vec<String> {
        record.rua.iter().map(|e| e.uri.clone()).collect()
    }

    #[test]
    fn agrees_with_the_vectors() {
        let rows = vectors(include_str!("../../tests/vectors/tlsrpt_txt.json"));
        assert!(rows.len() > 20);
        for (row, records) in rows {
            let reading = read(&records);
            let (status, finding) = verdict(&reading);
            let why = format!("{}: {}", row.id, row.why);
            assert_eq!(status, row.expected.status, "{why}");
            assert_eq!(finding, row.expected.finding.as_deref(), "{why}");
            let near_miss = matches!(reading, Reading::NearMiss(_));
            let absent_to_senders = row.expected.sender_sees.as_deref() == Some("absent");
            assert_eq!(near_miss, absent_to_senders, "{why}");
            let rua = match &reading {
                Reading::Valid(record) => Some(uris(record)),
                _ => None,
            };
            assert_eq!(rua, row.expected.rua, "{why}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        use RuaFault as F;
        let rua = |uri: &str, why| {
            Defect::Rua(RuaDefect {
                uri: uri.to_owned(),
                why,
            })
        };
        for (fields, expected) in [
            ("", vec![Defect::RuaMissing]),
            (" RUA=mailto:a@example.com", vec![Defect::RuaMissing]),
            (
                " rua =mailto:a@example.com",
                vec![Defect::Field(FieldDefect {
                    field: "rua =mailto:a@example.com".to_owned(),
                    why: FieldFault::Name,
                })],
            ),
            ("rua=a@example.com", vec![rua("a@example.com", F::NoScheme)]),
            ("rua=9x:a", vec![rua("9x:a", F::NoScheme)]),
            ("rua=mailto:a b@c", vec![rua("mailto:a b@c", F::Character)]),
            ("rua= mailto:a@c", vec![rua(" mailto:a@c", F::Character)]),
            ("rua=<mailto:a@c>", vec![rua("<mailto:a@c>", F::NoScheme)]),
            ("rua=mailto:%4", vec![rua("mailto:%4", F::Percent)]),
            ("rua=mailto:%zz@c", vec![rua("mailto:%zz@c", F::Percent)]),
            ("rua=mailto:?a=b", vec![rua("mailto:?a=b", F::NoAddress)]),
            ("rua=https:", vec![rua("https:", F::NoHost)]),
            ("rua=https:/a", vec![rua("https:/a", F::NoHost)]),
            ("rua=https:///a", vec![rua("https:///a", F::NoHost)]),
            ("rua=https://:443/", vec![rua("https://:443/", F::NoHost)]),
            ("rua=https://u@/", vec![rua("https://u@/", F::NoHost)]),
            (
                "rua=http://a.example,ftp://b.example",
                vec![
                    rua("http://a.example", F::OtherScheme),
                    rua("ftp://b.example", F::OtherScheme),
                ],
            ),
            ("rua=mailto:a@example.com,", vec![rua("", F::Empty)]),
            (
                "rua=mailto:a;b@example.com",
                vec![Defect::Field(FieldDefect {
                    field: "b@example.com".to_owned(),
                    why: FieldFault::NoEquals,
                })],
            ),
        ] {
            let text = format!("v=TLSRPTv1;{fields}");
            match read(&[record(&text)]) {
                Reading::Invalid { defects, .. } => assert_eq!(defects, expected, "{text}"),
                reading => panic!("{text}: {reading:?}"),
            }
        }
    }

    #[test]
    fn passes_over_other_schemes() {
        let text = "v=TLSRPTv1; rua=ftp://a.example, HTTPS://b.example:8443/r?x=1#y, mailto:a@b,mailto:@b; rua=x";
        let Reading::Valid(found) = read(&[record(text)]) else {
            panic!("valid");
        };
        let schemes: Vec<Scheme> = found.rua.iter().map(|e| e.scheme).collect();
        assert_eq!(schemes, [Scheme::Https, Scheme::Mailto, Scheme::Mailto]);
        assert_eq!(found.passed_over, ["ftp://a.example"]);
        assert_eq!(found.doubts.len(), 1);
        assert_eq!(
            found.to_string(),
            "v=TLSRPTv1; rua=HTTPS://b.example:8443/r?x=1#y,mailto:a@b,mailto:@b;"
        );
    }

    #[test]
    fn an_address_is_written_as_a_uri_has_it() {
        use RuaFault as F;
        for (uri, expected) in [
            ("mailto:a@example.com", None),
            ("MAILTO:a+b@example.com?subject=a/b@c", None),
            ("mailto:a%2Fb%40c@example.com", None),
            ("https://a@b@example.com/[", None),
            ("mailto:postmaster", Some(F::NoDomain)),
            ("mailto:a@", Some(F::NoDomain)),
            ("mailto:a@?subject=b@c", Some(F::NoDomain)),
            ("mailto:@example.com", Some(F::NoLocalPart)),
            ("mailto://a@example.com", Some(F::Delimiter)),
            ("mailto:///a@example.com", Some(F::Delimiter)),
            ("mailto://example.com", Some(F::Delimiter)),
            ("mailto:a/b@example.com", Some(F::Delimiter)),
            ("mailto:a@[192.0.2.1]", Some(F::Delimiter)),
            ("mailto:a@b@example.com", Some(F::Delimiter)),
        ] {
            let Reading::Valid(found) = read(&[record(&format!("v=TLSRPTv1; rua={uri}"))]) else {
                panic!("{uri}: RFC 8460 §3 takes any URI");
            };
            assert_eq!(uris(&found), [uri]);
            let doubts: Vec<RuaFault> = found.doubts.iter().map(|doubt| doubt.why).collect();
            assert_eq!(doubts, Vec::from_iter(expected), "{uri}");
        }
    }

    #[test]
    fn defects_are_bounded() {
        let text = format!("v=TLSRPTv1; rua={}", ",".repeat(60_000));
        let Reading::Invalid { defects, .. } = read(&[record(&text)]) else {
            panic!("invalid");
        };
        assert_eq!(defects.len(), MAX_DEFECTS);
    }

    proptest! {
        #[test]
        fn never_panics(records in proptest::collection::vec(anything("v=TLSRPTv1;rua="), 0..3)) {
            let _ = read(&records);
        }

        #[test]
        fn reads_what_it_writes(
            mail in proptest::collection::vec("mailto:[a-z0-9.+]{1,9}@[a-z]{1,9}\\.example", 1..4),
            web in "https://[a-z]{1,9}\\.example/[a-z0-9?=&/_-]{0,9}",
            extensions in proptest::collection::btree_map("x[A-Za-z0-9_.-]{0,31}", "[!-:<>-~]{1,20}", 0..4),
        ) {
            let endpoint = |scheme| move |uri| Endpoint { scheme, uri };
            let mut rua: Vec<Endpoint> = mail.into_iter().map(endpoint(Scheme::Mailto)).collect();
            rua.push(endpoint(Scheme::Https)(web));
            let written = Record {
                rua,
                passed_over: Vec::new(),
                doubts: Vec::new(),
                extensions: extensions.into_iter().collect(),
            };
            prop_assert_eq!(read(&[record(&written.to_string())]), Reading::Valid(written));
        }
    }
}
