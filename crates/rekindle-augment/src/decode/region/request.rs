//! What is wanted of a picture, and what is given of it.
//!
//! Owns: the rule of the reduced size, and the exact place of the crop in what was decoded. It does not own which part is wanted.

use image::RgbImage;

use crate::decode::rows::LARGE_PIXELS;
use crate::resize::{Interpolation, PixelBox, Region, resample};
use crate::transform::CropResize;

/// Whether large pictures may be decoded at a fraction of their size for a crop: JPEG at a half, a quarter or an eighth, others that are
/// huge and can be gone through row by row down to a sixty-fourth.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum JpegScaling {
    /// Always at full size; a region then has exactly the pixels of the whole picture.
    Full,
    /// At a reduced size where a JPEG picture has more than [`JpegScaling::LARGE_PIXELS`], or one that can be gone through row by row more
    /// than [`JpegScaling::HUGE_PIXELS`], and the reduced crop still has [`JpegScaling::SPARE`] times the size that is asked for. The
    /// default.
    #[default]
    Reduced,
}

impl JpegScaling {
    /// Pixels above which a picture is large: 2 megapixels (2^21). It says nothing of the file but its size, so every crop of
    /// a file is decoded by the same rule, whatever is in a cache.
    pub const LARGE_PIXELS: u64 = LARGE_PIXELS;

    /// Pixels above which a picture that is no JPEG is huge: 16 megapixels (2^24), or 48 MiB of colours. Smaller ones are worth to be
    /// decoded and kept whole.
    pub const HUGE_PIXELS: u64 = 1 << 24;

    /// How many times larger than its final size a crop must stay when it is decoded at a reduced size, on both sides.
    pub const SPARE: u32 = 2;

    /// Whether crops of a JPEG picture of so many pixels may be decoded at a reduced size.
    pub fn reduces(self, pixels: u64) -> bool {
        self == Self::Reduced && pixels > Self::LARGE_PIXELS
    }

    /// Whether crops of a picture of so many pixels that is gone through row by row may be decoded at a reduced size.
    pub fn reduces_rows(self, pixels: u64) -> bool {
        self == Self::Reduced && pixels > Self::HUGE_PIXELS
    }

    /// The divisor, 1, 2, 4 or 8, for a crop of an upright JPEG picture of this width and height.
    pub fn reduction(self, (width, height): (u32, u32), request: &RegionRequest) -> u32 {
        match self.reduces(u64::from(width) * u64::from(height)) {
            true => largest(&[8, 4, 2], request),
            false => 1,
        }
    }

    /// The divisor, a power of two up to 64, for a crop of an upright picture of this width and height that is gone through row by row.
    pub fn row_reduction(self, (width, height): (u32, u32), request: &RegionRequest) -> u32 {
        match self.reduces_rows(u64::from(width) * u64::from(height)) {
            true => largest(&[64, 32, 16, 8, 4, 2], request),
            false => 1,
        }
    }
}

/// The first of these divisors that leaves the crop large enough.
fn largest(divisors: &[u32], request: &RegionRequest) -> u32 {
    let fits = |divisor: &&u32| {
        let enough = |length: u32, wanted: u32| {
            u64::from(length)
                >= u64::from(wanted) * u64::from(**divisor) * u64::from(JpegScaling::SPARE)
        };
        enough(request.crop.width, request.width) && enough(request.crop.height, request.height)
    };
    divisors.iter().find(fits).copied().unwrap_or(1)
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
    /// What the picture was divided by: 1, or a power of two up to 8 for JPEG, and up to 64 for others.
    pub reduction: u32,
    /// The EXIF orientation that was undone, 1 to 8.
    pub orientation: u8,
    /// The pixels of `image` that the part touches.
    pub visible: PixelBox,
    /// The part in `visible`; its edges lie between pixels where the size was reduced.
    pub(super) region: Region,
    /// What was asked for.
    pub(super) request: RegionRequest,
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

/// The request with at least one pixel, inside a picture of this size.
pub(super) fn inside(mut request: RegionRequest, (width, height): (u32, u32)) -> RegionRequest {
    let crop = &mut request.crop;
    crop.left = crop.left.min(width.saturating_sub(1));
    crop.top = crop.top.min(height.saturating_sub(1));
    crop.width = crop.width.clamp(1, (width - crop.left).max(1));
    crop.height = crop.height.clamp(1, (height - crop.top).max(1));
    request
}
