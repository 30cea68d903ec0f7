//! What comes row by row is what is decoded whole.

use ::png::{BitDepth, ColorType as PngColour};
use image::{ColorType, RgbImage};

use super::*;
use crate::decode::testing::limits;
use crate::decode::{AlphaUse, Reading, SampleRange, TiffPlanes, reducible_size};
use crate::decode::{JpegScaling, ReducedPicture, RegionRequest, decode, decode_region, raster};
use crate::resize::{Interpolation, PixelBox};
use crate::rng::SampleRng;
use crate::{Pipeline, Preprocessing, ResizePolicy};

struct Kind {
    colour: PngColour,
    depth: BitDepth,
    has_transparency: bool,
}

/// A PNG file of noise that grows darker, of some kind.
fn png_file(width: u32, height: u32, kind: &Kind, seed: u64) -> Vec<u8> {
    let mut rng = SampleRng::new(seed, 0, 0);
    let mut bytes = Vec::new();
    let mut encoder = ::png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(kind.colour);
    encoder.set_depth(kind.depth);
    if kind.colour == PngColour::Indexed {
        let count = 3 << kind.depth as usize;
        encoder.set_palette(
            (0..count)
                .map(|at| (at * 37 % 256) as u8)
                .collect::<Vec<_>>(),
        );
    }
    if kind.has_transparency {
        encoder.set_trns(match kind.colour {
            PngColour::Indexed => vec![0, 128, 255],
            PngColour::Grayscale => vec![0, 1],
            _ => vec![0, 1, 0, 2, 0, 3],
        });
    }
    let samples = kind.colour.samples();
    let row = (width as usize * samples * kind.depth as usize).div_ceil(8);
    let data: Vec<u8> = (0..height as usize * row)
        .map(|at| (rng.below(64) as usize + at / row % 192) as u8)
        .collect();
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&data).unwrap();
    writer.finish().unwrap();
    bytes
}

fn rows_of(bytes: &[u8], format: Format, limits: &DecodeLimits) -> Option<RgbImage> {
    let file = RowFile::open_from(bytes, format, limits, 0).unwrap()?;
    Some(file.decode(limits).unwrap().image)
}

#[test]
fn png_of_every_kind_is_the_same_row_by_row() {
    let kinds = [
        (PngColour::Grayscale, BitDepth::One, false),
        (PngColour::Grayscale, BitDepth::Four, false),
        (PngColour::Grayscale, BitDepth::Eight, false),
        (PngColour::Grayscale, BitDepth::Eight, true),
        (PngColour::Grayscale, BitDepth::Sixteen, false),
        (PngColour::Grayscale, BitDepth::Sixteen, true),
        (PngColour::GrayscaleAlpha, BitDepth::Eight, false),
        (PngColour::GrayscaleAlpha, BitDepth::Sixteen, false),
        (PngColour::Indexed, BitDepth::Two, false),
        (PngColour::Indexed, BitDepth::Eight, false),
        (PngColour::Indexed, BitDepth::Eight, true),
        (PngColour::Rgb, BitDepth::Eight, false),
        (PngColour::Rgb, BitDepth::Eight, true),
        (PngColour::Rgb, BitDepth::Sixteen, false),
        (PngColour::Rgb, BitDepth::Sixteen, true),
        (PngColour::Rgba, BitDepth::Eight, false),
        (PngColour::Rgba, BitDepth::Sixteen, false),
    ];
    for (colour, depth, has_transparency) in kinds {
        let kind = Kind {
            colour,
            depth,
            has_transparency,
        };
        // Wide rows, of which few fit into a block, and narrow ones.
        for (width, height) in [(1, 1), (67, 45), (3001, 70)] {
            let bytes = png_file(width, height, &kind, 1);
            for (range, alpha) in [
                (SampleRange::Full, AlphaUse::White),
                (SampleRange::Bits(14), AlphaUse::White),
                (SampleRange::Full, AlphaUse::Ignore),
                (SampleRange::Full, AlphaUse::Alone),
            ] {
                let reading = Reading {
                    alpha,
                    ..Reading::default()
                };
                let limits = DecodeLimits {
                    range,
                    reading,
                    ..limits()
                };
                let whole = raster::decode(&bytes, Format::Png, &limits).unwrap();
                let file = RowFile::open_from(&bytes, Format::Png, &limits, 0).unwrap();
                let file = file.unwrap();
                let name = format!("{colour:?} {depth:?} {has_transparency} {width}");
                assert_eq!(
                    (file.mode, file.has_alpha),
                    (whole.mode, whole.has_alpha),
                    "{name}"
                );
                let rows = file.decode(&limits).unwrap();
                assert!(rows.image == whole.image, "{name}");
            }
        }
    }
}

