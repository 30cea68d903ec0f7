//! The exponential moving average of a module's weights over its steps of training (EMA).
//!
//! Owns the average and how fast it follows. When it moves and what becomes of it is `phase.rs`'s, or that of a loop of your own.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;

/// The average of the weights and of the statistics of batch norms after each step, `average = d * average + (1 - d) * weights`.
///
/// `d` grows from 0 to the wished decay, since the first weights are of no use: in step `n`, from 1, it is `1 - n^(-2/3)` at most.
///
/// Source: timm's `ModelEmaV3` with `use_warmup=True`, from which the numbers in `tests/data/average.json` are; the idea is that of
/// [Polyak and Juditsky 1992](https://doi.org/10.1137/0330046).
#[derive(Debug)]
pub struct WeightAverage<M> {
    average: M,
    decay: f64,
    steps: u64,
}

impl<M: Module> WeightAverage<M> {
    /// An average that begins with these weights. `decay` is from 0 to below 1.
    pub fn new(module: &M, decay: f64) -> Self {
        Self::restored(module.valid(), decay, 0)
    }

    /// The average after `steps` steps, as [`module`](Self::module) gave it.
    pub fn restored(average: M, decay: f64, steps: u64) -> Self {
        Self {
            average,
            decay,
            steps,
        }
    }

    /// Follows the weights after a step.
    pub fn update(&mut self, module: &M) {
        self.steps += 1;
        let mut values = Values(Vec::new());
        // The copy has the statistics of the last step, and no gradients.
        module.valid().visit(&mut values);
        let mut blend = Blend {
            values: values.0.into_iter(),
            keep: decay_of_step(self.decay, self.steps),
        };
        self.average = self.average.clone().map(&mut blend);
    }

    /// The averaged module, for inference.
    pub fn module(&self) -> &M {
        &self.average
    }

    /// How many steps it has followed.
    pub fn steps(&self) -> u64 {
        self.steps
    }
}

/// The weight of the average itself in a step, from 1.
fn decay_of_step(decay: f64, step: u64) -> f64 {
    (1.0 - (step as f64).powf(-2.0 / 3.0)).min(decay)
}

/// Every tensor, flat, in the module's order.
struct Values(Vec<Tensor<1>>);

impl ModuleVisitor for Values {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0
            .push(param.val().without_autodiff().flatten(0, D - 1));
    }
}

/// Moves each tensor towards that at its place.
struct Blend {
    values: std::vec::IntoIter<Tensor<1>>,
    keep: f64,
}

impl ModuleMapper for Blend {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, average, mapper) = param.consume();
        let average = match self.values.next() {
            Some(value) => {
                let value = value.reshape(average.dims());
                average.mul_scalar(self.keep) + value.mul_scalar(1.0 - self.keep)
            }
            None => unreachable!("both are copies of one module"),
        };
        Param::from_mapped_value(id, average, mapper)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};
    use rekindle_backbone::layers::{BatchNorm, BatchNormConfig};
    use serde_json::Value;

    fn numbers(value: &Value) -> Vec<f32> {
        let values = value.as_array().unwrap().iter();
        values.map(|value| value.as_f64().unwrap() as f32).collect()
    }

    fn tensor(value: &Value, device: &Device) -> Tensor<1> {
        Tensor::from_data(TensorData::new(numbers(value), [3]), device)
    }

    fn assert_near(found: Tensor<1>, expected: &Value) {
        for (found, expected) in found.into_data().iter::<f32>().zip(numbers(expected)) {
            assert!((found - expected).abs() < 1e-6, "{found} for {expected}");
        }
    }

    #[test]
    fn weights_and_statistics_are_averaged_as_timm_does() {
        let fixture: Value =
            serde_json::from_str(include_str!("../tests/data/average.json")).unwrap();
        let (plain, autodiff) = (Device::flex(), Device::flex().autodiff());
        let with = |step: usize| -> BatchNorm {
            let mut norm = BatchNormConfig::new("norm", 3).init(&autodiff);
            norm.gamma = Param::from_tensor(tensor(&fixture["weights"][step], &autodiff));
            norm.running_mean
                .update(tensor(&fixture["running_means"][step], &plain));
            norm
        };
        let mut average = WeightAverage::new(&with(0), fixture["decay"].as_f64().unwrap());
        for (step, expected) in fixture["averages"].as_array().unwrap().iter().enumerate() {
            let norm = with(step);
            average.update(&norm);
            assert_near(average.module().gamma.val(), &expected["weight"]);
            assert_near(
                average.module().running_mean.value(),
                &expected["running_mean"],
            );
            // The module itself is left alone.
            assert_near(
                norm.running_mean.value_sync(),
                &fixture["running_means"][step],
            );
        }
        assert_eq!(average.steps(), 8);
    }
}
