//! Records as people paste them: the bare text, the same in quotes, a whole line of a zone file, the output of `dig`.
//!
//! In a zone file (RFC 1035 §5.1) a record is `owner [TTL] [class] TYPE data`; the data is words or strings in quotes,
//! parentheses let it go on in the next line, and what follows a `;` outside quotes is a comment: the very character
//! that stands between the fields of an MTA-STS record. A line that has no type in it is taken as the text itself, as it
//! would be typed into a form. Records of other types, comments and directives are passed over.

use data_encoding::HEXLOWER_PERMISSIVE;

use crate::protocol::tlsa::TlsaParseError;
use crate::protocol::tlsa::TlsaRecord;
use crate::protocol::txt::TxtRecord;

mod head;
mod words;

use self::head::Head;
use self::head::is_directive;
use self::words::Data;
use self::words::Word;
use self::words::read_data;

/// A record and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pasted<T> {
    /// The line that it begins on, from 1.
    pub line: usize,
    /// The owner in lower case without the final dot, where the line names one.
    pub owner: Option<String>,
    /// Whether the owner was written with its final dot: then nothing follows.
    pub is_absolute: bool,
    /// The record.
    pub record: T,
    /// What a zone file takes as a comment although it looks like more of the record.
    pub lost_to_comment: Option<String>,
}

/// A text that no name server would load.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct ZoneTextError {
    /// From 1.
    pub line: usize,
    /// What is wrong there.
    pub why: ZoneTextFault,
}

/// What is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ZoneTextFault {
    /// `"v=STSv1; id=1`
    #[error("the quotes are not closed")]
    OpenQuotes,
    /// `( 3 1 1`
    #[error("the parentheses are not closed")]
    OpenParentheses,
    /// `3 1 1 )`
    #[error("a parenthesis is closed that was not opened")]
    StrayParenthesis,
    /// `\300`
    #[error(
        "a backslash is followed neither by three digits up to 255 nor by a single other character"
    )]
    Escape,
    /// RFC 1035 §3.3.
    #[error(
        "a string of a TXT record holds at most 255 bytes: split it into several, each in its own quotes"
    )]
    LongString,
    /// `_mta-sts IN TXT`
    #[error("nothing follows the type")]
    NoData,
    /// `\# 4 01`
    #[error("the data behind \\# is not a length and that many bytes in hexadecimal (RFC 3597 §5)")]
    Generic,
}

const TXT: u16 = 16;
const TLSA: u16 = 52;

/// The TXT records in a text.
pub fn txt_records(text: &str) -> Result<Vec<Pasted<TxtRecord>>, ZoneTextError> {
    read(text, TXT)?
        .into_iter()
        .map(|entry| {
            let fault = |why| ZoneTextError {
                line: entry.line,
                why,
            };
            let record = match &entry.form {
                Form::Bare(text) => TxtRecord(text.as_bytes().to_vec()),
                Form::Zone(data) => txt_data(data).map_err(fault)?,
            };
            Ok(entry.pasted(record))
        })
        .collect()
}

/// A TLSA record, or the text that is none and why.
pub type TlsaText = Result<TlsaRecord, (String, TlsaParseError)>;

/// The TLSA records in a text; what is meant to be one and is none, too.
pub fn tlsa_records(text: &str) -> Result<Vec<Pasted<TlsaText>>, ZoneTextError> {
    read(text, TLSA)?
        .into_iter()
        .map(|entry| {
            let fault = |why| ZoneTextError {
                line: entry.line,
                why,
            };
            let text = match &entry.form {
                Form::Bare(text) => text.clone(),
                Form::Zone(data) => tlsa_data(data).map_err(fault)?,
            };
            let record = text.parse().map_err(|error| (text, error));
            Ok(entry.pasted(record))
        })
        .collect()
}

/// One entry, its data not yet understood.
struct Entry {
    line: usize,
    owner: Option<String>,
    is_absolute: bool,
    form: Form,
}

enum Form {
    /// The text itself.
    Bare(String),
    /// Data as a zone file has it.
    Zone(Data),
}

impl Entry {
    fn pasted<T>(&self, record: T) -> Pasted<T> {
        let lost_to_comment = match &self.form {
            Form::Zone(data) => data.lost_to_comment.clone(),
            Form::Bare(_) => None,
        };
        Pasted {
            line: self.line,
            owner: self.owner.clone(),
            is_absolute: self.is_absolute,
            record,
            lost_to_comment,
        }
    }
}

