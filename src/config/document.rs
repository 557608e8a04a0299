//! A YAML text as a tree: every value with its line, every scalar both as it is written and as YAML understands it.
//!
//! `serde_yaml` reads, but tells a line only with an error. So the text is read twice: once for what there is, and once
//! to fail on purpose at each scalar, where the error is taken for what it tells and the reading goes on.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;
use std::path::Path as FsPath;

use serde::Deserializer;
use serde::de::DeserializeSeed;
use serde::de::EnumAccess;
use serde::de::Error;
use serde::de::MapAccess;
use serde::de::SeqAccess;
use serde::de::Visitor;

use crate::config::Error as ConfigError;
use crate::config::Place;
use crate::config::Problem;
use crate::config::place::Path;
use crate::config::place::Step;

/// The whole text.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) top: Node,
}

/// One value.
#[derive(Debug)]
pub(super) struct Node {
    /// Where it begins, counted from 1; none where that is not told: of an empty list or mapping.
    pub(super) line: Option<usize>,
    pub(super) value: Value,
    /// Mistaken: who reads passes it over from then on.
    pub(super) left_out: Cell<bool>,
}

#[derive(Debug)]
pub(super) enum Value {
    Scalar { text: String, kind: Kind },
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// What YAML takes a scalar for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    /// A whole number beyond both.
    Huge,
    Fraction,
    Text,
}

/// One key of a mapping, with what hangs on it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) line: Option<usize>,
    /// Its mapping has this key further up.
    pub(super) is_repeated: bool,
    pub(super) node: Node,
}

/// What is wrong with a text that is no document at all.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) line: Option<usize>,
    pub(super) problem: Problem,
}

impl Refusal {
    /// As an error of that file.
    pub(super) fn of(self, file: &FsPath) -> ConfigError {
        ConfigError::Invalid {
            place: Place {
                file: file.to_owned(),
                line: self.line,
                key: String::new(),
            },
            problem: Box::new(self.problem),
        }
    }
}

impl Document {
    /// Reads it; where there is nothing, that is nothing.
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        // Some editors begin a file with it.
        let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
        // To serde_yaml comments alone are no document.
        let mut lines = text.lines().map(str::trim);
        if lines.all(|line| line.is_empty() || line.starts_with('#') || line == "---") {
            return Ok(Self {
                top: Node::scalar("", Kind::Null),
            });
        }
        let room = Room(Cell::new(text.len().saturating_mul(EXPANSION)));
        let mut top = (&room)
            .deserialize(serde_yaml::Deserializer::from_str(text))
            .map_err(|error| not_yaml(&error))?;
        Lines(&mut top)
            .deserialize(serde_yaml::Deserializer::from_str(text))
            .map_err(|error| not_yaml(&error))?;
        Ok(Self { top })
    }

    /// The line of a key or item, counted from 1; none where the text does not have it.
    pub(super) fn line_of(&self, path: &Path) -> Option<usize> {
        let (mut node, mut line) = (&self.top, self.top.line);
        for step in path.steps() {
            match (&node.value, step) {
                (Value::Map(entries), Step::Key(key)) => {
                    let entry = entries.iter().find(|entry| entry.key == *key)?;
                    (node, line) = (&entry.node, entry.line.or(line));
                }
                (Value::List(items), Step::Item(index)) => {
                    node = items.get(*index)?;
                    line = node.line.or(line);
                }
                _ => return None,
            }
        }
        line
    }
}

fn not_yaml(error: &serde_yaml::Error) -> Refusal {
    let mut text = error.to_string();
    if text.contains("more than one document") {
        "a second document begins with its ---; one file is one document".clone_into(&mut text);
    }
    if text.contains("expected a string") {
        "a key is text, neither a list nor a mapping".clone_into(&mut text);
    }
    if text.contains("cannot start any token") {
        text.push_str("; YAML is indented with blanks, never with tabs");
    }
    Refusal {
        line: error.location().map(|location| location.line()),
        problem: Problem::Syntax(text),
    }
}

impl Node {
    fn new(value: Value) -> Self {
        Self {
            line: None,
            value,
            left_out: Cell::new(false),
        }
    }

    fn scalar(text: &str, kind: Kind) -> Self {
        let text = text.to_owned();
        Self::new(Value::Scalar { text, kind })
    }
}

/// What is written out has hardly more values and characters than bytes: more come from aliases, and a few lines of them can
/// make any number of values, or one long text any number of times.
const EXPANSION: usize = 10;

/// The first reading: what there is. Holds how many values, and bytes of text, may still come.
struct Room(Cell<usize>);

impl Room {
    fn take<E: Error>(&self, text: &str) -> Result<(), E> {
        let left = self.0.get().checked_sub(text.len().saturating_add(1));
        let left = left.ok_or_else(|| E::custom("its aliases make too much of it"))?;
        self.0.set(left);
        Ok(())
    }

    fn scalar<E: Error>(&self, text: &str, kind: Kind) -> Result<Node, E> {
        self.take(text)?;
        Ok(Node::scalar(text, kind))
    }
}

