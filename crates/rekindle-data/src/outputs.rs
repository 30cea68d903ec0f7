//! What the head's outputs mean: how targets become rows to train on, and outputs become predictions.
//!
//! Which tasks there are is `tasks.rs`'s; what is known of each image is `target.rs`'s.

use crate::target::{Target, TargetKind};
use crate::{DataError, ImageFolder, Meter, NumberScale, TaskKind};

impl NumberScale {
    /// The scale of these samples, as scikit-learn's `StandardScaler` has it; none where images have no numbers.
    ///
    /// # Errors
    ///
    /// [`DataError::ConstantNumber`] where a number is the same for all of them.
    pub fn fit(folder: &ImageFolder, samples: &[usize]) -> Result<Option<Self>, DataError> {
        if folder.task.targets() != TargetKind::Numbers {
            return Ok(None);
        }
        let (mut mean, mut std) = (Vec::new(), Vec::new());
        for (place, name) in folder.classes.names().iter().enumerate() {
            let values = || {
                let targets = samples.iter().map(|&index| &folder.samples[index].target);
                targets.map(|target| target.numbers()[place])
            };
            let count = samples.len().max(1) as f64;
            let average = values().sum::<f64>() / count;
            let square = |value: f64| (value - average) * (value - average);
            let deviation = (values().map(square).sum::<f64>() / count).sqrt();
            let first = values().next().unwrap_or_default();
            if values().all(|value| value == first) || deviation == 0.0 {
                let (name, number) = (name.clone(), first);
                return Err(DataError::ConstantNumber { name, number });
            }
            mean.push(average);
            std.push(deviation);
        }
        Ok(Some(Self { mean, std }))
    }
}

/// What the outputs of a head are.
#[derive(Debug, Clone, PartialEq)]
pub struct Outputs {
    /// The kind of task.
    pub task: TaskKind,
    /// The name of each output: a class, a label or a number.
    pub names: Vec<String>,
    /// The scale of numbers; none for other tasks.
    pub scale: Option<NumberScale>,
}

impl Outputs {
    /// The metrics of these outputs, with nothing measured yet.
    pub fn meter(&self) -> Meter {
        Meter::new(self.task, self.names.len(), self.scale.as_ref())
    }

    /// Targets as rows of all outputs, row by row: one 1 for a class, a 1 for each label, or standardised numbers.
    pub fn rows<'a>(&self, targets: impl Iterator<Item = &'a Target>) -> Vec<f32> {
        let width = self.names.len();
        let mut rows = Vec::new();
        for target in targets {
            let start = rows.len();
            rows.resize(start + width, 0.0);
            for place in target.names().filter(|place| *place < width) {
                rows[start + place] = match (&self.scale, target.numbers().get(place)) {
                    (Some(scale), Some(number)) => scale.standardise(place, *number) as f32,
                    _ => 1.0,
                };
            }
        }
        rows
    }

    /// What outputs say, `[sample][output]`: probabilities of the classes, probabilities of the labels, or numbers in their own units.
    /// `outputs` is row by row, `[batch, outputs]`.
    pub fn predictions(&self, outputs: &[f32]) -> Vec<Vec<f32>> {
        let row = |row: &[f32]| {
            let mut row = row.to_vec();
            self.task.outputs().activate(&mut row);
            if let Some(scale) = &self.scale {
                for (place, value) in row.iter_mut().enumerate() {
                    *value = scale.restore(place, f64::from(*value)) as f32;
                }
            }
            row
        };
        outputs.chunks(self.names.len().max(1)).map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ClassIndex, Sample};

    fn folder(numbers: &[[f64; 2]]) -> ImageFolder {
        let sample = |numbers: &[f64; 2]| Sample {
            target: Target::Numbers((*numbers).into()),
            ..Sample::file("a".into(), 0, None)
        };
        ImageFolder {
            task: TaskKind::Regression,
            classes: ClassIndex::new(vec!["x".into(), "y".into()]).unwrap(),
            samples: numbers.iter().map(sample).collect(),
            ..ImageFolder::default()
        }
    }

    #[test]
    fn numbers_are_standardised_by_the_training_images_and_restored() {
        let folder = folder(&[[1.0, 5e6], [3.0, 1e6], [1e9, 0.0]]);
        let scale = NumberScale::fit(&folder, &[0, 1]).unwrap().unwrap();
        assert_eq!(
            (&scale.mean[..], &scale.std[..]),
            (&[2.0, 3e6][..], &[1.0, 2e6][..])
        );
        let outputs = Outputs {
            task: TaskKind::Regression,
            names: folder.classes.names().to_vec(),
            scale: Some(scale),
        };
        let rows = outputs.rows(folder.samples[..2].iter().map(|sample| &sample.target));
        assert_eq!(rows, [-1.0, 1.0, 1.0, -1.0]);
        assert_eq!(
            outputs.predictions(&[-1.0, 1.0, 0.5, 0.0]),
            [[1.0, 5e6], [2.5, 3e6]]
        );
    }

    #[test]
    fn a_number_that_never_changes_is_an_error_that_names_it() {
        let folder = folder(&[[1.0, 0.1], [3.0, 0.1], [4.0, 0.1]]);
        let error = NumberScale::fit(&folder, &[0, 1, 2]).unwrap_err();
        assert!(error.to_string().contains("0.1 as `y`"), "{error}");
    }

    #[test]
    fn labels_are_ones_in_their_rows() {
        let outputs = Outputs {
            task: TaskKind::Multilabel,
            names: ["a", "b", "c"].map(String::from).to_vec(),
            scale: None,
        };
        let targets = [Target::Labels([0, 2].into()), Target::Labels([].into())];
        assert_eq!(outputs.rows(targets.iter()), [1.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
        let classes = [Target::Class(1)];
        assert_eq!(outputs.rows(classes.iter()), [0.0, 1.0, 0.0]);
    }
}
