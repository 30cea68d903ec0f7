//! The largest number of each window, and where it was.

use super::PoolShape;
use super::backward::{Share, backward};
use super::walk::{Lanes, Pixel, Place, index, over_output};
use super::windows::{Reader, Taps, Window};
use crate::channels::Access;
use crate::parallel::Shared;
use crate::simd::Simd;

/// The largest number of each window; a number that is not one wins over all, as in PyTorch. `taps`, if given, receives for every
/// output the tap it came from (the first of equals), which [`max_pool_backward`] needs.
///
/// # Panics
///
/// When the shape fails [`PoolShape::check`] or a slice has another length than it says.
pub fn max_pool(shape: &PoolShape, x: &[f32], out: &mut [f32], taps: Option<&mut [u8]>) {
    shape.check_forward(x, out);
    match taps {
        None => forward::<false>(shape, x, out, &mut []),
        Some(taps) => {
            assert_eq!(taps.len(), shape.output_len(), "taps of {shape:?}");
            forward::<true>(shape, x, out, taps);
        }
    }
}

fn forward<const TAPS: bool>(shape: &PoolShape, x: &[f32], out: &mut [f32], taps: &mut [u8]) {
    let pass = MaxForward::<TAPS> {
        shape,
        windows: [&shape.windows(0), &shape.windows(1)],
        x,
        out: Shared::new(out),
        taps: Shared::new(taps),
    };
    over_output(shape, pass);
}

/// The gradient of [`max_pool`]'s input, from that of its output and the taps it stored.
///
/// # Panics
///
/// As for [`max_pool`].
pub fn max_pool_backward(shape: &PoolShape, taps: &[u8], dy: &[f32], dx: &mut [f32]) {
    shape.check_backward(dy, dx);
    assert_eq!(taps.len(), shape.output_len(), "taps of {shape:?}");
    backward(shape, dy, dx, FromTap { taps });
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

/// A window's gradient belongs to the pixel that its tap names.
#[derive(Clone, Copy)]
struct FromTap<'a> {
    taps: &'a [u8],
}

impl Share for FromTap<'_> {
    /// The number of the tap that reads the pixel.
    #[inline(always)]
    fn common<S: Simd>(&self, s: S, shape: &PoolShape, row: Reader, column: Reader) -> S::V {
        s.splat((row.tap * shape.kernel[1] + column.tap) as f32)
    }

    #[inline(always)]
    unsafe fn add<S: Simd, A: Access<S> + Lanes>(
        &self,
        s: S,
        access: A,
        at: usize,
        tap: S::V,
        dy: S::V,
        sum: S::V,
    ) -> S::V {
        // SAFETY: the taps are as many as the output's numbers, inside which the lanes are by the caller's promise.
        let mark = unsafe { load_bytes(s, access, self.taps, at) };
        let distance = s.sub(mark, tap);
        // Whole numbers are equal where their distance is below a half.
        let share = s.select_gt(s.splat(0.25), s.mul(distance, distance), dy, s.zero());
        s.add(sum, share)
    }
}
