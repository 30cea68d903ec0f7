//! Planes of luma and chroma to pixels.
//!
//! Owns: the enlarging of chroma and the conversion of colours, both libwebp's bit by bit ("fancy upsampling").

use std::ops::Range;

use super::header::Frame;
use super::strip::Strip;
use crate::decode::planes::{enlarge, interleave, with_ends};

/// Room for a row that is converted.
pub(super) struct Converter {
    columns: Range<usize>,
    /// Width and height of the planes of chroma.
    chroma_size: [usize; 2],
    sums: Vec<i16>,
    chroma: [Vec<u8>; 2],
    colours: [Vec<u8>; 3],
}

impl Converter {
    /// For these columns of the picture.
    pub(super) fn new(frame: &Frame, columns: Range<usize>) -> Self {
        let width = columns.len();
        Self {
            columns,
            chroma_size: [frame.width.div_ceil(2), frame.height.div_ceil(2)],
            sums: Vec::with_capacity(width / 2 + 4),
            chroma: [(); 2].map(|()| vec![0; width + 2]),
            colours: [(); 3].map(|()| vec![0; width]),
        }
    }

    /// Writes the pixels of a row of the picture.
    #[inline(always)]
    pub(super) fn write(&mut self, strip: &Strip, row: usize, line: &mut [u8]) {
        let columns = self.columns.clone();
        let [width, height] = self.chroma_size;
        let near = row / 2;
        let far = match row % 2 {
            0 => near.saturating_sub(1),
            _ => (near + 1).min(height - 1),
        };
        // With the sample next to each end, or the end itself again at the edge of the picture.
        let needed = columns.start / 2..(columns.end - 1) / 2 + 1;
        let wide = needed.start.saturating_sub(1)..(needed.end + 1).min(width);
        let repeated = [wide.start == needed.start, wide.end == needed.end];
        for (plane, output) in self.chroma.iter_mut().enumerate() {
            let rows = strip.chroma(plane, near, wide.clone()).iter();
            let rows = rows.zip(strip.chroma(plane, far, wide.clone()));
            let sums = rows.map(|(near, far)| 3 * i16::from(*near) + i16::from(*far));
            with_ends(sums, repeated, &mut self.sums);
            enlarge::<4>(&self.sums, [8, 8], output);
        }
        let [u, v] = &self.chroma;
        let shift = columns.start % 2;
        let luma = strip.luma(row, columns);
        convert(luma, &u[shift..], &v[shift..], &mut self.colours, line);
    }
}

/// Colours by the standard's matrix for video levels, rounded as libwebp does it.
///
/// Source: ITU-R BT.601; `src/dsp/yuv.h` of libwebp.
#[inline(always)]
fn convert(luma: &[u8], u: &[u8], v: &[u8], colours: &mut [Vec<u8>; 3], line: &mut [u8]) {
    // The upper half of the product with a value of 16 bits.
    let part = |value: u8, factor: u32| (((u32::from(value) << 8) * factor) >> 16) as u16;
    let byte = |value: u16| (value >> 6).min(255) as u8;
    let count = luma.len();
    let (u, v) = (&u[..count], &v[..count]);
    let [reds, greens, blues] = colours;
    let reds = &mut reds[..count];
    for ((red, luma), v) in reds.iter_mut().zip(luma).zip(v) {
        let sum = part(*luma, 19_077) + part(*v, 26_149);
        *red = byte(sum.saturating_sub(14_234));
    }
    let greens = &mut greens[..count];
    for (((green, luma), u), v) in greens.iter_mut().zip(luma).zip(u).zip(v) {
        let taken = part(*u, 6_419) + part(*v, 13_320);
        *green = byte((part(*luma, 19_077) + 8_708).saturating_sub(taken));
    }
    let blues = &mut blues[..count];
    for ((blue, luma), u) in blues.iter_mut().zip(luma).zip(u) {
        let sum = part(*luma, 19_077) + part(*u, 33_050);
        *blue = byte(sum.saturating_sub(17_685));
    }
    interleave(reds, greens, blues, line);
}
