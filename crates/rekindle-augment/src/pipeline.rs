//! The way of a decoded image to the final size.
//!
//! Owns: the order of the steps and the promise of the final size. It does not own any step's work, nor threads: a pipeline
//! is shared by reference between as many threads as the caller likes.

use std::borrow::Cow;
use std::sync::Arc;

use image::RgbImage;
use rekindle_settings::Within;

use crate::bands::{split, stack};
use crate::decode::{DecodeLimits, DecodedRegion, JpegScaling, RowFile, decode, decode_region};
use crate::error::AugmentError;
use crate::format::Format;
use crate::ops::TransformSpec;
use crate::preprocessing::Preprocessing;
use crate::registry::TransformRegistry;
use crate::resize::{Interpolation, resize};
use crate::rng::SampleRng;
use crate::transform::{CropResize, Transform, apply_in_order};

/// Steps from a decoded image to the pixels of a batch.
///
/// ```
/// use rekindle_augment::{Pipeline, Preprocessing, RgbImage, SampleRng, TransformSpec};
///
/// let specs: Vec<TransformSpec> = serde_json::from_str(
///     r#"[{"op": "random_resized_crop", "scale": [0.5, 1.0]}, {"op": "horizontal_flip"}]"#,
/// )?;
/// let training = Pipeline::training(&Preprocessing::default(), &specs)?;
/// let image = RgbImage::new(640, 480);
/// let sample = training.apply(&image, &mut SampleRng::new(42, 0, 17));
/// assert_eq!(sample.dimensions(), (224, 224));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Pipeline {
    steps: Vec<Box<dyn Transform>>,
    preprocessing: Preprocessing,
    /// The name of the first step's view, where that step is the evaluation resize and crop.
    fixed_view: Option<String>,
    /// The same pipeline for the other pictures that carry more channels than three ([`Bands`](crate::Bands)); else none.
    others: Vec<Pipeline>,
}

/// What a pipeline makes of the bytes of an image.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// The picture, of the final size.
    pub image: RgbImage,
    /// The EXIF orientation that was undone, 1 to 8; 1 is upright.
    pub orientation: u8,
}

/// The evaluation view as a step.
#[derive(Debug)]
struct Evaluation {
    preprocessing: Preprocessing,
}

impl Transform for Evaluation {
    fn apply(&self, image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        self.apply_borrowed(&image, rng)
    }

    fn apply_borrowed(&self, image: &RgbImage, _: &mut SampleRng) -> RgbImage {
        self.preprocessing.evaluate(image)
    }
}

/// A step of several pipelines.
#[derive(Debug)]
struct Shared(Arc<dyn Transform>);

impl Transform for Shared {
    fn apply(&self, image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        self.0.apply(image, rng)
    }

    fn apply_borrowed(&self, image: &RgbImage, rng: &mut SampleRng) -> RgbImage {
        self.0.apply_borrowed(image, rng)
    }
}

impl Pipeline {
    /// The pipeline of validation and prediction: [`Preprocessing::evaluate`] and nothing random.
    ///
    /// The settings are taken as they are; [`Preprocessing::check`] tells whether they make sense.
    pub fn evaluation(preprocessing: &Preprocessing) -> Self {
        let of = |preprocessing: Preprocessing| {
            let step = Evaluation {
                preprocessing: preprocessing.clone(),
            };
            Self {
                steps: vec![Box::new(step)],
                fixed_view: Some(preprocessing.geometry()),
                preprocessing,
                others: Vec::new(),
            }
        };
        Self::joined(preprocessing.of_pictures().into_iter().map(of).collect())
    }

    /// The pipelines of the pictures that carry one image; there is at least one.
    fn joined(mut pictures: Vec<Self>) -> Self {
        let others = pictures.split_off(1);
        let mut first = pictures.remove(0);
        if let Some(name) = &mut first.fixed_view {
            // The border of each picture has its own colour.
            for name_of_other in others.iter().filter_map(|other| other.fixed_view.as_ref()) {
                name.push_str(" and ");
                name.push_str(name_of_other);
            }
        }
        Self { others, ..first }
    }

    /// The pipeline of training: these transforms in their order.
    ///
    /// Where none of them yields the final size, as a random resized crop does, the evaluation resize and crop comes first.
    ///
    /// # Errors
    ///
    /// [`AugmentError::Setting`] for the first wrong setting, whose key begins with `preprocessing` or with the transform's place, as
    /// `transforms[2].probability`; [`AugmentError::UnknownCustomTransform`] for a `custom` one, which needs [`Self::training_with`].
    pub fn training(
        preprocessing: &Preprocessing,
        transforms: &[TransformSpec],
    ) -> Result<Self, AugmentError> {
        Self::training_with(preprocessing, transforms, &TransformRegistry::default())
    }

