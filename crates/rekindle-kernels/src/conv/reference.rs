//! The definition, in double precision and slow: what the tests compare with.

use super::epilogue::Epilogue;
use crate::ConvShape;

/// Calls `term(output, input, weight)` with the index of every product that the convolution sums.
fn products(shape: &ConvShape, mut term: impl FnMut(usize, usize, usize)) {
    let (out_height, out_width) = (shape.out_height(), shape.out_width());
    let group_in = shape.channels_in / shape.groups;
    let group_out = shape.channels_out / shape.groups;
    let [kernel_height, kernel_width] = shape.kernel;
    for image in 0..shape.batch {
        for ky in 0..kernel_height {
            for oy in shape.valid(0, ky) {
                let y = oy * shape.stride[0] + ky * shape.dilation[0] - shape.padding[0][0];
                for kx in 0..kernel_width {
                    for ox in shape.valid(1, kx) {
                        let x = ox * shape.stride[1] + kx * shape.dilation[1] - shape.padding[1][0];
                        let input =
                            ((image * shape.height + y) * shape.width + x) * shape.channels_in;
                        let output =
                            ((image * out_height + oy) * out_width + ox) * shape.channels_out;
                        for channel in 0..shape.channels_out {
                            let group = channel / group_out;
                            for c in 0..group_in {
                                let weight = ((channel * group_in + c) * kernel_height + ky)
                                    * kernel_width
                                    + kx;
                                term(output + channel, input + group * group_in + c, weight);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// [`conv_forward`](super::conv_forward) by its definition, summed in double precision.
pub fn reference_forward(
    shape: &ConvShape,
    x: &[f32],
    weight: &[f32],
    epilogue: Epilogue<'_>,
    out: &mut [f32],
) {
    let mut sums = vec![0.0f64; out.len()];
    products(shape, |o, i, w| {
        sums[o] += f64::from(x[i]) * f64::from(weight[w])
    });
    for (i, (out, sum)) in out.iter_mut().zip(sums).enumerate() {
        let bias = epilogue
            .bias
            .map_or(0.0, |bias| bias[i % shape.channels_out]);
        let residual = match epilogue.residual {
            Some(residual) => residual[i],
            None if epilogue.accumulate => *out,
            None => 0.0,
        };
        *out = epilogue
            .activation
            .apply((sum + f64::from(bias) + f64::from(residual)) as f32);
    }
}

/// [`conv_backward_input`](super::conv_backward_input) by its definition, summed in double precision.
pub fn reference_backward_input(shape: &ConvShape, dy: &[f32], weight: &[f32], dx: &mut [f32]) {
    let mut sums = vec![0.0f64; dx.len()];
    products(shape, |o, i, w| {
        sums[i] += f64::from(dy[o]) * f64::from(weight[w])
    });
    dx.iter_mut()
        .zip(sums)
        .for_each(|(dx, sum)| *dx = sum as f32);
}

/// [`conv_backward_weight`](super::conv_backward_weight) by its definition, summed in double precision.
pub fn reference_backward_weight(shape: &ConvShape, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    let mut sums = vec![0.0f64; dw.len()];
    products(shape, |o, i, w| {
        sums[w] += f64::from(dy[o]) * f64::from(x[i])
    });
    dw.iter_mut()
        .zip(sums)
        .for_each(|(dw, sum)| *dw = sum as f32);
}
