//! Which column of a manifest is what, and so what is to be learned.

use std::path::Path;

use crate::{TargetKind, TaskKind};

use super::ManifestError;
use crate::ClassIndex;
use rekindle_settings::did_you_mean;

/// Names of columns that the user has given; the others are found by their usual names.
///
/// Usual names are compared without regard to case: `path`, `file`, `filename`, `filepath` or `image` (also `file_name`, `file_path`,
/// `image_path`) for the path; `label`, `class` or `category` (also `class_name`) for the label; `labels` for several labels; `number`, or
/// `number:` and a name, for numbers; `split` or `subset`; `group` or `group_id`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnNames {
    /// The column of the path.
    pub path: Option<String>,
    /// The column of the label.
    pub label: Option<String>,
    /// The column of several labels.
    pub labels: Option<String>,
    /// The columns of the numbers.
    pub numbers: Vec<String>,
    /// The column of the split.
    pub split: Option<String>,
    /// The column of the group.
    pub group: Option<String>,
}

/// What a source is opened for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wanted<'a> {
    /// Targets of the kind that there are, for training.
    Targets,
    /// Targets of these names, to evaluate a model.
    Known {
        task: TaskKind,
        names: &'a ClassIndex,
    },
    /// The images alone.
    Images,
}

/// A column that a manifest may have.
struct Kind {
    what: &'static str,
    key: &'static str,
    usual: &'static [&'static str],
}

const PATH: Kind = Kind {
    what: "path",
    key: "data.path_column",
    usual: &[
        "path",
        "file",
        "filename",
        "filepath",
        "image",
        "file_name",
        "file_path",
        "image_path",
    ],
};
const LABEL: Kind = Kind {
    what: "label",
    key: "data.label_column",
    usual: &["label", "class", "category", "class_name"],
};
const LABELS: Kind = Kind {
    what: "labels",
    key: "data.labels_column",
    usual: &["labels"],
};
const NUMBERS: Kind = Kind {
    what: "number",
    key: "data.number_columns",
    usual: &["number"],
};
const SPLIT: Kind = Kind {
    what: "split",
    key: "data.split_column",
    usual: &["split", "subset"],
};
const GROUP: Kind = Kind {
    what: "group",
    key: "data.group_column",
    usual: &["group", "group_id"],
};

/// Begins the name of a column with a number, whose own name follows.
const NUMBER_PREFIX: &str = "number:";

/// The columns that hold the targets, as places among all columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TargetColumns {
    pub task: TaskKind,
    /// One for a label or for labels, one for each number.
    pub places: Vec<usize>,
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
            }))
        };
        let label = || one(TaskKind::Classification, &LABEL, &names.label);
        let labels = || one(TaskKind::Multilabel, &LABELS, &names.labels);
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
        given => given_numbers(manifest, found, given)?,
    };
    Ok((!places.is_empty()).then_some(TargetColumns {
        task: TaskKind::Regression,
        places,
    }))
}

fn given_numbers(
    manifest: &Path,
    found: &[String],
    given: &[String],
) -> Result<Vec<usize>, ManifestError> {
    let mut places = Vec::with_capacity(given.len());
    for name in given {
        places.extend(find(manifest, found, &NUMBERS, &Some(name.clone()))?);
    }
    Ok(places)
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
        given => given_numbers(manifest, found, given)?,
    };
    Ok(Some(TargetColumns {
        task: TaskKind::Regression,
        places,
    }))
}

fn number_name(column: &str) -> &str {
    let prefix = column.get(..NUMBER_PREFIX.len());
    match prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(NUMBER_PREFIX)) {
        true => column[NUMBER_PREFIX.len()..].trim(),
        false => column,
    }
}

/// The columns of a manifest, as places among its columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Columns {
    pub path: usize,
    /// None where the images alone are wanted.
    pub target: Option<TargetColumns>,
    pub split: Option<usize>,
    pub group: Option<usize>,
    /// The names of those that are not used.
    pub unused: Vec<String>,
}

