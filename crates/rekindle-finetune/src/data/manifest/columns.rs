//! Which column of a manifest is what.

use std::path::Path;

use super::ManifestError;
use crate::suggest::did_you_mean;

/// Names of columns that the user has given; the others are found by their usual names.
///
/// Usual names are compared without regard to case: `path`, `file`, `filename`, `filepath` or `image` (also `file_name`, `file_path`,
/// `image_path`) for the path; `label`, `class` or `category` (also `class_name`) for the label; `split` or `subset`; `group` or
/// `group_id`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnNames {
    /// The column of the path.
    pub path: Option<String>,
    /// The column of the label.
    pub label: Option<String>,
    /// The column of the split.
    pub split: Option<String>,
    /// The column of the group.
    pub group: Option<String>,
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

/// The columns of a manifest, as places among its columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::data) struct Columns {
    pub path: usize,
    pub label: usize,
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
    ) -> Result<Self, ManifestError> {
        let optional = |kind: &Kind, name: &Option<String>| find(manifest, found, kind, name);
        let needed = |kind: &Kind, name: &Option<String>| {
            optional(kind, name)?.ok_or_else(|| ManifestError::NoColumn {
                path: manifest.to_path_buf(),
                wanted: format!("for the {}, such as `{}`", kind.what, kind.usual[0]),
                key: kind.key,
                found: found.to_vec(),
            })
        };
        let (path, label) = (needed(&PATH, &names.path)?, needed(&LABEL, &names.label)?);
        let (split, group) = (
            optional(&SPLIT, &names.split)?,
            optional(&GROUP, &names.group)?,
        );
        let used = [Some(path), Some(label), split, group];
        let unused = (0..found.len()).filter(|place| !used.contains(&Some(*place)));
        Ok(Self {
            path,
            label,
            split,
            group,
            unused: unused.map(|place| found[place].clone()).collect(),
        })
    }
}

/// The label, the split and the group among the keys of one object that describes an image.
pub(in crate::data) fn keys_of_object<'a>(
    origin: &Path,
    found: &'a [String],
    names: &ColumnNames,
) -> Result<[Option<&'a str>; 3], ManifestError> {
    let key = |kind: &Kind, name: &Option<String>| -> Result<Option<&'a str>, ManifestError> {
        // An object may lack what others have, so a given name that is not there is no mistake here.
        let absent = name.as_ref().is_some_and(|name| !found.contains(name));
        let place = if absent {
            None
        } else {
            find(origin, found, kind, name)?
        };
        Ok(place.map(|place| found[place].as_str()))
    };
    Ok([
        key(&LABEL, &names.label)?,
        key(&SPLIT, &names.split)?,
        key(&GROUP, &names.group)?,
    ])
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
        Columns::choose(Path::new("labels.csv"), &found, names)
    }

    #[test]
    fn usual_names_are_found_in_any_case_and_the_rest_is_listed() {
        let columns = choose(
            &["width", "Class", "FILE", "Split"],
            &ColumnNames::default(),
        );
        let columns = columns.unwrap();
        assert_eq!((columns.path, columns.label), (2, 1));
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
        assert_eq!((columns.label, columns.group), (2, Some(3)));
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
