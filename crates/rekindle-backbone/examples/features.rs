//! Extracts features with a backbone: `cargo run --release -p rekindle-backbone --example features -- resnet18 [WEIGHTS.safetensors]`.
//!
//! Prints the shape of the output of every stage for a batch of four images, and how long the folded network takes for it.

use std::path::Path;
use std::time::Instant;

use burn::module::Module;
use burn::tensor::{Device, Distribution, Tensor};
use rekindle_backbone::Architecture;

fn main() -> Result<(), rekindle_backbone::BackboneError> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "resnet18".to_owned());
    let device = Device::flex();
    let mut backbone = Architecture::from_name(&name)?.init(&device);
    if let Some(file) = arguments.next() {
        backbone = backbone.load_file(Path::new(&file))?;
    }
    let batch = 16;
    let images = Tensor::<4>::random(
        [batch, 3, 224, 224],
        Distribution::Normal(0.0, 1.0),
        &device,
    );
    let mut x = images.clone();
    for stage in backbone.stages() {
        x = stage.forward(x);
        println!("{:12} {:?}", stage.name(), x.dims());
    }
    for (what, network) in [
        ("plain", backbone.valid()),
        ("folded", backbone.fold_norms()),
    ] {
        let mut seconds: Vec<f64> = (0..5)
            .map(|_| {
                let start = Instant::now();
                let features = network.forward(images.clone());
                features.device().sync().ok();
                start.elapsed().as_secs_f64()
            })
            .collect();
        seconds.sort_by(f64::total_cmp);
        println!(
            "{what}: {:.1} images/s (median of 5 batches of {batch})",
            batch as f64 / seconds[2]
        );
    }
    Ok(())
}
