//! How a source is to be read: what the settings under `data` say of its columns, its paths and its groups.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::ColumnNames;

/// How a source is to be read; the default finds everything by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceOptions {
    /// Where a manifest's relative paths start; none for the manifest's own folder.
    pub root: Option<PathBuf>,
    /// Columns of a manifest, or keys of the JSON objects in tar shards.
    pub columns: ColumnNames,
    /// What separates several labels in one cell of CSV and TSV.
    pub label_separator: String,
    /// Groups that follow from file names, in place of a group column.
    pub grouping: Option<NameGrouping>,
    /// What the paths of a list begin with and do not here; left out.
    pub path_prefix: Option<String>,
    /// What is put behind the paths of a list that do not end in it, such as `.jpg`.
    pub suffix: Option<String>,
    /// Where pictures of Parquet files are unpacked to; none for the system's folder of caches.
    pub cache_directory: Option<PathBuf>,
}

impl Default for SourceOptions {
    /// `|` between labels: unlike `;` it never separates the fields themselves.
    fn default() -> Self {
        Self {
            root: None,
            columns: ColumnNames::default(),
            label_separator: "|".into(),
            grouping: None,
            path_prefix: None,
            suffix: None,
            cache_directory: None,
        }
    }
}

/// Groups by file names: images of one folder whose names agree up to the first separator are of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameGrouping {
    /// Ends the part of the name that is the group's: with `_`, `patient7_left.png` is of the group `patient7`, in any folder. A name
    /// without it, or that starts with it, is a group by itself, without its extension.
    pub separator: String,
}

/// The rules by which groups can be made in a recipe.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupBy {
    /// No rule: a manifest's group column, where it has one.
    #[default]
    None,
    /// The file name up to a separator, see [`NameGrouping`].
    Prefix,
}
