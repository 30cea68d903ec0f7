//! From rows of paths and targets, as manifests and tar shards give them, to numbered classes and ordered samples.
//!
//! This file owns the order of the samples, the class list, and the checks on rows. Reading the rows is `manifest.rs`'s and `shards.rs`'s.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use crate::names::Names;
use crate::{TargetKind, TaskKind};
use rayon::prelude::*;

use super::{
    ClassIndex, DataError, ImageFolder, ManifestError, Sample, ScanWarning, SourceKind, SplitName,
    TarMember, Target, UnknownClass,
    folder::check_class_counts,
    manifest::{TargetColumns, Wanted},
    similar::note_similar,
};
use rekindle_settings::nearest;

/// One labelled image before classes have their numbers.
#[derive(Debug, Clone)]
pub(super) struct Row {
    /// Relative to the root, without `.` parts; or absolute.
    pub path: PathBuf,
    /// With numbers of labels in the place of classes.
    pub target: Target,
    pub split: Option<SplitName>,
    pub group: Option<u32>,
    /// Its number among the frames of a sequence, where it has one.
    pub frame: Option<f64>,
    pub member: Option<u32>,
    /// Line of the manifest, from 1; 0 where there are no lines.
    pub line: u32,
}

impl Row {
    fn into_sample(self) -> Sample {
        Sample {
            path: self.path,
            target: self.target,
            split: self.split,
            group: self.group,
            member: self.member,
        }
    }
}

/// All rows of a source.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub rows: Vec<Row>,
    pub task: TaskKind,
    /// What the numbers are called, where rows have numbers.
    pub numbers: Vec<String>,
    pub labels: Names,
    pub groups: Names,
    /// Where pictures lie that are in no file of their own.
    pub members: Vec<TarMember>,
    /// The names that a file gave to its numbers of classes; empty where it gave none, so that classes are sorted as numbers.
    pub class_names: Option<Vec<String>>,
}

impl Rows {
    /// Takes in what the rows' targets are.
    pub fn set_targets(&mut self, columns: &TargetColumns, found: &[String]) {
        self.task = columns.task;
        self.numbers = columns.number_names(found);
    }

    /// The samples in their order. Where no classes are known the list is made from the labels of the training rows, sorted by their
    /// bytes, and what training needs is checked. Where the images alone are wanted, rows stay as they are.
    pub fn into_folder(
        mut self,
        source: &Path,
        kind: SourceKind,
        wanted: Wanted,
    ) -> Result<ImageFolder, DataError> {
        let known = match wanted {
            Wanted::Images => return self.into_images(source, kind),
            Wanted::Known { names, .. } => Some(names),
            Wanted::Targets => None,
        };
        if self.rows.iter().any(|row| row.split.is_some()) {
            for row in &mut self.rows {
                row.split.get_or_insert(SplitName::Train);
            }
        }
        let repeated = self.drop_repeated(source)?;
        let classes = match known {
            Some(classes) => classes.clone(),
            None => self.classes(source)?,
        };
        let numbers = self.class_numbers(source, &classes, known.is_some())?;
        let rows = &mut self.rows;
        for row in rows.iter_mut() {
            match &mut row.target {
                Target::Class(label) => *label = numbers[*label],
                Target::Labels(labels) => {
                    for label in labels.iter_mut() {
                        *label = numbers[*label as usize] as u32;
                    }
                    labels.sort_unstable();
                }
                Target::Numbers(_) => {}
            }
        }
        rows.par_sort_unstable_by(|a, b| {
            (a.split, a.target.class())
                .cmp(&(b.split, b.target.class()))
                .then_with(|| by_parts(&a.path, &b.path))
        });
        let samples = self.rows.into_iter().map(Row::into_sample);
        let mut folder = ImageFolder {
            source: source.to_path_buf(),
            kind,
            task: self.task,
            samples: samples.collect(),
            classes,
            groups: self.groups.into_names(),
            ..ImageFolder::default()
        };
        if repeated > 0 {
            let count = repeated;
            folder.warnings.push(ScanWarning::RepeatedRows { count });
        }
        note_missing_classes(&mut folder);
        note_separators(&mut folder);
        note_similar(&mut folder);
        if known.is_none() {
            folder.least_per_class = 2 - usize::from(folder.has(SplitName::Validation));
            check_class_counts(&folder, &folder.samples_of(SplitName::Train))?;
        }
        Ok(folder)
    }

