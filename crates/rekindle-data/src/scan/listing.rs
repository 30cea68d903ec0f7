//! A listing under way: which folders are splits and classes, and which images they hold.
//!
//! This file owns the layouts, the class list and the checks on them. It reads names through `walk.rs`.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use super::parts::{Part, first_with_choice, parts};
use crate::{
    ClassIndex, DataError, ImageFolder, Sample, ScanWarning, SplitName, UnknownClass,
    similar::note_similar,
    walk::{Entry, Walk},
};
use rekindle_settings::nearest;

/// A listing under way.
#[derive(Debug)]
pub(super) struct Listing {
    pub root: PathBuf,
    pub walk: Walk,
    pub classes: ClassIndex,
    pub samples: Vec<Sample>,
    pub warnings: Vec<ScanWarning>,
    /// Whether classes without images are listed too, for a check to tell of.
    pub with_empty_classes: bool,
}

impl Listing {
    pub fn new(root: &Path) -> Result<Self, DataError> {
        Ok(Self {
            root: root.to_path_buf(),
            walk: Walk::new(root)?,
            classes: ClassIndex::default(),
            samples: Vec::new(),
            warnings: Vec::new(),
            with_empty_classes: false,
        })
    }

    /// What lies at the top, without folders that hold runs of rekindle: those were written there, and are no classes.
    pub fn top(&mut self) -> Result<Vec<Entry>, DataError> {
        let mut top = self.walk.entries(Path::new(""))?;
        let mut folders = Vec::new();
        top.retain(|entry| {
            let holds = entry.is_directory && holds_runs(&self.root.join(&entry.name));
            if holds {
                folders.push(format!("`{}`", entry.name));
            }
            !holds
        });
        if !folders.is_empty() {
            self.warnings.push(ScanWarning::RunFolders { folders });
        }
        Ok(top)
    }

    /// The split folders in order of their splits, or none where the folders at the top are classes.
    pub fn split_folders(&mut self, top: &[Entry]) -> Result<Vec<Part>, DataError> {
        let parts = parts(&self.root, top)?;
        let plain = |part: &Part| {
            SplitName::is_usual(&part.name) && part.base == Path::new(part.name.as_str())
        };
        if !parts.iter().all(plain) {
            let folders = parts
                .iter()
                .map(|part| format!("`{}` ({})", part.base.display(), part.split));
            self.warnings.push(ScanWarning::SplitFolders {
                folders: folders.collect(),
            });
        }
        Ok(parts)
    }

    /// Makes the class list from the folders in `base`, and adds their images.
    pub fn add_classes_of(
        &mut self,
        base: &Path,
        split: Option<SplitName>,
        entries: Vec<Entry>,
    ) -> Result<(), DataError> {
        let names = entries
            .iter()
            .filter(|entry| entry.is_directory)
            .map(|entry| entry.name.clone())
            .collect();
        self.classes = ClassIndex::new(names)?;
        let none = self.add_known_classes_of(base, split, entries, "train/")?;
        if none {
            return Err(self.without_images(base.to_path_buf()));
        }
        let counts = self
            .classes
            .counts(self.samples.iter().filter_map(Sample::class));
        let empty = self
            .classes
            .names()
            .iter()
            .zip(&counts)
            .filter(|&(_, &count)| count == 0);
        let empty: Vec<_> = empty.map(|(name, _)| format!("`{name}`")).collect();
        if !empty.is_empty() && !self.with_empty_classes {
            return Err(DataError::EmptyClasses {
                path: self.root.join(base),
                classes: empty,
            });
        }
        if self.classes.len() < 2 {
            let class = self.classes.names()[0].clone();
            let (deeper, inner) = first_with_choice(&self.root, &base.join(&class))?;
            let error = DataError::OneClass {
                path: self.root.join(base),
                class,
                deeper: self.root.join(deeper),
                inner,
            };
            if !self.with_empty_classes {
                return Err(error);
            }
            let reason = error.to_string();
            self.warnings.push(ScanWarning::OnlyClass { reason });
        }
        let depth = base.iter().count() + 1;
        let inner = shared_subfolders(&self.samples, self.classes.len(), depth);
        if inner.len() > 1 {
            self.warnings
                .push(ScanWarning::RepeatedSubfolders { folders: inner });
        }
        Ok(())
    }

