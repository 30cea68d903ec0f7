//! Which column of a manifest is what, and so what is to be learned.

mod names;
mod targets;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, path::Path};

use crate::{SplitName, TargetKind, TaskKind};

use super::ManifestError;
use crate::ClassIndex;
use rekindle_settings::did_you_mean;

pub(crate) use names::flag_of;
use names::{FRAME, GROUP, Kind, LABEL, LABELS, PATH, SPLIT, else_usual, flag_column};
use targets::label_else;
pub(crate) use targets::{TargetColumns, TargetForm};

/// Names of columns that the user has given; the others are found by their usual names.
///
/// Usual names are compared without regard to case: `path`, `file`, `filename`, `filepath` or `image` (also `file_name`, `file_path`,
/// `image_path`) for the path; `label`, `class` or `category` (also `class_name`) for the label; `labels` for several labels; `number`, or
/// `number:` and a name, for numbers; `split` or `subset`; `group` or `group_id`. Where none of them is there, less usual ones are taken,
/// and a note says so: `image_id`, `image_url`, `id` and the like for the path, `choice`, `target` and the like for the label, `is_valid`
/// with True and False for the split; and columns that hold nothing but 0 and 1 are taken for a label each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnNames {
    /// The column of the path.
    pub path: Option<String>,
    /// The column of the label.
    pub label: Option<String>,
    /// The column of several labels.
    pub labels: Option<String>,
    /// Columns of 0 and 1, each of which is a label.
    pub indicators: Vec<String>,
    /// The columns of the numbers.
    pub numbers: Vec<String>,
    /// The column of the split.
    pub split: Option<String>,
    /// The column of the group.
    pub group: Option<String>,
    /// The column of the frame's number, where rows are frames of sequences.
    pub frame: Option<String>,
    /// Whether rows are frames of sequences: their groups are these, and the column of the frame is looked for.
    pub of_frames: bool,
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

/// The columns of a manifest, as places among its columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Columns {
    pub path: usize,
    /// None where the images alone are wanted.
    pub target: Option<TargetColumns>,
    pub split: Option<usize>,
    /// What True means in the column of the split, where it holds True and False.
    pub split_flag: Option<SplitName>,
    pub group: Option<usize>,
    /// The number of the frame; none where rows are not frames, or come in their order.
    pub frame: Option<usize>,
    /// The names of those that are not used.
    pub unused: Vec<String>,
    /// Which columns are taken although their names are not the usual ones.
    pub notes: Vec<String>,
}

impl Columns {
    /// Chooses among the columns of a manifest.
    pub fn choose(
        manifest: &Path,
        found: &[String],
        names: &ColumnNames,
        wanted: Wanted,
    ) -> Result<Self, ManifestError> {
        Self::choose_with(manifest, found, names, wanted, |_| Ok(Vec::new()))
    }

    /// Whether one of the columns is called as paths are.
    pub fn names_a_path(found: &[String]) -> bool {
        else_usual(found, &PATH).is_some()
    }

