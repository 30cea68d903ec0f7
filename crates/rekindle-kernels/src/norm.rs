//! Batch normalisation fused with the activation and the residual sum around it, forward and backward (Ioffe & Szegedy 2015).
//!
//! All arrays are `[pixels, channels]`, channels last, with the pixels of the whole batch.

use std::marker::PhantomData;

use crate::Activation;
use crate::buffer::{Buffer, streams};
use crate::channels::{Access, Known, Pass, Pattern, SumOf, Sums, in_parts, known, with_known};
use crate::parallel::Shared;
use crate::simd::{Level, Simd};

/// Mean and biased variance of each channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    /// `sum(y) / pixels`.
    pub mean: Vec<f32>,
    /// `sum((y - mean)^2) / pixels`.
    pub variance: Vec<f32>,
}

/// The mean and the biased variance of each channel of `y`, `[pixels, channels]`, read from memory once.
///
/// There is no cancellation when the mean is large beside the deviation: each part of the array is summed about a mean of its own,
/// and the parts are combined in double precision (Chan, Golub & LeVeque 1979).
///
/// # Panics
///
/// When `y` is empty or `channels` does not divide its length.
pub fn moments(y: &[f32], channels: usize) -> Moments {
    let pattern = Pattern::new(channels, y.len(), "the input of the moments");
    assert!(!y.is_empty(), "moments of nothing");
    let level = Level::current();
    let width = 2 * channels;
    let mut partial = vec![0.0f64; width * pattern.chunks()];
    let shared = Shared::new(&mut partial);
    let part = |i: usize| {
        // SAFETY: every part has its own stretch of `partial`, which outlives the loop.
        let moments = unsafe { std::slice::from_raw_parts_mut(shared.get().add(i * width), width) };
        part_moments(level, pattern, y, pattern.part(i), channels, moments);
    };
    in_parts(pattern.chunks(), &part);

    let (mut mean, mut square) = (vec![0.0f64; channels], vec![0.0f64; channels]);
    let mut before = 0.0;
    for (i, part) in partial.chunks_exact(width).enumerate() {
        let count = (pattern.part(i).1 / channels) as f64;
        let share = count / (before + count);
        let (part_mean, part_square) = part.split_at(channels);
        for c in 0..channels {
            let delta = part_mean[c] - mean[c];
            mean[c] += delta * share;
            square[c] += part_square[c] + delta * delta * before * share;
        }
        before += count;
    }
    Moments {
        mean: mean.iter().map(|&m| m as f32).collect(),
        variance: square.iter().map(|&s| (s / before) as f32).collect(),
    }
}

/// The means and the sums of squared deviations of one part, the former before the latter.
///
/// The deviations are taken from the mean `m` of the part's first eighth. With `n` pixels of mean `mu` and squared deviations `M2`,
/// the eighth alone gives `M2 >= n/8 (m - mu)^2`, so the correction `n (m - mu)^2` is at most eight times what remains of it.
fn part_moments(
    level: Level,
    pattern: Pattern,
    y: &[f32],
    (start, len): (usize, usize),
    channels: usize,
    moments: &mut [f64],
) {
    let pixels = len / channels;
    let sample = pixels.div_ceil(8);
    let mut sums = vec![0.0f64; channels];
    pattern.sum_part(level, SumOf { x: y }, start, sample * channels, &mut sums);
    let center: Vec<f32> = sums
        .iter()
        .map(|sum| (sum / sample as f64) as f32)
        .collect();
    let expanded = pattern.expand(&center);
    let deviations = Deviations {
        y,
        center: &expanded,
    };
    pattern.sum_part(level, deviations, start, len, moments);
    let n = pixels as f64;
    let (mean, square) = moments.split_at_mut(channels);
    for c in 0..channels {
        square[c] = (square[c] - mean[c] * mean[c] / n).max(0.0);
        mean[c] = f64::from(center[c]) + mean[c] / n;
    }
}

/// The sums of each channel's deviations from a centre, and of their squares.
#[derive(Clone, Copy)]
struct Deviations<'a> {
    y: &'a [f32],
    center: &'a [f32],
}

