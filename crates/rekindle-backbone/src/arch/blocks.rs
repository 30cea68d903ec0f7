//! The blocks of the networks that came from MobileNetV2, said in timm's short notation: `ir_r2_k3_s2_e6_c24_se0.25`.
//!
//! The first part is the kind of the block, the others are numbers by letter: `r` repeats, `k` kernel, `s` stride of the first repeat, `e`
//! expansion, `c` channels, `se` squeeze-and-excitation, `a` first kernel; `noskip` and `skip` say whether there is a shortcut. timm has
//! each network in this notation, so that the lists here can be compared with its own, line by line.

use burn::tensor::Device;

use super::inverted_residual::Convention;
use crate::layers::{
    Activation, AnyLayer, BatchNormConfig, Conv2dConfig, ConvNormAct, ConvNormActConfig, Residual,
    SqueezeExciteConfig,
};

/// A kind of block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `ds`: depthwise and 1x1 convolution (Howard et al. 2017).
    DepthwiseSeparable,
    /// `dsa`: the same with an activation at the end and no shortcut.
    DepthwiseSeparableActive,
    /// `ir`: inverted residual (Sandler et al. 2018).
    InvertedResidual,
    /// `er`: the same with one convolution in the place of the first two (Gupta & Akin 2020; "fused" in EfficientNetV2).
    EdgeResidual,
    /// `cn`: a convolution.
    Conv,
    /// `uir`: the universal block of MobileNetV4 (Qin et al. 2024), with optional depthwise convolutions before and behind the expansion.
    Universal,
}

/// Equal blocks in a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Blocks {
    pub kind: Kind,
    pub count: usize,
    /// Side of the main kernel; 0 in a universal block that has none behind its expansion.
    pub kernel: usize,
    /// Side of the first depthwise kernel of a universal block; 0 for none.
    pub first_kernel: usize,
    /// Of the first block.
    pub stride: usize,
    pub expansion: f64,
    /// Before the width's factor.
    pub channels: usize,
    /// Share of the block's input channels that squeeze-and-excitation reduces to; 0 for none.
    pub squeeze: f64,
    /// Channels that the first block is expanded from, if not those of its input.
    pub expanded_from: Option<usize>,
    /// What is said of the shortcut.
    skip: Option<bool>,
}

impl Blocks {
    /// Reads the notation.
    ///
    /// # Panics
    ///
    /// When it is not in the notation: the lists are this crate's own.
    pub fn new(text: &str) -> Self {
        let mut parts = text.split('_');
        let kind = match parts.next() {
            Some("ds") => Kind::DepthwiseSeparable,
            Some("dsa") => Kind::DepthwiseSeparableActive,
            Some("ir") => Kind::InvertedResidual,
            Some("er") => Kind::EdgeResidual,
            Some("cn") => Kind::Conv,
            Some("uir") => Kind::Universal,
            _ => panic!("{text}: no such kind of block"),
        };
        let mut blocks = Self {
            kind,
            count: 1,
            kernel: 0,
            first_kernel: 0,
            stride: 1,
            expansion: 1.0,
            channels: 0,
            squeeze: 0.0,
            expanded_from: None,
            skip: None,
        };
        for part in parts {
            blocks.read(text, part);
        }
        blocks
    }

    fn read(&mut self, text: &str, part: &str) {
        let digits = part.find(|letter: char| letter.is_ascii_digit());
        let (letter, number) = part.split_at(digits.unwrap_or(part.len()));
        let real = || -> f64 {
            let parsed = number.parse();
            parsed.unwrap_or_else(|_| panic!("{text}: `{part}` has no number"))
        };
        let whole = || real() as usize;
        match letter {
            "r" => self.count = whole(),
            "k" => self.kernel = whole(),
            "a" => self.first_kernel = whole(),
            "s" => self.stride = whole(),
            "e" => self.expansion = real(),
            "c" => self.channels = whole(),
            "se" => self.squeeze = real(),
            "fc" => self.expanded_from = Some(whole()),
            "skip" => self.skip = Some(true),
            "noskip" => self.skip = Some(false),
            _ => panic!("{text}: `{part}` is nothing that a block has"),
        }
    }

    /// Whether there is a shortcut where the shape allows it.
    fn shortcut(&self) -> bool {
        match self.kind {
            Kind::DepthwiseSeparableActive => false,
            Kind::Conv => self.skip == Some(true),
            _ => self.skip != Some(false),
        }
    }
}

/// How many blocks of each kind a stage has at this depth: the total is rounded up, and what is more goes to the last ones first
/// (timm's `_scale_stage_depth`).
pub(super) fn scaled_counts(counts: &[usize], depth: f64) -> Vec<usize> {
    let mut left: usize = counts.iter().sum();
    let mut scaled_left = (left as f64 * depth).ceil() as usize;
    let mut scaled: Vec<usize> = Vec::with_capacity(counts.len());
    for &count in counts.iter().rev() {
        let share = count as f64 / left as f64 * scaled_left as f64;
        let share = (share.round_ties_even() as usize).max(1);
        scaled.push(share);
        left -= count;
        scaled_left -= share;
    }
    scaled.reverse();
    scaled
}

