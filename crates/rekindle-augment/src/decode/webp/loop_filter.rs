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
    for place in 0..16 {
        let at = |row: usize| i16::from(source[row][place]);
        let (p1, p0, q0, q1) = (at(2), at(3), at(4), at(5));
        let step = common_step(3 * (q0 - p0) + signed_byte(p1 - q1));
        let is_smoothed = 4 * (p0 - q0).abs() + (p1 - q1).abs() <= limit;
        let keep = -i16::from(is_smoothed);
        pixels[3][place] = byte(p0 + (step[1] & keep));
        pixels[4][place] = byte(q0 - (step[0] & keep));
    }
}

/// Section 15.3, edges between blocks of a macroblock.
#[inline(always)]
fn smooth_inner(pixels: &mut Across, limit: i16, strength: FilterStrength) {
    let source = *pixels;
    for place in 0..16 {
        let at = |row: usize| i16::from(source[row][place]);
        let (p1, p0, q0, q1) = (at(2), at(3), at(4), at(5));
        let keep = smoothed(at, limit, strength);
        let detail = detailed(at, strength);
        let step = common_step(3 * (q0 - p0) + (signed_byte(p1 - q1) & detail));
        let outer = ((step[0] + 1) >> 1) & !detail & keep;
        pixels[2][place] = byte(p1 + outer);
        pixels[3][place] = byte(p0 + (step[1] & keep));
        pixels[4][place] = byte(q0 - (step[0] & keep));
        pixels[5][place] = byte(q1 - outer);
    }
}

/// Section 15.3, edges between macroblocks.
#[inline(always)]
fn smooth_outer(pixels: &mut Across, limit: i16, strength: FilterStrength) {
    let source = *pixels;
    for place in 0..16 {
        let at = |row: usize| i16::from(source[row][place]);
        let (p2, p1, p0, q0, q1, q2) = (at(1), at(2), at(3), at(4), at(5), at(6));
        let keep = smoothed(at, limit, strength);
        let detail = detailed(at, strength);
        let sum = 3 * (q0 - p0) + signed_byte(p1 - q1);
        let step = common_step(sum);
        let weight = signed_byte(sum);
        let part = |factor: i16| (factor * weight + 63) >> 7;
        let choose = |plain: i16, of_detail: i16| {
            ((plain & !detail) | (of_detail & detail)) & keep
        };
        let (below, above) = (choose(part(27), step[1]), choose(part(27), step[0]));
        let (second, third) = (choose(part(18), 0), choose(part(9), 0));
        pixels[1][place] = byte(p2 + third);
        pixels[2][place] = byte(p1 + second);
        pixels[3][place] = byte(p0 + below);
        pixels[4][place] = byte(q0 - above);
        pixels[5][place] = byte(q1 - second);
        pixels[6][place] = byte(q2 - third);
    }
}

/// All bits where no step between neighbours is too large to come from coding.
#[inline(always)]
fn smoothed(at: impl Fn(usize) -> i16, limit: i16, strength: FilterStrength) -> i16 {
    let is_near = |a: usize, b: usize| (at(a) - at(b)).abs() <= strength.interior;
    let is_smoothed = (4 * (at(3) - at(4)).abs() + (at(2) - at(5)).abs() <= limit)
        & is_near(0, 1)
        & is_near(1, 2)
        & is_near(2, 3)
        & is_near(7, 6)
        & is_near(6, 5)
        & is_near(5, 4);
    -i16::from(is_smoothed)
}

/// All bits where a step next to the edge is a detail of the picture.
#[inline(always)]
fn detailed(at: impl Fn(usize) -> i16, strength: FilterStrength) -> i16 {
    let is_far = |a: usize, b: usize| (at(a) - at(b)).abs() > strength.detail;
    -i16::from(is_far(2, 3) | is_far(5, 4))
}

/// What the pixels next to an edge change by: the one behind it goes down by the first, the one before it up by the second.
#[inline(always)]
fn common_step(sum: i16) -> [i16; 2] {
    [4, 3].map(|rounding| ((sum + rounding) >> 3).clamp(-16, 15))
}

#[inline(always)]
fn signed_byte(value: i16) -> i16 {
    value.clamp(-128, 127)
}

#[inline(always)]
fn byte(value: i16) -> u8 {
    value.clamp(0, 255) as u8
}
