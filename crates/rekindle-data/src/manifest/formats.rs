//! The forms that lists have, a file each and a line each in [`FORMATS`].
//!
//! A format takes a file apart and hands over its rows; what a row means is `manifest.rs`'s. A new one is a file in `formats/` and a line
//! here.

mod azure;
mod coco;
mod delimited;
mod image_net;
mod json_array;
mod json_lines;
mod label_studio;
mod label_studio_csv;
mod lst;
#[cfg(feature = "parquet")]
pub(super) mod parquet;
mod vertex;

use super::{ManifestError, RowReader, list_file::ListFile};

pub(crate) use json_lines::{target_texts, text_of};

/// A form of lists.
pub(super) trait ListFormat: Sync {
    /// Whether a file is of this form, by its name and its beginning.
    fn recognises(&self, file: &ListFile) -> bool;

    /// Reads all rows.
    ///
    /// # Errors
    /// A row is not what the form wants, with its line where it has one.
    fn read(&self, file: &ListFile, reader: &mut RowReader) -> Result<(), ManifestError>;
}

/// All forms; the first that recognises a file reads it, so those that others would read too come before them.
const FORMATS: &[&dyn ListFormat] = &[
    &vertex::VertexLines,
    &azure::AzureLines,
    &label_studio::LabelStudioJson,
    &coco::Coco,
    &json_array::JsonArray,
    &lst::Lst,
    &image_net::ImageNetText,
    &label_studio_csv::LabelStudioTable,
    &json_lines::JsonLines,
    #[cfg(feature = "parquet")]
    &parquet::ParquetRows,
    &delimited::Delimited,
];

/// The form of a file; none where it is no list.
pub(super) fn format_of(file: &ListFile) -> Option<&'static dyn ListFormat> {
    FORMATS
        .iter()
        .copied()
        .find(|format| format.recognises(file))
}
