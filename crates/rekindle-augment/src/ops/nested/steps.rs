//! Transforms one after the other.
//!
//! Owns: what `sequence` and `repeat` share: their settings' checks, and the run. It does not own their settings.

use std::borrow::Cow;

use image::RgbImage;
use rekindle_settings::SettingError;

use super::list;
use crate::error::AugmentError;
use crate::ops::entry::Entry;
use crate::ops::settings::check_probability;
use crate::preprocessing::Preprocessing;
use crate::registry::TransformRegistry;
use crate::rng::SampleRng;
use crate::transform::{Transform, apply_in_order};

/// The settings of a list that runs so many times or not at all.
pub(in crate::ops) struct Steps<'a, T> {
    pub(in crate::ops) transforms: &'a [T],
    pub(in crate::ops) times: u32,
    pub(in crate::ops) probability: f32,
}

impl<T: Entry> Steps<'_, T> {
    /// Checks all but the times and the transforms themselves.
    pub(in crate::ops) fn check(&self) -> Result<(), SettingError> {
        list::check_number(self.transforms)?;
        check_probability(self.probability)
    }

    pub(in crate::ops) fn build(
        &self,
        preprocessing: &Preprocessing,
        registry: &TransformRegistry,
    ) -> Result<Box<dyn Transform>, AugmentError> {
        Ok(Box::new(Built {
            steps: list::build(self.transforms, preprocessing, registry)?,
            times: self.times,
            probability: self.probability,
        }))
    }

    pub(in crate::ops) fn yields_final_size(&self) -> bool {
        self.probability >= 1.0 && self.transforms.iter().any(T::yields_final_size)
    }
}

#[derive(Debug)]
struct Built {
    steps: Vec<Box<dyn Transform>>,
    times: u32,
    probability: f32,
}

impl Built {
    fn run<'a>(&self, mut image: Cow<'a, RgbImage>, rng: &mut SampleRng) -> Cow<'a, RgbImage> {
        if rng.chance(self.probability) {
            for _ in 0..self.times {
                image = apply_in_order(&self.steps, image, rng);
            }
        }
        image
    }
}

impl Transform for Built {
    fn apply(&self, image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        self.run(Cow::Owned(image), rng).into_owned()
    }

    fn apply_borrowed(&self, image: &RgbImage, rng: &mut SampleRng) -> RgbImage {
        self.run(Cow::Borrowed(image), rng).into_owned()
    }
}
