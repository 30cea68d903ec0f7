//! Tar shards in the layout of WebDataset: images and their labels side by side in tar files, read where they lie.
//!
//! This file owns which tar files make a data set and what their members mean together; `shards/index.rs` lists one tar file. Numbering
//! the classes is `rows.rs`'s. Nothing is unpacked: of each image its place in the file is kept, 32 bytes.

mod index;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::TargetKind;
use rayon::prelude::*;

use super::{
    ColumnNames, DataError, ImageFolder, ScanWarning, SkippedFiles, SourceKind, SplitName, Target,
    manifest::Wanted,
    rows::{Row, Rows},
    target::target_of_texts,
    walk::{Entry, FileKind, Walk, kind_of},
};
use index::index;
use rekindle_settings::first_ten;

/// Where an image lies in a tar file, or in the file that a Parquet file's images were unpacked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TarMember {
    /// That file.
    pub shard: Arc<Path>,
    /// First byte of the image in it.
    pub offset: u64,
    /// Bytes of the image.
    pub length: u64,
}

/// An error in a tar shard.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShardError {
    /// The file cannot be read, or is no tar file.
    #[error("the shard `{}` cannot be read as a tar file: {source}; make it anew, uncompressed", shard.display())]
    Read {
        /// The tar file.
        shard: PathBuf,
        /// What the system or the format's reader said.
        source: io::Error,
    },
    /// A member is not what the layout wants.
    #[error("the member `{member}` of the shard `{}`: {reason}", shard.display())]
    Member {
        /// The tar file.
        shard: PathBuf,
        /// The member.
        member: String,
        /// What was found and what was expected.
        reason: String,
    },
    /// No member is an image with a label.
    #[error(
        "`{}` {} members: {found}{}",
        path.display(), among(*members, dotted.is_some()), dotted_hint(dotted.as_deref())
    )]
    NoPictures {
        /// The tar file, or the folder of them.
        path: PathBuf,
        /// How many there are.
        members: usize,
        /// What they are, in words.
        found: String,
        /// One whose name has several dots.
        dotted: Option<String>,
    },
    /// The tar file is compressed as a whole.
    #[error("the shard `{}` is compressed, so no image in it can be found by its place: unpack it to a `.tar` file", path.display())]
    Compressed {
        /// The file.
        path: PathBuf,
    },
}

/// The beginning of the words for a file without images to use.
fn among(members: usize, has_dotted: bool) -> String {
    match has_dotted {
        true => format!("names no images to use; left out of its {members}"),
        false => format!("names no images to use: no pictures among {members}"),
    }
}

fn dotted_hint(dotted: Option<&str>) -> String {
    let Some(name) = dotted else {
        return String::new();
    };
    let last = name.rfind('/').map_or(0, |slash| slash + 1);
    let (key, field) = name[last..].split_once('.').unwrap_or((name, ""));
    format!(
        "; the key of a sample ends at the first dot of a name, so `{name}` is the field `{field}` of the sample `{key}`: name members so \
         that nothing but the extension follows the first dot"
    )
}

/// What labels of samples without an image are counted as.
const LABEL_ALONE: &str = "(a label without an image)";

/// A tar file of a data set.
#[derive(Debug)]
struct Shard {
    /// Relative to the root.
    path: PathBuf,
    split: Option<SplitName>,
}

/// The tar files that a path stands for, or none where it is a folder of another layout.
///
/// A `.tar` file stands for itself. A folder is one of shards when it holds `.tar` files and neither folders nor image files, or when all its
/// folders have names of splits and `train` is such a folder.
fn shards_of(path: &Path) -> Result<Option<(PathBuf, Vec<Shard>)>, DataError> {
    if path.is_file() {
        let shard = Shard {
            path: path.file_name().unwrap_or_default().into(),
            split: None,
        };
        let root = path.parent().unwrap_or(Path::new(""));
        return Ok(Some((root.to_path_buf(), vec![shard])));
    }
    let mut walk = Walk::new(path)?;
    let top = walk.entries(Path::new(""))?;
    if let Some(shards) = plain_shards(&top) {
        let shards = shards.map(|name| Shard {
            split: split_of_name(name),
            path: name.into(),
        });
        return Ok(Some((path.to_path_buf(), shards.collect())));
    }
    let mut shards = Vec::new();
    for entry in top.iter().filter(|entry| entry.is_directory) {
        let Some(split) = SplitName::of_folder(&entry.name) else {
            return Ok(None);
        };
        let inside = walk.entries(Path::new(&entry.name))?;
        let Some(names) = plain_shards(&inside) else {
            return Ok(None);
        };
        shards.extend(names.map(|name| Shard {
            path: Path::new(&entry.name).join(name),
            split: Some(split),
        }));
    }
    let trains = shards
        .iter()
        .any(|shard| shard.split == Some(SplitName::Train));
    Ok(trains.then(|| (path.to_path_buf(), shards)))
}

/// The names of the tar files among entries; none where there are folders or image files, or no tar files.
fn plain_shards(entries: &[Entry]) -> Option<impl Iterator<Item = &str>> {
    let is_shard = |entry: &&Entry| is_tar(Path::new(&entry.name));
    // Images beside a tar file would be lost without a word.
    let other = |entry: &Entry| entry.is_directory || kind_of(&entry.name) == FileKind::Image;
    let fits = !entries.iter().any(other) && entries.iter().any(|entry| is_shard(&entry));
    fits.then(|| {
        entries
            .iter()
            .filter(is_shard)
            .map(|entry| entry.name.as_str())
    })
}

