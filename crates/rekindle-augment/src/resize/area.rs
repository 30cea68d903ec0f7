//! Resizing by the area that each new pixel covers.
//!
//! Owns: the mean over that area, in one pass for both axes and with one rounding. It does not own which region becomes which
//! size.

use std::ops::Range;

use image::RgbImage;

use super::region::{Axis, PixelBox};
use crate::vectorised::vectorised;

/// Fills `output` with the means of the source pixels under each of its pixels; a pixel that is covered in part counts in part.
///
/// Source: OpenCV's `INTER_AREA`, which is the same where both sides shrink or both grow. Where one shrinks and the other
/// grows, OpenCV takes two source pixels and no mean; here each axis keeps to the definition.
pub(super) fn fill(
    image: &RgbImage,
    output: &mut RgbImage,
    visible: PixelBox,
    across: &Axis,
    down: &Axis,
) {
    let (columns, rows) = (Shares::new(across), Shares::new(down));
    vectorised(
        #[inline(always)]
        || fill_rows(image, output, visible, &columns, &rows),
    );
}

#[inline(always)]
fn fill_rows(
    image: &RgbImage,
    output: &mut RgbImage,
    visible: PixelBox,
    columns: &Shares,
    rows: &Shares,
) {
    let bytes = image.as_raw();
    let covered = columns.covered();
    let start = 3 * (visible.left as usize + covered.start);
    let stride = 3 * image.width() as usize;
    let source = |row: usize| {
        let place = (visible.top as usize + row) * stride + start;
        &bytes[place..place + 3 * covered.len()]
    };
    // Down first: it is one vector operation for each byte, and leaves fewer rows to go across.
    let mut sums = vec![0.0; 3 * covered.len()];
    let lines = output.chunks_exact_mut(3 * columns.pixels.len());
    for (line, (first, weights)) in lines.zip(rows.iter()) {
        sums.fill(0.0);
        for (row, weight) in (first..).zip(weights) {
            for (sum, value) in sums.iter_mut().zip(source(row)) {
                *sum += weight * f32::from(*value);
            }
        }
        for (pixel, (first, weights)) in line.chunks_exact_mut(3).zip(columns.iter()) {
            let mut mean = [0.0; 3];
            let values = sums[3 * (first - covered.start)..].chunks_exact(3);
            for (value, weight) in values.zip(weights) {
                for (mean, value) in mean.iter_mut().zip(value) {
                    *mean += weight * value;
                }
            }
            for (byte, mean) in pixel.iter_mut().zip(mean) {
                *byte = mean.round_ties_even() as u8;
            }
        }
    }
}

/// How much each output pixel of an axis has of which source pixels.
struct Shares {
    /// The first source pixel of each output pixel, and its place in `weights`.
    pixels: Vec<(usize, Range<usize>)>,
    weights: Vec<f32>,
}

impl Shares {
    fn new(axis: &Axis) -> Self {
        let scale = axis.length / f64::from(axis.output);
        let limit = f64::from(axis.limit);
        let mut weights = Vec::new();
        let mut raw = Vec::new();
        let mut pixel = |index: u32| {
            let from = (axis.start + f64::from(index) * scale).min(limit);
            let to = (axis.start + f64::from(index + 1) * scale).min(limit);
            let first = from.floor().min(limit - 1.0);
            raw.clear();
            let mut at = first;
            while at < to || raw.is_empty() {
                raw.push((to.min(at + 1.0) - from.max(at)).max(0.0));
                at += 1.0;
            }
            let sum: f64 = raw.iter().sum();
            let begin = weights.len();
            if sum > 0.0 {
                weights.extend(raw.iter().map(|share| (share / sum) as f32));
            } else {
                weights.push(1.0);
            }
            (first as usize, begin..weights.len())
        };
        let pixels = (0..axis.output).map(&mut pixel).collect();
        Self { pixels, weights }
    }

    /// For each output pixel, its first source pixel and the weights from there on.
    #[inline(always)]
    fn iter(&self) -> impl Iterator<Item = (usize, &[f32])> {
        let pixels = self.pixels.iter();
        pixels.map(|(first, range)| (*first, &self.weights[range.clone()]))
    }

    /// The source pixels from the first to the last one that count.
    fn covered(&self) -> Range<usize> {
        let first = self.pixels.first().map_or(0, |(first, _)| *first);
        let end = self.pixels.last();
        first..end.map_or(0, |(first, range)| first + range.len())
    }
}
