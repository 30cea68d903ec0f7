//! The images of a data set, from path to upright RGB pixels or to a view of them, kept where they fit.
//!
//! Decoding itself is `rekindle-augment`'s; this file adds the paths to its errors. What is kept in which form is `dataset/pictures.rs`'s,
//! what happens to images that cannot be used is `dataset/verify.rs`'s.

mod content;
mod pictures;
#[cfg(test)]
mod tests;
mod verify;

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use rekindle_augment::{
    DecodeLimits, Decoded, JpegScaling, Pipeline, RgbImage, SampleRange, SampleRng, decode,
};

pub use self::content::Content;
use self::pictures::Known;
pub use self::verify::{BadImages, ImageSizes, Verified};
use super::cache::MemoryCache;
use super::{DataError, DiskCache, ImageFolder, ImageProblem};

/// Reads and decodes one image file.
///
/// # Errors
/// [`DataError::UnreadableImage`] with the path, when the file cannot be read or its content not decoded within the limits.
pub fn read_image(path: &Path, limits: &DecodeLimits) -> Result<Decoded, DataError> {
    let decoded = fs::read(path)
        .map_err(ImageProblem::Read)
        .and_then(|bytes| Ok(decode(&bytes, limits)?));
    decoded.map_err(|source| DataError::UnreadableImage {
        path: path.to_path_buf(),
        source,
    })
}

/// The images of a folder, decoded on demand.
///
/// What was decoded is kept in memory and, if asked for, in a [`DiskCache`], so that from the second epoch on only what did not fit is
/// decoded again. It makes no difference to the pixels: pictures are kept in a form from which each view is what it would be without.
///
/// | picture | view | what is kept |
/// |---|---|---|
/// | up to 2 megapixels ([`JpegScaling::LARGE_PIXELS`]) | any | the whole picture |
/// | larger | starts with the evaluation resize and crop | the result of that |
/// | larger, a sequential JPEG, [`JpegScaling::Reduced`] | a random crop | the picture at the reduced size, if that has up to 2 megapixels |
/// | above 16 megapixels, gone through row by row, [`JpegScaling::Reduced`] | a random crop | the picture at the reduced size, if that has up to 8 megapixels |
/// | larger, any other | a random crop | the whole picture; on disk up to 64 MiB, and no JPEG that is quicker to decode |
///
/// A file is read once in the life of a data set to know its content; one that changes meanwhile keeps the picture it had. All methods
/// may be called from several threads.
#[derive(Debug)]
pub struct Dataset {
    folder: ImageFolder,
    limits: DecodeLimits,
    jpeg_scaling: JpegScaling,
    memory: MemoryCache,
    disk: Option<DiskCache>,
    /// What the files that were read so far hold, where something may be kept of them.
    known: Mutex<HashMap<usize, Known>>,
    turned: Vec<AtomicBool>,
    sizes: Mutex<ImageSizes>,
}

impl Dataset {
    /// 512 MiB: about 2700 decoded images of 256 by 256 pixels.
    pub const DEFAULT_CACHE_BYTES: usize = 512 << 20;

    /// The images of `folder`; `cache_bytes` bounds the decoded pixels kept in memory, 0 keeps none. Pictures that are gone through row by
    /// row may have [`DecodeLimits::OWN_FILES`] times as many pixels as the limit.
    pub fn new(folder: ImageFolder, limits: DecodeLimits, cache_bytes: usize) -> Self {
        let turned = folder
            .samples
            .iter()
            .map(|_| AtomicBool::new(false))
            .collect();
        Self {
            folder,
            limits: DecodeLimits {
                row_factor: limits.row_factor.max(DecodeLimits::OWN_FILES),
                ..limits
            },
            jpeg_scaling: JpegScaling::Full,
            memory: MemoryCache::new(cache_bytes),
            disk: None,
            known: Mutex::default(),
            turned,
            sizes: Mutex::default(),
        }
    }

    /// The same images, with crops of large JPEG files decoded by this rule; at full size where it is not called.
    pub fn with_jpeg_scaling(self, jpeg_scaling: JpegScaling) -> Self {
        Self {
            jpeg_scaling,
            ..self
        }
    }

    /// The same images, with decoded ones kept on disk too.
    pub fn with_disk_cache(self, disk: DiskCache) -> Self {
        Self {
            disk: Some(disk),
            ..self
        }
    }

    /// The same images with other numbers for black and white. Pictures that were kept in memory are forgotten.
    pub fn with_range(self, range: SampleRange) -> Self {
        Self {
            limits: DecodeLimits {
                range,
                ..self.limits
            },
            memory: self.memory.emptied(),
            known: Mutex::default(),
            ..self
        }
    }

    /// The limits that images are decoded within.
    pub fn limits(&self) -> &DecodeLimits {
        &self.limits
    }

    /// The cache on disk, where there is one.
    pub fn disk_cache(&self) -> Option<&DiskCache> {
        self.disk.as_ref()
    }

    /// The folder.
    pub fn folder(&self) -> &ImageFolder {
        &self.folder
    }

    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.folder.samples.len()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.folder.samples.is_empty()
    }

    /// The decoded image of a sample: upright, three channels.
    ///
    /// # Errors
    /// As [`read_image`].
    ///
    /// # Panics
    /// When the index is out of range.
    pub fn image(&self, index: usize) -> Result<Arc<RgbImage>, DataError> {
        self.try_image(index).map_err(|source| {
            let path = self.folder.path_of(&self.folder.samples[index]);
            DataError::UnreadableImage { path, source }
        })
    }

    /// A sample after the steps of a pipeline.
    ///
    /// Where the pipeline starts with a crop, only what the crop needs is decoded of an image that is neither kept nor to be kept.
    ///
    /// # Errors
    /// As [`read_image`].
    ///
    /// # Panics
    /// When the index is out of range.
    pub fn view(
        &self,
        index: usize,
        pipeline: &Pipeline,
        rng: &mut SampleRng,
    ) -> Result<RgbImage, DataError> {
        self.try_view(index, pipeline, rng).map_err(|source| {
            let path = self.folder.path_of(&self.folder.samples[index]);
            DataError::UnreadableImage { path, source }
        })
    }

    /// How many of the images decoded so far were turned or mirrored to stand upright, as their EXIF orientation asks.
    pub fn turned(&self) -> usize {
        self.turned
            .iter()
            .filter(|turned| turned.load(Ordering::Relaxed))
            .count()
    }

    /// Bytes of decoded pixels kept in memory.
    pub fn cached_bytes(&self) -> usize {
        self.memory.used_bytes()
    }
}
