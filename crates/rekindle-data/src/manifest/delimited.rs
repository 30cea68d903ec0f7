//! CSV and TSV: a header, then a row a line, fields quoted where they need it.

use std::{
    borrow::Cow,
    fs::File,
    io::{self, BufRead, BufReader, Seek},
    path::Path,
};

use csv::{ErrorKind, ReaderBuilder, StringRecord, Trim};

use crate::TargetKind;

use super::{Columns, Fields, ManifestError, RowReader};

/// Reads all rows; gives the names of the columns that are not used. Without a delimiter it is the comma, or the semicolon where the first
/// line has no comma, as spreadsheets write it in countries whose numbers have a comma.
pub(super) fn read(
    path: &Path,
    delimiter: Option<u8>,
    reader: &mut RowReader,
) -> Result<Vec<String>, ManifestError> {
    let unreadable = |source| ManifestError::Read {
        path: path.to_path_buf(),
        source,
    };
    let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
    let delimiter = match delimiter {
        Some(delimiter) => delimiter,
        None => guess(&mut file).map_err(unreadable)?,
    };
    let mut table = ReaderBuilder::new()
        .delimiter(delimiter)
        .trim(Trim::All)
        .from_reader(file);
    let wrong = |error: csv::Error| wrong(path, error);
    let header = table.headers().map_err(wrong)?;
    let found: Vec<String> = header
        .iter()
        .map(|name| name.trim_start_matches('\u{feff}').to_owned())
        .collect();
    let columns = Columns::choose(path, &found, reader.columns, reader.wanted)?;
    reader.set_targets(1, &columns, &found)?;
    let mut record = StringRecord::new();
    while table.read_record(&mut record).map_err(wrong)? {
        let at = |place: Option<usize>| {
            Cow::Borrowed(
                place
                    .and_then(|place| record.get(place))
                    .unwrap_or_default(),
            )
        };
        let cells = columns.target.iter().flat_map(|target| {
            let cell = |place: &usize| record.get(*place).unwrap_or_default();
            target.places.iter().map(cell)
        });
        let targets: Vec<Cow<str>> = match &columns.target {
            Some(target) if target.task.targets() == TargetKind::Labels => {
                let full = cells.filter(|cell| !cell.is_empty());
                full.flat_map(|cell| cell.split(reader.separator))
                    .map(|label| label.trim().into())
                    .collect()
            }
            _ => cells.map(Cow::Borrowed).collect(),
        };
        reader.take(&Fields {
            line: record.position().map_or(0, csv::Position::line),
            path: at(Some(columns.path)),
            targets,
            split: at(columns.split),
            group: at(columns.group),
        })?;
    }
    Ok(columns.unused)
}

fn guess(file: &mut BufReader<File>) -> io::Result<u8> {
    let mut first = Vec::new();
    io::Read::take(&mut *file, 1 << 16).read_until(b'\n', &mut first)?;
    file.rewind()?;
    Ok(match first.contains(&b';') && !first.contains(&b',') {
        true => b';',
        false => b',',
    })
}

fn wrong(path: &Path, error: csv::Error) -> ManifestError {
    let line = error.position().map_or(1, csv::Position::line);
    let path = path.to_path_buf();
    let reason = match error.into_kind() {
        ErrorKind::Io(source) => return ManifestError::Read { path, source },
        ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => format!(
            "it has {len} fields, expected {expected_len} as in the first line; put fields that hold the separator in quotes"
        ),
        ErrorKind::Utf8 { err, .. } => {
            format!("it is not valid UTF-8 ({err}); save the file as UTF-8")
        }
        other => format!("{other:?}"),
    };
    ManifestError::Line { path, line, reason }
}
