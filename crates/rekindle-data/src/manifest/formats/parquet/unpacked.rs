//! Where the pictures of a Parquet file lie.
//!
//! A column that is packed is packed by pages of hundreds of pictures, so to read one of them is to unpack all of its page. `datasets` leaves
//! pictures as they are since version 4: each of them then has its place in the Parquet file itself. Those of other files are unpacked once,
//! into the cache, and read from there. Either way the places are kept in the cache. This file owns what is kept: the pictures, where they
//! were unpacked; first byte and length of each (all bits set for none); how many there are and a mark, which says in which of the two files
//! they are.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use parquet::basic::Compression;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row};

use super::cells::{ImageColumn, images_alone};
use super::{BATCH, cannot};
use crate::cache::{hash_content, unpacked_path};
use crate::manifest::ManifestError;
use crate::{TarMember, default_cache_directory};

/// The pictures are in the kept file.
const UNPACKED: &[u8; 8] = b"rkparq01";
/// They are in the Parquet file.
const IN_PLACE: &[u8; 8] = b"rkparq02";
/// Bytes between two pictures, of the heads of pages, in which the next one is looked for.
const BETWEEN: usize = 1 << 20;
/// The length of a picture that is not there.
const NONE: u64 = u64::MAX;
/// Most bytes of a file's end that are looked at to know it again.
const MOST_END: u64 = 4 << 20;

/// The places of the pictures of a file.
pub(super) struct Unpacked {
    file: Arc<Path>,
    /// First byte and length of each; no length for one that is not there.
    places: Vec<(u64, u64)>,
}

impl Unpacked {
    /// Unpacks the pictures of a file, unless the cache has them.
    pub(super) fn open(
        path: &Path,
        table: &SerializedFileReader<File>,
        image: &ImageColumn,
        cache: Option<&Path>,
    ) -> Result<Self, ManifestError> {
        let fail = |source| ManifestError::Read {
            path: path.to_path_buf(),
            source,
        };
        let cache = cache
            .map(Path::to_path_buf)
            .or_else(default_cache_directory);
        let Some(cache) = cache else {
            return Err(fail(io::Error::other(
                "its pictures have to be unpacked, and no place for that is known; set `data.cache_directory`",
            )));
        };
        let name = identity(path, image).map_err(fail)?;
        let target = unpacked_path(&cache, name);
        let (is_in_place, places) = match places_in(&target) {
            Some(found) => found,
            None => {
                keep(path, table, image, &target)?;
                places_in(&target).ok_or_else(|| {
                    fail(io::Error::other(format!(
                        "its pictures were unpacked to `{}`, which cannot be read",
                        target.display()
                    )))
                })?
            }
        };
        Ok(Self {
            file: match is_in_place {
                true => Arc::from(path),
                false => Arc::from(target),
            },
            places,
        })
    }

    /// How many rows there are.
    pub(super) fn rows(&self) -> usize {
        self.places.len()
    }

    /// The picture of a row; none where it has none.
    pub(super) fn member(&self, row: usize) -> Option<TarMember> {
        let (offset, length) = *self.places.get(row)?;
        (length != NONE).then(|| TarMember {
            shard: Arc::clone(&self.file),
            offset,
            length,
        })
    }
}

