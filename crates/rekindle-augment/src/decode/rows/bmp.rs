//! The rows of a BMP file.
//!
//! Owns: files as nearly all programs write large ones: the header of 40 bytes, 24 or 32 bits for a pixel, or 8 with a table of 256
//! colours, not packed. Any other file is decoded whole.

use super::Sink;
use crate::decode::limits::DecodeLimits;
use crate::decode::upright::SourceMode;
use crate::error::AugmentError;
use crate::format::Format;

const FORMAT: Format = Format::Bmp;

pub(super) struct BmpRows<'a> {
    bytes: &'a [u8],
    width: usize,
    height: usize,
    is_top_down: bool,
    bits: u16,
    /// Where the pixels begin.
    start: usize,
}

impl<'a> BmpRows<'a> {
    /// None for a file that is only decoded whole.
    pub(super) fn open(
        bytes: &'a [u8],
        limits: &DecodeLimits,
    ) -> Result<Option<Self>, AugmentError> {
        let word = |at: usize| Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
        let number = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let read = || {
            let height = number(22)? as i32;
            let found = Self {
                bytes,
                width: usize::try_from(number(18)? as i32).ok()?,
                height: height.unsigned_abs() as usize,
                is_top_down: height < 0,
                bits: word(28)?,
                start: number(10)? as usize,
            };
            let has_whole_table = matches!(number(46)?, 0 | 256);
            let is_known = number(14)? == 40
                && number(30)? == 0
                && match found.bits {
                    8 => has_whole_table && found.start >= TABLE + 4 * 256,
                    24 | 32 => true,
                    _ => false,
                };
            is_known.then_some(found)
        };
        let Some(found) = read() else {
            return Ok(None);
        };
        limits.check(FORMAT, found.width as u32, found.height as u32, 0)?;
        Ok(Some(found))
    }

    pub(super) fn size(&self) -> (u32, u32) {
        (self.width as u32, self.height as u32)
    }

    pub(super) fn mode(&self) -> SourceMode {
        match self.bits {
            8 => SourceMode::Palette,
            _ => SourceMode::Rgb,
        }
    }

    pub(super) fn read(self, sink: &mut Sink) -> Result<(), AugmentError> {
        let cut = || AugmentError::Truncated {
            format: FORMAT,
            bytes: self.bytes.len(),
            reason: "the pixels end before the picture does".to_owned(),
        };
        let pixel = usize::from(self.bits / 8);
        // Rows are filled up to four bytes.
        let stride = (pixel * self.width).next_multiple_of(4);
        let pixels = self.bytes.get(self.start..).ok_or_else(cut)?;
        let pixels = pixels.get(..stride * self.height).ok_or_else(cut)?;
        let table = self
            .bytes
            .get(TABLE..)
            .unwrap_or_default()
            .as_chunks::<4>()
            .0;
        let mut line = vec![0; 3 * self.width];
        for row in 0..self.height {
            let row = match self.is_top_down {
                true => row,
                false => self.height - 1 - row,
            };
            let source = &pixels[row * stride..][..pixel * self.width];
            let colours = line.as_chunks_mut::<3>().0.iter_mut();
            match pixel {
                1 => colours.zip(source).for_each(|(colour, index)| {
                    let [blue, green, red, _] =
                        table.get(usize::from(*index)).copied().unwrap_or_default();
                    *colour = [red, green, blue];
                }),
                3 => colours
                    .zip(source.as_chunks::<3>().0)
                    .for_each(|(colour, [blue, green, red])| *colour = [*red, *green, *blue]),
                _ => colours
                    .zip(source.as_chunks::<4>().0)
                    .for_each(|(colour, [blue, green, red, _])| *colour = [*red, *green, *blue]),
            }
            sink(&line);
        }
        Ok(())
    }
}

/// Where the table of colours stands.
const TABLE: usize = 14 + 40;
