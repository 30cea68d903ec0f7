//! Fitted and per-image rescaling against scikit-learn, numpy and TensorFlow, through the numbers of `make_rescale.py`.

use rekindle_augment::{ChannelMoments, RescaleSpec, RgbBatch, pca_whitening, zca_whitening};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    images: Images,
    cases: Vec<Case>,
    constant: Constant,
    five_channels: FiveChannels,
}

#[derive(Deserialize)]
struct Images {
    shape: [usize; 4],
    pixels: Vec<u8>,
}

#[derive(Deserialize)]
struct Case {
    spec: RescaleSpec,
    planes: Vec<f32>,
}

#[derive(Deserialize)]
struct Constant {
    #[serde(flatten)]
    images: Images,
    planes: Vec<f32>,
}

#[derive(Deserialize)]
struct FiveChannels {
    pixels: Vec<[u8; 5]>,
    mean: [f64; 5],
    std: [f64; 5],
    covariance: [[f64; 5]; 5],
    pca: [[f64; 5]; 5],
    zca: [[f64; 5]; 5],
}

fn golden() -> Golden {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/rescale.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn batch(images: &Images) -> RgbBatch {
    let [batch, height, width, _] = images.shape;
    RgbBatch::new(images.pixels.clone(), batch, height, width).unwrap()
}

#[track_caller]
fn near(found: &[f32], expected: &[f32], apart: f32) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= apart, "{found} and {expected}");
    }
}

#[test]
fn every_fitted_scale_gives_the_values_of_its_reference() {
    let golden = golden();
    let batch = batch(&golden.images);
    let mut moments = ChannelMoments::new();
    moments.add(batch.pixels().as_chunks().0);
    assert_eq!(golden.cases.len(), 8);
    for Case { spec, planes } in golden.cases {
        let rescale = spec.fit(&moments).unwrap();
        rescale.check().unwrap();
        println!("{rescale:?}");
        // Whitening multiplies float32's rounding by up to the largest entry of its matrix.
        near(&batch.planes(&rescale), &planes, 2e-5);
    }
}

#[test]
fn an_image_almost_without_contrast_is_bounded_as_tensorflow_does() {
    let Constant { images, planes } = golden().constant;
    let rescale = RescaleSpec::PerImage { per_channel: false }
        .fixed()
        .unwrap();
    near(&batch(&images).planes(&rescale), &planes, 1e-5);
}

#[test]
fn moments_and_whitening_hold_for_five_channels() {
    let expected = golden().five_channels;
    let mut moments = ChannelMoments::new();
    moments.add(&expected.pixels);
    let all = |rows: [[f64; 5]; 5]| rows.into_iter().flatten().collect::<Vec<f64>>();
    let covariance = moments.covariance().unwrap();
    for (found, expected) in [
        (moments.mean().unwrap().to_vec(), expected.mean.to_vec()),
        (moments.std().unwrap().to_vec(), expected.std.to_vec()),
        (all(covariance), all(expected.covariance)),
        (all(pca_whitening(&covariance, 0.0)), all(expected.pca)),
        (all(zca_whitening(&covariance, 0.0)), all(expected.zca)),
    ] {
        for (found, expected) in found.iter().zip(&expected) {
            assert!(
                (found - expected).abs() < 1e-9 * expected.abs().max(1.0),
                "{found} and {expected}"
            );
        }
    }
}
