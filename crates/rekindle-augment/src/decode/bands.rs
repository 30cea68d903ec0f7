//! Pictures of bands: as many channels as the file has, each by itself.
//!
//! Owns: which formats have any. The form in which bands come is `crate::bands`'s.

use super::limits::DecodeLimits;
use super::upright::Upright;
use super::{npy, raster, tiff};
use crate::error::AugmentError;
use crate::format::Format;

/// The picture as it is stored, whose bands travel as [`Bands`](crate::Bands) says.
pub(super) fn decode(
    bytes: &[u8],
    format: Format,
    limits: &DecodeLimits,
) -> Result<Upright, AugmentError> {
    match format {
        Format::Png => raster::decode_bands(bytes, format, limits),
        Format::Tiff => tiff::decode_bands(bytes, limits),
        Format::Npy => npy::decode(bytes, limits),
        Format::Jpeg | Format::WebP | Format::Gif | Format::Bmp | Format::Pnm => {
            Err(AugmentError::OtherChannels {
                format,
                found: "no bands".to_owned(),
                wanted: limits.channels,
            })
        }
    }
}

/// Refuses a file of another number of channels than is asked for.
pub(super) fn check_count(
    format: Format,
    found: usize,
    limits: &DecodeLimits,
) -> Result<(), AugmentError> {
    let wanted = limits.channels;
    match found == wanted {
        true => Ok(()),
        false => Err(AugmentError::OtherChannels {
            format,
            found: match found {
                1 => "1 channel".to_owned(),
                found => format!("{found} channels"),
            },
            wanted,
        }),
    }
}

#[cfg(test)]
mod tests {
    use crate::Format;
    use crate::bands::{shown, split};
    use crate::decode::{DecodeLimits, decode, decode_region, read_header, reducible_size};
    use crate::{AugmentError, JpegScaling, RgbImage, SampleRange};
    use image::{ColorType, ExtendedColorType, ImageEncoder};

    fn limits(channels: usize) -> DecodeLimits {
        DecodeLimits {
            channels,
            ..DecodeLimits::default()
        }
    }

    fn png(samples: &[u8], width: u32, height: u32, color: ExtendedColorType) -> Vec<u8> {
        let mut bytes = Vec::new();
        let encoder = image::codecs::png::PngEncoder::new(&mut bytes);
        encoder.write_image(samples, width, height, color).unwrap();
        bytes
    }

    fn picture() -> RgbImage {
        RgbImage::from_fn(9, 7, |x, y| image::Rgb([x as u8 * 20, y as u8 * 30, 200]))
    }

    #[test]
    fn one_channel_is_the_grey_of_every_way_to_a_picture() {
        let image = picture();
        let expected = crate::ops::greyscale::greyscale(image.clone());
        let bytes = png(image.as_raw(), 9, 7, ExtendedColorType::Rgb8);
        assert_eq!(decode(&bytes, &limits(1)).unwrap().image, expected);
        let mut jpeg = Vec::new();
        let mut encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 95);
        encoder.encode_image(&image).unwrap();
        let whole = decode(&jpeg, &limits(1)).unwrap().image;
        let colours = decode(&jpeg, &limits(3)).unwrap().image;
        assert_eq!(whole, crate::ops::greyscale::greyscale(colours));
        let part = decode_region(&jpeg, &limits(1), JpegScaling::Full, |width, height| {
            crate::RegionRequest {
                crop: crate::PixelBox {
                    left: 0,
                    top: 0,
                    width,
                    height,
                },
                width,
                height,
            }
        });
        assert_eq!(part.unwrap().image, whole);
        let grey = png(&[7; 63], 9, 7, ExtendedColorType::L8);
        assert!(
            decode(&grey, &limits(1))
                .unwrap()
                .image
                .iter()
                .all(|value| *value == 7)
        );
    }

    #[test]
    fn alpha_is_a_band_where_four_channels_are_asked_for() {
        let samples: Vec<u8> = (0..4 * 6).collect();
        let bytes = png(&samples, 3, 2, ColorType::Rgba8.into());
        let decoded = decode(&bytes, &limits(4)).unwrap();
        assert_eq!(decoded.image.dimensions(), (3, 4));
        let parts = split(&decoded.image, 2);
        assert_eq!(parts[0].get_pixel(1, 1).0, [16, 17, 18]);
        assert_eq!(parts[1].get_pixel(1, 1).0, [19; 3]);
        assert_eq!(*shown(&decoded.image, 4), parts[0]);
        assert_eq!(read_header(&bytes, &limits(4)).unwrap().height, 2);
        let samples: Vec<u8> = [0u16, 4095, 1000, 2048]
            .iter()
            .flat_map(|sample| sample.to_ne_bytes())
            .collect();
        let wide = png(&samples, 2, 1, ColorType::La16.into());
        let two = DecodeLimits {
            range: SampleRange::Bits(12),
            ..limits(2)
        };
        let image = decode(&wide, &two).unwrap().image;
        assert_eq!(image.as_raw()[..], [0, 255, 255, 62, 128, 128]);
    }

    #[test]
    fn another_number_of_bands_is_refused_with_both() {
        let colours = png(picture().as_raw(), 9, 7, ExtendedColorType::Rgb8);
        let error = decode(&colours, &limits(4)).unwrap_err();
        assert!(matches!(
            &error,
            AugmentError::OtherChannels { wanted: 4, .. }
        ));
        let error = error.to_string();
        assert!(
            error.contains("3 channels") && error.contains("`input.channels`"),
            "{error}"
        );
        let mut gif = Vec::new();
        let frame = image::Frame::new(image::RgbaImage::new(4, 4));
        image::codecs::gif::GifEncoder::new(&mut gif)
            .encode_frame(frame)
            .unwrap();
        assert_eq!(Format::of(&gif), Ok(Format::Gif));
        let error = decode(&gif, &limits(2)).unwrap_err().to_string();
        assert!(
            error.contains("no bands") && error.contains("TIFF"),
            "{error}"
        );
        assert_eq!(reducible_size(&colours, &limits(4)), Ok(None));
    }
}