impl<'de> DeserializeSeed<'de> for &Room {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &Room {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("keys and values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        self.take("")?;
        let mut entries = Vec::new();
        let mut seen = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            self.take(&key)?;
            entries.push(Entry {
                line: None,
                is_repeated: !seen.insert(key.clone()),
                key,
                node: map.next_value_seed(self)?,
            });
        }
        Ok(Node::new(Value::Map(entries)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        self.take("")?;
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Node::new(Value::List(items)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Node, E> {
        self.scalar(text, Kind::Text)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Node, E> {
        self.scalar("", Kind::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Node, E> {
        self.scalar("", Kind::Signed(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Node, E> {
        self.scalar("", Kind::Unsigned(value))
    }

    fn visit_i128<E: Error>(self, _: i128) -> Result<Node, E> {
        self.scalar("", Kind::Huge)
    }

    fn visit_u128<E: Error>(self, _: u128) -> Result<Node, E> {
        self.scalar("", Kind::Huge)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Node, E> {
        self.scalar("", Kind::Fraction)
    }

    fn visit_unit<E: Error>(self) -> Result<Node, E> {
        self.scalar("", Kind::Null)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, _: A) -> Result<Node, A::Error> {
        Err(A::Error::custom(
            "a tag, which begins with !, means nothing here",
        ))
    }
}

/// The second reading: where it stands, and how its scalars are written.
struct Lines<'a>(&'a mut Node);

impl<'de> DeserializeSeed<'de> for Lines<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match &mut self.0.value {
            Value::Scalar { text, kind } => {
                let into = (*kind != Kind::Text).then_some(text);
                self.0.line = line_of_scalar(deserializer, into);
                Ok(())
            }
            Value::List(_) | Value::Map(_) => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Lines<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what was there a moment ago")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        if let Value::Map(entries) = &mut self.0.value {
            for entry in &mut *entries {
                map.next_key_seed(KeyLine(&mut entry.line))?;
                map.next_value_seed(Lines(&mut entry.node))?;
            }
            self.0.line = entries.first().and_then(|entry| entry.line);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        if let Value::List(items) = &mut self.0.value {
            for item in &mut *items {
                list.next_element_seed(Lines(item))?;
            }
            self.0.line = items.first().and_then(|item| item.line);
        }
        Ok(())
    }
}

struct KeyLine<'a>(&'a mut Option<usize>);

impl<'de> DeserializeSeed<'de> for KeyLine<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        *self.0 = line_of_scalar(deserializer, None);
        Ok(())
    }
}

/// The line of a scalar; its text into `into`.
fn line_of_scalar<'de, D: Deserializer<'de>>(
    deserializer: D,
    into: Option<&mut String>,
) -> Option<usize> {
    let error = deserializer.deserialize_str(Stop(into)).err()?.to_string();
    match error.rsplit_once(" at line ") {
        Some((_, line)) => line.split(' ').next()?.parse().ok(),
        // Of the very beginning it says the position.
        None => Some(1),
    }
}

/// Takes the text and fails.
struct Stop<'a>(Option<&'a mut String>);

impl Visitor<'_> for Stop<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what was there a moment ago")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        if let Some(into) = self.0 {
            text.clone_into(into);
        }
        Err(E::custom("here"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_line_of_a_key() {
        let text = "a: 1\nb:\n  - c\n  - d: {e: [1,\n     2]}\n    f:\n  - {}\n";
        let document = Document::parse(text).unwrap();
        let item = Path::of("b").item(1);
        for (path, line) in [
            (Path::of("a"), Some(1)),
            (Path::of("b"), Some(2)),
            (Path::of("b").item(0), Some(3)),
            (item.clone(), Some(4)),
            (item.key("d").key("e"), Some(4)),
            (item.key("d").key("e").item(1), Some(5)),
            (item.key("f"), Some(6)),
            (item.key("g"), None),
            (Path::of("a").key("c"), None),
            (Path::of("b").item(2), Some(2)),
        ] {
            assert_eq!(document.line_of(&path), line, "{path}");
        }
    }

    #[test]
    fn keeps_what_is_written() {
        for (why, text, written, kind) in [
            ("text", "a b", "a b", Kind::Text),
            ("a number as text", "\"5\"", "5", Kind::Text),
            ("a number", "0x10", "0x10", Kind::Unsigned(16)),
            ("below zero", "-1", "-1", Kind::Signed(-1)),
            ("a fraction", "1.20", "1.20", Kind::Fraction),
            (
                "more than there is",
                "99999999999999999999",
                "99999999999999999999",
                Kind::Huge,
            ),
            ("yes or no", "true", "true", Kind::Bool(true)),
            ("nothing", "~", "~", Kind::Null),
            ("a tag that all know", "!!str 5", "5", Kind::Text),
        ] {
            let document = Document::parse(text).unwrap();
            let Value::Scalar { text, kind: read } = &document.top.value else {
                panic!("{why}");
            };
            assert_eq!((text.as_str(), *read), (written, kind), "{why}");
        }
    }

    #[test]
    fn aliases_are_followed_and_bounded() {
        let document = Document::parse("a: &x {k: 1.10}\nb: *x\n").unwrap();
        assert_eq!(document.line_of(&Path::of("b")), Some(2));
        let Value::Map(entries) = &document.top.value else {
            panic!("{document:?}");
        };
        let Value::Map(aliased) = &entries[1].node.value else {
            panic!("{document:?}");
        };
        assert!(
            matches!(&aliased[0].node.value, Value::Scalar { text, .. } if text == "1.10"),
            "{document:?}"
        );
        let laughs: Vec<String> = (1..9)
            .map(|level| {
                let below = vec![format!("*a{}", level - 1); 9].join(", ");
                format!("a{level}: &a{level} [{below}]\n")
            })
            .collect();
        let laughs = format!("a0: &a0 [x, x, x, x]\n{}", laughs.concat());
        let long = "x".repeat(1_000);
        let texts = format!("a: &a {long}\nb: [{}]\n", "*a, ".repeat(1_000));
        let keys = format!("a: &a {{{long}: 1}}\nb: [{}]\n", "*a, ".repeat(1_000));
        for (why, text) in [("values", laughs), ("texts", texts), ("keys", keys)] {
            let refusal = Document::parse(&text).expect_err(why);
            assert!(
                refusal.problem.to_string().contains("aliases"),
                "{why}: {refusal:?}"
            );
        }
    }
}
