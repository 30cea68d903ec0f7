//! Pooling over channels-last images: the largest and the mean of a window, and the mean of a whole image; forward and backward.
//!
//! Backward passes gather: every number of the input's gradient is written once, from the windows that hold it, so nothing is cleared
//! first and no two threads meet.

use std::ops::Range;

use crate::channels::{Access, CHUNK, Part, Pass, SumOf, Sums, Whole, in_parts};
use crate::images::Images;
use crate::parallel::Shared;
use crate::simd::{Kernel, Level, Simd, dispatch_at};

/// Sizes of a pooling: input `[batch, height, width, channels]`, output `[batch, out[0], out[1], channels]`.
///
/// The output's size is explicit, so that windows may reach over the bottom and right border.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PoolShape {
    /// Images.
    pub batch: usize,
    /// Height of the input in pixels.
    pub height: usize,
    /// Width of the input in pixels.
    pub width: usize,
    /// Channels of both sides.
    pub channels: usize,
    /// Height and width of the window.
    pub kernel: [usize; 2],
    /// Step in each direction.
    pub stride: [usize; 2],
    /// Distance between the window's taps in each direction.
    pub dilation: [usize; 2],
    /// Padding above and on the left; it belongs to no window's result.
    pub padding: [usize; 2],
    /// Height and width of the output.
    pub out: [usize; 2],
}

impl PoolShape {
    /// A square window with the same padding on all sides; windows end inside the padded input.
    pub fn new(
        batch: usize,
        size: [usize; 2],
        channels: usize,
        kernel: usize,
        stride: usize,
        padding: usize,
    ) -> Self {
        let out = size.map(|size| (size + 2 * padding).saturating_sub(kernel) / stride.max(1) + 1);
        Self {
            batch,
            height: size[0],
            width: size[1],
            channels,
            kernel: [kernel; 2],
            stride: [stride; 2],
            dilation: [1; 2],
            padding: [padding; 2],
            out,
        }
    }

    /// The same with windows that begin inside the input or its left padding but may end beyond, PyTorch's `ceil_mode`.
    pub fn with_ceil(mut self) -> Self {
        for (dim, size) in [(0, self.height), (1, self.width)] {
            let (stride, padding) = (self.stride[dim], self.padding[dim]);
            let reach = self.dilation[dim] * (self.kernel[dim] - 1) + 1;
            let out = (size + 2 * padding).saturating_sub(reach).div_ceil(stride) + 1;
            self.out[dim] = out - usize::from((out - 1) * stride >= size + padding);
        }
        self
    }

    /// Numbers in the input.
    pub fn input_len(&self) -> usize {
        self.batch * self.height * self.width * self.channels
    }

    /// Numbers in the output.
    pub fn output_len(&self) -> usize {
        self.batch * self.out[0] * self.out[1] * self.channels
    }

    /// # Panics
    ///
    /// When a size is zero, a window lies wholly outside the input, or the window has more than 256 taps.
    pub fn check(&self) {
        let sizes = [self.batch, self.height, self.width, self.channels];
        let pairs = [self.kernel, self.stride, self.dilation, self.out];
        let positive = sizes.iter().chain(pairs.iter().flatten()).all(|&n| n > 0);
        assert!(positive, "a pooling has a size of zero: {self:?}");
        assert!(
            self.kernel[0] * self.kernel[1] <= 256,
            "a pooling's window has over 256 taps: {self:?}"
        );
        let inside = (0..2).all(|dim| {
            self.windows(dim)
                .iter()
                .all(|window| !window.taps.is_empty())
        });
        assert!(
            inside,
            "a pooling's window lies outside the input: {self:?}"
        );
    }

    fn size(&self, dim: usize) -> usize {
        [self.height, self.width][dim]
    }

    /// Where tap `tap` of window `out` reads, if inside the input.
    fn place(&self, dim: usize, out: usize, tap: usize) -> Option<usize> {
        let at =
            (out * self.stride[dim] + tap * self.dilation[dim]).checked_sub(self.padding[dim])?;
        (at < self.size(dim)).then_some(at)
    }

    /// The windows of one dimension (0 height, 1 width).
    fn windows(&self, dim: usize) -> Vec<Window> {
        let window = |out| {
            let inside = |tap: &usize| self.place(dim, out, *tap).is_some();
            let first = (0..self.kernel[dim]).find(inside).unwrap_or(0);
            let taps = first..first + (first..self.kernel[dim]).take_while(inside).count();
            let start = self.place(dim, out, first).unwrap_or(0);
            Window { taps, start }
        };
        (0..self.out[dim]).map(window).collect()
    }

    /// For every pixel of one dimension, the taps that read it and their windows.
    fn readers(&self, dim: usize) -> Vec<Vec<Reader>> {
        let mut readers = vec![Vec::new(); self.size(dim)];
        for out in 0..self.out[dim] {
            for tap in 0..self.kernel[dim] {
                if let Some(at) = self.place(dim, out, tap) {
                    readers[at].push(Reader { tap, out });
                }
            }
        }
        readers
    }

