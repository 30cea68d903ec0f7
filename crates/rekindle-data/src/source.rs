//! Opens labelled images of any kind: a folder with class folders, a manifest, or tar shards.
//!
//! This file owns the choice among them, and groups that come from file names. The readers are `scan.rs`, `manifest.rs` and `shards.rs`.

use std::path::{Path, PathBuf};

use crate::TaskKind;

use crate::source_options::{NameGrouping, SourceOptions};

#[cfg(feature = "parquet")]
use super::manifest::read_parquet;
use super::{
    ClassIndex, DataError, ImageFolder, ManifestError, Sample, ScanWarning, ShardError, SourceKind,
    SplitName,
    beside::read_beside,
    manifest::{Manifest, Wanted, read_manifest},
    names::Names,
    scan_folder, scan_folder_as, scan_folder_to_check,
    shards::{is_tar, read_shards},
};

/// Opens labelled images for training: a folder as [`scan_folder`] knows it, or with a list beside its pictures; a manifest (`.csv`, `.tsv`,
/// `.jsonl` or `.ndjson`; `.json`, `.lst` or `.txt` of one of the forms in `manifest/formats.rs`); a `.tar` file or a folder of them.
///
/// # Errors
/// As [`scan_folder`], [`ManifestError`](super::ManifestError) and [`ShardError`]; a file of another kind; options that the source has no
/// use for.
pub fn open_data(
    path: impl AsRef<Path>,
    options: &SourceOptions,
) -> Result<ImageFolder, DataError> {
    open(path.as_ref(), options, Wanted::Targets)
}

/// As [`open_data`], but a class folder of one image or none is no error, nor is a class without another: for a check that tells of them.
///
/// # Errors
/// As [`open_data`] and [`scan_folder_to_check`].
pub fn open_data_to_check(
    path: impl AsRef<Path>,
    options: &SourceOptions,
) -> Result<ImageFolder, DataError> {
    let path = path.as_ref();
    let opened = open_data(path, options);
    match opened {
        Err(
            DataError::ClassesTooSmall { .. }
            | DataError::EmptyClasses { .. }
            | DataError::OneClass { .. },
        ) if path.is_dir() => {
            let mut folder = scan_folder_to_check(path)?;
            if let Some(grouping) = &options.grouping {
                group_by_name(&mut folder, grouping);
            }
            Ok(folder)
        }
        Err(DataError::Manifest(ManifestError::OneClass { path: list, class })) => {
            let classes = ClassIndex::new(vec![class.clone()])?;
            let mut folder = open_data_as(path, options, TaskKind::Classification, &classes)?;
            let reason = ManifestError::OneClass { path: list, class }.to_string();
            folder.warnings.push(ScanWarning::OnlyClass { reason });
            Ok(folder)
        }
        opened => opened,
    }
}

/// Opens images whose classes, labels or numbers are known, to evaluate a trained model on them.
///
/// # Errors
/// As [`open_data`] and [`scan_folder_as`]; a label that is not in `classes`, a number that the data has not, a folder for a model of
/// another task than classification.
pub fn open_data_as(
    path: impl AsRef<Path>,
    options: &SourceOptions,
    task: TaskKind,
    classes: &ClassIndex,
) -> Result<ImageFolder, DataError> {
    let names = classes;
    if task == TaskKind::Ordinal {
        // Levels are classes, whose order the model knows.
        let task = TaskKind::Classification;
        let mut folder = open(path.as_ref(), options, Wanted::Known { task, names })?;
        folder.task = TaskKind::Ordinal;
        return Ok(folder);
    }
    open(path.as_ref(), options, Wanted::Known { task, names })
}