/// One block, its channels decided.
pub(super) struct Block<'a> {
    pub blocks: &'a Blocks,
    /// timm's name, `blocks.2.0`.
    pub key: String,
    /// Input and output channels.
    pub channels: [usize; 2],
    /// Channels in the middle.
    pub width: usize,
    pub stride: usize,
    pub activation: Activation,
    pub convention: Convention,
}

impl Block<'_> {
    /// Builds the block: a residual layer, or its layers in a row where there is no shortcut.
    pub fn layers(&self, device: &Device) -> Vec<AnyLayer> {
        let [channels_in, channels_out] = self.channels;
        let body = match self.blocks.kind {
            Kind::Conv => self.conv(device),
            Kind::DepthwiseSeparable | Kind::DepthwiseSeparableActive => self.separable(device),
            Kind::InvertedResidual => self.inverted(device),
            Kind::EdgeResidual => self.edge(device),
            Kind::Universal => self.universal(device),
        };
        match self.blocks.shortcut() && self.stride == 1 && channels_in == channels_out {
            true => {
                let residual = Residual::new(body, Vec::new(), Activation::Identity);
                vec![AnyLayer::new(residual)]
            }
            false => body,
        }
    }

    fn conv(&self, device: &Device) -> Vec<AnyLayer> {
        let conv = self.shaped("conv", self.channels, self.blocks.kernel, self.stride);
        vec![self.unit(conv, "bn1", self.activation, device)]
    }

    fn separable(&self, device: &Device) -> Vec<AnyLayer> {
        let [channels_in, _] = self.channels;
        let depthwise = self.depthwise("conv_dw", channels_in, self.blocks.kernel, self.stride);
        let mut layers = vec![self.unit(depthwise, "bn1", self.activation, device)];
        layers.extend(self.squeeze(channels_in, device));
        let active = self.blocks.kind == Kind::DepthwiseSeparableActive;
        let last = match active {
            true => self.activation,
            false => Activation::Identity,
        };
        let pointwise = self.shaped("conv_pw", self.channels, 1, 1);
        layers.push(self.unit(pointwise, "bn2", last, device));
        layers
    }

    fn inverted(&self, device: &Device) -> Vec<AnyLayer> {
        let ([channels_in, channels_out], width) = (self.channels, self.width);
        let expand = self.shaped("conv_pw", [channels_in, width], 1, 1);
        let depthwise = self.depthwise("conv_dw", width, self.blocks.kernel, self.stride);
        let project = self.shaped("conv_pwl", [width, channels_out], 1, 1);
        let mut layers = vec![
            self.unit(expand, "bn1", self.activation, device),
            self.unit(depthwise, "bn2", self.activation, device),
        ];
        layers.extend(self.squeeze(width, device));
        layers.push(self.unit(project, "bn3", Activation::Identity, device));
        layers
    }

    fn edge(&self, device: &Device) -> Vec<AnyLayer> {
        let ([channels_in, channels_out], width) = (self.channels, self.width);
        let kernel = self.blocks.kernel;
        let expand = self.shaped("conv_exp", [channels_in, width], kernel, self.stride);
        let project = self.shaped("conv_pwl", [width, channels_out], 1, 1);
        let mut layers = vec![self.unit(expand, "bn1", self.activation, device)];
        layers.extend(self.squeeze(width, device));
        layers.push(self.unit(project, "bn2", Activation::Identity, device));
        layers
    }

    fn universal(&self, device: &Device) -> Vec<AnyLayer> {
        let ([channels_in, channels_out], width) = (self.channels, self.width);
        let Blocks {
            first_kernel,
            kernel,
            ..
        } = *self.blocks;
        let unit = |name: &str, conv: Conv2dConfig, activation| {
            let key = format!("{}.{name}.conv", self.key);
            let conv = Conv2dConfig { key, ..conv };
            self.unit(conv, &format!("{name}.bn"), activation, device)
        };
        let mut layers = Vec::new();
        if first_kernel > 0 {
            let stride = if kernel > 0 { 1 } else { self.stride };
            let conv = self.depthwise("", channels_in, first_kernel, stride);
            layers.push(unit("dw_start", conv, Activation::Identity));
        }
        let expand = self.shaped("", [channels_in, width], 1, 1);
        layers.push(unit("pw_exp", expand, self.activation));
        if kernel > 0 {
            let conv = self.depthwise("", width, kernel, self.stride);
            layers.push(unit("dw_mid", conv, self.activation));
        }
        let project = self.shaped("", [width, channels_out], 1, 1);
        layers.push(unit("pw_proj", project, Activation::Identity));
        layers
    }

    fn shaped(
        &self,
        name: &str,
        channels: [usize; 2],
        kernel: usize,
        stride: usize,
    ) -> Conv2dConfig {
        Conv2dConfig {
            stride,
            ..Conv2dConfig::new(format!("{}.{name}", self.key), channels, kernel)
        }
    }

    fn depthwise(&self, name: &str, channels: usize, kernel: usize, stride: usize) -> Conv2dConfig {
        Conv2dConfig {
            groups: channels,
            ..self.shaped(name, [channels; 2], kernel, stride)
        }
    }

    fn unit(
        &self,
        conv: Conv2dConfig,
        norm: &str,
        activation: Activation,
        device: &Device,
    ) -> AnyLayer {
        let norm = format!("{}.{norm}", self.key);
        AnyLayer::new(self.convention.block(conv, &norm, activation, device))
    }

    /// Squeeze-and-excitation of a map of this width, if the block has it.
    fn squeeze(&self, width: usize, device: &Device) -> Option<AnyLayer> {
        let share = self.blocks.squeeze;
        let expansion = match self.blocks.kind {
            Kind::DepthwiseSeparable | Kind::DepthwiseSeparableActive => 1.0,
            _ => self.blocks.expansion,
        };
        let reduced = (width as f64 * (share / expansion)).round_ties_even() as usize;
        let config = SqueezeExciteConfig {
            activation: self.activation,
            gate: Activation::Sigmoid,
            ..SqueezeExciteConfig::new(format!("{}.se", self.key), width, reduced)
        };
        (share > 0.0).then(|| AnyLayer::new(config.init(device)))
    }
}

