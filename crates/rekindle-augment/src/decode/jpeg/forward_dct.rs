//! From the samples of a block to its coefficients.
//!
//! Owns: the forward discrete cosine transform, libjpeg's `jpeg_fdct_islow` with its constants and its rounding, bit by bit.
//!
//! Source: Loeffler, Ligtenberg and Moschytz, "Practical fast 1-D DCT algorithms with 11 multiplications" (1989).

use std::num::Wrapping;

use super::inverse_dct::{CONSTANT_BITS, Number, PASS_BITS, descale, fixed};

/// The coefficients, row by row and times 8, of the rows of a block of samples from -128 to 127.
#[inline(always)]
pub(super) fn coefficients(rows: &[[i16; 8]; 8]) -> [[i16; 8]; 8] {
    // Each pass is one loop over eight lanes that lie side by side, as in the inverse transform.
    let across = pass(&transposed(rows), CONSTANT_BITS - PASS_BITS);
    pass(&transposed(&across), CONSTANT_BITS + PASS_BITS)
}

/// The transform of eight lanes; each of the eight lists holds one value of every lane.
#[inline(always)]
fn pass(values: &[[i16; 8]; 8], bits: usize) -> [[i16; 8]; 8] {
    let mut output = [[0; 8]; 8];
    for lane in 0..8 {
        let transformed = eight(std::array::from_fn(|place| {
            Wrapping(i32::from(values[place][lane]))
        }));
        for (list, value) in output.iter_mut().zip(transformed) {
            list[lane] = descale(value, bits).0 as i16;
        }
    }
    output
}

#[inline(always)]
fn transposed(values: &[[i16; 8]; 8]) -> [[i16; 8]; 8] {
    std::array::from_fn(|row| std::array::from_fn(|column| values[column][row]))
}

/// The one-dimensional transform, times the square root of 8 and 2^13.
#[inline(always)]
fn eight(x: [Number; 8]) -> [Number; 8] {
    let [sum0, sum1, sum2, sum3] = std::array::from_fn(|place| x[place] + x[7 - place]);
    let [odd0, odd1, odd2, odd3] = std::array::from_fn(|place| x[3 - place] - x[4 + place]);
    let (t10, t13) = (sum0 + sum3, sum0 - sum3);
    let (t11, t12) = (sum1 + sum2, sum1 - sum2);
    let even = (t12 + t13) * fixed(0.541_196_100);

    let z5 = (odd0 + odd2 + odd1 + odd3) * fixed(1.175_875_602);
    let z1 = (odd0 + odd3) * fixed(0.899_976_223);
    let z2 = (odd1 + odd2) * fixed(2.562_915_447);
    let z3 = z5 - (odd0 + odd2) * fixed(1.961_570_560);
    let z4 = z5 - (odd1 + odd3) * fixed(0.390_180_644);
    [
        (t10 + t11) << CONSTANT_BITS,
        odd3 * fixed(1.501_321_110) - z1 + z4,
        even + t13 * fixed(0.765_366_865),
        odd2 * fixed(3.072_711_026) - z2 + z3,
        (t10 - t11) << CONSTANT_BITS,
        odd1 * fixed(2.053_119_869) - z2 + z4,
        even - t12 * fixed(1.847_759_065),
        odd0 * fixed(0.298_631_336) - z1 + z3,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_coefficients_are_those_of_the_cosine_transform() {
        let rows: [[i16; 8]; 8] = std::array::from_fn(|y| {
            std::array::from_fn(|x| ((x * 37 + y * 91 + x * y * 13) % 256) as i16 - 128)
        });
        let cosine = |place: usize, order: usize| {
            let angle = std::f64::consts::PI * (2 * place + 1) as f64 * order as f64 / 16.0;
            let scale = if order == 0 { 0.125f64.sqrt() } else { 0.5 };
            scale * angle.cos()
        };
        for (down, row) in coefficients(&rows).iter().enumerate() {
            for (across, found) in row.iter().enumerate() {
                let mut expected = 0.0;
                for (y, row) in rows.iter().enumerate() {
                    for (x, sample) in row.iter().enumerate() {
                        expected += f64::from(*sample) * cosine(x, across) * cosine(y, down);
                    }
                }
                let difference = f64::from(*found) - 8.0 * expected;
                assert!(difference.abs() < 2.0, "{across}, {down}: {difference}");
            }
        }
    }
}
