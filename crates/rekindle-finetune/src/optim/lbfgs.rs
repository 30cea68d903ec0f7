//! L-BFGS: settings and the method, which minimises a function of numbers and knows no network. What that function is in a training is
//! `step/whole_set.rs`'s, and the search along a direction `wolfe.rs`'s.
//!
//! Burn 0.22 has one too, and its line search is PyTorch's. It is not used: it counts parameters that get no gradient among what it
//! moves, but not their gradients (so `freeze` could not be), its function cannot fail, and its state comes back on Burn's default device.

use burn::module::ParamGroup;
use burn::optim::ModuleOptimizer;
use burn::tensor::Device;
use rekindle_settings::{SettingError, non_negative};
use serde::{Deserialize, Serialize};

use super::OptimizerSettings;
use super::wolfe::{Point, strong_wolfe};

/// Where no number of the gradient is larger, a minimum is reached: PyTorch's default.
const TOLERANCE_GRADIENT: f64 = 1e-7;
/// Where loss or weights change by no more, it is as near as it gets: PyTorch's default.
const TOLERANCE_CHANGE: f64 = 1e-9;
/// What a step along a change of the gradient has to be at least, for the pair to say something about curvature: PyTorch's.
const LEAST_CURVATURE: f64 = 1e-10;

/// L-BFGS with a line search by the strong Wolfe conditions: for a head alone on cached features, whose loss is then a fixed function.
///
/// A step sees every training image, in each of its `augment.views`, and chooses its own length: the plan sets the phase's `batch_size` to
/// all of them, `lr` to 1 and the schedule to a constant one. It finds the best weights of a linear head, as scikit-learn's
/// `LogisticRegression` does, in few epochs; the best epoch on the validation images is kept as ever. Refused where stages are trained,
/// features do not fit `data.feature_cache_mb`, or dropout, batch norm, mixing, clipping or drawing make each step's loss another one.
///
/// Equal to `torch.optim.LBFGS` with `line_search_fn="strong_wolfe"`.
///
/// Source: [Liu and Nocedal 1989](https://doi.org/10.1007/BF01589116).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LBfgsSpec {
    /// Iterations of an epoch, each of which goes to a minimum along one direction. Default 5.
    pub iterations: usize,
    /// How many of the last steps tell of the curvature. Default 10.
    pub history: usize,
    /// Weight decay, `weight_decay / 2` times the squares of the weights as part of the loss. Default 1e-3. That of scikit-learn's
    /// `LogisticRegression(C)` is `1 / (C * images)`.
    pub weight_decay: f64,
    /// Weight decay for norm weights and biases too. Default off.
    pub decay_norm_and_bias: bool,
}

impl Default for LBfgsSpec {
    fn default() -> Self {
        Self {
            iterations: 5,
            history: 10,
            weight_decay: 1e-3,
            decay_norm_and_bias: false,
        }
    }
}

impl OptimizerSettings for LBfgsSpec {
    fn check(&self) -> Result<(), SettingError> {
        for (key, number) in [
            ("optim.iterations", self.iterations),
            ("optim.history", self.history),
        ] {
            if number == 0 {
                return Err(SettingError::new(key, 0, "at least 1"));
            }
        }
        non_negative("optim.weight_decay", self.weight_decay)
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn decay_norm_and_bias(&self) -> bool {
        self.decay_norm_and_bias
    }

    fn build(&self, _: ParamGroup, _: &Device) -> Result<ModuleOptimizer, SettingError> {
        let expected = "an optimiser that takes a step by one gradient: this one has to ask for the loss of all images as often as it \
                        likes, which a head alone on cached features can tell it, trained by `rekindle train`";
        Err(SettingError::new("optim.name", "\"lbfgs\"", expected))
    }
}

/// The method, with what it remembers of earlier steps.
#[derive(Debug, Clone, PartialEq)]
pub struct LBfgs {
    settings: LBfgsSpec,
    /// Iterations so far.
    done: u64,
    /// The last direction, and how far it went along it.
    direction: Vec<f64>,
    length: f64,
    /// The gradient before the last iteration.
    gradient: Vec<f64>,
    /// The last steps and what they changed of the gradient, the oldest first.
    pairs: Vec<Pair>,
}

/// A step, and what it changed of the gradient.
#[derive(Debug, Clone, PartialEq)]
struct Pair {
    step: Vec<f64>,
    change: Vec<f64>,
}

/// What a call of [`LBfgs::minimise`] found at its beginning.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// The function's value.
    pub value: f64,
    /// Whether it ended since it can come no nearer to a minimum.
    pub converged: bool,
}