/// To the nearest multiple of a divisor, at least that, but never below `limit` times the channels (timm's `make_divisible`).
pub(super) fn round_to(channels: f64, divisor: usize, limit: f64) -> usize {
    let half = divisor as f64 / 2.0;
    let rounded = ((channels + half) as usize / divisor * divisor).max(divisor);
    match (rounded as f64) < limit * channels {
        true => rounded + divisor,
        false => rounded,
    }
}

/// A convolution with a batch norm of PyTorch's epsilon, in the names of timm's `ConvNormAct`: `KEY.conv` and `KEY.bn`.
pub(super) fn conv_norm_act(
    key: &str,
    conv: Conv2dConfig,
    activation: Activation,
    device: &Device,
) -> ConvNormAct {
    let key = |name: &str| format!("{key}.{name}");
    let norm = BatchNormConfig::new(key("bn"), conv.channels[1]);
    let conv = Conv2dConfig {
        key: key("conv"),
        ..conv
    };
    let norm = Some(norm);
    ConvNormActConfig {
        conv,
        norm,
        activation,
    }
    .init(device)
}

/// A convolution, a batch norm of epsilon 1e-3 and ReLU in the names of torchvision's `BasicConv2d`, `KEY.conv` and `KEY.bn`: Inception's block.
pub(super) fn basic_conv(key: &str, conv: Conv2dConfig, device: &Device) -> AnyLayer {
    let norm = BatchNormConfig {
        epsilon: 1e-3,
        ..BatchNormConfig::new(format!("{key}.bn"), conv.channels[1])
    };
    let conv = Conv2dConfig {
        key: format!("{key}.conv"),
        ..conv
    };
    let config = ConvNormActConfig {
        conv,
        norm: Some(norm),
        activation: Activation::Relu,
    };
    AnyLayer::new(config.init(device))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_notation_is_read() {
        let blocks = Blocks::new("ir_r2_k5_s2_e3.5_c24_se0.25_noskip");
        assert_eq!(blocks.kind, Kind::InvertedResidual);
        let numbers = (blocks.count, blocks.kernel, blocks.stride, blocks.channels);
        assert_eq!(numbers, (2, 5, 2, 24));
        assert_eq!((blocks.expansion, blocks.squeeze), (3.5, 0.25));
        assert!(!blocks.shortcut() && Blocks::new("cn_r1_k3_c8_skip").shortcut());
        assert!(!Blocks::new("cn_r1_k3_c8").shortcut());
    }

    #[test]
    fn deeper_stages_grow_from_their_end() {
        assert_eq!(scaled_counts(&[2], 1.1), [3]);
        assert_eq!(scaled_counts(&[1, 3], 1.0), [1, 3]);
        // 4.5 is rounded to the even neighbour, as Python does.
        assert_eq!(scaled_counts(&[1, 3], 1.4), [2, 4]);
        assert_eq!(scaled_counts(&[1, 1, 2], 2.0), [2, 2, 4]);
    }

    #[test]
    fn channels_are_rounded_to_the_nearest_but_not_far_down() {
        assert_eq!(round_to(35.2, 8, 0.9), 32);
        assert_eq!(round_to(11.2, 8, 0.9), 16);
        assert_eq!(round_to(11.2, 8, 0.0), 8);
        assert_eq!(round_to(2.0, 8, 0.9), 8);
    }
}
