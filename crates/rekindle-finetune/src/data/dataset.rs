//! Reads the images of a folder: from path to upright RGB pixels, checked and kept in memory where they fit.
//!
//! Decoding itself is `rekindle-augment`'s; this file adds the paths to its errors and owns what happens to images that cannot be used.

use std::{
    fs,
    io::{self, Read},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use rayon::prelude::*;
use rekindle_augment::{
    DecodeLimits, Decoded, Format, JpegScaling, Pipeline, RgbImage, SampleRng, decode, read_header,
};
use serde::{Deserialize, Serialize};

use super::{
    BadImage, DataError, DecodedCache, ImageFolder, ImageProblem, ManifestError, Sample,
    SourceKind, folder::check_class_counts,
};

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
/// Decoded images are kept in a [`DecodedCache`], so that from the second epoch on only those that did not fit are decoded again. It
/// makes no difference to the pixels: large JPEG files, whose crops may be decoded at a reduced size ([`JpegScaling`]), are never
/// kept. All methods may be called from several threads.
#[derive(Debug)]
pub struct Dataset {
    folder: ImageFolder,
    limits: DecodeLimits,
    jpeg_scaling: JpegScaling,
    cache: DecodedCache,
    turned: Vec<AtomicBool>,
}

impl Dataset {
    /// 512 MiB: about 2700 decoded images of 256 by 256 pixels.
    pub const DEFAULT_CACHE_BYTES: usize = 512 << 20;

    /// The images of `folder`; `cache_bytes` bounds the decoded pixels kept in memory, 0 keeps none.
    pub fn new(folder: ImageFolder, limits: DecodeLimits, cache_bytes: usize) -> Self {
        let cache = DecodedCache::new(folder.samples.len(), cache_bytes);
        let turned = folder
            .samples
            .iter()
            .map(|_| AtomicBool::new(false))
            .collect();
        Self {
            folder,
            limits,
            jpeg_scaling: JpegScaling::Full,
            cache,
            turned,
        }
    }

    /// The same images, with crops of large JPEG files decoded by this rule; at full size where it is not called.
    pub fn with_jpeg_scaling(self, jpeg_scaling: JpegScaling) -> Self {
        Self {
            jpeg_scaling,
            ..self
        }
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
    /// Where the pipeline starts with a crop, only what the crop needs is decoded of an image that the cache neither has nor takes.
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
        self.cache.used_bytes()
    }

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
        self.verify(policy, self.len(), |index| self.try_image(index).map(drop))
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
            check_header(&self.folder, &self.folder.samples[index], &self.limits)
        })
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

    fn try_image(&self, index: usize) -> Result<Arc<RgbImage>, ImageProblem> {
        match self.cache.get(index) {
            Some(image) => Ok(image),
            None => self.decode_whole(index, &self.read(index)?),
        }
    }

    fn try_view(
        &self,
        index: usize,
        pipeline: &Pipeline,
        rng: &mut SampleRng,
    ) -> Result<RgbImage, ImageProblem> {
        if let Some(image) = self.cache.get(index) {
            return Ok(pipeline.apply(&image, rng));
        }
        let bytes = self.read(index)?;
        if !pipeline.starts_with_crop() || self.takes(&bytes)? {
            let image = self.decode_whole(index, &bytes)?;
            return Ok(pipeline.apply(&image, rng));
        }
        let view = pipeline.apply_bytes(&bytes, &self.limits, self.jpeg_scaling, rng)?;
        self.note_orientation(index, view.orientation);
        Ok(view.image)
    }

    fn read(&self, index: usize) -> Result<Vec<u8>, ImageProblem> {
        let bytes = self.folder.read(&self.folder.samples[index]);
        bytes.map_err(ImageProblem::Read)
    }

    /// Whether the cache would take this image as it stands.
    fn takes(&self, bytes: &[u8]) -> Result<bool, ImageProblem> {
        let header = read_header(bytes, &self.limits)?;
        let pixels = u64::from(header.width) * u64::from(header.height);
        Ok(self.may_keep(header.format, pixels) && self.cache.has_room(3 * pixels))
    }

    /// Whether an image of this kind is the same however it is decoded, and so may be kept.
    fn may_keep(&self, format: Format, pixels: u64) -> bool {
        format != Format::Jpeg || !self.jpeg_scaling.reduces(pixels)
    }

    fn decode_whole(&self, index: usize, bytes: &[u8]) -> Result<Arc<RgbImage>, ImageProblem> {
        let decoded = decode(bytes, &self.limits)?;
        self.note_orientation(index, decoded.orientation);
        let pixels = u64::from(decoded.image.width()) * u64::from(decoded.image.height());
        let image = Arc::new(decoded.image);
        if self.may_keep(decoded.format, pixels) {
            self.cache.offer(index, &image);
        }
        Ok(image)
    }

    fn note_orientation(&self, index: usize, orientation: u8) {
        if orientation > 1 {
            self.turned[index].store(true, Ordering::Relaxed);
        }
    }
}

