//! How much memory a run takes at most, estimated from its plan, and how much there is.
//!
//! Owns the estimate, and what is said of one that the machine does not have. The numbers that operations write for an image are the
//! backbone's summary's. The factors below are fitted to the peaks of five whole runs on two cores with the CPU backend, from 241 to 2071 MiB,
//! which they meet within 15 %. Of a sixth, in which two pictures of 168 megapixels were decoded at once, they foresaw 1689 of 2778 MiB.

mod available;

use rekindle_backbone::{Backbone, StageSummary};
use serde::Serialize;

pub use available::available_memory;

use crate::features::bytes_per_image;
use crate::{FinetuneError, Plan};
use rekindle_model::head_for;

/// The program, its threads, and the weights that are part of it.
const PROGRAM: u64 = 70 << 20;
/// Copies of each weight: as it was loaded, folded for inference, and prepared for the kernels.
const COPIES: u64 = 3;
/// For each trained number: its gradient, an optimiser's two moments, the moving average, the best and the last state, and a checkpoint's.
const COPIES_TRAINED: u64 = 7;
/// For each number that operations write in a training step, how many are there at once: itself and its gradient.
const KEPT: f64 = 2.0;
/// Images whose frozen features are computed at once.
const BLOCK: u64 = 16;
/// Of the numbers that operations of frozen stages write, the share that is there at once.
const KEPT_FROZEN: f64 = 0.15;
/// Bytes for each pixel while a picture is decoded.
const WHILE_DECODED: u64 = 7;
/// Batches that are prepared ahead, and the one in use.
const BATCHES: u64 = 3;
/// An estimate may be wrong by this much; what is certain not to fit is an error.
const UNCERTAIN: f64 = 1.3;

/// The most memory that the parts of a run take, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MemoryEstimate {
    /// The program, and the network's weights.
    pub program: u64,
    /// Decoded images that are kept (`data.image_cache_mb`).
    pub images: u64,
    /// Features that are kept (`data.feature_cache_mb`).
    pub features: u64,
    /// Images that are read, decoded and put into batches.
    pub loading: u64,
    /// The largest training step of any phase, or block of frozen features.
    pub step: u64,
    /// The phase of that step.
    pub phase: String,
}

impl MemoryEstimate {
    /// All of it.
    pub fn total(&self) -> u64 {
        self.program + self.images + self.features + self.loading + self.step
    }

    /// The setting that saves most when it is lowered.
    pub fn setting(&self) -> String {
        let parts = [
            (self.step, format!("{}.batch_size", self.phase)),
            (self.images, "data.image_cache_mb".to_owned()),
            (self.features, "data.feature_cache_mb".to_owned()),
        ];
        let largest = parts.into_iter().max_by_key(|(bytes, _)| *bytes);
        largest.map(|(_, setting)| setting).unwrap_or_default()
    }

    /// Checks that there is so much, where the system tells what there is.
    ///
    /// # Errors
    ///
    /// [`FinetuneError::NoMemory`] where the run is certain not to fit, whatever the estimate's error.
    pub fn check(&self, available: Option<u64>) -> Result<(), FinetuneError> {
        match available {
            Some(available) if self.total() as f64 > UNCERTAIN * available as f64 => {
                Err(FinetuneError::NoMemory {
                    needed: self.total(),
                    available,
                    setting: self.setting(),
                })
            }
            _ => Ok(()),
        }
    }
}

