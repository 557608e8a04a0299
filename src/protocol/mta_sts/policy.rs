//! The MTA-STS policy (RFC 8461 §3.2): what `https://mta-sts.<domain>/.well-known/mta-sts.txt` holds.
//!
//! ```text
//! version: STSv1
//! mode: enforce
//! mx: mail.example.com
//! mx: *.example.net
//! max_age: 604800
//! ```
//!
//! One field a line; LF or CRLF between lines, the last needs no end; any order; blanks may stand behind the colon and at
//! the end of a line. `version`, `mode` and `max_age` are there once, `mx` at least once unless the mode is `none`. Names
//! are case-sensitive, unknown ones are ignored as long as they fit the grammar, and of a repeated field the first counts.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::closed_set::closed_set;
use crate::domain_name::MxHost;
use crate::protocol::mta_sts::pattern::Pattern;
use crate::protocol::mta_sts::pattern::PatternError;
use crate::protocol::mta_sts::short_hash;
use crate::protocol::txt::excerpt;
use crate::protocol::txt::is_field_name;

/// A policy that senders can use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Policy {
    /// `STSv1`.
    pub version: Version,
    /// How strict a sender must be.
    pub mode: Mode,
    /// How long a sender keeps it, in seconds; at most [`MAX_MAX_AGE`].
    pub max_age: u32,
    /// The MX hosts, in the order written; empty in mode `none` alone.
    pub mx: Vec<Pattern>,
}

closed_set! {
    /// The version of a policy.
    pub enum Version {
        /// RFC 8461.
        StsV1 = "STSv1",
    }
}

closed_set! {
    /// How strict a sender must be (RFC 8461 §5): label `mode` of `mailtls_mta_sts_policy_mode`.
    pub enum Mode {
        /// Do not deliver to a host that fails.
        Enforce = "enforce",
        /// Deliver all the same, and report (RFC 8460).
        Testing = "testing",
        /// As if there were no policy.
        None = "none",
    }
}

/// RFC 8461 §3.2: about a year, in seconds.
pub const MAX_MAX_AGE: u32 = 31_557_600;

/// RFC 8461 §3.3 lets a sender limit the size of a policy, in bytes; 64 KiB is the suggestion.
pub const MAX_BODY: usize = 64 * 1024;

/// What a body amounts to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyReading {
    /// The policy; none when a defect voids it ([`PolicyDefect::effect`]).
    pub policy: Option<Policy>,
    /// Everything that is wrong, in the order of lines, what is missing last. Of very many of one kind the first ones.
    pub defects: Vec<PolicyDefect>,
}

/// One thing wrong with a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyDefect {
    /// No `version`.
    VersionMissing,
    /// Not `STSv1`.
    VersionUnknown(Line),
    /// No `mode`.
    ModeMissing,
    /// Not `enforce`, `testing` or `none`.
    ModeUnknown(Line),
    /// No `max_age`.
    MaxAgeMissing,
    /// Not 1 to 10 digits, or more than [`MAX_MAX_AGE`].
    MaxAgeInvalid(Line, MaxAgeFault),
    /// No `mx`, in a mode other than `none`.
    MxMissing,
    /// No pattern.
    MxInvalid(Line, PatternError),
    /// No field at all.
    LineMalformed(Line, LineFault),
    /// Nothing on the line. Some senders refuse such a policy, others do not.
    BlankLine(Line),
    /// A field that was there before; not read.
    DuplicateField(Line),
}

/// Where in the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// From 1.
    pub number: usize,
    /// The line, shortened.
    pub text: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} {:?}", self.number, self.text)
    }
}

impl fmt::Display for PolicyDefect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::VersionMissing => f.write_str("the field version is missing"),
            Self::VersionUnknown(line) => write!(f, "{line}: the version is not STSv1"),
            Self::ModeMissing => f.write_str("the field mode is missing"),
            Self::ModeUnknown(line) => {
                write!(f, "{line}: the mode is not enforce, testing or none")
            }
            Self::MaxAgeMissing => f.write_str("the field max_age is missing"),
            Self::MaxAgeInvalid(line, why) => write!(f, "{line}: {why}"),
            Self::MxMissing => f.write_str("the field mx is missing"),
            Self::MxInvalid(line, why) => write!(f, "{line}: {why}"),
            Self::LineMalformed(line, why) => write!(f, "{line}: {why}"),
            Self::BlankLine(line) => write!(f, "line {} is blank", line.number),
            Self::DuplicateField(line) => write!(f, "{line}: the field was there before"),
        }
    }
}