impl Columns {
    /// Chooses among the columns of a manifest.
    pub fn choose(
        manifest: &Path,
        found: &[String],
        names: &ColumnNames,
        wanted: Wanted,
    ) -> Result<Self, ManifestError> {
        let optional = |kind: &Kind, name: &Option<String>| find(manifest, found, kind, name);
        let no_column = |kind: &Kind, more: &str| ManifestError::NoColumn {
            path: manifest.to_path_buf(),
            wanted: format!("for the {}, such as `{}`{more}", kind.what, kind.usual[0]),
            key: kind.key,
            found: found.to_vec(),
        };
        let path = optional(&PATH, &names.path)?.ok_or_else(|| no_column(&PATH, ""))?;
        let target = TargetColumns::choose(manifest, found, names, wanted)?;
        match (&target, wanted) {
            (Some(_), _) | (None, Wanted::Images) => {}
            (None, Wanted::Known { task, .. }) if task.targets() == TargetKind::Labels => {
                return Err(no_column(&LABELS, ""));
            }
            (None, Wanted::Known { .. }) => return Err(no_column(&LABEL, "")),
            (None, Wanted::Targets) => {
                let more = ", or `labels` for several of them, or `number` for a number";
                return Err(no_column(&LABEL, more));
            }
        }
        let (split, group) = match wanted {
            Wanted::Images => (None, None),
            _ => (
                optional(&SPLIT, &names.split)?,
                optional(&GROUP, &names.group)?,
            ),
        };
        let targets = target
            .iter()
            .flat_map(|target| target.places.iter().copied());
        let used: Vec<usize> = [Some(path), split, group]
            .into_iter()
            .flatten()
            .chain(targets)
            .collect();
        let unused = (0..found.len()).filter(|place| !used.contains(place));
        Ok(Self {
            path,
            target,
            split,
            group,
            unused: unused.map(|place| found[place].clone()).collect(),
        })
    }
}

/// The targets, the split and the group among the keys of one object that describes an image.
pub(crate) fn keys_of_object(
    origin: &Path,
    found: &[String],
    names: &ColumnNames,
    wanted: Wanted,
) -> Result<(Option<TargetColumns>, [Option<usize>; 2]), ManifestError> {
    // An object may lack what others have, so a given name that is not there is no mistake here.
    let there = |name: &Option<String>| name.clone().filter(|name| found.contains(name));
    let all_there = names.numbers.iter().all(|name| found.contains(name));
    let here = ColumnNames {
        path: None,
        label: there(&names.label),
        labels: there(&names.labels),
        numbers: match all_there {
            true => names.numbers.clone(),
            false => Vec::new(),
        },
        split: there(&names.split),
        group: there(&names.group),
    };
    let absent = (names.label.is_some() && here.label.is_none())
        || (names.labels.is_some() && here.labels.is_none())
        || !all_there;
    let target = match absent {
        true => None,
        false => TargetColumns::choose(origin, found, &here, wanted)?,
    };
    let key = |kind: &Kind, given: &Option<String>, here: &Option<String>| match (given, here) {
        (Some(_), None) => Ok(None),
        _ => find(origin, found, kind, here),
    };
    Ok((
        target,
        [
            key(&SPLIT, &names.split, &here.split)?,
            key(&GROUP, &names.group, &here.group)?,
        ],
    ))
}

