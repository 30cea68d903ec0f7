//! A fault as a [`SettingError`]: the whole key, the value that is there, and what to write in its place.

use toml::{Table, Value};

use super::expected::Expected;
use super::fault::{Fault, What};
use super::trial::Trial;
use crate::error::SettingError;
use crate::key::{Step, written};
use crate::suggest::nearest;

/// Longest text that a message repeats.
const LONGEST: usize = 60;

/// The error that this fault is.
pub(super) fn explained(trial: &Trial<'_>, fault: Fault) -> SettingError {
    let place = trial.place(&fault);
    if let Some(list) = tagged_list(trial, &place) {
        let expected = accepted(trial, list, &Expected::Table);
        let expected = expected.unwrap_or_else(|| Expected::Table.to_string());
        return SettingError::new(written(list), shown(trial.value(list)), expected);
    }
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let inner = |field: &str| written(&[place.as_slice(), &[Step::Key(field.to_owned())]].concat());
    match fault.what {
        What::UnknownField { found, known } => SettingError::UnknownKey {
            key: inner(&found),
            known: owned(known),
        },
        What::UnknownVariant { found, known } => SettingError::UnknownChoice {
            key: written(&place),
            found,
            known: owned(known),
        },
        What::Missing(field) => SettingError::MissingKey { key: inner(field) },
        What::Twice(field) => SettingError::Refused {
            key: inner(field),
            found: "written twice".into(),
            reason: "once by another name of it; remove one of the two".into(),
        },
        What::Said(reason) => SettingError::Refused {
            key: written(&place),
            found: shown(trial.value(&place)),
            reason,
        },
        What::Kind { expected, .. } => {
            let accepted = accepted(trial, &place, &expected);
            let accepted = accepted.unwrap_or_else(|| expected.to_string());
            SettingError::new(written(&place), shown(trial.value(&place)), accepted)
        }
        What::Length { expected, .. } => SettingError::new(
            written(&place),
            shown(trial.value(&place)),
            expected.to_string(),
        ),
    }
}

/// The list around a fault, or at it, where a table is meant that says its kind. Serde takes a list there too, the kind first.
fn tagged_list<'a>(trial: &Trial<'_>, place: &'a [Step]) -> Option<&'a [Step]> {
    let around = match place {
        [around @ .., Step::Index(_)] => around,
        all => all,
    };
    [place, around].into_iter().find(|place| {
        trial.value(place).is_some_and(Value::is_array) && trial.tag(place, Value::Table).is_some()
    })
}

/// What is accepted, as an example where the key is known that tables of this place have to have.
fn accepted(trial: &Trial<'_>, place: &[Step], expected: &Expected) -> Option<String> {
    let text = trial.value(place).and_then(Value::as_str);
    let example = |(key, known): (&'static str, &'static [&'static str])| {
        let name = nearest(text?, known)?;
        Some(format!("{{ {key} = {name:?} }}"))
    };
    match expected {
        Expected::Table => {
            let tag = trial.tag(place, Value::Table)?;
            Some(match example(tag) {
                Some(example) => format!("a table, such as {example}"),
                None => format!("a table with the key `{}`", tag.0),
            })
        }
        Expected::List => {
            let list = |table: Table| Value::Array(vec![table.into()]);
            let example = example(trial.tag(place, list)?)?;
            Some(format!("a list of tables, such as [{example}]"))
        }
        _ => None,
    }
}

/// A value as messages repeat it.
fn shown(value: Option<&Value>) -> String {
    let short = |text: String| match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}..", &text[..end]),
        None => text,
    };
    match value {
        None => "not there".into(),
        Some(Value::Boolean(value)) => value.to_string(),
        Some(Value::Integer(value)) => value.to_string(),
        Some(Value::Float(value)) => format!("{value:?}"),
        Some(Value::String(value)) => short(format!("{value:?}")),
        Some(Value::Datetime(value)) => value.to_string(),
        Some(Value::Array(items)) if items.is_empty() => "an empty list".into(),
        Some(Value::Array(items)) => Expected::ListOf(items.len()).to_string(),
        Some(Value::Table(_)) => "a table".into(),
    }
}
