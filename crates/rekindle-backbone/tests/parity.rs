//! What timm computes (torchvision, where timm has no such network), this crate computes: every fixture under `tests/parity/` and under
//! the folder that `REKINDLE_PARITY_DIR` names.
//!
//! A fixture fills each tensor by a formula, so a wrong key, shape, padding, epsilon, activation or order shows up in the numbers
//! with no weights stored. `tests/parity/README.md` has the formula and the script.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, Int, Tensor, TensorData, activation};
use rekindle_backbone::{Architecture, Backbone, Named, Stage, StateDict, StateVisitor};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::Value;

/// Bounds of the deviations, in the order in which they are reported.
const INFERENCE: f64 = 1e-3;
const LOSS: f64 = 1e-3;
const GRADIENT: f64 = 1e-2;
const AFTER_STEP: f64 = 0.1;
const STATISTICS: f64 = 1e-3;
/// Share of the whole gradient's norm below which a norm in float64 is rounding, and what float32 may make of it.
const NOISE: f64 = 1e-14;
const NOTHING: f64 = 1e-6;

#[test]
fn parity_with_timm() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity");
    let mut fixtures: Vec<(PathBuf, bool)> = list(&shipped)
        .into_iter()
        .map(|path| (path, false))
        .collect();
    if let Some(extra) = std::env::var_os("REKINDLE_PARITY_DIR") {
        fixtures.extend(list(Path::new(&extra)).into_iter().map(|path| (path, true)));
    }
    assert!(
        !fixtures.is_empty(),
        "no fixtures under {}",
        shipped.display()
    );
    let mut failures = Vec::new();
    for (path, required) in fixtures {
        let fixture: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let name = fixture["arch"].as_str().unwrap();
        match Architecture::from_name(name) {
            Err(_) if required => {
                failures.push(format!("{name}: not supported ({})", path.display()))
            }
            Err(_) => println!("not yet supported: {name}"),
            Ok(architecture) => match check(&architecture, &fixture) {
                Ok(line) => println!("ok {name} {line}"),
                Err(why) => failures.push(format!("{name}: {why}")),
            },
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn list(folder: &Path) -> Vec<PathBuf> {
    let entries =
        std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    // The list of variants beside the fixtures is `variants.rs`'s.
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "json")
            && !path.ends_with("variants.json")
    });
    paths.sort();
    paths
}

/// Always Burn's CPU backend: what the bounds were set for, and the one backend that this crate's tests are built with.
fn device() -> Device {
    Device::flex()
}

fn check(architecture: &Architecture, fixture: &Value) -> Result<String, String> {
    let device = device();
    let state = rebuild(fixture);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("weights.safetensors");
    write(&state, &file);
    let backbone = architecture
        .init(&device)
        .load_file(&file)
        .map_err(|error| error.to_string())?;
    let classifier = linear(&state, backbone.classifier(), &device);
    let parameters = backbone.num_params() - statistics(&backbone) + classifier.num_params();
    if Some(parameters as u64) != fixture["parameters"].as_u64() {
        return Err(format!(
            "{parameters} parameters, timm has {}",
            fixture["parameters"]
        ));
    }
    let shape: Vec<usize> = numbers(&fixture["input"])
        .iter()
        .map(|n| *n as usize)
        .collect();
    let images = Tensor::<4>::from_data(fill("input.image", &shape, 1.0), &device);
    let mut report = Report::default();

    let (features, pooled) = run(&backbone.valid(), images.clone());
    report.tensor("features", &features, &fixture["features"], INFERENCE);
    report.tensor("pooled", &pooled, &fixture["pooled"], INFERENCE);
    report.tensor(
        "logits",
        &classifier.forward(pooled),
        &fixture["logits"],
        INFERENCE,
    );
    let (features, pooled) = run(&backbone.fold_norms(), images.clone());
    report.tensor(
        "folded features",
        &features,
        &fixture["features"],
        INFERENCE,
    );
    report.tensor("folded pooled", &pooled, &fixture["pooled"], INFERENCE);
    let taps = backbone.valid().forward_taps(images.clone());
    let stages: Vec<_> = backbone.stages().iter().filter(|s| s.is_tap()).collect();
    let said: Vec<[u64; 2]> = stages
        .iter()
        .map(|stage| [stage.reduction() as u64, stage.channels() as u64])
        .collect();
    // None where timm has no taps of the architecture.
    if let Some(expected) = fixture["intermediate"].as_array() {
        let of_timm: Vec<[u64; 2]> = expected
            .iter()
            .map(|tap| ["reduction", "channels"].map(|key| tap[key].as_u64().unwrap()))
            .collect();
        if said != of_timm {
            return Err(format!("taps {said:?}, timm {of_timm:?}"));
        }
        for (tap, expected) in taps.iter().zip(expected) {
            report.tensor("tap", tap, expected, INFERENCE);
        }
    }
    train_step(
        backbone,
        classifier,
        images,
        &fixture["train_step"],
        &mut report,
    );
    report.finish()
}

