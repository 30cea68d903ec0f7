//! What timm makes of weights for red, green and blue where an input has other channels, against
//! [`Backbone::with_input_channels`]. The numbers and the script are in `tests/parity/channels/`.

use burn::tensor::{Device, Tensor, TensorData};
use rekindle_backbone::{Architecture, Backbone, Stage, StateDict};
use serde_json::Value;

/// Bound of the deviations, over the spread.
const BOUND: f64 = 1e-3;

#[test]
fn first_convolutions_for_other_channels_are_timms() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/parity/channels/channels.json"
    );
    let fixture: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let device = Device::flex();
    let found = fixture["found"].as_array().unwrap();
    assert_eq!(found.len(), 64);
    for case in found {
        let name = case["arch"].as_str().unwrap();
        let number = |key: &str| case[key].as_u64().unwrap() as usize;
        let (channels, size) = (number("channels"), number("size"));
        let backbone = Architecture::from_name(name).unwrap().init(&device);
        let state: StateDict = backbone
            .state()
            .into_iter()
            .map(|(key, data)| {
                let filled = fill(&key, &data.shape()[..]);
                (key, filled)
            })
            .collect();
        let backbone = backbone
            .load_state(&state, name)
            .unwrap()
            .with_input_channels(channels);
        assert_eq!(backbone.input_channels(), channels, "{name}");
        let first = format!("{}.weight", case["first"].as_str().unwrap());
        compare(
            &backbone.state()[&first],
            &case["weights"],
            &format!("{name} {channels} {first}"),
        );
        let images = fill("input.image", &[1, channels, size, size]);
        let images = Tensor::<4>::from_data(images, &device);
        let features = features(&backbone.fold_norms(), images);
        compare(
            &features.into_data(),
            &case["features"],
            &format!("{name} {channels}"),
        );
    }
}

/// Up to what is behind global pooling.
fn features(backbone: &Backbone, images: Tensor<4>) -> Tensor<4> {
    let stages = backbone.stages();
    let maps = stages
        .iter()
        .position(Stage::is_pooled)
        .unwrap_or(stages.len());
    backbone.forward_stages(images, 0, maps)
}

fn compare(found: &TensorData, expected: &Value, what: &str) {
    let shape: Vec<usize> = serde_json::from_value(expected["shape"].clone()).unwrap();
    assert_eq!(found.shape()[..], shape, "{what}");
    let values: Vec<f64> = found.iter::<f32>().map(f64::from).collect();
    let scale = expected["std"].as_f64().unwrap();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let mut worst = (mean - expected["mean"].as_f64().unwrap()).abs();
    for probe in expected["probes"].as_array().unwrap() {
        let place = probe[0].as_u64().unwrap() as usize;
        worst = worst.max((values[place] - probe[1].as_f64().unwrap()).abs());
    }
    assert!(
        worst <= BOUND * scale,
        "{what}: off by {worst}, spread {scale}"
    );
}

/// The formula of `tests/parity/README.md`.
fn fill(key: &str, shape: &[usize]) -> TensorData {
    let hash = key.bytes().fold(0xCBF2_9CE4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3)
    });
    let count: usize = shape.iter().product();
    let spread = (6.0 / (count / shape[0]) as f64).sqrt();
    let value = |index: usize| {
        let mut z = hash.wrapping_add((index as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        let u = (z >> 40) as f64 / f64::from(1 << 23) - 1.0;
        let value = match key {
            _ if key.ends_with("running_var") => 1.0 + 0.5 * u,
            _ if key.ends_with("running_mean") => 0.1 * u,
            _ if key.ends_with(".gamma") => 0.5 + 0.1 * u,
            "input.image" => 2.0 * u,
            _ if shape.len() >= 2 => u * spread,
            _ if key.ends_with("weight") => 1.0 + 0.1 * u,
            _ => 0.1 * u,
        };
        value as f32
    };
    TensorData::new((0..count).map(value).collect::<Vec<f32>>(), shape.to_vec())
}
