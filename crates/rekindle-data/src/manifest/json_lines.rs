//! JSON Lines: an object a line.

use std::{
    borrow::Cow,
    fs::File,
    io::{BufRead, BufReader, ErrorKind},
    path::Path,
};

use serde_json::{Map, Value};

use crate::TargetKind;

use super::{Columns, Fields, ManifestError, RowReader};

/// Reads all rows; gives the names of the keys that are not used. A key that a row lacks counts as empty there.
pub(super) fn read(path: &Path, reader: &mut RowReader) -> Result<Vec<String>, ManifestError> {
    let unreadable = |source| ManifestError::Read {
        path: path.to_path_buf(),
        source,
    };
    let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
    let (mut text, mut line) = (String::new(), 0);
    let mut found: Vec<String> = Vec::new();
    let mut columns: Option<Columns> = None;
    loop {
        text.clear();
        line += 1;
        match file.read_line(&mut text) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                let reason = "it is not valid UTF-8; save the file as UTF-8";
                return Err(reader.wrong(line, reason.into()));
            }
            Err(source) => return Err(unreadable(source)),
        }
        let row = text.trim().trim_start_matches('\u{feff}');
        if row.is_empty() {
            continue;
        }
        let object: Map<String, Value> = serde_json::from_str(row).map_err(|error| {
            let expected = "expected an object such as {\"path\": \"a.jpg\", \"label\": \"cat\"}";
            // The reader counts the lines of this row alone.
            let text = error.to_string();
            let reason = text.split(" at line ").next().unwrap_or_default();
            let column = error.column();
            reader.wrong(line, format!("{reason} at column {column}; {expected}"))
        })?;
        let before = found.len();
        for key in object.keys() {
            if !found.contains(key) {
                found.push(key.clone());
            }
        }
        // A key that only a later row has may be the split or the group.
        let columns = match &mut columns {
            Some(columns) if found.len() == before => columns,
            other => {
                let chosen = Columns::choose(path, &found, reader.columns, reader.wanted)?;
                reader.set_targets(line, &chosen, &found)?;
                other.insert(chosen)
            }
        };
        let field = |place: Option<usize>| match place {
            Some(place) => text_of(&found[place], object.get(&found[place]))
                .map_err(|reason| reader.wrong(line, reason)),
            None => Ok(Cow::Borrowed("")),
        };
        let targets = match &columns.target {
            Some(target) => {
                let keys = target.places.iter().map(|place| found[*place].as_str());
                target_texts(target.task.targets(), keys, &object)
                    .map_err(|reason| reader.wrong(line, reason))?
            }
            None => Vec::new(),
        };
        let fields = Fields {
            line,
            path: field(Some(columns.path))?,
            targets,
            split: field(columns.split)?,
            group: field(columns.group)?,
        };
        reader.take(&fields)?;
    }
    Ok(columns.map(|columns| columns.unused).unwrap_or_default())
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