/// Checks the header of a file, reading no more of it than most headers need.
fn check_header(
    folder: &ImageFolder,
    sample: &Sample,
    limits: &DecodeLimits,
) -> Result<(), ImageProblem> {
    let mut file = folder.open(sample).map_err(ImageProblem::Read)?;
    let mut bytes = Vec::with_capacity(HEADER_BYTES as usize);
    let read = file.by_ref().take(HEADER_BYTES).read_to_end(&mut bytes);
    let read = read.map_err(ImageProblem::Read)?;
    if read_header(&bytes, limits).is_ok() {
        return Ok(());
    }
    // The header may lie further on (behind a large colour profile; at the end, in TIFF): the whole file has the last word.
    if read as u64 == HEADER_BYTES {
        file.read_to_end(&mut bytes).map_err(ImageProblem::Read)?;
    }
    read_header(&bytes, limits)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use rekindle_augment::ops::RandomResizedCrop;
    use rekindle_augment::{Preprocessing, TransformSpec};

    use super::*;
    use crate::data::scan_folder;

    /// Two classes of `count` PNG images of 6 by 4 pixels; the pixels say class and number.
    fn photos(count: u8) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (class, name) in ["ant", "bee"].into_iter().enumerate() {
            fs::create_dir(folder.path().join(name)).unwrap();
            for number in 0..count {
                let image = RgbImage::from_pixel(6, 4, [class as u8, number, 7].into());
                image
                    .save(folder.path().join(name).join(format!("{number}.png")))
                    .unwrap();
            }
        }
        folder
    }

    fn open(folder: &tempfile::TempDir, cache_bytes: usize) -> Dataset {
        Dataset::new(
            scan_folder(folder.path()).unwrap(),
            DecodeLimits::default(),
            cache_bytes,
        )
    }

    #[test]
    fn images_are_those_of_their_samples_with_and_without_cache() {
        let folder = photos(3);
        for cache_bytes in [0, 100, 1 << 20] {
            let dataset = open(&folder, cache_bytes);
            for _ in 0..2 {
                for index in 0..6 {
                    let image = dataset.image(index).unwrap();
                    assert_eq!(image.dimensions(), (6, 4));
                    assert_eq!(
                        image.get_pixel(5, 3).0,
                        [(index / 3) as u8, (index % 3) as u8, 7]
                    );
                }
            }
            assert_eq!(dataset.cached_bytes(), (cache_bytes / 72).min(6) * 72);
        }
    }

    #[test]
    fn a_kept_image_is_not_read_again() {
        let folder = photos(2);
        let dataset = open(&folder, 1 << 20);
        dataset.verify_decode(BadImages::Fail).unwrap();
        fs::remove_file(folder.path().join("ant/0.png")).unwrap();
        assert_eq!(dataset.image(0).unwrap().get_pixel(0, 0).0, [0, 0, 7]);
    }

    /// Two classes with a JPEG of 2.3 megapixels and one of 0.1 each.
    fn jpeg_photos() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, shift) in [("ant", 0), ("bee", 90)] {
            fs::create_dir(folder.path().join(name)).unwrap();
            for (file, width, height) in [("large.jpg", 1800, 1300), ("small.jpg", 400, 300)] {
                let wave = |x: u32| (128.0 + 100.0 * (f64::from(x + shift) / 9.0).sin()) as u8;
                let image =
                    RgbImage::from_fn(width, height, |x, y| [wave(x), wave(y), wave(x + y)].into());
                image.save(folder.path().join(name).join(file)).unwrap();
            }
        }
        folder
    }

    #[test]
    fn views_of_jpeg_files_depend_on_neither_the_cache_nor_what_is_in_it() {
        let folder = jpeg_photos();
        let size = Preprocessing {
            input_size: [40, 40],
            ..Preprocessing::default()
        };
        let crop = TransformSpec::RandomResizedCrop(RandomResizedCrop::default());
        let pipeline = Pipeline::training(&size, &[crop]).unwrap();
        let views = |dataset: &Dataset, epoch: u64| -> Vec<RgbImage> {
            let view = |index: usize| {
                let mut rng = SampleRng::new(0, epoch, index as u64);
                dataset.view(index, &pipeline, &mut rng).unwrap()
            };
            (0..4).map(view).collect()
        };
        let without = open(&folder, 0).with_jpeg_scaling(JpegScaling::Reduced);
        let with = open(&folder, 1 << 30).with_jpeg_scaling(JpegScaling::Reduced);
        let full = open(&folder, 1 << 30);
        for epoch in 0..2 {
            assert_eq!(views(&without, epoch), views(&with, epoch));
            // Evaluation may put its images into the cache in between.
            with.verify_decode(BadImages::Fail).unwrap();
            full.verify_decode(BadImages::Fail).unwrap();
        }
        assert_eq!(with.cached_bytes(), 2 * 3 * 400 * 300);
        assert_eq!(full.cached_bytes(), 2 * 3 * (400 * 300 + 1800 * 1300));
        let (reduced, whole) = (views(&with, 0), views(&full, 0));
        // The large ones come first in each class.
        assert!(reduced[0] != whole[0] && reduced[1] == whole[1]);
        assert!(reduced[2] != whole[2] && reduced[3] == whole[3]);
        for (reduced, whole) in reduced.iter().zip(&whole) {
            let pairs = reduced.iter().zip(whole.iter());
            let sum: u32 = pairs.map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
            assert!(f64::from(sum) < 3.0 * reduced.len() as f64, "{sum}");
        }
    }

    #[test]
    fn headers_find_empty_and_wrong_files_and_decoding_finds_broken_ones() {
        let folder = photos(5);
        fs::write(folder.path().join("ant/1.png"), b"").unwrap();
        fs::write(
            folder.path().join("bee/2.png"),
            b"a text that somebody named like an image",
        )
        .unwrap();
        let whole = fs::read(folder.path().join("bee/3.png")).unwrap();
        fs::write(folder.path().join("bee/3.png"), &whole[..whole.len() / 2]).unwrap();
        let dataset = open(&folder, 0);
        let bad = |verified: Verified| -> Vec<PathBuf> {
            verified.bad.into_iter().map(|image| image.path).collect()
        };

        let headers = dataset.verify_headers(BadImages::Skip).unwrap();
        assert_eq!(headers.good, [0, 2, 3, 4, 5, 6, 8, 9]);
        assert_eq!(bad(headers), ["ant/1.png", "bee/2.png"].map(PathBuf::from));

        let decoded = dataset.verify_decode(BadImages::Skip).unwrap();
        assert_eq!(decoded.good, [0, 2, 3, 4, 5, 6, 9]);
        assert_eq!(
            bad(decoded),
            ["ant/1.png", "bee/2.png", "bee/3.png"].map(PathBuf::from)
        );

        let error = dataset.verify_decode(BadImages::Fail).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("3 of 10 images cannot be used: `ant"),
            "{text}"
        );
        assert!(
            text.contains("empty") && text.contains("2.png") && text.contains("3.png"),
            "{text}"
        );
    }

    #[test]
    fn an_image_named_as_another_format_is_good() {
        let folder = photos(2);
        fs::rename(
            folder.path().join("ant/0.png"),
            folder.path().join("ant/0.jpg"),
        )
        .unwrap();
        let dataset = open(&folder, 0);
        assert_eq!(
            dataset.verify_headers(BadImages::Fail).unwrap().good.len(),
            4
        );
        assert_eq!(
            dataset.verify_decode(BadImages::Fail).unwrap().good.len(),
            4
        );
    }

    #[test]
    fn skipping_must_leave_enough_images_in_every_class() {
        let folder = photos(2);
        fs::write(folder.path().join("bee/1.png"), b"").unwrap();
        let error = open(&folder, 0)
            .verify_headers(BadImages::Skip)
            .unwrap_err();
        let DataError::ClassesTooSmall { least, counts } = error else {
            panic!("{error}")
        };
        assert_eq!((least, counts), (2, vec![("bee".into(), 1)]));
    }

    #[test]
    fn an_unreadable_image_is_an_error_with_its_path_and_reason() {
        let folder = photos(2);
        let dataset = open(&folder, 0);
        fs::remove_file(folder.path().join("bee/0.png")).unwrap();
        let DataError::UnreadableImage { path, source } = dataset.image(2).unwrap_err() else {
            panic!()
        };
        assert_eq!(path, folder.path().join("bee/0.png"));
        assert!(matches!(source, ImageProblem::Read(_)), "{source}");
    }

    #[test]
    fn of_many_images_some_headers_are_checked_evenly() {
        let folder = photos(5);
        let dataset = open(&folder, 0);
        for name in ["ant/0.png", "bee/0.png", "bee/1.png"] {
            fs::write(folder.path().join(name), b"").unwrap();
        }
        let some = dataset.verify_some_headers(BadImages::Skip, 2).unwrap();
        assert_eq!(some.checked, 2);
        assert_eq!(some.good, [1, 2, 3, 4, 6, 7, 8, 9]);
        let all = dataset.verify_some_headers(BadImages::Skip, 99).unwrap();
        assert_eq!((all.checked, all.bad.len()), (10, 3));
    }

    #[test]
    fn missing_files_of_a_manifest_are_listed_with_where_paths_start() {
        let folder = photos(2);
        let rows = "path,label\nant/0.png,a\nant/1.png,a\nant/7.png,a\nbee/0.png,b\nbee/1.png,b\n";
        let manifest = folder.path().join("labels.csv");
        fs::write(&manifest, rows).unwrap();
        let found = crate::data::open_data(&manifest, &Default::default()).unwrap();
        let dataset = Dataset::new(found, DecodeLimits::default(), 0);
        let error = dataset
            .verify_headers(BadImages::Fail)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("1 of the 5 images of `"), "{error}");
        assert!(
            error.contains("are missing: `ant/7.png`; relative paths start from"),
            "{error}"
        );
        let verified = dataset.verify_headers(BadImages::Skip).unwrap();
        assert_eq!(verified.good, [0, 1, 3, 4]);
    }
}