#[test]
fn a_png_that_is_cut_or_damaged_is_an_error_row_by_row_too() {
    let kind = Kind {
        colour: PngColour::Rgb,
        depth: BitDepth::Eight,
        has_transparency: false,
    };
    let bytes = png_file(90, 80, &kind, 2);
    let read = |bytes: &[u8]| {
        RowFile::open_from(bytes, Format::Png, &limits(), 0)?
            .map_or(Ok(()), |file| file.read(&mut |_| {}))
    };
    assert_eq!(read(&bytes), Ok(()));
    let mut damaged = bytes.clone();
    damaged[bytes.len() / 2] ^= 0x55;
    let cuts = [60, 300, bytes.len() / 2, bytes.len() - 20];
    for bytes in cuts
        .map(|length| &bytes[..length])
        .into_iter()
        .chain([&damaged[..]])
    {
        let whole = raster::decode(bytes, Format::Png, &limits()).map(drop);
        let rows = read(bytes);
        let kind = |result: Result<(), AugmentError>| {
            result.err().map(|error| std::mem::discriminant(&error))
        };
        assert_eq!(kind(rows), kind(whole), "{}", bytes.len());
    }
    assert!(read(&bytes[..bytes.len() / 2]).is_err());
}

#[test]
fn plain_bmp_is_the_same_row_by_row_and_other_kinds_are_left_to_the_whole() {
    let mut rng = SampleRng::new(3, 0, 0);
    for color in [ColorType::Rgb8, ColorType::L8] {
        let channels = usize::from(color.channel_count());
        for (width, height) in [(1, 1), (7, 5), (64, 33)] {
            let data: Vec<u8> = (0..width * height * channels)
                .map(|_| rng.below(256) as u8)
                .collect();
            let mut bytes = Vec::new();
            image::codecs::bmp::BmpEncoder::new(&mut bytes)
                .encode(&data, width as u32, height as u32, color.into())
                .unwrap();
            let whole = raster::decode(&bytes, Format::Bmp, &limits()).unwrap();
            let rows = rows_of(&bytes, Format::Bmp, &limits());
            assert!(rows.is_some_and(|rows| rows == whole.image), "{color:?}");
            let cut = &bytes[..bytes.len() - 1];
            let file = RowFile::open_from(cut, Format::Bmp, &limits(), 0).unwrap();
            assert!(file.unwrap().read(&mut |_| {}).is_err());
        }
    }
    // With masks, as files with alpha have them.
    let mut bytes = Vec::new();
    image::codecs::bmp::BmpEncoder::new(&mut bytes)
        .encode(&[9; 64], 4, 4, ColorType::Rgba8.into())
        .unwrap();
    assert!(rows_of(&bytes, Format::Bmp, &limits()).is_none());
}