impl Pass for Deviations<'_> {
    const SUMS: usize = 2;
    const TOGETHER: bool = true;

    #[inline(always)]
    unsafe fn step<S: Simd, A: Access<S>, const R: usize>(
        &self,
        s: S,
        access: A,
        at: usize,
        stride: usize,
        lane: usize,
        sums: Sums,
    ) {
        // SAFETY: the places are inside `y`, the pattern and the sums by the caller's promise.
        unsafe {
            let center = access.load(s, self.center.as_ptr().add(lane));
            let (mut sum, mut square) = (s.zero(), s.zero());
            for r in 0..R {
                let d = s.sub(access.load(s, self.y.as_ptr().add(at + r * stride)), center);
                sum = s.add(sum, d);
                square = s.mul_add(d, d, square);
            }
            sums.add(s, access, 0, lane, sum);
            sums.add(s, access, 1, lane, square);
        }
    }
}

/// `out = activation(y * scale + shift + residual)`, with one scale and shift per channel.
///
/// With a batch's [`Moments`], `scale = gamma / sqrt(variance + epsilon)` and `shift = beta - mean * scale`. `y`, `residual` and `out`
/// are `[pixels, channels]`, `scale` and `shift` `[channels]`.
///
/// # Panics
///
/// When a slice has another length.
pub fn normalize_act(
    y: &[f32],
    scale: &[f32],
    shift: &[f32],
    residual: Option<&[f32]>,
    activation: Activation,
    out: &mut [f32],
) {
    let pattern = Pattern::new(scale.len(), y.len(), "the input of the normalisation");
    assert_eq!(out.len(), y.len(), "output of the normalisation");
    let (scale, shift) = (pattern.expand(scale), pattern.expand(shift));
    let stream = streams(out);
    let (scale, shift, out) = (&scale[..], &shift[..], Shared::new(out));
    match residual {
        None => with_known!(activation, K => pattern.for_each(Normalize::<K, false> {
            y, scale, shift, residual: y, out, stream, activation: PhantomData
        })),
        Some(residual) => {
            assert_eq!(residual.len(), y.len(), "residual of the normalisation");
            with_known!(activation, K => pattern.for_each(Normalize::<K, true> {
                y, scale, shift, residual, out, stream, activation: PhantomData
            }));
        }
    }
}

#[derive(Clone, Copy)]
struct Normalize<'a, K, const RESIDUAL: bool> {
    y: &'a [f32],
    scale: &'a [f32],
    shift: &'a [f32],
    residual: &'a [f32],
    out: Shared<f32>,
    stream: bool,
    activation: PhantomData<K>,
}

impl<K: Known, const RESIDUAL: bool> Pass for Normalize<'_, K, RESIDUAL> {
    #[inline(always)]
    fn streams(&self) -> bool {
        self.stream
    }

    #[inline(always)]
    unsafe fn step<S: Simd, A: Access<S>, const R: usize>(
        &self,
        s: S,
        access: A,
        at: usize,
        stride: usize,
        lane: usize,
        _: Sums,
    ) {
        // SAFETY: the places are inside the arrays and the pattern by the caller's promise.
        unsafe {
            let scale = access.load(s, self.scale.as_ptr().add(lane));
            let shift = access.load(s, self.shift.as_ptr().add(lane));
            for r in 0..R {
                let at = at + r * stride;
                let mut u = s.mul_add(access.load(s, self.y.as_ptr().add(at)), scale, shift);
                if RESIDUAL {
                    u = s.add(u, access.load(s, self.residual.as_ptr().add(at)));
                }
                access.store_or_stream(
                    s,
                    self.out.get().add(at),
                    K::ACTIVATION.vector(s, u),
                    self.stream,
                );
            }
        }
    }
}

/// The backward pass of [`normalize_act`] where the scale and the shift come from the batch's own [`Moments`].
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

/// Calls `$body` with `$source` as the [`Source`] of the masked gradient.
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

impl NormActBackward<'_> {
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
                with_source!(self, &shift, source => pattern.sum(GradientSums::<_, false> { y, scale, mean, source, masked }))
            }
            Some(masked) => {
                assert_eq!(
                    masked.len(),
                    y.len(),
                    "masked gradient of the normalisation"
                );
                let masked = Shared::new(masked);
                with_source!(self, &shift, source => pattern.sum(GradientSums::<_, true> { y, scale, mean, source, masked }))
            }
        };
        let (d_shift, d_gamma) = sums.split_at(self.scale.len());
        let d_gamma = d_gamma
            .iter()
            .zip(self.inv_std)
            .map(|(sum, &inv_std)| (sum * f64::from(inv_std)) as f32);
        (
            d_shift.iter().map(|&sum| sum as f32).collect(),
            d_gamma.collect(),
        )
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