impl LBfgs {
    /// At its beginning.
    pub fn new(spec: &LBfgsSpec) -> Self {
        Self {
            settings: spec.clone(),
            done: 0,
            direction: Vec::new(),
            length: 0.0,
            gradient: Vec::new(),
            pairs: Vec::new(),
        }
    }

    /// Its settings.
    pub fn settings(&self) -> &LBfgsSpec {
        &self.settings
    }

    /// Moves `at` towards a minimum of a function, which gives value and gradient at a place, for as many iterations as the settings say or
    /// until a minimum is reached. `rate` is where a search along a direction begins: 1, as a rule.
    ///
    /// # Errors
    ///
    /// Those of the function; `at` is where the last whole iteration left it then.
    pub fn minimise<E>(
        &mut self,
        at: &mut Vec<f64>,
        rate: f64,
        mut function: impl FnMut(&[f64]) -> Result<(f64, Vec<f64>), E>,
    ) -> Result<Found, E> {
        let (mut value, mut gradient) = function(at)?;
        let found = |converged| Found { value, converged };
        let (of_beginning, of_minimum) = (found(false), found(true));
        if largest(&gradient) <= TOLERANCE_GRADIENT {
            return Ok(of_minimum);
        }
        for _ in 0..self.settings.iterations {
            self.done += 1;
            let direction = match self.done {
                1 => gradient.iter().map(|part| -part).collect(),
                _ => {
                    self.remember(&gradient);
                    self.direction(&gradient)
                }
            };
            let begin = match self.done {
                1 => rate * (1.0 / gradient.iter().map(|part| part.abs()).sum::<f64>()).min(1.0),
                _ => rate,
            };
            let slope = dot(&gradient, &direction);
            self.gradient = gradient.clone();
            self.direction = direction;
            self.length = begin;
            if slope > -TOLERANCE_CHANGE {
                return Ok(of_minimum);
            }
            let start = Point {
                length: 0.0,
                value,
                slope,
                gradient,
            };
            let direction = &self.direction;
            let size = largest(direction);
            let end = strong_wolfe(start, begin, size, TOLERANCE_CHANGE, |length| {
                let (value, gradient) = function(&moved(at, direction, length))?;
                Ok(Point {
                    length,
                    value,
                    slope: dot(&gradient, direction),
                    gradient,
                })
            })?;
            *at = moved(at, direction, end.length);
            self.length = end.length;
            let before = std::mem::replace(&mut value, end.value);
            gradient = end.gradient;
            if largest(&gradient) <= TOLERANCE_GRADIENT
                || size * self.length <= TOLERANCE_CHANGE
                || (value - before).abs() < TOLERANCE_CHANGE
            {
                return Ok(of_minimum);
            }
        }
        Ok(of_beginning)
    }

    /// Takes the last iteration's step and what it changed of the gradient among the pairs.
    fn remember(&mut self, gradient: &[f64]) {
        let last = gradient.iter().zip(&self.gradient);
        let change: Vec<f64> = last.map(|(now, before)| now - before).collect();
        let step: Vec<f64> = self
            .direction
            .iter()
            .map(|part| part * self.length)
            .collect();
        if dot(&change, &step) > LEAST_CURVATURE {
            if self.pairs.len() == self.settings.history {
                self.pairs.remove(0);
            }
            self.pairs.push(Pair { step, change });
        }
    }

