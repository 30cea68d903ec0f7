use std::path::PathBuf;

use rekindle_augment::ops::{HorizontalFlip, RandomResizedCrop};
use rekindle_augment::{Preprocessing, TransformSpec};

use super::*;
use crate::scan_folder;

/// Two classes of `count` PNG images of 6 by 4 pixels; the pixels say class and number.
fn photos(count: u8) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (class, name) in ["ant", "bee"].into_iter().enumerate() {
        fs::create_dir(folder.path().join(name)).unwrap();
        for number in 0..count {
            let image = RgbImage::from_pixel(6, 4, [class as u8, number, 7].into());
            image
                .save(folder.path().join(name).join(format!("{number}.png")))
                .unwrap();
        }
    }
    folder
}

fn open(folder: &tempfile::TempDir, cache_bytes: usize) -> Dataset {
    Dataset::new(
        scan_folder(folder.path()).unwrap(),
        DecodeLimits::default(),
        cache_bytes,
    )
}

#[test]
fn images_are_those_of_their_samples_with_and_without_cache() {
    let folder = photos(3);
    for cache_bytes in [0, 100, 1 << 20] {
        let dataset = open(&folder, cache_bytes);
        for _ in 0..2 {
            for index in 0..6 {
                let image = dataset.image(index).unwrap();
                assert_eq!(image.dimensions(), (6, 4));
                assert_eq!(
                    image.get_pixel(5, 3).0,
                    [(index / 3) as u8, (index % 3) as u8, 7]
                );
            }
        }
        assert_eq!(dataset.cached_bytes(), (cache_bytes / 72).min(6) * 72);
    }
}

#[test]
fn a_kept_image_is_not_read_again() {
    let folder = photos(2);
    let dataset = open(&folder, 1 << 20);
    dataset.verify_decode(BadImages::Fail).unwrap();
    fs::remove_file(folder.path().join("ant/0.png")).unwrap();
    assert_eq!(dataset.image(0).unwrap().get_pixel(0, 0).0, [0, 0, 7]);
}

/// Two classes with a JPEG of 2.3 megapixels and one of 0.1 each.
fn jpeg_photos() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, shift) in [("ant", 0), ("bee", 90)] {
        fs::create_dir(folder.path().join(name)).unwrap();
        for (file, width, height) in [("large.jpg", 1800, 1300), ("small.jpg", 400, 300)] {
            let wave = |x: u32| (128.0 + 100.0 * (f64::from(x + shift) / 9.0).sin()) as u8;
            let image =
                RgbImage::from_fn(width, height, |x, y| [wave(x), wave(y), wave(x + y)].into());
            image.save(folder.path().join(name).join(file)).unwrap();
        }
    }
    folder
}

/// A random crop, a flip of the evaluation view, and the evaluation view: every way of [`Dataset::view`].
fn pipelines() -> [Pipeline; 3] {
    let size = Preprocessing {
        input_size: [40, 40],
        ..Preprocessing::default()
    };
    let crop = TransformSpec::RandomResizedCrop(RandomResizedCrop::default());
    let flip = TransformSpec::HorizontalFlip(HorizontalFlip::default());
    [
        Pipeline::training(&size, &[crop]).unwrap(),
        Pipeline::training(&size, &[flip]).unwrap(),
        Pipeline::evaluation(&size),
    ]
}

/// The views of every image in an epoch, by each of the pipelines.
fn views(dataset: &Dataset, epoch: u64) -> Vec<RgbImage> {
    let view = |pipeline: &Pipeline, index: usize| {
        let mut rng = SampleRng::new(0, epoch, index as u64);
        dataset.view(index, pipeline, &mut rng).unwrap()
    };
    let of_pipeline = |pipeline: Pipeline| -> Vec<RgbImage> {
        (0..dataset.len())
            .map(|index| view(&pipeline, index))
            .collect()
    };
    pipelines().into_iter().flat_map(of_pipeline).collect()
}

#[test]
fn views_of_jpeg_files_depend_on_neither_the_cache_nor_what_is_in_it() {
    let folder = jpeg_photos();
    let without = open(&folder, 0).with_jpeg_scaling(JpegScaling::Reduced);
    let with = open(&folder, 1 << 30).with_jpeg_scaling(JpegScaling::Reduced);
    let full = open(&folder, 1 << 30);
    for epoch in 0..3 {
        assert_eq!(views(&without, epoch), views(&with, epoch));
        // Evaluation may put its images into the cache in between.
        with.verify_decode(BadImages::Fail).unwrap();
        full.verify_decode(BadImages::Fail).unwrap();
    }
    assert_eq!(full.cached_bytes(), 2 * 3 * (400 * 300 + 1800 * 1300));
    let (reduced, whole) = (views(&with, 0), views(&full, 0));
    // The large ones come first in each class.
    assert!(reduced[0] != whole[0] && reduced[1] == whole[1]);
    assert!(reduced[2] != whole[2] && reduced[3] == whole[3]);
    // Views that are no crops are always of the full size.
    assert_eq!(reduced[4..], whole[4..]);
    for (reduced, whole) in reduced.iter().zip(&whole) {
        let pairs = reduced.iter().zip(whole.iter());
        let sum: u32 = pairs.map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
        assert!(f64::from(sum) < 3.0 * reduced.len() as f64, "{sum}");
    }
}

