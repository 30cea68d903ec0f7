//! Writing files where none may be lost.

use std::path::Path;

use rekindle_model::{FileError, write_whole};

use crate::ExportError;

/// Writes a file whole; one that is there is replaced only if asked for.
///
/// # Errors
///
/// There is one already, or it cannot be written.
pub fn write_new(path: &Path, bytes: &[u8], replace: bool) -> Result<(), ExportError> {
    refuse_existing(path, replace)?;
    write_whole(path, bytes).map_err(file_error)
}

/// An error where there is something in the place of a file that is to be written, unless it may be replaced.
///
/// # Errors
///
/// [`ExportError::Exists`].
pub(crate) fn refuse_existing(path: &Path, replace: bool) -> Result<(), ExportError> {
    // A link that leads nowhere is something, too.
    match path.symlink_metadata() {
        Ok(found) if !replace || found.is_dir() => Err(ExportError::Exists { path: path.into() }),
        _ => Ok(()),
    }
}

pub(crate) fn file_error(error: FileError) -> ExportError {
    match error {
        FileError::Write { path, source } => ExportError::File {
            doing: "write",
            path,
            source,
        },
        FileError::Read { path, source } => ExportError::File {
            doing: "read",
            path,
            source,
        },
        other => rekindle_model::ModelError::from(other).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_only_if_asked_for_and_a_folder_never() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("m.onnx");
        write_new(&file, b"one", false).unwrap();
        let error = write_new(&file, b"two", false).unwrap_err().to_string();
        assert!(error.contains("--force"), "{error}");
        assert_eq!(std::fs::read(&file).unwrap(), b"one");
        write_new(&file, b"two", true).unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"two");
        assert!(write_new(folder.path(), b"two", true).is_err());
    }
}
