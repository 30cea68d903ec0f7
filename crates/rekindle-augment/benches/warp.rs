//! How long one transform of one 224 by 224 image takes: medians, in microseconds.
//!
//! ```text
//! cargo bench -p rekindle-augment --bench warp
//! ```

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use rekindle_augment::ops::{AffineParameters, PaddingMode, affine, rotate};
use rekindle_augment::{
    Interpolation, Preprocessing, RgbImage, SampleRng, Transform, TransformSpec,
};

const SIDE: u32 = 224;
const RUNS: usize = 201;

fn main() -> Result<(), Box<dyn Error>> {
    let image = RgbImage::from_fn(SIDE, SIDE, |x, y| {
        image::Rgb([
            (x * 37 + y * 11) as u8,
            (x * 5 + y * 53 + 90) as u8,
            (x * y) as u8,
        ])
    });
    let filters = [
        ("nearest", Interpolation::Nearest),
        ("bilinear", Interpolation::Bilinear),
        ("bicubic", Interpolation::Bicubic),
    ];
    let fill = [124, 116, 104];
    let parameters = AffineParameters {
        degrees: 5.0,
        shift_px: [7.5, -3.25],
        scale: 1.1,
        shear_degrees: [4.0, 0.0],
    };
    println!("{SIDE} by {SIDE}, median of {RUNS} runs");
    for (name, filter) in filters {
        report(&format!("rotate 15 degrees, {name}"), || {
            rotate(&image, 15.0, filter, fill)
        });
        report(&format!("affine, {name}"), || {
            affine(&image, &parameters, filter, PaddingMode::Constant, fill)
        });
    }
    for name in [
        "elastic",
        "grid_distortion",
        "perspective",
        "random_erasing",
    ] {
        let spec = serde_json::json!({"op": name, "probability": 1.0});
        let spec: TransformSpec = serde_json::from_value(spec)?;
        let transform: Box<dyn Transform> = spec.build(&Preprocessing::default())?;
        report(name, || {
            transform.apply_borrowed(&image, &mut SampleRng::new(1, 2, 3))
        });
    }
    Ok(())
}

/// Prints the median time of a transform.
fn report(name: &str, transform: impl Fn() -> RgbImage) {
    let mut microseconds: Vec<f64> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            black_box(transform());
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    microseconds.sort_by(f64::total_cmp);
    println!("{:>9.0} us  {name}", microseconds[RUNS / 2]);
}
