//! The cache's layout, which is that of Python's `huggingface_hub`: each reads what the other has written.
//!
//! `models--OWNER--REPO/refs/REVISION` holds a commit, `snapshots/COMMIT/FILE` is a link to `blobs/ETAG`, and a newer Python may have
//! made that a link again. Where there are no links (Windows), the snapshot's file is the file itself.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::HubFile;
use super::digest::Kind;
use super::name::is_commit;
use crate::HubError;

/// A file that is in the cache.
#[derive(Debug)]
pub(super) struct Found {
    /// Its path in the snapshot.
    pub(super) path: PathBuf,
    /// The name of its blob, where it is a link.
    pub(super) etag: Option<String>,
}

/// What its bytes say of a cached file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It has the hash that it must have.
    Right,
    /// No hash is known for it.
    Unknown,
    /// It has another hash.
    Damaged {
        /// The hash that it has.
        found: String,
        /// The hash that it must have.
        expected: String,
    },
}

/// A file of weights in the cache.
#[derive(Debug, Clone)]
pub struct CachedFile {
    /// What it is on the hub; its revision is the commit.
    pub file: HubFile,
    /// Where it is.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: u64,
}

impl Found {
    /// Compares the file with a card's hash, or with the one that its blob is named by.
    pub(super) fn check(&self, sha256: Option<&str>) -> Result<Verdict, HubError> {
        let expected = sha256.or(self.etag.as_deref());
        let Some((kind, expected)) = expected.and_then(|hash| Some((Kind::of(hash)?, hash))) else {
            return Ok(Verdict::Unknown);
        };
        let found = kind.digest(&self.path)?;
        Ok(match found == expected {
            true => Verdict::Right,
            false => Verdict::Damaged {
                found,
                expected: expected.to_owned(),
            },
        })
    }
}

/// The folder of a repository.
pub(super) fn repository(cache: &Path, file: &HubFile) -> PathBuf {
    cache.join(folder(file))
}

/// Its name.
pub(super) fn folder(file: &HubFile) -> String {
    format!("models--{}", file.repository().replace('/', "--"))
}

/// The file, if the cache has it at that revision.
pub(super) fn find(cache: &Path, file: &HubFile) -> Option<Found> {
    let repository = repository(cache, file);
    let commit = match is_commit(file.revision()) {
        true => file.revision().to_owned(),
        false => {
            // A file of 40 letters; what is no commit is no reference of ours.
            let text = fs::read_to_string(repository.join("refs").join(file.revision())).ok()?;
            let commit = text.trim();
            is_commit(commit).then(|| commit.to_owned())?
        }
    };
    let path = repository.join("snapshots").join(commit).join(file.file());
    let is_file = fs::metadata(&path).is_ok_and(|metadata| metadata.is_file());
    is_file.then(|| Found {
        etag: etag(&path),
        path,
    })
}

fn etag(path: &Path) -> Option<String> {
    let target = fs::read_link(path).ok()?;
    Some(target.file_name()?.to_str()?.to_owned())
}

/// Makes `snapshots/COMMIT/FILE` of a blob, and the reference if the revision is a name.
#[cfg(feature = "net")]
pub(super) fn place(
    cache: &Path,
    file: &HubFile,
    commit: &str,
    etag: &str,
) -> Result<PathBuf, HubError> {
    let repository = repository(cache, file);
    let path = repository.join("snapshots").join(commit).join(file.file());
    make_parent(&path)?;
    let depth = file.file().split('/').count() + 1;
    let target: PathBuf = std::iter::repeat_n("..", depth)
        .chain(["blobs", etag])
        .collect();
    let blob = repository.join("blobs").join(etag);
    if fs::symlink_metadata(&path).is_ok() {
        // Of an older file under the same commit, or a link that leads nowhere.
        remove_file(&path)?;
    }
    link(&target, &blob, &path).map_err(io_error("write", &path))?;
    if !is_commit(file.revision()) {
        write_reference(&repository, file.revision(), commit)?;
    }
    Ok(path)
}

