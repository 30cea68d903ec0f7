//! Computing a convolution, the batch norm behind it, a sum and an activation: the one seam at which the kernels take over.

use rekindle_kernels::Activation;
use rekindle_kernels::ops::{Carries, ConvNorm, conv_norm_act};

use super::feature_map::FeatureMap;
use super::{BatchNorm, Conv2d};

/// `activation(norm(convolution(x)) + residual)`; `carries` says which gradients another operation shares.
pub(super) fn conv_norm(
    conv: &Conv2d,
    norm: Option<&BatchNorm>,
    x: FeatureMap,
    residual: Option<FeatureMap>,
    activation: Activation,
    carries: Carries,
) -> FeatureMap {
    let Some(norm) = norm else {
        return conv.apply(x, residual, activation);
    };
    if !x.is_channels_last() {
        let out = norm.forward(conv.forward(x.into_tensor()));
        let out = match residual {
            Some(residual) => out + residual.into_tensor(),
            None => out,
        };
        return FeatureMap::channels_first(activation.forward(out));
    }
    let map = x.into_map();
    if norm.uses_batch_statistics_of(&map) {
        // A bias before the norm is taken off again with the mean: its gradient is 0, and only the running mean has it.
        let bias = conv.bias.as_ref().map(|bias| bias.val());
        let beta = match &bias {
            Some(bias) => norm.beta.val() + bias.clone().mul_scalar(0.0),
            None => norm.beta.val(),
        };
        let layer = ConvNorm {
            weight: conv.weight.val(),
            gamma: norm.gamma.val(),
            beta,
            epsilon: norm.epsilon(),
            options: conv.options(map.dims(), true),
            activation,
        };
        let residual = residual.map(FeatureMap::into_tensor);
        let result = conv_norm_act(map, layer, residual, carries);
        let [batch, height, width, _] = result.output.dims();
        let mean = match bias {
            Some(bias) => result.mean + bias.without_autodiff(),
            None => result.mean,
        };
        norm.track(mean, result.variance, batch * height * width);
        return FeatureMap::channels_last(result.output);
    }
    let tensor = map.into_tensor();
    // Constant statistics scale the weights instead of the result; gradients of scale and shift come with those of the weights.
    let (scale, shift) = norm.scale_and_shift_tracked(&tensor.device());
    let bias = match &conv.bias {
        Some(bias) => bias.val() * scale.clone() + shift,
        None => shift,
    };
    let weight = conv.weight.val() * scale.reshape([-1, 1, 1, 1]);
    conv.apply_with(
        FeatureMap::channels_last(tensor),
        weight,
        Some(bias),
        residual,
        activation,
    )
}
