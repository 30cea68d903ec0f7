//! MobileNetV3 (Howard et al. 2019): inverted residual blocks with squeeze-and-excitation and hard swish, and a head that pools
//! before its last convolution. Checked against timm 1.0.31.
//!
//! timm has it with PyTorch's padding and epsilon (`mobilenetv3_*`) and with TensorFlow's, for Google's weights
//! (`tf_mobilenetv3_*`). Of the latter there are `minimal` ones: no squeeze-and-excitation, 3x3 kernels and ReLU throughout.
//!
//! The convolution behind the pooling, timm's `conv_head`, is the last stage here: it is trained on ImageNet like the stages before
//! it, and it can be frozen and unfrozen like them. Its output has one pixel, which average and maximum pooling in a head leave as
//! it is. timm's `forward_features` ends one stage earlier.

use burn::tensor::Device;

use super::depth;
use super::inverted_residual::{Convention, InvertedResidual, round_channels};
use crate::layers::{Activation, AnyLayer, Conv2dConfig, ConvNormActConfig, Pool, PoolConfig};
use crate::{Backbone, Stage};

/// The two networks of the paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MobileNetV3Size {
    /// Seven stages of blocks.
    Large,
    /// Six stages of blocks.
    Small,
}

/// Details in which timm's networks of the same size differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MobileNetV3Flavour {
    /// PyTorch's padding and batch-norm epsilon.
    PyTorch,
    /// TensorFlow's "same" padding and batch-norm epsilon of 1e-3.
    TensorFlow,
    /// timm's `mobilenetv3_rw`: PyTorch's padding, TensorFlow's epsilon, no shortcut in the first block, squeeze-and-excitation with
    /// the block's own activation and a plain quarter of the channels, no bias in `conv_head`.
    Rw,
}

/// Shape of a MobileNetV3.
#[derive(Debug, Clone, PartialEq)]
pub struct MobileNetV3 {
    /// Which of the two networks.
    pub size: MobileNetV3Size,
    /// Factor on the channels of all blocks, rounded to multiples of 8; stem and `conv_head` do not grow.
    pub width: f64,
    /// No squeeze-and-excitation, 3x3 kernels and ReLU throughout.
    pub minimal: bool,
    /// Padding, epsilon and other details.
    pub flavour: MobileNetV3Flavour,
}

use MobileNetV3Flavour::{PyTorch, Rw, TensorFlow};
use MobileNetV3Size::{Large, Small};

const fn plain(size: MobileNetV3Size, width: f64, flavour: MobileNetV3Flavour) -> MobileNetV3 {
    MobileNetV3 {
        size,
        width,
        minimal: false,
        flavour,
    }
}

const fn minimal(size: MobileNetV3Size) -> MobileNetV3 {
    MobileNetV3 {
        minimal: true,
        ..plain(size, 1.0, TensorFlow)
    }
}

/// timm's names and their shapes.
pub(super) const VARIANTS: &[(&str, MobileNetV3)] = &[
    ("mobilenetv3_large_100", plain(Large, 1.0, PyTorch)),
    ("mobilenetv3_large_075", plain(Large, 0.75, PyTorch)),
    ("mobilenetv3_small_100", plain(Small, 1.0, PyTorch)),
    ("mobilenetv3_small_075", plain(Small, 0.75, PyTorch)),
    ("mobilenetv3_small_050", plain(Small, 0.5, PyTorch)),
    ("mobilenetv3_rw", plain(Large, 1.0, Rw)),
    ("tf_mobilenetv3_large_100", plain(Large, 1.0, TensorFlow)),
    ("tf_mobilenetv3_large_075", plain(Large, 0.75, TensorFlow)),
    ("tf_mobilenetv3_large_minimal_100", minimal(Large)),
    ("tf_mobilenetv3_small_100", plain(Small, 1.0, TensorFlow)),
    ("tf_mobilenetv3_small_075", plain(Small, 0.75, TensorFlow)),
    ("tf_mobilenetv3_small_minimal_100", minimal(Small)),
];

