//! Predictions from a model file alone: of bytes, of decoded images, and of data sets, which the same path measures.

use std::path::Path;
use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use rekindle_augment::{DecodeLimits, Pipeline, RgbBatch, RgbImage, SampleRng, decode, rescale};
use rekindle_data::metrics::{MetricsError, check_finite};
use rekindle_data::{
    BadImage, Batch, Dataset, LastBatch, Loader, LoaderOptions, Target, TaskReport, batches,
};

use crate::ModelError;
use crate::model_file::{ModelFile, ModelInfo};
use crate::network::{Features, Network};

/// A model for inference. It can be shared between threads.
#[derive(Debug)]
pub struct Predictor {
    info: ModelInfo,
    network: Network,
    pipeline: Arc<Pipeline>,
    device: Device,
}

impl Predictor {
    /// Loads a model file onto a device; batch norms are folded. It computes in the precision of the model's training.
    ///
    /// # Errors
    ///
    /// As [`ModelFile::load`].
    pub fn load(path: &Path, device: &Device) -> Result<Self, ModelError> {
        Ok(Self::new(ModelFile::load(path, device)?, device))
    }

    /// The same from the bytes of a file, such as one that is part of the program.
    ///
    /// # Errors
    ///
    /// As [`ModelFile::of_bytes`].
    pub fn from_bytes(bytes: &[u8], device: &Device) -> Result<Self, ModelError> {
        let origin = Path::new("the model in memory");
        Ok(Self::new(
            ModelFile::of_bytes(bytes, origin, device)?,
            device,
        ))
    }

    /// A model that is on this device.
    pub fn new(model: ModelFile, device: &Device) -> Self {
        Self {
            pipeline: Arc::new(Pipeline::evaluation(&model.info.preprocessing)),
            network: model.network.for_inference(),
            info: model.info,
            device: device.clone(),
        }
    }

    /// What the file says of itself.
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// The network, its batch norms folded.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The evaluation view of an image.
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// The device that it computes on.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The network's input of a batch of pixels that has been through [`Predictor::pipeline`].
    ///
    /// # Shapes
    ///
    /// `[batch, height, width, 3]` bytes to `[batch, 3, height, width]`.
    pub fn input(&self, images: &RgbBatch) -> Tensor<4> {
        rescale(images, &self.info.preprocessing.rescale, &self.device)
    }

    /// Logits of a batch of pixels that has been through [`Predictor::pipeline`].
    ///
    /// # Shapes
    ///
    /// `[batch, height, width, 3]` bytes to `[batch, outputs]`.
    pub fn logits(&self, images: &RgbBatch) -> Tensor<2> {
        let maps = self.input(images);
        self.network.logits(Features::Maps { maps, taps: None })
    }

    /// What the model says of the bytes of one image file: the probabilities of the classes or of each label, or numbers in their own
    /// units, in the order of [`ModelInfo::classes`].
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use rekindle_model::{Predictor, device_from_name};
    ///
    /// let model = Predictor::load("runs/photos-1/model.safetensors".as_ref(), &device_from_name("cpu")?)?;
    /// let probabilities = model.predict_bytes(&std::fs::read("photo.jpg")?)?;
    /// for (class, probability) in model.info().classes.iter().zip(probabilities) {
    ///     println!("{class} {probability:.3}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The bytes cannot be decoded, or an output is not finite.
    pub fn predict_bytes(&self, bytes: &[u8]) -> Result<Vec<f32>, ModelError> {
        let limits = DecodeLimits {
            range: self.info.preprocessing.range,
            ..DecodeLimits::default()
        };
        let image = decode(bytes, &limits)?.image;
        let mut rows = self.predict_images(std::slice::from_ref(&image))?;
        Ok(rows.pop().unwrap_or_default())
    }

    /// What the model says of decoded, upright images, all in one batch: a row for each, as [`predict_bytes`](Self::predict_bytes) has
    /// it.
    ///
    /// # Errors
    ///
    /// An output is not finite.
    pub fn predict_images(&self, images: &[RgbImage]) -> Result<Vec<Vec<f32>>, ModelError> {
        let view = |image: &RgbImage| self.pipeline.apply(image, &mut SampleRng::new(0, 0, 0));
        let views: Vec<RgbImage> = images.iter().map(view).collect();
        if views.is_empty() {
            return Ok(Vec::new());
        }
        let (width, height) = views[0].dimensions();
        let pixels: Vec<u8> = views
            .iter()
            .flat_map(|view| view.as_raw().iter().copied())
            .collect();
        let batch = RgbBatch::new(pixels, views.len(), height as usize, width as usize)?;
        let outputs = self.finite_outputs(&batch)?;
        self.finite_rows(self.info.outputs().predictions(&outputs), 0)
    }

    /// The rows, whose numbers must all be finite; `first` is the number of the first image. Outputs that are may still be beyond what
    /// their units hold.
    fn finite_rows(&self, rows: Vec<Vec<f32>>, first: usize) -> Result<Vec<Vec<f32>>, ModelError> {
        for (place, row) in rows.iter().enumerate() {
            if let Some(output) = row.iter().position(|value| !value.is_finite()) {
                return Err(ModelError::NotFinite {
                    image: first + place,
                    output: self.info.classes[output].clone(),
                    value: row[output],
                });
            }
        }
        Ok(rows)
    }

    /// Outputs row by row, on the host.
    fn finite_outputs(&self, images: &RgbBatch) -> Result<Vec<f32>, MetricsError> {
        let outputs: Vec<f32> = self.logits(images).into_data().iter::<f32>().collect();
        check_finite(&outputs, self.info.classes.len(), 0)?;
        Ok(outputs)
    }

