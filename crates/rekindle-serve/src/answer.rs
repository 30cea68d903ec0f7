//! Rows of a model as JSON, under the keys of `rekindle predict --json`.

use rekindle_data::OutputKind;
use rekindle_model::ensemble::AfterTraining;
use rekindle_model::{ModelInfo, Said};
use serde_json::{Map, Value};

use crate::Refusal;
use crate::query::Wanted;

/// What a model says of one image: `class`, `probability` and `probabilities` of the likeliest classes, the likeliest first; or `labels`
/// and `probabilities` of all; or `numbers` in their own units. With `familiarity`, where the model knows it.
pub(crate) fn object(info: &ModelInfo, said: &Said, wanted: &Wanted) -> Map<String, Value> {
    let row = &said.values;
    let names = &info.classes;
    let mut ordered: Vec<(&str, f32)> = names
        .iter()
        .map(String::as_str)
        .zip(row.iter().copied())
        .collect();
    let all = |pairs: &[(&str, f32)]| -> Value {
        let pairs = pairs.iter();
        let object: Map<String, Value> = pairs
            .map(|(name, value)| ((*name).to_owned(), (*value).into()))
            .collect();
        object.into()
    };
    let by_value = |pairs: &mut Vec<(&str, f32)>| pairs.sort_by(|a, b| b.1.total_cmp(&a.1));
    let mut object = Map::new();
    match info.task.outputs() {
        OutputKind::Distribution => {
            by_value(&mut ordered);
            ordered.truncate(wanted.top);
            let (class, probability) = ordered.first().copied().unwrap_or_default();
            let answer = match info.after.is_unknown(probability) {
                true => AfterTraining::UNKNOWN,
                false => class,
            };
            object.insert("class".into(), answer.into());
            object.insert("probability".into(), probability.into());
            object.insert("probabilities".into(), all(&ordered));
        }
        OutputKind::Indicators => {
            let probabilities = all(&ordered);
            ordered.retain(|(_, share)| *share >= wanted.threshold);
            by_value(&mut ordered);
            let labels: Vec<&str> = ordered.iter().map(|(name, _)| *name).collect();
            object.insert("labels".into(), labels.into());
            object.insert("probabilities".into(), probabilities);
        }
        OutputKind::Numbers => {
            object.insert("numbers".into(), all(&ordered));
        }
    }
    if let Some(share) = said.familiarity {
        object.insert("familiarity".into(), share.into());
    }
    object
}

/// The entry of an image: its name where it has one, and what the model says, or `error` and `status`.
pub(crate) fn entry(
    info: &ModelInfo,
    name: Option<&str>,
    answer: &Result<Said, Refusal>,
    wanted: &Wanted,
) -> Value {
    let mut entry = Map::new();
    if let Some(name) = name {
        entry.insert("file".into(), name.into());
    }
    match answer {
        Ok(said) => entry.extend(object(info, said, wanted)),
        Err(refusal) => {
            entry.insert("error".into(), refusal.message.clone().into());
            entry.insert("status".into(), refusal.status.as_u16().into());
        }
    }
    entry.into()
}
