//! From a document to what it means: serde, over the tree.
//!
//! serde stops at the first mistake, and whoever mends a file wants to hear of all of them. So each is noted where it is
//! found and left out of the tree, and the innermost list, or else the whole, is read again without it. An unknown key and
//! a repeated one are passed over in the first place.

use std::cell::RefCell;
use std::fmt;
use std::slice::Iter;

use serde::Deserialize;
use serde::Deserializer;
use serde::de::DeserializeSeed;
use serde::de::Error as _;
use serde::de::IntoDeserializer as _;
use serde::de::MapAccess;
use serde::de::SeqAccess;
use serde::de::Unexpected;
use serde::de::Visitor;
use serde::de::value::StrDeserializer;

use crate::config::Problem;
use crate::config::document::Document;
use crate::config::document::Entry;
use crate::config::document::Kind;
use crate::config::document::Node;
use crate::config::document::Value;
use crate::config::mistakes::Mistakes;
use crate::config::mistakes::TOLD;
use crate::config::nearest;
use crate::config::place::Path;
use crate::config::place::Step;

mod error;

use error::Error;

/// Reads the whole; what is mistaken is noted and has its default.
pub(super) fn read<'a, T: Default + Deserialize<'a>>(
    document: &'a Document,
    mistakes: &mut Mistakes<'_>,
) -> T {
    let mistakes = RefCell::new(mistakes);
    let reader = Reader {
        node: &document.top,
        line: document.top.line,
        way: Way::Top,
        note: &|path, line, problem| mistakes.borrow_mut().leave_out(path, line, problem),
    };
    // Less is read each time.
    for _ in 0..READINGS {
        match T::deserialize(reader) {
            Ok(read) => return read,
            Err(_) if document.top.left_out.get() => break,
            Err(_) => {}
        }
    }
    T::default()
}

/// So often the whole is read: of a file with more mistakes outside of its lists, which is the wrong file, the rest stays
/// untold rather than cost its square.
const READINGS: usize = 2 * TOLD;

/// A list, each item with its number in the file: mistaken ones are missing.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct List<T>(pub(super) Vec<(usize, T)>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> From<Vec<T>> for List<T> {
    fn from(items: Vec<T>) -> Self {
        Self(items.into_iter().enumerate().collect())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ListVisitor(Vec::new()))
    }
}

struct ListVisitor<T>(Vec<(usize, T)>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = List<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<List<T>, A::Error> {
        loop {
            // After an error the same item comes again without what was mistaken, or the next one.
            match items.next_element() {
                Ok(Some(item)) => self.0.push(item),
                Ok(None) => return Ok(List(self.0)),
                Err(_) => {}
            }
        }
    }
}

/// The way to what is being read.
#[derive(Clone, Copy)]
enum Way<'a> {
    Top,
    Key(&'a Way<'a>, &'a str),
    Item(&'a Way<'a>, usize),
}

impl Way<'_> {
    fn path(&self) -> Path {
        match self {
            Self::Top => Path::default(),
            Self::Key(before, key) => before.path().then(Step::Key((*key).to_owned())),
            Self::Item(before, index) => before.path().then(Step::Item(*index)),
        }
    }
}

/// Reads one value.
#[derive(Clone, Copy)]
struct Reader<'de, 'a> {
    node: &'de Node,
    /// Its own, or that of what it hangs on.
    line: Option<usize>,
    way: Way<'a>,
    note: &'a dyn Fn(Path, Option<usize>, Problem),
}

impl<'de> Reader<'de, '_> {
    /// The same, and what is mistaken is noted.
    fn noted<T>(self, read: Result<T, Error>) -> Result<T, Error> {
        read.map_err(|error| {
            let (path, problem) = match error {
                Error::New(problem) => (self.way.path(), Some(problem)),
                // Not if it is there and was left out.
                Error::Missing(key) => {
                    let is_missing = !self.entries().iter().any(|entry| entry.key == key);
                    let problem = Problem::Value("it is missing".to_owned());
                    (self.way.path().key(key), is_missing.then_some(problem))
                }
                Error::Noted => return Error::Noted,
            };
            if let Some(problem) = problem {
                (self.note)(path, self.line, problem);
            }
            self.node.left_out.set(true);
            Error::Noted
        })
    }

    fn below<'b>(self, node: &'de Node, line: Option<usize>, way: Way<'b>) -> Reader<'de, 'b>
    where
        Self: 'b,
    {
        Reader {
            node,
            line: line.or(self.line),
            way,
            note: self.note,
        }
    }

    fn entries(self) -> &'de [Entry] {
        match &self.node.value {
            Value::Map(entries) => entries,
            Value::Scalar { .. } | Value::List(_) => &[],
        }
    }

    fn is_nothing(self) -> bool {
        let kind = Kind::Null;
        matches!(&self.node.value, Value::Scalar { kind: found, .. } if *found == kind)
    }

    fn keys<V: Visitor<'de>>(
        self,
        known: Option<&'static [&'static str]>,
        visitor: V,
    ) -> Result<V::Value, Error> {
        match &self.node.value {
            Value::Map(_) => {}
            Value::Scalar { .. } if self.is_nothing() => {}
            Value::Scalar { .. } => return self.value(visitor),
            // Which serde would take for the values in order.
            Value::List(_) => return Err(Error::invalid_type(Unexpected::Seq, &visitor)),
        }
        visitor.visit_map(Keys {
            reader: self,
            known,
            left: self.entries().iter(),
            last: None,
        })
    }

    fn value<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.node.value {
            Value::Map(_) => self.keys(None, visitor),
            Value::List(items) => visitor.visit_seq(Items {
                reader: self,
                all: items,
                next: 0,
            }),
            Value::Scalar { text, kind } => match *kind {
                Kind::Null => visitor.visit_unit(),
                Kind::Bool(value) => visitor.visit_bool(value),
                Kind::Unsigned(value) => visitor.visit_u64(value),
                Kind::Signed(value) => visitor.visit_i64(value),
                // Nothing here is either of them.
                Kind::Fraction | Kind::Huge => Err(Error::invalid_value(
                    Unexpected::Other(&format!("number {text}")),
                    &visitor,
                )),
                Kind::Text => visitor.visit_borrowed_str(text),
            },
        }
    }
}

