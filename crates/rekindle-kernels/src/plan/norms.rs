//! Steps that normalise a map or weight it: all but those that are folded into a convolution.

use crate::norm::normalize_act;
use crate::{Activation, NearestShape, layer_norm, response_norm, weigh};

/// A norm of a plan, with its numbers; vectors are `[channels]`.
#[derive(Debug, Clone, PartialEq)]
pub enum PlannedNorm {
    /// `activation(x * scale + shift)`: a batch norm with running statistics.
    Batch {
        /// `gamma / sqrt(variance + epsilon)`.
        scale: Vec<f32>,
        /// `beta - mean * scale`.
        shift: Vec<f32>,
        /// Applied last.
        activation: Activation,
    },
    /// Of each pixel over its channels ([`layer_norm()`]).
    Layer {
        /// Scale.
        gamma: Vec<f32>,
        /// Shift.
        beta: Vec<f32>,
        /// Added to the variance.
        epsilon: f32,
    },
    /// Of each image's channels by their response ([`response_norm()`]).
    Response {
        /// Scale.
        gamma: Vec<f32>,
        /// Shift.
        beta: Vec<f32>,
        /// Added to the mean of the norms.
        epsilon: f64,
    },
}

impl PlannedNorm {
    /// Computes it for so many images.
    ///
    /// # Panics
    ///
    /// When `x` has other channels.
    pub(super) fn run(&self, x: &[f32], batch: usize, out: &mut [f32]) {
        match self {
            Self::Batch {
                scale,
                shift,
                activation,
            } => normalize_act(x, scale, shift, None, *activation, out),
            Self::Layer {
                gamma,
                beta,
                epsilon,
            } => layer_norm(x, gamma, beta, *epsilon, None, out),
            Self::Response {
                gamma,
                beta,
                epsilon,
            } => {
                response_norm(x, gamma, beta, *epsilon, batch, out);
            }
        }
    }
}

/// `out = x * weights`, both of as many channels. Weights of fewer pixels are enlarged to the size of `x`, each to those that it lies nearest
/// to: place `i` of `to` has that of place `i * from / to`.
///
/// # Panics
///
/// When the dimensions, `[batch, height, width, channels]`, do not fit.
pub(super) fn weight(
    x: &[f32],
    [batch, height, width, channels]: [usize; 4],
    weights: &[f32],
    from: [usize; 4],
    out: &mut [f32],
) {
    assert_eq!([from[0], from[3]], [batch, channels], "weights of a map");
    let shape = NearestShape {
        batch,
        size: [height, width],
        weights: [from[1], from[2]],
        channels,
    };
    weigh(&shape, x, weights, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_stands_for_the_pixels_that_it_lies_nearest_to() {
        let x = [1.0; 2 * 5 * 2];
        let mut out = [0.0; 20];
        // Places 0 to 4 of 5 have weights 0, 0, 0, 1, 1 of 2: those of torch's interpolate(mode="nearest").
        weight(
            &x,
            [2, 1, 5, 2],
            &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0],
            [2, 1, 2, 2],
            &mut out,
        );
        let expected = [
            [1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 3.0, 4.0, 3.0, 4.0],
            [5.0, 6.0, 5.0, 6.0, 5.0, 6.0, 7.0, 8.0, 7.0, 8.0],
        ];
        assert_eq!(out, expected.concat()[..]);
    }
}
