//! From the bytes of an image file to the input tensor of a network: decoding, augmentation, resizing, rescaling.
//!
//! ```text
//! bytes --decode--> upright RGB --Pipeline::apply--> RGB of the final size --rescale--> [batch, 3, height, width] f32
//! ```
//!
//! - [`decode`] reads JPEG, PNG, WebP, BMP, GIF, TIFF and PPM by content, turns pictures upright, and refuses what is damaged.
//! - [`Pipeline`] runs transforms; [`Pipeline::evaluation`] is timm's evaluation view, [`Pipeline::training`] adds the
//!   transforms of a recipe. Any type that implements [`Transform`] can be pushed, or registered in a [`TransformRegistry`] for
//!   recipes to name.
//! - [`Pipeline::apply_bytes`] does both and decodes of a large JPEG no more than a random crop needs, at a reduced size
//!   where that is enough; [`decode_region`] is its first half. [`ReducedPicture`] is what a cache keeps of such a file.
//! - [`Rescale`] is the only normalisation in rekindle; [`RescaleSpec`] fits it on training images where that is asked for.
//! - [`SampleRange`] says which numbers of wide samples are black and white; [`RangeSpec`] fits it on training images' [`wide_numbers`].
//! - [`MixSpec`] draws a [`Mix`] for a batch: mixup or CutMix of its images and targets.
//!
//! The feature `burn`, which is a default one, adds what makes and takes Burn's tensors: the function `rescale`, and `Mix::images` and
//! `Mix::rows`. Without it this crate brings no framework, and [`RgbBatch::planes`] has the same numbers on the host.
//!
//! A wrong setting is a [`SettingError`], whose key is the setting's own, such as `crop_ratio` or `transforms[1].degrees`; the caller adds
//! where that stands, with [`SettingError::within`] or [`AugmentError::within`].
//!
//! Randomness comes from [`SampleRng`] alone, so the number of threads never changes a result. Nothing here reads a file,
//! starts a thread or prints.
//!
//! ```
//! # #[cfg(feature = "burn")]
//! # fn main() {
//! use burn::tensor::Device;
//! use rekindle_augment::{Pipeline, Preprocessing, RgbBatch, RgbImage, SampleRng, rescale};
//!
//! let preprocessing = Preprocessing::default();
//! let image = RgbImage::new(320, 240); // from `decode`
//! let view = Pipeline::evaluation(&preprocessing).apply(&image, &mut SampleRng::new(0, 0, 0));
//! let images = rescale(&RgbBatch::from_image(view), &preprocessing.rescale, &Device::flex());
//! assert_eq!(images.dims(), [1, 3, 224, 224]);
//! # }
//! # #[cfg(not(feature = "burn"))]
//! # fn main() {}
//! ```

mod bands;
mod decode;
mod error;
mod format;
mod mix;
pub mod ops;
mod pipeline;
mod preprocessing;
mod range;
mod registry;
mod rescale;
mod resize;
mod rng;
#[cfg(test)]
mod testing;
mod transform;
mod vectorised;

pub use bands::{Bands, MOST_BANDS, shown};
pub use decode::{
    AlphaUse, DecodeLimits, Decoded, DecodedRegion, ImageHeader, JpegScaling, LargeInTurn, Reading,
    ReducedPicture, RegionRequest, SampleRange, SourceMode, Stack, TiffPlanes, UprightSize, decode,
    decode_region, read_header, reducible_size, verify_pixels, wide_numbers,
};
pub use error::AugmentError;
pub use format::Format;
pub use image::RgbImage;
pub use mix::{Mix, MixAt, MixSpec};
pub use ops::TransformSpec;
pub use pipeline::{Pipeline, View};
pub use preprocessing::{Preprocessing, ResizePolicy};
pub use range::{NumberCounts, RangeSpec};
pub use registry::TransformRegistry;
pub use rekindle_settings::SettingError;
pub use rescale::{ChannelMoments, Rescale, RescaleSpec, RgbBatch, pca_whitening, zca_whitening};
#[cfg(feature = "burn")]
pub use rescale::{network_input, rescale};
pub use resize::{Interpolation, PixelBox, resize, resize_crop};
pub use rng::SampleRng;
pub use transform::{CropResize, DrawCrop, Transform};

/// Compiles the code of the readme.
#[cfg(all(doctest, feature = "burn"))]
#[doc = include_str!("../README.md")]
struct Readme;