#[cfg(feature = "net")]
fn write_reference(repository: &Path, revision: &str, commit: &str) -> Result<(), HubError> {
    let path = repository.join("refs").join(revision);
    make_parent(&path)?;
    let new = path.with_file_name(format!(".{}.{}", commit, std::process::id()));
    fs::write(&new, commit).map_err(io_error("write", &new))?;
    fs::rename(&new, &path).map_err(io_error("write", &path))
}

#[cfg(all(feature = "net", unix))]
fn link(target: &Path, _: &Path, path: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, path)
}

/// Links of files want a privilege on Windows; Python moves the file there too.
#[cfg(all(feature = "net", not(unix)))]
fn link(_: &Path, blob: &Path, path: &Path) -> io::Result<()> {
    fs::rename(blob, path)
}

#[cfg(feature = "net")]
pub(super) fn make_parent(path: &Path) -> Result<(), HubError> {
    match path.parent() {
        Some(parent) => fs::create_dir_all(parent).map_err(io_error("make the folder of", path)),
        None => Ok(()),
    }
}

#[cfg(feature = "net")]
pub(super) fn remove_file(path: &Path) -> Result<(), HubError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(io_error("remove", path)(error))
        }
        _ => Ok(()),
    }
}

pub(super) fn io_error(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> HubError {
    let path = path.to_owned();
    move |source| HubError::Io { verb, path, source }
}

/// Every file of weights, repository by repository.
pub(super) fn list(cache: &Path) -> Result<Vec<CachedFile>, HubError> {
    let mut all = Vec::new();
    let folders = match fs::read_dir(cache) {
        Ok(folders) => folders,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(all),
        Err(error) => return Err(io_error("read", cache)(error)),
    };
    for folder in folders.flatten() {
        let name = folder.file_name().to_string_lossy().into_owned();
        let Some(repository) = name
            .strip_prefix("models--")
            .map(|name| name.replacen("--", "/", 1))
        else {
            continue;
        };
        for snapshot in fs::read_dir(folder.path().join("snapshots"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let commit = snapshot.file_name().to_string_lossy().into_owned();
            if is_commit(&commit) {
                collect(&repository, &commit, &snapshot.path(), "", &mut all);
            }
        }
    }
    all.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(all)
}

fn collect(repository: &str, commit: &str, folder: &Path, prefix: &str, all: &mut Vec<CachedFile>) {
    // Deeper are no weights; a folder that is a link is not followed.
    if prefix.split('/').count() > 4 {
        return;
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(repository, commit, &path, &format!("{name}/"), all);
            continue;
        }
        let known = [".safetensors", ".bin", ".pth", ".pt"];
        if !known.iter().any(|ending| name.ends_with(ending)) {
            continue;
        }
        if let (Ok(file), Ok(metadata)) = (
            HubFile::new(repository, Some(commit), &name),
            fs::metadata(&path),
        ) {
            let bytes = metadata.len();
            all.push(CachedFile { file, path, bytes });
        }
    }
}

/// Removes a repository's folder and its locks.
pub(super) fn remove(cache: &Path, file: &HubFile) -> Result<Option<u64>, HubError> {
    let path = repository(cache, file);
    let Ok(metadata) = fs::symlink_metadata(&path) else {
        return Ok(None);
    };
    let bytes = size(&path);
    match metadata.is_dir() {
        true => fs::remove_dir_all(&path).map_err(io_error("remove", &path))?,
        // A link to elsewhere: what it leads to is not the cache's.
        false => fs::remove_file(&path).map_err(io_error("remove", &path))?,
    }
    // Another program may hold a lock; its folder is nothing that counts.
    let _ = fs::remove_dir_all(cache.join(".locks").join(folder(file)));
    Ok(Some(bytes))
}

fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => size(&entry.path()),
            Ok(metadata) if metadata.is_file() => metadata.len(),
            _ => 0,
        })
        .sum()
}
