//! A border around the image.
//!
//! Owns: what lies beyond the edge of an image, for this transform and for every other one that looks there.

use image::{Rgb, RgbImage};
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::entry::Operation;
use super::settings::{check_probability, check_range};
use crate::preprocessing::Preprocessing;
use crate::rng::SampleRng;
use crate::transform::Transform;

/// What lies beyond the edge of an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaddingMode {
    /// One colour: `k k k [a b c d] k k k`. Keras' `constant`.
    #[default]
    Constant,
    /// The pixel on the edge: `a a a [a b c d] d d d`. Keras' `nearest`.
    Edge,
    /// The image mirrored about the centre of the pixel on the edge: `d c b [a b c d] c b a`.
    Reflect,
    /// The image mirrored about the edge: `c b a [a b c d] d c b`. Keras' `reflect`.
    Symmetric,
    /// The image again: `b c d [a b c d] a b c`. Keras' `wrap`.
    Wrap,
}

impl PaddingMode {
    /// The pixel in `0..count` that is seen at `place`; nothing where the colour is.
    pub(super) fn index(self, place: i64, count: usize) -> Option<usize> {
        let length = i64::try_from(count).ok().filter(|length| *length > 0)?;
        if (0..length).contains(&place) {
            return Some(place as usize);
        }
        let folded = match self {
            Self::Constant => return None,
            Self::Edge => place.clamp(0, length - 1),
            Self::Reflect if length == 1 => 0,
            Self::Reflect => {
                let turn = 2 * (length - 1);
                let place = place.rem_euclid(turn);
                place.min(turn - place)
            }
            Self::Symmetric => {
                let place = place.rem_euclid(2 * length);
                place.min(2 * length - 1 - place)
            }
            Self::Wrap => place.rem_euclid(length),
        };
        Some(folded as usize)
    }
}

/// A border around the image, which grows by it.
///
/// At the end of a pipeline the result is resized to the input size, so that this is a zoom out; before a `random_crop`
/// without resizing, the crop may reach into the border.
///
/// ![original and samples](https://raw.githubusercontent.com/rekindle-rs/rekindle/main/crates/rekindle-augment/docs/ops/pad.png)
///
/// Reference: torchvision's `Pad`, whose padding is in pixels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pad {
    /// Width of the border left and right, and above and below, as shares of the width and height, from 0 to 4. Default
    /// 0.125 each, the 4 of 32 pixels of the usual recipe for CIFAR.
    pub padding: [f32; 2],
    /// What the border shows: constant (default), edge, reflect, symmetric or wrap.
    pub padding_mode: PaddingMode,
    /// Probability of a border. Default 1.
    pub probability: f32,
    /// Colour of a constant border; where it is left out, [`Preprocessing::fill`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fill: Option<[u8; 3]>,
}

impl Default for Pad {
    fn default() -> Self {
        Self {
            padding: [0.125; 2],
            padding_mode: PaddingMode::Constant,
            probability: 1.0,
            fill: None,
        }
    }
}

impl Operation for Pad {
    fn check(&self) -> Result<(), SettingError> {
        for share in self.padding {
            check_range("padding", share, 0.0, 4.0, "two shares from 0 to 4")?;
        }
        check_probability(self.probability)
    }

    fn build(&self, preprocessing: &Preprocessing) -> Box<dyn Transform> {
        let fill = Some(self.fill.unwrap_or_else(|| preprocessing.fill()));
        Box::new(Self {
            fill,
            ..self.clone()
        })
    }
}

impl Transform for Pad {
    fn apply(&self, image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        if !rng.chance(self.probability) {
            return image;
        }
        let across = (image.width() as f32 * self.padding[0]).round() as u32;
        let down = (image.height() as f32 * self.padding[1]).round() as u32;
        let border = [across, down, across, down];
        pad(
            &image,
            border,
            self.padding_mode,
            self.fill.unwrap_or_default(),
        )
    }
}

/// The image with a border of `[left, top, right, bottom]` pixels.
///
/// Equals torchvision's `pad` of a Pillow image in its four modes, and numpy's where a mirrored border is wider than the
/// image. An image without pixels has no edge: its border is `fill` in every mode.
///
/// # Panics
///
/// Where the result has more bytes than an address can count.
pub fn pad(image: &RgbImage, border: [u32; 4], mode: PaddingMode, fill: [u8; 3]) -> RgbImage {
    let [left, top, right, bottom] = border;
    let width = image.width().saturating_add(left).saturating_add(right);
    let height = image.height().saturating_add(top).saturating_add(bottom);
    let corner = (-i64::from(left), -i64::from(top));
    window(image, corner, (width, height), mode, fill)
}

