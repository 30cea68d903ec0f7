//! A part of a picture from the bytes of its file.
//!
//! Owns: which files are decoded in part. It does not own the decoders.

use image::RgbImage;
use image::metadata::Orientation;

use super::means::RowMeans;
use super::request::{DecodedRegion, JpegScaling, RegionRequest, inside};
use super::stored::{Stored, exchanges_sides, stored_box, whole};
use crate::decode::guard::guarded;
use crate::decode::jpeg::JpegFile;
use crate::decode::limits::DecodeLimits;
use crate::decode::pixels::grey_if_asked;
use crate::decode::rows::RowFile;
use crate::decode::upright::turn;
use crate::decode::webp::WebPFile;
use crate::decode::whole::{Decoded, decode};
use crate::error::AugmentError;
use crate::format::Format;
use crate::resize::{PixelBox, Region};

/// Decodes a part of an image, which `choose` picks by the width and height of the upright picture.
///
/// Of a sequential JPEG only the wanted blocks are transformed, at the reduction that `scaling` allows, and nothing below the
/// part is read; nor is it of a lossy WebP, which is always at full size unless it is huge. Of a huge picture ([`JpegScaling::HUGE_PIXELS`])
/// in PNG (not interlaced), TIFF, plain BMP or lossy WebP, every row is decoded and no more kept than the part, at the reduction that
/// `scaling` allows, as the mean of squares of pixels. Every other image is decoded whole. At a reduction of 1
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
    let format = Format::of(bytes)?;
    if limits.has_bands() {
        return Ok(of_whole(decode(bytes, limits)?, choose));
    }
    let huge = match scaling {
        JpegScaling::Reduced => {
            RowFile::open_from(bytes, format, limits, JpegScaling::HUGE_PIXELS + 1)?
        }
        JpegScaling::Full => None,
    };
    let file = match huge {
        Some(file) => PartialFile::Rows(file),
        None => guarded(format, || PartialFile::open(bytes, limits))?,
    };
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
    let (covering, reduction) = (stored.covering(), stored.reduction);
    let part = match file {
        PartialFile::Rows(file) => rows_part(file, covering, reduction),
        file => guarded(format, || file.decode_part(covering, reduction)),
    };
    let Some(image) = part? else {
        // What this decoder refuses, the other one may read, but only as a whole.
        return Ok(of_whole(decode(bytes, limits)?, |_, _| request));
    };
    let image = grey_if_asked(turn(image, orientation), limits);
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
    /// Huge, and gone through row by row.
    Rows(RowFile<'a>),
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
            Self::Rows(file) => Some((file.size.0, file.size.1, file.orientation)),
            Self::Other => None,
        }
    }

    fn reduction(&self, scaling: JpegScaling, size: (u32, u32), request: &RegionRequest) -> u32 {
        match self {
            Self::Jpeg(_) => scaling.reduction(size, request),
            Self::Rows(_) => scaling.row_reduction(size, request),
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
            Self::Rows(_) | Self::Other => Ok(None),
        }
    }
}

/// A part of the stored picture at a reduced size, in pixels of that.
pub(super) fn rows_part(
    file: RowFile,
    part: PixelBox,
    reduction: u32,
) -> Result<Option<RgbImage>, AugmentError> {
    let mut means = RowMeans::new(file.size, part, reduction);
    file.read(&mut |rows| means.take(rows))?;
    Ok(means.finish())
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
