//! Plans beside their steps one after the other.

use super::step::Layer;
use super::*;
use crate::check::{numbers, with_threads};
use crate::conv::{Epilogue, conv_forward, reference_forward};
use crate::{Activation, Precision};

fn conv(
    channels: [usize; 2],
    kernel: usize,
    stride: usize,
    groups: usize,
    padding: PlanPadding,
) -> PlannedConv {
    let dims = [channels[1], channels[0] / groups, kernel, kernel];
    PlannedConv {
        weight: numbers(dims.iter().product(), channels[0] as u64),
        dims,
        bias: Some(numbers(channels[1], 9)),
        stride,
        padding,
        groups,
        precision: Precision::F32,
    }
}

/// A stem, an inverted residual with a gate, a residual block with Winograd's convolutions, and pooling of each kind.
fn network() -> InferencePlan {
    let mut plan = PlanBuilder::new();
    let same = PlanPadding::Same;
    let x = plan.input();
    let stem = plan.conv(x, conv([3, 32], 3, 2, 1, same), None, Activation::Relu6);
    let wide = plan.conv(
        stem,
        conv([32, 48], 1, 1, 1, PlanPadding::Fixed(0)),
        None,
        Activation::HardSwish,
    );
    let deep = plan.conv(wide, conv([48, 48], 3, 1, 48, same), None, Activation::Relu);
    let mean = plan.global_average(deep);
    let few = plan.conv(
        mean,
        conv([48, 8], 1, 1, 1, PlanPadding::Fixed(0)),
        None,
        Activation::Relu,
    );
    let factors = plan.conv(
        few,
        conv([8, 48], 1, 1, 1, PlanPadding::Fixed(0)),
        None,
        Activation::HardSigmoid,
    );
    let gated = plan.gate(deep, factors);
    let narrow = plan.conv(
        gated,
        conv([48, 32], 1, 1, 1, PlanPadding::Fixed(0)),
        Some(stem),
        Activation::Identity,
    );
    let pooled = plan.max_pool(
        narrow,
        PlannedPool {
            kernel: 3,
            stride: 2,
            padding: 1,
            ceil: false,
            counted: false,
        },
    );
    let first = plan.conv(
        pooled,
        conv([32, 32], 3, 1, 1, PlanPadding::Fixed(1)),
        None,
        Activation::Relu,
    );
    let second = plan.conv(
        first,
        conv([32, 32], 3, 1, 1, PlanPadding::Fixed(1)),
        Some(pooled),
        Activation::Relu,
    );
    // Residuals that later steps read too, that the step itself convolves, and that it is the last to read.
    let mixing = || conv([32, 32], 1, 1, 1, PlanPadding::Fixed(0));
    let third = plan.conv(second, mixing(), Some(second), Activation::Relu);
    let fourth = plan.conv(third, mixing(), Some(pooled), Activation::Relu);
    let fifth = plan.conv(fourth, mixing(), Some(second), Activation::Relu);
    let sixth = plan.conv(fifth, mixing(), Some(fifth), Activation::Relu);
    let halved = plan.average_pool(
        sixth,
        PlannedPool {
            kernel: 2,
            stride: 2,
            padding: 0,
            ceil: true,
            counted: false,
        },
    );
    let moved = plan.channels(halved, PlannedChannels::Shuffled(2));
    let half = plan.channels(moved, PlannedChannels::Range(5..9));
    let joined = plan.concat(&[half, moved, halved]);
    let halved = plan.channels(joined, PlannedChannels::Shuffled(4));
    let added = plan.add(halved, halved, Activation::Relu);
    let channels = 4 + 2 * 32;
    let vector = |seed| numbers(channels, seed);
    let normed = plan.norm(
        added,
        PlannedNorm::Batch {
            scale: vector(11),
            shift: vector(12),
            activation: Activation::Relu,
        },
    );
    let normed = plan.norm(
        normed,
        PlannedNorm::Layer {
            gamma: vector(13),
            beta: vector(14),
            epsilon: 1e-6,
        },
    );
    let normed = plan.norm(
        normed,
        PlannedNorm::Response {
            gamma: vector(15),
            beta: vector(16),
            epsilon: 1e-6,
        },
    );
    let mean = plan.global_average(normed);
    let weighted = plan.weight(normed, mean);
    let last = plan.activation(weighted, Activation::Gelu);
    plan.build(vec![narrow, last, narrow])
}

/// The same, one step after the other over the whole batch.
fn step_by_step(plan: &InferencePlan, images: &[f32], dims: [usize; 4]) -> Vec<Vec<f32>> {
    let mut values = vec![(images.to_vec(), dims)];
    for step in &plan.steps {
        let shapes: Vec<[usize; 4]> = values.iter().map(|(_, dims)| *dims).collect();
        let (x, dims) = &values[step.input.0];
        let out_dims = step.out(&shapes);
        let mut out = vec![f32::NAN; out_dims.iter().product()];
        match &step.layer {
            Layer::Conv {
                conv,
                residual,
                activation,
                ..
            } => {
                let epilogue = Epilogue {
                    bias: conv.bias.as_deref(),
                    residual: residual.map(|Value(index)| &values[index].0[..]),
                    activation: *activation,
                    ..Epilogue::default()
                };
                reference_forward(&conv.shape(*dims), x, &conv.weight, epilogue, &mut out);
            }
            _ => step.run(
                *dims,
                &shapes,
                None,
                |Value(index)| &values[index].0,
                &mut out,
                false,
            ),
        }
        values.push((out, out_dims));
    }
    plan.outputs
        .iter()
        .map(|value| values[value.0].0.clone())
        .collect()
}