/// A part of the plane that an image and what lies beyond its edge fill, from its left upper corner.
pub(super) fn window(
    image: &RgbImage,
    (left, top): (i64, i64),
    (width, height): (u32, u32),
    mode: PaddingMode,
    fill: [u8; 3],
) -> RgbImage {
    let mut output = RgbImage::from_pixel(width, height, Rgb(fill));
    if width == 0 {
        return output;
    }
    let (source_width, source_height) = (image.width() as usize, image.height() as usize);
    // Columns of the output that show the image itself are copied at once.
    let inside = (-left).clamp(0, i64::from(width)) as usize;
    let end = (source_width as i64 - left).clamp(0, i64::from(width)) as usize;
    let start = inside.min(end);
    let outside: Vec<(usize, usize)> = (0..start)
        .chain(end..width as usize)
        .filter_map(|x| Some((x, mode.index(left.saturating_add(x as i64), source_width)?)))
        .collect();
    let first = left.max(0) as usize;
    for (y, line) in (0i64..).zip(output.chunks_exact_mut(3 * width as usize)) {
        let Some(row) = mode.index(top.saturating_add(y), source_height) else {
            continue;
        };
        let row = &image.as_raw()[3 * row * source_width..3 * (row + 1) * source_width];
        if start < end {
            line[3 * start..3 * end].copy_from_slice(&row[3 * first..3 * (first + end - start)]);
        }
        for &(x, column) in &outside {
            line[3 * x..3 * x + 3].copy_from_slice(&row[3 * column..3 * column + 3]);
        }
    }
    output
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gradient;
    use proptest::prelude::*;

    const MODES: [PaddingMode; 5] = [
        PaddingMode::Constant,
        PaddingMode::Edge,
        PaddingMode::Reflect,
        PaddingMode::Symmetric,
        PaddingMode::Wrap,
    ];

    #[test]
    fn borders_are_those_of_numpy() {
        // numpy 2.4.6: np.pad([0, 1, 2], 5, mode=...)
        let row = |mode: PaddingMode| -> Vec<Option<usize>> {
            (-5..8).map(|place| mode.index(place, 3)).collect()
        };
        let some = |values: [usize; 13]| values.map(Some).to_vec();
        assert_eq!(
            row(PaddingMode::Edge),
            some([0, 0, 0, 0, 0, 0, 1, 2, 2, 2, 2, 2, 2])
        );
        assert_eq!(
            row(PaddingMode::Reflect),
            some([1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1])
        );
        assert_eq!(
            row(PaddingMode::Symmetric),
            some([1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1])
        );
        assert_eq!(
            row(PaddingMode::Wrap),
            some([1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1])
        );
        assert_eq!(row(PaddingMode::Constant)[4..9].iter().flatten().count(), 3);
    }

    #[test]
    fn the_border_grows_the_image_by_its_share_on_each_side() {
        let transform = Pad {
            padding: [0.5, 0.25],
            ..Pad::default()
        }
        .build(&Preprocessing::default());
        let image = gradient(10, 8);
        let padded = transform.apply(image.clone(), &mut SampleRng::new(0, 0, 0));
        assert_eq!(padded.dimensions(), (20, 12));
        assert_eq!(padded.get_pixel(0, 0).0, [124, 116, 104]);
        assert_eq!(padded.get_pixel(5, 2), image.get_pixel(0, 0));
    }

    #[test]
    fn every_key_is_checked_by_name() {
        for padding in [[-0.1, 0.0], [0.0, 4.5], [f32::NAN, 0.0]] {
            let wrong = Pad {
                padding,
                ..Pad::default()
            };
            let message = wrong.check().unwrap_err().to_string();
            assert!(message.contains("`padding`"), "{message}");
        }
    }

    proptest! {
        #[test]
        fn a_window_is_the_image_and_what_the_mode_says_beyond_it(
            width in 0u32..8, height in 0u32..8, left in -12i64..12, top in -12i64..12,
            to_width in 0u32..16, to_height in 0u32..16, mode in 0usize..5,
        ) {
            let image = gradient(width, height);
            let seen = window(&image, (left, top), (to_width, to_height), MODES[mode], [9, 8, 7]);
            prop_assert_eq!(seen.dimensions(), (to_width, to_height));
            for (x, y, pixel) in seen.enumerate_pixels() {
                let column = MODES[mode].index(left + i64::from(x), width as usize);
                let row = MODES[mode].index(top + i64::from(y), height as usize);
                let expected = match (column, row) {
                    (Some(column), Some(row)) => image.get_pixel(column as u32, row as u32).0,
                    _ => [9, 8, 7],
                };
                prop_assert_eq!(pixel.0, expected);
            }
        }
    }
}
