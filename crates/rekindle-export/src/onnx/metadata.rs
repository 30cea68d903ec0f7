//! What an ONNX file says of itself: which classes its outputs are and what its input must have been through. All of it is text, since
//! `metadata_props` holds nothing else; lists and tables are JSON.

use rekindle_augment::{Preprocessing, Rescale, ResizePolicy};
use rekindle_data::OutputKind;
use rekindle_model::ModelInfo;

use super::proto::Entry;
use super::{OPSET, OnnxOptions};

/// The lines of metadata.
pub(super) fn entries(info: &ModelInfo, options: &OnnxOptions) -> Vec<Entry> {
    let input = &info.preprocessing;
    let rescaling = match options.rescale {
        Some(_) => "in the graph",
        None => "before the graph",
    };
    let mut entries = vec![
        ("rekindle", env!("CARGO_PKG_VERSION").to_owned()),
        ("opset", OPSET.to_string()),
        ("architecture", info.architecture.clone()),
        ("backbone", info.backbone.clone()),
        ("task", info.task.name().to_owned()),
        ("classes", text(&info.classes)),
        ("output", output_name(info, options).to_owned()),
        ("input_size", text(&input.input_size)),
        ("crop_ratio", input.crop_ratio.to_string()),
        ("resize_policy", name(&input.policy)),
        ("interpolation", name(&input.interpolation)),
        ("rescaling", rescaling.to_owned()),
        ("input_range", range(options)),
        // The whole of it, as the model file has it.
        ("preprocessing", text(input)),
    ];
    if let Some((mean, std)) = mean_and_std(input) {
        entries.push(("mean", text(&mean)));
        entries.push(("std", text(&std)));
    }
    entries
        .into_iter()
        .map(|(key, value)| Entry {
            key: Some(key.to_owned()),
            value: Some(value),
        })
        .collect()
}

/// As JSON; numbers in f32's own digits, which a `serde_json::Value` does not keep.
fn text<T: serde::Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// A word as recipes have it.
fn name<T: serde::Serialize>(value: &T) -> String {
    text(value).replace('"', "")
}

/// `(x - mean) / std` of pixels from 0 to 1, where the scale is of that form.
pub(crate) fn mean_and_std(input: &Preprocessing) -> Option<(Vec<f32>, Vec<f32>)> {
    if let Some(bands) = &input.bands {
        return Some((bands.mean.clone(), bands.std.clone()));
    }
    let (mean, std) = match input.rescale {
        Rescale::Unit => ([0.0; 3], [1.0; 3]),
        Rescale::Symmetric => ([0.5; 3], [0.5; 3]),
        Rescale::Standardise { mean, std } => (mean, std),
        Rescale::Centre { mean } => (mean, [1.0; 3]),
        Rescale::None => ([0.0; 3], [1.0 / 255.0; 3]),
        Rescale::PerImage { .. } | Rescale::Whiten { .. } => return None,
    };
    Some((mean.to_vec(), std.to_vec()))
}

fn output_name(info: &ModelInfo, options: &OnnxOptions) -> &'static str {
    super::ends::output_name(info.task.outputs(), options.logits)
}

fn range(options: &OnnxOptions) -> String {
    match options.rescale {
        Some(white) => format!("pixels from 0 to {}", white.value()),
        None => "rescaled".into(),
    }
}

/// What the file is, for people.
pub(super) fn words(info: &ModelInfo, options: &OnnxOptions) -> String {
    format!(
        "{} with {} outputs, trained with rekindle. Input: {} Output: {}",
        info.architecture,
        info.classes.len(),
        input_words(info, options),
        output_words(info, options)
    )
}

/// What an image has to go through before it is the input.
pub(super) fn input_words(info: &ModelInfo, options: &OnnxOptions) -> String {
    let input = &info.preprocessing;
    let [height, width] = input.input_size;
    let scale = match options.rescale {
        Some(white) => format!("pixels from 0 to {} as they are", white.value()),
        None => rescale_words(input),
    };
    let (images, order) = match input.channels() {
        3 => ("RGB images".to_owned(), "red first"),
        1 => ("grey images (ITU-R BT.601)".to_owned(), "which is one"),
        bands => (format!("images of {bands} bands"), "as the files have them"),
    };
    format!(
        "{images}, upright, {}; channels first, {order}; {scale}.",
        resize_words(input, height, width)
    )
}

fn resize_words(input: &Preprocessing, height: usize, width: usize) -> String {
    let enlarged = |side: usize| (side as f32 / input.crop_ratio).round();
    let filter = name(&input.interpolation);
    let size = format!("{}x{}", enlarged(height), enlarged(width));
    let how = match input.policy {
        ResizePolicy::Crop => format!("resized ({filter}) so that they just cover {size}"),
        ResizePolicy::Squash => format!("resized ({filter}) to {size}"),
        ResizePolicy::Pad => {
            format!("resized ({filter}) so that they just fit {size}, and filled up")
        }
    };
    format!("{how}; the {height}x{width} in the middle (height x width)")
}

fn rescale_words(input: &Preprocessing) -> String {
    match (mean_and_std(input), &input.rescale) {
        (Some((mean, std)), _) => {
            format!("(pixel / 255 - mean) / std with mean {mean:?} and std {std:?}")
        }
        (None, Rescale::PerImage { per_channel: true }) => {
            "each channel by the image's own mean and standard deviation".into()
        }
        (None, Rescale::PerImage { .. }) => "by the image's own mean and standard deviation".into(),
        (None, _) => "colours whitened, with the matrix in the metadata `preprocessing`".into(),
    }
}

/// What the output is.
pub(super) fn output_words(info: &ModelInfo, options: &OnnxOptions) -> String {
    let each = match (options.logits, info.task.outputs()) {
        (true, _) => "logits",
        (false, OutputKind::Distribution) => "probabilities that sum to 1",
        (false, OutputKind::Indicators) => "a probability of each label by itself",
        (false, OutputKind::Numbers) => "numbers in their own units",
    };
    format!("{each}, in the order of the metadata `classes`.")
}