/// `scale * g - constant - slope * (y - mean)`, per channel.
struct Terms {
    scale: Buffer,
    mean: Buffer,
    constant: Buffer,
    slope: Buffer,
}

impl Terms {
    fn pass<'a, G: Source>(
        &'a self,
        y: &'a [f32],
        source: G,
        out: Shared<f32>,
        stream: bool,
    ) -> InputGradient<'a, G> {
        InputGradient {
            y,
            scale: &self.scale,
            mean: &self.mean,
            constant: &self.constant,
            slope: &self.slope,
            source,
            out,
            stream,
        }
    }
}

/// Where the gradient before the activation comes from.
trait Source: Copy + Send + Sync {
    /// The shift of a register's channels, or anything where the source has no use for it. Must be `#[inline(always)]`, as below.
    ///
    /// # Safety
    ///
    /// As for [`Pass::step`].
    #[inline(always)]
    unsafe fn shift<S: Simd, A: Access<S>>(&self, s: S, _access: A, _lane: usize) -> S::V {
        s.zero()
    }

    /// The register of gradients at `at`, given the input and its channels' scale and shift.
    ///
    /// # Safety
    ///
    /// As for [`Pass::step`].
    unsafe fn gradient<S: Simd, A: Access<S>>(
        &self,
        s: S,
        access: A,
        at: usize,
        y: S::V,
        scale: S::V,
        shift: S::V,
    ) -> S::V;
}

/// In memory.
#[derive(Clone, Copy)]
struct Stored<'a> {
    gradient: &'a [f32],
}

impl Source for Stored<'_> {
    #[inline(always)]
    unsafe fn gradient<S: Simd, A: Access<S>>(
        &self,
        s: S,
        access: A,
        at: usize,
        _: S::V,
        _: S::V,
        _: S::V,
    ) -> S::V {
        // SAFETY: inside the array by the caller's promise.
        unsafe { access.load(s, self.gradient.as_ptr().add(at)) }
    }
}

/// In the memory that is being written.
#[derive(Clone, Copy)]
struct InPlace {
    gradient: Shared<f32>,
}

impl Source for InPlace {
    #[inline(always)]
    unsafe fn gradient<S: Simd, A: Access<S>>(
        &self,
        s: S,
        access: A,
        at: usize,
        _: S::V,
        _: S::V,
        _: S::V,
    ) -> S::V {
        // SAFETY: inside the array by the caller's promise, and no other thread writes here.
        unsafe { access.load(s, self.gradient.get().add(at)) }
    }
}

/// From the activation's result.
#[derive(Clone, Copy)]
struct FromOutput<'a, K> {
    gradient: &'a [f32],
    output: &'a [f32],
    activation: PhantomData<K>,
}

impl<K: Known> Source for FromOutput<'_, K> {
    #[inline(always)]
    unsafe fn gradient<S: Simd, A: Access<S>>(
        &self,
        s: S,
        access: A,
        at: usize,
        _: S::V,
        _: S::V,
        _: S::V,
    ) -> S::V {
        // SAFETY: inside the arrays by the caller's promise.
        unsafe {
            let output = access.load(s, self.output.as_ptr().add(at));
            K::ACTIVATION.backward(s, output, access.load(s, self.gradient.as_ptr().add(at)))
        }
    }
}

/// From the activation's input, computed again.
#[derive(Clone, Copy)]
struct FromInput<'a, K, const RESIDUAL: bool> {
    gradient: &'a [f32],
    shift: &'a [f32],
    residual: &'a [f32],
    activation: PhantomData<K>,
}

impl<K: Known, const RESIDUAL: bool> Source for FromInput<'_, K, RESIDUAL> {
    #[inline(always)]
    unsafe fn shift<S: Simd, A: Access<S>>(&self, s: S, access: A, lane: usize) -> S::V {
        // SAFETY: inside the pattern by the caller's promise.
        unsafe { access.load(s, self.shift.as_ptr().add(lane)) }
    }

    #[inline(always)]
    unsafe fn gradient<S: Simd, A: Access<S>>(
        &self,
        s: S,
        access: A,
        at: usize,
        y: S::V,
        scale: S::V,
        shift: S::V,
    ) -> S::V {
        let mut u = s.mul_add(y, scale, shift);
        // SAFETY: inside the arrays by the caller's promise.
        unsafe {
            if RESIDUAL {
                u = s.add(u, access.load(s, self.residual.as_ptr().add(at)));
            }
            K::ACTIVATION.backward(s, u, access.load(s, self.gradient.as_ptr().add(at)))
        }
    }
}

