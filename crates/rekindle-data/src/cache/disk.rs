//! Pictures kept on disk, for later epochs and for later runs.
//!
//! Owns: reading and writing entries, and the bound on their bytes. A cache is a help and no duty: what cannot be read is decoded
//! again, and what cannot be written is told once and not tried again.

use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::entry::{Key, entry_bytes, head, read_entry};
use super::folder::{PART, evict, on_disk, path_of};
use super::{Form, KeptImage};

/// Part of the budget that may be written before the directory is looked at again, since other runs write too.
const LOOK_EVERY: u64 = 16;

/// The times of files may lag behind the clock by a tick of the system.
const CLOCK_STEP: Duration = Duration::from_millis(20);

/// Pictures in a directory of the system, by the content of their files.
///
/// It is bounded: when it is full, the least recently used entries are removed, but none that this run has read or written. Every epoch
/// reads every image once, so to remove those would throw away what is needed soonest. Where all entries are this run's, no more are
/// kept. Several runs may use a directory at once; together they may exceed the bound by a sixteenth for each of them.
///
/// Entries are written under another name and then renamed, and are checked when they are read (length, key, checksum). One that is
/// damaged is removed, and its picture is decoded again. Nothing waits for the disk: after a loss of power entries may be damaged.
#[derive(Debug)]
pub struct DiskCache {
    directory: PathBuf,
    budget_bytes: u64,
    /// Entries that were last used earlier are not this run's.
    started: SystemTime,
    writes: AtomicBool,
    room: Mutex<Room>,
    parts: AtomicU64,
    hits: AtomicU64,
    written: AtomicU64,
    pub(super) numbers_read: AtomicU64,
    pub(super) numbers_written: AtomicU64,
}

#[derive(Debug, Default)]
struct Room {
    /// Bytes in the directory, when it was last looked at and written since.
    used: u64,
    /// Bytes of entries that are being written, which a look at the directory does not find.
    pending: u64,
    /// Bytes written since; none before the first look.
    since: Option<u64>,
    /// Nothing can be removed to make room.
    full: bool,
    /// Why nothing can be written.
    failed: Option<io::Error>,
}

impl DiskCache {
    /// The cache in a directory, which is made when the first picture is kept.
    pub fn new(directory: PathBuf, budget_bytes: u64) -> Self {
        Self {
            directory,
            budget_bytes,
            started: SystemTime::now() - CLOCK_STEP,
            writes: AtomicBool::new(true),
            room: Mutex::default(),
            parts: AtomicU64::new(0),
            hits: AtomicU64::new(0),
            written: AtomicU64::new(0),
            numbers_read: AtomicU64::new(0),
            numbers_written: AtomicU64::new(0),
        }
    }

    /// Where it is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Most bytes that it may take.
    pub fn budget_bytes(&self) -> u64 {
        self.budget_bytes
    }

    /// Whether pictures are written, or only read; they are from the start.
    pub fn set_writes(&self, writes: bool) {
        self.writes.store(writes, Ordering::Relaxed);
    }

    /// How many pictures were read from it, and how many were written to it.
    pub fn counts(&self) -> [u64; 2] {
        [&self.hits, &self.written].map(|count| count.load(Ordering::Relaxed))
    }

    /// How many entries of numbers were read from it, and how many were written to it.
    pub fn number_counts(&self) -> [u64; 2] {
        [&self.numbers_read, &self.numbers_written].map(|count| count.load(Ordering::Relaxed))
    }

    /// Why pictures could not be kept, where a write failed; told once.
    pub fn take_failure(&self) -> Option<io::Error> {
        self.lock().failed.take()
    }

    /// The picture of a file with this hash, where it is kept and whole.
    pub(crate) fn get(&self, content: u128, form: Form) -> Option<KeptImage> {
        let key = Key::new(content, form);
        let path = path_of(&self.directory, &key.name());
        let file = File::open(&path).ok()?;
        let metadata = file.metadata().ok()?;
        let Some((image, orientation)) = read_entry(key, file, metadata.len()) else {
            let _ = fs::remove_file(&path);
            return None;
        };
        self.touch(&path, &metadata);
        self.hits.fetch_add(1, Ordering::Relaxed);
        Some(KeptImage {
            image: Arc::new(image),
            orientation,
        })
    }

    /// Makes an entry one of this run's; once is enough.
    pub(super) fn touch(&self, path: &Path, metadata: &Metadata) {
        if metadata.modified().is_ok_and(|used| used < self.started) {
            let touched = File::options().write(true).open(path);
            let _ = touched.and_then(|file| file.set_modified(SystemTime::now()));
        }
    }

    /// Whether a picture of so many pixels would be kept, as far as is known without looking.
    pub(crate) fn takes(&self, pixels: u64) -> bool {
        self.takes_bytes(entry_bytes(pixels))
    }

    fn takes_bytes(&self, bytes: u64) -> bool {
        self.writes.load(Ordering::Relaxed)
            && on_disk(bytes) <= self.budget_bytes
            && !self.lock().full
    }

