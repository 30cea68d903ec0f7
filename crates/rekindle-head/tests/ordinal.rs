//! Levels: the loss, its gradient and the probabilities of coral-pytorch.

use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor, TensorData};
use rekindle_head::ordinal::log_probabilities;
use rekindle_head::{Corn, HeadConfig, LossConfig, one_hot};
use serde_json::Value;

fn fixture() -> Value {
    serde_json::from_str(include_str!("data/ordinal.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f32> {
    match value {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().unwrap() as f32],
    }
}

fn assert_close(found: Vec<f32>, expected: &Value) {
    let expected = numbers(expected);
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert!((found - expected).abs() < 1e-6, "{found} for {expected}");
    }
}

#[test]
fn the_loss_its_gradient_and_the_probabilities_are_those_of_coral_pytorch() {
    let fixture = fixture();
    let device = Device::flex();
    for case in fixture["cases"].as_array().unwrap() {
        let levels: Vec<usize> = serde_json::from_value(case["levels"].clone()).unwrap();
        let data = TensorData::new(numbers(&fixture["logits"]), [6, 3]);
        let logits = Tensor::<2>::from_data(data, &device.clone().autodiff()).require_grad();
        let outputs = log_probabilities(logits.clone());
        let found = softmax(outputs.clone(), 1);
        assert_close(
            found.into_data().iter::<f32>().collect(),
            &case["probabilities"],
        );
        let targets = one_hot(&levels, 4, &device).unwrap();
        let loss = LossConfig::Corn(Corn {}).forward(outputs, Tensor::from_inner(targets));
        assert_close(vec![loss.clone().into_scalar::<f32>()], &case["loss"]);
        let gradient = logits.grad(&loss.backward()).unwrap();
        assert_close(
            gradient.into_data().iter::<f32>().collect(),
            &case["gradient"],
        );
    }
}

#[test]
fn a_batch_in_parts_has_the_loss_of_the_whole() {
    let fixture = fixture();
    let device = Device::flex();
    let data = TensorData::new(numbers(&fixture["logits"]), [6, 3]);
    let outputs = log_probabilities(Tensor::<2>::from_data(data, &device));
    let targets = one_hot(&[2, 0, 3, 1, 3, 3], 4, &device).unwrap();
    let corn = LossConfig::Corn(Corn {});
    let whole = corn.divisor(&targets);
    let part = |start, length| {
        let [outputs, targets] =
            [&outputs, &targets].map(|all| all.clone().narrow(0, start, length));
        let share = corn.divisor(&targets) / whole;
        f64::from(corn.forward(outputs, targets).into_scalar::<f32>()) * share
    };
    let expected = fixture["cases"][0]["loss"].as_f64().unwrap();
    assert!((part(0, 2) + part(2, 4) - expected).abs() < 1e-6);
    assert_eq!(whole, 3.0 + 1.0 + 3.0 + 2.0 + 3.0 + 3.0);
}

#[test]
fn a_head_of_levels_has_an_output_for_each_step_and_says_all_levels() {
    let device = Device::flex();
    let config = HeadConfig {
        ordinal: true,
        zero_last: true,
        ..HeadConfig::default()
    };
    let head = config.init(5, 4, 1, &device);
    assert_eq!((head.outputs(), head.output.weight.dims()), (4, [5, 3]));
    let probabilities = softmax(head.classify(Tensor::ones([2, 5], &device)), 1);
    for probability in probabilities.into_data().iter::<f32>() {
        assert!((probability - 0.25).abs() < 1e-6);
    }
    let state = head.state();
    let restored = config.init(5, 4, 2, &device);
    let restored = restored.load_state(&state.into_iter().collect()).unwrap();
    assert_eq!(restored.outputs(), 4);
}

#[test]
fn a_recipe_without_levels_says_nothing_of_them() {
    let text = serde_json::to_string(&HeadConfig::default()).unwrap();
    assert!(!text.contains("ordinal"), "{text}");
    let read: HeadConfig = serde_json::from_str("{\"ordinal\": true}").unwrap();
    assert!(read.ordinal);
}
