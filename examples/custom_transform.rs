//! A transform of one's own in a pipeline, and the batches that come out of it.
//!
//! ```text
//! cargo run --release --example custom_transform -- [FOLDER] [OUTPUT_FOLDER]
//! ```
//!
//! Writes the images of the first batch of two epochs to the output folder, runs/custom_transform where none is given. A recipe
//! names built-in transforms only; a pipeline and a loader take any.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use rekindle_augment::{
    DecodeLimits, Pipeline, Preprocessing, RgbImage, SampleRng, Transform, TransformSpec,
};
use rekindle_finetune::data::{
    Dataset, LastBatch, Loader, LoaderOptions, batches, epoch_order, scan_folder,
};

/// Fills a square at a random place with grey, so that no single part of an object is enough to know it
/// ([DeVries and Taylor 2017](https://arxiv.org/abs/1708.04552)).
#[derive(Debug)]
struct Cutout {
    /// Side of the square as a share of the image's shorter side.
    share: f32,
}

impl Transform for Cutout {
    fn apply(&self, mut image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        let (width, height) = image.dimensions();
        let side = (self.share * width.min(height) as f32) as u32;
        // Every random choice comes from `rng`, so a sample looks the same whichever thread prepares it.
        let left = rng.below(width - side + 1);
        let top = rng.below(height - side + 1);
        for y in top..top + side {
            for x in left..left + side {
                image.get_pixel_mut(x, y).0 = [128; 3];
            }
        }
        image
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let folder = scan_folder(arguments.next().unwrap_or("examples/emoji".into()))?;
    let output = arguments.next().unwrap_or("runs/custom_transform".into());
    std::fs::create_dir_all(&output)?;

    let preprocessing = Preprocessing::default();
    let transforms: Vec<TransformSpec> = serde_json::from_str(
        r#"[{"op": "random_resized_crop", "scale": [0.7, 1.0]}, {"op": "horizontal_flip"}]"#,
    )?;
    let mut pipeline = Pipeline::training(&preprocessing, &transforms)?;
    pipeline.push(Box::new(Cutout { share: 0.3 }));

    let pipeline = Arc::new(pipeline);
    let dataset = Dataset::new(
        folder,
        DecodeLimits::default(),
        Dataset::DEFAULT_CACHE_BYTES,
    );
    let dataset = Arc::new(dataset);
    let seed = 1;
    for epoch in 0..2 {
        let order = epoch_order(dataset.len(), seed, epoch);
        let batches = batches(&order[..order.len().min(8)], 8, LastBatch::Keep);
        let options = LoaderOptions::default();
        let loader = Loader::new(
            dataset.clone(),
            pipeline.clone(),
            batches,
            seed,
            epoch,
            options,
        )?;
        for batch in loader {
            let batch = batch?;
            let [_, height, width, _] = batch.images.shape();
            let views = batch.images.pixels().chunks_exact(height * width * 3);
            for (view, sample) in views.zip(batch.indices) {
                let Some(image) = RgbImage::from_raw(width as u32, height as u32, view.to_vec())
                else {
                    continue;
                };
                image.save(output.join(format!("epoch_{epoch}_sample_{sample}.png")))?;
            }
        }
    }
    println!("wrote the views of two batches to {}", output.display());
    Ok(())
}
