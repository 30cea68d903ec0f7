//! First weights. Owns the distributions and the draw from a seed on the host.

use serde::{Deserialize, Serialize};

use crate::random::HostRng;

/// The distribution of a linear layer's first weights; `fan_in` and `fan_out` are its widths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Initialisation {
    /// Uniform within `±sqrt(6 / (fan_in + fan_out))`. Glorot and Bengio 2010.
    #[default]
    XavierUniform,
    /// Normal of standard deviation `sqrt(2 / (fan_in + fan_out))`. Glorot and Bengio 2010.
    XavierNormal,
    /// Uniform within `±sqrt(6 / fan_in)`, for ReLU. [He et al. 2015](https://arxiv.org/abs/1502.01852).
    KaimingUniform,
    /// Normal of standard deviation `sqrt(2 / fan_in)`, for ReLU. [He et al. 2015](https://arxiv.org/abs/1502.01852).
    KaimingNormal,
    /// Normal of standard deviation 0.02, redrawn beyond two of them.
    TruncNormal,
}

impl Initialisation {
    /// Draws the `fan_in * fan_out` weights of a linear layer.
    pub fn draw(self, fan_in: usize, fan_out: usize, rng: &mut HostRng) -> Vec<f32> {
        let count = fan_in * fan_out;
        let (fan_in, fan_out) = (fan_in as f64, fan_out as f64);
        match self {
            Self::XavierUniform => uniform(count, (6.0 / (fan_in + fan_out)).sqrt(), rng),
            Self::XavierNormal => normal(count, (2.0 / (fan_in + fan_out)).sqrt(), rng),
            Self::KaimingUniform => uniform(count, (6.0 / fan_in).sqrt(), rng),
            Self::KaimingNormal => normal(count, (2.0 / fan_in).sqrt(), rng),
            Self::TruncNormal => truncated_normal(count, 0.02, rng),
        }
    }
}

fn uniform(count: usize, bound: f64, rng: &mut HostRng) -> Vec<f32> {
    (0..count)
        .map(|_| ((2.0 * rng.unit() - 1.0) * bound) as f32)
        .collect()
}

fn normal(count: usize, deviation: f64, rng: &mut HostRng) -> Vec<f32> {
    (0..count)
        .map(|_| (rng.normal() * deviation) as f32)
        .collect()
}

fn truncated_normal(count: usize, deviation: f64, rng: &mut HostRng) -> Vec<f32> {
    (0..count)
        .map(|_| {
            loop {
                let draw = rng.normal();
                if draw.abs() <= 2.0 {
                    return (draw * deviation) as f32;
                }
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(init: Initialisation, seed: u64) -> Vec<f32> {
        init.draw(400, 100, &mut HostRng::new(seed, 0))
    }

    fn deviation(values: &[f32]) -> f64 {
        let count = values.len() as f64;
        let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / count;
        (values
            .iter()
            .map(|&value| (f64::from(value) - mean).powi(2))
            .sum::<f64>()
            / count)
            .sqrt()
    }

    #[test]
    fn standard_deviations_are_those_of_the_formulas() {
        let expected = [
            (Initialisation::XavierUniform, (2.0f64 / 500.0).sqrt()),
            (Initialisation::XavierNormal, (2.0f64 / 500.0).sqrt()),
            (Initialisation::KaimingUniform, (2.0f64 / 400.0).sqrt()),
            (Initialisation::KaimingNormal, (2.0f64 / 400.0).sqrt()),
            // A normal cut at two deviations keeps 0.8796 of its deviation.
            (Initialisation::TruncNormal, 0.02 * 0.879_6),
        ];
        for (init, expected) in expected {
            let found = deviation(&draw(init, 7));
            assert!(
                (found / expected - 1.0).abs() < 0.01,
                "{init:?}: {found} against {expected}"
            );
        }
    }

    #[test]
    fn uniform_draws_stay_within_their_bound_and_reach_near_it() {
        let bound = (6.0f32 / 500.0).sqrt();
        let largest = draw(Initialisation::XavierUniform, 3)
            .iter()
            .fold(0.0f32, |max, value| max.max(value.abs()));
        assert!(
            largest <= bound && largest > 0.99 * bound,
            "{largest} against {bound}"
        );
    }

    #[test]
    fn truncated_draws_stay_within_two_deviations() {
        assert!(
            draw(Initialisation::TruncNormal, 3)
                .iter()
                .all(|value| value.abs() <= 0.04)
        );
    }

    #[test]
    fn seeds_and_layers_give_different_weights_and_one_seed_the_same() {
        assert_eq!(
            draw(Initialisation::XavierUniform, 1),
            draw(Initialisation::XavierUniform, 1)
        );
        assert_ne!(
            draw(Initialisation::XavierUniform, 1),
            draw(Initialisation::XavierUniform, 2)
        );
        let first = Initialisation::XavierUniform.draw(4, 4, &mut HostRng::new(1, 0));
        let second = Initialisation::XavierUniform.draw(4, 4, &mut HostRng::new(1, 1));
        assert_ne!(first, second);
    }
}
