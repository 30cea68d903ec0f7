//! Lists of images with labels: CSV, TSV and JSON Lines.
//!
//! This file owns what a row means; `manifest/delimited.rs` and `manifest/json_lines.rs` take the files apart, `manifest/columns.rs` finds
//! the columns. Numbering the classes is `rows.rs`'s. No image is opened here, and none looked for.

mod columns;
mod delimited;
mod error;
mod json_lines;
#[cfg(test)]
mod tests;

use std::{
    borrow::Cow,
    path::{Component, Path, PathBuf},
};

pub use columns::ColumnNames;
use columns::Columns;
pub(super) use columns::keys_of_object;
pub use error::ManifestError;
pub(super) use json_lines::text_of;

use super::{
    ClassIndex, DataError, ImageFolder, ScanWarning, SourceKind, SplitName,
    rows::{Row, Rows},
};
use crate::suggest::did_you_mean;

/// The formats of manifests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Csv,
    Tsv,
    JsonLines,
}

impl Format {
    /// The format of a file of this name: `.csv`, `.tsv`, or `.jsonl` and `.ndjson`.
    pub fn of_file(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "tsv" => Some(Self::Tsv),
            "jsonl" | "ndjson" => Some(Self::JsonLines),
            _ => None,
        }
    }
}

/// One row as its file has it.
#[derive(Debug, Default)]
struct Fields<'a> {
    line: u64,
    path: Cow<'a, str>,
    label: Cow<'a, str>,
    split: Cow<'a, str>,
    group: Cow<'a, str>,
}

/// Reads a manifest: a row for each image, with a path, a label and, if it likes, a split and a group.
///
/// Paths that are not absolute start from `root`, or from the manifest's folder. Labels are names whatever they look like: `0` and `1` are
/// the classes called so. A split is one of the names that split folders may have, see [`SplitName::of_folder`]; rows without one are
/// training images. Blank lines are passed over (the line that an error
/// names may be one just before its row), and rows that repeat another one are left out and counted.
///
/// # Errors
/// [`ManifestError`], with the line where there is one; a class with too few training images.
pub(super) fn read_manifest(
    path: &Path,
    format: Format,
    root: Option<&Path>,
    names: &ColumnNames,
    known: Option<&ClassIndex>,
) -> Result<ImageFolder, DataError> {
    let own = path.parent().unwrap_or(Path::new(""));
    let root = root.unwrap_or(own);
    let mut reader = RowReader {
        manifest: path,
        absolute_root: std::path::absolute(root).ok(),
        rows: Rows::default(),
    };
    let unused = match format {
        Format::Csv => delimited::read(path, None, names, &mut reader)?,
        Format::Tsv => delimited::read(path, Some(b'\t'), names, &mut reader)?,
        Format::JsonLines => json_lines::read(path, names, &mut reader)?,
    };
    let mut folder = reader.rows.into_folder(path, SourceKind::Manifest, known)?;
    folder.root = root.to_path_buf();
    if !unused.is_empty() {
        let columns = unused.iter().map(|name| format!("`{name}`")).collect();
        folder.warnings.push(ScanWarning::UnusedColumns { columns });
    }
    Ok(folder)
}

/// Takes rows in.
struct RowReader<'a> {
    manifest: &'a Path,
    absolute_root: Option<PathBuf>,
    rows: Rows,
}

impl RowReader<'_> {
    fn take(&mut self, fields: &Fields) -> Result<(), ManifestError> {
        let line = fields.line;
        if fields.path.is_empty() || fields.label.is_empty() {
            let what = if fields.path.is_empty() {
                "path"
            } else {
                "label"
            };
            return Err(self.wrong(
                line,
                format!("the {what} is empty, expected one in every row"),
            ));
        }
        let split = match &*fields.split {
            "" => None,
            name => Some(SplitName::of_folder(name).ok_or_else(|| {
                let hint = did_you_mean(name, ["train", "validation", "test"]);
                let expected =
                    "expected `train`, `val` (or `valid`, `validation`) or `test`, or nothing";
                self.wrong(line, format!("the split is `{name}`{hint}, {expected}"))
            })?),
        };
        let group = match &*fields.group {
            "" => None,
            name => Some(self.rows.groups.number(name)),
        };
        let row = Row {
            path: self.relative(&fields.path),
            label: self.rows.labels.number(&fields.label),
            split,
            group,
            member: None,
            line: line as u32,
        };
        self.rows.rows.push(row);
        Ok(())
    }

    /// The path from the root on, without `.` parts, so that each image has one name.
    fn relative(&self, text: &str) -> PathBuf {
        let path = Path::new(text);
        let path = match &self.absolute_root {
            Some(root) if path.is_absolute() => path.strip_prefix(root).unwrap_or(path),
            _ => path,
        };
        // Most paths are plain already, and a million of them are quicker copied than taken apart.
        let plain = !text.contains("./") && !text.contains("//") && !text.ends_with(['/', '.']);
        match plain {
            true => path.to_path_buf(),
            false => path
                .components()
                .filter(|part| *part != Component::CurDir)
                .collect(),
        }
    }

    fn wrong(&self, line: u64, reason: String) -> ManifestError {
        ManifestError::Line {
            path: self.manifest.to_path_buf(),
            line,
            reason,
        }
    }
}
