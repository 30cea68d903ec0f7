//! The crates one by one, without a recipe or a run: features of a folder from a frozen backbone, and a head trained on them by an
//! optimiser of Burn's.
//!
//! ```text
//! cargo run --release --example linear_probe -- [FOLDER]
//! ```

use std::error::Error;
use std::path::PathBuf;

use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Tensor};
use rekindle_augment::{
    DecodeLimits, Pipeline, Preprocessing, Rescale, RgbBatch, SampleRng, decode, rescale,
};
use rekindle_backbone::Backbone;
use rekindle_data::{ImageFolder, Split, scan_folder};
use rekindle_finetune::Recipe;
use rekindle_head::{Head, HeadConfig, LossConfig, one_hot};
use rekindle_model::{card_from_name, device_from_name, load_backbone};

const SEED: u64 = 1;
const BATCH: usize = 16;
const STEPS: usize = 200;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).map(PathBuf::from);
    let folder = scan_folder(path.unwrap_or("examples/emoji".into()))?;
    let all: Vec<usize> = (0..folder.samples.len()).collect();
    let split = Split::of_folder(&folder, &all, 0.2, SEED)?;
    let classes = folder.classes.len();

    // A card names the weights and the preprocessing that belongs to them; this one resizes with the default filter, bicubic.
    let device = device_from_name("cpu")?;
    let settings = Recipe::default().backbone;
    let card = card_from_name(&settings.name)?;
    let preprocessing = Preprocessing {
        input_size: card.preprocessing.input_size,
        crop_ratio: card.preprocessing.crop_ratio,
        rescale: Rescale::Standardise {
            mean: card.preprocessing.mean,
            std: card.preprocessing.std,
        },
        ..Preprocessing::default()
    };
    let backbone = load_backbone(&card, &settings, SEED, &device)?.backbone;
    let head = HeadConfig::default().init(backbone.channels(), classes, SEED, &device);
    let frozen = Frozen {
        backbone: backbone.fold_norms(),
        head: head.clone(),
        preprocessing,
        device,
    };
    let (inputs, targets) = frozen.features(&folder, &split.train)?;

    // From here on it is plain Burn: the head is a module, the loss a tensor.
    let loss = LossConfig::default();
    let mut head = head.train();
    let mut optimizer = AdamConfig::new().init();
    for step in 1..=STEPS {
        let logits = head.classify(Tensor::from_inner(inputs.clone()));
        let value = loss.forward(logits, Tensor::from_inner(targets.clone()));
        let gradients = GradientsParams::from_grads(value.backward(), &head);
        head = optimizer.step(3e-3, head, gradients);
        if step % 50 == 0 {
            println!("step {step:3}  loss {:.3}", value.into_scalar::<f32>());
        }
    }

    let (inputs, targets) = frozen.features(&folder, &split.validation)?;
    let predictions = head.valid().classify(inputs).argmax(1);
    let right = predictions.equal(targets.argmax(1)).float().mean();
    println!(
        "{:.3} of {} validation images are right",
        right.into_scalar::<f32>(),
        split.validation.len()
    );
    Ok(())
}

/// What turns images into features, and does not change.
struct Frozen {
    backbone: Backbone,
    head: Head,
    preprocessing: Preprocessing,
    device: Device,
}

impl Frozen {
    /// Pooled features `[samples, features]` and one-hot targets `[samples, classes]`.
    fn features(
        &self,
        folder: &ImageFolder,
        samples: &[usize],
    ) -> Result<(Tensor<2>, Tensor<2>), Box<dyn Error>> {
        let pipeline = Pipeline::evaluation(&self.preprocessing);
        let [height, width] = self.preprocessing.input_size;
        let mut pooled = Vec::new();
        for chunk in samples.chunks(BATCH) {
            let mut pixels = Vec::new();
            for &sample in chunk {
                let bytes = folder.read(&folder.samples[sample])?;
                let image = decode(&bytes, &DecodeLimits::default())?.image;
                let view = pipeline.apply(&image, &mut SampleRng::new(SEED, 0, sample as u64));
                pixels.extend_from_slice(view.as_raw());
            }
            let batch = RgbBatch::new(pixels, chunk.len(), height, width)?;
            let images = rescale(&batch, &self.preprocessing.rescale, &self.device);
            pooled.push(self.head.pool(self.backbone.forward(images)));
        }
        let labels: Vec<usize> = samples
            .iter()
            .filter_map(|&sample| folder.samples[sample].class())
            .collect();
        let targets = one_hot(&labels, folder.classes.len(), &self.device)?;
        Ok((Tensor::cat(pooled, 0), targets))
    }
}