/// Beside the JPEG files, a large PNG and an upside-down JPEG.
fn all_kinds() -> tempfile::TempDir {
    let folder = jpeg_photos();
    let image = RgbImage::from_fn(1700, 1300, |x, y| [(x / 7) as u8, (y / 6) as u8, 40].into());
    image.save(folder.path().join("ant/large.png")).unwrap();
    let data = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../rekindle-augment/tests/data"
    );
    for file in ["orientation_6.jpg", "progressive.jpg", "palette.png"] {
        fs::copy(
            Path::new(data).join(file),
            folder.path().join("bee").join(file),
        )
        .unwrap();
    }
    folder
}

#[test]
fn views_are_the_same_from_memory_from_disk_and_without_either() {
    let folder = all_kinds();
    let caches = tempfile::tempdir().unwrap();
    for scaling in [JpegScaling::Reduced, JpegScaling::Full] {
        let dataset = |memory: usize, disk: Option<(&str, u64)>| {
            let dataset = open(&folder, memory).with_jpeg_scaling(scaling);
            match disk {
                Some((name, bytes)) => dataset.with_disk_cache(DiskCache::new(
                    caches.path().join(format!("{scaling:?}")).join(name),
                    bytes,
                )),
                None => dataset,
            }
        };
        let expected: Vec<_> = (0..3)
            .map(|epoch| views(&dataset(0, None), epoch))
            .collect();
        for (memory, disk) in [
            (1 << 30, None),
            (1 << 19, None),
            (0, Some(("large", 1 << 30))),
            // What an earlier run has kept.
            (0, Some(("large", 1 << 30))),
            (1 << 30, Some(("large", 1 << 30))),
            (1 << 20, Some(("small", 2 << 20))),
            (0, Some(("small", 2 << 20))),
        ] {
            let dataset = dataset(memory, disk);
            for (epoch, expected) in expected.iter().enumerate() {
                assert!(
                    views(&dataset, epoch as u64) == *expected,
                    "{scaling:?}, {memory} bytes, disk {disk:?}, epoch {epoch}"
                );
            }
            assert_eq!(dataset.turned(), 1, "{memory} bytes, disk {disk:?}");
            let kept = disk.map(|_| dataset.disk_cache().unwrap().counts());
            assert!(kept.is_none_or(|[read, written]| read + written > 0));
        }
    }
}

#[test]
fn later_epochs_and_later_runs_read_no_file_of_which_all_is_kept() {
    let folder = all_kinds();
    let caches = tempfile::tempdir().unwrap();
    let disk = || DiskCache::new(caches.path().join("c"), 1 << 30);
    let dataset = || {
        open(&folder, 0)
            .with_jpeg_scaling(JpegScaling::Reduced)
            .with_disk_cache(disk())
    };
    let first = dataset();
    let expected = views(&first, 7);
    let [read, written] = first.disk_cache().unwrap().counts();
    // The large JPEG files: a reduced size and a view each; the large PNG: its view and itself; the others: themselves.
    assert_eq!(written, 2 * 2 + 2 + 5, "{read} read");

    let second = dataset();
    assert!(views(&second, 7) == expected);
    let [read, written] = second.disk_cache().unwrap().counts();
    assert_eq!((read, written), (3 * 8, 0));
    // From here on not even the content is looked at.
    let samples = &second.folder().samples;
    for sample in samples {
        fs::remove_file(second.folder().path_of(sample)).unwrap();
    }
    assert!(views(&second, 7) == expected);
}

#[test]
fn a_changed_file_is_decoded_anew_by_the_next_run() {
    let folder = photos(2);
    let caches = tempfile::tempdir().unwrap();
    let first_pixel = || {
        let disk = DiskCache::new(caches.path().join("c"), 1 << 20);
        let dataset = open(&folder, 0).with_disk_cache(disk);
        dataset.image(0).unwrap().get_pixel(0, 0).0
    };
    assert_eq!(first_pixel(), [0, 0, 7]);
    let changed = RgbImage::from_pixel(6, 4, [9, 9, 9].into());
    changed.save(folder.path().join("ant/0.png")).unwrap();
    assert_eq!(first_pixel(), [9, 9, 9]);
}

