//! The backward pass of a normalisation by the batch's own moments.

use std::marker::PhantomData;
use std::ops::Range;

use super::gradients::{GradientSums, Terms};
use super::source::{FromInput, FromOutput, InPlace, Stored};
use crate::Activation;
use crate::buffer::{Buffer, streams};
use crate::channels::{Pattern, known, with_known};
use crate::conv::PixelGradient;
use crate::parallel::Shared;
use crate::simd::Level;

/// The backward pass of [`normalize_act`](super::normalize_act) where the scale and the shift come from the batch's own
/// [`Moments`](super::Moments).
///
/// With `u = y * scale + shift + residual`, `out = activation(u)`, `xhat = (y - mean) * inv_std` and `scale = gamma * inv_std`, and
/// with `g = gradient * activation'(u)`:
///
/// - [`sums`](Self::sums) gives the gradients of beta, `sum(g)`, and of gamma, `sum(g * xhat)`;
/// - `g` itself is the gradient of the residual;
/// - [`input_gradient`](Self::input_gradient) gives that of `y`.
///
/// Arrays are `[pixels, channels]` or `[channels]`.
#[derive(Debug, Clone, Copy)]
pub struct NormActBackward<'a> {
    /// The input of the normalisation, `[pixels, channels]`.
    pub y: &'a [f32],
    /// `gamma * inv_std`, `[channels]`.
    pub scale: &'a [f32],
    /// `beta - mean * scale`, `[channels]`.
    pub shift: &'a [f32],
    /// The batch's mean, `[channels]`.
    pub mean: &'a [f32],
    /// `1 / sqrt(variance + epsilon)`, `[channels]`.
    pub inv_std: &'a [f32],
    /// What the forward pass added, `[pixels, channels]`.
    pub residual: Option<&'a [f32]>,
    /// The result of the forward pass, `[pixels, channels]`. Where
    /// [`Activation::derivative_from_output`] says so it is read in place of the residual; otherwise it is not used.
    pub output: Option<&'a [f32]>,
    /// The forward pass's activation.
    pub activation: Activation,
    /// The gradient of the result, `[pixels, channels]`.
    pub gradient: &'a [f32],
}

/// Calls `$body` with `$source` as the [`Source`](super::source::Source) of the masked gradient.
macro_rules! with_source {
    ($this:expr, $shift:expr, $source:ident => $body:expr) => {{
        let this: &NormActBackward<'_> = $this;
        let gradient = this.gradient;
        match (this.activation, this.output, this.residual) {
            (Activation::Identity, ..) => {
                let $source = Stored { gradient };
                $body
            }
            (Activation::Relu, Some(output), _) => {
                let $source = FromOutput::<known::Relu> { gradient, output, activation: PhantomData };
                $body
            }
            (Activation::Relu6, Some(output), _) => {
                let $source = FromOutput::<known::Relu6> { gradient, output, activation: PhantomData };
                $body
            }
            (activation, _, None) => with_known!(activation, K => {
                let $source = FromInput::<K, false> {
                    gradient, shift: $shift, residual: gradient, activation: PhantomData
                };
                $body
            }),
            (activation, _, Some(residual)) => with_known!(activation, K => {
                let $source = FromInput::<K, true> { gradient, shift: $shift, residual, activation: PhantomData };
                $body
            }),
        }
    }};
}

impl<'a> NormActBackward<'a> {
    fn pattern(&self) -> Pattern {
        let (len, channels) = (self.y.len(), self.scale.len());
        let pattern = Pattern::new(channels, len, "the input of the normalisation");
        assert_eq!(self.shift.len(), channels, "shift of the normalisation");
        assert_eq!(self.mean.len(), channels, "mean of the normalisation");
        assert_eq!(
            self.inv_std.len(),
            channels,
            "deviation of the normalisation"
        );
        assert_eq!(self.gradient.len(), len, "gradient of the normalisation");
        for (slice, what) in [(self.residual, "residual"), (self.output, "output")] {
            assert!(
                slice.is_none_or(|slice| slice.len() == len),
                "{what} of the normalisation"
            );
        }
        pattern
    }

