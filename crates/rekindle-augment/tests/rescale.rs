//! Fitted and per-image rescaling against scikit-learn, numpy and TensorFlow, through the numbers of `make_rescale.py`.

use rekindle_augment::{ChannelMoments, RescaleSpec, RgbBatch, pca_whitening, zca_whitening};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    images: Images,
    cases: Vec<Case<3>>,
    constant: Constant,
    one_channel: Channels<1>,
    two_channels: Channels<2>,
    four_channels: Channels<4>,
    five_channels: Channels<5>,
}

#[derive(Deserialize)]
struct Images {
    shape: [usize; 4],
    pixels: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(bound = "[f32; N]: Deserialize<'de>")]
struct Case<const N: usize> {
    spec: RescaleSpec<N>,
    planes: Vec<f32>,
}

#[derive(Deserialize)]
struct Constant {
    #[serde(flatten)]
    images: Images,
    planes: Vec<f32>,
}

/// Two images of 20 pixels each, with another number of channels than three.
#[derive(Deserialize)]
#[serde(
    bound = "[u8; N]: Deserialize<'de>, [f32; N]: Deserialize<'de>, [f64; N]: Deserialize<'de>, \
                 [[f64; N]; N]: Deserialize<'de>"
)]
struct Channels<const N: usize> {
    pixels: Vec<[u8; N]>,
    mean: [f64; N],
    std: [f64; N],
    covariance: [[f64; N]; N],
    pca: [[f64; N]; N],
    zca: [[f64; N]; N],
    cases: Vec<Case<N>>,
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
    assert_eq!(golden.cases.len(), 12);
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
    let rescale = RescaleSpec::<3>::PerImage { per_channel: false }
        .fixed()
        .unwrap();
    near(&batch(&images).planes(&rescale), &planes, 1e-5);
}

#[test]
fn every_scale_holds_for_any_number_of_channels() {
    let golden = golden();
    check_channels(golden.one_channel);
    check_channels(golden.two_channels);
    check_channels(golden.four_channels);
    check_channels(golden.five_channels);
}

fn check_channels<const N: usize>(expected: Channels<N>) {
    let mut moments = ChannelMoments::new();
    moments.add(&expected.pixels);
    let covariance = moments.covariance().unwrap();
    let [pca, zca] = [
        pca_whitening(&covariance, 0.0),
        zca_whitening(&covariance, 0.0),
    ];
    for (found, expected) in [
        (moments.mean().unwrap().as_slice(), expected.mean.as_slice()),
        (&moments.std().unwrap(), &expected.std),
        (
            covariance.as_flattened(),
            expected.covariance.as_flattened(),
        ),
        (pca.as_flattened(), expected.pca.as_flattened()),
        (zca.as_flattened(), expected.zca.as_flattened()),
    ] {
        for (found, expected) in found.iter().zip(expected) {
            let near = (found - expected).abs() < 1e-9 * expected.abs().max(1.0);
            assert!(near, "{N} channels: {found} and {expected}");
        }
    }
    assert_eq!(expected.cases.len(), 10);
    for Case { spec, planes } in expected.cases {
        let rescale = spec.fit(&moments).unwrap();
        rescale.check().unwrap();
        let images = expected.pixels.chunks_exact(20);
        let found: Vec<f32> = images.flat_map(|image| rescale.planes(image)).collect();
        println!("{N} channels: {}", spec.name());
        near(&found, &planes, 2e-5);
    }
}
