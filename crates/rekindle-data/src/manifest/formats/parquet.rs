//! Parquet: data sets of the Hugging Face hub with their pictures in them, and tables of paths.
//!
//! This file owns what the columns of such a file mean: which one holds the pictures, and which names its numbers of classes have. What a
//! row means beyond that is the same as in JSON Lines. `parquet/unpacked.rs` makes the pictures readable by their place, `parquet/cells.rs`
//! takes values apart, `parquet/files.rs` says which files are a data set.
//!
//! Source: the features that `datasets` 5.2.0 writes into a file's metadata under `huggingface`.

mod cells;
pub(in crate::manifest) mod files;
mod names;
#[cfg(test)]
mod tests;
mod unpacked;

use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Component, Path};

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::schema::types::Type;
use serde_json::{Map, Value};

use self::cells::{ImageColumn, without_images};
use self::names::Features;
use self::unpacked::Unpacked;
use super::json_lines::Objects;
use super::{ListFile, ListFormat};
use crate::manifest::{ManifestError, RowReader, Wanted};

/// A row's values by the names of their columns.
type Object = Map<String, Value>;

/// Rows that are taken apart at once: a picture may have megabytes.
const BATCH: usize = 64;

/// See the file's head.
pub struct ParquetRows;

impl ListFormat for ParquetRows {
    fn recognises(&self, file: &ListFile) -> bool {
        file.is_called(&["parquet"])
    }

    fn read(&self, file: &ListFile, reader: &mut RowReader) -> Result<(), ManifestError> {
        // What it leaves half done is dropped with the error.
        let read = catch_unwind(AssertUnwindSafe(|| read(file, reader)));
        read.unwrap_or_else(|_| {
            let reason = "its reader stopped with an error of its own; the file may be damaged";
            Err(cannot(file.path, reason))
        })
    }
}

fn read(file: &ListFile, reader: &mut RowReader) -> Result<(), ManifestError> {
    let table = open(file.path)?;
    let metadata = table.metadata().file_metadata();
    let features = Features::of(metadata);
    let root = metadata.schema();
    let image = ImageColumn::find(root, &features, reader.columns.path.as_deref());
    let Some(image) = image else {
        // A table of paths, as a CSV is one.
        let objects = objects(file.path, &table, None)?;
        let place = |_: usize, _: &mut Object| Ok(Place::Named);
        return take_rows(objects, &features, reader, Objects::default(), place);
    };
    let unpacked = Unpacked::open(file.path, &table, &image, reader.cache_directory)?;
    let projection = without_images(root, &image);
    let rows: Box<dyn Iterator<Item = Result<Object, ManifestError>>> =
        match projection.get_fields().is_empty() {
            // Nothing but pictures.
            true => Box::new((0..unpacked.rows()).map(|_| Ok(Object::new()))),
            false => Box::new(objects(file.path, &table, Some(projection))?),
        };
    let key = image.name.clone();
    let file_name = file.path.file_name().unwrap_or_default().to_string_lossy();
    let folder = file.path.parent().unwrap_or(Path::new(""));
    let mut absent = 0;
    let mut read = 0;
    let taken = Objects::with_path_key(key.clone());
    take_rows(rows, &features, reader, taken, |row, object| {
        read += 1;
        let named = match object.get(&key) {
            Some(Value::Object(parts)) => parts.get("path").and_then(Value::as_str),
            _ => None,
        };
        let named = named.unwrap_or_default().to_owned();
        if let Some(member) = unpacked.member(row) {
            // Names may be missing, or the same in several rows.
            let last = named.rsplit(['/', '\\']).next().unwrap_or_default();
            let name = match last {
                "" => format!("{file_name}/{row:06}"),
                last => format!("{file_name}/{row:06}_{last}"),
            };
            object.insert(key.clone(), Value::String(name));
            return Ok(Place::Inside(member));
        }
        if named.is_empty() {
            return Ok(Place::Nowhere);
        }
        // Nothing outside of the file's own folder.
        let parts = Path::new(&named).components();
        let is_below = parts
            .into_iter()
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !is_below || !folder.join(&named).is_file() {
            absent += 1;
            return Ok(Place::Nowhere);
        }
        object.insert(key.clone(), Value::String(named));
        Ok(Place::Named)
    })?;
    if absent > 0 {
        let reason = format!(
            "it holds paths, and no pictures, in {absent} of {read} rows, and no files have these paths here; save it with the \
                 pictures in, as `push_to_hub` and `to_parquet` of `datasets` do where the files are there"
        );
        return Err(reader.wrong(1, reason));
    }
    Ok(())
}

/// Where the picture of a row is.
enum Place {
    /// In a file with the path that the row says.
    Named,
    Inside(crate::TarMember),
    Nowhere,
}

fn open(path: &Path) -> Result<SerializedFileReader<File>, ManifestError> {
    let file = File::open(path).map_err(|source| ManifestError::Read {
        path: path.to_path_buf(),
        source,
    })?;
    SerializedFileReader::new(file).map_err(|error| cannot(path, error))
}

fn cannot(path: &Path, error: impl std::fmt::Display) -> ManifestError {
    ManifestError::Read {
        path: path.to_path_buf(),
        source: io::Error::other(format!("as a Parquet file: {error}")),
    }
}

/// The rows of the columns of `projection`, or of all.
fn objects<'t>(
    path: &'t Path,
    table: &'t SerializedFileReader<File>,
    projection: Option<Type>,
) -> Result<impl Iterator<Item = Result<Object, ManifestError>> + 't, ManifestError> {
    let rows = RowIter::from_file(projection, table).map_err(|error| cannot(path, error))?;
    let rows = rows.with_batch_size(BATCH);
    Ok(rows.map(move |row| match row {
        Ok(row) => Ok(cells::object(row)),
        Err(error) => Err(cannot(path, error)),
    }))
}

/// Takes in all rows; `place` says where each one's picture is, and puts its path into the object.
fn take_rows(
    rows: impl Iterator<Item = Result<Object, ManifestError>>,
    features: &Features,
    reader: &mut RowReader,
    mut objects: Objects,
    mut place: impl FnMut(usize, &mut Object) -> Result<Place, ManifestError>,
) -> Result<(), ManifestError> {
    let (mut unlabelled, mut nowhere) = (0, 0);
    for (number, object) in rows.enumerate() {
        let mut object = object?;
        let line = number as u64 + 1;
        features
            .put_names(&mut object, reader, line)
            .map_err(|reason| reader.wrong(line, reason))?;
        let member = match place(number, &mut object)? {
            Place::Named => None,
            Place::Inside(member) => Some(member),
            Place::Nowhere => {
                nowhere += 1;
                continue;
            }
        };
        if !matches!(reader.wanted, Wanted::Images) && features.has_no_label(&object, reader) {
            unlabelled += 1;
            continue;
        }
        objects.take(line, &object, reader)?;
        if let (Some(member), Some(row)) = (member, reader.rows.rows.last_mut()) {
            // No list in memory has 2^32 images.
            row.member = Some(reader.rows.members.len() as u32);
            reader.rows.members.push(member);
        }
    }
    reader.leave_out("without a label", unlabelled);
    reader.leave_out("without a picture", nowhere);
    objects.finish(reader);
    Ok(())
}
