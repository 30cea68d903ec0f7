//! How much of a network's drop path rate each of its residual blocks gets, as timm has it: more from block to block.

use crate::Stage;
use crate::layers::Part;

/// From 0 in the first block to all of it in the last: the blocks are the residual ones (ResNet, RegNet, ConvNeXt).
pub(super) fn to_the_last(stages: Vec<Stage>) -> Vec<Stage> {
    let blocks = count(&stages);
    // Of a network with one block timm divides by 0.
    let last = blocks.saturating_sub(1).max(1) as f64;
    placed(stages, |number, _| number as f64 / last)
}

/// As `block / blocks`, so that the last has not all of it: the blocks are those that keys tell apart, `blocks.2.0`, also those
/// without a shortcut (EfficientNet and the networks of its kind).
pub(super) fn by_key(stages: Vec<Stage>) -> Vec<Stage> {
    let mut blocks = Vec::new();
    let stages = each_part(stages, &mut |part| {
        if let Some(block) = block_of(part) {
            blocks.push(block);
        }
    });
    blocks.dedup();
    let all = blocks.len() as f64;
    placed(stages, |_, key| {
        let block = blocks.iter().position(|block| block == key);
        block.unwrap_or(0) as f64 / all
    })
}

/// The stages with the share of each residual block, from its number and the key of its last convolution's block.
fn placed(stages: Vec<Stage>, share: impl Fn(u64, &str) -> f64) -> Vec<Stage> {
    let (mut number, mut key) = (0, String::new());
    each_part(stages, &mut |part| {
        if let Some(block) = block_of(part) {
            key = block;
        }
        if let Part::DropPath(drop_path) = part {
            drop_path.place(number, share(number, &key));
            number += 1;
        }
    })
}

fn count(stages: &[Stage]) -> usize {
    let mut count = 0;
    each_part(stages.to_vec(), &mut |part| {
        count += usize::from(matches!(part, Part::DropPath(_)));
    });
    count
}

fn each_part(stages: Vec<Stage>, each: &mut dyn FnMut(&mut Part<'_>)) -> Vec<Stage> {
    let stages = stages.into_iter();
    let stages = stages.map(|stage| stage.with_parts(|mut part| each(&mut part)));
    stages.collect()
}

/// `blocks.2.0` of a convolution `blocks.2.0.conv_pw`; none of one that is in no block.
fn block_of(part: &Part<'_>) -> Option<String> {
    let (Part::ConvNorm(conv, _) | Part::ScaledConv(conv, ..) | Part::Conv(conv)) = part else {
        return None;
    };
    let parts: Vec<&str> = conv.key().splitn(4, '.').collect();
    match parts[..] {
        ["blocks", stage, block, _] => Some(format!("blocks.{stage}.{block}")),
        _ => None,
    }
}