    /// The folder of images alone, in the order of their rows.
    fn into_images(self, source: &Path, kind: SourceKind) -> Result<ImageFolder, DataError> {
        let path = source.to_path_buf();
        if self.rows.is_empty() {
            return Err(ManifestError::Empty { path }.into());
        }
        Ok(ImageFolder {
            source: path,
            kind,
            samples: self.rows.into_iter().map(Row::into_sample).collect(),
            ..ImageFolder::default()
        })
    }

    /// Leaves one of each set of equal rows, and counts the others; rows that contradict each other are an error.
    fn drop_repeated(&mut self, source: &Path) -> Result<usize, DataError> {
        self.rows.par_sort_unstable_by(|a, b| {
            by_parts(&a.path, &b.path).then_with(|| (a.line, a.member).cmp(&(b.line, b.member)))
        });
        let same =
            |a: &Row, b: &Row| (&a.target, a.split, a.group) == (&b.target, b.split, b.group);
        let conflicts: Vec<String> = self
            .rows
            .windows(2)
            .filter(|pair| pair[0].path == pair[1].path && !same(&pair[0], &pair[1]))
            .map(|pair| {
                let [first, second] = [0, 1].map(|at| self.described(&pair[at]));
                format!("`{}`: {first} and {second}", pair[0].path.display())
            })
            .collect();
        if !conflicts.is_empty() {
            let path = source.to_path_buf();
            return Err(ManifestError::Conflicts { path, conflicts }.into());
        }
        let before = self.rows.len();
        self.rows
            .dedup_by(|second, first| second.path == first.path);
        Ok(before - self.rows.len())
    }

    /// What a row says of its image, in words.
    fn described(&self, row: &Row) -> String {
        let label = |label: usize| format!("`{}`", self.labels.names[label]);
        let mut text = match &row.target {
            Target::Labels(labels) if labels.is_empty() => "no labels".into(),
            Target::Class(_) | Target::Labels(_) => {
                let labels = row.target.names().map(label);
                labels.collect::<Vec<_>>().join(", ")
            }
            numbers => numbers.words(&self.numbers),
        };
        if let Some(split) = row.split {
            text.push_str(&format!(" in {split}"));
        }
        if let Some(group) = row.group {
            text.push_str(&format!(
                " of group `{}`",
                self.groups.names[group as usize]
            ));
        }
        if row.line > 0 {
            text.push_str(&format!(" (line {})", row.line));
        }
        text
    }

    /// The classes of the training rows.
    pub fn classes(&self, source: &Path) -> Result<ClassIndex, DataError> {
        let path = source.to_path_buf();
        if self.rows.is_empty() {
            return Err(ManifestError::Empty { path }.into());
        }
        let training = |row: &&Row| row.split.unwrap_or(SplitName::Train) == SplitName::Train;
        if !self.rows.iter().any(|row| training(&row)) {
            return Err(ManifestError::NoTraining { path }.into());
        }
        if self.task.targets() == TargetKind::Numbers {
            return ClassIndex::new(self.numbers.clone());
        }
        let mut used = vec![false; self.labels.names.len()];
        for row in self.rows.iter().filter(training) {
            row.target.names().for_each(|label| used[label] = true);
        }
        let names = self.labels.names.iter().zip(used);
        let mut names: Vec<String> = names
            .filter(|(_, used)| *used)
            .map(|(name, _)| name.to_string())
            .collect();
        names.sort_unstable();
        if self.class_names.as_ref().is_some_and(Vec::is_empty) {
            // Those that are no numbers come first, by their bytes.
            names.sort_by_key(|name| name.parse::<i64>().ok());
        }
        match names.as_slice() {
            [] => Err(ManifestError::NoLabels { path }.into()),
            [class] if self.task.targets() == TargetKind::Class => {
                let class = class.clone();
                Err(ManifestError::OneClass { path, class }.into())
            }
            _ => ClassIndex::new(names),
        }
    }