    /// The gradient, downwards, times the inverse of the Hessian as the pairs tell it.
    fn direction(&self, gradient: &[f64]) -> Vec<f64> {
        let mut direction: Vec<f64> = gradient.iter().map(|part| -part).collect();
        let curved: Vec<f64> = self.pairs.iter().map(Pair::curvature).collect();
        let mut shares = vec![0.0; self.pairs.len()];
        for (place, pair) in self.pairs.iter().enumerate().rev() {
            shares[place] = dot(&pair.step, &direction) / curved[place];
            add(&mut direction, &pair.change, -shares[place]);
        }
        if let (Some(pair), Some(curved)) = (self.pairs.last(), curved.last()) {
            let scale = curved / dot(&pair.change, &pair.change);
            direction.iter_mut().for_each(|part| *part *= scale);
        }
        for (place, pair) in self.pairs.iter().enumerate() {
            let share = dot(&pair.change, &direction) / curved[place];
            add(&mut direction, &pair.step, shares[place] - share);
        }
        direction
    }

    /// What it remembers, for a checkpoint: numbers of eight bytes, the low one first.
    pub fn to_bytes(&self) -> Vec<u8> {
        let head = [
            self.done,
            self.gradient.len() as u64,
            self.pairs.len() as u64,
        ];
        let mut bytes = MARK.to_vec();
        bytes.extend(head.iter().flat_map(|number| number.to_le_bytes()));
        bytes.extend(self.length.to_le_bytes());
        let pairs = self.pairs.iter();
        let vectors = [&self.direction, &self.gradient]
            .into_iter()
            .chain(pairs.flat_map(|pair| [&pair.step, &pair.change]));
        bytes.extend(vectors.flatten().flat_map(|number| number.to_le_bytes()));
        bytes
    }

    /// The same with what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    ///
    /// The bytes are of something else; what is wrong, in words.
    pub fn restored(self, bytes: &[u8]) -> Result<Self, String> {
        let rest = bytes.strip_prefix(MARK);
        let rest = rest.ok_or("it is the state of another optimiser")?;
        let mut words = rest.chunks_exact(8).map(|word| {
            let mut own = [0; 8];
            own.copy_from_slice(word);
            u64::from_le_bytes(own)
        });
        let cut = "it is cut off";
        let mut next = || words.next().ok_or(cut);
        let (done, numbers, pairs) = (next()?, next()? as usize, next()? as usize);
        let length = f64::from_bits(next()?);
        let rest: Vec<f64> = words.map(f64::from_bits).collect();
        let vectors = pairs.checked_mul(2).and_then(|pairs| pairs.checked_add(2));
        if vectors.and_then(|vectors| vectors.checked_mul(numbers)) != Some(rest.len()) {
            return Err(cut.into());
        }
        let vector = |place: usize| rest[place * numbers..(place + 1) * numbers].to_vec();
        let pair = |place: usize| Pair {
            step: vector(2 + 2 * place),
            change: vector(3 + 2 * place),
        };
        Ok(Self {
            done,
            length,
            direction: vector(0),
            gradient: vector(1),
            pairs: (0..pairs).map(pair).collect(),
            ..self
        })
    }
}

/// What the state in a checkpoint begins with.
const MARK: &[u8] = b"rekindle L-BFGS 1\n";

impl Pair {
    fn curvature(&self) -> f64 {
        dot(&self.step, &self.change)
    }
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter()
        .zip(right)
        .map(|(left, right)| left * right)
        .sum()
}

fn add(to: &mut [f64], other: &[f64], factor: f64) {
    to.iter_mut()
        .zip(other)
        .for_each(|(to, other)| *to += factor * other);
}

fn moved(at: &[f64], direction: &[f64], length: f64) -> Vec<f64> {
    let parts = at.iter().zip(direction);
    parts
        .map(|(at, direction)| at + length * direction)
        .collect()
}

