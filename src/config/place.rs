//! Where in a file a key stands: the way to it, and a walk over the document that stops there.
//!
//! Formats know the line of what they are reading, and tell it with an error. So the walk reads everything, believes
//! nothing, and fails on purpose at the place whose line is asked for.

use std::fmt;

use serde::Deserializer;
use serde::de::DeserializeSeed;
use serde::de::Error;
use serde::de::MapAccess;
use serde::de::SeqAccess;
use serde::de::Visitor;

/// The way from the top of the file to a value: prints as `domains[0].module`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Path(Vec<Step>);

/// One step on that way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    /// Counted from 0.
    Item(usize),
}

impl Path {
    /// The path of a key at the top.
    pub(super) fn of(key: &str) -> Self {
        Self::default().key(key)
    }

    /// The value of `key` in the mapping at this path.
    pub(super) fn key(&self, key: &str) -> Self {
        self.then(Step::Key(key.to_owned()))
    }

    /// The item at `index` of the list at this path.
    pub(super) fn item(&self, index: usize) -> Self {
        self.then(Step::Item(index))
    }

    fn then(&self, step: Step) -> Self {
        Self(self.0.iter().cloned().chain([step]).collect())
    }

    /// One step further.
    pub(super) fn push(&mut self, step: Step) {
        self.0.push(step);
    }

    /// One step back; none at the top.
    pub(super) fn pop(&mut self) -> Option<Step> {
        self.0.pop()
    }

    /// A path in a document that was read without `left_out`, as it is with them: items behind one that is not there have a
    /// lower number than in the file.
    pub(super) fn with(&self, left_out: &[Self]) -> Self {
        let mut whole = Self::default();
        for step in &self.0 {
            let step = match step {
                Step::Item(read) => {
                    let mut gone: Vec<usize> = left_out
                        .iter()
                        .filter_map(|path| path.item_of(&whole))
                        .collect();
                    gone.sort_unstable();
                    let index = gone
                        .into_iter()
                        .fold(*read, |index, gone| index + usize::from(gone <= index));
                    Step::Item(index)
                }
                Step::Key(_) => step.clone(),
            };
            whole.push(step);
        }
        whole
    }

    /// Its number, where this is an item of that list.
    fn item_of(&self, list: &Self) -> Option<usize> {
        match self.0.strip_prefix(list.0.as_slice())? {
            [Step::Item(index)] => Some(*index),
            _ => None,
        }
    }

    /// Whether `other` is this place or lies below it.
    pub(super) fn holds(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if at == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Item(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// The walk.
#[derive(Clone, Copy)]
pub(super) struct Walk<'a> {
    /// What is left of the way to the place sought; empty there.
    sought: Option<&'a [Step]>,
}

impl<'a> Walk<'a> {
    /// Looks for a place.
    pub(super) fn to(path: &'a Path) -> Self {
        Self {
            sought: Some(&path.0),
        }
    }

    fn below(self, here: &Step) -> Self {
        let sought = match self.sought {
            Some([first, rest @ ..]) if first == here => Some(rest),
            Some(_) | None => None,
        };
        Self { sought }
    }

    fn stop_if_here<E: Error>(self) -> Result<(), E> {
        match self.sought {
            Some([]) => Err(E::custom("here")),
            Some(_) | None => Ok(()),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("keys and values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.stop_if_here()?;
        while let Some(below) = map.next_key_seed(Key(self))? {
            map.next_value_seed(below)?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.stop_if_here()?;
        let mut index = 0;
        while let Some(()) = items.next_element_seed(self.below(&Step::Item(index)))? {
            index += 1;
        }
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        self.stop_if_here()
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.stop_if_here()
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.stop_if_here()
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.stop_if_here()
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.stop_if_here()
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.stop_if_here()
    }
}

/// Reads a key, and stops there rather than at its value: what hangs on a key begins on its line.
struct Key<'a>(Walk<'a>);

impl<'de, 'a> DeserializeSeed<'de> for Key<'a> {
    type Value = Walk<'a>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Walk<'a>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'a> Visitor<'_> for Key<'a> {
    type Value = Walk<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Walk<'a>, E> {
        let below = self.0.below(&Step::Key(key.to_owned()));
        below.stop_if_here()?;
        Ok(below)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_is_not_there() {
        let list = Path::of("a");
        let left_out = [
            list.item(3),
            list.item(0),
            list.item(2).key("x"),
            list.item(4).item(1),
            Path::of("b").item(0),
        ];
        for (why, read, whole) in [
            ("behind the first", list.item(0), list.item(1)),
            ("a key in it is gone, not it", list.item(1), list.item(2)),
            ("behind both", list.item(2), list.item(4)),
            (
                "in an item behind both",
                list.item(2).item(1).key("c"),
                list.item(4).item(2).key("c"),
            ),
            ("another list", Path::of("c").item(0), Path::of("c").item(0)),
        ] {
            assert_eq!(read.with(&left_out), whole, "{why}");
        }
    }
}
