//! Lists of images with labels or numbers: CSV, TSV and JSON Lines.
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
pub(super) use columns::{TargetColumns, Wanted, keys_of_object};
pub use error::ManifestError;
pub(super) use json_lines::{target_texts, text_of};

use super::{
    DataError, ImageFolder, ScanWarning, SourceKind, SourceOptions, SplitName, Target,
    rows::{Row, Rows},
    target::target_of_texts,
};
use rekindle_settings::did_you_mean;

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
    /// The label, each of the labels, or each number; none where the images alone are wanted.
    targets: Vec<Cow<'a, str>>,
    split: Cow<'a, str>,
    group: Cow<'a, str>,
}

/// Reads a manifest: a row for each image, with a path, a label (or labels, or numbers) and, if it likes, a split and a group.
///
/// Paths that are not absolute start from `options.root`, or from the manifest's folder. Labels are names whatever they look like: `0` and
/// `1` are the classes called so. Several labels are separated by `options.label_separator`, or are a list in JSON Lines. A split is one of the names that split folders may have, see [`SplitName::of_folder`]; rows without one are
/// training images. Blank lines are passed over (the line that an error
/// names may be one just before its row), and rows that repeat another one are left out and counted.
///
/// # Errors
/// [`ManifestError`], with the line where there is one; a class with too few training images.
pub(super) fn read_manifest(
    path: &Path,
    format: Format,
    options: &SourceOptions,
    wanted: Wanted,
) -> Result<ImageFolder, DataError> {
    let own = path.parent().unwrap_or(Path::new(""));
    let root = options.root.as_deref().unwrap_or(own);
    let mut reader = RowReader {
        manifest: path,
        columns: &options.columns,
        separator: &options.label_separator,
        wanted,
        target_columns: Vec::new(),
        absolute_root: std::path::absolute(root).ok(),
        rows: Rows::default(),
    };
    let unused = match format {
        Format::Csv => delimited::read(path, None, &mut reader)?,
        Format::Tsv => delimited::read(path, Some(b'\t'), &mut reader)?,
        Format::JsonLines => json_lines::read(path, &mut reader)?,
    };
    let mut folder = (reader.rows).into_folder(path, SourceKind::Manifest, wanted)?;
    folder.root = root.to_path_buf();
    if !unused.is_empty() && !matches!(wanted, Wanted::Images) {
        let columns = unused.iter().map(|name| format!("`{name}`")).collect();
        folder.warnings.push(ScanWarning::UnusedColumns { columns });
    }
    Ok(folder)
}

/// Takes rows in.
struct RowReader<'a> {
    manifest: &'a Path,
    columns: &'a ColumnNames,
    separator: &'a str,
    wanted: Wanted<'a>,
    /// Names of the columns of the targets.
    target_columns: Vec<String>,
    absolute_root: Option<PathBuf>,
    rows: Rows,
}

impl RowReader<'_> {
    /// Takes in which columns hold the targets, at this line.
    fn set_targets(
        &mut self,
        line: u64,
        columns: &Columns,
        found: &[String],
    ) -> Result<(), ManifestError> {
        let Some(target) = &columns.target else {
            return Ok(());
        };
        let names = target.places.iter().map(|place| found[*place].clone());
        let names: Vec<String> = names.collect();
        if !self.rows.rows.is_empty() && names != self.target_columns {
            let name = names.last().map_or("", String::as_str);
            let reason =
                format!("`{name}` is not in the rows before, expected the same in every row");
            return Err(self.wrong(line, reason));
        }
        self.rows.set_targets(target, found);
        self.target_columns = names;
        Ok(())
    }

    fn take(&mut self, fields: &Fields) -> Result<(), ManifestError> {
        let line = fields.line;
        if fields.path.is_empty() {
            return Err(self.wrong(line, "the path is empty, expected one in every row".into()));
        }
        let target = match self.wanted {
            Wanted::Images => None,
            _ => {
                let (columns, labels) = (&self.target_columns, &mut self.rows.labels);
                let target =
                    target_of_texts(self.rows.task.targets(), columns, &fields.targets, labels);
                Some(target.map_err(|reason| self.wrong(line, reason))?)
            }
        };
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
            target: target.unwrap_or(Target::Class(0)),
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
