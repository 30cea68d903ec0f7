//! The index of one tar file: which images it holds, where, and what their labels are.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{TargetKind, TaskKind};
use serde_json::{Map, Value};
use tar::{Archive, Header};

use super::{LABEL_ALONE, Shard, ShardError, TarMember};
use crate::{
    ColumnNames, DataError, SkippedFiles, SplitName,
    manifest::{Wanted, keys_of_object, target_texts, text_of},
    walk::{FileKind, kind_of},
};

/// The longest label that is read; what is longer is no label.
const LABEL_BYTES: u64 = 1 << 20;

/// The unit of tar files.
const BLOCK: u64 = 512;

/// What a tar file holds.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub images: Vec<ImageEntry>,
    pub skipped: SkippedFiles,
    /// How many archives the file holds, one after the other.
    pub archives: usize,
    /// A member that would be an image, were its name not divided at its first dot.
    pub dotted: Option<String>,
    /// Members that are no folders.
    pub members: usize,
    /// Labels without an image, by the field they are.
    pub labels: BTreeMap<&'static str, usize>,
    /// The first member whose name is not UTF-8, as it is called here.
    pub respelt: Option<String>,
}

/// One labelled image.
#[derive(Debug)]
pub(super) struct ImageEntry {
    /// The shard's path relative to the root, then the member's.
    pub path: PathBuf,
    pub target: TargetTexts,
    pub split: Option<SplitName>,
    pub group: Option<String>,
    pub member: TarMember,
}

/// What is said of an image: nothing where the images alone are wanted.
#[derive(Debug, Default)]
pub(super) struct TargetTexts {
    pub task: TaskKind,
    /// The keys that it is from.
    pub columns: Vec<String>,
    /// What numbers are called.
    pub numbers: Vec<String>,
    pub texts: Vec<String>,
}

/// The members of one sample, as they come.
#[derive(Debug, Default)]
struct Pending {
    /// The name up to the first dot of its last part.
    key: String,
    image: Option<(String, TarMember)>,
    /// Images whose names have more than one dot behind the key.
    dotted: Vec<(String, TarMember)>,
    label: Option<String>,
    object: Option<(String, Map<String, Value>)>,
    text: Option<String>,
}

/// Lists a tar file.
pub(super) fn index(
    root: &Path,
    shard: &Shard,
    names: &ColumnNames,
    wanted: Wanted,
) -> Result<Index, DataError> {
    let path: Arc<Path> = root.join(&shard.path).into();
    let mut listing = Listing {
        file: &path,
        path: path.clone(),
        shard,
        names,
        wanted,
        index: Index::default(),
    };
    let unreadable = |source| ShardError::Read {
        shard: path.to_path_buf(),
        source,
    };
    let mut start = 0;
    loop {
        let mut file = File::open(&path).map_err(unreadable)?;
        let bytes = file.metadata().map_err(unreadable)?.len();
        file.seek(SeekFrom::Start(start)).map_err(unreadable)?;
        listing.index.archives += 1;
        let end = start + listing.archive(file, start, bytes)?;
        // What stands behind the end of an archive is read by no program for tar files, though nothing is wrong with it.
        match next_archive(&path, end).map_err(unreadable)? {
            Behind::Archive(next) if next > start => start = next,
            Behind::Archive(_) | Behind::Nothing => return Ok(listing.index),
            Behind::Other => {
                let what = "(bytes behind the end of a tar file)".to_owned();
                *listing.index.skipped.other.entry(what).or_default() += 1;
                return Ok(listing.index);
            }
        }
    }
}

/// A member's name; bytes that are not UTF-8, as names of other encodings have them, are written as `%` and two digits. An image is read by its
/// place, whatever it is called.
fn spelt(name: &[u8]) -> String {
    let mut spelt = String::new();
    for chunk in name.utf8_chunks() {
        spelt.push_str(chunk.valid());
        for byte in chunk.invalid() {
            spelt.push_str(&format!("%{byte:02X}"));
        }
    }
    spelt
}

/// A file from one place on.
struct Shifted {
    file: BufReader<File>,
    start: u64,
}

impl Read for Shifted {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.file.read(bytes)
    }
}

impl Seek for Shifted {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::Start(place) => SeekFrom::Start(self.start.saturating_add(place)),
            other => other,
        };
        let place = self.file.seek(to)?;
        place
            .checked_sub(self.start)
            .ok_or_else(|| io::ErrorKind::InvalidInput.into())
    }
}

/// What stands behind the end of an archive.
enum Behind {
    Nothing,
    /// Another one, as `cat a.tar b.tar` leaves it; it begins here.
    Archive(u64),
    /// Something else.
    Other,
}

