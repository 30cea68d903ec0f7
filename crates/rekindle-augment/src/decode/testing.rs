//! What the tests of the own decoders share: files, limits, and what a region must be.

use std::path::PathBuf;

use super::{DecodeLimits, JpegScaling, RegionRequest, decode, decode_region};
use crate::error::AugmentError;
use crate::resize::{Interpolation, PixelBox};

/// A file in a folder of `tests`.
pub(super) fn data(folder: &str, name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(folder)
        .join(name)
}

/// Every test file with this extension, those that only the other decoder reads too.
pub(super) fn files(folder: &str, extension: &str) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> = [folder, "data"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(data(folder, "")).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    paths.sort();
    let read = paths.iter().map(|path| std::fs::read(path).unwrap());
    read.collect()
}

pub(super) fn limits() -> DecodeLimits {
    DecodeLimits {
        max_pixels: 1 << 22,
        max_alloc_bytes: 1 << 26,
        ..DecodeLimits::default()
    }
}

/// A part inside a picture of this width and height, from any four numbers.
pub(super) fn part_of(
    (full_width, full_height): (u32, u32),
    [left, top, width, height]: [u32; 4],
) -> PixelBox {
    let (left, top) = (left % full_width, top % full_height);
    PixelBox {
        left,
        top,
        width: 1 + width % (full_width - left),
        height: 1 + height % (full_height - top),
    }
}

/// The region that four numbers choose must be that part of the upright picture.
#[track_caller]
pub(super) fn check_region(bytes: &[u8], numbers: [u32; 4]) {
    let whole = decode(bytes, &limits()).unwrap();
    let crop = part_of(whole.image.dimensions(), numbers);
    let PixelBox {
        left,
        top,
        width,
        height,
    } = crop;
    let request = RegionRequest {
        crop,
        width,
        height,
    };
    let region = decode_region(bytes, &limits(), JpegScaling::Full, |width, height| {
        assert_eq!((width, height), whole.image.dimensions());
        request
    })
    .unwrap();
    assert_eq!(region.orientation, whole.orientation);
    let expected = image::imageops::crop_imm(&whole.image, left, top, width, height).to_image();
    for interpolation in [Interpolation::Bicubic, Interpolation::Area] {
        assert_eq!(&region.resize(interpolation), &expected);
    }
}

/// A file without its last 200 bytes must be refused, though the corner that is wanted is there.
#[track_caller]
pub(super) fn check_cut(bytes: &[u8]) {
    let crop = PixelBox {
        left: 0,
        top: 0,
        width: 8,
        height: 8,
    };
    let corner = |_, _| RegionRequest {
        crop,
        width: 8,
        height: 8,
    };
    let cut = &bytes[..bytes.len() - 200];
    let error = decode_region(cut, &limits(), JpegScaling::Full, corner).unwrap_err();
    assert!(matches!(error, AugmentError::Truncated { .. }), "{error}");
}

/// Whether an error says that the data ends early, which the own decoders find by themselves.
pub(super) fn ends_early(error: &AugmentError) -> bool {
    matches!(error, AugmentError::Truncated { reason, .. } if reason.contains("before the picture"))
}
