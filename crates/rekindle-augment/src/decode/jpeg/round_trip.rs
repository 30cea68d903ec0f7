//! What compression does to a picture.
//!
//! Owns: the steps of an encoder that lose something, which are libjpeg-turbo's bit by bit: the conversion of colours, the
//! mean of neighbouring chroma samples, and the quantisation. Entropy coding loses nothing and is left out. The way back is the
//! decoder's, in the files beside this one.

use image::RgbImage;

use super::colour;
use super::forward_dct::coefficients;
use super::frame::Colour;
use super::inverse_dct::write_samples;
use super::scan::{Part, Plane};
use crate::vectorised::vectorised;

/// The image after compression at a quality from 1 to 100, with `ratio` pixels across and down for each chroma sample, 1 or 2.
pub(crate) fn round_trip(image: &RgbImage, quality: u8, ratio: [usize; 2]) -> RgbImage {
    let (width, height) = image.dimensions();
    if width == 0 || height == 0 {
        return image.clone();
    }
    let size = [width as usize, height as usize];
    let luma = Quantisation::new(&LUMA, quality);
    let chroma = Quantisation::new(&CHROMA, quality);
    let mut planes = [[1, 1], ratio, ratio].map(|ratio| Plane::whole(size, ratio));
    vectorised(
        #[inline(always)]
        || {
            separate(image, ratio, &mut planes);
            for (plane, quantisation) in planes.iter_mut().zip([&luma, &chroma, &chroma]) {
                quantisation.apply(plane);
            }
        },
    );
    let part = Part {
        columns: 0..size[0],
        rows: 0..size[1],
        block_size: 8,
    };
    let pixels = colour::pixels(&planes, Colour::YCbCr, &part);
    RgbImage::from_raw(width, height, pixels).unwrap_or_else(|| image.clone())
}

/// Fills the planes with luma, blue and red samples. What lies beyond the edge repeats the last column and the last row.
#[inline(always)]
fn separate(image: &RgbImage, ratio: [usize; 2], planes: &mut [Plane; 3]) {
    let width = image.width() as usize;
    let pixels: Vec<&[u8]> = image.as_raw().chunks_exact(3 * width).collect();
    let padded = planes[0].stride.max(planes[1].stride * ratio[0]);
    let [luma, chroma @ ..] = planes;
    let mut colours = [0; 3].map(|_| vec![0; padded]);
    let mut line = [0; 3].map(|_| vec![0; padded]);
    let mut first = [0; 2].map(|_| vec![0; padded]);
    for (number, rows) in (0..pixels.len()).step_by(ratio[1]).enumerate() {
        for part in 0..ratio[1] {
            let row = rows + part;
            std::mem::swap(&mut first[0], &mut line[1]);
            std::mem::swap(&mut first[1], &mut line[2]);
            let row = row.min(pixels.len() - 1);
            convert(pixels[row], &mut colours, &mut line);
            let stride = luma.stride;
            luma.samples[row * stride..][..stride].copy_from_slice(&line[0][..stride]);
        }
        for ((plane, first), last) in chroma.iter_mut().zip(&first).zip(&line[1..]) {
            let stride = plane.stride;
            let output = &mut plane.samples[number * stride..][..stride];
            match ratio {
                [2, 2] => halve_both(first, last, output),
                [2, _] => halve(last, output),
                _ => output.copy_from_slice(&last[..stride]),
            }
        }
    }
    for plane in planes {
        let filled = plane.height * plane.stride;
        for row in filled / plane.stride..plane.samples.len() / plane.stride {
            let last = filled - plane.stride..filled;
            plane.samples.copy_within(last, row * plane.stride);
        }
    }
}

/// A row of pixels to luma, blue and red, rounded as libjpeg's tables do it; the last pixel is repeated to the end.
///
/// Source: JFIF 1.02, section 7.
#[inline(always)]
fn convert(pixels: &[u8], colours: &mut [Vec<u8>; 3], output: &mut [Vec<u8>; 3]) {
    const HALF: i32 = 1 << 15;
    const CENTRE: i32 = (128 << 16) + HALF - 1;
    const fn fixed(value: f64) -> i32 {
        (value * 65536.0 + 0.5) as i32
    }
    let [red, green, blue] = colours;
    let count = red.len();
    let (green, blue) = (&mut green[..count], &mut blue[..count]);
    for (place, pixel) in pixels.chunks_exact(3).enumerate() {
        (red[place], green[place], blue[place]) = (pixel[0], pixel[1], pixel[2]);
    }
    let filled = pixels.len() / 3;
    for colour in [&mut red[..], green, blue] {
        let last = colour[filled - 1];
        colour[filled..].fill(last);
    }
    let [luma, to_blue, to_red] = output;
    let (luma, to_blue, to_red) = (
        &mut luma[..count],
        &mut to_blue[..count],
        &mut to_red[..count],
    );
    for place in 0..count {
        let [r, g, b] = [red[place], green[place], blue[place]].map(i32::from);
        luma[place] = ((fixed(0.299) * r + fixed(0.587) * g + fixed(0.114) * b + HALF) >> 16) as u8;
        to_blue[place] =
            ((fixed(0.5) * b - fixed(0.16874) * r - fixed(0.33126) * g + CENTRE) >> 16) as u8;
        to_red[place] =
            ((fixed(0.5) * r - fixed(0.41869) * g - fixed(0.08131) * b + CENTRE) >> 16) as u8;
    }
}

