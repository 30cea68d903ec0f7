//! From `[batch, channels, height, width]`, the order of most frameworks' tensors, to `[batch, height, width, channels]` and back.

use crate::channels::CHUNK;
use crate::parallel::{Shared, for_each};

/// Side of the block that is transposed in registers.
const SIDE: usize = 4;

/// Rows that are taken together: the numbers of a cache line, so that every line of the result is written whole.
const LINE: usize = 16;

/// `out[image, pixel, channel] = x[image, channel, pixel]`.
///
/// # Panics
///
/// When the sizes do not divide the length of `x`, or `out` has another.
pub fn nchw_to_nhwc(x: &[f32], batch: usize, channels: usize, out: &mut [f32]) {
    let pixels = pixels(x.len(), batch, channels);
    assert_eq!(out.len(), x.len(), "output of a change of layout");
    let out = Shared::new(out);
    over_pixels(batch, channels, pixels, |image, start, count| {
        let from = Matrix {
            start: x[image * channels * pixels + start..].as_ptr(),
            stride: pixels,
            rows: channels,
            columns: count,
        };
        // SAFETY: the columns are pixels of this image, and each lies in the output where no other part writes.
        unsafe {
            transpose(
                from,
                out.get().add((image * pixels + start) * channels),
                channels,
            )
        };
    });
}

/// `out[image, channel, pixel] = x[image, pixel, channel]`.
///
/// # Panics
///
/// As for [`nchw_to_nhwc`].
pub fn nhwc_to_nchw(x: &[f32], batch: usize, channels: usize, out: &mut [f32]) {
    let pixels = pixels(x.len(), batch, channels);
    assert_eq!(out.len(), x.len(), "output of a change of layout");
    let out = Shared::new(out);
    over_pixels(batch, channels, pixels, |image, start, count| {
        let from = Matrix {
            start: x[(image * pixels + start) * channels..].as_ptr(),
            stride: channels,
            rows: count,
            columns: channels,
        };
        // SAFETY: the rows are pixels of this image, and each lies in the output where no other part writes.
        unsafe {
            transpose(
                from,
                out.get().add(image * channels * pixels + start),
                pixels,
            )
        };
    });
}

fn pixels(len: usize, batch: usize, channels: usize) -> usize {
    let per_pixel = batch * channels;
    assert!(
        per_pixel > 0 && len.is_multiple_of(per_pixel),
        "{len} numbers for {batch} images of {channels} channels"
    );
    len / per_pixel
}

/// Calls `work(image, first pixel, pixels)` for stretches of all images, in parallel.
fn over_pixels(
    batch: usize,
    channels: usize,
    pixels: usize,
    work: impl Fn(usize, usize, usize) + Send + Sync,
) {
    let together = (CHUNK / channels).next_multiple_of(LINE);
    let per_image = pixels.div_ceil(together);
    let stretch = |i: usize| {
        let start = i % per_image * together;
        work(i / per_image, start, together.min(pixels - start));
    };
    if batch * channels * pixels <= CHUNK {
        (0..batch * per_image).for_each(stretch);
    } else {
        for_each(batch * per_image, stretch);
    }
}

/// Part of a matrix: number `(row, column)` is at `start + row * stride + column`.
#[derive(Clone, Copy)]
struct Matrix {
    start: *const f32,
    stride: usize,
    rows: usize,
    columns: usize,
}

/// Writes number `(row, column)` to `out + column * stride + row`.
///
/// # Safety
///
/// The matrix can be read, and all of these places written.
unsafe fn transpose(from: Matrix, out: *mut f32, stride: usize) {
    // SAFETY: the caller's promise is passed on; the narrow cases are those in which the numbers lie side by side.
    unsafe {
        match (from.rows, from.columns) {
            (3, columns) if stride == 3 => interleave::<3>(from, columns, out),
            (rows, 3) if from.stride == 3 => deinterleave::<3>(from, rows, out, stride),
            _ => transpose_blocks(from, out, stride),
        }
    }
}

