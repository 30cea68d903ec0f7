//! From coefficients to residuals.
//!
//! Owns: the inverse transforms, of four blocks side by side at once, so that the compiler turns them into vector code. The
//! arithmetic is that of libwebp's vector code, 16 bits wide.
//!
//! Source: RFC 6386, section 14.

use pulp::bytemuck::cast;

use super::residual::Content;

/// Four rows of four blocks side by side.
type Group = [[i16; 16]; 4];

/// The DC coefficients of all luma blocks from the block that they are coded as.
///
/// Source: RFC 6386, section 14.3.
pub(super) fn inverse_walsh_hadamard(block: &[[i16; 4]; 4]) -> [[i16; 4]; 4] {
    let pass = |[a, b, c, d]: [i32; 4], rounding: i32| {
        let (sum, difference) = (a + d + rounding, a - d + rounding);
        let (inner_sum, inner_difference) = (b + c, b - c);
        [
            sum + inner_sum,
            difference + inner_difference,
            sum - inner_sum,
            difference - inner_difference,
        ]
    };
    let mut rows = [[0; 4]; 4];
    for across in 0..4 {
        let column = pass(block.map(|row| i32::from(row[across])), 0);
        for (row, value) in rows.iter_mut().zip(column) {
            row[across] = value;
        }
    }
    rows.map(|row| pass(row, 3).map(|value| (value >> 3) as i16))
}

/// Turns coefficients into residuals, in their places.
#[inline(always)]
pub(super) fn inverse_transform(rows: &mut Group, content: Content) {
    match content {
        Content::Zero => {}
        Content::Dc => {
            let first: [i16; 4] = std::array::from_fn(|block| rows[0][4 * block]);
            let row: [i16; 16] =
                std::array::from_fn(|column| first[column / 4].wrapping_add(4) >> 3);
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
        let [first, second, third, fourth] = [0, 1, 2, 3].map(|row| rows[row][column]);
        let first = first.wrapping_add(rounding);
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
    const LOW_HALF: u64 = 0xffff_ffff;
    const EVEN: u64 = 0xffff_0000_ffff;
    // The lowest bits of a number are the first of its values, or the last.
    let order = if cfg!(target_endian = "big") {
        [3, 2, 1, 0]
    } else {
        [0, 1, 2, 3]
    };
    let rows: [[u64; 4]; 4] = order.map(|row| cast(rows[row]));
    let mut columns = [[0u64; 4]; 4];
    for block in 0..4 {
        let [a, b, c, d] = [0, 1, 2, 3].map(|row: usize| rows[row][block]);
        let halves = |upper: u64, lower: u64| {
            let first = (upper & LOW_HALF) | (lower << 32);
            (first, (upper >> 32) | (lower & !LOW_HALF))
        };
        let ((a, c), (b, d)) = (halves(a, c), halves(b, d));
        let quarters = |upper: u64, lower: u64| {
            let first = (upper & EVEN) | ((lower & EVEN) << 16);
            (first, ((upper >> 16) & EVEN) | (lower & !EVEN))
        };
        let ((a, b), (c, d)) = (quarters(a, b), quarters(c, d));
        for (row, value) in columns.iter_mut().zip([a, b, c, d]) {
            row[block] = value;
        }
    }
    order.map(|row| cast(columns[row]))
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