    /// One over the number of pixels in each window, `[out[0], out[1]]`.
    fn inverse_counts(&self) -> Vec<f32> {
        let [rows, columns] = [self.windows(0), self.windows(1)];
        let pairs = rows
            .iter()
            .flat_map(|y| columns.iter().map(move |x| y.taps.len() * x.taps.len()));
        pairs.map(|count| 1.0 / count as f32).collect()
    }
}

/// The taps of a window that fall inside the input, and where the first does.
struct Window {
    taps: Range<usize>,
    start: usize,
}

#[derive(Clone, Copy)]
struct Reader {
    tap: usize,
    out: usize,
}

/// The largest number of each window; a number that is not one wins over all, as in PyTorch. `taps`, if given, receives for every
/// output the tap it came from (the first of equals), which [`max_pool_backward`] needs.
///
/// # Panics
///
/// When the shape fails [`PoolShape::check`] or a slice has another length than it says.
pub fn max_pool(shape: &PoolShape, x: &[f32], out: &mut [f32], taps: Option<&mut [u8]>) {
    shape.check();
    assert_eq!(x.len(), shape.input_len(), "input of {shape:?}");
    assert_eq!(out.len(), shape.output_len(), "output of {shape:?}");
    let (windows, out) = ([&shape.windows(0)[..], &shape.windows(1)], Shared::new(out));
    match taps {
        None => {
            let taps = Shared::new(&mut []);
            over_output(
                shape,
                MaxForward::<false> {
                    shape,
                    windows,
                    x,
                    out,
                    taps,
                },
            );
        }
        Some(taps) => {
            assert_eq!(taps.len(), shape.output_len(), "taps of {shape:?}");
            let taps = Shared::new(taps);
            over_output(
                shape,
                MaxForward::<true> {
                    shape,
                    windows,
                    x,
                    out,
                    taps,
                },
            );
        }
    }
}

/// The gradient of [`max_pool`]'s input, from that of its output and the taps it stored.
///
/// # Panics
///
/// As for [`max_pool`].
pub fn max_pool_backward(shape: &PoolShape, taps: &[u8], dy: &[f32], dx: &mut [f32]) {
    shape.check();
    assert_eq!(taps.len(), shape.output_len(), "taps of {shape:?}");
    check_gradients(shape, dy, dx);
    let readers = [&shape.readers(0)[..], &shape.readers(1)];
    let dx = Shared::new(dx);
    over_input(
        shape,
        MaxBackward {
            shape,
            readers,
            taps,
            dy,
            dx,
        },
    );
}

/// The mean of each window's pixels inside the input.
///
/// # Panics
///
/// As for [`max_pool`].
pub fn average_pool(shape: &PoolShape, x: &[f32], out: &mut [f32]) {
    shape.check();
    assert_eq!(x.len(), shape.input_len(), "input of {shape:?}");
    assert_eq!(out.len(), shape.output_len(), "output of {shape:?}");
    let windows = [&shape.windows(0)[..], &shape.windows(1)];
    let inverse = &shape.inverse_counts()[..];
    let out = Shared::new(out);
    over_output(
        shape,
        AverageForward {
            shape,
            windows,
            inverse,
            x,
            out,
        },
    );
}

/// The gradient of [`average_pool`]'s input.
///
/// # Panics
///
/// As for [`max_pool`].
pub fn average_pool_backward(shape: &PoolShape, dy: &[f32], dx: &mut [f32]) {
    shape.check();
    check_gradients(shape, dy, dx);
    let readers = [&shape.readers(0)[..], &shape.readers(1)];
    let inverse = &shape.inverse_counts()[..];
    let dx = Shared::new(dx);
    over_input(
        shape,
        AverageBackward {
            shape,
            readers,
            inverse,
            dy,
            dx,
        },
    );
}

fn check_gradients(shape: &PoolShape, dy: &[f32], dx: &[f32]) {
    assert_eq!(
        dy.len(),
        shape.output_len(),
        "output's gradient of {shape:?}"
    );
    assert_eq!(dx.len(), shape.input_len(), "input's gradient of {shape:?}");
}

fn over_output<P: Pixel>(shape: &PoolShape, pass: P) {
    over_pixels(shape.batch, shape.out, shape.channels, pass);
}

fn over_input<P: Pixel>(shape: &PoolShape, pass: P) {
    over_pixels(
        shape.batch,
        [shape.height, shape.width],
        shape.channels,
        pass,
    );
}

/// Calls `pass` for every pixel of a batch, in parallel by rows.
fn over_pixels<P: Pixel>(batch: usize, [height, width]: [usize; 2], channels: usize, pass: P) {
    let level = Level::current();
    let rows = batch * height;
    let together = (CHUNK / (width * channels)).max(1);
    let part = |i: usize| {
        let rows = i * together..rows.min((i + 1) * together);
        dispatch_at(
            level,
            Rows {
                pass,
                rows,
                height,
                width,
                channels,
            },
        );
    };
    in_parts(rows.div_ceil(together), &part);
}

