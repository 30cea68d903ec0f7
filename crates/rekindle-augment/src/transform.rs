//! The interface of one step of a pipeline.
//!
//! Owns: the trait that built-in and user-written transforms share, and running several. It does not own any transform.

use std::borrow::Cow;
use std::fmt::Debug;

use image::RgbImage;

use crate::rng::SampleRng;

/// One step from picture to picture, such as a flip or a crop.
///
/// A transform is a pure function of the image and of the numbers it draws from `rng`: it keeps no state between calls and
/// has no other source of randomness, so that a sample looks the same whichever thread prepares it.
///
/// ```
/// use rekindle_augment::{RgbImage, SampleRng, Transform};
///
/// #[derive(Debug)]
/// struct Invert;
///
/// impl Transform for Invert {
///     fn apply(&self, mut image: RgbImage, _: &mut SampleRng) -> RgbImage {
///         image.iter_mut().for_each(|value| *value = 255 - *value);
///         image
///     }
/// }
///
/// let black = RgbImage::new(2, 2);
/// let white = Invert.apply(black, &mut SampleRng::new(0, 0, 0));
/// assert_eq!(white.get_pixel(0, 0).0, [255; 3]);
/// ```
pub trait Transform: Send + Sync + Debug {
    /// The transformed image.
    fn apply(&self, image: RgbImage, rng: &mut SampleRng) -> RgbImage;

    /// The transformed image, from an image that the caller keeps.
    ///
    /// It must equal `apply(image.clone(), rng)`, which is what it does by default. A transform that builds a new image in
    /// any case, such as a crop, saves the copy by overriding it.
    fn apply_borrowed(&self, image: &RgbImage, rng: &mut SampleRng) -> RgbImage {
        self.apply(image.clone(), rng)
    }
}

/// The steps one after the other; the image is copied only where a step needs one of its own.
pub(crate) fn apply_in_order<'a>(
    steps: &[Box<dyn Transform>],
    image: Cow<'a, RgbImage>,
    rng: &mut SampleRng,
) -> Cow<'a, RgbImage> {
    steps.iter().fold(image, |image, step| {
        Cow::Owned(match image {
            Cow::Borrowed(image) => step.apply_borrowed(image, rng),
            Cow::Owned(image) => step.apply(image, rng),
        })
    })
}
