//! Rectangles and spans of an image.
//!
//! Owns: where a resize looks. It does not own any pixel.

/// A rectangle of whole pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PixelBox {
    /// First column.
    pub left: u32,
    /// First row.
    pub top: u32,
    /// Number of columns.
    pub width: u32,
    /// Number of rows.
    pub height: u32,
}

/// A rectangle whose edges may lie between pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Region {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

/// One axis of a resize.
pub(super) struct Axis {
    /// Where the region starts, in source pixels.
    pub(super) start: f64,
    /// Length of the region, in source pixels.
    pub(super) length: f64,
    /// Number of source pixels.
    pub(super) limit: u32,
    /// Number of output pixels of the region.
    pub(super) output: u32,
}

impl Axis {
    pub(super) fn new(start: f64, length: f64, limit: u32, output: u32) -> Self {
        let (start, length) = inside(start, length, limit);
        Self {
            start,
            length,
            limit,
            output,
        }
    }

    pub(super) fn span(&self) -> (f64, f64) {
        (self.start, self.length)
    }

    /// The span in an image of `count` pixels that starts at `first`.
    pub(super) fn span_from(&self, first: f64, count: u32) -> (f64, f64) {
        inside(self.start - first, self.length, count)
    }

    pub(super) fn is_unchanged(&self) -> bool {
        self.length == f64::from(self.output) && self.start.fract() == 0.0
    }

    /// Number of output pixels, were the whole source resized at this scale.
    pub(super) fn whole_output(&self) -> f64 {
        (f64::from(self.limit) * f64::from(self.output) / self.length).round()
    }

    /// First source pixel and number of source pixels that a filter looks at, with one to spare on each side.
    pub(super) fn needed(&self, support: f64) -> (f64, f64) {
        let reach = 1.0 + support * (self.length / f64::from(self.output)).max(1.0);
        let first = (self.start - reach).floor().max(0.0);
        let last = (self.start + self.length + reach).ceil();
        (first, last.min(f64::from(self.limit)) - first)
    }
}

/// Keeps a span on an axis of `limit` pixels; rounding of the scale can push its end over the edge by a trifle.
fn inside(start: f64, length: f64, limit: u32) -> (f64, f64) {
    let limit = f64::from(limit);
    let start = start.clamp(0.0, limit * (1.0 - f64::EPSILON));
    let mut length = length.min(limit - start);
    while start + length > limit {
        length *= 1.0 - f64::EPSILON;
    }
    (start, length)
}