/// Looks behind the end of an archive, past the zeros that end it.
fn next_archive(path: &Path, end: u64) -> io::Result<Behind> {
    let mut file = BufReader::new(File::open(path)?);
    file.seek(SeekFrom::Start(end))?;
    let mut place = end;
    loop {
        let mut block = Vec::with_capacity(BLOCK as usize);
        let read = file.by_ref().take(BLOCK).read_to_end(&mut block)? as u64;
        if block.iter().any(|byte| *byte != 0) {
            let mut header = Header::new_old();
            if read < BLOCK {
                return Ok(Behind::Other);
            }
            header.as_mut_bytes().copy_from_slice(&block);
            let (before, after) = (&block[..148], &block[156..]);
            let sum: u32 = before
                .iter()
                .chain(after)
                .map(|byte| u32::from(*byte))
                .sum();
            return Ok(match header.cksum() {
                Ok(told) if told == sum + 8 * 32 => Behind::Archive(place),
                _ => Behind::Other,
            });
        }
        if read < BLOCK {
            return Ok(Behind::Nothing);
        }
        place += read;
    }
}

fn label_text(entry: &mut impl Read) -> Result<String, String> {
    let mut text = String::new();
    let read = entry.take(LABEL_BYTES).read_to_string(&mut text);
    read.map_err(|error: io::Error| format!("it cannot be read as a text: {error}"))?;
    Ok(text.trim().to_owned())
}

/// A tar file being listed.
struct Listing<'a> {
    file: &'a Path,
    path: Arc<Path>,
    shard: &'a Shard,
    names: &'a ColumnNames,
    wanted: Wanted<'a>,
    index: Index,
}

