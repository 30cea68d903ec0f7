#!/bin/sh
# Builds a project outside the workspace that uses the crates by path, as docs/which-crate.md says, and runs it: what a stranger's first
# hour is like. Nothing is optimised, which a thread's stack has to be large enough for. Takes minutes and a target directory of its own, so it is not part of `cargo test`.
#
# Usage: tests/stranger.sh [DIRECTORY FOR THE PROJECT]
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
place=${1:-$(mktemp -d)}
mkdir -p "$place/src/bin"

cat > "$place/Cargo.toml" <<EOF
[package]
name = "stranger"
version = "0.1.0"
edition = "2024"

[dependencies]
rekindle-augment = { path = "$root/crates/rekindle-augment", default-features = false }
rekindle-data = { path = "$root/crates/rekindle-data" }
rekindle-finetune = { path = "$root/crates/rekindle-finetune" }
rekindle-model = { path = "$root/crates/rekindle-model" }

[workspace]
EOF

cat > "$place/src/bin/augment.rs" <<'EOF'
//! A picture augmented.
use rekindle_augment::{DecodeLimits, Pipeline, SampleRng, TransformSpec, decode};
use rekindle_model::{InputRecipe, card_from_name, preprocessing};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("give a picture")?;
    let picture = decode(&std::fs::read(path)?, &DecodeLimits::default())?.image;
    let preprocessing = preprocessing(&card_from_name("resnet18")?, &InputRecipe::default())?;
    let rotation = TransformSpec::all().into_iter().find(|spec| spec.op() == "rotation");
    let transforms: Vec<TransformSpec> = rotation.into_iter().collect();
    let pipeline = Pipeline::training(&preprocessing, &transforms)?;
    let view = pipeline.apply(&picture, &mut SampleRng::new(1, 0, 0));
    println!("{} x {}", view.width(), view.height());
    Ok(())
}
EOF

cat > "$place/src/bin/batches.rs" <<'EOF'
//! Batches of a folder, for a training loop of one's own.
use std::sync::Arc;

use rekindle_augment::{DecodeLimits, Pipeline};
use rekindle_data::{Dataset, LastBatch, Loader, LoaderOptions, batches, scan_folder};
use rekindle_model::{InputRecipe, card_from_name, preprocessing};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = scan_folder(std::env::args().nth(1).ok_or("give a folder")?)?;
    let dataset = Arc::new(Dataset::new(folder, DecodeLimits::default(), 0));
    let all: Vec<usize> = (0..dataset.len()).collect();
    let preprocessing = preprocessing(&card_from_name("resnet18")?, &InputRecipe::default())?;
    let pipeline = Arc::new(Pipeline::evaluation(&preprocessing));
    let loader = Loader::new(dataset, pipeline, batches(&all, 16, LastBatch::Keep), 0, 0, LoaderOptions::default())?;
    for batch in loader {
        println!("{} images", batch?.targets.len());
    }
    Ok(())
}
EOF

cat > "$place/src/bin/train_and_serve.rs" <<'EOF'
//! A run, then predictions from the bytes of its model, by several threads.
use std::sync::Arc;
use std::time::Instant;

use rekindle_finetune::{Plan, Recipe, RunOptions, RunOutcome, Silent, run};
use rekindle_model::{Predictor, device_from_name, pretrained};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("give a folder")?;
    let directory = arguments.next().ok_or("give a directory for the run")?;
    let settings = ["phase1.epochs=1", "phase2.epochs=0", "input.size=64"].map(String::from);
    let recipe = Recipe::load(None, &settings)?;
    let (backbone, own) = pretrained(&recipe.backbone.name, None, &device_from_name("cpu")?)?;
    println!("{} at {:?}", backbone.name(), own.input_size);
    let plan = Plan::new(recipe, folder.as_ref())?;
    let options = RunOptions {
        directory: directory.into(),
        resume: false,
        started: Instant::now(),
        interrupt: Default::default(),
    };
    let RunOutcome::Finished(report) = run(&plan, &options, &mut Silent)? else {
        return Err("interrupted".into());
    };
    let bytes = std::fs::read(&report.model)?;
    let model = Arc::new(Predictor::from_bytes(&bytes, &device_from_name("cpu")?)?);
    let picture = plan.dataset.folder().read(&plan.dataset.folder().samples[0])?;
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let (model, picture) = (model.clone(), picture.clone());
            std::thread::spawn(move || model.predict_bytes(&picture))
        })
        .collect();
    for thread in threads {
        let row = thread.join().map_err(|_| "a thread panicked")??;
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-4);
    }
    println!("a stranger's program works");
    Ok(())
}
EOF

cd "$place"
run() { cargo run --quiet --bin "$@"; }
run augment "$(find "$root/examples/emoji" -mindepth 2 -type f | sort | head -1)"
run batches "$root/examples/emoji" | tail -1
run train_and_serve "$root/examples/emoji" "$place/run"