/// What timm's `forward_features` gives, and the classifier's input. timm counts stages behind the global pooling to the head, so
/// its features are those of the stages before them.
fn run(backbone: &Backbone, images: Tensor<4>) -> (Tensor<4>, Tensor<2>) {
    let stages = backbone.stages();
    let pooling = stages.iter().position(Stage::is_pooled);
    let maps = pooling.unwrap_or(stages.len());
    let features = backbone.forward_stages(images, 0, maps);
    let output = backbone.forward_stages(features.clone(), maps, stages.len());
    (features, output.mean_dims(&[2, 3]).reshape([0, -1]))
}

fn train_step(
    backbone: Backbone,
    classifier: Linear,
    images: Tensor<4>,
    expected: &Value,
    report: &mut Report,
) {
    let device = images.device();
    let mut backbone = backbone.train();
    let mut classifier = classifier.train();
    let labels: Vec<i32> = numbers(&expected["labels"])
        .iter()
        .map(|n| *n as i32)
        .collect();
    let labels = Tensor::<1, Int>::from_ints(labels.as_slice(), &device.clone().autodiff());
    let forward = |backbone: &Backbone, classifier: &Linear, images: Tensor<4>| {
        classifier.forward(backbone.forward(images).mean_dims(&[2, 3]).reshape([0, -1]))
    };
    let logits = forward(&backbone, &classifier, Tensor::from_inner(images.clone()));
    let chosen = activation::log_softmax(logits, 1).gather(1, labels.reshape([-1, 1]));
    let loss = chosen.mean().neg();
    report.scalar(
        "loss",
        f64::from(loss.clone().into_scalar::<f32>()),
        &expected["loss"],
        LOSS,
    );

    let mut gradients = loss.backward();
    let of_backbone = GradientsParams::from_module(&mut gradients, &backbone);
    let of_classifier = GradientsParams::from_module(&mut gradients, &classifier);
    let mut norms = Norms {
        gradients: &of_backbone,
        squares: BTreeMap::new(),
    };
    backbone.clone().visit_state(&mut norms);
    let mut squares = norms.squares;
    let name = backbone.classifier().to_owned();
    squares.insert(
        format!("{name}.weight"),
        square(of_classifier.get::<2>(classifier.weight.id)),
    );
    squares.insert(
        format!("{name}.bias"),
        square(of_classifier.get::<1>(classifier.bias.as_ref().unwrap().id)),
    );
    let total = squares.values().sum::<f64>().sqrt();
    report.scalar("gradient norm", total, &expected["grad_norm"], GRADIENT);
    for (key, value) in expected["grad_norms"].as_object().unwrap() {
        let norm = squares[key].sqrt();
        if value.as_f64().unwrap() < NOISE * total {
            // A bias before a batch norm has no gradient: what timm has in float64 is rounding, and here it is rounding in float32.
            report.note(key, "gradients", norm / total, NOTHING);
            continue;
        }
        report.scalar(key, norm, value, GRADIENT);
    }

    let mut optimizer = SgdConfig::new().init();
    backbone = optimizer.step(0.01, backbone, of_backbone);
    classifier = SgdConfig::new()
        .init()
        .step(0.01, classifier, of_classifier);
    let after = forward(&backbone.valid(), &classifier.valid(), images);
    report.tensor(
        "logits after the step",
        &after,
        &expected["eval_logits_after"],
        AFTER_STEP,
    );
    let state = backbone.state();
    for (key, value) in expected["buffers_after"].as_object().unwrap() {
        report.relative(key, &state[key], value, STATISTICS);
    }
}

#[derive(Default)]
struct Report {
    worst: BTreeMap<&'static str, f64>,
    failures: Vec<String>,
}

impl Report {
    fn note(&mut self, what: &str, kind: &'static str, deviation: f64, bound: f64) {
        let worst = self.worst.entry(kind).or_insert(0.0);
        *worst = worst.max(deviation);
        if deviation.is_nan() || deviation > bound {
            self.failures.push(format!(
                "{what} deviates by {deviation:.3e}, bound {bound:.0e}"
            ));
        }
    }