fn find(
    manifest: &Path,
    found: &[String],
    kind: &Kind,
    name: &Option<String>,
) -> Result<Option<usize>, ManifestError> {
    let fits = |column: &String| match name {
        Some(name) => column == name,
        None => kind.usual.contains(&column.to_lowercase().as_str()),
    };
    let places: Vec<usize> = (0..found.len()).filter(|at| fits(&found[*at])).collect();
    match (places.as_slice(), name) {
        ([place], _) => Ok(Some(*place)),
        ([], None) => Ok(None),
        ([], Some(name)) => Err(ManifestError::NoColumn {
            path: manifest.to_path_buf(),
            wanted: format!(
                "`{name}`{} for the {}",
                did_you_mean(name, found),
                kind.what
            ),
            key: kind.key,
            found: found.to_vec(),
        }),
        (many, _) => Err(ManifestError::ManyColumns {
            path: manifest.to_path_buf(),
            what: kind.what,
            key: kind.key,
            found: many.iter().map(|place| found[*place].clone()).collect(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(found: &[&str], names: &ColumnNames) -> Result<Columns, ManifestError> {
        let found: Vec<String> = found.iter().map(|name| (*name).to_owned()).collect();
        Columns::choose(Path::new("labels.csv"), &found, names, Wanted::Targets)
    }

    fn target(task: TaskKind, places: &[usize]) -> Option<TargetColumns> {
        let places = places.to_vec();
        Some(TargetColumns { task, places })
    }

    #[test]
    fn the_columns_say_what_is_to_be_learned() {
        let none = ColumnNames::default();
        let chosen = |found: &[&str], names: &ColumnNames| choose(found, names).unwrap();
        let columns = chosen(&["path", "Labels"], &none);
        assert_eq!(columns.target, target(TaskKind::Multilabel, &[1]));
        let columns = chosen(&["path", "number:width", "Number: height"], &none);
        assert_eq!(columns.target, target(TaskKind::Regression, &[1, 2]));
        let found = ["path", "number:width", "Number: height"].map(String::from);
        let names = columns.target.unwrap().number_names(&found);
        assert_eq!(names, ["width", "height"]);
        let given = ColumnNames {
            numbers: vec!["age".into()],
            ..ColumnNames::default()
        };
        let columns = chosen(&["path", "label", "age"], &given);
        assert_eq!(columns.target, target(TaskKind::Regression, &[2]));
        let error = choose(&["path", "label", "number"], &none).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("several kinds of targets: `label`, `number`"),
            "{error}"
        );
        let both = ColumnNames {
            label: Some("label".into()),
            ..given
        };
        assert!(choose(&["path", "label", "age"], &both).is_err());
    }

    #[test]
    fn a_models_numbers_are_found_by_name_in_its_order() {
        let known = ClassIndex::new(vec!["width".into(), "height".into()]).unwrap();
        let wanted = Wanted::Known {
            task: TaskKind::Regression,
            names: &known,
        };
        let choose = |found: &[&str], names: &ColumnNames| {
            let found: Vec<String> = found.iter().map(|name| (*name).to_owned()).collect();
            Columns::choose(Path::new("a.csv"), &found, names, wanted)
        };
        let none = ColumnNames::default();
        let columns = choose(&["path", "label", "height", "number:width"], &none).unwrap();
        assert_eq!(columns.target, target(TaskKind::Regression, &[3, 2]));
        let error = choose(&["path", "width"], &none).unwrap_err().to_string();
        assert!(
            error.contains("no column `height` for the model's number"),
            "{error}"
        );
        let given = ColumnNames {
            numbers: vec!["w".into(), "h".into()],
            ..ColumnNames::default()
        };
        let columns = choose(&["path", "h", "w"], &given).unwrap();
        assert_eq!(columns.target, target(TaskKind::Regression, &[2, 1]));
    }

    #[test]
    fn usual_names_are_found_in_any_case_and_the_rest_is_listed() {
        let columns = choose(
            &["width", "Class", "FILE", "Split"],
            &ColumnNames::default(),
        );
        let columns = columns.unwrap();
        assert_eq!(columns.path, 2);
        assert_eq!(columns.target, target(TaskKind::Classification, &[1]));
        assert_eq!((columns.split, columns.group), (Some(3), None));
        assert_eq!(columns.unused, ["width"]);
    }

    #[test]
    fn a_given_name_is_taken_exactly() {
        let names = ColumnNames {
            label: Some("breed".into()),
            group: Some("dog".into()),
            ..ColumnNames::default()
        };
        let columns = choose(&["path", "label", "breed", "dog"], &names).unwrap();
        assert_eq!(columns.target, target(TaskKind::Classification, &[2]));
        assert_eq!(columns.group, Some(3));
        assert_eq!(columns.unused, ["label"]);
        let error = choose(&["path", "bread"], &names).unwrap_err().to_string();
        assert!(
            error.contains("no column `breed` (did you mean `bread`?) for the label"),
            "{error}"
        );
        assert!(error.contains("data.label_column=NAME"), "{error}");
    }

    #[test]
    fn a_missing_or_doubtful_column_is_an_error_with_what_there_is() {
        let none = ColumnNames::default();
        let error = choose(&["cat/1.png", "cat"], &none)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("for the path, such as `path`; it has `cat/1.png`, `cat`"),
            "{error}"
        );
        let error = choose(&["path", "image", "label"], &none)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("may hold the path: `path`, `image`"),
            "{error}"
        );
    }
}
