//! Shows what a training pipeline does to one picture.
//!
//! ```text
//! cargo run -p rekindle-augment --example augment_one -- PHOTO.jpg OUTPUT_FOLDER [SAMPLES]
//! ```

use std::error::Error;
use std::path::Path;

use rekindle_augment::{DecodeLimits, Pipeline, Preprocessing, SampleRng, TransformSpec, decode};

const TRANSFORMS: &str = r#"[
    {"op": "random_resized_crop", "scale": [0.35, 1.0]},
    {"op": "horizontal_flip"},
    {"op": "rotation", "degrees": 10.0},
    {"op": "brightness", "strength": 0.2},
    {"op": "saturation", "strength": 0.2}
]"#;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [input, folder, rest @ ..] = arguments.as_slice() else {
        return Err("usage: augment_one PHOTO OUTPUT_FOLDER [SAMPLES]".into());
    };
    let samples: u64 = rest.first().map_or(Ok(8), |text| text.parse())?;

    let decoded = decode(&std::fs::read(input)?, &DecodeLimits::default())?;
    let (width, height) = decoded.image.dimensions();
    println!(
        "{input}: {}, {:?}, {width} by {height}, orientation {}",
        decoded.format, decoded.mode, decoded.orientation
    );

    let preprocessing = Preprocessing::default();
    let transforms: Vec<TransformSpec> = serde_json::from_str(TRANSFORMS)?;
    let training = Pipeline::training(&preprocessing, &transforms)?;
    let evaluation = Pipeline::evaluation(&preprocessing);
    let folder = Path::new(folder);
    std::fs::create_dir_all(folder)?;

    let seed = 42;
    let view = evaluation.apply(&decoded.image, &mut SampleRng::new(seed, 0, 0));
    view.save(folder.join("evaluation.png"))?;
    for epoch in 0..samples {
        let sample = training.apply(&decoded.image, &mut SampleRng::new(seed, epoch, 0));
        sample.save(folder.join(format!("epoch_{epoch}.png")))?;
    }
    println!(
        "wrote evaluation.png and {samples} samples to {}",
        folder.display()
    );
    Ok(())
}
