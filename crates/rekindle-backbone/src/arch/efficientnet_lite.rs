//! EfficientNet-Lite 0 to 4: EfficientNet (Tan & Le 2019) without squeeze-excite, with ReLU6, and with a stem and head that do not
//! grow (Google 2020, "EfficientNet-lite").
//!
//! timm has each twice: `tf_efficientnet_lite*` with TensorFlow's padding and epsilon (Google's weights), and `efficientnet_lite*` with
//! PyTorch's.

use burn::tensor::Device;

use super::depth;
use super::inverted_residual::{Convention, InvertedResidual, round_channels};
use crate::layers::{Activation, AnyLayer, Conv2dConfig};
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

impl EfficientNetLite {
    /// Builds the network: stages `stem`, `blocks.0` to `blocks.6`, `conv_head`.
    pub fn init(&self, name: &str, device: &Device) -> Backbone {
        let stem = Conv2dConfig {
            stride: 2,
            ..Conv2dConfig::new("conv_stem", [3, STEM], 3)
        };
        let convention = self.convention();
        let stem = AnyLayer::new(convention.block(stem, "bn1", Activation::Relu6, device));
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
                let shape = InvertedResidual {
                    key: format!("blocks.{index}.{block}"),
                    channels: [channels, out],
                    expanded: (expansion > 1).then_some(channels * expansion),
                    kernel,
                    stride: if block == 0 { stride } else { 1 },
                    activation: Activation::Relu6,
                    squeeze_excite: None,
                    shortcut: true,
                };
                layers.extend(shape.layers(convention, device));
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
        let head = AnyLayer::new(convention.block(head, "bn2", Activation::Relu6, device));
        stages.push(Stage::new("conv_head", vec![head], FEATURES, reduction));
        Backbone::new(name, depth::by_key(stages), "classifier")
    }

    fn convention(&self) -> Convention {
        match self.tensorflow {
            true => Convention::TENSORFLOW,
            false => Convention::PYTORCH,
        }
    }
}
