//! What a model file says of sequences: of decoded pictures, and of data sets, which the same path measures.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use burn::module::Module;
use burn::tensor::Device;
use rekindle_augment::{RgbBatch, RgbImage, SampleRng};
use rekindle_data::metrics::check_finite;
use rekindle_data::{BadImage, BadImages, Dataset, Sequences, Target, TaskReport};

use crate::SequenceError;
use crate::batch::FeatureBatch;
use crate::features::{FrameFeatures, SequenceFeatures, evenly};
use crate::head::SequenceHead;
use crate::model::{SequenceInfo, SequenceModel};
use crate::plan::checked;

/// Sequences that go through the head at once.
const BATCH: usize = 64;

/// A model for inference. It can be shared between threads.
#[derive(Debug)]
pub struct SequencePredictor {
    info: SequenceInfo,
    frames: FrameFeatures,
    head: SequenceHead,
    device: Device,
}

/// Features of sequences that were opened, and what was left out of them.
#[derive(Debug)]
pub struct Measured {
    /// The sequences, without frames that cannot be decoded where these were to be left out.
    pub sequences: Sequences,
    /// The features of each.
    pub features: Vec<SequenceFeatures>,
    /// The frames that were left out.
    pub bad_frames: Vec<BadImage>,
}

impl SequencePredictor {
    /// Loads a model file onto a device; batch norms are folded.
    ///
    /// # Errors
    ///
    /// As [`SequenceModel::load`].
    pub fn load(path: &Path, device: &Device) -> Result<Self, SequenceError> {
        Ok(Self::new(SequenceModel::load(path, device)?, device))
    }

    /// A model that is on this device.
    pub fn new(model: SequenceModel, device: &Device) -> Self {
        let info = model.info;
        Self {
            frames: FrameFeatures::new(&model.stages, info.grid, &info.preprocessing, device),
            head: model.head.valid(),
            info,
            device: device.clone(),
        }
    }

    /// What the file says of itself.
    pub fn info(&self) -> &SequenceInfo {
        &self.info
    }

    /// The probabilities of the classes for decoded, upright pictures of one sequence in their order, such as frames of a camera.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use rekindle_data::read_image;
    /// use rekindle_sequence::SequencePredictor;
    ///
    /// let device = rekindle_model::device_from_name("cpu")?;
    /// let model = SequencePredictor::load("clips.safetensors".as_ref(), &device)?;
    /// let mut frames = Vec::new();
    /// for number in 1..=16 {
    ///     frames.push(read_image(format!("door/{number}.jpg").as_ref(), &Default::default())?.image);
    /// }
    /// for (class, probability) in model.info().classes.iter().zip(model.predict_pictures(&frames)?) {
    ///     println!("{class} {probability:.3}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// There is no picture, or an output is not finite.
    pub fn predict_pictures(&self, pictures: &[RgbImage]) -> Result<Vec<f32>, SequenceError> {
        if pictures.is_empty() {
            return Err(SequenceError::NoFrames);
        }
        let chosen = evenly(pictures.len(), self.info.frames);
        let (width, height) = self.frames.pipeline().size();
        let mut values = Vec::with_capacity(chosen.len() * self.frames.width());
        for places in chosen.chunks(BATCH / 2) {
            let view = |place: &usize| {
                let mut rng = SampleRng::new(0, 0, 0);
                self.frames
                    .pipeline()
                    .apply(&pictures[*place], &mut rng)
                    .into_raw()
            };
            let pixels: Vec<u8> = places.iter().flat_map(view).collect();
            let batch = RgbBatch::new(pixels, places.len(), height as usize, width as usize)?;
            values.extend(self.frames.of_batch(&batch).into_data().iter::<f32>());
        }
        let features = SequenceFeatures {
            values,
            identity: 0,
        };
        let mut rows = self.probabilities(&[&features])?;
        Ok(rows.pop().unwrap_or_default())
    }

    /// Computes the features of sequences; `progress` gets how many frames are there, and of how many.
    ///
    /// # Errors
    ///
    /// A frame cannot be read or, unless those are to be skipped, decoded.
    pub fn features(
        &self,
        sequences: Sequences,
        policy: BadImages,
        headers: usize,
        progress: impl FnMut(usize, usize),
    ) -> Result<Measured, SequenceError> {
        let limits = self.info.preprocessing.limits();
        let (sequences, dataset, bad_frames): (_, Dataset, _) =
            checked(sequences, limits, policy, headers)?;
        let never = AtomicBool::new(false);
        let found = self.frames.of_sequences(
            &Arc::new(dataset),
            &sequences,
            self.info.frames,
            &never,
            progress,
        )?;
        Ok(Measured {
            features: found.unwrap_or_default(),
            sequences,
            bad_frames,
        })
    }

    /// Whether the model was trained on a sequence, by the contents of its frames.
    pub fn was_trained_on(&self, features: &SequenceFeatures) -> bool {
        let identity = format!("{:032x}", features.identity);
        self.info.trained_on.contains(&identity)
    }

    /// The probabilities of the classes, `[sequence][class]`.
    ///
    /// # Errors
    ///
    /// An output is not finite.
    pub fn probabilities(
        &self,
        features: &[&SequenceFeatures],
    ) -> Result<Vec<Vec<f32>>, SequenceError> {
        let outputs = self.info.outputs();
        let mut rows = Vec::with_capacity(features.len());
        for chunk in features.chunks(BATCH) {
            rows.extend(outputs.predictions(&self.logits(chunk)?));
        }
        Ok(rows)
    }

    /// The figures of the model on some of these sequences, by their places.
    ///
    /// # Errors
    ///
    /// An output is not finite.
    pub fn evaluate(
        &self,
        measured: &Measured,
        chosen: &[usize],
    ) -> Result<TaskReport, SequenceError> {
        let mut meter = self.info.outputs().meter().with_scores();
        for chunk in chosen.chunks(BATCH) {
            let features: Vec<&SequenceFeatures> = chunk
                .iter()
                .map(|place| &measured.features[*place])
                .collect();
            let list = &measured.sequences.list.samples;
            let targets: Vec<&Target> = chunk.iter().map(|place| &list[*place].target).collect();
            meter.add(&self.logits(&features)?, &targets)?;
        }
        Ok(meter.report()?)
    }

    /// Logits, row by row.
    fn logits(&self, features: &[&SequenceFeatures]) -> Result<Vec<f32>, SequenceError> {
        let values: Vec<&[f32]> = features.iter().map(|one| &one.values[..]).collect();
        let batch = FeatureBatch::new(&values, self.frames.width(), &self.device);
        let logits = self.head.forward(batch.features, &batch.lengths);
        let logits: Vec<f32> = logits.into_data().iter::<f32>().collect();
        check_finite(&logits, self.info.classes.len(), 0)?;
        Ok(logits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_predictor_can_be_shared_between_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<SequencePredictor>();
    }
}