/// The entries of type `wanted`.
fn read(text: &str, wanted: u16) -> Result<Vec<Entry>, ZoneTextError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut entries: Vec<Entry> = Vec::new();
    let mut rest = text;
    let mut number = 1_usize;
    while !rest.is_empty() {
        let (line, mut behind) = rest.split_once('\n').unwrap_or((rest, ""));
        let line = line.trim_end_matches('\r');
        let bare = line.trim_start();
        let fault = |why| ZoneTextError { line: number, why };
        if bare.is_empty() || bare.starts_with([';', '#']) || is_directive(line) {
            // Nothing to see.
        } else if let Some(head) = Head::of(line, wanted) {
            let start = line.len().saturating_sub(head.behind.len());
            let data = read_data(rest.get(start..).unwrap_or_default());
            if head.rtype == wanted {
                let (data, left) = data.map_err(fault)?;
                behind = left;
                entries.push(Entry {
                    line: number,
                    owner: head.owner.map(str::to_ascii_lowercase),
                    is_absolute: head.is_absolute,
                    form: Form::Zone(data),
                });
            } else if let Ok((_, left)) = data {
                behind = left;
            }
        } else if let Some((data, left)) = headless(rest, wanted) {
            behind = left;
            entries.push(Entry {
                line: number,
                owner: None,
                is_absolute: false,
                form: Form::Zone(data),
            });
        } else if wanted == TLSA && is_more_hex(bare) {
            // Terminals and mail wrap long lines.
            match entries.last_mut().map(|entry| &mut entry.form) {
                Some(Form::Bare(text)) => text.push_str(bare),
                Some(Form::Zone(data)) => data.words.push(Word::bare(bare)),
                None => entries.push(Entry::bare(number, bare)),
            }
        } else {
            entries.push(Entry::bare(number, line));
        }
        let taken = rest.len().saturating_sub(behind.len());
        let lines = rest.get(..taken).unwrap_or_default().matches('\n').count();
        number = number.saturating_add(lines);
        rest = behind;
    }
    Ok(entries)
}

impl Entry {
    fn bare(line: usize, text: &str) -> Self {
        Self {
            line,
            owner: None,
            is_absolute: false,
            form: Form::Bare(text.to_owned()),
        }
    }
}

/// Data without owner and type, in the form of zone files: strings in quotes, or a TLSA record. Quotes that do not fit
/// are part of a text.
fn headless(rest: &str, wanted: u16) -> Option<(Data, &str)> {
    let (data, behind) = read_data(rest).ok()?;
    let fits = if wanted == TLSA {
        let line = rest.split('\n').next().unwrap_or_default();
        !is_more_hex(line.trim_start())
    } else {
        let is_quoted = data.words.iter().all(Word::is_quoted);
        data.is_generic() || (is_quoted && data.lost_to_comment.is_none())
    };
    fits.then_some((data, behind))
}

/// A line of a TLSA record's data: no number of up to three digits opens it.
fn is_more_hex(line: &str) -> bool {
    let mut words = line.split_ascii_whitespace();
    words.next().is_some_and(|first| first.len() > 3)
        && line
            .chars()
            .all(|c| c.is_ascii_hexdigit() || matches!(c, ' ' | '\t' | ')'))
}

fn txt_data(data: &Data) -> Result<TxtRecord, ZoneTextFault> {
    if let Some(wire) = generic(data)? {
        let mut strings = Vec::new();
        let mut rest = wire.as_slice();
        while let Some((length, behind)) = rest.split_first() {
            let (string, left) = behind
                .split_at_checked(usize::from(*length))
                .ok_or(ZoneTextFault::Generic)?;
            strings.push(string.to_vec());
            rest = left;
        }
        return Ok(TxtRecord::join(strings));
    }
    if data.words.is_empty() {
        return Err(ZoneTextFault::NoData);
    }
    if data.words.iter().any(|word| word.bytes.len() > 255) {
        return Err(ZoneTextFault::LongString);
    }
    Ok(TxtRecord::join(data.words.iter().map(|word| &word.bytes)))
}

/// As the words of the usual form.
fn tlsa_data(data: &Data) -> Result<String, ZoneTextFault> {
    if let Some(wire) = generic(data)? {
        let [usage, selector, matching_type, association @ ..] = wire.as_slice() else {
            return Err(ZoneTextFault::Generic);
        };
        let record = TlsaRecord {
            usage: *usage,
            selector: *selector,
            matching_type: *matching_type,
            data: association.to_vec(),
        };
        return Ok(record.to_string());
    }
    let words: Vec<_> = data.words.iter().map(Word::text).collect();
    if words.is_empty() {
        return Err(ZoneTextFault::NoData);
    }
    Ok(words.join(" "))
}

