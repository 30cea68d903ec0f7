//! The temperature of a model, and the probability from which on its answers are as often right as is wished. Owns both fits.
//!
//! Source: C. Guo and others, "On calibration of modern neural networks", 2017, section 4.2. Checked against SciPy's bounded scalar
//! minimiser (`tests/data/combine.py`).

use rekindle_data::OutputKind;

use super::after::{Temperature, Threshold};
use super::rows::{log_sum_exp, softplus};
use super::weights::likeliest;
use crate::ModelError;

/// Temperatures are looked for between `e^-FAR` and `e^FAR`; one at an end is none.
const FAR: f64 = 10.0;

/// The temperature with the smallest mean log loss, which has one minimum in `1 / T`.
///
/// # Shapes
///
/// `logits` and `targets`: `[images * outputs]`; targets are 1 for the class, or for each label.
///
/// # Errors
///
/// [`ModelError::NotFitted`] for numbers, without images, and where the loss falls without end: all answers are right, or as good as by
/// chance.
pub fn fit_temperature(
    kind: OutputKind,
    logits: &[f32],
    targets: &[f32],
    outputs: usize,
) -> Result<Temperature, ModelError> {
    let refuse = |reason: &str| ModelError::NotFitted {
        what: "a temperature",
        reason: reason.into(),
    };
    if kind == OutputKind::Numbers {
        return Err(refuse(
            "the model predicts numbers, which have no probabilities; calibrate models of classes or labels",
        ));
    }
    let images = targets.len() / outputs.max(1);
    if images == 0 {
        return Err(refuse(
            "there are no images; give some that it was not trained on",
        ));
    }
    let at = |sharpness: f64| local(kind, logits, targets, outputs, sharpness);
    // The slope in the sharpness, 1 / T, grows; where it is 0 is found between the ends, Newton's steps in its logarithm being kept there.
    let (mut low, mut high) = (-FAR, FAR);
    if at(low.exp()).slope >= 0.0 || at(high.exp()).slope <= 0.0 {
        return Err(refuse(
            "the log loss has no minimum: the answers on these images are all right, or as good as by chance; give more images, which the \
             model has not seen",
        ));
    }
    let mut place = 0.0f64;
    for _ in 0..200 {
        let sharpness = place.exp();
        let here = at(sharpness);
        match here.slope > 0.0 {
            true => high = place,
            false => low = place,
        }
        let (slope, bend) = (
            here.slope * sharpness,
            here.bend * sharpness * sharpness + here.slope * sharpness,
        );
        let newton = place - slope / bend;
        let next = match bend > 0.0 && newton > low && newton < high {
            true => newton,
            false => (low + high) / 2.0,
        };
        if (next - place).abs() < 1e-12 {
            break;
        }
        place = next;
    }
    Ok(Temperature {
        value: (-place).exp(),
        images,
        log_loss: [at(1.0).value, at(place.exp()).value],
    })
}

/// The mean loss at a sharpness with its derivatives.
struct Local {
    value: f64,
    slope: f64,
    bend: f64,
}

fn local(
    kind: OutputKind,
    logits: &[f32],
    targets: &[f32],
    outputs: usize,
    sharpness: f64,
) -> Local {
    let (mut value, mut slope, mut bend) = (0.0, 0.0, 0.0);
    for (row, target) in logits.chunks(outputs).zip(targets.chunks(outputs)) {
        match kind {
            OutputKind::Distribution => {
                let scaled = row.iter().map(|logit| sharpness * f64::from(*logit));
                let sum = log_sum_exp(scaled.clone());
                let right = likeliest(target);
                let shares = scaled.map(|logit| (logit - sum).exp());
                let moment = |power: i32| -> f64 {
                    let pairs = shares.clone().zip(row);
                    pairs
                        .map(|(share, logit)| share * f64::from(*logit).powi(power))
                        .sum()
                };
                let mean = moment(1);
                value += sum - sharpness * f64::from(row[right]);
                slope += mean - f64::from(row[right]);
                bend += moment(2) - mean * mean;
            }
            _ => {
                for (logit, target) in row.iter().zip(target) {
                    let (logit, target) = (f64::from(*logit), f64::from(*target));
                    let probability = (-softplus(-sharpness * logit)).exp();
                    let share = 1.0 / outputs as f64;
                    value += share * (softplus(sharpness * logit) - target * sharpness * logit);
                    slope += share * logit * (probability - target);
                    bend += share * logit * logit * probability * (1.0 - probability);
                }
            }
        }
    }
    let images = (targets.len() / outputs.max(1)).max(1) as f64;
    Local {
        value: value / images,
        slope: slope / images,
        bend: bend / images,
    }
}

/// How many images get an answer, and how many of these answers are right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Answered {
    /// Images.
    pub images: usize,
    /// Those with an answer.
    pub answered: usize,
    /// Those with a right one.
    pub right: usize,
}

