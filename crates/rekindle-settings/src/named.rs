//! A table that is read later. Owns the wait: what may stand in the table is known to whoever reads it then.

use serde::Serialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Unexpected, Visitor};
use toml::Table;

/// A table whose kind is said by its key `name`, kept as it was written because the kinds depend on what is not known yet.
///
/// It reads and is written as the table itself. Anything but a table is refused, a text with the table that was probably meant:
/// `"focal"` with `{ name = "focal" }`.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(transparent)]
pub struct NamedTable(pub Table);

impl<'de> Deserialize<'de> for NamedTable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TableOnly;

        impl<'de> Visitor<'de> for TableOnly {
            type Value = NamedTable;

            fn expecting(&self, text: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                text.write_str("a table with the key `name`")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<NamedTable, E> {
                let expected = format!("a table, such as {{ name = {name:?} }}");
                Err(E::invalid_type(Unexpected::Str(name), &expected.as_str()))
            }

            fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<NamedTable, A::Error> {
                Table::deserialize(MapAccessDeserializer::new(table)).map(NamedTable)
            }
        }

        deserializer.deserialize_any(TableOnly)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read;
    use toml::{Value, toml};

    #[derive(Debug, serde::Deserialize, Serialize)]
    struct Recipe {
        loss: NamedTable,
    }

    #[test]
    fn a_table_is_kept_as_it_is_and_a_text_is_answered_with_a_table() {
        let table = toml! { loss = { gamma = 2, weights = [1.0] } };
        let recipe: Recipe = read(table.clone().into()).unwrap();
        assert_eq!(Value::from(recipe.loss.0.clone()), table["loss"]);
        assert_eq!(crate::write(&recipe).unwrap(), table);
        let error = |loss: Value| {
            read::<Recipe>(Table::from_iter([("loss".to_owned(), loss)]).into())
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            error("focal".into()),
            "`loss` is \"focal\", expected a table, such as { name = \"focal\" }"
        );
        assert_eq!(
            error(3.into()),
            "`loss` is 3, expected a table with the key `name`"
        );
    }
}
