//! The recurrent layers against PyTorch's, and against Burn's own where it has such layers. The numbers are `data/recurrent.py`'s.

use burn::module::{Module, Param};
use burn::nn::{GateController, LstmConfig};
use burn::tensor::{Device, Tensor, TensorData};
use rekindle_backbone::StateDict;
use rekindle_sequence::{Cell, FeatureBatch, Readout, SequenceHead, SequenceHeadConfig};
use serde_json::Value;

fn fixture() -> Value {
    serde_json::from_str(include_str!("data/recurrent.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f32> {
    let numbers = value.as_array().unwrap().iter();
    numbers
        .map(|number| number.as_f64().unwrap() as f32)
        .collect()
}

fn near(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (found - expected).abs() < 2e-6 + 1e-5 * expected.abs(),
            "{what}: {found} against {expected}"
        );
    }
}

fn host<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// The head of a case, with PyTorch's weights.
fn head(case: &Value, readout: Readout) -> SequenceHead {
    let cell = Cell::ALL
        .into_iter()
        .find(|cell| case["cell"] == cell.name())
        .unwrap();
    let config = SequenceHeadConfig {
        cell,
        hidden: 4,
        layers: case["layers"].as_u64().unwrap() as usize,
        bidirectional: case["bidirectional"].as_bool().unwrap(),
        dropout: 0.5,
        readout,
    };
    let head = config.init(3, 2, 1, &Device::flex());
    let mut state: StateDict = head.state();
    for (name, weight) in case["weights"].as_object().unwrap() {
        let shape = numbers(&weight["shape"])
            .into_iter()
            .map(|side| side as usize);
        let data = TensorData::new(numbers(&weight["values"]), shape.collect::<Vec<_>>());
        assert!(
            state.insert(format!("rnn.{name}"), data).is_some(),
            "{name}"
        );
    }
    head.load_state(&state).unwrap()
}

/// The features of a case, with numbers in the padding that must not count.
fn batch(case: &Value) -> FeatureBatch {
    let lengths = [2, 5, 1];
    let mut values = numbers(&case["features"]);
    for (row, length) in values.chunks_mut(15).zip(lengths) {
        row[3 * length..].fill(100.0);
    }
    let features = Tensor::from_data(TensorData::new(values, [3, 5, 3]), &Device::flex());
    FeatureBatch {
        features,
        lengths: lengths.to_vec(),
    }
}

#[test]
fn layers_say_what_pytorchs_say_of_packed_sequences() {
    for case in fixture()["cases"].as_array().unwrap() {
        let name = format!(
            "{} {} {}",
            case["cell"], case["layers"], case["bidirectional"]
        );
        for (readout, key) in [(Readout::Last, "last"), (Readout::Mean, "mean")] {
            let batch = batch(case);
            let found = head(case, readout)
                .valid()
                .read(batch.features, &batch.lengths);
            near(&host(found), &numbers(&case[key]), &format!("{name} {key}"));
        }
    }
}

