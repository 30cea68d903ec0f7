//! CSV and TSV: a header, then a row a line, fields quoted where they need it; or no header, where the first line is an image's.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use csv::StringRecord;

use super::{ListFile, ListFormat, label_studio::local};
use crate::{
    SplitName, TargetKind,
    manifest::{
        Columns, Fields, ManifestError, RowReader, Wanted,
        cells::listed,
        columns::{TargetForm, flag_of},
        labelled::{Labelled, Unlabelled, take_all},
        table::Table,
    },
    walk::{FileKind, kind_of},
};

/// How many rows tell what a column that is not used holds.
const ROWS_TO_JUDGE: usize = 200;

/// See the file's head.
pub struct Delimited;

impl ListFormat for Delimited {
    fn recognises(&self, file: &ListFile) -> bool {
        file.is_called(&["csv", "tsv"])
    }

    fn read(&self, file: &ListFile, reader: &mut RowReader) -> Result<(), ManifestError> {
        let table = Table::new(file.path, &file.text, file.is_called(&["tsv"]));
        read_table(&table, false, reader)
    }
}

/// Reads a table. In one of Label Studio's, rows without a label are left out, which are an error else, and paths are those of its storage.
pub fn read_table(
    table: &Table,
    label_studio: bool,
    reader: &mut RowReader,
) -> Result<(), ManifestError> {
    let mut records = table.records();
    let first = records.next(None)?;
    let (line, first) = first.unwrap_or((1, StringRecord::new()));
    let names: Vec<String> = first.iter().map(str::to_owned).collect();
    let headless = without_header(table, &names, reader)?;
    let found = headless.clone().unwrap_or(names);
    let width = found.len();
    let columns = columns_of(table, &found, headless.is_some(), reader)?;
    let read = Reading {
        columns: &columns,
        found: &found,
        label_studio,
    };
    if let Some(target) = &columns.target
        && target.form == (TargetForm::Indicators { guessed: true })
    {
        let mut rows = Vec::new();
        while let Some((line, record)) = records.next(Some(width))? {
            rows.push(read.labelled(line, &record, reader)?);
        }
        let what = format!(
            "{} columns of 0 and 1 (`data.label_columns` names those that are labels)",
            target.places.len()
        );
        take_all(reader, rows, Unlabelled::HasNone, &what)?;
    } else {
        reader.set_targets(1, &columns, &found)?;
        if headless.is_some() {
            read.row(line, &first, reader)?;
        }
        while let Some((line, record)) = records.next(Some(width))? {
            read.row(line, &record, reader)?;
        }
    }
    for note in records.notes() {
        reader.note(note);
    }
    reader.unused = match headless {
        Some(_) => Vec::new(),
        None => columns.unused,
    };
    Ok(())
}

/// A table being read.
struct Reading<'a> {
    columns: &'a Columns,
    found: &'a [String],
    label_studio: bool,
}

