//! Norms before convolutions, and maps whose channels are put one behind the other's.

use burn::tensor::Tensor;
use burn::tensor::module::batch_norm_train;
use rekindle_kernels::ops::{
    ConvOptions, Factors, Map, NormAct, channels_first, channels_last, concat, conv_act, grow,
    norm_act,
};
use rekindle_kernels::{Activation, Precision};

use super::{assert_close, burn_conv, compare, random};

/// Norms of Burn on channels-last maps.
fn burn_norm_act(
    x: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    activation: Activation,
) -> Tensor<4> {
    let out = batch_norm_train(channels_first(x), gamma, beta, 1e-3).output;
    activation.forward(channels_last(out))
}

fn batch_norm(gamma: &Tensor<1>, beta: &Tensor<1>, activation: Activation) -> NormAct {
    let factors = Factors::Batch {
        gamma: gamma.clone(),
        beta: beta.clone(),
        epsilon: 1e-3,
    };
    NormAct {
        factors,
        activation,
    }
}

#[test]
fn norms_before_convolutions_give_burns_numbers() {
    // No kink of SiLU and the identity is near any number.
    for activation in [Activation::Silu, Activation::Identity] {
        // Of two values the norms are always 1 and -1, and gradients what rounding leaves of a difference: nine are the fewest here.
        for dims in [[2, 7, 5, 19], [3, 4, 4, 32], [1, 3, 3, 1]] {
            compare(
                [random(dims)],
                &[random([dims[3]]), random([dims[3]])],
                |[x], v| norm_act(x.clone(), batch_norm(&v[0], &v[1], activation)).output,
                |[x], v| burn_norm_act(x.clone(), v[0].clone(), v[1].clone(), activation),
            );
        }
        for dims in [[2, 7, 5, 19], [3, 4, 4, 32], [1, 1, 2, 1]] {
            compare(
                [random(dims)],
                &[random([dims[3]]), random([dims[3]])],
                |[x], v| {
                    let [scale, shift] = [v[0].clone(), v[1].clone()];
                    let factors = Factors::Constant { scale, shift };
                    let norm = NormAct {
                        factors,
                        activation,
                    };
                    norm_act(x.clone(), norm).output
                },
                |[x], v| {
                    let [scale, shift] = [0, 1].map(|i: usize| v[i].clone().reshape([1, 1, 1, -1]));
                    activation.forward(x.clone() * scale + shift)
                },
            );
        }
    }
}

#[test]
fn a_norm_gives_the_moments_that_it_used() {
    let x = random([2, 3, 4, 5]);
    let [gamma, beta] = [random([5]), random([5])];
    let norm = batch_norm(&gamma, &beta, Activation::Relu);
    let [mean, variance] = norm_act(x.clone(), norm).moments.unwrap();
    let expected = batch_norm_train(channels_first(x), gamma, beta, 1e-3);
    assert_close("mean", mean, expected.mean);
    assert_close("variance", variance, expected.variance);
}

#[test]
fn joined_maps_give_burns_numbers() {
    let one = |[a, b, c]: &[Tensor<4>; 3]| vec![a.clone(), b.clone(), c.clone(), a.clone()];
    compare(
        [
            random([2, 5, 3, 4]),
            random([2, 5, 3, 17]),
            random([2, 5, 3, 1]),
        ],
        &[],
        |maps, _| concat(one(maps)),
        |maps, _| Tensor::cat(one(maps), 3),
    );
    let many = |[a, b]: &[Tensor<4>; 2]| {
        (0..11)
            .map(|i| if i % 3 == 0 { a } else { b }.clone())
            .collect()
    };
    compare(
        [random([1, 2, 3, 4]), random([1, 2, 3, 2])],
        &[],
        |maps, _| concat(many(maps)),
        |maps, _| Tensor::cat(many(maps), 3),
    );
}

/// Layers of a DenseNet, and what reads the map in the end.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    /// A norm, as in a transition.
    Norm,
    /// The map itself.
    Map,
    /// Both.
    Both,
}

fn dense_block(
    x: Tensor<4>,
    weights: &[Tensor<4>],
    end: End,
    norm: impl Fn(Tensor<4>, usize) -> Tensor<4>,
    grown: impl Fn(Map, usize, &dyn Fn(Tensor<4>) -> Tensor<4>) -> Map,
) -> Tensor<4> {
    let mut map = Map::from(x);
    for (index, weight) in weights.iter().enumerate() {
        let add = |x: Tensor<4>| {
            let options = ConvOptions {
                stride: [1; 2],
                padding: [[1; 2]; 2],
                dilation: [1; 2],
                groups: 1,
                precision: Precision::F32,
            };
            burn_conv(x, weight.clone(), None, options)
        };
        map = grown(map, index, &add);
    }
    let last = weights.len();
    let map = map.into_tensor();
    match end {
        End::Map => map,
        End::Norm => norm(map, last),
        End::Both => norm(map.clone(), last) + map,
    }
}