/// What tells a file's pictures apart from another's: its size, when it was written, its end, in which the places, sizes and bounds of all
/// pages stand, and some of the rest.
fn identity(path: &Path, image: &ImageColumn) -> io::Result<u128> {
    let mut file = File::open(path)?;
    let about = file.metadata()?;
    let size = about.len();
    let written = about.modified().ok();
    let written = written.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let mut tail = [0; 8];
    file.seek(SeekFrom::Start(size.saturating_sub(8)))?;
    file.read_exact(&mut tail)?;
    let [a, b, c, d, ..] = tail;
    let footer = u64::from(u32::from_le_bytes([a, b, c, d])) + 8;
    let start = size.saturating_sub(footer.min(MOST_END));
    file.seek(SeekFrom::Start(start))?;
    let mut end = Vec::new();
    file.read_to_end(&mut end)?;
    // Of the pictures themselves, where a copy keeps the time of another file.
    let mut sample = vec![0; 4096];
    for step in 0..16 {
        file.seek(SeekFrom::Start(start / 16 * step))?;
        let read = file.read(&mut sample)?;
        end.extend_from_slice(&sample[..read]);
    }
    end.extend_from_slice(&size.to_le_bytes());
    end.extend_from_slice(&written.unwrap_or_default().as_nanos().to_le_bytes());
    end.extend_from_slice(image.name.as_bytes());
    Ok(hash_content(&end))
}

/// The places that a kept file says, and whether they are in the Parquet file; none where it is not there, or not whole.
fn places_in(path: &Path) -> Option<(bool, Vec<(u64, u64)>)> {
    let mut file = File::open(path).ok()?;
    let size = file.metadata().ok()?.len();
    let mut tail = [0; 16];
    file.seek(SeekFrom::Start(size.checked_sub(16)?)).ok()?;
    file.read_exact(&mut tail).ok()?;
    let (count, mark) = tail.split_at(8);
    let is_in_place = mark == IN_PLACE;
    if !is_in_place && mark != UNPACKED {
        return None;
    }
    let count = u64::from_le_bytes(count.try_into().ok()?);
    let start = (size - 16).checked_sub(count.checked_mul(16)?)?;
    file.seek(SeekFrom::Start(start)).ok()?;
    let mut pairs = Vec::new();
    file.take(16 * count).read_to_end(&mut pairs).ok()?;
    let number = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
    let pairs = pairs.as_chunks::<8>().0.as_chunks::<2>().0;
    let places = pairs
        .iter()
        .map(|[offset, length]| (number(offset), number(length)));
    Some((is_in_place, places.collect()))
}

/// Writes what is kept of a file to `target`, by another name first.
fn keep(
    path: &Path,
    table: &SerializedFileReader<File>,
    image: &ImageColumn,
    target: &Path,
) -> Result<(), ManifestError> {
    let fail = |source: io::Error| ManifestError::Read {
        path: path.to_path_buf(),
        source: io::Error::new(
            source.kind(),
            format!(
                "its pictures cannot be unpacked to `{}`: {source}; set `data.cache_directory` to a place with room",
                target.display()
            ),
        ),
    };
    let part = PathBuf::from(format!("{}.{}.part", target.display(), std::process::id()));
    if let Some(folder) = target.parent() {
        fs::create_dir_all(folder).map_err(fail)?;
    }
    let mut output = BufWriter::new(File::create(&part).map_err(fail)?);
    let mut write = || {
        let (places, mark) = match in_place(path, table, image)? {
            Some(places) => (places, IN_PLACE),
            None => {
                let (mut places, mut end) = (Vec::new(), 0);
                for row in rows(path, table, image)? {
                    let row = row.map_err(|error| cannot(path, error))?;
                    let Some(bytes) = bytes_of(row) else {
                        places.push((0, NONE));
                        continue;
                    };
                    output.write_all(&bytes).map_err(fail)?;
                    let length = bytes.len() as u64;
                    places.push((end, length));
                    end += length;
                }
                (places, UNPACKED)
            }
        };
        for number in places.iter().flat_map(|(offset, length)| [offset, length]) {
            output.write_all(&number.to_le_bytes()).map_err(fail)?;
        }
        let count = places.len() as u64;
        output.write_all(&count.to_le_bytes()).map_err(fail)?;
        output.write_all(mark).map_err(fail)?;
        output.flush().map_err(fail)
    };
    let written = write().and_then(|()| fs::rename(&part, target).map_err(fail));
    if written.is_err() {
        // What cannot be removed is found by its age later.
        let _ = fs::remove_file(&part);
    }
    written
}

