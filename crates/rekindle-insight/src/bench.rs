//! How fast a network is here: images per second of inference and of training, and the memory that training takes.
//!
//! Owns what is timed and how the times are summed up. Inference is the network as the frozen part and [`Predictor`](rekindle_model::Predictor)
//! run it, batch norms folded; training is a whole step with every stage unfrozen and batch statistics: forward, softmax
//! cross-entropy over 10 classes, backward, SGD. Images are made up and weights random: neither changes the time.

use std::time::Instant;

use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor, TensorData};
use rekindle_augment::SampleRng;
use rekindle_backbone::{Architecture, Backbone};
use rekindle_head::{CrossEntropy, Head, HeadConfig, Loss, one_hot};
use serde::{Deserialize, Serialize};

use crate::InsightError;
use crate::machine::{Machine, peak_memory_bytes, reset_peak_memory};
use rekindle_finetune::optim::{OptimizerSpec, SgdSpec};
use rekindle_model::{
    Features, Joint, ModelError, Network, Precision, architecture_from_name, check_precision,
    device_from_name,
};
use rekindle_settings::SettingError;

/// Classes of the head.
const CLASSES: usize = 10;
/// Learning rate of the steps.
const LEARNING_RATE: f64 = 0.01;
/// Seed of weights and images.
const SEED: u64 = 1;
/// The smallest side of an image that every network still has a feature map for.
const LEAST_SIZE: usize = 32;

/// What is measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BenchSettings {
    /// Images computed at once. Default 16.
    pub batch_images: usize,
    /// Side of the square images. Default 224.
    pub size_pixels: usize,
    /// Batches before the clock starts, while memory is obtained and a GPU's kernels are compiled. Default 2.
    pub warm_ups: usize,
    /// Batches that are timed, each alone. Default 5.
    pub runs: usize,
    /// Where to compute, by [name](device_from_name). Default `cpu`.
    pub device: String,
    /// In which format products are computed. Default `f32`.
    pub precision: Precision,
    /// Whether inference is measured. Default on.
    #[serde(skip)]
    pub inference: bool,
    /// Whether training is measured. Default on.
    #[serde(skip)]
    pub training: bool,
}

impl Default for BenchSettings {
    fn default() -> Self {
        Self {
            batch_images: 16,
            size_pixels: 224,
            warm_ups: 2,
            runs: 5,
            device: "cpu".into(),
            precision: Precision::F32,
            inference: true,
            training: true,
        }
    }
}

impl BenchSettings {
    /// Checks every setting but the device; has no side effects.
    ///
    /// # Errors
    ///
    /// [`SettingError`] for a batch or number of runs of 0, images of less than 32 pixels, or a precision that the device has not.
    pub fn check(&self) -> Result<(), SettingError> {
        for (key, value) in [("batch", self.batch_images), ("runs", self.runs)] {
            if value == 0 {
                return Err(SettingError::new(key, value, "at least 1"));
            }
        }
        if self.size_pixels < LEAST_SIZE {
            return Err(SettingError::new("size", self.size_pixels, "at least 32"));
        }
        check_precision(self.precision, &self.device)
    }
}

/// Images per second over some runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Speed {
    /// The images of a batch by the median of the seconds.
    pub images_per_second_median: f64,
    /// The same by the upper and by the lower quartile of the seconds: half of the runs lie between the two.
    pub images_per_second_quartiles: [f64; 2],
    /// Seconds of each run, in order.
    pub seconds_per_batch: Vec<f64>,
    /// Seconds of the very first batch, before those that are timed: on a GPU its kernels are compiled then, and chosen by trying several.
    pub seconds_of_first_batch: f64,
}

impl Speed {
    /// Sums up the times of batches of this many images, and that of the first one.
    ///
    /// # Panics
    ///
    /// When there are no times.
    pub fn new(batch_images: usize, first: f64, seconds_per_batch: Vec<f64>) -> Self {
        let mut sorted = seconds_per_batch.clone();
        sorted.sort_by(f64::total_cmp);
        let rate = |share| batch_images as f64 / quantile(&sorted, share);
        Self {
            images_per_second_median: rate(0.5),
            images_per_second_quartiles: [rate(0.75), rate(0.25)],
            seconds_per_batch,
            seconds_of_first_batch: first,
        }
    }
}

