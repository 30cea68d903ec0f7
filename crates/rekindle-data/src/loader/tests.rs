use std::fs;

use rekindle_augment::{DecodeLimits, Preprocessing, SampleRng, Transform};

use super::*;
use crate::{LastBatch, batches, epoch_order, scan_folder};

/// Puts a random number into every image: shows which generator it was given.
#[derive(Debug)]
struct Noise;

impl Transform for Noise {
    fn apply(&self, mut image: RgbImage, rng: &mut SampleRng) -> RgbImage {
        for pixel in image.pixels_mut() {
            pixel.0[2] = rng.below(256) as u8;
        }
        image
    }
}

#[derive(Debug)]
struct Panics;

impl Transform for Panics {
    fn apply(&self, _: RgbImage, _: &mut SampleRng) -> RgbImage {
        panic!("a transform of the user's failed")
    }
}

fn photos() -> (tempfile::TempDir, Arc<Dataset>) {
    let folder = tempfile::tempdir().unwrap();
    for (class, name) in ["ant", "bee"].into_iter().enumerate() {
        fs::create_dir(folder.path().join(name)).unwrap();
        for number in 0..10 {
            let image = RgbImage::from_pixel(3, 2, [class as u8, number, 0].into());
            image
                .save(folder.path().join(name).join(format!("{number}.png")))
                .unwrap();
        }
    }
    let dataset = Dataset::new(
        scan_folder(folder.path()).unwrap(),
        DecodeLimits::default(),
        0,
    );
    (folder, Arc::new(dataset))
}

fn pipeline(step: impl Transform + 'static) -> Arc<Pipeline> {
    let same_size = Preprocessing {
        input_size: [2, 3],
        crop_ratio: 1.0,
        ..Preprocessing::default()
    };
    let mut pipeline = Pipeline::evaluation(&same_size);
    pipeline.push(Box::new(step));
    Arc::new(pipeline)
}

fn loader(
    dataset: &Arc<Dataset>,
    pipeline: &Arc<Pipeline>,
    epoch: u64,
    options: LoaderOptions,
) -> Loader {
    let batches = batches(&epoch_order(20, 5, epoch), 3, LastBatch::MergeSingle);
    Loader::new(
        dataset.clone(),
        pipeline.clone(),
        batches,
        5,
        epoch,
        options,
    )
    .unwrap()
}

const OPTIONS: [LoaderOptions; 5] = [
    LoaderOptions {
        workers: 0,
        prefetch: 0,
    },
    LoaderOptions {
        workers: 1,
        prefetch: 1,
    },
    LoaderOptions {
        workers: 2,
        prefetch: 2,
    },
    LoaderOptions {
        workers: 7,
        prefetch: 1,
    },
    LoaderOptions {
        workers: 7,
        prefetch: 100,
    },
];

#[test]
fn batches_hold_the_images_of_their_samples_in_order() {
    let (_folder, dataset) = photos();
    let lists: Vec<Vec<usize>> = vec![vec![12, 3], vec![], vec![0, 19, 12]];
    let loader = Loader::new(dataset, pipeline(Noise), lists, 0, 0, OPTIONS[2]).unwrap();
    let batches: Vec<_> = loader.map(Result::unwrap).collect();
    assert_eq!(batches.len(), 2);
    assert_eq!(batches[1].indices, [0, 19, 12]);
    assert_eq!(batches[1].targets, [0, 1, 1].map(Target::Class));
    assert_eq!(batches[1].images.shape(), [3, 2, 3, 3]);
    let last = &batches[1].images.pixels()[2 * 18..];
    assert!(last.chunks(3).all(|pixel| pixel[..2] == [1, 2]), "{last:?}");
}

#[test]
fn neither_threads_nor_prefetch_change_a_batch() {
    let (_folder, dataset) = photos();
    let noise = pipeline(Noise);
    let collect = |options, epoch| -> Vec<Batch> {
        loader(&dataset, &noise, epoch, options)
            .map(Result::unwrap)
            .collect()
    };
    let expected = collect(OPTIONS[0], 1);
    assert_eq!(
        expected
            .iter()
            .map(|batch| batch.indices.len())
            .sum::<usize>(),
        20
    );
    for options in OPTIONS {
        assert_eq!(collect(options, 1), expected, "{options:?}");
    }
    assert_ne!(collect(OPTIONS[0], 2), expected);
}

#[test]
fn an_unreadable_image_ends_the_epoch_with_its_path() {
    let (folder, dataset) = photos();
    fs::write(folder.path().join("bee/4.png"), b"").unwrap();
    for options in OPTIONS {
        let mut loader = loader(&dataset, &pipeline(Noise), 1, options);
        let before = loader.by_ref().take_while(Result::is_ok).count();
        // `take_while` took the error; what comes after it is the end.
        assert!(loader.next().is_none());
        let order = epoch_order(20, 5, 1);
        assert_eq!(
            before,
            order.iter().position(|&index| index == 14).unwrap() / 3,
            "{options:?}"
        );
    }
    let mut loader = loader(&dataset, &pipeline(Noise), 1, OPTIONS[3]);
    let error = loader.find_map(Result::err).unwrap();
    let DataError::UnreadableImage { path, .. } = error else {
        panic!("{error}")
    };
    assert!(path.ends_with("bee/4.png"));
}

#[test]
fn dropping_a_loader_early_stops_its_workers() {
    let (_folder, dataset) = photos();
    let pipeline = pipeline(Noise);
    for options in OPTIONS {
        let mut loader = loader(&dataset, &pipeline, 0, options);
        assert!(loader.next().unwrap().is_ok());
        drop(loader);
        assert_eq!(Arc::strong_count(&pipeline), 1, "a worker still runs");
    }
}

#[test]
#[should_panic(expected = "a transform of the user's failed")]
fn a_panic_in_a_transform_reaches_the_caller() {
    let (_folder, dataset) = photos();
    let _ = loader(&dataset, &pipeline(Panics), 0, OPTIONS[2]).next();
}

#[test]
fn time_spent_waiting_is_counted() {
    let (_folder, dataset) = photos();
    let mut loader = loader(&dataset, &pipeline(Noise), 0, OPTIONS[0]);
    assert_eq!(loader.waited(), Duration::ZERO);
    loader.next();
    assert!(loader.waited() > Duration::ZERO);
}
