//! The loader: images per second from files, from the cache on disk and from memory, with one worker thread and more.
//!
//!     cargo bench -p rekindle-data --bench loader -- FOLDER [SECONDS] [WORKERS,WORKERS..]
//!
//! `FOLDER/KIND/CLASS/*` holds the files, two table lines for each kind: the default recipe's training pipeline (a random crop of at
//! least 0.7 of the picture to 224 pixels, a flip) and the evaluation view. Files and cache lie in the system's page cache, so a disk's
//! own speed is not in the figures; `written` is the first epoch, which decodes and writes. The cache is in a temporary directory.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rekindle_augment::ops::{HorizontalFlip, RandomResizedCrop};
use rekindle_augment::{DecodeLimits, JpegScaling, Pipeline, Preprocessing, TransformSpec};
use rekindle_data::{Dataset, DiskCache, LastBatch, Loader, LoaderOptions, batches, scan_folder};

/// Where views come from.
#[derive(Debug, Clone, Copy, PartialEq)]
enum From {
    Files,
    Disk,
    Memory,
}

fn dataset(folder: &Path, from: From, cache: &Path) -> Result<Dataset, Box<dyn Error>> {
    let memory = match from {
        From::Memory => 4 << 30,
        _ => 0,
    };
    let dataset = Dataset::new(scan_folder(folder)?, DecodeLimits::default(), memory)
        .with_jpeg_scaling(JpegScaling::Reduced);
    Ok(match from {
        From::Disk => dataset.with_disk_cache(DiskCache::new(cache.to_path_buf(), 8 << 30)),
        _ => dataset,
    })
}

/// Seconds of one epoch.
fn epoch(
    dataset: &Arc<Dataset>,
    pipeline: &Arc<Pipeline>,
    number: u64,
    workers: usize,
) -> Result<f64, Box<dyn Error>> {
    let order: Vec<usize> = (0..dataset.len()).collect();
    let options = LoaderOptions {
        workers,
        ..LoaderOptions::default()
    };
    let start = Instant::now();
    let lists = batches(&order, 16, LastBatch::Keep);
    for batch in Loader::new(dataset.clone(), pipeline.clone(), lists, 0, number, options)? {
        std::hint::black_box(batch?);
    }
    Ok(start.elapsed().as_secs_f64())
}

/// Images per second over whole epochs, after one that is not timed.
fn rate(
    dataset: &Arc<Dataset>,
    pipeline: &Arc<Pipeline>,
    workers: usize,
    length: Duration,
) -> Result<f64, Box<dyn Error>> {
    epoch(dataset, pipeline, 0, workers)?;
    let (mut images, mut seconds, mut number) = (0, 0.0, 1);
    while seconds < length.as_secs_f64() {
        seconds += epoch(dataset, pipeline, number, workers)?;
        images += dataset.len();
        number += 1;
    }
    Ok(images as f64 / seconds)
}

fn main() -> Result<(), Box<dyn Error>> {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let Some(folder) = arguments.first() else {
        println!("nothing to do: expected a folder with a folder of class folders for each kind");
        return Ok(());
    };
    let wrong = |what: &str, text: &str| format!("{what} is `{text}`, expected a number");
    let seconds = match arguments.get(1) {
        Some(text) => text.parse().map_err(|_| wrong("SECONDS", text))?,
        None => 1.0,
    };
    let length = Duration::try_from_secs_f64(seconds)?;
    let workers: Vec<usize> = match arguments.get(2) {
        Some(text) => text
            .split(',')
            .map(|count| count.parse().map_err(|_| wrong("WORKERS", count)))
            .collect::<Result<_, _>>()?,
        None => vec![1, 2],
    };
    let list = std::fs::read_dir(folder).map_err(|error| format!("{folder}: {error}"))?;
    let mut kinds: Vec<PathBuf> = list
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    kinds.sort();
    let preprocessing = Preprocessing::default();
    let crop = RandomResizedCrop {
        scale: [0.7, 1.0],
        ..RandomResizedCrop::default()
    };
    let transforms = [
        TransformSpec::RandomResizedCrop(crop),
        TransformSpec::HorizontalFlip(HorizontalFlip::default()),
    ];
    let caches = tempfile::tempdir()?;
    println!("kind,pipeline,workers,files,written,disk,memory");
    for kind in kinds {
        for (name, pipeline) in [
            ("training", Pipeline::training(&preprocessing, &transforms)?),
            ("evaluation", Pipeline::evaluation(&preprocessing)),
        ] {
            let pipeline = Arc::new(pipeline);
            for &workers in &workers {
                let cache = tempfile::tempdir_in(caches.path())?;
                let of = |from| dataset(&kind, from, cache.path()).map(Arc::new);
                let files = rate(&of(From::Files)?, &pipeline, workers, length)?;
                let first = of(From::Disk)?;
                let written = first.len() as f64 / epoch(&first, &pipeline, 0, workers)?;
                let disk = rate(&of(From::Disk)?, &pipeline, workers, length)?;
                let memory = rate(&of(From::Memory)?, &pipeline, workers, length)?;
                let kind = kind.file_name().unwrap_or_default().to_string_lossy();
                println!("{kind},{name},{workers},{files:.0},{written:.0},{disk:.0},{memory:.0}");
            }
        }
    }
    Ok(())
}