/// A pixel of the array that a pass writes.
#[derive(Clone, Copy)]
struct Place {
    image: usize,
    y: usize,
    x: usize,
    channel: usize,
}

/// What a pass does at one pixel.
trait Pixel: Copy + Send + Sync {
    /// Handles `N` registers of channels. Must be `#[inline(always)]`.
    ///
    /// # Safety
    ///
    /// The lanes of `access` lie inside the pixel of the array that the pass writes, and no other thread is given the same place.
    unsafe fn registers<S: Simd, A: Access<S> + Lanes, const N: usize>(
        &self,
        s: S,
        access: A,
        place: Place,
    );
}

/// How many lanes an [`Access`] has, for the taps, which are bytes.
trait Lanes: Copy {
    fn count<S: Simd>(self) -> usize;
}

impl Lanes for Whole {
    #[inline(always)]
    fn count<S: Simd>(self) -> usize {
        S::LANES
    }
}

impl Lanes for Part {
    #[inline(always)]
    fn count<S: Simd>(self) -> usize {
        self.0
    }
}

struct Rows<P> {
    pass: P,
    rows: Range<usize>,
    height: usize,
    width: usize,
    channels: usize,
}

impl<P: Pixel> Kernel for Rows<P> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self {
            pass,
            rows,
            height,
            width,
            channels,
        } = self;
        for row in rows {
            let (image, y) = (row / height, row % height);
            for x in 0..width {
                let mut channel = 0;
                while channel + 4 * S::LANES <= channels {
                    let place = Place {
                        image,
                        y,
                        x,
                        channel,
                    };
                    // SAFETY: whole registers inside the pixel.
                    unsafe { pass.registers::<S, Whole, 4>(s, Whole, place) };
                    channel += 4 * S::LANES;
                }
                while channel + S::LANES <= channels {
                    let place = Place {
                        image,
                        y,
                        x,
                        channel,
                    };
                    // SAFETY: a whole register inside the pixel.
                    unsafe { pass.registers::<S, Whole, 1>(s, Whole, place) };
                    channel += S::LANES;
                }
                if channel < channels {
                    let rest = Part(channels - channel);
                    // SAFETY: the pixel's remaining channels.
                    unsafe {
                        pass.registers::<S, Part, 1>(
                            s,
                            rest,
                            Place {
                                image,
                                y,
                                x,
                                channel,
                            },
                        )
                    };
                }
            }
        }
    }
}

/// The index of a number in `[batch, size[0], size[1], channels]`.
#[inline(always)]
fn index(place: Place, size: [usize; 2], channels: usize) -> usize {
    ((place.image * size[0] + place.y) * size[1] + place.x) * channels + place.channel
}

/// The best value so far of each lane, and the mark of where it was.
#[derive(Clone, Copy)]
struct Best<S: Simd> {
    value: S::V,
    mark: S::V,
}

impl<S: Simd> Best<S> {
    /// Takes over `value` and `mark` where `value` is larger.
    #[inline(always)]
    fn larger(&mut self, s: S, value: S::V, mark: S::V) {
        self.mark = s.select_gt(value, self.value, mark, self.mark);
        self.value = s.select_gt(value, self.value, value, self.value);
    }

    /// Takes over `value` and `mark` where `value` is larger or not a number.
    #[inline(always)]
    fn larger_or_none(&mut self, s: S, value: S::V, mark: S::V) {
        let largest = s.splat(f32::MAX);
        // Infinite where `value` is not a number, finite elsewhere, by which operand comes back from such a comparison.
        let odd = s.min(s.min(largest, value), s.splat(f32::INFINITY));
        let kept = Self {
            value: s.select_gt(odd, largest, value, self.value),
            mark: s.select_gt(odd, largest, mark, self.mark),
        };
        self.mark = s.select_gt(value, self.value, mark, kept.mark);
        self.value = s.select_gt(value, self.value, value, kept.value);
    }
}

/// The places that a window reads, as seen from the first channel.
struct Taps {
    /// Rows and columns.
    count: [usize; 2],
    /// The first tap's number.
    first: usize,
    /// The first tap's place in the array.
    start: usize,
    /// From row to row and from column to column.
    step: [usize; 2],
}

impl PoolShape {
    #[inline(always)]
    fn taps(&self, windows: &[&[Window]; 2], place: Place) -> Taps {
        let (rows, columns) = (&windows[0][place.y], &windows[1][place.x]);
        let start = Place {
            y: rows.start,
            x: columns.start,
            ..place
        };
        Taps {
            count: [rows.taps.len(), columns.taps.len()],
            first: rows.taps.start * self.kernel[1] + columns.taps.start,
            start: index(start, [self.height, self.width], self.channels),
            step: [
                self.dilation[0] * self.width * self.channels,
                self.dilation[1] * self.channels,
            ],
        }
    }
}