/// RFC 3597 §5: `\# 4 0304abcd`, whatever the type.
fn generic(data: &Data) -> Result<Option<Vec<u8>>, ZoneTextFault> {
    if !data.is_generic() {
        return Ok(None);
    }
    let mut words = data.words.iter().skip(1).map(Word::text);
    let length: Option<usize> = words.next().and_then(|word| word.parse().ok());
    let hex: String = words.collect();
    let wire = HEXLOWER_PERMISSIVE
        .decode(hex.as_bytes())
        .map_err(|_| ZoneTextFault::Generic)?;
    if length == Some(wire.len()) {
        Ok(Some(wire))
    } else {
        Err(ZoneTextFault::Generic)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;

    fn texts(text: &str) -> Result<Vec<(Option<String>, String)>, ZoneTextFault> {
        let records = txt_records(text).map_err(|error| error.why)?;
        let records = records.into_iter();
        Ok(records
            .map(|pasted| (pasted.owner, pasted.record.text()))
            .collect())
    }

    #[test]
    fn text_records() {
        let owner = Some("_mta-sts.example.com");
        let record = "v=STSv1; id=1";
        for (why, text, expected) in [
            ("bare", "v=STSv1; id=1", &[(None, record)][..]),
            (
                "with the end of its line",
                "v=STSv1; id=1\r\n",
                &[(None, record)],
            ),
            (
                "a blank before it stays",
                " v=STSv1; id=1",
                &[(None, " v=STSv1; id=1")],
            ),
            ("in quotes", r#""v=STSv1; id=1""#, &[(None, record)]),
            ("in strings", r#""v=STSv1; " "id=1""#, &[(None, record)]),
            (
                "strings without a blank",
                r#""v=STSv1; ""id=1""#,
                &[(None, record)],
            ),
            (
                "open quotes are text",
                r#""v=STSv1; id=1"#,
                &[(None, "\"v=STSv1; id=1")],
            ),
            (
                "quotes and more are text",
                r#""v=STSv1"; id=1"#,
                &[(None, "\"v=STSv1\"; id=1")],
            ),
            (
                "escaped",
                r#""v=STSv1\; id=\"1\1001""#,
                &[(None, "v=STSv1; id=\"1d1")],
            ),
            (
                "a line of a zone file",
                r#"_mta-sts.Example.com. 3600 IN TXT "v=STSv1; id=1" ; ours"#,
                &[(owner, record)],
            ),
            (
                "class before TTL",
                r#"_mta-sts.example.com. IN 1h txt "v=STSv1; id=1""#,
                &[(owner, record)],
            ),
            (
                "without TTL and class",
                r#"_mta-sts.example.com. TXT "v=STSv1; id=1""#,
                &[(owner, record)],
            ),
            ("no owner", r#"  IN TXT "v=STSv1; id=1""#, &[(None, record)]),
            (
                "no owner, and no blank",
                r#"3600 IN TXT "v=STSv1; id=1""#,
                &[(None, record)],
            ),
            (
                "the origin",
                r#"@ IN TXT "v=STSv1; id=1""#,
                &[(None, record)],
            ),
            (
                "parentheses over lines",
                "_mta-sts.example.com. IN TXT ( \"v=STSv1; \" ; first\n  \"id=1\" )\n",
                &[(owner, record)],
            ),
            (
                "unquoted: the semicolon begins a comment",
                "_mta-sts.example.com. IN TXT v=STSv1; id=1",
                &[(owner, "v=STSv1")],
            ),
            (
                "what dig prints",
                "; <<>> DiG 9 <<>>\n;; ANSWER SECTION:\n_mta-sts.example.com.\t60\tIN\tTXT\t\"v=STSv1; id=1\"\n\n;; Query time",
                &[(owner, record)],
            ),
            (
                "what dig +short prints",
                "\"v=spf1 -all\"\n\"v=STSv1; id=1\"\n",
                &[(None, "v=spf1 -all"), (None, record)],
            ),
            (
                "among others",
                "$TTL 60\nexample.com. IN SOA a. b. (\n 1 2 3 4 5 )\n IN MX 10 mx\n_mta-sts.example.com. TXT \"v=STSv1; id=1\"",
                &[(owner, record)],
            ),
            (
                "RFC 3597",
                r"_mta-sts.example.com. TYPE16 \# 3 02 6162",
                &[(owner, "ab")],
            ),
            ("nothing", "\n ; nothing\n", &[]),
        ] {
            let expected: Vec<_> = expected
                .iter()
                .map(|(owner, text)| (owner.map(str::to_owned), (*text).to_owned()))
                .collect();
            assert_eq!(texts(text), Ok(expected), "{why}: {text}");
        }
    }

    #[test]
    fn what_no_name_server_loads() {
        for (why, text, expected) in [
            (
                "open quotes in a zone",
                "a TXT \"v=STSv1\n\"",
                ZoneTextFault::OpenQuotes,
            ),
            (
                "open parentheses",
                "a TXT ( \"v=STSv1\"",
                ZoneTextFault::OpenParentheses,
            ),
            (
                "stray parenthesis",
                "a TXT \"v=STSv1\" )",
                ZoneTextFault::StrayParenthesis,
            ),
            ("escape", "a TXT \"\\256\"", ZoneTextFault::Escape),
            ("no data", "a IN TXT", ZoneTextFault::NoData),
            ("length", r"a TXT \# 4 026162", ZoneTextFault::Generic),
        ] {
            assert_eq!(texts(text), Err(expected), "{why}: {text}");
        }
        let long = format!("a TXT \"{}\"", "x".repeat(256));
        assert_eq!(texts(&long), Err(ZoneTextFault::LongString));
    }

    #[test]
    fn what_a_comment_takes() {
        let lost = |text: &str| txt_records(text).unwrap().remove(0).lost_to_comment;
        assert_eq!(lost("a TXT v=STSv1; id=1").as_deref(), Some("; id=1"));
        assert_eq!(lost("a TXT \"v=STSv1; id=1\" ; ours"), None);
        assert_eq!(lost("v=STSv1; id=1"), None);
    }

    #[test]
    fn tlsa() {
        for (why, text, expected) in [
            ("bare", "3 1 1 ABCD", &[(None, "3 1 1 abcd")][..]),
            ("blanks in it", " 3 1 1 ab cd ", &[(None, "3 1 1 abcd")]),
            ("wrapped", "3 1 1 abcd\nef01\n", &[(None, "3 1 1 abcdef01")]),
            (
                "two",
                "3 1 1 abcd\n2 1 1 ef01",
                &[(None, "3 1 1 abcd"), (None, "2 1 1 ef01")],
            ),
            (
                "a line of a zone file",
                "_25._tcp.MX.example.com. 3600 IN TLSA ( 3 1 1 abcd ; current\n ef01 )",
                &[(Some("_25._tcp.mx.example.com"), "3 1 1 abcdef01")],
            ),
            (
                "RFC 3597",
                r"x. TYPE52 \# 5 030101 abcd",
                &[(Some("x"), "3 1 1 abcd")],
            ),
            (
                "RFC 3597, bare",
                r"\# 5 030101abcd",
                &[(None, "3 1 1 abcd")],
            ),
        ] {
            let read: Vec<_> = tlsa_records(text)
                .unwrap()
                .into_iter()
                .map(|pasted| (pasted.owner, pasted.record.unwrap().to_string()))
                .collect();
            let expected: Vec<_> = expected
                .iter()
                .map(|(owner, text)| (owner.map(str::to_owned), (*text).to_owned()))
                .collect();
            assert_eq!(read, expected, "{why}: {text}");
        }
        for (why, text, expected) in [
            ("not hexadecimal", "3 1 1 xyz", "3 1 1 xyz"),
            ("words", "x. IN TLSA three one one ab", "three one one ab"),
        ] {
            let read = tlsa_records(text).unwrap().remove(0);
            assert_eq!(read.record.unwrap_err().0, expected, "{why}");
        }
    }

    #[test]
    fn lines_are_counted() {
        let text = "\n; a\nx TXT ( \"a\"\n\"b\" )\ny TXT \"c\"\n";
        let lines: Vec<_> = txt_records(text)
            .unwrap()
            .iter()
            .map(|it| it.line)
            .collect();
        assert_eq!(lines, [3, 5]);
        let error = txt_records("a TXT \"1\"\nb TXT \"2").unwrap_err();
        assert_eq!(error.to_string(), "line 2: the quotes are not closed");
    }

    proptest! {
        #[test]
        fn never_panics(text in "([a-z_.]{0,3}|TXT|TLSA|TYPE16|IN|60|[\"();\\\\# \n\r\t]|\\\\[0-9]{1,3}|.){0,30}") {
            let _ = txt_records(&text);
            let _ = tlsa_records(&text);
        }

        #[test]
        fn reads_what_is_quoted(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut quoted = String::from("a. IN TXT \"");
            for byte in &bytes {
                let _ = write!(quoted, "\\{byte:03}");
            }
            quoted.push('"');
            let read = txt_records(&quoted).unwrap();
            prop_assert_eq!(&read.first().unwrap().record.0, &bytes);
        }
    }
}
