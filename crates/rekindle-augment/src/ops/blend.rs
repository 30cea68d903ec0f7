//! The line through two images, as in Pillow's `Image.blend`.
//!
//! Owns: the arithmetic that sharpening, saturation and edges share. It does not own what is blended.

/// `from + (to - from) * factor` of every value, cut to 0..255, written over `to`.
///
/// Factors from -16 to 16, in steps of 1/65536; fractions are cut off as Pillow does.
pub(super) fn blend(from: &[u8], to: &mut [u8], factor: f32) {
    let factor = fixed(factor);
    for (to, from) in to.iter_mut().zip(from) {
        *to = blend_value(*from, *to, factor);
    }
}

/// A factor in units of 1/65536.
pub(super) fn fixed(factor: f32) -> i32 {
    (factor.clamp(-16.0, 16.0) * 65_536.0).round() as i32
}

/// One value of [`blend`], with a factor from [`fixed`].
pub(super) fn blend_value(from: u8, to: u8, factor: i32) -> u8 {
    let (from, to) = (i32::from(from), i32::from(to));
    // 255 * 16 * 65536 fits 31 bits.
    (from + (((to - from) * factor) >> 16)).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_ends_are_the_two_images() {
        let (from, to) = ([0, 10, 255], [255, 7, 0]);
        let at = |factor| {
            let mut values = to;
            blend(&from, &mut values, factor);
            values
        };
        assert_eq!(at(0.0), from);
        assert_eq!(at(1.0), to);
        assert_eq!(at(2.0), [255, 4, 0]);
    }

    proptest! {
        #[test]
        fn it_is_within_one_grey_level_of_the_formula(
            from in any::<u8>(), to in any::<u8>(), factor in -10f32..10.0,
        ) {
            let exact = f64::from(from) + (f64::from(to) - f64::from(from)) * f64::from(factor);
            let value = f64::from(blend_value(from, to, fixed(factor)));
            prop_assert!((value - exact.clamp(0.0, 255.0)).abs() <= 1.01);
        }
    }
}
