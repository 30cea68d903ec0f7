//! Gradient clipping, and the stop on gradients that are not finite. Owns the norms; Burn's own clipping knows single
//! tensors only.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use rekindle_settings::{SettingError, first_ten, positive};

/// PyTorch's guard against a division by zero.
const EPSILON: f64 = 1e-6;

/// Norms of units below this count as this, so that weights of zero can move: timm's.
const SMALLEST_NORM: f64 = 1e-3;

/// How gradients are kept small.
///
/// In a recipe: `clip = { name = "global_norm", limit = 1.0 }`. The default is no clipping.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", try_from = "ClipKeys")]
pub enum ClipSpec {
    /// Gradients stay as they are.
    #[default]
    None,
    /// Every element is cut to `-limit..=limit` (`clip_grad_value_`).
    Value {
        /// The largest magnitude of an element.
        limit: f64,
    },
    /// Every parameter's gradient is scaled down to a norm of `limit` at most.
    TensorNorm {
        /// The largest norm of a parameter's gradient.
        limit: f64,
    },
    /// All gradients are scaled by one number, so that their common norm is `limit` at most and their direction stays
    /// (`clip_grad_norm_`). [Pascanu et al. 2012](https://arxiv.org/abs/1211.5063).
    GlobalNorm {
        /// The largest norm of all gradients together.
        limit: f64,
    },
    /// The gradient of each unit, the weights of one output of a layer, is scaled down to `limit` times the norm of these weights at most
    /// (AGC; timm's `adaptive_clip_grad`, 0.01 there). [Brock et al. 2021](https://arxiv.org/abs/2102.06171).
    Adaptive {
        /// The largest norm of a unit's gradient as a share of the norm of its weights, of 1e-3 where these are smaller.
        limit: f64,
    },
}

/// The keys of a recipe: serde itself would ignore a `limit` beside `name = "none"`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClipKeys {
    name: ClipName,
    limit: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum ClipName {
    None,
    Value,
    TensorNorm,
    GlobalNorm,
    Adaptive,
}

impl TryFrom<ClipKeys> for ClipSpec {
    type Error = SettingError;

    fn try_from(keys: ClipKeys) -> Result<Self, SettingError> {
        match (keys.name, keys.limit) {
            (ClipName::None, None) => Ok(Self::None),
            (ClipName::None, Some(limit)) => Err(SettingError::new(
                "limit",
                limit,
                "no limit beside the name `none`",
            )),
            (ClipName::Value, Some(limit)) => Ok(Self::Value { limit }),
            (ClipName::TensorNorm, Some(limit)) => Ok(Self::TensorNorm { limit }),
            (ClipName::GlobalNorm, Some(limit)) => Ok(Self::GlobalNorm { limit }),
            (ClipName::Adaptive, Some(limit)) => Ok(Self::Adaptive { limit }),
            (_, None) => Err(SettingError::new(
                "limit",
                "absent",
                "a finite number above 0",
            )),
        }
    }
}

impl ClipSpec {
    /// Checks the limit; has no side effects.
    ///
    /// # Errors
    ///
    /// [`SettingError`] for a limit that is not finite and above 0.
    pub fn check(&self) -> Result<(), SettingError> {
        match *self {
            Self::None => Ok(()),
            Self::Value { limit }
            | Self::TensorNorm { limit }
            | Self::GlobalNorm { limit }
            | Self::Adaptive { limit } => positive("clip.limit", limit),
        }
    }
}

/// Gradients that are infinite or not a number: the run cannot go on from them.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error(
    "the gradients' norm is {norm}, expected a finite number; not finite in {}; lower the learning rate, clip the \
     gradients, or look at the last batch",
    listed(parameters)
)]
#[non_exhaustive]
pub struct NonFinite {
    /// The norm of all gradients together.
    pub norm: f64,
    /// The parameters whose gradients have no finite norm of their own, by their path in the module. None if only the
    /// sum of all squares is beyond f32.
    pub parameters: Vec<String>,
}

fn listed(parameters: &[String]) -> String {
    match parameters.is_empty() {
        true => "no single parameter".to_string(),
        false => first_ten(parameters),
    }
}