impl Listing<'_> {
    /// Lists one archive, which begins at `start` of a file of so many bytes; gives where its last member ends, counted from its own start.
    fn archive(&mut self, file: File, start: u64, bytes: u64) -> Result<u64, DataError> {
        let path: Arc<Path> = self.path.clone();
        let unreadable = |source| ShardError::Read {
            shard: path.to_path_buf(),
            source,
        };
        let mut end = 0;
        let mut archive = Archive::new(Shifted {
            file: BufReader::new(file),
            start,
        });
        let mut pending = Pending::default();
        for entry in archive.entries_with_seek().map_err(unreadable)? {
            let mut entry = entry.map_err(unreadable)?;
            end = (entry.raw_file_position() + entry.size()).next_multiple_of(BLOCK);
            let kind = entry.header().entry_type();
            if kind.is_dir() {
                continue;
            }
            let name = spelt(&entry.path_bytes());
            if std::str::from_utf8(&entry.path_bytes()).is_err() {
                self.index.respelt.get_or_insert_with(|| name.clone());
            }
            let name = name.strip_prefix("./").unwrap_or(&name);
            self.index.members += 1;
            let last = name.rfind('/').map_or(0, |slash| slash + 1);
            let Some(dot) = name[last..].find('.').filter(|dot| *dot > 0) else {
                self.leave_out(&name[last..]);
                continue;
            };
            let (key, extension) = (&name[..last + dot], name[last + dot + 1..].to_lowercase());
            if key != pending.key {
                let done = std::mem::take(&mut pending);
                self.close(done)?;
                pending.key = key.to_owned();
            }
            match extension.as_str() {
                "cls" | "txt" | "json" => {
                    let text = label_text(&mut entry)
                        .map_err(|reason| self.wrong(name.to_owned(), reason))?;
                    self.label(&mut pending, name, &extension, text)?;
                }
                _ if kind_of(&name[last..]) == FileKind::Image => {
                    let member = TarMember {
                        shard: path.clone(),
                        offset: start + entry.raw_file_position(),
                        length: entry.size(),
                    };
                    // A field such as `ome.tif` is the image where there is no other.
                    if extension.contains('.') {
                        pending.dotted.push((name.to_owned(), member));
                        continue;
                    }
                    if !kind.is_file() || member.offset.saturating_add(member.length) > bytes {
                        let reason = "it is not a whole file: the tar file is cut short, or holds a link; make it anew";
                        return Err(self.wrong(name.to_owned(), reason).into());
                    }
                    if let Some((other, _)) = &pending.image {
                        let reason = format!(
                            "it is a second image beside `{other}`; give each sample one image"
                        );
                        return Err(self.wrong(name.to_owned(), reason).into());
                    }
                    pending.image = Some((name.to_owned(), member));
                }
                _ => self.leave_out(&name[last..]),
            }
        }
        self.close(pending)?;
        Ok(end)
    }

    /// The path of a member; of an archive behind the first, with its number, since joined ones often have members of the same names.
    fn path_of(&self, name: &str) -> PathBuf {
        match self.index.archives {
            0 | 1 => self.shard.path.join(name),
            number => self.shard.path.join(format!("archive-{number}")).join(name),
        }
    }

    fn wrong(&self, member: String, reason: impl Into<String>) -> ShardError {
        ShardError::Member {
            shard: self.file.to_path_buf(),
            member,
            reason: reason.into(),
        }
    }

    /// Counts a member that is neither image nor label.
    fn leave_out(&mut self, name: &str) {
        let skipped = &mut self.index.skipped;
        if name.starts_with('.') {
            skipped.hidden += 1;
            return;
        }
        let counts = match kind_of(name) {
            FileKind::Unsupported(extension) => skipped.unsupported.entry(extension),
            FileKind::Image => skipped
                .other
                .entry(name[name.find('.').unwrap_or(0)..].to_owned()),
            FileKind::Other(extension) => skipped.other.entry(extension),
        };
        *counts.or_default() += 1;
    }

    fn label(
        &self,
        pending: &mut Pending,
        name: &str,
        extension: &str,
        text: String,
    ) -> Result<(), ShardError> {
        match extension {
            "cls" => pending.label = Some(text),
            "txt" => pending.text = Some(text),
            _ => {
                let object = serde_json::from_str(&text).map_err(|error| {
                    let reason =
                        format!("{error}; expected an object such as {{\"label\": \"cat\"}}");
                    self.wrong(name.to_owned(), reason)
                })?;
                pending.object = Some((name.to_owned(), object));
            }
        }
        Ok(())
    }

    /// Takes in a sample whose members have all come.
    fn close(&mut self, mut pending: Pending) -> Result<(), DataError> {
        let labelled =
            pending.label.is_some() || pending.text.is_some() || pending.object.is_some();
        let wanted = labelled || matches!(self.wanted, Wanted::Images);
        if pending.image.is_none() && pending.dotted.len() == 1 && wanted {
            pending.image = pending.dotted.pop();
        }
        for (name, _) in pending.dotted {
            self.leave_out(&name[name.rfind('/').map_or(0, |slash| slash + 1)..]);
            self.index.dotted.get_or_insert(name);
        }
        let Some((name, member)) = pending.image else {
            let labels = [
                (".cls", pending.label.is_some()),
                (".txt", pending.text.is_some()),
                (".json", pending.object.is_some()),
            ];
            let there = labels.into_iter().filter(|(_, is_there)| *is_there);
            let mut count = 0;
            for (field, _) in there {
                *self.index.labels.entry(field).or_default() += 1;
                count += 1;
            }
            if count > 0 {
                let label = LABEL_ALONE.to_owned();
                *self.index.skipped.other.entry(label).or_default() += count;
            }
            return Ok(());
        };
        if let Wanted::Images = self.wanted {
            self.index.images.push(ImageEntry {
                path: self.path_of(&name),
                target: TargetTexts::default(),
                split: None,
                group: None,
                member,
            });
            return Ok(());
        }
        let (mut target, mut split, mut group) = (None, None, None);
        if let Some((json, object)) = &pending.object {
            let keys: Vec<String> = object.keys().cloned().collect();
            let origin = self.file.join(json);
            let (targets, found) = keys_of_object(&origin, &keys, self.names, self.wanted)?;
            let value = |place: Option<usize>| -> Result<Option<String>, ShardError> {
                let Some(key) = place.map(|place| &keys[place]) else {
                    return Ok(None);
                };
                let text = text_of(key, object.get(key))
                    .map_err(|reason| self.wrong(json.clone(), reason))?;
                Ok(Some(text.into_owned()).filter(|text| !text.is_empty()))
            };
            if let Some(targets) = targets {
                let columns: Vec<String> =
                    targets.places.iter().map(|at| keys[*at].clone()).collect();
                let texts = target_texts(
                    targets.task.targets(),
                    columns.iter().map(String::as_str),
                    object,
                )
                .map_err(|reason| self.wrong(json.clone(), reason))?;
                target = Some(TargetTexts {
                    task: targets.task,
                    numbers: targets.number_names(&keys),
                    texts: texts.into_iter().map(Cow::into_owned).collect(),
                    columns,
                });
            }
            if let Some(name) = value(found[0])? {
                let expected = "expected `train`, `val` or `test`";
                split = Some(SplitName::of_folder(&name).ok_or_else(|| {
                    self.wrong(json.clone(), format!("the split is `{name}`, {expected}"))
                })?);
            }
            group = value(found[1])?;
        }
        let label = |text: String| TargetTexts {
            columns: vec!["label".into()],
            texts: vec![text],
            ..TargetTexts::default()
        };
        let is_empty = |target: &TargetTexts| {
            target.task.targets() == TargetKind::Class && target.texts.iter().all(String::is_empty)
        };
        // A label of its own goes before that of the object, and that before a text, which may be anything.
        let target = pending
            .label
            .map(label)
            .or(target)
            .filter(|target| !is_empty(target));
        let target = target.or_else(|| pending.text.map(label).filter(|target| !is_empty(target)));
        let Some(target) = target else {
            let key = &pending.key;
            let reason = format!(
                "it has no label: expected `{key}.cls` or `{key}.txt` with the name of its class, or `{key}.json` with the key `label`, \
                 `labels` or `number` (another key: --set data.label_column=KEY), next to it in the tar file"
            );
            return Err(self.wrong(name, reason).into());
        };
        self.index.images.push(ImageEntry {
            path: self.path_of(&name),
            target,
            split: split.or(self.shard.split),
            group,
            member,
        });
        Ok(())
    }
}
