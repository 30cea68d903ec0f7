//! What the result says of each validation image: predictions.csv, and the figures that need all of it.
//!
//! Owns the columns, and where the outputs come from: they are kept from the epoch that became the result, or computed anew with the model
//! where another process measured that epoch.

use std::path::Path;

use rekindle_data::{Target, TargetKind, TaskReport};
use rekindle_model::Predictor;

use crate::phase::RunState;
use crate::{FinetuneError, Plan};

/// Most outputs of validation images that are kept in memory, 1 GiB: those of a million images with 268 classes.
const MOST_KEPT: usize = 1 << 28;
/// Most classes or labels of which each has a column.
const MOST_COLUMNS: usize = 20;
/// Of more, the likeliest so many are told.
const LIKELIEST: usize = 5;
/// Images that go through the network together.
const BATCH: usize = 64;

/// Whether memory is to hold the outputs of all validation images.
pub(crate) fn can_be_kept(plan: &Plan) -> bool {
    plan.split.validation.len() * plan.facts.classes.len() <= MOST_KEPT
}

/// What the result's head says of the validation images, row by row in the split's order; none where that is too much to keep.
///
/// # Errors
///
/// They have to be computed anew, and an image cannot be read or an output is not finite.
pub(super) fn outputs(
    plan: &Plan,
    model: &Path,
    state: &RunState,
) -> Result<Option<Vec<f32>>, FinetuneError> {
    if !can_be_kept(plan) {
        return Ok(None);
    }
    if let Some(outputs) = &state.best_outputs {
        return Ok(Some(outputs.clone()));
    }
    let predictor = Predictor::load(model, &plan.device)?;
    let mut all = Vec::new();
    let samples = &plan.split.validation;
    predictor.run(&plan.dataset, samples, BATCH, |_, outputs| {
        all.extend(outputs);
        Ok(())
    })?;
    Ok(Some(all))
}

/// The figures of the result with what only all outputs together tell.
///
/// # Errors
///
/// An output is not finite.
pub(super) fn scored(
    plan: &Plan,
    outputs: &[f32],
    measured: &TaskReport,
) -> Result<TaskReport, FinetuneError> {
    let mut meter = plan.outputs().meter().with_scores();
    let targets: Vec<&Target> = targets(plan).collect();
    meter.add(outputs, &targets)?;
    Ok(measured.clone().with_scores_of(meter.report()?))
}

/// The table. Every task has the path, relative as in split.json, what is true, what is predicted, and the loss of the image: the greatest
/// are the most wrong. Classes have the probability of the predicted and of the true one; classes and labels have a column each for their
/// probabilities, or where there are more than 20 the likeliest five.
pub(super) fn csv(plan: &Plan, outputs: &[f32]) -> Vec<u8> {
    let task = plan.facts.task;
    let names = &plan.facts.classes;
    let predictions = plan.outputs().predictions(outputs);
    let rows = plan.outputs().rows(targets(plan));
    let width = names.len();
    let mut table = csv::Writer::from_writer(Vec::new());
    let mut write = |line: Vec<String>| {
        // Memory takes everything.
        let _ = table.write_record(line);
    };
    write(header(plan));
    let folder = plan.dataset.folder();
    let of_images = plan.split.validation.iter().zip(predictions);
    for (place, (&sample, said)) in of_images.enumerate() {
        let sample = &folder.samples[sample];
        let range = place * width..(place + 1) * width;
        let loss = loss(task.targets(), &outputs[range.clone()], &rows[range]);
        let mut line = vec![sample.key()];
        match task.targets() {
            TargetKind::Numbers => {
                for (number, said) in sample.target.numbers().iter().zip(&said) {
                    line.extend([number.to_string(), said.to_string()]);
                }
                line.push(decimal(loss));
            }
            TargetKind::Class => {
                let best = likeliest(&said);
                let of_true = sample.target.class().map_or(0.0, |class| said[class]);
                line.push(sample.target.words(names));
                line.push(names[best[0]].clone());
                line.extend([loss, said[best[0]].into(), of_true.into()].map(decimal));
                probabilities(&mut line, names, &said, &best, 1);
            }
            TargetKind::Labels => {
                let present = names.iter().zip(&said).filter(|(_, share)| **share >= 0.5);
                let present: Vec<&str> = present.map(|(name, _)| name.as_str()).collect();
                let wanted = sample.target.names().map(|label| names[label].as_str());
                line.push(wanted.collect::<Vec<_>>().join("|"));
                line.push(present.join("|"));
                line.push(decimal(loss));
                probabilities(&mut line, names, &said, &likeliest(&said), 0);
            }
        }
        write(line);
    }
    table.into_inner().unwrap_or_default()
}