macro_rules! as_it_is {
    ($($method:ident)+) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.deserialize_any(visitor)
        }
    )+};
}

macro_rules! as_text {
    ($($method:ident)+) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.noted(match &self.node.value {
                // Left empty it is an empty text, but null is none.
                Value::Scalar { text, kind: Kind::Null } if !text.is_empty() => {
                    Err(Error::invalid_type(Unexpected::Unit, &visitor))
                }
                Value::Scalar { text, .. } => visitor.visit_borrowed_str(text),
                Value::List(_) => Err(Error::invalid_type(Unexpected::Seq, &visitor)),
                Value::Map(_) => Err(Error::invalid_type(Unexpected::Map, &visitor)),
            })
        }
    )+};
}

impl<'de> Deserializer<'de> for Reader<'de, '_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.noted(self.value(visitor))
    }

    as_it_is! {
        deserialize_bool
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64 deserialize_bytes deserialize_byte_buf deserialize_unit
    }

    as_text! {
        deserialize_char deserialize_str deserialize_string deserialize_identifier
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.is_nothing() {
            return visitor.visit_none();
        }
        self.noted(visitor.visit_some(self))
    }

    /// Left empty, a list is one without items.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.is_nothing() {
            let (reader, all, next) = (self, &[][..], 0);
            return self.noted(visitor.visit_seq(Items { reader, all, next }));
        }
        self.noted(match &self.node.value {
            // Whoever asks for a list knows nothing of keys.
            Value::Map(_) => Err(Error::invalid_type(Unexpected::Map, &visitor)),
            Value::Scalar { .. } | Value::List(_) => self.value(visitor),
        })
    }

    /// Its number in its list, and itself.
    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(Numbered {
            reader: self,
            is_told: false,
        })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.noted(self.keys(None, visitor))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.noted(self.keys(Some(known), visitor))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.noted(match &self.node.value {
            Value::Scalar { .. } if self.is_nothing() => {
                Err(Error::invalid_type(Unexpected::Unit, &visitor))
            }
            Value::Scalar { text, .. } => {
                let word: StrDeserializer<'_, Error> = text.as_str().into_deserializer();
                visitor.visit_enum(word)
            }
            Value::List(_) => Err(Error::invalid_type(Unexpected::Seq, &"one word")),
            Value::Map(_) => Err(Error::invalid_type(Unexpected::Map, &"one word")),
        })
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.noted(visitor.visit_newtype_struct(self))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }
}

/// The items of a list.
struct Items<'de, 'a> {
    reader: Reader<'de, 'a>,
    all: &'de [Node],
    next: usize,
}

impl<'de> SeqAccess<'de> for Items<'de, '_> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        while let Some(node) = self.all.get(self.next) {
            if !node.left_out.get() {
                let way = Way::Item(&self.reader.way, self.next);
                let item = self.reader.below(node, node.line, way);
                let read = item.noted(seed.deserialize(item));
                // One with a mistake in it can be asked for again.
                self.next += usize::from(read.is_ok());
                return read.map(Some);
            }
            self.next += 1;
        }
        Ok(None)
    }
}

/// An item, after its number.
struct Numbered<'de, 'a> {
    reader: Reader<'de, 'a>,
    is_told: bool,
}

impl<'de> SeqAccess<'de> for Numbered<'de, '_> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        let read = match self.reader.way {
            Way::Item(_, number) if !self.is_told => seed.deserialize(number.into_deserializer()),
            _ => seed.deserialize(self.reader),
        };
        self.is_told = true;
        read.map(Some)
    }
}

/// The keys of a mapping and what hangs on them.
struct Keys<'de, 'a> {
    reader: Reader<'de, 'a>,
    /// None: any.
    known: Option<&'static [&'static str]>,
    left: Iter<'de, Entry>,
    /// What hangs on the last key.
    last: Option<&'de Entry>,
}

impl<'de> MapAccess<'de> for Keys<'de, '_> {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        for entry in self.left.by_ref() {
            if entry.node.left_out.get() {
                continue;
            }
            let way = Way::Key(&self.reader.way, &entry.key);
            let reader = self.reader.below(&entry.node, entry.line, way);
            let is_known = |known: &[&str]| known.contains(&entry.key.as_str());
            if entry.is_repeated {
                let _ = reader.noted::<()>(Err(Error::New(Problem::RepeatedKey)));
            } else if entry.key == "<<" {
                let reason = Some("keys are not merged: write them out, or an alias for the whole");
                let _ = reader.noted::<()>(Err(Error::New(Problem::NotSupported { reason })));
            } else if let Some(known) = self.known.filter(|known| !is_known(known)) {
                let known = known.iter().map(|&key| key.to_owned());
                let nearest = nearest(&entry.key, known);
                let _ = reader.noted::<()>(Err(Error::New(Problem::UnknownKey { nearest })));
            } else {
                self.last = Some(entry);
                let key: StrDeserializer<'_, Error> = entry.key.as_str().into_deserializer();
                return reader.noted(seed.deserialize(key)).map(Some);
            }
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        let entry = self.last.take().ok_or_else(|| Error::custom("no key"))?;
        let way = Way::Key(&self.reader.way, &entry.key);
        seed.deserialize(self.reader.below(&entry.node, entry.line, way))
    }
}
