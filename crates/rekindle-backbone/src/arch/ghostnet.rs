//! GhostNet (Han et al. 2020) and GhostNetV2 (Tang et al. 2022). Checked against timm 1.0.31.
//!
//! timm taps the first convolution before its norm, and stages follow timm: the norm begins `blocks.0`.

use burn::tensor::Device;

use super::blocks::round_to;
use crate::layers::{
    Activation, AnyLayer, Attend, BatchNormConfig, Concat, Conv2dConfig, ConvNormActConfig,
    NormAct, Padding, Pool, PoolConfig, PoolKind, Residual, SqueezeExciteConfig,
};
use crate::{Backbone, Stage};

/// Shape of a GhostNet.
#[derive(Debug, Clone, PartialEq)]
pub struct GhostNet {
    /// Factor of all channels but those of `conv_head`.
    pub width: f64,
    /// Attention over rows and columns in all blocks but the first two: the second version.
    pub attention: bool,
}

const fn ghost(width: f64, attention: bool) -> GhostNet {
    GhostNet { width, attention }
}

/// timm's names and their shapes.
pub(super) const VARIANTS: &[(&str, GhostNet)] = &[
    ("ghostnet_050", ghost(0.5, false)),
    ("ghostnet_100", ghost(1.0, false)),
    ("ghostnet_130", ghost(1.3, false)),
    ("ghostnetv2_100", ghost(1.0, true)),
    ("ghostnetv2_130", ghost(1.3, true)),
    ("ghostnetv2_160", ghost(1.6, true)),
];

/// A block: kernel, channels in the middle, channels, whether there is a squeeze-and-excitation, stride.
type Row = (usize, usize, usize, bool, usize);

/// Blocks of the stages (table 1 of the paper).
const STAGES: &[&[Row]] = &[
    &[(3, 16, 16, false, 1)],
    &[(3, 48, 24, false, 2)],
    &[(3, 72, 24, false, 1)],
    &[(5, 72, 40, true, 2)],
    &[(5, 120, 40, true, 1)],
    &[(3, 240, 80, false, 2)],
    &[
        (3, 200, 80, false, 1),
        (3, 184, 80, false, 1),
        (3, 184, 80, false, 1),
        (3, 480, 112, true, 1),
        (3, 672, 112, true, 1),
    ],
    &[(5, 672, 160, true, 2)],
    &[
        (5, 960, 160, false, 1),
        (5, 960, 160, true, 1),
        (5, 960, 160, false, 1),
        (5, 960, 160, true, 1),
    ],
];

/// Channels of the first convolution, of the last 1x1 one before the pooling, and of `conv_head`.
const STEM: usize = 16;
const LAST: usize = 960;
const FEATURES: usize = 1280;
/// The attention pools maps of two pixels at least, where images are a 32nd of their size.
const SMALLEST_WITH_ATTENTION: usize = 33;

impl GhostNet {
    /// Builds the network: stages `conv_stem`, `blocks.0` to `blocks.9` and `conv_head`. timm's taps are the first stage of each size.
    pub fn init(&self, name: &str, device: &Device) -> Backbone {
        let mut channels = self.wide(STEM);
        let stem = Conv2dConfig {
            stride: 2,
            ..Conv2dConfig::new("conv_stem", [3, channels], 3)
        };
        let stem = vec![unit(stem, None, Activation::Identity, device)];
        let mut stages = vec![Stage::new("conv_stem", stem, channels, 2).tapped()];
        let (mut reduction, mut number) = (2, 0);
        for (index, blocks) in STAGES.iter().enumerate() {
            let name = format!("blocks.{index}");
            let mut layers = Vec::new();
            if index == 0 {
                let norm = BatchNormConfig::new("bn1", channels);
                layers.push(AnyLayer::new(NormAct::new(&norm, Activation::Relu, device)));
            }
            let mut tap = false;
            for (place, &(kernel, middle, width, squeezed, stride)) in blocks.iter().enumerate() {
                let block = Block {
                    key: format!("{name}.{place}"),
                    channels: [channels, self.wide(middle), self.wide(width)],
                    kernel,
                    stride,
                    squeezed,
                    attention: self.attention && number > 1,
                    device,
                };
                layers.push(AnyLayer::new(block.init()));
                channels = block.channels[2];
                reduction *= stride;
                tap |= stride > 1;
                number += 1;
            }
            let stage = Stage::new(name, layers, channels, reduction);
            stages.push(if tap { stage.tapped() } else { stage });
        }
        let last = self.wide(LAST);
        let name_of_last = format!("blocks.{}", STAGES.len());
        let conv = Conv2dConfig::new(format!("{name_of_last}.0.conv"), [channels, last], 1);
        let norm = format!("{name_of_last}.0.bn1");
        let conv = unit(conv, Some(norm), Activation::Relu, device);
        stages.push(Stage::new(name_of_last, vec![conv], last, reduction));
        let head = Conv2dConfig {
            bias: true,
            ..Conv2dConfig::new("conv_head", [last, FEATURES], 1)
        };
        let head = vec![
            AnyLayer::new(Pool::new(PoolConfig::global_average())),
            unit(head, None, Activation::Relu, device),
        ];
        stages.push(Stage::new("conv_head", head, FEATURES, reduction).pooled());
        let backbone = Backbone::new(name, stages, "classifier");
        match self.attention {
            true => backbone.at_least(SMALLEST_WITH_ATTENTION),
            false => backbone,
        }
    }

