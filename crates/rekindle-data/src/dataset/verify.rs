//! Which images can be used, found out before training.
//!
//! Owns: the looks at headers and pixels, and what is made of the images that cannot be used.

use std::io::{self, Read};
use std::sync::PoisonError;

use rayon::prelude::*;
use rekindle_augment::{DecodeLimits, Format, ImageHeader, JpegScaling, read_header};
use serde::{Deserialize, Serialize};

use super::Dataset;
use crate::folder::check_class_counts;
use crate::{BadImage, DataError, ImageFolder, ImageProblem, ManifestError, Sample, SourceKind};

/// How much of a file is read at first to check its header.
const HEADER_BYTES: u64 = 16 << 10;

/// What to do with images that cannot be used. No other image ever takes their place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BadImages {
    /// Stop with an error that lists them. The default, since a broken file is often the sign of a broken copy of the whole folder.
    #[default]
    Fail,
    /// Leave them out and report them.
    Skip,
}

/// What headers say of images' sizes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ImageSizes {
    /// How many images were looked at.
    pub images: u64,
    /// Their pixels in all.
    pub pixels: u64,
    /// Those that are kept of them: larger pictures are kept at a smaller size.
    pub kept: u64,
    /// The most pixels that are decoded at once.
    pub largest: u64,
}

/// The outcome of a check of all images.
#[derive(Debug)]
pub struct Verified {
    /// Indices of the samples that can be used, ascending.
    pub good: Vec<usize>,
    /// The others, in the order of the samples; empty under [`BadImages::Fail`].
    pub bad: Vec<BadImage>,
    /// How many were looked at.
    pub checked: usize,
}

impl Dataset {
    /// Checks the header of every file, in parallel: it can be read, is of a supported format, and has a size within the limits.
    ///
    /// Cheap (a few milliseconds for hundreds of files), so it can run before every training. Files that are cut short later on are only
    /// found by [`verify_decode`](Self::verify_decode), or when they are first needed.
    ///
    /// # Errors
    /// [`DataError::BadImages`] under [`BadImages::Fail`]; [`DataError::ClassesTooSmall`] when a class has too few good training images.
    pub fn verify_headers(&self, policy: BadImages) -> Result<Verified, DataError> {
        self.verify_some_headers(policy, self.len())
    }

    /// Decodes every image, in parallel, and keeps those that fit into the cache.
    ///
    /// Finds everything that decoding can find, and is the first epoch's decoding done beforehand. Must come before training when bad
    /// images are to be skipped, since one that is only found during training is an error under both policies.
    ///
    /// # Errors
    /// As [`verify_headers`](Self::verify_headers).
    pub fn verify_decode(&self, policy: BadImages) -> Result<Verified, DataError> {
        self.verify(policy, self.len(), |index| self.try_pixels(index))
    }

    /// As [`verify_headers`](Self::verify_headers), but of more than `most` images only that many are looked at, spread evenly over all.
    /// The others count as good until they are needed: reading a million headers takes minutes.
    ///
    /// # Errors
    /// As [`verify_headers`](Self::verify_headers).
    pub fn verify_some_headers(
        &self,
        policy: BadImages,
        most: usize,
    ) -> Result<Verified, DataError> {
        let count = self.len().min(most.max(1));
        self.verify(policy, count, |index| {
            let header = check_header(&self.folder, &self.folder.samples[index], &self.limits)?;
            self.note_size(&header, self.limits.pictures());
            Ok(())
        })
    }

    /// Of an image that so many RGB pictures carry.
    fn note_size(&self, header: &ImageHeader, pictures: u64) {
        let pixels = u64::from(header.width) * u64::from(header.height) * pictures;
        let mut seen = self.sizes.lock().unwrap_or_else(PoisonError::into_inner);
        seen.images += 1;
        seen.pixels += pixels;
        seen.kept += pixels.min(JpegScaling::LARGE_PIXELS);
        // Of a large JPEG file only what the crop needs is decoded, or a smaller picture; of a huge one that comes row by row, too.
        let at_once = match header.format {
            Format::Jpeg => pixels.min(JpegScaling::LARGE_PIXELS),
            _ if header.is_rows => pixels.min(JpegScaling::HUGE_PIXELS),
            _ => pixels,
        };
        seen.largest = seen.largest.max(at_once);
    }

    /// What is known of the images' sizes from the headers that were checked.
    pub fn sizes(&self) -> ImageSizes {
        *self.sizes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks `count` samples, spread evenly.
    fn verify<F>(&self, policy: BadImages, count: usize, check: F) -> Result<Verified, DataError>
    where
        F: Fn(usize) -> Result<(), ImageProblem> + Sync + Send,
    {
        let images = self.len() as u128;
        let bad: Vec<BadImage> = (0..count)
            .into_par_iter()
            .filter_map(|place| {
                let index = (place as u128 * images / count as u128) as usize;
                let reason = check(index).err()?;
                let path = self.folder.samples[index].path.clone();
                Some(BadImage {
                    index,
                    path,
                    reason,
                })
            })
            .collect();
        if policy == BadImages::Fail && !bad.is_empty() {
            return Err(self.refuse(count, bad));
        }
        let mut left_out = bad.iter().map(|image| image.index).peekable();
        let good: Vec<usize> = (0..self.len())
            .filter(|index| left_out.next_if_eq(index).is_none())
            .collect();
        check_class_counts(&self.folder, &good)?;
        Ok(Verified {
            good,
            bad,
            checked: count,
        })
    }

    /// The error for bad images. Where files of a manifest are not there at all, its paths are to blame and not the images.
    fn refuse(&self, checked: usize, images: Vec<BadImage>) -> DataError {
        let is_missing = |image: &&BadImage| matches!(&image.reason, ImageProblem::Read(error) if error.kind() == io::ErrorKind::NotFound);
        let missing: Vec<_> = images
            .iter()
            .filter(is_missing)
            .map(|image| image.path.clone())
            .collect();
        if self.folder.kind != SourceKind::Manifest || missing.is_empty() {
            return DataError::BadImages { checked, images };
        }
        ManifestError::FilesMissing {
            path: self.folder.source.clone(),
            root: self.folder.root.clone(),
            checked,
            missing,
        }
        .into()
    }
}

/// Checks the header of a file, reading no more of it than most headers need.
fn check_header(
    folder: &ImageFolder,
    sample: &Sample,
    limits: &DecodeLimits,
) -> Result<ImageHeader, ImageProblem> {
    let mut file = folder.open(sample).map_err(ImageProblem::Read)?;
    let mut bytes = Vec::with_capacity(HEADER_BYTES as usize);
    let read = file.by_ref().take(HEADER_BYTES).read_to_end(&mut bytes);
    let read = read.map_err(ImageProblem::Read)?;
    if let Ok(header) = read_header(&bytes, limits) {
        return Ok(header);
    }
    // The header may lie further on (behind a large colour profile; at the end, in TIFF): the whole file has the last word.
    if read as u64 == HEADER_BYTES {
        file.read_to_end(&mut bytes).map_err(ImageProblem::Read)?;
    }
    Ok(read_header(&bytes, limits)?)
}