/// `sum(g)` and `sum(g * (y - mean))`.
#[derive(Clone, Copy)]
struct GradientSums<'a, G, const STORE: bool> {
    y: &'a [f32],
    scale: &'a [f32],
    mean: &'a [f32],
    source: G,
    masked: Shared<f32>,
}

impl<G: Source, const STORE: bool> Pass for GradientSums<'_, G, STORE> {
    const SUMS: usize = 2;
    const TOGETHER: bool = STORE;

    #[inline(always)]
    unsafe fn step<S: Simd, A: Access<S>, const R: usize>(
        &self,
        s: S,
        access: A,
        at: usize,
        stride: usize,
        lane: usize,
        sums: Sums,
    ) {
        // SAFETY: the places are inside the arrays, the pattern and the sums by the caller's promise.
        unsafe {
            let scale = access.load(s, self.scale.as_ptr().add(lane));
            let shift = self.source.shift(s, access, lane);
            let mean = access.load(s, self.mean.as_ptr().add(lane));
            let (mut sum, mut product) = (s.zero(), s.zero());
            for r in 0..R {
                let at = at + r * stride;
                let y = access.load(s, self.y.as_ptr().add(at));
                let g = self.source.gradient(s, access, at, y, scale, shift);
                if STORE {
                    access.store(s, self.masked.get().add(at), g);
                }
                sum = s.add(sum, g);
                product = s.mul_add(g, s.sub(y, mean), product);
            }
            sums.add(s, access, 0, lane, sum);
            sums.add(s, access, 1, lane, product);
        }
    }
}

/// The gradient of the normalisation's input, by [`Terms`].
#[derive(Clone, Copy)]
struct InputGradient<'a, G> {
    y: &'a [f32],
    scale: &'a [f32],
    mean: &'a [f32],
    constant: &'a [f32],
    slope: &'a [f32],
    source: G,
    out: Shared<f32>,
    stream: bool,
}

