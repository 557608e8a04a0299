//! TXT records: the strings of one record are joined with nothing between (RFC 8461 §3.1, RFC 8460 §3), and records
//! are picked by how they begin.
//!
//! MTA-STS and TLS-RPT records look alike: a version, then fields `name=value`, with `;` and blanks between. Among the
//! TXT records of a name, those that do not begin with the version and a semicolon are dropped; then exactly one must
//! be left; only then is its syntax looked at. What is dropped and yet was plainly meant to be a record is a
//! [`NearMiss`]: senders see nothing there, its owner must hear of it.

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use serde::Serialize;

use crate::closed_set::closed_set;

mod reading;

pub use self::reading::Reading;
pub use self::reading::read;

/// One TXT record: its character-strings joined. Bytes, since a zone may hold anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TxtRecord(#[serde(with = "serde_with::As::<serde_with::base64::Base64>")] pub Vec<u8>);

impl TxtRecord {
    /// From the character-strings of one record.
    pub fn join<S: AsRef<[u8]>>(strings: impl IntoIterator<Item = S>) -> Self {
        let mut bytes = Vec::new();
        for string in strings {
            bytes.extend_from_slice(string.as_ref());
        }
        Self(bytes)
    }

    /// As text, wrong bytes replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

/// What is left of the TXT records of a name once those of other kinds are dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Picked<'a> {
    /// None.
    Absent,
    /// None that a sender sees, but one that was meant to be.
    NearMiss(NearMiss),
    /// One.
    One {
        /// It.
        record: &'a TxtRecord,
        /// What stands behind its version and semicolon.
        fields: &'a [u8],
    },
    /// More than one: for senders the same as none.
    Multiple(Vec<&'a TxtRecord>),
}

/// A record that senders drop because it does not begin as it must: they see no record there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NearMiss {
    /// The record, shortened.
    pub text: String,
    /// What is wrong with its beginning.
    pub why: NearMissKind,
}

impl fmt::Display for NearMiss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.text, self.why)
    }
}

closed_set! {
    /// How a record can miss its beginning: a fragment for people.
    pub enum NearMissKind {
        /// `V=stsv1;`
        Case = "the version is case-sensitive",
        /// `"v=STSv1; …"`, quotes inside the string.
        Quotes = "quotes are part of the text",
        /// ` v=STSv1;`
        LeadingBlank = "a blank stands before the version",
        /// `id=1; v=STSv1;`
        NotFirst = "the version is not the first field",
        /// `v=STSv1` and nothing, or something else, behind it.
        NoSemicolon = "no semicolon follows the version",
        /// `v=STSv1 ;`: the grammar of RFC 8461 §3.1 allows it, its rule of which records to drop does not (erratum 6285).
        BlankBeforeSemicolon = "a blank stands between the version and its semicolon",
        /// `v = STSv1;`
        BlankAroundEquals = "a blank stands beside the equals sign of the version",
        /// `v=STS;`
        NoNumber = "the version lacks its number",
    }
}

/// The version that a record begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// `STS`.
    protocol: &'static str,
    /// `v1`.
    number: &'static str,
    /// `v=STSv1;`.
    begin: &'static str,
}

/// RFC 8461 §3.1.
pub const MTA_STS: Version = Version {
    protocol: "STS",
    number: "v1",
    begin: "v=STSv1;",
};

/// RFC 8460 §3.
pub const TLS_RPT: Version = Version {
    protocol: "TLSRPT",
    number: "v1",
    begin: "v=TLSRPTv1;",
};

/// Drops the records that do not begin with `version`, and counts the others before anyone looks at their syntax
/// (RFC 8461 §3.1, RFC 8460 §3).
pub fn pick(records: &[TxtRecord], version: Version) -> Picked<'_> {
    let begin = version.begin.as_bytes();
    let mut picked = records
        .iter()
        .filter_map(|record| Some((record, record.0.strip_prefix(begin)?)));
    match (picked.next(), picked.next()) {
        (Some((record, fields)), None) => Picked::One { record, fields },
        (Some((first, _)), Some((second, _))) => Picked::Multiple(
            [first, second]
                .into_iter()
                .chain(picked.map(|(record, _)| record))
                .collect(),
        ),
        // Of several, one is named, and always the same: DNS lists them in another order each time.
        (None, _) => records
            .iter()
            .filter_map(|record| Some((record, near_miss(&record.text(), version)?)))
            .min_by_key(|(record, _)| &record.0)
            .map_or(Picked::Absent, |(record, why)| {
                Picked::NearMiss(NearMiss {
                    text: excerpt(&record.0),
                    why,
                })
            }),
    }
}

