//! A training loop of one's own in plain Burn, forty lines long: a pretrained backbone, a head and a loss that rekindle does not have, early
//! stopping, and the best epoch.
//!
//! ```text
//! cargo run --release --example own_training -- [FOLDER] [EPOCHS]
//! ```

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::activation::{gelu, log_softmax, softmax};
use burn::tensor::{Device, Tensor};
use rekindle_augment::{DecodeLimits, Pipeline, Preprocessing, Rescale, rescale};
use rekindle_backbone::Backbone;
use rekindle_data::{
    DataError, Dataset, LastBatch, Loader, LoaderOptions, Split, batches, epoch_order, scan_folder,
};
use rekindle_finetune::KeepBest;
use rekindle_finetune::stopping::{Decision, StoppingSpec};
use rekindle_head::one_hot;
use rekindle_model::{device_from_name, pretrained};

const SEED: u64 = 1;

/// A backbone, which is a Burn module, with a head of one's own: each pixel of the last map votes, and says how much its vote counts.
#[derive(Module, Debug)]
struct Votes {
    backbone: Backbone,
    hidden: Linear,
    weight: Linear,
    vote: Linear,
}

impl Votes {
    fn new(backbone: Backbone, classes: usize, device: &Device) -> Self {
        let layer = |from, to| LinearConfig::new(from, to).init(device);
        let (channels, stages) = (backbone.channels(), backbone.stages().len());
        let new = Self {
            hidden: layer(channels, 64),
            weight: layer(64, 1),
            vote: layer(64, classes),
            backbone,
        };
        let new = new.train();
        // The last two stages are trained, with the batch norms' statistics as they are.
        let backbone = new.backbone.freeze_before(stages - 2, false);
        Self { backbone, ..new }
    }

    /// `[batch, 3, height, width]` to logits `[batch, classes]`.
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let map = self.backbone.forward(images);
        let [batch, channels, height, width] = map.dims();
        let pixels = map
            .reshape([batch, channels, height * width])
            .swap_dims(1, 2);
        let hidden = gelu(self.hidden.forward(pixels));
        let weights = softmax(self.weight.forward(hidden.clone()), 1);
        (self.vote.forward(hidden) * weights)
            .sum_dim(1)
            .squeeze_dim(1)
    }
}

/// A loss of one's own: cross-entropy plus `1 - p` of the true class (PolyLoss, Leng et al. 2022).
fn poly_loss(logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    let log_p = (log_softmax(logits, 1) * targets).sum_dim(1);
    let p = log_p.clone().exp();
    (p.neg() + 1.0 - log_p).mean()
}

/// Images `[batch, 3, height, width]` and targets `[batch, classes]`.
type Batch = (Tensor<4>, Tensor<2>);

/// The images of a folder of class folders, for epochs of batches.
struct Images {
    dataset: Arc<Dataset>,
    split: Split,
    pipeline: Arc<Pipeline>,
    scale: Rescale,
    device: Device,
}

impl Images {
    fn open(
        folder: &Path,
        preprocessing: &Preprocessing,
        device: &Device,
    ) -> Result<Self, Box<dyn Error>> {
        let folder = scan_folder(folder)?;
        let all: Vec<usize> = (0..folder.samples.len()).collect();
        Ok(Self {
            split: Split::of_folder(&folder, &all, 0.2, SEED)?,
            dataset: Arc::new(Dataset::new(folder, DecodeLimits::default(), 64 << 20)),
            pipeline: Arc::new(Pipeline::evaluation(preprocessing)),
            scale: preprocessing.rescale,
            device: device.clone(),
        })
    }

    fn classes(&self) -> usize {
        self.dataset.folder().classes.len()
    }

    /// Batches of these samples. Worker threads decode ahead.
    fn batches(
        &self,
        samples: &[usize],
        epoch: u64,
    ) -> Result<impl Iterator<Item = Result<Batch, Box<dyn Error>>>, DataError> {
        let batches = batches(samples, 16, LastBatch::MergeSingle);
        let (dataset, pipeline) = (self.dataset.clone(), self.pipeline.clone());
        let options = LoaderOptions::default();
        let loader = Loader::new(dataset, pipeline, batches, SEED, epoch, options)?;
        Ok(loader.map(|batch| {
            let batch = batch?;
            let labels = batch.targets.iter().filter_map(|target| target.class());
            let labels: Vec<usize> = labels.collect();
            let images = rescale(&batch.images, &self.scale, &self.device);
            Ok((images, one_hot(&labels, self.classes(), &self.device)?))
        }))
    }
}

/// Trains on a folder of class folders, and gives the best epoch and its accuracy on the validation images.
fn train(folder: &Path, epochs: usize, side: usize) -> Result<(usize, f64), Box<dyn Error>> {
    let device = device_from_name("cpu")?;
    let (backbone, mut preprocessing) = pretrained("tf_efficientnet_lite0", None, &device)?;
    preprocessing.input_size = [side, side];
    let images = Images::open(folder, &preprocessing, &device)?;
    let Split {
        train, validation, ..
    } = &images.split;
    let mut model = Votes::new(backbone, images.classes(), &device);
    let mut optimizer = AdamConfig::new().init();
    let mut keep = KeepBest::new(StoppingSpec::default());
    for epoch in 1..=epochs {
        let order = epoch_order(train.len(), SEED, epoch as u64);
        let order: Vec<usize> = order.into_iter().map(|place| train[place]).collect();
        for batch in images.batches(&order, epoch as u64)? {
            let (images, targets) = batch?;
            let logits = model.forward(Tensor::from_inner(images));
            let loss = poly_loss(logits, Tensor::from_inner(targets));
            let gradients = GradientsParams::from_grads(loss.backward(), &model);
            model = optimizer.step(5e-4, model, gradients);
        }
        let (valid, mut wrong) = (model.valid(), 0.0);
        for batch in images.batches(validation, 0)? {
            let (images, targets) = batch?;
            let right = valid.forward(images).argmax(1).equal(targets.argmax(1));
            wrong += f64::from(right.bool_not().float().sum().into_scalar::<f32>());
        }
        let error = wrong / validation.len() as f64;
        println!("epoch {epoch}: {:.1} % are wrong", 100.0 * error);
        // Lower is better, and the default patience five epochs.
        if keep.update(epoch, error, &model) == Decision::Stop {
            break;
        }
    }
    let best = keep.epoch().ok_or("no epoch has a finite error")?;
    // `keep.into_best()` is the module of that epoch.
    Ok((best.epoch, 1.0 - best.value))
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().unwrap_or("examples/emoji".into());
    let epochs = arguments.next().unwrap_or("8".into()).parse()?;
    let (epoch, accuracy) = train(folder.as_ref(), epochs, 96)?;
    println!(
        "best: epoch {epoch}, {:.1} % of the validation images are right",
        100.0 * accuracy
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_epochs_learn_the_emoji() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (_, accuracy) = train(&root.join("examples/emoji"), 2, 64).unwrap();
        // A class in eight is right by chance.
        assert!(accuracy > 0.25, "{accuracy}");
    }
}