#[derive(Clone, Copy)]
struct MaxForward<'a, const TAPS: bool> {
    shape: &'a PoolShape,
    windows: [&'a [Window]; 2],
    x: &'a [f32],
    out: Shared<f32>,
    taps: Shared<u8>,
}

impl<const TAPS: bool> MaxForward<'_, TAPS> {
    /// The best of each register; with `NONE`, where a number may not be one. Without it, `None` comes back where one was.
    ///
    /// # Safety
    ///
    /// As for [`Pixel::registers`].
    #[inline(always)]
    unsafe fn best<S: Simd, A: Access<S>, const N: usize, const NONE: bool>(
        &self,
        s: S,
        access: A,
        taps: &Taps,
    ) -> Option<[Best<S>; N]> {
        let start = Best {
            value: s.splat(f32::NEG_INFINITY),
            mark: s.splat(taps.first as f32),
        };
        let mut best = [start; N];
        // Stays zero as long as all numbers are finite.
        let mut odd = s.zero();
        let mut row_mark = start.mark;
        for y in 0..taps.count[0] {
            let mut mark = row_mark;
            for x in 0..taps.count[1] {
                let at = taps.start + y * taps.step[0] + x * taps.step[1];
                for (n, best) in best.iter_mut().enumerate() {
                    // SAFETY: the window's taps lie inside the image, and the channels inside the pixel by the caller's promise.
                    let value = unsafe { access.load(s, self.x.as_ptr().add(at + n * S::LANES)) };
                    if NONE {
                        best.larger_or_none(s, value, mark);
                    } else {
                        odd = s.mul_add(value, s.zero(), odd);
                        best.larger(s, value, mark);
                    }
                }
                mark = s.add(mark, s.splat(1.0));
            }
            row_mark = s.add(row_mark, s.splat(self.shape.kernel[1] as f32));
        }
        (NONE || s.sum(odd) == 0.0).then_some(best)
    }

    #[cold]
    #[inline(always)]
    unsafe fn careful<S: Simd, A: Access<S>, const N: usize>(
        &self,
        s: S,
        access: A,
        taps: &Taps,
    ) -> [Best<S>; N] {
        // SAFETY: the caller's promise is passed on.
        let best = unsafe { self.best::<S, A, N, true>(s, access, taps) };
        best.unwrap_or_else(|| unreachable!("every number is allowed for"))
    }
}

impl<const TAPS: bool> Pixel for MaxForward<'_, TAPS> {
    #[inline(always)]
    unsafe fn registers<S: Simd, A: Access<S> + Lanes, const N: usize>(
        &self,
        s: S,
        access: A,
        place: Place,
    ) {
        let taps = self.shape.taps(&self.windows, place);
        // SAFETY: the caller's promise is passed on.
        let best = unsafe {
            match self.best::<S, A, N, false>(s, access, &taps) {
                Some(best) => best,
                None => self.careful::<S, A, N>(s, access, &taps),
            }
        };
        let at = index(place, self.shape.out, self.shape.channels);
        for (n, best) in best.iter().enumerate() {
            let at = at + n * S::LANES;
            // SAFETY: inside the output, and so inside the taps, by the caller's promise.
            unsafe {
                access.store(s, self.out.get().add(at), best.value);
                if TAPS {
                    store_bytes(s, access, self.taps.get().add(at), best.mark);
                }
            }
        }
    }
}

/// Stores whole numbers between 0 and 255 as bytes.
///
/// # Safety
///
/// The lanes can be written at `to`.
#[inline(always)]
unsafe fn store_bytes<S: Simd, A: Lanes>(s: S, access: A, to: *mut u8, v: S::V) {
    let (mut lanes, mut bytes) = ([0.0f32; 16], [0u8; 16]);
    // SAFETY: no register is wider than the array, the numbers fit, and the lanes can be written by the caller's promise.
    unsafe {
        s.store(lanes.as_mut_ptr(), v);
        for (byte, lane) in bytes.iter_mut().zip(&lanes) {
            *byte = lane.to_int_unchecked::<i32>() as u8;
        }
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, access.count::<S>());
    }
}

/// Bytes as numbers; behind the lanes of `access` it may read on inside the slice.
///
/// # Safety
///
/// The lanes lie inside `bytes` from `at`.
#[inline(always)]
unsafe fn load_bytes<S: Simd, A: Lanes>(s: S, access: A, bytes: &[u8], at: usize) -> S::V {
    let (mut lanes, mut held) = ([0.0f32; 16], [0u8; 16]);
    let count = if at + S::LANES <= bytes.len() {
        S::LANES
    } else {
        access.count::<S>()
    };
    // SAFETY: the bytes lie inside the slice, as was just seen or by the caller's promise; no register is wider than the array.
    unsafe {
        if count == S::LANES {
            std::ptr::copy_nonoverlapping(bytes.as_ptr().add(at), held.as_mut_ptr(), S::LANES);
        } else {
            std::ptr::copy_nonoverlapping(bytes.as_ptr().add(at), held.as_mut_ptr(), count);
        }
        for (lane, byte) in lanes.iter_mut().zip(held) {
            *lane = f32::from(byte);
        }
        s.load(lanes.as_ptr())
    }
}

