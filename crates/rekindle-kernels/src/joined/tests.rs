use proptest::prelude::*;

use super::*;
use crate::Activation;
use crate::check::{
    ACTIVATIONS, assert_close, at_each_level, differences, numbers, slope, smooth, value, wide,
    with_threads,
};
use crate::norm::{moments, settle};

const EPSILON: f64 = 1e-3;

/// Maps of these channels.
fn maps(pixels: usize, channels: &[usize], seed: u64) -> Vec<Vec<f32>> {
    let each = channels.iter().zip(seed..);
    each.map(|(channels, seed)| numbers(pixels * channels, seed))
        .collect()
}

fn members<'a>(maps: &'a [Vec<f32>], channels: &[usize]) -> Vec<Member<'a>> {
    let each = maps.iter().zip(channels);
    each.map(|(numbers, &channels)| Member { numbers, channels })
        .collect()
}

/// The definition of the joined map.
fn defined(maps: &[Vec<f32>], channels: &[usize]) -> Vec<f32> {
    let pixels = maps[0].len() / channels[0];
    let mut out = Vec::new();
    for pixel in 0..pixels {
        for (map, &channels) in maps.iter().zip(channels) {
            out.extend(&map[pixel * channels..(pixel + 1) * channels]);
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn joined_maps_are_those_of_the_definition_and_are_split_again(
        pixels in 1usize..70, channels in prop::collection::vec(1usize..70, 1..5), seed in 0u64..1 << 40
    ) {
        let maps = maps(pixels, &channels, seed);
        let expected = defined(&maps, &channels);
        at_each_level(|| {
            let mut out = vec![f32::NAN; expected.len()];
            join(&members(&maps, &channels), &mut out);
            assert_eq!(out, expected);
            let mut back: Vec<Vec<f32>> = maps.iter().map(|map| vec![f32::NAN; map.len()]).collect();
            let mut pieces: Vec<_> = back.iter_mut().map(|map| Some(&mut map[..])).collect();
            split(&out, &channels, &mut pieces);
            assert_eq!(back, maps);
            back[0].fill(7.0);
            let mut pieces: Vec<_> = back.iter_mut().map(|map| Some(&mut map[..])).collect();
            pieces[0] = None;
            split(&out, &channels, &mut pieces);
            assert!(back[0].iter().all(|&x| x == 7.0));
        });
    }

    #[test]
    fn normalised_maps_and_their_gradients_are_those_of_the_definition(
        pixels in 1usize..70, channels in prop::collection::vec(1usize..70, 1..4), which in 0usize..7, seed in 0u64..1 << 40
    ) {
        let activation = ACTIVATIONS[which];
        let maps = maps(pixels, &channels, seed);
        let all: usize = channels.iter().sum();
        let [scale, shift, mean] = [7, 8, 9].map(|more| numbers(all, seed + more));
        let x = wide(&defined(&maps, &channels));
        let sum = |i: usize| x[i] * f64::from(scale[i % all]) + f64::from(shift[i % all]);
        prop_assume!((0..x.len()).all(|i| smooth(activation, sum(i))));
        let expected: Vec<f64> = (0..x.len()).map(|i| value(activation, sum(i))).collect();
        let gradient = numbers(x.len(), seed + 10);
        let masked: Vec<f64> = (0..x.len())
            .map(|i| f64::from(gradient[i]) * slope(activation, sum(i)))
            .collect();
        let (mut sums, mut products) = (vec![0.0; all], vec![0.0; all]);
        for (i, g) in masked.iter().enumerate() {
            sums[i % all] += g;
            products[i % all] += g * (x[i] - f64::from(mean[i % all]));
        }
        at_each_level(|| {
            let members = members(&maps, &channels);
            let mut out = vec![f32::NAN; x.len()];
            join_normalized(&members, &scale, &shift, activation, &mut out);
            assert_close(&out, &expected, "normalised maps");
            let norm = JoinedNorm {
                maps: &members, scale: &scale, shift: &shift, mean: &mean, activation, gradient: &gradient
            };
            let mut to: Vec<Vec<f32>> = maps.iter().map(|map| vec![f32::NAN; map.len()]).collect();
            // Written, added to, left out, in turns.
            to.iter_mut().skip(1).step_by(3).for_each(|to| to.fill(0.5));
            let mut targets: Vec<Target<'_>> = to.iter_mut().enumerate().map(|(i, to)| match i % 3 {
                0 => Target::Store(to),
                1 => Target::Add(to),
                _ => Target::Nothing,
            }).collect();
            let got = norm.backward(&mut targets);
            for (got, expected) in got.iter().zip([&sums, &products]) {
                let narrow: Vec<f32> = got.iter().map(|&sum| sum as f32).collect();
                assert_close(&narrow, expected, "sums");
            }
            let mut start = 0;
            for (i, (to, &channels)) in to.iter().zip(&channels).enumerate() {
                if i % 3 == 2 {
                    assert!(to.iter().all(|x| x.is_nan()));
                    continue;
                }
                let before = if i % 3 == 1 { 0.5 } else { 0.0 };
                let expected: Vec<f64> = (0..to.len()).map(|at| {
                    let at = at / channels * all + start + at % channels;
                    before + masked[at] * f64::from(scale[at % all])
                }).collect();
                assert_close(to, &expected, "gradient of a map");
                start += channels;
            }
        });
    }
}

