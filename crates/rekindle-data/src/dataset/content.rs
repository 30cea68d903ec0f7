//! What decides the pixels of a sample besides its pipeline: the content of its file, and how files are decoded.
//!
//! Owns hashing whole files for what outlives a run, and noticing that a file has changed since. Which images were trained on is told by
//! `fingerprint.rs`, which looks at parts of large files.

use std::io::{self, Read};
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use rayon::prelude::*;

use super::Dataset;
use crate::cache::hash_content;

/// The content of a sample's file, as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    hash: u128,
    stamp: Stamp,
}

/// Length of the file and when it was last written, before it was read.
type Stamp = (u64, Option<SystemTime>);

impl Content {
    /// XXH3 of all its bytes, of 128 bits.
    pub fn hash(&self) -> u128 {
        self.hash
    }
}

impl Dataset {
    /// The contents of samples, read by all threads; none of a file that cannot be read.
    ///
    /// Each file is read whole each time: that an earlier hash holds for a file of the same length and time is not certain, since tools
    /// that unpack or copy set times back, and a hash of what lies in the system's memory takes a tenth of a millisecond.
    ///
    /// # Panics
    /// When an index is out of range.
    pub fn contents(&self, samples: &[usize]) -> Vec<Option<Content>> {
        let of = |&sample: &usize| self.content(sample).ok();
        samples.par_iter().map(of).collect()
    }

    fn content(&self, sample: usize) -> io::Result<Content> {
        let mut file = self.folder.open(&self.folder.samples[sample])?;
        let stamp = stamp(file.get_ref())?;
        let length = usize::try_from(stamp.0.min(file.limit())).unwrap_or(0);
        let mut bytes = Vec::with_capacity(length + 1);
        file.read_to_end(&mut bytes)?;
        let hash = hash_content(&bytes);
        Ok(Content { hash, stamp })
    }

    /// Whether a sample's file is, by its length and time, still the one whose content was read.
    ///
    /// # Panics
    /// When the index is out of range.
    pub fn is_unchanged(&self, sample: usize, content: &Content) -> bool {
        let file = self.folder.open(&self.folder.samples[sample]);
        let found = file.and_then(|file| stamp(file.get_ref()));
        found.is_ok_and(|found| found == content.stamp)
    }

    /// How files are decoded, in words that differ where pixels may.
    pub fn decoding(&self) -> String {
        format!("{:?} {:?}", self.limits, self.jpeg_scaling)
    }

    /// Whether an image that was decoded was turned or mirrored to stand upright.
    pub fn is_turned(&self, sample: usize) -> bool {
        self.turned[sample].load(Ordering::Relaxed)
    }

    /// Takes note of what is known of an image without decoding it: that it is turned to stand upright.
    pub fn note_turned(&self, sample: usize) {
        self.turned[sample].store(true, Ordering::Relaxed);
    }
}

fn stamp(file: &std::fs::File) -> io::Result<Stamp> {
    let metadata = file.metadata()?;
    Ok((metadata.len(), metadata.modified().ok()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use rekindle_augment::DecodeLimits;

    use super::*;
    use crate::ImageFolder;

    #[test]
    fn a_file_that_is_written_anew_has_another_content_and_is_noticed() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a");
        // Long, and changed in a place that no look at parts of it would see.
        let mut bytes = vec![7u8; 300_000];
        fs::write(&path, &bytes).unwrap();
        let paths = vec![path.clone(), place.path().join("missing")];
        let dataset = Dataset::new(ImageFolder::unlabelled(paths), DecodeLimits::default(), 0);
        let [first, missing] = dataset.contents(&[0, 1])[..] else {
            panic!("two samples");
        };
        let first = first.unwrap();
        assert_eq!(missing, None);
        assert!(dataset.is_unchanged(0, &first));
        bytes[40_000] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let then = SystemTime::now() + Duration::from_secs(2);
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(then).unwrap();
        assert!(!dataset.is_unchanged(0, &first));
        let second = dataset.contents(&[0])[0].unwrap();
        assert_ne!(first.hash(), second.hash());
        // The old time does not hide the new content.
        file.set_modified(first.stamp.1.unwrap()).unwrap();
        let third = dataset.contents(&[0])[0].unwrap();
        assert_eq!(second.hash(), third.hash());
        fs::remove_file(&path).unwrap();
        assert!(!dataset.is_unchanged(0, &first));
    }
}