#[derive(Clone, Copy)]
struct MaxBackward<'a> {
    shape: &'a PoolShape,
    readers: [&'a [Vec<Reader>]; 2],
    taps: &'a [u8],
    dy: &'a [f32],
    dx: Shared<f32>,
}

impl Pixel for MaxBackward<'_> {
    #[inline(always)]
    unsafe fn registers<S: Simd, A: Access<S> + Lanes, const N: usize>(
        &self,
        s: S,
        access: A,
        place: Place,
    ) {
        let shape = self.shape;
        let mut sums = [s.zero(); N];
        for row in &self.readers[0][place.y] {
            for column in &self.readers[1][place.x] {
                let tap = s.splat((row.tap * shape.kernel[1] + column.tap) as f32);
                let at = index(
                    Place {
                        y: row.out,
                        x: column.out,
                        ..place
                    },
                    shape.out,
                    shape.channels,
                );
                for (n, sum) in sums.iter_mut().enumerate() {
                    let at = at + n * S::LANES;
                    // SAFETY: the readers' windows lie inside the output, and the channels inside the pixel by the caller's promise.
                    let (mark, dy) = unsafe {
                        (
                            load_bytes(s, access, self.taps, at),
                            access.load(s, self.dy.as_ptr().add(at)),
                        )
                    };
                    let distance = s.sub(mark, tap);
                    // Whole numbers are equal where their distance is below a half.
                    *sum = s.add(
                        *sum,
                        s.select_gt(s.splat(0.25), s.mul(distance, distance), dy, s.zero()),
                    );
                }
            }
        }
        let at = index(place, [shape.height, shape.width], shape.channels);
        for (n, sum) in sums.into_iter().enumerate() {
            // SAFETY: inside the input's gradient by the caller's promise.
            unsafe { access.store(s, self.dx.get().add(at + n * S::LANES), sum) };
        }
    }
}

#[derive(Clone, Copy)]
struct AverageForward<'a> {
    shape: &'a PoolShape,
    windows: [&'a [Window]; 2],
    inverse: &'a [f32],
    x: &'a [f32],
    out: Shared<f32>,
}

impl Pixel for AverageForward<'_> {
    #[inline(always)]
    unsafe fn registers<S: Simd, A: Access<S> + Lanes, const N: usize>(
        &self,
        s: S,
        access: A,
        place: Place,
    ) {
        let taps = self.shape.taps(&self.windows, place);
        let mut sums = [s.zero(); N];
        for y in 0..taps.count[0] {
            for x in 0..taps.count[1] {
                let at = taps.start + y * taps.step[0] + x * taps.step[1];
                for (n, sum) in sums.iter_mut().enumerate() {
                    // SAFETY: the window's taps lie inside the image, and the channels inside the pixel by the caller's promise.
                    *sum = s.add(*sum, unsafe {
                        access.load(s, self.x.as_ptr().add(at + n * S::LANES))
                    });
                }
            }
        }
        let inverse = s.splat(self.inverse[place.y * self.shape.out[1] + place.x]);
        let at = index(place, self.shape.out, self.shape.channels);
        for (n, sum) in sums.into_iter().enumerate() {
            // SAFETY: inside the output by the caller's promise.
            unsafe {
                access.store(
                    s,
                    self.out.get().add(at + n * S::LANES),
                    s.mul(sum, inverse),
                )
            };
        }
    }
}

#[derive(Clone, Copy)]
struct AverageBackward<'a> {
    shape: &'a PoolShape,
    readers: [&'a [Vec<Reader>]; 2],
    inverse: &'a [f32],
    dy: &'a [f32],
    dx: Shared<f32>,
}

impl Pixel for AverageBackward<'_> {
    #[inline(always)]
    unsafe fn registers<S: Simd, A: Access<S> + Lanes, const N: usize>(
        &self,
        s: S,
        access: A,
        place: Place,
    ) {
        let shape = self.shape;
        let mut sums = [s.zero(); N];
        for row in &self.readers[0][place.y] {
            for column in &self.readers[1][place.x] {
                let at = index(
                    Place {
                        y: row.out,
                        x: column.out,
                        ..place
                    },
                    shape.out,
                    shape.channels,
                );
                let inverse = s.splat(self.inverse[row.out * shape.out[1] + column.out]);
                for (n, sum) in sums.iter_mut().enumerate() {
                    // SAFETY: the readers' windows lie inside the output, and the channels inside the pixel by the caller's promise.
                    let dy = unsafe { access.load(s, self.dy.as_ptr().add(at + n * S::LANES)) };
                    *sum = s.mul_add(dy, inverse, *sum);
                }
            }
        }
        let at = index(place, [shape.height, shape.width], shape.channels);
        for (n, sum) in sums.into_iter().enumerate() {
            // SAFETY: inside the input's gradient by the caller's promise.
            unsafe { access.store(s, self.dx.get().add(at + n * S::LANES), sum) };
        }
    }
}

