//! The scale at which a crop sees an image.
//!
//! Owns: the resize before a crop, shared by the crops of one size, its settings, and the cut itself. It does not own where a crop lies.

use image::{Rgb, RgbImage};
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::pad::{PaddingMode, window};
use super::settings::check_range;
use crate::preprocessing::{Preprocessing, ResizePolicy, centre};
use crate::resize::{PixelBox, resize_part};

/// Settings of a crop whose place is not drawn from the whole image: [`CentreCrop`](super::CentreCrop) and
/// [`FiveCrop`](super::FiveCrop).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CropSettings {
    /// Whether the image is resized first. Default true.
    pub resize: bool,
    /// Share of the shorter side that the crop covers, from 0.01 to 1; the preprocessing's where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crop_ratio: Option<f32>,
    /// Colour around an image smaller than the crop; where it is left out, [`Preprocessing::fill`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fill: Option<[u8; 3]>,
}

impl Default for CropSettings {
    fn default() -> Self {
        Self {
            resize: true,
            crop_ratio: None,
            fill: None,
        }
    }
}

impl CropSettings {
    pub(super) fn framing(&self, preprocessing: &Preprocessing) -> Framing {
        Framing::new(preprocessing, self.resize, self.crop_ratio, false)
    }

    pub(super) fn fill(&self, preprocessing: &Preprocessing) -> [u8; 3] {
        self.fill.unwrap_or_else(|| preprocessing.fill())
    }
}

/// What a crop does before it cuts.
#[derive(Debug, Clone)]
pub(super) struct Framing {
    /// The size of the crop, the ratio to which the image is resized, and the filter.
    preprocessing: Preprocessing,
    /// Whether the image is resized at all.
    resize: bool,
    /// Whether an image that is smaller than the crop is enlarged until it is not.
    enlarge: bool,
}

impl Framing {
    /// The shorter side goes to `side / crop_ratio`, or the image keeps its pixels.
    pub(super) fn new(
        preprocessing: &Preprocessing,
        resize: bool,
        crop_ratio: Option<f32>,
        enlarge: bool,
    ) -> Self {
        let preprocessing = Preprocessing {
            policy: ResizePolicy::Crop,
            crop_ratio: crop_ratio.unwrap_or(preprocessing.crop_ratio),
            ..preprocessing.clone()
        };
        Self {
            preprocessing,
            resize,
            enlarge,
        }
    }

    /// Width and height of the crop.
    pub(super) fn crop_size(&self) -> (u32, u32) {
        self.preprocessing.size()
    }

    /// Width and height of the picture that the crop is cut from; 0 by 0 where the image has no pixels.
    pub(super) fn frame(&self, image: &RgbImage) -> (u32, u32) {
        let (width, height) = image.dimensions();
        if width == 0 || height == 0 {
            return (0, 0);
        }
        if self.resize {
            return self.preprocessing.resized_size(width, height);
        }
        let (crop_width, crop_height) = self.crop_size();
        let across = f64::from(crop_width) / f64::from(width);
        let down = f64::from(crop_height) / f64::from(height);
        let grow = across.max(down);
        if !self.enlarge || grow <= 1.0 {
            return (width, height);
        }
        let side = |length: u32, least: u32| ((f64::from(length) * grow) as u32).max(least);
        (side(width, crop_width), side(height, crop_height))
    }

    /// The crop whose left upper corner lies at `corner` of the frame, which may be beyond its edge.
    pub(super) fn cut(
        &self,
        image: &RgbImage,
        corner: (i64, i64),
        mode: PaddingMode,
        fill: [u8; 3],
    ) -> RgbImage {
        let (width, height) = self.crop_size();
        let frame = self.frame(image);
        if frame.0 == 0 || frame.1 == 0 {
            return RgbImage::from_pixel(width, height, Rgb(fill));
        }
        if frame == image.dimensions() {
            return window(image, corner, (width, height), mode, fill);
        }
        let interpolation = self.preprocessing.interpolation;
        let across = seen(mode, corner.0, width, frame.0);
        let down = seen(mode, corner.1, height, frame.1);
        let (Some((left, columns)), Some((top, rows))) = (across, down) else {
            return RgbImage::from_pixel(width, height, Rgb(fill));
        };
        let part = PixelBox {
            left,
            top,
            width: columns,
            height: rows,
        };
        let kept = resize_part(image, frame, part, interpolation);
        let corner = (corner.0 - i64::from(left), corner.1 - i64::from(top));
        if corner == (0, 0) && kept.dimensions() == (width, height) {
            return kept;
        }
        // The part reaches to every edge that the crop looks beyond, so that what lies there is the same.
        window(&kept, corner, (width, height), mode, fill)
    }
}

