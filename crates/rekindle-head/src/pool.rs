//! Pooling over height and width. Owns its kinds, their formulas and the learned exponent.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Smallest value that the generalised mean takes a power of; smaller features, and negative ones, count as this.
pub const GEM_FLOOR: f64 = 1e-6;

/// How `[batch, channels, height, width]` becomes `[batch, features]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// The mean over height and width.
    #[default]
    Average,
    /// The maximum over height and width.
    Max,
    /// Both, the averages first: twice as many features as channels (timm's `catavgmax`).
    AverageMax,
    /// Generalised mean `(mean(x^p))^(1/p)` with one learned exponent `p`: average at 1, towards maximum above.
    /// [Radenović et al. 2017](https://arxiv.org/abs/1711.02512).
    Gem,
}

impl Pooling {
    /// The number of features from `channels` channels.
    pub fn features(self, channels: usize) -> usize {
        match self {
            Self::AverageMax => 2 * channels,
            Self::Average | Self::Max | Self::Gem => channels,
        }
    }
}

/// Pooling with its learned exponent, if it has one.
#[derive(Module, Debug)]
pub struct Pool {
    /// Exponent `p` of the generalised mean, `[1]`; none for the other kinds.
    pub exponent: Option<Param<Tensor<1>>>,
    #[module(skip)]
    kind: Pooling,
}

impl Pool {
    /// A pooling of this kind; `exponent` is the first exponent of [`Pooling::Gem`].
    pub fn new(kind: Pooling, exponent: f64, device: &Device) -> Self {
        let exponent = match kind {
            Pooling::Gem => Some(Param::from_tensor(Tensor::from_floats(
                [exponent as f32],
                device,
            ))),
            Pooling::Average | Pooling::Max | Pooling::AverageMax => None,
        };
        Self { exponent, kind }
    }

    /// The kind of pooling.
    pub fn kind(&self) -> Pooling {
        self.kind
    }

    /// Pools every channel to one feature, or two for [`Pooling::AverageMax`].
    ///
    /// # Shapes
    ///
    /// `[batch, channels, height, width]` to `[batch, kind.features(channels)]`.
    pub fn forward(&self, features: Tensor<4>) -> Tensor<2> {
        let [batch, channels, height, width] = features.dims();
        let features = features.reshape([batch, channels, height * width]);
        match &self.exponent {
            Some(exponent) => generalised_mean(features, exponent.val()),
            None => match self.kind {
                Pooling::Max => maximum(features),
                Pooling::AverageMax => {
                    Tensor::cat(vec![average(features.clone()), maximum(features)], 1)
                }
                Pooling::Average | Pooling::Gem => average(features),
            },
        }
    }
}

fn average(features: Tensor<3>) -> Tensor<2> {
    features.mean_dim(2).squeeze_dim(2)
}

fn maximum(features: Tensor<3>) -> Tensor<2> {
    features.max_dim(2).squeeze_dim(2)
}

/// `(mean(max(x, GEM_FLOOR)^p))^(1/p)`, the powers taken as `exp(p ln x)` so that `p` gets a gradient.
fn generalised_mean(features: Tensor<3>, exponent: Tensor<1>) -> Tensor<2> {
    let powers = features
        .clamp_min(GEM_FLOOR)
        .log()
        .mul(exponent.clone().reshape([1, 1, 1]))
        .exp();
    average(powers).log().div(exponent.reshape([1, 1])).exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{TensorData, Tolerance};

    /// Two samples, two channels, 2x3 maps; values from -0.3 to 2.0 out of order.
    fn features(device: &Device) -> Tensor<4> {
        let values: Vec<f32> = (0..24)
            .map(|index| ((index * 7) % 24) as f32 / 10.0 - 0.3)
            .collect();
        Tensor::from_data(TensorData::new(values, [2, 2, 2, 3]), device)
    }

    fn pooled(kind: Pooling, exponent: f64) -> TensorData {
        let device = Device::flex();
        Pool::new(kind, exponent, &device)
            .forward(features(&device))
            .into_data()
    }

    #[test]
    fn average_and_maximum_are_those_of_each_map() {
        let average = pooled(Pooling::Average, 3.0);
        let maximum = pooled(Pooling::Max, 3.0);
        let expected = [[0.65, 0.85], [1.05, 0.85]];
        average.assert_approx_eq::<f32>(&expected.into(), Tolerance::absolute(1e-5));
        maximum
            .assert_approx_eq::<f32>(&[[1.8, 1.9], [2.0, 1.7]].into(), Tolerance::absolute(1e-5));
    }

    #[test]
    fn both_poolings_stand_side_by_side_with_the_averages_first() {
        let both = pooled(Pooling::AverageMax, 3.0);
        let expected = [[0.65, 0.85, 1.8, 1.9], [1.05, 0.85, 2.0, 1.7]];
        both.assert_approx_eq::<f32>(&expected.into(), Tolerance::absolute(1e-5));
    }

    #[test]
    fn a_generalised_mean_of_positive_values_runs_from_average_to_maximum() {
        let device = Device::flex();
        let positive = features(&device).add_scalar(0.5);
        let pool = |kind, exponent| {
            Pool::new(kind, exponent, &device)
                .forward(positive.clone())
                .into_data()
        };
        pool(Pooling::Gem, 1.0)
            .assert_approx_eq::<f32>(&pool(Pooling::Average, 1.0), Tolerance::absolute(1e-5));
        pool(Pooling::Gem, 60.0)
            .assert_approx_eq::<f32>(&pool(Pooling::Max, 1.0), Tolerance::absolute(0.08));
    }
}