impl Reading<'_> {
    fn row(
        &self,
        line: u64,
        record: &StringRecord,
        reader: &mut RowReader,
    ) -> Result<(), ManifestError> {
        let columns = self.columns;
        let at = |place: Option<usize>| {
            let cell = place.and_then(|place| record.get(place));
            Cow::Borrowed(cell.unwrap_or_default())
        };
        let targets = self
            .targets(record, reader)
            .map_err(|reason| reader.wrong(line, reason))?;
        let is_empty = |texts: &[Cow<str>]| texts.iter().all(|text| text.is_empty());
        if self.label_studio && !matches!(reader.wanted, Wanted::Images) && is_empty(&targets) {
            reader.leave_out("without a label", 1);
            return Ok(());
        }
        let split = columns
            .split_text(at(columns.split))
            .map_err(|reason| reader.wrong(line, reason))?;
        let path = at(Some(columns.path));
        reader.take(&Fields {
            line,
            path: match self.label_studio {
                true => local(&path).into(),
                false => path,
            },
            targets,
            split,
            group: at(columns.group),
            frame: at(columns.frame),
        })
    }

    /// What a row's cells say of its image.
    fn targets<'r>(
        &self,
        record: &'r StringRecord,
        reader: &mut RowReader,
    ) -> Result<Vec<Cow<'r, str>>, String> {
        let Some(target) = &self.columns.target else {
            return Ok(Vec::new());
        };
        let places = target.places.iter().copied();
        let mut cells = places.clone().map(|at| record.get(at).unwrap_or_default());
        let owned = |labels: Vec<String>| labels.into_iter().map(Cow::Owned).collect();
        match (target.task.targets(), target.form) {
            (_, TargetForm::Indicators { .. }) => Ok(owned(self.indicated(record, reader)?)),
            (TargetKind::Numbers, _) => Ok(cells.map(Cow::Borrowed).collect()),
            (TargetKind::Class, _) => {
                let cell = cells.next().unwrap_or_default();
                match listed(cell) {
                    None => Ok(vec![cell.into()]),
                    Some(labels) if labels.len() <= 1 => Ok(owned(labels)),
                    Some(labels) => Err(format!(
                        "the label is a list of {} labels, expected one; `--set data.labels_column={}` reads several",
                        labels.len(),
                        self.found[target.places[0]]
                    )),
                }
            }
            (TargetKind::Labels, _) => {
                let mut texts = Vec::new();
                for cell in cells.filter(|cell| !cell.is_empty()) {
                    match (listed(cell), target.form) {
                        (Some(labels), _) => texts.extend(labels.into_iter().map(Cow::Owned)),
                        // A label by itself among lists.
                        (None, TargetForm::Lists) => texts.push(cell.into()),
                        (None, _) => {
                            let labels = cell.split(reader.separator);
                            texts.extend(labels.map(|label| Cow::Borrowed(label.trim())));
                        }
                    }
                }
                Ok(texts)
            }
        }
    }

    /// The names of the columns with a 1.
    fn indicated(
        &self,
        record: &StringRecord,
        reader: &mut RowReader,
    ) -> Result<Vec<String>, String> {
        let mut labels = Vec::new();
        let target = self.columns.target.iter();
        for place in target.flat_map(|target| target.places.iter().copied()) {
            let (name, cell) = (&self.found[place], record.get(place).unwrap_or_default());
            match (flag_of(cell), cell) {
                (Some(true), _) => labels.push(name.clone()),
                (Some(false), _) => {}
                (None, "") => reader.count_cell("empty"),
                (None, "-1" | "-1.0") => reader.count_cell("-1 (not certain)"),
                (None, _) => {
                    return Err(format!(
                        "`{name}` is `{cell}`, expected 1 or 0 in a column of a label"
                    ));
                }
            }
        }
        Ok(labels)
    }

    fn labelled(
        &self,
        line: u64,
        record: &StringRecord,
        reader: &mut RowReader,
    ) -> Result<Labelled, ManifestError> {
        let cell = |place: usize| record.get(place).unwrap_or_default();
        let split = cell(self.columns.split.unwrap_or(usize::MAX));
        let split = self.columns.split_text(split.into());
        let labels = self.indicated(record, reader);
        let wrong = |reason| reader.wrong(line, reason);
        Ok(Labelled {
            line,
            path: cell(self.columns.path).to_owned(),
            labels: labels.map_err(wrong)?,
            split: split.map_err(wrong)?.into_owned(),
        })
    }
}

/// The columns of a table, chosen by their names; where none says what is to be learned, by their cells.
fn columns_of(
    table: &Table,
    found: &[String],
    headless: bool,
    reader: &mut RowReader,
) -> Result<Columns, ManifestError> {
    let mut columns =
        Columns::choose_with(table.path, found, reader.columns, reader.wanted, |others| {
            indicators(table, found.len(), others, headless)
        })?;
    for note in std::mem::take(&mut columns.notes) {
        reader.note(note);
    }
    if columns.split.is_none() && !headless && matches!(reader.wanted, Wanted::Targets) {
        for name in like_splits(table, found, &columns.unused)? {
            reader.note(format!(
                "the column `{name}` looks like the split, but is not used: `--set data.split_column=\"{name}\"` takes it"
            ));
        }
    }
    // A column that holds lists although it is called as one of single labels.
    if let (Some(target), Wanted::Targets, None) =
        (&mut columns.target, reader.wanted, &reader.columns.label)
        && target.task.targets() == TargetKind::Class
        && has_lists(table, found.len(), target.places[0])?
    {
        target.task = crate::TaskKind::Multilabel;
        target.form = TargetForm::Lists;
        let name = &found[target.places[0]];
        reader.note(format!(
            "`{name}` holds lists, so it is read as several labels for each image"
        ));
    }
    Ok(columns)
}

