//! Weighted sums of neighbours.
//!
//! Owns: what lies outside the image, and the sums over a sparse set of neighbours. Blurs that split into a horizontal and a
//! vertical pass have their own, quicker loops.

use image::RgbImage;

/// What stands for a pixel outside the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edge {
    /// The nearest pixel of the image.
    Replicate,
    /// The pixel as far inside the edge pixel as this one is outside.
    Reflect,
}

impl Edge {
    /// The place inside `0..length` that stands for `place`; `length` is at least 1.
    pub(super) fn inside(self, place: i64, length: usize) -> usize {
        let last = length as i64 - 1;
        let inside = match self {
            Self::Replicate => place.clamp(0, last),
            Self::Reflect if last == 0 => 0,
            Self::Reflect => {
                let along = place.rem_euclid(2 * last);
                along.min(2 * last - along)
            }
        };
        inside as usize
    }
}

/// One neighbour: how far to the right and below, and its weight in units of [`ONE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tap {
    pub(super) right: i32,
    pub(super) below: i32,
    pub(super) weight: i16,
}

/// The weight 1.
pub(super) const ONE: i32 = 1 << 14;

/// The row widened by `margin` pixels on both sides.
pub(super) fn widened(row: &[u8], margin: usize, edge: Edge) -> Vec<u8> {
    let width = row.len() / 3;
    let mut wide = Vec::with_capacity(row.len() + 6 * margin);
    let outside = |wide: &mut Vec<u8>, place: i64| {
        let at = 3 * edge.inside(place, width);
        wide.extend_from_slice(&row[at..at + 3]);
    };
    for place in -(margin as i64)..0 {
        outside(&mut wide, place);
    }
    wide.extend_from_slice(row);
    for place in width..width + margin {
        outside(&mut wide, place as i64);
    }
    wide
}

/// The sum of every pixel's neighbours by their weights, rounded and cut to 0..255.
pub(super) fn convolve(image: &RgbImage, taps: &[Tap], edge: Edge) -> RgbImage {
    let (width, height) = image.dimensions();
    if width == 0 || height == 0 {
        return image.clone();
    }
    let length = 3 * width as usize;
    let margin = taps
        .iter()
        .map(|tap| tap.right.unsigned_abs())
        .max()
        .unwrap_or(0) as usize;
    let rows: Vec<Vec<u8>> = image
        .as_raw()
        .chunks_exact(length)
        .map(|row| widened(row, margin, edge))
        .collect();
    let mut output = RgbImage::new(width, height);
    let mut sums = vec![0i32; length];
    for (y, output) in output.chunks_exact_mut(length).enumerate() {
        sums.fill(ONE / 2);
        for tap in taps {
            let row = &rows[edge.inside(y as i64 + i64::from(tap.below), rows.len())];
            let start = 3 * (margin as i64 + i64::from(tap.right)) as usize;
            for (sum, value) in sums.iter_mut().zip(&row[start..start + length]) {
                *sum += i32::from(tap.weight) * i32::from(*value);
            }
        }
        for (value, sum) in output.iter_mut().zip(&sums) {
            *value = (sum >> ONE.trailing_zeros()).clamp(0, 255) as u8;
        }
    }
    output
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gradient;

    #[test]
    fn edges_replicate_or_reflect() {
        let places = |edge: Edge| {
            (-4..7)
                .map(|place| edge.inside(place, 3))
                .collect::<Vec<_>>()
        };
        assert_eq!(places(Edge::Replicate), [0, 0, 0, 0, 0, 1, 2, 2, 2, 2, 2]);
        assert_eq!(places(Edge::Reflect), [0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2]);
        assert_eq!(Edge::Reflect.inside(5, 1), 0);
    }

    #[test]
    fn one_tap_of_weight_one_moves_the_image() {
        let image = gradient(7, 5);
        let tap = |right, below| Tap {
            right,
            below,
            weight: ONE as i16,
        };
        assert_eq!(convolve(&image, &[tap(0, 0)], Edge::Replicate), image);
        let moved = convolve(&image, &[tap(2, -1)], Edge::Replicate);
        assert_eq!(moved.get_pixel(1, 3), image.get_pixel(3, 2));
        assert_eq!(moved.get_pixel(6, 0), image.get_pixel(6, 0));
    }
}
