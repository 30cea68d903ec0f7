//! The folder of the cache on disk: where it is, what lies in it, and what is removed from it.
//!
//! Owns: the layout, `FOLDER/images/AB/ABCD..`, the same under `features` and `unpacked`, and eviction. It touches nothing in the folder but what has that layout, so that a folder
//! which holds other things as well loses none of them.

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The folder in the cache directory that holds pictures.
const IMAGES: &str = "images";
/// The one that holds numbers.
pub(super) const NUMBERS: &str = "features";
/// The one that holds files of many pictures each, which came out of Parquet files. They are in no budget, since a run that reads them needs
/// all of them.
const UNPACKED: &str = "unpacked";
/// Taken while entries are removed, so that two runs do not remove them twice.
const LOCK: &str = "lock";
/// The end of the name of a file that is being written.
pub(super) const PART: &str = ".part";
/// Files of this age that are still being written are left over from a crash.
const ABANDONED: Duration = Duration::from_secs(3600);
/// What the smallest file takes on most file systems.
const BLOCK: u64 = 4096;

/// `rekindle` in the system's folder for caches: `XDG_CACHE_HOME` or `~/.cache`, on macOS `~/Library/Caches`, on Windows
/// `LOCALAPPDATA`; none where the environment has none of them.
pub fn default_cache_directory() -> Option<PathBuf> {
    let variable = |name: &str| {
        let value = std::env::var_os(name).map(PathBuf::from);
        // As the XDG specification says, a relative path is to be ignored.
        value.filter(|path| path.is_absolute())
    };
    let system = match std::env::consts::OS {
        "windows" => variable("LOCALAPPDATA"),
        "macos" => variable("HOME").map(|home| home.join("Library/Caches")),
        _ => None,
    };
    let caches = variable("XDG_CACHE_HOME")
        .or(system)
        .or_else(|| variable("HOME").map(|home| home.join(".cache")));
    caches.map(|caches| caches.join("rekindle"))
}

/// What a cache holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheContents {
    /// Pictures.
    pub entries: usize,
    /// Blocks of features.
    pub features: usize,
    /// Bytes on disk, in blocks of 4096.
    pub bytes: u64,
    /// When the entry that will be removed first was last used by a run.
    pub oldest: Option<SystemTime>,
}

/// One entry's file.
#[derive(Debug)]
struct Listed {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
    is_picture: bool,
}

/// Counts what is in a cache directory; one that does not exist holds nothing. What came out of Parquet files is in the bytes alone.
///
/// # Errors
///
/// The directory cannot be read.
pub fn cache_contents(directory: &Path) -> io::Result<CacheContents> {
    let entries = list(directory)?;
    let mut unpacked = Vec::new();
    list_kind(directory, UNPACKED, &mut unpacked)?;
    Ok(CacheContents {
        entries: entries.iter().filter(|entry| entry.is_picture).count(),
        features: entries.iter().filter(|entry| !entry.is_picture).count(),
        bytes: entries
            .iter()
            .chain(&unpacked)
            .map(|entry| entry.bytes)
            .sum(),
        oldest: entries.iter().map(|entry| entry.used).min(),
    })
}

/// Removes every entry of a cache directory, and its folders where they are empty then; gives what was removed.
///
/// Runs that use it meanwhile decode again what they miss.
///
/// # Errors
///
/// An entry cannot be removed.
pub fn clear_cache(directory: &Path) -> io::Result<CacheContents> {
    let before = cache_contents(directory)?;
    let mut entries = list(directory)?;
    list_kind(directory, UNPACKED, &mut entries)?;
    for entry in entries {
        remove(&entry.path)?;
    }
    for kind in [IMAGES, NUMBERS, UNPACKED].map(|kind| directory.join(kind)) {
        for folder in folders(&kind)? {
            sweep(&folder, Duration::ZERO)?;
            // One that a run has just written to, or that holds a stranger's file, stays.
            let _ = fs::remove_dir(folder);
        }
        let _ = fs::remove_dir(kind);
    }
    let _ = fs::remove_file(directory.join(LOCK));
    let _ = fs::remove_dir(directory);
    Ok(before)
}

