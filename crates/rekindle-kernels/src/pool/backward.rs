//! What the backward passes share: a pixel's gradient is the sum of what the windows that read it give.

use super::PoolShape;
use super::walk::{Lanes, Pixel, Place, index, over_input};
use super::windows::Reader;
use crate::channels::Access;
use crate::parallel::Shared;
use crate::simd::Simd;

/// What a window's gradient gives to one of the pixels that it reads.
pub(super) trait Share: Copy + Send + Sync {
    /// What all channels of the window and the pixel have in common. Must be `#[inline(always)]`, as below.
    fn common<S: Simd>(&self, s: S, shape: &PoolShape, row: Reader, column: Reader) -> S::V;

    /// `sum` and the share of `dy`, which lies at `at` of the output's gradient.
    ///
    /// # Safety
    ///
    /// The lanes of `access` lie inside the output from `at`.
    unsafe fn add<S: Simd, A: Access<S> + Lanes>(
        &self,
        s: S,
        access: A,
        at: usize,
        common: S::V,
        dy: S::V,
        sum: S::V,
    ) -> S::V;
}

/// Writes the input's gradient; the shape and the gradients are [checked](PoolShape::check_backward) already.
pub(super) fn backward<W: Share>(shape: &PoolShape, dy: &[f32], dx: &mut [f32], share: W) {
    let readers = [&shape.readers(0)[..], &shape.readers(1)];
    let dx = Shared::new(dx);
    let pass = Backward {
        shape,
        readers,
        share,
        dy,
        dx,
    };
    over_input(shape, pass);
}

#[derive(Clone, Copy)]
struct Backward<'a, W> {
    shape: &'a PoolShape,
    readers: [&'a [Vec<Reader>]; 2],
    share: W,
    dy: &'a [f32],
    dx: Shared<f32>,
}

impl<W: Share> Pixel for Backward<'_, W> {
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
                let common = self.share.common(s, shape, *row, *column);
                let window = Place {
                    y: row.out,
                    x: column.out,
                    ..place
                };
                let at = index(window, shape.out, shape.channels);
                for (n, sum) in sums.iter_mut().enumerate() {
                    let at = at + n * S::LANES;
                    // SAFETY: the readers' windows lie inside the output, and the channels inside the pixel by the caller's promise.
                    unsafe {
                        let dy = access.load(s, self.dy.as_ptr().add(at));
                        *sum = self.share.add(s, access, at, common, dy, *sum);
                    }
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
