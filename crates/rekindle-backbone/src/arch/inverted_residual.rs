//! The block of MobileNetV2 and what came from it, with timm's names of its layers.

use burn::tensor::Device;

use crate::layers::{
    Activation, AnyLayer, BatchNormConfig, Conv2dConfig, ConvNormAct, ConvNormActConfig, Padding,
    Residual, SqueezeExciteConfig,
};

/// What a family's convolutions and batch norms have in common: where its weights come from decides it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Convention {
    /// TensorFlow's "same" padding, else PyTorch's.
    pub same_padding: bool,
    /// Added to the variance in every batch norm.
    pub epsilon: f64,
}

impl Convention {
    /// PyTorch's defaults.
    pub const PYTORCH: Self = Self {
        same_padding: false,
        epsilon: 1e-5,
    };
    /// TensorFlow's defaults, for weights that were trained with it.
    pub const TENSORFLOW: Self = Self {
        same_padding: true,
        epsilon: 1e-3,
    };

    /// A convolution with the batch norm `norm` behind it.
    pub fn block(
        self,
        conv: Conv2dConfig,
        norm: &str,
        activation: Activation,
        device: &Device,
    ) -> ConvNormAct {
        let norm = BatchNormConfig {
            epsilon: self.epsilon,
            ..BatchNormConfig::new(norm, conv.channels[1])
        };
        let padding = if self.same_padding {
            Padding::Same
        } else {
            conv.padding
        };
        ConvNormActConfig {
            conv: Conv2dConfig { padding, ..conv },
            norm: Some(norm),
            activation,
        }
        .init(device)
    }
}

/// Expansion, depthwise convolution, squeeze-and-excitation, linear projection, and a shortcut around them.
///
/// Sandler et al. 2018 (MobileNetV2), Howard et al. 2019 (squeeze-and-excitation inside). Without an expansion it is a depthwise
/// separable convolution (Howard et al. 2017), with timm's other names.
#[derive(Debug, Clone)]
pub(super) struct InvertedResidual {
    /// timm's name of the block, `blocks.2.0`.
    pub key: String,
    /// Input and output channels.
    pub channels: [usize; 2],
    /// Channels that the first convolution expands to; none where there is no such convolution.
    pub expanded: Option<usize>,
    /// Side of the depthwise kernel.
    pub kernel: usize,
    /// Stride of the depthwise convolution.
    pub stride: usize,
    /// Function behind all convolutions but the last.
    pub activation: Activation,
    /// Squeeze-and-excitation behind the depthwise convolution, if there is any: the channels it reduces to and the function there.
    pub squeeze_excite: Option<(usize, Activation)>,
    /// Whether there is a shortcut where the shape allows it.
    pub shortcut: bool,
}

impl InvertedResidual {
    /// Builds the block: a residual layer, or its units in a row where there is no shortcut.
    pub fn layers(&self, convention: Convention, device: &Device) -> Vec<AnyLayer> {
        let [channels_in, channels_out] = self.channels;
        let units = self.units(convention, device);
        match self.shortcut && self.stride == 1 && channels_in == channels_out {
            true => vec![AnyLayer::new(Residual::new(
                units,
                Vec::new(),
                Activation::Identity,
            ))],
            false => units,
        }
    }

    fn units(&self, convention: Convention, device: &Device) -> Vec<AnyLayer> {
        let key = &self.key;
        let [channels_in, channels_out] = self.channels;
        let width = self.expanded.unwrap_or(channels_in);
        let mut units = Vec::new();
        let mut norms = 0;
        let mut conv = |conv, activation| {
            norms += 1;
            AnyLayer::new(convention.block(conv, &format!("{key}.bn{norms}"), activation, device))
        };
        if self.expanded.is_some() {
            let expansion = Conv2dConfig::new(format!("{key}.conv_pw"), [channels_in, width], 1);
            units.push(conv(expansion, self.activation));
        }
        let depthwise = Conv2dConfig {
            stride: self.stride,
            groups: width,
            ..Conv2dConfig::new(format!("{key}.conv_dw"), [width, width], self.kernel)
        };
        units.push(conv(depthwise, self.activation));
        if let Some((reduced, activation)) = self.squeeze_excite {
            let layer = SqueezeExciteConfig {
                activation,
                ..SqueezeExciteConfig::new(format!("{key}.se"), width, reduced)
            };
            units.push(AnyLayer::new(layer.init(device)));
        }
        let name = if self.expanded.is_some() {
            "conv_pwl"
        } else {
            "conv_pw"
        };
        let projection = Conv2dConfig::new(format!("{key}.{name}"), [width, channels_out], 1);
        units.push(conv(projection, Activation::Identity));
        units
    }
}

/// To the nearest multiple of 8, at least 8, but never down by more than a tenth (timm's `make_divisible`).
pub(super) fn round_channels(channels: f64) -> usize {
    let rounded = (((channels + 4.0) as usize) / 8 * 8).max(8);
    if (rounded as f64) < 0.9 * channels {
        rounded + 8
    } else {
        rounded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_rounded_to_eights_and_never_far_down() {
        for (channels, expected) in [
            (4.0, 8),
            (16.0, 16),
            (18.0, 24),
            (88.08, 88),
            (91.0, 88),
            (92.0, 96),
        ] {
            assert_eq!(round_channels(channels), expected, "{channels}");
        }
    }
}
