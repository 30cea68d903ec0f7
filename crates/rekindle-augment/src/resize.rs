//! Resampling to another size.
//!
//! Owns: the filters, the only calls of the SIMD resizer, and below it the mean of areas. It does not own which region becomes which size.

use std::str::FromStr;

use fast_image_resize::images::{CroppedImage, Image, ImageRef};
use fast_image_resize::{
    FilterType, IntoImageView, PixelType, ResizeAlg, ResizeError, ResizeOptions, Resizer,
};
use image::RgbImage;
use serde::de::IntoDeserializer;
use serde::de::value::StrDeserializer;
use serde::{Deserialize, Serialize};

use crate::error::AugmentError;

/// How pixels between the pixels of the source are computed.
///
/// All but `Nearest` are antialiased when they make an image smaller: the filter grows with the scale, as in Pillow and as
/// in torchvision with `antialias=True`. By name: `"bicubic".parse::<Interpolation>()`.
///
/// Transforms that move pixels about, such as a rotation, take the first three; their functions treat `Lanczos` as `Bicubic` and
/// `Area` as `Bilinear`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interpolation {
    /// The nearest pixel.
    Nearest,
    /// A triangle of radius 1.
    Bilinear,
    /// Catmull-Rom, the cubic with a = -0.5: Pillow's `BICUBIC`, and what most ImageNet weights were evaluated with.
    #[default]
    Bicubic,
    /// Lanczos with three lobes.
    Lanczos,
    /// The mean of the area that a pixel covers, of which pixels at its edge have a part: OpenCV's `INTER_AREA`. For making
    /// images smaller; an enlarged one has the pixels of the source as blocks, mixed where a new pixel lies on an edge.
    Area,
}

impl FromStr for Interpolation {
    type Err = AugmentError;

    fn from_str(name: &str) -> Result<Self, AugmentError> {
        let deserializer: StrDeserializer<serde::de::value::Error> = name.into_deserializer();
        Self::deserialize(deserializer).map_err(|_| AugmentError::InvalidSetting {
            key: "preprocessing.interpolation",
            value: name.to_owned(),
            expected: "nearest, bilinear, bicubic, lanczos or area",
        })
    }
}

impl Interpolation {
    /// The convolution of the SIMD resizer, if there is one.
    fn filter(self) -> Option<FilterType> {
        match self {
            Self::Nearest | Self::Area => None,
            Self::Bilinear => Some(FilterType::Bilinear),
            Self::Bicubic => Some(FilterType::CatmullRom),
            Self::Lanczos => Some(FilterType::Lanczos3),
        }
    }

    /// Radius of the filter in pixels of the output when it shrinks, and of the source when it enlarges.
    fn support(self) -> f64 {
        match self {
            Self::Nearest | Self::Area => 0.5,
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
            Self::Lanczos => 3.0,
        }
    }
}

/// A rectangle of whole pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PixelBox {
    /// First column.
    pub left: u32,
    /// First row.
    pub top: u32,
    /// Number of columns.
    pub width: u32,
    /// Number of rows.
    pub height: u32,
}

/// A rectangle whose edges may lie between pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Region {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

/// The image at `width` by `height` pixels; the aspect ratio is not kept.
///
/// Within one grey level of Pillow 13.0.0's `Image.resize`, and for `Area` of OpenCV 5.0.0's `resize` (`tests/golden.rs`); where
/// one side shrinks and the other grows, OpenCV's is no mean of areas, and this one is. A size of zero, on either side, gives
/// black pixels or none.
pub fn resize(image: &RgbImage, width: u32, height: u32, interpolation: Interpolation) -> RgbImage {
    let (source_width, source_height) = image.dimensions();
    let whole = PixelBox {
        left: 0,
        top: 0,
        width: source_width,
        height: source_height,
    };
    resize_crop(image, whole, width, height, interpolation)
}

/// The pixels inside `crop`, resized to `width` by `height`, as if the rest of the image did not exist.
///
/// The crop is not copied. A box that reaches over the edge of the image is cut at the edge.
pub fn resize_crop(
    image: &RgbImage,
    crop: PixelBox,
    width: u32,
    height: u32,
    interpolation: Interpolation,
) -> RgbImage {
    let left = crop.left.min(image.width());
    let top = crop.top.min(image.height());
    let crop = PixelBox {
        left,
        top,
        width: crop.width.min(image.width() - left),
        height: crop.height.min(image.height() - top),
    };
    let region = Region {
        left: 0.0,
        top: 0.0,
        width: f64::from(crop.width),
        height: f64::from(crop.height),
    };
    resample(image, crop, region, width, height, interpolation)
}

