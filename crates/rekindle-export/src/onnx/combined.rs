//! Writing what becomes of the outputs of several networks: their order and scale, their mean, the meta-learner, the temperature. The
//! arithmetic is that of `rekindle_model::ensemble`, in f32.

use rekindle_data::OutputKind;
use rekindle_model::ModelInfo;
use rekindle_model::ensemble::{MeanOf, SoftmaxRegression, Whole, WholeBody};

use super::graph::{GraphBuilder, int, ints};
use super::{OnnxOptions, network_logits};
use crate::ExportError;

/// The least probability that a logarithm is taken of; f32 holds none that is smaller and has all its digits.
const LEAST: f32 = f32::MIN_POSITIVE;

/// Writes a model's outputs, `[batch, outputs]`; names of a member's own values begin with `prefix`.
///
/// # Errors
///
/// As [`to_onnx`](super::to_onnx).
pub(super) fn logits(
    graph: &mut GraphBuilder,
    whole: &Whole,
    options: &OnnxOptions,
    prefix: &str,
) -> Result<String, ExportError> {
    let info = whole.info;
    let kind = info.task.outputs();
    let outputs = match &whole.body {
        WholeBody::Network(network) => {
            graph.set_prefix(prefix);
            network_logits(graph, network, info, options)?
        }
        WholeBody::Mean {
            of,
            weights,
            members,
        } => {
            let used = |place: usize| weights.get(place).is_some_and(|weight| *weight > 0.0);
            let rows = of_members(graph, members, info, options, prefix, &used)?;
            graph.set_prefix(prefix);
            let weighted: Vec<(f64, &str)> = rows
                .iter()
                .map(|(place, name)| (weights[*place], name.as_str()))
                .collect();
            mean(graph, kind, *of, &weighted)
        }
        WholeBody::Stack {
            regression,
            members,
        } => {
            let rows = of_members(graph, members, info, options, prefix, &|_| true)?;
            graph.set_prefix(prefix);
            let rows: Vec<&str> = rows.iter().map(|(_, name)| name.as_str()).collect();
            stack(graph, regression, &rows)?
        }
    };
    let temperature = info.after.temperature();
    if temperature == 1.0 || kind == OutputKind::Numbers {
        return Ok(outputs);
    }
    let factor = graph.scalar((1.0 / temperature) as f32);
    Ok(graph.node("Mul", &[&outputs, &factor], vec![], "temperature"))
}

/// The outputs of the members that are used, with their places, in the order and on the scale of the whole.
fn of_members(
    graph: &mut GraphBuilder,
    members: &[Whole],
    whole: &ModelInfo,
    options: &OnnxOptions,
    prefix: &str,
    used: &dyn Fn(usize) -> bool,
) -> Result<Vec<(usize, String)>, ExportError> {
    let mut rows = Vec::with_capacity(members.len());
    for (place, member) in members.iter().enumerate().filter(|(place, _)| used(*place)) {
        let prefix = format!("{prefix}member.{place}.");
        let own = logits(graph, member, options, &prefix)?;
        graph.set_prefix(&prefix);
        rows.push((place, aligned(graph, own, member, whole)));
    }
    Ok(rows)
}

/// A member's outputs as the whole has them.
fn aligned(graph: &mut GraphBuilder, own: String, member: &Whole, whole: &ModelInfo) -> String {
    let same: Vec<usize> = (0..whole.classes.len()).collect();
    let order = member.order.unwrap_or(&same);
    let mut x = own;
    if order != same {
        let places = graph.places("order.places", order);
        x = graph.node("Gather", &[&x, &places], vec![int("axis", 1)], "order");
    }
    let (Some(from), Some(to)) = (&member.info.number_scale, &whole.number_scale) else {
        return x;
    };
    if from == to && order == same {
        return x;
    }
    // From the deviations that the member was trained in to those of the whole.
    let pairs = order.iter().enumerate().map(|(place, own)| {
        let factor = from.std[*own] / to.std[place];
        let summand = (from.mean[*own] - to.mean[place]) / to.std[place];
        (factor as f32, summand as f32)
    });
    let (factors, summands): (Vec<f32>, Vec<f32>) = pairs.unzip();
    let dims = [1, factors.len()];
    let factors = graph.vector("units.factor", &dims, &factors);
    let summands = graph.vector("units.summand", &dims, &summands);
    let product = graph.node("Mul", &[&x, &factors], vec![], "units");
    graph.node("Add", &[&product, &summands], vec![], "units")
}