/// What a defect does to the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Senders cannot use the policy.
    Void,
    /// The policy counts all the same.
    Harmless,
}

closed_set! {
    /// What can be wrong with `max_age`: a fragment for people.
    pub enum MaxAgeFault {
        /// Empty, a sign, a fraction, a unit, more than ten digits.
        NotDigits = "it is not 1 to 10 digits",
        /// Over a year.
        TooLong = "it is more than 31557600 seconds",
    }
}

closed_set! {
    /// What can be wrong with a line: a fragment for people.
    pub enum LineFault {
        /// A byte order mark.
        ByteOrderMark = "a byte order mark stands before it",
        /// A CR that is not part of the line's end.
        CarriageReturn = "it holds a carriage return that ends no line",
        /// NUL, a tab inside the value, DEL, …
        Control = "it holds a control character",
        /// Not UTF-8.
        NotUtf8 = "it is not UTF-8",
        /// `garbage`
        NoColon = "it has no colon",
        /// ` mode: enforce`
        BlankBeforeName = "a blank stands before the name",
        /// `mode : enforce`
        BlankBeforeColon = "a blank stands before the colon",
        /// Not a letter or digit followed by up to 31 letters, digits, `_`, `-` and `.`.
        Name = "its name is not 1 to 32 letters, digits, \"_\", \"-\" and \".\"",
        /// `comment:`
        NoValue = "it has no value",
    }
}

impl PolicyDefect {
    /// Whether the policy counts all the same.
    pub const fn effect(&self) -> Effect {
        match self {
            // Reading: RFC 8461 §3.2 has no blank line, yet every field can be read, and most senders do. Of a repeated
            // field it says itself that all but the first are ignored.
            Self::BlankLine(_) | Self::DuplicateField(_) => Effect::Harmless,
            Self::VersionMissing
            | Self::VersionUnknown(_)
            | Self::ModeMissing
            | Self::ModeUnknown(_)
            | Self::MaxAgeMissing
            | Self::MaxAgeInvalid(..)
            | Self::MxMissing
            | Self::MxInvalid(..)
            | Self::LineMalformed(..) => Effect::Void,
        }
    }
}

impl Policy {
    /// Whether a pattern names `host` (RFC 8461 §4.1).
    pub fn authorizes(&self, host: &MxHost) -> bool {
        self.mx.iter().any(|pattern| pattern.matches(host))
    }

    /// The first 32 bits of SHA-256 over the canonical form, big-endian: `mx` in lower case, sorted, repeats dropped, and
    /// nothing of order, line ends and unknown fields.
    pub fn canonical_hash(&self) -> u32 {
        let mx: BTreeSet<String> = self.mx.iter().map(Pattern::canonical).collect();
        short_hash(&self.text(mx.iter().map(String::as_str)))
    }

    fn text<'a>(&self, mx: impl Iterator<Item = &'a str>) -> String {
        let mut text = format!("version: {}\nmode: {}\n", self.version, self.mode);
        for pattern in mx {
            text.push_str("mx: ");
            text.push_str(pattern);
            text.push('\n');
        }
        text.push_str("max_age: ");
        text.push_str(&self.max_age.to_string());
        text.push('\n');
        text
    }
}

impl fmt::Display for Policy {
    /// As it is published.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(self.mx.iter().map(Pattern::as_str)))
    }
}

/// Whether a Content-Type header says `text/plain`, with whatever parameters (RFC 8461 §3.2, RFC 9110 §8.3.1).
pub fn content_type_is_text_plain(value: &str) -> bool {
    value
        .split(';')
        .next()
        .is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("text/plain"))
}

/// Reads the body of a policy.
pub fn parse(body: &[u8]) -> PolicyReading {
    let mut reader = Reader::default();
    let mut lines = body.split(|&byte| byte == b'\n').peekable();
    let mut number = 0_usize;
    while let Some(line) = lines.next() {
        number = number.saturating_add(1);
        let last = lines.peek().is_none();
        if last && line.is_empty() && number > 1 {
            // The end of the last line, not another one.
            break;
        }
        // An empty body has no line, rather than a blank one.
        if !(last && line.is_empty()) {
            reader.line(number, line);
        }
    }
    reader.finish()
}

/// What was read so far.
#[derive(Default)]
struct Reader {
    version: Field<Version>,
    mode: Field<Mode>,
    max_age: Field<u32>,
    mx: Field<Vec<Pattern>>,
    extensions: BTreeSet<String>,
    defects: Vec<PolicyDefect>,
}

