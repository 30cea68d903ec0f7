//! A whole picture at a reduced size, to be kept, from which regions are cut.
//!
//! Owns: that a region of it equals what decoding the region alone gives. It does not own where pictures are kept.

use image::RgbImage;
use image::metadata::Orientation;

use super::partial::rows_part;
use super::request::{DecodedRegion, JpegScaling, RegionRequest, inside};
use super::stored::{Stored, exchanges_sides, mirrored, stored_box, whole};
use crate::decode::guard::guarded;
use crate::decode::jpeg::JpegFile;
use crate::decode::limits::DecodeLimits;
use crate::decode::pixels::grey_if_asked;
use crate::decode::rows::RowFile;
use crate::decode::upright::turn;
use crate::error::AugmentError;
use crate::format::Format;
use crate::resize::PixelBox;

/// Size and orientation of an image, from its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UprightSize {
    /// Width of the upright picture in pixels.
    pub width: u32,
    /// Height of the upright picture in pixels.
    pub height: u32,
    /// The EXIF orientation that decoding undoes, 1 to 8.
    pub orientation: u8,
    /// Whether the picture is gone through row by row; else it is a JPEG, of which only parts are decoded.
    pub is_rows: bool,
}

impl UprightSize {
    /// What the picture is divided by for a crop, as [`decode_region`](super::decode_region) does it.
    pub fn reduction(&self, scaling: JpegScaling, request: &RegionRequest) -> u32 {
        let size = (self.width, self.height);
        match self.is_rows {
            true => scaling.row_reduction(size, request),
            false => scaling.reduction(size, request),
        }
    }

    /// Most pixels of a reduced picture that are worth keeping: four times as many where each crop would decode the whole picture again.
    pub fn most_kept(&self) -> u64 {
        match self.is_rows {
            true => 4 * JpegScaling::LARGE_PIXELS,
            false => JpegScaling::LARGE_PIXELS,
        }
    }
}

/// The size of a picture whose crops are decoded at reduced sizes by [`JpegScaling::Reduced`], without decoding it: of a JPEG that can be
/// decoded in parts, whatever its size, and of a huge picture that can be gone through row by row. None for any other image.
///
/// # Errors
///
/// As [`decode`](crate::decode()), as far as the header and the places of the file's segments tell.
pub fn reducible_size(
    bytes: &[u8],
    limits: &DecodeLimits,
) -> Result<Option<UprightSize>, AugmentError> {
    let format = Format::of(bytes)?;
    let stored = match format {
        _ if limits.has_bands() => None,
        Format::Jpeg => guarded(format, || Ok(JpegFile::open(bytes, limits)?.stored_size()))?,
        _ => RowFile::open_from(bytes, format, limits, JpegScaling::HUGE_PIXELS + 1)?
            .map(|file| (file.size.0, file.size.1, file.orientation)),
    };
    Ok(stored.map(|(width, height, orientation)| {
        let (width, height) = match exchanges_sides(orientation) {
            true => (height, width),
            false => (width, height),
        };
        UprightSize {
            width,
            height,
            orientation: orientation.to_exif(),
            is_rows: format != Format::Jpeg,
        }
    }))
}

/// A whole picture at a fraction of its size.
///
/// Regions of it equal those that [`decode_region`](super::decode_region) decodes at the same reduction from the file, so it can be
/// kept in the file's place.
#[derive(Debug, Clone, PartialEq)]
pub struct ReducedPicture<'a> {
    image: &'a RgbImage,
    size: UprightSize,
    reduction: u32,
}

impl<'a> ReducedPicture<'a> {
    /// Decodes the upright pixels of such a picture. None where the file is of a kind that is only decoded whole.
    ///
    /// # Errors
    ///
    /// As [`decode_region`](super::decode_region).
    pub fn decode(
        bytes: &[u8],
        limits: &DecodeLimits,
        reduction: u32,
    ) -> Result<Option<RgbImage>, AugmentError> {
        let format = Format::of(bytes)?;
        let whole = |width: u32, height: u32| PixelBox {
            left: 0,
            top: 0,
            width: width.div_ceil(reduction),
            height: height.div_ceil(reduction),
        };
        if format != Format::Jpeg {
            let least = JpegScaling::HUGE_PIXELS + 1;
            let Some(file) = RowFile::open_from(bytes, format, limits, least)? else {
                return Ok(None);
            };
            let ((width, height), orientation) = (file.size, file.orientation);
            let image = rows_part(file, whole(width, height), reduction)?;
            return Ok(image.map(|image| turn(image, orientation)));
        }
        let file = guarded(format, || JpegFile::open(bytes, limits))?;
        let Some((width, height, orientation)) = file.stored_size() else {
            return Ok(None);
        };
        let image = guarded(format, || file.decode_part(whole(width, height), reduction))?;
        Ok(image.map(|image| grey_if_asked(turn(image, orientation), limits)))
    }

    /// The picture of these pixels, from [`decode`](Self::decode); none where they have not the size that it gives.
    pub fn new(image: &'a RgbImage, size: UprightSize, reduction: u32) -> Option<Self> {
        let expected = (
            size.width.div_ceil(reduction),
            size.height.div_ceil(reduction),
        );
        (image.dimensions() == expected).then_some(Self {
            image,
            size,
            reduction,
        })
    }

