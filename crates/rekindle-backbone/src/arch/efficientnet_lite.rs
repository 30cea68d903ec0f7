//! EfficientNet-Lite 0 to 4: EfficientNet (Tan & Le 2019) without squeeze-excite, with ReLU6, and with a stem and head that do not
//! grow (Google 2020, "EfficientNet-lite").
//!
//! timm has each twice: `tf_efficientnet_lite*` with TensorFlow's padding and epsilon (Google's weights), and `efficientnet_lite*` with
//! PyTorch's.

use burn::tensor::Device;

use crate::layers::{
    Activation, BatchNormConfig, Conv2dConfig, ConvNormAct, ConvNormActConfig, Layer, Padding,
    Residual, Unit,
};
use crate::{Backbone, Stage};

/// Shape of an EfficientNet-Lite.
#[derive(Debug, Clone, PartialEq)]
pub struct EfficientNetLite {
    /// Factor on the channels of all blocks, rounded to multiples of 8.
    pub width: f64,
    /// Factor on the number of blocks per stage, rounded up; the first and last stage keep one block.
    pub depth: f64,
    /// TensorFlow's "same" padding and batch-norm epsilon of 1e-3.
    pub tensorflow: bool,
}

const fn lite(width: f64, depth: f64, tensorflow: bool) -> EfficientNetLite {
    EfficientNetLite {
        width,
        depth,
        tensorflow,
    }
}

/// timm's names and their shapes.
pub(super) const VARIANTS: &[(&str, EfficientNetLite)] = &[
    ("tf_efficientnet_lite0", lite(1.0, 1.0, true)),
    ("tf_efficientnet_lite1", lite(1.0, 1.1, true)),
    ("tf_efficientnet_lite2", lite(1.1, 1.2, true)),
    ("tf_efficientnet_lite3", lite(1.2, 1.4, true)),
    ("tf_efficientnet_lite4", lite(1.4, 1.8, true)),
    ("efficientnet_lite0", lite(1.0, 1.0, false)),
    ("efficientnet_lite1", lite(1.0, 1.1, false)),
    ("efficientnet_lite2", lite(1.1, 1.2, false)),
    ("efficientnet_lite3", lite(1.2, 1.4, false)),
    ("efficientnet_lite4", lite(1.4, 1.8, false)),
];

/// Blocks of each stage of the smallest network: number, kernel, stride, expansion, channels.
const STAGES: [(usize, usize, usize, usize, usize); 7] = [
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
];

const STEM: usize = 32;
const FEATURES: usize = 1280;

/// One inverted residual block.
struct BlockShape<'a> {
    key: &'a str,
    channels: [usize; 2],
    kernel: usize,
    stride: usize,
    expansion: usize,
}

impl EfficientNetLite {
    /// Builds the network: stages `stem`, `blocks.0` to `blocks.6`, `conv_head`.
    pub fn init(&self, name: &str, device: &Device) -> Backbone {
        let stem = Conv2dConfig {
            stride: 2,
            ..Conv2dConfig::new("conv_stem", [3, STEM], 3)
        };
        let stem = Layer::conv(self.block(stem, "bn1", Activation::Relu6, device));
        let mut stages = vec![Stage::new("stem", vec![stem], STEM, 2)];
        let (mut channels, mut reduction) = (STEM, 2);
        for (index, (repeats, kernel, stride, expansion, out)) in STAGES.into_iter().enumerate() {
            let fixed = index == 0 || index == STAGES.len() - 1;
            let repeats = if fixed {
                repeats
            } else {
                (repeats as f64 * self.depth).ceil() as usize
            };
            let out = round_channels(out as f64 * self.width);
            let mut layers = Vec::new();
            for block in 0..repeats {
                let key = format!("blocks.{index}.{block}");
                let stride = if block == 0 { stride } else { 1 };
                let shape = BlockShape {
                    key: &key,
                    channels: [channels, out],
                    kernel,
                    stride,
                    expansion,
                };
                layers.extend(self.inverted_residual(&shape, device));
                channels = out;
            }
            reduction *= stride;
            let stage = Stage::new(format!("blocks.{index}"), layers, channels, reduction);
            let last_of_its_size = index == STAGES.len() - 1 || STAGES[index + 1].2 == 2;
            stages.push(if last_of_its_size {
                stage.tapped()
            } else {
                stage
            });
        }
        let head = Conv2dConfig::new("conv_head", [channels, FEATURES], 1);
        let head = Layer::conv(self.block(head, "bn2", Activation::Relu6, device));
        stages.push(Stage::new("conv_head", vec![head], FEATURES, reduction));
        Backbone::new(name, stages, "classifier")
    }

    /// Expansion (none in the first stage), depthwise convolution, linear projection (Sandler et al. 2018).
    fn inverted_residual(&self, shape: &BlockShape, device: &Device) -> Vec<Layer> {
        let BlockShape {
            key,
            channels: [channels_in, channels_out],
            kernel,
            stride,
            expansion,
        } = *shape;
        let width = channels_in * expansion;
        let mut convs = Vec::new();
        if expansion > 1 {
            convs.push((
                Conv2dConfig::new(format!("{key}.conv_pw"), [channels_in, width], 1),
                Activation::Relu6,
            ));
        }
        let depthwise = Conv2dConfig::new(format!("{key}.conv_dw"), [width, width], kernel);
        convs.push((
            Conv2dConfig {
                stride,
                groups: width,
                ..depthwise
            },
            Activation::Relu6,
        ));
        let projection = if expansion > 1 { "conv_pwl" } else { "conv_pw" };
        convs.push((
            Conv2dConfig::new(format!("{key}.{projection}"), [width, channels_out], 1),
            Activation::Identity,
        ));
        let units = convs
            .into_iter()
            .enumerate()
            .map(|(index, (conv, activation))| {
                Unit::Conv(self.block(conv, &format!("{key}.bn{}", index + 1), activation, device))
            });
        match stride == 1 && channels_in == channels_out {
            true => vec![Layer::Residual(Residual::new(
                units.collect(),
                Vec::new(),
                Activation::Identity,
            ))],
            false => units.map(Layer::Unit).collect(),
        }
    }

    fn block(
        &self,
        conv: Conv2dConfig,
        norm: &str,
        activation: Activation,
        device: &Device,
    ) -> ConvNormAct {
        let mut norm = BatchNormConfig::new(norm, conv.channels[1]);
        let mut conv = conv;
        if self.tensorflow {
            norm.epsilon = 1e-3;
            conv.padding = Padding::Same;
        }
        ConvNormActConfig {
            conv,
            norm: Some(norm),
            activation,
        }
        .init(device)
    }
}

/// To the nearest multiple of 8, but never down by more than a tenth.
fn round_channels(channels: f64) -> usize {
    let rounded = (((channels + 4.0) as usize) / 8 * 8).max(8);
    if (rounded as f64) < 0.9 * channels {
        rounded + 8
    } else {
        rounded
    }
}
