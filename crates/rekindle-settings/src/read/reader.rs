//! Serde's way through a [`Value`]: every fault gets the steps that lead to it. Owns what kinds of value each kind of type accepts.

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use toml::{Value, map};

use super::expected::{Expected, WholeNumber};
use super::fault::{Fault, What};
use crate::key::Step;

/// One value, to be read.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a Value);

impl Reader<'_> {
    fn list<'de, V: Visitor<'de>>(self, items: &[Value], visitor: V) -> Result<V::Value, Fault> {
        let mut rest = Items {
            items: items.iter(),
            index: 0,
        };
        let value = visitor.visit_seq(&mut rest)?;
        match rest.index == items.len() {
            true => Ok(value),
            false => Err(Fault::new(What::Length {
                found: items.len(),
                expected: Expected::ListOf(rest.index),
            })),
        }
    }

    fn table<'de, V: Visitor<'de>>(
        self,
        table: &toml::Table,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let mut rest = Entries {
            entries: table.iter(),
            value: None,
        };
        let value = visitor.visit_map(&mut rest)?;
        match rest.entries.len() {
            0 => Ok(value),
            // Only choices leave entries over: those that are a table with their name as its key.
            _ => Err(Fault::kind(
                self.0,
                Expected::Words("a table with one key".into()),
            )),
        }
    }

    /// A whole number that fits `T`.
    fn whole<'de, T: WholeNumber + TryFrom<i64>, V: Visitor<'de>>(
        self,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.0 {
            Value::Integer(value) if T::try_from(*value).is_ok() => visitor.visit_i64(*value),
            other => Err(Fault::kind(other, T::EXPECTED)),
        }
    }
}

macro_rules! whole_numbers {
    ($($method:ident: $name:ident,)+) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            self.whole::<$name, V>(visitor)
        })+
    };
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Value::Boolean(value) => visitor.visit_bool(*value),
            Value::Integer(value) => visitor.visit_i64(*value),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::String(value) => visitor.visit_str(value),
            Value::Datetime(value) => visitor.visit_string(value.to_string()),
            Value::Array(items) => self.list(items, visitor),
            Value::Table(table) => self.table(table, visitor),
        }
    }

    whole_numbers! {
        deserialize_u8: u8,
        deserialize_u16: u16,
        deserialize_u32: u32,
        deserialize_u64: u64,
        deserialize_i8: i8,
        deserialize_i16: i16,
        deserialize_i32: i32,
        deserialize_i64: i64,
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Value::Boolean(value) => visitor.visit_bool(*value),
            other => Err(Fault::kind(other, Expected::Bool)),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Integer(value) => visitor.visit_i64(*value),
            other => Err(Fault::kind(other, Expected::Number)),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Value::String(value) => visitor.visit_str(value),
            Value::Datetime(value) => visitor.visit_string(value.to_string()),
            other => Err(Fault::kind(other, Expected::Text)),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Value::Array(items) => self.list(items, visitor),
            other => Err(Fault::kind(other, Expected::List)),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let expected = Expected::ListOf(length);
        match self.0 {
            Value::Array(items) if items.len() == length => self.list(items, visitor),
            Value::Array(items) => Err(Fault::new(What::Length {
                found: items.len(),
                expected,
            })),
            other => Err(Fault::kind(other, expected)),
        }
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Value::Table(table) => self.table(table, visitor),
            other => Err(Fault::kind(other, Expected::Table)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.0 {
            Value::String(name) => {
                let name: StrDeserializer<'_, Fault> = name.as_str().into_deserializer();
                visitor.visit_enum(name)
            }
            Value::Table(table) => match table.iter().next() {
                Some((name, value)) if table.len() == 1 => {
                    visitor.visit_enum(Variant { name, value })
                }
                _ => Err(Fault::kind(self.0, Expected::OneOf(names))),
            },
            other => Err(Fault::kind(other, Expected::OneOf(names))),
        }
    }

    // A key that is not there is `None`; TOML has no value for it.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        char bytes byte_buf unit unit_struct identifier ignored_any
    }
}

struct Items<'a> {
    items: std::slice::Iter<'a, Value>,
    index: usize,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        let Some(value) = self.items.next() else {
            return Ok(None);
        };
        let index = self.index;
        self.index += 1;
        seed.deserialize(Reader(value))
            .map(Some)
            .map_err(|fault| fault.after(Step::Index(index)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct Entries<'a> {
    entries: map::Iter<'a, String, Value>,
    value: Option<(&'a str, &'a Value)>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        let Some((key, value)) = self.entries.next() else {
            return Ok(None);
        };
        self.value = Some((key, value));
        let key: StrDeserializer<'_, Fault> = key.as_str().into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        match self.value.take() {
            Some((key, value)) => in_key(key, seed.deserialize(Reader(value))),
            None => Err(Fault::new(What::Said(
                "a value was asked for before its key".into(),
            ))),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len())
    }
}

/// A choice that is written as a table with its name as the only key.
struct Variant<'a> {
    name: &'a str,
    value: &'a Value,
}

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Fault> {
        let name: StrDeserializer<'_, Fault> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        match self.value {
            Value::Table(table) if table.is_empty() => Ok(()),
            Value::Array(items) if items.is_empty() => Ok(()),
            other => {
                let expected = Expected::Words("an empty table".into());
                in_key(self.name, Err(Fault::kind(other, expected)))
            }
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault> {
        in_key(self.name, seed.deserialize(Reader(self.value)))
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Fault> {
        let value = Reader(self.value).deserialize_tuple(length, visitor);
        in_key(self.name, value)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        in_key(self.name, Reader(self.value).deserialize_map(visitor))
    }
}

fn in_key<T>(key: &str, result: Result<T, Fault>) -> Result<T, Fault> {
    result.map_err(|fault| fault.after(Step::Key(key.to_owned())))
}
