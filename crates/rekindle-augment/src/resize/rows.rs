//! Resampling of a picture that comes row by row.
//!
//! Owns: the convolution that goes across first, so that no row need be kept at its full width. The pixels are those of `resample` to the
//! bit: each row is resized by the same call, and the narrow rows go down by the same call as there.

use fast_image_resize::images::CroppedImage;
use fast_image_resize::{ResizeAlg, ResizeOptions};
use image::RgbImage;

use super::region::{Axis, PixelBox, Region};
use super::{Interpolation, goes_down_first, run, with_view};

/// Bytes of rows that are resized at once: the weights of a filter are computed anew for each call.
const BLOCK: usize = 12 << 20;

/// Takes the rows of a picture, and gives what [`resample`](super::resample) of it gives.
pub(crate) struct RowResizer {
    visible: PixelBox,
    across: Axis,
    down: Axis,
    options: ResizeOptions,
    /// The first row of `visible` that is needed, and how many.
    first: u32,
    count: u32,
    /// Those rows, resized across.
    between: Vec<u8>,
    /// Rows of the picture that are not resized yet, each as wide as it.
    block: Vec<u8>,
    /// Bytes of a row.
    stride: usize,
    /// The number of the row that comes next.
    next: u32,
}

impl RowResizer {
    /// For a picture of this width; none where the rows have to go down first, or the filter is no convolution: then the whole picture is
    /// needed.
    pub(crate) fn new(
        width: u32,
        visible: PixelBox,
        region: Region,
        (output_width, output_height): (u32, u32),
        interpolation: Interpolation,
    ) -> Option<Self> {
        let filter = interpolation.filter()?;
        if [visible.width, visible.height, output_width, output_height].contains(&0) {
            return None;
        }
        let across = Axis::new(region.left, region.width, visible.width, output_width);
        let down = Axis::new(region.top, region.height, visible.height, output_height);
        if across.is_unchanged() || down.is_unchanged() || goes_down_first(&across, &down) {
            return None;
        }
        let (first, count) = down.needed(interpolation.support());
        let (first, count) = (first as u32, count as u32);
        Some(Self {
            visible,
            across,
            down,
            options: ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter)),
            first,
            count,
            between: Vec::with_capacity(3 * output_width as usize * count as usize),
            block: Vec::new(),
            stride: 3 * width as usize,
            next: 0,
        })
    }

    /// Takes the next rows, one or more.
    pub(crate) fn take(&mut self, rows: &[u8]) {
        let top = self.visible.top + self.first;
        for row in rows.chunks_exact(self.stride) {
            if (top..top + self.count).contains(&self.next) {
                if self.block.is_empty() {
                    let bytes = self.block_rows() * self.stride;
                    self.block.reserve_exact(bytes);
                }
                self.block.extend_from_slice(row);
                if self.block.len() == self.block_rows() * self.stride {
                    self.resize_block();
                }
            }
            self.next += 1;
        }
    }

    fn block_rows(&self) -> usize {
        (BLOCK / self.stride).clamp(1, self.count as usize)
    }

    fn resize_block(&mut self) {
        let rows = (self.block.len() / self.stride) as u32;
        if rows == 0 {
            return;
        }
        let mut block = std::mem::take(&mut self.block);
        let Some(image) = RgbImage::from_raw((self.stride / 3) as u32, rows, block) else {
            unreachable!("a block is made of whole rows");
        };
        let mut narrow = RgbImage::new(self.across.output, rows);
        let (left, length) = self.across.span();
        let options = self.options.crop(left, 0.0, length, f64::from(rows));
        with_view(&image, |view| {
            let PixelBox { left, width, .. } = self.visible;
            run(
                &CroppedImage::new(&view, left, 0, width, rows)?,
                &mut narrow,
                &options,
            )
        });
        self.between.extend_from_slice(narrow.as_raw());
        block = image.into_raw();
        block.clear();
        self.block = block;
    }

    /// The resized picture, once all rows were taken; none where some were not.
    pub(crate) fn finish(mut self) -> Option<RgbImage> {
        self.resize_block();
        self.block = Vec::new();
        let between = RgbImage::from_raw(self.across.output, self.count, self.between)?;
        let mut output = RgbImage::new(self.across.output, self.down.output);
        let (top, length) = self.down.span_from(f64::from(self.first), self.count);
        let options = self
            .options
            .crop(0.0, top, f64::from(self.across.output), length);
        with_view(&between, |between| run(&between, &mut output, &options));
        Some(output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resize::resample;
    use crate::rng::SampleRng;

    #[test]
    fn a_picture_that_comes_row_by_row_is_resized_as_a_whole_one() {
        let mut rng = SampleRng::new(5, 0, 0);
        let mut seen = 0;
        for case in 0..300 {
            let mut side = |least: u32, most: u32| least + rng.below(most - least + 1);
            let (width, height) = (side(40, 700), side(40, 700));
            let image = {
                let mut rng = SampleRng::new(6, 0, case);
                RgbImage::from_fn(width, height, |_, _| {
                    image::Rgb([0; 3].map(|_: u8| rng.below(256) as u8))
                })
            };
            let visible = PixelBox {
                left: side(0, 9),
                top: side(0, 9),
                width: width - side(10, 20),
                height: height - side(10, 20),
            };
            // A part of it, whose edges lie between pixels in every other case.
            let share = if case % 2 == 0 { 0.37 } else { 0.0 };
            let region = Region {
                left: share * 7.0,
                top: share * 11.0,
                width: f64::from(visible.width) - share * 19.0,
                height: f64::from(visible.height) - share * 23.0,
            };
            let size = (side(3, 90), side(3, 90));
            for interpolation in [
                Interpolation::Bilinear,
                Interpolation::Bicubic,
                Interpolation::Lanczos,
            ] {
                let Some(mut rows) = RowResizer::new(width, visible, region, size, interpolation)
                else {
                    continue;
                };
                // Blocks as small as those of large pictures are in proportion, and rows in uneven parcels.
                let stride = 3 * width as usize;
                for parcel in image.as_raw().chunks(stride * (1 + case as usize % 5)) {
                    rows.take(parcel);
                    if case % 3 == 0 {
                        rows.resize_block();
                    }
                }
                let whole = resample(&image, visible, region, size.0, size.1, interpolation);
                assert!(rows.finish().unwrap() == whole, "{case} {interpolation:?}");
                seen += 1;
            }
        }
        assert!(seen > 400, "{seen}");
    }
}
