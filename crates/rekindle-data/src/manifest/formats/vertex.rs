//! Vertex AI's JSON Lines for image classification: `imageGcsUri`, and `classificationAnnotation` or a list `classificationAnnotations`.

use serde_json::{Map, Value};

use super::{ListFile, ListFormat, json_lines::lines};
use crate::manifest::{
    ManifestError, RowReader,
    labelled::{Labelled, Unlabelled, take_all},
};

/// See the file's head.
pub struct VertexLines;

impl ListFormat for VertexLines {
    fn recognises(&self, file: &ListFile) -> bool {
        file.is_called(&["jsonl", "ndjson"])
            && (file.first_lines().next()).is_some_and(|line| line.contains("\"imageGcsUri\""))
    }

    fn read(&self, file: &ListFile, reader: &mut RowReader) -> Result<(), ManifestError> {
        let mut rows = Vec::new();
        for (line, object) in lines(file) {
            let object = object.map_err(|reason| reader.wrong(line, reason))?;
            rows.push(row(line, &object).map_err(|reason| reader.wrong(line, reason))?);
        }
        take_all(
            reader,
            rows,
            Unlabelled::LeftOut,
            "the annotations of Vertex AI's form",
        )
    }
}

fn row(line: u64, object: &Map<String, Value>) -> Result<Labelled, String> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let path =
        text(object.get("imageGcsUri")).ok_or("`imageGcsUri` is missing, expected a path")?;
    let several = object
        .get("classificationAnnotations")
        .and_then(Value::as_array);
    let annotations = several.into_iter().flatten();
    let annotations = annotations.chain(object.get("classificationAnnotation"));
    let labels: Option<Vec<String>> = annotations
        .map(|annotation| text(annotation.get("displayName")))
        .collect();
    let split = object
        .get("dataItemResourceLabels")
        .and_then(|labels| labels.get("aiplatform.googleapis.com/ml_use"));
    Ok(Labelled {
        line,
        path,
        labels: labels.ok_or("an annotation has no `displayName`")?,
        split: text(split).unwrap_or_default(),
    })
}
