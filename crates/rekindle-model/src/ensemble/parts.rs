//! Model files as they are, without their networks on a device: joined to one, and written. Owns which models go together.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::TensorData;
use rekindle_backbone::StateDict;

use super::after::{AfterTraining, Combination, Member, Rule};
use super::stack::{STACK_BIAS, STACK_WEIGHT, StackFit};
use super::test_time::TestTime;
use super::tree::prefix;
use crate::ModelError;
use crate::files::read;
use crate::model_file::{ModelInfo, parse, write_state};

/// What a model file holds.
#[derive(Debug, Clone)]
pub struct ModelParts {
    /// What it says of itself. What is added to `after` is in the file that is written.
    pub info: ModelInfo,
    /// Where it was read.
    pub source: String,
    pub(crate) state: StateDict,
}

impl ModelParts {
    /// Reads a model file of any kind.
    ///
    /// # Errors
    ///
    /// It cannot be read, is none, or is damaged.
    pub fn load(path: &Path) -> Result<Self, ModelError> {
        let (info, state) = parse(&read(path)?, path)?;
        Ok(Self {
            info,
            source: path.display().to_string(),
            state,
        })
    }

    /// Writes it as a model file.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), ModelError> {
        let info = ModelInfo {
            format: self.info.own_format(),
            rekindle: env!("CARGO_PKG_VERSION").into(),
            ..self.info.clone()
        };
        write_state(path, &info, &self.state)
    }
}

/// Several models as one, which says the mean of what they say.
///
/// Classes are those of the first; the others may have them in another order. Members may differ in backbone, size of input, rescaling,
/// and may be combinations themselves; numbers are brought to the scale of the first.
///
/// # Errors
///
/// [`ModelError::DoNotCombine`] where they differ in task, classes, or in what is black and white of samples of more than 8 bits.
pub fn join(
    members: Vec<ModelParts>,
    rule: Rule,
    test_time: TestTime,
) -> Result<ModelParts, ModelError> {
    let Some(first) = members.first() else {
        return Err(ModelError::NotFitted {
            what: "a mean",
            reason: "there are no models; name two or more".into(),
        });
    };
    let orders = members.iter().map(|member| order(first, member));
    let orders: Vec<Vec<usize>> = orders.collect::<Result<_, _>>()?;
    let names = |of: fn(&ModelInfo) -> &String| {
        let all: Vec<&str> = members
            .iter()
            .map(|member| of(&member.info).as_str())
            .collect();
        all.join(" + ")
    };
    let mut info = ModelInfo {
        architecture: names(|info| &info.architecture),
        backbone: names(|info| &info.backbone),
        backbone_sha256: String::new(),
        tapped_stages: Vec::new(),
        best_phase: String::new(),
        best_epoch: 0,
        validation: BTreeMap::new(),
        recipe: String::new(),
        ..first.info.clone()
    };
    let mut state = StateDict::new();
    let mut said = Vec::with_capacity(members.len());
    for (place, (member, order)) in members.into_iter().zip(orders).enumerate() {
        let prefix = prefix(place);
        let tensors = member.state.into_iter();
        state.extend(tensors.map(|(key, data)| (format!("{prefix}{key}"), data)));
        said.push(Member {
            source: member.source,
            order,
            info: member.info,
        });
    }
    info.after = AfterTraining {
        test_time,
        combination: Some(Combination {
            members: said,
            rule,
        }),
        ..AfterTraining::default()
    };
    Ok(ModelParts {
        info,
        source: "the combination".into(),
        state,
    })
}

impl ModelParts {
    /// The same models under a meta-learner.
    ///
    /// # Panics
    ///
    /// Where it combines nothing, or other models than the meta-learner was fitted to.
    pub fn with_stack(mut self, fit: &StackFit) -> Self {
        let combination = self.info.after.combination.as_mut();
        let combination = combination.expect("several models");
        let (regression, members) = (&fit.regression, combination.members.len());
        let classes = regression.classes;
        let tensor = |values: &[f64], shape: Vec<usize>| {
            let values: Vec<f32> = values.iter().map(|value| *value as f32).collect();
            TensorData::new(values, shape)
        };
        let weights = tensor(&regression.weights, vec![classes, members * classes]);
        self.state.insert(STACK_WEIGHT.into(), weights);
        let bias = tensor(&regression.bias, vec![classes]);
        self.state.insert(STACK_BIAS.into(), bias);
        combination.rule = Rule::Stack {
            l2: fit.l2,
            images: fit.images,
        };
        self
    }
}

