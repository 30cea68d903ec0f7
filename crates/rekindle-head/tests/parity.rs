//! Values and gradients against PyTorch's, from `tests/data/parity.py`.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData, Tolerance};
use rekindle_head::norm::batch_norm;
use rekindle_head::pool::Pool;
use rekindle_head::{
    BinaryCrossEntropy, BinaryFocal, CrossEntropy, Focal, HeadConfig, HiddenActivation, Loss,
    LossConfig, Pooling, one_hot,
};
use serde_json::Value;

fn fixture() -> Value {
    serde_json::from_str(include_str!("data/parity.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f32> {
    match value {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().unwrap() as f32],
    }
}

fn data(value: &Value, shape: impl Into<burn::tensor::Shape>) -> TensorData {
    TensorData::new(numbers(value), shape)
}

fn assert_close(found: TensorData, expected: &Value, tolerance: f64) {
    let expected = TensorData::new(numbers(expected), found.shape().clone());
    found.assert_approx_eq::<f32>(&expected, Tolerance::rel_abs(tolerance, tolerance));
}

/// The loss and its gradient with respect to the logits.
fn with_gradient(
    fixture: &Value,
    loss: impl Fn(Tensor<2>, &Device) -> Tensor<1>,
) -> (TensorData, TensorData) {
    let device = Device::flex().autodiff();
    let logits = Tensor::<2>::from_data(data(&fixture["logits"], [5, 4]), &device).require_grad();
    let loss = loss(logits.clone(), &device);
    let gradients = loss.backward();
    (
        loss.into_data(),
        logits.grad(&gradients).unwrap().into_data(),
    )
}

#[test]
fn cross_entropy_and_its_gradient_are_those_of_pytorch() {
    let fixture = fixture();
    let weights = numbers(&fixture["weights"]);
    let targets: Vec<usize> = fixture["targets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|target| target.as_u64().unwrap() as usize)
        .collect();
    let cases = fixture["cross_entropy"].as_array().unwrap();
    assert_eq!(cases.len(), 8);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let adjustment = name.strip_prefix("adjusted strength=");
        let config = CrossEntropy {
            logit_adjustment: adjustment.map_or(0.0, |strength| strength.parse().unwrap()),
            priors: Some(vec![0.5, 0.3, 0.15, 0.05]),
            label_smoothing: if name.contains("smoothing=0.1") {
                0.1
            } else {
                0.0
            },
            class_weights: name.contains("weights=True").then(|| weights.clone()),
        };
        assert_eq!(config.check(4), Ok(()));
        let (loss, gradient) = with_gradient(&fixture, |logits, device| {
            let targets = match name.starts_with("hard") || adjustment.is_some() {
                true => one_hot(&targets, 4, device).unwrap(),
                false => Tensor::from_data(data(&fixture["soft"], [5, 4]), device),
            };
            config.forward(logits, targets)
        });
        assert_close(loss, &case["loss"], 1e-5);
        assert_close(gradient, &case["gradient"], 1e-5);
    }
}

#[test]
fn focal_loss_and_its_gradient_are_those_of_the_formula() {
    let fixture = fixture();
    for (case, gamma) in fixture["focal"]
        .as_array()
        .unwrap()
        .iter()
        .zip([0.0, 0.5, 2.0])
    {
        assert_eq!(case["name"], format!("gamma={gamma:?}"));
        let config = Focal {
            gamma,
            class_weights: None,
        };
        let (loss, gradient) = with_gradient(&fixture, |logits, device| {
            config.forward(
                logits,
                Tensor::from_data(data(&fixture["soft"], [5, 4]), device),
            )
        });
        assert_close(loss, &case["loss"], 1e-5);
        assert_close(gradient, &case["gradient"], 1e-4);
    }
}

#[test]
fn binary_cross_entropy_and_its_gradient_are_those_of_pytorch() {
    let fixture = fixture();
    let cases = fixture["binary_cross_entropy"].as_array().unwrap();
    assert_eq!(cases.len(), 4);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let config = BinaryCrossEntropy {
            label_smoothing: if name.contains("smoothing=0.2") {
                0.2
            } else {
                0.0
            },
            positive_weights: name
                .contains("weights=True")
                .then(|| numbers(&fixture["weights"])),
        };
        assert_eq!(config.check(4), Ok(()));
        let (loss, gradient) = with_gradient(&fixture, |logits, device| {
            config.forward(
                logits,
                Tensor::from_data(data(&fixture["labels"], [5, 4]), device),
            )
        });
        assert_close(loss, &case["loss"], 1e-5);
        assert_close(gradient, &case["gradient"], 1e-5);
    }
}

#[test]
fn binary_focal_loss_and_its_gradient_are_those_of_pytorch() {
    let fixture = fixture();
    let settings = [(0.0, None), (0.5, None), (2.0, None), (2.0, Some(0.25))];
    let cases = fixture["binary_focal"].as_array().unwrap();
    assert_eq!(cases.len(), settings.len());
    for (case, (gamma, alpha)) in cases.iter().zip(settings) {
        let written = alpha.map_or("None".to_owned(), |alpha: f64| alpha.to_string());
        assert_eq!(case["name"], format!("gamma={gamma:?} alpha={written}"));
        let config = BinaryFocal { gamma, alpha };
        let (loss, gradient) = with_gradient(&fixture, |logits, device| {
            config.forward(
                logits,
                Tensor::from_data(data(&fixture["labels"], [5, 4]), device),
            )
        });
        assert_close(loss, &case["loss"], 1e-5);
        assert_close(gradient, &case["gradient"], 1e-5);
    }
}

