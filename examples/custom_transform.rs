//! A transform of one's own, named in a recipe like the built-in ones.
//!
//! ```text
//! cargo run --release --example custom_transform -- [FOLDER] [OUTPUT_FOLDER]
//! ```
//!
//! Trains a head with film grain among the augmentations, and writes the run to the output folder, runs/custom_transform where none
//! is given; it must not exist yet. Beside the model there are views/*.png: what training saw of eight images in two epochs.

use std::error::Error;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use rekindle_augment::{RgbImage, SampleRng, Transform, TransformRegistry};
use rekindle_data::{LastBatch, Loader, LoaderOptions, batches, epoch_order};
use rekindle_finetune::{Plan, Recipe, RunOptions, RunOutcome, Silent, run};
use serde::Deserialize;

/// Noise in blocks of the size of film grain, the same in all three channels, strongest in the mid-tones.
///
/// Its settings are its fields: `deny_unknown_fields` refuses a misspelt one by name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FilmGrain {
    /// Largest change of a mid-tone in grey levels.
    strength: u8,
    /// Side of a grain in pixels; a type that cannot be 0 leaves nothing to check.
    grain_px: NonZeroU32,
}

impl Transform for FilmGrain {
    fn apply(&self, mut image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        let strength = f32::from(self.strength);
        let across = image.width().div_ceil(self.grain_px.get());
        let down = image.height().div_ceil(self.grain_px.get());
        // Every random choice comes from `rng`, so a sample looks the same whichever thread prepares it.
        let grains: Vec<f32> = (0..across * down)
            .map(|_| rng.uniform(-strength, strength))
            .collect();
        for (x, y, pixel) in image.enumerate_pixels_mut() {
            let grain = grains[(y / self.grain_px * across + x / self.grain_px) as usize];
            for value in &mut pixel.0 {
                let from_middle = f32::from(*value) / 127.5 - 1.0;
                let change = grain * (1.0 - from_middle * from_middle);
                *value = (f32::from(*value) + change).round() as u8;
            }
        }
        image
    }
}

/// A recipe file can hold the same list; `custom` inside `one_of` is looked up like any other.
const TRANSFORMS: &str = r#"augment.transforms=[
    { op = "random_resized_crop", scale = [0.7, 1.0] },
    { op = "horizontal_flip" },
    { op = "one_of", transforms = [
        { op = "custom", name = "film_grain", settings = { strength = 40, grain_px = 2 } },
        { op = "colour_jitter", hue = 0.05 },
    ] },
]"#;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let folder = arguments.next().unwrap_or("examples/emoji".into());
    let directory = arguments.next().unwrap_or("runs/custom_transform".into());

    let mut transforms = TransformRegistry::default();
    transforms.register::<FilmGrain>("film_grain");
    let settings = [TRANSFORMS, "phase1.epochs=3", "phase2.epochs=0"];
    let recipe = Recipe::load(None, &settings.map(str::to_owned))?;
    let plan = Plan::with_transforms(recipe, &folder, transforms)?;

    let options = RunOptions {
        directory: directory.clone(),
        resume: false,
        started: Instant::now(),
        interrupt: Default::default(),
    };
    let RunOutcome::Finished(report) = run(&plan, &options, &mut Silent)? else {
        return Ok(());
    };
    println!(
        "{:.3} of {} validation images are right; the model is {}",
        report.validation.figure("accuracy").unwrap_or_default(),
        report.validation.samples(),
        report.model.display()
    );
    write_views(&plan, &directory.join("views"))
}

/// Writes what training sees of the first eight images in two epochs.
fn write_views(plan: &Plan, folder: &Path) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all(folder)?;
    let pipeline = Arc::new(plan.training_pipeline()?);
    let seed = plan.recipe.seed;
    for epoch in 0..2 {
        let order = epoch_order(plan.dataset.len(), seed, epoch);
        let batches = batches(&order[..order.len().min(8)], 8, LastBatch::Keep);
        let options = LoaderOptions::default();
        let dataset = plan.dataset.clone();
        let loader = Loader::new(dataset, pipeline.clone(), batches, seed, epoch, options)?;
        for batch in loader {
            let batch = batch?;
            let [_, height, width, _] = batch.images.shape();
            let views = batch.images.pixels().chunks_exact(height * width * 3);
            for (view, sample) in views.zip(batch.indices) {
                let Some(image) = RgbImage::from_raw(width as u32, height as u32, view.to_vec())
                else {
                    continue;
                };
                image.save(folder.join(format!("epoch_{epoch}_sample_{sample}.png")))?;
            }
        }
    }
    println!("what training saw is in {}", folder.display());
    Ok(())
}
