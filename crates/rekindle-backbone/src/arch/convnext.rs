//! ConvNeXt (Liu et al. 2022) and ConvNeXt V2 (Woo et al. 2023). Checked against timm 1.0.31.
//!
//! The norm behind the pooling, timm's `head.norm`, is the last stage; timm's `forward_features` ends one stage earlier.

use burn::tensor::Device;

use super::depth;
use crate::layers::{
    Activation, AnyLayer, Conv2dConfig, ConvNormActConfig, Grn, LayerNormConfig, Padding, Pool,
    PoolConfig, Residual, ScaledConv,
};
use crate::{Backbone, Stage};

/// How the images are taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConvNextStem {
    /// One 4x4 convolution of stride 4.
    Patch,
    /// Two 3x3 convolutions of stride 2.
    Overlap,
    /// The same, the first with half the channels.
    Tiered,
}

/// Shape of a ConvNeXt.
#[derive(Debug, Clone, PartialEq)]
pub struct ConvNext {
    /// Blocks of each stage.
    pub depths: [usize; 4],
    /// Channels of each stage.
    pub widths: [usize; 4],
    /// The first layers.
    pub stem: ConvNextStem,
    /// Whether files keep the 1x1 convolutions' weights as those of convolutions, not of linear layers.
    pub conv_mlp: bool,
    /// Global response normalisation in the place of layer scale (V2).
    pub v2: bool,
    /// Whether the last norm comes before the pooling.
    pub norm_first: bool,
    /// Added to the variance in layer norms.
    pub epsilon: f64,
}

const fn linear(depths: [usize; 4], width: usize) -> ConvNext {
    ConvNext {
        depths,
        widths: [width, 2 * width, 4 * width, 8 * width],
        stem: ConvNextStem::Patch,
        conv_mlp: false,
        v2: false,
        norm_first: false,
        epsilon: 1e-6,
    }
}

const fn conv(depths: [usize; 4], width: usize) -> ConvNext {
    ConvNext {
        conv_mlp: true,
        ..linear(depths, width)
    }
}

const fn stem(stem: ConvNextStem, shape: ConvNext) -> ConvNext {
    ConvNext { stem, ..shape }
}

const fn v2(shape: ConvNext) -> ConvNext {
    ConvNext { v2: true, ..shape }
}

use ConvNextStem::{Overlap, Patch, Tiered};

const ATTO: ConvNext = conv([2, 2, 6, 2], 40);
const FEMTO: ConvNext = conv([2, 2, 6, 2], 48);
const PICO: ConvNext = conv([2, 2, 6, 2], 64);
const NANO: ConvNext = conv([2, 2, 8, 2], 80);
const TINY: [usize; 4] = [3, 3, 9, 3];
const DEEP: [usize; 4] = [3, 3, 27, 3];

/// timm's names and their shapes.
pub(super) const VARIANTS: &[(&str, ConvNext)] = &[
    ("convnext_atto", ATTO),
    ("convnext_atto_ols", stem(Tiered, ATTO)),
    ("convnext_femto", FEMTO),
    ("convnext_femto_ols", stem(Tiered, FEMTO)),
    ("convnext_pico", PICO),
    ("convnext_pico_ols", stem(Tiered, PICO)),
    ("convnext_nano", NANO),
    ("convnext_nano_ols", stem(Overlap, NANO)),
    (
        "convnext_tiny_hnf",
        ConvNext {
            norm_first: true,
            ..conv(TINY, 96)
        },
    ),
    ("convnext_tiny", linear(TINY, 96)),
    ("convnext_small", linear(DEEP, 96)),
    ("convnext_base", linear(DEEP, 128)),
    ("convnext_large", linear(DEEP, 192)),
    ("convnext_xlarge", linear(DEEP, 256)),
    (
        "convnext_xxlarge",
        ConvNext {
            epsilon: 1e-5,
            ..linear([3, 4, 30, 3], 384)
        },
    ),
    ("convnextv2_atto", v2(ATTO)),
    ("convnextv2_femto", v2(FEMTO)),
    ("convnextv2_pico", v2(PICO)),
    ("convnextv2_nano", v2(NANO)),
    ("convnextv2_tiny", v2(linear(TINY, 96))),
    ("convnextv2_small", v2(linear(DEEP, 96))),
    ("convnextv2_base", v2(linear(DEEP, 128))),
    ("convnextv2_large", v2(linear(DEEP, 192))),
    ("convnextv2_huge", v2(linear(DEEP, 352))),
];