    /// As [`Self::training`], with the transforms that a program has registered for recipes to name as `custom`.
    ///
    /// # Errors
    ///
    /// As [`Self::training`]; [`AugmentError::UnknownCustomTransform`] for a name that is not registered, with those that are.
    pub fn training_with(
        preprocessing: &Preprocessing,
        transforms: &[TransformSpec],
        registry: &TransformRegistry,
    ) -> Result<Self, AugmentError> {
        preprocessing.check().within("preprocessing")?;
        let pictures = preprocessing.of_pictures();
        let built = pictures
            .iter()
            .map(|preprocessing| Self::of_picture(preprocessing, transforms, registry));
        Ok(Self::joined(built.collect::<Result<_, _>>()?))
    }

    /// The pipeline of a picture of three channels.
    fn of_picture(
        preprocessing: &Preprocessing,
        transforms: &[TransformSpec],
        registry: &TransformRegistry,
    ) -> Result<Self, AugmentError> {
        let mut steps: Vec<Box<dyn Transform>> = Vec::with_capacity(transforms.len() + 1);
        let starts_fixed = !transforms.iter().any(TransformSpec::yields_final_size);
        if starts_fixed {
            steps.push(Box::new(Evaluation {
                preprocessing: preprocessing.clone(),
            }));
        }
        for (index, transform) in transforms.iter().enumerate() {
            let built = transform.build_with(preprocessing, registry);
            let step = built.map_err(|error| error.within(&format!("transforms[{index}]")))?;
            steps.push(step);
        }
        Ok(Self {
            steps,
            preprocessing: preprocessing.clone(),
            fixed_view: starts_fixed.then(|| preprocessing.geometry()),
            others: Vec::new(),
        })
    }

    /// Appends a step, which sees what the steps before it made. Of an image of more channels than three it sees three at a time.
    pub fn push(&mut self, step: Box<dyn Transform>) {
        if self.others.is_empty() {
            return self.steps.push(step);
        }
        let step: Arc<dyn Transform> = Arc::from(step);
        for other in &mut self.others {
            other.steps.push(Box::new(Shared(Arc::clone(&step))));
        }
        self.steps.push(Box::new(Shared(step)));
    }

    /// Width and height of every image that [`Self::apply`] returns. One of more channels than three is that of the pictures that carry
    /// them, one below the other.
    pub fn size(&self) -> (u32, u32) {
        let (width, height) = self.preprocessing.size();
        (width, height * (1 + self.others.len() as u32))
    }

    /// The part of a picture that an evaluation view shows, see [`Preprocessing::frame`].
    pub fn frame(&self, source: (u32, u32)) -> [f64; 4] {
        self.preprocessing.frame(source)
    }

    /// Runs something on each of the pictures that carry an image, with the same draws.
    fn each_picture(
        &self,
        image: &RgbImage,
        rng: &mut SampleRng,
        run: impl Fn(&Self, &RgbImage, &mut SampleRng) -> RgbImage,
    ) -> RgbImage {
        let parts = split(image, 1 + self.others.len());
        let start = rng.clone();
        let pipelines = std::iter::once(self).chain(&self.others);
        let results = parts.iter().zip(pipelines).map(|(part, pipeline)| {
            *rng = start.clone();
            run(pipeline, part, rng)
        });
        stack(results.collect())
    }

    /// Runs the steps in order.
    ///
    /// The result always has the final size: if the last step left another one, it is resized, without keeping its shape.
    /// The image itself is not copied where the first step is a crop or a resize.
    pub fn apply(&self, image: &RgbImage, rng: &mut SampleRng) -> RgbImage {
        let apply = |pipeline: &Self, image: &RgbImage, rng: &mut SampleRng| {
            pipeline.apply_steps(&pipeline.steps, Cow::Borrowed(image), rng)
        };
        match self.others.is_empty() {
            true => apply(self, image, rng),
            false => self.each_picture(image, rng, apply),
        }
    }

    /// A name for what the first step makes of a picture, where that is the evaluation resize and crop, which nothing random decides: of
    /// pipelines with equal names it is equal. So it can be kept, and [`Self::apply_to_fixed_view`] goes on from it.
    pub fn fixed_view_name(&self) -> Option<&str> {
        self.fixed_view.as_deref()
    }

    /// What [`Self::fixed_view_name`] names: the evaluation view of a picture.
    pub fn fixed_view(&self, image: &RgbImage) -> RgbImage {
        if self.others.is_empty() {
            return self.preprocessing.evaluate(image);
        }
        let mut none = SampleRng::new(0, 0, 0);
        self.each_picture(image, &mut none, |pipeline, image, _| {
            pipeline.preprocessing.evaluate(image)
        })
    }

    /// [`Self::fixed_view`] of the bytes of an image.
    ///
    /// Of a large picture that can be gone through row by row no more is held than the rows that the view is made of, where it stands
    /// upright in its file and is not more than about twice as high as wide. The pixels are the same.
    ///
    /// # Errors
    ///
    /// As [`decode`].
    pub fn fixed_view_of(&self, bytes: &[u8], limits: &DecodeLimits) -> Result<View, AugmentError> {
        let file = RowFile::open(bytes, Format::of(bytes)?, limits)?;
        if let Some(file) = file.filter(RowFile::is_upright)
            && let Some(mut rows) = self.preprocessing.evaluate_by_rows(file.size())
        {
            file.read(&mut |parcel| rows.take(parcel))?;
            if let Some(kept) = rows.finish() {
                return Ok(View {
                    image: self.preprocessing.framed(kept),
                    orientation: 1,
                });
            }
        }
        let decoded = decode(bytes, limits)?;
        Ok(View {
            image: self.fixed_view(&decoded.image),
            orientation: decoded.orientation,
        })
    }

