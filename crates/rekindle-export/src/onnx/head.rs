//! Writing what stands behind the stages: pooled taps, their scale, and the head, down to logits. Dropout does nothing in inference and
//! is left out.

use burn::nn::{BatchNorm, Linear};
use rekindle_backbone::layers::Activation;
use rekindle_head::ordinal::{goes_matrix, stops_matrix};
use rekindle_head::pool::{GEM_FLOOR, Pool};
use rekindle_head::{Head, HiddenActivation, Pooling};
use rekindle_model::Joint;

use super::graph::{GraphBuilder, int, ints};
use super::walker::{activation, host};
use crate::ExportError;

/// The least root mean square that a part of the head's input is divided by, as in training.
const LEAST_RMS: f32 = 1e-6;

/// Writes what the head makes of the last map and of those of the tapped stages, by their names, into `[batch, outputs]`.
///
/// # Errors
///
/// A weight does not fit its type.
pub(super) fn head(
    graph: &mut GraphBuilder,
    head: &Head,
    joint: &Joint,
    function: HiddenActivation,
    last: &str,
    taps: &[String],
) -> Result<String, ExportError> {
    let pooled = pool(graph, &head.pool, last);
    let mut parts = vec![scaled(graph, joint, pooled, "head.pool")];
    for (number, tap) in taps.iter().enumerate() {
        let name = format!("head.tap{number}");
        let mean = graph.node("GlobalAveragePool", &[tap], vec![], &name);
        let mean = flat(graph, &mean, &name);
        parts.push(scaled(graph, joint, mean, &name));
    }
    let mut x = parts[0].clone();
    if parts.len() > 1 {
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        x = graph.node("Concat", &parts, vec![int("axis", 1)], "head.joined");
    }
    if let Some(norm) = &head.input_norm {
        x = batch_norm(graph, norm, &x, "head.input_norm");
    }
    for (number, layer) in head.hidden.iter().enumerate() {
        let name = format!("head.hidden.{number}");
        x = linear(graph, &layer.linear, &x, &format!("{name}.linear"))?;
        if let Some(norm) = &layer.norm {
            x = batch_norm(graph, norm, &x, &format!("{name}.norm"));
        }
        x = match function {
            HiddenActivation::Relu => activation(graph, x, Activation::Relu, &name),
            HiddenActivation::Silu => activation(graph, x, Activation::Silu, &name),
            HiddenActivation::Gelu => activation(graph, x, Activation::Gelu, &name),
            HiddenActivation::HardSwish => activation(graph, x, Activation::HardSwish, &name),
            HiddenActivation::Tanh => graph.node("Tanh", &[&x], vec![], &format!("{name}.tanh")),
        };
    }
    let outputs = linear(graph, &head.output, &x, "head.output")?;
    Ok(match head.ordinal {
        true => levels(graph, &outputs, head.outputs()),
        false => outputs,
    })
}

/// The logarithms of the probabilities of all levels, of a logit for each step between two.
fn levels(graph: &mut GraphBuilder, logits: &str, levels: usize) -> String {
    let (name, steps) = ("head.levels", levels - 1);
    let none = graph.vector("head.levels.none", &[levels], &vec![0.0; levels]);
    // log(sigmoid(z)) = -softplus(-z), and log(1 - sigmoid(z)) = -softplus(z).
    let opposite = graph.node("Neg", &[logits], vec![], name);
    let parts = [
        ("goes", opposite.as_str(), goes_matrix(steps)),
        ("stops", logits, stops_matrix(steps)),
    ];
    let [goes, stops] = parts.map(|(which, logits, matrix)| {
        let name = format!("{name}.{which}");
        let matrix = graph.vector(&name, &[steps, levels], &matrix);
        let soft = graph.node("Softplus", &[logits], vec![], &name);
        let logarithm = graph.node("Neg", &[&soft], vec![], &name);
        graph.node("Gemm", &[&logarithm, &matrix, &none], vec![], &name)
    });
    graph.node("Add", &[&goes, &stops], vec![], name)
}

