//! The way of one sample to its picture or view, past what is kept.
//!
//! Owns: what is kept in which form, and that a view is the same whether its picture was kept or not.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use rekindle_augment::{
    DecodeLimits, Decoded, Format, JpegScaling, Pipeline, ReducedPicture, RegionRequest, RgbImage,
    SampleRng, UprightSize, decode, decode_region, read_header, reducible_size, verify_pixels,
};

use super::Dataset;
use crate::cache::{Form, KeptImage, hash_content};
use crate::{DiskCache, ImageProblem};

/// Most bytes of a large picture that are kept whole on disk: what takes longer to read than a slow format takes to decode.
const MOST_DISK_BYTES: u64 = 64 << 20;

/// What is known of a file once it was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    /// Hash of its bytes, where there is a cache on disk to look it up in.
    content: Option<u128>,
    format: Format,
    /// Pixels of the picture.
    pixels: u64,
    /// Size and orientation of a large picture whose crops may be decoded at a reduced size.
    reducible: Option<UprightSize>,
}

impl Known {
    fn is_large(&self) -> bool {
        self.pixels > JpegScaling::LARGE_PIXELS
    }

    /// Whether crops of the picture are the same from the whole picture, which then may be kept.
    fn is_kept_whole(&self) -> bool {
        self.reducible.is_none()
    }

    /// Whether to read the whole picture from a disk is quicker than to decode it.
    fn suits_disk(&self) -> bool {
        let quick_to_decode = self.format == Format::Jpeg && self.is_large();
        self.is_kept_whole() && !quick_to_decode && 3 * self.pixels <= MOST_DISK_BYTES
    }
}

/// The file of a sample, read when it is first needed.
struct Source<'a> {
    dataset: &'a Dataset,
    sample: usize,
    bytes: Option<Vec<u8>>,
}

impl Source<'_> {
    fn bytes(&mut self) -> Result<&[u8], ImageProblem> {
        let bytes = match self.bytes.take() {
            Some(bytes) => bytes,
            None => {
                let folder = &self.dataset.folder;
                let bytes = folder.read(&folder.samples[self.sample]);
                bytes.map_err(ImageProblem::Read)?
            }
        };
        Ok(self.bytes.insert(bytes))
    }

    fn decode(&mut self) -> Result<Decoded, ImageProblem> {
        let dataset = self.dataset;
        let decoded = decode(self.bytes()?, &dataset.limits)?;
        dataset.note_orientation(self.sample, decoded.orientation);
        Ok(decoded)
    }

    /// What the file holds; read once for each sample.
    fn known(&mut self) -> Result<Known, ImageProblem> {
        let dataset = self.dataset;
        let lock = || dataset.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(&self.sample) {
            return Ok(*known);
        }
        let bytes = self.bytes()?;
        let header = read_header(bytes, &dataset.limits)?;
        let pixels = u64::from(header.width) * u64::from(header.height);
        // Of more channels than three there are several pictures.
        let pixels = pixels * dataset.limits.pictures();
        let known = Known {
            content: dataset
                .disk
                .is_some()
                .then(|| hash_content(bytes) ^ of_samples(&dataset.limits)),
            format: header.format,
            pixels,
            reducible: match header.format {
                Format::Jpeg if !dataset.jpeg_scaling.reduces(pixels) => None,
                format if format != Format::Jpeg && !dataset.jpeg_scaling.reduces_rows(pixels) => {
                    None
                }
                _ => reducible_size(bytes, &dataset.limits)?,
            },
        };
        lock().insert(self.sample, known);
        Ok(known)
    }

    /// The picture in this form, where it is kept.
    fn find(&self, known: &Known, form: Form) -> Option<KeptImage> {
        let dataset = self.dataset;
        if let Some(kept) = dataset.memory.get(self.sample, form) {
            return Some(kept);
        }
        let (disk, content) = dataset.disk.as_ref().zip(known.content)?;
        let kept = disk.get(content, form)?;
        dataset.note_orientation(self.sample, kept.orientation);
        dataset.memory.offer(self.sample, form, &kept);
        Some(kept)
    }

    /// Keeps the picture in this form, where there is room.
    fn keep(&self, known: &Known, form: Form, kept: &KeptImage) {
        let dataset = self.dataset;
        dataset.memory.offer(self.sample, form, kept);
        if (form != Form::Whole || known.suits_disk())
            && let Some((disk, content)) = dataset.disk.as_ref().zip(known.content)
        {
            disk.put(content, form, kept);
        }
    }
}

