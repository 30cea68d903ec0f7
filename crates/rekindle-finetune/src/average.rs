//! Averages of a module's weights over its training: the exponential moving average (EMA) and the plain mean (SWA).
//!
//! Owns the average and how fast it follows. When it moves and what becomes of it is `phase/followers.rs`'s, or that of a loop of your own.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;

/// How an average weighs what it has followed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Averaging {
    /// `average = d * average + (1 - d) * weights`, where `d`, from 0 to below 1, grows from 0 to the wished decay, since the first weights
    /// are of no use: in step `n`, from 1, it is `1 - n^(-2/3)` at most.
    ///
    /// Source: timm's `ModelEmaV3` with `use_warmup=True`; the idea is that of
    /// [Polyak and Juditsky 1992](https://doi.org/10.1137/0330046).
    Exponential {
        /// The wished decay.
        decay: f64,
    },
    /// The mean of all weights that it has followed: stochastic weight averaging, with one step an epoch.
    ///
    /// Source: torch's `AveragedModel` with `use_buffers=True`; [Izmailov et al. 2018](https://arxiv.org/abs/1803.05407).
    Equal,
}

impl Averaging {
    /// The weight of the average itself in a step, from 1.
    fn keep(self, step: u64) -> f64 {
        let step = step as f64;
        match self {
            Self::Exponential { decay } => (1.0 - step.powf(-2.0 / 3.0)).min(decay),
            Self::Equal => (step - 1.0) / step,
        }
    }
}

/// The average of the weights and of the statistics of batch norms. The numbers that it was checked against are in
/// `tests/data/average.json`.
#[derive(Debug)]
pub struct WeightAverage<M> {
    average: M,
    how: Averaging,
    steps: u64,
}

impl<M: Module> WeightAverage<M> {
    /// An average that has followed nothing yet; until it has, it is these weights.
    pub fn new(module: &M, how: Averaging) -> Self {
        Self::restored(module.valid(), how, 0)
    }

    /// The average after `steps` steps, as [`module`](Self::module) gave it.
    pub fn restored(average: M, how: Averaging, steps: u64) -> Self {
        Self {
            average,
            how,
            steps,
        }
    }

    /// Follows the weights after a step.
    pub fn update(&mut self, module: &M) {
        self.steps += 1;
        // The copy has the statistics of the last step, and no gradients.
        let keep = self.how.keep(self.steps);
        self.average = blend(self.average.clone(), &module.valid(), keep);
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

/// `keep * one + (1 - keep) * other`, tensor by tensor; both are copies of one module without autodiff.
pub(crate) fn blend<M: Module>(one: M, other: &M, keep: f64) -> M {
    let mut values = Values(Vec::new());
    other.visit(&mut values);
    one.map(&mut Blend {
        values: values.0.into_iter(),
        keep,
    })
}

/// The trained parameters of a module set to those of a copy without autodiff; all else stays.
pub(crate) fn with_values_of<M: Module>(module: M, copy: &M) -> M {
    let mut values = Values(Vec::new());
    copy.visit(&mut values);
    module.map(&mut Take(values.0.into_iter()))
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

/// Gives each trained parameter the value at its place.
struct Take(std::vec::IntoIter<Tensor<1>>);

impl ModuleMapper for Take {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(value) = self.0.next() else {
            unreachable!("both are copies of one module");
        };
        if !param.is_require_grad() {
            return param;
        }
        let (id, old, mapper) = param.consume();
        let value = Tensor::from_inner(value.reshape(old.dims()));
        Param::from_mapped_value(id, value, mapper).set_require_grad(true)
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

    /// The averages after each of the fixture's steps, with the number of steps.
    fn follows(fixture: &Value, how: Averaging, expected: &str) -> u64 {
        let (plain, autodiff) = (Device::flex(), Device::flex().autodiff());
        let with = |step: usize| -> BatchNorm {
            let mut norm = BatchNormConfig::new("norm", 3).init(&autodiff);
            norm.gamma = Param::from_tensor(tensor(&fixture["weights"][step], &autodiff));
            norm.running_mean
                .update(tensor(&fixture["running_means"][step], &plain));
            norm
        };
        let mut average = WeightAverage::new(&with(0), how);
        for (step, expected) in fixture[expected].as_array().unwrap().iter().enumerate() {
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
        average.steps()
    }

    #[test]
    fn the_moving_average_is_that_of_timm_and_the_mean_that_of_torch() {
        let fixture: Value =
            serde_json::from_str(include_str!("../tests/data/average.json")).unwrap();
        let decay = fixture["decay"].as_f64().unwrap();
        let exponential = Averaging::Exponential { decay };
        assert_eq!(follows(&fixture, exponential, "averages"), 8);
        assert_eq!(follows(&fixture, Averaging::Equal, "means"), 8);
    }
}
