//! A part of a picture, without decoding what is not needed of the rest.
//!
//! Owns: the rule of the reduced size, the way between the upright and the stored picture, and the exact place of the crop in
//! what was decoded. It does not own which part is wanted, nor the decoders. A picture to be kept for it is `reduced.rs`'s.

mod reduced;

use image::RgbImage;
use image::metadata::Orientation;

pub use self::reduced::{ReducedPicture, UprightSize, reducible_size};
use super::jpeg::JpegFile;
use super::webp::WebPFile;
use super::{DecodeLimits, Decoded, Format, decode, turn};
use crate::error::AugmentError;
use crate::resize::{Interpolation, PixelBox, Region, resample};
use crate::transform::CropResize;

/// Whether large JPEG pictures may be decoded at a half, a quarter or an eighth of their size for a crop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum JpegScaling {
    /// Always at full size; a region then has exactly the pixels of the whole picture.
    Full,
    /// At a reduced size where the picture has more than [`JpegScaling::LARGE_PIXELS`] and the reduced crop still has
    /// [`JpegScaling::SPARE`] times the size that is asked for. The default.
    #[default]
    Reduced,
}

impl JpegScaling {
    /// Pixels above which a picture is large: 2 megapixels (2^21). It says nothing of the file but its size, so every crop of
    /// a file is decoded by the same rule, whatever is in a cache.
    pub const LARGE_PIXELS: u64 = 1 << 21;

    /// How many times larger than its final size a crop must stay when it is decoded at a reduced size, on both sides.
    pub const SPARE: u32 = 2;

    /// Whether crops of a JPEG picture of so many pixels may be decoded at a reduced size.
    pub fn reduces(self, pixels: u64) -> bool {
        self == Self::Reduced && pixels > Self::LARGE_PIXELS
    }

    /// The divisor, 1, 2, 4 or 8, for a crop of an upright picture of this width and height.
    pub fn reduction(self, (width, height): (u32, u32), request: &RegionRequest) -> u32 {
        if !self.reduces(u64::from(width) * u64::from(height)) {
            return 1;
        }
        let fits = |divisor: &u32| {
            let enough = |length: u32, wanted: u32| {
                u64::from(length) >= u64::from(wanted) * u64::from(*divisor * Self::SPARE)
            };
            enough(request.crop.width, request.width) && enough(request.crop.height, request.height)
        };
        [8, 4, 2].into_iter().find(fits).unwrap_or(1)
    }
}

/// A part of a picture that is wanted, and at which size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegionRequest {
    /// The part, in pixels of the upright picture. What lies outside of it is cut off.
    pub crop: PixelBox,
    /// Width that the part will be resized to.
    pub width: u32,
    /// Height that the part will be resized to.
    pub height: u32,
}

impl From<CropResize> for RegionRequest {
    fn from(drawn: CropResize) -> Self {
        Self {
            crop: drawn.crop,
            width: drawn.width,
            height: drawn.height,
        }
    }
}

/// The decoded part of a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct DecodedRegion {
    /// Upright pixels, which hold the part and perhaps more.
    pub image: RgbImage,
    /// What the picture was divided by: 1, 2, 4 or 8.
    pub reduction: u32,
    /// The EXIF orientation that was undone, 1 to 8.
    pub orientation: u8,
    /// The pixels of `image` that the part touches.
    pub visible: PixelBox,
    /// The part in `visible`; its edges lie between pixels where the size was reduced.
    region: Region,
    /// What was asked for.
    request: RegionRequest,
}

impl DecodedRegion {
    /// Left, top, width and height of the part in [`Self::image`], in its pixels.
    pub fn place(&self) -> [f64; 4] {
        let Region {
            left,
            top,
            width,
            height,
        } = self.region;
        let corner = [self.visible.left, self.visible.top].map(f64::from);
        [corner[0] + left, corner[1] + top, width, height]
    }

    /// The part at the size that was asked for, as if the rest of the picture did not exist.
    pub fn resize(&self, interpolation: Interpolation) -> RgbImage {
        let RegionRequest { width, height, .. } = self.request;
        resample(
            &self.image,
            self.visible,
            self.region,
            width,
            height,
            interpolation,
        )
    }
}

