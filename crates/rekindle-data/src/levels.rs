//! Classes that are levels: what a recipe says of their order, and images of classes as images of levels.

use serde::{Deserialize, Serialize};

use crate::{ClassIndex, DataError, ImageFolder, Target, TargetKind, TaskKind};

/// Whether classes are levels, and in which order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Ordinal {
    /// `true`: from the lowest number in the classes' names to the highest; `false`: classes have no order.
    Numbered(bool),
    /// The names of all levels, the lowest first.
    Named(Vec<String>),
}

/// The same images, their classes in the order of the levels that they are.
///
/// # Errors
///
/// [`DataError::Levels`] where images have labels or numbers, a class is not among the named levels or has no number, or a level has no
/// images.
pub(crate) fn as_levels(
    mut folder: ImageFolder,
    ordinal: Option<&Ordinal>,
) -> Result<ImageFolder, DataError> {
    let named = match ordinal {
        None | Some(Ordinal::Numbered(false)) => return Ok(folder),
        Some(Ordinal::Numbered(true)) => None,
        Some(Ordinal::Named(names)) => Some(names),
    };
    let refused = |reason: String| {
        let path = folder.source.clone();
        DataError::Levels { path, reason }
    };
    if folder.task.targets() != TargetKind::Class {
        let hint = match folder.task.targets() {
            TargetKind::Numbers => {
                "; for levels that are numbers name their column with `data.label_column`"
            }
            _ => "",
        };
        let words = folder.task.words();
        return Err(refused(format!("{}{hint}", words.because)));
    }
    let found = folder.classes.names();
    let levels = match named {
        Some(named) => {
            in_order(found, named).map_err(refused)?;
            named.clone()
        }
        None => by_number(found).map_err(refused)?,
    };
    if levels.len() < 2 {
        return Err(refused("there is one level alone, expected two".into()));
    }
    let levels = ClassIndex::new(levels)?;
    let places: Vec<usize> = found.iter().filter_map(|name| levels.index(name)).collect();
    for sample in &mut folder.samples {
        if let Target::Class(class) = &mut sample.target {
            *class = places[*class];
        }
    }
    // By split, then class; paths of a class keep their order.
    folder
        .samples
        .sort_by_key(|sample| (sample.split, sample.class()));
    (folder.classes, folder.task) = (levels, TaskKind::Ordinal);
    Ok(folder)
}

/// Checks that the named levels are the classes that were found.
fn in_order(found: &[String], named: &[String]) -> Result<(), String> {
    let list = |names: Vec<&String>| {
        let names = names.iter().take(10).map(|name| format!("`{name}`"));
        names.collect::<Vec<_>>().join(", ")
    };
    let without = |all: &[String], names: &[String]| -> String {
        list(all.iter().filter(|name| !names.contains(name)).collect())
    };
    let unnamed = without(found, named);
    if !unnamed.is_empty() {
        return Err(format!(
            "it does not say where {unnamed} is in the order; name all levels, the lowest first"
        ));
    }
    let empty = without(named, found);
    match empty.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "no image is of {empty}; there are {}",
            list(found.iter().collect())
        )),
    }
}

/// The classes by the numbers in their names.
fn by_number(found: &[String]) -> Result<Vec<String>, String> {
    let mut numbered = Vec::with_capacity(found.len());
    for name in found {
        let number = number_in(name).ok_or_else(|| {
            format!(
                "`{name}` has no number; list the names in their order, the lowest first, such as [\"none\", \"mild\", \"severe\"]"
            )
        })?;
        numbered.push((number, name.clone()));
    }
    numbered.sort_by(|one, other| one.0.total_cmp(&other.0));
    if let Some(pair) = numbered.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(format!(
            "`{}` and `{}` have the same number; list the names in their order, the lowest first",
            pair[0].1, pair[1].1
        ));
    }
    Ok(numbered.into_iter().map(|(_, name)| name).collect())
}

/// The first number in a name: 3 in `grade 3`, 2.5 in `2.5`, -1 in `-1`.
fn number_in(name: &str) -> Option<f64> {
    let start = name.find(|letter: char| letter.is_ascii_digit())?;
    let rest = &name[start..];
    let mut end = 0;
    let mut point = false;
    for (place, letter) in rest.char_indices() {
        let more = match letter {
            '.' if !point => {
                point = true;
                rest[place + 1..].starts_with(|next: char| next.is_ascii_digit())
            }
            _ => letter.is_ascii_digit(),
        };
        if !more {
            break;
        }
        end = place + 1;
    }
    let number: f64 = rest[..end].parse().ok()?;
    // A hyphen between words is no sign.
    Some(if &name[..start] == "-" {
        -number
    } else {
        number
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sample;

    fn folder(names: &[&str]) -> ImageFolder {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let samples = names.iter().enumerate();
        let samples = samples.map(|(class, name)| Sample::file(name.into(), class, None));
        ImageFolder {
            samples: samples.collect(),
            classes: ClassIndex::new(names).unwrap(),
            ..ImageFolder::default()
        }
    }

    fn levels(names: &[&str], ordinal: Ordinal) -> Result<ImageFolder, String> {
        as_levels(folder(names), Some(&ordinal)).map_err(|error| error.to_string())
    }

    #[test]
    fn classes_with_numbers_are_ordered_by_them() {
        let found = levels(&["10", "2", "grade 3", "-1"], Ordinal::Numbered(true)).unwrap();
        assert_eq!(found.classes.names(), ["-1", "2", "grade 3", "10"]);
        assert_eq!(found.task, TaskKind::Ordinal);
        for (level, sample) in found.samples.iter().enumerate() {
            assert_eq!(sample.class(), Some(level));
            assert_eq!(sample.key(), found.classes.names()[level]);
        }
    }

    #[test]
    fn named_levels_are_in_the_order_of_the_list() {
        let named =
            |names: &[&str]| Ordinal::Named(names.iter().map(|name| (*name).to_owned()).collect());
        let found = levels(
            &["mild", "none", "severe"],
            named(&["none", "mild", "severe"]),
        );
        assert_eq!(found.unwrap().classes.names(), ["none", "mild", "severe"]);
        let error = levels(&["mild", "none"], named(&["none"])).unwrap_err();
        assert!(error.contains("where `mild` is in the order"), "{error}");
        let error = levels(&["mild", "none"], named(&["none", "mild", "bad"])).unwrap_err();
        assert!(error.contains("no image is of `bad`"), "{error}");
    }

    #[test]
    fn names_without_a_number_of_their_own_are_refused_with_a_way_on() {
        let error = levels(&["1", "two"], Ordinal::Numbered(true)).unwrap_err();
        assert!(error.contains("`two` has no number; list"), "{error}");
        let error = levels(&["1", "a1"], Ordinal::Numbered(true)).unwrap_err();
        assert!(error.contains("the same number"), "{error}");
        let off = as_levels(folder(&["b", "a"]), Some(&Ordinal::Numbered(false))).unwrap();
        assert_eq!(off.task, TaskKind::Classification);
    }

    #[test]
    fn numbers_are_found_in_names() {
        for (name, number) in [
            ("3", 3.0),
            ("level_2.5kg", 2.5),
            ("v1.", 1.0),
            ("a-7", 7.0),
            ("-7", -7.0),
            ("1.2.3", 1.2),
        ] {
            assert_eq!(number_in(name), Some(number), "{name}");
        }
        assert_eq!(number_in("none"), None);
    }
}