#[test]
fn losses_of_numbers_and_their_gradients_are_those_of_pytorch() {
    let fixture = fixture();
    let cases = fixture["number_losses"].as_array().unwrap();
    assert_eq!(cases.len(), 6);
    for case in cases {
        let mut words = case["name"].as_str().unwrap().split(" delta=");
        let mut settings = serde_json::json!({ "name": words.next().unwrap() });
        if let Some(delta) = words.next() {
            settings["delta"] = delta.parse::<f64>().unwrap().into();
        }
        let config: LossConfig = serde_json::from_value(settings).unwrap();
        let (loss, gradient) = with_gradient(&fixture, |outputs, device| {
            config.forward(
                outputs,
                Tensor::from_data(data(&fixture["numbers"], [5, 4]), device),
            )
        });
        assert_close(loss, &case["loss"], 1e-5);
        assert_close(gradient, &case["gradient"], 1e-5);
    }
}

#[test]
fn the_generalised_mean_and_its_gradients_are_those_of_pytorch() {
    let fixture = fixture();
    let device = Device::flex().autodiff();
    for case in fixture["gem"].as_array().unwrap() {
        let pool = Pool::new(Pooling::Gem, case["exponent"].as_f64().unwrap(), &device);
        let features = Tensor::<4>::from_data(data(&fixture["features"], [2, 4, 2, 3]), &device)
            .require_grad();
        let pooled = pool.forward(features.clone());
        assert_close(pooled.to_data(), &case["pooled"], 1e-5);
        let factors =
            Tensor::<2>::from_floats([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]], &device);
        let gradients = pooled.mul(factors).sum().backward();
        let exponent = pool
            .exponent
            .as_ref()
            .unwrap()
            .val()
            .grad(&gradients)
            .unwrap();
        assert_close(exponent.into_data(), &case["exponent_gradient"], 1e-4);
        assert_close(
            features.grad(&gradients).unwrap().into_data(),
            &case["features_gradient"],
            1e-4,
        );
    }
}

#[test]
fn batch_norm_outputs_and_running_values_are_those_of_pytorch() {
    let fixture = fixture();
    let device = Device::flex().autodiff();
    let norm = burn::nn::BatchNormConfig::new(2).init(&device);
    let batches = [
        vec![1.0f32, 2.0, 3.0, -4.0, 5.0, 9.0],
        vec![0.5, 1.0, 1.5, 7.0],
    ];
    for (batch, expected) in batches
        .into_iter()
        .zip(fixture["batch_norm"]["outputs"].as_array().unwrap())
    {
        let rows = batch.len() / 2;
        let output = batch_norm(
            &norm,
            Tensor::from_data(TensorData::new(batch, [rows, 2]), &device),
        );
        assert_close(output.into_data(), expected, 1e-4);
    }
    assert_close(
        norm.running_mean.value_sync().into_data(),
        &fixture["batch_norm"]["running_mean"],
        1e-5,
    );
    assert_close(
        norm.running_var.value_sync().into_data(),
        &fixture["batch_norm"]["running_var"],
        1e-5,
    );
}

#[test]
fn a_hidden_head_with_the_weights_of_pytorch_gives_its_logits() {
    let fixture = fixture();
    let device = Device::flex().autodiff();
    let config = HeadConfig {
        hidden: vec![3],
        activation: HiddenActivation::Gelu,
        dropout: Some(0.0),
        ..HeadConfig::default()
    };
    let state: BTreeMap<String, TensorData> = fixture["head"]["state"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, entry)| {
            let shape: Vec<usize> = entry["shape"]
                .as_array()
                .unwrap()
                .iter()
                .map(|size| size.as_u64().unwrap() as usize)
                .collect();
            (name.clone(), data(&entry["values"], shape))
        })
        .collect();
    let head = config.init(4, 2, 0, &device).load_state(&state).unwrap();
    let features = Tensor::<4>::from_data(data(&fixture["features"], [2, 4, 2, 3]), &device);
    assert_close(
        head.valid().forward(features.clone().inner()).into_data(),
        &fixture["head"]["evaluated"],
        1e-4,
    );
    assert_close(
        head.forward(features).into_data(),
        &fixture["head"]["trained"],
        1e-3,
    );
    let after: BTreeMap<_, _> = head.state().into_iter().collect();
    assert_close(
        after["hidden.0.norm.running_var"].clone(),
        &fixture["head"]["running_var_after"],
        1e-5,
    );
}

#[test]
fn activations_are_those_of_pytorch() {
    let fixture = fixture();
    let expected = &fixture["activations"];
    let input = Tensor::<1>::from_data(data(&expected["input"], [9]), &Device::flex());
    for (activation, name) in [
        (HiddenActivation::Relu, "relu"),
        (HiddenActivation::Silu, "silu"),
        (HiddenActivation::Gelu, "gelu"),
        (HiddenActivation::HardSwish, "hard_swish"),
        (HiddenActivation::Tanh, "tanh"),
    ] {
        assert_close(
            activation.forward(input.clone()).into_data(),
            &expected[name],
            1e-5,
        );
        let from_recipe: HiddenActivation = serde_json::from_value(name.into()).unwrap();
        assert_eq!(from_recipe, activation);
    }
}
