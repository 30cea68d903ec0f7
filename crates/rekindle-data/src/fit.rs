//! Numbers of the preprocessing that come from the training images, found before anything is trained.
//!
//! Owns: which pixels are looked at. What is made of them is `rekindle-augment`'s.

mod range;

use rayon::prelude::*;
use rekindle_augment::{
    Bands, ChannelMoments, Pipeline, Preprocessing, Rescale, RescaleSpec, ResizePolicy, SampleRng,
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
    let moments = moments(preprocessing, dataset, training)?;
    Ok(spec
        .fit(&moments[0])
        .map_err(|error| error.within("input.rescale"))?)
}

/// The scale of bands for these training samples, fitted on them where the spec asks for it; else the preprocessing's own. As
/// [`fit_rescale`], for inputs of other channels than three.
///
/// # Errors
///
/// As [`fit_rescale`].
///
/// # Panics
///
/// Where the preprocessing has no bands.
pub fn fit_bands(
    spec: &RescaleSpec,
    preprocessing: &Preprocessing,
    dataset: &Dataset,
    training: &[usize],
) -> Result<Bands, DataError> {
    let Some(bands) = &preprocessing.bands else {
        panic!("red, green and blue are no bands");
    };
    if spec.fixed().is_some() {
        return Ok(bands.clone());
    }
    let (mut mean, mut std) = (Vec::new(), Vec::new());
    for moments in moments(preprocessing, dataset, training)? {
        // Three bands at a time, the last ones perhaps the same again.
        match spec
            .fit(&moments)
            .map_err(|error| error.within("input.rescale"))?
        {
            Rescale::Standardise {
                mean: own,
                std: spread,
            } => {
                mean.extend(own);
                std.extend(spread);
            }
            other => {
                mean.extend(other.mean().unwrap_or_default());
                std.extend([1.0; 3]);
            }
        }
    }
    mean.truncate(bands.count());
    std.truncate(bands.count());
    Ok(Bands::new(mean, std))
}

/// The moments of the training images' views, of each of the RGB pictures that carry them.
fn moments(
    preprocessing: &Preprocessing,
    dataset: &Dataset,
    training: &[usize],
) -> Result<Vec<ChannelMoments<3>>, DataError> {
    let view = Preprocessing {
        policy: match preprocessing.policy {
            ResizePolicy::Pad => ResizePolicy::Squash,
            policy => policy,
        },
        ..preprocessing.clone()
    };
    let pictures = preprocessing.bands.as_ref().map_or(1, Bands::pictures);
    let view = Pipeline::evaluation(&view);
    let of_image = |sample: &usize| -> Result<Vec<ChannelMoments<3>>, DataError> {
        let image = dataset.view(*sample, &view, &mut SampleRng::new(0, 0, 0))?;
        let raw = image.as_raw();
        let of_picture = |part: &[u8]| {
            let mut moments = ChannelMoments::new();
            moments.add(part.as_chunks().0);
            moments
        };
        // An input has pixels.
        let parts = raw.chunks_exact((raw.len() / pictures).max(1));
        Ok(parts.map(of_picture).collect())
    };
    // All are collected first, so that of several bad images it is always the first that is named.
    let each: Vec<_> = training.par_iter().map(of_image).collect();
    let mut all: Vec<_> = (0..pictures).map(|_| ChannelMoments::new()).collect();
    for moments in each {
        for (sum, moments) in all.iter_mut().zip(&moments?) {
            sum.merge(moments);
        }
    }
    Ok(all)
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