    fn wide(&self, channels: usize) -> usize {
        round_to(channels as f64 * self.width, 4, 0.9)
    }
}

/// A bottleneck of two ghost modules.
struct Block<'a> {
    /// timm's name, `blocks.2.0`.
    key: String,
    /// Of the input, in the middle, of the output.
    channels: [usize; 3],
    kernel: usize,
    stride: usize,
    squeezed: bool,
    attention: bool,
    device: &'a Device,
}

impl Block<'_> {
    fn init(&self) -> Residual {
        let [channels, middle, out] = self.channels;
        let mut body = self.expand();
        if self.stride > 1 {
            let conv = self.depthwise("conv_dw", middle, [self.kernel; 2], self.stride);
            body.push(self.normed(conv, "bn_dw", Activation::Identity));
        }
        if self.squeezed {
            let reduced = round_to(middle as f64 * 0.25, 4, 0.9);
            let squeeze = SqueezeExciteConfig::new(self.key("se"), middle, reduced);
            body.push(AnyLayer::new(squeeze.init(self.device)));
        }
        body.extend(self.ghost("ghost2", [middle, out], Activation::Identity));
        let shortcut = match self.stride == 1 && channels == out {
            true => Vec::new(),
            false => {
                let kernel = [self.kernel; 2];
                let depthwise = self.depthwise("shortcut.0", channels, kernel, self.stride);
                let pointwise = Conv2dConfig::new(self.key("shortcut.2"), [channels, out], 1);
                vec![
                    self.normed(depthwise, "shortcut.1", Activation::Identity),
                    self.normed(pointwise, "shortcut.3", Activation::Identity),
                ]
            }
        };
        Residual::new(body, shortcut, Activation::Identity)
    }

    /// The first module, weighted by attention in the second version.
    fn expand(&self) -> Vec<AnyLayer> {
        let [channels, middle, _] = self.channels;
        let ghost = self.ghost("ghost1", [channels, middle], Activation::Relu);
        if !self.attention {
            return ghost.into();
        }
        let pool = AnyLayer::new(Pool::new(PoolConfig {
            kind: PoolKind::Average,
            kernel: 2,
            stride: 2,
            padding: 0,
        }));
        let key = |place: usize| format!("ghost1.short_conv.{place}");
        let mix = Conv2dConfig::new(self.key(&key(0)), [channels, middle], 1);
        let rows = self.depthwise(&key(2), middle, [1, 5], 1);
        let columns = self.depthwise(&key(4), middle, [5, 1], 1);
        let weights = vec![
            pool,
            self.normed(mix, &key(1), Activation::Identity),
            self.normed(rows, &key(3), Activation::Identity),
            self.normed(columns, &key(5), Activation::Sigmoid),
        ];
        vec![AnyLayer::new(Attend::new(ghost.into(), weights))]
    }

    /// Half of the channels by a 1x1 convolution, the other half by a 3x3 one of each of these.
    fn ghost(
        &self,
        name: &str,
        [channels, out]: [usize; 2],
        activation: Activation,
    ) -> [AnyLayer; 2] {
        let half = out.div_ceil(2);
        let key = |part: &str, place: usize| format!("{name}.{part}.{place}");
        let primary = Conv2dConfig::new(self.key(&key("primary_conv", 0)), [channels, half], 1);
        let cheap = self.depthwise(&key("cheap_operation", 0), half, [3, 3], 1);
        let cheap = vec![self.normed(cheap, &key("cheap_operation", 1), activation)];
        [
            self.normed(primary, &key("primary_conv", 1), activation),
            AnyLayer::new(Concat::new(vec![Vec::new(), cheap])),
        ]
    }

    fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.key)
    }

    fn depthwise(
        &self,
        name: &str,
        channels: usize,
        [height, width]: [usize; 2],
        stride: usize,
    ) -> Conv2dConfig {
        Conv2dConfig {
            stride,
            groups: channels,
            kernel_width: width,
            padding: Padding::Sides([height / 2, width / 2]),
            ..Conv2dConfig::new(self.key(name), [channels; 2], height)
        }
    }

    fn normed(&self, conv: Conv2dConfig, norm: &str, activation: Activation) -> AnyLayer {
        unit(conv, Some(self.key(norm)), activation, self.device)
    }
}

fn unit(
    conv: Conv2dConfig,
    norm: Option<String>,
    activation: Activation,
    device: &Device,
) -> AnyLayer {
    let channels = conv.channels[1];
    let config = ConvNormActConfig {
        conv,
        norm: norm.map(|key| BatchNormConfig::new(key, channels)),
        activation,
    };
    AnyLayer::new(config.init(device))
}
