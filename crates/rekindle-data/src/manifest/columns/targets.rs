//! The columns that hold what is to be learned.

use std::path::Path;

use super::{
    ColumnNames, Wanted, find,
    names::{INDICATORS, Kind, LABEL, LABELS, NUMBERS, else_usual},
};
use crate::{ClassIndex, TargetKind, TaskKind, manifest::ManifestError};

/// Begins the name of a column with a number, whose own name follows.
const NUMBER_PREFIX: &str = "number:";

/// How the columns of targets hold them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TargetForm {
    /// A label, labels with a separator between them, or a number.
    Plain,
    /// Labels as a list in JSON or Python's way of writing one.
    Lists,
    /// 1 or 0 for each column's label; `guessed` where nobody has said that they are labels and not classes.
    Indicators { guessed: bool },
}

/// The columns that hold the targets, as places among all columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TargetColumns {
    pub task: TaskKind,
    /// One for a label or for labels, one for each number, one for each label that has a column.
    pub places: Vec<usize>,
    pub form: TargetForm,
}

impl TargetColumns {
    /// Chooses among the columns of a manifest, or the keys of an object; none where there are none.
    ///
    /// # Errors
    /// Several columns could be meant, or columns for several kinds of targets are there and nothing says which is meant; a column that
    /// was given is not there.
    pub fn choose(
        manifest: &Path,
        found: &[String],
        names: &ColumnNames,
        wanted: Wanted,
    ) -> Result<Option<Self>, ManifestError> {
        let one = |task, kind: &Kind, name: &Option<String>| {
            let place = find(manifest, found, kind, name)?;
            Ok(place.map(|place| Self {
                task,
                places: vec![place],
                form: TargetForm::Plain,
            }))
        };
        let label = || one(TaskKind::Classification, &LABEL, &names.label);
        let labels = || one(TaskKind::Multilabel, &LABELS, &names.labels);
        if let (false, Wanted::Known { .. } | Wanted::Targets) =
            (names.indicators.is_empty(), wanted)
        {
            let task = match wanted {
                Wanted::Known { task, .. } => task,
                _ => TaskKind::Multilabel,
            };
            let guessed = task.targets() != TargetKind::Labels;
            return Ok(Some(Self {
                task,
                places: given_columns(manifest, found, &INDICATORS, &names.indicators)?,
                form: TargetForm::Indicators { guessed },
            }));
        }
        match wanted {
            Wanted::Images => return Ok(None),
            Wanted::Known { task, names: known } => {
                return match task.targets() {
                    TargetKind::Class => label(),
                    TargetKind::Labels => labels(),
                    TargetKind::Numbers => known_numbers(manifest, found, names, known),
                };
            }
            Wanted::Targets => {}
        }
        let given = [
            names.label.is_some(),
            names.labels.is_some(),
            !names.numbers.is_empty(),
        ];
        let mut kinds = Vec::new();
        let any = given.contains(&true);
        if given[0] || !any {
            kinds.extend(label()?);
        }
        if given[1] || !any {
            kinds.extend(labels()?);
        }
        if given[2] || !any {
            kinds.extend(numbers(manifest, found, names)?);
        }
        match kinds.len() {
            0 | 1 => Ok(kinds.pop()),
            _ => Err(ManifestError::ManyTargets {
                path: manifest.to_path_buf(),
                found: kinds
                    .iter()
                    .flat_map(|kind| &kind.places)
                    .map(|place| found[*place].clone())
                    .collect(),
            }),
        }
    }

    /// What the numbers are called: their columns' names without `number:`. Labels have names of their own.
    pub fn number_names(&self, found: &[String]) -> Vec<String> {
        let columns = match self.task.targets() {
            TargetKind::Numbers => self.places.as_slice(),
            TargetKind::Class | TargetKind::Labels => &[],
        };
        let name = |place: &usize| number_name(&found[*place]).to_owned();
        columns.iter().map(name).collect()
    }
}

/// The columns of numbers: those that were given, or `number` and all that begin with `number:`.
fn numbers(
    manifest: &Path,
    found: &[String],
    names: &ColumnNames,
) -> Result<Option<TargetColumns>, ManifestError> {
    let is_number = |column: &String| {
        let column = column.to_lowercase();
        column == NUMBERS.usual[0] || column.starts_with(NUMBER_PREFIX)
    };
    let places: Vec<usize> = match names.numbers.as_slice() {
        [] => (0..found.len())
            .filter(|at| is_number(&found[*at]))
            .collect(),
        given => given_columns(manifest, found, &NUMBERS, given)?,
    };
    Ok((!places.is_empty()).then_some(TargetColumns {
        task: TaskKind::Regression,
        places,
        form: TargetForm::Plain,
    }))
}

/// The columns of names that the user has given for one purpose.
fn given_columns(
    manifest: &Path,
    found: &[String],
    kind: &Kind,
    given: &[String],
) -> Result<Vec<usize>, ManifestError> {
    let mut places = Vec::with_capacity(given.len());
    for name in given {
        places.extend(find(manifest, found, kind, &Some(name.clone()))?);
    }
    Ok(places)
}

/// The label, or labels, by less usual names.
pub(super) fn label_else(found: &[String], wanted: Wanted) -> Option<TargetColumns> {
    let one = |task: TaskKind, kind: &Kind| {
        match wanted {
            Wanted::Images => return None,
            Wanted::Known { task: known, .. } if known != task => return None,
            Wanted::Known { .. } | Wanted::Targets => {}
        }
        let place = else_usual(found, kind)?;
        Some(TargetColumns {
            task,
            places: vec![place],
            form: TargetForm::Plain,
        })
    };
    one(TaskKind::Classification, &LABEL).or_else(|| one(TaskKind::Multilabel, &LABELS))
}

/// The columns of a model's numbers, in its order: those that were given, or those of the same names.
fn known_numbers(
    manifest: &Path,
    found: &[String],
    names: &ColumnNames,
    known: &ClassIndex,
) -> Result<Option<TargetColumns>, ManifestError> {
    let no_column = |wanted: String| ManifestError::NoColumn {
        path: manifest.to_path_buf(),
        wanted,
        key: NUMBERS.key,
        found: found.to_vec(),
    };
    let places = match names.numbers.as_slice() {
        [] => {
            let place = |name: &String| {
                let exact = found.iter().position(|column| column == name);
                let place =
                    exact.or_else(|| found.iter().position(|column| number_name(column) == name));
                place.ok_or_else(|| no_column(format!("`{name}` for the model's number")))
            };
            known.names().iter().map(place).collect::<Result<_, _>>()?
        }
        given if given.len() != known.len() => {
            let wanted = format!(
                "for each of the model's {} numbers, but {} are given",
                known.len(),
                given.len()
            );
            return Err(no_column(wanted));
        }
        given => given_columns(manifest, found, &NUMBERS, given)?,
    };
    Ok(Some(TargetColumns {
        task: TaskKind::Regression,
        places,
        form: TargetForm::Plain,
    }))
}

fn number_name(column: &str) -> &str {
    let prefix = column.get(..NUMBER_PREFIX.len());
    match prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(NUMBER_PREFIX)) {
        true => column[NUMBER_PREFIX.len()..].trim(),
        false => column,
    }
}