/// The file of a picture with this name.
pub(super) fn path_of(directory: &Path, name: &str) -> PathBuf {
    path_in(directory, IMAGES, name)
}

/// The file of the pictures that came out of a Parquet file with this hash.
#[cfg(feature = "parquet")]
pub fn unpacked_path(directory: &Path, hash: u128) -> PathBuf {
    path_in(directory, UNPACKED, &format!("{hash:032x}"))
}

/// The file of an entry of a kind, with this name.
pub(super) fn path_in(directory: &Path, kind: &str, name: &str) -> PathBuf {
    directory.join(kind).join(&name[..2]).join(name)
}

/// What a file of so many bytes takes.
pub(super) fn on_disk(bytes: u64) -> u64 {
    bytes.next_multiple_of(BLOCK)
}

/// Where there are more than `most` bytes, removes the least recently used entries until no more than `goal` are left, of those that were
/// last used before `before`; gives the bytes that are left, or none where another run is removing some right now.
pub(super) fn evict(
    directory: &Path,
    most: u64,
    goal: u64,
    before: SystemTime,
) -> io::Result<Option<u64>> {
    let lock = File::create(directory.join(LOCK))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        // A file system without locks: to remove an entry twice does no harm.
        Err(TryLockError::Error(_)) => {}
    }
    for kind in [IMAGES, NUMBERS] {
        for folder in folders(&directory.join(kind))? {
            sweep(&folder, ABANDONED)?;
        }
    }
    let mut entries = list(directory)?;
    let mut left: u64 = entries.iter().map(|entry| entry.bytes).sum();
    if left <= most {
        return Ok(Some(left));
    }
    entries.retain(|entry| entry.used < before);
    entries.sort_by(|a, b| (a.used, &a.path).cmp(&(b.used, &b.path)));
    for entry in entries {
        if left <= goal {
            break;
        }
        remove(&entry.path)?;
        left -= entry.bytes;
    }
    Ok(Some(left))
}

/// Every entry.
fn list(directory: &Path) -> io::Result<Vec<Listed>> {
    let mut found = Vec::new();
    for kind in [IMAGES, NUMBERS] {
        list_kind(directory, kind, &mut found)?;
    }
    Ok(found)
}

fn list_kind(directory: &Path, kind: &str, found: &mut Vec<Listed>) -> io::Result<()> {
    for folder in folders(&directory.join(kind))? {
        for file in missing_as(fs::read_dir(&folder).map(Some), None)?
            .into_iter()
            .flatten()
        {
            let file = file?;
            if !is_hexadecimal(&file.file_name(), 32) {
                continue;
            }
            // Another run may have removed it since.
            let Ok(metadata) = file.metadata() else {
                continue;
            };
            found.push(Listed {
                path: file.path(),
                bytes: on_disk(metadata.len()),
                used: metadata.modified()?,
                is_picture: kind == IMAGES,
            });
        }
    }
    Ok(())
}

/// The folders of the layout.
fn folders(images: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in missing_as(fs::read_dir(images).map(Some), None)?
        .into_iter()
        .flatten()
    {
        let folder = folder?;
        if is_hexadecimal(&folder.file_name(), 2) {
            found.push(folder.path());
        }
    }
    Ok(found)
}

/// Removes half-written files of a certain age.
fn sweep(folder: &Path, age: Duration) -> io::Result<()> {
    for file in missing_as(fs::read_dir(folder).map(Some), None)?
        .into_iter()
        .flatten()
    {
        let file = file?;
        let is_part = file
            .file_name()
            .to_str()
            .is_some_and(|name| name.ends_with(PART));
        let Ok(metadata) = file.metadata() else {
            continue;
        };
        let old = metadata.modified()?.elapsed().unwrap_or_default() >= age;
        if is_part && old {
            remove(&file.path())?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    missing_as(fs::remove_file(path), ())
}

/// What stands for a file or folder that is not there.
fn missing_as<T>(result: io::Result<T>, missing: T) -> io::Result<T> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(missing),
        other => other,
    }
}

