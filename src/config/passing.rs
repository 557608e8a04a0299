//! Reads a document as if some of it were not there, knows at each moment where in it the reading is, and refuses a key that
//! its mapping already has.
//!
//! A format stops at the first mistake. To find the next one the document is read again without what was mistaken. Between
//! the format and what is read stands a [`Part`] at each level: it hands everything on, and follows the way down.

use std::cell::RefCell;
use std::fmt;

use serde::Deserializer;
use serde::de::DeserializeSeed;
use serde::de::EnumAccess;
use serde::de::Error;
use serde::de::IgnoredAny;
use serde::de::IntoDeserializer as _;
use serde::de::MapAccess;
use serde::de::SeqAccess;
use serde::de::Visitor;

use crate::config::place::Path;
use crate::config::place::Step;

/// How the error begins that ends the reading at a repeated key.
pub(super) const REPEATED: &str = "repeated key";

/// One reading of a document.
pub(super) struct Reading<'a> {
    left_out: &'a [Path],
    /// The way to what is being read; after an error, to where it happened.
    at: RefCell<Path>,
}

impl<'a> Reading<'a> {
    /// Without what stands at these paths.
    pub(super) fn without(left_out: &'a [Path]) -> Self {
        Self {
            left_out,
            at: RefCell::default(),
        }
    }

    /// The document itself.
    pub(super) fn of<D>(&self, document: D) -> Part<'_, D> {
        Part {
            inner: document,
            reading: self,
        }
    }

    /// Where it got to.
    pub(super) fn place(self) -> Path {
        self.at.into_inner()
    }

    /// Whether there is anything at this step for those who read.
    fn enter(&self, step: Step) -> bool {
        let mut at = self.at.borrow_mut();
        at.push(step);
        !self.left_out.contains(&at)
    }

    fn leave(&self) {
        self.at.borrow_mut().pop();
    }
}

/// One part of the document, or what reads it.
pub(super) struct Part<'a, T> {
    inner: T,
    reading: &'a Reading<'a>,
}

impl<'a, T> Part<'a, T> {
    fn with<U>(&self, inner: U) -> Part<'a, U> {
        Part {
            inner,
            reading: self.reading,
        }
    }
}

macro_rules! hand_on {
    ($($method:ident($($name:ident: $type:ty),*);)+) => {$(
        fn $method<V: Visitor<'de>>(self, $($name: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            let visitor = self.with(visitor);
            self.inner.$method($($name,)* visitor)
        }
    )+};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Part<'_, D> {
    type Error = D::Error;

    hand_on! {
        deserialize_any(); deserialize_bool();
        deserialize_i8(); deserialize_i16(); deserialize_i32(); deserialize_i64(); deserialize_i128();
        deserialize_u8(); deserialize_u16(); deserialize_u32(); deserialize_u64(); deserialize_u128();
        deserialize_f32(); deserialize_f64(); deserialize_char();
        deserialize_str(); deserialize_string(); deserialize_bytes(); deserialize_byte_buf();
        deserialize_option(); deserialize_unit(); deserialize_unit_struct(name: &'static str);
        deserialize_newtype_struct(name: &'static str);
        deserialize_seq(); deserialize_tuple(len: usize); deserialize_tuple_struct(name: &'static str, len: usize);
        deserialize_map(); deserialize_struct(name: &'static str, fields: &'static [&'static str]);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
        deserialize_identifier(); deserialize_ignored_any();
    }
}

macro_rules! visit {
    ($($method:ident: $type:ty;)+) => {$(
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.inner.$method(value)
        }
    )+};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Part<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    visit! {
        visit_bool: bool;
        visit_i64: i64; visit_i128: i128; visit_u64: u64; visit_u128: u128; visit_f64: f64;
        visit_str: &str; visit_borrowed_str: &'de str; visit_string: String;
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, value: D) -> Result<V::Value, D::Error> {
        let value = self.with(value);
        self.inner.visit_some(value)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, value: D) -> Result<V::Value, D::Error> {
        let value = self.with(value);
        self.inner.visit_newtype_struct(value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        let items = Items {
            inner: items,
            reading: self.reading,
            index: 0,
        };
        self.inner.visit_seq(items)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        let keys = Keys {
            inner: map,
            reading: self.reading,
            seen: Vec::new(),
        };
        self.inner.visit_map(keys)
    }

    /// There is no way down into the words that the configuration knows.
    fn visit_enum<A: EnumAccess<'de>>(self, word: A) -> Result<V::Value, A::Error> {
        self.inner.visit_enum(word)
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Part<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        let deserializer = self.with(deserializer);
        self.inner.deserialize(deserializer)
    }
}

/// A list.
struct Items<'a, A> {
    inner: A,
    reading: &'a Reading<'a>,
    index: usize,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Items<'_, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let reading = self.reading;
        while !reading.enter(Step::Item(self.index)) {
            self.index += 1;
            let item = self.inner.next_element::<IgnoredAny>()?;
            reading.leave();
            if item.is_none() {
                return Ok(None);
            }
        }
        self.index += 1;
        let item = self.inner.next_element_seed(Part {
            inner: seed,
            reading,
        })?;
        reading.leave();
        Ok(item)
    }
}

/// A mapping.
struct Keys<'a, A> {
    inner: A,
    reading: &'a Reading<'a>,
    seen: Vec<String>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Keys<'_, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let reading = self.reading;
        loop {
            let next = NewKey {
                reading,
                seen: &self.seen,
            };
            let Some(found) = self.inner.next_key_seed(next)? else {
                return Ok(None);
            };
            match found {
                Found::Key(key) => {
                    self.seen.push(key.clone());
                    return seed.deserialize(key.into_deserializer()).map(Some);
                }
                Found::LeftOut => {
                    self.inner.next_value::<IgnoredAny>()?;
                    reading.leave();
                }
            }
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let value = self.inner.next_value_seed(Part {
            inner: seed,
            reading: self.reading,
        })?;
        self.reading.leave();
        Ok(value)
    }
}

/// Reads a key while the format still knows its line: a repeated one is refused there.
struct NewKey<'a> {
    reading: &'a Reading<'a>,
    seen: &'a [String],
}

enum Found {
    Key(String),
    LeftOut,
}

impl<'de> DeserializeSeed<'de> for NewKey<'_> {
    type Value = Found;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NewKey<'_> {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Found, E> {
        if !self.reading.enter(Step::Key(key.to_owned())) {
            return Ok(Found::LeftOut);
        }
        if self.seen.iter().any(|seen| seen == key) {
            return Err(E::custom(REPEATED));
        }
        Ok(Found::Key(key.to_owned()))
    }
}
