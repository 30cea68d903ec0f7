//! The smoothing of the edges between blocks.
//!
//! Owns: the arithmetic of the filters, for 16 places along an edge at once, so that the compiler turns it into vector code. It
//! does not know where the pixels lie.
//!
//! Source: RFC 6386, section 15.

use super::header::FilterStrength;

/// Pixels across an edge, four on each side, at 16 places along it.
pub(super) type Across = [[u8; 16]; 8];

/// Which filter an edge gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edge {
    /// Between macroblocks, by the normal filter.
    Outer,
    /// Inside a macroblock, by the normal filter.
    Inner,
    /// Between macroblocks, by the simple filter.
    SimpleOuter,
    /// Inside a macroblock, by the simple filter.
    SimpleInner,
}

impl Edge {
    /// The largest step of `4 |p0 - q0| + |p1 - q1|` that is smoothed.
    #[inline(always)]
    fn limit(self, strength: FilterStrength) -> i16 {
        let wider = match self {
            Self::Outer | Self::SimpleOuter => 4,
            Self::Inner | Self::SimpleInner => 0,
        };
        2 * (strength.limit + wider) + 1
    }
}

/// Smooths an edge.
#[inline(always)]
pub(super) fn smooth(edge: Edge, pixels: &mut Across, strength: FilterStrength) {
    match edge {
        Edge::Outer => smooth_outer(pixels, edge.limit(strength), strength),
        Edge::Inner => smooth_inner(pixels, edge.limit(strength), strength),
        Edge::SimpleOuter | Edge::SimpleInner => smooth_simple(pixels, edge.limit(strength)),
    }
}

/// Section 15.2.
#[inline(always)]
fn smooth_simple(pixels: &mut Across, limit: i16) {
    let source = *pixels;
    #[expect(
        clippy::needless_range_loop,
        reason = "a place is a column of all rows"
    )]
    for place in 0..16 {
        let [_, _, p1, p0, q0, q1, _, _] = column(&source, place);
        let [down, up] = common_step(3 * (q0 - p0) + signed_byte(p1 - q1));
        let keep = mask(is_step_small(p1, p0, q0, q1, limit));
        pixels[3][place] = byte(p0 + (up & keep));
        pixels[4][place] = byte(q0 - (down & keep));
    }
}

/// Section 15.3, edges between blocks of a macroblock.
#[inline(always)]
fn smooth_inner(pixels: &mut Across, limit: i16, strength: FilterStrength) {
    let source = *pixels;
    #[expect(
        clippy::needless_range_loop,
        reason = "a place is a column of all rows"
    )]
    for place in 0..16 {
        let around = column(&source, place);
        let [_, _, p1, p0, q0, q1, _, _] = around;
        let keep = mask(is_smoothed(around, limit, strength.interior));
        let detail = mask(is_detail(around, strength.detail));
        let [down, up] = common_step(3 * (q0 - p0) + (signed_byte(p1 - q1) & detail));
        let outer = ((down + 1) >> 1) & !detail & keep;
        pixels[2][place] = byte(p1 + outer);
        pixels[3][place] = byte(p0 + (up & keep));
        pixels[4][place] = byte(q0 - (down & keep));
        pixels[5][place] = byte(q1 - outer);
    }
}

/// Section 15.3, edges between macroblocks.
#[inline(always)]
fn smooth_outer(pixels: &mut Across, limit: i16, strength: FilterStrength) {
    let source = *pixels;
    #[expect(
        clippy::needless_range_loop,
        reason = "a place is a column of all rows"
    )]
    for place in 0..16 {
        let around = column(&source, place);
        let [_, p2, p1, p0, q0, q1, q2, _] = around;
        let keep = mask(is_smoothed(around, limit, strength.interior));
        let detail = mask(is_detail(around, strength.detail));
        let sum = 3 * (q0 - p0) + signed_byte(p1 - q1);
        let [down, up] = common_step(sum);
        // Details change by the common step, anything else by parts of the sum that fall off.
        let sum = signed_byte(sum);
        let first = ((27 * sum + 63) >> 7) & !detail;
        let second = ((18 * sum + 63) >> 7) & !detail & keep;
        let third = ((9 * sum + 63) >> 7) & !detail & keep;
        let (up, down) = (
            (first | (up & detail)) & keep,
            (first | (down & detail)) & keep,
        );
        pixels[1][place] = byte(p2 + third);
        pixels[2][place] = byte(p1 + second);
        pixels[3][place] = byte(p0 + up);
        pixels[4][place] = byte(q0 - down);
        pixels[5][place] = byte(q1 - second);
        pixels[6][place] = byte(q2 - third);
    }
}

/// The pixels across an edge at one place: `p3` to `p0` before it, `q0` to `q3` behind it.
#[inline(always)]
fn column(pixels: &Across, place: usize) -> [i16; 8] {
    let mut column = [0; 8];
    for (value, row) in column.iter_mut().zip(pixels) {
        *value = i16::from(row[place]);
    }
    column
}

/// All bits, or none.
#[inline(always)]
fn mask(is: bool) -> i16 {
    -i16::from(is)
}

/// Whether the step across the edge is small enough to come from coding.
#[inline(always)]
fn is_step_small(p1: i16, p0: i16, q0: i16, q1: i16, limit: i16) -> bool {
    4 * (p0 - q0).abs() + (p1 - q1).abs() <= limit
}

/// Whether all steps are.
#[inline(always)]
fn is_smoothed([p3, p2, p1, p0, q0, q1, q2, q3]: [i16; 8], limit: i16, interior: i16) -> bool {
    is_step_small(p1, p0, q0, q1, limit)
        & ((p3 - p2).abs() <= interior)
        & ((p2 - p1).abs() <= interior)
        & ((p1 - p0).abs() <= interior)
        & ((q3 - q2).abs() <= interior)
        & ((q2 - q1).abs() <= interior)
        & ((q1 - q0).abs() <= interior)
}

/// Whether a step next to the edge belongs to the picture.
#[inline(always)]
fn is_detail([_, _, p1, p0, q0, q1, _, _]: [i16; 8], most: i16) -> bool {
    ((p1 - p0).abs() > most) | ((q1 - q0).abs() > most)
}

/// What the pixels next to an edge change by: the one behind it goes down by the first, the one before it up by the second.
#[inline(always)]
fn common_step(sum: i16) -> [i16; 2] {
    [
        ((sum + 4) >> 3).clamp(-16, 15),
        ((sum + 3) >> 3).clamp(-16, 15),
    ]
}

#[inline(always)]
fn signed_byte(value: i16) -> i16 {
    value.clamp(-128, 127)
}

#[inline(always)]
fn byte(value: i16) -> u8 {
    value.clamp(0, 255) as u8
}