/// Pools a map to `[batch, features]`.
fn pool(graph: &mut GraphBuilder, pool: &Pool, x: &str) -> String {
    let name = "head.pool";
    let mut global = |operation: &str, x: &str| {
        let map = graph.node(operation, &[x], vec![], name);
        flat(graph, &map, name)
    };
    match (pool.kind(), &pool.exponent) {
        (Pooling::Max, _) => global("GlobalMaxPool", x),
        (Pooling::AverageMax, _) => {
            let parts = [global("GlobalAveragePool", x), global("GlobalMaxPool", x)];
            let parts = parts.each_ref().map(String::as_str);
            graph.node("Concat", &parts, vec![int("axis", 1)], name)
        }
        (Pooling::Gem, Some(exponent)) => {
            let exponent = host(exponent.val()).first().copied().unwrap_or(1.0);
            let [floor, power, root] =
                [GEM_FLOOR as f32, exponent, 1.0 / exponent].map(|number| graph.scalar(number));
            let above = graph.node("Clip", &[x, &floor], vec![], name);
            let powers = graph.node("Pow", &[&above, &power], vec![], name);
            let mean = graph.node("GlobalAveragePool", &[&powers], vec![], name);
            let mean = flat(graph, &mean, name);
            graph.node("Pow", &[&mean, &root], vec![], name)
        }
        (Pooling::Average | Pooling::Gem, _) => global("GlobalAveragePool", x),
    }
}

/// `[batch, features, 1, 1]` to `[batch, features]`.
fn flat(graph: &mut GraphBuilder, x: &str, name: &str) -> String {
    graph.node("Flatten", &[x], vec![int("axis", 1)], name)
}

/// A part of the head's input on its scale.
fn scaled(graph: &mut GraphBuilder, joint: &Joint, x: String, name: &str) -> String {
    if !joint.unit_rms {
        return x;
    }
    let name = format!("{name}.scaled");
    let least = graph.scalar(LEAST_RMS);
    let mut step =
        |operation: &str, inputs: &[&str], settings| graph.node(operation, inputs, settings, &name);
    let squares = step("Mul", &[&x, &x], vec![]);
    let settings = vec![ints("axes", &[1]), int("keepdims", 1)];
    let mean = step("ReduceMean", &[&squares], settings);
    let root = step("Sqrt", &[&mean], vec![]);
    let rms = step("Max", &[&root, &least], vec![]);
    step("Div", &[&x, &rms], vec![])
}

/// The norm with its running statistics, as a factor and a summand for each feature.
fn batch_norm(graph: &mut GraphBuilder, norm: &BatchNorm, x: &str, name: &str) -> String {
    let [gamma, beta] = [&norm.gamma, &norm.beta].map(|values| host(values.val()));
    let mean = host(norm.running_mean.value_sync());
    let variance = host(norm.running_var.value_sync());
    let factors: Vec<f32> = gamma
        .iter()
        .zip(&variance)
        .map(|(gamma, variance)| {
            (f64::from(*gamma) / (f64::from(*variance) + norm.epsilon).sqrt()) as f32
        })
        .collect();
    let summands: Vec<f32> = factors
        .iter()
        .zip(beta.iter().zip(&mean))
        .map(|(factor, (beta, mean))| beta - mean * factor)
        .collect();
    let dims = [1, factors.len()];
    let factors = graph.vector(&format!("{name}.factor"), &dims, &factors);
    let summands = graph.vector(&format!("{name}.summand"), &dims, &summands);
    let product = graph.node("Mul", &[x, &factors], vec![], name);
    graph.node("Add", &[&product, &summands], vec![], name)
}

/// `x weight + bias`.
fn linear(
    graph: &mut GraphBuilder,
    linear: &Linear,
    x: &str,
    name: &str,
) -> Result<String, ExportError> {
    let dims = linear.weight.dims();
    let values = host(linear.weight.val());
    let weight = graph.weights(&format!("{name}.weight"), &dims, &values)?;
    let bias = linear.bias.as_ref();
    let bias = bias.map(|bias| host(bias.val()));
    let bias = bias.unwrap_or_else(|| vec![0.0; dims[1]]);
    let bias = graph.vector(&format!("{name}.bias"), &[dims[1]], &bias);
    Ok(graph.node("Gemm", &[x, &weight, &bias], vec![], name))
}