/// First and number of the pixels of a frame's axis that are seen in a crop, inside it or through what lies beyond, with
/// the edges that it looks beyond.
fn seen(mode: PaddingMode, corner: i64, length: u32, limit: u32) -> Option<(u32, u32)> {
    let end = corner.saturating_add(i64::from(length));
    let limit_px = i64::from(limit);
    let (before, after) = (corner < 0, end > limit_px);
    // What is seen from far away, or in an image that repeats, hangs on both edges.
    let far = corner < 1 - limit_px || end > 2 * limit_px - 1;
    let whole = (before || after) && (far || mode == PaddingMode::Wrap);
    let edges = [
        (before || whole).then_some(0),
        (after || whole).then_some(limit_px - 1),
    ];
    let edges = edges.into_iter().flatten();
    let edges = edges.filter(|_| mode != PaddingMode::Constant);
    let pixels = (corner..end)
        .chain(edges)
        .filter_map(|place| mode.index(place, limit as usize));
    let (first, last) = pixels.fold((usize::MAX, 0), |(first, last), pixel| {
        (first.min(pixel), last.max(pixel))
    });
    (first <= last).then(|| (first as u32, (last - first + 1) as u32))
}

/// Where a centred crop starts on one axis, with torchvision's rounding; less than 0 where it is longer than the picture.
pub(super) fn centred(wanted: u32, available: u32) -> i64 {
    let centre = centre(wanted, available);
    i64::from(centre.skip) - i64::from(centre.pad)
}

/// Checks a `crop_ratio`, where there is one.
pub(super) fn check_crop_ratio(ratio: Option<f32>) -> Result<(), SettingError> {
    match ratio {
        Some(ratio) => check_range("crop_ratio", ratio, 0.01, 1.0, "a share from 0.01 to 1"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gradient;

    fn preprocessing() -> Preprocessing {
        Preprocessing {
            input_size: [12, 16],
            crop_ratio: 0.75,
            ..Preprocessing::default()
        }
    }

    #[test]
    fn a_resized_frame_holds_the_crop_by_the_crop_ratio() {
        let framing = Framing::new(&preprocessing(), true, Some(0.5), false);
        assert_eq!(framing.frame(&gradient(64, 64)), (32, 32));
        assert_eq!(framing.frame(&gradient(64, 48)), (32, 24));
        assert_eq!(framing.frame(&RgbImage::new(0, 5)), (0, 0));
    }

    #[test]
    fn a_frame_of_the_images_own_pixels_grows_only_if_it_must() {
        let keep = Framing::new(&preprocessing(), false, None, false);
        assert_eq!(keep.frame(&gradient(8, 48)), (8, 48));
        let enlarge = Framing::new(&preprocessing(), false, None, true);
        assert_eq!(enlarge.frame(&gradient(8, 48)), (16, 96));
        assert_eq!(enlarge.frame(&gradient(20, 48)), (20, 48));
    }

    #[test]
    fn the_centred_cut_is_the_evaluation_view() {
        let framing = Framing::new(&preprocessing(), true, None, false);
        for image in [gradient(64, 48), gradient(17, 90), gradient(5, 3)] {
            let frame = framing.frame(&image);
            let corner = (centred(16, frame.0), centred(12, frame.1));
            let cut = framing.cut(&image, corner, PaddingMode::Constant, [0; 3]);
            assert_eq!(cut, preprocessing().evaluate(&image));
        }
    }

    /// Beyond one edge, two, none, and wholly outside.
    const CORNERS: [(i64, i64); 7] = [
        (-9, 3),
        (11, 20),
        (-3, -2),
        (2, 5),
        (9, 25),
        (-16, -12),
        (20, 30),
    ];

    #[test]
    fn a_cut_beyond_the_edge_is_that_of_the_whole_frame() {
        let framing = Framing::new(&preprocessing(), true, Some(0.8), false);
        let image = gradient(31, 44);
        let (width, height) = framing.frame(&image);
        let whole = crate::resize(&image, width, height, preprocessing().interpolation);
        for mode in [
            PaddingMode::Constant,
            PaddingMode::Edge,
            PaddingMode::Reflect,
            PaddingMode::Symmetric,
            PaddingMode::Wrap,
        ] {
            for corner in CORNERS {
                let cut = framing.cut(&image, corner, mode, [1, 2, 3]);
                let expected = window(&whole, corner, (16, 12), mode, [1, 2, 3]);
                // A part of a resize may round otherwise than the whole: see `resize/tests.rs`.
                assert!(crate::testing::largest_difference(&cut, &expected) <= 1);
            }
        }
    }
}