/// Clips the gradients of a module and returns them with their global norm before clipping.
///
/// The norm is `sqrt(sum of all squares)` over every parameter that has a gradient, 0 if none has; it is computed on
/// the device and read back as one number, whatever the spec. Equal to PyTorch's `clip_grad_norm_` and
/// `clip_grad_value_` (`tests/data/clip.py`). Gradients of parameters outside the module are not looked at.
///
/// # Errors
///
/// [`NonFinite`] if the norm is infinite or not a number; it names the parameters.
pub fn clip<M: Module>(
    grads: GradientsParams,
    module: &M,
    spec: &ClipSpec,
) -> Result<(GradientsParams, f64), NonFinite> {
    let mut squares = Squares {
        grads: &grads,
        path: Vec::new(),
        sums: Vec::new(),
    };
    module.visit(&mut squares);
    let norm = squares.norm();
    if !norm.is_finite() {
        return Err(NonFinite {
            norm,
            parameters: squares.not_finite(),
        });
    }
    let change = match *spec {
        ClipSpec::None => return Ok((grads, norm)),
        ClipSpec::GlobalNorm { limit } if norm + EPSILON <= limit => return Ok((grads, norm)),
        ClipSpec::GlobalNorm { limit } => Change::Scale(limit / (norm + EPSILON)),
        ClipSpec::TensorNorm { limit } => Change::Norm(limit),
        ClipSpec::Value { limit } => Change::Cut(limit),
        ClipSpec::Adaptive { limit } => Change::Adapt(limit),
    };
    let mut apply = Apply { grads, change };
    module.visit(&mut apply);
    Ok((apply.grads, norm))
}

/// The sum of squares of every gradient, on the device.
struct Squares<'a> {
    grads: &'a GradientsParams,
    path: Vec<String>,
    sums: Vec<(String, Tensor<1>)>,
}

impl Squares<'_> {
    fn norm(&self) -> f64 {
        let sums: Vec<Tensor<1>> = self.sums.iter().map(|(_, sum)| sum.clone()).collect();
        match sums.is_empty() {
            true => 0.0,
            false => f64::from(Tensor::cat(sums, 0).sum().sqrt().into_scalar::<f32>()),
        }
    }

    fn not_finite(self) -> Vec<String> {
        let mut named = self.sums;
        named.retain(|(_, sum)| !sum.clone().into_scalar::<f32>().is_finite());
        named.into_iter().map(|(name, _)| name).collect()
    }
}

impl ModuleVisitor for Squares<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(grad) = self.grads.get::<D>(param.id) {
            self.sums.push((self.path.join("."), grad.square().sum()));
        }
    }
}

/// The norm of each output's weights: a row of a kernel `[out, ..]`, a column of a linear layer `[in, out]`, a vector as a whole.
fn norms_of_units<const D: usize>(values: Tensor<D>) -> Tensor<D> {
    let squares = values.square();
    let sums = match D {
        1 | 2 => squares.sum_dim(0),
        _ => squares.sum_dims(&(1..D).collect::<Vec<_>>()),
    };
    sums.sqrt()
}

#[derive(Clone, Copy)]
enum Change {
    Scale(f64),
    Norm(f64),
    Cut(f64),
    Adapt(f64),
}

struct Apply {
    grads: GradientsParams,
    change: Change,
}

impl ModuleVisitor for Apply {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(grad) = self.grads.remove::<D>(param.id) {
            let clipped = match self.change {
                Change::Scale(factor) => grad.mul_scalar(factor),
                Change::Cut(limit) => grad.clamp(-limit, limit),
                Change::Norm(limit) => {
                    let norm = grad.clone().square().sum().sqrt();
                    let factor = norm
                        .add_scalar(EPSILON)
                        .recip()
                        .mul_scalar(limit)
                        .clamp_max(1.0);
                    grad.mul(factor.reshape([1; D]))
                }
                Change::Adapt(limit) => {
                    let most = norms_of_units(param.val().without_autodiff())
                        .clamp_min(SMALLEST_NORM)
                        .mul_scalar(limit);
                    let norm = norms_of_units(grad.clone()).clamp_min(EPSILON);
                    grad.mul(most.div(norm).clamp_max(1.0))
                }
            };
            self.grads.register(param.id, clipped);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::{Device, TensorData};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn numbers(value: &Value) -> Vec<f32> {
        match value {
            Value::Array(items) => items.iter().flat_map(numbers).collect(),
            number => vec![number.as_f64().unwrap() as f32],
        }
    }

