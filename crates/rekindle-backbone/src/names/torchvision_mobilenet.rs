//! torchvision's names of MobileNetV3 (`mobilenet_v3_large`, `mobilenet_v3_small`), which number what timm names.
//!
//! Read in torchvision 0.29's `models/mobilenetv3.py`. Its batch norms have an epsilon of 1e-3, those of timm's networks with PyTorch's
//! padding one of 1e-5. Its first linear layer is the convolution that timm has behind the pooling.

use super::{Rename, Table};

/// Expansion, depthwise convolution, squeeze-and-excitation, projection.
const SQUEEZED: Option<&str> = Some("features.{block+1}.block.3.0.weight");
/// Depthwise convolution, squeeze-and-excitation, projection.
const SQUEEZED_PLAIN: Option<&str> = Some("features.{block+1}.block.1.fc1.weight");
/// Expansion, depthwise convolution, projection.
const EXPANDED: Option<&str> = Some("features.{block+1}.block.2.0.weight");

pub(super) const TABLE: Table = Table {
    whose: "torchvision",
    renames: &[
        Rename("features.0.0", "conv_stem", None),
        Rename("features.0.1", "bn1", None),
        Rename(
            "features.{block+1}.block.0.0",
            "blocks.{block}.conv_pw",
            SQUEEZED,
        ),
        Rename(
            "features.{block+1}.block.0.1",
            "blocks.{block}.bn1",
            SQUEEZED,
        ),
        Rename(
            "features.{block+1}.block.1.0",
            "blocks.{block}.conv_dw",
            SQUEEZED,
        ),
        Rename(
            "features.{block+1}.block.1.1",
            "blocks.{block}.bn2",
            SQUEEZED,
        ),
        Rename(
            "features.{block+1}.block.2.fc1",
            "blocks.{block}.se.conv_reduce",
            SQUEEZED,
        ),
        Rename(
            "features.{block+1}.block.2.fc2",
            "blocks.{block}.se.conv_expand",
            SQUEEZED,
        ),
        Rename(
            "features.{block+1}.block.3.0",
            "blocks.{block}.conv_pwl",
            SQUEEZED,
        ),
        Rename(
            "features.{block+1}.block.3.1",
            "blocks.{block}.bn3",
            SQUEEZED,
        ),
        Rename(
            "features.{block+1}.block.0.0",
            "blocks.{block}.conv_dw",
            SQUEEZED_PLAIN,
        ),
        Rename(
            "features.{block+1}.block.0.1",
            "blocks.{block}.bn1",
            SQUEEZED_PLAIN,
        ),
        Rename(
            "features.{block+1}.block.1.fc1",
            "blocks.{block}.se.conv_reduce",
            SQUEEZED_PLAIN,
        ),
        Rename(
            "features.{block+1}.block.1.fc2",
            "blocks.{block}.se.conv_expand",
            SQUEEZED_PLAIN,
        ),
        Rename(
            "features.{block+1}.block.2.0",
            "blocks.{block}.conv_pw",
            SQUEEZED_PLAIN,
        ),
        Rename(
            "features.{block+1}.block.2.1",
            "blocks.{block}.bn2",
            SQUEEZED_PLAIN,
        ),
        Rename(
            "features.{block+1}.block.0.0",
            "blocks.{block}.conv_pw",
            EXPANDED,
        ),
        Rename(
            "features.{block+1}.block.0.1",
            "blocks.{block}.bn1",
            EXPANDED,
        ),
        Rename(
            "features.{block+1}.block.1.0",
            "blocks.{block}.conv_dw",
            EXPANDED,
        ),
        Rename(
            "features.{block+1}.block.1.1",
            "blocks.{block}.bn2",
            EXPANDED,
        ),
        Rename(
            "features.{block+1}.block.2.0",
            "blocks.{block}.conv_pwl",
            EXPANDED,
        ),
        Rename(
            "features.{block+1}.block.2.1",
            "blocks.{block}.bn3",
            EXPANDED,
        ),
        Rename(
            "features.{block+1}.block.0.0",
            "blocks.{block}.conv_dw",
            None,
        ),
        Rename("features.{block+1}.block.0.1", "blocks.{block}.bn1", None),
        Rename(
            "features.{block+1}.block.1.0",
            "blocks.{block}.conv_pw",
            None,
        ),
        Rename("features.{block+1}.block.1.1", "blocks.{block}.bn2", None),
        Rename("features.{block+1}.0", "blocks.{block}.conv", None),
        Rename("features.{block+1}.1", "blocks.{block}.bn1", None),
        Rename("classifier.0", "conv_head", None),
        Rename("classifier.3", "classifier", None),
    ],
    epsilon: Some(1e-3),
};