fn largest(of: &[f64]) -> f64 {
    of.iter().fold(0.0, |most, part| most.max(part.abs()))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use serde_json::Value;

    use super::*;

    fn fixture() -> Value {
        serde_json::from_str(include_str!("../../tests/data/lbfgs.json")).unwrap()
    }

    fn numbers(value: &Value) -> Vec<f64> {
        let items = value.as_array().unwrap().iter();
        items.map(|item| item.as_f64().unwrap()).collect()
    }

    fn rosenbrock(at: &[f64]) -> (f64, Vec<f64>) {
        let (mut value, mut gradient) = (0.0, vec![0.0; at.len()]);
        for place in 0..at.len() - 1 {
            let (x, next) = (at[place], at[place + 1]);
            let bend = next - x * x;
            value += 100.0 * bend * bend + (1.0 - x) * (1.0 - x);
            gradient[place] += -400.0 * x * bend - 2.0 * (1.0 - x);
            gradient[place + 1] += 200.0 * bend;
        }
        (value, gradient)
    }

    /// The mean logistic loss of two classes, with an L2 penalty.
    fn logistic(fixture: &Value, at: &[f64]) -> (f64, Vec<f64>) {
        let decay = fixture["weight_decay"].as_f64().unwrap();
        let rows = fixture["inputs"].as_array().unwrap();
        let signs = numbers(&fixture["signs"]);
        let mut value = decay / 2.0 * dot(at, at);
        let mut gradient: Vec<f64> = at.iter().map(|weight| decay * weight).collect();
        for (row, sign) in rows.iter().zip(&signs) {
            let row = numbers(row);
            let margin = sign * dot(&row, at);
            value += (-margin).exp().ln_1p() / signs.len() as f64;
            let share = -sign / (1.0 + margin.exp()) / signs.len() as f64;
            add(&mut gradient, &row, share);
        }
        (value, gradient)
    }

    #[test]
    fn every_call_ends_where_pytorchs_does() {
        let fixture = fixture();
        for case in fixture["cases"].as_array().unwrap() {
            let name = case["name"].as_str().unwrap();
            let function = |at: &[f64]| match name {
                "rosenbrock" => rosenbrock(at),
                _ => logistic(case, at),
            };
            let whole = |key: &str| case[key].as_u64().unwrap() as usize;
            let spec = LBfgsSpec {
                iterations: whole("iterations"),
                history: whole("history"),
                ..LBfgsSpec::default()
            };
            let mut method = LBfgs::new(&spec);
            let mut at = numbers(&case["start"]);
            let mut evaluated = 0;
            for (call, expected) in case["calls"].as_array().unwrap().iter().enumerate() {
                let found = method
                    .minimise(&mut at, 1.0, |at| {
                        evaluated += 1;
                        Ok::<_, Infallible>(function(at))
                    })
                    .unwrap();
                let told = format!("{name}, call {call}: {at:?} for {expected}");
                let value = expected["value"].as_f64().unwrap();
                assert!(
                    (found.value - value).abs() <= 1e-9 * (1.0 + value),
                    "{told}"
                );
                for (found, expected) in at.iter().zip(numbers(&expected["at"])) {
                    assert!((found - expected).abs() <= 1e-7, "{told}");
                }
                assert_eq!(evaluated, expected["evaluated"].as_u64().unwrap(), "{told}");
            }
        }
    }

    #[test]
    fn a_restored_method_goes_on_to_the_last_bit() {
        let spec = LBfgsSpec {
            iterations: 3,
            history: 2,
            ..LBfgsSpec::default()
        };
        let step = |method: &mut LBfgs, at: &mut Vec<f64>| {
            let function = |at: &[f64]| Ok::<_, Infallible>(rosenbrock(at));
            method.minimise(at, 1.0, function).unwrap()
        };
        let (mut method, mut at) = (LBfgs::new(&spec), vec![-1.2, 1.0, 0.5]);
        for _ in 0..4 {
            let restored = LBfgs::new(&spec).restored(&method.to_bytes()).unwrap();
            assert_eq!(restored, method);
            let (mut other, mut of_other) = (restored, at.clone());
            let found = step(&mut method, &mut at);
            assert_eq!(step(&mut other, &mut of_other), found);
            assert_eq!(of_other, at);
        }
        let bytes = method.to_bytes();
        for wrong in [&bytes[..bytes.len() - 8], &bytes[..30], b"{}"] {
            assert!(LBfgs::new(&spec).restored(wrong).is_err());
        }
    }

    #[test]
    fn a_failing_function_leaves_the_place_as_it_was() {
        let mut method = LBfgs::new(&LBfgsSpec::default());
        let (mut at, mut calls) = (vec![-1.2, 1.0], 0);
        let failed = method.minimise(&mut at, 1.0, |at| {
            calls += 1;
            match calls {
                2 => Err("broken"),
                _ => Ok(rosenbrock(at)),
            }
        });
        assert_eq!((failed, at), (Err("broken"), vec![-1.2, 1.0]));
    }
}
