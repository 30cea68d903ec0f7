//! What a backbone expects of its input, and the geometry of evaluation.
//!
//! Owns: the settings that are stored in a model file, their checks, and the evaluation resize and crop. Training and
//! prediction share it. It does not own augmentation.

use image::{Rgb, RgbImage};
use rekindle_settings::{SettingError, Within};
use serde::{Deserialize, Serialize};

use crate::decode::SampleRange;
use crate::rescale::Rescale;
use crate::resize::{Interpolation, PixelBox, RowResizer, resize_part, resize_part_by_rows};

/// How an image of another shape becomes the input size, in evaluation.
///
/// In each case the image is first resized to the input size divided by the crop ratio, and the centre is cut out of that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResizePolicy {
    /// Fit the shorter side and cut what is left of the longer one; timm's `center`. The default of ImageNet weights.
    #[default]
    Crop,
    /// Fit both sides and let the picture be distorted; timm's `squash`. Nothing is cut at a crop ratio of 1.
    Squash,
    /// Fit the longer side and fill the rest with [`Preprocessing::fill`]; timm's `border`. Nothing is cut or distorted at
    /// a crop ratio of 1.
    Pad,
}

/// Size, resampling and scale of a backbone's input.
///
/// It is frozen into the model file, so training, evaluation and prediction see the same pixels.
///
/// ```
/// use rekindle_augment::Preprocessing;
///
/// let imagenet = Preprocessing::default();
/// assert_eq!(imagenet.input_size, [224, 224]);
/// imagenet.check()?;
/// # Ok::<(), rekindle_augment::SettingError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocessing {
    /// Height and width of the input in pixels. Default 224 by 224.
    pub input_size: [usize; 2],
    /// Share of the resized image that the centre crop keeps on each side, over 0 and up to 1; timm's `crop_pct`. Default
    /// 0.875, the 224 of 256 of the first ImageNet models.
    pub crop_ratio: f32,
    /// The filter. Default bicubic.
    #[serde(default)]
    pub interpolation: Interpolation,
    /// What happens to images of another shape. Default crop.
    #[serde(default)]
    pub policy: ResizePolicy,
    /// The colour of a border by [`ResizePolicy::Pad`], and of what rotations and other transforms leave empty. Default none,
    /// which is what [`Self::fill`] makes of the scale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fill: Option<[u8; 3]>,
    /// The scale of the values. Default ImageNet's mean and standard deviation.
    #[serde(default)]
    pub rescale: Rescale,
    /// Which numbers of samples of more than 8 bits are black and white; [`DecodeLimits::range`](crate::DecodeLimits::range) has to be it.
    /// Default all that samples can hold.
    #[serde(default, skip_serializing_if = "SampleRange::is_full")]
    pub range: SampleRange,
}

impl Default for Preprocessing {
    fn default() -> Self {
        Self {
            input_size: [224, 224],
            crop_ratio: 0.875,
            interpolation: Interpolation::default(),
            policy: ResizePolicy::default(),
            fill: None,
            rescale: Rescale::default(),
            range: SampleRange::default(),
        }
    }
}

/// Largest side of an input: far above any backbone's, and small enough that a pixel count fits 32 bits.
const LARGEST_SIDE: usize = 16_384;

impl Preprocessing {
    /// Checks every setting.
    ///
    /// # Errors
    ///
    /// [`SettingError::Value`] for the first wrong one, with its key here, such as `crop_ratio`.
    pub fn check(&self) -> Result<(), SettingError> {
        if self
            .input_size
            .iter()
            .any(|side| !(1..=LARGEST_SIDE).contains(side))
        {
            return Err(SettingError::new(
                "input_size",
                format!("{:?}", self.input_size),
                "a height and a width of 1 to 16384 pixels",
            ));
        }
        // A hundredth bounds what an evaluation resize can allocate.
        if !(0.01..=1.0).contains(&self.crop_ratio) {
            return Err(SettingError::new(
                "crop_ratio",
                self.crop_ratio,
                "a share from 0.01 to 1",
            ));
        }
        self.range.check().within("range")?;
        self.rescale.check().within("rescale")
    }

    /// Width and height of the input, as images give their size.
    pub fn size(&self) -> (u32, u32) {
        let [height, width] = self.input_size.map(|side| side.min(LARGEST_SIDE) as u32);
        (width, height)
    }

