//! What models say of images that they were not trained on. Owns how that is collected, and what is computed of it; which images these
//! are is the caller's.

use std::sync::Arc;

use rekindle_data::{Dataset, OutputKind, Outputs, Target, TaskReport};

use super::Temperature;
use super::calibrate::fit_temperature;
use super::folds::fold_of_each;
use super::rows::MeanOf;
use super::spread::Spread;
use super::stack::{StackFit, fit_stack};
use super::tree::{aligned, all_means};
use super::weights::fit_weights;
use crate::model_file::ModelInfo;
use crate::{ModelError, Predictor};

/// Outputs of several models for the same images, in one order of outputs, with what is right.
#[derive(Debug, Clone)]
pub struct HeldOut {
    outputs: Outputs,
    rows: Vec<Vec<f32>>,
    targets: Vec<Target>,
    groups: Vec<Option<u32>>,
}

impl HeldOut {
    /// Runs models over samples of a data set that was opened with the classes of `whole`: the combination that they are the members of,
    /// or a single model itself. `progress` gets the number of images after each batch.
    ///
    /// # Errors
    ///
    /// An image cannot be read, or an output is not finite.
    pub fn of(
        whole: &ModelInfo,
        members: &[Predictor],
        dataset: &Arc<Dataset>,
        samples: &[usize],
        batch_size: usize,
        mut progress: impl FnMut(usize),
    ) -> Result<Self, ModelError> {
        let same: Vec<usize> = (0..whole.classes.len()).collect();
        let combination = whole.after.combination.as_ref();
        let order = |place: usize| {
            let member = combination.and_then(|all| all.members.get(place));
            member.map_or(&same, |member| &member.order)
        };
        let mut rows = Vec::with_capacity(members.len());
        let mut targets = Vec::new();
        for (place, member) in members.iter().enumerate() {
            let mut own = Vec::new();
            targets.clear();
            member.run(dataset, samples, batch_size, |batch, outputs| {
                own.extend(aligned(&outputs, member.info(), order(place), whole));
                targets.extend(batch.targets.iter().cloned());
                progress(batch.indices.len());
                Ok(())
            })?;
            rows.push(own);
        }
        let group = |sample: &usize| dataset.folder().samples[*sample].group;
        Ok(Self {
            outputs: whole.outputs(),
            rows,
            targets,
            groups: samples.iter().map(group).collect(),
        })
    }

    /// How many images there are.
    pub fn images(&self) -> usize {
        self.targets.len()
    }

    /// The outputs of each model, `[images * outputs]`.
    pub fn rows(&self) -> Vec<&[f32]> {
        self.rows.iter().map(Vec::as_slice).collect()
    }

    /// What is right, as rows of outputs.
    pub fn right(&self) -> Vec<f32> {
        self.outputs.rows(self.targets.iter())
    }

    /// The class of each image.
    ///
    /// # Errors
    ///
    /// [`ModelError::NotFitted`] where images have no class, for `what` was to be fitted.
    pub fn classes(&self, what: &'static str) -> Result<Vec<usize>, ModelError> {
        match self.kind() {
            OutputKind::Distribution => {
                let classes = self
                    .targets
                    .iter()
                    .map(|target| target.class().unwrap_or(0));
                Ok(classes.collect())
            }
            _ => Err(ModelError::NotFitted {
                what,
                reason: format!(
                    "it is for models of one class of several, and these are for {}; `rekindle ensemble` combines them",
                    self.outputs.task.name()
                ),
            }),
        }
    }

    /// The figures of outputs of these images.
    ///
    /// # Errors
    ///
    /// An output is not finite, or there are no images.
    pub fn report(&self, outputs: &[f32]) -> Result<TaskReport, ModelError> {
        let mut meter = self.outputs.meter().with_scores();
        let targets: Vec<&Target> = self.targets.iter().collect();
        meter.add(outputs, &targets)?;
        Ok(meter.report()?)
    }

    /// What outputs say, a row of each image.
    pub fn predictions(&self, outputs: &[f32]) -> Vec<Vec<f32>> {
        self.outputs.predictions(outputs)
    }

    /// The weighted mean of the models.
    pub fn mean(&self, of: MeanOf, weights: &[f64]) -> Vec<f32> {
        all_means(self.kind(), of, weights, &self.rows, self.width())
    }

    /// The weights of the mean with the smallest loss, see [`fit_weights`].
    pub fn fit_weights(&self, of: MeanOf) -> Vec<f64> {
        fit_weights(self.kind(), of, &self.rows(), &self.right(), self.width())
    }

    /// Which of so many parts each image is in.
    pub fn folds(&self, folds: usize) -> Vec<usize> {
        fold_of_each(&self.targets, &self.groups, folds)
    }