/// A BMP of noise: header of so many bytes, bits for a pixel, compression, entries of its table (and how many it says it has).
fn bmp_file(
    [width, height]: [i32; 2],
    header: u32,
    bits: u16,
    compression: u32,
    [table, told]: [u32; 2],
    fourth: Option<u8>,
) -> Vec<u8> {
    let mut rng = SampleRng::new(7, 0, u64::from(bits));
    let start = 14 + header + 4 * table;
    let mut bytes = b"BM".to_vec();
    bytes.extend(0u32.to_le_bytes());
    bytes.extend(0u32.to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend(header.to_le_bytes());
    bytes.extend(width.to_le_bytes());
    bytes.extend(height.to_le_bytes());
    bytes.extend(1u16.to_le_bytes());
    bytes.extend(bits.to_le_bytes());
    bytes.extend(compression.to_le_bytes());
    bytes.extend([0; 12]);
    bytes.extend(told.to_le_bytes());
    bytes.extend([0; 4]);
    bytes.resize(14 + header as usize, 0);
    bytes.extend((0..4 * table).map(|_| rng.below(256) as u8));
    let stride = (width as usize * usize::from(bits))
        .div_ceil(8)
        .next_multiple_of(4);
    for _ in 0..height.unsigned_abs() as usize * stride {
        let noise = rng.below(256) as u8;
        let place = (bytes.len() - start as usize) % 4;
        bytes.push(match fourth {
            Some(value) if place == 3 => value,
            _ => noise,
        });
    }
    bytes
}

#[test]
fn every_storage_of_bmp_that_comes_row_by_row_is_the_same_as_whole() {
    // The fourth byte of 32 bits is nothing in a header of 40 bytes: zeros, ones, a gradient.
    for (bits, fourth) in [
        (32, Some(0)),
        (32, Some(255)),
        (32, Some(77)),
        (32, None),
        (24, None),
        (8, None),
    ] {
        for told in match bits {
            8 => vec![0, 256],
            // Entries of a table that nothing needs.
            _ => vec![0, 5],
        } {
            let table = match bits {
                8 => 256,
                _ => told,
            };
            // From the bottom, and from the top.
            for size in [[1, 1], [5, 4], [64, 33], [7, -6], [4, -1]] {
                let bytes = bmp_file(size, 40, bits, 0, [table, told], fourth);
                let name = format!("{bits} bits, {fourth:?}, table of {told}, {size:?}");
                let whole = raster::decode(&bytes, Format::Bmp, &limits()).unwrap();
                let file = RowFile::open_from(&bytes, Format::Bmp, &limits(), 0).unwrap();
                let file = file.unwrap_or_else(|| panic!("{name}: not row by row"));
                assert_eq!(
                    (file.mode, file.has_alpha),
                    (whole.mode, whole.has_alpha),
                    "{name}"
                );
                let rows = file.decode(&limits()).unwrap().image;
                assert!(rows == whole.image, "{name}");
            }
        }
    }
}

#[test]
fn other_storages_of_bmp_are_left_to_the_whole() {
    for (header, bits, compression, table) in [
        // The table of fewer colours, fewer bits, packed, masks, headers that may say alpha.
        (40, 8, 0, 100),
        (40, 1, 0, 2),
        (40, 4, 0, 16),
        (40, 16, 0, 0),
        (40, 8, 1, 256),
        (40, 32, 3, 3),
        (108, 32, 0, 0),
        (124, 32, 3, 0),
        (12, 24, 0, 0),
    ] {
        let bytes = bmp_file([8, 8], header, bits, compression, [table, table], None);
        let name = format!("header of {header}, {bits} bits, compression {compression}");
        let opened = RowFile::open_from(&bytes, Format::Bmp, &limits(), 0);
        assert!(matches!(opened, Ok(None)), "{name}");
    }
}

#[test]
fn planes_of_a_stack_are_the_same_row_by_row() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data_stacks");
    for file in ["imagej_behind.tif", "imagej_two.tif", "ome_three.ome.tif"] {
        let bytes = std::fs::read(folder.join(file)).unwrap();
        for channels in [3, 1] {
            let limits = DecodeLimits {
                channels,
                reading: Reading {
                    tiff_planes: TiffPlanes::Channels,
                    ..Reading::default()
                },
                ..limits()
            };
            let rows = rows_of(&bytes, Format::Tiff, &limits).unwrap();
            assert!(rows == decode(&bytes, &limits).unwrap().image, "{file}");
        }
    }
}

#[test]
fn lossy_webp_is_the_same_row_by_row() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data_webp");
    let mut seen = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "webp") {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let Some(rows) = rows_of(&bytes, Format::WebP, &limits()) else {
            continue;
        };
        let whole = decode(&bytes, &limits()).unwrap().image;
        let file = RowFile::open_from(&bytes, Format::WebP, &limits(), 0).unwrap();
        // The whole picture is turned.
        if file.unwrap().is_upright() {
            assert!(rows == whole, "{}", path.display());
            seen += 1;
        }
    }
    assert!(seen > 3, "{seen}");
}

fn large() -> DecodeLimits {
    DecodeLimits::default()
}

#[test]
fn a_view_of_a_large_picture_is_that_of_the_whole_one() {
    let kind = Kind {
        colour: PngColour::Rgba,
        depth: BitDepth::Eight,
        has_transparency: false,
    };
    for (width, height) in [(1700, 1300), (1201, 1999), (640, 3500)] {
        let bytes = png_file(width, height, &kind, 4);
        let image = decode(&bytes, &large()).unwrap().image;
        assert!(u64::from(width) * u64::from(height) > LARGE_PIXELS);
        for (interpolation, policy) in [
            (Interpolation::Bilinear, ResizePolicy::Crop),
            (Interpolation::Bicubic, ResizePolicy::Crop),
            (Interpolation::Bicubic, ResizePolicy::Squash),
            (Interpolation::Bicubic, ResizePolicy::Pad),
            (Interpolation::Lanczos, ResizePolicy::Crop),
            (Interpolation::Area, ResizePolicy::Crop),
            (Interpolation::Nearest, ResizePolicy::Crop),
        ] {
            let preprocessing = Preprocessing {
                interpolation,
                policy,
                ..Preprocessing::default()
            };
            let pipeline = Pipeline::evaluation(&preprocessing);
            let view = pipeline.fixed_view_of(&bytes, &large()).unwrap();
            let name = format!("{width} {interpolation:?} {policy:?}");
            assert!(view.image == pipeline.fixed_view(&image), "{name}");
        }
    }
}