#[test]
fn growing_maps_give_the_numbers_of_copied_ones() {
    for end in [End::Norm, End::Map, End::Both] {
        let (channels, growth) = (6, 5);
        let width = |layer: usize| channels + layer * growth;
        // The map alone has no norm behind it.
        let norms = if end == End::Map { 3 } else { 4 };
        let vectors: Vec<Tensor<1>> = (0..norms)
            .flat_map(|layer| [random([width(layer)]), random([width(layer)])])
            .collect();
        let weight = |layer: usize| random([growth, width(layer), 3, 3]);
        let of = |v: &[Tensor<1>], layer: usize| {
            batch_norm(&v[2 * layer], &v[2 * layer + 1], Activation::Silu)
        };
        compare(
            [random([2, 4, 5, channels]), weight(0), weight(1), weight(2)],
            &vectors,
            |[x, a, b, c], v| {
                let weights = [a.clone(), b.clone(), c.clone()];
                let norm = |x: Tensor<4>, layer| norm_act(x, of(v, layer)).output;
                dense_block(x.clone(), &weights, end, norm, |map, layer, add| {
                    grow(map, of(v, layer), add).output
                })
            },
            |[x, a, b, c], v| {
                let weights = [a.clone(), b.clone(), c.clone()];
                let norm = |x: Tensor<4>, layer: usize| {
                    burn_norm_act(
                        x,
                        v[2 * layer].clone(),
                        v[2 * layer + 1].clone(),
                        Activation::Silu,
                    )
                };
                dense_block(x.clone(), &weights, end, norm, |map, layer, add| {
                    let x = map.into_tensor();
                    Tensor::cat(vec![x.clone(), add(norm(x, layer))], 3).into()
                })
            },
        );
    }
}

/// A map grown by two layers with 1x1 convolutions and read by a norm, beside the same by copies. `of` are the factors of a layer's norm,
/// and `norm` is what it does to a map by Burn's operations, without the activation, which is SiLU.
fn compare_grown_twice(
    of: impl Fn(&[Tensor<1>]) -> Factors,
    norm: impl Fn(Tensor<4>, &[Tensor<1>]) -> Tensor<4>,
) {
    let vectors: Vec<Tensor<1>> = [4, 4, 7, 7, 9, 9]
        .map(|width: usize| random([width]))
        .into();
    let options = ConvOptions {
        stride: [1; 2],
        padding: [[0; 2]; 2],
        dilation: [1; 2],
        groups: 1,
        precision: Precision::F32,
    };
    compare(
        [
            random([3, 4, 2, 4]),
            random([3, 4, 1, 1]),
            random([2, 7, 1, 1]),
        ],
        &vectors,
        |[x, a, b], v| {
            let of = |layer: usize| NormAct {
                factors: of(&v[2 * layer..2 * layer + 2]),
                activation: Activation::Silu,
            };
            let conv = |x, weight: &Tensor<4>| {
                conv_act(x, weight.clone(), None, None, options, Activation::Identity)
            };
            let one = grow(x.clone(), of(0), |x| conv(x, a)).output;
            let two = grow(one, of(1), |x| conv(x, b)).output;
            norm_act(two, of(2)).output
        },
        |[x, a, b], v| {
            let norm = |x: Tensor<4>, layer: usize| {
                Activation::Silu.forward(norm(x, &v[2 * layer..2 * layer + 2]))
            };
            let add = |x: Tensor<4>, layer, weight: &Tensor<4>| {
                let more = burn_conv(norm(x.clone(), layer), weight.clone(), None, options);
                Tensor::cat(vec![x, more], 3)
            };
            norm(add(add(x.clone(), 0, a), 1, b), 2)
        },
    );
}

#[test]
fn a_growing_map_read_by_a_norm_gives_the_numbers_of_a_copied_one() {
    compare_grown_twice(
        |v| batch_norm(&v[0], &v[1], Activation::Silu).factors,
        |x, v| burn_norm_act(x, v[0].clone(), v[1].clone(), Activation::Identity),
    );
}

/// Statistics that stay frozen are a scale and a shift, which is what fine-tuning has by default.
#[test]
fn a_growing_map_of_constant_factors_gives_the_numbers_of_a_copied_one() {
    compare_grown_twice(
        |v| Factors::Constant {
            scale: v[0].clone(),
            shift: v[1].clone(),
        },
        |x, v| {
            let [scale, shift] = [0, 1].map(|which: usize| v[which].clone().reshape([1, 1, 1, -1]));
            x * scale + shift
        },
    );
}