/// The batch normalisation of joined maps, and ReLU, in double precision.
fn normalised(x: &[f64], channels: usize, gamma: &[f32], beta: &[f32]) -> Vec<f64> {
    let pixels = (x.len() / channels) as f64;
    let of = |channel: usize| x.iter().skip(channel).step_by(channels);
    let found: Vec<[f64; 2]> = (0..channels)
        .map(|channel| {
            let mean = of(channel).sum::<f64>() / pixels;
            let variance = of(channel).map(|x| (x - mean).powi(2)).sum::<f64>() / pixels;
            [mean, 1.0 / (variance + EPSILON).sqrt()]
        })
        .collect();
    let each = x.iter().enumerate();
    each.map(|(i, x)| {
        let c = i % channels;
        let [mean, inverse] = found[c];
        ((x - mean) * inverse * f64::from(gamma[c]) + f64::from(beta[c])).max(0.0)
    })
    .collect()
}

/// The gradients of both maps, as two normalisations of them give them, and the sums of the second.
#[allow(clippy::needless_range_loop, reason = "one index for several arrays")]
fn two_norms(
    maps: &[Vec<f32>],
    channels: &[usize; 2],
    [gamma, beta]: [&[f32]; 2],
    gradients: [&[f32]; 2],
) -> Vec<Vec<f32>> {
    let all = channels[0] + channels[1];
    let members = members(maps, channels);
    let found: Vec<_> = members
        .iter()
        .map(|map| moments(map.numbers, map.channels))
        .collect();
    let mean: Vec<f32> = found.iter().flat_map(|found| found.mean.clone()).collect();
    let variance = found.iter().flat_map(|found| &found.variance);
    let inverse: Vec<f64> = variance
        .map(|v| 1.0 / (f64::from(*v) + EPSILON).sqrt())
        .collect();
    let of = |c: usize| f64::from(gamma[c]) * inverse[c];
    let scale: Vec<f32> = (0..all).map(|c| of(c) as f32).collect();
    let shift: Vec<f32> = (0..all)
        .map(|c| (f64::from(beta[c]) - f64::from(mean[c]) * of(c)) as f32)
        .collect();
    let mut to: Vec<Vec<f32>> = maps.iter().map(|map| vec![f32::NAN; map.len()]).collect();
    let (mut constant, mut slope) = (vec![0.0; all], vec![0.0; all]);
    let pixels = (maps[0].len() / channels[0]) as f64;
    for (round, gradient) in gradients.into_iter().enumerate() {
        let norm = JoinedNorm {
            maps: &members,
            scale: &scale,
            shift: &shift,
            mean: &mean,
            activation: Activation::Relu,
            gradient,
        };
        let mut targets: Vec<Target<'_>> = to
            .iter_mut()
            .map(|to| match round {
                0 => Target::Store(to),
                _ => Target::Add(to),
            })
            .collect();
        let [sums, products] = norm.backward(&mut targets);
        for c in 0..all {
            constant[c] += of(c) * sums[c] / pixels;
            slope[c] += of(c) * inverse[c].powi(2) * products[c] / pixels;
        }
    }
    let narrow = |x: &[f64]| x.iter().map(|&x| x as f32).collect::<Vec<_>>();
    let mut start = 0;
    for ((map, to), &channels) in maps.iter().zip(&mut to).zip(channels) {
        let own = start..start + channels;
        let (constant, slope) = (narrow(&constant[own.clone()]), narrow(&slope[own.clone()]));
        settle(map, &mean[own], &constant, &slope, to);
        start += channels;
    }
    to
}

#[test]
fn gradients_of_two_norms_of_the_same_maps_match_finite_differences() {
    for (pixels, channels) in [(5, [3, 18]), (7, [16, 1])] {
        let all = channels[0] + channels[1];
        let maps = maps(pixels, &channels, 3);
        let (gamma, beta) = (numbers(all, 5), numbers(all, 6));
        let gradients = [7, 8].map(|seed| numbers(pixels * all, seed));
        let both: Vec<f64> = (0..pixels * all)
            .map(|i| f64::from(gradients[0][i]) + f64::from(gradients[1][i]))
            .collect();
        let of_joined = differences(&defined(&maps, &channels), |x| {
            let out = normalised(x, all, &gamma, &beta);
            out.iter().zip(&both).map(|(y, g)| y * g).sum()
        });
        at_each_level(|| {
            let got = two_norms(
                &maps,
                &channels,
                [&gamma, &beta],
                [&gradients[0], &gradients[1]],
            );
            assert_close(&defined(&got, &channels), &of_joined, "gradient of maps");
        });
    }
}

#[test]
fn results_are_the_same_bytes_with_any_number_of_threads() {
    let (pixels, channels) = (5000, [24, 32]);
    let maps = maps(pixels, &channels, 1);
    let (gamma, beta) = (numbers(56, 2), numbers(56, 3));
    let gradient = numbers(pixels * 56, 4);
    let run = || {
        let mut joined = vec![0.0; pixels * 56];
        join_normalized(
            &members(&maps, &channels),
            &gamma,
            &beta,
            Activation::Silu,
            &mut joined,
        );
        let gradients = two_norms(&maps, &channels, [&gamma, &beta], [&gradient, &joined]);
        (joined, gradients)
    };
    assert_eq!(with_threads(1, run), with_threads(4, run));
}