/// Decodes a part of an image, which `choose` picks by the width and height of the upright picture.
///
/// Of a sequential JPEG only the wanted blocks are transformed, at the reduction that `scaling` allows, and nothing below the
/// part is read; nor is it of a lossy WebP, which is always at full size. Every other image is decoded whole. At a reduction of 1
/// the pixels are exactly those of [`decode`]. At others they are libjpeg's for that scale (`Image.draft` of Pillow), which is not
/// the full picture averaged. After the resize, crops of photographs that are as small as the rule allows differ from those of the
/// full picture by 0.5 to 0.6 grey levels on average at 1/2, by 0.8 at 1/4 and by 1.1 at 1/8, and in single pixels by up to 15;
/// crops twice as large, by half as much (`benches/jpeg_scaling.py` of the workspace, Pillow 13.0.0).
///
/// Damage to the data of either is an error where it lies in what is read. A file that is cut short is always an error.
///
/// # Errors
///
/// As [`decode`].
pub fn decode_region(
    bytes: &[u8],
    limits: &DecodeLimits,
    scaling: JpegScaling,
    choose: impl FnOnce(u32, u32) -> RegionRequest,
) -> Result<DecodedRegion, AugmentError> {
    let file = PartialFile::open(bytes, limits)?;
    let Some((width, height, orientation)) = file.stored_size() else {
        return Ok(of_whole(decode(bytes, limits)?, choose));
    };
    let upright = if exchanges_sides(orientation) {
        (height, width)
    } else {
        (width, height)
    };
    let request = inside(choose(upright.0, upright.1), upright);
    let stored = Stored {
        crop: stored_box(request.crop, orientation, (width, height)),
        reduction: file.reduction(scaling, upright, &request),
    };
    let Some(image) = file.decode_part(stored.covering(), stored.reduction)? else {
        // What this decoder refuses, the other one may read, but only as a whole.
        return Ok(of_whole(decode(bytes, limits)?, |_, _| request));
    };
    let image = turn(image, orientation);
    Ok(DecodedRegion {
        visible: whole(&image),
        region: stored.region(orientation),
        image,
        reduction: stored.reduction,
        orientation: orientation.to_exif(),
        request,
    })
}

/// A file of which a part may be decoded.
enum PartialFile<'a> {
    Jpeg(Box<JpegFile<'a>>),
    WebP(WebPFile<'a>),
    /// Decoded whole.
    Other,
}

impl<'a> PartialFile<'a> {
    fn open(bytes: &'a [u8], limits: &DecodeLimits) -> Result<Self, AugmentError> {
        Ok(match Format::of(bytes)? {
            Format::Jpeg => Self::Jpeg(Box::new(JpegFile::open(bytes, limits)?)),
            Format::WebP => Self::WebP(WebPFile::open(bytes, limits)?),
            _ => Self::Other,
        })
    }

    /// Width and height as stored, and the orientation, where a part can be decoded without the rest.
    fn stored_size(&self) -> Option<(u32, u32, Orientation)> {
        match self {
            Self::Jpeg(file) => file.stored_size(),
            Self::WebP(file) => file.stored_size(),
            Self::Other => None,
        }
    }

    fn reduction(&self, scaling: JpegScaling, size: (u32, u32), request: &RegionRequest) -> u32 {
        match self {
            Self::Jpeg(_) => scaling.reduction(size, request),
            _ => 1,
        }
    }

    /// The pixels of a part of the stored picture, in pixels of the reduced picture. None where it can only be decoded whole.
    fn decode_part(
        &self,
        part: PixelBox,
        reduction: u32,
    ) -> Result<Option<RgbImage>, AugmentError> {
        match self {
            Self::Jpeg(file) => file.decode_part(part, reduction),
            Self::WebP(file) => file.decode_part(part),
            Self::Other => Ok(None),
        }
    }
}

/// The region of a picture that was decoded whole.
fn of_whole(decoded: Decoded, choose: impl FnOnce(u32, u32) -> RegionRequest) -> DecodedRegion {
    let (width, height) = decoded.image.dimensions();
    let request = inside(choose(width, height), (width, height));
    let region = Region {
        left: 0.0,
        top: 0.0,
        width: f64::from(request.crop.width),
        height: f64::from(request.crop.height),
    };
    DecodedRegion {
        image: decoded.image,
        reduction: 1,
        orientation: decoded.orientation,
        visible: request.crop,
        region,
        request,
    }
}

/// The request with at least one pixel, inside a picture of this size.
fn inside(mut request: RegionRequest, (width, height): (u32, u32)) -> RegionRequest {
    let crop = &mut request.crop;
    crop.left = crop.left.min(width.saturating_sub(1));
    crop.top = crop.top.min(height.saturating_sub(1));
    crop.width = crop.width.clamp(1, (width - crop.left).max(1));
    crop.height = crop.height.clamp(1, (height - crop.top).max(1));
    request
}

/// Whether an orientation makes the stored width the upright height.
fn exchanges_sides(orientation: Orientation) -> bool {
    orientation.to_exif() >= 5
}

/// Whether the stored picture has left and right, and top and bottom, the other way round; after the exchange of sides, which
/// comes last.
fn mirrored(orientation: Orientation) -> [bool; 2] {
    match orientation.to_exif() {
        2 | 8 => [true, false],
        3 | 7 => [true, true],
        4 | 6 => [false, true],
        _ => [false, false],
    }
}

/// The box of the stored picture that becomes a box of the upright one.
fn stored_box(crop: PixelBox, orientation: Orientation, (width, height): (u32, u32)) -> PixelBox {
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

fn whole(image: &RgbImage) -> PixelBox {
    PixelBox {
        left: 0,
        top: 0,
        width: image.width(),
        height: image.height(),
    }
}

/// A crop of the stored picture that is decoded at a reduced size.
struct Stored {
    crop: PixelBox,
    reduction: u32,
}

impl Stored {
    /// The reduced pixels that the crop touches.
    fn covering(&self) -> PixelBox {
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
    fn region(&self, orientation: Orientation) -> Region {
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
