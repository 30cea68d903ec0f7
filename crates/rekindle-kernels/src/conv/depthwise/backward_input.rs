//! The gradient of the input: pixels whose position leaves the same remainder by the stride see the same taps, so each such class is a
//! correlation of stride one of the output's gradient with part of the flipped kernel, written to every `stride`-th pixel.

use super::ahead::Ahead;
use super::correlation::{Correlation, Target};
use super::packed::{for_each_part, pack_weight, rows_per_item};
use super::tiles::Line;
use crate::ConvShape;
use crate::simd::Level;

/// As [`conv_backward_input`](crate::conv_backward_input) for a shape that [is depthwise](ConvShape::is_depthwise).
pub(crate) fn backward_input(shape: &ConvShape, dy: &[f32], weight: &[f32], dx: &mut [f32]) {
    let input = InputGradient::new(Level::current(), shape, weight);
    let [stride, stride_x] = shape.stride;
    let line = shape.width * shape.channels_in;
    let work = line * shape.kernel[0] * shape.kernel[1] / (stride * stride_x);
    // Whole bands of two rows of each class.
    let height = rows_per_item(shape.batch * shape.height, work).next_multiple_of(2 * stride);
    for_each_part(dx, height * line, |part, dx| {
        let (mut row, end) = (part * height, part * height + dx.len() / line);
        while row < end {
            let (image, y) = (row / shape.height, row % shape.height);
            let count = (end - row).min(shape.height - y).min(2 * stride);
            let start = (row - part * height) * line;
            let dy = &dy[image * input.image_len..][..input.image_len];
            let dx = &mut dx[start..start + count * line];
            let next = behind(dx);
            input.write_band(dy, y, dx, next);
            row += count;
        }
    });
}

/// The gradient of the input with the weights of each class packed.
pub(super) struct InputGradient<'a> {
    shape: &'a ConvShape,
    /// By the remainders of row and column.
    classes: Vec<Vec<Correlation<'static>>>,
    /// Numbers of an image's gradient of the output.
    image_len: usize,
}

impl<'a> InputGradient<'a> {
    pub(super) fn new(level: Level, shape: &'a ConvShape, weight: &[f32]) -> Self {
        let [stride, stride_x] = shape.stride;
        let row = |y| {
            let columns = 0..stride_x.min(shape.width);
            columns
                .map(|x| class(level, shape, weight, [y, x]))
                .collect()
        };
        Self {
            shape,
            classes: (0..stride.min(shape.height)).map(row).collect(),
            image_len: shape.out_height() * shape.out_width() * shape.channels_in,
        }
    }

    /// The gradient of an image's rows from `top`, a multiple of [`band`](Self::band), on, on this thread. `upcoming` is what will be
    /// written next, if not the rows behind these.
    pub(super) fn rows(&self, dy: &[f32], top: usize, dx: &mut [f32], upcoming: Option<&[f32]>) {
        let line = self.shape.width * self.shape.channels_in;
        let height = self.band();
        for (band, dx) in dx.chunks_mut(height * line).enumerate() {
            let next = match upcoming {
                Some(upcoming) => Ahead::new(&upcoming[band * height * line..], 0, dx.len()),
                None => behind(dx),
            };
            self.write_band(dy, top + band * height, dx, next);
        }
    }

    /// Rows that are computed together: two of each class.
    pub(super) fn band(&self) -> usize {
        2 * self.shape.stride[0]
    }

    /// Rows of an image's gradient that do not depend on the rows of the output's gradient from `row` on.
    pub(super) fn rows_above(&self, row: usize) -> usize {
        let shape = self.shape;
        (row * shape.stride[0])
            .saturating_sub(shape.padding[0][0])
            .min(shape.height)
    }

