//! AugMix.

use image::RgbImage;
use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::entry::Operation;
use super::policy::{PolicyOperation, PolicyRunner, PolicySpace, draw_operation};
use super::settings::{check_probability, check_range};
use super::warp::check_interpolation;
use crate::preprocessing::Preprocessing;
use crate::resize::Interpolation;
use crate::rng::SampleRng;
use crate::transform::Transform;

/// The image mixed with several versions of itself, each changed by a chain of weak operations.
///
/// ![original and samples](https://raw.githubusercontent.com/rekindle-rs/rekindle/main/crates/rekindle-augment/docs/ops/aug_mix.png)
///
/// `(1 - m) image + m (w_1 chain_1(image) + ... + w_width chain_width(image))`, with `m` from Beta(alpha, alpha) and the weights
/// from Dirichlet(alpha, ..). Each operation of a chain is drawn evenly and has one of the `severity` lowest of ten magnitudes:
/// shears (tangent up to 0.3), shifts (up to a third of the side), turns (up to 30 degrees), posterisation (4 to 0 bits),
/// solarisation, auto-contrast, equalisation and, with `all_operations`, brightness, saturation, contrast and sharpness.
///
/// Source: Hendrycks et al., "AugMix: A simple data processing method to improve robustness and uncertainty" (2020), without its
/// consistency loss. Reference: torchvision's `AugMix`, whose fill is black by default; the mixture is rounded here and cut off
/// there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AugMix {
    /// How many of the ten magnitudes are drawn from, the weakest first, from 1 to 10. Default 3.
    pub severity: u32,
    /// Number of chains, from 1 to 16. Default 3.
    pub width: u32,
    /// Operations in each chain, from 1 to 16; where it is left out, drawn evenly from 1 to 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depth: Option<u32>,
    /// Parameter of the weights' distributions, from 0.01 to 100; under 1 one version dominates. Default 1.
    pub alpha: f32,
    /// Whether brightness, saturation, contrast and sharpness are among the operations, which overlap with the corruptions of
    /// ImageNet-C. Default yes, torchvision's; the paper's own choice is no.
    pub all_operations: bool,
    /// Probability of a change. Default 1.
    pub probability: f32,
    /// The filter of shears, shifts and turns: nearest, bilinear (default) or bicubic.
    pub interpolation: Interpolation,
    /// Colour of what lies outside the image; where it is left out, [`Preprocessing::fill`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fill: Option<[u8; 3]>,
}

impl Default for AugMix {
    fn default() -> Self {
        Self {
            severity: 3,
            width: 3,
            depth: None,
            alpha: 1.0,
            all_operations: true,
            probability: 1.0,
            interpolation: Interpolation::Bilinear,
            fill: None,
        }
    }
}

impl Operation for AugMix {
    fn check(&self) -> Result<(), SettingError> {
        for (key, value, high, expected) in [
            (
                "severity",
                self.severity,
                BINS as f32,
                "a whole number from 1 to 10",
            ),
            ("width", self.width, 16.0, "a whole number from 1 to 16"),
            (
                "depth",
                self.depth.unwrap_or(1),
                16.0,
                "a whole number from 1 to 16",
            ),
        ] {
            check_range(key, value as f32, 1.0, high, expected)?;
        }
        check_range(
            "alpha",
            self.alpha,
            0.01,
            100.0,
            "a number from 0.01 to 100",
        )?;
        check_probability(self.probability)?;
        check_interpolation(self.interpolation)
    }

    fn build(&self, preprocessing: &Preprocessing) -> Box<dyn Transform> {
        let space = PolicySpace::AugMix;
        let operations = space.operations().iter().copied();
        let enhances = |operation: &PolicyOperation| {
            matches!(
                operation,
                PolicyOperation::Brightness
                    | PolicyOperation::Saturation
                    | PolicyOperation::Contrast
                    | PolicyOperation::Sharpness
            )
        };
        Box::new(Built {
            runner: PolicyRunner {
                space,
                bins: BINS,
                interpolation: self.interpolation,
                fill: self.fill.unwrap_or_else(|| preprocessing.fill()),
            },
            operations: operations
                .filter(|operation| self.all_operations || !enhances(operation))
                .collect(),
            settings: self.clone(),
        })
    }
}

/// Number of magnitudes, the paper's.
const BINS: u32 = 10;

#[derive(Debug)]
struct Built {
    runner: PolicyRunner,
    operations: Vec<PolicyOperation>,
    settings: AugMix,
}

impl Built {
    fn chain(&self, mut image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        let depth = self.settings.depth.unwrap_or_else(|| 1 + rng.below(3));
        for _ in 0..depth {
            let operation = draw_operation(&self.operations, rng);
            let bin = rng.below(self.settings.severity);
            image = self.runner.run(operation, bin, image, rng);
        }
        image
    }
}

impl Transform for Built {
    fn apply(&self, image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        if !rng.chance(self.settings.probability) {
            return image;
        }
        let alpha = f64::from(self.settings.alpha);
        let changed = dirichlet(alpha, 2, rng)[1];
        let weights = dirichlet(alpha, self.settings.width as usize, rng);
        let share = 1.0 - changed as f32;
        // A half makes the last step round.
        let mut sums: Vec<f32> = image
            .iter()
            .map(|value| 0.5 + share * f32::from(*value))
            .collect();
        for weight in weights {
            let weight = (changed * weight) as f32;
            let version = self.chain(image.clone(), rng);
            for (sum, value) in sums.iter_mut().zip(version.iter()) {
                *sum += weight * f32::from(*value);
            }
        }
        let mut image = image;
        for (value, sum) in image.iter_mut().zip(sums) {
            *value = sum as u8;
        }
        image
    }
}

