//! Mixup and CutMix with a fixed share and box against torchvision and timm, through the numbers of `make_mix.py`.

use burn::tensor::{Device, Tensor, TensorData};
use rekindle_augment::Mix;
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    library: String,
    shape: [usize; 4],
    share: f64,
    centre: Option<[usize; 2]>,
    smoothing: f32,
    images: Vec<f32>,
    labels: Vec<usize>,
    mixed: Vec<f32>,
    targets: Vec<f32>,
}

const CLASSES: usize = 3;

fn cases() -> Vec<Case> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mix.json");
    let golden: Golden = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    golden.cases
}

fn near<const D: usize>(found: Tensor<D>, expected: &[f32], case: &str) {
    let found: Vec<f32> = found.into_data().try_to_vec().unwrap();
    assert_eq!(found.len(), expected.len(), "{case}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (found - expected).abs() < 1e-6,
            "{case}: {found} and {expected}"
        );
    }
}

#[test]
fn images_and_targets_are_those_of_torchvision_and_timm() {
    let cases = cases();
    for library in ["torchvision", "timm"] {
        assert!(cases.iter().filter(|case| case.library == library).count() >= 3);
    }
    for case in cases {
        let [batch, _, height, width] = case.shape;
        let name = format!("{} {:?} {:?}", case.library, case.shape, case.centre);
        let mix = match case.centre {
            None => Mix::mixup(case.share),
            Some(centre) => Mix::cutmix(case.share, centre, [height, width]),
        };
        let device = Device::flex();
        let images = Tensor::<4>::from_data(TensorData::new(case.images, case.shape), &device);
        near(mix.images(images), &case.mixed, &name);

        let one_hot: Vec<f32> = case
            .labels
            .iter()
            .flat_map(|label| (0..CLASSES).map(move |class| f32::from(u8::from(class == *label))))
            .collect();
        let targets = Tensor::<2>::from_data(TensorData::new(one_hot, [batch, CLASSES]), &device);
        // Our losses smooth the mixed targets by this formula; timm mixes smoothed ones.
        let smoothed = mix
            .rows(targets)
            .mul_scalar(1.0 - case.smoothing)
            .add_scalar(case.smoothing / CLASSES as f32);
        near(smoothed, &case.targets, &name);
    }
}
