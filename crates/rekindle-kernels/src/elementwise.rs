//! Activations on whole arrays, forward and backward, alone or after a sum.

use std::marker::PhantomData;

use crate::Activation;
use crate::channels::{Access, Known, Pass, Pattern, Registers, with_known};
use crate::parallel::Shared;
use crate::simd::Simd;

/// Elements have no channels.
fn pattern(len: usize) -> Pattern {
    Pattern::new(1, len, "an array of elements")
}

/// `out = activation(x)`, element by element.
///
/// # Panics
///
/// When the slices differ in length.
pub fn activate(x: &[f32], activation: Activation, out: &mut [f32]) {
    assert_eq!(out.len(), x.len(), "output of an activation");
    let out = Shared::new(out);
    with_known!(activation, K => pattern(x.len()).for_each(Activate::<K, false> {
        a: x, b: x, out, activation: PhantomData
    }));
}

/// `out = activation(a + b)`, element by element: the end of a residual block.
///
/// # Panics
///
/// When the slices differ in length.
pub fn add_activate(a: &[f32], b: &[f32], activation: Activation, out: &mut [f32]) {
    assert_eq!(b.len(), a.len(), "terms of a sum");
    assert_eq!(out.len(), a.len(), "output of an activation");
    let out = Shared::new(out);
    with_known!(activation, K => pattern(a.len()).for_each(Activate::<K, true> {
        a, b, out, activation: PhantomData
    }));
}

/// `to += other`, element by element.
///
/// # Panics
///
/// When the slices differ in length.
pub(crate) fn add_to(other: &[f32], to: &mut [f32]) {
    assert_eq!(other.len(), to.len(), "terms of a sum");
    let pattern = pattern(to.len());
    let to = Shared::new(to);
    pattern.for_each(AddTo { other, to });
}

/// `out = gradient * activation'(x)`, element by element. Where [`Activation::derivative_from_output`] says so, `x` may be the
/// activation's output in place of its input.
///
/// # Panics
///
/// When the slices differ in length.
pub fn activate_backward(x: &[f32], gradient: &[f32], activation: Activation, out: &mut [f32]) {
    assert_eq!(gradient.len(), x.len(), "gradient of an activation");
    assert_eq!(out.len(), x.len(), "gradient of an activation's input");
    let out = Shared::new(out);
    with_known!(activation, K => pattern(x.len()).for_each(ActivateBackward::<K> {
        x, gradient, out, activation: PhantomData
    }));
}

#[derive(Clone, Copy)]
struct AddTo<'a> {
    other: &'a [f32],
    to: Shared<f32>,
}

impl Pass for AddTo<'_> {
    #[inline(always)]
    unsafe fn step<S: Simd, A: Access<S>, const R: usize>(&self, s: S, at: Registers<A>) {
        for r in 0..R {
            // SAFETY: the places are inside the arrays by the caller's promise, and no other thread has them.
            unsafe {
                let sum = s.add(at.load_shared(s, r, self.to), at.load(s, r, self.other));
                at.store(s, r, self.to, sum);
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Activate<'a, K, const SUM: bool> {
    a: &'a [f32],
    b: &'a [f32],
    out: Shared<f32>,
    activation: PhantomData<K>,
}

impl<K: Known, const SUM: bool> Pass for Activate<'_, K, SUM> {
    #[inline(always)]
    unsafe fn step<S: Simd, A: Access<S>, const R: usize>(&self, s: S, at: Registers<A>) {
        for r in 0..R {
            // SAFETY: the places are inside the arrays by the caller's promise.
            unsafe {
                let mut u = at.load(s, r, self.a);
                if SUM {
                    u = s.add(u, at.load(s, r, self.b));
                }
                at.store(s, r, self.out, K::ACTIVATION.vector(s, u));
            }
        }
    }
}

#[derive(Clone, Copy)]
struct ActivateBackward<'a, K> {
    x: &'a [f32],
    gradient: &'a [f32],
    out: Shared<f32>,
    activation: PhantomData<K>,
}

impl<K: Known> Pass for ActivateBackward<'_, K> {
    #[inline(always)]
    unsafe fn step<S: Simd, A: Access<S>, const R: usize>(&self, s: S, at: Registers<A>) {
        for r in 0..R {
            // SAFETY: the places are inside the arrays by the caller's promise.
            unsafe {
                let x = at.load(s, r, self.x);
                let g = at.load(s, r, self.gradient);
                at.store(s, r, self.out, K::ACTIVATION.backward(s, x, g));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::check::{
        ACTIVATIONS, assert_close, at_each_level, differences, numbers, slope, smooth, value, wide,
    };

    /// Numbers beyond all the activations' corners, and gradients that avoid the corners themselves.
    fn case(len: usize, activation: Activation, seed: u64) -> (Vec<f32>, Vec<f32>) {
        let x: Vec<f32> = numbers(len, seed).iter().map(|x| x * 3.0).collect();
        let mut gradient = numbers(len, seed + 1);
        gradient
            .iter_mut()
            .zip(&x)
            .filter(|(_, x)| !smooth(activation, f64::from(**x)))
            .for_each(|(g, _)| *g = 0.0);
        (x, gradient)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        #[test]
        fn activations_are_those_of_the_definition(
            len in 0usize..2000, activation in prop::sample::select(&ACTIVATIONS[..]), seed in 0u64..1 << 40
        ) {
            let (x, gradient) = case(len, activation, seed);
            let b = numbers(len, seed + 2);
            let wide: Vec<f64> = wide(&x);
            let values: Vec<f64> = wide.iter().map(|&x| value(activation, x)).collect();
            let sums: Vec<f64> = wide.iter().zip(&b).map(|(x, &b)| value(activation, x + f64::from(b))).collect();
            let slopes: Vec<f64> = wide.iter().zip(&gradient).map(|(&x, &g)| f64::from(g) * slope(activation, x)).collect();
            at_each_level(|| {
                let mut out = vec![f32::NAN; len];
                activate(&x, activation, &mut out);
                assert_close(&out, &values, "activation");
                add_activate(&x, &b, activation, &mut out);
                assert_close(&out, &sums, "activation of a sum");
                activate_backward(&x, &gradient, activation, &mut out);
                assert_close(&out, &slopes, "gradient");
                if activation.derivative_from_output() {
                    let output: Vec<f32> = x.iter().map(|&x| activation.apply(x)).collect();
                    activate_backward(&output, &gradient, activation, &mut out);
                    assert_close(&out, &slopes, "gradient from the output");
                }
            });
        }
    }

    #[test]
    fn gradients_match_finite_differences() {
        for activation in ACTIVATIONS {
            let (x, gradient) = case(37, activation, 21);
            let loss = |x: &[f64]| {
                x.iter()
                    .zip(&gradient)
                    .map(|(&x, &g)| f64::from(g) * value(activation, x))
                    .sum()
            };
            let mut out = vec![0.0; x.len()];
            activate_backward(&x, &gradient, activation, &mut out);
            assert_close(&out, &differences(&x, loss), "gradient");
        }
    }
}
