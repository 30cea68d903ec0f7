//! A delimited text taken apart: which sign stands between the fields, and which lines are a row.
//!
//! Rows follow RFC 4180, as the crate `csv` reads them. A quote that was never meant to open a field would swallow the rows behind it; so
//! where a field spans lines that are whole rows by themselves, they are read as such, and the lines are told.

use std::{collections::VecDeque, path::Path};

use csv::{ErrorKind, Position, Reader, ReaderBuilder, StringRecord, Trim};

use super::ManifestError;

/// How many lines decide about the sign between the fields.
const DECIDING_LINES: usize = 50;

/// A delimited text.
#[derive(Debug)]
pub(super) struct Table<'a> {
    pub path: &'a Path,
    text: &'a str,
    delimiter: u8,
    /// Lines before the text.
    skipped: u64,
}

impl<'a> Table<'a> {
    /// A text whose fields are separated by tabs where `tabs` says so; else by what a first line `sep=;` says, as Excel writes it; else by
    /// the comma, semicolon or tab that divides all of the first lines alike.
    pub fn new(path: &'a Path, text: &'a str, tabs: bool) -> Self {
        let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
        let told = first.trim_matches(['\r', '"', ' ']);
        let prefix = told
            .get(..4)
            .filter(|start| start.eq_ignore_ascii_case("sep="));
        let told = prefix.and_then(|_| match &told.as_bytes()[4..] {
            [sign] => Some(*sign),
            [] => Some(b'\t'),
            br"\t" => Some(b'\t'),
            _ => None,
        });
        match told {
            Some(delimiter) => Self {
                path,
                text: rest,
                delimiter,
                skipped: 1,
            },
            None => Self {
                path,
                text,
                delimiter: delimiter_of(text, tabs),
                skipped: 0,
            },
        }
    }

    /// The rows from the first on.
    pub fn records(&self) -> Records<'a> {
        Records {
            path: self.path.to_path_buf(),
            text: self.text,
            delimiter: self.delimiter,
            skipped: self.skipped,
            reader: reader(self.text, self.delimiter),
            waiting: VecDeque::new(),
            stray: Vec::new(),
            spanning: 0,
        }
    }
}

/// The rows of a table, one after the other.
#[derive(Debug)]
pub(super) struct Records<'a> {
    path: std::path::PathBuf,
    text: &'a str,
    delimiter: u8,
    skipped: u64,
    reader: Reader<&'a [u8]>,
    waiting: VecDeque<(u64, StringRecord)>,
    /// First and last lines of rows that a stray quote would have made one.
    pub stray: Vec<(u64, u64)>,
    /// Rows with a field of several lines.
    pub spanning: usize,
}

impl Records<'_> {
    /// The next row with its line, trimmed; `width` is how many fields it is to have, of a header any number.
    ///
    /// # Errors
    /// Another number of fields.
    pub fn next(
        &mut self,
        width: Option<usize>,
    ) -> Result<Option<(u64, StringRecord)>, ManifestError> {
        if let Some(row) = self.waiting.pop_front() {
            return Ok(Some(row));
        }
        let mut record = StringRecord::new();
        let more = self.reader.read_record(&mut record);
        if !more.map_err(|error| self.wrong(error))? {
            return Ok(None);
        }
        let line = self.skipped + record.position().map_or(0, Position::line);
        let start = record.position().map_or(0, Position::byte) as usize;
        let end = self.reader.position().byte() as usize;
        let range = self.text.get(start..end).unwrap_or_default();
        let spans = range.trim_matches(['\r', '\n']).contains('\n');
        let width = width.unwrap_or(record.len());
        if spans {
            if let Some(rows) = self.single_lines(range, line, width) {
                let last = rows.last().map_or(line, |row| row.0);
                self.stray.push((line, last));
                self.waiting.extend(rows);
                return Ok(self.waiting.pop_front());
            }
            self.spanning += 1;
        }
        if record.len() != width {
            let mut reason = format!(
                "it has {} fields, expected {width} as in the first line; put fields that hold the separator in quotes",
                record.len()
            );
            if spans {
                let last = line + range.trim_end().matches('\n').count() as u64;
                reason.push_str(&format!(
                    "; a quote opens a field in it that goes on to line {last}"
                ));
            }
            return Err(self.line_error(line, reason));
        }
        Ok(Some((line, record)))
    }

    /// The lines of a range as rows of their own, where each of them is one.
    fn single_lines(
        &self,
        range: &str,
        first: u64,
        width: usize,
    ) -> Option<Vec<(u64, StringRecord)>> {
        // One field is any line.
        if width < 2 {
            return None;
        }
        let mut rows = Vec::new();
        for (number, line) in range.lines().enumerate() {
            if line.trim().is_empty() {
                continue;
            }
            let record = self
                .quoted(line)
                .filter(|record| record.len() == width)
                .or_else(|| Some(self.plain(line)).filter(|record| record.len() == width))?;
            rows.push((first + number as u64, record));
        }
        (rows.len() > 1).then_some(rows)
    }

    /// A line by the rules for quotes; none where one is left open.
    fn quoted(&self, line: &str) -> Option<StringRecord> {
        let mut record = StringRecord::new();
        // A field that ends with the line, and no more than that, has its quotes closed.
        let ended = format!("{line}\n\u{1}");
        let mut reader = reader(&ended, self.delimiter);
        reader.read_record(&mut record).ok()?;
        (reader.position().byte() as usize == line.len() + 1).then_some(record)
    }

    /// A line whose quotes are signs like any other, but for those around a field.
    fn plain(&self, line: &str) -> StringRecord {
        let fields = line.split(char::from(self.delimiter)).map(|field| {
            let field = field.trim();
            let field = field.strip_prefix('"').unwrap_or(field);
            field.strip_suffix('"').unwrap_or(field).trim()
        });
        fields.collect::<Vec<_>>().into()
    }

    /// What is odd about the rows that were read, in words.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if !self.stray.is_empty() {
            let ranges = self.stray.iter();
            let ranges = ranges.map(|(first, last)| format!("{first} to {last}"));
            notes.push(format!(
                "a quote opens a field and is not closed in its line, but each line is a row by itself, so they are read as rows: lines {}",
                rekindle_settings::first_ten(ranges)
            ));
        }
        if self.spanning > 0 {
            let count = self.spanning;
            notes.push(format!("rows with a field of several lines: {count}"));
        }
        notes
    }

    fn wrong(&self, error: csv::Error) -> ManifestError {
        let line = self.skipped + error.position().map_or(1, Position::line);
        match error.into_kind() {
            ErrorKind::Io(source) => ManifestError::Read {
                path: self.path.clone(),
                source,
            },
            other => self.line_error(line, format!("{other:?}")),
        }
    }

    fn line_error(&self, line: u64, reason: String) -> ManifestError {
        let path = self.path.clone();
        ManifestError::Line { path, line, reason }
    }
}

