//! From coefficients to residuals.
//!
//! Owns: the inverse transforms, of four blocks side by side at once, so that the compiler turns them into vector code. The
//! arithmetic is that of libwebp's vector code, 16 bits wide.
//!
//! Source: RFC 6386, section 14.

use pulp::bytemuck::cast;

/// Four rows of four blocks side by side.
type Group = [[i16; 16]; 4];

/// What the coefficients of four blocks side by side are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Content {
    #[default]
    Zero,
    /// Only the first ones of the blocks.
    Dc,
    Any,
}

/// The DC coefficients of all luma blocks from the block that they are coded as, the first four values of each row.
///
/// Source: RFC 6386, section 14.3.
#[inline(always)]
pub(super) fn inverse_walsh_hadamard(block: &[[i16; 16]; 4]) -> [[i16; 4]; 4] {
    let mut rows = [[0; 4]; 4];
    for column in 0..4 {
        let [a, b, c, d] = block;
        let values = [a[column], b[column], c[column], d[column]];
        for (row, value) in rows.iter_mut().zip(walsh_hadamard(values, 0)) {
            row[column] = value;
        }
    }
    let mut result = [[0; 4]; 4];
    for (result, row) in result.iter_mut().zip(rows) {
        for (result, value) in result.iter_mut().zip(walsh_hadamard(row, 3)) {
            *result = (value >> 3) as i16;
        }
    }
    result
}

#[inline(always)]
fn walsh_hadamard<T: Into<i32>>([a, b, c, d]: [T; 4], rounding: i32) -> [i32; 4] {
    let (a, b, c, d) = (a.into() + rounding, b.into(), c.into(), d.into());
    let (outer_sum, outer_difference) = (a + d, a - d);
    let (inner_sum, inner_difference) = (b + c, b - c);
    [
        outer_sum + inner_sum,
        outer_difference + inner_difference,
        outer_sum - inner_sum,
        outer_difference - inner_difference,
    ]
}

/// Turns coefficients into residuals, in their places.
#[inline(always)]
pub(super) fn inverse_transform(rows: &mut Group, content: Content) {
    match content {
        Content::Zero => {}
        Content::Dc => {
            let mut row = [0; 16];
            for (column, value) in row.iter_mut().enumerate() {
                *value = rows[0][column & !3].wrapping_add(4) >> 3;
            }
            *rows = [row; 4];
        }
        Content::Any => {
            let down = pass(rows, 0, 0);
            let across = pass(&transpose(down), 4, 3);
            *rows = transpose(across);
        }
    }
}

/// The transform of each column, where `rounding` is added before and `shift` bits are dropped behind.
#[inline(always)]
fn pass(rows: &Group, rounding: i16, shift: u32) -> Group {
    let mut result = [[0; 16]; 4];
    for column in 0..16 {
        let first = rows[0][column].wrapping_add(rounding);
        let (second, third, fourth) = (rows[1][column], rows[2][column], rows[3][column]);
        let a = first.wrapping_add(third);
        let b = first.wrapping_sub(third);
        let c = sine(second).wrapping_sub(cosine(fourth));
        let d = cosine(second).wrapping_add(sine(fourth));
        result[0][column] = a.wrapping_add(d) >> shift;
        result[1][column] = b.wrapping_add(c) >> shift;
        result[2][column] = b.wrapping_sub(c) >> shift;
        result[3][column] = a.wrapping_sub(d) >> shift;
    }
    result
}

/// The product with `sqrt(2) cos(pi / 8)`.
#[inline(always)]
fn cosine(value: i16) -> i16 {
    value.wrapping_add(high(value, 20_091))
}

/// The product with `sqrt(2) sin(pi / 8)`; the factor is 35468 / 65536, which does not fit in 16 bits.
#[inline(always)]
fn sine(value: i16) -> i16 {
    value.wrapping_add(high(value, (35_468 - 65_536) as i16))
}

/// The upper half of a product.
#[inline(always)]
fn high(value: i16, factor: i16) -> i16 {
    ((i32::from(value) * i32::from(factor)) >> 16) as i16
}

/// Rows for columns, inside each of the four blocks. A row of a block is one number here.
#[inline(always)]
fn transpose(rows: Group) -> Group {
    // The lowest bits of a number are the first of its values; where they are the last, rows and columns count backwards.
    let [a, b, c, d] = in_order(rows);
    let ((a, c), (b, d)) = (exchange::<32>(a, c), exchange::<32>(b, d));
    let ((a, b), (c, d)) = (exchange::<16>(a, b), exchange::<16>(c, d));
    in_order([a, b, c, d])
}

#[inline(always)]
fn in_order([a, b, c, d]: Group) -> Group {
    match cfg!(target_endian = "big") {
        true => [d, c, b, a],
        false => [a, b, c, d],
    }
}

/// Two rows whose parts of so many bits change places: the second, fourth .. of the upper one and the first, third .. of the lower.
#[inline(always)]
fn exchange<const BITS: u32>(upper: [i16; 16], lower: [i16; 16]) -> ([i16; 16], [i16; 16]) {
    let (upper, lower): ([u64; 4], [u64; 4]) = (cast(upper), cast(lower));
    let (upper, lower) = crate::decode::planes::exchange::<BITS, 4>(upper, lower);
    (cast(upper), cast(lower))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_transposed_each_for_itself() {
        let rows: Group =
            std::array::from_fn(|row| std::array::from_fn(|column| (16 * row + column) as i16));
        let turned = transpose(rows);
        for (row, values) in turned.iter().enumerate() {
            for (column, value) in values.iter().enumerate() {
                let (block, inside) = (column / 4, column % 4);
                assert_eq!(*value, rows[inside][4 * block + row]);
            }
        }
    }

    #[test]
    fn the_short_cut_for_dc_coefficients_gives_what_the_transform_gives() {
        for value in -4000..4000 {
            let mut rows = [[0; 16]; 4];
            for block in 0..4 {
                rows[0][4 * block] = value + 7 * block as i16;
            }
            let mut short = rows;
            inverse_transform(&mut rows, Content::Any);
            inverse_transform(&mut short, Content::Dc);
            assert_eq!(rows, short);
        }
    }
}