/// The mean of each channel of each image: `[batch, pixels, channels]` to `[batch, channels]`.
///
/// # Panics
///
/// When `out` does not have `batch` images, or `x` not whole pixels of as many channels, one per image at least.
pub fn global_average_pool(x: &[f32], batch: usize, out: &mut [f32]) {
    let images = images(x.len(), batch, out.len());
    let level = Level::current();
    let sums = images.sum(|stretch, sums| {
        images
            .pattern()
            .sum_part(level, SumOf { x }, stretch.start, stretch.len, sums);
    });
    let pixels = (x.len() / out.len()) as f64;
    out.iter_mut()
        .zip(sums)
        .for_each(|(out, sum)| *out = (sum / pixels) as f32);
}

/// The gradient of [`global_average_pool`]'s input: `dy[image, channel] / pixels` in every pixel.
///
/// # Panics
///
/// As for [`global_average_pool`].
pub fn global_average_pool_backward(dy: &[f32], batch: usize, dx: &mut [f32]) {
    let images = images(dx.len(), batch, dy.len());
    let pixels = (dx.len() / dy.len()) as f32;
    let mean: Vec<f32> = dy.iter().map(|dy| dy / pixels).collect();
    let (level, out) = (Level::current(), Shared::new(dx));
    images.for_each(|stretch| {
        let value = images.pattern().expand(stretch.channels(&mean));
        images.pattern().map_part(
            level,
            Fill { value: &value, out },
            stretch.start,
            stretch.len,
        );
    });
}

fn images(len: usize, batch: usize, per_channel: usize) -> Images {
    assert!(
        batch > 0 && per_channel.is_multiple_of(batch),
        "{per_channel} means for {batch} images"
    );
    assert!(len > 0, "the mean of no pixels");
    Images::new(
        batch,
        per_channel / batch,
        len,
        "the input of a global pooling",
    )
}

#[derive(Clone, Copy)]
struct Fill<'a> {
    value: &'a [f32],
    out: Shared<f32>,
}