    /// Runs over samples of a data set in order; `each` gets every batch with its logits, row by row.
    ///
    /// # Errors
    ///
    /// An image cannot be read, an output is not finite, or `each` fails.
    pub fn run(
        &self,
        dataset: &Arc<Dataset>,
        samples: &[usize],
        batch_size: usize,
        mut each: impl FnMut(&Batch, Vec<f32>) -> Result<(), ModelError>,
    ) -> Result<(), ModelError> {
        self.run_until(dataset, samples, batch_size, None, |batch, logits, _| {
            each(batch, logits)
        })
    }

    /// As [`run`](Self::run), with an error of the caller's own, and with bad images added to `left_out` where there is such a list.
    fn run_until<E: From<ModelError>>(
        &self,
        dataset: &Arc<Dataset>,
        samples: &[usize],
        batch_size: usize,
        mut left_out: Option<&mut Vec<BadImage>>,
        mut each: impl FnMut(&Batch, Vec<f32>, usize) -> Result<(), E>,
    ) -> Result<(), E> {
        let batches = batches(samples, batch_size, LastBatch::Keep);
        let loader = Loader::new(
            dataset.clone(),
            self.pipeline.clone(),
            batches,
            0,
            0,
            LoaderOptions::default(),
        );
        let mut loader = loader.map_err(ModelError::from)?;
        if left_out.is_some() {
            loader = loader.leaving_out();
        }
        loop {
            let batch = loader.next();
            let bad = loader.take_left_out();
            let count = bad.len();
            if let Some(left_out) = &mut left_out {
                left_out.extend(bad);
            }
            let Some(batch) = batch else { return Ok(()) };
            let batch = batch.map_err(ModelError::from)?;
            let logits = self.finite_outputs(&batch.images);
            each(&batch, logits.map_err(ModelError::from)?, count)?;
        }
    }

    /// As [`predict`](Self::predict), batch by batch as they are ready: `each` gets the samples of a batch and their rows, so that memory
    /// does not grow with the number of images.
    ///
    /// # Errors
    ///
    /// An image cannot be read, an output is not finite, or `each` fails.
    pub fn predict_each<E: From<ModelError>>(
        &self,
        dataset: &Arc<Dataset>,
        samples: &[usize],
        batch_size: usize,
        mut each: impl FnMut(&[usize], Vec<Vec<f32>>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.predict_rows(dataset, samples, batch_size, None, |samples, rows, _| {
            each(samples, rows)
        })
    }

    /// As [`predict_each`](Self::predict_each), but images that cannot be read or decoded are left out and given back in the end; each is
    /// decoded once all the same. `each` gets the number of those that were met before its batch, too.
    ///
    /// # Errors
    ///
    /// An output is not finite, or `each` fails.
    pub fn predict_usable<E: From<ModelError>>(
        &self,
        dataset: &Arc<Dataset>,
        samples: &[usize],
        batch_size: usize,
        each: impl FnMut(&[usize], Vec<Vec<f32>>, usize) -> Result<(), E>,
    ) -> Result<Vec<BadImage>, E> {
        let mut left_out = Vec::new();
        self.predict_rows(dataset, samples, batch_size, Some(&mut left_out), each)?;
        Ok(left_out)
    }

    fn predict_rows<E: From<ModelError>>(
        &self,
        dataset: &Arc<Dataset>,
        samples: &[usize],
        batch_size: usize,
        left_out: Option<&mut Vec<BadImage>>,
        mut each: impl FnMut(&[usize], Vec<Vec<f32>>, usize) -> Result<(), E>,
    ) -> Result<(), E> {
        let outputs = self.info.outputs();
        let mut first = 0;
        self.run_until(
            dataset,
            samples,
            batch_size,
            left_out,
            |batch, logits, bad| {
                let rows = self.finite_rows(outputs.predictions(&logits), first)?;
                first += rows.len();
                each(&batch.indices, rows, bad)
            },
        )
    }

    /// What the model says of samples, `[sample][output]`: the probabilities of the classes, or of each label, or numbers in their own
    /// units. Names are those of [`ModelInfo::classes`].
    ///
    /// # Errors
    ///
    /// An image cannot be read, or an output is not finite.
    pub fn predict(
        &self,
        dataset: &Arc<Dataset>,
        samples: &[usize],
        batch_size: usize,
    ) -> Result<Vec<Vec<f32>>, ModelError> {
        let mut rows = Vec::with_capacity(samples.len());
        self.predict_each(dataset, samples, batch_size, |_, fresh| {
            rows.extend(fresh);
            Ok::<(), ModelError>(())
        })?;
        Ok(rows)
    }

    /// Measures the model on samples of a data set opened with its task and classes; `progress` gets the number of images after each
    /// batch.
    ///
    /// # Errors
    ///
    /// An image cannot be read, or an output is not finite.
    pub fn evaluate(
        &self,
        dataset: &Arc<Dataset>,
        samples: &[usize],
        batch_size: usize,
        mut progress: impl FnMut(usize),
    ) -> Result<TaskReport, ModelError> {
        let mut meter = self.info.outputs().meter().with_scores();
        self.run(dataset, samples, batch_size, |batch, logits| {
            let targets: Vec<&Target> = batch.targets.iter().collect();
            meter.add(&logits, &targets)?;
            progress(targets.len());
            Ok(())
        })?;
        Ok(meter.report()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_predictor_can_be_shared_between_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<Predictor>();
    }
}
