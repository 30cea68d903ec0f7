//! The walker that computes: each operation at once, by the kernels or by Burn.

use burn::tensor::Tensor;
use rekindle_kernels::{Activation, ops};

use super::conv_norm::conv_norm;
use super::feature_map::FeatureMap;
use super::{BatchNorm, Channels, Grn, LayerNorm, PoolConfig, Weight};
use crate::walk::{ConvStep, Custom, Step, Value, Walker};

/// Computes what `walk` describes from `x`.
///
/// # Panics
///
/// When a value is read that is not the walker's, or when `walk` gives an error: this walker knows every operation.
pub(super) fn run(x: FeatureMap, walk: impl FnOnce(&mut dyn Walker, Value) -> Step) -> FeatureMap {
    let mut runner = Runner {
        values: vec![Some(x)],
    };
    match walk(&mut runner, Value::new(0)) {
        Ok(value) => runner.take(value),
        Err(unknown) => panic!("{unknown}, though every operation can be computed"),
    }
}

struct Runner {
    /// Those that are still to be read.
    values: Vec<Option<FeatureMap>>,
}

impl Runner {
    fn take(&mut self, value: Value) -> FeatureMap {
        self.values
            .get_mut(value.index())
            .and_then(Option::take)
            .expect("a value of this walk, which nothing has read yet")
    }

    fn give(&mut self, map: FeatureMap) -> Value {
        self.values.push(Some(map));
        Value::new(self.values.len() - 1)
    }

    /// As `[batch, channels, height, width]`.
    fn images(&mut self, values: Vec<Value>) -> Vec<Tensor<4>> {
        let each = |value| self.take(value).into_images();
        values.into_iter().map(each).collect()
    }
}

impl Walker for Runner {
    fn fork(&mut self, x: Value) -> [Value; 2] {
        self.take(x).twice().map(|map| self.give(map))
    }

    fn conv(&mut self, x: Value, step: ConvStep<'_>) -> Step {
        let residual = step.residual.map(|residual| self.take(residual));
        let x = self.take(x);
        let carries = ops::Carries::default();
        let out = conv_norm(step.conv, step.norm, x, residual, step.activation, carries);
        Ok(self.give(out))
    }

    fn batch_norm(&mut self, x: Value, norm: &BatchNorm) -> Step {
        self.norm_act(x, norm, Activation::Identity)
    }

    fn norm_act(&mut self, x: Value, norm: &BatchNorm, activation: Activation) -> Step {
        let out = norm.normalise(self.take(x), activation);
        Ok(self.give(out))
    }

    fn layer_norm(&mut self, x: Value, norm: &LayerNorm) -> Step {
        let out = norm.normalise(self.take(x));
        Ok(self.give(out))
    }

    fn response_norm(&mut self, x: Value, norm: &Grn) -> Step {
        let out = norm.normalise(self.take(x));
        Ok(self.give(out))
    }

    fn activation(&mut self, x: Value, activation: Activation) -> Step {
        let out = self.take(x).map(|x| activation.forward(x));
        Ok(self.give(out))
    }

    fn pool(&mut self, x: Value, pool: &PoolConfig) -> Step {
        let out = pool.apply(self.take(x));
        Ok(self.give(out))
    }

    fn add(&mut self, x: Value, other: Value, activation: Activation) -> Step {
        let other = self.take(other);
        let sum = self.take(x).plus(other, activation);
        Ok(self.give(sum))
    }

    fn gate(&mut self, x: Value, gate: Value) -> Step {
        let gate = self.take(gate).into_tensor();
        let x = self.take(x);
        let out = match x.is_channels_last() {
            true => FeatureMap::channels_last(ops::gate(x.into_tensor(), gate, None)),
            false => x.map(|x| x * gate),
        };
        Ok(self.give(out))
    }

    fn weight(&mut self, x: Value, weights: Value) -> Step {
        let (x, weights) = (self.take(x), self.take(weights));
        if x.is_channels_last() && weights.is_channels_last() {
            let out = ops::weigh(x.into_tensor(), weights.into_tensor());
            return Ok(self.give(FeatureMap::channels_last(out)));
        }
        let inputs = [x, weights].map(FeatureMap::into_images).into();
        Ok(self.give(FeatureMap::new(Weight.forward(inputs))))
    }

    fn concat(&mut self, inputs: Vec<Value>) -> Step {
        let maps: Vec<FeatureMap> = inputs.into_iter().map(|input| self.take(input)).collect();
        let last = maps.iter().all(FeatureMap::is_channels_last);
        let out = match last {
            true => {
                let maps = maps.into_iter().map(FeatureMap::into_tensor);
                FeatureMap::channels_last(ops::concat(maps.collect()))
            }
            false => {
                let maps = maps.into_iter().map(FeatureMap::into_images);
                FeatureMap::new(Tensor::cat(maps.collect(), 1))
            }
        };
        Ok(self.give(out))
    }

    fn channels(&mut self, x: Value, channels: &Channels) -> Step {
        let out = channels.take(self.take(x));
        Ok(self.give(out))
    }

    fn custom(&mut self, inputs: Vec<Value>, operation: &dyn Custom) -> Step {
        let inputs = self.images(inputs);
        Ok(self.give(FeatureMap::new(operation.forward(inputs))))
    }
}