/// Those of the given columns that hold nothing but 1 and 0 (or nothing, or the -1 of a reader who was not certain).
fn indicators(
    table: &Table,
    width: usize,
    others: &[usize],
    headless: bool,
) -> Result<Vec<usize>, ManifestError> {
    if headless {
        return Ok(Vec::new());
    }
    let mut records = table.records();
    records.next(None)?;
    let mut fits = others.to_vec();
    let mut full = vec![false; width];
    while let Some((_, record)) = records.next(Some(width))? {
        fits.retain(|place| {
            let cell = record.get(*place).unwrap_or_default();
            full[*place] |= flag_of(cell) == Some(true) || full[*place];
            flag_of(cell).is_some() || matches!(cell, "" | "-1" | "-1.0")
        });
        if fits.is_empty() {
            break;
        }
    }
    // A label that no image has cannot be learned, but it is one.
    let any = fits.iter().any(|place| full[*place]);
    Ok(if any && fits.len() > 1 {
        fits
    } else {
        Vec::new()
    })
}

/// Those of the columns that hold names of splits alone, and several of them, as far as the first rows tell.
fn like_splits(
    table: &Table,
    found: &[String],
    unused: &[String],
) -> Result<Vec<String>, ManifestError> {
    let places = (0..found.len()).filter(|place| unused.contains(&found[*place]));
    let mut seen: BTreeMap<usize, BTreeSet<SplitName>> =
        places.map(|place| (place, BTreeSet::new())).collect();
    let mut records = table.records();
    records.next(None)?;
    for _ in 0..ROWS_TO_JUDGE {
        let Some((_, record)) = records.next(Some(found.len()))? else {
            break;
        };
        seen.retain(|place, splits| {
            let cell = record.get(*place).unwrap_or_default();
            let split = SplitName::of_folder(cell);
            splits.extend(split);
            split.is_some() || cell.is_empty()
        });
        if seen.is_empty() {
            break;
        }
    }
    let several = seen.into_iter().filter(|(_, splits)| splits.len() > 1);
    Ok(several.map(|(place, _)| found[place].clone()).collect())
}

/// Whether a column has a list of several labels in some cell.
fn has_lists(table: &Table, width: usize, place: usize) -> Result<bool, ManifestError> {
    let mut records = table.records();
    records.next(None)?;
    while let Some((_, record)) = records.next(Some(width))? {
        let labels = record.get(place).and_then(listed);
        if labels.is_some_and(|labels| labels.len() != 1) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The names of the columns of a table whose first line is an image's, by what they hold: a path, a split if there is one, a label.
fn without_header(
    table: &Table,
    first: &[String],
    reader: &mut RowReader,
) -> Result<Option<Vec<String>>, ManifestError> {
    let columns = reader.columns;
    let given = [&columns.path, &columns.label, &columns.labels];
    let is_path = |cell: &String| kind_of(cell) == FileKind::Image;
    let paths: Vec<usize> = (0..first.len()).filter(|at| is_path(&first[*at])).collect();
    let ([path], true) = (paths.as_slice(), given.iter().all(|name| name.is_none())) else {
        return Ok(None);
    };
    if Columns::names_a_path(first) {
        return Ok(None);
    }
    let mut split = (0..first.len()).filter(|at| at != path).collect::<Vec<_>>();
    let mut records = table.records();
    while let Some((_, record)) = records.next(Some(first.len()))? {
        let says = |cell: &str| cell.is_empty() || SplitName::of_folder(cell).is_some();
        split.retain(|at| says(record.get(*at).unwrap_or_default()));
    }
    // The only column beside the path is the label, whatever it is called.
    let split = match first.len() {
        0..=2 => None,
        _ => split.first().copied(),
    };
    let others: Vec<usize> = (0..first.len())
        .filter(|at| at != path && Some(*at) != split)
        .collect();
    let [label] = others[..] else {
        let alone = others.is_empty() && matches!(reader.wanted, Wanted::Images);
        return Ok(alone.then(|| vec!["path".to_owned()]));
    };
    let mut names = vec![String::new(); first.len()];
    "path".clone_into(&mut names[*path]);
    "label".clone_into(&mut names[label]);
    let mut told = format!(
        "column {} as the path, {} as the label",
        path + 1,
        label + 1
    );
    if let Some(split) = split {
        "split".clone_into(&mut names[split]);
        told.push_str(&format!(", {} as the split", split + 1));
    }
    reader.note(format!(
        "the first line is no header but an image's; read {told}"
    ));
    Ok(Some(names))
}
