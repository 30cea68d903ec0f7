//! Whole heads: shapes, gradients, names, repeatable training, clones.

use std::collections::BTreeMap;
use std::ops::Range;

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, Gradients, Tensor, TensorData, Tolerance};
use proptest::prelude::*;
use rekindle_head::{
    CrossEntropy, Head, HeadConfig, HeadError, Initialisation, Loss, LossConfig, Pooling, one_hot,
};

const POOLINGS: [Pooling; 4] = [
    Pooling::Average,
    Pooling::Max,
    Pooling::AverageMax,
    Pooling::Gem,
];

fn features(batch: usize, channels: usize, device: &Device) -> Tensor<4> {
    let count = batch * channels * 9;
    let values: Vec<f32> = (0..count)
        .map(|index| ((index * 37) % 101) as f32 / 50.0 - 0.5)
        .collect();
    Tensor::from_data(TensorData::new(values, [batch, channels, 3, 3]), device)
}

/// Counts parameters and those with a gradient that is not all zero; running statistics are not parameters.
struct GradientCount<'a> {
    gradients: &'a Gradients,
    parameters: usize,
    moved: usize,
}

impl ModuleVisitor for GradientCount<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = param.val();
        if tensor.is_require_grad() {
            self.parameters += 1;
            let gradient = tensor.grad(self.gradients);
            self.moved += usize::from(
                gradient.is_some_and(|grad| grad.abs().sum().into_scalar::<f32>() > 0.0),
            );
        }
    }
}

#[test]
fn every_parameter_gets_a_gradient_under_every_pooling() {
    let device = Device::flex().autodiff();
    for pool in POOLINGS {
        for (hidden, parameters) in [(vec![], 4), (vec![6], 8), (vec![6, 5], 12)] {
            let config = HeadConfig {
                pool,
                hidden,
                input_norm: true,
                dropout: Some(0.0),
                ..HeadConfig::default()
            };
            let head = config.init(4, 3, 1, &device);
            let targets = one_hot(&[0, 1, 2, 0, 1], 3, &device).unwrap();
            let loss =
                LossConfig::default().forward(head.forward(features(5, 4, &device)), targets);
            let gradients = loss.backward();
            let mut count = GradientCount {
                gradients: &gradients,
                parameters: 0,
                moved: 0,
            };
            head.visit(&mut count);
            let expected = parameters + usize::from(pool == Pooling::Gem);
            // A bias in front of a batch norm has a gradient of zero up to rounding.
            assert_eq!(count.parameters, expected, "{config:?}");
            assert!(
                count.moved + config.hidden.len() >= expected,
                "{config:?}: {} of {expected}",
                count.moved
            );
        }
    }
}

#[test]
fn widths_follow_the_pooling_and_the_hidden_layers() {
    let device = Device::flex();
    for pool in POOLINGS {
        let head = HeadConfig {
            pool,
            hidden: vec![7],
            ..HeadConfig::default()
        }
        .init(5, 3, 0, &device);
        assert_eq!(head.features(), pool.features(5));
        assert_eq!(head.outputs(), 3);
        assert_eq!(
            head.pool(features(2, 5, &device)).dims(),
            [2, pool.features(5)]
        );
        assert_eq!(head.forward(features(2, 5, &device)).dims(), [2, 3]);
        assert_eq!(head.pools_without_parameters(), pool != Pooling::Gem);
    }
}

#[test]
fn names_are_those_of_pytorch_in_layer_order() {
    let device = Device::flex();
    let config = HeadConfig {
        pool: Pooling::Gem,
        hidden: vec![4],
        input_norm: true,
        ..HeadConfig::default()
    };
    let state = config.init(3, 2, 0, &device).state();
    let names: Vec<_> = state
        .iter()
        .map(|(name, data)| (name.as_str(), data.shape().to_vec()))
        .collect();
    let expected = [
        ("pool.p", vec![1]),
        ("input_norm.weight", vec![3]),
        ("input_norm.bias", vec![3]),
        ("input_norm.running_mean", vec![3]),
        ("input_norm.running_var", vec![3]),
        ("hidden.0.linear.weight", vec![4, 3]),
        ("hidden.0.linear.bias", vec![4]),
        ("hidden.0.norm.weight", vec![4]),
        ("hidden.0.norm.bias", vec![4]),
        ("hidden.0.norm.running_mean", vec![4]),
        ("hidden.0.norm.running_var", vec![4]),
        ("weight", vec![2, 4]),
        ("bias", vec![2]),
    ];
    assert_eq!(names, expected);
    let linear: Vec<_> = HeadConfig::default()
        .init(3, 2, 0, &device)
        .state()
        .into_iter()
        .map(|entry| entry.0)
        .collect();
    assert_eq!(linear, ["weight", "bias"]);
}

