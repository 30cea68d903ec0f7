//! Numbers kept on disk beside the pictures, such as features: what a file of them holds, and how several are read at once.
//!
//! Owns: the names and bytes of such entries, and the check that they are whole. What the numbers mean, and all that their key has to
//! name, is the caller's. They lie in the same folder as pictures and under the same bound.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::sync::atomic::Ordering;

use rayon::prelude::*;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed, xxh3_128};

use super::disk::DiskCache;
use super::folder::{NUMBERS, path_in};

/// To be raised with every change of the layout below.
const FORMAT: u32 = 1;
const MAGIC: &[u8; 8] = b"rekifeat";
const HEAD_BYTES: usize = 80;
/// Words that a caller keeps with its numbers.
const WORDS: usize = 8;

/// Names an entry of numbers: a hash of the words that say what decides them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NumbersKey(u128);

impl NumbersKey {
    /// The key of numbers that these words decide. Whatever changes the numbers has to be in the words.
    pub fn new(words: &str) -> Self {
        Self(xxh3_128(words.as_bytes()))
    }

    fn name(self) -> String {
        format!("{:032x}", self.0)
    }
}

/// Numbers that are kept, with a few words about their form.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptNumbers {
    /// What the caller says of them, such as their shape.
    pub words: [u32; WORDS],
    /// The numbers, bit by bit as they were.
    pub values: Vec<f32>,
}

impl DiskCache {
    /// The numbers of these keys where they are kept and whole, read by all threads; an entry that is damaged is removed.
    pub fn numbers(&self, keys: &[NumbersKey]) -> Vec<Option<KeptNumbers>> {
        keys.par_iter().map(|key| self.read_numbers(*key)).collect()
    }

    fn read_numbers(&self, key: NumbersKey) -> Option<KeptNumbers> {
        let path = path_in(self.directory(), NUMBERS, &key.name());
        let file = File::open(&path).ok()?;
        let metadata = file.metadata().ok()?;
        let Some(found) = decode(key, &file, metadata.len()) else {
            let _ = fs::remove_file(&path);
            return None;
        };
        self.touch(&path, &metadata);
        self.numbers_read.fetch_add(1, Ordering::Relaxed);
        Some(found)
    }