/// A part of the image resized to `resized`, of which only that part is computed.
pub(crate) fn resize_part(
    image: &RgbImage,
    resized: (u32, u32),
    part: PixelBox,
    interpolation: Interpolation,
) -> RgbImage {
    if (part.width, part.height) == resized {
        return resize(image, resized.0, resized.1, interpolation);
    }
    let x_scale = f64::from(image.width()) / f64::from(resized.0);
    let y_scale = f64::from(image.height()) / f64::from(resized.1);
    let region = Region {
        left: f64::from(part.left) * x_scale,
        top: f64::from(part.top) * y_scale,
        width: f64::from(part.width) * x_scale,
        height: f64::from(part.height) * y_scale,
    };
    resize_region(image, region, part.width, part.height, interpolation)
}

/// The pixels of a region, resized to `width` by `height`; the filters see the pixels around the region too.
///
/// This equals the same part of the whole image resized at the same scale, without computing the rest.
fn resize_region(
    image: &RgbImage,
    region: Region,
    width: u32,
    height: u32,
    interpolation: Interpolation,
) -> RgbImage {
    let whole = PixelBox {
        left: 0,
        top: 0,
        width: image.width(),
        height: image.height(),
    };
    resample(image, whole, region, width, height, interpolation)
}

/// Resizes a region of the pixels that `visible` leaves of an image, as if the others did not exist; the region counts from the
/// corner of `visible`.
///
/// Of a convolution, one pass goes across and one down, each in a call of its own, with bytes between them, in the order of Pillow.
/// `fast_image_resize` 6.1.0 does both in one call and always down first, which can differ by tens of grey levels where a
/// filter overshoots black or white. For a region inside the image that call also sizes its intermediate image by the first
/// and last output column alone, and reads outside it where another column reaches further.
pub(crate) fn resample(
    image: &RgbImage,
    visible: PixelBox,
    region: Region,
    width: u32,
    height: u32,
    interpolation: Interpolation,
) -> RgbImage {
    let mut output = RgbImage::new(width, height);
    if visible.width == 0 || visible.height == 0 || width == 0 || height == 0 {
        return output;
    }
    let across = Axis::new(region.left, region.width, visible.width, width);
    let down = Axis::new(region.top, region.height, visible.height, height);
    let Some(filter) = interpolation.filter() else {
        match interpolation {
            Interpolation::Area => area::fill(image, &mut output, visible, &across, &down),
            _ => take_nearest(image, &mut output, visible, &across, &down),
        }
        return output;
    };
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter));
    let support = interpolation.support();
    let crop = |x: (f64, f64), y: (f64, f64)| options.crop(x.0, y.0, x.1, y.1);
    with_view(image, |whole| {
        let PixelBox { left, top, .. } = visible;
        let source = CroppedImage::new(&whole, left, top, visible.width, visible.height)?;
        if across.is_unchanged() || down.is_unchanged() {
            return run(&source, &mut output, &crop(across.span(), down.span()));
        }
        if goes_down_first(&across, &down) {
            let (first, columns) = across.needed(support);
            let mut between = RgbImage::new(columns as u32, height);
            run(&source, &mut between, &crop((first, columns), down.span()))?;
            let rest = crop(
                across.span_from(first, between.width()),
                (0.0, f64::from(height)),
            );
            with_view(&between, |between| run(&between, &mut output, &rest));
        } else {
            let (first, rows) = down.needed(support);
            let mut between = RgbImage::new(width, rows as u32);
            run(&source, &mut between, &crop(across.span(), (first, rows)))?;
            let rest = crop(
                (0.0, f64::from(width)),
                down.span_from(first, between.height()),
            );
            with_view(&between, |between| run(&between, &mut output, &rest));
        }
        Ok(())
    });
    output
}

