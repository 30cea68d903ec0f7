//! Pictures that are kept once they are decoded, in memory and on disk, so that later epochs and later runs skip decoding.
//!
//! Owns: in which forms a picture is kept, and the order of the two places. What is worth keeping in which form is `dataset`'s.

mod disk;
mod entry;
mod folder;
mod memory;
mod numbers;

use std::sync::Arc;

use rekindle_augment::RgbImage;

pub use self::disk::DiskCache;
pub(super) use self::entry::hash_content;
#[cfg(feature = "parquet")]
pub(super) use self::folder::unpacked_path;
pub use self::folder::{CacheContents, cache_contents, clear_cache, default_cache_directory};
pub use self::memory::MemoryCache;
pub use self::numbers::{KeptNumbers, NumbersKey};

/// In which form a picture is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// Upright, at full size.
    Whole,
    /// Upright, decoded at 1/2, 1/4 or 1/8.
    Reduced(u32),
    /// What a pipeline without randomness makes of it; the hash of [`Pipeline::fixed_view`](rekindle_augment::Pipeline::fixed_view).
    View(u64),
}

impl Form {
    /// The view of a pipeline with this name.
    pub fn view(name: &str) -> Self {
        Self::View(entry::hash_words(name))
    }
}

/// A picture that was kept.
#[derive(Debug, Clone)]
pub struct KeptImage {
    /// Its pixels.
    pub image: Arc<RgbImage>,
    /// The EXIF orientation that was undone, 1 to 8.
    pub orientation: u8,
}