/// The value below which this share of sorted values lies, interpolated between neighbours (as numpy's `quantile`).
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    sorted[below] + (sorted[above] - sorted[below]) * place.fract()
}

/// The figures of one network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BenchReport {
    /// The name that was asked for.
    pub backbone: String,
    /// Its architecture.
    pub architecture: String,
    /// Inference; none if it was not asked for.
    pub inference: Option<Speed>,
    /// Training; none if it was not asked for.
    pub training: Option<Speed>,
    /// The most memory that the process held while training was measured; none if it was not, or if the system does not tell. Where
    /// the system does not let the mark be set back (see proc(5), `clear_refs`), this counts from the start of the process. A GPU's
    /// own memory is not in it.
    pub training_peak_memory_bytes: Option<u64>,
    /// What was measured.
    #[serde(flatten)]
    pub settings: BenchSettings,
    /// Where.
    #[serde(flatten)]
    pub machine: Machine,
    /// Version of this crate.
    pub version: String,
}

/// Measures an architecture, named with or without the tag of its weights.
///
/// The peak of memory is one of the whole process: measure one network per process where it matters.
///
/// # Errors
///
/// No architecture or device has the name (the nearest one is suggested), a setting is out of range, or the device fails.
pub fn bench(name: &str, settings: &BenchSettings) -> Result<BenchReport, InsightError> {
    settings.check()?;
    let architecture = architecture_from_name(name)?;
    let device = device_from_name(&settings.device)?;
    // Training comes first, so that nothing of inference is in its peak of memory.
    let (training, training_peak_memory_bytes) = match settings.training {
        true => {
            reset_peak_memory();
            (
                Some(training(&architecture, settings, &device)?),
                peak_memory_bytes(),
            )
        }
        false => (None, None),
    };
    let inference = match settings.inference {
        true => Some(inference(&architecture, settings, &device)?),
        false => None,
    };
    Ok(BenchReport {
        backbone: name.to_owned(),
        architecture: architecture.name.to_owned(),
        inference,
        training,
        training_peak_memory_bytes,
        settings: settings.clone(),
        machine: Machine::detect(),
        version: env!("CARGO_PKG_VERSION").into(),
    })
}

fn inference(
    architecture: &Architecture,
    settings: &BenchSettings,
    device: &Device,
) -> Result<Speed, InsightError> {
    let (backbone, head) = network(architecture, settings, device);
    let (backbone, head) = (backbone.fold_norms(), head.valid());
    let images = images(settings, device);
    // The logits live until the device is done with them: work whose result nobody wants may never be started.
    let mut logits = None;
    time(settings, device, || {
        logits = Some(head.forward(backbone.forward(images.clone())));
    })
}

fn training(
    architecture: &Architecture,
    settings: &BenchSettings,
    device: &Device,
) -> Result<Speed, InsightError> {
    let (backbone, head) = network(architecture, settings, device);
    let stages = backbone.train().freeze_before(0, true);
    let tail = Network::new(Some(stages), head.train(), Joint::default()).with_place_ids();
    let plain = SgdSpec {
        momentum: 0.0,
        weight_decay: 0.0,
        ..SgdSpec::default()
    };
    let mut optimizer = OptimizerSpec::Sgd(plain).build_for(&tail, device)?;
    let images = images(settings, device);
    let labels: Vec<usize> = (0..settings.batch_images).map(|at| at % CLASSES).collect();
    let targets = one_hot(&labels, CLASSES, device)?;
    let mut tail = Some(tail);
    time(settings, device, || {
        // Moved and not cloned, so that the step may reuse the memory of the weights.
        tail = tail
            .take()
            .map(|tail| step(tail, &mut optimizer, images.clone(), targets.clone()));
    })
}

fn step(
    tail: Network,
    optimizer: &mut ModuleOptimizer,
    images: Tensor<4>,
    targets: Tensor<2>,
) -> Network {
    let features = Features::Maps {
        maps: images,
        taps: None,
    };
    let logits = tail.logits(features.train());
    let loss = CrossEntropy::default().forward(logits, Tensor::from_inner(targets));
    let gradients = GradientsParams::from_grads(loss.backward(), &tail);
    optimizer.step(LEARNING_RATE, tail, gradients)
}

