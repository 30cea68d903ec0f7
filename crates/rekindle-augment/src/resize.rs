//! Resampling to another size.
//!
//! Owns: the only calls of the SIMD resizer, and below it the mean of areas. It does not own which region becomes which size.

mod area;
mod interpolation;
#[cfg(test)]
mod reference;
mod region;
mod rows;
#[cfg(test)]
mod tests;

use fast_image_resize::images::{CroppedImage, Image, ImageRef};
use fast_image_resize::{IntoImageView, PixelType, ResizeAlg, ResizeError, ResizeOptions, Resizer};
use image::RgbImage;

pub use self::interpolation::Interpolation;
use self::region::Axis;
pub use self::region::PixelBox;
pub(crate) use self::region::Region;
pub(crate) use self::rows::RowResizer;

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
    let region = region_of_part(image.dimensions(), resized, part);
    resize_region(image, region, part.width, part.height, interpolation)
}

/// Where a part of a picture that is resized to `resized` comes from.
fn region_of_part(size: (u32, u32), resized: (u32, u32), part: PixelBox) -> Region {
    if (part.width, part.height) == resized {
        return Region {
            left: 0.0,
            top: 0.0,
            width: f64::from(size.0),
            height: f64::from(size.1),
        };
    }
    let x_scale = f64::from(size.0) / f64::from(resized.0);
    let y_scale = f64::from(size.1) / f64::from(resized.1);
    Region {
        left: f64::from(part.left) * x_scale,
        top: f64::from(part.top) * y_scale,
        width: f64::from(part.width) * x_scale,
        height: f64::from(part.height) * y_scale,
    }
}

/// As [`resize_part`] of a picture of this size that comes row by row; none where the whole picture is needed.
pub(crate) fn resize_part_by_rows(
    size: (u32, u32),
    resized: (u32, u32),
    part: PixelBox,
    interpolation: Interpolation,
) -> Option<RowResizer> {
    let whole = PixelBox {
        left: 0,
        top: 0,
        width: size.0,
        height: size.1,
    };
    let region = region_of_part(size, resized, part);
    RowResizer::new(
        size.0,
        whole,
        region,
        (part.width, part.height),
        interpolation,
    )
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
