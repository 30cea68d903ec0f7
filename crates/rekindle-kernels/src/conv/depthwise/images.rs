//! What a depthwise convolution reads: images in memory, or images that are still to be normalised, a few rows ahead of the reader.

use std::ops::Range;

use super::packed::row_below;
use crate::ConvShape;
use crate::buffer::Buffer;
use crate::norm::Reading;
use crate::simd::Level;

/// Where a convolution's input comes from.
#[derive(Clone, Copy)]
pub(crate) enum Source<'a> {
    Stored(&'a [f32]),
    Deferred(&'a Reading<'a>),
}

/// The input's images for one thread.
pub(super) struct Images<'a> {
    source: Source<'a>,
    level: Level,
    height: usize,
    /// Numbers of a row.
    line: usize,
    /// The image whose rows are computed, and which rows of it are.
    image: usize,
    ready: Range<usize>,
    /// Room for the rows of one image.
    rows: Buffer,
}

impl<'a> Images<'a> {
    pub(super) fn new(level: Level, shape: &ConvShape, source: Source<'a>) -> Self {
        let line = shape.width * shape.channels_in;
        let room = match source {
            Source::Stored(_) => 0,
            Source::Deferred(_) => shape.height * line,
        };
        Self {
            source,
            level,
            height: shape.height,
            line,
            image: 0,
            ready: 0..0,
            rows: Buffer::unspecified(room),
        }
    }

    /// An image, of which the rows that outputs of these `rows` see can be read; the others are unspecified.
    pub(super) fn seen_by(
        &mut self,
        shape: &ConvShape,
        image: usize,
        rows: Range<usize>,
    ) -> &[f32] {
        let reading = match self.source {
            Source::Stored(x) => {
                return &x[image * self.height * self.line..][..self.height * self.line];
            }
            Source::Deferred(reading) => reading,
        };
        let top = (rows.start * shape.stride[0]).saturating_sub(shape.padding[0][0]);
        let below = row_below(shape, rows.end - 1).clamp(0, self.height as isize) as usize;
        if image != self.image || top > self.ready.end {
            self.image = image;
            self.ready = top..top;
        }
        debug_assert!(top >= self.ready.start, "rows are read from top to bottom");
        if below > self.ready.end {
            let new = self.ready.end * self.line..below * self.line;
            let start = image * self.height * self.line + new.start;
            reading.read(self.level, start, &mut self.rows[new]);
            self.ready.end = below;
        }
        &self.rows
    }

    /// What memory the rows come from, of all images.
    pub(super) fn memory(&self) -> &'a [f32] {
        match self.source {
            Source::Stored(x) => x,
            Source::Deferred(reading) => reading.memory(),
        }
    }
}
