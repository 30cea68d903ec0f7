//! Label Studio's CSV and TSV exports: a row an annotation, an empty cell where nothing was chosen.
//!
//! The table is read as any other (`delimited.rs`); the choices are in the column `choice`, or that of the control tag's name.

use super::{ListFile, ListFormat, delimited::read_table};
use crate::manifest::{ManifestError, RowReader, table::Table};

/// See the file's head.
pub struct LabelStudioTable;

impl ListFormat for LabelStudioTable {
    fn recognises(&self, file: &ListFile) -> bool {
        let head = file.first_lines().next().unwrap_or_default();
        file.is_called(&["csv", "tsv"])
            && ["annotation_id", "lead_time"]
                .iter()
                .all(|column| head.contains(column))
    }

    fn read(&self, file: &ListFile, reader: &mut RowReader) -> Result<(), ManifestError> {
        let table = Table::new(file.path, &file.text, file.is_called(&["tsv"]));
        read_table(&table, true, reader)
    }
}