fn rows<'t>(
    path: &Path,
    table: &'t SerializedFileReader<File>,
    image: &ImageColumn,
) -> Result<RowIter<'t>, ManifestError> {
    let root = table.metadata().file_metadata().schema();
    let rows = RowIter::from_file(Some(images_alone(root, image)), table);
    Ok(rows
        .map_err(|error| cannot(path, error))?
        .with_batch_size(BATCH))
}

/// The places of the pictures in the Parquet file itself, each of which was compared with the picture; none where one is not there as it is.
///
/// Source: Parquet's plain encoding: the length in four bytes, the lowest first, and the bytes; in between stand the heads of pages.
fn in_place(
    path: &Path,
    table: &SerializedFileReader<File>,
    image: &ImageColumn,
) -> Result<Option<Vec<(u64, u64)>>, ManifestError> {
    let own = |column: &&ColumnChunkMetaData| {
        let parts = column.column_path().parts();
        parts.first().is_some_and(|first| *first == image.name)
            && (!image.is_structure || parts.get(1).is_some_and(|part| part == "bytes"))
    };
    let groups = table.metadata().row_groups();
    let columns = groups.iter().map(|group| group.columns().iter().find(own));
    let Some(columns) = columns.collect::<Option<Vec<&ColumnChunkMetaData>>>() else {
        return Ok(None);
    };
    let is_plain = |column: &&ColumnChunkMetaData| {
        column.compression() == Compression::UNCOMPRESSED
            && column.dictionary_page_offset().is_none()
    };
    if !columns.iter().all(is_plain) {
        return Ok(None);
    }
    let fail = |source| ManifestError::Read {
        path: path.to_path_buf(),
        source,
    };
    let mut file = File::open(path).map_err(fail)?;
    let mut starts = groups.iter().zip(&columns);
    let (mut left, mut at) = (0, 0);
    let mut places = Vec::new();
    for row in rows(path, table, image)? {
        while left == 0 {
            let Some((group, column)) = starts.next() else {
                return Ok(None);
            };
            left = group.num_rows();
            at = u64::try_from(column.data_page_offset()).unwrap_or(0);
        }
        left -= 1;
        let Some(bytes) = bytes_of(row.map_err(|error| cannot(path, error))?) else {
            places.push((0, NONE));
            continue;
        };
        match find(&mut file, at, &bytes).map_err(fail)? {
            Some(place) => {
                let length = bytes.len() as u64;
                places.push((place, length));
                at = place + length;
            }
            None => return Ok(None),
        }
    }
    Ok(Some(places))
}

/// Where these bytes stand with their length before them, not far behind a place.
fn find(file: &mut File, from: u64, bytes: &[u8]) -> io::Result<Option<u64>> {
    let Ok(length) = u32::try_from(bytes.len()) else {
        return Ok(None);
    };
    let mut pattern = length.to_le_bytes().to_vec();
    pattern.extend(&bytes[..bytes.len().min(64)]);
    let mut window = Vec::new();
    for size in [pattern.len(), 1 << 14, BETWEEN] {
        file.seek(SeekFrom::Start(from))?;
        window.clear();
        Read::by_ref(file)
            .take(size as u64)
            .read_to_end(&mut window)?;
        let places = window.windows(pattern.len()).enumerate();
        for (at, _) in places.filter(|(_, part)| *part == pattern) {
            let place = from + at as u64 + 4;
            let mut found = vec![0; bytes.len()];
            file.seek(SeekFrom::Start(place))?;
            if file.read_exact(&mut found).is_ok() && found == bytes {
                return Ok(Some(place));
            }
        }
    }
    Ok(None)
}

/// The bytes of the only column of a row, or of the structure in it.
fn bytes_of(row: Row) -> Option<Vec<u8>> {
    match row.into_columns().into_iter().next()?.1 {
        Field::Bytes(bytes) => Some(bytes.data().to_vec()),
        Field::Group(row) => bytes_of(row),
        _ => None,
    }
}