    /// The colour of what padding and rotation leave empty: the `fill` of the settings, or else the colour nearest to what
    /// rescaling turns into zero, so that a border says nothing to the network.
    ///
    /// That is the mean where there is one, mid-grey for -1..1 and where each image has its own, else black.
    pub fn fill(&self) -> [u8; 3] {
        if let Some(fill) = self.fill {
            return fill;
        }
        match self.rescale {
            Rescale::Symmetric | Rescale::PerImage { .. } => [128; 3],
            other => other
                .mean()
                .unwrap_or_default()
                .map(|value| (value * 255.0).round_ties_even() as u8),
        }
    }

    /// The evaluation view of an image: resized by the policy, centre cropped, of the input size.
    ///
    /// It follows timm's `transforms_imagenet_eval` and, below it, torchvision's rounding: the resize target is
    /// `floor(size / crop_ratio)`, a longer side is cut down to whole pixels, and a crop that cannot be centred exactly
    /// rounds half to even. Where the resized image is smaller than the input, which happens for non-square inputs and for
    /// padding, the rest is filled. Checked against timm 1.0.31 to one grey level (`tests/golden.rs`). Only the pixels
    /// that the crop keeps are computed.
    pub fn evaluate(&self, image: &RgbImage) -> RgbImage {
        match self.kept_part(image.dimensions()) {
            Some((resized, part)) => {
                self.framed(resize_part(image, resized, part, self.interpolation))
            }
            None => self.nothing(),
        }
    }

    /// As [`Self::evaluate`] of a picture of this size that comes row by row; none where the whole picture is needed. What it gives is for
    /// [`Self::framed`].
    pub(crate) fn evaluate_by_rows(&self, size: (u32, u32)) -> Option<RowResizer> {
        let (resized, part) = self.kept_part(size)?;
        resize_part_by_rows(size, resized, part, self.interpolation)
    }

    fn nothing(&self) -> RgbImage {
        let (width, height) = self.size();
        RgbImage::from_pixel(width, height, Rgb(self.fill()))
    }

    /// The size that a picture is resized to, and the part that is kept of it; none where there is nothing.
    fn kept_part(&self, source: (u32, u32)) -> Option<((u32, u32), PixelBox)> {
        let (width, height) = self.size();
        if [source.0, source.1, width, height].contains(&0) {
            return None;
        }
        let resized = self.resized_size(source.0, source.1);
        let across = centre(width, resized.0);
        let down = centre(height, resized.1);
        let part = PixelBox {
            left: across.skip,
            top: down.skip,
            width: across.keep,
            height: down.keep,
        };
        Some((resized, part))
    }

    /// The kept part in the middle of the input.
    pub(crate) fn framed(&self, kept: RgbImage) -> RgbImage {
        let (width, height) = self.size();
        if kept.dimensions() == (width, height) {
            return kept;
        }
        // torchvision's centre crop pads with black; timm's padding policy uses the mean.
        let fill = if self.policy == ResizePolicy::Pad {
            self.fill()
        } else {
            [0; 3]
        };
        let mut output = RgbImage::from_pixel(width, height, Rgb(fill));
        let [left, top] = [(width, kept.width()), (height, kept.height())]
            .map(|(wanted, kept)| i64::from(centre(wanted, kept).pad));
        image::imageops::replace(&mut output, &kept, left, top);
        output
    }

    /// All that [`Self::evaluate`] depends on, in words: equal for settings that give equal views.
    pub(crate) fn geometry(&self) -> String {
        let [height, width] = self.input_size;
        let fill = match self.policy {
            ResizePolicy::Pad => self.fill(),
            _ => [0; 3],
        };
        format!(
            "evaluation {width}x{height} {} {:?} {:?} {fill:?}",
            self.crop_ratio, self.interpolation, self.policy
        )
    }

