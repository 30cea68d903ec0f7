//! Distillation: targets that a trained model has a say in. Owns the settings, and what the teacher says of each training image.

use std::collections::HashMap;
use std::ops::ControlFlow::{self, Break, Continue};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::Device;
use rekindle_augment::{Preprocessing, SampleRange};
use rekindle_data::{OutputKind, Outputs, Target};
use rekindle_model::{ModelError, Predictor, load_info};
use rekindle_settings::{SettingError, positive};
use serde::{Deserialize, Serialize};

use crate::{FinetuneError, Plan};

/// Images at once that the teacher looks at.
const AT_ONCE: usize = 32;

/// Learning from a model that is trained already: a small network from a large one or from an ensemble, which knows what else a picture
/// resembles.
///
/// The teacher looks once at each training image, in its own preprocessing and without augmentation; each target then is
/// `(1 - weight) * target + weight * what the teacher said`. For classes that is the loss of
/// [Hinton et al. 2015](https://arxiv.org/abs/1503.02531) with the student's temperature at 1. A teacher that was trained on the same images
/// is surer of them than it should be: raise its temperature, or take one that was not. `loss.label_smoothing` comes on top.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DistillRecipe {
    /// The teacher: a model file of any kind with the same classes, such as the result of `rekindle ensemble`. Default none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<PathBuf>,
    /// The teacher's share of the targets, from above 0 to 1, where it is alone. Default 0.5.
    #[serde(default = "default_weight")]
    pub weight: f64,
    /// What the teacher's logits are divided by: above 1 its probabilities are more even. Of numbers it changes nothing. Default 1.
    #[serde(default = "default_temperature")]
    pub temperature: f64,
}

fn default_weight() -> f64 {
    0.5
}

fn default_temperature() -> f64 {
    1.0
}

impl Default for DistillRecipe {
    fn default() -> Self {
        Self {
            model: None,
            weight: default_weight(),
            temperature: default_temperature(),
        }
    }
}

impl DistillRecipe {
    /// Checks the numbers.
    ///
    /// # Errors
    ///
    /// [`SettingError`] with the key `weight` or `temperature`.
    pub fn check(&self) -> Result<(), SettingError> {
        if !(self.weight > 0.0 && self.weight <= 1.0) {
            let expected = "above 0, up to 1";
            return Err(SettingError::new("weight", self.weight, expected));
        }
        positive("temperature", self.temperature)
    }

    /// Checks that the teacher knows what the run learns, and takes images of the same channels and range of samples.
    ///
    /// # Errors
    ///
    /// It cannot be read, or it has another task, other classes, other channels or another range.
    pub fn check_teacher(
        &self,
        own: &Outputs,
        preprocessing: &Preprocessing,
    ) -> Result<(), FinetuneError> {
        let Some(path) = &self.model else {
            return Ok(());
        };
        let teacher = load_info(path)?;
        order(own, &teacher.outputs(), path)?;
        // It looks at the images that are decoded for the run.
        let teachers = &teacher.preprocessing;
        let refused = |found: String, expected: String| {
            Err(SettingError::new("distill.model", found, expected).into())
        };
        let (found, channels) = (teachers.channels(), preprocessing.channels());
        if found != channels {
            return refused(
                format!("a model for {found} channels"),
                format!("a model for {channels}, as this run is (input.channels)"),
            );
        }
        if teachers.range != preprocessing.range {
            return refused(
                format!("a model for samples of the range {}", words(teachers.range)),
                format!(
                    "a model for {}, as this run is (input.range)",
                    words(preprocessing.range)
                ),
            );
        }
        if teachers.reading != preprocessing.reading {
            return refused(
                "a model for files that are read otherwise".into(),
                "a model for files that are read as in this run (data.tiff_planes, data.alpha)"
                    .into(),
            );
        }
        Ok(())
    }
}

/// A range as recipes write it.
fn words(range: SampleRange) -> String {
    match range {
        SampleRange::Full => "`full`".into(),
        SampleRange::Bits(bits) => format!("`{{ bits = {bits} }}`"),
        SampleRange::Span { low, high } => {
            format!("`{{ span = {{ low = {low}, high = {high} }} }}`")
        }
    }
}

/// What a teacher says of the training images.
#[derive(Debug)]
pub struct Teacher {
    rows: HashMap<usize, Vec<f32>>,
    weight: f32,
}

impl Teacher {
    /// Asks the teacher of a plan, if it has one; breaks off where the user interrupts.
    ///
    /// # Errors
    ///
    /// It cannot be read, does not fit, or an image cannot be read.
    pub fn of(
        plan: &Plan,
        device: &Device,
        interrupt: &AtomicBool,
    ) -> Result<ControlFlow<(), Option<Self>>, FinetuneError> {
        let recipe = &plan.recipe.distill;
        let Some(path) = &recipe.model else {
            return Ok(Continue(None));
        };
        let predictor = Predictor::load(path, device)?;
        let own = plan.outputs();
        let order = order(&own, &predictor.info().outputs(), path)?;
        let samples = &plan.split.train;
        let mut said = Vec::with_capacity(samples.len());
        let asked = predictor.predict_each(&plan.dataset, samples, AT_ONCE, |_, rows| {
            said.extend(rows);
            match interrupt.load(Ordering::Relaxed) {
                true => Err(Halt::Interrupted),
                false => Ok(()),
            }
        });
        match asked {
            Err(Halt::Interrupted) => return Ok(Break(())),
            Err(Halt::Failed(error)) => return Err(error.into()),
            Ok(()) => {}
        }
        let kind = own.task.outputs();
        let rows = samples.iter().zip(said).map(|(sample, said)| {
            let mut row: Vec<f32> = order.iter().map(|place| said[*place]).collect();
            match kind {
                OutputKind::Numbers => {
                    let numbers = row.iter().map(|number| f64::from(*number)).collect();
                    row = own.rows([&Target::Numbers(numbers)].into_iter());
                }
                _ => soften(&mut row, kind, recipe.temperature),
            }
            (*sample, row)
        });
        Ok(Continue(Some(Self {
            rows: rows.collect(),
            weight: recipe.weight as f32,
        })))
    }

