//! Splitting `[batch, pixels, channels]` into stretches that each lie within one image.

use crate::channels::{CHUNK, Pattern, in_parts};
use crate::parallel::Shared;

/// A batch of images of the same size.
pub(crate) struct Images {
    batch: usize,
    channels: usize,
    /// Numbers per image.
    image: usize,
    pattern: Pattern,
}

/// Consecutive pixels of one image.
#[derive(Clone, Copy)]
pub(crate) struct Stretch {
    pub image: usize,
    /// Where the stretch starts in the array.
    pub start: usize,
    /// Its length.
    pub len: usize,
    channels: usize,
}

impl Stretch {
    /// The image's part of an array `[batch, channels]`.
    pub(crate) fn channels<'a>(&self, per_image: &'a [f32]) -> &'a [f32] {
        &per_image[self.image * self.channels..][..self.channels]
    }
}

impl Images {
    /// # Panics
    ///
    /// When the sizes do not divide `len`; `what` names the array.
    pub(crate) fn new(batch: usize, channels: usize, len: usize, what: &str) -> Self {
        assert!(
            batch > 0 && len.is_multiple_of(batch),
            "{what} has {len} numbers for {batch} images"
        );
        let image = len / batch;
        Self {
            batch,
            channels,
            image,
            pattern: Pattern::new(channels, image, what),
        }
    }

    /// The pattern of an image's channels.
    pub(crate) fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    /// Calls `work` on every stretch, in parallel. Small images go to the threads several at once.
    pub(crate) fn for_each(&self, work: impl Fn(Stretch) + Send + Sync) {
        let stretches = self.stretches();
        let together = (CHUNK / self.image.max(1)).max(1);
        let part = |i: usize| {
            for stretch in i * together..stretches.min((i + 1) * together) {
                work(self.stretch(stretch));
            }
        };
        in_parts(stretches.div_ceil(together), &part);
    }

    /// Calls `work` on every stretch with a number per channel to add to, and returns their sums per image, `[batch, channels]`.
    pub(crate) fn sum(&self, work: impl Fn(Stretch, &mut [f64]) + Send + Sync) -> Vec<f64> {
        self.sums(1, work)
    }

    /// The same with `count` numbers per channel, `[batch, count, channels]`.
    pub(crate) fn sums(
        &self,
        count: usize,
        work: impl Fn(Stretch, &mut [f64]) + Send + Sync,
    ) -> Vec<f64> {
        let width = count * self.channels;
        let per_image = self.pattern.chunks();
        let mut partial = vec![0.0f64; self.stretches() * width];
        let shared = Shared::new(&mut partial);
        self.for_each(|stretch| {
            let index = stretch.image * per_image
                + (stretch.start - stretch.image * self.image) / self.pattern.chunk();
            // SAFETY: every stretch has its own numbers of `partial`, which outlives the loop.
            let sums =
                unsafe { std::slice::from_raw_parts_mut(shared.get().add(index * width), width) };
            work(stretch, sums);
        });
        if per_image == 1 {
            return partial;
        }
        let mut sums = vec![0.0; self.batch * width];
        for (index, part) in partial.chunks_exact(width).enumerate() {
            let sums = &mut sums[index / per_image * width..][..width];
            sums.iter_mut().zip(part).for_each(|(sum, x)| *sum += x);
        }
        sums
    }

    fn stretches(&self) -> usize {
        self.batch * self.pattern.chunks()
    }

    fn stretch(&self, index: usize) -> Stretch {
        let per_image = self.pattern.chunks();
        let image = index / per_image;
        let (start, len) = self.pattern.part(index % per_image);
        Stretch {
            image,
            start: image * self.image + start,
            len,
            channels: self.channels,
        }
    }
}