    fn module() -> Linear {
        LinearConfig::new(2, 3).init(&Device::flex())
    }

    /// The layer of the fixture.
    fn weighted(fixture: &Value) -> Linear {
        let data = |key: &str| TensorData::new(numbers(&fixture[key]), [3]);
        let weights = TensorData::new(numbers(&fixture["weights"]), [2, 3]);
        let device = Device::flex();
        Linear {
            weight: Param::from_tensor(Tensor::from_data(weights, &device)),
            bias: Some(Param::from_tensor(Tensor::from_data(
                data("biases"),
                &device,
            ))),
        }
    }

    fn grads(module: &Linear, weight: &[f32], bias: &[f32]) -> GradientsParams {
        let device = Device::flex();
        let mut grads = GradientsParams::new();
        let weight = TensorData::new(weight.to_vec(), [2, 3]);
        grads.register(module.weight.id, Tensor::<2>::from_data(weight, &device));
        let bias = TensorData::new(bias.to_vec(), [3]);
        grads.register(
            module.bias.as_ref().unwrap().id,
            Tensor::<1>::from_data(bias, &device),
        );
        grads
    }

    fn values(module: &Linear, grads: &GradientsParams) -> Vec<f32> {
        let mut values = grads
            .get::<2>(module.weight.id)
            .unwrap()
            .try_into_vec_as::<f32>()
            .unwrap();
        let bias = grads.get::<1>(module.bias.as_ref().unwrap().id).unwrap();
        values.extend(bias.try_into_vec_as::<f32>().unwrap());
        values
    }

    fn norm_of(values: &[f32]) -> f64 {
        values
            .iter()
            .map(|&value| f64::from(value).powi(2))
            .sum::<f64>()
            .sqrt()
    }

    #[test]
    fn clipped_gradients_and_norms_are_those_of_pytorch() {
        let fixture: Value = serde_json::from_str(include_str!("../tests/data/clip.json")).unwrap();
        let (weight, bias) = (numbers(&fixture["weight"]), numbers(&fixture["bias"]));
        let cases = fixture["cases"].as_array().unwrap();
        assert_eq!(cases.len(), 7);
        for case in cases {
            let spec: ClipSpec = serde_json::from_value(case["spec"].clone()).unwrap();
            assert_eq!(spec.check(), Ok(()));
            let module = weighted(&fixture);
            let (clipped, norm) = clip(grads(&module, &weight, &bias), &module, &spec).unwrap();
            assert!(
                (norm - case["norm"].as_f64().unwrap()).abs() < 1e-5,
                "{spec:?}: {norm}"
            );
            let expected = [numbers(&case["weight"]), numbers(&case["bias"])].concat();
            for (found, expected) in values(&module, &clipped).iter().zip(&expected) {
                assert!(
                    (found - expected).abs() < 1e-5,
                    "{spec:?}: {found} against {expected}"
                );
            }
        }
    }

    #[test]
    fn a_gradient_that_is_not_finite_is_an_error_that_names_its_parameter() {
        for bad in [f32::NAN, f32::INFINITY] {
            let module = module();
            let grads = grads(&module, &[1.0; 6], &[0.0, bad, 0.0]);
            let error = clip(grads, &module, &ClipSpec::None).unwrap_err();
            assert_eq!(error.parameters, ["bias"]);
            assert!(error.to_string().contains("not finite in bias"), "{error}");
        }
    }

    #[test]
    fn squares_beyond_f32_are_an_error_too() {
        let module = module();
        let error = clip(
            grads(&module, &[1e19; 6], &[1e19; 3]),
            &module,
            &ClipSpec::None,
        )
        .unwrap_err();
        assert_eq!(error.norm, f64::INFINITY);
    }

