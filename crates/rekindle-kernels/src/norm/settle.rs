//! What the moments of a map take off a gradient that several normalisations of it have been gathered in.

use super::gradients::Terms;
use super::source::InPlace;
use crate::channels::Pattern;
use crate::parallel::Shared;

/// `gradient -= constant + slope * (x - mean)` per channel: what the moments of a map take off the gradients that [`JoinedNorm`](crate::joined::JoinedNorm) gathered
/// for it. With the sums `s` and `p` of a normalisation over `n` pixels, its part of the constant is `scale * s / n`, and that of the
/// slope `scale * p / (n (variance + epsilon))`; those of several normalisations of the same map add up.
///
/// # Panics
///
/// When `x` and `gradient`, `[pixels, channels]`, or the others, `[channels]`, differ in length.
pub fn settle(x: &[f32], mean: &[f32], constant: &[f32], slope: &[f32], gradient: &mut [f32]) {
    let channels = mean.len();
    let pattern = Pattern::new(channels, x.len(), "a map");
    assert_eq!(gradient.len(), x.len(), "gradient of a map");
    let terms = Terms {
        scale: pattern.expand(&vec![1.0; channels]),
        mean: pattern.expand(mean),
        constant: pattern.expand(constant),
        slope: pattern.expand(slope),
    };
    let out = Shared::new(gradient);
    pattern.for_each(terms.pass(x, InPlace { gradient: out }, out, false));
}