impl Pass for Fill<'_> {
    #[inline(always)]
    unsafe fn step<S: Simd, A: Access<S>, const R: usize>(
        &self,
        s: S,
        access: A,
        at: usize,
        stride: usize,
        lane: usize,
        _: Sums,
    ) {
        // SAFETY: the places are inside the array and the pattern by the caller's promise.
        unsafe {
            let value = access.load(s, self.value.as_ptr().add(lane));
            for r in 0..R {
                access.store(s, self.out.get().add(at + r * stride), value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::check::{assert_close, at_each_level, differences, numbers, wide, with_threads};

    /// Calls `visit(output, input, tap)` for every pixel of every window, in the windows' order; channels are left to the caller.
    fn each_tap(shape: &PoolShape, mut visit: impl FnMut(usize, usize, usize)) {
        for image in 0..shape.batch {
            for output in 0..shape.out[0] * shape.out[1] {
                let (oy, ox) = (output / shape.out[1], output % shape.out[1]);
                for tap in 0..shape.kernel[0] * shape.kernel[1] {
                    let (ky, kx) = (tap / shape.kernel[1], tap % shape.kernel[1]);
                    let y = (oy * shape.stride[0] + ky * shape.dilation[0]) as isize
                        - shape.padding[0] as isize;
                    let x = (ox * shape.stride[1] + kx * shape.dilation[1]) as isize
                        - shape.padding[1] as isize;
                    if (0..shape.height as isize).contains(&y)
                        && (0..shape.width as isize).contains(&x)
                    {
                        let input = (image * shape.height + y as usize) * shape.width + x as usize;
                        for c in 0..shape.channels {
                            let output = image * shape.out[0] * shape.out[1] + output;
                            visit(output * shape.channels + c, input * shape.channels + c, tap);
                        }
                    }
                }
            }
        }
    }

    /// The maxima, and where in the input they lie.
    fn defined_max(shape: &PoolShape, x: &[f64]) -> (Vec<f64>, Vec<usize>) {
        let mut best = vec![f64::NEG_INFINITY; shape.output_len()];
        let mut from = vec![usize::MAX; shape.output_len()];
        each_tap(shape, |o, i, _| {
            if from[o] == usize::MAX || x[i] > best[o] || x[i].is_nan() {
                (best[o], from[o]) = (x[i], i);
            }
        });
        (best, from)
    }

    fn counts(shape: &PoolShape) -> Vec<f64> {
        let mut counts = vec![0.0; shape.output_len()];
        each_tap(shape, |o, _, _| counts[o] += 1.0);
        counts
    }

    fn defined_average(shape: &PoolShape, x: &[f64]) -> Vec<f64> {
        let mut sums = vec![0.0; shape.output_len()];
        each_tap(shape, |o, i, _| sums[o] += x[i]);
        sums.iter()
            .zip(counts(shape))
            .map(|(sum, count)| sum / count)
            .collect()
    }

    fn check_max(shape: &PoolShape, x: &[f32], dy: &[f32]) {
        let (best, from) = defined_max(shape, &wide(x));
        let mut expected = vec![0.0; shape.input_len()];
        from.iter()
            .zip(dy)
            .for_each(|(&i, &dy)| expected[i] += f64::from(dy));
        at_each_level(|| {
            let (mut out, mut alone) =
                (vec![0.5; shape.output_len()], vec![0.5; shape.output_len()]);
            let mut taps = vec![77; shape.output_len()];
            max_pool(shape, x, &mut out, Some(&mut taps));
            max_pool(shape, x, &mut alone, None);
            for ((&out, &alone), &best) in out.iter().zip(&alone).zip(&best) {
                assert!(
                    f64::from(out) == best || (out.is_nan() && best.is_nan()),
                    "{out}, expected {best}"
                );
                assert_eq!(out.to_bits(), alone.to_bits());
            }
            let mut dx = vec![f32::NAN; shape.input_len()];
            max_pool_backward(shape, &taps, dy, &mut dx);
            assert_close(&dx, &expected, "gradient of the maximum");
        });
    }

    fn check_average(shape: &PoolShape, x: &[f32], dy: &[f32]) {
        let mut expected = vec![0.0; shape.input_len()];
        let counts = counts(shape);
        each_tap(shape, |o, i, _| expected[i] += f64::from(dy[o]) / counts[o]);
        at_each_level(|| {
            let mut out = vec![f32::NAN; shape.output_len()];
            average_pool(shape, x, &mut out);
            assert_close(&out, &defined_average(shape, &wide(x)), "mean");
            let mut dx = vec![f32::NAN; shape.input_len()];
            average_pool_backward(shape, dy, &mut dx);
            assert_close(&dx, &expected, "gradient of the mean");
        });
    }

    fn shapes() -> impl Strategy<Value = PoolShape> {
        let window = || (1usize..4, 1usize..4, 1usize..3, 0usize..2);
        (
            (1usize..4, 1usize..12, 1usize..12, 1usize..70),
            window(),
            window(),
            any::<bool>(),
        )
            .prop_filter_map(
                "a window outside the input",
                |((batch, height, width, channels), y, x, ceil)| {
                    let mut shape = PoolShape {
                        kernel: [y.0, x.0],
                        stride: [y.1, x.1],
                        dilation: [y.2, x.2],
                        padding: [y.3.min(y.0 / 2), x.3.min(x.0 / 2)],
                        ..PoolShape::new(batch, [height, width], channels, 1, 1, 0)
                    };
                    for (dim, size) in [(0, height), (1, width)] {
                        let reach = shape.dilation[dim] * (shape.kernel[dim] - 1) + 1;
                        let room = (size + 2 * shape.padding[dim]).checked_sub(reach)?;
                        shape.out[dim] = room / shape.stride[dim] + 1;
                    }
                    let shape = if ceil { shape.with_ceil() } else { shape };
                    let inside = (0..2).all(|dim| {
                        shape
                            .windows(dim)
                            .iter()
                            .all(|window| !window.taps.is_empty())
                    });
                    inside.then_some(shape)
                },
            )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        #[test]
        fn poolings_are_those_of_the_definition(shape in shapes(), seed in 0u64..1 << 40) {
            let (x, dy) = (numbers(shape.input_len(), seed), numbers(shape.output_len(), seed + 1));
            check_max(&shape, &x, &dy);
            check_average(&shape, &x, &dy);
            // Few values, so that many are equal and the first must win; some are infinite or not numbers.
            let values = [0.0, 1.0, -1.0, f32::NEG_INFINITY, f32::INFINITY, f32::MAX, f32::NAN, 2.0];
            let odd: Vec<f32> = x.iter().map(|x| values[(x.abs() * 100.0) as usize % values.len()]).collect();
            check_max(&shape, &odd, &dy);
        }

        #[test]
        fn global_means_are_those_of_the_definition(
            batch in 1usize..5, pixels in 1usize..150, channels in 1usize..70, seed in 0u64..1 << 40
        ) {
            check_global(batch, pixels, channels, seed);
        }
    }

    fn check_global(batch: usize, pixels: usize, channels: usize, seed: u64) {
        let (x, dy) = (
            numbers(batch * pixels * channels, seed),
            numbers(batch * channels, seed + 1),
        );
        let mut means = vec![0.0; dy.len()];
        let place = |i: usize| i / (pixels * channels) * channels + i % channels;
        x.iter()
            .enumerate()
            .for_each(|(i, &x)| means[place(i)] += f64::from(x) / pixels as f64);
        let expected: Vec<f64> = (0..x.len())
            .map(|i| f64::from(dy[place(i)]) / pixels as f64)
            .collect();
        at_each_level(|| {
            let mut out = vec![f32::NAN; dy.len()];
            global_average_pool(&x, batch, &mut out);
            assert_close(&out, &means, "mean");
            let mut dx = vec![f32::NAN; x.len()];
            global_average_pool_backward(&dy, batch, &mut dx);
            assert_close(&dx, &expected, "gradient of the mean");
        });
    }

    #[test]
    fn global_means_of_several_parts() {
        check_global(2, 3000, 24, 3);
        check_global(70, 49, 40, 4);
    }

    #[test]
    fn output_sizes_are_those_of_pytorch() {
        // ResNet's first pooling, and SqueezeNet's and GoogLeNet's with the last window over the border.
        assert_eq!(PoolShape::new(1, [112, 112], 64, 3, 2, 1).out, [56, 56]);
        assert_eq!(
            PoolShape::new(1, [55, 54], 64, 3, 2, 0).with_ceil().out,
            [27, 27]
        );
        assert_eq!(PoolShape::new(1, [54, 54], 64, 3, 2, 0).out, [26, 26]);
        // A window that would begin in the right padding is left out.
        assert_eq!(
            PoolShape::new(1, [3, 3], 1, 2, 2, 1).with_ceil().out,
            [2, 2]
        );
    }

    #[test]
    fn a_number_that_is_none_wins() {
        for nan_at in 0..9 {
            for other in [1.0, f32::INFINITY, f32::NEG_INFINITY, f32::MAX] {
                let mut x = vec![other; 9 * 17];
                x[nan_at * 17..(nan_at + 1) * 17].fill(f32::NAN);
                let shape = PoolShape::new(1, [3, 3], 17, 3, 1, 0);
                at_each_level(|| {
                    let (mut out, mut taps) = (vec![0.0; 17], vec![0; 17]);
                    max_pool(&shape, &x, &mut out, Some(&mut taps));
                    assert!(out.iter().all(|out| out.is_nan()));
                    assert!(taps.iter().all(|&tap| usize::from(tap) == nan_at));
                });
            }
        }
    }

    #[test]
    fn gradients_match_finite_differences() {
        let shape = PoolShape::new(2, [5, 4], 3, 3, 2, 1).with_ceil();
        let (x, dy) = (
            numbers(shape.input_len(), 1),
            numbers(shape.output_len(), 2),
        );
        let weigh =
            |y: Vec<f64>| -> f64 { y.iter().zip(&dy).map(|(y, &dy)| y * f64::from(dy)).sum() };
        let (mut out, mut taps) = (vec![0.0; dy.len()], vec![0; dy.len()]);
        max_pool(&shape, &x, &mut out, Some(&mut taps));
        let mut dx = vec![0.0; x.len()];
        max_pool_backward(&shape, &taps, &dy, &mut dx);
        assert_close(
            &dx,
            &differences(&x, |x| weigh(defined_max(&shape, x).0)),
            "maximum",
        );
        average_pool_backward(&shape, &dy, &mut dx);
        assert_close(
            &dx,
            &differences(&x, |x| weigh(defined_average(&shape, x))),
            "mean",
        );
    }

    #[test]
    fn results_are_the_same_bytes_with_any_number_of_threads() {
        let shape = PoolShape::new(3, [40, 41], 24, 3, 2, 1);
        let x = numbers(shape.input_len(), 1);
        let run = || {
            let (mut out, mut means) =
                (vec![0.0; shape.output_len()], vec![0.0; shape.output_len()]);
            let mut taps = vec![0; shape.output_len()];
            max_pool(&shape, &x, &mut out, Some(&mut taps));
            average_pool(&shape, &x, &mut means);
            let (mut dx, mut d_means) = (vec![0.0; x.len()], vec![0.0; x.len()]);
            max_pool_backward(&shape, &taps, &out, &mut dx);
            average_pool_backward(&shape, &means, &mut d_means);
            let mut global = vec![0.0; 3 * 24];
            global_average_pool(&x, 3, &mut global);
            (out, taps, means, dx, d_means, global)
        };
        assert_eq!(with_threads(1, run), with_threads(4, run));
    }

    #[test]
    #[should_panic(expected = "lies outside the input")]
    fn windows_without_pixels_are_refused() {
        let shape = PoolShape {
            out: [4, 3],
            ..PoolShape::new(1, [3, 3], 1, 1, 1, 0)
        };
        average_pool(&shape, &[0.0; 9], &mut [0.0; 12]);
    }
}
