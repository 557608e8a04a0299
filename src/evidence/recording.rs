//! Evidence as a file: what `check --evidence` writes and `check --replay` reads.
//!
//! One domain is an object, several are a list of them, like the reports of `check --output json`; each carries the version
//! of its form. A list that does not end is seen to be cut, and so is an object. What is read may come from anybody: nothing
//! in it is believed but its shape.

use serde::Deserialize;
use serde::Serialize;
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::evidence::Evidence;

/// The version of the form. A field may be added with a default; this grows when one changes its meaning or goes.
pub const SCHEMA: u32 = 1;

/// A larger file is not read: some thousand domains, in bytes.
pub const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// What a file holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Recordings {
    /// In the order of the file.
    pub evidence: Vec<Evidence>,
    /// How they stood there, and so how their reports are printed.
    pub form: Form,
}

/// How recordings stand in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One object.
    Single,
    /// A list, or objects one behind the other.
    List,
}

/// Why a file is no recording; a fragment that follows its name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordingError {
    /// Nothing but blanks.
    #[error("it is empty: no evidence is in it")]
    Empty,
    /// It ends too early.
    #[error("it is cut off: {0}")]
    Truncated(String),
    /// No JSON at all.
    #[error("it is not JSON: {0}")]
    NotJson(String),
    /// JSON of something else.
    #[error("{what} is not what check --evidence writes: {why}")]
    Foreign {
        /// `it`, or `recording 3`.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// Evidence of another version.
    #[error(
        "{what} has \"schema\":{found}, and this program reads schema {SCHEMA}: replay it with the version that recorded it"
    )]
    Version {
        /// `it`, or `recording 3`.
        what: String,
        /// What stands there, shortened.
        found: String,
    },
    /// Over [`MAX_BYTES`].
    #[error("it is larger than {} MiB", MAX_BYTES / 1024 / 1024)]
    TooLarge,
}

#[derive(Serialize)]
struct Recorded<'a> {
    schema: u32,
    /// For whoever reads a bug report.
    program: &'static str,
    #[serde(flatten)]
    evidence: &'a Evidence,
}

/// One recording, on one line.
pub fn write(evidence: &Evidence) -> String {
    let recorded = Recorded {
        schema: SCHEMA,
        program: concat!("mailtls-exporter ", env!("CARGO_PKG_VERSION")),
        evidence,
    };
    serde_json::to_string(&recorded).expect("evidence is plain data, and its keys are texts")
}

/// The recordings of a file.
pub fn read(bytes: &[u8]) -> Result<Recordings, RecordingError> {
    let mut objects: Vec<&RawValue> = Vec::new();
    let mut form = Form::Single;
    for value in serde_json::Deserializer::from_slice(bytes).into_iter() {
        let value: &RawValue = value.map_err(|error| as_json(&error))?;
        if value.get().starts_with('[') {
            let list: Vec<&RawValue> =
                serde_json::from_str(value.get()).map_err(|error| as_json(&error))?;
            objects.extend(list);
            form = Form::List;
        } else {
            objects.push(value);
        }
    }
    if objects.len() > 1 {
        form = Form::List;
    }
    let single = objects.len() == 1;
    let evidence: Vec<Evidence> = (1_usize..)
        .zip(objects)
        .map(|(position, object)| {
            let what = || {
                if single {
                    "it".to_owned()
                } else {
                    format!("recording {position}")
                }
            };
            one(object.get(), what)
        })
        .collect::<Result<_, _>>()?;
    if evidence.is_empty() {
        return Err(RecordingError::Empty);
    }
    Ok(Recordings { evidence, form })
}

fn as_json(error: &serde_json::Error) -> RecordingError {
    match error.classify() {
        Category::Eof => RecordingError::Truncated(error.to_string()),
        Category::Syntax | Category::Data | Category::Io => {
            RecordingError::NotJson(error.to_string())
        }
    }
}

fn one(object: &str, what: impl Fn() -> String) -> Result<Evidence, RecordingError> {
    #[derive(Deserialize)]
    struct Header<'a> {
        #[serde(borrow)]
        schema: Option<&'a RawValue>,
        #[serde(borrow)]
        routing: Option<&'a RawValue>,
    }
    let foreign = |why: String| RecordingError::Foreign { what: what(), why };
    // The version comes first: what another one means by its fields is not for this program to say.
    let header: Header<'_> =
        serde_json::from_str(object).map_err(|error| foreign(error.to_string()))?;
    let schema = header
        .schema
        .ok_or_else(|| foreign("it has no \"schema\"".to_owned()))?;
    if schema.get() != SCHEMA.to_string() {
        return Err(RecordingError::Version {
            what: what(),
            found: schema.get().chars().take(20).collect(),
        });
    }
    // The reports of check carry the same version and domain.
    if header.routing.is_none() {
        return Err(foreign("it has no \"routing\"; is it a report?".to_owned()));
    }
    serde_json::from_str(object).map_err(|error| foreign(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = include_str!("../../tests/fixtures/evidence/good.example.json");

    #[test]
    fn reads_what_stands_in_files() {
        let one = ONE.trim();
        for (why, text, expected) in [
            ("an object", one.to_owned(), Ok((1, Form::Single))),
            ("a list of one", format!("[{one}]"), Ok((1, Form::List))),
            ("a list", format!("[{one},\n{one}]"), Ok((2, Form::List))),
            ("lines", format!("{one}\n{one}\n"), Ok((2, Form::List))),
            ("nothing", " \n".to_owned(), Err("it is empty")),
            ("an empty list", "[]".to_owned(), Err("it is empty")),
            ("cut", one[..one.len() - 1].to_owned(), Err("it is cut off")),
            ("a list cut", format!("[{one},"), Err("it is cut off")),
            (
                "a second one cut",
                format!("{one}\n{{"),
                Err("it is cut off"),
            ),
            ("no JSON", "good.example".to_owned(), Err("it is not JSON")),
            (
                "a list of lists",
                format!("[[{one}]]"),
                Err("it is not what"),
            ),
            (
                "another version",
                one.replace("\"schema\":1", "\"schema\":\"1\""),
                Err("it has \"schema\":\"1\""),
            ),
            (
                "one of two is foreign",
                format!("[{one},{{}}]"),
                Err("recording 2 is not what"),
            ),
        ] {
            let read = read(text.as_bytes()).map(|read| (read.evidence.len(), read.form));
            match (read, expected) {
                (Err(error), Err(part)) => {
                    let error = error.to_string();
                    assert!(error.starts_with(part), "{why}: {error}");
                }
                (read, expected) => assert_eq!(read.ok(), expected.ok(), "{why}"),
            }
        }
    }

    #[test]
    fn a_name_that_no_resolver_writes_is_refused() {
        for name in ["mx1\\u001b[31m", "m x", "mx\u{e9}"] {
            let text = ONE.replace("mx1.good.example", name);
            assert!(read(text.as_bytes()).is_err(), "{name}");
        }
    }
}
