//! Azure Machine Learning's JSON Lines: `image_url`, and a text or a list of texts under `label`.

use serde_json::Value;

use super::{ListFile, ListFormat, json_lines::lines};
use crate::manifest::{
    ManifestError, RowReader,
    cells::{label_of, labels_of},
    labelled::{Labelled, Unlabelled, take_all},
};

/// See the file's head.
pub struct AzureLines;

impl ListFormat for AzureLines {
    fn recognises(&self, file: &ListFile) -> bool {
        let is_azure = |line: &str| line.contains("\"image_url\"") && line.contains("\"label\"");
        file.is_called(&["jsonl", "ndjson"]) && file.first_lines().next().is_some_and(is_azure)
    }

    fn read(&self, file: &ListFile, reader: &mut RowReader) -> Result<(), ManifestError> {
        let mut rows = Vec::new();
        for (line, object) in lines(file) {
            let object = object.map_err(|reason| reader.wrong(line, reason))?;
            let path = object.get("image_url").and_then(Value::as_str);
            let labels = match object.get("label") {
                None | Some(Value::Null) => Some(Vec::new()),
                Some(one) => labels_of(one).or_else(|| Some(vec![label_of(one)?])),
            };
            let (Some(path), Some(labels)) = (path, labels) else {
                let reason = "expected a path under `image_url`, and a text or a list of texts under `label`";
                return Err(reader.wrong(line, reason.into()));
            };
            rows.push(Labelled {
                line,
                path: path.to_owned(),
                labels,
                split: String::new(),
            });
        }
        take_all(
            reader,
            rows,
            Unlabelled::LeftOut,
            "the labels of Azure's form",
        )
    }
}
