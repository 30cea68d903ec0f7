//! The numbers of a TIFF's wide samples as they are stored.
//!
//! Owns: which of a row's samples they are. What a row is read from is the parent's, what its bytes are `samples.rs`'s.

use super::page::Page;
use super::{Chunk, Content, TiffRows, samples};
use crate::decode::limits::DecodeLimits;
use crate::error::AugmentError;

/// Gives the colours' numbers to `sink` as they are stored; none where they have 8 bits or fewer.
pub(in crate::decode) fn numbers(
    bytes: &[u8],
    limits: &DecodeLimits,
    sink: &mut dyn FnMut(&[f64]),
) -> Result<(), AugmentError> {
    TiffRows::open(bytes, &limits.of_rows())?.numbers(sink)
}

impl TiffRows<'_> {
    /// Gives the colours' numbers of every row to `sink`, as they are stored; none where they have 8 bits or fewer.
    fn numbers(self, sink: &mut dyn FnMut(&[f64])) -> Result<(), AugmentError> {
        let limits = &self.limits;
        for page in std::iter::once(&self.page).chain(&self.planes) {
            page_numbers(page, limits, sink)?;
        }
        Ok(())
    }
}

/// The same of a page.
fn page_numbers(
    page: &Page,
    limits: &DecodeLimits,
    sink: &mut dyn FnMut(&[f64]),
) -> Result<(), AugmentError> {
    if !samples::is_wide(page) {
        return Ok(());
    }
    let [across, down] = page.chunks();
    let [chunk_width, chunk_height] = page.chunk.map(|side| side as usize);
    for row in 0..down {
        let rows = chunk_height.min(page.height as usize - row * chunk_height);
        for column in 0..across {
            let mut chunk = Chunk::open(page, row * across + column, rows, limits)?;
            // The last tile of a row may be wider than what is left of it.
            let width = chunk_width.min(page.width as usize - column * chunk_width);
            for _ in 0..rows {
                chunk.numbers(page, width, sink)?;
            }
        }
    }
    Ok(())
}

impl Chunk<'_> {
    /// The numbers of the colours of so many pixels of its next row.
    fn numbers(
        &mut self,
        page: &Page,
        width: usize,
        sink: &mut dyn FnMut(&[f64]),
    ) -> Result<(), AugmentError> {
        let Self { content, raw } = self;
        // The others have 8 bits.
        let Content::Samples(sources) = content else {
            return Ok(());
        };
        let (colours, _) = page.colours();
        for (plane, source) in sources.iter_mut().enumerate() {
            source.read(raw, page.bytes)?;
            if page.is_planar && plane >= colours {
                continue;
            }
            let stride = if page.is_planar { 1 } else { page.samples };
            let mut numbers = samples::numbers(page, raw, stride);
            numbers.truncate(width * stride);
            if stride > colours {
                let mut place = 0..;
                numbers.retain(|_| place.next().is_some_and(|at: usize| at % stride < colours));
            }
            sink(&numbers);
        }
        Ok(())
    }
}