    /// The class of each label, by the label's number.
    pub fn class_numbers(
        &self,
        source: &Path,
        classes: &ClassIndex,
        of_model: bool,
    ) -> Result<Vec<usize>, DataError> {
        let known: HashMap<&str, usize> = classes
            .names()
            .iter()
            .enumerate()
            .map(|(index, name)| (name.as_str(), index))
            .collect();
        let mut unknown = Vec::new();
        let mut numbers = Vec::with_capacity(self.labels.names.len());
        for name in &self.labels.names {
            let number = known.get(&**name).copied();
            if number.is_none() {
                unknown.push(UnknownClass {
                    name: name.to_string(),
                    nearest: nearest(name, classes.names()).map(str::to_owned),
                });
            }
            numbers.push(number.unwrap_or_default());
        }
        if self.rows.is_empty() {
            let path = source.to_path_buf();
            return Err(ManifestError::Empty { path }.into());
        }
        match unknown.is_empty() {
            true => Ok(numbers),
            false => Err(ManifestError::UnknownClasses {
                path: source.to_path_buf(),
                known_from: if of_model {
                    "the model"
                } else {
                    "the training images"
                },
                classes: unknown,
            }
            .into()),
        }
    }
}

/// Tells of classes that a split, or an evaluated source, has no images of.
fn note_missing_classes(folder: &mut ImageFolder) {
    let splits: Vec<Option<SplitName>> = match folder.samples.iter().any(|row| row.split.is_some())
    {
        true => [SplitName::Train, SplitName::Validation, SplitName::Test]
            .into_iter()
            .filter(|split| folder.has(*split))
            .map(Some)
            .collect(),
        false => vec![None],
    };
    for split in splits {
        let of_split = folder.samples.iter().filter(|sample| sample.split == split);
        let names = of_split.flat_map(|sample| sample.target.names());
        let counts = folder.classes.counts(names);
        let names = folder.classes.names().iter().zip(counts);
        let classes: Vec<String> = names
            .filter(|(_, count)| *count == 0)
            .map(|(name, _)| format!("`{name}`"))
            .collect();
        if !classes.is_empty() {
            folder
                .warnings
                .push(ScanWarning::MissingClasses { split, classes });
        }
    }
}

/// Tells of labels that look like several ones with another separator between them.
fn note_separators(folder: &mut ImageFolder) {
    if folder.task.targets() != TargetKind::Labels {
        return;
    }
    let names = folder.classes.names();
    // Words that are labels by themselves, or parts of several of them.
    let mut uses: HashMap<&str, usize> = HashMap::new();
    for word in names.iter().flat_map(|name| name.split_whitespace()) {
        *uses.entry(word).or_default() += 1;
    }
    let of_words = |name: &String| {
        let mut words = name.split_whitespace();
        words.clone().count() > 1 && words.all(|word| uses[word] > 1)
    };
    let doubtful = |name: &&String| name.contains([',', ';', '|']) || of_words(name);
    let labels = names.iter().filter(doubtful);
    let labels: Vec<String> = labels.map(|name| format!("`{name}`")).collect();
    if !labels.is_empty() {
        let warning = ScanWarning::LabelsWithSeparators { labels };
        folder.warnings.push(warning);
    }
}

