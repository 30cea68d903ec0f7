//! The names that a file gives to its numbers of classes.

use std::collections::HashMap;

use parquet::file::metadata::FileMetaData;
use serde_json::{Map, Value};

use crate::manifest::RowReader;

/// What `datasets` says of a file's columns.
#[derive(Debug, Default)]
pub(super) struct Features {
    /// Names of classes, by the column.
    names: HashMap<String, Vec<String>>,
    /// Whether the column of these names is a list.
    lists: HashMap<String, bool>,
    /// Columns of pictures.
    pub(super) images: Vec<String>,
}

impl Features {
    pub(super) fn of(metadata: &FileMetaData) -> Self {
        let mut found = Self::default();
        let pairs = metadata.key_value_metadata().into_iter().flatten();
        let text = pairs
            .filter(|pair| pair.key == "huggingface")
            .find_map(|pair| pair.value.as_deref());
        let described: Option<Value> = text.and_then(|text| serde_json::from_str(text).ok());
        let features = described
            .as_ref()
            .and_then(|value| value.pointer("/info/features"))
            .and_then(Value::as_object);
        for (column, feature) in features.into_iter().flatten() {
            // A list is an object with the feature of its elements, and was an array of one feature.
            let element = feature
                .get("feature")
                .or_else(|| feature.as_array().and_then(|elements| elements.first()));
            let is_list = element.is_some();
            let feature = element.unwrap_or(feature);
            match feature.get("_type").and_then(Value::as_str) {
                Some("Image") if !is_list => found.images.push(column.clone()),
                Some("ClassLabel") => {
                    let names = feature.get("names").and_then(Value::as_array);
                    let names = names.into_iter().flatten();
                    let names = names.map(|name| name.as_str().unwrap_or_default().to_owned());
                    found.names.insert(column.clone(), names.collect());
                    found.lists.insert(column.clone(), is_list);
                }
                _ => {}
            }
        }
        found
    }

    /// Puts names in the place of numbers of classes, and `label` or `labels` in that of the column's name where it says the other, or is
    /// the only one of classes, and no setting names it.
    ///
    /// Files of one data set may list their names in another order; they have to agree in having names at all.
    pub(super) fn put_names(
        &self,
        object: &mut Map<String, Value>,
        reader: &mut RowReader,
        line: u64,
    ) -> Result<(), String> {
        for (column, names) in &self.names {
            let name_of = |value: &Value| match value.as_i64() {
                // No label.
                Some(-1) => Ok(Value::Null),
                Some(number) => usize::try_from(number)
                    .ok()
                    .and_then(|number| names.get(number))
                    .map(|name| Value::String(name.clone()))
                    .ok_or_else(|| {
                        format!(
                            "`{column}` is {number}, of which the file names none: it has {} names",
                            names.len()
                        )
                    }),
                None => Ok(value.clone()),
            };
            let named = match object.get(column) {
                Some(Value::Array(values)) => {
                    let names: Result<Vec<Value>, String> = values.iter().map(name_of).collect();
                    let mut names = names?;
                    names.retain(|name| !name.is_null());
                    Value::Array(names)
                }
                Some(value) => name_of(value)?,
                None => continue,
            };
            object.insert(column.clone(), named);
        }
        let Some(own) = self.label_column(object, reader) else {
            return Ok(());
        };
        let is_number = object.get(&own).is_some_and(Value::is_i64);
        let names = self.names.get(&own);
        let said = match (names, is_number) {
            (Some(names), _) => names.clone(),
            (None, true) => Vec::new(),
            // Texts are their own names.
            (None, false) => return self.rename(object, &own, reader),
        };
        match &reader.rows.class_names {
            None => {
                if said.is_empty() {
                    reader.note(format!(
                        "`{own}` holds numbers, and no names of them are in the file, so the classes are called by their numbers"
                    ));
                }
                reader.rows.class_names = Some(said);
            }
            Some(before) if before.is_empty() != said.is_empty() => {
                return Err(format!(
                    "`{own}` has {} names for its numbers here, and {} in the files before; put the same names into each, or into none",
                    said.len(),
                    before.len()
                ));
            }
            Some(before) if line == 1 && *before != said => reader.note(
                "the files list the names of their classes in another order or number each, so classes are told apart by name"
                    .to_owned(),
            ),
            Some(_) => {}
        }
        self.rename(object, &own, reader)
    }

    /// The column of the class or classes: the one that a setting names, one that is called so, or the only one with names of classes.
    fn label_column(&self, object: &Map<String, Value>, reader: &RowReader) -> Option<String> {
        let columns = reader.columns;
        if let Some(own) = columns.label.clone().or_else(|| columns.labels.clone()) {
            return Some(own);
        }
        let usual = ["label", "labels"].into_iter().map(str::to_owned);
        let mut usual = usual.filter(|name| object.contains_key(name));
        usual.next().or_else(|| match self.names.len() {
            1 => self.names.keys().next().cloned(),
            _ => None,
        })
    }

    fn rename(
        &self,
        object: &mut Map<String, Value>,
        own: &str,
        reader: &RowReader,
    ) -> Result<(), String> {
        let columns = reader.columns;
        let is_set = columns.label.is_some() || columns.labels.is_some();
        let Some(is_list) = self.lists.get(own) else {
            return Ok(());
        };
        let usual = if *is_list { "labels" } else { "label" };
        if !is_set
            && own != usual
            && !object.contains_key(usual)
            && let Some(value) = object.shift_remove(own)
        {
            object.insert(usual.to_owned(), value);
        }
        Ok(())
    }

    /// Whether a row has no class where it should have one.
    pub(super) fn has_no_label(&self, object: &Map<String, Value>, reader: &RowReader) -> bool {
        let column = reader.columns.label.as_deref().unwrap_or("label");
        object.get(column).is_some_and(Value::is_null)
    }
}
