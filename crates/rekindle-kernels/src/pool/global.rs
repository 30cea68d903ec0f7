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
    global_average_pool_backward_adding(dy, batch, None, dx);
}

/// The same with a gradient of the input from elsewhere, of the length of `dx`, that is added while `dx` is written.
pub(crate) fn global_average_pool_backward_adding(
    dy: &[f32],
    batch: usize,
    other: Option<&[f32]>,
    dx: &mut [f32],
) {
    let images = images(dx.len(), batch, dy.len());
    assert!(
        other.is_none_or(|other| other.len() == dx.len()),
        "another gradient of the pooling's input"
    );
    let pixels = (dx.len() / dy.len()) as f32;
    let mean: Vec<f32> = dy.iter().map(|dy| dy / pixels).collect();
    let (level, out) = (Level::current(), Shared::new(dx));
    images.for_each(|stretch| {
        let (pattern, start, len) = (images.pattern(), stretch.start, stretch.len);
        let value = &pattern.expand(stretch.channels(&mean));
        match other {
            Some(other) => pattern.map_part(level, Fill::<true> { value, other, out }, start, len),
            None => {
                let other = value;
                pattern.map_part(level, Fill::<false> { value, other, out }, start, len)
            }
        }
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
struct Fill<'a, const ADD: bool> {
    value: &'a [f32],
    /// Read with `ADD` alone.
    other: &'a [f32],
    out: Shared<f32>,
}

impl<const ADD: bool> Pass for Fill<'_, ADD> {
    #[inline(always)]
    unsafe fn step<S: Simd, A: Access<S>, const R: usize>(&self, s: S, at: Registers<A>) {
        // SAFETY: the places are inside the array and the pattern by the caller's promise.
        unsafe {
            let value = at.pattern(s, self.value);
            for r in 0..R {
                let v = match ADD {
                    true => s.add(value, at.load(s, r, self.other)),
                    false => value,
                };
                at.store(s, r, self.out, v);
            }
        }
    }
}