impl ConvNext {
    /// Builds the network: stages `stem`, `stages.0` to `stages.3`, `head.norm`.
    pub fn init(&self, name: &str, device: &Device) -> Backbone {
        let mut stages = vec![Stage::new("stem", self.stem(device), self.widths[0], 4)];
        let mut channels = self.widths[0];
        for (index, (width, depth)) in self.widths.into_iter().zip(self.depths).enumerate() {
            let key = format!("stages.{index}");
            let mut layers = Vec::new();
            if index > 0 {
                let shrink = Conv2dConfig {
                    stride: 2,
                    padding: Padding::Fixed(0),
                    ..biased(&format!("{key}.downsample.1"), [channels, width], 2)
                };
                layers.push(self.norm(format!("{key}.downsample.0"), channels, device));
                layers.push(unit(shrink, Activation::Identity, device));
            }
            layers.extend((0..depth).map(|block| {
                let block = self.block(&format!("{key}.blocks.{block}"), width, device);
                AnyLayer::new(block)
            }));
            stages.push(Stage::new(key, layers, width, 4 << index).tapped());
            channels = width;
        }
        // timm names it `norm_pre` where it comes first.
        let last = match self.norm_first {
            true => {
                let norm = self.norm("norm_pre".into(), channels, device);
                Stage::new("norm_pre", vec![norm], channels, 32)
            }
            false => {
                let norm = self.norm("head.norm".into(), channels, device);
                let pool = AnyLayer::new(Pool::new(PoolConfig::global_average()));
                Stage::new("head.norm", vec![pool, norm], channels, 32).pooled()
            }
        };
        stages.push(last);
        Backbone::new(name, depth::to_the_last(stages), "head.fc")
    }

    fn stem(&self, device: &Device) -> Vec<AnyLayer> {
        let width = self.widths[0];
        let middle = match self.stem {
            // timm's `make_divisible` leaves what is a multiple of 8 and rounds 20 to 24.
            Tiered => super::blocks::round_to(width as f64 / 2.0, 8, 0.9),
            Patch | Overlap => width,
        };
        let first = |stride, kernel, padding| Conv2dConfig {
            stride,
            padding: Padding::Fixed(padding),
            ..biased("stem.0", [3, middle], kernel)
        };
        if self.stem == Patch {
            let conv = unit(first(4, 4, 0), Activation::Identity, device);
            return vec![conv, self.norm("stem.1".into(), width, device)];
        }
        let second = Conv2dConfig {
            stride: 2,
            ..biased("stem.1", [middle, width], 3)
        };
        vec![
            unit(first(2, 3, 1), Activation::Identity, device),
            unit(second, Activation::Identity, device),
            self.norm("stem.2".into(), width, device),
        ]
    }

    fn norm(&self, key: String, channels: usize, device: &Device) -> AnyLayer {
        let config = LayerNormConfig {
            epsilon: self.epsilon,
            ..LayerNormConfig::new(key, channels)
        };
        AnyLayer::new(config.init(device))
    }

    /// A depthwise 7x7 convolution, a norm and two layers of each pixel, and the shortcut around them.
    fn block(&self, key: &str, width: usize, device: &Device) -> Residual {
        let spatial = Conv2dConfig {
            groups: width,
            ..biased(&format!("{key}.conv_dw"), [width; 2], 7)
        };
        let pixel = |name: &str, channels| Conv2dConfig {
            matrix: !self.conv_mlp,
            ..biased(&format!("{key}.mlp.{name}"), channels, 1)
        };
        let expand = pixel("fc1", [width, 4 * width]);
        let project = pixel("fc2", [4 * width, width]);
        let mut body = vec![
            unit(spatial, Activation::Identity, device),
            self.norm(format!("{key}.norm"), width, device),
            unit(expand, Activation::Gelu, device),
        ];
        if self.v2 {
            let grn = Grn::new(&format!("{key}.mlp.grn"), 4 * width, device);
            body.push(AnyLayer::new(grn));
            body.push(unit(project, Activation::Identity, device));
        } else {
            let project = ScaledConv::new(&project, format!("{key}.gamma"), device);
            body.push(AnyLayer::new(project));
        }
        Residual::new(body, Vec::new(), Activation::Identity)
    }
}

fn biased(key: &str, channels: [usize; 2], kernel: usize) -> Conv2dConfig {
    Conv2dConfig {
        bias: true,
        ..Conv2dConfig::new(key, channels, kernel)
    }
}

fn unit(conv: Conv2dConfig, activation: Activation, device: &Device) -> AnyLayer {
    let unit = ConvNormActConfig {
        conv,
        norm: None,
        activation,
    };
    AnyLayer::new(unit.init(device))
}