/// For each output of the first model, which of the other's it is.
fn order(first: &ModelParts, other: &ModelParts) -> Result<Vec<usize>, ModelError> {
    let refuse = |reason: String| {
        Err(ModelError::DoNotCombine {
            first: first.source.clone(),
            other: other.source.clone(),
            reason,
        })
    };
    let (own, others) = (&first.info, &other.info);
    if own.task != others.task {
        return refuse(format!(
            "one is for {}, the other for {}; combine models of one task",
            own.task.name(),
            others.task.name()
        ));
    }
    if own.preprocessing.range != others.preprocessing.range {
        return refuse(
            "they take other numbers for black and white (input.range), so an image cannot be read once for both; train them with the same"
                .into(),
        );
    }
    if own.preprocessing.reading != others.preprocessing.reading {
        return refuse(
            "they take other parts of a file for its picture (data.tiff_planes, data.alpha), so an image cannot be read once for both; \
             train them with the same"
                .into(),
        );
    }
    let [own_channels, other_channels] = [own, others].map(|info| info.preprocessing.channels());
    if own_channels != other_channels {
        return refuse(format!(
            "one takes {own_channels} channels, the other {other_channels} (input.channels), so an image cannot be read once for both"
        ));
    }
    let words = own.task.words();
    let lacks = |of: &ModelInfo, among: &ModelInfo| {
        let lacking = of
            .classes
            .iter()
            .filter(|name| !among.classes.contains(name));
        rekindle_settings::first_ten(lacking)
    };
    let (more, less) = (lacks(others, own), lacks(own, others));
    if !more.is_empty() || !less.is_empty() || own.classes.len() != others.classes.len() {
        let sides = [(&less, "lacks"), (&more, "has in addition")];
        let sides = sides.iter().filter(|(names, _)| !names.is_empty());
        let sides: Vec<String> = sides
            .map(|(names, verb)| format!("{verb} {names}"))
            .collect();
        return refuse(format!(
            "of the {} the second {}; combine models of the same {}",
            words.more,
            sides.join(" and "),
            words.more
        ));
    }
    let place = |name: &String| others.classes.iter().position(|other| other == name);
    Ok(own.classes.iter().filter_map(place).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ensemble::MeanOf;
    use rekindle_data::TaskKind;

    fn parts(source: &str, classes: &[&str]) -> ModelParts {
        let info = serde_json::json!({
            "format": 1, "rekindle": "0", "architecture": "resnet18", "backbone": "resnet18.a1_in1k", "backbone_sha256": "",
            "classes": classes, "preprocessing": {"input_size": [32, 32], "crop_ratio": 1.0}, "head": rekindle_head::HeadConfig::default(),
            "tapped_stages": [], "unit_rms": false, "best_phase": "phase1", "best_epoch": 1, "validation": {}, "recipe": "",
        });
        ModelParts {
            info: serde_json::from_value(info).unwrap(),
            source: source.into(),
            state: StateDict::from([("fc.weight".to_owned(), TensorData::new(vec![1.0f32], [1]))]),
        }
    }

    fn half() -> Rule {
        Rule::Mean {
            of: MeanOf::Probabilities,
            weights: vec![0.5, 0.5],
        }
    }

    #[test]
    fn classes_are_matched_by_name_and_tensors_kept_apart() {
        let two = vec![
            parts("a", &["cat", "dog", "emu"]),
            parts("b", &["emu", "cat", "dog"]),
        ];
        let joined = join(two, half(), TestTime::default()).unwrap();
        let combination = joined.info.after.combination.as_ref().unwrap();
        assert_eq!(combination.members[0].order, [0, 1, 2]);
        assert_eq!(combination.members[1].order, [1, 2, 0]);
        assert_eq!(combination.networks(), 2);
        let keys: Vec<&String> = joined.state.keys().collect();
        assert_eq!(keys, ["member.0.fc.weight", "member.1.fc.weight"]);
        assert_eq!(joined.info.architecture, "resnet18 + resnet18");
        assert!(combination.check(&joined.info, "m".as_ref()).is_ok());
    }

    #[test]
    fn models_that_do_not_agree_are_named_with_what_differs() {
        let refused = |other: ModelParts| {
            let both = vec![parts("a", &["cat", "dog"]), other];
            join(both, half(), TestTime::default())
                .unwrap_err()
                .to_string()
        };
        let classes = refused(parts("b", &["cat", "emu"]));
        for words in ["a and b", "lacks dog", "has in addition emu"] {
            assert!(classes.contains(words), "{classes}");
        }
        let mut other = parts("b", &["cat", "dog"]);
        other.info.task = TaskKind::Multilabel;
        assert!(refused(other).contains("for classification, the other for multilabel"));
    }

    #[test]
    fn a_combination_that_was_tampered_with_is_refused() {
        let two = vec![parts("a", &["cat", "dog"]), parts("b", &["cat", "dog"])];
        let info = join(two, half(), TestTime::default()).unwrap().info;
        let change = |change: fn(&mut Combination)| {
            let mut combination = info.after.combination.clone().unwrap();
            change(&mut combination);
            combination.check(&info, "m".as_ref()).is_err()
        };
        assert!(!change(|_| {}));
        assert!(change(|all| all.members[1].order = vec![0, 0]));
        assert!(change(|all| all.members[1].order = vec![0, 9]));
        assert!(change(|all| all.members.clear()));
        assert!(change(|all| all.rule = Rule::Mean {
            of: MeanOf::Logits,
            weights: vec![0.5, f64::NAN],
        }));
    }
}
