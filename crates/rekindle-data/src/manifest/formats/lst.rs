//! The `.lst` of SageMaker and MXNet: an index, one or more labels as numbers, and a path, with tabs between them.
//!
//! One number is the class of that name. Several are 1 and 0 for labels that are called by their places, from 0.

use super::{ListFile, ListFormat};
use crate::manifest::{
    ManifestError, RowReader,
    labelled::{Labelled, Unlabelled, take_all},
};

/// See the file's head.
pub struct Lst;

impl ListFormat for Lst {
    fn recognises(&self, file: &ListFile) -> bool {
        file.is_called(&["lst"])
            && file
                .first_lines()
                .next()
                .is_some_and(|line| line.contains('\t'))
    }

    fn read(&self, file: &ListFile, reader: &mut RowReader) -> Result<(), ManifestError> {
        let mut rows = Vec::new();
        for (line, text) in (1..).zip(file.text.lines()) {
            if text.trim().is_empty() {
                continue;
            }
            let fields: Vec<&str> = text.split('\t').map(str::trim).collect();
            let [_, labels @ .., path] = fields.as_slice() else {
                let reason = "expected an index, a label and a path, with tabs between them";
                return Err(reader.wrong(line, reason.into()));
            };
            let labels = labels_of(labels).map_err(|reason| reader.wrong(line, reason))?;
            rows.push(Labelled {
                line,
                path: (*path).to_owned(),
                labels,
                split: String::new(),
            });
        }
        take_all(
            reader,
            rows,
            Unlabelled::HasNone,
            "the numbers of the .lst file",
        )
    }
}

fn labels_of(fields: &[&str]) -> Result<Vec<String>, String> {
    // MXNet writes whole numbers as 3.000000.
    let whole = |field: &&str| {
        let number = field.parse::<f64>().ok();
        let number = number.filter(|number| number.fract() == 0.0 && number.abs() < 1e15);
        number.map(|number| number as i64)
    };
    let wrong =
        |field: &str| format!("`{field}` is no whole number, expected the number of a class");
    match fields {
        [] => Ok(Vec::new()),
        [field] => match whole(field) {
            Some(number) => Ok(vec![number.to_string()]),
            None => Err(wrong(field)),
        },
        several => {
            let mut labels = Vec::new();
            for (place, field) in several.iter().enumerate() {
                match whole(field) {
                    Some(1) => labels.push(place.to_string()),
                    Some(0) => {}
                    _ => {
                        return Err(format!(
                            "`{field}` is one of several labels, expected 1 or 0 for each"
                        ));
                    }
                }
            }
            Ok(labels)
        }
    }
}