impl Plan {
    /// The memory that the run takes at most; of a run on a GPU that of the host. Pictures count as their headers say, where those were
    /// read.
    ///
    /// # Errors
    ///
    /// None for a plan as it was made; its parts may have been changed since.
    pub fn memory(&self) -> Result<MemoryEstimate, FinetuneError> {
        let recipe = &self.recipe;
        let backbone = self.architecture()?;
        let [height, width] = self.preprocessing.input_size;
        let stages = backbone.summary(height, width);
        let parameters = |stages: &[StageSummary]| -> u64 {
            stages.iter().map(|stage| 4 * stage.parameters as u64).sum()
        };
        let on_host = recipe.device == "cpu";
        let first = self.facts.first_unfrozen_stage.min(stages.len());
        let trained = parameters(&stages[first..]);
        let copies = if on_host { COPIES } else { 1 };
        let program = PROGRAM + copies * parameters(&stages) + COPIES_TRAINED * trained;

        let sizes = self.dataset.sizes();
        let pixels = sizes.pixels / sizes.images.max(1);
        let used = (self.split.train.len() + self.split.validation.len()) as u64;
        let kept = 3 * sizes.kept / sizes.images.max(1);
        let images = (used * kept).min((recipe.data.image_cache_mb as u64) << 20);

        let input = (self.preprocessing.channels() * height * width) as u64;
        let (mut step, mut phase) = (0, recipe.phase[0].name.clone());
        let mut largest_batch = BLOCK;
        for (place, settings) in recipe.phase.iter().enumerate() {
            if settings.epochs == 0 {
                continue;
            }
            let cut = self.cut(place)?.min(stages.len());
            let batch = settings.batch_size.min(self.split.train.len()) as u64;
            // What goes through at once: trained stages take parts of a batch, frozen ones blocks.
            let part = match settings.micro_batch as u64 {
                0 => batch,
                part => batch.min(part),
            };
            let images = BLOCK;
            let numbers = |stages: &[StageSummary]| -> f64 {
                stages.iter().map(|stage| stage.activations as f64).sum()
            };
            let largest = stages[..cut].iter().map(|stage| stage.activations as f64);
            let frozen = KEPT_FROZEN * largest.fold(0.0, f64::max) * images as f64;
            let way = KEPT * numbers(&stages[cut..]) * part as f64;
            let bytes = match on_host {
                // All at once are features, and no images.
                true if settings.optim.whole_set().is_some() => (4.0 * frozen) as u64,
                true => (4.0 * (frozen + way)) as u64 + 4 * input * batch.max(BLOCK),
                false => 0,
            };
            if settings.optim.whole_set().is_none() {
                largest_batch = largest_batch.max(batch);
            }
            if bytes > step {
                (step, phase) = (bytes, settings.name.clone());
            }
        }
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = workers.min(16) as u64;
        // A worker holds the file's own pixels, often of four channels, and the upright ones; not all meet the largest at once.
        let decoding = WHILE_DECODED * (sizes.largest + (workers - 1) * pixels);
        let loading = BATCHES * largest_batch * input + decoding;
        Ok(MemoryEstimate {
            program,
            images,
            features: self.feature_bytes(&backbone),
            loading,
            step,
            phase,
        })
    }

    /// What the feature caches hold.
    fn feature_bytes(&self, backbone: &Backbone) -> u64 {
        let recipe = &self.recipe;
        let outputs = self.facts.classes.len();
        let taps = &self.joint().taps;
        let head = head_for(
            &recipe.head,
            backbone,
            taps,
            outputs,
            recipe.seed,
            &self.device,
        );
        let kept = crate::run::kept_features(self, backbone, &head);
        let size = self.preprocessing.input_size;
        let counts = [
            self.split.train.len() * recipe.augment.views,
            self.split.validation.len(),
        ];
        let bytes = |(cut, kept): (usize, [bool; 2])| -> u64 {
            let each = bytes_per_image(backbone, cut, &head, size) as u64;
            let images = kept.into_iter().zip(counts).filter(|(kept, _)| *kept);
            images.map(|(_, count)| each * count as u64).sum()
        };
        kept.into_iter().map(bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate() -> MemoryEstimate {
        MemoryEstimate {
            program: 100 << 20,
            images: 500 << 20,
            features: 10 << 20,
            loading: 20 << 20,
            step: 900 << 20,
            phase: "phase2".into(),
        }
    }

    #[test]
    fn what_does_not_fit_names_the_setting_that_saves_most() {
        let error = estimate().check(Some(1 << 30)).unwrap_err().to_string();
        for part in ["1530 MiB", "1024 MiB", "`phase2.batch_size`"] {
            assert!(error.contains(part), "{part}: {error}");
        }
        let images = MemoryEstimate {
            images: 1 << 40,
            ..estimate()
        };
        let error = images.check(Some(1 << 30)).unwrap_err().to_string();
        assert!(error.contains("`data.image_cache_mb`"), "{error}");
    }

    #[test]
    fn what_may_fit_is_no_error_nor_what_is_not_known() {
        estimate().check(Some(2 << 30)).unwrap();
        estimate().check(Some(1300 << 20)).unwrap();
        estimate().check(None).unwrap();
    }
}
