//! Which numbers of the training images' samples are black and white, where that is to be found out.
//!
//! Owns: which files are looked at, and how often. What a range is made from is `rekindle-augment`'s.

use rayon::prelude::*;
use rekindle_augment::{DecodeLimits, NumberCounts, RangeSpec, SampleRange, wide_numbers};

use crate::{BadImages, DataError, ImageFolder, ImageProblem};

/// A range for these training samples, fitted on them where the spec asks for it.
///
/// The numbers are those of the files, of every pixel of an image, whatever the view will show of it; no augmentation, and no image of the
/// validation or test split. Only samples of more than 8 bits count, since a range says nothing of others.
///
/// Each file is read once, in parallel, and once more where a percentile lies among other numbers than whole ones of 16 bits. What is held
/// is [`NumberCounts`] and, of each thread, a few rows (the whole picture of an interlaced PNG or a PNM). Counts are exact, so neither
/// threads nor order change a digit.
///
/// # Errors
///
/// An image cannot be read, under [`BadImages::Fail`]; else it is left out. The range does not suit the images
/// ([`AugmentError::RangeFit`](rekindle_augment::AugmentError::RangeFit)).
pub fn fit_range(
    spec: &RangeSpec,
    folder: &ImageFolder,
    limits: &DecodeLimits,
    training: &[usize],
    policy: BadImages,
) -> Result<SampleRange, DataError> {
    if let Some(fixed) = spec.fixed() {
        return Ok(fixed);
    }
    let mut counts = NumberCounts::default();
    let readable = pass(folder, limits, training, policy, &|numbers| {
        counts.add(numbers)
    })?;
    if let RangeSpec::Percentiles(places) = spec
        && counts.needs_second_pass(places)
    {
        pass(folder, limits, &readable, policy, &|numbers| {
            counts.add_again(numbers)
        })?;
    }
    Ok(spec.fit(&counts, readable.len())?)
}

/// Gives the numbers of all samples to `sink`, and the samples that could be read.
fn pass(
    folder: &ImageFolder,
    limits: &DecodeLimits,
    samples: &[usize],
    policy: BadImages,
    sink: &(dyn Fn(&[f64]) + Sync),
) -> Result<Vec<usize>, DataError> {
    let read = |&sample: &usize| -> Result<usize, DataError> {
        let bytes = folder.read(&folder.samples[sample]);
        let done = bytes
            .map_err(ImageProblem::Read)
            .and_then(|bytes| Ok(wide_numbers(&bytes, limits, &mut |numbers| sink(numbers))?));
        done.map(|()| sample)
            .map_err(|source| DataError::UnreadableImage {
                path: folder.path_of(&folder.samples[sample]),
                source,
            })
    };
    // All are collected first, so that of several bad images it is always the first that is named.
    let each: Vec<_> = samples.par_iter().map(read).collect();
    each.into_iter()
        .filter(|sample| policy == BadImages::Fail || sample.is_ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An array of 16-bit numbers, or of floats.
    fn save(path: &std::path::Path, descr: &str, bytes: &[u8], count: usize) {
        let text =
            format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': (1, {count}), }}");
        let mut file = b"\x93NUMPY\x01\0".to_vec();
        file.extend((118u16).to_le_bytes());
        file.extend(format!("{text:<117}\n").as_bytes());
        file.extend(bytes);
        std::fs::write(path, file).unwrap();
    }

    fn arrays(all: &[&[u16]]) -> (tempfile::TempDir, ImageFolder) {
        let place = tempfile::tempdir().unwrap();
        let mut paths = Vec::new();
        for (number, numbers) in all.iter().enumerate() {
            let path = place.path().join(format!("{number}.npy"));
            let bytes: Vec<u8> = numbers
                .iter()
                .flat_map(|number| number.to_le_bytes())
                .collect();
            save(&path, "<u2", &bytes, numbers.len());
            paths.push(path);
        }
        (place, ImageFolder::unlabelled(paths))
    }

    fn fit(
        spec: RangeSpec,
        folder: &ImageFolder,
        samples: &[usize],
    ) -> Result<SampleRange, DataError> {
        fit_range(
            &spec,
            folder,
            &DecodeLimits::default(),
            samples,
            BadImages::Fail,
        )
    }

    #[test]
    fn only_training_images_count_whatever_the_number_of_threads() {
        let (_place, folder) = arrays(&[&[5, 900, 20], &[4000, 7], &[60_000, 1]]);
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| {
                let range = fit(RangeSpec::Max, &folder, &[0, 1]).unwrap();
                let expected = |low, high| SampleRange::Span { low, high };
                assert_eq!(range, expected(0.0, 4000.0));
                let range = fit(RangeSpec::Percentiles([25.0, 75.0]), &folder, &[1, 0]).unwrap();
                assert_eq!(range, expected(7.0, 900.0));
            });
        }
    }

    #[test]
    fn floats_take_a_second_look_and_bits_that_are_said_take_none() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a.npy");
        let numbers = [1000.001f32, 1000.002, 1000.003, 1000.004, 1000.005];
        let bytes: Vec<u8> = numbers
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect();
        save(&path, "<f4", &bytes, 5);
        let folder = ImageFolder::unlabelled(vec![path]);
        let range = fit(RangeSpec::Percentiles([25.0, 75.0]), &folder, &[0]).unwrap();
        let [low, high] = [numbers[1], numbers[3]].map(f64::from);
        assert_eq!(range, SampleRange::Span { low, high });
        let fixed = fit(
            RangeSpec::Bits(12),
            &ImageFolder::unlabelled(vec!["none".into()]),
            &[0],
        );
        assert_eq!(fixed.unwrap(), SampleRange::Bits(12));
    }

    #[test]
    fn a_bad_image_is_named_or_left_out() {
        let (place, folder) = arrays(&[&[5, 900], &[4000, 7]]);
        std::fs::write(place.path().join("1.npy"), "no image").unwrap();
        let error = fit(RangeSpec::Max, &folder, &[0, 1])
            .unwrap_err()
            .to_string();
        assert!(error.contains("1.npy"), "{error}");
        let limits = DecodeLimits::default();
        let left = fit_range(&RangeSpec::Max, &folder, &limits, &[0, 1], BadImages::Skip);
        assert_eq!(
            left.unwrap(),
            SampleRange::Span {
                low: 0.0,
                high: 900.0
            }
        );
    }
}
