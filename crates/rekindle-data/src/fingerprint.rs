//! What tells images apart by their content: to know again those that a run was trained on, also as copies elsewhere.
//!
//! Owns what is hashed, and the file of a run's training images. What follows from finding one again is the caller's.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Read, Seek, SeekFrom, Take};
use std::path::Path;

use rayon::prelude::*;
use xxhash_rust::xxh3::Xxh3;

use super::{ImageFolder, Sample};

/// Bytes of a large file that are looked at, at its beginning, in its middle and at its end.
const PART: u64 = 32 << 10;

/// Fingerprints of images' contents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fingerprints(HashSet<u128>);

impl Fingerprints {
    /// The name of the file in a run's directory.
    pub const FILE: &str = "trained-on.txt";

    /// Those of a folder's samples. Images that cannot be read have none.
    pub fn of(folder: &ImageFolder, samples: &[usize]) -> Self {
        let of = |&index: &usize| fingerprint(folder, &folder.samples[index]).ok();
        Self(samples.par_iter().filter_map(of).collect())
    }

    /// Whether no image is in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// For each sample whether its content is among these; that of an image which cannot be read is not.
    pub fn hold(&self, folder: &ImageFolder, samples: &[usize]) -> Vec<bool> {
        let holds = |&index: &usize| {
            let found = fingerprint(folder, &folder.samples[index]);
            found.is_ok_and(|found| self.0.contains(&found))
        };
        samples.par_iter().map(holds).collect()
    }

    /// A line of hexadecimal digits for each, in ascending order.
    pub fn to_text(&self) -> String {
        let mut all: Vec<u128> = self.0.iter().copied().collect();
        all.sort_unstable();
        all.iter().map(|each| format!("{each:032x}\n")).collect()
    }

    /// Reads what [`to_text`](Self::to_text) wrote.
    ///
    /// # Errors
    /// The system's, or [`io::ErrorKind::InvalidData`] for a file of another kind.
    pub fn load(path: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(path)?;
        let line = |line: &str| u128::from_str_radix(line, 16);
        let all: Result<_, _> = text.lines().map(line).collect();
        all.map(Self)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }
}

/// The hash of an image's length and bytes; of one of more than 96 KiB, of three parts of them: compressed pictures that agree there are
/// the same.
fn fingerprint(folder: &ImageFolder, sample: &Sample) -> io::Result<u128> {
    let mut file: Take<fs::File> = folder.open(sample)?;
    let (start, length) = match file.limit() {
        u64::MAX => (0, file.get_ref().metadata()?.len()),
        length => (file.get_mut().stream_position()?, length),
    };
    let mut digest = Xxh3::new();
    digest.update(&length.to_le_bytes());
    let parts = match length > 3 * PART {
        true => vec![
            (0, PART),
            ((length - PART) / 2, PART),
            (length - PART, PART),
        ],
        false => vec![(0, length)],
    };
    let file = file.get_mut();
    let mut bytes = Vec::new();
    for (place, length) in parts {
        bytes.clear();
        file.seek(SeekFrom::Start(start + place))?;
        file.by_ref().take(length).read_to_end(&mut bytes)?;
        digest.update(&bytes);
    }
    Ok(digest.digest128())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_known_again_and_a_changed_byte_is_not() {
        let place = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            fs::write(place.path().join(name), bytes).unwrap();
        };
        let large: Vec<u8> = (0..200_000u32)
            .map(|at| (at.wrapping_mul(at) >> 7) as u8)
            .collect();
        let mut other = large.clone();
        other[100_000] ^= 1;
        for (name, bytes) in [("a", &large[..]), ("b", &large), ("c", &other), ("d", b"x")] {
            write(name, bytes);
        }
        let paths = ["a", "b", "c", "d"].map(|name| place.path().join(name));
        let folder = ImageFolder::unlabelled(paths.to_vec());
        let seen = Fingerprints::of(&folder, &[0, 3]);
        let held = seen.hold(&folder, &[0, 1, 2, 3]);
        assert_eq!(held, [true, true, false, true]);
        write("seen", seen.to_text().as_bytes());
        assert_eq!(
            Fingerprints::load(&place.path().join("seen")).unwrap(),
            seen
        );
        assert!(Fingerprints::load(&place.path().join("d")).is_err());
    }
}
