//! Lists as ImageNet's: a path and the numbers of its classes in each line of a `.txt`, with blanks between them; the names of the classes
//! line by line in `synsets.txt` beside it. Names in the place of numbers will do, too.

use std::fs;

use super::{ListFile, ListFormat};
use crate::{
    manifest::{
        ManifestError, RowReader, Wanted,
        labelled::{Labelled, Unlabelled, take_all},
    },
    walk::{FileKind, kind_of},
};

/// Where the names of the classes are.
const NAMES: [&str; 3] = ["synsets.txt", "classes.txt", "labels.txt"];

/// See the file's head.
pub struct ImageNetText;

impl ListFormat for ImageNetText {
    fn recognises(&self, file: &ListFile) -> bool {
        let mut lines = file.first_lines().take(20).peekable();
        // The last line of the beginning may be cut.
        file.is_called(&["txt"])
            && lines.peek().is_some()
            && lines.all(|line| divided(line).is_some())
    }

    fn read(&self, file: &ListFile, reader: &mut RowReader) -> Result<(), ManifestError> {
        let mut rows = Vec::new();
        for (line, text) in (1..).zip(file.text.lines()) {
            if text.trim().is_empty() {
                continue;
            }
            let Some((path, labels)) = divided(text.trim()) else {
                let reason =
                    "expected the path of an image and its labels, with blanks between them";
                return Err(reader.wrong(line, reason.into()));
            };
            rows.push(Labelled {
                line,
                path: path.to_owned(),
                labels: labels.split_whitespace().map(str::to_owned).collect(),
                split: String::new(),
            });
        }
        if !matches!(reader.wanted, Wanted::Images) {
            name(file, &mut rows, reader)?;
        }
        take_all(
            reader,
            rows,
            Unlabelled::HasNone,
            "the labels behind the paths",
        )
    }
}

/// The path at the beginning of a line, in quotes or up to the first blank behind the ending of an image, and the rest.
fn divided(line: &str) -> Option<(&str, &str)> {
    if let Some((path, rest)) = line.strip_prefix('"').and_then(|rest| rest.split_once('"')) {
        return (kind_of(path) == FileKind::Image).then_some((path, rest));
    }
    let ends = line.match_indices([' ', '\t']).map(|(end, _)| end);
    let end = ends
        .chain([line.len()])
        .find(|end| kind_of(&line[..*end]) == FileKind::Image)?;
    Some((&line[..end], &line[end..]))
}

/// Puts the classes' names in the place of their numbers, where a file beside the list has them.
fn name(
    file: &ListFile,
    rows: &mut [Labelled],
    reader: &mut RowReader,
) -> Result<(), ManifestError> {
    let number = |label: &String| label.parse::<usize>().ok();
    if !rows
        .iter()
        .flat_map(|row| &row.labels)
        .all(|label| number(label).is_some())
    {
        return Ok(());
    }
    let beside = NAMES.map(|name| file.path.with_file_name(name));
    let Some(place) = beside.iter().find(|place| place.is_file()) else {
        reader.note(
            "classes are called by their numbers, since no synsets.txt lies beside the list".into(),
        );
        return Ok(());
    };
    let text = fs::read_to_string(place).map_err(|source| ManifestError::Read {
        path: place.clone(),
        source,
    })?;
    let names: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    for row in rows {
        let line = row.line;
        for label in &mut row.labels {
            let known = number(label).and_then(|number| names.get(number));
            let Some(known) = known else {
                let reason = format!(
                    "the class {label} is not among the {} of `{}`",
                    names.len(),
                    place.display()
                );
                return Err(reader.wrong(line, reason));
            };
            (*known).clone_into(label);
        }
    }
    reader.note(format!(
        "the names of the classes are from `{}`",
        place.display()
    ));
    Ok(())
}
