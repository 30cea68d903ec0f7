//! What every decoder gives: a picture, how to turn it, and how it was stored.
//!
//! Owns: the turn by the orientation. It does not own where an orientation is written.

use image::metadata::Orientation;
use image::{DynamicImage, RgbImage};

/// How a file stored its pixels before they became 8-bit RGB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SourceMode {
    /// Three channels of 8 bits, or packed into fewer.
    Rgb,
    /// One channel of up to 8 bits.
    Grey,
    /// Grey and alpha, 8 bits each; composed over white.
    GreyAlpha,
    /// Colour and alpha, 8 bits each; composed over white.
    Rgba,
    /// Indices into a table of colours; transparent entries become white.
    Palette,
    /// One to four channels of 16 bits; divided by 257 and rounded.
    SixteenBit,
    /// Four inks, as printing uses; converted without a colour profile, as Pillow does.
    Cmyk,
    /// Floating-point samples from 0 to 1.
    Float,
}

impl std::fmt::Display for SourceMode {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Rgb => "RGB",
            Self::Grey => "grey",
            Self::GreyAlpha => "grey with alpha",
            Self::Rgba => "RGB with alpha",
            Self::Palette => "palette",
            Self::SixteenBit => "16-bit",
            Self::Cmyk => "CMYK",
            Self::Float => "float",
        })
    }
}

/// What the decoders of the formats give: RGB that still has to be turned.
pub(super) struct Upright {
    pub(super) image: RgbImage,
    pub(super) orientation: Orientation,
    pub(super) mode: SourceMode,
    /// Whether there is an alpha channel, whatever became of it.
    pub(super) has_alpha: bool,
}

/// The picture turned upright.
pub(super) fn turn(image: RgbImage, orientation: Orientation) -> RgbImage {
    if orientation == Orientation::NoTransforms {
        return image;
    }
    let mut image = DynamicImage::ImageRgb8(image);
    image.apply_orientation(orientation);
    image.into_rgb8()
}
