//! A JSON file with one list of objects, as `DataFrame.to_json(orient="records")` writes it: the objects of JSON Lines in brackets.

use serde_json::{Map, Value};

use super::{ListFile, ListFormat, json_lines::Objects};
use crate::manifest::{ManifestError, RowReader};

/// See the file's head.
pub struct JsonArray;

impl ListFormat for JsonArray {
    fn recognises(&self, file: &ListFile) -> bool {
        file.is_called(&["json"]) && file.text.trim_start().starts_with('[')
    }

    fn read(&self, file: &ListFile, reader: &mut RowReader) -> Result<(), ManifestError> {
        let list: Vec<Map<String, Value>> = parsed(file, reader)?;
        let mut objects = Objects::default();
        for (number, object) in (1..).zip(&list) {
            objects.take(number, object, reader)?;
        }
        objects.finish(reader);
        Ok(())
    }
}

/// A whole JSON file.
pub fn parsed<T: serde::de::DeserializeOwned>(
    file: &ListFile,
    reader: &RowReader,
) -> Result<T, ManifestError> {
    serde_json::from_str(&file.text).map_err(|error| {
        let text = error.to_string();
        let reason = text.split(" at line ").next().unwrap_or_default();
        reader.wrong(error.line() as u64, reason.to_owned())
    })
}