/// Counts the answers of a model that says `unknown` below a probability.
///
/// # Shapes
///
/// `probabilities`: a row of each image; `targets`: its class.
pub fn answered(probabilities: &[Vec<f32>], targets: &[usize], least: f64) -> Answered {
    let mut found = Answered::default();
    for (row, target) in probabilities.iter().zip(targets) {
        let best = likeliest(row);
        found.images += 1;
        if row
            .get(best)
            .is_some_and(|share| f64::from(*share) >= least)
        {
            found.answered += 1;
            found.right += usize::from(best == *target);
        }
    }
    found
}

/// The smallest probability from which on at least the wished share of the answers is right, so that as many images as can be get one.
///
/// # Shapes
///
/// `probabilities`: a row of each image; `targets`: its class.
///
/// # Errors
///
/// [`ModelError::NotFitted`] where not even the surest answers are right that often.
pub fn threshold_for(
    probabilities: &[Vec<f32>],
    targets: &[usize],
    wished: f64,
) -> Result<Threshold, ModelError> {
    let mut best: Vec<(f64, bool)> = probabilities
        .iter()
        .zip(targets)
        .filter(|(row, _)| !row.is_empty())
        .map(|(row, target)| {
            let place = likeliest(row);
            (f64::from(row[place]), place == *target)
        })
        .collect();
    best.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut right, mut found) = (0, None);
    for (at, (probability, hit)) in best.iter().enumerate() {
        right += usize::from(*hit);
        // Images of one probability get an answer together.
        let last = best.get(at + 1).is_none_or(|(next, _)| next < probability);
        let precision = right as f64 / (at + 1) as f64;
        if last && precision >= wished {
            found = Some((at, precision));
        }
    }
    let Some((last, precision)) = found else {
        return Err(ModelError::NotFitted {
            what: "a threshold",
            reason: format!(
                "not even the surest answers are right in {:.1} % of these {} images; wish for less, or train a better model",
                100.0 * wished,
                best.len()
            ),
        });
    };
    // Halfway to the next image, but not above what f32 holds of this one.
    let probability = match best.get(last + 1) {
        Some((next, _)) => (best[last].0 + next) / 2.0,
        None => 0.0,
    };
    Ok(Threshold {
        probability,
        wished,
        precision,
        answered: (last + 1) as f64 / best.len() as f64,
        images: best.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_that_is_too_sure_by_a_factor_gets_that_factor() {
        // Probabilities 3 : 1, answered just so often; logits three times as large.
        let (mut logits, mut targets) = (Vec::new(), Vec::new());
        for image in 0..40 {
            logits.extend([3.0 * 3f32.ln(), 0.0]);
            targets.extend(if image % 4 == 0 {
                [0.0, 1.0]
            } else {
                [1.0, 0.0]
            });
        }
        let found = fit_temperature(OutputKind::Distribution, &logits, &targets, 2).unwrap();
        assert!((found.value - 3.0).abs() < 1e-6, "{found:?}");
        assert!(found.log_loss[1] < found.log_loss[0]);
        assert_eq!(found.images, 40);
    }

    #[test]
    fn where_there_is_no_minimum_it_is_said() {
        let refused = |kind, logits: &[f32], targets: &[f32]| {
            fit_temperature(kind, logits, targets, 2)
                .unwrap_err()
                .to_string()
        };
        let right = refused(OutputKind::Distribution, &[3.0, 0.0], &[1.0, 0.0]);
        assert!(right.contains("all right"), "{right}");
        let wrong = refused(OutputKind::Distribution, &[3.0, 0.0], &[0.0, 1.0]);
        assert!(wrong.contains("by chance"), "{wrong}");
        assert!(refused(OutputKind::Numbers, &[1.0, 1.0], &[1.0, 1.0]).contains("numbers"));
        assert!(refused(OutputKind::Indicators, &[], &[]).contains("no images"));
    }

    #[test]
    fn the_threshold_is_the_lowest_that_keeps_the_wish() {
        let row = |best: f32| vec![best, 1.0 - best];
        let rows: Vec<Vec<f32>> = [0.9, 0.8, 0.8, 0.7, 0.6, 0.55].map(row).into();
        let targets = [0, 0, 1, 0, 1, 1];
        let found = threshold_for(&rows, &targets, 0.75).unwrap();
        // 1 of 1, 2 of 3, 3 of 4, 3 of 5, 3 of 6.
        assert!((found.probability - 0.65).abs() < 1e-6, "{found:?}");
        assert_eq!((found.precision, found.answered), (0.75, 4.0 / 6.0));
        let counted = answered(&rows, &targets, found.probability);
        assert_eq!((counted.answered, counted.right, counted.images), (4, 3, 6));
        let all = threshold_for(&rows, &targets, 0.5).unwrap();
        assert_eq!((all.probability, all.answered), (0.0, 1.0));
        let never = threshold_for(&rows[4..], &targets[4..], 0.9)
            .unwrap_err()
            .to_string();
        assert!(never.contains("90.0 %"), "{never}");
    }
}
