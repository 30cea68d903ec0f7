//! The filters by name.
//!
//! Owns: which there are. What they do to pixels is the SIMD resizer's, and for `area` that of `area.rs`.

use std::str::FromStr;

use fast_image_resize::FilterType;
use rekindle_settings::SettingError;
use serde::de::IntoDeserializer;
use serde::de::value::StrDeserializer;
use serde::{Deserialize, Serialize};

/// How pixels between the pixels of the source are computed.
///
/// All but `Nearest` are antialiased when they make an image smaller: the filter grows with the scale, as in Pillow and as
/// in torchvision with `antialias=True`. By name: `"bicubic".parse::<Interpolation>()`.
///
/// Transforms that move pixels about, such as a rotation, take the first three; their functions treat `Lanczos` as `Bicubic` and
/// `Area` as `Bilinear`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interpolation {
    /// The nearest pixel.
    Nearest,
    /// A triangle of radius 1.
    Bilinear,
    /// Catmull-Rom, the cubic with a = -0.5: Pillow's `BICUBIC`, and what most ImageNet weights were evaluated with.
    #[default]
    Bicubic,
    /// Lanczos with three lobes.
    Lanczos,
    /// The mean of the area that a pixel covers, of which pixels at its edge have a part: OpenCV's `INTER_AREA`. For making
    /// images smaller; an enlarged one has the pixels of the source as blocks, mixed where a new pixel lies on an edge.
    Area,
}

impl FromStr for Interpolation {
    type Err = SettingError;

    fn from_str(name: &str) -> Result<Self, SettingError> {
        let deserializer: StrDeserializer<serde::de::value::Error> = name.into_deserializer();
        Self::deserialize(deserializer).map_err(|_| {
            SettingError::new(
                "interpolation",
                name,
                "nearest, bilinear, bicubic, lanczos or area",
            )
        })
    }
}

impl Interpolation {
    /// The convolution of the SIMD resizer, if there is one.
    pub(super) fn filter(self) -> Option<FilterType> {
        match self {
            Self::Nearest | Self::Area => None,
            Self::Bilinear => Some(FilterType::Bilinear),
            Self::Bicubic => Some(FilterType::CatmullRom),
            Self::Lanczos => Some(FilterType::Lanczos3),
        }
    }

    /// Radius of the filter in pixels of the output when it shrinks, and of the source when it enlarges.
    pub(super) fn support(self) -> f64 {
        match self {
            Self::Nearest | Self::Area => 0.5,
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
            Self::Lanczos => 3.0,
        }
    }
}
