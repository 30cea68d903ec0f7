//! Rows whose labels a format has found by itself, with no columns to choose among.
//!
//! This file owns whether they are classes or labels: classes where each image has exactly one.

use std::borrow::Cow;

use super::{Fields, ManifestError, RowReader, Wanted};
use crate::{TargetKind, TaskKind};

/// One image and what is said of it.
#[derive(Debug, Default)]
pub(super) struct Labelled {
    /// From 1; 0 where the format has no lines.
    pub line: u64,
    pub path: String,
    /// In any order; one that is named twice counts once.
    pub labels: Vec<String>,
    /// Empty for none.
    pub split: String,
}

/// What an image without labels is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unlabelled {
    /// An image that nobody has labelled yet: it is left out, and counted.
    LeftOut,
    /// An image that has none of the labels.
    HasNone,
}

/// Takes in all rows of a list in which `what` says how images are labelled.
///
/// # Errors
/// A model's task does not fit: it has one class for each image, and an image has none or several.
pub(super) fn take_all(
    reader: &mut RowReader,
    mut rows: Vec<Labelled>,
    unlabelled: Unlabelled,
    what: &str,
) -> Result<(), ManifestError> {
    for row in &mut rows {
        row.labels.sort_unstable();
        row.labels.dedup();
    }
    let images_alone = matches!(reader.wanted, Wanted::Images);
    if unlabelled == Unlabelled::LeftOut && !images_alone {
        let before = rows.len();
        rows.retain(|row| !row.labels.is_empty());
        reader.leave_out("without a label", before - rows.len());
    }
    let task = match (reader.wanted, reader.decided) {
        (Wanted::Images, _) => TaskKind::Classification,
        (Wanted::Known { task, .. }, _) | (Wanted::Targets, Some(task)) => task,
        (Wanted::Targets, None) => {
            let one_each = rows.iter().all(|row| row.labels.len() == 1);
            let (task, as_what) = match one_each {
                true => (TaskKind::Classification, "one each, so as classes"),
                false => (
                    TaskKind::Multilabel,
                    "any number for each image, so as labels",
                ),
            };
            reader.note(format!("{what} are read: {as_what}"));
            task
        }
    };
    let column = match task.targets() {
        TargetKind::Class => "label",
        TargetKind::Labels => "labels",
        TargetKind::Numbers => {
            let reason = format!(
                "{what} are no numbers, but the model is for {}",
                task.name()
            );
            return Err(reader.wrong(1, reason));
        }
    };
    reader.rows.task = task;
    reader.target_columns = vec![column.to_owned()];
    for row in &rows {
        if task.targets() == TargetKind::Class && row.labels.len() != 1 && !images_alone {
            let reason = format!(
                "`{}` has {} labels, expected one, as the other images or the model have",
                row.path,
                row.labels.len()
            );
            return Err(reader.wrong(row.line, reason));
        }
        reader.take(&Fields {
            line: row.line,
            path: Cow::Borrowed(row.path.trim()),
            targets: row.labels.iter().map(|label| label.trim().into()).collect(),
            split: Cow::Borrowed(&row.split),
            ..Fields::default()
        })?;
    }
    Ok(())
}