/// Compares paths name by name, as a walk over folders lists them: what separates names sorts before every other byte.
fn by_parts(a: &Path, b: &Path) -> std::cmp::Ordering {
    let separator = std::path::MAIN_SEPARATOR as u8;
    let rank = |byte: &u8| if *byte == separator { 0 } else { *byte };
    let (a, b) = (
        a.as_os_str().as_encoded_bytes(),
        b.as_os_str().as_encoded_bytes(),
    );
    a.iter().map(rank).cmp(b.iter().map(rank))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(given: &[(&str, &str, Option<SplitName>)]) -> Rows {
        let mut rows = Rows::default();
        for (line, (path, label, split)) in given.iter().enumerate() {
            let label = rows.labels.number(label) as usize;
            rows.rows.push(Row {
                path: path.into(),
                target: Target::Class(label),
                split: *split,
                group: None,
                frame: None,
                member: None,
                line: line as u32 + 2,
            });
        }
        rows
    }

    fn folder(rows: Rows) -> Result<ImageFolder, DataError> {
        rows.into_folder(
            Path::new("labels.csv"),
            SourceKind::Manifest,
            Wanted::Targets,
        )
    }

    #[test]
    fn samples_come_in_the_order_in_which_folders_are_walked() {
        let folder = folder(rows(&[
            ("cat/b.png", "cat", None),
            ("cat/b/2.png", "cat", None),
            ("cat/b/10.png", "cat", None),
            ("Ox/1.png", "Ox", None),
            ("Ox/2.png", "Ox", None),
        ]))
        .unwrap();
        assert_eq!(folder.classes.names(), ["Ox", "cat"]);
        let keys: Vec<_> = folder.samples.iter().map(Sample::key).collect();
        let expected = [
            "Ox/1.png",
            "Ox/2.png",
            "cat/b/10.png",
            "cat/b/2.png",
            "cat/b.png",
        ];
        assert_eq!(keys, expected);
    }

    #[test]
    fn one_image_with_two_labels_is_an_error_and_a_repeated_row_is_told() {
        let twice = [
            ("a.png", "x", None),
            ("b.png", "y", None),
            ("a.png", "y", None),
        ];
        let error = folder(rows(&twice)).unwrap_err().to_string();
        assert!(
            error.contains("`a.png`: `x` (line 2) and `y` (line 4)"),
            "{error}"
        );

        let train = Some(SplitName::Train);
        let leak = [("a.png", "x", train), ("a.png", "x", Some(SplitName::Test))];
        let error = folder(rows(&leak)).unwrap_err().to_string();
        assert!(
            error.contains("`x` in train (line 2) and `x` in test"),
            "{error}"
        );

        let names = ["a.png", "b.png", "c.png", "d.png", "a.png"];
        let labels = ["x", "x", "y", "y", "x"];
        let given: Vec<_> = names
            .into_iter()
            .zip(labels)
            .map(|(n, l)| (n, l, None))
            .collect();
        let folder = folder(rows(&given)).unwrap();
        assert_eq!(folder.samples.len(), 4);
        assert_eq!(folder.warnings, [ScanWarning::RepeatedRows { count: 1 }]);
    }

    #[test]
    fn training_rows_name_the_classes() {
        let (train, test) = (Some(SplitName::Train), Some(SplitName::Test));
        let given = [
            ("a", "x", None),
            ("b", "y", train),
            ("c", "x", train),
            ("d", "y", train),
            ("e", "Y", test),
        ];
        let error = folder(rows(&given)).unwrap_err().to_string();
        assert!(
            error.contains("the classes of the training images: `Y` (did you mean `y`?)"),
            "{error}"
        );
        let folder = folder(rows(&given[..4])).unwrap();
        assert!(folder.samples.iter().all(|sample| sample.split == train));
        assert_eq!(folder.least_per_class, 2);
    }

    #[test]
    fn what_nothing_can_be_trained_on_says_why() {
        let error = folder(rows(&[])).unwrap_err().to_string();
        assert!(error.contains("names no images"), "{error}");
        let test = Some(SplitName::Test);
        let error = folder(rows(&[("a", "x", test)])).unwrap_err().to_string();
        assert!(error.contains("no training images"), "{error}");
        let one = [("a", "x", None), ("b", "x", None)];
        let error = folder(rows(&one)).unwrap_err().to_string();
        assert!(error.contains("one class, `x`"), "{error}");
        let few = [("a", "x", None), ("b", "y", None), ("c", "y", None)];
        let error = folder(rows(&few)).unwrap_err().to_string();
        assert!(error.contains("`x` has 1"), "{error}");
    }
}