/// What keeps `text` from beginning with this version; none for other versions (`v=STSv10`, `v=STSv2`) and other records.
fn near_miss(text: &str, version: Version) -> Option<NearMissKind> {
    use NearMissKind as Kind;
    let bare = text.trim_start_matches(is_quote_or_blank);
    let Some(behind_protocol) = strip_loosely(bare, version.protocol) else {
        return text
            .split(';')
            .any(|field| {
                strip_loosely(field.trim_matches(is_quote_or_blank), version.protocol)
                    .is_some_and(|number| number.eq_ignore_ascii_case(version.number))
            })
            .then_some(Kind::NotFirst);
    };
    let behind = strip_ignoring_case(behind_protocol, version.number);
    let word_goes_on = |rest: &str| rest.starts_with(|c: char| c.is_ascii_alphanumeric());
    if word_goes_on(behind.unwrap_or(behind_protocol)) {
        return None;
    }
    let field = version.begin.trim_end_matches(';');
    Some(match behind {
        _ if text.starts_with(char::is_whitespace) => Kind::LeadingBlank,
        _ if text.len() != bare.len() => Kind::Quotes,
        None => Kind::NoNumber,
        Some(behind) if bare.len().saturating_sub(behind.len()) != field.len() => {
            Kind::BlankAroundEquals
        }
        Some(_) if !bare.starts_with(field) => Kind::Case,
        Some(behind) if behind.trim_start().starts_with(';') => Kind::BlankBeforeSemicolon,
        Some(_) => Kind::NoSemicolon,
    })
}

fn is_quote_or_blank(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '"' | '\'' | '`' | '\\' | '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{feff}'
        )
}

/// What stands behind `v=` and `protocol`, in any case and with blanks around the equals sign.
fn strip_loosely<'a>(text: &'a str, protocol: &str) -> Option<&'a str> {
    let behind_equals = strip_ignoring_case(text, "v")?
        .trim_start()
        .strip_prefix('=')?;
    strip_ignoring_case(behind_equals.trim_start(), protocol)
}

fn strip_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// One field behind the version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name: letters, digits, `_`, `-` and `.`.
    pub name: &'a str,
    /// The value: anything but `;`.
    pub value: &'a str,
}

/// A field that does not fit the grammar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldDefect {
    /// The field, shortened.
    pub field: String,
    /// What is wrong with it.
    pub why: FieldFault,
}

impl fmt::Display for FieldDefect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "field {:?}: {}", self.field, self.why)
    }
}

closed_set! {
    /// What can be wrong with a field: a fragment for people.
    pub enum FieldFault {
        /// `id=a;;`
        Empty = "nothing stands between two semicolons",
        /// `broken`
        NoEquals = "it has no equals sign",
        /// Not a letter or digit followed by up to 31 letters, digits, `_`, `-` and `.`.
        Name = "its name is not 1 to 32 letters, digits, \"_\", \"-\" and \".\"",
        /// `ext=`
        NoValue = "it has no value",
        /// A blank, an equals sign or a control character in the value.
        Value = "its value holds a blank, an equals sign or a control character",
        /// RFC 8461 §3.1: US-ASCII.
        NotAscii = "it is not US-ASCII",
        /// Blanks stand beside a semicolon and nowhere else.
        TrailingBlank = "a blank follows it, and no semicolon",
    }
}

/// The fields of a record and every defect in their grammar.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields<'a> {
    /// Each name once, in the order written.
    pub fields: Vec<Field<'a>>,
    /// What does not fit the grammar; of very many the first ones.
    pub defects: Vec<FieldDefect>,
}

