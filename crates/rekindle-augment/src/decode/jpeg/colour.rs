//! Planes of samples to pixels.
//!
//! Owns: the enlarging of coarser components and the conversion of colours, both libjpeg's bit by bit: "fancy upsampling", in
//! which each new sample is three parts of the nearer old one and one part of the farther, and the conversion of JFIF.

use std::ops::Range;

use super::frame::Colour;
use super::scan::{Part, Plane};
use crate::decode::pixels::ink_to_light;
use crate::decode::planes::{enlarge, interleave, with_ends};
use crate::vectorised::vectorised;

/// The pixels of a part of the picture, three bytes each, row by row; of [`Colour::Raw`], a byte for each component.
pub(super) fn pixels(planes: &[Plane], colour: Colour, part: &Part) -> Vec<u8> {
    let channels = match colour {
        Colour::Raw => planes.len(),
        _ => 3,
    };
    let mut output = vec![0; channels * part.columns.len() * part.rows.len()];
    let is_fancy = part.block_size > 1;
    vectorised(
        #[inline(always)]
        || write_pixels(planes, colour, part, is_fancy, &mut output),
    );
    output
}

#[inline(always)]
fn write_pixels(planes: &[Plane], colour: Colour, part: &Part, is_fancy: bool, output: &mut [u8]) {
    let width = part.columns.len();
    let channels = output.len() / (width * part.rows.len()).max(1);
    // A sample more at both ends, each of up to four pixels.
    let mut rows = [0; 4].map(|_| vec![0; width + 8]);
    let mut colours = [vec![0; width], vec![0; width], vec![0; width]];
    let mut sums = Vec::with_capacity(width / 2 + 4);
    for (line, y) in output
        .chunks_exact_mut(channels * width)
        .zip(part.rows.clone())
    {
        let mut starts = [0; 4];
        for ((plane, row), start) in planes.iter().zip(&mut rows).zip(&mut starts) {
            *start = write_row(plane, y, &part.columns, is_fancy, &mut sums, row);
        }
        let row = |number: usize| &rows[number][starts[number]..starts[number] + width];
        match colour {
            Colour::Grey => {
                for (pixel, value) in line.chunks_exact_mut(3).zip(row(0)) {
                    pixel.fill(*value);
                }
            }
            Colour::Rgb => interleave(row(0), row(1), row(2), line),
            Colour::YCbCr => convert(row(0), row(1), row(2), &mut colours, line),
            Colour::Cmyk => {
                interleave(row(0), row(1), row(2), line);
                on_black(line, row(3));
            }
            Colour::Ycck => {
                convert(row(0), row(1), row(2), &mut colours, line);
                line.iter_mut().for_each(|value| *value = 255 - *value);
                on_black(line, row(3));
            }
            Colour::Raw => {
                for channel in 0..channels {
                    let places = line[channel..].iter_mut().step_by(channels);
                    places
                        .zip(row(channel))
                        .for_each(|(place, value)| *place = *value);
                }
            }
        }
    }
}

/// Three inks to light, over black ink: all four as Adobe stores them, turned over, which Pillow assumes of every file.
fn on_black(line: &mut [u8], black: &[u8]) {
    for (pixel, black) in line.chunks_exact_mut(3).zip(black) {
        for ink in pixel {
            *ink = ink_to_light(255 - *ink, 255 - *black);
        }
    }
}

/// The samples of a component under a row of pixels; gives where they start in `output`.
#[inline(always)]
fn write_row(
    plane: &Plane,
    y: usize,
    columns: &Range<usize>,
    is_fancy: bool,
    sums: &mut Vec<i16>,
    output: &mut [u8],
) -> usize {
    let [across, down] = plane.ratio;
    let needed = columns.start / across..(columns.end - 1) / across + 1;
    let near = y / down;
    // libjpeg repeats samples across where there are no more than two of them.
    let smooth_across = is_fancy && across == 2 && down <= 2 && plane.width > 2;
    let smooth_down = is_fancy && down == 2 && (across == 1 || smooth_across);
    if !smooth_across && !smooth_down {
        let row = plane.row(near, needed);
        if across == 1 {
            output[..row.len()].copy_from_slice(row);
        } else {
            for (pixels, sample) in output.chunks_exact_mut(across).zip(row) {
                pixels.fill(*sample);
            }
        }
        return columns.start % across;
    }
    let far = match (smooth_down, y % 2) {
        (false, _) => near,
        (true, 0) => near.saturating_sub(1),
        (true, _) => (near + 1).min(plane.height - 1),
    };
    if !smooth_across {
        let bias = 1 + (y % 2) as i16;
        let rows = plane
            .row(near, needed.clone())
            .iter()
            .zip(plane.row(far, needed));
        for (output, (near, far)) in output.iter_mut().zip(rows) {
            *output = ((3 * i16::from(*near) + i16::from(*far) + bias) >> 2) as u8;
        }
        return 0;
    }
    // With the sample next to each end, or the end itself again at the edge of the picture.
    let wide = needed.start.saturating_sub(1)..(needed.end + 1).min(plane.width);
    let repeated = [wide.start == needed.start, wide.end == needed.end];
    let near_row = plane.row(near, wide.clone());
    if smooth_down {
        let rows = near_row.iter().zip(plane.row(far, wide));
        let columns = rows.map(|(near, far)| 3 * i16::from(*near) + i16::from(*far));
        with_ends(columns, repeated, sums);
        enlarge::<4>(sums, [8, 7], output);
    } else {
        let samples = near_row.iter().map(|near| i16::from(*near));
        with_ends(samples, repeated, sums);
        enlarge::<2>(sums, [1, 2], output);
    }
    columns.start % 2
}

/// `value * 2^16`, rounded.
const fn fixed(value: f64) -> i32 {
    (value * 65536.0 + 0.5) as i32
}

/// JFIF's YCbCr to RGB, rounded as libjpeg's tables do it; `planes` holds the three colours one by one in between.
///
/// Source: JFIF 1.02, section 7: `R = Y + 1.402 Cr`, `G = Y - 0.34414 Cb - 0.71414 Cr`, `B = Y + 1.772 Cb`.
#[inline(always)]
fn convert(luma: &[u8], blue: &[u8], red: &[u8], planes: &mut [Vec<u8>; 3], line: &mut [u8]) {
    const HALF: i32 = 1 << 15;
    let count = luma.len();
    let byte = |value: i32| value.clamp(0, 255) as u8;
    let [to_red, to_green, to_blue] = planes;
    let (blue, red) = (&blue[..count], &red[..count]);
    let to_red = &mut to_red[..count];
    for ((to, luma), red) in to_red.iter_mut().zip(luma).zip(red) {
        let red = i32::from(*red) - 128;
        *to = byte(i32::from(*luma) + ((fixed(1.402) * red + HALF) >> 16));
    }
    let to_green = &mut to_green[..count];
    for (((to, luma), blue), red) in to_green.iter_mut().zip(luma).zip(blue).zip(red) {
        let (blue, red) = (i32::from(*blue) - 128, i32::from(*red) - 128);
        let green = HALF - fixed(0.34414) * blue - fixed(0.71414) * red;
        *to = byte(i32::from(*luma) + (green >> 16));
    }
    let to_blue = &mut to_blue[..count];
    for ((to, luma), blue) in to_blue.iter_mut().zip(luma).zip(blue) {
        let blue = i32::from(*blue) - 128;
        *to = byte(i32::from(*luma) + ((fixed(1.772) * blue + HALF) >> 16));
    }
    interleave(to_red, to_green, to_blue, line);
}