    /// Computes rows of the gradient from row `top`, at most two of each class.
    fn write_band(&self, dy: &[f32], top: usize, dx: &mut [f32], next: Ahead) {
        let Self { shape, classes, .. } = self;
        let (stride, channels) = (shape.stride[0], shape.channels_in);
        let (line, out_line) = (shape.width * channels, shape.out_width() * channels);
        let rows = dx.len() / line;
        // The row of the output's gradient that the next rows meet first, about.
        let below = ((top + rows + shape.padding[0][0]) / stride * out_line) as isize;
        let ahead = [
            Ahead::new(dy, below, rows.div_ceil(stride) * out_line),
            next,
        ]
        .map(|piece| piece.if_large(shape));
        for first in 0..rows.min(stride) {
            let y = top + first;
            let pair = first + stride < rows;
            for (x, class) in classes[y % stride].iter().enumerate() {
                let together = pair && class.pairs();
                for (i, start) in [first, first + stride].into_iter().enumerate() {
                    if i == 1 && (together || !pair) {
                        break;
                    }
                    let out = dx[start * line + x * channels..].as_mut_ptr();
                    // Each class asks for its share of the next rows.
                    let (part, parts) = (
                        first * classes[0].len() + x,
                        stride.min(rows) * classes[0].len(),
                    );
                    let ahead = ahead.map(|piece| piece.part(part, parts));
                    let target = Target {
                        out,
                        pixel: shape.stride[1] * channels,
                        row: stride * line,
                        ahead,
                    };
                    // SAFETY: row `start` of `dx` exists, and so does the next of its class if `together`; the class's columns are those
                    // from `x` in steps of the stride that lie inside the row.
                    unsafe { class.rows(dy, y / stride + i, together, target) };
                }
            }
        }
    }
}

/// As much memory again behind some rows.
fn behind(rows: &[f32]) -> Ahead {
    Ahead::new(rows, rows.len() as isize, rows.len())
}

/// The correlation that gives the pixels whose row and column leave the remainders `at`.
fn class(level: Level, shape: &ConvShape, weight: &[f32], at: [usize; 2]) -> Correlation<'static> {
    let (vertical, rows) = class_line(shape, 0, at[0]);
    let (horizontal, columns) = class_line(shape, 1, at[1]);
    let taps: Vec<usize> = rows
        .iter()
        .flat_map(|row| {
            columns
                .iter()
                .map(move |column| row * shape.kernel[1] + column)
        })
        .collect();
    let packed = pack_weight(
        weight,
        shape.channels_in,
        shape.kernel[0] * shape.kernel[1],
        &taps,
    );
    Correlation::new(
        level,
        shape.channels_in,
        vertical,
        horizontal,
        packed.into(),
    )
}

/// One dimension of a class, and the kernel's taps that it uses in the order in which they meet the output's pixels.
///
/// Input pixel `i` meets output `o` at tap `t` if `i + padding = o * stride + t * dilation`. For `i = at + stride * n` the taps are those
/// for which `at + padding - t * dilation` is a multiple of the stride: every `stride / gcd`-th from the first.
fn class_line(shape: &ConvShape, dim: usize, at: usize) -> (Line, Vec<usize>) {
    let (stride, dilation) = (shape.stride[dim], shape.dilation[dim]);
    let (size, out_size) = match dim {
        0 => (shape.height, shape.out_height()),
        _ => (shape.width, shape.out_width()),
    };
    let base = (at + shape.padding[dim][0]) as isize;
    let distance = |tap: usize| base - (tap * dilation) as isize;
    // From the last tap, which meets the first output.
    let taps: Vec<usize> = (0..shape.kernel[dim])
        .rev()
        .filter(|&tap| distance(tap) % stride as isize == 0)
        .collect();
    let line = Line {
        size: out_size,
        outputs: (size - at).div_ceil(stride),
        kernel: taps.len(),
        stride: 1,
        dilation: dilation / gcd(stride, dilation),
        origin: taps
            .first()
            .map_or(0, |&tap| distance(tap) / stride as isize),
    };
    (line, taps)
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