    #[test]
    fn units_of_kernels_are_clipped_one_by_one() {
        let device = Device::flex();
        let conv = burn::nn::conv::Conv2dConfig::new([1, 2], [1, 2])
            .with_bias(false)
            .init(&device);
        let kernel = |values: [f32; 4]| {
            Tensor::<4>::from_data(TensorData::new(values.to_vec(), [2, 1, 1, 2]), &device)
        };
        let conv = burn::nn::conv::Conv2d {
            weight: Param::from_tensor(kernel([3.0, 4.0, 0.0, 0.0])),
            ..conv
        };
        let mut grads = GradientsParams::new();
        grads.register(conv.weight.id, kernel([30.0, 40.0, 0.3, 0.4]));
        let spec = ClipSpec::Adaptive { limit: 0.1 };
        let (clipped, _) = clip(grads, &conv, &spec).unwrap();
        let found = clipped.get::<4>(conv.weight.id).unwrap();
        // A tenth of a norm of 5, and of the smallest one that counts.
        let expected = [0.3, 0.4, 0.6e-4, 0.8e-4];
        for (found, expected) in found.into_data().iter::<f32>().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} for {expected}");
        }
    }

    #[test]
    fn no_gradients_have_a_norm_of_zero() {
        let (grads, norm) = clip(
            GradientsParams::new(),
            &module(),
            &ClipSpec::GlobalNorm { limit: 1.0 },
        )
        .unwrap();
        assert_eq!(norm, 0.0);
        assert!(grads.is_empty());
    }

    #[test]
    fn a_limit_of_zero_and_an_unknown_key_are_refused() {
        assert_eq!(
            ClipSpec::GlobalNorm { limit: 0.0 }
                .check()
                .unwrap_err()
                .key(),
            "clip.limit"
        );
        assert!(serde_json::from_value::<ClipSpec>(json!({"name": "none", "limit": 1.0})).is_err());
        assert!(serde_json::from_value::<ClipSpec>(json!({"name": "none", "limt": 1.0})).is_err());
        let error = serde_json::from_value::<ClipSpec>(json!({"name": "value"})).unwrap_err();
        assert!(error.to_string().contains("`limit` is absent"), "{error}");
        for spec in [
            ClipSpec::None,
            ClipSpec::Value { limit: 2.0 },
            ClipSpec::GlobalNorm { limit: 2.0 },
            ClipSpec::Adaptive { limit: 0.01 },
        ] {
            let text = serde_json::to_string(&spec).unwrap();
            assert_eq!(serde_json::from_str::<ClipSpec>(&text).unwrap(), spec);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn clipping_by_norm_keeps_direction_and_limit(
            values_before in prop::collection::vec(-100.0f32..100.0, 9),
            limit in 0.01f64..50.0,
        ) {
            let module = module();
            let before = grads(&module, &values_before[..6], &values_before[6..]);
            let (after, norm) = clip(before, &module, &ClipSpec::GlobalNorm { limit }).unwrap();
            let after = values(&module, &after);
            prop_assert!((norm - norm_of(&values_before)).abs() <= 1e-5 * norm.max(1.0));
            prop_assert!(norm_of(&after) <= limit * (1.0 + 1e-5));
            let factor = (limit / (norm + EPSILON)).min(1.0);
            for (before, after) in values_before.iter().zip(&after) {
                let expected = f64::from(*before) * factor;
                prop_assert!((f64::from(*after) - expected).abs() <= 1e-5 * expected.abs().max(1e-3));
            }
        }

        #[test]
        fn clipping_by_value_and_by_tensor_keep_their_limits(
            values_before in prop::collection::vec(-100.0f32..100.0, 9),
            limit in 0.01f64..50.0,
        ) {
            let module = module();
            let before = || grads(&module, &values_before[..6], &values_before[6..]);
            let (cut, _) = clip(before(), &module, &ClipSpec::Value { limit }).unwrap();
            prop_assert!(values(&module, &cut).iter().all(|value| f64::from(value.abs()) <= limit * (1.0 + 1e-6)));
            let (scaled, _) = clip(before(), &module, &ClipSpec::TensorNorm { limit }).unwrap();
            let scaled = values(&module, &scaled);
            prop_assert!(norm_of(&scaled[..6]) <= limit * (1.0 + 1e-5));
            prop_assert!(norm_of(&scaled[6..]) <= limit * (1.0 + 1e-5));
        }
    }
}