/// Whether Pillow 13.0.0 resizes down before across: where that saves more than two rows for each column.
///
/// The rule was found by comparing both orders with `Image.resize` at 3500 pairs of sizes; up to version 12, Pillow goes
/// across first in every case. It looks at the whole resize, of which a region may be a part.
fn goes_down_first(across: &Axis, down: &Axis) -> bool {
    let saved_rows = f64::from(down.limit) - down.whole_output();
    let saved_columns = f64::from(across.limit) - across.whole_output();
    saved_rows > 0.0 && saved_rows > 2.0 * saved_columns
}

/// One axis of a resize.
struct Axis {
    /// Where the region starts, in source pixels.
    start: f64,
    /// Length of the region, in source pixels.
    length: f64,
    /// Number of source pixels.
    limit: u32,
    /// Number of output pixels of the region.
    output: u32,
}

impl Axis {
    fn new(start: f64, length: f64, limit: u32, output: u32) -> Self {
        let (start, length) = inside(start, length, limit);
        Self {
            start,
            length,
            limit,
            output,
        }
    }

    fn span(&self) -> (f64, f64) {
        (self.start, self.length)
    }

    /// The span in an image of `count` pixels that starts at `first`.
    fn span_from(&self, first: f64, count: u32) -> (f64, f64) {
        inside(self.start - first, self.length, count)
    }

    fn is_unchanged(&self) -> bool {
        self.length == f64::from(self.output) && self.start.fract() == 0.0
    }

    /// Number of output pixels, were the whole source resized at this scale.
    fn whole_output(&self) -> f64 {
        (f64::from(self.limit) * f64::from(self.output) / self.length).round()
    }

    /// First source pixel and number of source pixels that a filter looks at, with one to spare on each side.
    fn needed(&self, support: f64) -> (f64, f64) {
        let reach = 1.0 + support * (self.length / f64::from(self.output)).max(1.0);
        let first = (self.start - reach).floor().max(0.0);
        let last = (self.start + self.length + reach).ceil();
        (first, last.min(f64::from(self.limit)) - first)
    }
}

/// Keeps a span on an axis of `limit` pixels; rounding of the scale can push its end over the edge by a trifle.
fn inside(start: f64, length: f64, limit: u32) -> (f64, f64) {
    let limit = f64::from(limit);
    let start = start.clamp(0.0, limit * (1.0 - f64::EPSILON));
    let mut length = length.min(limit - start);
    while start + length > limit {
        length *= 1.0 - f64::EPSILON;
    }
    (start, length)
}

fn take_nearest(
    image: &RgbImage,
    output: &mut RgbImage,
    visible: PixelBox,
    across: &Axis,
    down: &Axis,
) {
    let columns = nearest(across, visible.left);
    let lines = output.chunks_exact_mut(3 * columns.len());
    for (line, y) in lines.zip(nearest(down, visible.top)) {
        for (pixel, &x) in line.chunks_exact_mut(3).zip(&columns) {
            pixel.copy_from_slice(&image.get_pixel(x, y).0);
        }
    }
}

/// The nearest source pixel of each output pixel, shifted; it sums up as Pillow does, since ties are common.
fn nearest(axis: &Axis, shift: u32) -> Vec<u32> {
    let scale = axis.length / f64::from(axis.output);
    let mut place = axis.start + scale * 0.5;
    let mut step = || {
        let pixel = (place as u32).min(axis.limit - 1);
        place += scale;
        shift + pixel
    };
    (0..axis.output).map(|_| step()).collect()
}

fn run(
    source: &impl IntoImageView,
    output: &mut RgbImage,
    options: &ResizeOptions,
) -> Result<(), ResizeError> {
    let (width, height) = output.dimensions();
    match Image::from_slice_u8(width, height, output, PixelType::U8x3) {
        Ok(mut target) => Resizer::new().resize(source, &mut target, options),
        Err(error) => unreachable!("an RGB image has three bytes a pixel: {error}"),
    }
}

fn with_view(image: &RgbImage, work: impl FnOnce(ImageRef<'_>) -> Result<(), ResizeError>) {
    let (width, height) = image.dimensions();
    match ImageRef::new(width, height, image.as_raw(), PixelType::U8x3) {
        Ok(view) => {
            if let Err(error) = work(view) {
                unreachable!("the box lies inside the image and both are RGB: {error}");
            }
        }
        Err(error) => unreachable!("an RGB image has three bytes a pixel: {error}"),
    }
}

mod area;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
