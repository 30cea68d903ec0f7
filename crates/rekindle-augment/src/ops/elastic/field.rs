//! Smooth random fields.
//!
//! Owns: noise, and its blur by a Gaussian. It does not own what a field moves.

use super::super::pad::PaddingMode;
use crate::rng::SampleRng;

/// Noise drawn evenly from -`strength` to `strength` and blurred by a Gaussian of `sigma` pixels, row by row.
pub(super) fn random_field(
    width: usize,
    height: usize,
    strength: f32,
    sigma: f32,
    rng: &mut SampleRng,
) -> Vec<f32> {
    let noise = (0..width * height)
        .map(|_| rng.uniform(-strength, strength))
        .collect();
    blur(noise, width, height, sigma)
}

/// The field blurred by a Gaussian with torchvision's kernel size, mirrored about its edge pixels.
fn blur(field: Vec<f32>, width: usize, height: usize, sigma: f32) -> Vec<f32> {
    if field.is_empty() || sigma <= 0.0 {
        return field;
    }
    let half = half_kernel(sigma);
    let reach = half.len() - 1;
    let mirrored = |place: usize, count: usize| {
        // There is a pixel for every place, since the field has some.
        PaddingMode::Reflect
            .index(place as i64 - reach as i64, count)
            .unwrap_or(0)
    };

    // Whole rows are added in both passes, so that compilers use vectors.
    let mut across = vec![0.0; field.len()];
    let mut wide = vec![0.0; width + 2 * reach];
    for (line, output) in field
        .chunks_exact(width)
        .zip(across.chunks_exact_mut(width))
    {
        for (place, value) in wide.iter_mut().enumerate() {
            *value = line[mirrored(place, width)];
        }
        for (step, &weight) in half.iter().enumerate() {
            let left = &wide[reach - step..][..width];
            let right = &wide[reach + step..][..width];
            add_pair(output, left, right, weight);
        }
    }
    let mut down = vec![0.0; field.len()];
    for (y, output) in down.chunks_exact_mut(width).enumerate() {
        let line = |place: usize| &across[mirrored(place, height) * width..][..width];
        for (step, &weight) in half.iter().enumerate() {
            let (above, below) = (line(y + reach - step), line(y + reach + step));
            add_pair(output, above, below, weight);
        }
    }
    down
}

/// The weights from the centre outwards, the first one halved since it is added twice.
fn half_kernel(sigma: f32) -> Vec<f32> {
    // torchvision: `int(8 * sigma + 1)`, made odd.
    let reach = (8.0 * sigma + 1.0) as usize / 2;
    let weight = |step: usize| (-0.5 * (step as f64 / f64::from(sigma)).powi(2)).exp();
    let weights: Vec<f64> = (0..=reach).map(weight).collect();
    let sum = 2.0 * weights.iter().sum::<f64>() - 1.0;
    let mut half: Vec<f32> = weights.iter().map(|weight| (weight / sum) as f32).collect();
    half[0] /= 2.0;
    half
}

fn add_pair(output: &mut [f32], one: &[f32], other: &[f32], weight: f32) {
    for ((output, one), other) in output.iter_mut().zip(one).zip(other) {
        *output += (one + other) * weight;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_blur_of_a_point_is_the_one_of_torchvision() {
        // torchvision 0.29.2: F.gaussian_blur of 1 at (2, 1) in zeros of 7 by 6 (width by height), [9, 9], [1.0].
        let mut point = vec![0.0; 42];
        point[7 + 2] = 1.0;
        let expected = [
            0.05225725, 0.11924512, 0.1931306, 0.11710035, 0.02612862, 0.00214477, 0.00012953,
            0.0489089, 0.11160457, 0.1807559, 0.10959723, 0.02445445, 0.00200734, 0.00012123,
            0.02660719, 0.06071458, 0.09833395, 0.05962256, 0.01330359, 0.00109203, 6.595e-05,
            0.00584454, 0.01333657, 0.02160004, 0.01309669, 0.00292227, 0.00023987, 1.449e-05,
            0.00047856, 0.00109203, 0.00176866, 0.00107238, 0.00023928, 1.964e-05, 1.19e-06,
            2.89e-05, 6.595e-05, 0.00010682, 6.477e-05, 1.445e-05, 1.19e-06, 7e-08,
        ];
        for (found, expected) in blur(point, 7, 6, 1.0).iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} and {expected}");
        }
    }

    #[test]
    fn a_constant_field_stays_constant_at_every_size() {
        for (width, height) in [(1, 1), (1, 9), (7, 1), (5, 30)] {
            for value in blur(vec![2.5; width * height], width, height, 6.0) {
                assert!((value - 2.5).abs() < 1e-4, "{value}");
            }
        }
    }

    #[test]
    fn the_shifts_of_the_defaults_are_as_large_as_documented() {
        let field = random_field(224, 224, 25.0, 5.0, &mut SampleRng::new(1, 2, 3));
        let square = |value: &f32| f64::from(*value).powi(2);
        let mean = field.iter().map(square).sum::<f64>() / field.len() as f64;
        assert!((0.7..0.95).contains(&mean.sqrt()), "{}", mean.sqrt());
        let over_two = field.iter().filter(|value| value.abs() > 2.0).count();
        assert!(over_two * 20 < field.len(), "{over_two}");
    }

    #[test]
    fn without_sigma_there_is_the_noise_itself() {
        let rng = SampleRng::new(1, 2, 3);
        let field = random_field(3, 1, 2.0, 0.0, &mut rng.clone());
        let mut again = rng;
        let noise: Vec<f32> = (0..3).map(|_| again.uniform(-2.0, 2.0)).collect();
        assert_eq!(field, noise);
    }
}