    /// Chooses among the columns of a manifest. Where no name says what is to be learned, `indicators` is asked which of the columns that
    /// are left hold 0 and 1 alone.
    pub fn choose_with(
        manifest: &Path,
        found: &[String],
        names: &ColumnNames,
        wanted: Wanted,
        indicators: impl Fn(&[usize]) -> Result<Vec<usize>, ManifestError>,
    ) -> Result<Self, ManifestError> {
        let optional = |kind: &Kind, name: &Option<String>| find(manifest, found, kind, name);
        let no_column = |kind: &Kind, more: &str| ManifestError::NoColumn {
            path: manifest.to_path_buf(),
            wanted: format!("for the {}, such as `{}`{more}", kind.what, kind.usual[0]),
            key: kind.key,
            found: found.to_vec(),
        };
        let or_else = |place: Option<usize>, kind: &Kind, name: &Option<String>| match name {
            None => place.or_else(|| else_usual(found, kind)),
            Some(_) => place,
        };
        let path = or_else(optional(&PATH, &names.path)?, &PATH, &names.path);
        let path = path.ok_or_else(|| no_column(&PATH, ""))?;
        let mut target = TargetColumns::choose(manifest, found, names, wanted)?;
        let given = names.label.is_some() || names.labels.is_some() || !names.numbers.is_empty();
        if target.is_none() && !given {
            target = label_else(found, wanted);
        }
        let split = match wanted {
            Wanted::Images => None,
            _ => or_else(optional(&SPLIT, &names.split)?, &SPLIT, &names.split),
        };
        let group = match wanted {
            Wanted::Images if !names.of_frames => None,
            _ => optional(&GROUP, &names.group)?,
        };
        let frame = match names.of_frames {
            true if group.is_none() => return Err(no_column(&GROUP, ", which is the sequence")),
            true => optional(&FRAME, &names.frame)?,
            false => None,
        };
        if target.is_none() && !matches!(wanted, Wanted::Images) {
            let taken = [Some(path), split, group, frame];
            let others = (0..found.len()).filter(|place| !taken.contains(&Some(*place)));
            let places = indicators(&others.collect::<Vec<_>>())?;
            let task = match wanted {
                Wanted::Known { task, .. } => task,
                _ => TaskKind::Multilabel,
            };
            let form = TargetForm::Indicators { guessed: true };
            target = (!places.is_empty()).then_some(TargetColumns { task, places, form });
        }
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
        let split_flag = split.and_then(|place| flag_column(&found[place]));
        let mut notes = Vec::new();
        let mut note = |place: usize, kind: &Kind, given: &Option<String>, what: &str| {
            let usual = kind.usual.contains(&found[place].to_lowercase().as_str());
            if !usual && given.is_none() {
                let (name, key) = (&found[place], kind.key);
                notes.push(format!(
                    "the column `{name}` is taken for {what} (`{key}` chooses another)"
                ));
            }
        };
        note(path, &PATH, &names.path, "the path");
        if let Some(place) = split {
            let what = split_flag.map_or("the split".to_owned(), |split| {
                format!("the split: true is {split}")
            });
            note(place, &SPLIT, &names.split, &what);
        }
        if let Some(TargetColumns {
            form: TargetForm::Plain,
            places,
            task,
        }) = &target
        {
            match task.targets() {
                TargetKind::Class => note(places[0], &LABEL, &names.label, "the label"),
                TargetKind::Labels => note(places[0], &LABELS, &names.labels, "the labels"),
                TargetKind::Numbers => {}
            }
        }
        let targets = target
            .iter()
            .flat_map(|target| target.places.iter().copied());
        let used: Vec<usize> = [Some(path), split, group, frame]
            .into_iter()
            .flatten()
            .chain(targets)
            .collect();
        let unused = (0..found.len()).filter(|place| !used.contains(place));
        let unused = unused.map(|place| found[place].clone()).collect();
        Ok(Self {
            path,
            target,
            split,
            split_flag,
            group,
            frame,
            unused,
            notes,
        })
    }

    /// The name of the split that a cell says; empty for none.
    ///
    /// # Errors
    /// The column holds True and False, and the cell is neither.
    pub fn split_text<'a>(&self, cell: Cow<'a, str>) -> Result<Cow<'a, str>, String> {
        let Some(split) = self.split_flag else {
            return Ok(cell);
        };
        let other = match split {
            SplitName::Train => SplitName::Validation,
            _ => SplitName::Train,
        };
        match flag_of(&cell) {
            Some(true) => Ok(split.short().into()),
            Some(false) => Ok(other.short().into()),
            None if cell.is_empty() => Ok(cell),
            // The name of a split says more than yes or no.
            None if SplitName::of_folder(&cell).is_some() => Ok(cell),
            None => Err(format!(
                "the cell of the split is `{cell}`, expected True or False"
            )),
        }
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
        indicators: Vec::new(),
        numbers: match all_there {
            true => names.numbers.clone(),
            false => Vec::new(),
        },
        split: there(&names.split),
        group: there(&names.group),
        frame: None,
        of_frames: false,
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