#[test]
fn a_mismatched_state_names_everything_that_does_not_fit() {
    let device = Device::flex();
    let config = HeadConfig {
        hidden: vec![4],
        ..HeadConfig::default()
    };
    let mut state: BTreeMap<_, _> = config.init(3, 2, 0, &device).state().into_iter().collect();
    state.remove("hidden.0.norm.bias");
    state.insert("fc.weight".into(), TensorData::zeros::<f32, _>([2, 3]));
    state.insert("bias".into(), TensorData::zeros::<f32, _>([5]));
    let Err(HeadError::UnmatchedState {
        missing,
        unused,
        misshapen,
    }) = config.init(3, 2, 0, &device).load_state(&state)
    else {
        panic!("the state was accepted");
    };
    assert_eq!(missing, ["hidden.0.norm.bias"]);
    assert_eq!(unused, ["fc.weight"]);
    assert_eq!(misshapen.len(), 1);
    assert_eq!(
        (misshapen[0].found.clone(), misshapen[0].expected.clone()),
        (vec![5], vec![2])
    );
}

#[test]
fn a_zeroed_last_layer_gives_equal_logits() {
    let device = Device::flex();
    let head = HeadConfig {
        zero_last: true,
        hidden: vec![4],
        ..HeadConfig::default()
    }
    .init(3, 2, 9, &device);
    let logits = head.forward(features(2, 3, &device)).into_data();
    assert_eq!(logits, [[0.0f32, 0.0], [0.0, 0.0]].into());
}

#[test]
fn a_seed_fixes_the_first_weights_and_another_seed_changes_them() {
    let config = HeadConfig {
        hidden: vec![4],
        init: Initialisation::KaimingNormal,
        ..HeadConfig::default()
    };
    let weights = |seed, device: &Device| config.init(3, 2, seed, device).state();
    assert_eq!(
        weights(5, &Device::flex()),
        weights(5, &Device::flex().autodiff())
    );
    assert_ne!(weights(5, &Device::flex()), weights(6, &Device::flex()));
}

/// Trains a head on fixed features for these steps; returns it with its last loss.
fn train(mut head: Head, steps: Range<u64>, device: &Device) -> (Head, f32) {
    let mut optimizer = SgdConfig::new().init();
    let mut last = f32::NAN;
    for step in steps {
        head.seed_dropout(step);
        let targets = one_hot(&[0, 1, 2, 0, 1, 2], 3, device).unwrap();
        let loss = CrossEntropy::default().forward(head.forward(features(6, 4, device)), targets);
        let gradients = GradientsParams::from_grads(loss.backward(), &head);
        head = optimizer.step(0.1, head, gradients);
        last = loss.into_scalar::<f32>();
    }
    (head, last)
}

#[test]
fn training_with_dropout_repeats_and_any_step_can_be_repeated_by_itself() {
    let device = Device::flex().autodiff();
    let config = HeadConfig {
        hidden: vec![32, 16],
        dropout: Some(0.5),
        ..HeadConfig::default()
    };
    let new = || config.init(4, 3, 1, &device);
    let whole = train(new(), 0..4, &device).0.state();
    assert_eq!(train(new(), 0..4, &device).0.state(), whole);

    // Two steps, then two more on another head that was given the weights; plain gradient steps keep no state.
    let half = train(new(), 0..2, &device).0.state();
    let resumed = config
        .init(4, 3, 99, &device)
        .load_state(&half.into_iter().collect())
        .unwrap();
    assert_eq!(train(resumed, 2..4, &device).0.state(), whole);
    assert_ne!(train(new(), 10..14, &device).0.state(), whole);
}

#[test]
fn evaluation_repeats_and_a_linear_head_drops_before_its_only_layer() {
    let device = Device::flex().autodiff();
    let head = HeadConfig {
        dropout: Some(0.5),
        ..HeadConfig::default()
    }
    .init(4, 3, 1, &device);
    let images = features(4, 4, &device);
    assert_ne!(
        head.forward(images.clone()).into_data(),
        head.forward(images.clone()).into_data()
    );
    let (valid, images) = (head.valid(), images.inner());
    assert_eq!(
        valid.forward(images.clone()).into_data(),
        valid.forward(images).into_data()
    );
}