    /// The mean of the models with weights fitted to the other parts, so that no image is measured with weights that it had a share in.
    pub fn cross_fitted_mean(&self, of: MeanOf, folds: &[usize]) -> Vec<f32> {
        let parts = folds.iter().max().map_or(0, |last| last + 1);
        let width = self.width();
        let mut outputs = vec![0.0; self.images() * width];
        for part in 0..parts {
            let others = self.subset(|image| folds[image] != part);
            let weights = others.fit_weights(of);
            let own = self.subset(|image| folds[image] == part).mean(of, &weights);
            let places = (0..self.images()).filter(|image| folds[*image] == part);
            for (image, row) in places.zip(own.chunks(width)) {
                outputs[image * width..][..width].copy_from_slice(row);
            }
        }
        outputs
    }

    /// A meta-learner on the models, see [`fit_stack`].
    ///
    /// # Errors
    ///
    /// [`ModelError::NotFitted`] for labels and numbers, and for fewer images than two of each part.
    pub fn fit_stack(&self, folds: usize) -> Result<StackFit, ModelError> {
        let what = "a meta-learner";
        let classes = self.classes(what)?;
        if self.images() < 2 * folds || folds < 2 {
            return Err(ModelError::NotFitted {
                what,
                reason: format!(
                    "{} images make no {folds} parts of two or more; give more images that no model was trained on, or 2 folds or more",
                    self.images()
                ),
            });
        }
        Ok(fit_stack(
            &self.rows(),
            &classes,
            self.width(),
            &self.folds(folds),
        ))
    }

    /// The temperature of outputs, see [`fit_temperature`].
    ///
    /// # Errors
    ///
    /// As [`fit_temperature`].
    pub fn fit_temperature(&self, outputs: &[f32]) -> Result<Temperature, ModelError> {
        fit_temperature(self.kind(), outputs, &self.right(), self.width())
    }

    /// How far the errors of the models go together.
    pub fn spread(&self) -> Option<Spread> {
        let says = |rows: &Vec<f32>| -> Vec<f32> {
            let mut rows = rows.clone();
            rows.chunks_mut(self.width().max(1))
                .for_each(|row| self.kind().activate(row));
            rows
        };
        let all: Vec<Vec<f32>> = self.rows.iter().map(says).collect();
        Spread::of(&all, &self.right())
    }

    fn kind(&self) -> OutputKind {
        self.outputs.task.outputs()
    }

    fn width(&self) -> usize {
        self.outputs.names.len()
    }

    /// The images that are wanted.
    fn subset(&self, wanted: impl Fn(usize) -> bool) -> Self {
        let places: Vec<usize> = (0..self.images()).filter(|image| wanted(*image)).collect();
        let width = self.width();
        let rows = |rows: &Vec<f32>| {
            places
                .iter()
                .flat_map(|image| &rows[image * width..][..width])
                .copied()
                .collect()
        };
        Self {
            outputs: self.outputs.clone(),
            rows: self.rows.iter().map(rows).collect(),
            targets: places
                .iter()
                .map(|image| self.targets[*image].clone())
                .collect(),
            groups: places.iter().map(|image| self.groups[*image]).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rekindle_data::TaskKind;

    fn two() -> HeldOut {
        // The first model is right; the second says the next class.
        let classes = 3;
        let one = |shift: usize| {
            let row = move |image: usize| {
                (0..classes).map(move |class| {
                    if class == (image + shift) % classes {
                        2.0
                    } else {
                        0.0
                    }
                })
            };
            (0..30).flat_map(row).collect()
        };
        HeldOut {
            outputs: Outputs {
                task: TaskKind::Classification,
                names: ["a", "b", "c"].map(String::from).to_vec(),
                scale: None,
            },
            rows: vec![one(0), one(1)],
            targets: (0..30)
                .map(|image| Target::Class(image % classes))
                .collect(),
            groups: vec![None; 30],
        }
    }

    #[test]
    fn weights_measured_across_parts_are_those_of_the_other_parts() {
        let held = two();
        let weights = held.fit_weights(MeanOf::Probabilities);
        assert!(weights[0] > 0.99, "{weights:?}");
        let crossed = held.cross_fitted_mean(MeanOf::Probabilities, &held.folds(5));
        let report = held.report(&crossed).unwrap();
        assert_eq!(report.figure("accuracy"), Some(1.0));
        assert_eq!(report.samples(), 30);
    }

    #[test]
    fn labels_have_no_meta_learner_and_few_images_neither() {
        let mut held = two();
        assert!(held.fit_stack(5).is_ok());
        let few = held.subset(|image| image < 6);
        assert!(
            few.fit_stack(5)
                .unwrap_err()
                .to_string()
                .contains("6 images")
        );
        held.outputs.task = TaskKind::Multilabel;
        let error = held.fit_stack(5).unwrap_err().to_string();
        assert!(
            error.contains("multilabel") && error.contains("rekindle ensemble"),
            "{error}"
        );
    }
}