#[test]
fn gradients_are_pytorchs() {
    for case in fixture()["cases"].as_array().unwrap() {
        // Training without dropout, which PyTorch's numbers are without.
        let of = |readout: Readout| {
            let mut head = head(case, readout).train();
            head.between.clear();
            head
        };
        let batch = batch(case);
        let [last, mean] = [of(Readout::Last), of(Readout::Mean)];
        let read = |head: &SequenceHead| {
            head.read(Tensor::from_inner(batch.features.clone()), &batch.lengths)
        };
        let first = read(&last).square().sum().backward();
        let second = read(&mean).sum().backward();
        for (number, (one, two)) in last.layers.iter().zip(&mean.layers).enumerate() {
            let directions = [
                (Some(&one.forward), Some(&two.forward), ""),
                (one.backward.as_ref(), two.backward.as_ref(), "_reverse"),
            ];
            for (one, two, end) in directions {
                let (Some(one), Some(two)) = (one, two) else {
                    continue;
                };
                let matrix = |a: &Param<Tensor<2>>, b: &Param<Tensor<2>>| {
                    let sum = a.val().grad(&first).unwrap() + b.val().grad(&second).unwrap();
                    host(sum.transpose())
                };
                let bias = |a: &Param<Tensor<1>>, b: &Param<Tensor<1>>| {
                    host(a.val().grad(&first).unwrap() + b.val().grad(&second).unwrap())
                };
                for (key, found) in [
                    ("weight_ih", matrix(&one.input, &two.input)),
                    ("weight_hh", matrix(&one.hidden, &two.hidden)),
                    ("bias_ih", bias(&one.input_bias, &two.input_bias)),
                    ("bias_hh", bias(&one.hidden_bias, &two.hidden_bias)),
                ] {
                    let key = format!("{key}_l{number}{end}");
                    let expected = numbers(&case["gradients"][&key]);
                    assert_eq!(found.len(), expected.len());
                    for (found, expected) in found.iter().zip(&expected) {
                        let what = format!("{} {key}: {found} against {expected}", case["cell"]);
                        assert!(
                            (found - expected).abs() < 1e-5 + 1e-4 * expected.abs(),
                            "{what}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn a_sequence_says_the_same_alone_and_among_longer_ones() {
    for case in fixture()["cases"].as_array().unwrap() {
        let (head, batch) = (head(case, Readout::Last).valid(), batch(case));
        let together = host(head.forward(batch.features.clone(), &batch.lengths));
        for (place, length) in batch.lengths.iter().enumerate() {
            let alone = batch
                .features
                .clone()
                .narrow(0, place, 1)
                .narrow(1, 0, *length);
            let alone = host(head.forward(alone, &[*length]));
            near(&together[2 * place..2 * place + 2], &alone, "logits");
        }
    }
}

#[test]
fn burns_own_lstm_says_the_same_of_whole_sequences() {
    let case = &fixture()["cases"][0];
    let head = head(case, Readout::Last);
    let direction = &head.layers[0].forward;
    let mut lstm = LstmConfig::new(3, 4, true).init(&Device::flex());
    let gates: [&mut GateController; 4] = [
        &mut lstm.input_gate,
        lstm.forget_gate.as_mut().unwrap(),
        &mut lstm.cell_gate,
        &mut lstm.output_gate,
    ];
    for (place, gate) in gates.into_iter().enumerate() {
        let matrix = |all: &Param<Tensor<2>>| Param::from_tensor(all.val().narrow(1, 4 * place, 4));
        let bias =
            |all: &Param<Tensor<1>>| Some(Param::from_tensor(all.val().narrow(0, 4 * place, 4)));
        gate.input_transform.weight = matrix(&direction.input);
        gate.hidden_transform.weight = matrix(&direction.hidden);
        gate.input_transform.bias = bias(&direction.input_bias);
        gate.hidden_transform.bias = bias(&direction.hidden_bias);
    }
    let features = batch(case).features;
    let (_, state) = lstm.forward(features.clone(), None);
    let found = head.valid().read(features, &[5, 5, 5]);
    near(&host(found), &host(state.hidden), "hidden");
}

#[test]
fn the_mean_knows_nothing_of_order_and_the_others_do() {
    let device = Device::flex();
    let there: Vec<f32> = (0..12).map(|number| (number as f32 * 0.7).sin()).collect();
    let back: Vec<f32> = there.chunks(3).rev().flatten().copied().collect();
    let batch = FeatureBatch::new(&[&there, &back], 3, &device);
    for cell in Cell::ALL {
        let config = SequenceHeadConfig {
            cell,
            hidden: 8,
            ..SequenceHeadConfig::default()
        };
        let head = config.init(3, 2, 5, &device).valid();
        let said = host(head.forward(batch.features.clone(), &batch.lengths));
        let same = (said[0] - said[2]).abs() < 1e-6 && (said[1] - said[3]).abs() < 1e-6;
        assert_eq!(same, cell == Cell::Mean, "{cell:?}: {said:?}");
    }
}

#[test]
fn weights_come_back_from_their_names_and_others_are_refused() {
    let config = SequenceHeadConfig {
        layers: 2,
        bidirectional: true,
        hidden: 3,
        ..SequenceHeadConfig::default()
    };
    let device = Device::flex();
    let head = config
        .init(4, 3, 1, &device)
        .with_scale(&[1.0; 4], &[2.0; 4]);
    let state = head.state();
    assert_eq!(state["rnn.weight_ih_l0_reverse"].shape()[..], [12, 4]);
    assert_eq!(state["rnn.weight_ih_l1"].shape()[..], [12, 6]);
    let other = config.init(4, 3, 2, &device);
    assert_ne!(other.state(), state);
    assert_eq!(other.clone().load_state(&state).unwrap().state(), state);
    let mut wrong = state.clone();
    wrong.remove("rnn.bias_hh_l1");
    wrong.insert(
        "classifier.bias".into(),
        TensorData::new(vec![0.0f32; 2], [2]),
    );
    wrong.insert("extra".into(), TensorData::new(vec![0.0f32], [1]));
    let error = other.load_state(&wrong).unwrap_err().to_string();
    for words in [
        "`rnn.bias_hh_l1` is missing",
        "`classifier.bias` is [2], expected [3]",
        "`extra` is of no use",
    ] {
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn first_weights_are_within_pytorchs_bound_and_follow_from_the_seed() {
    let device = Device::flex();
    let config = SequenceHeadConfig {
        hidden: 16,
        ..SequenceHeadConfig::default()
    };
    let head = config.init(50, 2, 3, &device);
    assert_eq!(head.state(), config.init(50, 2, 3, &device).state());
    let state = head.state();
    for key in [
        "rnn.weight_ih_l0",
        "rnn.weight_hh_l0",
        "rnn.bias_ih_l0",
        "rnn.bias_hh_l0",
    ] {
        let values: Vec<f32> = state[key].iter::<f32>().collect();
        let largest = values
            .iter()
            .fold(0.0f32, |most, value| most.max(value.abs()));
        assert!(largest <= 0.25 && largest > 0.2, "{key}: {largest}");
    }
}