fn open(path: &Path, options: &SourceOptions, wanted: Wanted) -> Result<ImageFolder, DataError> {
    #[cfg(feature = "parquet")]
    let table = read_parquet(path, options, wanted)?;
    #[cfg(not(feature = "parquet"))]
    let table: Option<ImageFolder> = None;
    let list = match table {
        Some(_) => None,
        None => Manifest::open(path)?,
    };
    let shards = match (&list, path.is_dir() || (path.is_file() && is_tar(path))) {
        (None, true) if table.is_none() => read_shards(path, &options.columns, wanted)?,
        _ => None,
    };
    let shards = table.or(shards);
    let beside = match (&list, &shards, path.is_dir()) {
        (None, None, true) => read_beside(path, options, wanted)?,
        _ => None,
    };
    let mut folder = match (list, shards.or(beside)) {
        (Some(list), _) => read_manifest(list, options, wanted)?,
        (None, Some(folder)) => folder,
        (None, None) => {
            refuse_elsewhere(path)?;
            if path.is_file() {
                return Err(other_file(path));
            }
            match wanted {
                Wanted::Known {
                    task: TaskKind::Classification,
                    names,
                } => scan_folder_as(path, names)?,
                Wanted::Known { task, .. } if path.is_dir() => {
                    return Err(DataError::OtherTask {
                        path: path.to_path_buf(),
                        found: TaskKind::Classification,
                        expected: task,
                    });
                }
                _ => scan_folder(path)?,
            }
        }
    };
    if let Wanted::Known { task, .. } = wanted
        && task != folder.task
    {
        return Err(DataError::OtherTask {
            path: path.to_path_buf(),
            found: folder.task,
            expected: task,
        });
    }
    check_use(&folder, options)?;
    if let Some(grouping) = &options.grouping {
        group_by_name(&mut folder, grouping);
    }
    let across = groups_across_splits(&folder);
    if !across.is_empty() {
        let groups = across;
        folder
            .warnings
            .push(ScanWarning::GroupsAcrossSplits { groups });
    }
    Ok(folder)
}

/// Refuses what `datasets` keeps its data in, by name and with a way on.
fn refuse_elsewhere(path: &Path) -> Result<(), DataError> {
    let ends = |path: &Path, end: &str| path.extension().is_some_and(|extension| extension == end);
    let found: Vec<PathBuf> = match path.is_dir() {
        true => {
            let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
            entries.map(|entry| entry.path()).collect()
        }
        false => vec![path.to_path_buf()],
    };
    let there = |name: &str| found.iter().any(|file| file.ends_with(name));
    let saved = there("state.json") && there("dataset_info.json");
    let what = if saved || there("dataset_dict.json") {
        "a data set saved by Hugging Face's save_to_disk"
    } else if !found.is_empty() && found.iter().any(|file| ends(file, "parquet")) {
        match path.is_dir() {
            // Class folders beside a Parquet file are what they are.
            true if found.iter().any(|entry| entry.is_dir()) => return Ok(()),
            true => "a folder of Parquet files",
            false => "a Parquet file",
        }
    } else if !path.is_dir() && ends(path, "arrow") {
        "an Arrow file"
    } else {
        return Ok(());
    };
    let load = match what.contains("Parquet") {
        true => "load_dataset(\"parquet\", data_files=..)",
        false => "load_from_disk(..)",
    };
    Err(DataError::KeptElsewhere {
        path: path.to_path_buf(),
        what,
        load,
    })
}

fn other_file(path: &Path) -> DataError {
    let path = path.to_path_buf();
    let name = path.to_string_lossy().to_lowercase();
    let compressed = [".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst"];
    match compressed.iter().any(|end| name.ends_with(end)) {
        true => ShardError::Compressed { path }.into(),
        false => DataError::UnknownSource { path },
    }
}