    /// The gradients of beta, `sum(g)`, and of gamma, `sum(g * xhat)`, in this order. `masked`, if given, receives `g`: the gradient of
    /// the residual, and what the other passes need in place of the gradient and the residual.
    ///
    /// # Panics
    ///
    /// When a slice has another length than its documentation says.
    pub fn sums(&self, masked: Option<&mut [f32]>) -> (Vec<f32>, Vec<f32>) {
        let pattern = self.pattern();
        let (scale, shift) = (pattern.expand(self.scale), pattern.expand(self.shift));
        let mean = pattern.expand(self.mean);
        let (y, scale, mean) = (self.y, &scale[..], &mean[..]);
        let sums = match masked {
            None => {
                let masked = Shared::new(&mut []);
                with_source!(self, &shift, source => pattern.sum(GradientSums::<_, false> { y, scale, mean, source, masked, stream: false }))
            }
            Some(masked) => {
                assert_eq!(
                    masked.len(),
                    y.len(),
                    "masked gradient of the normalisation"
                );
                let masked = Shared::new(masked);
                with_source!(self, &shift, source => pattern.sum(GradientSums::<_, true> { y, scale, mean, source, masked, stream: false }))
            }
        };
        gamma_gradient(&sums, self.inv_std)
    }

    /// [`sums`](Self::sums) of some pixels, whose arrays these are, on this thread: `masked` receives `g`, and what the gradients of beta
    /// and gamma are made of is added to `sums`. Scale, shift and mean are expanded to the pattern. With `stream`, `masked` is aligned,
    /// and written past the caches.
    pub(super) fn mask_part(
        &self,
        level: Level,
        pattern: Pattern,
        [scale, shift, mean]: [&[f32]; 3],
        masked: Shared<f32>,
        sums: &mut [f64],
        stream: bool,
    ) {
        let y = self.y;
        assert_eq!(self.gradient.len(), y.len(), "gradient of some pixels");
        with_source!(self, shift, source => {
            pattern.sum_part(level, GradientSums::<_, true> { y, scale, mean, source, masked, stream }, 0, y.len(), sums)
        });
    }

    /// The gradient of `y`: `out = scale * (g - d_shift / count - xhat * d_gamma / count)`, with the results of [`sums`](Self::sums)
    /// and the number of pixels that the moments were taken over. `masked` is `g` as `sums` stored it; without it `g` is computed
    /// again.
    ///
    /// # Panics
    ///
    /// When a slice has another length than its documentation says.
    pub fn input_gradient(
        &self,
        d_shift: &[f32],
        d_gamma: &[f32],
        count: usize,
        masked: Option<&[f32]>,
        out: &mut [f32],
    ) {
        let pattern = self.pattern();
        assert_eq!(
            out.len(),
            self.y.len(),
            "gradient of the normalisation's input"
        );
        let terms = self.terms(pattern, d_shift, d_gamma, count);
        let stream = streams(out);
        let out = Shared::new(out);
        match masked {
            Some(gradient) => {
                assert_eq!(
                    gradient.len(),
                    self.y.len(),
                    "masked gradient of the normalisation"
                );
                pattern.for_each(terms.pass(self.y, Stored { gradient }, out, stream));
            }
            None => {
                let shift = pattern.expand(self.shift);
                with_source!(self, &shift, source => pattern.for_each(terms.pass(self.y, source, out, stream)));
            }
        }
    }