/// The mean of two pixels, rounded down and up in turns.
#[inline(always)]
fn halve(row: &[u8], output: &mut [u8]) {
    for (pixels, output) in row.chunks_exact(4).zip(output.chunks_exact_mut(2)) {
        let sum = |place: usize| u16::from(pixels[place]) + u16::from(pixels[place + 1]);
        output[0] = (sum(0) >> 1) as u8;
        output[1] = ((sum(2) + 1) >> 1) as u8;
    }
}

/// The mean of two by two pixels, a half rounded down and up in turns.
#[inline(always)]
fn halve_both(first: &[u8], last: &[u8], output: &mut [u8]) {
    let rows = first.chunks_exact(4).zip(last.chunks_exact(4));
    for ((first, last), output) in rows.zip(output.chunks_exact_mut(2)) {
        let sum = |place: usize| {
            [first, last].iter().fold(0, |sum, row| {
                sum + u16::from(row[place]) + u16::from(row[place + 1])
            })
        };
        output[0] = ((sum(0) + 1) >> 2) as u8;
        output[1] = ((sum(2) + 2) >> 2) as u8;
    }
}

/// The steps of a block's coefficients, row by row.
struct Quantisation {
    steps: [i16; 64],
    /// 1 divided by eight steps, since the forward transform is times 8.
    factors: [f32; 64],
}

impl Quantisation {
    /// libjpeg's `jpeg_set_quality`: a standard table, scaled, with steps of 1 to 255.
    fn new(table: &[u8; 64], quality: u8) -> Self {
        let quality = u32::from(quality.clamp(1, 100));
        let percent = if quality < 50 {
            5000 / quality
        } else {
            200 - 2 * quality
        };
        let steps = table.map(|step| ((u32::from(step) * percent + 50) / 100).clamp(1, 255) as i16);
        let factors = steps.map(|step| 1.0 / (8.0 * f32::from(step)));
        Self { steps, factors }
    }

    /// Transforms every block, rounds its coefficients to whole steps, and transforms it back.
    #[inline(always)]
    fn apply(&self, plane: &mut Plane) {
        let stride = plane.stride;
        for lines in plane.samples.chunks_exact_mut(8 * stride) {
            for left in (0..stride).step_by(8) {
                let rows = std::array::from_fn(|row| {
                    let line = &lines[row * stride + left..][..8];
                    std::array::from_fn(|column| i16::from(line[column]) - 128)
                });
                let block = self.round(&coefficients(&rows));
                let last = block[1..].iter().fold(0, |any, value| any | value);
                let last = if last == 0 { 0 } else { 63 };
                write_samples(&block, last, 8, &mut lines[left..], stride);
            }
        }
    }

    #[inline(always)]
    fn round(&self, coefficients: &[[i16; 8]; 8]) -> [i16; 64] {
        let mut block = [0; 64];
        let values = coefficients.as_flattened();
        for place in 0..64 {
            let (value, step) = (i32::from(values[place]), i32::from(self.steps[place]));
            // The quotient is exact: the half below keeps it off whole numbers by more than f32 rounds.
            let size = (value.abs() + 4 * step) as f32 + 0.5;
            let count = (size * self.factors[place]) as i32;
            block[place] = (if value < 0 {
                -count * step
            } else {
                count * step
            }) as i16;
        }
        block
    }
}

/// The tables of ITU-T T.81, annex K.1.
#[rustfmt::skip]
const LUMA: [u8; 64] = [
    16, 11, 10, 16,  24,  40,  51,  61,
    12, 12, 14, 19,  26,  58,  60,  55,
    14, 13, 16, 24,  40,  57,  69,  56,
    14, 17, 22, 29,  51,  87,  80,  62,
    18, 22, 37, 56,  68, 109, 103,  77,
    24, 35, 55, 64,  81, 104, 113,  92,
    49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103,  99,
];
#[rustfmt::skip]
const CHROMA: [u8; 64] = [
    17, 18, 24, 47, 99, 99, 99, 99,
    18, 21, 26, 66, 99, 99, 99, 99,
    24, 26, 56, 99, 99, 99, 99, 99,
    47, 66, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_scaled_by_the_quality() {
        let steps = |quality| Quantisation::new(&LUMA, quality).steps;
        assert_eq!(steps(50), LUMA.map(i16::from));
        assert_eq!(steps(100), [1; 64]);
        assert_eq!(steps(1)[0], 255);
        assert_eq!((steps(75)[0], steps(75)[1], steps(25)[0]), (8, 6, 32));
    }

    #[test]
    fn a_coefficient_goes_to_the_nearest_step_and_a_half_away_from_zero() {
        for quality in [1, 10, 37, 50, 90, 100] {
            let quantisation = Quantisation::new(&LUMA, quality);
            for value in -9000..=9000i16 {
                let block = quantisation.round(&[[value; 8]; 8]);
                for (found, step) in block.into_iter().zip(quantisation.steps) {
                    let step = i32::from(step);
                    let count = (i32::from(value).abs() + 4 * step) / (8 * step);
                    let expected = count * step * i32::from(value).signum();
                    assert_eq!(i32::from(found), expected, "{value} by {step}");
                }
            }
        }
    }
}
