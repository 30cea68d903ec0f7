//! Writing files so that a reader never sees half of one.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use burn::tensor::TensorData;
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use crate::FinetuneError;

/// Writes a file whole: under another name first, then renamed.
///
/// # Errors
///
/// The file cannot be written; an older one is still there then.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), FinetuneError> {
    let part = part_of(path);
    let write = || {
        let mut file = fs::File::create(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&part, path)
    };
    write().map_err(|source| {
        // What is left of a failed attempt would only take the space that is missing.
        let _ = fs::remove_file(&part);
        FinetuneError::Write { path: path.into(), source }
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
pub fn create_directory(path: &Path) -> Result<(), FinetuneError> {
    fs::create_dir_all(path).map_err(|source| FinetuneError::Write { path: path.into(), source })
}

/// Reads a file.
///
/// # Errors
///
/// It cannot be read.
pub fn read(path: &Path) -> Result<Vec<u8>, FinetuneError> {
    fs::read(path).map_err(|source| FinetuneError::Read { path: path.into(), source })
}

/// The bytes of a safetensors file with these f32 tensors, in the order of their keys, and this metadata.
pub fn to_safetensors(state: &BTreeMap<String, TensorData>, metadata: BTreeMap<String, String>) -> Vec<u8> {
    let bytes: Vec<Vec<u8>> =
        state.values().map(|data| data.iter::<f32>().flat_map(f32::to_le_bytes).collect()).collect();
    let views = state.iter().zip(&bytes).filter_map(|((key, data), bytes)| {
        // The lengths agree by construction: four bytes for each element of the shape.
        TensorView::new(Dtype::F32, data.shape().to_vec(), bytes).ok().map(|view| (key, view))
    });
    safetensors::serialize(views, Some(metadata.into_iter().collect())).unwrap_or_default()
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
        assert!(matches!(error, FinetuneError::Write { .. }), "{error}");
        assert_eq!(fs::read(&file).unwrap(), b"one");
    }

    #[test]
    fn tensors_come_back_as_written() {
        let state = BTreeMap::from([("b".to_owned(), TensorData::new(vec![1.0f32, -2.5], [2])), ("a".to_owned(), TensorData::new(vec![0.5f32; 6], [2, 3]))]);
        let bytes = to_safetensors(&state, BTreeMap::from([("key".to_owned(), "value".to_owned())]));
        let (read, metadata) = rekindle_backbone::read_safetensors(&bytes, "test").unwrap();
        assert_eq!(read, state);
        assert_eq!(metadata["key"], "value");
        assert_eq!(bytes, to_safetensors(&state, metadata));
    }
}
