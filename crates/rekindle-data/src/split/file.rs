//! The file form of a split: paths, since indices change with the folder.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::Split;
use crate::{DataError, ImageFolder};

const VERSION: u32 = 1;

/// What the file holds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SplitFile {
    version: u32,
    classes: Vec<String>,
    train: Vec<String>,
    validation: Vec<String>,
    test: Vec<String>,
}

impl Split {
    /// Writes the split to a JSON file with the classes and with paths relative to the image folder, replacing it as a whole.
    ///
    /// # Errors
    /// [`DataError::WriteSplit`].
    ///
    /// # Panics
    /// When an index is not one of `folder`'s samples.
    pub fn save(&self, folder: &ImageFolder, path: &Path) -> Result<(), DataError> {
        let keys = |indices: &[usize]| {
            indices
                .iter()
                .map(|&index| folder.samples[index].key())
                .collect()
        };
        let file = SplitFile {
            version: VERSION,
            classes: folder.classes.names().to_vec(),
            train: keys(&self.train),
            validation: keys(&self.validation),
            test: keys(&self.test),
        };
        let write = || -> io::Result<()> {
            let mut unfinished = path.as_os_str().to_owned();
            unfinished.push(".part");
            let mut out = BufWriter::new(File::create(&unfinished)?);
            serde_json::to_writer_pretty(&mut out, &file)?;
            out.write_all(b"\n")?;
            out.into_inner()?;
            fs::rename(&unfinished, path)
        };
        write().map_err(|source| DataError::WriteSplit {
            path: path.to_path_buf(),
            source,
        })
    }

    /// Reads a split that [`save`](Self::save) wrote, for the same folder or a copy of it.
    ///
    /// Also gives the indices of samples that the file does not name: images that were added since, or were skipped as unusable. They
    /// are in no part of the split.
    ///
    /// # Errors
    /// [`DataError::ReadSplit`], [`DataError::ParseSplit`] and [`DataError::SplitVersion`] for the file;
    /// [`DataError::SplitClasses`] when the folder has other classes; [`DataError::SplitMissing`] when it lacks images that the file
    /// names; [`DataError::SplitRepeated`] when an image is named twice.
    pub fn load(folder: &ImageFolder, path: &Path) -> Result<(Self, Vec<usize>), DataError> {
        let at = || PathBuf::from(path);
        let text = fs::read_to_string(path)
            .map_err(|source| DataError::ReadSplit { path: at(), source })?;
        // The version first: another one may have other fields.
        let version: SplitVersion = serde_json::from_str(&text)
            .map_err(|source| DataError::ParseSplit { path: at(), source })?;
        if version.version != VERSION {
            return Err(DataError::SplitVersion {
                path: at(),
                found: version.version,
                expected: VERSION,
            });
        }
        let file: SplitFile = serde_json::from_str(&text)
            .map_err(|source| DataError::ParseSplit { path: at(), source })?;
        if file.classes != folder.classes.names() {
            return Err(DataError::SplitClasses {
                path: at(),
                saved: file.classes,
                found: folder.classes.names().to_vec(),
            });
        }
        let mut unlisted: HashMap<String, usize> = folder
            .samples
            .iter()
            .enumerate()
            .map(|(index, sample)| (sample.key(), index))
            .collect();
        let mut seen = HashSet::new();
        let mut missing = Vec::new();
        let mut take = |keys: Vec<String>| -> Result<Vec<usize>, DataError> {
            let mut indices = Vec::with_capacity(keys.len());
            for key in keys {
                match unlisted.remove(&key) {
                    Some(index) => indices.push(index),
                    None if seen.contains(&key) => {
                        return Err(DataError::SplitRepeated {
                            path: at(),
                            image: key,
                        });
                    }
                    None => missing.push(format!("`{key}`")),
                }
                seen.insert(key);
            }
            indices.sort_unstable();
            Ok(indices)
        };
        let split = Self {
            train: take(file.train)?,
            validation: take(file.validation)?,
            test: take(file.test)?,
        };
        if !missing.is_empty() {
            return Err(DataError::SplitMissing {
                path: at(),
                missing,
            });
        }
        let mut unlisted: Vec<_> = unlisted.into_values().collect();
        unlisted.sort_unstable();
        Ok((split, unlisted))
    }
}

/// The one field that every version of the file has.
#[derive(Debug, Deserialize)]
struct SplitVersion {
    version: u32,
}