    /// Keeps numbers, if there is room for them or room can be made. As for pictures, what cannot be written is told once.
    pub fn keep_numbers(&self, key: NumbersKey, kept: &KeptNumbers) {
        let bytes = encode(key, kept);
        let path = path_in(self.directory(), NUMBERS, &key.name());
        let length = bytes.len() as u64;
        if self.keep_file(&path, length, |file| file.write_all(&bytes)) {
            self.numbers_written.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn encode(key: NumbersKey, kept: &KeptNumbers) -> Vec<u8> {
    let mut bytes = vec![0; HEAD_BYTES];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
    bytes[16..32].copy_from_slice(&key.0.to_le_bytes());
    for (place, word) in kept.words.iter().enumerate() {
        bytes[32 + 4 * place..36 + 4 * place].copy_from_slice(&word.to_le_bytes());
    }
    bytes[64..72].copy_from_slice(&(kept.values.len() as u64).to_le_bytes());
    bytes.extend(kept.values.iter().flat_map(|value| value.to_le_bytes()));
    let sum = checksum(&bytes);
    bytes[72..HEAD_BYTES].copy_from_slice(&sum.to_le_bytes());
    bytes
}

/// The numbers of an entry; none where a byte of it is missing, changed or too many, or it is another key's.
fn decode(key: NumbersKey, mut file: impl Read, length: u64) -> Option<KeptNumbers> {
    let mut bytes = Vec::with_capacity(usize::try_from(length).ok()?);
    file.read_to_end(&mut bytes).ok()?;
    if bytes.len() < HEAD_BYTES {
        return None;
    }
    let number = |at: usize| Some(u32::from_le_bytes(bytes[at..at + 4].try_into().ok()?));
    let count = u64::from_le_bytes(bytes[64..72].try_into().ok()?);
    let sum = u64::from_le_bytes(bytes[72..HEAD_BYTES].try_into().ok()?);
    let is_sound = &bytes[..8] == MAGIC
        && number(8)? == FORMAT
        && bytes[16..32] == key.0.to_le_bytes()
        && count.checked_mul(4) == Some((bytes.len() - HEAD_BYTES) as u64)
        && checksum(&bytes) == sum;
    if !is_sound {
        return None;
    }
    let mut words = [0; WORDS];
    for (place, word) in words.iter_mut().enumerate() {
        *word = number(32 + 4 * place)?;
    }
    let values = bytes[HEAD_BYTES..].chunks_exact(4);
    let value = |four: &[u8]| f32::from_le_bytes([four[0], four[1], four[2], four[3]]);
    let values = values.map(value).collect();
    Some(KeptNumbers { words, values })
}

/// Over everything but the sum itself.
fn checksum(bytes: &[u8]) -> u64 {
    xxh3_64_with_seed(&bytes[HEAD_BYTES..], xxh3_64(&bytes[..72]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::folder::cache_contents;

    fn kept(count: usize) -> KeptNumbers {
        let value = |number: usize| f32::from_bits((number as u32).wrapping_mul(0x0123_4567));
        KeptNumbers {
            words: [1, 2, 3, 4, 5, 6, 7, u32::MAX],
            values: (0..count).map(value).collect(),
        }
    }

    fn bits(kept: &KeptNumbers) -> Vec<u32> {
        kept.values.iter().map(|value| value.to_bits()).collect()
    }

    #[test]
    fn numbers_come_back_bit_by_bit_and_no_changed_byte_does() {
        let key = NumbersKey::new("a");
        let bytes = encode(key, &kept(9));
        let read = |key: NumbersKey, bytes: &[u8]| decode(key, bytes, bytes.len() as u64);
        let found = read(key, &bytes).unwrap();
        // Also what is no number.
        assert_eq!((found.words, bits(&found)), (kept(9).words, bits(&kept(9))));
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x10;
            assert_eq!(read(key, &changed), None, "byte {at}");
            assert_eq!(read(key, &bytes[..at]), None, "{at} bytes");
        }
        assert_eq!(read(key, &[&bytes[..], &[0; 4]].concat()), None);
        assert_eq!(read(NumbersKey::new("b"), &bytes), None);
    }

    #[test]
    fn numbers_are_found_in_the_next_run_and_damaged_ones_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("cache");
        let new = || DiskCache::new(directory.clone(), 1 << 20);
        let keys = ["a", "b"].map(NumbersKey::new);
        new().keep_numbers(keys[0], &kept(100));
        let found = new().numbers(&keys);
        assert_eq!(bits(found[0].as_ref().unwrap()), bits(&kept(100)));
        assert_eq!(found[1], None);
        let contents = cache_contents(&directory).unwrap();
        assert_eq!((contents.entries, contents.features), (0, 1));
        let path = path_in(&directory, NUMBERS, &keys[0].name());
        let mut bytes = fs::read(&path).unwrap();
        bytes[200] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert_eq!(new().numbers(&keys[..1]), [None]);
        assert!(!path.exists());
    }

    #[test]
    fn numbers_and_pictures_share_a_bound_and_nothing_beyond_it_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let cache = DiskCache::new(folder.path().join("cache"), 3 * 4096);
        for number in 0..6 {
            cache.keep_numbers(NumbersKey::new(&number.to_string()), &kept(900));
        }
        let contents = cache_contents(cache.directory()).unwrap();
        assert_eq!((contents.features, contents.bytes), (3, 3 * 4096));
        cache.set_writes(false);
        cache.keep_numbers(NumbersKey::new("x"), &kept(1));
        assert_eq!(cache_contents(cache.directory()).unwrap().features, 3);
    }
}
