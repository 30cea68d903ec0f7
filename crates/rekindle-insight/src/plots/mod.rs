//! A run in pictures: how it went, and what its best epoch takes for what.
//!
//! Owns which plot a task has, and the files in the run's directory. A plot is a function of what run.json says, drawn as SVG by
//! `plotters`; `picture.rs` makes a PNG of it. For a page, the SVG is there: [`curves_svg`], [`outcome_svg`].

pub(crate) mod canvas;
mod confusion;
mod curves;
mod dots;
mod labels;
mod lr_find;
mod numbers;
mod picture;

use std::io::Cursor;
use std::path::{Path, PathBuf};

use rekindle_augment::RgbImage;
use rekindle_data::TaskReport;
use rekindle_model::{FileError, write_often};

use crate::InsightError;
pub use crate::source::RunRecord;
pub use confusion::confusion_svg;
pub use curves::curves_svg;
pub use dots::{Dots, dots_svg};
pub use labels::labels_svg;
pub use lr_find::lr_find_svg;
pub use numbers::numbers_svg;

/// The name of the file of the curves in a run's directory.
pub const CURVES: &str = "curves.png";
/// The name of the file of what the best epoch takes for what.
pub const OUTCOME: &str = "confusion.png";

/// What the best epoch takes for what: a confusion matrix of classes, bars of labels, predicted against true numbers. None before
/// anything was measured.
///
/// # Errors
///
/// [`InsightError::Plot`].
pub fn outcome_svg(run: &RunRecord) -> Result<Option<String>, InsightError> {
    match &run.validation {
        Some(TaskReport::Classification(report)) => confusion_svg(report, &run.classes),
        Some(TaskReport::Ordinal(report)) => confusion_svg(&report.levels, &run.classes),
        Some(TaskReport::Multilabel(report)) => labels_svg(report, &run.classes),
        Some(TaskReport::Regression(report)) => numbers_svg(report, &run.classes),
        None => Ok(None),
    }
}

/// A plot in pixels. Letters other than Latin, Greek and Cyrillic ones are of the system's fonts.
///
/// # Errors
///
/// [`InsightError::Plot`].
pub fn pixels(svg: &str) -> Result<RgbImage, InsightError> {
    picture::pixels(svg)
}

/// Writes the pictures of a run into its directory, and gives the files: [`CURVES`], and [`OUTCOME`] where `finished`.
///
/// # Errors
///
/// The directory holds no run, a plot cannot be drawn, or a file not be written.
pub fn write_plots(directory: &Path, finished: bool) -> Result<Vec<PathBuf>, InsightError> {
    let run = RunRecord::load(directory)?;
    let outcome = match finished {
        true => outcome_svg(&run)?,
        false => None,
    };
    let mut written = Vec::new();
    for (name, svg) in [(CURVES, curves_svg(&run)?), (OUTCOME, outcome)] {
        let Some(svg) = svg else { continue };
        let path = directory.join(name);
        write(&pixels(&svg)?, &path)?;
        written.push(path);
    }
    Ok(written)
}

/// Writes a plot as `NAME.svg` and `NAME.png` into a folder, which is made where it is missing, and gives the files.
///
/// # Errors
///
/// It cannot be drawn, or a file not be written.
pub fn write_svg_and_png(
    svg: &str,
    folder: &Path,
    name: &str,
) -> Result<Vec<PathBuf>, InsightError> {
    let [vectors, dots] = ["svg", "png"].map(|ending| folder.join(format!("{name}.{ending}")));
    let failed = |source| InsightError::WriteSheet {
        path: vectors.clone(),
        source,
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    std::fs::write(&vectors, svg).map_err(failed)?;
    write(&pixels(svg)?, &dots)?;
    Ok(vec![vectors, dots])
}

fn write(image: &RgbImage, path: &Path) -> Result<(), InsightError> {
    let failed = |source| InsightError::WriteSheet {
        path: path.into(),
        source,
    };
    let bytes = png(image)?;
    write_often(path, &bytes).map_err(|error| match error {
        FileError::Write { source, .. } => failed(source),
        other => InsightError::Model(other.into()),
    })
}

/// The bytes of a picture's PNG file.
///
/// # Errors
///
/// [`InsightError::Plot`] for a picture without pixels.
pub fn png(image: &RgbImage) -> Result<Vec<u8>, InsightError> {
    let mut bytes = Vec::new();
    let written = image.write_to(&mut Cursor::new(&mut bytes), image::ImageFormat::Png);
    written.map_err(|error| InsightError::Plot {
        reason: error.to_string(),
    })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
