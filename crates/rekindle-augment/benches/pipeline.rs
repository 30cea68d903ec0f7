//! The input pipeline on one core: from the bytes of a file to normalised colour planes, images per second and where the time
//! goes, medians.
//!
//!     cargo bench -p rekindle-augment --bench pipeline -- FOLDER [SECONDS]
//!
//! `FOLDER/KIND/*` holds the files, one table line for each kind; `benches/compare_pipeline.py` of the workspace makes them and
//! runs this beside torchvision. The steps are a random resized crop to 224 pixels with its defaults, a flip, and the rescaling.

use std::path::Path;
use std::time::{Duration, Instant};

use rekindle_augment::ops::{HorizontalFlip, RandomResizedCrop};
use rekindle_augment::{
    DecodeLimits, Interpolation, JpegScaling, Pipeline, Preprocessing, Rescale, RgbBatch,
    SampleRng, TransformSpec, decode,
};

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

/// Median seconds of `work`, called with 0, 1, 2 .. until the time is over.
fn time(length: Duration, mut work: impl FnMut(usize)) -> f64 {
    let start = Instant::now();
    let mut seconds = Vec::new();
    while start.elapsed() < length || seconds.len() < 8 {
        let begin = Instant::now();
        work(seconds.len());
        seconds.push(begin.elapsed().as_secs_f64());
    }
    median(seconds)
}

/// Images per second over the whole time, as the peer counts them: crops differ, so a mean is what an epoch takes.
fn rate(length: Duration, mut work: impl FnMut(usize)) -> f64 {
    let start = Instant::now();
    let mut images = 0;
    while start.elapsed() < length {
        work(images);
        images += 1;
    }
    images as f64 / start.elapsed().as_secs_f64()
}

fn files(folder: &Path) -> Vec<Vec<u8>> {
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}

fn main() {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let Some(folder) = arguments.first() else {
        println!("nothing to do: expected a folder with a folder of images for each kind");
        return;
    };
    let seconds = arguments.get(1).map_or(4.0, |text| text.parse().unwrap());
    let length = Duration::from_secs_f64(seconds);
    let part = length / 8;
    let mut kinds: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    kinds.sort();

    // As torchvision's defaults.
    let preprocessing = Preprocessing {
        interpolation: Interpolation::Bilinear,
        rescale: Rescale::Symmetric,
        ..Preprocessing::default()
    };
    let crop = TransformSpec::RandomResizedCrop(RandomResizedCrop::default());
    let flip = TransformSpec::HorizontalFlip(HorizontalFlip::default());
    let cropped = Pipeline::training(&preprocessing, std::slice::from_ref(&crop)).unwrap();
    let pipeline = Pipeline::training(&preprocessing, &[crop, flip]).unwrap();
    let limits = DecodeLimits::default();
    println!(
        "kind,images_per_second,unscaled_images_per_second,whole_decode_ms,region_and_resize_ms,resize_of_decoded_ms,rescale_ms"
    );
    for kind in kinds {
        let files = files(&kind);
        let file = |number: usize| files[number % files.len()].as_slice();
        let rng = |number: usize| SampleRng::new(0, 0, number as u64);
        let whole = |scaling| {
            rate(length, |number| {
                let view = pipeline
                    .apply_bytes(file(number), &limits, scaling, &mut rng(number))
                    .unwrap();
                std::hint::black_box(
                    RgbBatch::from_image(view.image).planes(&preprocessing.rescale),
                );
            })
        };
        let reduced = whole(JpegScaling::Reduced);
        let full = whole(JpegScaling::Full);
        let decoded: Vec<_> = (0..files.len())
            .map(|number| decode(file(number), &limits).unwrap().image)
            .collect();
        let decode_ms = time(part, |number| {
            std::hint::black_box(decode(file(number), &limits).unwrap());
        });
        let region_ms = time(part, |number| {
            let view = cropped.apply_bytes(
                file(number),
                &limits,
                JpegScaling::Reduced,
                &mut rng(number),
            );
            std::hint::black_box(view.unwrap());
        });
        let resize_ms = time(part, |number| {
            let image = &decoded[number % decoded.len()];
            std::hint::black_box(cropped.apply(image, &mut rng(number)));
        });
        let batch = RgbBatch::from_image(pipeline.apply(&decoded[0], &mut rng(0)));
        let rescale_ms = time(part, |_| {
            std::hint::black_box(batch.planes(&preprocessing.rescale));
        });
        let name = kind.file_name().unwrap().to_string_lossy();
        println!(
            "{name},{reduced:.1},{full:.1},{:.3},{:.3},{:.3},{:.3}",
            decode_ms * 1e3,
            region_ms * 1e3,
            resize_ms * 1e3,
            rescale_ms * 1e3
        );
    }
}
