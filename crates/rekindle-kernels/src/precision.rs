//! The number format of the factors of convolutions' products. Which of them a processor has is `simd`'s business.

/// The number format in which the factors of a product meet. Sums, and everything that is stored, are `f32`.
///
/// It belongs to a convolution ([`ConvShape`](crate::ConvShape)), so that networks of different precisions can run side by side; a
/// backward pass keeps the precision of its forward pass.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Precision {
    /// 32-bit floats: 24 bits of significand.
    #[default]
    F32,
    /// 16-bit brain floats: the exponent of an `f32` and 8 bits of significand, rounded to nearest even. Twice as many products at
    /// a time, where the processor has AVX-512 BF16; elsewhere, and for the convolutions that gain nothing, factors stay `f32`.
    Bf16,
}

impl Precision {
    /// Its word in recipes and messages, `f32` or `bf16`: the one that it is serialised as.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }

    /// Places, as large as an `f32` each, of so many numbers along the depth of a product.
    pub(crate) fn places(self, numbers: usize) -> usize {
        match self {
            Self::F32 => numbers,
            Self::Bf16 => numbers.div_ceil(2),
        }
    }
}

/// The nearest `bf16`, ties to even, as its bits: what the instructions do.
#[cfg(test)]
pub(crate) fn rounded(x: f32) -> u16 {
    let bits = x.to_bits();
    if x.is_nan() {
        // Kept quiet: rounding could carry it into infinity.
        return (bits >> 16) as u16 | 0x40;
    }
    let odd = (bits >> 16) & 1;
    ((bits + 0x7fff + odd) >> 16) as u16
}

/// The numbers that products in `bf16` multiply.
#[cfg(test)]
pub(crate) fn all_rounded(numbers: &[f32]) -> Vec<f32> {
    let back = |x: &f32| f32::from_bits(u32::from(rounded(*x)) << 16);
    numbers.iter().map(back).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_goes_to_the_nearest_and_ties_to_even() {
        let back = |bits: u16| f32::from_bits(u32::from(bits) << 16);
        for (x, expected) in [
            (0.0, 0.0),
            (1.0, 1.0),
            (-2.5, -2.5),
            // 1 + 2^-8 lies between 1 and 1 + 2^-7, of which 1 is even; 1 + 3 * 2^-8 between 1 + 2^-7 and 1 + 2^-6, the even one.
            (1.0 + 1.0 / 256.0, 1.0),
            (1.0 + 3.0 / 256.0, 1.0 + 1.0 / 64.0),
            (f32::INFINITY, f32::INFINITY),
        ] {
            assert_eq!(back(rounded(x)), expected, "{x}");
        }
        assert!(back(rounded(f32::NAN)).is_nan());
    }
}
