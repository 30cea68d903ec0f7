//! Weights of fewer pixels, sums, and channels in another order.

use burn::tensor::{Int, Tensor};
use rekindle_kernels::Activation;
use rekindle_kernels::ops::{add_act, halves, shuffle, weigh};

use super::{away_from_kinks, compare, compare_where, device, random};

#[test]
fn weights_of_fewer_pixels_give_burns_numbers() {
    for (size, from) in [([7, 6], [3, 3]), ([4, 4], [4, 2]), ([2, 3], [1, 1])] {
        let enlarge = |weights: Tensor<4>| {
            (1..3).fold(weights, |weights, side| {
                let [size, from] = [size, from].map(|all| all[side - 1]);
                let places: Vec<i32> = (0..size).map(|at| (at * from / size) as i32).collect();
                weights.select(side, Tensor::<1, Int>::from_ints(&places[..], &device()))
            })
        };
        compare(
            [
                random([2, size[0], size[1], 19]),
                random([2, from[0], from[1], 19]),
            ],
            &[],
            |[x, weights], _| weigh(x.clone(), weights.clone()),
            |[x, weights], _| x.clone() * enlarge(weights.clone()),
        );
    }
}

#[test]
fn sums_give_burns_numbers() {
    for activation in [Activation::Identity, Activation::Relu, Activation::Silu] {
        let maps = [random([2, 3, 4, 5]), random([2, 3, 4, 5])];
        let mask = away_from_kinks(maps[0].clone() + maps[1].clone());
        compare_where(
            Some(mask),
            maps,
            &[],
            |[a, b], _| add_act(a.clone(), b.clone(), activation),
            |[a, b], _| activation.forward(a.clone() + b.clone()),
        );
    }
    compare(
        [random([2, 3, 4, 5])],
        &[],
        |[a], _| add_act(a.clone(), a.clone(), Activation::Identity),
        |[a], _| a.clone() + a.clone(),
    );
}

#[test]
fn shuffled_and_halved_channels_give_burns_numbers() {
    for (channels, groups, at) in [(12, 2, 5), (12, 3, 1), (32, 2, 16), (7, 7, 6)] {
        compare(
            [random([2, 3, 5, channels])],
            &[],
            |[x], _| shuffle(x.clone(), groups),
            |[x], _| {
                let grouped = x.clone().reshape([30, 1, groups, channels / groups]);
                grouped.swap_dims(2, 3).reshape([2, 3, 5, channels])
            },
        );
        // Each half is weighted in its own way, and their order is changed.
        compare(
            [random([2, 3, 5, channels])],
            &[],
            |[x], _| {
                let [a, b] = halves(x.clone(), at);
                Tensor::cat(vec![b.mul_scalar(3.0), a], 3)
            },
            |[x], _| {
                let a = x.clone().narrow(3, 0, at);
                let b = x.clone().narrow(3, at, channels - at);
                Tensor::cat(vec![b.mul_scalar(3.0), a], 3)
            },
        );
    }
}