/// Channels of the stem. timm scales it with the width down to 0.75 and rounds to 16 again, and fixes it below.
const STEM: usize = 16;

/// Equal blocks in a row; the stride is the first one's.
#[derive(Clone, Copy)]
struct Blocks {
    count: usize,
    kernel: usize,
    stride: usize,
    /// Expansion of the input channels; 1 for none.
    expansion: f64,
    channels: usize,
    squeeze_excite: bool,
    activation: Activation,
}

const fn blocks(
    count: usize,
    kernel: usize,
    stride: usize,
    expansion: f64,
    channels: usize,
) -> Blocks {
    Blocks {
        count,
        kernel,
        stride,
        expansion,
        channels,
        squeeze_excite: false,
        activation: Activation::HardSwish,
    }
}

const fn squeezed(blocks: Blocks) -> Blocks {
    Blocks {
        squeeze_excite: true,
        ..blocks
    }
}

const fn relu(blocks: Blocks) -> Blocks {
    Blocks {
        activation: Activation::Relu,
        ..blocks
    }
}

/// The stages of the large network but the last, 1x1, one (table 1 of the paper).
const LARGE: &[&[Blocks]] = &[
    &[relu(blocks(1, 3, 1, 1.0, 16))],
    &[
        relu(blocks(1, 3, 2, 4.0, 24)),
        relu(blocks(1, 3, 1, 3.0, 24)),
    ],
    &[relu(squeezed(blocks(3, 5, 2, 3.0, 40)))],
    &[
        blocks(1, 3, 2, 6.0, 80),
        blocks(1, 3, 1, 2.5, 80),
        blocks(2, 3, 1, 2.3, 80),
    ],
    &[squeezed(blocks(2, 3, 1, 6.0, 112))],
    &[squeezed(blocks(3, 5, 2, 6.0, 160))],
];

/// The stages of the small network but the last, 1x1, one (table 2).
const SMALL: &[&[Blocks]] = &[
    &[relu(squeezed(blocks(1, 3, 2, 1.0, 16)))],
    &[
        relu(blocks(1, 3, 2, 4.5, 24)),
        relu(blocks(1, 3, 1, 3.67, 24)),
    ],
    &[
        squeezed(blocks(1, 5, 2, 4.0, 40)),
        squeezed(blocks(2, 5, 1, 6.0, 40)),
    ],
    &[squeezed(blocks(2, 5, 1, 3.0, 48))],
    &[squeezed(blocks(3, 5, 2, 6.0, 96))],
];

impl MobileNetV3Size {
    /// Blocks of each stage, channels of the 1x1 convolution behind them, channels of `conv_head`.
    fn shape(self) -> (&'static [&'static [Blocks]], usize, usize) {
        match self {
            Large => (LARGE, 960, 1280),
            Small => (SMALL, 576, 1024),
        }
    }
}

impl MobileNetV3 {
    /// Builds the network: stages `stem`, `blocks.0` to `blocks.6` (`blocks.5` for the small one), `conv_head`.
    pub fn init(&self, name: &str, device: &Device) -> Backbone {
        let (rows, last, features) = self.size.shape();
        let stride = |index: usize| rows.get(index).map_or(1, |row| row[0].stride);
        // timm's taps are the last stages of their size, and the 1x1 convolution is the last of all.
        let tap = |stage: Stage, next: usize| match stride(next) {
            2 => stage.tapped(),
            _ => stage,
        };
        let mut stages = vec![tap(self.stem(device), 0)];
        let (mut channels, mut reduction) = (STEM, 2);
        for (index, row) in rows.iter().enumerate() {
            let layers = self.row(&format!("blocks.{index}"), row, &mut channels, device);
            reduction *= stride(index);
            let stage = Stage::new(format!("blocks.{index}"), layers, channels, reduction);
            stages.push(tap(stage, index + 1));
        }
        let key = format!("blocks.{}", rows.len());
        let width = round_channels(last as f64 * self.width);
        let conv = Conv2dConfig::new(format!("{key}.0.conv"), [channels, width], 1);
        let conv = self.conv(conv, &format!("{key}.0.bn1"), device);
        stages.push(Stage::new(key, vec![conv], width, reduction).tapped());
        stages.push(self.head([width, features], reduction, device));
        Backbone::new(name, depth::by_key(stages), "classifier")
    }