    /// A part of the picture, as [`decode_region`](super::decode_region) gives it at this reduction.
    pub fn region(&self, request: RegionRequest) -> DecodedRegion {
        let UprightSize {
            width,
            height,
            orientation,
            ..
        } = self.size;
        let orientation = Orientation::from_exif(orientation).unwrap_or(Orientation::NoTransforms);
        let request = inside(request, (width, height));
        let stored_size = match exchanges_sides(orientation) {
            true => (height, width),
            false => (width, height),
        };
        let stored = Stored {
            crop: stored_box(request.crop, orientation, stored_size),
            reduction: self.reduction,
        };
        let reduced = (
            stored_size.0.div_ceil(self.reduction),
            stored_size.1.div_ceil(self.reduction),
        );
        let PixelBox {
            left,
            top,
            width,
            height,
        } = upright_box(stored.covering(), orientation, reduced);
        let image = image::imageops::crop_imm(self.image, left, top, width, height).to_image();
        DecodedRegion {
            visible: whole(&image),
            region: stored.region(orientation),
            image,
            reduction: self.reduction,
            orientation: orientation.to_exif(),
            request,
        }
    }
}

/// The box of the upright picture that a box of the stored one of this size becomes.
fn upright_box(
    mut stored: PixelBox,
    orientation: Orientation,
    (width, height): (u32, u32),
) -> PixelBox {
    let [across, down] = mirrored(orientation);
    if across {
        stored.left = width - stored.left - stored.width;
    }
    if down {
        stored.top = height - stored.top - stored.height;
    }
    match exchanges_sides(orientation) {
        true => PixelBox {
            left: stored.top,
            top: stored.left,
            width: stored.height,
            height: stored.width,
        },
        false => stored,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{JpegScaling, decode_region};
    use crate::resize::Interpolation;
    use crate::rng::SampleRng;

    /// A photograph-like JPEG with an EXIF orientation in a segment of its own.
    fn jpeg(width: u32, height: u32, orientation: u8) -> Vec<u8> {
        let image = RgbImage::from_fn(width, height, |x, y| {
            let wave =
                |at: u32, length: f64| (127.0 + 120.0 * (f64::from(at) / length).sin()) as u8;
            image::Rgb([wave(x, 7.0), wave(y, 11.0), wave(x * 2 + y, 23.0)])
        });
        let mut bytes = Vec::new();
        let mut encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 90);
        encoder.encode_image(&image).unwrap();
        let exif = [
            b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".as_slice(),
            &[orientation, 0, 0, 0, 0, 0, 0, 0],
        ]
        .concat();
        let length = (exif.len() as u16 + 2).to_be_bytes();
        let segment = [&[0xff, 0xe1][..], &length, &exif].concat();
        bytes.splice(2..2, segment);
        bytes
    }

    #[test]
    fn regions_of_a_kept_picture_are_those_that_are_decoded_alone() {
        let limits = DecodeLimits::default();
        let mut rng = SampleRng::new(3, 0, 0);
        for orientation in 1..=8 {
            // Odd sizes, so that the last pixel of a reduced picture stands for less than the others.
            let bytes = jpeg(1811, 1307, orientation);
            let size = reducible_size(&bytes, &limits).unwrap().unwrap();
            assert_eq!(size.orientation, orientation);
            assert_eq!(size.width > size.height, orientation < 5);
            for (reduction, side) in [(2, 150), (4, 70), (8, 30)] {
                let kept = ReducedPicture::decode(&bytes, &limits, reduction).unwrap();
                let kept = kept.unwrap();
                let picture = ReducedPicture::new(&kept, size, reduction).unwrap();
                for _ in 0..12 {
                    let least = side * 2 * reduction;
                    let mut length = |all: u32| least + rng.below(all - least + 1);
                    let (width, height) = (length(size.width), length(size.height));
                    let request = RegionRequest {
                        crop: PixelBox {
                            left: rng.below(size.width - width + 1),
                            top: rng.below(size.height - height + 1),
                            width,
                            height,
                        },
                        width: side,
                        height: side,
                    };
                    let alone =
                        decode_region(&bytes, &limits, JpegScaling::Reduced, |_, _| request)
                            .unwrap();
                    let expected =
                        JpegScaling::Reduced.reduction((size.width, size.height), &request);
                    assert_eq!(alone.reduction, expected);
                    if expected != reduction {
                        continue;
                    }
                    let region = picture.region(request);
                    assert_eq!(region, alone, "orientation {orientation}, {request:?}");
                    assert_eq!(
                        region.resize(Interpolation::Bicubic),
                        alone.resize(Interpolation::Bicubic)
                    );
                }
            }
        }
    }

    #[test]
    fn only_jpeg_files_that_the_own_decoder_takes_are_reducible() {
        let limits = DecodeLimits::default();
        for (file, reducible) in [
            ("baseline_420.jpg", true),
            ("progressive.jpg", false),
            ("cmyk_adobe.jpg", false),
            ("rgb.png", false),
        ] {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/");
            let bytes = std::fs::read(format!("{path}{file}")).unwrap();
            let size = reducible_size(&bytes, &limits).unwrap();
            assert_eq!(size.is_some(), reducible, "{file}");
            let kept = ReducedPicture::decode(&bytes, &limits, 2).unwrap();
            assert_eq!(kept.is_some(), reducible, "{file}");
        }
    }

    #[test]
    fn pixels_of_another_size_are_no_reduced_picture() {
        let size = UprightSize {
            width: 101,
            height: 50,
            orientation: 1,
            is_rows: false,
        };
        let image = |width| RgbImage::new(width, 25);
        assert!(ReducedPicture::new(&image(51), size, 2).is_some());
        assert!(ReducedPicture::new(&image(50), size, 2).is_none());
    }
}
