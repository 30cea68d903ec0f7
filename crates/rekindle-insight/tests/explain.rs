//! What pytorch-grad-cam and captum find, this crate finds: `data/explain.json`, which `data/explain.py` made of the same networks.
//!
//! Both libraries computed in float64. What they differ by in float32, on the same networks, is kept with each result; here as many times
//! that are allowed as [`ROUNDINGS`] says: folded batch norms and other orders of adding up round in other places, as often.

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use rekindle_backbone::{Architecture, Backbone, Named, StateDict};
use rekindle_head::{HeadConfig, Pooling};
use rekindle_insight::explain::{
    HeatMap, StageMaps, gauss_legendre, integrated_gradients, occlusion,
};
use rekindle_model::{Features, Joint, Network, Probe, head_for};
use serde_json::Value;

/// How many times float32's own deviation is allowed.
const ROUNDINGS: f64 = 10.0;
/// The least deviation that float32 is taken to have: 8 units in the last place.
const LEAST: f64 = 8.0 * f32::EPSILON as f64;

#[test]
fn maps_are_those_of_pytorch_grad_cam_and_captum() {
    let record = record();
    let mut worst = Vec::new();
    for case in record["cases"].as_array().unwrap() {
        let Some(network) = network(case) else {
            continue;
        };
        check(&network, case, &mut worst);
    }
    assert!(worst.len() >= 15, "{worst:?}");
    let failed: Vec<_> = worst.iter().filter(|(_, share)| *share > 1.0).collect();
    println!("deviations in shares of what is allowed: {worst:#?}");
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn the_quadrature_is_numpys() {
    let expected = &record()["legendre"];
    let steps = expected["steps"].as_u64().unwrap() as usize;
    let mut found = gauss_legendre(steps);
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    let [places, weights] = ["places", "weights"].map(|key| numbers(&expected[key]));
    for (step, (place, weight)) in found.iter().enumerate() {
        assert!((place - places[step]).abs() < 1e-14, "{place}");
        assert!((weight - weights[step]).abs() < 1e-14, "{weight}");
    }
}

/// The parts add up to the whole: on a smooth network with enough steps up to rounding, and elsewhere as nearly as captum's do.
#[test]
fn integrated_gradients_are_complete() {
    for expected in record()["complete"].as_array().unwrap() {
        let backbone = filled(expected["arch"].as_str().unwrap());
        let network = joined(backbone, &HeadConfig::default(), vec![], false);
        let image = images(&sizes::<4>(&expected["input"]));
        let [steps, output] =
            ["steps", "output"].map(|key| expected[key].as_u64().unwrap() as usize);
        let probe = Probe::new(&network, 0);
        let nothing = image.zeros_like();
        let found = integrated_gradients(&probe, &image, &nothing, output, steps, 16);
        let [difference, greatest, gap] =
            ["difference", "greatest", "gap"].map(|key| expected[key].as_f64().unwrap());
        let what = format!("{}, {steps} steps", expected["arch"]);
        // Of two outputs.
        let rounding = 2.0 * ROUNDINGS * LEAST * greatest / difference.abs();
        let apart = (found.difference - difference).abs() / difference.abs();
        assert!(apart < rounding, "{what}: {apart} of {rounding}");
        let ours = (found.sum - found.difference) / found.difference;
        println!("{what}: {ours:.2e}, captum {gap:.2e}");
        // Beside a kink the derivative of another side may be taken: a thousandth of the whole.
        assert!((ours - gap).abs() < 1e-3 + rounding, "{what}: {ours} {gap}");
        assert!((found.map.sum() - found.sum).abs() < 1e-5 * difference.abs());
    }
}

fn record() -> Value {
    serde_json::from_str(include_str!("data/explain.json")).unwrap()
}

fn device() -> Device {
    Device::flex()
}

fn numbers(value: &Value) -> Vec<f64> {
    let values = value.as_array().unwrap().iter();
    values.map(|value| value.as_f64().unwrap()).collect()
}

fn sizes<const N: usize>(value: &Value) -> [usize; N] {
    let sizes: Vec<usize> = numbers(value).iter().map(|size| *size as usize).collect();
    sizes.try_into().unwrap()
}

fn images(shape: &[usize; 4]) -> Tensor<4> {
    Tensor::from_data(fill("input.image", shape), &device())
}

/// A case's network; none where its weights are not part of this build.
fn network(case: &Value) -> Option<Network> {
    let architecture = case["arch"].as_str().unwrap();
    let backbone = match case["weights"].as_str().unwrap() {
        "bundled" => bundled(architecture)?,
        _ => filled(architecture),
    };
    let names = backbone.stage_names();
    let taps = case["taps"].as_array().map_or(Vec::new(), |taps| {
        let place = |tap: &Value| names.iter().position(|name| Some(*name) == tap.as_str());
        taps.iter().map(|tap| place(tap).unwrap()).collect()
    });
    let config = HeadConfig {
        pool: match case["pool"].as_str() {
            Some("gem") => Pooling::Gem,
            _ => Pooling::Average,
        },
        ..HeadConfig::default()
    };
    let unit_rms = case["unit_rms"].as_bool().unwrap_or(false);
    Some(joined(backbone, &config, taps, unit_rms))
}

#[cfg(feature = "bundled")]
fn bundled(architecture: &str) -> Option<Backbone> {
    Some(
        rekindle_model::pretrained(architecture, None, &device())
            .unwrap()
            .0,
    )
}

#[cfg(not(feature = "bundled"))]
fn bundled(_: &str) -> Option<Backbone> {
    None
}

/// A backbone whose tensors the formula fills.
fn filled(architecture: &str) -> Backbone {
    struct Fill;
    impl rekindle_backbone::StateVisitor for Fill {
        fn parameter<const D: usize>(
            &mut self,
            key: &str,
            parameter: &mut burn::module::Param<Tensor<D>>,
        ) {
            let data = fill(key, &parameter.val().dims());
            let id = parameter.id;
            *parameter = burn::module::Param::initialized(id, Tensor::from_data(data, &device()));
        }
        fn buffer(&mut self, key: &str, buffer: &mut burn::module::RunningState<Tensor<1>>) {
            let data = fill(key, &buffer.value_sync().dims());
            *buffer = burn::module::RunningState::new(Tensor::from_data(data, &device()));
        }
    }
    let mut backbone = Architecture::from_name(architecture)
        .unwrap()
        .init(&device());
    backbone.visit_state(&mut Fill);
    backbone
}

/// The backbone with a head of five outputs under the formula.
fn joined(backbone: Backbone, config: &HeadConfig, taps: Vec<usize>, unit_rms: bool) -> Network {
    let head = head_for(config, &backbone, &taps, 5, 0, &device());
    let name = backbone.classifier();
    let state: StateDict = head
        .state()
        .into_iter()
        .map(|(key, data)| match key.as_str() {
            "pool.p" => (key, data),
            _ => {
                let filled = fill(&format!("{name}.{key}"), data.shape());
                (key, filled)
            }
        })
        .collect();
    let head = head.load_state(&state).unwrap().valid();
    Network::new(Some(backbone), head, Joint { taps, unit_rms })
}

fn check(network: &Network, case: &Value, worst: &mut Vec<(String, f64)>) {
    let name = case["arch"].as_str().unwrap();
    let chosen = numbers(&case["chosen"]);
    let chosen: Vec<usize> = chosen.into_iter().map(|place| place as usize).collect();
    let shape = sizes::<4>(&case["input"]);
    let images = images(&shape);
    let plain = network.for_inference();
    let run = |maps| plain.logits(Features::Maps { maps, taps: None });
    let logits: Vec<f32> = run(images.clone()).into_data().iter::<f32>().collect();
    worst.push((format!("{name} logits"), share(&logits, &case["logits"])));
    let stages = plain.backbone.as_ref().unwrap();
    for expected in case["maps"].as_array().unwrap() {
        let stage = expected["stage"].as_str().unwrap();
        let method = expected["method"].as_str().unwrap();
        let cut = stages.stage_names().iter().position(|name| *name == stage);
        let probe = Probe::new(network, cut.unwrap() + 1);
        let at = probe.at(images.clone());
        let Features::Maps { maps, .. } = at.clone() else {
            panic!("no maps");
        };
        let [_, channels, height, width] = maps.dims();
        let slope = probe.differentiate(at, |_| chosen.clone());
        let activations: Vec<f32> = maps.into_data().iter::<f32>().collect();
        let gradients: Vec<f32> = slope.gradient.into_data().iter::<f32>().collect();
        let size = channels * height * width;
        let found: Vec<HeatMap> = (0..2)
            .map(|image| {
                let maps = StageMaps {
                    size: [height, width],
                    activations: &activations[image * size..][..size],
                    gradients: &gradients[image * size..][..size],
                };
                match method {
                    "grad-cam" => maps.grad_cam(),
                    _ => maps.grad_cam_plus_plus(),
                }
            })
            .collect();
        let what = |which: &str| format!("{name} {stage} {method} {which}");
        let raw: Vec<f32> = found.iter().flat_map(|map| map.values().to_vec()).collect();
        worst.push((what("raw"), share(&raw, &expected["raw"])));
        let scaled = found.iter().flat_map(|map| {
            let large = map.scaled().resized([shape[2], shape[3]]).scaled();
            large.values().to_vec()
        });
        let scaled: Vec<f32> = scaled.collect();
        worst.push((what("scaled"), share(&scaled, &expected["scaled"])));
    }
    let one = |image: usize| images.clone().narrow(0, image, 1);
    if let Some(expected) = case.get("integrated") {
        let probe = Probe::new(network, 0);
        let steps = case["steps"].as_u64().unwrap() as usize;
        let mut values = Vec::new();
        for (image, &output) in chosen.iter().enumerate() {
            let image_input = one(image);
            let nothing = image_input.zeros_like();
            let found = integrated_gradients(&probe, &image_input, &nothing, output, steps, 7);
            // As many roundings as there are pixels, of which half go either way.
            let greatest = expected["greatest"].as_f64().unwrap();
            let spread = allowed(expected) * greatest * (shape[2] as f64 * shape[3] as f64).sqrt();
            let logits = &case["logits"];
            let of_logits = 2.0 * allowed(logits) * logits["greatest"].as_f64().unwrap();
            for (ours, key, allowed) in [
                (found.sum, "sums", spread),
                (found.difference, "difference", of_logits),
            ] {
                let theirs = numbers(&expected[key])[image];
                let what = format!("{name} integrated {key}");
                worst.push((what, (ours - theirs).abs() / allowed));
            }
            values.extend_from_slice(found.map.values());
        }
        worst.push((format!("{name} integrated"), share(&values, expected)));
    }
    for expected in case["occlusion"].as_array().unwrap() {
        let window = ["window", "stride"].map(|key| expected[key].as_u64().unwrap() as usize);
        let mut values = Vec::new();
        for (image, &output) in chosen.iter().enumerate() {
            let image = one(image);
            let map = occlusion(run, &image, &image.zeros_like(), output, window, 9);
            values.extend_from_slice(map.values());
        }
        let what = format!("{name} occlusion {window:?}");
        worst.push((what, share(&values, expected)));
    }
}

/// The deviation that is allowed, relative to the greatest value.
fn allowed(expected: &Value) -> f64 {
    ROUNDINGS * expected["float32"].as_f64().unwrap().max(LEAST)
}

/// The greatest deviation from what was recorded, in shares of what is allowed.
fn share(found: &[f32], expected: &Value) -> f64 {
    let count: f64 = numbers(&expected["shape"]).iter().product();
    assert_eq!(found.len(), count as usize);
    let pairs: Vec<(usize, f64)> = match expected.get("values") {
        Some(values) => numbers(values).into_iter().enumerate().collect(),
        None => expected["probes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|probe| {
                let probe = numbers(probe);
                (probe[0] as usize, probe[1])
            })
            .collect(),
    };
    let greatest = expected["greatest"].as_f64().unwrap();
    let off = |(place, value): &(usize, f64)| (f64::from(found[*place]) - value).abs();
    let worst = pairs.iter().map(off).fold(0.0, f64::max) / greatest;
    worst / allowed(expected)
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