    fn stem(&self, device: &Device) -> Stage {
        let conv = Conv2dConfig {
            stride: 2,
            ..Conv2dConfig::new("conv_stem", [3, STEM], 3)
        };
        Stage::new("stem", vec![self.conv(conv, "bn1", device)], STEM, 2)
    }

    /// A convolution outside the blocks.
    fn conv(&self, conv: Conv2dConfig, norm: &str, device: &Device) -> AnyLayer {
        let convention = self.convention();
        AnyLayer::new(convention.block(conv, norm, self.activation(), device))
    }

    /// The layers of a stage; `channels` goes from those of its input to those of its output.
    fn row(
        &self,
        key: &str,
        row: &[Blocks],
        channels: &mut usize,
        device: &Device,
    ) -> Vec<AnyLayer> {
        let each = row
            .iter()
            .flat_map(|blocks| (0..blocks.count).map(move |repeat| (blocks, repeat)));
        let mut layers = Vec::new();
        for (index, (blocks, repeat)) in each.enumerate() {
            let out = round_channels(blocks.channels as f64 * self.width);
            let stride = if repeat == 0 { blocks.stride } else { 1 };
            let block = self.block(format!("{key}.{index}"), blocks, [*channels, out], stride);
            layers.extend(block.layers(self.convention(), device));
            *channels = out;
        }
        layers
    }

    fn block(
        &self,
        key: String,
        blocks: &Blocks,
        channels: [usize; 2],
        stride: usize,
    ) -> InvertedResidual {
        let expands = blocks.expansion > 1.0;
        let width = match expands {
            true => round_channels(channels[0] as f64 * blocks.expansion),
            false => channels[0],
        };
        let activation = match self.minimal {
            true => Activation::Relu,
            false => blocks.activation,
        };
        let squeezed = blocks.squeeze_excite && !self.minimal;
        InvertedResidual {
            key,
            channels,
            expanded: expands.then_some(width),
            kernel: if self.minimal { 3 } else { blocks.kernel },
            stride,
            activation,
            squeeze_excite: squeezed.then(|| self.squeeze(width, activation)),
            shortcut: expands || self.flavour != Rw,
        }
    }

    /// Channels between the convolutions of the squeeze-and-excitation of a block of this width, and the function there.
    fn squeeze(&self, width: usize, activation: Activation) -> (usize, Activation) {
        match self.flavour {
            PyTorch | TensorFlow => (round_channels(width as f64 / 4.0), Activation::Relu),
            Rw => (width / 4, activation),
        }
    }

    fn head(&self, channels: [usize; 2], reduction: usize, device: &Device) -> Stage {
        let conv = Conv2dConfig {
            bias: self.flavour != Rw,
            ..Conv2dConfig::new("conv_head", channels, 1)
        };
        let conv = ConvNormActConfig {
            conv,
            norm: None,
            activation: self.activation(),
        };
        let pool = AnyLayer::new(Pool::new(PoolConfig::global_average()));
        let layers = vec![pool, AnyLayer::new(conv.init(device))];
        Stage::new("conv_head", layers, channels[1], reduction).pooled()
    }

    /// The function outside the blocks.
    fn activation(&self) -> Activation {
        match self.minimal {
            true => Activation::Relu,
            false => Activation::HardSwish,
        }
    }

    fn convention(&self) -> Convention {
        match self.flavour {
            PyTorch => Convention::PYTORCH,
            TensorFlow => Convention::TENSORFLOW,
            Rw => Convention {
                epsilon: 1e-3,
                ..Convention::PYTORCH
            },
        }
    }
}
