//! A soup: the mean of the weights of several trainings of one network, which is again one network. Owns which models can be mixed, and
//! the choice of ingredients.

use burn::tensor::TensorData;

use super::parts::ModelParts;
use crate::ModelError;

/// The mean of the weights of networks of one shape, all alike, and of the statistics of their batch norms.
///
/// It takes no more time than one network. It pays where all have been fine-tuned from the same pretrained weights, so that they lie in one
/// basin of the loss: runs with other seeds, rates or augmentation, or the epochs of one run.
///
/// Source: [Wortsman et al. 2022](https://arxiv.org/abs/2203.05482).
///
/// # Errors
///
/// [`ModelError::DoNotCombine`] where they differ in architecture, head, classes, or in how images are prepared; or one is a combination.
///
/// # Panics
///
/// There are no models.
pub fn soup(models: &[&ModelParts]) -> Result<ModelParts, ModelError> {
    let (first, others) = models.split_first().expect("one model or more");
    for other in others {
        if let Some(reason) = differs(first, other) {
            return Err(ModelError::DoNotCombine {
                first: first.source.clone(),
                other: other.source.clone(),
                reason,
            });
        }
    }
    let mut whole = (*first).clone();
    let share = 1.0 / models.len() as f64;
    for (key, data) in &mut whole.state {
        let numbers = models.iter().map(|model| model.state.get(key));
        let numbers: Option<Vec<Vec<f32>>> = numbers
            .map(|data| Some(data?.iter::<f32>().collect()))
            .collect();
        let Some(numbers) = numbers else {
            unreachable!("all have the same tensors");
        };
        let mean = (0..data.num_elements()).map(|at| {
            let sum: f64 = numbers.iter().map(|of| f64::from(of[at])).sum();
            (sum * share) as f32
        });
        *data = TensorData::new(mean.collect::<Vec<f32>>(), data.shape().clone());
    }
    let info = &mut whole.info;
    if models.len() > 1 {
        // What was measured, fitted and said of the first is not so of the mean.
        info.validation.clear();
        info.after = Default::default();
        info.recipe.clear();
        (info.best_phase, info.best_epoch) = (String::new(), 0);
    }
    whole.source = "the soup".into();
    Ok(whole)
}

/// Chooses ingredients greedily: in the order given, best first, a model is kept where the soup with it is measured at least as good as
/// without. The soup of the first alone is where it begins, so on the images it is measured on it is never worse than the best model.
/// `measure` tells how good a soup is; more is better. Gives the soup, and of each model whether it is in it.
///
/// # Errors
///
/// As [`soup`]; those of `measure`.
///
/// # Panics
///
/// There are no models.
pub fn greedy_soup<E: From<ModelError>>(
    models: &[&ModelParts],
    mut measure: impl FnMut(&ModelParts) -> Result<f64, E>,
) -> Result<(ModelParts, Vec<bool>), E> {
    // All of them go together, or none is measured.
    soup(models)?;
    let mut chosen = vec![models[0]];
    let mut kept = vec![true];
    let mut whole = soup(&chosen)?;
    let mut best = measure(&whole)?;
    for model in &models[1..] {
        chosen.push(model);
        let with = soup(&chosen)?;
        let found = measure(&with)?;
        let better = found >= best;
        kept.push(better);
        match better {
            true => (whole, best) = (with, found),
            false => {
                chosen.pop();
            }
        }
    }
    Ok((whole, kept))
}