#[test]
fn a_state_survives_training_of_the_head_it_came_from_and_restores_it() {
    let device = Device::flex().autodiff();
    let config = HeadConfig {
        hidden: vec![8],
        dropout: Some(0.0),
        ..HeadConfig::default()
    };
    let (head, early) = train(config.init(4, 3, 1, &device), 0..2, &device);
    let kept = head.state();
    let copy = kept.clone();
    let before = head
        .valid()
        .forward(features(3, 4, &Device::flex()))
        .into_data();
    let (head, late) = train(head, 2..32, &device);
    assert!(late < early, "the loss went from {early} to {late}");
    assert_eq!(kept, copy);
    assert_ne!(head.state(), kept);
    let restored = head.load_state(&kept.iter().cloned().collect()).unwrap();
    assert_eq!(restored.state(), kept);
    let after = restored
        .valid()
        .forward(features(3, 4, &Device::flex()))
        .into_data();
    after.assert_approx_eq::<f32>(&before, Tolerance::absolute(1e-6));
    // The restored head still trains.
    let (trained, _) = train(restored, 0..1, &device);
    assert_ne!(trained.state(), kept);
}

#[test]
fn frozen_parameters_stay_frozen_after_loading() {
    let device = Device::flex().autodiff();
    let config = HeadConfig::default();
    let state = config.init(4, 3, 1, &device).state().into_iter().collect();
    let head = config
        .init(4, 3, 2, &device)
        .freeze()
        .load_state(&state)
        .unwrap();
    assert!(!head.output.weight.val().is_require_grad());
    assert!(head.unfreeze().output.weight.val().is_require_grad());
}

#[test]
fn recipes_set_single_keys_and_unknown_keys_are_refused() {
    let config: HeadConfig =
        serde_json::from_str(r#"{"hidden": [64], "pool": "average_max"}"#).unwrap();
    assert_eq!(config.pool, Pooling::AverageMax);
    assert!(config.batch_norm);
    assert!(serde_json::from_str::<HeadConfig>(r#"{"hiden": [64]}"#).is_err());
    let loss: LossConfig =
        serde_json::from_str(r#"{"name": "cross_entropy", "label_smoothing": 0.1}"#).unwrap();
    assert_eq!(
        loss,
        LossConfig::CrossEntropy(CrossEntropy {
            label_smoothing: 0.1,
            ..Default::default()
        })
    );
    assert!(
        serde_json::from_str::<LossConfig>(r#"{"name": "focal", "label_smoothing": 0.1}"#).is_err()
    );
    let text = serde_json::to_string(&loss).unwrap();
    assert_eq!(serde_json::from_str::<LossConfig>(&text).unwrap(), loss);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_state_loads_into_any_head_of_the_same_configuration(
        pool in 0usize..4,
        hidden in prop::collection::vec(1usize..6, 0..3),
        batch_norm: bool,
        input_norm: bool,
        seed: u64,
    ) {
        let device = Device::flex();
        let config = HeadConfig { pool: POOLINGS[pool], hidden, batch_norm, input_norm, ..HeadConfig::default() };
        let state = config.init(3, 2, seed, &device).state();
        let other = config.init(3, 2, seed ^ 1, &device);
        let loaded = other.load_state(&state.iter().cloned().collect()).unwrap();
        prop_assert_eq!(loaded.state(), state);
    }

    #[test]
    fn logits_of_any_size_give_a_finite_loss_that_a_shift_does_not_change(
        logits in prop::collection::vec(-60.0f32..60.0, 8),
        targets in prop::collection::vec(0usize..4, 2),
        shift in -50.0f32..50.0,
    ) {
        let device = Device::flex();
        let targets = one_hot(&targets, 4, &device).unwrap();
        let logits = Tensor::<2>::from_data(TensorData::new(logits, [2, 4]), &device);
        let loss = CrossEntropy { label_smoothing: 0.1, ..Default::default() };
        let plain = loss.forward(logits.clone(), targets.clone()).into_scalar::<f32>();
        let shifted = loss.forward(logits.add_scalar(shift), targets).into_scalar::<f32>();
        prop_assert!(plain.is_finite() && plain >= 0.0);
        prop_assert!((plain - shifted).abs() <= 1e-3 * plain.max(1.0), "{} against {}", plain, shifted);
    }
}
