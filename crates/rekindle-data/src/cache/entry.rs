//! What a file of the cache holds: a head of 64 bytes, then the pixels as they are.
//!
//! Owns: the key of an entry, its bytes, and the check that they are whole. Pixels are not compressed: reading and checking them takes
//! about a tenth of a millisecond for each 100 kB, and what lossless compression saves of a photograph it costs in time.

use std::io::Read;

use rekindle_augment::RgbImage;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed, xxh3_128};

use super::Form;

/// To be raised with every change of what is kept under a key: the layout below, or the pixels that decoding gives.
const FORMAT: u32 = 1;

/// What decides the pixels besides the file and the form: the layout, and the version of the program, since another one may decode or
/// resize otherwise.
const PROGRAM: &str = env!("CARGO_PKG_VERSION");

const MAGIC: &[u8; 8] = b"rekindle";
const HEAD_BYTES: usize = 64;

/// Names an entry: a hash of the image file's content, the form and the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key(u128);

/// The hash of an image file's bytes: XXH3 of 128 bits, about 10 GB a second. It is no protection against files that were made to
/// collide; who can write the images can change what is learnt anyway.
pub fn hash_content(bytes: &[u8]) -> u128 {
    xxh3_128(bytes)
}

/// The hash of a name.
pub fn hash_words(words: &str) -> u64 {
    xxh3_64(words.as_bytes())
}

impl Key {
    /// The key of a picture whose file has this hash.
    pub fn new(content: u128, form: Form) -> Self {
        let form = match form {
            Form::Whole => "whole".to_owned(),
            Form::Reduced(divisor) => format!("reduced {divisor}"),
            Form::View(name) => format!("view {name:016x}"),
        };
        let words = format!("{content:032x} {form} {FORMAT} {PROGRAM}");
        Self(xxh3_128(words.as_bytes()))
    }

    /// The name of its file: 32 hexadecimal digits.
    pub fn name(self) -> String {
        format!("{:032x}", self.0)
    }
}

/// How many bytes an entry of so many pixels takes.
pub fn entry_bytes(pixels: u64) -> u64 {
    HEAD_BYTES as u64 + 3 * pixels
}

/// The head of an entry; its pixels follow.
pub fn head(key: Key, image: &RgbImage, orientation: u8) -> [u8; HEAD_BYTES] {
    let mut head = [0; HEAD_BYTES];
    head[..8].copy_from_slice(MAGIC);
    head[8..12].copy_from_slice(&FORMAT.to_le_bytes());
    head[12..16].copy_from_slice(&u32::from(orientation).to_le_bytes());
    head[16..20].copy_from_slice(&image.width().to_le_bytes());
    head[20..24].copy_from_slice(&image.height().to_le_bytes());
    head[24..40].copy_from_slice(&key.0.to_le_bytes());
    let sum = checksum(&head, image.as_raw());
    head[56..].copy_from_slice(&sum.to_le_bytes());
    head
}

/// The picture and orientation of an entry; none where a byte of it is missing, changed or too many, or it is another key's.
pub fn read_entry(key: Key, mut file: impl Read, bytes: u64) -> Option<(RgbImage, u8)> {
    let mut head = [0; HEAD_BYTES];
    file.read_exact(&mut head).ok()?;
    let number = |at: usize| Some(u32::from_le_bytes(head[at..at + 4].try_into().ok()?));
    let (version, orientation, width, height) = (number(8)?, number(12)?, number(16)?, number(20)?);
    let is_sound = &head[..8] == MAGIC
        && version == FORMAT
        && (1..=8).contains(&orientation)
        && head[24..40] == key.0.to_le_bytes()
        && entry_bytes(u64::from(width) * u64::from(height)) == bytes;
    if !is_sound {
        return None;
    }
    let mut pixels = Vec::with_capacity(bytes as usize - HEAD_BYTES);
    file.read_to_end(&mut pixels).ok()?;
    let sum = u64::from_le_bytes(head[56..].try_into().ok()?);
    if checksum(&head, &pixels) != sum {
        return None;
    }
    Some((
        RgbImage::from_raw(width, height, pixels)?,
        orientation as u8,
    ))
}

/// Over the pixels and the head before the sum itself.
fn checksum(head: &[u8; HEAD_BYTES], pixels: &[u8]) -> u64 {
    xxh3_64_with_seed(pixels, xxh3_64(&head[..56]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: Key) -> (RgbImage, Vec<u8>) {
        let image = RgbImage::from_fn(5, 3, |x, y| image::Rgb([x as u8, y as u8, 7]));
        let bytes = [&head(key, &image, 6)[..], image.as_raw()].concat();
        (image, bytes)
    }

    #[test]
    fn an_entry_comes_back_and_no_changed_byte_does() {
        let key = Key::new(1, Form::Whole);
        let (image, bytes) = entry(key);
        assert_eq!(bytes.len() as u64, entry_bytes(15));
        let read = |key: Key, bytes: &[u8]| read_entry(key, bytes, bytes.len() as u64);
        assert_eq!(read(key, &bytes), Some((image, 6)));
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x10;
            assert_eq!(read(key, &changed), None, "byte {at}");
            assert_eq!(read(key, &bytes[..at]), None, "{at} bytes");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(read(key, &longer), None);
        assert_eq!(read(Key::new(2, Form::Whole), &bytes), None);
    }

    #[test]
    fn content_and_form_decide_the_key() {
        let forms = [
            Form::Whole,
            Form::Reduced(2),
            Form::Reduced(4),
            Form::view("a"),
            Form::view("b"),
        ];
        let keys = [1, 2].map(|content| forms.map(|form| Key::new(content, form).name()));
        let mut names: Vec<String> = keys.into_iter().flatten().collect();
        assert!(names.iter().all(|name| name.len() == 32));
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 10);
    }
}