/// Why two models cannot be mixed, if they cannot.
fn differs(first: &ModelParts, other: &ModelParts) -> Option<String> {
    let (own, others) = (&first.info, &other.info);
    if own.after.combination.is_some() || others.after.combination.is_some() {
        return Some("one combines several networks; a soup is of single ones".into());
    }
    if own.architecture != others.architecture {
        return Some(format!(
            "one is {}, the other {}; weights are mixed of one architecture",
            own.architecture, others.architecture
        ));
    }
    if own.backbone != others.backbone || own.backbone_sha256 != others.backbone_sha256 {
        return Some(
            "they were fine-tuned from other weights, so that their mean is of no use; `rekindle ensemble` joins them".into(),
        );
    }
    if (own.task, &own.classes, &own.number_scale)
        != (others.task, &others.classes, &others.number_scale)
    {
        return Some(format!(
            "they know other {}, or in another order",
            own.task.words().more
        ));
    }
    if own.preprocessing != others.preprocessing {
        return Some("they were trained on images prepared in other ways (table `input`)".into());
    }
    let joint = |info: &crate::ModelInfo| (info.tapped_stages.clone(), info.unit_rms);
    let shapes = |model: &ModelParts| -> Vec<(String, Vec<usize>)> {
        let all = model.state.iter();
        all.map(|(key, data)| (key.clone(), data.shape().to_vec()))
            .collect()
    };
    if joint(own) != joint(others) || own.head != others.head || shapes(first) != shapes(other) {
        return Some("their heads are built in other ways (tables `head` and `features`)".into());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use rekindle_backbone::StateDict;

    fn parts(source: &str, values: [f32; 2]) -> ModelParts {
        let info = serde_json::json!({
            "format": 1, "rekindle": "0", "architecture": "resnet18", "backbone": "resnet18.a1_in1k", "backbone_sha256": "",
            "classes": ["cat", "dog"], "preprocessing": {"input_size": [32, 32], "crop_ratio": 1.0},
            "head": rekindle_head::HeadConfig::default(), "tapped_stages": [], "unit_rms": false, "best_phase": "phase1",
            "best_epoch": 1, "validation": {"accuracy": 0.5}, "recipe": "",
        });
        let data = TensorData::new(values.to_vec(), [2]);
        ModelParts {
            info: serde_json::from_value(info).unwrap(),
            source: source.into(),
            state: StateDict::from([("fc.weight".to_owned(), data)]),
        }
    }

    fn weights(parts: &ModelParts) -> Vec<f32> {
        parts.state["fc.weight"].iter::<f32>().collect()
    }

    #[test]
    fn a_soup_is_the_mean_of_all_weights_and_keeps_no_figures() {
        let (a, b, c) = (
            parts("a", [1.0, 2.0]),
            parts("b", [4.0, -2.0]),
            parts("c", [1.0, 3.0]),
        );
        let whole = soup(&[&a, &b, &c]).unwrap();
        assert_eq!(weights(&whole), [2.0, 1.0]);
        assert!(whole.info.validation.is_empty());
        let alone = soup(&[&a]).unwrap();
        assert_eq!(weights(&alone), [1.0, 2.0]);
        assert_eq!(alone.info, a.info);
    }

    #[test]
    fn a_greedy_soup_leaves_out_what_spoils_it() {
        let (a, b, c) = (
            parts("a", [1.0, 0.0]),
            parts("b", [9.0, 0.0]),
            parts("c", [3.0, 0.0]),
        );
        // The best soup has 2 in its first place.
        let measure =
            |parts: &ModelParts| Ok::<_, ModelError>(-f64::from((weights(parts)[0] - 2.0).abs()));
        let (whole, kept) = greedy_soup(&[&a, &b, &c], measure).unwrap();
        assert_eq!(kept, [true, false, true]);
        assert_eq!(weights(&whole), [2.0, 0.0]);
    }

    #[test]
    fn models_that_cannot_be_mixed_are_named_with_what_differs() {
        let first = parts("a", [1.0, 2.0]);
        let refused = |change: fn(&mut ModelParts)| {
            let mut other = parts("b", [1.0, 2.0]);
            change(&mut other);
            soup(&[&first, &other]).unwrap_err().to_string()
        };
        for (text, words) in [
            (
                refused(|parts| parts.info.architecture = "resnet50".into()),
                "resnet50",
            ),
            (
                refused(|parts| parts.info.backbone_sha256 = "00".into()),
                "rekindle ensemble",
            ),
            (refused(|parts| parts.info.classes.reverse()), "order"),
            (
                refused(|parts| parts.info.preprocessing.input_size = [64, 64]),
                "input",
            ),
            (refused(|parts| parts.info.unit_rms = true), "head"),
            (
                refused(|parts| {
                    let data = TensorData::new(vec![0.0f32; 3], [3]);
                    parts.state.insert("fc.weight".into(), data);
                }),
                "head",
            ),
        ] {
            assert!(text.contains("a and b") && text.contains(words), "{text}");
        }
    }
}
