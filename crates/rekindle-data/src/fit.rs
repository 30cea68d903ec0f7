//! Numbers of the preprocessing that come from the training images, found before anything is trained.
//!
//! Owns: which pixels are looked at. What is made of them is `rekindle-augment`'s.

mod range;

use rayon::prelude::*;
use rekindle_augment::{
    ChannelMoments, Pipeline, Preprocessing, Rescale, RescaleSpec, ResizePolicy, SampleRng,
};

pub use self::range::fit_range;
use crate::{DataError, Dataset};

/// A scale for these training samples, fitted on them where the spec asks for it.
///
/// The pixels are those of the evaluation view, so each image counts the same, whatever its size; no augmentation, and no image
/// of the validation or test split. Under the policy `pad` the view is taken without its border, as `squash` does, since the
/// border has the colour of the mean that is looked for.
///
/// Every training image is decoded, in parallel; what fits stays in the data set's caches for the epochs. Sums are exact,
/// so neither threads nor order change a digit.
///
/// # Errors
///
/// An image cannot be read, or the scale does not suit the images.
pub fn fit_rescale(
    spec: &RescaleSpec,
    preprocessing: &Preprocessing,
    dataset: &Dataset,
    training: &[usize],
) -> Result<Rescale, DataError> {
    if let Some(fixed) = spec.fixed() {
        return Ok(fixed);
    }
    let view = Preprocessing {
        policy: match preprocessing.policy {
            ResizePolicy::Pad => ResizePolicy::Squash,
            policy => policy,
        },
        ..preprocessing.clone()
    };
    let view = Pipeline::evaluation(&view);
    let of_image = |sample: &usize| -> Result<ChannelMoments<3>, DataError> {
        let image = dataset.view(*sample, &view, &mut SampleRng::new(0, 0, 0))?;
        let mut moments = ChannelMoments::new();
        moments.add(image.as_raw().as_chunks().0);
        Ok(moments)
    };
    // All are collected first, so that of several bad images it is always the first that is named.
    let each: Vec<_> = training.par_iter().map(of_image).collect();
    let mut all = ChannelMoments::new();
    for moments in each {
        all.merge(&moments?);
    }
    Ok(spec
        .fit(&all)
        .map_err(|error| error.within("input.rescale"))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan_folder;
    use rekindle_augment::{DecodeLimits, RgbImage};

    /// Two classes of four images in one colour each: `[level, 10, 200]`, of different sizes.
    fn photos(levels: [u8; 8]) -> (tempfile::TempDir, Dataset) {
        let folder = tempfile::tempdir().unwrap();
        for (number, level) in levels.into_iter().enumerate() {
            let class = folder.path().join(["ant", "bee"][number / 4]);
            std::fs::create_dir_all(&class).unwrap();
            let side = 3 + number as u32;
            let image =
                RgbImage::from_pixel(side, side + 2, [level, level / 2, 200 - level].into());
            image.save(class.join(format!("{number}.png"))).unwrap();
        }
        let scanned = scan_folder(folder.path()).unwrap();
        let dataset = Dataset::new(scanned, DecodeLimits::default(), 0);
        (folder, dataset)
    }

    fn preprocessing(policy: ResizePolicy) -> Preprocessing {
        Preprocessing {
            input_size: [8, 8],
            crop_ratio: 1.0,
            policy,
            ..Preprocessing::default()
        }
    }

    #[test]
    fn only_training_images_count_and_each_the_same() {
        let (_folder, dataset) = photos([0, 100, 200, 200, 200, 200, 200, 200]);
        for policy in [ResizePolicy::Crop, ResizePolicy::Squash, ResizePolicy::Pad] {
            let found = fit_rescale(
                &RescaleSpec::Dataset,
                &preprocessing(policy),
                &dataset,
                &[0, 1],
            );
            let expected = [50.0, 25.0, 150.0].map(|mean: f64| (mean / 255.0) as f32);
            let std = [50.0, 25.0, 50.0].map(|std: f64| (std / 255.0) as f32);
            let Rescale::Standardise { mean, std: found } = found.unwrap() else {
                panic!("not standardised");
            };
            for channel in 0..3 {
                assert!((mean[channel] - expected[channel]).abs() < 1e-7, "{mean:?}");
                assert!((found[channel] - std[channel]).abs() < 1e-7, "{found:?}");
            }
        }
    }

    #[test]
    fn the_number_of_threads_and_the_order_change_nothing() {
        let (_folder, dataset) = photos([0, 90, 20, 30, 70, 50, 61, 80]);
        let fit = |threads, samples: &[usize]| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let spec = RescaleSpec::Zca { epsilon: 1e-5 };
            let preprocessing = preprocessing(ResizePolicy::Crop);
            pool.unwrap()
                .install(|| fit_rescale(&spec, &preprocessing, &dataset, samples).unwrap())
        };
        let one = fit(1, &[0, 1, 2, 3, 4, 5]);
        assert_eq!(fit(3, &[0, 1, 2, 3, 4, 5]), one);
        assert_eq!(fit(2, &[5, 3, 1, 0, 2, 4]), one);
    }

    #[test]
    fn a_bad_image_is_named() {
        let (folder, dataset) = photos([0; 8]);
        std::fs::write(folder.path().join("bee/5.png"), "no image").unwrap();
        let all: Vec<usize> = (0..8).collect();
        let spec = RescaleSpec::Centre;
        let error = fit_rescale(&spec, &preprocessing(ResizePolicy::Crop), &dataset, &all);
        let error = error.unwrap_err().to_string();
        assert!(error.contains("5.png"), "{error}");
    }
}
