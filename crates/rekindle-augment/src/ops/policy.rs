//! The operations of AutoAugment and its successors, and how strong each is.
//!
//! Owns: the list of operations, their ranges of magnitudes and how a magnitude becomes a parameter. What an operation does to
//! pixels is in the operation's own file; which ones run is in the policy's.

use image::RgbImage;

use super::affine::{AffineParameters, affine};
use super::auto_contrast::auto_contrast;
use super::brightness::adjust_brightness;
use super::contrast::adjust_contrast;
use super::equalise::equalise;
use super::invert::invert;
use super::pad::PaddingMode;
use super::posterise::posterise;
use super::rotation::rotate;
use super::saturation::adjust_saturation;
use super::sharpen::adjust_sharpness;
use super::solarise::solarise;
use crate::resize::Interpolation;
use crate::rng::SampleRng;

/// One operation of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyOperation {
    /// Nothing.
    Identity,
    /// A shear along the rows, with the top left corner fixed; the magnitude is its tangent.
    ShearX,
    /// A shear along the columns, with the top left corner fixed; the magnitude is its tangent.
    ShearY,
    /// A shift to the right by whole pixels.
    TranslateX,
    /// A shift down by whole pixels.
    TranslateY,
    /// A counter-clockwise turn by the magnitude in degrees.
    Rotate,
    /// [`adjust_brightness`] by 1 plus the magnitude.
    Brightness,
    /// [`adjust_saturation`] by 1 plus the magnitude.
    Saturation,
    /// [`adjust_contrast`] by 1 plus the magnitude.
    Contrast,
    /// [`adjust_sharpness`] by 1 plus the magnitude.
    Sharpness,
    /// [`posterise`] to so many bits.
    Posterise,
    /// [`solarise`] from 255 times the magnitude on.
    Solarise,
    /// [`auto_contrast`] without cutoff.
    AutoContrast,
    /// [`equalise`].
    Equalise,
    /// [`invert`].
    Invert,
}

use PolicyOperation::*;

impl PolicyOperation {
    /// Whether half of the magnitudes are to be negative.
    pub fn is_signed(self) -> bool {
        match self {
            ShearX | ShearY | TranslateX | TranslateY | Rotate => true,
            Brightness | Saturation | Contrast | Sharpness => true,
            Identity | Posterise | Solarise | AutoContrast | Equalise | Invert => false,
        }
    }

    /// The image after the operation with this magnitude, at its own size.
    ///
    /// Within one grey level of torchvision's policies on Pillow images.
    pub fn apply(
        self,
        image: RgbImage,
        magnitude: f32,
        interpolation: Interpolation,
        fill: [u8; 3],
    ) -> RgbImage {
        let [width, height] = [image.width(), image.height()].map(|side| side as f32);
        let moved = |shear: [f32; 2], shift_px: [f32; 2]| {
            let parameters = AffineParameters {
                shear_degrees: shear.map(|tangent| tangent.atan().to_degrees()),
                shift_px,
                ..AffineParameters::default()
            };
            affine(
                &image,
                &parameters,
                interpolation,
                PaddingMode::Constant,
                fill,
            )
        };
        match self {
            Identity => image,
            // `affine` keeps the centre in place; the shift brings the corner back.
            ShearX => moved([magnitude, 0.0], [-magnitude * height / 2.0, 0.0]),
            ShearY => moved([0.0, magnitude], [0.0, -magnitude * width / 2.0]),
            TranslateX => moved([0.0; 2], [magnitude.trunc(), 0.0]),
            TranslateY => moved([0.0; 2], [0.0, magnitude.trunc()]),
            Rotate => rotate(&image, magnitude, interpolation, fill),
            Brightness => adjust_brightness(image, 1.0 + magnitude),
            Saturation => adjust_saturation(image, 1.0 + magnitude),
            Contrast => adjust_contrast(image, 1.0 + magnitude),
            Sharpness => adjust_sharpness(&image, 1.0 + magnitude),
            Posterise => posterise(image, magnitude as u8),
            Solarise => solarise(image, 255.0 * magnitude),
            AutoContrast => auto_contrast(image, 0.0),
            Equalise => equalise(image),
            Invert => invert(image),
        }
    }
}

/// The operations of a policy and their ranges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicySpace {
    /// Of AutoAugment and, without inversion, of RandAugment.
    AutoAugment,
    /// Of TrivialAugment, wide.
    TrivialAugment,
    /// Of AugMix.
    AugMix,
}

const SPACE: [PolicyOperation; 15] = [
    Identity,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
    Rotate,
    Brightness,
    Saturation,
    Contrast,
    Sharpness,
    Posterise,
    Solarise,
    AutoContrast,
    Equalise,
    Invert,
];

