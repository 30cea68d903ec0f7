//! The way between the upright picture and the stored one.
//!
//! Owns: which box of one is which of the other, by the orientation and the reduced size. It does not own any pixel.

use image::RgbImage;
use image::metadata::Orientation;

use crate::resize::{PixelBox, Region};

/// Whether an orientation makes the stored width the upright height.
pub(super) fn exchanges_sides(orientation: Orientation) -> bool {
    orientation.to_exif() >= 5
}

/// Whether the stored picture has left and right, and top and bottom, the other way round; after the exchange of sides, which
/// comes last.
pub(super) fn mirrored(orientation: Orientation) -> [bool; 2] {
    match orientation.to_exif() {
        2 | 8 => [true, false],
        3 | 7 => [true, true],
        4 | 6 => [false, true],
        _ => [false, false],
    }
}

/// The box of the stored picture that becomes a box of the upright one.
pub(super) fn stored_box(
    crop: PixelBox,
    orientation: Orientation,
    (width, height): (u32, u32),
) -> PixelBox {
    let mut stored = crop;
    if exchanges_sides(orientation) {
        stored = PixelBox {
            left: crop.top,
            top: crop.left,
            width: crop.height,
            height: crop.width,
        };
    }
    let [across, down] = mirrored(orientation);
    if across {
        stored.left = width - stored.left - stored.width;
    }
    if down {
        stored.top = height - stored.top - stored.height;
    }
    stored
}

pub(super) fn whole(image: &RgbImage) -> PixelBox {
    PixelBox {
        left: 0,
        top: 0,
        width: image.width(),
        height: image.height(),
    }
}

/// A crop of the stored picture that is decoded at a reduced size.
pub(super) struct Stored {
    pub(super) crop: PixelBox,
    pub(super) reduction: u32,
}

impl Stored {
    /// The reduced pixels that the crop touches.
    pub(super) fn covering(&self) -> PixelBox {
        let span = |start: u32, length: u32| {
            let first = start / self.reduction;
            (first, (start + length).div_ceil(self.reduction) - first)
        };
        let (left, width) = span(self.crop.left, self.crop.width);
        let (top, height) = span(self.crop.top, self.crop.height);
        PixelBox {
            left,
            top,
            width,
            height,
        }
    }

    /// The crop in those pixels once they are upright.
    pub(super) fn region(&self, orientation: Orientation) -> Region {
        let covering = self.covering();
        let scale = f64::from(self.reduction);
        let [across, down] = mirrored(orientation);
        let span = |start: u32, length: u32, first: u32, count: u32, is_mirrored: bool| {
            let from = f64::from(start) / scale - f64::from(first);
            let length = f64::from(length) / scale;
            let from = if is_mirrored {
                f64::from(count) - from - length
            } else {
                from
            };
            (from, length)
        };
        let crop = &self.crop;
        let (left, width) = span(crop.left, crop.width, covering.left, covering.width, across);
        let (top, height) = span(crop.top, crop.height, covering.top, covering.height, down);
        if exchanges_sides(orientation) {
            return Region {
                left: top,
                top: left,
                width: height,
                height: width,
            };
        }
        Region {
            left,
            top,
            width,
            height,
        }
    }
}
