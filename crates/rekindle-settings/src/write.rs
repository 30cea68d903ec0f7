//! From settings to TOML; what TOML has no form for is an error with its key. Owns the search for that key.

use std::fmt;

use serde::ser::{self, Error, Serialize, Serializer};
use toml::Table;

use crate::error::SettingError;
use crate::key::{Step, written};

/// Serde's words for a path that is not UTF-8.
const NOT_UTF8: &str = "path contains invalid UTF-8 characters";

/// Settings as a table.
///
/// # Errors
///
/// [`SettingError::Unwritable`] for a path that is not UTF-8, a whole number beyond 9223372036854775807, a list with a hole in it, or
/// settings that are no table.
pub fn write<T: Serialize>(value: &T) -> Result<Table, SettingError> {
    check(value)?;
    Table::try_from(value).map_err(|error| unwritable(&[], error.to_string()))
}

/// Settings as the text of a TOML file, in the order of their fields.
///
/// # Errors
///
/// As [`write()`].
pub fn to_toml_string<T: Serialize>(value: &T) -> Result<String, SettingError> {
    check(value)?;
    toml::to_string(value).map_err(|error| unwritable(&[], error.to_string()))
}

/// Looks for what cannot be written before anything is: the writer's own errors have no key, and it leaves out a list with a hole in
/// it without a word.
fn check<T: Serialize>(value: &T) -> Result<(), SettingError> {
    value.serialize(Search).map_err(|error| {
        let place: Vec<Step> = error.path.into_iter().rev().collect();
        unwritable(&place, error.reason)
    })
}

fn unwritable(place: &[Step], reason: String) -> SettingError {
    let reason = match reason == NOT_UTF8 {
        true => {
            "the path is not UTF-8, and TOML is; rename its folders or files, or use another path"
                .to_owned()
        }
        false => reason,
    };
    SettingError::Unwritable {
        key: written(place),
        reason,
    }
}

/// The first thing that cannot be written.
#[derive(Debug)]
struct Unwritable {
    /// The last step first.
    path: Vec<Step>,
    reason: String,
    /// Whether it is only that there is no value, which a table leaves out.
    is_none: bool,
}

impl fmt::Display for Unwritable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.reason)
    }
}

impl std::error::Error for Unwritable {}

impl ser::Error for Unwritable {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self {
            path: Vec::new(),
            reason: message.to_string(),
            is_none: false,
        }
    }
}

impl Unwritable {
    fn after(mut self, step: Step) -> Self {
        self.is_none = false;
        self.path.push(step);
        self
    }
}

type Done = Result<(), Unwritable>;

/// Walks through a value as the writer does and writes nothing.
struct Search;

macro_rules! writable {
    ($($method:ident: $name:ty,)+) => {
        $(fn $method(self, _: $name) -> Done {
            Ok(())
        })+
    };
}

impl Serializer for Search {
    type Ok = ();
    type Error = Unwritable;
    type SerializeSeq = Items;
    type SerializeTuple = Items;
    type SerializeTupleStruct = Items;
    type SerializeTupleVariant = Items;
    type SerializeMap = Entries;
    type SerializeStruct = Entries;
    type SerializeStructVariant = Entries;

    writable! {
        serialize_bool: bool,
        serialize_i8: i8,
        serialize_i16: i16,
        serialize_i32: i32,
        serialize_i64: i64,
        serialize_u8: u8,
        serialize_u16: u16,
        serialize_u32: u32,
        serialize_f32: f32,
        serialize_f64: f64,
        serialize_char: char,
        serialize_str: &str,
        serialize_bytes: &[u8],
    }

    fn serialize_u64(self, value: u64) -> Done {
        match i64::try_from(value) {
            Ok(_) => Ok(()),
            Err(_) => Err(Unwritable::custom(format!(
                "{value} is beyond the whole numbers of TOML, which end at {}",
                i64::MAX
            ))),
        }
    }