impl PolicySpace {
    /// The operations that RandAugment, TrivialAugment and AugMix draw from, all equally often.
    pub fn operations(self) -> &'static [PolicyOperation] {
        match self {
            Self::AutoAugment | Self::TrivialAugment => &SPACE[..14],
            Self::AugMix => &SPACE[1..14],
        }
    }

    /// Magnitude number `bin` of `bins`, from the weakest on, of an operation on an image of this width and height.
    ///
    /// Shears are tangents, shifts pixels, turns degrees, enhancements the distance of the factor from 1, posterisation bits,
    /// solarisation a share of 255; 0 for operations without magnitude. Within a rounding of torchvision's
    /// tables, which decides about a pixel where a shift is a whole number of them.
    pub fn magnitude(
        self,
        operation: PolicyOperation,
        bin: u32,
        bins: u32,
        (width, height): (u32, u32),
    ) -> f32 {
        let even = |end: f64| evenly(0.0, end as f32, bin, bins);
        let [width, height] = [width, height].map(f64::from);
        // torchvision's: shifts as shares of the side, but for TrivialAugment's 32 pixels.
        let shift = |side: f64| match self {
            Self::AutoAugment => 150.0 / 331.0 * side,
            Self::TrivialAugment => 32.0,
            Self::AugMix => side / 3.0,
        };
        let wide = self == Self::TrivialAugment;
        match operation {
            Identity | AutoContrast | Equalise | Invert => 0.0,
            ShearX | ShearY => even(if wide { 0.99 } else { 0.3 }),
            TranslateX => even(shift(width)),
            TranslateY => even(shift(height)),
            Rotate => even(if wide { 135.0 } else { 30.0 }),
            Brightness | Saturation | Contrast | Sharpness => even(if wide { 0.99 } else { 0.9 }),
            Posterise => {
                let (most, range) = match self {
                    Self::AutoAugment => (8.0, 4.0),
                    Self::TrivialAugment => (8.0, 6.0),
                    Self::AugMix => (4.0, 4.0),
                };
                let last = bins.saturating_sub(1).max(1) as f32;
                (most - bin as f32 / (last / range)).round_ties_even()
            }
            Solarise => evenly(1.0, 0.0, bin, bins),
        }
    }
}

/// Number `bin` of `bins` from `start` to `end`, both included; from the nearer end, as PyTorch's `linspace`.
fn evenly(start: f32, end: f32, bin: u32, bins: u32) -> f32 {
    let last = bins.saturating_sub(1).max(1);
    let step = (end - start) / last as f32;
    match bin < bins / 2 {
        true => start + step * bin as f32,
        false => end - step * last.saturating_sub(bin) as f32,
    }
}

/// How a policy runs its operations.
#[derive(Debug, Clone, Copy)]
pub(super) struct PolicyRunner {
    pub(super) space: PolicySpace,
    pub(super) bins: u32,
    pub(super) interpolation: Interpolation,
    pub(super) fill: [u8; 3],
}

impl PolicyRunner {
    /// Runs an operation at magnitude number `bin`, to one side or the other where it has two.
    pub(super) fn run(
        &self,
        operation: PolicyOperation,
        bin: u32,
        image: RgbImage,
        rng: &mut SampleRng,
    ) -> RgbImage {
        let size = image.dimensions();
        let mut magnitude = self.space.magnitude(operation, bin, self.bins, size);
        if operation.is_signed() && rng.chance(0.5) {
            magnitude = -magnitude;
        }
        operation.apply(image, magnitude, self.interpolation, self.fill)
    }
}

/// One of the operations, all equally often.
pub(super) fn draw_operation(
    operations: &[PolicyOperation],
    rng: &mut SampleRng,
) -> PolicyOperation {
    let place = rng.below(operations.len() as u32) as usize;
    operations.get(place).copied().unwrap_or(Identity)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gradient;
    use proptest::prelude::*;

    const SPACES: [PolicySpace; 3] = [
        PolicySpace::AutoAugment,
        PolicySpace::TrivialAugment,
        PolicySpace::AugMix,
    ];

    #[test]
    fn a_shift_moves_by_whole_pixels_and_a_shear_keeps_the_corner() {
        let image = gradient(8, 6);
        let moved = TranslateX.apply(image.clone(), 2.9, Interpolation::Bilinear, [9; 3]);
        assert_eq!(moved.get_pixel(5, 3), image.get_pixel(3, 3));
        assert_eq!(moved.get_pixel(1, 3).0, [9; 3]);
        let sheared = ShearX.apply(image.clone(), 0.3, Interpolation::Nearest, [9; 3]);
        assert_eq!(sheared.get_pixel(3, 0), image.get_pixel(3, 0));
        assert_ne!(sheared.get_pixel(3, 5), image.get_pixel(3, 5));
    }

    proptest! {
        #[test]
        fn every_operation_keeps_the_size_at_every_magnitude(
            place in 0usize..15, space in 0usize..3, bin in 0u32..31, width in 1u32..30, height in 1u32..30,
        ) {
            let (operation, space) = (SPACE[place], SPACES[space]);
            let magnitude = space.magnitude(operation, bin, 31, (width, height));
            prop_assert!(magnitude.is_finite());
            for magnitude in [magnitude, -magnitude] {
                let output = operation.apply(gradient(width, height), magnitude, Interpolation::Bilinear, [0; 3]);
                prop_assert_eq!(output.dimensions(), (width, height));
            }
        }

        #[test]
        fn magnitudes_grow_with_their_number(place in 0usize..15, space in 0usize..3, bin in 0u32..30) {
            let (operation, space) = (SPACE[place], SPACES[space]);
            let at = |bin| space.magnitude(operation, bin, 31, (224, 160));
            match operation {
                Posterise | Solarise => prop_assert!(at(bin) >= at(bin + 1)),
                _ => prop_assert!(at(bin) <= at(bin + 1)),
            }
        }
    }
}
