//! JSON Lines: an object a line.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{ListFile, ListFormat};
use crate::{
    TargetKind,
    manifest::{
        ColumnNames, Columns, Fields, ManifestError, RowReader,
        columns::{TargetForm, flag_of},
    },
};

/// See the file's head.
pub struct JsonLines;

impl ListFormat for JsonLines {
    fn recognises(&self, file: &ListFile) -> bool {
        file.is_called(&["jsonl", "ndjson"])
    }

    fn read(&self, file: &ListFile, reader: &mut RowReader) -> Result<(), ManifestError> {
        let mut objects = Objects::default();
        for (line, object) in lines(file) {
            let object = object.map_err(|reason| reader.wrong(line, reason))?;
            objects.take(line, &object, reader)?;
        }
        objects.finish(reader);
        Ok(())
    }
}

/// The object of each line that is not blank, or what is wrong with the line.
pub fn lines(file: &ListFile) -> impl Iterator<Item = (u64, Result<Map<String, Value>, String>)> {
    let lines = (1..).zip(file.text.lines());
    let lines = lines.map(|(line, text)| (line, text.trim().trim_start_matches('\u{feff}')));
    let full = lines.filter(|(_, text)| !text.is_empty());
    full.map(|(line, text)| {
        let object = serde_json::from_str(text).map_err(|error| {
            let expected = "expected an object such as {\"path\": \"a.jpg\", \"label\": \"cat\"}";
            // The reader counts the lines of this row alone.
            let text = error.to_string();
            let reason = text.split(" at line ").next().unwrap_or_default();
            format!("{reason} at column {}; {expected}", error.column())
        });
        (line, object)
    })
}

/// Objects that describe an image each. A key that one lacks counts as empty there.
#[derive(Debug, Default)]
pub struct Objects {
    found: Vec<String>,
    columns: Option<Columns>,
    /// The key of the path, where the form knows it.
    path_key: Option<String>,
}

impl Objects {
    /// Objects whose path is under this key, whatever other keys look like it.
    #[cfg(feature = "parquet")]
    pub fn with_path_key(key: String) -> Self {
        Self {
            path_key: Some(key),
            ..Self::default()
        }
    }

    /// Takes in the next object.
    pub fn take(
        &mut self,
        line: u64,
        object: &Map<String, Value>,
        reader: &mut RowReader,
    ) -> Result<(), ManifestError> {
        let found = &mut self.found;
        let before = found.len();
        for key in object.keys() {
            if !found.contains(key) {
                found.push(key.clone());
            }
        }
        // A key that only a later row has may be the split or the group.
        let columns = match &mut self.columns {
            Some(columns) if found.len() == before => columns,
            other => {
                let named;
                let names = match &self.path_key {
                    Some(key) => {
                        named = ColumnNames {
                            path: Some(key.clone()),
                            ..reader.columns.clone()
                        };
                        &named
                    }
                    None => reader.columns,
                };
                let chosen = Columns::choose(reader.manifest, found, names, reader.wanted)?;
                reader.set_targets(line, &chosen, found)?;
                other.insert(chosen)
            }
        };
        let field = |place: Option<usize>| match place {
            Some(place) => text_of(&found[place], object.get(&found[place]))
                .map_err(|reason| reader.wrong(line, reason)),
            None => Ok(Cow::Borrowed("")),
        };
        let targets = match &columns.target {
            Some(target) if matches!(target.form, TargetForm::Indicators { .. }) => {
                let keys = target.places.iter().map(|place| found[*place].as_str());
                let labels = indicated(keys, object);
                let one = target.task.targets() != TargetKind::Class;
                let labels = labels.and_then(|labels| match one || labels.len() == 1 {
                    true => Ok(labels),
                    false => Err(format!(
                        "it has {} labels, but the model has one class for each image",
                        labels.len()
                    )),
                });
                labels.map_err(|reason| reader.wrong(line, reason))?
            }
            Some(target) => {
                let keys = target.places.iter().map(|place| found[*place].as_str());
                target_texts(target.task.targets(), keys, object)
                    .map_err(|reason| reader.wrong(line, reason))?
            }
            None => Vec::new(),
        };
        let split = columns
            .split_text(field(columns.split)?)
            .map_err(|reason| reader.wrong(line, reason))?;
        let fields = Fields {
            line,
            path: field(Some(columns.path))?,
            targets,
            split,
            group: field(columns.group)?,
            frame: field(columns.frame)?,
        };
        reader.take(&fields)
    }

    /// Tells what was guessed and what is not used.
    pub fn finish(self, reader: &mut RowReader) {
        if let Some(columns) = self.columns {
            reader.unused = columns.unused;
            for note in columns.notes {
                reader.note(note);
            }
        }
    }
}

/// The keys whose value is 1 or true.
fn indicated<'a>(
    keys: impl Iterator<Item = &'a str>,
    object: &Map<String, Value>,
) -> Result<Vec<Cow<'a, str>>, String> {
    let mut labels = Vec::new();
    for key in keys {
        let text = text_of(key, object.get(key))?;
        match flag_of(&text) {
            Some(true) => labels.push(key.into()),
            Some(false) => {}
            None if text.is_empty() => {}
            None => return Err(format!("`{key}` is {text}, expected 1 or 0 for a label")),
        }
    }
    Ok(labels)
}

/// The texts of an object's targets: of each key's value, or of each label in its list.
pub(crate) fn target_texts<'a>(
    kind: TargetKind,
    keys: impl Iterator<Item = &'a str>,
    object: &'a Map<String, Value>,
) -> Result<Vec<Cow<'a, str>>, String> {
    let mut texts = Vec::new();
    for key in keys {
        let value = object.get(key);
        match (kind, value) {
            (TargetKind::Labels, Some(Value::Array(labels))) => {
                for label in labels {
                    texts.push(text_of(key, Some(label))?);
                }
            }
            (TargetKind::Labels, value) => {
                let found = value.map_or("missing".to_owned(), Value::to_string);
                return Err(format!(
                    "`{key}` is {found}, expected a list of labels such as [\"red\", \"round\"], or [] for none"
                ));
            }
            _ => texts.push(text_of(key, value)?),
        }
    }
    Ok(texts)
}

/// A value as a name; a missing one is empty.
pub(crate) fn text_of<'a>(key: &str, value: Option<&'a Value>) -> Result<Cow<'a, str>, String> {
    match value {
        None | Some(Value::Null) => Ok(Cow::Borrowed("")),
        Some(Value::String(text)) => Ok(Cow::Borrowed(text.trim())),
        Some(Value::Number(number)) => Ok(Cow::Owned(number.to_string())),
        Some(Value::Bool(value)) => Ok(Cow::Owned(value.to_string())),
        Some(other) => Err(format!(
            "`{key}` is {other}, expected a text or a number (several labels of an image go under `labels`)"
        )),
    }
}
