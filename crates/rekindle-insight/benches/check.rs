//! `check` beside decoding the same files alone, on all threads: seconds, medians of three rounds in turns.
//!
//!     cargo bench -p rekindle-insight --bench check -- FOLDER

use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use rayon::prelude::*;
use rekindle_augment::{DecodeLimits, decode};
use rekindle_data::scan_folder;
use rekindle_finetune::Recipe;
use rekindle_insight::check::check;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args()
        .skip(1)
        .find(|word| !word.starts_with('-'))
        .ok_or("name a folder of images in class folders")?;
    let folder = scan_folder(Path::new(&folder))?;
    let (recipe, limits) = (Recipe::default(), DecodeLimits::default());
    let (mut alone, mut whole) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let start = Instant::now();
        let pixels: usize = folder
            .samples
            .par_iter()
            .filter_map(|sample| {
                let bytes = std::fs::read(folder.root.join(&sample.path)).ok()?;
                let image = black_box(decode(&bytes, &limits).ok()?).image;
                Some(image.width() as usize * image.height() as usize)
            })
            .sum();
        alone.push(start.elapsed().as_secs_f64());
        let start = Instant::now();
        let report = check(&folder, &recipe, &|| ())?;
        whole.push(start.elapsed().as_secs_f64());
        let megapixels = pixels as f64 / 1e6;
        println!("{} images, {megapixels:.0} megapixels", report.images);
    }
    for (what, seconds) in [("decoding alone", &mut alone), ("check", &mut whole)] {
        seconds.sort_by(f64::total_cmp);
        println!("{what:>15} {:.2} s", seconds[1]);
    }
    Ok(())
}