/// What tells pictures of another range, of other channels or of another reading apart from those of the same file with the usual ones, which
/// is 0.
fn of_samples(limits: &DecodeLimits) -> u128 {
    let reading = match limits.reading.is_usual() {
        true => 0,
        false => hash_content(format!("{:?}", limits.reading).as_bytes()),
    };
    let range = match limits.range.is_full() {
        true => 0,
        false => hash_content(format!("{:?}", limits.range).as_bytes()),
    };
    match limits.channels {
        3 => range ^ reading,
        channels => range ^ reading ^ hash_content(format!("{channels} channels").as_bytes()),
    }
}

impl Dataset {
    pub(super) fn try_image(&self, sample: usize) -> Result<Arc<RgbImage>, ImageProblem> {
        if let Some(kept) = self.memory.get(sample, Form::Whole) {
            return Ok(kept.image);
        }
        let mut source = self.source(sample);
        if !self.keeps_any() {
            return Ok(Arc::new(source.decode()?.image));
        }
        let known = source.known()?;
        Ok(self.whole(&mut source, &known)?.image)
    }

    pub(super) fn try_view(
        &self,
        sample: usize,
        pipeline: &Pipeline,
        rng: &mut SampleRng,
    ) -> Result<RgbImage, ImageProblem> {
        if let Some(kept) = self.memory.get(sample, Form::Whole) {
            return Ok(pipeline.apply(&kept.image, rng));
        }
        let mut source = self.source(sample);
        if !self.keeps_any() {
            return self.uncached_view(&mut source, pipeline, rng);
        }
        let known = source.known()?;
        if known.is_large() {
            if let Some(name) = pipeline.fixed_view_name() {
                let form = Form::view(name);
                let view = self.fixed_view(&mut source, &known, form, pipeline)?;
                return Ok(pipeline.apply_to_fixed_view(&view, rng));
            }
            if let Some(size) = known.reducible
                && pipeline.starts_with_crop()
            {
                return self.crop_view(&mut source, &known, size, pipeline, rng);
            }
        }
        if pipeline.starts_with_crop() && !self.takes_whole(&known) {
            return match source.find(&known, Form::Whole) {
                Some(kept) => Ok(pipeline.apply(&kept.image, rng)),
                None => self.uncached_view(&mut source, pipeline, rng),
            };
        }
        match self.whole(&mut source, &known) {
            Ok(kept) => Ok(pipeline.apply(&kept.image, rng)),
            // Damage may lie where the crop needs nothing.
            Err(ImageProblem::Decode(_)) if pipeline.starts_with_crop() => {
                self.uncached_view(&mut source, pipeline, rng)
            }
            Err(problem) => Err(problem),
        }
    }

    /// Decodes a picture and keeps it where there is room; one that is not kept whole is not held whole either, where it need not be.
    pub(super) fn try_pixels(&self, sample: usize) -> Result<(), ImageProblem> {
        let mut source = self.source(sample);
        let passes = |known: &Known| known.is_large() && !self.takes_whole(known);
        if !source.known().as_ref().is_ok_and(passes) {
            return self.try_image(sample).map(drop);
        }
        let orientation = verify_pixels(source.bytes()?, &self.limits)?;
        self.note_orientation(sample, orientation);
        Ok(())
    }

