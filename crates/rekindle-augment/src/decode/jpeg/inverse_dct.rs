//! From the coefficients of a block to its samples, at full size or at a half, a quarter or an eighth of it.
//!
//! Owns: the inverse discrete cosine transforms. They are libjpeg's, with its constants and its rounding, so the samples are
//! those of libjpeg-turbo bit by bit: `jpeg_idct_islow` at full size, and the reduced transforms of its `jidctred.c`.
//!
//! Source: Loeffler, Ligtenberg and Moschytz, "Practical fast 1-D DCT algorithms with 11 multiplications" (1989).

use std::num::Wrapping;

/// Fractional bits of the constants, and of the numbers between the two passes.
pub(super) const CONSTANT_BITS: usize = 13;
pub(super) const PASS_BITS: usize = 2;
/// Both, and the factor of 8 that the two-dimensional transform carries.
const FINAL_BITS: usize = CONSTANT_BITS + PASS_BITS + 3;

/// Damaged coefficients may overflow; what they give then is of no use, but it is not an error of this program.
pub(super) type Number = Wrapping<i32>;

/// `value * 2^13`, rounded: the constants of the transforms.
pub(super) const fn fixed(value: f64) -> Number {
    Wrapping((value * 8192.0 + 0.5) as i32)
}

/// Writes the samples of a block into `output`, `size` rows of `size` samples, each row `stride` after the one before.
///
/// `last` is the zigzag place of the last coefficient that is not zero. A size other than 1, 2, 4 is 8.
#[inline(always)]
pub(super) fn write_samples(
    block: &[i16; 64],
    last: usize,
    size: usize,
    output: &mut [u8],
    stride: usize,
) {
    if last == 0 || size == 1 {
        // The transform of a constant, as each of the transforms below rounds it.
        let value = sample((Wrapping(i32::from(block[0])) + Wrapping(1 << 2)) >> 3);
        for row in output.chunks_mut(stride).take(size) {
            row[..size].fill(value);
        }
        return;
    }
    match size {
        2 => reduce::<2>(block, two, 2, output, stride),
        4 => reduce::<4>(block, four, 1, output, stride),
        _ => reduce::<8>(block, eight, 0, output, stride),
    }
}

/// Both passes of a transform that makes `N` samples of eight coefficients, and carries a factor of `2^extra`.
///
/// Each pass is one loop over eight columns, or `N` rows, that lie side by side, so that the compiler turns it into vector
/// code: hence the changes of rows for columns between them.
#[inline(always)]
fn reduce<const N: usize>(
    block: &[i16; 64],
    transform: impl Fn([Number; 8]) -> [Number; N],
    extra: usize,
    output: &mut [u8],
    stride: usize,
) {
    // Rows of eight columns, of which the last `8 - N` are not used.
    let mut rows = [[0i16; 8]; N];
    for column in 0..8 {
        let values = transform(std::array::from_fn(|row| {
            Wrapping(i32::from(block[8 * row + column]))
        }));
        for (row, value) in rows.iter_mut().zip(values) {
            // 16 bits hold it, as in the vector code of libjpeg-turbo.
            let value = descale(value, CONSTANT_BITS - PASS_BITS + extra);
            row[column] = value.0.clamp(-32768, 32767) as i16;
        }
    }
    let mut columns = [[0i16; N]; 8];
    for (number, row) in rows.iter().enumerate() {
        for (column, value) in columns.iter_mut().zip(row) {
            column[number] = *value;
        }
    }
    let mut samples = [[0u8; N]; N];
    for row in 0..N {
        let values = transform(std::array::from_fn(|column| {
            Wrapping(i32::from(columns[column][row]))
        }));
        for (column, value) in samples.iter_mut().zip(values) {
            column[row] = sample(descale(value, FINAL_BITS + extra));
        }
    }
    for (number, line) in output.chunks_mut(stride).take(N).enumerate() {
        for (place, column) in line[..N].iter_mut().zip(&samples) {
            *place = column[number];
        }
    }
}

/// The level shift to 0..=255, and the limits.
#[inline(always)]
fn sample(value: Number) -> u8 {
    (value.0.wrapping_add(128)).clamp(0, 255) as u8
}

#[inline(always)]
pub(super) fn descale(value: Number, bits: usize) -> Number {
    (value + Wrapping(1 << (bits - 1))) >> bits
}

/// The one-dimensional transform at full size, without its final scale.
#[inline(always)]
fn eight(x: [Number; 8]) -> [Number; 8] {
    let z1 = (x[2] + x[6]) * fixed(0.541_196_100);
    let even2 = z1 - x[6] * fixed(1.847_759_065);
    let even3 = z1 + x[2] * fixed(0.765_366_865);
    let even0 = (x[0] + x[4]) << CONSTANT_BITS;
    let even1 = (x[0] - x[4]) << CONSTANT_BITS;
    let (t10, t13) = (even0 + even3, even0 - even3);
    let (t11, t12) = (even1 + even2, even1 - even2);

    let z5 = (x[7] + x[3] + x[5] + x[1]) * fixed(1.175_875_602);
    let z1 = (x[7] + x[1]) * fixed(0.899_976_223);
    let z2 = (x[5] + x[3]) * fixed(2.562_915_447);
    let z3 = z5 - (x[7] + x[3]) * fixed(1.961_570_560);
    let z4 = z5 - (x[5] + x[1]) * fixed(0.390_180_644);
    let odd0 = x[7] * fixed(0.298_631_336) - z1 + z3;
    let odd1 = x[5] * fixed(2.053_119_869) - z2 + z4;
    let odd2 = x[3] * fixed(3.072_711_026) - z2 + z3;
    let odd3 = x[1] * fixed(1.501_321_110) - z1 + z4;
    [
        t10 + odd3,
        t11 + odd2,
        t12 + odd1,
        t13 + odd0,
        t13 - odd0,
        t12 - odd1,
        t11 - odd2,
        t10 - odd3,
    ]
}

/// Four samples from eight coefficients; the fifth is not used.
#[inline(always)]
fn four(x: [Number; 8]) -> [Number; 4] {
    let even = x[0] << (CONSTANT_BITS + 1);
    let even2 = x[2] * fixed(1.847_759_065) - x[6] * fixed(0.765_366_865);
    let (t10, t12) = (even + even2, even - even2);
    let odd0 = x[5] * fixed(1.451_774_981) - x[7] * fixed(0.211_164_243)
        + x[1] * fixed(1.061_594_337)
        - x[3] * fixed(2.172_734_803);
    let odd2 = x[3] * fixed(0.899_976_223) + x[1] * fixed(2.562_915_447)
        - x[7] * fixed(0.509_795_579)
        - x[5] * fixed(0.601_344_887);
    [t10 + odd2, t12 + odd0, t12 - odd0, t10 - odd2]
}

/// Two samples from the first and the odd coefficients.
#[inline(always)]
fn two(x: [Number; 8]) -> [Number; 2] {
    let even = x[0] << (CONSTANT_BITS + 2);
    let odd = x[5] * fixed(0.850_430_095) - x[7] * fixed(0.720_959_822)
        + x[1] * fixed(3.624_509_785)
        - x[3] * fixed(1.272_758_580);
    [even + odd, even - odd]
}