/// `count` weights that sum to 1, from the symmetric Dirichlet distribution: numbers from Gamma(alpha, 1) by their sum.
fn dirichlet(alpha: f64, count: usize, rng: &mut SampleRng) -> Vec<f64> {
    // On a logarithmic scale, since for a small alpha all of them may be too small for a number.
    let logs: Vec<f64> = (0..count).map(|_| log_gamma_variate(alpha, rng)).collect();
    let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let shares: Vec<f64> = logs.iter().map(|log| (log - largest).exp()).collect();
    let sum: f64 = shares.iter().sum();
    shares.iter().map(|share| share / sum).collect()
}

/// The logarithm of a number from Gamma(shape, 1).
///
/// Source: Marsaglia and Tsang, "A simple method for generating gamma variables" (2000), with their step for shapes under 1.
fn log_gamma_variate(shape: f64, rng: &mut SampleRng) -> f64 {
    if shape < 1.0 {
        return log_gamma_variate(shape + 1.0, rng) + open_uniform(rng).ln() / shape;
    }
    let third = shape - 1.0 / 3.0;
    let scale = 1.0 / (9.0 * third).sqrt();
    loop {
        let normal = (-2.0 * open_uniform(rng).ln()).sqrt()
            * (std::f64::consts::TAU * open_uniform(rng)).cos();
        let cube = (1.0 + scale * normal).powi(3);
        if cube > 0.0
            && open_uniform(rng).ln() < 0.5 * normal * normal + third * (1.0 - cube + cube.ln())
        {
            return (third * cube).ln();
        }
    }
}

/// A number between 0 and 1, neither of them.
fn open_uniform(rng: &mut SampleRng) -> f64 {
    ((rng.next_u64() >> 12) as f64 + 0.5) / (1u64 << 52) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn weights_have_the_mean_and_variance_of_their_distribution() {
        for alpha in [0.3, 1.0, 5.0] {
            let mut rng = SampleRng::new(1, 2, 3);
            let draws: Vec<f64> = (0..20_000)
                .map(|_| dirichlet(alpha, 3, &mut rng)[0])
                .collect();
            let mean = draws.iter().sum::<f64>() / draws.len() as f64;
            let square = |draw: &f64| (draw - mean).powi(2);
            let variance = draws.iter().map(square).sum::<f64>() / draws.len() as f64;
            // A third, and (1/3)(2/3) / (3 alpha + 1).
            let expected = 2.0 / 9.0 / (3.0 * alpha + 1.0);
            assert!((mean - 1.0 / 3.0).abs() < 0.01, "{alpha}: {mean}");
            assert!(
                (variance / expected - 1.0).abs() < 0.06,
                "{alpha}: {variance}"
            );
        }
    }

    #[test]
    fn settings_are_checked_by_name() {
        let base = AugMix::default();
        let wrong = [
            (
                "`severity`",
                AugMix {
                    severity: 11,
                    ..base.clone()
                },
            ),
            (
                "`width`",
                AugMix {
                    width: 0,
                    ..base.clone()
                },
            ),
            (
                "`depth`",
                AugMix {
                    depth: Some(0),
                    ..base.clone()
                },
            ),
            (
                "`alpha`",
                AugMix {
                    alpha: 0.0,
                    ..base.clone()
                },
            ),
        ];
        for (key, spec) in wrong {
            let message = spec.check().unwrap_err().to_string();
            assert!(message.contains(key), "{message}");
        }
    }

    #[test]
    fn the_lowest_severity_leaves_a_flat_image_of_four_bits_alone() {
        // Moves fill with the image's own colour, four bits hold it, enhancements have a factor of 1.
        let flat = RgbImage::from_pixel(12, 12, image::Rgb([64; 3]));
        let spec = AugMix {
            severity: 1,
            fill: Some([64; 3]),
            ..AugMix::default()
        };
        let transform = spec.build(&Preprocessing::default());
        for sample in 0..100 {
            let output = transform.apply(flat.clone(), &mut SampleRng::new(0, 0, sample));
            assert_eq!(output, flat, "sample {sample}");
        }
    }

    #[test]
    fn without_all_operations_no_factor_is_changed() {
        let of = |all_operations| {
            let spec = AugMix {
                all_operations,
                severity: 9,
                depth: Some(1),
                width: 1,
                fill: Some([255, 0, 0]),
                ..AugMix::default()
            };
            let transform = spec.build(&Preprocessing::default());
            // Brighter red than the fill and the levels of the other operations can make it.
            let flat = RgbImage::from_pixel(12, 12, image::Rgb([255, 0, 0]));
            let greyed = |&sample: &u64| {
                let output = transform.apply(flat.clone(), &mut SampleRng::new(0, 0, sample));
                // Only saturation and contrast bring green and blue up while red stays bright.
                let [red, green, _] = output.get_pixel(6, 6).0;
                red > 200 && green > 0
            };
            (0..300).filter(greyed).count()
        };
        assert_eq!(of(false), 0);
        assert!(of(true) > 0);
    }

    proptest! {
        #[test]
        fn weights_sum_to_one(alpha in 0.01f64..100.0, count in 1usize..17, seed in any::<u64>()) {
            let weights = dirichlet(alpha, count, &mut SampleRng::new(seed, 0, 0));
            prop_assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            prop_assert!(weights.iter().all(|weight| (0.0..=1.0).contains(weight)));
        }
    }
}
