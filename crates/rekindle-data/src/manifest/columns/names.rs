//! The names that columns have in the lists of people and tools, and the words for yes and no.

use crate::SplitName;

/// A column that a manifest may have.
pub(super) struct Kind {
    pub what: &'static str,
    pub key: &'static str,
    pub usual: &'static [&'static str],
    /// Taken where no usual name is there, the first that is; compared without regard to blanks and dashes, too.
    pub else_usual: &'static [&'static str],
}

pub(super) const PATH: Kind = Kind {
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
    else_usual: &[
        "image_id",
        "image_name",
        "image_file",
        "image_url",
        "image_uri",
        "imageid",
        "imagename",
        "img_path",
        "img_name",
        "img_id",
        "img",
        "file_id",
        "filenames",
        "file_names",
        "filepaths",
        "file_paths",
        "images",
        "url",
        "id",
    ],
};
pub(super) const LABEL: Kind = Kind {
    what: "label",
    key: "data.label_column",
    usual: &["label", "class", "category", "class_name"],
    else_usual: &[
        "choice",
        "classname",
        "class_label",
        "label_name",
        "category_name",
        "target",
    ],
};
pub(super) const LABELS: Kind = Kind {
    what: "labels",
    key: "data.labels_column",
    usual: &["labels"],
    else_usual: &["tags", "choices"],
};
pub(super) const NUMBERS: Kind = Kind {
    what: "number",
    key: "data.number_columns",
    usual: &["number"],
    else_usual: &[],
};
pub(super) const INDICATORS: Kind = Kind {
    what: "label with a column of its own",
    key: "data.label_columns",
    usual: &[],
    else_usual: &[],
};
pub(super) const SPLIT: Kind = Kind {
    what: "split",
    key: "data.split_column",
    usual: &["split", "subset"],
    else_usual: &["is_valid", "is_val", "is_validation", "is_test", "is_train"],
};
pub(super) const GROUP: Kind = Kind {
    what: "group",
    key: "data.group_column",
    usual: &["group", "group_id"],
    else_usual: &[],
};

pub(super) const FRAME: Kind = Kind {
    what: "number of the frame",
    key: "data.frame_column",
    usual: &["frame", "frame_id", "frame_number", "frame_index"],
    else_usual: &[],
};

/// The first of the less usual names that is there.
pub(super) fn else_usual(found: &[String], kind: &Kind) -> Option<usize> {
    let plain: Vec<String> = found
        .iter()
        .map(|name| name.to_lowercase().replace([' ', '-'], "_"))
        .collect();
    let names = kind.usual.iter().chain(kind.else_usual);
    names
        .into_iter()
        .find_map(|usual| plain.iter().position(|name| name == usual))
}

/// What True means in a column of this name; none where it is not one of True and False.
pub(super) fn flag_column(name: &str) -> Option<SplitName> {
    match name.to_lowercase().as_str() {
        "is_valid" | "is_val" | "is_validation" => Some(SplitName::Validation),
        "is_test" => Some(SplitName::Test),
        "is_train" => Some(SplitName::Train),
        _ => None,
    }
}

/// Yes or no, as tables write it; none for anything else.
pub(crate) fn flag_of(cell: &str) -> Option<bool> {
    match cell.to_lowercase().as_str() {
        "1" | "1.0" | "true" | "yes" => Some(true),
        "0" | "0.0" | "false" | "no" => Some(false),
        _ => None,
    }
}