    fn source(&self, sample: usize) -> Source<'_> {
        Source {
            dataset: self,
            sample,
            bytes: None,
        }
    }

    /// Whether anything is ever kept.
    fn keeps_any(&self) -> bool {
        self.disk.is_some() || self.memory.has_room(1) || self.memory.used_bytes() > 0
    }

    /// Whether the whole picture would be kept, if it were decoded.
    fn takes_whole(&self, known: &Known) -> bool {
        let in_memory = self.memory.has_room(3 * known.pixels);
        let on_disk = |disk: &DiskCache| known.suits_disk() && disk.takes(known.pixels);
        known.is_kept_whole() && (in_memory || self.disk.as_ref().is_some_and(on_disk))
    }

    /// The upright picture at full size.
    fn whole(&self, source: &mut Source, known: &Known) -> Result<KeptImage, ImageProblem> {
        if let Some(kept) = source.find(known, Form::Whole) {
            return Ok(kept);
        }
        let decoded = source.decode()?;
        let kept = KeptImage {
            image: Arc::new(decoded.image),
            orientation: decoded.orientation,
        };
        if known.is_kept_whole() {
            source.keep(known, Form::Whole, &kept);
        }
        Ok(kept)
    }

    /// What the fixed first step of a pipeline makes of a large picture.
    fn fixed_view(
        &self,
        source: &mut Source,
        known: &Known,
        form: Form,
        pipeline: &Pipeline,
    ) -> Result<Arc<RgbImage>, ImageProblem> {
        if let Some(kept) = source.find(known, form) {
            return Ok(kept.image);
        }
        let (image, orientation) = match source.find(known, Form::Whole) {
            Some(whole) => (pipeline.fixed_view(&whole.image), whole.orientation),
            None => {
                let limits = &self.limits;
                let view = pipeline.fixed_view_of(source.bytes()?, limits)?;
                self.note_orientation(source.sample, view.orientation);
                (view.image, view.orientation)
            }
        };
        let image = Arc::new(image);
        let view = KeptImage { image, orientation };
        source.keep(known, form, &view);
        Ok(view.image)
    }

    /// The view of a crop of a large picture, from a picture of reduced size where the crop may be decoded from one.
    fn crop_view(
        &self,
        source: &mut Source,
        known: &Known,
        size: UprightSize,
        pipeline: &Pipeline,
        rng: &mut SampleRng,
    ) -> Result<RgbImage, ImageProblem> {
        let Some(drawn) = pipeline.draw_crop(size.width, size.height, rng) else {
            unreachable!("the first step is a crop");
        };
        let request = RegionRequest::from(drawn);
        let scaling = self.jpeg_scaling;
        let reduction = size.reduction(scaling, &request);
        let reduced = match reduction {
            1 => None,
            _ => self.reduced(source, known, size, reduction)?,
        };
        let picture = reduced
            .as_ref()
            .and_then(|image| ReducedPicture::new(image, size, reduction));
        let region = match picture {
            Some(picture) => picture.region(request),
            None => decode_region(source.bytes()?, &self.limits, scaling, |_, _| request)?,
        };
        self.note_orientation(source.sample, region.orientation);
        Ok(pipeline.apply_to_region(&region, drawn.interpolation, rng))
    }

    /// A large picture at a reduced size; none where it would not be kept, or is of a kind that is only decoded whole.
    fn reduced(
        &self,
        source: &mut Source,
        known: &Known,
        size: UprightSize,
        reduction: u32,
    ) -> Result<Option<Arc<RgbImage>>, ImageProblem> {
        let form = Form::Reduced(reduction);
        let sides = [size.width, size.height].map(|side| u64::from(side.div_ceil(reduction)));
        let pixels = sides[0] * sides[1];
        if pixels > size.most_kept() {
            return Ok(None);
        }
        if let Some(kept) = source.find(known, form) {
            return Ok(Some(kept.image));
        }
        let on_disk = |disk: &DiskCache| disk.takes(pixels);
        if !self.memory.has_room(3 * pixels) && !self.disk.as_ref().is_some_and(on_disk) {
            return Ok(None);
        }
        // Damage is an error only where it lies in the crop, which is then decoded alone.
        let decoded = ReducedPicture::decode(source.bytes()?, &self.limits, reduction);
        let Some(image) = decoded.ok().flatten().map(Arc::new) else {
            return Ok(None);
        };
        let orientation = size.orientation;
        let kept = KeptImage { image, orientation };
        source.keep(known, form, &kept);
        Ok(Some(kept.image))
    }

    /// A view for which nothing that is kept is looked at.
    fn uncached_view(
        &self,
        source: &mut Source,
        pipeline: &Pipeline,
        rng: &mut SampleRng,
    ) -> Result<RgbImage, ImageProblem> {
        let bytes = source.bytes()?;
        let view = pipeline.apply_bytes(bytes, &self.limits, self.jpeg_scaling, rng)?;
        self.note_orientation(source.sample, view.orientation);
        Ok(view.image)
    }

    fn note_orientation(&self, sample: usize, orientation: u8) {
        if orientation > 1 {
            self.turned[sample].store(true, Ordering::Relaxed);
        }
    }
}