/// The weighted mean, as outputs again.
fn mean(graph: &mut GraphBuilder, kind: OutputKind, of: MeanOf, rows: &[(f64, &str)]) -> String {
    match (kind, of) {
        (OutputKind::Numbers, _) | (_, MeanOf::Logits) => sum(graph, rows),
        (OutputKind::Distribution, MeanOf::Probabilities) => {
            let said = each(graph, rows, softmax);
            let mean = sum(graph, &borrowed(&said));
            log(graph, &mean)
        }
        (OutputKind::Indicators, MeanOf::Probabilities) => {
            let sides = [1.0, -1.0].map(|sign| {
                let said = each(graph, rows, |graph, x| {
                    let sign = graph.scalar(sign);
                    let side = graph.node("Mul", &[x, &sign], vec![], "mean");
                    graph.node("Sigmoid", &[&side], vec![], "mean")
                });
                let mean = sum(graph, &borrowed(&said));
                log(graph, &mean)
            });
            let [yes, no] = sides.each_ref().map(String::as_str);
            graph.node("Sub", &[yes, no], vec![], "mean")
        }
    }
}

fn softmax(graph: &mut GraphBuilder, x: &str) -> String {
    graph.node("Softmax", &[x], vec![int("axis", 1)], "said")
}

fn each(
    graph: &mut GraphBuilder,
    rows: &[(f64, &str)],
    mut of: impl FnMut(&mut GraphBuilder, &str) -> String,
) -> Vec<(f64, String)> {
    let rows = rows.iter();
    rows.map(|(weight, x)| (*weight, of(graph, x))).collect()
}

fn borrowed(rows: &[(f64, String)]) -> Vec<(f64, &str)> {
    let rows = rows.iter();
    rows.map(|(weight, x)| (*weight, x.as_str())).collect()
}

/// The weighted sum of rows, of which there is one at least.
fn sum(graph: &mut GraphBuilder, rows: &[(f64, &str)]) -> String {
    let mut sum: Option<String> = None;
    for (weight, x) in rows {
        let weight = graph.scalar(*weight as f32);
        let part = graph.node("Mul", &[x, &weight], vec![], "mean");
        sum = Some(match sum {
            Some(before) => graph.node("Add", &[&before, &part], vec![], "mean"),
            None => part,
        });
    }
    sum.unwrap_or_default()
}

fn log(graph: &mut GraphBuilder, x: &str) -> String {
    let least = graph.scalar(LEAST);
    let above = graph.node("Max", &[x, &least], vec![], "log");
    graph.node("Log", &[&above], vec![], "log")
}

/// The meta-learner on centred log probabilities, which are logits less their mean.
fn stack(
    graph: &mut GraphBuilder,
    regression: &SoftmaxRegression,
    rows: &[&str],
) -> Result<String, ExportError> {
    let mut parts = Vec::with_capacity(rows.len());
    for x in rows {
        let settings = vec![ints("axes", &[1]), int("keepdims", 1)];
        let mean = graph.node("ReduceMean", &[x], settings, "stack");
        parts.push(graph.node("Sub", &[x, &mean], vec![], "stack"));
    }
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let features = match parts[..] {
        [one] => one.to_owned(),
        _ => graph.node("Concat", &parts, vec![int("axis", 1)], "stack.joined"),
    };
    let (classes, count) = (regression.classes, regression.features());
    // `[features, classes]`, as `x weight + bias` wants it.
    let weights: Vec<f32> = (0..count)
        .flat_map(|feature| {
            let each = (0..classes).map(move |class| class * count + feature);
            each.map(|at| regression.weights[at] as f32)
        })
        .collect();
    let bias: Vec<f32> = regression.bias.iter().map(|value| *value as f32).collect();
    let weights = graph.weights("stack.weight", &[count, classes], &weights)?;
    let bias = graph.vector("stack.bias", &[classes], &bias);
    Ok(graph.node("Gemm", &[&features, &weights, &bias], vec![], "stack"))
}
