//! Writing files so that a reader never sees half of one.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use burn::tensor::TensorData;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// A file that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// It cannot be written.
    #[error("cannot write {}: {source}; free some space or choose another place with `--runs`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// The SHA-256 of a file, in hexadecimal digits.
///
/// # Errors
///
/// It cannot be read.
pub fn sha256_of(path: &Path) -> Result<String, FileError> {
    Ok(hexadecimal(&Sha256::digest(read(path)?)))
}

/// Bytes as hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes a file whole: under another name first, then renamed. It is on the disk when this returns.
///
/// # Errors
///
/// The file cannot be written; an older one is still there then.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    replace(path, bytes, true)
}

/// As [`write_whole`], without waiting for the disk: for a file that is written again and again. Readers see the old or the new one
/// whole, also when this process is killed; when the machine stops, it may be lost.
///
/// # Errors
///
/// The file cannot be written; an older one is still there then.
pub fn write_often(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    replace(path, bytes, false)
}

fn replace(path: &Path, bytes: &[u8], wait: bool) -> Result<(), FileError> {
    let part = part_of(path);
    let write = || {
        let mut file = fs::File::create(&part)?;
        file.write_all(bytes)?;
        if wait {
            file.sync_all()?;
        }
        fs::rename(&part, path)
    };
    write().map_err(|source| {
        // What is left of a failed attempt would only take the space that is missing.
        let _ = fs::remove_file(&part);
        FileError::Write {
            path: path.into(),
            source,
        }
    })
}

fn part_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    path.with_file_name(name)
}

/// Creates a directory and those above it.
///
/// # Errors
///
/// It cannot be created.
pub fn create_directory(path: &Path) -> Result<(), FileError> {
    fs::create_dir_all(path).map_err(|source| FileError::Write {
        path: path.into(),
        source,
    })
}

/// Reads a file.
///
/// # Errors
///
/// It cannot be read.
pub fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    fs::read(path).map_err(|source| FileError::Read {
        path: path.into(),
        source,
    })
}

/// The bytes of a safetensors file with these f32 tensors, in the order of their keys, and this metadata.
///
/// The format's own writer takes the metadata from a hash map, whose order differs from run to run; the same contents shall give the
/// same bytes.
pub fn to_safetensors(
    state: &BTreeMap<String, TensorData>,
    metadata: BTreeMap<String, String>,
) -> Vec<u8> {
    let mut header = Map::from_iter([("__metadata__".to_owned(), json!(metadata))]);
    let mut end = 0;
    for (key, data) in state {
        let start = end;
        end += data.num_elements() * size_of::<f32>();
        let entry =
            json!({"dtype": "F32", "shape": data.shape().to_vec(), "data_offsets": [start, end]});
        header.insert(key.clone(), entry);
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut bytes = Vec::with_capacity(8 + header.len() + end);
    bytes.extend((header.len() as u64).to_le_bytes());
    bytes.extend(header);
    for data in state.values() {
        bytes.extend(data.iter::<f32>().flat_map(f32::to_le_bytes));
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.txt");
        write_whole(&file, b"one").unwrap();
        // A directory in the place of the part file makes the next write fail.
        fs::create_dir(folder.path().join("a.txt.part")).unwrap();
        let error = write_whole(&file, b"two").unwrap_err();
        assert!(matches!(error, FileError::Write { .. }), "{error}");
        assert_eq!(fs::read(&file).unwrap(), b"one");
    }

    #[test]
    fn tensors_come_back_as_written() {
        let state = BTreeMap::from([
            ("b".to_owned(), TensorData::new(vec![1.0f32, -2.5], [2])),
            ("a".to_owned(), TensorData::new(vec![0.5f32; 6], [2, 3])),
        ]);
        let bytes = to_safetensors(
            &state,
            BTreeMap::from(
                [("key", "value"), ("another \"key\"", "\n")]
                    .map(|(key, value)| (key.into(), value.into())),
            ),
        );
        let (read, metadata) = rekindle_backbone::read_safetensors(&bytes, "test").unwrap();
        assert_eq!(read, state);
        assert_eq!(metadata["key"], "value");
        assert_eq!(metadata.len(), 2);
        assert_eq!(bytes, to_safetensors(&state, metadata));
    }
}
