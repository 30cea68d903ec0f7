//! What is to be learned of one image: its class, its labels or its numbers.
//!
//! This file owns the form of a target in memory, and how one is made of the texts that manifests and shards hold. What a head's outputs
//! mean is `outputs.rs`'s.

use std::collections::BTreeSet;

use crate::names::Names;

/// The form of a task's targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TargetKind {
    /// One class.
    Class,
    /// Any number of labels, also none.
    Labels,
    /// A number for each name.
    Numbers,
}

/// What is known of one image.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// Index into the folder's [`ClassIndex`](super::ClassIndex).
    Class(usize),
    /// Indices into it, ascending; none for an image without labels.
    Labels(Box<[u32]>),
    /// A finite number for each name in it.
    Numbers(Box<[f64]>),
}

impl Target {
    /// The class; none where it has labels or numbers.
    pub fn class(&self) -> Option<usize> {
        match self {
            Self::Class(class) => Some(*class),
            Self::Labels(_) | Self::Numbers(_) => None,
        }
    }

    /// The numbers; none where it has a class or labels.
    pub fn numbers(&self) -> &[f64] {
        match self {
            Self::Numbers(numbers) => numbers,
            Self::Class(_) | Self::Labels(_) => &[],
        }
    }

    /// The indices of the names that say something of this image: its class, each of its labels, or every number.
    pub fn names(&self) -> impl Iterator<Item = usize> + '_ {
        let (range, labels) = match self {
            Self::Class(class) => (*class..*class + 1, &[][..]),
            Self::Labels(labels) => (0..0, &labels[..]),
            Self::Numbers(numbers) => (0..numbers.len(), &[][..]),
        };
        range.chain(labels.iter().map(|label| *label as usize))
    }

    /// The target in words, with the names of its folder.
    pub fn words(&self, names: &[String]) -> String {
        let name = |index: usize| names.get(index).map_or("", String::as_str);
        match self {
            Self::Class(class) => name(*class).to_owned(),
            Self::Labels(labels) if labels.is_empty() => "no labels".into(),
            Self::Labels(_) => {
                let labels: Vec<&str> = self.names().map(name).collect();
                labels.join(", ")
            }
            Self::Numbers(numbers) if numbers.len() == 1 => numbers[0].to_string(),
            Self::Numbers(numbers) => {
                let numbers = numbers.iter().enumerate();
                let numbers = numbers.map(|(index, number)| format!("{} {number}", name(index)));
                numbers.collect::<Vec<_>>().join(", ")
            }
        }
    }
}

/// The target that the texts of a row say, with labels as their numbers in `labels`; or what is wrong with them.
///
/// `columns` are the names of the columns that they are from: one for a label or for labels, one for each number.
pub(crate) fn target_of_texts(
    kind: TargetKind,
    columns: &[String],
    texts: &[impl AsRef<str>],
    labels: &mut Names,
) -> Result<Target, String> {
    let column = columns.first().map_or("", String::as_str);
    match kind {
        TargetKind::Class => match texts.first().map(AsRef::as_ref) {
            None | Some("") => Err("the label is empty, expected one in every row".into()),
            Some(label) => Ok(Target::Class(labels.number(label) as usize)),
        },
        TargetKind::Labels => {
            let mut found = BTreeSet::new();
            for text in texts.iter().map(AsRef::as_ref) {
                if text.is_empty() {
                    return Err(format!(
                        "`{column}` has an empty label among others; leave it out, or leave the whole cell empty"
                    ));
                }
                if !found.insert(labels.number(text)) {
                    return Err(format!(
                        "`{column}` names `{text}` twice; name each label once"
                    ));
                }
            }
            Ok(Target::Labels(found.into_iter().collect()))
        }
        TargetKind::Numbers => {
            let numbers = columns.iter().zip(texts);
            let numbers = numbers.map(|(column, text)| number_of(column, text.as_ref()));
            Ok(Target::Numbers(numbers.collect::<Result<_, _>>()?))
        }
    }
}

fn number_of(column: &str, text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if (number as f32).is_finite() => Ok(number),
        Ok(_) => Err(format!(
            "`{column}` is {text}, expected a finite number of at most 3e38; remove or correct the row"
        )),
        Err(_) if text.is_empty() => Err(format!(
            "`{column}` is empty, expected a number in every row"
        )),
        Err(_) => {
            let comma = text.replacen(',', ".", 1).parse::<f64>().is_ok();
            let hint = if comma {
                " (with a point, not a comma)"
            } else {
                ""
            };
            Err(format!(
                "`{column}` is `{text}`, expected a number such as 3.5{hint}"
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(kind: TargetKind, texts: &[&str]) -> Result<Target, String> {
        let columns: Vec<String> = (0..texts.len().max(1)).map(|at| format!("c{at}")).collect();
        target_of_texts(kind, &columns, texts, &mut Names::default())
    }

    #[test]
    fn texts_become_targets_or_say_what_is_wrong() {
        let labels = |texts: &[&str]| target(TargetKind::Labels, texts);
        assert_eq!(labels(&[]), Ok(Target::Labels([].into())));
        assert_eq!(labels(&["x", "y"]), Ok(Target::Labels([0, 1].into())));
        assert!(
            labels(&["x", "x"])
                .unwrap_err()
                .contains("`c0` names `x` twice")
        );
        assert!(labels(&["x", ""]).unwrap_err().contains("empty label"));

        let numbers = |texts: &[&str]| target(TargetKind::Numbers, texts);
        let expected = Target::Numbers([-1.5, 2e3].into());
        assert_eq!(numbers(&["-1.5", "2e3"]), Ok(expected));
        for (text, part) in [
            ("", "`c1` is empty"),
            ("nan", "finite"),
            ("-inf", "finite"),
            ("1e39", "finite"),
            ("3,5", "not a comma"),
            ("tall", "expected a number such as 3.5"),
        ] {
            let reason = numbers(&["1", text]).unwrap_err();
            assert!(reason.contains(part) && reason.contains("`c1`"), "{reason}");
        }
        let error = target(TargetKind::Class, &[""]).unwrap_err();
        assert!(error.contains("the label is empty"), "{error}");
    }

    #[test]
    fn the_names_that_say_something_are_counted() {
        let names = |target: Target| target.names().collect::<Vec<_>>();
        assert_eq!(names(Target::Class(3)), [3]);
        assert_eq!(names(Target::Labels([1, 4].into())), [1, 4]);
        assert_eq!(names(Target::Numbers([9.0, 8.0].into())), [0, 1]);
    }
}
