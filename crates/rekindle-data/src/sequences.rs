//! Sequences of frames: folders of pictures, or rows of a list with the columns `group` and `frame`.
//!
//! This file owns what a sequence is to the rest of the data side: one sample of a list, which is divided and counted as images are, and a
//! range of the frames. `sequences/folders.rs` makes them of folders, `sequences/rows.rs` of lists, `sequences/natural.rs` owns the order of
//! names. Nothing here opens a picture.

mod error;
mod folders;
mod natural;
mod rows;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::path::Path;

pub use error::SequenceError;
pub use natural::natural_order;

use crate::manifest::{Manifest, Wanted, read_frames};
use crate::shards::is_tar;
use crate::source::group_by_name;
use crate::{
    ClassIndex, ColumnNames, DataError, HoldOut, ImageFolder, Sample, SourceOptions, Split,
    SplitName, TaskKind,
};

/// Sequences of frames, each with a class, or without where they are to be classified.
#[derive(Debug, Clone, Default)]
pub struct Sequences {
    /// A sample for each sequence: its path is that of its folder relative to the root, or the name of its group.
    pub list: ImageFolder,
    /// The frames of all, those of a sequence one behind the other in their order. Their targets mean nothing.
    pub frames: ImageFolder,
    /// Where the frames of each sequence end.
    ends: Vec<usize>,
}

/// A sequence before all of them are in order.
#[derive(Debug)]
struct Found {
    sequence: Sample,
    frames: Vec<Sample>,
}

impl Sequences {
    /// Opens sequences with classes, to train on: a folder `CLASS/SEQUENCE/FRAME`, or `train/CLASS/SEQUENCE/FRAME` with `val` and `test`
    /// beside it, as [`scan_folder`](crate::scan_folder) knows them; or a list with the columns of the path, the label, the group, which is
    /// the sequence, and if it likes the frame, its number, and the split. A folder that holds pictures is a sequence.
    ///
    /// Frames of folders are in the [`natural_order`] of their names, those of lists in that of their numbers, or of the rows where there
    /// are none. A picture may be a frame of several sequences.
    ///
    /// # Errors
    /// As [`open_data`](crate::open_data), and [`SequenceError`].
    pub fn open(path: impl AsRef<Path>, options: &SourceOptions) -> Result<Self, DataError> {
        let mut found = open(path.as_ref(), options, Wanted::Targets)?;
        found.list.least_per_class = 2 - usize::from(found.list.has(SplitName::Validation));
        found.check_counts()?;
        Ok(found)
    }

    /// Opens sequences whose classes are known, to measure a trained model on them.
    ///
    /// # Errors
    /// As [`open`](Self::open); a class that is not one of `classes`.
    pub fn open_as(
        path: impl AsRef<Path>,
        options: &SourceOptions,
        classes: &ClassIndex,
    ) -> Result<Self, DataError> {
        let task = TaskKind::Classification;
        let names = classes;
        open(path.as_ref(), options, Wanted::Known { task, names })
    }

