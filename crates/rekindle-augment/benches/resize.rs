//! How long one resize takes by each filter: medians, in milliseconds.
//!
//! ```text
//! cargo bench -p rekindle-augment --bench resize
//! ```

use std::hint::black_box;
use std::time::Instant;

use rekindle_augment::{Interpolation, RgbImage, resize};

const RUNS: usize = 15;

fn main() {
    println!("median of {RUNS} runs");
    for (from, to) in [
        ((4000, 3000), (298, 224)),
        ((640, 480), (298, 224)),
        ((64, 48), (298, 224)),
    ] {
        let image = RgbImage::from_fn(from.0, from.1, |x, y| {
            [(x * 37 + y * 11) as u8, (x / 9) as u8, (x * y) as u8].into()
        });
        for interpolation in [
            Interpolation::Nearest,
            Interpolation::Bilinear,
            Interpolation::Bicubic,
            Interpolation::Lanczos,
            Interpolation::Area,
        ] {
            let mut milliseconds: Vec<f64> = (0..RUNS)
                .map(|_| {
                    let start = Instant::now();
                    black_box(resize(&image, to.0, to.1, interpolation));
                    start.elapsed().as_secs_f64() * 1e3
                })
                .collect();
            milliseconds.sort_by(f64::total_cmp);
            let median = milliseconds[RUNS / 2];
            println!("{median:>9.2} ms  {from:?} to {to:?}, {interpolation:?}");
        }
    }
}