    fn serialize_none(self) -> Done {
        let error = Unwritable::custom("there is no value, and TOML has no word for that");
        Err(Unwritable {
            is_none: true,
            ..error
        })
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Done {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Done {
        Err(Unwritable::custom("TOML has no word for nothing"))
    }

    fn serialize_unit_struct(self, _: &'static str) -> Done {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Done {
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Done {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Done {
        in_key(variant, value)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items, Unwritable> {
        Ok(Items::new(None))
    }

    fn serialize_tuple(self, _: usize) -> Result<Items, Unwritable> {
        Ok(Items::new(None))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Items, Unwritable> {
        Ok(Items::new(None))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Items, Unwritable> {
        Ok(Items::new(Some(variant)))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Entries, Unwritable> {
        Ok(Entries::new(None))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Entries, Unwritable> {
        Ok(Entries::new(None))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Entries, Unwritable> {
        Ok(Entries::new(Some(variant)))
    }
}

fn in_key<T: Serialize + ?Sized>(key: &str, value: &T) -> Done {
    let result = value.serialize(Search);
    result.map_err(|error| error.after(Step::Key(key.to_owned())))
}

fn in_variant(variant: Option<&'static str>, result: Done) -> Done {
    result.map_err(|error| match variant {
        Some(variant) => error.after(Step::Key(variant.to_owned())),
        None => error,
    })
}

/// The elements of a list, of this variant if it is one.
struct Items {
    variant: Option<&'static str>,
    index: usize,
}

impl Items {
    fn new(variant: Option<&'static str>) -> Self {
        Self { variant, index: 0 }
    }

    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        let index = self.index;
        self.index += 1;
        let result = value.serialize(Search);
        let result = result.map_err(|error| error.after(Step::Index(index)));
        in_variant(self.variant, result)
    }
}

macro_rules! items {
    ($($name:ident: $method:ident,)+) => {
        $(impl ser::$name for Items {
            type Ok = ();
            type Error = Unwritable;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
                self.item(value)
            }

            fn end(self) -> Done {
                Ok(())
            }
        })+
    };
}

items! {
    SerializeSeq: serialize_element,
    SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field,
    SerializeTupleVariant: serialize_field,
}

/// The entries of a table, of this variant if it is one.
struct Entries {
    variant: Option<&'static str>,
    key: String,
}

impl Entries {
    fn new(variant: Option<&'static str>) -> Self {
        Self {
            variant,
            key: String::new(),
        }
    }

    /// A field; one without a value is left out.
    fn field<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Done {
        match value.serialize(Search) {
            Err(error) if !error.is_none => {
                let error = error.after(Step::Key(key.to_owned()));
                in_variant(self.variant, Err(error))
            }
            _ => Ok(()),
        }
    }
}

impl ser::SerializeMap for Entries {
    type Ok = ();
    type Error = Unwritable;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Done {
        self.key = match toml::Value::try_from(key) {
            Ok(toml::Value::String(key)) => key,
            _ => return Err(Unwritable::custom("a key is not a string")),
        };
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        let key = std::mem::take(&mut self.key);
        self.field(&key, value)
    }

    fn end(self) -> Done {
        Ok(())
    }
}

macro_rules! fields {
    ($($name:ident,)+) => {
        $(impl ser::$name for Entries {
            type Ok = ();
            type Error = Unwritable;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Done {
                self.field(key, value)
            }

            fn end(self) -> Done {
                Ok(())
            }
        })+
    };
}

fields! {
    SerializeStruct,
    SerializeStructVariant,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Serialize;

    #[derive(Serialize)]
    struct Data {
        limit: Option<u64>,
        roots: Vec<std::path::PathBuf>,
    }

    #[derive(Serialize)]
    struct Recipe {
        seed: u64,
        data: Data,
    }

    fn recipe(seed: u64, root: std::path::PathBuf) -> Recipe {
        let roots = vec!["photos".into(), root];
        let limit = None;
        Recipe {
            seed,
            data: Data { limit, roots },
        }
    }

    #[test]
    fn what_can_be_written_is_what_toml_writes() {
        let recipe = recipe(3, "more".into());
        let text = to_toml_string(&recipe).unwrap();
        assert_eq!(text, toml::to_string(&recipe).unwrap());
        assert_eq!(
            toml::Value::Table(write(&recipe).unwrap()),
            toml::from_str(&text).unwrap()
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_is_not_utf8_is_an_error_with_its_key() {
        use std::os::unix::ffi::OsStringExt;

        let root = std::ffi::OsString::from_vec(b"ph\xffotos".to_vec());
        let recipe = recipe(3, root.into());
        for error in [
            write(&recipe).unwrap_err(),
            to_toml_string(&recipe).unwrap_err(),
        ] {
            assert_eq!(error.key(), "data.roots[1]");
            let message = error.to_string();
            assert!(message.contains("the path is not UTF-8"), "{message}");
            assert!(message.contains("rename"), "{message}");
        }
    }

    #[test]
    fn a_number_beyond_those_of_toml_is_an_error_with_its_key() {
        let error = write(&recipe(u64::MAX, "more".into())).unwrap_err();
        assert_eq!(error.key(), "seed");
        assert!(error.to_string().contains("9223372036854775807"), "{error}");
    }

    #[test]
    fn a_hole_in_a_list_and_a_value_that_is_no_table_are_errors() {
        let lists = std::collections::BTreeMap::from([("a", vec![Some(1), None])]);
        assert_eq!(write(&lists).unwrap_err().key(), "a[1]");
        let error = write(&3).unwrap_err().to_string();
        assert!(error.starts_with("this cannot be written"), "{error}");
    }
}
