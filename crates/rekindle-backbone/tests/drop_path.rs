//! Drop path: timm's rates of each block, and what a block makes of them in training and else.

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use rekindle_backbone::{Architecture, Backbone};
use serde_json::Value;

fn fixture() -> Value {
    serde_json::from_str(include_str!("data/drop_path.json")).unwrap()
}

fn network(name: &str) -> Backbone {
    let architecture = Architecture::from_name(name).unwrap();
    architecture.init(&Device::flex())
}

#[test]
fn each_block_has_timms_rate() {
    let fixture = fixture();
    let rate = fixture["rate"].as_f64().unwrap();
    let networks = fixture["networks"].as_object().unwrap();
    assert!(networks.len() > 20);
    for (name, expected) in networks {
        let network = network(name);
        assert!(network.has_drop_path(), "{name}");
        assert!(network.drop_path_rates().iter().all(|rate| *rate == 0.0));
        let found = network.with_drop_path(rate).drop_path_rates();
        let expected = expected.as_array().unwrap();
        assert_eq!(found.len(), expected.len(), "{name}");
        for (found, expected) in found.iter().zip(expected) {
            // timm's are multiples in f32 for some families.
            let expected = expected.as_f64().unwrap();
            assert!(
                (found - expected).abs() < 1e-7,
                "{name}: {found} for {expected}"
            );
        }
    }
    for name in fixture["without"].as_array().unwrap() {
        let name = name.as_str().unwrap();
        assert!(!network(name).has_drop_path(), "{name}");
    }
}

#[test]
fn a_part_keeps_the_rates_of_the_whole() {
    let whole = network("resnet18").with_drop_path(0.7);
    let rates = whole.drop_path_rates();
    assert_eq!(whole.part(3, 5).drop_path_rates(), rates[4..]);
    assert!((rates[7] - 0.7).abs() < 1e-12 && rates[0] == 0.0);
}

/// A network in training, its random weights drawn, so that clones have the same.
fn drawn(name: &str) -> Backbone {
    let network = network(name).train().freeze_before(0, false);
    network.forward(Tensor::from_inner(images(1)));
    network
}

fn images(count: usize) -> Tensor<4> {
    let numbers = (0..count * 3 * 32 * 32).map(|at| ((at * 37) % 101) as f32 / 50.0 - 1.0);
    let data = TensorData::new(numbers.collect::<Vec<f32>>(), [count, 3, 32, 32]);
    Tensor::from_data(data, &Device::flex())
}

fn numbers(tensor: Tensor<4>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

#[test]
fn images_skip_blocks_in_training_alone_and_alike_after_seeding() {
    for name in ["resnet18", "mobilenetv3_small_100", "convnext_atto"] {
        let plain = drawn(name);
        let dropping = plain.clone().with_drop_path(0.9);
        let tracked = || Tensor::from_inner(images(6));
        let train = |network: &Backbone, seed| {
            network.seed_drop_path(seed);
            numbers(network.forward(tracked()))
        };
        let first = train(&dropping, 1);
        assert_eq!(train(&dropping, 1), first, "{name}");
        assert_ne!(train(&dropping, 2), first, "{name}");
        assert_ne!(train(&plain, 1), first, "{name}");
        // In parts, one after the other, the same images skip the same blocks.
        dropping.seed_drop_path(1);
        let parts = [(0, 2), (2, 4)]
            .map(|(start, length)| numbers(dropping.forward(tracked().narrow(0, start, length))));
        for (found, expected) in parts.concat().iter().zip(&first) {
            assert!(
                (found - expected).abs() <= 1e-4 * (1.0 + expected.abs()),
                "{name}"
            );
        }
        // Nothing is skipped where nothing is trained.
        let evaluated = |network: &Backbone| numbers(network.valid().forward(images(6)));
        assert_eq!(evaluated(&dropping), evaluated(&plain), "{name}");
        let folded = |network: &Backbone| numbers(network.fold_norms().forward(images(6)));
        assert_eq!(folded(&dropping), folded(&plain), "{name}");
    }
}

#[test]
fn a_skipped_body_gets_no_gradient_and_a_kept_one_is_scaled() {
    let dropping = drawn("resnet18").with_drop_path(0.5).part(4, 5);
    let x = |count| {
        let numbers = (0..count * 256 * 4).map(|at| ((at * 13) % 29) as f32 / 29.0);
        let data = TensorData::new(numbers.collect::<Vec<f32>>(), [count, 256, 2, 2]);
        Tensor::<4>::from_data(data, &Device::flex())
    };
    let (mut skipped, mut kept) = (0, 0);
    for seed in 0..40 {
        dropping.seed_drop_path(seed);
        let out = dropping.forward(Tensor::from_inner(x(1)));
        let gradients = out.sum().backward();
        let last = dropping.stages()[0].clone();
        let weight = last_weight(&last);
        let gradient = weight.grad(&gradients).unwrap();
        match gradient.abs().max().into_scalar::<f32>() {
            0.0 => skipped += 1,
            _ => kept += 1,
        }
    }
    assert!(skipped > 8 && kept > 8, "{skipped} {kept}");
}

/// The weight of the last block's last convolution.
fn last_weight(stage: &rekindle_backbone::Stage) -> Tensor<4> {
    struct Last(Option<Tensor<4>>);
    impl burn::module::ModuleVisitor for Last {
        fn visit_float<const D: usize>(&mut self, param: &burn::module::Param<Tensor<D>>) {
            if D == 4 {
                let tensor = param.val().into_dispatch();
                self.0 = Some(Tensor::from_dispatch(tensor));
            }
        }
    }
    let mut last = Last(None);
    stage.visit(&mut last);
    last.0.unwrap()
}