impl<'a> Fields<'a> {
    /// The value of the field `name`.
    pub fn value(&self, name: &str) -> Option<&'a str> {
        self.fields
            .iter()
            .find(|field| field.name == name)
            .map(|field| field.value)
    }

    /// Whether a defective field was meant to be `name`: then it is not missing as well.
    pub fn spoiled(&self, name: &str) -> bool {
        self.defects.iter().any(|defect| {
            strip_ignoring_case(&defect.field, name)
                .is_some_and(|behind| behind.trim_start().starts_with('='))
        })
    }

    fn defect(&mut self, field: &[u8], why: FieldFault) {
        if self.defects.len() < MAX_DEFECTS {
            let field = excerpt(field);
            self.defects.push(FieldDefect { field, why });
        }
    }
}

/// A record of 64 KiB can hold as many defects; nobody reads them all.
const MAX_DEFECTS: usize = 20;

/// Splits what stands behind the version into fields (RFC 8461 §3.1 and RFC 8460 §3 share this grammar). The value of
/// the field `own` is for the caller to check; all others must be extensions.
pub fn fields<'a>(behind_version: &'a [u8], own: &str) -> Fields<'a> {
    let mut found = Fields::default();
    let mut names = BTreeSet::new();
    let mut pieces = behind_version.split(|&byte| byte == b';').peekable();
    while let Some(piece) = pieces.next() {
        let last = pieces.peek().is_none();
        // The delimiter is *WSP ";" *WSP.
        let field = trim_blanks(piece);
        if field.is_empty() {
            if !last {
                found.defect(piece, FieldFault::Empty);
            }
            continue;
        }
        if last && piece.last().is_some_and(|&byte| is_blank(byte)) {
            found.defect(trim_blanks_before(piece), FieldFault::TrailingBlank);
        }
        match split_field(field) {
            Err(why) => found.defect(field, why),
            // RFC 8461 §3.2: of a repeated field all but the first are ignored, so they are not read.
            // Reading: RFC 8460 says nothing of repeated fields; the same.
            Ok(split) if !names.insert(split.name) => {}
            Ok(split) => match extension_fault(split.value) {
                Some(why) if split.name != own => found.defect(field, why),
                Some(_) | None => found.fields.push(split),
            },
        }
    }
    found
}

fn split_field(field: &[u8]) -> Result<Field<'_>, FieldFault> {
    let text = std::str::from_utf8(field)
        .ok()
        .filter(|text| text.is_ascii())
        .ok_or(FieldFault::NotAscii)?;
    let (name, value) = text.split_once('=').ok_or(FieldFault::NoEquals)?;
    if !is_field_name(name) {
        return Err(FieldFault::Name);
    }
    Ok(Field { name, value })
}

