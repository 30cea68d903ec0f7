//! The mean of each channel over a whole image.

use crate::channels::{Access, Pass, Registers, SumOf};
use crate::images::Images;
use crate::parallel::Shared;
use crate::simd::{Level, Simd};

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
    unsafe fn step<S: Simd, A: Access<S>, const R: usize>(&self, s: S, at: Registers<A>) {
        // SAFETY: the places are inside the array and the pattern by the caller's promise.
        unsafe {
            let value = at.pattern(s, self.value);
            for r in 0..R {
                at.store(s, r, self.out, value);
            }
        }
    }
}
