//! Sequences of a list: its rows by their group, in the order of the frames' numbers or of the rows.

use std::path::{Path, PathBuf};

use super::{Found, SequenceError, Sequences};
use crate::manifest::Wanted;
use crate::rows::{Row, Rows};
use crate::{
    DataError, ImageFolder, ManifestError, Sample, SourceKind, SplitName, Target, TargetKind,
    TaskKind,
};

/// The sequences of the rows of a list.
pub fn sequences(
    mut rows: Rows,
    path: &Path,
    root: PathBuf,
    wanted: Wanted,
) -> Result<Sequences, DataError> {
    let wrong = |row: &Row, reason: String| ManifestError::Line {
        path: path.to_path_buf(),
        line: row.line.into(),
        reason,
    };
    // Pictures inside a Parquet file: frames are files of their own.
    if !rows.members.is_empty() {
        let path = path.to_path_buf();
        return Err(SequenceError::OtherFile { path }.into());
    }
    if rows.rows.is_empty() {
        let path = path.to_path_buf();
        return Err(ManifestError::Empty { path }.into());
    }
    if rows.task.targets() != TargetKind::Class {
        return Err(DataError::OtherTask {
            path: path.to_path_buf(),
            found: rows.task,
            expected: TaskKind::Classification,
        });
    }
    let labelled = !matches!(wanted, Wanted::Images);
    if labelled && rows.rows.iter().any(|row| row.split.is_some()) {
        for row in &mut rows.rows {
            row.split.get_or_insert(SplitName::Train);
        }
    }
    let (classes, numbers) = match wanted {
        Wanted::Images => Default::default(),
        Wanted::Known { names, .. } => {
            let numbers = rows.class_numbers(path, names, true)?;
            (names.clone(), numbers)
        }
        Wanted::Targets => {
            let classes = rows.classes(path)?;
            let numbers = rows.class_numbers(path, &classes, false)?;
            (classes, numbers)
        }
    };
    let mut groups: Vec<Vec<Row>> = vec![Vec::new(); rows.groups.names.len()];
    for row in std::mem::take(&mut rows.rows) {
        let Some(group) = row.group else {
            let reason = "the group is empty, expected the name of the frame's sequence";
            return Err(wrong(&row, reason.into()).into());
        };
        groups[group as usize].push(row);
    }
    let mut found = Vec::with_capacity(groups.len());
    for (name, mut rows_of) in rows.groups.names.iter().zip(groups) {
        in_order(&mut rows_of).map_err(|(row, reason)| wrong(&row, reason))?;
        let Some(first) = rows_of.first().cloned() else {
            continue;
        };
        let says = |row: &Row| match &row.target {
            Target::Class(label) if labelled => {
                let split = row.split.map(|split| format!(" in {split}"));
                let label = &rows.labels.names[*label];
                format!("`{label}`{}", split.unwrap_or_default())
            }
            _ => String::new(),
        };
        let other = |row: &&Row| row.target != first.target || row.split != first.split;
        if let Some(row) = rows_of.iter().find(other) {
            let reason = format!(
                "the sequence `{name}` is {} here and {} in line {}, expected one class and split for all its frames",
                says(row),
                says(&first),
                first.line
            );
            return Err(wrong(row, reason).into());
        }
        let class = match &first.target {
            Target::Class(label) if labelled => numbers[*label],
            _ => 0,
        };
        let frames = rows_of
            .into_iter()
            .map(|row| Sample::file(row.path, class, row.split));
        found.push(Found {
            sequence: Sample::file(PathBuf::from(&**name), class, first.split),
            frames: frames.collect(),
        });
    }
    let list = ImageFolder {
        source: path.to_path_buf(),
        kind: SourceKind::Manifest,
        root,
        classes,
        ..ImageFolder::default()
    };
    Ok(Sequences::of(list, found))
}

/// Puts the rows of a sequence in the order of their frames' numbers, where they have any.
///
/// # Errors
/// A row, and what is wrong: no number where others have one, or another row's.
fn in_order(rows: &mut [Row]) -> Result<(), (Row, String)> {
    if rows.iter().all(|row| row.frame.is_none()) {
        return Ok(());
    }
    if let Some(row) = rows.iter().find(|row| row.frame.is_none()) {
        let reason = "the frame is empty, expected its number as in the other rows of its group";
        return Err((row.clone(), reason.into()));
    }
    let number = |row: &Row| row.frame.unwrap_or_default();
    rows.sort_by(|a, b| number(a).total_cmp(&number(b)));
    match rows
        .windows(2)
        .find(|pair| number(&pair[0]) == number(&pair[1]))
    {
        None => Ok(()),
        Some(pair) => {
            let reason = format!(
                "the frame {} of its group is in line {} too, expected each number once",
                number(&pair[1]),
                pair[0].line
            );
            Err((pair[1].clone(), reason))
        }
    }
}
