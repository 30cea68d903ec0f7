//! Features of images: what a stage of a backbone makes of each, averaged over its pixels. `file.rs` keeps them.

mod file;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use burn::tensor::Device;
use rekindle_augment::{Pipeline, Preprocessing, RgbBatch, network_input};
use rekindle_backbone::Backbone;
use rekindle_data::{Dataset, LastBatch, Loader, LoaderOptions, batches};
use rekindle_model::ModelError;

pub use self::file::{FeatureFile, FeatureFormat};
use crate::ExportError;

/// Stages of a backbone up to one whose features are wanted, and the way of an image to it.
#[derive(Debug)]
pub struct FeatureExtractor {
    stages: Backbone,
    pipeline: Arc<Pipeline>,
    preprocessing: Preprocessing,
    device: Device,
}

impl FeatureExtractor {
    /// The features of a stage, by its name or its number from 0; of the last one where none is said. Images go through the evaluation
    /// view of this preprocessing.
    ///
    /// # Errors
    ///
    /// The backbone has no such stage.
    pub fn new(
        backbone: &Backbone,
        preprocessing: &Preprocessing,
        stage: Option<&str>,
        device: &Device,
    ) -> Result<Self, ExportError> {
        let names = backbone.stage_names();
        let found = match stage {
            None => Some(names.len() - 1),
            Some(stage) => names.iter().position(|name| *name == stage).or_else(|| {
                let number = stage.parse::<usize>().ok();
                number.filter(|number| *number < names.len())
            }),
        };
        let Some(last) = found else {
            return Err(ExportError::UnknownStage {
                architecture: backbone.name().to_owned(),
                stage: stage.unwrap_or_default().to_owned(),
                known: names.join(", "),
            });
        };
        Ok(Self {
            stages: backbone.part(0, last + 1).fold_norms(),
            pipeline: Arc::new(Pipeline::evaluation(preprocessing)),
            preprocessing: preprocessing.clone(),
            device: device.clone(),
        })
    }

    /// The name of the stage.
    pub fn stage(&self) -> &str {
        self.stages.stage_names().pop().unwrap_or_default()
    }

    /// Features of an image.
    pub fn features(&self) -> usize {
        self.stages.channels()
    }

    /// The features of images that have been through the view, row by row.
    ///
    /// # Shapes
    ///
    /// `[batch, height, width, 3]` bytes to `[batch, features]`.
    pub fn of_batch(&self, images: &RgbBatch) -> Vec<f32> {
        let maps = self
            .stages
            .forward(network_input(images, &self.preprocessing, &self.device));
        let pooled = maps.mean_dims(&[2, 3]);
        pooled.into_data().iter::<f32>().collect()
    }

    /// Runs over samples in order; `each` gets the samples of a batch and their features, row by row, so that memory does not grow with
    /// the number of images.
    ///
    /// # Errors
    ///
    /// An image cannot be read, a feature is not finite, or `each` fails.
    pub fn run<E: From<ExportError>>(
        &self,
        dataset: &Arc<Dataset>,
        samples: &[usize],
        batch_size: usize,
        mut each: impl FnMut(&[usize], &[f32]) -> Result<(), E>,
    ) -> Result<(), E> {
        let loader = Loader::new(
            dataset.clone(),
            self.pipeline.clone(),
            batches(samples, batch_size, LastBatch::Keep),
            0,
            0,
            LoaderOptions::default(),
        );
        let failed = |error| ExportError::from(ModelError::from(error));
        for batch in loader.map_err(failed)? {
            let batch = batch.map_err(failed)?;
            let rows = self.of_batch(&batch.images);
            if let Some(place) = rows.iter().position(|value| !value.is_finite()) {
                let sample = batch.indices[place / self.features()];
                return Err(ExportError::FeatureNotFinite {
                    image: dataset.folder().samples[sample].path.clone(),
                    stage: self.stage().to_owned(),
                }
                .into());
            }
            each(&batch.indices, &rows)?;
        }
        Ok(())
    }
}