    /// Keeps a picture, if there is room for it or room can be made.
    pub(crate) fn put(&self, content: u128, form: Form, kept: &KeptImage) {
        let pixels = u64::from(kept.image.width()) * u64::from(kept.image.height());
        if !self.takes(pixels) {
            return;
        }
        let key = Key::new(content, form);
        let path = path_of(&self.directory, &key.name());
        let written = self.keep_file(&path, entry_bytes(pixels), |file| {
            file.write_all(&head(key, &kept.image, kept.orientation))?;
            file.write_all(kept.image.as_raw())
        });
        if written {
            self.written.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Writes an entry of so many bytes, if there is room for it or room can be made; tells whether it did. What cannot be written is told
    /// once, and nothing is tried again.
    pub(super) fn keep_file(
        &self,
        path: &Path,
        bytes: u64,
        write: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> bool {
        if !self.takes_bytes(bytes) {
            return false;
        }
        match self.try_put(path, bytes, write) {
            Ok(written) => written,
            // Somebody has cleared the cache at this moment.
            Err(error)
                if error.kind() == io::ErrorKind::NotFound
                    && create_private(&self.directory).is_ok() =>
            {
                false
            }
            Err(error) => {
                self.set_writes(false);
                self.lock().failed.get_or_insert(error);
                false
            }
        }
    }

    fn try_put(
        &self,
        path: &Path,
        bytes: u64,
        write: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> io::Result<bool> {
        let folder = path.parent().unwrap_or(&self.directory);
        create_private(folder)?;
        if path.exists() || !self.make_room(on_disk(bytes))? {
            return Ok(false);
        }
        // No other run and no other thread uses this name.
        let number = self.parts.fetch_add(1, Ordering::Relaxed);
        let process = std::process::id();
        let moment = self.started.duration_since(SystemTime::UNIX_EPOCH);
        let moment = moment.unwrap_or_default().as_nanos();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let part = folder.join(format!("{name}.{process}-{moment}-{number}{PART}"));
        let written = File::create_new(&part).and_then(|mut file| {
            write(&mut file)?;
            drop(file);
            fs::rename(&part, path)
        });
        self.lock().pending -= on_disk(bytes);
        if written.is_err() {
            // What is left of a failed attempt would only take the space that is missing.
            let _ = fs::remove_file(&part);
            // Another run may have been quicker, which some systems call an error.
            if path.exists() {
                return Ok(false);
            }
        }
        written.map(|()| true)
    }

    /// Whether there is room for so many bytes, which are then taken; they are pending until they are written or have failed.
    fn make_room(&self, bytes: u64) -> io::Result<bool> {
        let mut room = self.lock();
        let due = room
            .since
            .is_none_or(|since| since > self.budget_bytes / LOOK_EVERY);
        if room.full {
            return Ok(false);
        }
        if due || room.used + bytes > self.budget_bytes {
            let Some(most) = self.budget_bytes.checked_sub(bytes + room.pending) else {
                return Ok(false);
            };
            // A little more than is needed now, so that the next picture need not look again.
            let goal = most - most / LOOK_EVERY;
            let Some(used) = evict(&self.directory, most, goal, self.started)? else {
                return Ok(false);
            };
            (room.used, room.since) = (used + room.pending, Some(0));
            if used > most {
                // What is being written may be counted twice, so that this is certain only where nothing is.
                room.full = room.pending == 0;
                return Ok(false);
            }
        }
        room.used += bytes;
        room.pending += bytes;
        room.since = room.since.map(|since| since + bytes);
        Ok(true)
    }

    fn lock(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Creates a directory and those above it; others than the user may not read them, since pictures may be private.
fn create_private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

#[cfg(test)]
mod tests {
    use rekindle_augment::RgbImage;

    use super::*;
    use crate::cache::folder::cache_contents;

    /// A picture of 1 000 by 4: an entry of 12 064 bytes, three blocks.
    fn picture(level: u8) -> KeptImage {
        KeptImage {
            image: Arc::new(RgbImage::from_pixel(1000, 4, [level, 3, 7].into())),
            orientation: 6,
        }
    }

    const ENTRY: u64 = 3 * 4096;

    fn cache(folder: &tempfile::TempDir, entries: u64) -> DiskCache {
        DiskCache::new(folder.path().join("cache"), entries * ENTRY)
    }

    /// As if the run that wrote the entries had been an hour ago; the first ones a little earlier.
    fn age(cache: &DiskCache, contents: &[u128]) {
        for (place, content) in contents.iter().enumerate() {
            let path = path_of(cache.directory(), &Key::new(*content, Form::Whole).name());
            let file = File::options().write(true).open(path).unwrap();
            let ago = Duration::from_secs(3600 - place as u64);
            file.set_modified(SystemTime::now() - ago).unwrap();
        }
    }

    fn has(cache: &DiskCache, contents: &[u128]) -> Vec<bool> {
        let has = |content: &u128| cache.get(*content, Form::Whole).is_some();
        contents.iter().map(has).collect()
    }

    #[test]
    fn pictures_come_back_by_content_and_form_in_this_run_and_in_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let first = cache(&folder, 10);
        assert!(first.get(1, Form::Whole).is_none());
        first.put(1, Form::Whole, &picture(9));
        for cache in [&first, &cache(&folder, 10)] {
            let found = cache.get(1, Form::Whole).unwrap();
            assert_eq!(found.image, picture(9).image);
            assert_eq!(found.orientation, 6);
            assert!(cache.get(2, Form::Whole).is_none());
            assert!(cache.get(1, Form::Reduced(2)).is_none());
        }
        assert_eq!(first.counts(), [1, 1]);
    }

    #[test]
    fn a_damaged_entry_is_removed_and_can_be_kept_again() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache(&folder, 10);
        cache.put(1, Form::Whole, &picture(9));
        let path = path_of(cache.directory(), &Key::new(1, Form::Whole).name());
        let whole = fs::read(&path).unwrap();
        let mut flipped = whole.clone();
        flipped[5000] ^= 1;
        for damaged in [&whole[..whole.len() - 1], &flipped, b""] {
            fs::write(&path, damaged).unwrap();
            assert!(cache.get(1, Form::Whole).is_none());
            assert!(!path.exists());
            cache.put(1, Form::Whole, &picture(9));
            assert_eq!(fs::read(&path).unwrap(), whole);
        }
    }

    #[test]
    fn what_is_being_written_takes_room_too() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache(&folder, 2);
        create_private(cache.directory()).unwrap();
        // Two are being written, and the directory, which is looked at for each, has nothing yet.
        assert!(cache.make_room(ENTRY).unwrap());
        assert!(cache.make_room(ENTRY).unwrap());
        cache.put(3, Form::Whole, &picture(3));
        assert_eq!(cache_contents(cache.directory()).unwrap().entries, 0);
        // One of them has failed.
        cache.lock().pending -= ENTRY;
        cache.put(4, Form::Whole, &picture(4));
        assert_eq!(cache_contents(cache.directory()).unwrap().entries, 1);
    }

    #[test]
    fn old_entries_make_room_and_those_of_this_run_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let earlier = cache(&folder, 4);
        (0..4).for_each(|content| earlier.put(content, Form::Whole, &picture(1)));
        age(&earlier, &[2, 0, 1, 3]);
        let now = cache(&folder, 4);
        assert_eq!(has(&now, &[0]), [true], "and so it is in use");
        (10..20).for_each(|content| now.put(content, Form::Whole, &picture(2)));
        assert_eq!(has(&now, &[0, 1, 2, 3]), [true, false, false, false]);
        assert_eq!(has(&now, &[10, 11, 12, 13]), [true, true, true, false]);
        let contents = cache_contents(now.directory()).unwrap();
        assert_eq!((contents.entries, contents.bytes), (4, 4 * ENTRY));
        assert!(!now.takes(4000));
    }

    #[test]
    fn a_picture_larger_than_the_whole_cache_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let small = DiskCache::new(folder.path().join("cache"), ENTRY - 1);
        small.put(1, Form::Whole, &picture(9));
        assert!(!small.directory().exists());
    }

    #[test]
    fn without_writes_entries_are_read_and_none_are_made() {
        let folder = tempfile::tempdir().unwrap();
        cache(&folder, 4).put(1, Form::Whole, &picture(9));
        let reader = cache(&folder, 4);
        reader.set_writes(false);
        reader.put(2, Form::Whole, &picture(9));
        assert_eq!(has(&reader, &[1, 2]), [true, false]);
    }

    #[test]
    fn runs_that_share_a_cache_at_once_find_whole_entries_and_leave_no_parts() {
        let folder = tempfile::tempdir().unwrap();
        // So small that each removes what the other one wrote, all the time.
        let run = |number: u8| {
            for round in 0..40u8 {
                let cache = cache(&folder, 5);
                for content in 0..8u8 {
                    if let Some(found) = cache.get(content.into(), Form::Whole) {
                        assert_eq!(found.image, picture(content).image, "{number} {round}");
                    }
                    cache.put(content.into(), Form::Whole, &picture(content));
                    assert!(cache.take_failure().is_none());
                }
            }
        };
        std::thread::scope(|scope| {
            (0..4).for_each(|number| drop(scope.spawn(move || run(number))));
        });
        let images = folder.path().join("cache/images");
        let files = fs::read_dir(images).unwrap();
        let files = files.flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap());
        for file in files {
            let name = file.unwrap().file_name().into_string().unwrap();
            assert_eq!(name.len(), 32, "{name}");
        }
    }

    #[test]
    fn what_cannot_be_written_is_told_once_and_not_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("cache"), "a file").unwrap();
        let cache = cache(&folder, 4);
        cache.put(1, Form::Whole, &picture(9));
        assert!(!cache.takes(4000));
        cache.put(2, Form::Whole, &picture(9));
        assert!(cache.take_failure().is_some() && cache.take_failure().is_none());
    }

    #[cfg(unix)]
    #[test]
    fn others_cannot_read_the_pictures() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let cache = cache(&folder, 4);
        cache.put(1, Form::Whole, &picture(9));
        let mode = fs::metadata(cache.directory())
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0, "{mode:o}");
    }
}
