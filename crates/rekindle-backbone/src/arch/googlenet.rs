//! GoogLeNet (Szegedy et al. 2015) with batch norms, in torchvision's names. Checked against torchvision 0.29.2; timm has none.
//!
//! As in torchvision the third branch of a module has a 3x3 kernel where the paper has a 5x5 one. The two classifiers on the way, `aux1` and
//! `aux2`, are left out: files may hold them, and they are passed over.
//!
//! torchvision's weights expect images of mean 0.5 and standard deviation 0.5: its own network rescales to these what was standardised with
//! ImageNet's (`transform_input`), and the card says them from the start.

use burn::tensor::Device;

use super::blocks::basic_conv;
use crate::layers::{AnyLayer, Concat, Conv2dConfig, Padding, Pool, PoolConfig, PoolKind};
use crate::{Backbone, Stage};

/// Shape of a GoogLeNet; there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoogLeNet;

/// torchvision's name.
pub(super) const VARIANTS: &[(&str, GoogLeNet)] = &[("googlenet", GoogLeNet)];

/// Below it nothing is left for the last pooling; torchvision says the same.
const SMALLEST: usize = 15;

/// A module: its name and the channels of its convolutions in torchvision's order, each branch's reduction before its 3x3 convolution.
type Module = (&'static str, [usize; 6]);

const THIRD: &[Module] = &[
    ("3a", [64, 96, 128, 16, 32, 32]),
    ("3b", [128, 128, 192, 32, 96, 64]),
];
const FOURTH: &[Module] = &[
    ("4a", [192, 96, 208, 16, 48, 64]),
    ("4b", [160, 112, 224, 24, 64, 64]),
    ("4c", [128, 128, 256, 24, 64, 64]),
    ("4d", [112, 144, 288, 32, 64, 64]),
    ("4e", [256, 160, 320, 32, 128, 128]),
];
const FIFTH: &[Module] = &[
    ("5a", [256, 160, 320, 32, 128, 128]),
    ("5b", [384, 192, 384, 48, 128, 128]),
];

impl GoogLeNet {
    /// Builds the network: stages `conv1`, `conv3` (the second and third convolution), `inception3`, `inception4` and `inception5`, of which
    /// each but the first begins with a pooling, where the size changes; all are taps.
    pub fn init(&self, name: &str, device: &Device) -> Backbone {
        let conv = |key: &str, channels, kernel, stride| {
            let conv = Conv2dConfig {
                stride,
                padding: Padding::Fixed(kernel / 2),
                ..Conv2dConfig::new("", channels, kernel)
            };
            basic_conv(key, conv, device)
        };
        let first = vec![conv("conv1", [3, 64], 7, 2)];
        let second = vec![
            pool(3, 2),
            conv("conv2", [64, 64], 1, 1),
            conv("conv3", [64, 192], 3, 1),
        ];
        let mut stages = vec![
            Stage::new("conv1", first, 64, 2).tapped(),
            Stage::new("conv3", second, 192, 4).tapped(),
        ];
        let mut channels = 192;
        let parts = [
            ("inception3", 3, THIRD, 8),
            ("inception4", 3, FOURTH, 16),
            ("inception5", 2, FIFTH, 32),
        ];
        for (name, kernel, modules, reduction) in parts {
            let mut layers = vec![pool(kernel, 2)];
            for (module, widths) in modules {
                let key = format!("inception{module}");
                layers.push(inception(&key, &mut channels, *widths, device));
            }
            stages.push(Stage::new(name, layers, channels, reduction).tapped());
        }
        Backbone::new(name, stages, "fc")
            .passing_over(&["aux1", "aux2"])
            .at_least(SMALLEST)
    }
}

/// Four branches side by side; `channels` goes from those of the input to those of the result.
fn inception(
    key: &str,
    channels: &mut usize,
    [one, reduced, three, reduced_too, three_too, pooled]: [usize; 6],
    device: &Device,
) -> AnyLayer {
    let conv = |name: &str, channels, kernel| {
        let key = format!("{key}.{name}");
        basic_conv(&key, Conv2dConfig::new("", channels, kernel), device)
    };
    let input = *channels;
    *channels = one + three + three_too + pooled;
    AnyLayer::new(Concat::new(vec![
        vec![conv("branch1", [input, one], 1)],
        vec![
            conv("branch2.0", [input, reduced], 1),
            conv("branch2.1", [reduced, three], 3),
        ],
        vec![
            conv("branch3.0", [input, reduced_too], 1),
            conv("branch3.1", [reduced_too, three_too], 3),
        ],
        vec![pool(3, 1), conv("branch4.1", [input, pooled], 1)],
    ]))
}

/// The largest of each window; one of a step of 2 may reach over the border.
fn pool(kernel: usize, stride: usize) -> AnyLayer {
    let (kind, padding) = match stride {
        1 => (PoolKind::Max, kernel / 2),
        _ => (PoolKind::MaxCeil, 0),
    };
    AnyLayer::new(Pool::new(PoolConfig {
        kind,
        kernel,
        stride,
        padding,
    }))
}
