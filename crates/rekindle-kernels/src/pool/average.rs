//! The mean of each window.

use super::PoolShape;
use super::backward::{Share, backward};
use super::walk::{Lanes, Pixel, Place, index, over_output};
use super::windows::{Reader, Window};
use crate::channels::Access;
use crate::parallel::Shared;
use crate::simd::Simd;

/// The mean of each window's pixels inside the input, or of all with zeros outside where the padding is [counted](PoolShape::counted).
///
/// # Panics
///
/// As for [`max_pool`](super::max_pool).
pub fn average_pool(shape: &PoolShape, x: &[f32], out: &mut [f32]) {
    shape.check_forward(x, out);
    let pass = AverageForward {
        shape,
        windows: [&shape.windows(0), &shape.windows(1)],
        inverse: &shape.inverse_counts(),
        x,
        out: Shared::new(out),
    };
    over_output(shape, pass);
}

/// The gradient of [`average_pool`]'s input.
///
/// # Panics
///
/// As for [`max_pool`](super::max_pool).
pub fn average_pool_backward(shape: &PoolShape, dy: &[f32], dx: &mut [f32]) {
    shape.check_backward(dy, dx);
    let inverse = &shape.inverse_counts()[..];
    backward(shape, dy, dx, OfMean { inverse });
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

/// A window's gradient is split evenly over its pixels.
#[derive(Clone, Copy)]
struct OfMean<'a> {
    inverse: &'a [f32],
}

impl Share for OfMean<'_> {
    /// One over the number of the window's pixels.
    #[inline(always)]
    fn common<S: Simd>(&self, s: S, shape: &PoolShape, row: Reader, column: Reader) -> S::V {
        s.splat(self.inverse[row.out * shape.out[1] + column.out])
    }

    #[inline(always)]
    unsafe fn add<S: Simd, A: Access<S> + Lanes>(
        &self,
        s: S,
        _: A,
        _: usize,
        inverse: S::V,
        dy: S::V,
        sum: S::V,
    ) -> S::V {
        s.mul_add(dy, inverse, sum)
    }
}
