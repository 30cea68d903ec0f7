//! Every architecture has timm's keys, shapes, parameters and taps: `tests/parity/variants.json`, made by `make_variants.py` beside it.
//!
//! Nothing is computed and no weights are made, so that the largest networks take no longer than the smallest.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::{Param, RunningState};
use burn::tensor::{Device, Tensor};
use rekindle_backbone::{Architecture, Named, StateVisitor};
use serde_json::Value;

#[derive(Default)]
struct Shapes {
    lines: BTreeMap<String, Vec<usize>>,
    parameters: usize,
}

impl StateVisitor for Shapes {
    fn parameter<const D: usize>(&mut self, key: &str, parameter: &mut Param<Tensor<D>>) {
        self.add(key, parameter.lazy_shape().to_vec());
    }

    fn matrix(&mut self, key: &str, parameter: &mut Param<Tensor<4>>) {
        let shape = parameter.lazy_shape();
        self.add(key, vec![shape[0], shape[1..].iter().product()]);
    }

    fn buffer(&mut self, key: &str, buffer: &mut RunningState<Tensor<1>>) {
        self.lines.insert(key.into(), buffer.value().dims().into());
    }
}

impl Shapes {
    fn add(&mut self, key: &str, shape: Vec<usize>) {
        self.parameters += shape.iter().product::<usize>();
        let before = self.lines.insert(key.into(), shape);
        assert!(before.is_none(), "{key} twice");
    }

    /// FNV-1a 64 of the lines `KEY SHAPE`.
    fn hash(&self) -> String {
        let line = |(key, shape): (&String, &Vec<usize>)| {
            let shape: Vec<String> = shape.iter().map(usize::to_string).collect();
            format!("{key} {}\n", shape.join("x"))
        };
        // In the order of the lines, which is not quite that of the keys.
        let mut lines: Vec<String> = self.lines.iter().map(line).collect();
        lines.sort();
        let bytes = lines.iter().flat_map(|line| line.bytes());
        let hash = bytes.fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3)
        });
        format!("{hash:016x}")
    }
}

#[test]
fn every_architecture_has_timms_keys_shapes_parameters_and_taps() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity/variants.json");
    let table: BTreeMap<String, Value> =
        serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let device = Device::flex();
    let mut failures = Vec::new();
    let mut names = Vec::new();
    for architecture in Architecture::all() {
        let name = architecture.name;
        names.push(name.to_owned());
        let Some(expected) = table.get(name) else {
            failures.push(format!("{name}: not in variants.json"));
            continue;
        };
        let mut backbone = architecture.init(&device);
        let mut shapes = Shapes::default();
        backbone.visit_state(&mut shapes);
        let classifier = (backbone.channels() + 1) * 1000;
        let parameters = Value::from(shapes.parameters + classifier);
        if parameters != expected["parameters"] {
            failures.push(format!(
                "{name}: {parameters} parameters, timm {}",
                expected["parameters"]
            ));
        }
        if shapes.hash() != expected["keys"].as_str().unwrap() {
            failures.push(format!("{name}: other keys or shapes than timm"));
        }
        let taps = backbone.stages().iter().filter(|stage| stage.is_tap());
        let taps: Vec<[usize; 2]> = taps
            .map(|stage| [stage.reduction(), stage.channels()])
            .collect();
        if serde_json::json!(taps) != expected["taps"] {
            failures.push(format!("{name}: taps {taps:?}, timm {}", expected["taps"]));
        }
    }
    names.sort();
    let missing: Vec<&String> = table
        .keys()
        .filter(|name| names.binary_search(name).is_err())
        .collect();
    assert!(missing.is_empty(), "no architectures: {missing:?}");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
