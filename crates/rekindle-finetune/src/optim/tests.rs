use std::collections::BTreeMap;

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::optim::{
    DynOptimizer, GradientsParams, ModuleOptimizer, RecordState, StateSink, StateSource,
};
use burn::tensor::{Device, Tensor, TensorData, Tolerance};
use serde_json::{Value, json};

use super::*;

fn fixture() -> Value {
    serde_json::from_str(include_str!("../../tests/data/optim.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f32> {
    match value {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().unwrap() as f32],
    }
}

fn tensor<const D: usize>(value: &Value, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(numbers(value), shape), device)
}

fn linear(fixture: &Value, device: &Device) -> Linear {
    Linear {
        weight: Param::from_tensor(tensor(&fixture["weight"], [2, 3], device)),
        bias: Some(Param::from_tensor(tensor(&fixture["bias"], [3], device))),
    }
}

/// The gradients that the fixture gives for this step.
fn grads(fixture: &Value, step: usize, module: &Linear) -> GradientsParams {
    let device = Device::flex();
    let mut grads = GradientsParams::new();
    grads.register(
        module.weight.id,
        tensor::<2>(&fixture["gradients"][step]["weight"], [2, 3], &device),
    );
    let bias = module.bias.as_ref().unwrap();
    grads.register(
        bias.id,
        tensor::<1>(&fixture["gradients"][step]["bias"], [3], &device),
    );
    grads
}

fn step(optimizer: &mut ModuleOptimizer, fixture: &Value, step: usize, module: Linear) -> Linear {
    let grads = grads(fixture, step, &module);
    optimizer.step(fixture["learning_rate"].as_f64().unwrap(), module, grads)
}

fn assert_weights(module: &Linear, expected: &Value, name: &str) {
    let close = |found: TensorData, expected: &Value| {
        for (found, expected) in found.iter::<f32>().zip(numbers(expected)) {
            assert!(
                (found - expected).abs() <= 2e-6 + 2e-5 * expected.abs(),
                "{name}: {found} against {expected}"
            );
        }
    };
    close(module.weight.val().into_data(), &expected["weight"]);
    close(
        module.bias.as_ref().unwrap().val().into_data(),
        &expected["bias"],
    );
}

/// All but the one that has a fixture of its own.
fn of_gradients() -> Vec<OptimizerSpec> {
    let mut all = OptimizerSpec::all();
    all.retain(|spec| spec.whole_set().is_none());
    assert_eq!(all.len() + 1, OptimizerSpec::all().len());
    all
}

#[test]
fn one_that_needs_the_whole_set_says_so() {
    let device = Device::flex().autodiff();
    let spec = OptimizerSpec::LBfgs(LBfgsSpec::default());
    let error = spec.build_for(&linear(&fixture(), &device), &Device::flex());
    let error = error.err().unwrap().to_string();
    assert!(error.contains("`optim.name` is \"lbfgs\""), "{error}");
}

#[test]
fn every_optimiser_follows_pytorch_step_by_step() {
    let fixture = fixture();
    let device = Device::flex().autodiff();
    let cases = fixture["cases"].as_array().unwrap();
    let mut names = BTreeMap::new();
    for case in cases {
        let spec: OptimizerSpec = serde_json::from_value(case["spec"].clone()).unwrap();
        assert_eq!(spec.check(), Ok(()));
        *names.entry(spec.name()).or_insert(0) += 1;
        let mut module = linear(&fixture, &device);
        let mut optimizer = spec.build_for(&module, &Device::flex()).unwrap();
        let steps = case["steps"].as_array().unwrap();
        assert_eq!(steps.len(), 6);
        for (number, expected) in steps.iter().enumerate() {
            module = step(&mut optimizer, &fixture, number, module);
            assert_weights(
                &module,
                expected,
                &format!("{} at step {number}", case["spec"]),
            );
        }
    }
    assert_eq!(
        names.keys().copied().collect::<Vec<_>>(),
        of_gradients()
            .iter()
            .map(OptimizerSpec::name)
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect::<Vec<_>>()
    );
}

#[test]
fn a_restored_optimiser_takes_the_same_next_step() {
    let fixture = fixture();
    let device = Device::flex().autodiff();
    for spec in of_gradients() {
        let name = spec.name();
        let spec: OptimizerSpec =
            serde_json::from_value(json!({"name": name, "weight_decay": 0.1})).unwrap();
        let mut module = linear(&fixture, &device);
        let mut optimizer = spec.build_for(&module, &Device::flex()).unwrap();
        for number in 0..3 {
            module = step(&mut optimizer, &fixture, number, module);
        }
        let bytes = optimizer.into_bytes().unwrap();
        let mut restored = spec
            .build_for(&module, &Device::flex())
            .unwrap()
            .from_bytes(bytes)
            .unwrap();
        for number in 3..5 {
            let kept = step(&mut optimizer, &fixture, number, module.clone());
            module = step(&mut restored, &fixture, number, module);
            let tolerance = Tolerance::absolute(0.0);
            module
                .weight
                .val()
                .into_data()
                .assert_approx_eq::<f32>(&kept.weight.val().into_data(), tolerance);
        }
    }
}

