//! The alpha channel of lossy WebP.
//!
//! Owns: the undoing of its filters, and the composition over white. Its compression is that of lossless WebP, so the `image`
//! crate's decoder undoes that: the channel is given to it as a picture of its own.
//!
//! Source: RFC 9649, section 2.7.1.2.

use std::io::Cursor;

use image::ImageDecoder;
use image::codecs::webp::WebPDecoder;

use super::picture::Part;
use crate::decode::pixels::composed;
use crate::decode::reading::AlphaUse;

/// The content of an ALPH chunk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Alpha<'a> {
    is_compressed: bool,
    filter: Filter,
    data: &'a [u8],
}

/// What a value is the difference to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filter {
    None,
    /// The value to the left.
    Horizontal,
    /// The value above.
    Vertical,
    /// Left plus above less the corner.
    Gradient,
}

impl<'a> Alpha<'a> {
    /// Reads the header; none where it is damaged.
    pub(super) fn read(chunk: &'a [u8]) -> Option<Self> {
        let (&head, data) = chunk.split_first()?;
        let is_compressed = match head & 3 {
            0 => false,
            1 => true,
            _ => return None,
        };
        let filter = match (head >> 2) & 3 {
            0 => Filter::None,
            1 => Filter::Horizontal,
            2 => Filter::Vertical,
            _ => Filter::Gradient,
        };
        Some(Self {
            is_compressed,
            filter,
            data,
        })
    }

    /// The first rows of a picture's alpha values; none where the data is damaged or ends early.
    pub(super) fn rows(&self, width: usize, height: usize, rows: usize) -> Option<Vec<u8>> {
        let mut values = if self.is_compressed {
            // Green holds the values, the second of four.
            let pixels = decompress(self.data, width, height)?;
            pixels.as_chunks::<4>().0[..width * rows]
                .iter()
                .map(|pixel| pixel[1])
                .collect()
        } else {
            self.data.get(..width * height)?[..width * rows].to_vec()
        };
        undo(self.filter, &mut values, width);
        Some(values)
    }
}

/// Four bytes for each pixel of lossless data without a header.
fn decompress(data: &[u8], width: usize, height: usize) -> Option<Vec<u8>> {
    // Sizes less one in 14 bits each, and that there is alpha, so that the decoder gives four bytes.
    let size = (width - 1) | (height - 1) << 14 | 1 << 28;
    let mut file = Vec::with_capacity(data.len() + 26);
    file.extend_from_slice(b"RIFF");
    file.extend(u32::try_from(data.len() + 18).ok()?.to_le_bytes());
    file.extend_from_slice(b"WEBPVP8L");
    file.extend(u32::try_from(data.len() + 5).ok()?.to_le_bytes());
    file.push(0x2f);
    file.extend((size as u32).to_le_bytes());
    file.extend_from_slice(data);
    // Chunks have even lengths.
    file.extend(vec![0; file.len() % 2]);
    let decoder = WebPDecoder::new(Cursor::new(file)).ok()?;
    let mut pixels = vec![0; 4 * width * height];
    if decoder.total_bytes() != pixels.len() as u64 {
        return None;
    }
    decoder.read_image(&mut pixels).ok()?;
    Some(pixels)
}

/// Adds to each value what it is the difference to. In the first row, and in the first column, there is one choice only.
fn undo(filter: Filter, values: &mut [u8], width: usize) {
    let mut rows = values.chunks_exact_mut(width);
    let mut above = match (filter, rows.next()) {
        (Filter::None, _) | (_, None) => return,
        (_, Some(row)) => {
            add_left(row);
            row
        }
    };
    for row in rows {
        match filter {
            Filter::None => {}
            Filter::Horizontal => {
                row[0] = row[0].wrapping_add(above[0]);
                add_left(row);
            }
            Filter::Vertical => {
                for (value, above) in row.iter_mut().zip(above.iter()) {
                    *value = value.wrapping_add(*above);
                }
            }
            Filter::Gradient => {
                let (mut left, mut corner) = (above[0], above[0]);
                for (value, &above) in row.iter_mut().zip(above.iter()) {
                    let gradient = i16::from(left) + i16::from(above) - i16::from(corner);
                    *value = value.wrapping_add(gradient.clamp(0, 255) as u8);
                    (left, corner) = (*value, above);
                }
            }
        }
        above = row;
    }
}

fn add_left(row: &mut [u8]) {
    let mut left = 0u8;
    for value in row {
        left = left.wrapping_add(*value);
        *value = left;
    }
}

/// Puts a part of a picture, three bytes a pixel, over white, or does otherwise with it; `values` are the alpha values of the picture's
/// first rows.
pub(super) fn compose(pixels: &mut [u8], values: &[u8], width: usize, part: &Part, how: AlphaUse) {
    let rows = values.chunks_exact(width).skip(part.rows.start);
    for (line, row) in pixels.chunks_exact_mut(3 * part.columns.len()).zip(rows) {
        let alphas = &row[part.columns.clone()];
        for (pixel, &alpha) in line.as_chunks_mut::<3>().0.iter_mut().zip(alphas) {
            for value in pixel {
                *value = composed(*value, alpha, how);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_undone_from_the_values_around() {
        let values = [10, 20, 250, 7, 8, 9, 1, 255, 3];
        let undone = |filter| {
            let mut values = values;
            undo(filter, &mut values, 3);
            values
        };
        assert_eq!(undone(Filter::None), values);
        assert_eq!(
            undone(Filter::Horizontal),
            [10, 30, 24, 17, 25, 34, 18, 17, 20]
        );
        assert_eq!(
            undone(Filter::Vertical),
            [10, 30, 24, 17, 38, 33, 18, 37, 36]
        );
        // Left plus above less the corner, where it is a byte: 17 + 30 - 10 = 37, 45 + 24 - 30 = 39; 18 + 45 - 17 = 46,
        // 45 + 48 - 45 = 48.
        assert_eq!(
            undone(Filter::Gradient),
            [10, 30, 24, 17, 45, 48, 18, 45, 51]
        );
    }

    #[test]
    fn damaged_and_short_data_is_refused() {
        assert!(Alpha::read(&[]).is_none());
        assert!(Alpha::read(&[2, 0]).is_none());
        let raw = Alpha::read(&[0, 1, 2, 3, 4, 5, 6]).unwrap();
        assert_eq!(raw.rows(3, 2, 1), Some(vec![1, 2, 3]));
        assert_eq!(raw.rows(3, 3, 1), None);
        let compressed = Alpha::read(&[1, 0xff, 0xff]).unwrap();
        assert_eq!(compressed.rows(30, 20, 20), None);
    }
}
