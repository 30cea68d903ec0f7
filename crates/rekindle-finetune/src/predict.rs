//! Predictions from a model file alone; the same path measures it.

use std::path::Path;
use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use rekindle_augment::{Pipeline, RgbBatch, rescale};
use rekindle_backbone::Backbone;
use rekindle_head::Head;

use crate::FinetuneError;
use crate::classifier::Joint;
use crate::data::{Batch, Dataset, LastBatch, Loader, LoaderOptions, Target, batches};
use crate::metrics::{Meter, TaskReport};
use crate::model_file::{ModelFile, ModelInfo};

/// A model for inference.
#[derive(Debug)]
pub struct Predictor {
    info: ModelInfo,
    backbone: Backbone,
    head: Head,
    joint: Joint,
    device: Device,
}

impl Predictor {
    /// Loads a model file; batch norms are folded. The process computes in the [precision](crate::Precision) of the model's training
    /// from now on.
    ///
    /// # Errors
    ///
    /// As [`ModelFile::load`].
    pub fn load(path: &Path, device: &Device) -> Result<Self, FinetuneError> {
        let model = ModelFile::load(path, device)?;
        model.info.precision.enter();
        let (backbone, head) = (model.backbone.fold_norms(), model.head.valid());
        Ok(Self {
            info: model.info,
            backbone,
            head,
            joint: model.joint,
            device: device.clone(),
        })
    }

    /// What the file says of itself.
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// Logits of a batch of pixels that has been through [`Predictor::pipeline`].
    ///
    /// # Shapes
    ///
    /// `[batch, height, width, 3]` bytes to `[batch, classes]`.
    pub fn logits(&self, images: &RgbBatch) -> Tensor<2> {
        let images = rescale(images, &self.info.preprocessing.rescale, &self.device);
        let (features, kept) = self.backbone.forward_keeping(images, &self.joint.taps);
        let taps = self.joint.pool_taps(kept);
        self.head
            .classify(self.joint.join(self.head.pool(features), taps))
    }

    /// The evaluation view of an image.
    pub fn pipeline(&self) -> Pipeline {
        Pipeline::evaluation(&self.info.preprocessing)
    }

    /// Runs over samples of a data set in order; `each` gets every batch with its logits, row by row.
    ///
    /// # Errors
    ///
    /// An image cannot be read, or `each` fails.
    pub fn run(
        &self,
        dataset: &Arc<Dataset>,
        samples: &[usize],
        batch_size: usize,
        mut each: impl FnMut(&Batch, Vec<f32>) -> Result<(), FinetuneError>,
    ) -> Result<(), FinetuneError> {
        let batches = batches(samples, batch_size, LastBatch::Keep);
        let loader = Loader::new(
            dataset.clone(),
            Arc::new(self.pipeline()),
            batches,
            0,
            0,
            LoaderOptions::default(),
        )?;
        for batch in loader {
            let batch = batch?;
            let logits = self
                .logits(&batch.images)
                .into_data()
                .iter::<f32>()
                .collect();
            each(&batch, logits)?;
        }
        Ok(())
    }

    /// What the model says of samples, `[sample][output]`: the probabilities of the classes, or of each label, or numbers in their own
    /// units. Names are those of [`ModelInfo::classes`].
    ///
    /// # Errors
    ///
    /// An image cannot be read.
    pub fn predict(
        &self,
        dataset: &Arc<Dataset>,
        samples: &[usize],
        batch_size: usize,
    ) -> Result<Vec<Vec<f32>>, FinetuneError> {
        let outputs = self.info.outputs();
        let mut rows = Vec::with_capacity(samples.len());
        self.run(dataset, samples, batch_size, |batch, logits| {
            let shape = [batch.indices.len(), outputs.names.len()];
            let logits = Tensor::<2>::from_data(TensorData::new(logits, shape), &self.device);
            rows.extend(outputs.predictions(logits));
            Ok(())
        })?;
        Ok(rows)
    }

    /// Measures the model on samples of a data set opened with its task and classes; `progress` gets the number of images after each
    /// batch.
    ///
    /// # Errors
    ///
    /// An image cannot be read, or a logit is not finite.
    pub fn evaluate(
        &self,
        dataset: &Arc<Dataset>,
        samples: &[usize],
        batch_size: usize,
        mut progress: impl FnMut(usize),
    ) -> Result<TaskReport, FinetuneError> {
        let mut meter = Meter::new(&self.info.outputs());
        self.run(dataset, samples, batch_size, |batch, logits| {
            let targets: Vec<&Target> = batch.targets.iter().collect();
            meter.add(&logits, &targets)?;
            progress(targets.len());
            Ok(())
        })?;
        Ok(meter.report()?)
    }
}
