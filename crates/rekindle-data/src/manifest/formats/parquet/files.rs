//! Which Parquet files are a data set, and which split each of them is of.

use std::path::{Path, PathBuf};

use super::ParquetRows;
use crate::manifest::list_file::ListFile;
use crate::manifest::{Manifest, PartOfData, Wanted, read_manifests};
use crate::{DataError, ImageFolder, SourceOptions, SplitName};

/// The folder in which repositories of the hub keep theirs.
const DATA: &str = "data";

/// The files that a path stands for, and the folder that they are in: a `.parquet` file; a pattern with `*` in its last part; a folder of such
/// files without folders beside them, or with `data` alone, which is such a folder. Empty for any other.
fn files_of(path: &Path) -> (PathBuf, Vec<String>) {
    let parent = || match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_path_buf(),
        _ => PathBuf::from("."),
    };
    let name = path.file_name().and_then(|name| name.to_str());
    if path.is_file() {
        let own = name.filter(|name| is_parquet(name)).map(str::to_owned);
        return (parent(), own.into_iter().collect());
    }
    if path.is_dir() {
        let (files, folders) = listed(path);
        if !files.is_empty() && folders.is_empty() {
            return (path.to_path_buf(), files);
        }
        if files.is_empty() && folders == [DATA] {
            let inner = path.join(DATA);
            let (files, folders) = listed(&inner);
            if !files.is_empty() && folders.is_empty() {
                return (inner, files);
            }
        }
        return (path.to_path_buf(), Vec::new());
    }
    match name {
        Some(pattern) if pattern.contains('*') => {
            let (mut files, _) = listed(&parent());
            files.retain(|file| fits(pattern, file));
            (parent(), files)
        }
        _ => (path.to_path_buf(), Vec::new()),
    }
}

fn is_parquet(name: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("parquet"))
}

/// Names of the Parquet files and of the folders in a folder that are not hidden, sorted.
fn listed(folder: &Path) -> (Vec<String>, Vec<String>) {
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    // What cannot be listed has none.
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if name.starts_with('.') {
            continue;
        }
        match entry.path().is_dir() {
            true => folders.push(name),
            false if is_parquet(&name) => files.push(name),
            false => {}
        }
    }
    files.sort_unstable();
    folders.sort_unstable();
    (files, folders)
}

/// Whether a name fits a pattern in which `*` stands for anything.
fn fits(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut name) = name.strip_prefix(start) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match name.find(part) {
            Some(at) => name = &name[at + part.len()..],
            None => return false,
        }
    }
    name.ends_with(last)
}

/// The split that the beginning of a name says, as `train-00000-of-00004.parquet` does.
fn split_of(name: &str) -> Option<SplitName> {
    let end = name.find(|letter: char| !letter.is_alphabetic())?;
    SplitName::of_folder(&name[..end])
}

/// Reads a Parquet file, or several as one data set; none where the path stands for something else.
///
/// # Errors
/// As [`read_manifests`](crate::manifest::read_manifests); a file is damaged, or its pictures cannot be unpacked.
pub(crate) fn read_parquet(
    path: &Path,
    options: &SourceOptions,
    wanted: Wanted,
) -> Result<Option<ImageFolder>, DataError> {
    let (root, files) = files_of(path);
    if files.is_empty() {
        return Ok(None);
    }
    let paths: Vec<PathBuf> = files.iter().map(|file| root.join(file)).collect();
    let parts: Vec<PartOfData> = files
        .iter()
        .zip(&paths)
        .map(|(name, path)| PartOfData {
            list: Manifest {
                file: ListFile {
                    path,
                    extension: "parquet".to_owned(),
                    text: String::new(),
                },
                format: &ParquetRows,
            },
            base: PathBuf::new(),
            // One file by itself is what is asked for, whatever it is called.
            split: (files.len() > 1).then(|| split_of(name)).flatten(),
        })
        .collect();
    let own = options.root.as_deref();
    read_manifests(path, own.unwrap_or(&root), &parts, options, wanted).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_takes_the_files_that_fit() {
        for (pattern, name, is_so) in [
            ("train-*.parquet", "train-00000-of-00002.parquet", true),
            ("train-*.parquet", "test-00000-of-00002.parquet", false),
            ("*", "a.parquet", true),
            ("a*b*c.parquet", "a1b2c.parquet", true),
            ("a*b*c.parquet", "a1c.parquet", false),
            ("a*.parquet", "a.parquet", true),
        ] {
            assert_eq!(fits(pattern, name), is_so, "{pattern} {name}");
        }
    }

    #[test]
    fn the_beginning_of_a_name_is_the_split() {
        assert_eq!(
            split_of("validation-00000-of-00001.parquet"),
            Some(SplitName::Validation)
        );
        assert_eq!(split_of("part-0.parquet"), None);
        assert_eq!(split_of("0000.parquet"), None);
    }
}
