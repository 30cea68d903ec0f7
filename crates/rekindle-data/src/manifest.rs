//! Lists of images with labels or numbers: tables, JSON, and the forms that other tools write.
//!
//! This file owns what a row means; `manifest/formats.rs` lists the forms and their files take them apart, `manifest/columns.rs` finds
//! the columns, `manifest/paths.rs` the images where paths were written for another place. Numbering the classes is `rows.rs`'s. No image
//! is opened here.

mod cells;
mod columns;
mod error;
#[cfg(test)]
mod form_tests;
mod formats;
mod labelled;
mod list_file;
pub(super) mod paths;
mod table;
#[cfg(test)]
mod tests;

use std::{
    borrow::Cow,
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
};

pub use columns::ColumnNames;
use columns::Columns;
pub(super) use columns::{TargetColumns, Wanted, keys_of_object};
pub use error::ManifestError;
#[cfg(feature = "parquet")]
pub(super) use formats::parquet::files::read_parquet;
pub(super) use formats::{target_texts, text_of};

use formats::{ListFormat, format_of};
use list_file::ListFile;

use super::{
    DataError, ImageFolder, ScanWarning, SourceKind, SourceOptions, SplitName, Target, TaskKind,
    rows::{Row, Rows},
    target::target_of_texts,
};
use rekindle_settings::did_you_mean;

/// One row as its file has it.
#[derive(Debug, Default)]
struct Fields<'a> {
    line: u64,
    path: Cow<'a, str>,
    /// The label, each of the labels, or each number; none where the images alone are wanted.
    targets: Vec<Cow<'a, str>>,
    split: Cow<'a, str>,
    group: Cow<'a, str>,
    /// The number of the frame; empty for none.
    frame: Cow<'a, str>,
}

/// A list that was read, and its form.
pub(super) struct Manifest<'a> {
    file: ListFile<'a>,
    format: &'static dyn ListFormat,
}

impl<'a> Manifest<'a> {
    /// Reads a file if it is a list; none where it is something else.
    ///
    /// # Errors
    /// It cannot be read, or is no text although it is called a list.
    pub fn open(path: &'a Path) -> Result<Option<Self>, DataError> {
        if path.is_dir() {
            return Ok(None);
        }
        let file = ListFile::open(path)?;
        Ok(file.and_then(|file| {
            let format = format_of(&file)?;
            Some(Self { file, format })
        }))
    }
}

/// One of the lists that are one data set.
pub(super) struct PartOfData<'a> {
    pub list: Manifest<'a>,
    /// The folder that its paths start from, relative to the root of all.
    pub base: PathBuf,
    /// The split of rows that say none.
    pub split: Option<SplitName>,
}

/// Reads a manifest: a row for each image, with a path, a label (or labels, or numbers) and, if it likes, a split and a group.
///
/// Paths that are not absolute start from `options.root`, or from the manifest's folder. Labels are names whatever they look like: `0` and
/// `1` are the classes called so. Several labels are separated by `options.label_separator`, or are a list. A split is one of the names
/// that split folders may have, see [`SplitName::of_folder`]; rows without one are training images. Blank lines are passed over (the line
/// that an error names may be one just before its row), and rows that repeat another one are left out and counted.
///
/// # Errors
/// [`ManifestError`], with the line where there is one; a class with too few training images.
pub(super) fn read_manifest(
    list: Manifest,
    options: &SourceOptions,
    wanted: Wanted,
) -> Result<ImageFolder, DataError> {
    let path = list.file.path;
    let root = root_of(path, options);
    let part = PartOfData {
        list,
        base: PathBuf::new(),
        split: None,
    };
    read_manifests(path, root, &[part], options, wanted)
}

/// Where a manifest's relative paths start.
fn root_of<'a>(path: &'a Path, options: &'a SourceOptions) -> &'a Path {
    let own = path.parent().unwrap_or(Path::new(""));
    options.root.as_deref().unwrap_or(own)
}

/// Reads the rows of a manifest as they are, in their order, with where their paths start and what is odd about them.
///
/// # Errors
/// As [`read_manifest`], but for what the rows say together.
pub(super) fn read_frames(
    list: Manifest,
    options: &SourceOptions,
    wanted: Wanted,
) -> Result<(Rows, PathBuf, Vec<ScanWarning>), DataError> {
    let root = root_of(list.file.path, options).to_path_buf();
    let part = PartOfData {
        list,
        base: PathBuf::new(),
        split: None,
    };
    let (rows, warnings) = read_rows(&root, &[part], options, wanted)?;
    Ok((rows, root, warnings))
}

/// Reads several lists as one data set whose paths are relative to `root`; `source` is what errors name.
pub(super) fn read_manifests(
    source: &Path,
    root: &Path,
    parts: &[PartOfData],
    options: &SourceOptions,
    wanted: Wanted,
) -> Result<ImageFolder, DataError> {
    let (mut rows, warnings) = read_rows(root, parts, options, wanted)?;
    let members = std::mem::take(&mut rows.members);
    let mut folder = rows.into_folder(source, SourceKind::Manifest, wanted)?;
    folder.root = root.to_path_buf();
    folder.members = members;
    folder.warnings.extend(warnings);
    Ok(folder)
}