    /// Width and height after the resize and before the centre crop.
    pub(crate) fn resized_size(&self, width: u32, height: u32) -> (u32, u32) {
        let (input_width, input_height) = self.size();
        let target_width = self.scaled(input_width);
        let target_height = self.scaled(input_height);
        let keep_shape = |ratio: f64| {
            let side = |length: u32| ((f64::from(length) / ratio).round_ties_even() as u32).max(1);
            (side(width), side(height))
        };
        let across = f64::from(width) / f64::from(target_width);
        let down = f64::from(height) / f64::from(target_height);
        match self.policy {
            ResizePolicy::Squash => (target_width, target_height),
            ResizePolicy::Pad => keep_shape(across.max(down)),
            ResizePolicy::Crop if target_width == target_height => {
                let longer = |long: u32, short: u32| {
                    (u64::from(target_width) * u64::from(long) / u64::from(short))
                        .min(u64::from(u32::MAX)) as u32
                };
                if width <= height {
                    (target_width, longer(height, width))
                } else {
                    (longer(width, height), target_height)
                }
            }
            ResizePolicy::Crop => keep_shape(across.min(down)),
        }
    }

    /// `floor(side / crop_ratio)`, at least 1.
    fn scaled(&self, side: u32) -> u32 {
        // The decimal that was written down, not its nearest f32: 224 / 0.8 is 280, and 224 / 0.8f32 is less.
        let ratio: f64 = self.crop_ratio.to_string().parse().unwrap_or(1.0);
        let ratio = if ratio > 0.0 { ratio } else { 1.0 };
        ((f64::from(side) / ratio).floor() as u32).max(1)
    }
}

/// Which pixels of one resized side are kept, and where they go.
pub(crate) struct Centre {
    /// Pixels left out in front.
    pub(crate) skip: u32,
    /// Pixels kept.
    pub(crate) keep: u32,
    /// Pixels filled in front of the kept ones.
    pub(crate) pad: u32,
}

