//! Writing both ends of a graph: rescaling of pixels in front of the network, and what its logits say behind it.

use rekindle_augment::{Bands, Preprocessing, Rescale};
use rekindle_data::{NumberScale, OutputKind};

use super::graph::{GraphBuilder, int, ints, sizes};

/// Which number a white pixel of an image is, where rescaling is part of the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum White {
    /// 255: bytes as they are.
    Byte,
    /// 1: bytes divided by 255.
    One,
}

impl White {
    /// The number.
    pub fn value(self) -> f32 {
        match self {
            Self::Byte => 255.0,
            Self::One => 1.0,
        }
    }
}

/// Writes the rescaling of pixels of this white, for images of so many pixels; the name of its result.
pub(super) fn rescaling(
    graph: &mut GraphBuilder,
    input: &Preprocessing,
    white: White,
    pixels: usize,
    x: &str,
) -> String {
    if let Some(Bands { mean, std, .. }) = &input.bands {
        let factor: Vec<f64> = std.iter().map(|std| 1.0 / f64::from(*std)).collect();
        let both = mean.iter().zip(&factor);
        let summand: Vec<f64> = both
            .map(|(mean, factor)| -f64::from(*mean) * factor)
            .collect();
        return linear(graph, x, white, &factor, &summand);
    }
    match input.rescale {
        // As numbers from 0 to 1, `factor * x + summand`.
        Rescale::Unit => linear(graph, x, white, &[1.0; 3], &[0.0; 3]),
        Rescale::Symmetric => linear(graph, x, white, &[2.0; 3], &[-1.0; 3]),
        Rescale::Standardise { mean, std } => {
            let factor = std.map(|std| 1.0 / f64::from(std));
            let summand: [f64; 3] =
                std::array::from_fn(|channel| -f64::from(mean[channel]) * factor[channel]);
            linear(graph, x, white, &factor, &summand)
        }
        Rescale::Centre { mean } => {
            let summand = mean.map(|mean| -f64::from(mean));
            linear(graph, x, white, &[1.0; 3], &summand)
        }
        Rescale::None => linear(graph, x, white, &[255.0; 3], &[0.0; 3]),
        Rescale::Whiten { mean, matrix } => {
            let weights: Vec<f32> = matrix
                .iter()
                .flatten()
                .map(|entry| entry / white.value())
                .collect();
            let bias = matrix.map(|row| -row.iter().zip(mean).map(|(a, b)| a * b).sum::<f32>());
            let weights = graph.vector("rescale.weight", &[3, 3, 1, 1], &weights);
            let bias = graph.vector("rescale.bias", &[3], &bias);
            let settings = vec![sizes("kernel_shape", &[1, 1])];
            graph.node("Conv", &[x, &weights, &bias], settings, "rescale")
        }
        Rescale::PerImage { per_channel } => per_image(graph, white, per_channel, pixels, x),
    }
}

/// `factor * x + summand` for each channel of a pixel from 0 to 1.
fn linear(
    graph: &mut GraphBuilder,
    x: &str,
    white: White,
    factor: &[f64],
    summand: &[f64],
) -> String {
    let dims = [1, factor.len(), 1, 1];
    let factor: Vec<f32> = factor
        .iter()
        .map(|factor| (factor / f64::from(white.value())) as f32)
        .collect();
    let mut out = x.to_owned();
    if factor.iter().any(|factor| *factor != 1.0) {
        let factor = graph.vector("rescale.factor", &dims, &factor);
        out = graph.node("Mul", &[&out, &factor], vec![], "rescale");
    }
    let summand: Vec<f32> = summand.iter().map(|summand| *summand as f32).collect();
    if summand.iter().any(|summand| *summand != 0.0) {
        let summand = graph.vector("rescale.summand", &dims, &summand);
        out = graph.node("Add", &[&out, &summand], vec![], "rescale");
    }
    out
}

/// By each image's own mean and standard deviation of bytes; see [`Rescale::PerImage`].
fn per_image(
    graph: &mut GraphBuilder,
    white: White,
    per_channel: bool,
    pixels: usize,
    x: &str,
) -> String {
    let x = linear(graph, x, white, &[255.0; 3], &[0.0; 3]);
    let (axes, count): (&[i64], usize) = match per_channel {
        true => (&[2, 3], pixels),
        false => (&[1, 2, 3], 3 * pixels),
    };
    let least = graph.scalar(1.0 / (count.max(1) as f32).sqrt());
    let over = || vec![ints("axes", axes), int("keepdims", 1)];
    let mut step = |operation: &str, inputs: &[&str], settings| {
        graph.node(operation, inputs, settings, "rescale")
    };
    let mean = step("ReduceMean", &[&x], over());
    let centred = step("Sub", &[&x, &mean], vec![]);
    let squares = step("Mul", &[&centred, &centred], vec![]);
    let variance = step("ReduceMean", &[&squares], over());
    let root = step("Sqrt", &[&variance], vec![]);
    let std = step("Max", &[&root, &least], vec![]);
    step("Div", &[&centred, &std], vec![])
}

/// What a graph's output is called.
pub(super) fn output_name(kind: OutputKind, logits: bool) -> &'static str {
    match (kind, logits) {
        (_, true) => "logits",
        (OutputKind::Distribution | OutputKind::Indicators, _) => "probabilities",
        (OutputKind::Numbers, _) => "numbers",
    }
}

/// Writes what logits say as the graph's output: probabilities of classes or of each label, or numbers in their own units.
pub(super) fn said(
    graph: &mut GraphBuilder,
    kind: OutputKind,
    scale: Option<&NumberScale>,
    logits: &str,
    output: &str,
) {
    match (kind, scale) {
        (OutputKind::Distribution, _) => {
            graph.output("Softmax", &[logits], vec![int("axis", 1)], output);
        }
        (OutputKind::Indicators, _) => graph.output("Sigmoid", &[logits], vec![], output),
        (OutputKind::Numbers, Some(scale)) => {
            let dims = [1, scale.std.len()];
            let each =
                |values: &[f64]| values.iter().map(|value| *value as f32).collect::<Vec<_>>();
            let std = graph.vector("units.std", &dims, &each(&scale.std));
            let mean = graph.vector("units.mean", &dims, &each(&scale.mean));
            let product = graph.node("Mul", &[logits, &std], vec![], "units");
            graph.output("Add", &[&product, &mean], vec![], output);
        }
        (OutputKind::Numbers, None) => graph.output("Identity", &[logits], vec![], output),
    }
}
