//! Class activation maps: a stage's channels added up, each with a weight that says how the output depends on it.
//!
//! Owns the formulas, on the host in f64. The rules are those of pytorch-grad-cam 1.5.7, which the tests compare them with.

use super::map::HeatMap;

/// Kept out of a division by 0, as there.
const EPSILON: f64 = 1e-6;

/// What a stage made of one image, and the derivative of an output with respect to it: `[channels, height, width]` each.
#[derive(Debug, Clone, Copy)]
pub struct StageMaps<'a> {
    /// Height and width.
    pub size: [usize; 2],
    /// The stage's output.
    pub activations: &'a [f32],
    /// The derivative.
    pub gradients: &'a [f32],
}

impl StageMaps<'_> {
    /// Activations and derivatives, channel by channel.
    fn channels(&self) -> impl Iterator<Item = (&[f32], &[f32])> {
        let cells = self.size[0] * self.size[1];
        let each = |values: &'_ [f32]| values.len() / cells;
        assert_eq!(each(self.activations), each(self.gradients));
        let activations = self.activations.chunks_exact(cells);
        activations.zip(self.gradients.chunks_exact(cells))
    }

    /// Grad-CAM ([Selvaraju et al. 2017](https://arxiv.org/abs/1610.02391)): the weight of a channel is the mean of its derivative.
    pub fn grad_cam(&self) -> HeatMap {
        self.weighted(|_, gradients| {
            let sum: f64 = gradients.iter().copied().map(f64::from).sum();
            sum / gradients.len() as f64
        })
    }

    /// Grad-CAM++ ([Chattopadhay et al. 2018](https://arxiv.org/abs/1710.11063), equation 19): the weight of a channel is the sum of its
    /// positive derivatives `g`, each times `g^2 / (2 g^2 + s g^3)`, where `s` is the sum of the channel.
    pub fn grad_cam_plus_plus(&self) -> HeatMap {
        self.weighted(|activations, gradients| {
            let sum: f64 = activations.iter().copied().map(f64::from).sum();
            let each = |gradient: &f32| {
                let gradient = f64::from(*gradient);
                let square = gradient * gradient;
                let share = square / (2.0 * square + sum * square * gradient + EPSILON);
                match gradient == 0.0 {
                    true => 0.0,
                    false => gradient.max(0.0) * share,
                }
            };
            gradients.iter().map(each).sum()
        })
    }

    /// The sum of the channels with these weights, and 0 where that speaks against the output.
    fn weighted(&self, weight: impl Fn(&[f32], &[f32]) -> f64) -> HeatMap {
        let mut sums = vec![0.0f64; self.size[0] * self.size[1]];
        for (activations, gradients) in self.channels() {
            let weight = weight(activations, gradients);
            for (sum, activation) in sums.iter_mut().zip(activations) {
                *sum += weight * f64::from(*activation);
            }
        }
        let values = sums.into_iter().map(|sum| sum.max(0.0) as f32);
        HeatMap::new(self.size, values.collect(), false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_that_the_output_grows_with_are_added_and_others_taken_off() {
        let maps = StageMaps {
            size: [1, 2],
            activations: &[1.0, 2.0, 3.0, 0.0],
            gradients: &[1.0, 3.0, -1.0, -1.0],
        };
        // 2 * [1, 2] - 1 * [3, 0], and nothing below 0.
        assert_eq!(maps.grad_cam().values(), [0.0, 4.0]);
        // The second channel's derivatives are negative, so its weight is 0. The first's: 1 / (2 + 3) + 3 * 9 / (18 + 81).
        let weight = 1.0 / (5.0 + 1e-6) + 27.0 / (99.0 + 1e-6);
        let expected = [weight as f32, 2.0 * weight as f32];
        assert_eq!(maps.grad_cam_plus_plus().values(), expected);
    }

    #[test]
    fn a_stage_without_any_influence_gives_an_empty_map() {
        let maps = StageMaps {
            size: [2, 1],
            activations: &[1.0, 2.0],
            gradients: &[0.0, 0.0],
        };
        assert_eq!(maps.grad_cam().values(), [0.0; 2]);
        assert_eq!(maps.grad_cam_plus_plus().values(), [0.0; 2]);
    }
}