/// A field that is there once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Field<T> {
    #[default]
    Missing,
    /// There, and no use.
    Spoiled,
    Read(T),
}

impl<T> Field<T> {
    const fn is_missing(&self) -> bool {
        matches!(self, Self::Missing)
    }

    const fn is_read(&self) -> bool {
        matches!(self, Self::Read(_))
    }

    fn read(self) -> Option<T> {
        match self {
            Self::Read(value) => Some(value),
            Self::Missing | Self::Spoiled => None,
        }
    }
}

impl<T> From<Option<T>> for Field<T> {
    fn from(read: Option<T>) -> Self {
        read.map_or(Self::Spoiled, Self::Read)
    }
}

/// Of each kind of defect at most this many are kept: a body has room for tens of thousands.
const MAX_DEFECTS_OF_A_KIND: usize = 20;

impl Reader {
    fn line(&mut self, number: usize, line: &[u8]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let place = Line {
            number,
            text: excerpt(line),
        };
        if line.iter().copied().all(is_blank) {
            return self.defect(PolicyDefect::BlankLine(place));
        }
        let (name, value) = match split(line) {
            Ok(split) => split,
            Err(fault) => {
                self.spoil(meant_name(line).as_str());
                return self.defect(PolicyDefect::LineMalformed(place, fault));
            }
        };
        // RFC 8461 §3.2: of a repeated field all but the first are ignored, so their values are not read.
        let repeated = match name {
            "version" => !self.version.is_missing(),
            "mode" => !self.mode.is_missing(),
            "max_age" => !self.max_age.is_missing(),
            "mx" => false,
            extension => !self.extensions.insert(extension.to_owned()),
        };
        if repeated {
            return self.defect(PolicyDefect::DuplicateField(place));
        }
        match check_value(value) {
            Ok(value) => self.field(name, value, place),
            Err(fault) => {
                self.spoil(name);
                self.defect(PolicyDefect::LineMalformed(place, fault));
            }
        }
    }

    /// The first field of its name, or any `mx`.
    fn field(&mut self, name: &str, value: &str, place: Line) {
        match name {
            "version" => {
                let version = Version::ALL.iter().find(|v| v.as_str() == value);
                self.version = version.copied().into();
                if version.is_none() {
                    self.defect(PolicyDefect::VersionUnknown(place));
                }
            }
            "mode" => {
                let mode = Mode::ALL.iter().find(|m| m.as_str() == value);
                self.mode = mode.copied().into();
                if mode.is_none() {
                    self.defect(PolicyDefect::ModeUnknown(place));
                }
            }
            "max_age" => match check_max_age(value) {
                Ok(seconds) => self.max_age = Field::Read(seconds),
                Err(fault) => {
                    self.max_age = Field::Spoiled;
                    self.defect(PolicyDefect::MaxAgeInvalid(place, fault));
                }
            },
            "mx" => match Pattern::parse(value) {
                Ok(pattern) => match &mut self.mx {
                    Field::Read(patterns) => patterns.push(pattern),
                    mx => *mx = Field::Read(vec![pattern]),
                },
                Err(fault) => {
                    self.spoil(name);
                    self.defect(PolicyDefect::MxInvalid(place, fault));
                }
            },
            _ if value.is_empty() => {
                self.defect(PolicyDefect::LineMalformed(place, LineFault::NoValue));
            }
            _ => {}
        }
    }

    /// A line was meant to be this field: then it is not missing as well.
    fn spoil(&mut self, name: &str) {
        fn spoil<T>(field: &mut Field<T>) {
            if field.is_missing() {
                *field = Field::Spoiled;
            }
        }
        match name {
            "version" => spoil(&mut self.version),
            "mode" => spoil(&mut self.mode),
            "max_age" => spoil(&mut self.max_age),
            "mx" => spoil(&mut self.mx),
            _ => {}
        }
    }

    fn defect(&mut self, defect: PolicyDefect) {
        let kind = std::mem::discriminant(&defect);
        let of_its_kind = self
            .defects
            .iter()
            .filter(|known| std::mem::discriminant(*known) == kind)
            .count();
        if of_its_kind < MAX_DEFECTS_OF_A_KIND {
            self.defects.push(defect);
        }
    }

