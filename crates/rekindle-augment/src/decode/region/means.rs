//! A picture at a reduced size, from its rows.
//!
//! Owns: the mean of the square of pixels that a pixel of the reduced picture stands for, rounded to the nearest; at the right and lower
//! edge, of those that are there.

use image::RgbImage;

use crate::resize::PixelBox;
use crate::vectorised::vectorised;

/// Makes a part of the reduced picture.
pub(super) struct RowMeans {
    /// Width and height of the picture.
    size: (usize, usize),
    part: PixelBox,
    reduction: usize,
    /// Sums down a column of samples, from the first column of the part on.
    sums: Vec<u16>,
    /// The number of the row that comes next.
    next: usize,
    /// Rows in the sums.
    summed: usize,
    output: Vec<u8>,
}

impl RowMeans {
    /// Most that a side is divided by: sums of so many bytes fit into 16 bits.
    pub(super) const MOST: u32 = 64;

    /// The part is in pixels of the reduced picture, and inside of it.
    pub(super) fn new(size: (u32, u32), part: PixelBox, reduction: u32) -> Self {
        debug_assert!((1..=Self::MOST).contains(&reduction));
        let size = (size.0 as usize, size.1 as usize);
        let reduction = reduction as usize;
        let left = part.left as usize * reduction;
        let right = ((part.left + part.width) as usize * reduction).min(size.0);
        Self {
            size,
            part,
            reduction,
            sums: vec![0; 3 * (right - left)],
            next: 0,
            summed: 0,
            output: Vec::with_capacity(3 * part.width as usize * part.height as usize),
        }
    }

    /// Takes the next rows, one or more.
    pub(super) fn take(&mut self, rows: &[u8]) {
        let top = self.part.top as usize * self.reduction;
        let bottom = (self.part.top + self.part.height) as usize * self.reduction;
        let bottom = bottom.min(self.size.1);
        let left = 3 * self.part.left as usize * self.reduction;
        for row in rows.chunks_exact(3 * self.size.0) {
            if (top..bottom).contains(&self.next) {
                let row = &row[left..][..self.sums.len()];
                if self.reduction == 1 {
                    self.output.extend_from_slice(row);
                } else {
                    self.add(row);
                    if self.summed == self.reduction || self.next + 1 == bottom {
                        self.write();
                    }
                }
            }
            self.next += 1;
        }
    }

    fn add(&mut self, row: &[u8]) {
        let sums = &mut self.sums;
        vectorised(
            #[inline(always)]
            || {
                for (sum, value) in sums.iter_mut().zip(row) {
                    *sum += u16::from(*value);
                }
            },
        );
        self.summed += 1;
    }

    /// A row of the reduced picture.
    fn write(&mut self) {
        let pixels = self.sums.as_chunks::<3>().0;
        for square in pixels.chunks(self.reduction) {
            let mut sums = [0u32; 3];
            for pixel in square {
                for (sum, value) in sums.iter_mut().zip(pixel) {
                    *sum += u32::from(*value);
                }
            }
            let count = (square.len() * self.summed) as u32;
            let means = sums.map(|sum| ((sum + count / 2) / count) as u8);
            self.output.extend_from_slice(&means);
        }
        self.sums.fill(0);
        self.summed = 0;
    }

    /// The part, once all rows were taken; none where some were not.
    pub(super) fn finish(self) -> Option<RgbImage> {
        RgbImage::from_raw(self.part.width, self.part.height, self.output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::SampleRng;

    #[test]
    fn each_pixel_is_the_mean_of_its_square() {
        let mut rng = SampleRng::new(1, 0, 0);
        let (width, height) = (83u32, 61u32);
        let image = RgbImage::from_fn(width, height, |_, _| {
            image::Rgb([0; 3].map(|_: u8| rng.below(256) as u8))
        });
        for reduction in [1, 2, 4, 8, 16, 32, 64] {
            let (across, down) = (width.div_ceil(reduction), height.div_ceil(reduction));
            for part in [
                PixelBox {
                    left: 0,
                    top: 0,
                    width: across,
                    height: down,
                },
                PixelBox {
                    left: across / 2,
                    top: down / 3,
                    width: across - across / 2,
                    height: down - down / 3,
                },
            ] {
                let mut means = RowMeans::new((width, height), part, reduction);
                for parcel in image.as_raw().chunks(3 * width as usize * 5) {
                    means.take(parcel);
                }
                let found = means.finish().unwrap();
                for (x, y, pixel) in found.enumerate_pixels() {
                    for channel in 0..3 {
                        let span =
                            |at: u32, end: u32| at * reduction..((at + 1) * reduction).min(end);
                        let rows = span(part.top + y, height);
                        let values: Vec<f64> = rows
                            .flat_map(|y| span(part.left + x, width).map(move |x| (x, y)))
                            .map(|(x, y)| f64::from(image.get_pixel(x, y).0[channel]))
                            .collect();
                        let mean = values.iter().sum::<f64>() / values.len() as f64;
                        let off = (f64::from(pixel.0[channel]) - mean).abs();
                        assert!(off <= 0.5, "{reduction} {x} {y}");
                    }
                }
            }
        }
    }
}
