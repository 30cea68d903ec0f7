//! Which folders at the top are the parts of a data set and not classes.
//!
//! This file owns the rules by which names and contents decide; the words are `split_name.rs`'s. Folders are listed by walks of their own,
//! since what is hidden in them is counted when they are listed for good.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use crate::{
    DataError, SplitName,
    walk::{Entry, FileKind, Walk, is_array, kind_of},
};

/// A folder that is one part of a data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub split: SplitName,
    /// Its name, at the top.
    pub name: String,
    /// Where its class folders lie, relative to the root: the folder itself, or the only one in it that is called alike.
    pub base: PathBuf,
}

/// What a folder holds by itself.
#[derive(Debug, Default)]
pub(super) struct Inside {
    pub folders: Vec<String>,
    pub images: bool,
}

/// The split folders in order of their splits, or none where the folders at the top are classes.
///
/// Folders with one of the usual names are parts where every folder at the top has one, or where `train` has folders and another part is
/// there. Those with other names for parts (`Training`, `test_set`) are too, and beside other folders where they share folders with each
/// other. Folders in whose names a word for a part stands among others (`alphabet_train`, `alphabet_test`) are parts where all at the top
/// have the same other words, or the same folders in them.
///
/// # Errors
/// Two folders for the same part; all folders look like parts and have folders of the same names in them, but which they are is not clear.
pub(super) fn parts(root: &Path, top: &[Entry]) -> Result<Vec<Part>, DataError> {
    let folders: Vec<&String> = top
        .iter()
        .filter(|entry| entry.is_directory)
        .map(|entry| &entry.name)
        .collect();
    let part = |split: SplitName, name: &str| -> Result<Part, DataError> {
        Ok(Part {
            split,
            name: name.to_owned(),
            base: step_in(root, Path::new(name))?,
        })
    };
    let mut found = Vec::new();
    for name in &folders {
        if let Some(split) = SplitName::of_folder(name) {
            found.push(part(split, name)?);
        }
    }
    found.sort_by_key(|part| part.split);
    let all = found.len() == folders.len();
    if !all && !beside_others(root, &found)? {
        found = worded(root, &folders)?;
    }
    for pair in found.windows(2) {
        if pair[0].split == pair[1].split {
            return Err(DataError::AmbiguousSplit {
                path: root.to_path_buf(),
                split: pair[0].split,
                first: pair[0].name.clone(),
                second: pair[1].name.clone(),
            });
        }
    }
    Ok(found)
}

/// Whether parts are parts although other folders lie beside them.
fn beside_others(root: &Path, found: &[Part]) -> Result<bool, DataError> {
    let (Some(first), Some(last)) = (found.first(), found.last()) else {
        return Ok(false);
    };
    if first.split != SplitName::Train || last.split == SplitName::Train {
        return Ok(false);
    }
    if found.iter().all(|part| SplitName::is_usual(&part.name)) {
        return Ok(!inside(root, Path::new(&first.name))?.folders.is_empty());
    }
    let train = folders_of(root, first)?;
    for part in found.iter().filter(|part| part.split != SplitName::Train) {
        if !train.is_disjoint(&folders_of(root, part)?) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The parts where a word for one stands among others in the name of every folder.
fn worded(root: &Path, folders: &[&String]) -> Result<Vec<Part>, DataError> {
    let mut named = Vec::new();
    for name in folders {
        let Some((split, rest)) = SplitName::within(name) else {
            return Ok(Vec::new());
        };
        let base = step_in(root, Path::new(name))?;
        let name = (*name).clone();
        named.push((Part { split, name, base }, rest));
    }
    named.sort_by_key(|(part, _)| part.split);
    let splits: BTreeSet<SplitName> = named.iter().map(|(part, _)| part.split).collect();
    if splits.len() < 2 {
        return Ok(Vec::new());
    }
    let mut shared: Option<BTreeSet<String>> = None;
    for (part, _) in &named {
        let folders = folders_of(root, part)?;
        shared = Some(match shared {
            Some(shared) => shared.intersection(&folders).cloned().collect(),
            None => folders,
        });
    }
    let shared = shared.unwrap_or_default();
    if shared.is_empty() {
        return Ok(Vec::new());
    }
    let alike = named.windows(2).all(|pair| pair[0].1 == pair[1].1);
    let clear = splits.contains(&SplitName::Train) && splits.len() == named.len();
    if alike && clear {
        return Ok(named.into_iter().map(|(part, _)| part).collect());
    }
    let quoted = |name: &String| format!("`{name}`");
    Err(DataError::UnclearSplits {
        path: root.to_path_buf(),
        folders: folders.iter().map(|name| quoted(name)).collect(),
        shared: shared.iter().map(quoted).collect(),
    })
}

/// The names of the folders in which a part has its images.
fn folders_of(root: &Path, part: &Part) -> Result<BTreeSet<String>, DataError> {
    Ok(inside(root, &part.base)?.folders.into_iter().collect())
}

/// Where the class folders of a split folder lie: where it holds one folder called alike and no image, as archives leave it
/// (`seg_train/seg_train/forest`), in that one.
fn step_in(root: &Path, folder: &Path) -> Result<PathBuf, DataError> {
    let mut base = folder.to_path_buf();
    loop {
        let inside = inside(root, &base)?;
        let alike = |name: &&String| folder == Path::new(name.as_str());
        match (inside.folders.as_slice(), inside.images) {
            ([only], false) if alike(&only) => base.push(only),
            _ => return Ok(base),
        }
    }
}

/// What a folder holds by itself; folders first that its walk lists first.
pub(super) fn inside(root: &Path, folder: &Path) -> Result<Inside, DataError> {
    let mut inside = Inside::default();
    for entry in Walk::new(root)?.entries(folder)? {
        if entry.is_directory {
            inside.folders.push(entry.name);
        } else {
            inside.images |= kind_of(&entry.name) == FileKind::Image || is_array(&entry.name);
        }
    }
    Ok(inside)
}

/// Where the first folder lies below this one that has images or several folders in it, and which folders these are.
pub(super) fn first_with_choice(
    root: &Path,
    folder: &Path,
) -> Result<(PathBuf, Vec<String>), DataError> {
    let mut place = folder.to_path_buf();
    // A link may lead back, so the descent has an end.
    for _ in 0..32 {
        let mut inside = inside(root, &place)?;
        match (inside.folders.len(), inside.images) {
            (1, false) => place.extend(inside.folders.pop()),
            (_, false) => return Ok((place, inside.folders)),
            (_, true) => break,
        }
    }
    Ok((place, Vec::new()))
}