    fn finish(mut self) -> PolicyReading {
        let malformed = self
            .defects
            .iter()
            .any(|defect| matches!(defect, PolicyDefect::LineMalformed(..)));
        let nothing_read = !(self.version.is_read()
            || self.mode.is_read()
            || self.max_age.is_read()
            || self.mx.is_read());
        // A web page is not a policy that lacks four fields.
        if !(malformed && nothing_read) {
            self.say_what_is_missing();
        }
        let void = self
            .defects
            .iter()
            .any(|defect| defect.effect() == Effect::Void);
        let policy = match (self.version.read(), self.mode.read(), self.max_age.read()) {
            (Some(version), Some(mode), Some(max_age)) if !void => Some(Policy {
                version,
                mode,
                max_age,
                mx: self.mx.read().unwrap_or_default(),
            }),
            _ => None,
        };
        PolicyReading {
            policy,
            defects: self.defects,
        }
    }

    fn say_what_is_missing(&mut self) {
        if self.version.is_missing() {
            self.defect(PolicyDefect::VersionMissing);
        }
        if self.mode.is_missing() {
            self.defect(PolicyDefect::ModeMissing);
        }
        if self.max_age.is_missing() {
            self.defect(PolicyDefect::MaxAgeMissing);
        }
        // RFC 8461 §3.2: required at least once, except when the mode is "none". An unknown mode may have meant that.
        if self.mx.is_missing() && !matches!(self.mode, Field::Read(Mode::None) | Field::Spoiled) {
            self.defect(PolicyDefect::MxMissing);
        }
    }
}

/// WSP of RFC 5234 §B.1.
const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// The name and what stands behind its colon.
fn split(line: &[u8]) -> Result<(&str, &[u8]), LineFault> {
    let colon = line.iter().position(|&byte| byte == b':');
    let (name, value) = colon
        .and_then(|at| line.split_at_checked(at))
        .and_then(|(name, behind)| Some((name, behind.split_first()?.1)))
        .ok_or_else(|| fault_of_text(line).unwrap_or(LineFault::NoColon))?;
    match std::str::from_utf8(name) {
        Ok(name) if is_field_name(name) => Ok((name, value)),
        _ => Err(fault_of_name(name)),
    }
}

fn fault_of_name(name: &[u8]) -> LineFault {
    let text = String::from_utf8_lossy(name);
    let blanks = [' ', '\t'];
    if text.starts_with('\u{feff}') {
        LineFault::ByteOrderMark
    } else if let Some(fault) = fault_of_text(name) {
        fault
    } else if is_field_name(text.trim_start_matches(blanks)) {
        LineFault::BlankBeforeName
    } else if is_field_name(text.trim_end_matches(blanks)) {
        LineFault::BlankBeforeColon
    } else {
        LineFault::Name
    }
}

/// What the grammar has nowhere in a line, blanks at its ends aside.
fn fault_of_text(bytes: &[u8]) -> Option<LineFault> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Some(LineFault::NotUtf8);
    };
    // RFC 8461 §3.2 `sts-policy-vchar`: %x21-7E and UTF-8 of two bytes and more.
    match text
        .trim_matches([' ', '\t'])
        .chars()
        .find(char::is_ascii_control)
    {
        Some('\r') => Some(LineFault::CarriageReturn),
        Some(_) => Some(LineFault::Control),
        None => None,
    }
}

/// `":" *WSP` before the value, `*WSP` behind it.
fn check_value(value: &[u8]) -> Result<&str, LineFault> {
    if let Some(fault) = fault_of_text(value) {
        return Err(fault);
    }
    std::str::from_utf8(value)
        .map(|text| text.trim_matches([' ', '\t']))
        .map_err(|_| LineFault::NotUtf8)
}

/// The name that a malformed line was meant to have.
fn meant_name(line: &[u8]) -> String {
    let name = line.split(|&byte| byte == b':').next().unwrap_or_default();
    String::from_utf8_lossy(name)
        .trim_matches([' ', '\t', '\u{feff}'])
        .to_owned()
}

/// RFC 8461 §3.2: `1*10(DIGIT)`, "maximum value of 31557600".
fn check_max_age(value: &str) -> Result<u32, MaxAgeFault> {
    if !(1..=10).contains(&value.len()) || !value.bytes().all(|b| b.is_ascii_digit()) {
        return Err(MaxAgeFault::NotDigits);
    }
    match value.parse() {
        Ok(seconds) if seconds <= MAX_MAX_AGE => Ok(seconds),
        // Ten digits may be more than a u32 holds.
        Ok(_) | Err(_) => Err(MaxAgeFault::TooLong),
    }
}

#[cfg(test)]
mod tests;
