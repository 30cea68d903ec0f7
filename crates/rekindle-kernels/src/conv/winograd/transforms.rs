//! The transforms of one column or row of a tile, and their adjoints.

use crate::simd::Simd;

/// `B' d`.
#[inline(always)]
pub(super) fn input_transform<S: Simd>(s: S, d: [S::V; 6]) -> [S::V; 6] {
    let (four, two) = (s.splat(4.0), s.splat(2.0));
    let (four_less, five_less) = (s.splat(-4.0), s.splat(-5.0));
    let even = s.mul_add(four_less, d[2], d[4]);
    let odd = s.mul_add(four_less, d[1], d[3]);
    let low = s.sub(d[4], d[2]);
    let high = s.mul(two, s.sub(d[3], d[1]));
    [
        s.mul_add(four, d[0], s.mul_add(five_less, d[2], d[4])),
        s.add(even, odd),
        s.sub(even, odd),
        s.add(low, high),
        s.sub(low, high),
        s.mul_add(four, d[1], s.mul_add(five_less, d[3], d[5])),
    ]
}

/// `A' m`.
#[inline(always)]
pub(super) fn output_transform<S: Simd>(s: S, m: [S::V; 6]) -> [S::V; 4] {
    let (sum, difference) = (s.add(m[1], m[2]), s.sub(m[1], m[2]));
    let (sum2, difference2) = (s.add(m[3], m[4]), s.sub(m[3], m[4]));
    [
        s.add(m[0], s.add(sum, sum2)),
        s.mul_add(s.splat(2.0), difference2, difference),
        s.mul_add(s.splat(4.0), sum2, sum),
        s.add(s.mul_add(s.splat(8.0), difference2, difference), m[5]),
    ]
}

/// The adjoint of [`output_transform`].
#[inline(always)]
pub(super) fn gradient_transform<S: Simd>(s: S, y: [S::V; 4]) -> [S::V; 6] {
    let (even, odd) = (s.add(y[0], y[2]), s.add(y[1], y[3]));
    let even2 = s.mul_add(s.splat(4.0), y[2], y[0]);
    let odd2 = s.mul(s.splat(2.0), s.mul_add(s.splat(4.0), y[3], y[1]));
    [
        y[0],
        s.add(even, odd),
        s.sub(even, odd),
        s.add(even2, odd2),
        s.sub(even2, odd2),
        y[3],
    ]
}

/// `G g`.
#[inline(always)]
pub(super) fn weight_transform<S: Simd>(s: S, g: [S::V; 3]) -> [S::V; 6] {
    let sum = s.add(g[0], g[2]);
    let sum2 = s.mul(s.splat(1.0 / 24.0), s.mul_add(s.splat(4.0), g[2], g[0]));
    let odd2 = s.mul(s.splat(1.0 / 12.0), g[1]);
    let sixth = s.splat(-1.0 / 6.0);
    [
        s.mul(s.splat(0.25), g[0]),
        s.mul(sixth, s.add(sum, g[1])),
        s.mul(sixth, s.sub(sum, g[1])),
        s.add(sum2, odd2),
        s.sub(sum2, odd2),
        g[2],
    ]
}

/// The adjoint of [`weight_transform`].
#[inline(always)]
pub(super) fn weight_gradient_transform<S: Simd>(s: S, u: [S::V; 6]) -> [S::V; 3] {
    let (sum, sum2) = (s.add(u[1], u[2]), s.add(u[3], u[4]));
    let (difference, difference2) = (s.sub(u[2], u[1]), s.sub(u[3], u[4]));
    let sixth = s.splat(1.0 / 6.0);
    let first = s.mul_add(s.splat(0.25), u[0], s.mul(s.splat(1.0 / 24.0), sum2));
    [
        s.sub(first, s.mul(sixth, sum)),
        s.mul_add(sixth, difference, s.mul(s.splat(1.0 / 12.0), difference2)),
        s.mul_add(sixth, s.sub(sum2, sum), u[5]),
    ]
}