/// Whether a file is a tar file by its name.
pub(super) fn is_tar(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("tar"))
}

/// The split that the beginning of a shard's name says, as in `train-000012.tar`.
fn split_of_name(name: &str) -> Option<SplitName> {
    let end = name.find(|letter: char| !letter.is_alphabetic())?;
    SplitName::of_folder(&name[..end])
}

/// Reads tar shards: one tar file, a folder of them, or folders of them called `train`, `val` and `test`. None where the folder is of
/// another layout.
///
/// Members that follow each other and have the same name up to the first dot of its last part are one sample: an image, and its label in
/// `.cls` or `.txt` (a text) or `.json` (an object with the key `label`, with a list under `labels`, or with numbers as in a manifest, and
/// `split` and `group` if it likes). Other members are passed over. The split is the object's, or that of the shard's folder, or that of the beginning of the shard's name (`val-0001.tar`).
///
/// # Errors
/// [`ShardError`] with the shard and the member; those of rows, such as a class with too few training images.
pub(super) fn read_shards(
    path: &Path,
    names: &ColumnNames,
    wanted: Wanted,
) -> Result<Option<ImageFolder>, DataError> {
    let Some((root, shards)) = shards_of(path)? else {
        return Ok(None);
    };
    let listed: Vec<_> = shards
        .par_iter()
        .map(|shard| index(&root, shard, names, wanted))
        .collect::<Result<_, DataError>>()?;
    let (mut rows, mut members) = (Rows::default(), Vec::new());
    let count = listed.iter().map(|found| found.members).sum();
    let mut dotted = None;
    let mut joined = Vec::new();
    let mut respelt = None;
    let mut skipped = SkippedFiles::default();
    let mut labels: BTreeMap<&str, usize> = BTreeMap::new();
    let mut columns: Option<Vec<String>> = None;
    for (shard, found) in shards.iter().zip(listed) {
        dotted = dotted.or(found.dotted);
        if found.archives > 1 {
            joined.push(format!("`{}`", shard.path.display()));
        }
        respelt = respelt.or(found.respelt);
        skipped.add(found.skipped);
        for (field, count) in found.labels {
            *labels.entry(field).or_default() += count;
        }
        for image in found.images {
            let wrong = |reason: String| ShardError::Member {
                shard: image.member.shard.to_path_buf(),
                member: image.path.display().to_string(),
                reason,
            };
            let said = &image.target;
            if columns.as_ref().is_some_and(|_| said.task != rows.task) {
                let (task, before) = (said.task.name(), rows.task.name());
                let reason = format!(
                    "it is for {task}, images before it are for {before}; give all the same keys"
                );
                return Err(wrong(reason).into());
            }
            if said.task.targets() == TargetKind::Numbers
                && columns
                    .as_ref()
                    .is_some_and(|columns| *columns != said.columns)
            {
                let reason = "it has other numbers than images before it; give all the same keys";
                return Err(wrong(reason.into()).into());
            }
            if columns.is_none() {
                rows.task = said.task;
                rows.numbers.clone_from(&said.numbers);
                columns = Some(said.columns.clone());
            }
            let target = match wanted {
                Wanted::Images => Target::Class(0),
                _ => target_of_texts(
                    said.task.targets(),
                    &said.columns,
                    &said.texts,
                    &mut rows.labels,
                )
                .map_err(wrong)?,
            };
            let row = Row {
                path: image.path,
                target,
                split: image.split,
                group: image.group.map(|group| rows.groups.number(&group)),
                frame: None,
                // No list in memory has 2^32 images.
                member: Some(members.len() as u32),
                line: 0,
            };
            rows.rows.push(row);
            members.push(image.member);
        }
    }
    if rows.rows.is_empty() {
        skipped.other.remove(LABEL_ALONE);
        let labels = labels
            .iter()
            .map(|(field, count)| format!("{count} {field}"));
        let others = (skipped.total() > 0).then(|| skipped.to_string());
        let found: Vec<String> = others.into_iter().chain(labels).collect();
        return Err(ShardError::NoPictures {
            path: path.to_path_buf(),
            members: count,
            found: found.join(", "),
            dotted,
        }
        .into());
    }
    let mut folder = rows.into_folder(path, SourceKind::Shards, wanted)?;
    if !joined.is_empty() {
        let text = format!(
            "tar files that hold several archives one after the other, all of which are read: {}",
            first_ten(joined)
        );
        folder.warnings.push(ScanWarning::ListNote { text });
    }
    if let Some(name) = respelt {
        let text = format!(
            "names of members that are not UTF-8 are written with a % and two digits for each odd byte, such as `{name}`"
        );
        folder.warnings.push(ScanWarning::ListNote { text });
    }
    if !skipped.unsupported.is_empty() {
        let counts = skipped.unsupported.clone();
        folder
            .warnings
            .push(ScanWarning::UnsupportedFormats { counts });
    }
    Ok(Some(ImageFolder {
        root,
        members,
        skipped,
        ..folder
    }))
}