fn is_hexadecimal(name: &OsStr, digits: usize) -> bool {
    name.len() == digits
        && name
            .to_str()
            .is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Entries of a block each, last used so many seconds after a fixed moment.
    fn cache(seconds: &[u64]) -> (tempfile::TempDir, Vec<PathBuf>) {
        let folder = tempfile::tempdir().unwrap();
        let paths = seconds.iter().enumerate().map(|(number, &seconds)| {
            let path = path_of(folder.path(), &format!("{number:02x}{:030x}", 7));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, [0; 100]).unwrap();
            let file = File::options().write(true).open(&path).unwrap();
            file.set_modified(at(seconds)).unwrap();
            path
        });
        let paths = paths.collect();
        (folder, paths)
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    fn left(paths: &[PathBuf]) -> Vec<bool> {
        paths.iter().map(|path| path.exists()).collect()
    }

    #[test]
    fn the_least_recently_used_go_first_and_those_in_use_stay() {
        let (folder, paths) = cache(&[40, 10, 30, 20]);
        let evict = |most: u64, goal: u64, before| {
            evict(folder.path(), most * BLOCK, goal * BLOCK, at(before)).unwrap()
        };
        assert_eq!(evict(4, 2, 99), Some(4 * BLOCK));
        assert_eq!(evict(3, 2, 99), Some(2 * BLOCK));
        assert_eq!(left(&paths), [true, false, true, false]);
        // Used by a run that began at 30: not even for an empty cache.
        assert_eq!(evict(0, 0, 30), Some(2 * BLOCK));
        assert_eq!(evict(0, 0, 31), Some(BLOCK));
        assert_eq!(left(&paths), [true, false, false, false]);
    }

    #[test]
    fn nothing_is_removed_while_another_run_does() {
        let (folder, paths) = cache(&[10, 20]);
        let lock = File::create(folder.path().join(LOCK)).unwrap();
        lock.lock().unwrap();
        assert_eq!(evict(folder.path(), 0, 0, at(99)).unwrap(), None);
        assert_eq!(left(&paths), [true, true]);
    }

    #[test]
    fn clearing_removes_entries_and_nothing_else() {
        let (folder, paths) = cache(&[10, 20]);
        let stranger = paths[0].with_file_name("notes.txt");
        fs::write(&stranger, "mine").unwrap();
        fs::write(folder.path().join("images.txt"), "mine").unwrap();
        fs::write(paths[1].with_extension("1.part"), "half").unwrap();
        let removed = clear_cache(folder.path()).unwrap();
        assert_eq!((removed.entries, removed.bytes), (2, 2 * BLOCK));
        assert_eq!(removed.oldest, Some(at(10)));
        assert_eq!(left(&paths), [false, false]);
        assert!(stranger.exists() && folder.path().join("images.txt").exists());
        assert!(!paths[1].parent().unwrap().exists());
        assert_eq!(
            cache_contents(folder.path()).unwrap(),
            CacheContents::default()
        );
    }

    #[test]
    fn a_directory_that_is_not_there_holds_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("a/b");
        assert_eq!(cache_contents(&missing).unwrap(), CacheContents::default());
        assert_eq!(clear_cache(&missing).unwrap(), CacheContents::default());
        assert!(!missing.exists());
    }

    #[test]
    fn half_written_files_are_removed_when_they_are_old() {
        let (folder, paths) = cache(&[10]);
        let [old, new] = ["1.part", "2.part"].map(|end| paths[0].with_extension(end));
        for (path, age) in [(&old, 4000), (&new, 10)] {
            fs::write(path, "half").unwrap();
            let file = File::options().write(true).open(path).unwrap();
            let then = SystemTime::now() - Duration::from_secs(age);
            file.set_modified(then).unwrap();
        }
        evict(folder.path(), u64::MAX, 0, at(0)).unwrap();
        assert!(!old.exists() && new.exists() && paths[0].exists());
    }
}