    /// Mean, standard deviation and probes against the fixture, as shares of the fixture's standard deviation.
    fn tensor<const D: usize>(
        &mut self,
        what: &str,
        tensor: &Tensor<D>,
        expected: &Value,
        bound: f64,
    ) {
        let data = tensor.clone().into_data();
        let shape: Vec<f64> = data.shape().iter().map(|n| *n as f64).collect();
        if shape != numbers(&expected["shape"]) {
            self.failures.push(format!(
                "{what} has shape {shape:?}, timm {}",
                expected["shape"]
            ));
            return;
        }
        let values: Vec<f64> = data.iter::<f32>().map(f64::from).collect();
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let std = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count).sqrt();
        let scale = expected["std"].as_f64().unwrap();
        let mut deviation = (mean - expected["mean"].as_f64().unwrap())
            .abs()
            .max((std - scale).abs());
        for probe in expected["probes"].as_array().unwrap() {
            let index = probe[0].as_u64().unwrap() as usize;
            deviation = deviation.max((values[index] - probe[1].as_f64().unwrap()).abs());
            if values[index].is_nan() {
                deviation = f64::NAN;
            }
        }
        let kind = if bound == AFTER_STEP {
            "after the step"
        } else {
            "inference"
        };
        self.note(what, kind, deviation / scale, bound);
    }

    /// Each probe relative to its own size, and to the spread where the value is near zero.
    fn relative(&mut self, what: &str, data: &TensorData, expected: &Value, bound: f64) {
        let values: Vec<f64> = data.iter::<f32>().map(f64::from).collect();
        let spread = expected["std"].as_f64().unwrap();
        for probe in expected["probes"].as_array().unwrap() {
            let (index, value) = (
                probe[0].as_u64().unwrap() as usize,
                probe[1].as_f64().unwrap(),
            );
            let deviation = (values[index] - value).abs() / value.abs().max(spread);
            self.note(what, "statistics", deviation, bound);
        }
    }

    fn scalar(&mut self, what: &str, value: f64, expected: &Value, bound: f64) {
        let expected = expected.as_f64().unwrap();
        let kind = if what == "loss" { "loss" } else { "gradients" };
        self.note(what, kind, (value - expected).abs() / expected.abs(), bound);
    }

    fn finish(self) -> Result<String, String> {
        if !self.failures.is_empty() {
            return Err(self.failures.join("; "));
        }
        Ok(self
            .worst
            .iter()
            .map(|(kind, worst)| format!("{kind} {worst:.1e}"))
            .collect::<Vec<_>>()
            .join(", "))
    }
}

struct Norms<'a> {
    gradients: &'a GradientsParams,
    squares: BTreeMap<String, f64>,
}

impl StateVisitor for Norms<'_> {
    fn parameter<const D: usize>(&mut self, key: &str, parameter: &mut Param<Tensor<D>>) {
        self.squares.insert(
            key.to_owned(),
            square(self.gradients.get::<D>(parameter.id)),
        );
    }

    fn buffer(&mut self, _: &str, _: &mut burn::module::RunningState<Tensor<1>>) {}
}

fn square<const D: usize>(gradient: Option<Tensor<D>>) -> f64 {
    let gradient = gradient.expect("every parameter has a gradient");
    gradient
        .into_data()
        .iter::<f32>()
        .map(|v| f64::from(v).powi(2))
        .sum()
}

struct CountStatistics(usize);

impl StateVisitor for CountStatistics {
    fn parameter<const D: usize>(&mut self, _: &str, _: &mut Param<Tensor<D>>) {}

    fn buffer(&mut self, _: &str, buffer: &mut burn::module::RunningState<Tensor<1>>) {
        self.0 += buffer.value().dims()[0];
    }
}

/// Burn counts running statistics as parameters; timm does not.
fn statistics(backbone: &Backbone) -> usize {
    let mut count = CountStatistics(0);
    backbone.clone().visit_state(&mut count);
    count.0
}

fn linear(state: &StateDict, name: &str, device: &Device) -> Linear {
    let weight = &state[&format!("{name}.weight")];
    let bias = &state[&format!("{name}.bias")];
    let [outputs, inputs] = [weight.shape()[0], weight.shape()[1]];
    let mut layer = LinearConfig::new(inputs, outputs).init(device);
    layer.weight = Param::from_tensor(Tensor::<2>::from_data(weight.clone(), device).transpose());
    layer.bias = Some(Param::from_tensor(Tensor::from_data(bias.clone(), device)));
    layer
}

fn rebuild(fixture: &Value) -> StateDict {
    let tensors = fixture["tensors"].as_array().unwrap();
    let gain = fixture["gain"].as_f64().unwrap_or(1.0);
    let each = |entry: &Value| {
        let key = entry[0].as_str().unwrap();
        let shape: Vec<usize> = numbers(&entry[1]).iter().map(|n| *n as usize).collect();
        (key.to_owned(), fill(key, &shape, gain))
    };
    tensors.iter().map(each).collect()
}

fn write(state: &StateDict, file: &Path) {
    let bytes: BTreeMap<&String, Vec<u8>> = state
        .iter()
        .map(|(key, data)| (key, data.iter::<f32>().flat_map(f32::to_le_bytes).collect()))
        .collect();
    let views = state.iter().map(|(key, data)| {
        let view = TensorView::new(Dtype::F32, data.shape().to_vec(), &bytes[key]).unwrap();
        (key, view)
    });
    safetensors::serialize_to_file(views, None, file).unwrap();
}

fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|n| n.as_f64().unwrap())
        .collect()
}

/// The formula of `tests/parity/README.md`.
fn fill(key: &str, shape: &[usize], gain: f64) -> TensorData {
    let hash = key.bytes().fold(0xCBF2_9CE4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3)
    });
    let count: usize = shape.iter().product();
    let spread = gain * (6.0 / (count / shape[0]) as f64).sqrt();
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