    /// Runs the steps behind the first one on what [`Self::fixed_view`] gives.
    pub fn apply_to_fixed_view(&self, view: &RgbImage, rng: &mut SampleRng) -> RgbImage {
        let apply = |pipeline: &Self, view: &RgbImage, rng: &mut SampleRng| {
            let rest = pipeline.steps.get(1..).unwrap_or_default();
            pipeline.apply_steps(rest, Cow::Borrowed(view), rng)
        };
        match self.others.is_empty() {
            true => apply(self, view, rng),
            false => self.each_picture(view, rng, apply),
        }
    }

    /// The crop that the first step draws for a picture of this size; none where it is no crop, or an image has more channels than three,
    /// of which no part is decoded.
    ///
    /// [`Self::apply_to_region`] with that part of the picture and the same `rng` goes on.
    pub fn draw_crop(&self, width: u32, height: u32, rng: &mut SampleRng) -> Option<CropResize> {
        let first = match self.others.is_empty() {
            true => self.steps.first()?.as_crop()?,
            false => return None,
        };
        Some(first.draw_crop(width, height, rng))
    }

    /// Resizes the part of a picture that [`Self::draw_crop`] drew, and runs the steps behind the crop.
    pub fn apply_to_region(
        &self,
        region: &DecodedRegion,
        interpolation: Interpolation,
        rng: &mut SampleRng,
    ) -> RgbImage {
        let image = Cow::Owned(region.resize(interpolation));
        self.apply_steps(self.steps.get(1..).unwrap_or_default(), image, rng)
    }

    /// Whether [`Self::apply_bytes`] decodes no more of an image than the first step needs.
    pub fn starts_with_crop(&self) -> bool {
        let first = self.steps.first();
        self.others.is_empty() && first.is_some_and(|step| step.as_crop().is_some())
    }

    /// Decodes an image and runs the steps.
    ///
    /// Where the first step is a crop, as a random resized crop is, no more is decoded than it needs, by the rules of
    /// [`decode_region`]: with [`JpegScaling::Full`], and for every image that is not large, the result equals
    /// `apply(&decode(bytes, limits)?.image, rng)`.
    ///
    /// ```no_run
    /// # use rekindle_augment::{DecodeLimits, JpegScaling, Pipeline, Preprocessing, SampleRng, TransformSpec, ops::RandomResizedCrop};
    /// let crop = TransformSpec::RandomResizedCrop(RandomResizedCrop::default());
    /// let pipeline = Pipeline::training(&Preprocessing::default(), &[crop])?;
    /// let bytes = std::fs::read("photo.jpg").unwrap();
    /// let rng = &mut SampleRng::new(42, 0, 17);
    /// let view = pipeline.apply_bytes(&bytes, &DecodeLimits::default(), JpegScaling::Reduced, rng)?;
    /// assert_eq!(view.image.dimensions(), (224, 224));
    /// # Ok::<(), rekindle_augment::AugmentError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`decode_region`].
    pub fn apply_bytes(
        &self,
        bytes: &[u8],
        limits: &DecodeLimits,
        scaling: JpegScaling,
        rng: &mut SampleRng,
    ) -> Result<View, AugmentError> {
        if self.fixed_view.is_some() {
            let view = self.fixed_view_of(bytes, limits)?;
            return Ok(View {
                image: self.apply_to_fixed_view(&view.image, rng),
                orientation: view.orientation,
            });
        }
        if !self.starts_with_crop() {
            let decoded = decode(bytes, limits)?;
            return Ok(View {
                image: self.apply(&decoded.image, rng),
                orientation: decoded.orientation,
            });
        }
        let mut interpolation = self.preprocessing.interpolation;
        let region = decode_region(bytes, limits, scaling, |width, height| {
            let Some(drawn) = self.draw_crop(width, height, rng) else {
                unreachable!("the first step is a crop");
            };
            interpolation = drawn.interpolation;
            drawn.into()
        })?;
        Ok(View {
            image: self.apply_to_region(&region, interpolation, rng),
            orientation: region.orientation,
        })
    }

    fn apply_steps(
        &self,
        steps: &[Box<dyn Transform>],
        image: Cow<RgbImage>,
        rng: &mut SampleRng,
    ) -> RgbImage {
        let image = apply_in_order(steps, image, rng);
        let (width, height) = self.preprocessing.size();
        if image.dimensions() != (width, height) {
            return resize(&image, width, height, self.preprocessing.interpolation);
        }
        image.into_owned()
    }
}

#[cfg(test)]
mod tests;
