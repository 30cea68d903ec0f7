//! 3x3 convolutions of stride 1 by Winograd's minimal filtering F(4x4, 3x3) (Lavin & Gray 2015): a tile of 4x4 outputs takes 36
//! products where the definition takes 144, so that the whole becomes 36 matrix products over tiles and channels.
//!
//! With `d` a 6x6 tile of the input, `g` the kernel and `m` the product per frequency: `y = A' [(G g G') (B' d B)] A`. The gradient of
//! the weight is the adjoint of the same algorithm: `dg = G' [(B' d B) (A dy A')] G`, summed over tiles.
//! The transforms multiply by up to 8 and cost about two digits of the 24 bits; the tests hold the result to 1e-4 of the largest value.
//!
//! Here are the choice of the algorithm and its surface; `convolve` runs its steps, each of which has a file of its own.

mod convolve;
mod frequencies;
mod products;
mod sizes;
mod tiling;
mod transforms;
mod weight_gradient;
mod weights;

pub(super) use weight_gradient::backward_weight;
pub(super) use weights::Weights;

use super::epilogue::Epilogue;
use crate::ConvShape;
use crate::simd::Level;
use convolve::convolve;
use sizes::STEP;
use tiling::Tiling;

/// Whether the algorithm computes this convolution.
pub(super) fn applies(shape: &ConvShape) -> bool {
    shape.kernel == [3, 3]
        && shape.stride == [1, 1]
        && shape.dilation == [1, 1]
        && shape.groups == 1
        && shape.padding.iter().flatten().all(|&pad| pad <= 2)
}

/// Whether it is the faster one (measured): channels enough that the products outweigh the transforms, and images that fill the tiles.
pub(super) fn wins(shape: &ConvShape) -> bool {
    let (height, width) = (shape.out_height(), shape.out_width());
    let covered = height.next_multiple_of(STEP) * width.next_multiple_of(STEP);
    applies(shape)
        && shape.channels_in >= 32
        && shape.channels_out >= 32
        && covered <= 2 * height * width
        && shape.batch * covered >= 14 * STEP * STEP
}

/// `out = activation(convolution + bias + residual)` with weights already transformed.
pub(super) fn forward_with(
    shape: &ConvShape,
    x: &[f32],
    weights: &Weights,
    epilogue: Epilogue<'_>,
    out: &mut [f32],
) {
    let [from, to] = Tiling::sides(shape);
    convolve(x, from, weights, to, shape.batch, epilogue, out);
}

/// `out = activation(convolution + bias + residual)`.
pub(super) fn forward(
    shape: &ConvShape,
    x: &[f32],
    weight: &[f32],
    epilogue: Epilogue<'_>,
    out: &mut [f32],
) {
    forward_with(
        shape,
        x,
        &Weights::forward(Level::current(), shape, weight),
        epilogue,
        out,
    );
}

/// The gradient of the input, to which the epilogue is applied; needs a padding of at most 2.
pub(super) fn backward_input(
    shape: &ConvShape,
    dy: &[f32],
    weight: &[f32],
    epilogue: Epilogue<'_>,
    dx: &mut [f32],
) {
    let weights = Weights::backward(Level::current(), shape, weight);
    let size = [shape.height, shape.width];
    let before = [2 - shape.padding[0][0], 2 - shape.padding[1][0]];
    let from = Tiling::new(
        [shape.out_height(), shape.out_width()],
        shape.channels_out,
        size,
        before,
    );
    let to = Tiling::new(size, shape.channels_in, size, [0; 2]);
    convolve(dy, from, &weights, to, shape.batch, epilogue, dx);
}
