//! What stands behind the `?` of a request: which parameters there are for a model, and their ranges.

use axum::extract::Query;
use axum::http::Uri;
use rekindle_data::OutputKind;
use rekindle_model::ModelInfo;
use rekindle_settings::did_you_mean;

use crate::Refusal;

/// Classes of an answer where nothing is said, as `rekindle predict` has it.
pub(crate) const TOP: usize = 3;
/// The probability of a label that is predicted where nothing is said, as there.
pub(crate) const THRESHOLD: f32 = 0.5;

/// What an answer is to say.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wanted {
    /// Number of classes with their probabilities.
    pub top: usize,
    /// From which probability on a label is predicted.
    pub threshold: f32,
}

impl Wanted {
    /// The parameters of a prediction.
    ///
    /// # Errors
    ///
    /// One is unknown, out of range, or of no use for the model's task.
    pub fn of(uri: &Uri, info: &ModelInfo) -> Result<Self, Refusal> {
        let mut wanted = Self {
            top: TOP,
            threshold: THRESHOLD,
        };
        for (key, value) in pairs(uri)? {
            match (key.as_str(), info.task.outputs()) {
                ("top", OutputKind::Distribution) => {
                    let number = value.parse().ok().filter(|number| *number > 0);
                    wanted.top =
                        number.ok_or_else(|| wrong("top", &value, "a whole number from 1 on"))?;
                }
                ("threshold", OutputKind::Indicators) => {
                    let number = value.parse().ok();
                    let number = number.filter(|number| (0.0..=1.0).contains(number));
                    wanted.threshold =
                        number.ok_or_else(|| wrong("threshold", &value, "a number from 0 to 1"))?;
                }
                ("top", _) => return Err(of_no_use("top", "one class of several", info)),
                ("threshold", _) => return Err(of_no_use("threshold", "several labels", info)),
                (_, OutputKind::Distribution) => return Err(unknown(&key, &["top"])),
                (_, OutputKind::Indicators) => return Err(unknown(&key, &["threshold"])),
                (_, OutputKind::Numbers) => return Err(unknown(&key, &[])),
            }
        }
        Ok(wanted)
    }
}

/// The output that is to be explained; none for the likeliest.
///
/// # Errors
///
/// A parameter or the output is unknown.
#[cfg(feature = "explain")]
pub(crate) fn explained(uri: &Uri, info: &ModelInfo) -> Result<Option<usize>, Refusal> {
    let mut output = None;
    for (key, value) in pairs(uri)? {
        if key != "class" {
            return Err(unknown(&key, &["class"]));
        }
        let place = info.classes.iter().position(|class| *class == value);
        output = Some(place.ok_or_else(|| {
            let close = did_you_mean(&value, &info.classes);
            Refusal::malformed(format!(
                "`class` is {value:?}, which the model does not know{close}; GET model lists all"
            ))
        })?);
    }
    Ok(output)
}

fn pairs(uri: &Uri) -> Result<Vec<(String, String)>, Refusal> {
    let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri);
    let pairs = pairs.map_err(|_| {
        Refusal::malformed("what stands behind `?` cannot be read; expected KEY=VALUE, joined by &")
    });
    Ok(pairs?.0)
}

fn wrong(key: &str, value: &str, expected: &str) -> Refusal {
    Refusal::malformed(format!("`{key}` is {value:?}; expected {expected}"))
}

fn of_no_use(key: &str, kind: &str, info: &ModelInfo) -> Refusal {
    Refusal::malformed(format!(
        "`{key}` is for models of {kind}, but this one is for {}; leave it out",
        info.task.name()
    ))
}

fn unknown(key: &str, known: &[&str]) -> Refusal {
    let names: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    let close = did_you_mean(key, known);
    let known = match names.is_empty() {
        true => "this model takes none".to_owned(),
        false => format!("known: {}", names.join(", ")),
    };
    Refusal::malformed(format!("there is no parameter {key:?}{close}; {known}"))
}
