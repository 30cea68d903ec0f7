//! The interface of one step of a pipeline.
//!
//! Owns: the trait that built-in and user-written transforms share, and running several. It does not own any transform.

use std::borrow::Cow;
use std::fmt::Debug;

use image::RgbImage;

use crate::resize::{Interpolation, PixelBox};
use crate::rng::SampleRng;

/// A part of an image and the size it is resized to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CropResize {
    /// The part, which lies inside the image.
    pub crop: PixelBox,
    /// Width after the resize.
    pub width: u32,
    /// Height after the resize.
    pub height: u32,
    /// The filter.
    pub interpolation: Interpolation,
}

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

    /// The same transform as one that draws a crop, where that is all it does, so that a decoder need not decode the rest.
    fn as_crop(&self) -> Option<&dyn DrawCrop> {
        None
    }
}

/// A transform that resizes a part of the image, which the image's size and `rng` decide.
///
/// `apply` must equal [`resize_crop`](crate::resize_crop) of the part that [`Self::draw_crop`] draws from the same numbers.
pub trait DrawCrop {
    /// The part of an image of this size, and the size it is resized to.
    fn draw_crop(&self, width: u32, height: u32, rng: &mut SampleRng) -> CropResize;
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
