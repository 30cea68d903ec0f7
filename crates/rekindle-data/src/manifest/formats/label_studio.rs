//! Label Studio's JSON and JSON-MIN exports of image classification.
//!
//! JSON: tasks with `data` and `annotations`, whose `result` holds choices. JSON-MIN: tasks with the data's keys and the choices under the
//! name of their control tag, one text or `{"choices": [..]}`.

use serde_json::{Map, Value};

use super::{ListFile, ListFormat, json_array::parsed};
use crate::manifest::{
    ManifestError, RowReader,
    cells::{label_of, labels_of},
    labelled::{Labelled, Unlabelled, take_all},
};

/// See the file's head.
pub struct LabelStudioJson;

/// Keys of JSON-MIN that are never choices.
const OWN_KEYS: [&str; 7] = [
    "id",
    "annotator",
    "annotation_id",
    "created_at",
    "updated_at",
    "lead_time",
    "agreement",
];

impl ListFormat for LabelStudioJson {
    fn recognises(&self, file: &ListFile) -> bool {
        let head: String = file.first_lines().take(4000).collect();
        file.is_called(&["json"])
            && head.starts_with('[')
            && (head.contains("\"annotations\"") && head.contains("\"data\"")
                || head.contains("\"annotation_id\""))
    }

    fn read(&self, file: &ListFile, reader: &mut RowReader) -> Result<(), ManifestError> {
        let tasks: Vec<Map<String, Value>> = parsed(file, reader)?;
        let mut rows = Vec::new();
        for (number, task) in (1..).zip(&tasks) {
            let row = match task.get("annotations") {
                Some(Value::Array(annotations)) => whole(task, annotations),
                _ => short(task),
            };
            let mut row =
                row.map_err(|reason| reader.wrong(1, format!("the task {number}: {reason}")))?;
            row.path = local(&row.path);
            rows.push(row);
        }
        take_all(
            reader,
            rows,
            Unlabelled::LeftOut,
            "the choices of Label Studio's form",
        )
    }
}

/// A task of the JSON export. Annotations that were withdrawn do not count; of several that are left, the first does.
fn whole(task: &Map<String, Value>, annotations: &[Value]) -> Result<Labelled, String> {
    let data = task.get("data").and_then(Value::as_object);
    let path = data.and_then(image_of).ok_or("no image in `data`")?;
    let is = |annotation: &Value, key: &str| annotation.get(key) == Some(&Value::Bool(true));
    let mut kept = annotations
        .iter()
        .filter(|annotation| !is(annotation, "was_cancelled"));
    let results = kept.next().and_then(|annotation| annotation.get("result"));
    let results = results.and_then(Value::as_array).into_iter().flatten();
    let choices = results.filter_map(|result| labels_of(result.get("value")?));
    let labels: Vec<String> = choices.flatten().collect();
    if let Some(other) = kept.next()
        && let Some(results) = other.get("result").and_then(Value::as_array)
    {
        let choices = results
            .iter()
            .filter_map(|result| labels_of(result.get("value")?));
        let mut others: Vec<String> = choices.flatten().collect();
        let mut same = labels.clone();
        others.sort_unstable();
        same.sort_unstable();
        if others != same {
            return Err(format!(
                "`{path}` has annotations that differ ({} and {}); leave one",
                same.join(", "),
                others.join(", ")
            ));
        }
    }
    Ok(Labelled {
        path,
        labels,
        ..Labelled::default()
    })
}

/// A task of the JSON-MIN export.
fn short(task: &Map<String, Value>) -> Result<Labelled, String> {
    let path = image_of(task).ok_or("no key holds the name of an image")?;
    let others = task.iter().filter(|(key, value)| {
        !OWN_KEYS.contains(&key.as_str()) && value.as_str() != Some(path.as_str())
    });
    let mut found: Vec<(&String, Vec<String>)> = others
        .filter_map(|(key, value)| {
            let one = || {
                value
                    .is_string()
                    .then(|| label_of(value).into_iter().collect())
            };
            Some((key, labels_of(value).or_else(one)?))
        })
        .collect();
    match found.len() {
        0 | 1 => {}
        // The tag is called so where nobody has renamed it.
        _ => found.retain(|(key, _)| *key == "choice"),
    }
    let labels = match found.pop() {
        Some((_, labels)) => labels,
        None => Vec::new(),
    };
    Ok(Labelled {
        path,
        labels,
        ..Labelled::default()
    })
}

/// The value that names an image: that of the key `image` or `img`, else the first that looks like one.
fn image_of(data: &Map<String, Value>) -> Option<String> {
    let named = ["image", "img"].into_iter().find_map(|key| data.get(key));
    let looks = || {
        use crate::walk::{FileKind, kind_of};
        let texts = data.values().filter(|value| value.is_string());
        texts.into_iter().find(|value| {
            value
                .as_str()
                .is_some_and(|text| kind_of(text) == FileKind::Image)
        })
    };
    named
        .or_else(looks)
        .and_then(Value::as_str)
        .map(str::to_owned)
}

/// The path of a file in Label Studio's local storage, which stands behind `?d=` as in an address.
pub fn local(path: &str) -> String {
    let Some((_, rest)) = path.split_once("/local-files/?d=") else {
        return path.to_owned();
    };
    let bytes = rest.as_bytes();
    let (mut decoded, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let escaped = rest.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        match escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(decoded).unwrap_or_else(|_| rest.to_owned())
}