#[test]
fn a_huge_picture_has_regions_of_a_reduced_size_whose_pixels_are_means() {
    let kind = Kind {
        colour: PngColour::Grayscale,
        depth: BitDepth::One,
        has_transparency: false,
    };
    let (width, height) = (4203, 4001);
    let bytes = png_file(width, height, &kind, 5);
    let limits = large();
    let size = reducible_size(&bytes, &limits).unwrap().unwrap();
    assert_eq!(
        (size.width, size.height, size.is_rows),
        (width, height, true)
    );
    let whole = decode(&bytes, &limits).unwrap().image;
    let kept = ReducedPicture::decode(&bytes, &limits, 8).unwrap().unwrap();
    assert_eq!(kept.dimensions(), (width.div_ceil(8), height.div_ceil(8)));
    for (x, y) in [(0, 0), (100, 77), (525, 500)] {
        let columns = x * 8..(x * 8 + 8).min(width);
        let values = columns.flat_map(|x| (y * 8..(y * 8 + 8).min(height)).map(move |y| (x, y)));
        let values: Vec<u32> = values
            .map(|(x, y)| u32::from(whole.get_pixel(x, y).0[0]))
            .collect();
        let count = values.len() as u32;
        let mean = (values.iter().sum::<u32>() + count / 2) / count;
        assert_eq!(u32::from(kept.get_pixel(x, y).0[1]), mean);
    }
    let picture = ReducedPicture::new(&kept, size, 8).unwrap();
    for (crop, side, reduction) in [
        ([0, 0, width, height], 200, 8),
        ([901, 333, 3300, 3207], 150, 8),
        ([17, 1001, 500, 700], 300, 1),
    ] {
        let request = RegionRequest {
            crop: PixelBox {
                left: crop[0],
                top: crop[1],
                width: crop[2],
                height: crop[3],
            },
            width: side,
            height: side,
        };
        assert_eq!(size.reduction(JpegScaling::Reduced, &request), reduction);
        let alone = decode_region(&bytes, &limits, JpegScaling::Reduced, |_, _| request).unwrap();
        assert_eq!(alone.reduction, reduction);
        if reduction == 8 {
            assert!(picture.region(request) == alone);
        }
        // Of the whole picture, the same crop has the same look; at full size it is the same.
        let full = decode_region(&bytes, &limits, JpegScaling::Full, |_, _| request).unwrap();
        let [reduced, full] = [alone, full].map(|region| region.resize(Interpolation::Bicubic));
        let off: u64 = reduced
            .iter()
            .zip(full.iter())
            .map(|(a, b)| u64::from(a.abs_diff(*b)))
            .sum();
        let most = if reduction == 1 {
            0
        } else {
            3 * full.len() as u64
        };
        assert!(off <= most, "{crop:?}: {off} over {} samples", full.len());
    }
}

#[test]
fn only_pictures_that_come_row_by_row_may_have_more_pixels_than_the_limit() {
    let kind = Kind {
        colour: PngColour::Grayscale,
        depth: BitDepth::One,
        has_transparency: false,
    };
    let bytes = png_file(2000, 1100, &kind, 6);
    let mut limits = DecodeLimits {
        max_pixels: 1_000_000,
        ..DecodeLimits::default()
    };
    assert!(decode(&bytes, &limits).is_err());
    limits.row_factor = 3;
    assert!(decode(&bytes, &limits).is_ok());
    assert!(crate::decode::read_header(&bytes, &limits).unwrap().is_rows);
    assert_eq!(crate::decode::verify_pixels(&bytes, &limits), Ok(1));
    limits.row_factor = 2;
    for error in [
        decode(&bytes, &limits).map(drop).unwrap_err(),
        crate::decode::read_header(&bytes, &limits)
            .map(drop)
            .unwrap_err(),
    ] {
        assert!(
            matches!(error, AugmentError::TooManyPixels { .. }),
            "{error}"
        );
    }
}
