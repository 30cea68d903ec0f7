//! The backward pass of an activation behind a constant scale and shift.

use std::marker::PhantomData;

use crate::Activation;
use crate::channels::{Access, Known, Pass, Pattern, Registers, with_known};
use crate::parallel::Shared;
use crate::simd::Simd;

/// Where an activation's derivative is taken from.
#[derive(Debug, Clone, Copy)]
pub enum Derivative<'a> {
    /// The activation's result: enough where [`Activation::derivative_from_output`] says so.
    Output(&'a [f32]),
    /// The activation's input, the sum of everything before it.
    Input(&'a [f32]),
}

/// The backward pass of `activation(x * scale + shift)` with constant `scale` (frozen statistics, or a convolution with a bias where
/// `scale` is none): `out = gradient * activation'(..) * scale` is the gradient of `x`, and what returns is that of `shift`,
/// `sum(gradient * activation'(..))` per channel.
///
/// `gradient`, `out` and the array of `derivative` are `[pixels, channels]`, `scale` is `[channels]`.
///
/// # Panics
///
/// When a slice has another length, or `derivative` is the output of an activation whose derivative does not follow from it.
pub fn act_backward(
    derivative: Derivative<'_>,
    activation: Activation,
    gradient: &[f32],
    channels: usize,
    scale: Option<&[f32]>,
    out: &mut [f32],
) -> Vec<f32> {
    let pattern = Pattern::new(channels, gradient.len(), "the gradient of an activation");
    let x = match derivative {
        Derivative::Input(x) => x,
        Derivative::Output(x) => {
            let enough = activation.derivative_from_output();
            assert!(
                enough,
                "the derivative of {activation:?} does not follow from its output"
            );
            x
        }
    };
    assert_eq!(x.len(), gradient.len(), "values of the activation");
    assert_eq!(
        out.len(),
        gradient.len(),
        "gradient of the activation's input"
    );
    let out = Shared::new(out);
    let sums = match scale {
        None => with_known!(activation, K => pattern.sum(ActBackward::<K, false> {
            x, gradient, scale: x, out, activation: PhantomData
        })),
        Some(scale) => {
            let scale = pattern.expand(scale);
            with_known!(activation, K => pattern.sum(ActBackward::<K, true> {
                x, gradient, scale: &scale, out, activation: PhantomData
            }))
        }
    };
    sums.into_iter().map(|sum| sum as f32).collect()
}

#[derive(Clone, Copy)]
struct ActBackward<'a, K, const SCALE: bool> {
    x: &'a [f32],
    gradient: &'a [f32],
    scale: &'a [f32],
    out: Shared<f32>,
    activation: PhantomData<K>,
}

impl<K: Known, const SCALE: bool> Pass for ActBackward<'_, K, SCALE> {
    const SUMS: usize = 1;
    const TOGETHER: bool = true;

    #[inline(always)]
    unsafe fn step<S: Simd, A: Access<S>, const R: usize>(&self, s: S, at: Registers<A>) {
        // SAFETY: the places are inside the arrays, the pattern and the sums by the caller's promise.
        unsafe {
            let mut scale = s.zero();
            if SCALE {
                scale = at.pattern(s, self.scale);
            }
            let mut sum = s.zero();
            for r in 0..R {
                let x = at.load(s, r, self.x);
                let mut g = K::ACTIVATION.backward(s, x, at.load(s, r, self.gradient));
                sum = s.add(sum, g);
                if SCALE {
                    g = s.mul(g, scale);
                }
                at.store(s, r, self.out, g);
            }
            at.add_to_sum(s, 0, sum);
        }
    }
}