#[test]
fn a_plan_gives_what_its_steps_give_for_any_size_of_the_parts() {
    let dims = [5, 29, 26, 3];
    let images = numbers(dims.iter().product(), 1);
    let expected = step_by_step(&network(), &images, dims);
    for (part_bytes, stripe_bytes) in [
        (1, 1 << 30),
        (40 << 10, 1 << 30),
        (200 << 10, 1),
        (1 << 30, 1 << 30),
        (1 << 30, 1),
    ] {
        let mut plan = network();
        plan.part_bytes = part_bytes;
        plan.stripe_bytes = stripe_bytes;
        // Twice, the second time with weights that are prepared already.
        for _ in 0..2 {
            for ((got, dims), expected) in plan.run(&images, dims).iter().zip(&expected) {
                assert_eq!(got.len(), dims.iter().product::<usize>());
                let scale = expected.iter().fold(0.0f32, |a, b| a.max(b.abs()));
                let worst = got
                    .iter()
                    .zip(expected)
                    .fold(0.0f32, |worst, (a, b)| worst.max((a - b).abs()));
                assert!(
                    worst <= 1e-4 * scale,
                    "parts of {part_bytes} bytes: {worst} of {scale}"
                );
            }
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let dims = [4, 30, 30, 3];
    let images = numbers(dims.iter().product(), 2);
    let run = |threads: usize| {
        with_threads(threads, || {
            let mut plan = network();
            plan.part_bytes = 200 << 10;
            plan.stripe_bytes = 1;
            let outputs = plan.run(&images, dims);
            outputs
                .iter()
                .map(|(out, _)| out.iter().map(|x| x.to_bits()).collect::<Vec<_>>())
                .collect::<Vec<_>>()
        })
    };
    assert_eq!(run(1), run(4));
}

#[test]
fn weights_are_prepared_anew_for_images_of_another_size() {
    let mut plan = PlanBuilder::new();
    let x = plan.input();
    let out = plan.conv(
        x,
        conv([32, 32], 3, 1, 1, PlanPadding::Fixed(1)),
        None,
        Activation::Identity,
    );
    let plan = plan.build(vec![out]);
    for dims in [[16, 28, 28, 32], [1, 3, 3, 32], [16, 28, 28, 32]] {
        let images = numbers(dims.iter().product(), 3);
        let layer = conv([32, 32], 3, 1, 1, PlanPadding::Fixed(1));
        let shape = layer.shape(dims);
        let mut expected = vec![0.0; shape.output_len()];
        let epilogue = Epilogue {
            bias: layer.bias.as_deref(),
            ..Epilogue::default()
        };
        conv_forward(&shape, &images, &layer.weight, epilogue, &mut expected);
        let got = plan.run(&images, dims);
        let worst = got[0]
            .0
            .iter()
            .zip(&expected)
            .fold(0.0f32, |worst, (a, b)| worst.max((a - b).abs()));
        assert!(worst < 1e-3, "{dims:?}: {worst}");
    }
}

/// A plan of one dense convolution whose products are in this precision.
fn one_layer(precision: Precision) -> InferencePlan {
    let mut plan = PlanBuilder::new();
    let x = plan.input();
    let layer = PlannedConv {
        precision,
        ..conv([64, 64], 1, 1, 1, PlanPadding::Fixed(0))
    };
    let out = plan.conv(x, layer, None, Activation::Identity);
    plan.build(vec![out])
}

#[test]
fn plans_of_different_precision_do_not_influence_each_other() {
    let dims = [2, 14, 14, 64];
    let images = numbers(dims.iter().product(), 4);
    let run = |plan: &InferencePlan| plan.run(&images, dims)[0].0.to_vec();
    let [plain, rounded] = [Precision::F32, Precision::Bf16].map(one_layer);
    let (first, other) = (run(&plain), run(&rounded));
    assert!(run(&plain) == first && run(&rounded) == other);
    // In tests AVX-512 is enough: the two instructions are emulated where they are missing.
    assert_eq!(first != other, Precision::Bf16.is_available());
}

#[test]
fn layers_that_were_added_in_vain_leave_no_trace() {
    let mut plan = PlanBuilder::new();
    assert!(plan.is_empty());
    let x = plan.input();
    let mixing = || conv([32, 32], 1, 1, 1, PlanPadding::Fixed(0));
    let first = plan.conv(x, mixing(), None, Activation::Relu);
    let before = plan.len();
    let half = plan.conv(first, mixing(), None, Activation::Relu);
    plan.global_average(half);
    plan.truncate(before);
    assert_eq!(plan.len(), 1);
    let out = plan.add(first, first, Activation::Identity);
    let dims = [1, 5, 5, 32];
    let images = numbers(dims.iter().product(), 6);
    let outputs = plan.build(vec![first, out]).run(&images, dims);
    let doubled: Vec<f32> = outputs[0].0.iter().map(|x| x + x).collect();
    assert_eq!(doubled, outputs[1].0[..]);
}
