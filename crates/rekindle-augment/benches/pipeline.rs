//! The input pipeline: from the bytes of a file to normalised colour planes, images per second on one or more threads, and where
//! the time goes on one, medians.
//!
//!     cargo bench -p rekindle-augment --bench pipeline -- FOLDER [SECONDS [THREADS]]
//!
//! `FOLDER/KIND/*` holds the files, one table line for each kind; `benches/compare_pipeline.py` of the workspace makes them and
//! runs this beside torchvision. The steps are a random resized crop to 224 pixels with its defaults, a flip, and the rescaling.

use std::error::Error;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
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

/// Images per second over the whole time, as the peer counts them: crops differ, so a mean is what an epoch takes. Threads share
/// the work as a loader's do: each takes the next number.
fn rate(length: Duration, threads: usize, work: impl Fn(usize) + Sync) -> f64 {
    let next = AtomicUsize::new(0);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while start.elapsed() < length {
                    work(next.fetch_add(1, Ordering::Relaxed));
                }
            });
        }
    });
    next.into_inner() as f64 / start.elapsed().as_secs_f64()
}

/// What lies in a folder, sorted.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let explain = |error| format!("{}: {error}", folder.display());
    let mut paths = std::fs::read_dir(folder)
        .map_err(explain)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()?;
    paths.sort();
    Ok(paths)
}

/// The bytes of every image in a folder, each of which can be decoded.
fn files(folder: &Path, limits: &DecodeLimits) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    let mut files = Vec::new();
    for path in entries(folder)? {
        let explain = |error: &dyn Display| format!("{}: {error}", path.display());
        let bytes = std::fs::read(&path).map_err(|error| explain(&error))?;
        decode(&bytes, limits).map_err(|error| explain(&error))?;
        files.push(bytes);
    }
    match files.is_empty() {
        true => Err(format!("{} has no images", folder.display()).into()),
        false => Ok(files),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let Some(folder) = arguments.first() else {
        println!("nothing to do: expected a folder with a folder of images for each kind");
        return Ok(());
    };
    let seconds = match arguments.get(1) {
        Some(text) => text
            .parse()
            .map_err(|_| format!("SECONDS is `{text}`, expected a number such as 4"))?,
        None => 4.0,
    };
    let threads = match arguments.get(2) {
        Some(text) => text
            .parse()
            .ok()
            .filter(|count| (1..=1024).contains(count))
            .ok_or_else(|| format!("THREADS is `{text}`, expected a number from 1 to 1024"))?,
        None => 1,
    };
    let length = Duration::try_from_secs_f64(seconds)
        .map_err(|error| format!("SECONDS is {seconds}: {error}"))?;
    let part = length / 8;
    let kinds = entries(Path::new(folder))?;

    // As torchvision's defaults.
    let preprocessing = Preprocessing {
        interpolation: Interpolation::Bilinear,
        rescale: Rescale::Symmetric,
        ..Preprocessing::default()
    };
    let crop = TransformSpec::RandomResizedCrop(RandomResizedCrop::default());
    let flip = TransformSpec::HorizontalFlip(HorizontalFlip::default());
    let cropped = Pipeline::training(&preprocessing, std::slice::from_ref(&crop))?;
    let pipeline = Pipeline::training(&preprocessing, &[crop, flip])?;
    let limits = DecodeLimits::default();
    println!(
        "kind,images_per_second,unscaled_images_per_second,whole_decode_ms,region_and_resize_ms,resize_of_decoded_ms,rescale_ms"
    );
    for kind in kinds {
        let files = files(&kind, &limits)?;
        let file = |number: usize| files[number % files.len()].as_slice();
        let rng = |number: usize| SampleRng::new(0, 0, number as u64);
        let whole = |scaling| {
            rate(length, threads, |number| {
                // Every file has been decoded once, so that none fails here.
                let view = pipeline.apply_bytes(file(number), &limits, scaling, &mut rng(number));
                std::hint::black_box(
                    view.map(|view| {
                        RgbBatch::from_image(view.image).planes(&preprocessing.rescale)
                    }),
                )
                .ok();
            })
        };
        let reduced = whole(JpegScaling::Reduced);
        let full = whole(JpegScaling::Full);
        let decoded = files
            .iter()
            .map(|bytes| decode(bytes, &limits).map(|decoded| decoded.image))
            .collect::<Result<Vec<_>, _>>()?;
        let decode_ms = time(part, |number| {
            std::hint::black_box(decode(file(number), &limits)).ok();
        });
        let region_ms = time(part, |number| {
            let view = cropped.apply_bytes(
                file(number),
                &limits,
                JpegScaling::Reduced,
                &mut rng(number),
            );
            std::hint::black_box(view).ok();
        });
        let resize_ms = time(part, |number| {
            let image = &decoded[number % decoded.len()];
            std::hint::black_box(cropped.apply(image, &mut rng(number)));
        });
        let batch = RgbBatch::from_image(pipeline.apply(&decoded[0], &mut rng(0)));
        let rescale_ms = time(part, |_| {
            std::hint::black_box(batch.planes(&preprocessing.rescale));
        });
        let name = kind.file_name().unwrap_or_default().to_string_lossy();
        println!(
            "{name},{reduced:.1},{full:.1},{:.3},{:.3},{:.3},{:.3}",
            decode_ms * 1e3,
            region_ms * 1e3,
            resize_ms * 1e3,
            rescale_ms * 1e3
        );
    }
    Ok(())
}