    /// Adds the images of the class folders in `base`; true when there are none.
    pub fn add_known_classes_of(
        &mut self,
        base: &Path,
        split: Option<SplitName>,
        entries: Vec<Entry>,
        known_from: &'static str,
    ) -> Result<bool, DataError> {
        let before = self.samples.len();
        let mut unknown = Vec::new();
        let mut found = Vec::new();
        let mut unclassified = 0;
        for entry in entries {
            if !entry.is_directory {
                let path = base.join(&entry.name);
                unclassified += usize::from(self.walk.take_file(&path, &entry.name));
            } else if let Some(class) = self.classes.index(&entry.name) {
                found.push((class, entry.name));
            } else {
                let nearest = nearest(&entry.name, self.classes.names()).map(str::to_owned);
                unknown.push(UnknownClass {
                    name: entry.name,
                    nearest,
                });
            }
        }
        if !unknown.is_empty() {
            return Err(DataError::UnknownClasses {
                path: self.root.join(base),
                known_from,
                classes: unknown,
            });
        }
        if unclassified > 0 {
            self.walk.skipped.unclassified += unclassified;
            self.warnings.push(ScanWarning::UnclassifiedImages {
                folder: base.to_path_buf(),
                count: unclassified,
            });
        }
        found.sort_unstable();
        let mut missing: BTreeSet<usize> = (0..self.classes.len()).collect();
        for (class, name) in found {
            let images = self.walk.images_under(&base.join(name))?;
            if !images.is_empty() {
                missing.remove(&class);
            }
            self.samples.extend(
                images
                    .into_iter()
                    .map(|path| Sample::file(path, class, split)),
            );
        }
        let none = self.samples.len() == before;
        if !none && !missing.is_empty() {
            let classes = missing
                .into_iter()
                .map(|class| format!("`{}`", self.classes.names()[class]))
                .collect();
            self.warnings
                .push(ScanWarning::MissingClasses { split, classes });
        }
        Ok(none)
    }

    /// Adds the images of the splits whose classes are known already; those of `train` are there where it named the classes.
    pub fn add_splits(
        &mut self,
        splits: &[Part],
        known_from: &'static str,
    ) -> Result<(), DataError> {
        for Part { split, base, .. } in splits {
            let split = *split;
            if split == SplitName::Train && !self.samples.is_empty() {
                continue;
            }
            let entries = self.walk.entries(base)?;
            if self.add_known_classes_of(base, Some(split), entries, known_from)? {
                self.warnings.push(ScanWarning::EmptySplit {
                    split,
                    folder: base.clone(),
                });
            }
        }
        Ok(())
    }

    /// Tells of folders and images that lie beside the split folders.
    pub fn ignore_beside_splits(&mut self, top: &[Entry], splits: &[Part]) {
        let (mut folders, mut images) = (Vec::new(), 0);
        for entry in top {
            if !entry.is_directory {
                images += usize::from(self.walk.take_file(Path::new(&entry.name), &entry.name));
            } else if !splits.iter().any(|part| part.name == entry.name) {
                folders.push(format!("`{}`", entry.name));
            }
        }
        if !folders.is_empty() {
            self.warnings.push(ScanWarning::IgnoredFolders { folders });
        }
        if images > 0 {
            self.walk.skipped.unclassified += images;
            self.warnings.push(ScanWarning::UnclassifiedImages {
                folder: PathBuf::new(),
                count: images,
            });
        }
    }

    /// The error for a folder whose class folders hold no images.
    pub fn without_images(&self, base: PathBuf) -> DataError {
        let path = self.root.join(base);
        match self.walk.skipped.unclassified {
            0 => DataError::NoImages {
                path,
                found: found(&self.walk),
            },
            images => DataError::NoClassFolders { path, images },
        }
    }

    pub fn finish(mut self, least_per_class: usize) -> ImageFolder {
        if !self.walk.skipped.unsupported.is_empty() {
            let counts = self.walk.skipped.unsupported.clone();
            self.warnings
                .push(ScanWarning::UnsupportedFormats { counts });
        }
        let cycles = self
            .walk
            .link_cycles
            .into_iter()
            .map(|path| ScanWarning::LinkCycle { path });
        self.warnings.extend(cycles);
        let mut folder = ImageFolder {
            source: self.root.clone(),
            root: self.root,
            classes: self.classes,
            samples: self.samples,
            least_per_class,
            warnings: self.warnings,
            skipped: self.walk.skipped,
            ..ImageFolder::default()
        };
        note_similar(&mut folder);
        folder
    }
}

/// Whether a folder is one of runs: something in it has a plan and a split as a run writes them.
fn holds_runs(folder: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return false;
    };
    entries.flatten().any(|entry| {
        let run = entry.path();
        run.join("plan.toml").is_file() && run.join("split.json").is_file()
    })
}

/// What a folder without images holds, in words.
pub(super) fn found(walk: &Walk) -> String {
    match walk.skipped.total() {
        0 => "it is empty".into(),
        _ => format!("it holds {}", walk.skipped),
    }
}

/// The folders that every class has directly inside it, or none when an image lies directly in a class folder. `depth` is the number of
/// parts of a class folder's path.
fn shared_subfolders(samples: &[Sample], classes: usize, depth: usize) -> Vec<String> {
    let mut folders = vec![BTreeSet::new(); classes];
    for sample in samples {
        let mut parts = sample.path.iter().skip(depth);
        let (Some(inner), Some(_)) = (parts.next(), parts.next()) else {
            return Vec::new();
        };
        if let Some(folders) = sample.class().and_then(|class| folders.get_mut(class)) {
            folders.insert(inner);
        }
    }
    let shared = folders
        .into_iter()
        .reduce(|shared, other| shared.intersection(&other).copied().collect());
    shared
        .unwrap_or_default()
        .into_iter()
        .map(|name| format!("`{}`", name.to_string_lossy()))
        .collect()
}