#[test]
fn headers_find_empty_and_wrong_files_and_decoding_finds_broken_ones() {
    let folder = photos(5);
    fs::write(folder.path().join("ant/1.png"), b"").unwrap();
    fs::write(
        folder.path().join("bee/2.png"),
        b"a text that somebody named like an image",
    )
    .unwrap();
    let whole = fs::read(folder.path().join("bee/3.png")).unwrap();
    fs::write(folder.path().join("bee/3.png"), &whole[..whole.len() / 2]).unwrap();
    let dataset = open(&folder, 0);
    let bad = |verified: Verified| -> Vec<PathBuf> {
        verified.bad.into_iter().map(|image| image.path).collect()
    };

    let headers = dataset.verify_headers(BadImages::Skip).unwrap();
    assert_eq!(headers.good, [0, 2, 3, 4, 5, 6, 8, 9]);
    assert_eq!(bad(headers), ["ant/1.png", "bee/2.png"].map(PathBuf::from));

    let decoded = dataset.verify_decode(BadImages::Skip).unwrap();
    assert_eq!(decoded.good, [0, 2, 3, 4, 5, 6, 9]);
    assert_eq!(
        bad(decoded),
        ["ant/1.png", "bee/2.png", "bee/3.png"].map(PathBuf::from)
    );

    let error = dataset.verify_decode(BadImages::Fail).unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("3 of 10 images cannot be used: `ant"),
        "{text}"
    );
    assert!(
        text.contains("empty") && text.contains("2.png") && text.contains("3.png"),
        "{text}"
    );
}

#[test]
fn an_image_named_as_another_format_is_good() {
    let folder = photos(2);
    fs::rename(
        folder.path().join("ant/0.png"),
        folder.path().join("ant/0.jpg"),
    )
    .unwrap();
    let dataset = open(&folder, 0);
    assert_eq!(
        dataset.verify_headers(BadImages::Fail).unwrap().good.len(),
        4
    );
    assert_eq!(
        dataset.verify_decode(BadImages::Fail).unwrap().good.len(),
        4
    );
}

#[test]
fn skipping_must_leave_enough_images_in_every_class() {
    let folder = photos(2);
    fs::write(folder.path().join("bee/1.png"), b"").unwrap();
    let error = open(&folder, 0)
        .verify_headers(BadImages::Skip)
        .unwrap_err();
    let DataError::ClassesTooSmall { least, counts } = error else {
        panic!("{error}")
    };
    assert_eq!((least, counts), (2, vec![("bee".into(), 1)]));
}

#[test]
fn an_unreadable_image_is_an_error_with_its_path_and_reason() {
    let folder = photos(2);
    let dataset = open(&folder, 0);
    fs::remove_file(folder.path().join("bee/0.png")).unwrap();
    let DataError::UnreadableImage { path, source } = dataset.image(2).unwrap_err() else {
        panic!()
    };
    assert_eq!(path, folder.path().join("bee/0.png"));
    assert!(matches!(source, ImageProblem::Read(_)), "{source}");
}

#[test]
fn of_many_images_some_headers_are_checked_evenly() {
    let folder = photos(5);
    let dataset = open(&folder, 0);
    for name in ["ant/0.png", "bee/0.png", "bee/1.png"] {
        fs::write(folder.path().join(name), b"").unwrap();
    }
    let some = dataset.verify_some_headers(BadImages::Skip, 2).unwrap();
    assert_eq!(some.checked, 2);
    assert_eq!(some.good, [1, 2, 3, 4, 6, 7, 8, 9]);
    let all = dataset.verify_some_headers(BadImages::Skip, 99).unwrap();
    assert_eq!((all.checked, all.bad.len()), (10, 3));
}

#[test]
fn missing_files_of_a_manifest_are_listed_with_where_paths_start() {
    let folder = photos(2);
    let rows = "path,label\nant/0.png,a\nant/1.png,a\nant/7.png,a\nbee/0.png,b\nbee/1.png,b\n";
    let manifest = folder.path().join("labels.csv");
    fs::write(&manifest, rows).unwrap();
    let found = crate::open_data(&manifest, &Default::default()).unwrap();
    let dataset = Dataset::new(found, DecodeLimits::default(), 0);
    let error = dataset
        .verify_headers(BadImages::Fail)
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("1 of the 5 images of `"), "{error}");
    assert!(
        error.contains("are missing: `ant/7.png`; relative paths start from"),
        "{error}"
    );
    let verified = dataset.verify_headers(BadImages::Skip).unwrap();
    assert_eq!(verified.good, [0, 1, 3, 4]);
}