/// RFC 8461 §3.1 `sts-ext-name`, §3.2 `sts-policy-ext-name` and RFC 8460 §3 `tlsrpt-ext-name`.
pub fn is_field_name(name: &str) -> bool {
    (1..=32).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// `1*(%x21-3A / %x3C / %x3E-7E)`: visible, without `;` and `=`.
fn extension_fault(value: &str) -> Option<FieldFault> {
    if value.is_empty() {
        Some(FieldFault::NoValue)
    } else if value.bytes().all(|b| b.is_ascii_graphic() && b != b'=') {
        None
    } else {
        Some(FieldFault::Value)
    }
}

/// WSP of RFC 5234 §B.1.
const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn trim_blanks_before(bytes: &[u8]) -> &[u8] {
    let blanks = bytes.iter().take_while(|&&byte| is_blank(byte)).count();
    bytes.get(blanks..).unwrap_or_default()
}

fn trim_blanks(bytes: &[u8]) -> &[u8] {
    let bytes = trim_blanks_before(bytes);
    let blanks = bytes
        .iter()
        .rev()
        .take_while(|&&byte| is_blank(byte))
        .count();
    bytes
        .get(..bytes.len().saturating_sub(blanks))
        .unwrap_or_default()
}

/// At most this many characters of a stranger's text are repeated.
const EXCERPT: usize = 120;

/// The beginning of `bytes` as text: wrong bytes replaced, what was cut marked by an ellipsis.
pub fn excerpt(bytes: &[u8]) -> String {
    // No character takes more than four bytes.
    let text = String::from_utf8_lossy(bytes.get(..EXCERPT.saturating_mul(5)).unwrap_or(bytes));
    let mut chars = text.chars();
    let mut short: String = chars.by_ref().take(EXCERPT).collect();
    if chars.next().is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Test data in which each row is a set of TXT records, as lists of character-strings.
    #[derive(serde::Deserialize)]
    pub(crate) struct Vector {
        pub(crate) id: String,
        pub(crate) why: String,
        pub(crate) input: Input,
        pub(crate) expected: Expected,
    }

    #[derive(serde::Deserialize)]
    pub(crate) struct Input {
        pub(crate) rcode: String,
        pub(crate) txt: Vec<Vec<String>>,
    }

    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(crate) struct Expected {
        pub(crate) status: String,
        pub(crate) id: Option<String>,
        pub(crate) rua: Option<Vec<String>>,
        pub(crate) finding: Option<String>,
        pub(crate) sender_sees: Option<String>,
    }

    /// The rows of `json` that a parser can judge: those in which DNS answered.
    pub(crate) fn vectors(json: &str) -> Vec<(Vector, Vec<TxtRecord>)> {
        let rows: Vec<Vector> = serde_json::from_str(json).unwrap();
        let answered = ["NOERROR", "NXDOMAIN"];
        rows.into_iter()
            .filter(|row| answered.contains(&row.input.rcode.as_str()))
            .map(|row| {
                let records = row.input.txt.iter().map(TxtRecord::join).collect();
                (row, records)
            })
            .collect()
    }

    pub(crate) fn record(text: &str) -> TxtRecord {
        TxtRecord(text.as_bytes().to_vec())
    }

    /// Bytes that look enough like a record to get somewhere.
    pub(crate) fn anything(begin: &'static str) -> impl Strategy<Value = TxtRecord> {
        let byte = prop_oneof![
            4 => proptest::sample::select(b"v=; \tid=rua=mailto:https://a.b@1,!%\"".as_slice()),
            1 => any::<u8>(),
        ];
        (any::<bool>(), proptest::collection::vec(byte, 0..80)).prop_map(move |(begins, tail)| {
            let begin: &[u8] = if begins { begin.as_bytes() } else { b"" };
            TxtRecord::join([begin, tail.as_slice()])
        })
    }

    #[test]
    fn near_misses_are_told_from_other_records() {
        use NearMissKind as Kind;
        for (text, expected) in [
            ("V=STSv1; id=1", Some(Kind::Case)),
            ("v=stsv1; id=1", Some(Kind::Case)),
            ("v=STSV1", Some(Kind::Case)),
            ("\"v=STSv1; id=1;\"", Some(Kind::Quotes)),
            ("\\\"v=STSv1; id=1;\\\"", Some(Kind::Quotes)),
            ("'v=STSv1; id=1;'", Some(Kind::Quotes)),
            ("\u{201c}v=STSv1; id=1;\u{201d}", Some(Kind::Quotes)),
            (" v=STSv1; id=1", Some(Kind::LeadingBlank)),
            ("\tv=stsv1; id=1", Some(Kind::LeadingBlank)),
            ("id=1; v=STSv1;", Some(Kind::NotFirst)),
            ("id=1;v=stsv1", Some(Kind::NotFirst)),
            (";v=STSv1;id=1", Some(Kind::NotFirst)),
            ("v=STSv1", Some(Kind::NoSemicolon)),
            ("v=STSv1 id=1", Some(Kind::NoSemicolon)),
            ("v=STSv1, id=1", Some(Kind::NoSemicolon)),
            ("v=STSv1 ;id=1", Some(Kind::BlankBeforeSemicolon)),
            ("v = STSv1; id=1", Some(Kind::BlankAroundEquals)),
            ("v= STSv1; id=1", Some(Kind::BlankAroundEquals)),
            ("v=STS; id=1", Some(Kind::NoNumber)),
            ("v=STSv10; id=1", None),
            ("v=STSv2; id=1", None),
            ("v=STSv0; id=1", None),
            ("v=STSfoo; id=1", None),
            ("v=spf1 -all", None),
            ("v=TLSRPTv1; rua=mailto:a@example.com", None),
            ("id=1", None),
            ("see v=STSv1 in the docs", None),
            ("", None),
            ("\u{e9}", None),
        ] {
            let records = [record(text)];
            let found = match pick(&records, MTA_STS) {
                Picked::Absent => None,
                Picked::NearMiss(near_miss) => Some(near_miss.why),
                picked => panic!("{text:?}: {picked:?}"),
            };
            assert_eq!(found, expected, "{text:?}");
        }
    }

    #[test]
    fn a_near_miss_beside_a_record_does_not_count() {
        let records = [record("v=stsv1;"), record("v=STSv1; id=1"), record("x")];
        assert!(matches!(pick(&records, MTA_STS), Picked::One { .. }));
    }

    #[test]
    fn of_several_near_misses_the_same_is_named_in_any_order() {
        let (one, other) = (record("v=STSv1 id=1"), record("V=stsv1; id=1"));
        let records = [one.clone(), other.clone()];
        let reversed = [other, one];
        assert_eq!(pick(&records, MTA_STS), pick(&reversed, MTA_STS));
    }

    #[test]
    fn fields_are_split_as_the_grammar_says() {
        use FieldFault as F;
        for (why, text, names, faults) in [
            ("nothing", "", vec![], vec![]),
            ("blanks", " \t ", vec![], vec![]),
            ("one", " a=1", vec!["a"], vec![]),
            (
                "blanks beside semicolons",
                " a=1 \t; b=2 ; ",
                vec!["a", "b"],
                vec![],
            ),
            ("two ends", "a=1;;", vec!["a"], vec![F::Empty]),
            ("begins empty", ";a=1", vec!["a"], vec![F::Empty]),
            ("ends in a blank", "a=1 ", vec!["a"], vec![F::TrailingBlank]),
            ("no equals sign", "a", vec![], vec![F::NoEquals]),
            ("blank in the name", "a =1", vec![], vec![F::Name]),
            ("no name", "=1", vec![], vec![F::Name]),
            ("name begins by a hyphen", "-a=1", vec![], vec![F::Name]),
            (
                "name of 32",
                "abcdefghijklmnopqrstuvwxyz_-.789=1",
                vec!["abcdefghijklmnopqrstuvwxyz_-.789"],
                vec![],
            ),
            (
                "name of 33",
                "abcdefghijklmnopqrstuvwxyz_-.7890=1",
                vec![],
                vec![F::Name],
            ),
            ("no value", "a=", vec![], vec![F::NoValue]),
            ("blank in the value", "a=1 2", vec![], vec![F::Value]),
            ("second equals sign", "a=1=2", vec![], vec![F::Value]),
            ("control character", "a=\u{1}", vec![], vec![F::Value]),
            ("not ASCII", "a=\u{e9}", vec![], vec![F::NotAscii]),
            ("the caller's own field", "own=1=2 3", vec!["own"], vec![]),
            (
                "a repeated field is not read",
                "a=1; a=\u{1}=; own=1; own=",
                vec!["a", "own"],
                vec![],
            ),
        ] {
            let found = fields(text.as_bytes(), "own");
            let got: Vec<&str> = found.fields.iter().map(|f| f.name).collect();
            let wrong: Vec<F> = found.defects.iter().map(|d| d.why).collect();
            assert_eq!((got, wrong), (names, faults), "{why}: {text:?}");
        }
    }

    #[test]
    fn defects_are_bounded() {
        let text = ";".repeat(65_535);
        let found = fields(text.as_bytes(), "id");
        assert_eq!(found.defects.len(), MAX_DEFECTS);
    }

    #[test]
    fn excerpts_are_short() {
        assert_eq!(excerpt(b"ab\xff"), "ab\u{fffd}");
        assert_eq!(excerpt(&[b'a'; 120]).chars().count(), 120);
        assert_eq!(excerpt(&[b'a'; 121]).chars().count(), 121);
        assert!(excerpt(&[b'a'; 5000]).ends_with("a…"));
        assert!(excerpt("€".repeat(200).as_bytes()).ends_with("€…"));
    }

    proptest! {
        #[test]
        fn picking_never_panics(records in proptest::collection::vec(anything("v=STSv1;"), 0..4)) {
            let _ = pick(&records, MTA_STS);
            let _ = pick(&records, TLS_RPT);
        }
    }
}
