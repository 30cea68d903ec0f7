//! How long one colour, filter or policy transform of one 224 by 224 image takes: medians, in microseconds.
//!
//! ```text
//! cargo bench -p rekindle-augment --bench colour [NAME]
//! ```
//!
//! Every transform has its default settings and a probability of 1; what they draw differs from run to run, as in training.

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use rekindle_augment::{Preprocessing, RgbImage, SampleRng, TransformSpec};

const SIDE: u32 = 224;
const RUNS: u64 = 201;

const NAMES: [&str; 27] = [
    "brightness",
    "contrast",
    "saturation",
    "hue",
    "colour_jitter",
    "greyscale",
    "gamma",
    "invert",
    "posterise",
    "solarise",
    "equalise",
    "auto_contrast",
    "channel_shuffle",
    "channel_drop",
    "sharpen",
    "gaussian_blur",
    "box_blur",
    "motion_blur",
    "edges",
    "gaussian_noise",
    "uniform_noise",
    "salt_and_pepper",
    "jpeg_artefacts",
    "auto_augment",
    "rand_augment",
    "trivial_augment",
    "aug_mix",
];

fn main() -> Result<(), Box<dyn Error>> {
    let filter = std::env::args()
        .skip(1)
        .find(|word| !word.starts_with("--"));
    // Smooth colours with edges, as photographs have.
    let image = RgbImage::from_fn(SIDE, SIDE, |x, y| {
        let ring = ((x * x + y * y) / 4096 % 2 * 60) as u8;
        [
            (x / 2) as u8 + ring,
            (y / 2) as u8 + ring,
            128 - (x / 2) as u8 + ring,
        ]
        .into()
    });
    println!("{SIDE} by {SIDE}, median of {RUNS} runs");
    for name in NAMES {
        if filter
            .as_ref()
            .is_some_and(|filter| !name.contains(filter.as_str()))
        {
            continue;
        }
        let spec = serde_json::json!({"op": name, "probability": 1.0});
        let spec: TransformSpec = serde_json::from_value(spec)?;
        let transform = spec.build(&Preprocessing::default())?;
        let mut microseconds: Vec<f64> = (0..RUNS)
            .map(|sample| {
                let image = image.clone();
                let start = Instant::now();
                black_box(transform.apply(image, &mut SampleRng::new(1, 0, sample)));
                start.elapsed().as_secs_f64() * 1e6
            })
            .collect();
        microseconds.sort_by(f64::total_cmp);
        println!("{:>9.0} us  {name}", microseconds[microseconds.len() / 2]);
    }
    Ok(())
}
