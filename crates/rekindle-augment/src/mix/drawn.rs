//! One batch's mix, as it was drawn.
//!
//! Owns: the share, and the box of CutMix. It does not own the draw, nor the arithmetic on tensors.

use crate::resize::PixelBox;

/// One batch's mix.
///
/// Which sample is mixed with which, and how, is the same for images, features and targets: with the feature `burn`, `images` and `rows` do
/// it on tensors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mix {
    share: f64,
    cut: Option<PixelBox>,
}

impl Mix {
    /// Mixup with this share, from 0 to 1, of each sample itself.
    pub fn mixup(share: f64) -> Self {
        Self { share, cut: None }
    }

    /// CutMix that leaves about this share of each image, from 0 to 1, and cuts a box around `centre`, `[y, x]` in pixels, out
    /// of images of `size`, `[height, width]`.
    pub fn cutmix(share: f64, centre: [usize; 2], size: [usize; 2]) -> Self {
        let ratio = (1.0 - share).max(0.0).sqrt();
        let span = |axis: usize| {
            let (centre, size) = (centre[axis].min(size[axis]), size[axis]);
            let cut = (ratio * size as f64) as usize;
            let start = centre.saturating_sub(cut / 2);
            let end = (centre + cut.div_ceil(2)).min(size);
            (start as u32, (end - start) as u32)
        };
        let ((top, height), (left, width)) = (span(0), span(1));
        let whole = (size[0] * size[1]).max(1) as f64;
        Self {
            share: 1.0 - f64::from(height) * f64::from(width) / whole,
            cut: Some(PixelBox {
                left,
                top,
                width,
                height,
            }),
        }
    }

    /// The share of each sample that is its own; of the pixels after the cut, for CutMix.
    pub fn share(&self) -> f64 {
        self.share
    }

    /// The box that CutMix replaces; none for mixup.
    pub fn cut(&self) -> Option<PixelBox> {
        self.cut
    }
}