/// Centres `wanted` pixels on `available` ones, with torchvision's rounding.
pub(crate) fn centre(wanted: u32, available: u32) -> Centre {
    if wanted > available {
        return Centre {
            skip: 0,
            keep: available,
            pad: (wanted - available) / 2,
        };
    }
    let skip = (f64::from(available - wanted) / 2.0).round_ties_even() as u32;
    Centre {
        skip,
        keep: wanted,
        pad: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gradient;
    use proptest::prelude::*;

    fn preprocessing(
        input_size: [usize; 2],
        crop_ratio: f32,
        policy: ResizePolicy,
    ) -> Preprocessing {
        Preprocessing {
            input_size,
            crop_ratio,
            policy,
            ..Preprocessing::default()
        }
    }

    #[test]
    fn the_resize_target_is_computed_from_the_written_decimal() {
        let target = |side, crop_ratio| {
            preprocessing([side, side], crop_ratio, ResizePolicy::Crop).scaled(side as u32)
        };
        // Python: math.floor(side / crop_pct)
        assert_eq!(target(224, 0.875), 256);
        assert_eq!(target(224, 0.8), 280);
        assert_eq!(target(224, 0.95), 235);
        assert_eq!(target(240, 0.96), 250);
        assert_eq!(target(288, 1.0), 288);
        assert_eq!(target(63, 0.9), 70);
    }

    #[test]
    fn sizes_follow_torchvision_and_timm() {
        let size = |policy, width, height| {
            preprocessing([224, 224], 0.875, policy).resized_size(width, height)
        };
        assert_eq!(size(ResizePolicy::Crop, 640, 480), (341, 256));
        assert_eq!(size(ResizePolicy::Crop, 480, 640), (256, 341));
        assert_eq!(size(ResizePolicy::Squash, 640, 480), (256, 256));
        assert_eq!(size(ResizePolicy::Pad, 640, 480), (256, 192));
        let wide = preprocessing([100, 200], 1.0, ResizePolicy::Crop);
        assert_eq!(wide.resized_size(300, 300), (200, 200));
    }

    #[test]
    fn an_odd_margin_rounds_half_to_even() {
        // torchvision: int(round((available - wanted) / 2.0))
        assert_eq!(centre(224, 225).skip, 0);
        assert_eq!(centre(224, 227).skip, 2);
        assert_eq!(centre(224, 229).skip, 2);
        assert_eq!(centre(10, 7).pad, 1);
    }

    #[test]
    fn padding_uses_the_colour_that_becomes_zero() {
        let pad = preprocessing([8, 8], 1.0, ResizePolicy::Pad);
        let output = pad.evaluate(&RgbImage::from_pixel(16, 4, Rgb([255; 3])));
        assert_eq!(pad.fill(), [124, 116, 104]);
        assert_eq!(output.get_pixel(0, 0).0, [124, 116, 104]);
        assert_eq!(output.get_pixel(0, 3).0, [255; 3]);
        let blue = Preprocessing {
            fill: Some([0, 0, 200]),
            ..pad
        };
        let output = blue.evaluate(&RgbImage::from_pixel(16, 4, Rgb([255; 3])));
        assert_eq!(output.get_pixel(0, 0).0, [0, 0, 200]);
        assert_eq!(output.get_pixel(0, 3).0, [255; 3]);
    }

    #[test]
    fn wrong_settings_are_named() {
        let key =
            |preprocessing: Preprocessing| preprocessing.check().unwrap_err().key().to_owned();
        assert_eq!(
            key(preprocessing([0, 224], 1.0, ResizePolicy::Crop)),
            "input_size"
        );
        assert_eq!(
            key(preprocessing([224, 224], 0.0, ResizePolicy::Crop)),
            "crop_ratio"
        );
        assert_eq!(
            key(preprocessing([224, 224], f32::NAN, ResizePolicy::Crop)),
            "crop_ratio"
        );
        let rescale = Rescale::Standardise {
            mean: [0.5; 3],
            std: [0.2, 0.0, 0.2],
        };
        assert_eq!(
            key(Preprocessing {
                rescale,
                ..Preprocessing::default()
            }),
            "rescale.standardise.std"
        );
    }

    #[test]
    fn a_range_is_written_only_where_it_is_not_the_usual_one() {
        let usual = serde_json::to_string(&Preprocessing::default()).unwrap();
        assert!(!usual.contains("range"), "{usual}");
        for (text, range) in [
            (r#"{"bits":12}"#, SampleRange::Bits(12)),
            (
                r#"{"span":{"low":-1000.0,"high":3000.0}}"#,
                SampleRange::Span {
                    low: -1000.0,
                    high: 3000.0,
                },
            ),
        ] {
            let value = Preprocessing {
                range,
                ..Preprocessing::default()
            };
            let written = serde_json::to_string(&value).unwrap();
            assert!(written.contains(&format!("\"range\":{text}")), "{written}");
            assert_eq!(
                serde_json::from_str::<Preprocessing>(&written).unwrap(),
                value
            );
        }
        for range in [
            SampleRange::Bits(0),
            SampleRange::Bits(33),
            SampleRange::Span {
                low: 2.0,
                high: 2.0,
            },
        ] {
            let value = Preprocessing {
                range,
                ..Preprocessing::default()
            };
            assert!(value.check().unwrap_err().key().starts_with("range."));
        }
    }

    #[test]
    fn it_survives_a_round_trip_through_json() {
        let value = Preprocessing {
            fill: Some([1, 2, 3]),
            interpolation: Interpolation::Area,
            ..preprocessing([256, 192], 0.95, ResizePolicy::Pad)
        };
        let text = serde_json::to_string(&value).unwrap();
        assert!(
            text.contains("\"crop_ratio\":0.95") && text.contains("\"policy\":\"pad\""),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<Preprocessing>(&text).unwrap(), value);
        let unknown = text.replace("\"policy\"", "\"polcy\"");
        assert!(serde_json::from_str::<Preprocessing>(&unknown).is_err());
    }

    proptest! {
        #[test]
        fn evaluation_always_gives_the_input_size(
            width in 1u32..90, height in 1u32..90, input_width in 1usize..40, input_height in 1usize..40,
            crop_ratio in 0.1f32..=1.0, policy in 0usize..3, filter in 0usize..5,
        ) {
            let preprocessing = Preprocessing {
                input_size: [input_height, input_width],
                crop_ratio,
                policy: [ResizePolicy::Crop, ResizePolicy::Squash, ResizePolicy::Pad][policy],
                interpolation: [
                    Interpolation::Nearest, Interpolation::Bilinear, Interpolation::Bicubic, Interpolation::Lanczos,
                    Interpolation::Area,
                ][filter],
                fill: None,
                rescale: Rescale::default(),
                range: SampleRange::default(),
            };
            let output = preprocessing.evaluate(&gradient(width, height));
            prop_assert_eq!(output.dimensions(), (input_width as u32, input_height as u32));
        }
    }
}