#[test]
fn a_restored_state_is_made_on_the_device_of_the_run() {
    let device = Device::flex();
    let update = NAdamSpec::default().update(0.0);
    let zeros = Tensor::<1>::zeros([2], &device);
    let (_, state) = update.step(0.1, zeros.clone(), zeros, None);
    let mut written = StateSink::default();
    RecordState::state_flatten(&state.unwrap(), "7", &mut written);
    let mut source = StateSource::new(written.scalars.into_iter().collect());
    for (name, data) in written.tensors {
        source.insert_tensor(name, data);
    }
    let placed = Placed { update, device };
    // The autodiff device stands in for the default one, which the tests may not have.
    let default = Device::flex().autodiff();
    let state = placed
        .state_unflatten(1, "7", &mut source, &default)
        .unwrap()
        .downcast::<NAdamState<1>>();
    assert!(!state.moment_1.device().is_autodiff());
}

#[test]
fn only_parameters_of_rank_one_are_spared_from_decay() {
    let device = Device::flex();
    let module = burn::nn::conv::Conv2dConfig::new([2, 3], [1, 1]).init(&device);
    let group = norms_and_biases(&module);
    assert!(group.matches(&module.bias.as_ref().unwrap().id, None));
    assert!(!group.matches(&module.weight.id, None));
}

#[test]
fn decay_of_biases_can_be_asked_for() {
    let fixture = fixture();
    let device = Device::flex().autodiff();
    let moved = |decay_norm_and_bias: bool| {
        let spec = json!({"name": "adamw", "weight_decay": 0.5, "decay_norm_and_bias": decay_norm_and_bias});
        let spec: OptimizerSpec = serde_json::from_value(spec).unwrap();
        let module = linear(&fixture, &device);
        let mut optimizer = spec.build_for(&module, &Device::flex()).unwrap();
        step(&mut optimizer, &fixture, 0, module)
            .bias
            .unwrap()
            .val()
            .into_data()
    };
    assert_ne!(moved(true), moved(false));
}

#[test]
fn frozen_parameters_do_not_move_under_weight_decay() {
    let fixture = fixture();
    let device = Device::flex().autodiff();
    let module = linear(&fixture, &device).freeze();
    let before = module.weight.val().into_data();
    let mut optimizer = OptimizerSpec::default()
        .build_for(&module, &Device::flex())
        .unwrap();
    let module = optimizer.step(0.1, module, GradientsParams::new());
    assert_eq!(module.weight.val().into_data(), before);
}

#[test]
fn settings_out_of_range_name_their_key() {
    for (spec, key) in [
        (json!({"name": "sgd", "momentum": 1.0}), "optim.momentum"),
        (
            json!({"name": "sgd", "momentum": 0.0, "nesterov": true}),
            "optim.nesterov",
        ),
        (json!({"name": "adam", "beta_2": 1.0}), "optim.beta_2"),
        (
            json!({"name": "adamw", "weight_decay": -0.1}),
            "optim.weight_decay",
        ),
        (
            json!({"name": "nadam", "momentum_decay": -1.0}),
            "optim.momentum_decay",
        ),
        (json!({"name": "rmsprop", "epsilon": 0.0}), "optim.epsilon"),
        (json!({"name": "radam", "beta_1": 1.0}), "optim.beta_1"),
        (json!({"name": "lion", "beta_2": -0.1}), "optim.beta_2"),
        (json!({"name": "lamb", "epsilon": 0.0}), "optim.epsilon"),
        (json!({"name": "muon", "momentum": 0.0}), "optim.nesterov"),
        (
            json!({"name": "adagrad", "lr_decay": -1.0}),
            "optim.lr_decay",
        ),
        (json!({"name": "adadelta", "rho": 1.0}), "optim.rho"),
        (json!({"name": "adafactor", "decay": 0.0}), "optim.decay"),
        (json!({"name": "lbfgs", "history": 0}), "optim.history"),
        (
            json!({"name": "lbfgs", "iterations": 0}),
            "optim.iterations",
        ),
    ] {
        let spec: OptimizerSpec = serde_json::from_value(spec).unwrap();
        assert_eq!(spec.check().unwrap_err().key(), key);
    }
}

#[test]
fn a_name_in_recipes_is_the_name_of_a_file() {
    for spec in OptimizerSpec::all() {
        let text = serde_json::to_value(&spec).unwrap();
        assert_eq!(text["name"], spec.name());
    }
}

#[test]
fn a_key_of_another_optimiser_is_refused() {
    let error = serde_json::from_value::<OptimizerSpec>(json!({"name": "adam", "momentum": 0.9}))
        .unwrap_err();
    assert!(error.to_string().contains("momentum"), "{error}");
    let text = serde_json::to_value(OptimizerSpec::default()).unwrap();
    assert_eq!(
        serde_json::from_value::<OptimizerSpec>(text).unwrap(),
        OptimizerSpec::default()
    );
}