    /// Blends what it said into rows of targets of these samples, row by row.
    pub fn blend(&self, rows: &mut [f32], samples: impl ExactSizeIterator<Item = usize>) {
        let width = rows.len() / samples.len().max(1);
        for (row, sample) in rows.chunks_mut(width.max(1)).zip(samples) {
            let Some(said) = self.rows.get(&sample) else {
                unreachable!("the teacher has seen every training image");
            };
            for (target, said) in row.iter_mut().zip(said) {
                *target += self.weight * (said - *target);
            }
        }
    }
}

/// Why the teacher is asked no more.
enum Halt {
    Interrupted,
    Failed(ModelError),
}

impl From<ModelError> for Halt {
    fn from(error: ModelError) -> Self {
        Self::Failed(error)
    }
}

/// Probabilities as they are at another temperature of the logits.
fn soften(row: &mut [f32], kind: OutputKind, temperature: f64) {
    let power = |value: f32| f64::from(value).powf(1.0 / temperature);
    match kind {
        OutputKind::Distribution => {
            let sum: f64 = row.iter().map(|value| power(*value)).sum();
            for value in row {
                *value = (power(*value) / sum) as f32;
            }
        }
        _ => {
            for value in row {
                let (yes, no) = (power(*value), power(1.0 - *value));
                *value = (yes / (yes + no)) as f32;
            }
        }
    }
}

/// For each output of the run, which of the teacher's it is.
fn order(own: &Outputs, teacher: &Outputs, path: &Path) -> Result<Vec<usize>, FinetuneError> {
    let refuse = |reason: String| {
        let found = format!("`{}`", path.display());
        FinetuneError::from(SettingError::new("distill.model", found, reason))
    };
    if own.task != teacher.task {
        return Err(refuse(format!(
            "a model for {}; this one is for {}",
            own.task.name(),
            teacher.task.name()
        )));
    }
    let place = |name: &String| teacher.names.iter().position(|other| other == name);
    let order: Vec<usize> = own.names.iter().filter_map(place).collect();
    if order.len() != own.names.len() || own.names.len() != teacher.names.len() {
        let words = own.task.words().more;
        let names = |of: &Outputs, among: &Outputs| {
            let lacking = of.names.iter().filter(|name| !among.names.contains(name));
            rekindle_settings::first_ten(lacking)
        };
        let sides = [
            ("lacks", names(own, teacher)),
            ("has in addition", names(teacher, own)),
        ];
        let sides: Vec<String> = sides
            .iter()
            .filter(|(_, names)| !names.is_empty())
            .map(|(verb, names)| format!("{verb} {names}"))
            .collect();
        return Err(refuse(format!(
            "a model of the same {words}; this one {}",
            sides.join(" and ")
        )));
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use rekindle_data::TaskKind;

    use super::*;

    #[test]
    fn a_temperature_is_that_of_the_logits() {
        // Logits 2, 0, -1.
        let softmax = |logits: [f64; 3]| {
            let sum: f64 = logits.iter().map(|value| value.exp()).sum();
            logits.map(|value| (value.exp() / sum) as f32)
        };
        let mut row = softmax([2.0, 0.0, -1.0]);
        soften(&mut row, OutputKind::Distribution, 4.0);
        for (found, expected) in row.iter().zip(softmax([0.5, 0.0, -0.25])) {
            assert!((found - expected).abs() < 1e-6, "{found} for {expected}");
        }
        let sigmoid = |logit: f64| (1.0 / (1.0 + (-logit).exp())) as f32;
        let mut row = [sigmoid(3.0), sigmoid(-2.0)];
        soften(&mut row, OutputKind::Indicators, 2.0);
        for (found, expected) in row.iter().zip([sigmoid(1.5), sigmoid(-1.0)]) {
            assert!((found - expected).abs() < 1e-6, "{found} for {expected}");
        }
    }

    #[test]
    fn outputs_are_found_by_name_whatever_their_order() {
        let outputs = |names: &[&str]| Outputs {
            task: TaskKind::Classification,
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            scale: None,
        };
        let own = outputs(&["apple", "leaf", "sky"]);
        let path = Path::new("teacher");
        let found = order(&own, &outputs(&["sky", "apple", "leaf"]), path);
        assert_eq!(found.unwrap(), [1, 2, 0]);
        let error = order(&own, &outputs(&["apple", "leaf", "sea"]), path);
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("lacks sky and has in addition sea"),
            "{error}"
        );
    }

    #[test]
    fn targets_move_towards_what_the_teacher_says() {
        let teacher = Teacher {
            rows: [(7, vec![0.5, 0.5]), (9, vec![0.25, 0.75])].into(),
            weight: 0.5,
        };
        let mut rows = [1.0, 0.0, 0.0, 1.0];
        teacher.blend(&mut rows, [7, 9].into_iter());
        assert_eq!(rows, [0.75, 0.25, 0.125, 0.875]);
    }
}
