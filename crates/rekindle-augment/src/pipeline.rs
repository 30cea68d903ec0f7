//! The way of a decoded image to the final size.
//!
//! Owns: the order of the steps and the promise of the final size. It does not own any step's work, nor threads: a pipeline
//! is shared by reference between as many threads as the caller likes.

use std::borrow::Cow;

use image::RgbImage;

use crate::decode::{DecodeLimits, JpegScaling, RegionRequest, decode, decode_region};
use crate::error::AugmentError;
use crate::ops::TransformSpec;
use crate::preprocessing::Preprocessing;
use crate::registry::TransformRegistry;
use crate::resize::resize;
use crate::rng::SampleRng;
use crate::transform::{Transform, apply_in_order};

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

impl Pipeline {
    /// The pipeline of validation and prediction: [`Preprocessing::evaluate`] and nothing random.
    ///
    /// The settings are taken as they are; [`Preprocessing::check`] tells whether they make sense.
    pub fn evaluation(preprocessing: &Preprocessing) -> Self {
        let step = Evaluation {
            preprocessing: preprocessing.clone(),
        };
        Self {
            steps: vec![Box::new(step)],
            preprocessing: preprocessing.clone(),
        }
    }

    /// The pipeline of training: these transforms in their order.
    ///
    /// Where none of them yields the final size, as a random resized crop does, the evaluation resize and crop comes first.
    ///
    /// # Errors
    ///
    /// [`AugmentError::InvalidSetting`] that names the first wrong key of the preprocessing or of a transform;
    /// [`AugmentError::UnknownCustomTransform`] for a `custom` one, which needs [`Self::training_with`].
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
        preprocessing.check()?;
        let mut steps: Vec<Box<dyn Transform>> = Vec::with_capacity(transforms.len() + 1);
        if !transforms.iter().any(TransformSpec::yields_final_size) {
            steps.push(Box::new(Evaluation {
                preprocessing: preprocessing.clone(),
            }));
        }
        for transform in transforms {
            steps.push(transform.build_with(preprocessing, registry)?);
        }
        Ok(Self {
            steps,
            preprocessing: preprocessing.clone(),
        })
    }

    /// Appends a step, which sees what the steps before it made.
    pub fn push(&mut self, step: Box<dyn Transform>) {
        self.steps.push(step);
    }

    /// Width and height of every image that [`Self::apply`] returns.
    pub fn size(&self) -> (u32, u32) {
        self.preprocessing.size()
    }

    /// Runs the steps in order.
    ///
    /// The result always has the final size: if the last step left another one, it is resized, without keeping its shape.
    /// The image itself is not copied where the first step is a crop or a resize.
    pub fn apply(&self, image: &RgbImage, rng: &mut SampleRng) -> RgbImage {
        self.apply_steps(&self.steps, Cow::Borrowed(image), rng)
    }

    /// Whether [`Self::apply_bytes`] decodes no more of an image than the first step needs.
    pub fn starts_with_crop(&self) -> bool {
        self.steps
            .first()
            .is_some_and(|step| step.as_crop().is_some())
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
        let crop = self.steps.split_first();
        let Some((first, rest)) = crop.and_then(|(step, rest)| Some((step.as_crop()?, rest)))
        else {
            let decoded = decode(bytes, limits)?;
            return Ok(View {
                image: self.apply(&decoded.image, rng),
                orientation: decoded.orientation,
            });
        };
        let mut interpolation = self.preprocessing.interpolation;
        let region = decode_region(bytes, limits, scaling, |width, height| {
            let drawn = first.draw_crop(width, height, rng);
            interpolation = drawn.interpolation;
            RegionRequest {
                crop: drawn.crop,
                width: drawn.width,
                height: drawn.height,
            }
        })?;
        let image = Cow::Owned(region.resize(interpolation));
        Ok(View {
            image: self.apply_steps(rest, image, rng),
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
        let (width, height) = self.size();
        if image.dimensions() != (width, height) {
            return resize(&image, width, height, self.preprocessing.interpolation);
        }
        image.into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{HorizontalFlip, RandomResizedCrop};
    use crate::testing::gradient;

    fn preprocessing() -> Preprocessing {
        Preprocessing {
            input_size: [24, 32],
            ..Preprocessing::default()
        }
    }

    #[derive(Debug)]
    struct HalfSize;

    impl Transform for HalfSize {
        fn apply(&self, image: RgbImage, _: &mut SampleRng) -> RgbImage {
            RgbImage::new(image.width() / 2, image.height() / 2)
        }
    }

    #[test]
    fn training_without_a_sizing_transform_starts_with_the_evaluation_view() {
        let flip = TransformSpec::HorizontalFlip(HorizontalFlip { probability: 0.0 });
        let training = Pipeline::training(&preprocessing(), &[flip]).unwrap();
        let evaluation = Pipeline::evaluation(&preprocessing());
        let image = gradient(61, 47);
        let mut rng = SampleRng::new(0, 0, 0);
        assert_eq!(
            training.apply(&image, &mut rng),
            evaluation.apply(&image, &mut rng)
        );
    }

    #[test]
    fn a_random_resized_crop_replaces_the_evaluation_view() {
        let whole = RandomResizedCrop {
            scale: [1.0, 1.0],
            ratio: [1.0, 1.0],
            interpolation: None,
        };
        let training =
            Pipeline::training(&preprocessing(), &[TransformSpec::RandomResizedCrop(whole)])
                .unwrap();
        let image = gradient(40, 40);
        let expected = resize(&image, 32, 24, preprocessing().interpolation);
        assert_eq!(
            training.apply(&image, &mut SampleRng::new(0, 0, 0)),
            expected
        );
    }

    #[test]
    fn a_step_of_the_user_cannot_change_the_final_size() {
        let mut pipeline = Pipeline::evaluation(&preprocessing());
        pipeline.push(Box::new(HalfSize));
        assert_eq!(
            pipeline
                .apply(&gradient(50, 50), &mut SampleRng::new(0, 0, 0))
                .dimensions(),
            (32, 24)
        );
    }

    #[test]
    fn a_wrong_transform_is_refused_by_name() {
        let flip = TransformSpec::HorizontalFlip(HorizontalFlip { probability: 1.5 });
        let error = Pipeline::training(&preprocessing(), &[flip]).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("`horizontal_flip.probability` is 1.5"),
            "{error}"
        );
    }

    #[test]
    fn a_pipeline_can_be_shared_between_threads() {
        fn shared<T: Send + Sync>(_: &T) {}
        shared(&Pipeline::evaluation(&preprocessing()));
    }
}
