//! What a backbone expects of its input, and the geometry of evaluation.
//!
//! Owns: the settings that are stored in a model file, their checks, and the evaluation resize and crop. Training and
//! prediction share it. It does not own augmentation.

use image::{Rgb, RgbImage};
use rekindle_settings::{SettingError, Within};
use serde::{Deserialize, Serialize};

use crate::bands::{Bands, stack};
use crate::decode::{DecodeLimits, Reading, SampleRange};
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
    /// The scale of the values. Default ImageNet's mean and standard deviation. It says nothing where there are [`Self::bands`].
    #[serde(default)]
    pub rescale: Rescale,
    /// Grey or other bands in place of red, green and blue, with their own scale; [`DecodeLimits::channels`](crate::DecodeLimits::channels)
    /// has to be their number. Default none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bands: Option<Bands>,
    /// Which numbers of samples of more than 8 bits are black and white; [`DecodeLimits::range`](crate::DecodeLimits::range) has to be it.
    /// Default all that samples can hold.
    #[serde(default, skip_serializing_if = "SampleRange::is_full")]
    pub range: SampleRange,
    /// What of a file becomes its picture, where it holds more than one answer;
    /// [`DecodeLimits::reading`](crate::DecodeLimits::reading) has to be it. Default what most programs take.
    #[serde(default, skip_serializing_if = "Reading::is_usual")]
    pub reading: Reading,
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
            bands: None,
            range: SampleRange::default(),
            reading: Reading::default(),
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
        if let Some(bands) = &self.bands {
            bands.check().within("bands")?;
        }
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
        let byte = |value: f32| (value * 255.0).round_ties_even() as u8;
        if let Some(bands) = &self.bands {
            let last = bands.count() - 1;
            return [0, 1, 2].map(|band: usize| byte(bands.mean[band.min(last)]));
        }
        match self.rescale {
            Rescale::Symmetric | Rescale::PerImage { .. } => [128; 3],
            other => other.mean().unwrap_or_default().map(byte),
        }
    }

    /// Channels of the input.
    pub fn channels(&self) -> usize {
        self.bands.as_ref().map_or(3, Bands::count)
    }

    /// The limits of decoding images for this input: [`DecodeLimits::default`], with its channels, its range of samples and its way of reading
    /// files.
    pub fn limits(&self) -> DecodeLimits {
        self.limits_over(DecodeLimits::default())
    }

    /// These limits with the input's channels, its range of samples and its way of reading files.
    pub fn limits_over(&self, limits: DecodeLimits) -> DecodeLimits {
        DecodeLimits {
            range: self.range,
            channels: self.channels(),
            reading: self.reading,
            ..limits
        }
    }

    /// The same for each of the RGB pictures that carry the bands of an image ([`Bands`]); one for three channels.
    pub(crate) fn of_pictures(&self) -> Vec<Self> {
        let Some(bands) = &self.bands else {
            return vec![self.clone()];
        };
        let of = |number| Self {
            bands: Some(bands.of_picture(number)),
            ..self.clone()
        };
        (0..bands.pictures()).map(of).collect()
    }

    /// The evaluation view of an image: resized by the policy, centre cropped, of the input size. Of an image of more bands than three it
    /// is that of one of the pictures that carry them; [`Pipeline::evaluation`](crate::Pipeline::evaluation) takes the whole.
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

    /// The part of a picture of this size that [`Self::evaluate`] shows, in pixels of the picture: left, top, width, height. Where the view
    /// has a border, it reaches beyond the picture.
    pub fn frame(&self, source: (u32, u32)) -> [f64; 4] {
        let (width, height) = self.size();
        let source = (source.0.max(1), source.1.max(1));
        let resized = self.resized_size(source.0, source.1);
        let side = |wanted: u32, resized: u32, source: u32| {
            let centre = centre(wanted, resized);
            let scale = f64::from(source) / f64::from(resized);
            let first = f64::from(centre.skip) - f64::from(centre.pad);
            [first * scale, f64::from(wanted) * scale]
        };
        let [left, across] = side(width, resized.0, source.0);
        let [top, down] = side(height, resized.1, source.1);
        [left, top, across, down]
    }

    /// A picture of the input's size that says nothing to the network: of the colour of [`Self::fill`], each band of its own.
    pub fn nothing(&self) -> RgbImage {
        let (width, height) = self.size();
        let of = |part: Self| RgbImage::from_pixel(width, height, Rgb(part.fill()));
        stack(self.of_pictures().into_iter().map(of).collect())
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
mod tests;