fn header(plan: &Plan) -> Vec<String> {
    let names = &plan.facts.classes;
    let mut columns = vec!["path".to_owned()];
    let first = match plan.facts.task.targets() {
        TargetKind::Numbers => {
            for name in names {
                columns.extend([format!("true:{name}"), format!("predicted:{name}")]);
            }
            columns.push("loss".into());
            return columns;
        }
        TargetKind::Class => {
            columns.extend(
                [
                    "true",
                    "predicted",
                    "loss",
                    "probability",
                    "probability_true",
                ]
                .map(String::from),
            );
            1
        }
        TargetKind::Labels => {
            columns.extend(["true", "predicted", "loss"].map(String::from));
            0
        }
    };
    match names.len() <= MOST_COLUMNS {
        true => columns.extend(names.iter().map(|name| format!("probability:{name}"))),
        false => {
            for place in first + 1..=LIKELIEST {
                columns.extend([format!("class_{place}"), format!("probability_{place}")]);
            }
        }
    }
    columns
}

/// The columns of probabilities, `first` of the likeliest having been told.
fn probabilities(
    line: &mut Vec<String>,
    names: &[String],
    said: &[f32],
    best: &[usize],
    first: usize,
) {
    if names.len() <= MOST_COLUMNS {
        line.extend(said.iter().map(|share| decimal((*share).into())));
        return;
    }
    for &class in best.iter().skip(first) {
        line.extend([names[class].clone(), decimal(said[class].into())]);
    }
}

/// The likeliest, of equal ones the first.
fn likeliest(said: &[f32]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..said.len()).collect();
    places.sort_by(|a, b| said[*b].total_cmp(&said[*a]));
    places.truncate(LIKELIEST);
    places
}

/// The share of the validation loss that is an image's.
fn loss(targets: TargetKind, outputs: &[f32], row: &[f32]) -> f64 {
    let pairs = || {
        outputs
            .iter()
            .zip(row)
            .map(|(output, wanted)| (f64::from(*output), f64::from(*wanted)))
    };
    let mean = |sum: f64| sum / outputs.len().max(1) as f64;
    match targets {
        TargetKind::Class => {
            let largest = pairs().map(|pair| pair.0).fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = pairs().map(|pair| (pair.0 - largest).exp()).sum();
            let wanted: f64 = pairs().map(|(output, wanted)| output * wanted).sum();
            largest + sum.ln() - wanted
        }
        TargetKind::Labels => {
            let one = |(output, wanted): (f64, f64)| {
                output.max(0.0) - output * wanted + (-output.abs()).exp().ln_1p()
            };
            mean(pairs().map(one).sum())
        }
        TargetKind::Numbers => mean(
            pairs()
                .map(|(output, wanted)| (output - wanted).powi(2))
                .sum(),
        ),
    }
}

fn decimal(value: f64) -> String {
    format!("{value:.6}")
}

fn targets(plan: &Plan) -> impl Iterator<Item = &Target> {
    let samples = &plan.dataset.folder().samples;
    let validation = plan.split.validation.iter();
    validation.map(|sample| &samples[*sample].target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loss_of_an_image_is_that_of_its_task() {
        let close = |found: f64, wanted: f64| assert!((found - wanted).abs() < 1e-9, "{found}");
        // -log(1 / (1 + e^-2)); the mean of -log of 1 - sigmoid(0) and of sigmoid(2); the mean of 1 and 4.
        close(
            loss(TargetKind::Class, &[0.0, 2.0], &[0.0, 1.0]),
            0.126_928_011_042_972_6,
        );
        close(
            loss(TargetKind::Labels, &[0.0, 2.0], &[0.0, 1.0]),
            0.410_037_595_801_458_9,
        );
        close(loss(TargetKind::Numbers, &[0.0, 2.0], &[1.0, 0.0]), 2.5);
    }

    #[test]
    fn of_equal_probabilities_the_first_class_is_the_likeliest() {
        assert_eq!(likeliest(&[0.2, 0.4, 0.4]), [1, 2, 0]);
        assert_eq!(likeliest(&[0.1; 9]).len(), LIKELIEST);
    }
}