    /// [`input_gradient`](Self::input_gradient) for some pixels at a time, where they are needed; the same numbers.
    ///
    /// # Panics
    ///
    /// When a slice has another length than its documentation says.
    pub fn input_gradient_in_parts(
        self,
        d_shift: &[f32],
        d_gamma: &[f32],
        count: usize,
        masked: Option<&'a [f32]>,
    ) -> InputGradientParts<'a> {
        let pattern = self.pattern();
        InputGradientParts {
            pattern,
            terms: self.terms(pattern, d_shift, d_gamma, count),
            shift: pattern.expand(self.shift),
            norm: match masked {
                // As the gradient behind an activation that changes nothing.
                Some(gradient) => Self {
                    gradient,
                    activation: Activation::Identity,
                    residual: None,
                    output: None,
                    ..self
                },
                None => self,
            },
        }
    }

    /// [`input_gradient`](Self::input_gradient) where `masked` holds `g`, as [`sums`](Self::sums) stored it, and receives the result.
    ///
    /// # Panics
    ///
    /// When a slice has another length than its documentation says.
    pub fn input_gradient_in_place(
        &self,
        d_shift: &[f32],
        d_gamma: &[f32],
        count: usize,
        masked: &mut [f32],
    ) {
        let pattern = self.pattern();
        assert_eq!(
            masked.len(),
            self.y.len(),
            "masked gradient of the normalisation"
        );
        let terms = self.terms(pattern, d_shift, d_gamma, count);
        let out = Shared::new(masked);
        pattern.for_each(terms.pass(self.y, InPlace { gradient: out }, out, false));
    }

    fn terms(&self, pattern: Pattern, d_shift: &[f32], d_gamma: &[f32], count: usize) -> Terms {
        let channels = self.scale.len();
        assert_eq!(
            d_shift.len(),
            channels,
            "gradient of the normalisation's shift"
        );
        assert_eq!(
            d_gamma.len(),
            channels,
            "gradient of the normalisation's gamma"
        );
        let of_channels = |f: &dyn Fn(usize) -> f64| {
            let values: Vec<f32> = (0..channels)
                .map(|c| (f(c) / count as f64) as f32)
                .collect();
            pattern.expand(&values)
        };
        Terms {
            scale: pattern.expand(self.scale),
            mean: pattern.expand(self.mean),
            constant: of_channels(&|c| f64::from(self.scale[c]) * f64::from(d_shift[c])),
            slope: of_channels(&|c| {
                f64::from(self.scale[c]) * f64::from(self.inv_std[c]) * f64::from(d_gamma[c])
            }),
        }
    }
}

/// The gradients of beta and gamma from the sums of [`GradientSums`].
pub(super) fn gamma_gradient(sums: &[f64], inv_std: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let (d_shift, d_gamma) = sums.split_at(inv_std.len());
    let d_gamma = d_gamma
        .iter()
        .zip(inv_std)
        .map(|(sum, &inv_std)| (sum * f64::from(inv_std)) as f32);
    (
        d_shift.iter().map(|&sum| sum as f32).collect(),
        d_gamma.collect(),
    )
}

/// The gradient of a normalisation's input, to be computed for some pixels at a time.
pub struct InputGradientParts<'a> {
    norm: NormActBackward<'a>,
    pattern: Pattern,
    terms: Terms,
    shift: Buffer,
}

impl PixelGradient for InputGradientParts<'_> {
    fn compute(&self, level: Level, pixels: Range<usize>, out: &mut [f32]) {
        let channels = self.norm.scale.len();
        let range = pixels.start * channels..pixels.end * channels;
        assert_eq!(out.len(), range.len(), "gradient of some pixels");
        let norm = NormActBackward {
            y: &self.norm.y[range.clone()],
            gradient: &self.norm.gradient[range.clone()],
            residual: self.norm.residual.map(|all| &all[range.clone()]),
            output: self.norm.output.map(|all| &all[range.clone()]),
            ..self.norm
        };
        let len = out.len();
        let out = Shared::new(out);
        with_source!(&norm, &self.shift, source => {
            self.pattern.map_part(level, self.terms.pass(norm.y, source, out, false), 0, len)
        });
    }
}
