//! A batch normalisation that stands before a convolution, not behind one, and the activation behind it; and maps that grow by what is
//! made of their normalised selves.

use burn::tensor::Tensor;
use burn::tensor::module::batch_norm_train;

use super::concat::concat;
use super::geometry::{channels_first, channels_last};
use super::map::Map;
use crate::Activation;

/// `activation(x * scale + shift)`, with one factor of each kind for each channel.
#[derive(Debug, Clone)]
pub struct NormAct {
    /// Scale and shift.
    pub factors: Factors,
    /// Applied last.
    pub activation: Activation,
}

/// Where scale and shift of a normalisation come from.
#[derive(Debug, Clone)]
pub enum Factors {
    /// The batch's own mean and biased variance over batch, height and width: `scale = gamma / sqrt(variance + epsilon)` and
    /// `shift = beta - mean * scale` (Ioffe & Szegedy 2015).
    Batch {
        /// `[channels]`.
        gamma: Tensor<1>,
        /// `[channels]`.
        beta: Tensor<1>,
        /// Added to the variance before its root is taken.
        epsilon: f64,
    },
    /// Given.
    Constant {
        /// `[channels]`.
        scale: Tensor<1>,
        /// `[channels]`.
        shift: Tensor<1>,
    },
}

/// What [`norm_act`] gives.
pub struct Normed {
    /// Of the shape of the input.
    pub output: Tensor<4>,
    /// The batch's mean and biased variance per channel, without gradients, where they were taken.
    pub moments: Option<[Tensor<1>; 2]>,
}

/// Normalises a map. Gradients flow to it and to the factors.
///
/// # Shapes
///
/// `x` `[batch, height, width, channels]`; the result is that of `x`.
pub fn norm_act(x: impl Into<Map>, norm: NormAct) -> Normed {
    let x = x.into();
    #[cfg(feature = "flex")]
    let x = match on_flex::norm_act(x, &norm) {
        Ok(normed) => return normed,
        Err(x) => x,
    };
    composed(x.into_tensor(), norm)
}

/// What [`grow`] gives.
pub struct Grown {
    /// The map with more channels.
    pub output: Map,
    /// As those of [`Normed`].
    pub moments: Option<[Tensor<1>; 2]>,
}

/// `x` with the channels of `add(norm_act(x, norm))` behind its own, of which `add` must not take the gradients away (Huang et al. 2017,
/// DenseNet).
///
/// Where the kernels compute and gradients are recorded, no map is copied however often it grows: the result is a list of maps, whose
/// moments are taken once, and each of which has one gradient that all who read it add to.
///
/// # Shapes
///
/// `x` `[batch, height, width, channels]`, what `add` gives `[batch, height, width, more]` and the result
/// `[batch, height, width, channels + more]`.
pub fn grow(x: impl Into<Map>, norm: NormAct, add: impl FnOnce(Tensor<4>) -> Tensor<4>) -> Grown {
    let x = x.into();
    #[cfg(feature = "flex")]
    let x = match on_flex::growing(x, &norm) {
        Ok(growing) => {
            let Normed { output, moments } = on_flex::normed(&growing, &norm);
            let output = growing.push(add(output));
            return Grown { output, moments };
        }
        Err(x) => x,
    };
    let x = x.into_tensor();
    let Normed { output, moments } = norm_act(x.clone(), norm);
    let output = concat(vec![x, add(output)]).into();
    Grown { output, moments }
}

/// The same by Burn's own operations.
fn composed(x: Tensor<4>, norm: NormAct) -> Normed {
    let (output, moments) = match norm.factors {
        Factors::Batch {
            gamma,
            beta,
            epsilon,
        } => {
            let result = batch_norm_train(channels_first(x), gamma, beta, epsilon);
            let moments = [result.mean.detach(), result.variance.detach()];
            (channels_last(result.output), Some(moments))
        }
        Factors::Constant { scale, shift } => {
            let [scale, shift] = [scale, shift].map(|factor| factor.reshape([1, 1, 1, -1]));
            (x * scale + shift, None)
        }
    };
    Normed {
        output: norm.activation.forward(output),
        moments,
    }
}

#[cfg(feature = "flex")]
mod on_flex {
    use burn::tensor::Tensor;

    use super::super::flex::{
        Dense, Route, from_plain, from_tracked, join, plain, route, small, to_tensor, tracked,
    };
    use super::super::growing::{Growing, Reading};
    use super::super::map::Content;
    use super::{Factors, Map, NormAct, Normed};
    use crate::buffer::Buffer;

    /// Of the factors.
    fn route_of(norm: &NormAct) -> Option<Route> {
        match &norm.factors {
            Factors::Batch { gamma, beta, .. } => route([gamma, beta]),
            Factors::Constant { scale, shift } => route([scale, shift]),
        }
    }

    /// The map as one that can grow, if the kernels record its gradients.
    #[allow(
        clippy::result_large_err,
        reason = "the map comes back, in which few live at a time"
    )]
    pub(super) fn growing(x: Map, norm: &NormAct) -> Result<Box<Growing>, Map> {
        let route = match &x.0 {
            Content::Tensor(x) => join(route([x]), route_of(norm)),
            _ => route_of(norm).map(|_| Route::Tracked),
        };
        match (route, x.0) {
            (Some(_), Content::Growing(growing)) => Ok(growing),
            (Some(Route::Tracked), content) => {
                Ok(Box::new(Growing::new(tracked(Map(content).into_tensor()))))
            }
            (_, content) => Err(Map(content)),
        }
    }

    #[allow(
        clippy::result_large_err,
        reason = "the map comes back, in which few live at a time"
    )]
    pub(super) fn norm_act(x: Map, norm: &NormAct) -> Result<Normed, Map> {
        let x = match growing(x, norm) {
            Ok(growing) => return Ok(normed(&growing, norm)),
            Err(x) => x,
        };
        match (&x.0, &norm.factors) {
            (Content::Tensor(tensor), Factors::Constant { scale, shift })
                if join(route([tensor]), route_of(norm)) == Some(Route::Plain) =>
            {
                let x = Dense::new(plain(tensor.clone()));
                let [scale, shift] = [scale, shift].map(|factor| Dense::new(plain(factor.clone())));
                let mut out = Buffer::unspecified(x.slice().len());
                let (factors, activation) = ((scale.slice(), shift.slice()), norm.activation);
                crate::normalize_act(x.slice(), factors.0, factors.1, None, activation, &mut out);
                Ok(Normed {
                    output: from_plain(to_tensor(out, &x.dims::<4>())),
                    moments: None,
                })
            }
            _ => Err(x),
        }
    }

    pub(super) fn normed(x: &Growing, norm: &NormAct) -> Normed {
        let moments = match &norm.factors {
            Factors::Batch { .. } => Some(x.moments()),
            Factors::Constant { .. } => None,
        };
        let reading = match &norm.factors {
            Factors::Batch {
                gamma,
                beta,
                epsilon,
            } => Reading::of_batch(tracked(gamma.clone()), tracked(beta.clone()), *epsilon),
            Factors::Constant { scale, shift } => {
                Reading::constant(tracked(scale.clone()), tracked(shift.clone()))
            }
        };
        let output: Tensor<4> = from_tracked(x.read(reading, norm.activation));
        let moments = moments
            .map(|found| [&found.mean, &found.variance].map(|numbers| from_plain(small(numbers))));
        Normed { output, moments }
    }
}