/// Three colours to pixels: `N` rows to one.
///
/// # Safety
///
/// As for [`transpose`], of a matrix of `N` rows to places `N` apart.
unsafe fn interleave<const N: usize>(from: Matrix, columns: usize, out: *mut f32) {
    for column in 0..columns {
        for row in 0..N {
            // SAFETY: inside the matrix and its places.
            unsafe { *out.add(column * N + row) = *from.start.add(row * from.stride + column) };
        }
    }
}

/// Pixels to three colours: one row of `N` times as many numbers to `N`.
///
/// # Safety
///
/// As for [`transpose`], of a matrix of `N` columns whose rows follow one another.
unsafe fn deinterleave<const N: usize>(from: Matrix, rows: usize, out: *mut f32, stride: usize) {
    for row in 0..rows {
        for column in 0..N {
            // SAFETY: inside the matrix and its places.
            unsafe { *out.add(column * stride + row) = *from.start.add(row * N + column) };
        }
    }
}

/// # Safety
///
/// As for [`transpose`].
unsafe fn transpose_blocks(from: Matrix, out: *mut f32, stride: usize) {
    let (rows, columns) = (from.rows, from.columns);
    let (whole_rows, whole_columns) = (rows - rows % SIDE, columns - columns % SIDE);
    for line in (0..whole_rows).step_by(LINE) {
        let end = whole_rows.min(line + LINE);
        for column in (0..whole_columns).step_by(SIDE) {
            for row in (line..end).step_by(SIDE) {
                // SAFETY: a whole block inside the matrix.
                unsafe {
                    block(
                        from.start.add(row * from.stride + column),
                        from.stride,
                        out.add(column * stride + row),
                        stride,
                    )
                };
            }
        }
    }
    // SAFETY: what is left of every row, and then the rows left.
    unsafe {
        singles(from, 0..whole_rows, whole_columns..columns, out, stride);
        singles(from, whole_rows..rows, 0..columns, out, stride);
    }
}

/// Four rows of four numbers. The compiler makes shuffles of this.
///
/// # Safety
///
/// The blocks of four by four can be read and written.
#[inline(always)]
unsafe fn block(from: *const f32, from_stride: usize, out: *mut f32, stride: usize) {
    // SAFETY: rows of the blocks; alignment is not asked for.
    unsafe {
        let row = |r: usize| {
            from.add(r * from_stride)
                .cast::<[f32; SIDE]>()
                .read_unaligned()
        };
        let [a, b, c, d] = [row(0), row(1), row(2), row(3)];
        for i in 0..SIDE {
            out.add(i * stride)
                .cast::<[f32; SIDE]>()
                .write_unaligned([a[i], b[i], c[i], d[i]]);
        }
    }
}

/// # Safety
///
/// As for [`transpose`], with rows and columns of the matrix.
unsafe fn singles(
    from: Matrix,
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
    out: *mut f32,
    stride: usize,
) {
    for column in columns {
        for row in rows.clone() {
            // SAFETY: inside the matrix and its places.
            unsafe {
                *out.add(column * stride + row) = *from.start.add(row * from.stride + column)
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::check::{numbers, with_threads};

    fn check(batch: usize, channels: usize, pixels: usize) {
        let x = numbers(batch * channels * pixels, 5);
        let mut expected = vec![0.0; x.len()];
        #[expect(clippy::needless_range_loop, reason = "the index is taken apart")]
        for i in 0..x.len() {
            let (image, channel, pixel) =
                (i / pixels / channels, i / pixels % channels, i % pixels);
            expected[(image * pixels + pixel) * channels + channel] = x[i];
        }
        let mut out = vec![f32::NAN; x.len()];
        nchw_to_nhwc(&x, batch, channels, &mut out);
        assert_eq!(out, expected);
        let mut back = vec![f32::NAN; x.len()];
        nhwc_to_nchw(&out, batch, channels, &mut back);
        assert_eq!(back, x);
    }

    proptest! {
        #[test]
        fn every_number_moves_to_its_place(batch in 1usize..4, channels in 1usize..70, pixels in 1usize..150) {
            check(batch, channels, pixels);
        }
    }

    #[test]
    fn images_of_several_parts() {
        for channels in [1, 3, 17, 64] {
            check(2, channels, 70_001 / channels);
        }
        with_threads(4, || check(3, 24, 5001));
    }
}