fn reader(text: &str, delimiter: u8) -> Reader<&[u8]> {
    ReaderBuilder::new()
        .delimiter(delimiter)
        .trim(Trim::All)
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes())
}

/// The sign that divides the first lines into several fields, the same number in each. Where several do, the earlier of comma, semicolon
/// and tab (tab first where tabs are expected); where none does, the semicolon if the first line has one and no comma, as spreadsheets
/// write it in countries whose numbers have a comma.
fn delimiter_of(text: &str, tabs: bool) -> u8 {
    let signs = match tabs {
        true => *b"\t,;",
        false => *b",;\t",
    };
    let divides = |sign: &u8| {
        let mut reader = reader(text, *sign);
        let mut counts = reader.records().map_while(Result::ok).map(|row| row.len());
        let first = counts.next().unwrap_or(0);
        first > 1 && counts.take(DECIDING_LINES).all(|count| count == first)
    };
    if let Some(sign) = signs.into_iter().find(divides) {
        return sign;
    }
    let first = text.lines().next().unwrap_or_default();
    match tabs {
        true => b'\t',
        false if first.contains(';') && !first.contains(',') => b';',
        false => b',',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> (Vec<Vec<String>>, Records<'_>) {
        let table = Table::new(Path::new("a.csv"), text, false);
        let mut records = table.records();
        let mut found: Vec<Vec<String>> = Vec::new();
        let mut width = None;
        while let Some((_, record)) = records.next(width).unwrap() {
            width = Some(record.len());
            found.push(record.iter().map(str::to_owned).collect());
        }
        (found, records)
    }

    #[test]
    fn the_sign_between_fields_is_found_from_all_of_the_first_lines() {
        let found = |text: &str| char::from(Table::new(Path::new("a.csv"), text, false).delimiter);
        assert_eq!(found("path,label\na;b.png,x\n"), ',');
        assert_eq!(found("path;label, new\na.png;x\nb.png;y\n"), ';');
        assert_eq!(found("path\tlabel\na.png\tx, y\n"), '\t');
        assert_eq!(found("path\na.png\n"), ',');
        assert_eq!(found("\"a,b\";c\nx;y\n"), ';');
        assert_eq!(found("sep=|\npath|label\n"), '|');
        assert_eq!(found("\"sep=;\"\r\npath;label\r\n"), ';');
    }

    #[test]
    fn a_stray_quote_swallows_no_rows() {
        let text = "note,path,label\nok,1.png,x\n\"small,2.png,x\nok,3.png,y\nbeak\" seen,4.png,y\nok,\"5, b.png\",y\n";
        let (found, records) = rows(text);
        assert_eq!(found.len(), 6);
        assert_eq!(found[2], ["small", "2.png", "x"]);
        assert_eq!(found[4], ["beak\" seen", "4.png", "y"]);
        assert_eq!(found[5], ["ok", "5, b.png", "y"]);
        assert_eq!(records.stray, [(3, 5)]);
        let (found, records) = rows("path,label\n1.png,x\n2.png,\"x\n3.png,y\n4.png,y\n");
        assert_eq!(found.len(), 5);
        assert_eq!(found[2], ["2.png", "x"]);
        assert_eq!(records.stray, [(3, 5)]);
    }

    #[test]
    fn a_field_of_several_lines_stays_one_and_is_counted() {
        let text = "path,label,note\n1.png,x,\"first\nsecond\"\n2.png,y,\n";
        let (found, records) = rows(text);
        assert_eq!(found.len(), 3);
        assert_eq!(found[1], ["1.png", "x", "first\nsecond"]);
        assert!(records.stray.is_empty());
        assert_eq!(records.spanning, 1);
        assert!(records.notes()[0].contains("several lines: 1"));
    }

    #[test]
    fn a_row_of_another_width_is_told_with_where_its_quote_ends() {
        let table = Table::new(Path::new("a.csv"), "a,b\n\"1,x\nc,2,y\n\",3\n", false);
        let mut records = table.records();
        records.next(None).unwrap();
        let result = records.next(Some(3)).unwrap_err().to_string();
        assert!(
            result.contains("line 2") && result.contains("to line 4"),
            "{result}"
        );
    }
}