impl<G: Source> Pass for InputGradient<'_, G> {
    #[inline(always)]
    fn streams(&self) -> bool {
        self.stream
    }

    #[inline(always)]
    unsafe fn step<S: Simd, A: Access<S>, const R: usize>(
        &self,
        s: S,
        access: A,
        at: usize,
        stride: usize,
        lane: usize,
        _: Sums,
    ) {
        // SAFETY: the places are inside the arrays and the pattern by the caller's promise.
        unsafe {
            let scale = access.load(s, self.scale.as_ptr().add(lane));
            let shift = self.source.shift(s, access, lane);
            let mean = access.load(s, self.mean.as_ptr().add(lane));
            let constant = access.load(s, self.constant.as_ptr().add(lane));
            let slope = access.load(s, self.slope.as_ptr().add(lane));
            for r in 0..R {
                let at = at + r * stride;
                let y = access.load(s, self.y.as_ptr().add(at));
                let g = self.source.gradient(s, access, at, y, scale, shift);
                let mean_part = s.mul_add(s.sub(y, mean), slope, constant);
                access.store_or_stream(
                    s,
                    self.out.get().add(at),
                    s.sub(s.mul(scale, g), mean_part),
                    self.stream,
                );
            }
        }
    }
}

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
    unsafe fn step<S: Simd, A: Access<S>, const R: usize>(
        &self,
        s: S,
        access: A,
        at: usize,
        stride: usize,
        lane: usize,
        sums: Sums,
    ) {
        // SAFETY: the places are inside the arrays, the pattern and the sums by the caller's promise.
        unsafe {
            let mut scale = s.zero();
            if SCALE {
                scale = access.load(s, self.scale.as_ptr().add(lane));
            }
            let mut sum = s.zero();
            for r in 0..R {
                let at = at + r * stride;
                let x = access.load(s, self.x.as_ptr().add(at));
                let mut g =
                    K::ACTIVATION.backward(s, x, access.load(s, self.gradient.as_ptr().add(at)));
                sum = s.add(sum, g);
                if SCALE {
                    g = s.mul(g, scale);
                }
                access.store(s, self.out.get().add(at), g);
            }
            sums.add(s, access, 0, lane, sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::check::{
        ACTIVATIONS, assert_close, at_each_level, differences, numbers, slope, smooth, value, wide,
        with_threads,
    };

    /// Mean and variance by their definition.
    fn defined_moments(y: &[f64], channels: usize) -> (Vec<f64>, Vec<f64>) {
        let n = (y.len() / channels) as f64;
        let channel = |c: usize| y.iter().skip(c).step_by(channels);
        let mean: Vec<f64> = (0..channels).map(|c| channel(c).sum::<f64>() / n).collect();
        let variance = (0..channels)
            .map(|c| channel(c).map(|y| (y - mean[c]).powi(2)).sum::<f64>() / n)
            .collect();
        (mean, variance)
    }

    fn assert_moments(y: &[f32], channels: usize) {
        let (mean, variance) = defined_moments(&wide(y), channels);
        at_each_level(|| {
            let moments = moments(y, channels);
            for c in 0..channels {
                let (m, v) = (f64::from(moments.mean[c]), f64::from(moments.variance[c]));
                assert!(
                    (m - mean[c]).abs() <= 1e-6 * mean[c].abs() + 1e-6,
                    "mean {m}, expected {}",
                    mean[c]
                );
                assert!(
                    (v - variance[c]).abs() <= 1e-5 * variance[c] + 1e-9,
                    "variance {v}, expected {}",
                    variance[c]
                );
            }
        });
    }

    /// A forward pass with the batch's moments.
    struct Case {
        channels: usize,
        y: Vec<f32>,
        gamma: Vec<f32>,
        scale: Vec<f32>,
        shift: Vec<f32>,
        mean: Vec<f32>,
        inv_std: Vec<f32>,
        residual: Option<Vec<f32>>,
        activation: Activation,
        output: Vec<f32>,
        gradient: Vec<f32>,
    }

    const EPSILON: f64 = 1e-3;

    impl Case {
        fn new(
            pixels: usize,
            channels: usize,
            activation: Activation,
            residual: bool,
            seed: u64,
        ) -> Self {
            let len = pixels * channels;
            let y = numbers(len, seed);
            let gamma = numbers(channels, seed + 1);
            let Moments { mean, variance } = moments(&y, channels);
            let inv_std: Vec<f32> = variance
                .iter()
                .map(|v| (v + EPSILON as f32).sqrt().recip())
                .collect();
            let scale: Vec<f32> = gamma.iter().zip(&inv_std).map(|(g, s)| g * s).collect();
            let beta = numbers(channels, seed + 2);
            let shift = (0..channels)
                .map(|c| beta[c] - mean[c] * scale[c])
                .collect();
            let residual = residual.then(|| numbers(len, seed + 3));
            let gradient = numbers(len, seed + 4);
            let output = vec![0.0; len];
            let mut case = Self {
                channels,
                y,
                gamma,
                scale,
                shift,
                mean,
                inv_std,
                residual,
                activation,
                output,
                gradient,
            };
            // Where single and double precision may see different sides of a jump there is no gradient.
            for i in 0..len {
                if !smooth(activation, case.input(i)) {
                    case.gradient[i] = 0.0;
                }
            }
            case.output = case.forward();
            case
        }

        /// The activation's input.
        fn input(&self, i: usize) -> f64 {
            let c = i % self.channels;
            let residual = self.residual.as_ref().map_or(0.0, |r| f64::from(r[i]));
            f64::from(self.y[i]) * f64::from(self.scale[c]) + f64::from(self.shift[c]) + residual
        }

        fn forward(&self) -> Vec<f32> {
            let mut out = vec![0.0; self.y.len()];
            normalize_act(
                &self.y,
                &self.scale,
                &self.shift,
                self.residual.as_deref(),
                self.activation,
                &mut out,
            );
            out
        }

        fn backward(&self, with_output: bool) -> NormActBackward<'_> {
            NormActBackward {
                y: &self.y,
                scale: &self.scale,
                shift: &self.shift,
                mean: &self.mean,
                inv_std: &self.inv_std,
                residual: self.residual.as_deref(),
                output: with_output.then_some(&self.output),
                activation: self.activation,
                gradient: &self.gradient,
            }
        }

        fn masked(&self) -> Vec<f64> {
            let g = |i| f64::from(self.gradient[i]) * slope(self.activation, self.input(i));
            (0..self.y.len()).map(g).collect()
        }

        fn normalized(&self, i: usize) -> f64 {
            let c = i % self.channels;
            (f64::from(self.y[i]) - f64::from(self.mean[c])) * f64::from(self.inv_std[c])
        }

        fn defined_sums(&self) -> (Vec<f64>, Vec<f64>) {
            let (mut d_shift, mut d_gamma) = (vec![0.0; self.channels], vec![0.0; self.channels]);
            for (i, g) in self.masked().into_iter().enumerate() {
                d_shift[i % self.channels] += g;
                d_gamma[i % self.channels] += g * self.normalized(i);
            }
            (d_shift, d_gamma)
        }

        fn defined_input_gradient(&self) -> Vec<f64> {
            let (d_shift, d_gamma) = self.defined_sums();
            let count = (self.y.len() / self.channels) as f64;
            let of = |(i, g): (usize, f64)| {
                let c = i % self.channels;
                f64::from(self.scale[c])
                    * (g - d_shift[c] / count - self.normalized(i) * d_gamma[c] / count)
            };
            self.masked().into_iter().enumerate().map(of).collect()
        }

        fn check(&self) {
            let outputs: Vec<f64> = (0..self.y.len())
                .map(|i| value(self.activation, self.input(i)))
                .collect();
            assert_close(&self.forward(), &outputs, "output");
            for with_output in [false, true] {
                let backward = self.backward(with_output);
                let mut masked = vec![f32::NAN; self.y.len()];
                let (d_shift, d_gamma) = backward.sums(Some(&mut masked));
                assert_close(&masked, &self.masked(), "masked gradient");
                let (defined_shift, defined_gamma) = self.defined_sums();
                assert_close(&d_shift, &defined_shift, "gradient of the shift");
                assert_close(&d_gamma, &defined_gamma, "gradient of gamma");
                let (alone_shift, alone_gamma) = backward.sums(None);
                assert_close(&alone_shift, &defined_shift, "gradient of the shift");
                assert_close(&alone_gamma, &defined_gamma, "gradient of gamma");

                let count = self.y.len() / self.channels;
                let defined = self.defined_input_gradient();
                for stored in [None, Some(&masked[..])] {
                    let mut out = vec![f32::NAN; self.y.len()];
                    backward.input_gradient(&d_shift, &d_gamma, count, stored, &mut out);
                    assert_close(&out, &defined, "gradient of the input");
                }
                backward.input_gradient_in_place(&d_shift, &d_gamma, count, &mut masked);
                assert_close(&masked, &defined, "gradient of the input in place");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn moments_are_those_of_the_definition(
            pixels in 1usize..300, channels in 1usize..70, offset in prop::sample::select(vec![0.0f32, 1.0, -300.0, 1e4]), seed: u64
        ) {
            let y: Vec<f32> = numbers(pixels * channels, seed).iter().map(|y| y + offset).collect();
            assert_moments(&y, channels);
        }

        #[test]
        fn normalisation_is_that_of_the_definition(
            pixels in 1usize..200, channels in 1usize..70, activation in prop::sample::select(&ACTIVATIONS[..]), residual: bool,
            seed in 0u64..1 << 40
        ) {
            let case = Case::new(pixels, channels, activation, residual, seed);
            at_each_level(|| case.check());
        }

        #[test]
        fn frozen_backward_is_that_of_the_definition(
            pixels in 1usize..200, channels in 1usize..70, activation in prop::sample::select(&ACTIVATIONS[..]), scaled: bool,
            seed in 0u64..1 << 40
        ) {
            let len = pixels * channels;
            let x: Vec<f32> = numbers(len, seed).iter().map(|x| x * 3.0).collect();
            let mut gradient = numbers(len, seed + 1);
            gradient.iter_mut().zip(&x).filter(|(_, x)| !smooth(activation, f64::from(**x))).for_each(|(g, _)| *g = 0.0);
            let output: Vec<f32> = x.iter().map(|&x| activation.apply(x)).collect();
            let scale = numbers(channels, seed + 2);
            let masked: Vec<f64> = (0..len).map(|i| f64::from(gradient[i]) * slope(activation, f64::from(x[i]))).collect();
            let factor = |i: usize| if scaled { f64::from(scale[i % channels]) } else { 1.0 };
            let expected: Vec<f64> = (0..len).map(|i| masked[i] * factor(i)).collect();
            let sums: Vec<f64> = (0..channels).map(|c| masked.iter().skip(c).step_by(channels).sum()).collect();
            at_each_level(|| {
                let mut derivatives = vec![Derivative::Input(&x)];
                if activation.derivative_from_output() {
                    derivatives.push(Derivative::Output(&output));
                }
                for derivative in derivatives {
                    let mut out = vec![f32::NAN; len];
                    let scale = scaled.then_some(&scale[..]);
                    let d_shift = act_backward(derivative, activation, &gradient, channels, scale, &mut out);
                    assert_close(&out, &expected, "gradient of the input");
                    assert_close(&d_shift, &sums, "gradient of the shift");
                }
            });
        }
    }

    #[test]
    fn moments_of_many_parts_far_from_zero() {
        // A drift over the pixels, so that the parts' means differ, and a deviation of a thousandth of the mean.
        for channels in [1, 24, 64, 137] {
            let len = channels * (200_000 / channels);
            let mut y = numbers(len, 7);
            y.iter_mut()
                .enumerate()
                .for_each(|(i, y)| *y += 3000.0 + i as f32 * 1e-5);
            assert_moments(&y, channels);
        }
    }

    #[test]
    fn an_outlier_in_the_first_pixel_leaves_the_moments_accurate() {
        let mut y = numbers(20_000, 3);
        y[0] = 1e5;
        y[1] = -1e5;
        assert_moments(&y, 2);
    }

    #[test]
    fn gradients_match_finite_differences() {
        for (activation, residual) in ACTIVATIONS
            .into_iter()
            .flat_map(|a| [(a, false), (a, true)])
        {
            let case = Case::new(7, 3, activation, residual, 11);
            let beta: Vec<f64> = (0..3)
                .map(|c| {
                    f64::from(case.shift[c]) + f64::from(case.mean[c]) * f64::from(case.scale[c])
                })
                .collect();
            let loss = |y: &[f64], gamma: &[f64], beta: &[f64]| -> f64 {
                let (mean, variance) = defined_moments(y, 3);
                let term = |i: usize| {
                    let c = i % 3;
                    let normalized = (y[i] - mean[c]) / (variance[c] + EPSILON).sqrt();
                    let residual = case.residual.as_ref().map_or(0.0, |r| f64::from(r[i]));
                    f64::from(case.gradient[i])
                        * value(activation, normalized * gamma[c] + beta[c] + residual)
                };
                (0..y.len()).map(term).sum()
            };
            let (y, gamma) = (wide(&case.y), wide(&case.gamma));
            let narrow: Vec<f32> = beta.iter().map(|&b| b as f32).collect();
            let backward = case.backward(true);
            let (d_shift, d_gamma) = backward.sums(None);
            assert_close(
                &d_shift,
                &differences(&narrow, |beta| loss(&y, &gamma, beta)),
                "beta",
            );
            assert_close(
                &d_gamma,
                &differences(&case.gamma, |gamma| loss(&y, gamma, &beta)),
                "gamma",
            );
            let mut dy = vec![0.0; y.len()];
            backward.input_gradient(&d_shift, &d_gamma, 7, None, &mut dy);
            assert_close(
                &dy,
                &differences(&case.y, |y| loss(y, &gamma, &beta)),
                "input",
            );
        }
    }

    #[test]
    fn results_are_the_same_bytes_with_any_number_of_threads() {
        let run = || {
            let case = Case::new(9973, 24, Activation::Silu, true, 5);
            let backward = case.backward(true);
            let mut masked = vec![0.0; case.y.len()];
            let (d_shift, d_gamma) = backward.sums(Some(&mut masked));
            backward.input_gradient_in_place(&d_shift, &d_gamma, 9973, &mut masked);
            let mut out = vec![0.0; case.y.len()];
            let input = Derivative::Input(&case.y);
            let frozen = act_backward(
                input,
                Activation::Silu,
                &case.gradient,
                24,
                Some(&case.scale),
                &mut out,
            );
            (
                case.mean.clone(),
                case.inv_std.clone(),
                case.output.clone(),
                d_shift,
                d_gamma,
                masked,
                out,
                frozen,
            )
        };
        assert_eq!(with_threads(1, run), with_threads(4, run));
    }

    #[test]
    #[should_panic(expected = "does not follow from its output")]
    fn silu_needs_its_input() {
        let x = [1.0f32; 4];
        let _ = act_backward(
            Derivative::Output(&x),
            Activation::Silu,
            &x,
            2,
            None,
            &mut [0.0; 4],
        );
    }
}