fn network(
    architecture: &Architecture,
    settings: &BenchSettings,
    device: &Device,
) -> (Backbone, Head) {
    device.seed(SEED);
    let backbone = architecture.init(device);
    let backbone = backbone.with_precision(settings.precision);
    let head = HeadConfig::default().init(backbone.channels(), CLASSES, SEED, device);
    (backbone, head)
}

/// `[batch, 3, size, size]`, the same ones each time, of the range that rescaled images have.
fn images(settings: &BenchSettings, device: &Device) -> Tensor<4> {
    let shape = [
        settings.batch_images,
        3,
        settings.size_pixels,
        settings.size_pixels,
    ];
    let mut rng = SampleRng::new(SEED, 0, 0);
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|_| rng.uniform(-2.0, 2.0))
        .collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Times each run of the work, from a device with nothing to do to a device with nothing left to do.
fn time(
    settings: &BenchSettings,
    device: &Device,
    mut work: impl FnMut(),
) -> Result<Speed, InsightError> {
    let wait = || {
        device.sync().map_err(|error| ModelError::DeviceFailed {
            name: settings.device.clone(),
            reason: error.to_string(),
        })
    };
    let mut timed = || -> Result<f64, ModelError> {
        let start = Instant::now();
        work();
        wait()?;
        Ok(start.elapsed().as_secs_f64())
    };
    let mut seconds = Vec::with_capacity(settings.warm_ups + settings.runs);
    for _ in 0..settings.warm_ups + settings.runs {
        seconds.push(timed()?);
    }
    let first = seconds[0];
    let runs = seconds.split_off(settings.warm_ups);
    Ok(Speed::new(settings.batch_images, first, runs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_are_those_of_the_median_and_the_quartiles_of_the_times() {
        let speed = Speed::new(12, 9.0, vec![6.0, 1.0, 4.0, 2.0, 3.0]);
        assert_eq!(speed.images_per_second_median, 4.0);
        assert_eq!(speed.images_per_second_quartiles, [3.0, 6.0]);
        assert_eq!(speed.seconds_per_batch, [6.0, 1.0, 4.0, 2.0, 3.0]);
        assert_eq!(speed.seconds_of_first_batch, 9.0);
        let one = Speed::new(3, 1.5, vec![1.5]);
        assert_eq!(one.images_per_second_median, 2.0);
        assert_eq!(one.images_per_second_quartiles, [2.0, 2.0]);
    }

    #[test]
    fn quartiles_between_two_times_are_interpolated() {
        // numpy.quantile([1, 2, 3, 4], [0.25, 0.5, 0.75])
        let sorted = [1.0, 2.0, 3.0, 4.0];
        let found = [0.25, 0.5, 0.75].map(|share| quantile(&sorted, share));
        assert_eq!(found, [1.75, 2.5, 3.25]);
    }

    #[test]
    fn settings_that_nothing_can_be_measured_with_are_refused() {
        let with = |change: fn(&mut BenchSettings)| {
            let mut settings = BenchSettings::default();
            change(&mut settings);
            settings.check().map_err(|error| error.key().to_owned())
        };
        assert_eq!(with(|_| ()), Ok(()));
        assert_eq!(
            with(|settings| settings.batch_images = 0),
            Err("batch".to_owned())
        );
        assert_eq!(with(|settings| settings.runs = 0), Err("runs".to_owned()));
        assert_eq!(
            with(|settings| settings.size_pixels = 31),
            Err("size".to_owned())
        );
    }

    #[test]
    fn the_images_are_the_same_each_time() {
        let settings = BenchSettings {
            batch_images: 2,
            size_pixels: 32,
            ..BenchSettings::default()
        };
        let device = device_from_name("cpu").unwrap();
        let make = || images(&settings, &device).into_data();
        assert_eq!(make(), make());
        assert_eq!(make().shape().to_vec(), [2, 3, 32, 32]);
    }

    #[cfg(feature = "flex")]
    #[test]
    fn only_what_was_asked_for_is_measured() {
        let settings = BenchSettings {
            batch_images: 1,
            size_pixels: 32,
            warm_ups: 0,
            runs: 2,
            training: false,
            ..BenchSettings::default()
        };
        let report = bench("resnet18.a1_in1k", &settings).unwrap();
        assert_eq!(report.architecture, "resnet18");
        assert_eq!(report.inference.unwrap().seconds_per_batch.len(), 2);
        assert_eq!(report.training, None);
        assert_eq!(report.training_peak_memory_bytes, None);
    }
}