    /// Opens sequences without classes: every folder with pictures at or below one of these, and the sequences of lists.
    ///
    /// # Errors
    /// As [`open_unlabelled`](crate::open_unlabelled), and [`SequenceError`].
    pub fn open_unlabelled(
        paths: &[impl AsRef<Path>],
        options: &SourceOptions,
    ) -> Result<Self, DataError> {
        let mut all = Self::default();
        for path in paths {
            let path = path.as_ref();
            let found = match path.is_file() {
                true => open(path, options, Wanted::Images)?,
                false => folders::unlabelled(path)?,
            };
            let before = all.frames.samples.len();
            let root = found.frames.root.clone();
            let frames = found.frames.samples.into_iter();
            all.frames.samples.extend(frames.map(|frame| Sample {
                path: root.join(&frame.path),
                ..frame
            }));
            all.ends.extend(found.ends.iter().map(|end| before + end));
            all.list.samples.extend(found.list.samples);
            all.list.warnings.extend(found.list.warnings);
        }
        Ok(all)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The frames of a sequence: places in [`frames`](Self::frames).
    ///
    /// # Panics
    /// When there is no such sequence.
    pub fn frames_of(&self, sequence: usize) -> Range<usize> {
        let start = sequence
            .checked_sub(1)
            .map_or(0, |before| self.ends[before]);
        start..self.ends[sequence]
    }

    /// Divides the sequences, each whole, as [`Split::of_folder`] divides images: by the data's own splits where there are validation
    /// sequences, else class by class, by the hash of seed and path.
    ///
    /// # Errors
    /// As [`Split::of_folder`], and [`SequenceError::ClassesTooSmall`].
    pub fn split(&self, hold_out: impl Into<HoldOut>, seed: u64) -> Result<Split, DataError> {
        self.check_counts()?;
        let all: Vec<usize> = (0..self.len()).collect();
        Split::of_folder(&self.list, &all, hold_out, seed)
    }

    /// The same without some frames, such as those that cannot be decoded: `kept` are places in [`frames`](Self::frames), ascending.
    ///
    /// # Errors
    /// [`SequenceError::WithoutFrames`] where a sequence has none left.
    pub fn with_frames(mut self, kept: &[usize]) -> Result<Self, DataError> {
        let mut ends = Vec::with_capacity(self.len());
        for sequence in 0..self.len() {
            let range = self.frames_of(sequence);
            let count = kept.iter().filter(|frame| range.contains(frame)).count();
            if count == 0 {
                let sequence = self.list.samples[sequence].path.clone();
                return Err(SequenceError::WithoutFrames { sequence }.into());
            }
            ends.push(ends.last().unwrap_or(&0) + count);
        }
        let frames = kept.iter().map(|&frame| self.frames.samples[frame].clone());
        self.frames.samples = frames.collect();
        self.ends = ends;
        Ok(self)
    }

    fn check_counts(&self) -> Result<(), DataError> {
        let least = self.list.least_per_class;
        let counts = self
            .list
            .class_counts(&self.list.samples_of(SplitName::Train));
        let names = self.list.classes.names().iter().cloned();
        let few: Vec<(String, usize)> = names.zip(counts).filter(|few| few.1 < least).collect();
        match few.is_empty() {
            true => Ok(()),
            false => Err(SequenceError::ClassesTooSmall { least, counts: few }.into()),
        }
    }

    /// Puts sequences in the order of images: by split, class, then the natural order of their names.
    fn of(list: ImageFolder, mut found: Vec<Found>) -> Self {
        found.sort_by(|a, b| {
            let [a, b] = [a, b].map(|found| &found.sequence);
            (a.split, a.class())
                .cmp(&(b.split, b.class()))
                .then_with(|| natural_order(&a.key(), &b.key()))
        });
        let mut all = Self {
            frames: ImageFolder {
                source: list.source.clone(),
                kind: list.kind,
                root: list.root.clone(),
                ..ImageFolder::default()
            },
            list,
            ends: Vec::with_capacity(found.len()),
        };
        for one in found {
            all.list.samples.push(one.sequence);
            all.frames.samples.extend(one.frames);
            all.ends.push(all.frames.samples.len());
        }
        all
    }
}

fn open(path: &Path, options: &SourceOptions, wanted: Wanted) -> Result<Sequences, DataError> {
    let options = SourceOptions {
        columns: ColumnNames {
            of_frames: true,
            ..options.columns.clone()
        },
        ..options.clone()
    };
    let list = Manifest::open(path)?;
    if list.is_none() && path.is_file() {
        let path = path.to_path_buf();
        return Err(SequenceError::OtherFile { path }.into());
    }
    let shards =
        |entry: std::io::Result<std::fs::DirEntry>| entry.is_ok_and(|entry| is_tar(&entry.path()));
    if std::fs::read_dir(path).is_ok_and(|mut entries| entries.any(shards)) {
        let path = path.to_path_buf();
        return Err(SequenceError::OtherFile { path }.into());
    }
    let mut found = match list {
        Some(list) => {
            let (rows, root, warnings) = read_frames(list, &options, wanted)?;
            let mut found = rows::sequences(rows, path, root, wanted)?;
            found.list.warnings.extend(warnings);
            found
        }
        None => folders::labelled(path, wanted)?,
    };
    if let Some(grouping) = &options.grouping {
        group_by_name(&mut found.list, grouping);
    }
    Ok(found)
}