/// Refuses settings that the source has no use for, since what they were meant to do is not done.
fn check_use(folder: &ImageFolder, options: &SourceOptions) -> Result<(), DataError> {
    let columns = &options.columns;
    let manifest = folder.kind == SourceKind::Manifest;
    let labelled = folder.kind != SourceKind::Folder;
    let settings = [
        ("data.root", options.root.is_some(), manifest),
        ("data.path_column", columns.path.is_some(), manifest),
        ("data.label_column", columns.label.is_some(), labelled),
        ("data.labels_column", columns.labels.is_some(), labelled),
        (
            "data.label_columns",
            !columns.indicators.is_empty(),
            manifest,
        ),
        ("data.path_prefix", options.path_prefix.is_some(), manifest),
        ("data.suffix", options.suffix.is_some(), manifest),
        ("data.number_columns", !columns.numbers.is_empty(), labelled),
        ("data.split_column", columns.split.is_some(), labelled),
        ("data.group_column", columns.group.is_some(), labelled),
    ];
    for (key, set, used) in settings {
        if set && !used {
            let path = folder.source.clone();
            return Err(DataError::UnusedSetting { path, key });
        }
    }
    Ok(())
}

pub(crate) fn group_by_name(folder: &mut ImageFolder, grouping: &NameGrouping) {
    let mut names = Names::default();
    for sample in &mut folder.samples {
        sample.group = Some(names.number(group_of_name(sample, &grouping.separator)));
    }
    folder.groups = names.into_names();
}

fn group_of_name<'a>(sample: &'a Sample, separator: &str) -> &'a str {
    let stem = sample.path.file_stem().and_then(|stem| stem.to_str());
    let stem = stem.unwrap_or_default();
    match stem.split_once(separator) {
        Some((group, _)) if !group.is_empty() => group,
        _ => stem,
    }
}

/// Groups with images in more than one split that the data itself has.
fn groups_across_splits(folder: &ImageFolder) -> Vec<String> {
    let mut seen: Vec<Option<SplitName>> = vec![None; folder.groups.len()];
    let mut across = std::collections::BTreeSet::new();
    for sample in &folder.samples {
        let (Some(group), Some(split)) = (sample.group, sample.split) else {
            continue;
        };
        let first = seen[group as usize].get_or_insert(split);
        if *first != split {
            across.insert(group);
        }
    }
    across
        .into_iter()
        .map(|group| format!("`{}`", folder.groups[group as usize]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_up_to_the_separator_is_the_group() {
        let group = |path: &str| {
            let sample = Sample::file(path.into(), 0, None);
            group_of_name(&sample, "_").to_owned()
        };
        assert_eq!(group("cat/p7_left_2.png"), "p7");
        assert_eq!(group("dog/p7_right.png"), "p7");
        assert_eq!(group("dog/plain.png"), "plain");
        assert_eq!(group("dog/_x.png"), "_x");
    }

    #[test]
    fn settings_that_do_nothing_are_refused() {
        let folder = ImageFolder {
            source: "photos".into(),
            ..ImageFolder::default()
        };
        let options = SourceOptions {
            root: Some("elsewhere".into()),
            ..SourceOptions::default()
        };
        let error = check_use(&folder, &options).unwrap_err().to_string();
        assert!(
            error.contains("`data.root`") && error.contains("`photos`"),
            "{error}"
        );
    }

    #[test]
    fn files_of_other_kinds_are_refused_with_what_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let error = |name: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, b"x").unwrap();
            open_data(&path, &SourceOptions::default())
                .unwrap_err()
                .to_string()
        };
        let text = error("labels.xlsx");
        assert!(
            text.contains("labels.xlsx") && text.contains(".csv"),
            "{text}"
        );
        let text = error("train-00000-of-00001.parquet");
        // A build with the feature reads such files, and this one is none.
        let words = match cfg!(feature = "parquet") {
            true => ["train-00000", "as a Parquet file"],
            false => ["a Parquet file", "load_dataset"],
        };
        assert!(words.iter().all(|words| text.contains(words)), "{text}");
        let saved = folder.path().join("saved");
        std::fs::create_dir(&saved).unwrap();
        for name in [
            "data-00000-of-00001.arrow",
            "dataset_info.json",
            "state.json",
        ] {
            std::fs::write(saved.join(name), b"{}").unwrap();
        }
        let text = open_data(&saved, &SourceOptions::default())
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("save_to_disk") && text.contains("load_from_disk"),
            "{text}"
        );
        let text = error("shard.tar.gz");
        assert!(text.contains("compressed"), "{text}");
    }
}
