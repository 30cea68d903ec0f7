//! Networks as ONNX files: written from the network's own description of itself, read back, and run back.
//!
//! `walker.rs` writes the stages, `head.rs` what is behind them, `combined.rs` what becomes of the outputs of several networks, `ends.rs` pixels in front and probabilities behind, `metadata.rs` what
//! the file says of itself; `graph.rs` is what they write with, `proto.rs` the format. `file.rs` reads a file and checks how it is made,
//! `run.rs` computes what it says.

mod combined;
mod ends;
mod file;
mod graph;
mod head;
mod metadata;
mod proto;
mod run;
#[cfg(test)]
mod tests;
mod walker;

use prost::Message;
use rekindle_augment::{Preprocessing, ResizePolicy};
use rekindle_backbone::Precision;
use rekindle_model::ensemble::{Whole, WholeBody};
use rekindle_model::{ModelFile, ModelInfo, Network, Predictor};

pub use self::ends::White;
pub use self::file::{OnnxContents, OnnxFile};
use self::graph::GraphBuilder;
pub(crate) use self::metadata::mean_and_std;
use self::proto::{Dimension, Model, OperatorSet, Shape, TensorType, Type, ValueInfo};
use self::walker::{Map, OnnxWalker};
use crate::ExportError;
use crate::precision::WeightPrecision;

/// The version of ONNX's operators that files are written for; of 2022, and any runtime since reads it.
pub const OPSET: i64 = 17;
/// The version of the file format that belongs to it.
const IR_VERSION: i64 = 8;
/// The name of the graph's input.
pub(crate) const INPUT: &str = "images";

/// How a network is written as ONNX.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OnnxOptions {
    /// Logits as the output, in place of probabilities or numbers in their own units.
    pub logits: bool,
    /// Take pixels and rescale them in the graph; what white is in them. None: the input is rescaled already.
    pub rescale: Option<White>,
    /// In how many bits weights are kept.
    pub precision: WeightPrecision,
}

/// A model as an ONNX file.
///
/// The input is `images`, `[batch, channels, height, width]` in f32 with any number of images, on the scale of the model's preprocessing or as
/// pixels ([`OnnxOptions::rescale`]); the output `[batch, classes]`, called `probabilities`, `numbers` or `logits`. Batch norms behind
/// convolutions are folded into them, and dropout is left out. Computation is in f32, also of a model that was trained with products in
/// bf16. The model's temperature is part of the graph; its threshold, and further views of each image, are not.
///
/// # Errors
///
/// The network has an operation that is not known here, a weight does not fit 16 bits, or the file would be too large.
pub fn to_onnx(model: &ModelFile, options: &OnnxOptions) -> Result<Vec<u8>, ExportError> {
    let network = for_inference(&model.network);
    let whole = Whole {
        info: &model.info,
        order: None,
        body: WholeBody::Network(&network),
    };
    written(&whole, options)
}

/// A model of any kind as an ONNX file, several networks with what becomes of their outputs too: their graphs in one, on one input.
///
/// # Errors
///
/// As [`to_onnx`]; [`ExportError::Views`] where its networks want images of different sizes, or of different scales and rescaling is not part
/// of the graph.
pub fn predictor_to_onnx(
    predictor: &Predictor,
    options: &OnnxOptions,
) -> Result<Vec<u8>, ExportError> {
    check_views(predictor, options)?;
    written(&predictor.whole(), options)
}

/// Whether one input is enough for all networks of a model.
fn check_views(predictor: &Predictor, options: &OnnxOptions) -> Result<(), ExportError> {
    let networks = predictor.networks();
    let mut inputs = networks.iter().map(|(info, _)| &info.preprocessing);
    let Some(first) = inputs.next() else {
        return Ok(());
    };
    for other in inputs {
        let same_pixels = Preprocessing {
            rescale: first.rescale,
            bands: match other.channels() == first.channels() {
                true => first.bands.clone(),
                false => other.bands.clone(),
            },
            // The colour of borders alone.
            fill: match first.policy {
                ResizePolicy::Pad => other.fill,
                _ => first.fill,
            },
            ..other.clone()
        };
        if same_pixels != *first {
            return Err(ExportError::Views {
                reason: match first.input_size == other.input_size {
                    true => "they resize or crop images differently (`rekindle inspect` of each tells); export them one by one, or train \
                             them with the same `input`"
                        .into(),
                    false => format!(
                        "one takes images of {:?} and another of {:?}; export them one by one",
                        first.input_size, other.input_size
                    ),
                },
            });
        }
        let differs = other.rescale != first.rescale || other.bands != first.bands;
        if options.rescale.is_none() && differs {
            return Err(ExportError::Views {
                reason: "they rescale images differently; put that into the graph with `--include-rescale`".into(),
            });
        }
    }
    Ok(())
}