/// The rows of several lists, one after the other, and what is odd about them.
fn read_rows(
    root: &Path,
    parts: &[PartOfData],
    options: &SourceOptions,
    wanted: Wanted,
) -> Result<(Rows, Vec<ScanWarning>), DataError> {
    let mut rows = Rows::default();
    let (mut unused, mut notes) = (Vec::new(), Vec::new());
    let (mut left_out, mut cells) = (BTreeMap::new(), BTreeMap::new());
    let mut task: Option<Said> = None;
    for part in parts {
        let file = &part.list.file;
        let base = root.join(&part.base);
        let mut reader = RowReader {
            manifest: file.path,
            columns: &options.columns,
            separator: &options.label_separator,
            prefix: options.path_prefix.as_deref(),
            with_prefix: 0,
            wanted,
            decided: task.as_ref().map(|said| said.0),
            target_columns: (task.as_ref()).map_or_else(Vec::new, |said: &Said| said.1.clone()),
            absolute_root: std::path::absolute(&base).ok(),
            rows: std::mem::take(&mut rows),
            unused: Vec::new(),
            notes: Vec::new(),
            left_out: BTreeMap::new(),
            cells: BTreeMap::new(),
            #[cfg(feature = "parquet")]
            cache_directory: options.cache_directory.as_deref(),
        };
        let before = reader.rows.rows.len();
        part.list.format.read(file, &mut reader)?;
        let own = &mut reader.rows.rows[before..];
        if let (Some(prefix), 0, Some(first)) = (reader.prefix, reader.with_prefix, own.first()) {
            let first = first.path.display().to_string();
            return Err(reader.no_prefix(prefix, first).into());
        }
        // What lies in another file has its place there.
        let settled = match own.iter().any(|row| row.member.is_some()) {
            true => Vec::new(),
            false => paths::settle(own, &base, options.suffix.as_deref()),
        };
        for row in own {
            row.split = row.split.or(part.split);
            if !row.path.is_absolute() && part.base != Path::new("") {
                row.path = part.base.join(&row.path);
            }
        }
        // The first list says what is to be learned, and the others have to say the same.
        let said = (reader.rows.task, reader.target_columns.clone());
        if *task.get_or_insert_with(|| said.clone()) != said {
            let reason = "it has other columns of labels than the lists beside it";
            return Err(reader.wrong(1, reason.into()).into());
        }
        notes.extend(reader.notes.into_iter().chain(settled));
        for (sum, counts) in [(&mut left_out, reader.left_out), (&mut cells, reader.cells)] {
            for (what, count) in counts {
                *sum.entry(what).or_insert(0) += count;
            }
        }
        unused.extend(reader.unused);
        rows = reader.rows;
    }
    let used = rows.rows.len();
    let mut warnings = Vec::new();
    if !unused.is_empty() && !matches!(wanted, Wanted::Images) {
        unused.dedup();
        let columns = unused.iter().map(|name| format!("`{name}`")).collect();
        warnings.push(ScanWarning::UnusedColumns { columns });
    }
    if !left_out.is_empty() {
        warnings.push(ScanWarning::RowsLeftOut {
            read: used + left_out.values().sum::<usize>(),
            used,
            counts: left_out.into_iter().collect(),
        });
    }
    for (what, count) in cells {
        notes.push(format!(
            "cells of labels that are {what}, read as 0: {count}"
        ));
    }
    notes.dedup();
    let noted = notes.into_iter().map(|text| ScanWarning::ListNote { text });
    warnings.extend(noted);
    Ok((rows, warnings))
}

/// What is to be learned, and the columns that say it.
type Said = (TaskKind, Vec<String>);

/// Takes rows in.
struct RowReader<'a> {
    manifest: &'a Path,
    columns: &'a ColumnNames,
    separator: &'a str,
    /// What is left out at the beginning of paths, and how many had it.
    prefix: Option<&'a str>,
    with_prefix: usize,
    wanted: Wanted<'a>,
    /// The task of the lists that belong to the same data and were read before.
    decided: Option<TaskKind>,
    /// Names of the columns of the targets.
    target_columns: Vec<String>,
    absolute_root: Option<PathBuf>,
    rows: Rows,
    /// Names of the columns that are not used.
    unused: Vec<String>,
    /// What was guessed, in words.
    notes: Vec<String>,
    /// Rows that are left out, by the reason.
    left_out: BTreeMap<&'static str, usize>,
    /// Cells that are neither yes nor no, by what they are.
    cells: BTreeMap<&'static str, usize>,
    /// Where pictures may be unpacked to.
    #[cfg(feature = "parquet")]
    cache_directory: Option<&'a Path>,
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
        let frame = match &*fields.frame {
            "" => None,
            text => Some(
                text.parse()
                    .ok()
                    .filter(|frame: &f64| frame.is_finite())
                    .ok_or_else(|| {
                        self.wrong(line, format!("the frame is `{text}`, expected a number"))
                    })?,
            ),
        };
        let path = match self
            .prefix
            .and_then(|prefix| fields.path.strip_prefix(prefix))
        {
            Some(rest) => {
                self.with_prefix += 1;
                rest.trim_start_matches(['/', '\\'])
            }
            None => &*fields.path,
        };
        let row = Row {
            path: self.relative(path),
            target: target.unwrap_or(Target::Class(0)),
            split,
            group,
            frame,
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

    /// Tells something that was guessed.
    fn note(&mut self, text: String) {
        self.notes.push(text);
    }

    /// Counts rows that are left out.
    fn leave_out(&mut self, why: &'static str, count: usize) {
        if count > 0 {
            *self.left_out.entry(why).or_default() += count;
        }
    }

    /// Counts a cell that is read as 0 though it is not.
    fn count_cell(&mut self, what: &'static str) {
        *self.cells.entry(what).or_default() += 1;
    }

    fn no_prefix(&self, prefix: &str, first: String) -> ManifestError {
        let reason = format!(
            "no path begins with `{prefix}`, which `data.path_prefix` is to leave out; the first is `{first}`"
        );
        self.wrong(1, reason)
    }

    fn wrong(&self, line: u64, reason: String) -> ManifestError {
        ManifestError::Line {
            path: self.manifest.to_path_buf(),
            line,
            reason,
        }
    }
}