fn written(whole: &Whole, options: &OnnxOptions) -> Result<Vec<u8>, ExportError> {
    let info = whole.info;
    let kind = info.task.outputs();
    let output = ends::output_name(kind, options.logits);
    let mut graph = GraphBuilder::new(options.precision, &[INPUT, output]);
    let logits = combined::logits(&mut graph, whole, options, "")?;
    match options.logits {
        true => graph.output("Identity", &[&logits], vec![], output),
        false => ends::said(
            &mut graph,
            kind,
            info.number_scale.as_ref(),
            &logits,
            output,
        ),
    }
    let (node, initializer) = graph.finish();
    let [height, width] = info.preprocessing.input_size;
    let sizes = [info.preprocessing.channels(), height, width].map(Some);
    let file = Model {
        ir_version: Some(IR_VERSION),
        producer_name: Some("rekindle".into()),
        producer_version: Some(env!("CARGO_PKG_VERSION").into()),
        doc_string: Some(metadata::words(info, options)),
        graph: Some(proto::Graph {
            node,
            name: Some(info.architecture.clone()),
            initializer,
            input: vec![value(INPUT, &sizes, metadata::input_words(info, options))],
            output: vec![value(
                output,
                &[Some(info.classes.len())],
                metadata::output_words(info, options),
            )],
        }),
        opset_import: vec![OperatorSet {
            domain: Some(String::new()),
            version: Some(OPSET),
        }],
        metadata_props: metadata::entries(info, options),
    };
    let bytes = file.encoded_len();
    if bytes > i32::MAX as usize {
        return Err(ExportError::TooLarge { bytes });
    }
    Ok(file.encode_to_vec())
}

/// Writes a network from the graph's input to its logits; their name.
fn network_logits(
    graph: &mut GraphBuilder,
    network: &Network,
    info: &ModelInfo,
    options: &OnnxOptions,
) -> Result<String, ExportError> {
    let network = for_inference(network);
    let [height, width] = info.preprocessing.input_size;
    let mut x = Map {
        name: INPUT.to_owned(),
        shape: [info.preprocessing.channels(), height, width],
    };
    if let Some(white) = options.rescale {
        let input = &info.preprocessing;
        x.name = ends::rescaling(graph, input, white, height * width, INPUT);
    }
    let joint = network.joint();
    let mut taps = Vec::new();
    let stages = network.backbone.as_ref().map(|backbone| backbone.stages());
    let mut walker = OnnxWalker::new(graph);
    for (index, stage) in stages.unwrap_or_default().iter().enumerate() {
        x = walker.stage(stage, x, &info.architecture)?;
        if joint.taps.contains(&index) {
            taps.push(x.name.clone());
        }
    }
    head::head(
        graph,
        &network.head,
        joint,
        info.head.activation,
        &x.name,
        &taps,
    )
}

/// The network as an ONNX file has it: in f32, norms folded.
pub(crate) fn for_inference(network: &Network) -> Network {
    let backbone = network.backbone.clone();
    let backbone = backbone.map(|backbone| backbone.with_precision(Precision::F32));
    let joint = network.joint().clone();
    Network::new(backbone, network.head.clone(), joint).for_inference()
}

/// An input or output of any number of images, with these dimensions behind it.
fn value(name: &str, sizes: &[Option<usize>], words: String) -> ValueInfo {
    let batch = Dimension {
        dim_param: Some("batch".into()),
        ..Dimension::default()
    };
    let each = |size: &Option<usize>| Dimension {
        dim_value: size.map(|size| size as i64),
        ..Dimension::default()
    };
    let dim = std::iter::once(batch).chain(sizes.iter().map(each));
    ValueInfo {
        name: Some(name.to_owned()),
        r#type: Some(Type {
            tensor_type: Some(TensorType {
                elem_type: Some(proto::F32),
                shape: Some(Shape { dim: dim.collect() }),
            }),
        }),
        doc_string: Some(words),
    }
}
